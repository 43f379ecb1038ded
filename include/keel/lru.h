/* SPDX-License-Identifier: MIT */

/**
 * A bounded cache: a map that drops what was not used for the longest time when it is full, and, with a
 * clock, what is too old. A template: see <keel/template.h>.
 *
 *     #define KEEL_LRU_NAME sessions
 *     #define KEEL_LRU_KEY int64_t
 *     #define KEEL_LRU_VALUE session *
 *     #define KEEL_LRU_HASH keel_hash_i64     // as in <keel/map.h>
 *     #define KEEL_LRU_EQ keel_eq_i64
 *     #define KEEL_LRU_VALUE_FREE session_free
 *     #include <keel/lru.h>
 *
 *     KEEL_TRY(sessions_init(&cache, &(sessions_opts){ .capacity = 10000,
 *                                                      .clock = keel_clock_system(),
 *                                                      .ttl_ns = KEEL_MIN(30) }));
 *     session **found = sessions_get(&cache, id);
 *
 * In place of KEEL_LRU_KEY, _HASH and _EQ: KEEL_LRU_STR_KEYS, keel_str copied by the cache, or
 * KEEL_LRU_BORROWED_KEYS, keel_str whose bytes live until the item is gone.
 *
 * Optional parameters, functions or macros:
 *     KEEL_LRU_KEY_FREE    void (KEY *key), KEEL_LRU_VALUE_FREE: void (VALUE *value): what is called for
 *                          all that leaves the cache and is not handed out.
 *     KEEL_LRU_WEIGHT      size_t (KEY key, VALUE value): how much an item counts against the capacity, at
 *                          least 1. Asked once, at put. Without it each counts 1.
 *     KEEL_LRU_CACHE_HASH  As KEEL_MAP_CACHE_HASH, for keys that are slow to hash or compare.
 *
 * A zeroed struct is an empty cache without a clock, of KEEL_LRU_CAPACITY. Memory grows with the items held
 * and is kept for new ones; a full cache allocates only copies of keys, and now and then a map like the one
 * it has. Pointers to values live until the next call that is not peek.
 *
 * Cost: O(1), unless it says otherwise; with a clock, reading it. Threads: one at a time, get included.
 */

#include <string.h>

#include <keel/clock.h>
#include <keel/err.h>
#include <keel/template.h>

#ifndef KEEL_LRU_H
#define KEEL_LRU_H

KEEL_BEGIN_DECLS

/** What a cache holds unless its options say something else. */
#define KEEL_LRU_CAPACITY 1024

/** Why an item was dropped. */
typedef enum keel_lru_why {
    KEEL_LRU_FULL = 1, /**< To make room, or it was heavier than the whole cache may be. */
    KEEL_LRU_EXPIRED,
} keel_lru_why;

/** What happened since the cache was empty and new. */
typedef struct keel_lru_stats {
    uint64_t hits, misses; /**< Of get. */
    uint64_t evictions;    /**< Dropped as KEEL_LRU_FULL. */
    uint64_t expirations;  /**< Dropped as KEEL_LRU_EXPIRED. */
} keel_lru_stats;

/* A place in a ring of nodes; the ring's ends meet at node 0, which holds no item. */
typedef struct keel__lru_links {
    uint32_t next, prev;
} keel__lru_links;

/* The rings: the items that were used last, and those that were put last, come first. */
enum { KEEL__LRU_USED, KEEL__LRU_PUT, KEEL__LRU_RINGS };

KEEL_END_DECLS

#endif /* KEEL_LRU_H */

#if !defined(KEEL_LRU_NAME) || !defined(KEEL_LRU_VALUE)
#error "before <keel/lru.h>: #define KEEL_LRU_NAME sessions, then #define KEEL_LRU_VALUE session *"
#endif
#if defined(KEEL_LRU_STR_KEYS) || defined(KEEL_LRU_BORROWED_KEYS)
#if defined(KEEL_LRU_KEY) || defined(KEEL_LRU_HASH) || defined(KEEL_LRU_EQ) ||                     \
    defined(KEEL_LRU_KEY_FREE)
#error "<keel/lru.h>: a cache with string keys has no KEEL_LRU_KEY, _HASH, _EQ, _KEY_FREE"
#endif
#else
#if !defined(KEEL_LRU_KEY)
#error "before <keel/lru.h>: #define KEEL_LRU_KEY int64_t, or #define KEEL_LRU_STR_KEYS"
#endif
#if !defined(KEEL_LRU_HASH) || !defined(KEEL_LRU_EQ)
#error "and #define KEEL_LRU_HASH keel_hash_i64, then #define KEEL_LRU_EQ keel_eq_i64"
#endif
#endif
#if defined(KEEL_LRU_DECLARE) && defined(KEEL_LRU_IMPLEMENT)
#error "<keel/lru.h>: KEEL_LRU_DECLARE is for the header, KEEL_LRU_IMPLEMENT for one .c"
#endif

#define KEEL__LRU KEEL_LRU_NAME
#define KEEL__LRU_(verb) KEEL__JOIN(KEEL_LRU_NAME, verb)
#define KEEL__LRU_ITER KEEL__LRU_(iter)
#define KEEL__LRU_OPTS KEEL__LRU_(opts)
#define KEEL__LRU_NODE KEEL__LRU_(keel__node)
#define KEEL__LRU_MAP KEEL__LRU_(keel__map)
#define KEEL__LRU_MAP_(verb) KEEL__JOIN(KEEL__LRU_MAP, verb)
#ifdef KEEL_LRU_KEY
#define KEEL__LRU_KEY KEEL_LRU_KEY
#else
#define KEEL__LRU_KEY keel_str
#endif
#if defined(KEEL_LRU_DECLARE) || defined(KEEL_LRU_IMPLEMENT)
#define KEEL__LRU_FN
#else
#define KEEL__LRU_FN static inline
#endif

/* ---- The map, from keys to the numbers of nodes ---- */

#define KEEL_MAP_NAME KEEL__LRU_MAP
#define KEEL_MAP_VALUE uint32_t
#if defined(KEEL_LRU_STR_KEYS)
#define KEEL_MAP_STR_KEYS
#elif defined(KEEL_LRU_BORROWED_KEYS)
#define KEEL_MAP_BORROWED_KEYS
#else
#define KEEL_MAP_KEY KEEL_LRU_KEY
#define KEEL_MAP_HASH KEEL_LRU_HASH
#define KEEL_MAP_EQ KEEL_LRU_EQ
#ifdef KEEL_LRU_KEY_FREE
#define KEEL_MAP_KEY_FREE KEEL_LRU_KEY_FREE
#endif
#ifdef KEEL_LRU_CACHE_HASH
#define KEEL_MAP_CACHE_HASH
#endif
#endif
#ifdef KEEL_LRU_DECLARE
#define KEEL_MAP_DECLARE
#endif
#ifdef KEEL_LRU_IMPLEMENT
#define KEEL_MAP_IMPLEMENT
#endif
#include <keel/map.h>

KEEL_BEGIN_DECLS

#ifndef KEEL_LRU_IMPLEMENT

typedef struct KEEL__LRU_OPTS {
    /** Items, or the sum of their weights, that it holds at most. 0: KEEL_LRU_CAPACITY. */
    size_t capacity;
    /** By which items expire, ttl_ns after their put. NULL: none does. Must live as long as the cache. */
    keel_clock *clock;
    int64_t ttl_ns;
    /**
     * Called with each item that is dropped to make room or as expired, before it is freed; it may take
     * the value's content over. Not for what remove, clear, deinit or a put of the same key do away with.
     *
     * Runs on: the caller of put, get, remove or purge. It must not use the cache.
     */
    void (*dropped)(KEEL__LRU_KEY key, KEEL_LRU_VALUE *value, keel_lru_why why, void *arg);
    void *arg;
} KEEL__LRU_OPTS;

typedef struct KEEL__LRU_NODE {
    keel__lru_links links[KEEL__LRU_RINGS]; /* in a free one: next in the first, or 0 */
    int64_t expires_ns;
#ifdef KEEL_LRU_WEIGHT
    size_t weight;
#endif
    KEEL__LRU_KEY key; /* the map's, which owns it */
    KEEL_LRU_VALUE value;
} KEEL__LRU_NODE;

typedef struct KEEL__LRU {
    size_t len;    /**< Items held, expired ones that were not yet dropped among them. */
    size_t weight; /**< The sum of their weights; `len` without KEEL_LRU_WEIGHT. */
    keel_lru_stats stats;
    KEEL__LRU_OPTS keel__opts;
    KEEL__LRU_MAP keel__map;
    KEEL__LRU_NODE *keel__nodes;
    uint32_t keel__cap, keel__begun,
        keel__free; /* begun: how many nodes were ever in use; free: a list */
    size_t keel__changes;
} KEEL__LRU;

typedef struct KEEL__LRU_ITER {
    KEEL__LRU_KEY key;     /**< The current one, after next said true. */
    KEEL_LRU_VALUE *value; /**< Its value, which may be changed. */
    const KEEL__LRU *keel__of;
    int64_t keel__now_ns;
    uint32_t keel__next;
    size_t keel__changes;
} KEEL__LRU_ITER;

/**
 * Makes an empty cache. With no options nobody needs it: a zeroed struct is the same.
 *
 * Errors: KEEL_ERR_INVAL if there is a clock and ttl_ns is not positive, or ttl_ns and no clock.
 */
KEEL_NODISCARD KEEL__LRU_FN keel_err *KEEL__LRU_(init)(KEEL__LRU *lru, const KEEL__LRU_OPTS *opts);

/** Frees the items and the memory. The cache is empty afterwards and can be used again. Cost: O(n). */
KEEL__LRU_FN void KEEL__LRU_(deinit)(KEEL__LRU *lru);

/** Frees the items and keeps the memory. Cost: O(n). */
KEEL__LRU_FN void KEEL__LRU_(clear)(KEEL__LRU *lru);

/** The value of a key, which is now the last used, or NULL. */
KEEL__LRU_FN KEEL_LRU_VALUE *KEEL__LRU_(get)(KEEL__LRU *lru, KEEL__LRU_KEY key);

/** The same without a trace: neither order nor statistics change. */
KEEL__LRU_FN KEEL_LRU_VALUE *KEEL__LRU_(peek)(const KEEL__LRU *lru, KEEL__LRU_KEY key);

/**
 * Sets the value of a key, which is now the last used, and whose time starts anew. A value it had is freed.
 * If there is no room, expired items go first, the longest unused next. An item that is heavier than the
 * capacity is dropped at once, and so is what its key had.
 *
 * Owns: gives key and value to the cache; after an error they are still the caller's. A key that it has
 *       already is freed.
 */
KEEL_NODISCARD KEEL__LRU_FN keel_err *KEEL__LRU_(put)(KEEL__LRU *lru, KEEL__LRU_KEY key,
                                                      KEEL_LRU_VALUE value);

/** Takes an item out, its value into `*out`, or frees the value where that is NULL. The key is freed.
 * False: there is none. */
KEEL__LRU_FN bool KEEL__LRU_(remove)(KEEL__LRU *lru, KEEL__LRU_KEY key, KEEL_LRU_VALUE *out);

/** Drops what has expired, and says how many. For memory only: nothing returns an expired item.
 * Cost: O(1) for each of them. */
KEEL__LRU_FN size_t KEEL__LRU_(purge)(KEEL__LRU *lru);

/** An iterator before the item that was used last. */
KEEL__LRU_FN KEEL__LRU_ITER KEEL__LRU_(each)(const KEEL__LRU *lru);

/** Goes on to the next item, at `it->key` and `it->value`, used before the one before it. False: that was
 * the last. What expired before `each` is passed over. */
KEEL__LRU_FN bool KEEL__LRU_(next)(KEEL__LRU_ITER *it);

#endif /* KEEL_LRU_IMPLEMENT */

#ifndef KEEL_LRU_DECLARE

/* ---- Rings ---- */

/* Takes a node out of a ring. */
static inline void KEEL__LRU_(keel__unlink)(KEEL__LRU *lru, uint32_t node, int ring)
{
    const keel__lru_links links = lru->keel__nodes[node].links[ring];

    lru->keel__nodes[links.prev].links[ring].next = links.next;
    lru->keel__nodes[links.next].links[ring].prev = links.prev;
}

/* Makes a node, which is in no ring, the first of one. */
static inline void KEEL__LRU_(keel__link)(KEEL__LRU *lru, uint32_t node, int ring)
{
    keel__lru_links *ends = &lru->keel__nodes[0].links[ring];
    keel__lru_links *links = &lru->keel__nodes[node].links[ring];

    links->prev = 0;
    links->next = ends->next;
    lru->keel__nodes[ends->next].links[ring].prev = node; /* which may be `ends` */
    ends->next = node;
}

static inline void KEEL__LRU_(keel__reset)(KEEL__LRU *lru)
{
    if (lru->keel__nodes != NULL)
        memset(lru->keel__nodes[0].links, 0, sizeof lru->keel__nodes[0].links);
    lru->keel__begun = 1;
    lru->keel__free = 0;
    lru->len = lru->weight = 0;
    lru->keel__changes++;
}

/* ---- Nodes ---- */

static inline size_t KEEL__LRU_(keel__capacity)(const KEEL__LRU *lru)
{
    return lru->keel__opts.capacity != 0 ? lru->keel__opts.capacity : KEEL_LRU_CAPACITY;
}

static inline size_t KEEL__LRU_(keel__weight)(const KEEL__LRU_NODE *node)
{
#ifdef KEEL_LRU_WEIGHT
    return node->weight;
#else
    (void)node;
    return 1;
#endif
}

static inline void KEEL__LRU_(keel__free_value)(KEEL_LRU_VALUE *value)
{
#ifdef KEEL_LRU_VALUE_FREE
    KEEL_LRU_VALUE_FREE(value);
#else
    (void)value;
#endif
}

/* A node that is in no ring, or 0. */
static inline uint32_t KEEL__LRU_(keel__take_node)(KEEL__LRU *lru)
{
    uint32_t node = lru->keel__free;

    if (node != 0) {
        lru->keel__free = lru->keel__nodes[node].links[0].next;
        return node;
    }
    if (lru->keel__cap == 0 || lru->keel__begun == lru->keel__cap) {
        const size_t capacity = KEEL__LRU_(keel__capacity)(lru);
        const size_t most = capacity < UINT32_MAX ? capacity + 1 : UINT32_MAX; /* with node 0 */
        size_t cap =
            keel__grown(lru->keel__cap, (size_t)lru->keel__cap + 2, sizeof(KEEL__LRU_NODE));
        if (cap > most)
            cap = most;
        if (cap <= lru->keel__cap)
            return 0;
        KEEL__LRU_NODE *nodes =
            (KEEL__LRU_NODE *)keel_mem_realloc(lru->keel__nodes, cap * sizeof(KEEL__LRU_NODE));
        if (nodes == NULL)
            return 0;
        lru->keel__nodes = nodes;
        if (lru->keel__cap == 0)
            KEEL__LRU_(keel__reset)(lru);
        lru->keel__cap = (uint32_t)cap;
    }
    return lru->keel__begun++;
}

/* Takes a node's item out of the cache, but neither of the map nor to be freed. */
static inline void KEEL__LRU_(keel__forget)(KEEL__LRU *lru, uint32_t node)
{
    for (int ring = 0; ring < KEEL__LRU_RINGS; ring++)
        KEEL__LRU_(keel__unlink)(lru, node, ring);
    lru->len--;
    lru->weight -= KEEL__LRU_(keel__weight)(&lru->keel__nodes[node]);
    lru->keel__changes++;
    lru->keel__nodes[node].links[0].next = lru->keel__free;
    lru->keel__free = node;
}

static inline void KEEL__LRU_(keel__drop)(KEEL__LRU *lru, uint32_t node, keel_lru_why why)
{
    KEEL__LRU_NODE *of = &lru->keel__nodes[node];

    if (why == KEEL_LRU_EXPIRED)
        lru->stats.expirations++;
    else
        lru->stats.evictions++;
    KEEL__LRU_(keel__forget)(lru, node);
    if (lru->keel__opts.dropped != NULL)
        lru->keel__opts.dropped(of->key, &of->value, why, lru->keel__opts.arg);
    KEEL__LRU_MAP_(remove)(&lru->keel__map, of->key, NULL);
    KEEL__LRU_(keel__free_value)(&of->value);
}

/* ---- Time ---- */

/* What the clock shows; without one, a time at which nothing has expired. */
static inline int64_t KEEL__LRU_(keel__now)(const KEEL__LRU *lru)
{
    return lru->keel__opts.clock != NULL ? keel_clock_now(lru->keel__opts.clock) : INT64_MIN;
}

static inline bool KEEL__LRU_(keel__expired)(const KEEL__LRU *lru, uint32_t node, int64_t now_ns)
{
    return lru->keel__nodes[node].expires_ns <= now_ns;
}

/* Makes room for an item of this weight, which is at most the capacity. */
static inline void KEEL__LRU_(keel__make_room)(KEEL__LRU *lru, size_t weight, int64_t now_ns)
{
    while (weight > KEEL__LRU_(keel__capacity)(lru) - lru->weight) {
        const uint32_t oldest = lru->keel__nodes[0].links[KEEL__LRU_PUT].prev;

        if (KEEL__LRU_(keel__expired)(lru, oldest, now_ns))
            KEEL__LRU_(keel__drop)(lru, oldest, KEEL_LRU_EXPIRED);
        else
            KEEL__LRU_(keel__drop)
        (lru, lru->keel__nodes[0].links[KEEL__LRU_USED].prev, KEEL_LRU_FULL);
    }
}

/* ---- What users call ---- */

KEEL__LRU_FN keel_err *KEEL__LRU_(init)(KEEL__LRU *lru, const KEEL__LRU_OPTS *opts)
{
    memset(lru, 0, sizeof *lru);
    if (opts == NULL)
        return NULL;
    if (opts->clock != NULL ? opts->ttl_ns <= 0 : opts->ttl_ns != 0)
        return keel_err_wrap(KEEL_ERR_INVAL, "%s_init: %s", KEEL__STRING(KEEL__LRU),
                             opts->clock != NULL ? "ttl_ns is not positive"
                                                 : "ttl_ns without a clock");
    lru->keel__opts = *opts;
    return NULL;
}

KEEL__LRU_FN void KEEL__LRU_(clear)(KEEL__LRU *lru)
{
#ifdef KEEL_LRU_VALUE_FREE
    for (uint32_t node = lru->len > 0 ? lru->keel__nodes[0].links[0].next : 0; node != 0;
         node = lru->keel__nodes[node].links[0].next)
        KEEL_LRU_VALUE_FREE(&lru->keel__nodes[node].value);
#endif
    KEEL__LRU_MAP_(clear)(&lru->keel__map);
    KEEL__LRU_(keel__reset)(lru);
}

KEEL__LRU_FN void KEEL__LRU_(deinit)(KEEL__LRU *lru)
{
    if (lru == NULL)
        return;
    KEEL__LRU_(clear)(lru);
    KEEL__LRU_MAP_(deinit)(&lru->keel__map);
    keel_mem_free(lru->keel__nodes);
    lru->keel__nodes = NULL;
    lru->keel__cap = 0;
}

KEEL__LRU_FN KEEL_LRU_VALUE *KEEL__LRU_(get)(KEEL__LRU *lru, KEEL__LRU_KEY key)
{
    const uint32_t *node = KEEL__LRU_MAP_(get)(&lru->keel__map, key);

    if (node != NULL && KEEL__LRU_(keel__expired)(lru, *node, KEEL__LRU_(keel__now)(lru))) {
        KEEL__LRU_(keel__drop)(lru, *node, KEEL_LRU_EXPIRED);
        node = NULL;
    }
    if (node == NULL) {
        lru->stats.misses++;
        return NULL;
    }
    lru->stats.hits++;
    lru->keel__changes++;
    KEEL__LRU_(keel__unlink)(lru, *node, KEEL__LRU_USED);
    KEEL__LRU_(keel__link)(lru, *node, KEEL__LRU_USED);
    return &lru->keel__nodes[*node].value;
}

KEEL__LRU_FN KEEL_LRU_VALUE *KEEL__LRU_(peek)(const KEEL__LRU *lru, KEEL__LRU_KEY key)
{
    const uint32_t *node = KEEL__LRU_MAP_(get)(&lru->keel__map, key);

    if (node == NULL || KEEL__LRU_(keel__expired)(lru, *node, KEEL__LRU_(keel__now)(lru)))
        return NULL;
    return &lru->keel__nodes[*node].value;
}

/* Takes the item of a key out, its value into `*out`, or frees it where that is NULL. */
static inline void KEEL__LRU_(keel__erase)(KEEL__LRU *lru, KEEL__LRU_KEY key, uint32_t node,
                                           KEEL_LRU_VALUE *out)
{
    KEEL__LRU_(keel__forget)(lru, node);
    KEEL__LRU_MAP_(remove)(&lru->keel__map, key, NULL);
    if (out != NULL)
        *out = lru->keel__nodes[node].value;
    else
        KEEL__LRU_(keel__free_value)(&lru->keel__nodes[node].value);
}

#ifdef KEEL_LRU_WEIGHT
/* An item that is heavier than the cache may be. */
static inline void KEEL__LRU_(keel__refuse)(KEEL__LRU *lru, KEEL__LRU_KEY key, KEEL_LRU_VALUE value)
{
    lru->stats.evictions++;
    if (lru->keel__opts.dropped != NULL)
        lru->keel__opts.dropped(key, &value, KEEL_LRU_FULL, lru->keel__opts.arg);
    const uint32_t *held = KEEL__LRU_MAP_(get)(&lru->keel__map, key);
    if (held != NULL) { /* it may be handed the key and value that it has */
        const KEEL__LRU_NODE old = lru->keel__nodes[*held];
        KEEL_LRU_VALUE dropped;

#ifdef KEEL_LRU_KEY_FREE
        if (memcmp(&key, &old.key, sizeof key) != 0)
            KEEL_LRU_KEY_FREE(&key);
#endif
        KEEL__LRU_(keel__erase)(lru, old.key, *held, &dropped);
        if (memcmp(&value, &old.value, sizeof value) != 0)
            KEEL__LRU_(keel__free_value)(&dropped);
        KEEL__LRU_(keel__free_value)(&value);
        return;
    }
#ifdef KEEL_LRU_KEY_FREE
    KEEL_LRU_KEY_FREE(&key);
#endif
    KEEL__LRU_(keel__free_value)(&value);
}
#endif

KEEL__LRU_FN keel_err *KEEL__LRU_(put)(KEEL__LRU *lru, KEEL__LRU_KEY key, KEEL_LRU_VALUE value)
{
    const int64_t now_ns = KEEL__LRU_(keel__now)(lru);
    size_t weight = 1;
    bool added;

#ifdef KEEL_LRU_WEIGHT
    weight = KEEL_LRU_WEIGHT(key, value);
    if (weight == 0)
        weight = 1;
    if (weight > KEEL__LRU_(keel__capacity)(lru)) {
        KEEL__LRU_(keel__refuse)(lru, key, value);
        return NULL;
    }
#endif
    KEEL__JOIN(KEEL__LRU_MAP, keel__slot) *slot =
        KEEL__LRU_MAP_(keel__claim)(&lru->keel__map, key, &added);
    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    if (!added) { /* it leaves, and comes again as a new one */
        KEEL__LRU_(keel__forget)(lru, slot->value);
        if (memcmp(&value, &lru->keel__nodes[slot->value].value, sizeof value) != 0)
            KEEL__LRU_(keel__free_value)(&lru->keel__nodes[slot->value].value);
    }
    KEEL__LRU_(keel__make_room)(lru, weight, now_ns);
    const uint32_t number = KEEL__LRU_(keel__take_node)(lru);
    if (number ==
        0) { /* nothing was dropped then, or there would be one: all is as it was but for the key */
        KEEL__LRU_MAP_(keel__vacate)(&lru->keel__map, slot);
#ifdef KEEL_LRU_STR_KEYS
        KEEL__LRU_MAP_(keel__free_key)(slot);
#endif
        return KEEL_ERR_NOMEM;
    }
    slot->value = number;
    KEEL__LRU_NODE *node = &lru->keel__nodes[number];
    node->key = KEEL__LRU_MAP_(keel__slot_key)(slot);
    node->value = value;
    node->expires_ns = INT64_MAX;
    if (lru->keel__opts.clock != NULL && now_ns < INT64_MAX - lru->keel__opts.ttl_ns)
        node->expires_ns = now_ns + lru->keel__opts.ttl_ns;
#ifdef KEEL_LRU_WEIGHT
    node->weight = weight;
#endif
    for (int ring = 0; ring < KEEL__LRU_RINGS; ring++)
        KEEL__LRU_(keel__link)(lru, number, ring);
    lru->len++;
    lru->weight += weight;
    lru->keel__changes++;
    return NULL;
}

KEEL__LRU_FN bool KEEL__LRU_(remove)(KEEL__LRU *lru, KEEL__LRU_KEY key, KEEL_LRU_VALUE *out)
{
    const uint32_t *node = KEEL__LRU_MAP_(get)(&lru->keel__map, key);

    if (node == NULL)
        return false;
    if (KEEL__LRU_(keel__expired)(lru, *node, KEEL__LRU_(keel__now)(lru))) {
        KEEL__LRU_(keel__drop)(lru, *node, KEEL_LRU_EXPIRED);
        return false;
    }
    KEEL__LRU_(keel__erase)(lru, key, *node, out);
    return true;
}

KEEL__LRU_FN size_t KEEL__LRU_(purge)(KEEL__LRU *lru)
{
    const int64_t now_ns = KEEL__LRU_(keel__now)(lru);
    size_t dropped = 0;

    for (; lru->len > 0; dropped++) {
        const uint32_t oldest = lru->keel__nodes[0].links[KEEL__LRU_PUT].prev;
        if (!KEEL__LRU_(keel__expired)(lru, oldest, now_ns))
            break;
        KEEL__LRU_(keel__drop)(lru, oldest, KEEL_LRU_EXPIRED);
    }
    return dropped;
}

KEEL__LRU_FN KEEL__LRU_ITER KEEL__LRU_(each)(const KEEL__LRU *lru)
{
    KEEL__LRU_ITER it;

    memset(&it, 0, sizeof it);
    it.keel__of = lru;
    it.keel__changes = lru->keel__changes;
    it.keel__now_ns = KEEL__LRU_(keel__now)(lru);
    it.keel__next = lru->len > 0 ? lru->keel__nodes[0].links[KEEL__LRU_USED].next : 0;
    return it;
}

KEEL__LRU_FN bool KEEL__LRU_(next)(KEEL__LRU_ITER *it)
{
    const KEEL__LRU *lru = it->keel__of;

    KEEL__UNCHANGED(it->keel__changes, lru->keel__changes, KEEL__STRING(KEEL__LRU));
    while (it->keel__next != 0) {
        KEEL__LRU_NODE *node = &lru->keel__nodes[it->keel__next];
        const bool expired = KEEL__LRU_(keel__expired)(lru, it->keel__next, it->keel__now_ns);

        it->keel__next = node->links[KEEL__LRU_USED].next;
        if (!expired) {
            it->key = node->key;
            it->value = &node->value;
            return true;
        }
    }
    return false;
}

#endif /* KEEL_LRU_DECLARE */

KEEL_END_DECLS

#undef KEEL__LRU
#undef KEEL__LRU_
#undef KEEL__LRU_ITER
#undef KEEL__LRU_OPTS
#undef KEEL__LRU_NODE
#undef KEEL__LRU_MAP
#undef KEEL__LRU_MAP_
#undef KEEL__LRU_KEY
#undef KEEL__LRU_FN
#undef KEEL_LRU_NAME
#undef KEEL_LRU_KEY
#undef KEEL_LRU_VALUE
#undef KEEL_LRU_HASH
#undef KEEL_LRU_EQ
#undef KEEL_LRU_STR_KEYS
#undef KEEL_LRU_BORROWED_KEYS
#undef KEEL_LRU_KEY_FREE
#undef KEEL_LRU_VALUE_FREE
#undef KEEL_LRU_WEIGHT
#undef KEEL_LRU_CACHE_HASH
#undef KEEL_LRU_DECLARE
#undef KEEL_LRU_IMPLEMENT
