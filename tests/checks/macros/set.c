/* SPDX-License-Identifier: MIT */
#define KEEL_SET_NAME keel_check_ids
#define KEEL_SET_KEY int64_t
#define KEEL_SET_HASH keel_hash_i64
#define KEEL_SET_EQ keel_eq_i64
#include <keel/set.h>

#define KEEL_SET_NAME keel_check_words
#define KEEL_SET_STR_KEYS
#include <keel/set.h>

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

#define KEEL_SET_NAME keel_check_texts
#define KEEL_SET_KEY char *
#define KEEL_SET_HASH keel_hash_cstr
#define KEEL_SET_EQ keel_eq_cstr
#define KEEL_SET_CACHE_HASH
#define KEEL_SET_KEY_FREE keel_check_free
#define KEEL_SET_KEY_COPY keel_check_copy
#include <keel/set.h>

#define KEEL_SET_NAME keel_check_names
#define KEEL_SET_BORROWED_KEYS
#define KEEL_SET_DECLARE
#include <keel/set.h>
#define KEEL_SET_NAME keel_check_names
#define KEEL_SET_BORROWED_KEYS
#define KEEL_SET_IMPLEMENT
#include <keel/set.h>
