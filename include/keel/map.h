/* SPDX-License-Identifier: MIT */

/**
 * A hash map from keys to values of any type. A template: see <keel/template.h>.
 *
 *     #define KEEL_MAP_NAME user_map
 *     #define KEEL_MAP_KEY int64_t
 *     #define KEEL_MAP_VALUE user *
 *     #define KEEL_MAP_HASH keel_hash_i64     // uint64_t (KEY key); see <keel/hash.h>
 *     #define KEEL_MAP_EQ keel_eq_i64         // bool (KEY a, KEY b)
 *     #include <keel/map.h>
 *
 * or, with keel_str for keys, compared by their bytes, which no parameter needs to say:
 *
 *     #define KEEL_MAP_NAME counts
 *     #define KEEL_MAP_STR_KEYS               // the map keeps copies of its own, each with a NUL at its end
 *     #define KEEL_MAP_VALUE int
 *     #include <keel/map.h>
 *
 * KEEL_MAP_BORROWED_KEYS in place of KEEL_MAP_STR_KEYS copies nothing: the bytes of a key must then live
 * and stay the same until it is removed.
 *
 * Optional parameters, functions or macros:
 *     KEEL_MAP_CACHE_HASH  Keeps 32 bits of the hash beside each item, for keys that are slow to hash or
 *                          compare. String keys have it anyway.
 *     KEEL_MAP_KEY_FREE    void (KEY *key), KEEL_MAP_VALUE_FREE: void (VALUE *value): what deinit, clear,
 *                          a replacement and a removal call for what they do not hand out.
 *     KEEL_MAP_KEY_COPY    keel_err *(KEY *to, const KEY *from), KEEL_MAP_VALUE_COPY: the same for values:
 *                          what clone calls; needed for clone where there is a FREE.
 *     KEEL_MAP_VALUE_EQ    bool (VALUE a, VALUE b): makes equal.
 *
 * Whoever adds gives the key, and the value, to the map; after an error they are still the caller's. If the
 * map has an equal key it keeps that one, and frees the new. Keys must not be changed in place.
 *
 *     for (user_map_iter it = user_map_each(&users); user_map_next(&it);)
 *         printf("%" PRId64 " %s\n", it.key, (*it.value)->name);
 *
 * The order is not defined, and differs from run to run for strings. There is one block of memory, of
 * which 7/16 to 7/8 are used while a map grows. Removing and adding in turn doubles it once at most, however
 * often. Cost: O(1), unless it says otherwise.
 */

#include <keel/table.h>

#if defined(KEEL_MAP_STR_KEYS) || defined(KEEL_MAP_BORROWED_KEYS)
#if !defined(KEEL_MAP_NAME) || !defined(KEEL_MAP_VALUE)
#error "before <keel/map.h>: #define KEEL_MAP_NAME counts, KEEL_MAP_STR_KEYS, KEEL_MAP_VALUE int"
#endif
#if defined(KEEL_MAP_KEY) || defined(KEEL_MAP_HASH) || defined(KEEL_MAP_EQ) ||                     \
    defined(KEEL_MAP_KEY_FREE) || defined(KEEL_MAP_KEY_COPY)
#error "<keel/map.h>: a map with string keys has no KEEL_MAP_KEY, _HASH, _EQ, _KEY_FREE, _KEY_COPY"
#endif
#elif !defined(KEEL_MAP_NAME) || !defined(KEEL_MAP_KEY) || !defined(KEEL_MAP_VALUE) ||             \
    !defined(KEEL_MAP_HASH) || !defined(KEEL_MAP_EQ)
#error                                                                                             \
    "before <keel/map.h>: #define KEEL_MAP_NAME user_map, then #define KEEL_MAP_KEY int64_t, #define KEEL_MAP_VALUE user *, #define KEEL_MAP_HASH keel_hash_i64, #define KEEL_MAP_EQ keel_eq_i64"
#endif

#define KEEL__TABLE KEEL_MAP_NAME
#define KEEL__TABLE_ITER KEEL__JOIN(KEEL_MAP_NAME, iter)
#define KEEL__TABLE_VALUE KEEL_MAP_VALUE
#if defined(KEEL_MAP_BORROWED_KEYS)
#define KEEL__TABLE_STR 0
#define KEEL__TABLE_KEY keel_str
#elif defined(KEEL_MAP_STR_KEYS)
#define KEEL__TABLE_STR 1
#define KEEL__TABLE_KEY keel_str
#else
#define KEEL__TABLE_KEY KEEL_MAP_KEY
#define KEEL__TABLE_HASH KEEL_MAP_HASH
#define KEEL__TABLE_EQ KEEL_MAP_EQ
#ifdef KEEL_MAP_CACHE_HASH
#define KEEL__TABLE_CACHED
#endif
#endif
#ifdef KEEL_MAP_KEY_FREE
#define KEEL__TABLE_KEY_FREE KEEL_MAP_KEY_FREE
#endif
#ifdef KEEL_MAP_KEY_COPY
#define KEEL__TABLE_KEY_COPY KEEL_MAP_KEY_COPY
#endif
#ifdef KEEL_MAP_VALUE_FREE
#define KEEL__TABLE_VALUE_FREE KEEL_MAP_VALUE_FREE
#endif
#ifdef KEEL_MAP_VALUE_COPY
#define KEEL__TABLE_VALUE_COPY KEEL_MAP_VALUE_COPY
#endif

#define KEEL__MAP KEEL_MAP_NAME
#define KEEL__MAP_KEY KEEL__TABLE_KEY
#define KEEL__MAP_ITER KEEL__TABLE_ITER
#define KEEL__MAP_(verb) KEEL__JOIN(KEEL_MAP_NAME, verb)
#define KEEL__MAP_SLOT KEEL__MAP_(keel__slot)
#if defined(KEEL_MAP_DECLARE) || defined(KEEL_MAP_IMPLEMENT)
#define KEEL__MAP_FN
#else
#define KEEL__MAP_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_MAP_IMPLEMENT

#define KEEL__TABLE_TYPES
#include <keel/table.h>
#undef KEEL__TABLE_TYPES

typedef struct KEEL__MAP {
    size_t len; /**< How many items there are. */
    KEEL__MAP_SLOT *keel__slots;
    size_t keel__limit; /* what changes together is kept apart: gcc would make vectors of it */
    unsigned char *keel__control;
    size_t keel__changes;
    size_t keel__mask;
    size_t keel__spills;
} KEEL__MAP;

typedef struct KEEL__MAP_ITER {
    KEEL__MAP_KEY key;     /**< The current one, after next said true. */
    KEEL_MAP_VALUE *value; /**< Its value, which may be changed. */
    const KEEL__MAP *keel__of;
    KEEL__MAP_SLOT *keel__slot;
    size_t keel__at, keel__changes;
    unsigned keel__bits;
} KEEL__MAP_ITER;

/** Frees the items and the memory. The map is empty afterwards and can be used again. Cost: O(n). */
KEEL__MAP_FN void KEEL__MAP_(deinit)(KEEL__MAP *map);

/** Frees the items and keeps the memory. Cost: O(n). */
KEEL__MAP_FN void KEEL__MAP_(clear)(KEEL__MAP *map);

/** Makes room for `more` items beyond those held, so that adding them cannot fail for want of it (copies
 * of string keys still can). A map that never holds more than it made room for allocates nothing, however
 * items come and go. */
KEEL_NODISCARD KEEL__MAP_FN keel_err *KEEL__MAP_(reserve)(KEEL__MAP *map, size_t more);

/** Gives back memory that is not needed for the items held, if the allocator can. Cost: O(n). */
KEEL__MAP_FN void KEEL__MAP_(shrink)(KEEL__MAP *map);

/** Sets the value of a key, as an assignment does: a value it had is freed. */
KEEL_NODISCARD KEEL__MAP_FN keel_err *KEEL__MAP_(put)(KEEL__MAP *map, KEEL__MAP_KEY key,
                                                      KEEL_MAP_VALUE value);

/** The same, but a value the key had comes out: `*replaced` says whether there was one, now in `*old`. */
KEEL_NODISCARD KEEL__MAP_FN keel_err *KEEL__MAP_(swap)(KEEL__MAP *map, KEEL__MAP_KEY key,
                                                       KEEL_MAP_VALUE value, KEEL_MAP_VALUE *old,
                                                       bool *replaced);

/**
 * The value of a key in `*value`, to be changed in place: if the key is new, it is added with a value of
 * zero bytes. `added`, which may be NULL, says whether.
 *
 *     int *count;
 *     KEEL_TRY(counts_entry(&map, word, &count, NULL));
 *     ++*count;
 */
KEEL_NODISCARD KEEL__MAP_FN keel_err *KEEL__MAP_(entry)(KEEL__MAP *map, KEEL__MAP_KEY key,
                                                        KEEL_MAP_VALUE **value, bool *added);

/** The value of a key, or NULL. */
KEEL__MAP_FN KEEL_MAP_VALUE *KEEL__MAP_(get)(const KEEL__MAP *map, KEEL__MAP_KEY key);

KEEL__MAP_FN bool KEEL__MAP_(has)(const KEEL__MAP *map, KEEL__MAP_KEY key);

/** Takes an item out, its value into `*out`, or frees the value where that is NULL. The key is freed.
 * False: there is none. */
KEEL__MAP_FN bool KEEL__MAP_(remove)(KEEL__MAP *map, KEEL__MAP_KEY key, KEEL_MAP_VALUE *out);

/** An iterator before the first item. */
KEEL__MAP_FN KEEL__MAP_ITER KEEL__MAP_(each)(const KEEL__MAP *map);

/** Goes on to the next item, at `it->key` and `it->value`. False: that was the last. */
KEEL__MAP_FN bool KEEL__MAP_(next)(KEEL__MAP_ITER *it);

/** Removes the iterator's current item, as remove does; only so may a map be changed while iterated over.
 * False: there is none, or it was removed. */
KEEL__MAP_FN bool KEEL__MAP_(it_remove)(KEEL__MAP *map, KEEL__MAP_ITER *it, KEEL_MAP_VALUE *out);

#ifdef KEEL_MAP_VALUE_EQ
/** Whether both hold the same keys with equal values. Cost: O(n). */
KEEL__MAP_FN bool KEEL__MAP_(equal)(const KEEL__MAP *a, const KEEL__MAP *b);
#endif

#if (defined(KEEL_MAP_KEY_COPY) || !defined(KEEL_MAP_KEY_FREE)) &&                                 \
    (defined(KEEL_MAP_VALUE_COPY) || !defined(KEEL_MAP_VALUE_FREE))
/**
 * Makes `*out` a map with copies of the items; what it held before is not freed. Cost: O(n).
 *
 * Errors: KEEL_ERR_NOMEM, or what KEY_COPY or VALUE_COPY returned; `*out` is then empty.
 */
KEEL_NODISCARD KEEL__MAP_FN keel_err *KEEL__MAP_(clone)(KEEL__MAP *out, const KEEL__MAP *from);
#endif

#endif /* KEEL_MAP_IMPLEMENT */

#ifndef KEEL_MAP_DECLARE

#define KEEL__TABLE_FUNCTIONS
#include <keel/table.h>
#undef KEEL__TABLE_FUNCTIONS

KEEL__MAP_FN void KEEL__MAP_(clear)(KEEL__MAP *map)
{
    KEEL__MAP_(keel__empty)(map);
}

KEEL__MAP_FN void KEEL__MAP_(deinit)(KEEL__MAP *map)
{
    if (map == NULL)
        return;
    KEEL__MAP_(keel__empty)(map);
    KEEL__MAP_(keel__give_back)(map);
}

KEEL__MAP_FN keel_err *KEEL__MAP_(reserve)(KEEL__MAP *map, size_t more)
{
    return KEEL__MAP_(keel__make_room)(map, more);
}

KEEL__MAP_FN void KEEL__MAP_(shrink)(KEEL__MAP *map)
{
    KEEL__MAP_(keel__give_back)(map);
}

KEEL__MAP_FN keel_err *KEEL__MAP_(put)(KEEL__MAP *map, KEEL__MAP_KEY key, KEEL_MAP_VALUE value)
{
    bool added;
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__claim)(map, key, &added);

    if (slot == NULL)
        return KEEL_ERR_NOMEM;
#ifdef KEEL_MAP_VALUE_FREE
    if (!added && memcmp(&value, &slot->value, sizeof value) != 0) /* else it was handed its own */
        KEEL_MAP_VALUE_FREE(&slot->value);
#endif
    slot->value = value;
    return NULL;
}

KEEL__MAP_FN keel_err *KEEL__MAP_(swap)(KEEL__MAP *map, KEEL__MAP_KEY key, KEEL_MAP_VALUE value,
                                        KEEL_MAP_VALUE *old, bool *replaced)
{
    bool added;
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__claim)(map, key, &added);

    *replaced = !added;
    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    if (!added)
        *old = slot->value;
    slot->value = value;
    return NULL;
}

KEEL__MAP_FN keel_err *KEEL__MAP_(entry)(KEEL__MAP *map, KEEL__MAP_KEY key, KEEL_MAP_VALUE **value,
                                         bool *added)
{
    bool is_new;
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__claim)(map, key, &is_new);

    *value = NULL;
    if (added != NULL)
        *added = slot != NULL && is_new;
    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    *value = &slot->value;
    if (is_new)
        memset(*value, 0, sizeof **value);
    return NULL;
}

KEEL__MAP_FN KEEL_MAP_VALUE *KEEL__MAP_(get)(const KEEL__MAP *map, KEEL__MAP_KEY key)
{
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__find)(map, key, KEEL__MAP_(keel__hash)(key));

    return slot != NULL ? &slot->value : NULL;
}

KEEL__MAP_FN bool KEEL__MAP_(has)(const KEEL__MAP *map, KEEL__MAP_KEY key)
{
    return KEEL__MAP_(keel__find)(map, key, KEEL__MAP_(keel__hash)(key)) != NULL;
}

/* Hands out what was in a slot that is empty now, or frees it. */
static inline void KEEL__MAP_(keel__out)(KEEL__MAP_SLOT *slot, KEEL_MAP_VALUE *out)
{
    if (out != NULL) {
        *out = slot->value;
        KEEL__MAP_(keel__free_key)(slot);
    } else {
        KEEL__MAP_(keel__free_slot)(slot);
    }
}

KEEL__MAP_FN bool KEEL__MAP_(remove)(KEEL__MAP *map, KEEL__MAP_KEY key, KEEL_MAP_VALUE *out)
{
    const uint64_t hash = KEEL__MAP_(keel__hash)(key);

    KEEL__MAP_(keel__fetch)(map, hash);
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__find)(map, key, hash);
    if (slot == NULL)
        return false;
    KEEL__MAP_(keel__vacate)(map, slot);
    KEEL__MAP_(keel__out)(slot, out);
    return true;
}

KEEL__MAP_FN KEEL__MAP_ITER KEEL__MAP_(each)(const KEEL__MAP *map)
{
    return KEEL__MAP_(keel__begin)(map);
}

KEEL__MAP_FN bool KEEL__MAP_(next)(KEEL__MAP_ITER *it)
{
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__step)(it);

    if (slot == NULL)
        return false;
    it->key = KEEL__MAP_(keel__slot_key)(slot);
    it->value = &slot->value;
    return true;
}

KEEL__MAP_FN bool KEEL__MAP_(it_remove)(KEEL__MAP *map, KEEL__MAP_ITER *it, KEEL_MAP_VALUE *out)
{
    KEEL__MAP_SLOT *slot = KEEL__MAP_(keel__remove_step)(map, it);

    if (slot == NULL)
        return false;
    KEEL__MAP_(keel__out)(slot, out);
    return true;
}

#ifdef KEEL_MAP_VALUE_EQ
KEEL__MAP_FN bool KEEL__MAP_(equal)(const KEEL__MAP *a, const KEEL__MAP *b)
{
    if (a->len != b->len)
        return false;
    for (KEEL__MAP_ITER it = KEEL__MAP_(each)(a); KEEL__MAP_(next)(&it);) {
        KEEL_MAP_VALUE const *other = KEEL__MAP_(get)(b, it.key);
        if (other == NULL || !KEEL_MAP_VALUE_EQ(*it.value, *other))
            return false;
    }
    return true;
}
#endif

#if (defined(KEEL_MAP_KEY_COPY) || !defined(KEEL_MAP_KEY_FREE)) &&                                 \
    (defined(KEEL_MAP_VALUE_COPY) || !defined(KEEL_MAP_VALUE_FREE))
KEEL__MAP_FN keel_err *KEEL__MAP_(clone)(KEEL__MAP *out, const KEEL__MAP *from)
{
    return KEEL__MAP_(keel__copy)(out, from);
}
#endif

#endif /* KEEL_MAP_DECLARE */

KEEL_END_DECLS

#undef KEEL__TABLE
#undef KEEL__TABLE_ITER
#undef KEEL__TABLE_KEY
#undef KEEL__TABLE_STR
#undef KEEL__TABLE_HASH
#undef KEEL__TABLE_EQ
#undef KEEL__TABLE_VALUE
#undef KEEL__TABLE_CACHED
#undef KEEL__TABLE_KEY_FREE
#undef KEEL__TABLE_KEY_COPY
#undef KEEL__TABLE_VALUE_FREE
#undef KEEL__TABLE_VALUE_COPY
#undef KEEL__MAP
#undef KEEL__MAP_KEY
#undef KEEL__MAP_ITER
#undef KEEL__MAP_
#undef KEEL__MAP_SLOT
#undef KEEL__MAP_FN
#undef KEEL_MAP_NAME
#undef KEEL_MAP_STR_KEYS
#undef KEEL_MAP_BORROWED_KEYS
#undef KEEL_MAP_KEY
#undef KEEL_MAP_VALUE
#undef KEEL_MAP_HASH
#undef KEEL_MAP_EQ
#undef KEEL_MAP_CACHE_HASH
#undef KEEL_MAP_KEY_FREE
#undef KEEL_MAP_KEY_COPY
#undef KEEL_MAP_VALUE_FREE
#undef KEEL_MAP_VALUE_COPY
#undef KEEL_MAP_VALUE_EQ
#undef KEEL_MAP_DECLARE
#undef KEEL_MAP_IMPLEMENT
