/* SPDX-License-Identifier: MIT */
#define KEEL_DEQUE_NAME keel_check_ints
#define KEEL_DEQUE_ITEM int
#include <keel/deque.h>

static inline void keel_check_free(char **item)
{
    keel_mem_free(*item);
}

static inline keel_err *keel_check_copy(char **to, char *const *from)
{
    *to = (char *)keel_mem_alloc(strlen(*from) + 1);
    if (*to == NULL)
        return KEEL_ERR_NOMEM;
    strcpy(*to, *from);
    return NULL;
}

#define KEEL_DEQUE_NAME keel_check_texts
#define KEEL_DEQUE_ITEM char *
#define KEEL_DEQUE_EQ(a, b) (strcmp(a, b) == 0)
#define KEEL_DEQUE_ITEM_FREE keel_check_free
#define KEEL_DEQUE_ITEM_COPY keel_check_copy
#include <keel/deque.h>

typedef struct keel_check_big {
    char bytes[200];
} keel_check_big;

#define KEEL_DEQUE_NAME keel_check_bigs
#define KEEL_DEQUE_ITEM keel_check_big
#define KEEL_DEQUE_DECLARE
#include <keel/deque.h>
#define KEEL_DEQUE_NAME keel_check_bigs
#define KEEL_DEQUE_ITEM keel_check_big
#define KEEL_DEQUE_IMPLEMENT
#include <keel/deque.h>
