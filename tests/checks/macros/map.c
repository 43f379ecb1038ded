/* SPDX-License-Identifier: MIT */
#define KEEL_MAP_NAME keel_check_ids
#define KEEL_MAP_KEY int64_t
#define KEEL_MAP_VALUE const char *
#define KEEL_MAP_HASH keel_hash_i64
#define KEEL_MAP_EQ keel_eq_i64
#include <keel/map.h>

#define KEEL_MAP_NAME keel_check_counts
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int
#define KEEL_MAP_VALUE_EQ(a, b) ((a) == (b))
#include <keel/map.h>

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

#define KEEL_MAP_NAME keel_check_texts
#define KEEL_MAP_KEY char *
#define KEEL_MAP_VALUE char *
#define KEEL_MAP_HASH keel_hash_cstr
#define KEEL_MAP_EQ keel_eq_cstr
#define KEEL_MAP_CACHE_HASH
#define KEEL_MAP_KEY_FREE keel_check_free
#define KEEL_MAP_KEY_COPY keel_check_copy
#define KEEL_MAP_VALUE_FREE keel_check_free
#define KEEL_MAP_VALUE_COPY keel_check_copy
#include <keel/map.h>

typedef struct keel_check_big {
    char bytes[200];
} keel_check_big;

#define KEEL_MAP_NAME keel_check_bigs
#define KEEL_MAP_BORROWED_KEYS
#define KEEL_MAP_VALUE keel_check_big
#define KEEL_MAP_DECLARE
#include <keel/map.h>
#define KEEL_MAP_NAME keel_check_bigs
#define KEEL_MAP_BORROWED_KEYS
#define KEEL_MAP_VALUE keel_check_big
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>
