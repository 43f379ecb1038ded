/* SPDX-License-Identifier: MIT */
#define KEEL_LRU_NAME keel_check_texts
#define KEEL_LRU_STR_KEYS
#define KEEL_LRU_VALUE int
#define KEEL_LRU_DECLARE
#include <keel/lru.h>
#define KEEL_LRU_NAME keel_check_texts
#define KEEL_LRU_STR_KEYS
#define KEEL_LRU_VALUE int
#define KEEL_LRU_IMPLEMENT
#include <keel/lru.h>

typedef struct keel_check_point {
    int x, y;
} keel_check_point;

static inline uint64_t keel_check_hash(keel_check_point p)
{
    return keel_hash_combine(keel_hash_i32(p.x), keel_hash_i32(p.y));
}

static inline bool keel_check_eq(keel_check_point a, keel_check_point b)
{
    return a.x == b.x && a.y == b.y;
}

static inline void keel_check_key_free(keel_check_point *key)
{
    (void)key;
}

static inline void keel_check_free(char **value)
{
    keel_mem_free(*value);
}

#define KEEL_LRU_NAME keel_check_points
#define KEEL_LRU_KEY keel_check_point
#define KEEL_LRU_VALUE char *
#define KEEL_LRU_HASH keel_check_hash
#define KEEL_LRU_EQ keel_check_eq
#define KEEL_LRU_KEY_FREE keel_check_key_free
#define KEEL_LRU_VALUE_FREE keel_check_free
#define KEEL_LRU_WEIGHT(key, value) strlen(value)
#define KEEL_LRU_CACHE_HASH
#include <keel/lru.h>

#define KEEL_LRU_NAME keel_check_borrowed
#define KEEL_LRU_BORROWED_KEYS
#define KEEL_LRU_VALUE int
#include <keel/lru.h>

static inline void keel_check_dropped(keel_str key, int *value, keel_lru_why why, void *arg)
{
    (void)key;
    (void)arg;
    *value = why == KEEL_LRU_FULL ? 1 : why == KEEL_LRU_EXPIRED ? 2 : KEEL_LRU_CAPACITY;
}

void keel_check_use(void);
void keel_check_use(void)
{
    keel_check_texts_opts opts;
    keel_check_texts texts;

    memset(&opts, 0, sizeof opts);
    opts.dropped = keel_check_dropped;
    keel_err_free(keel_check_texts_init(&texts, &opts));
    keel_check_texts_deinit(&texts);
}

/* It leaves no parameter of its map behind. */
#if defined(KEEL_MAP_NAME) || defined(KEEL_MAP_KEY) || defined(KEEL_MAP_VALUE) ||                  \
    defined(KEEL_MAP_HASH) || defined(KEEL_MAP_EQ) || defined(KEEL_MAP_STR_KEYS) ||                \
    defined(KEEL_MAP_BORROWED_KEYS) || defined(KEEL_MAP_CACHE_HASH) ||                             \
    defined(KEEL_MAP_KEY_FREE) || defined(KEEL_MAP_DECLARE) || defined(KEEL_MAP_IMPLEMENT)
#error "a parameter of <keel/map.h>"
#endif
