/* SPDX-License-Identifier: MIT */

/**
 * A hash set of any type. A template: see <keel/template.h>. What <keel/map.h> says holds here too, of
 * keys that have no values.
 *
 *     #define KEEL_SET_NAME id_set
 *     #define KEEL_SET_KEY int64_t
 *     #define KEEL_SET_HASH keel_hash_i64     // uint64_t (KEY key); see <keel/hash.h>
 *     #define KEEL_SET_EQ keel_eq_i64         // bool (KEY a, KEY b)
 *     #include <keel/set.h>
 *
 * or, with keel_str for keys:
 *
 *     #define KEEL_SET_NAME words
 *     #define KEEL_SET_STR_KEYS               // or KEEL_SET_BORROWED_KEYS: the set copies nothing
 *     #include <keel/set.h>
 *
 * Optional parameters, functions or macros:
 *     KEEL_SET_CACHE_HASH  Keeps 32 bits of the hash beside each key, for keys that are slow to hash or
 *                          compare. String keys have it anyway.
 *     KEEL_SET_KEY_FREE    void (KEY *key): what deinit, clear and an unclaimed removal call.
 *     KEEL_SET_KEY_COPY    keel_err *(KEY *to, const KEY *from): what clone calls; needed for clone where
 *                          KEY_FREE is given.
 *
 *     for (words_iter it = words_each(&set); words_next(&it);)
 *         puts(it.key.ptr); // a copy ends in a NUL
 */

#include <keel/table.h>

#if defined(KEEL_SET_STR_KEYS) || defined(KEEL_SET_BORROWED_KEYS)
#if !defined(KEEL_SET_NAME)
#error "before <keel/set.h>: #define KEEL_SET_NAME words, then #define KEEL_SET_STR_KEYS"
#endif
#if defined(KEEL_SET_KEY) || defined(KEEL_SET_HASH) || defined(KEEL_SET_EQ) ||                     \
    defined(KEEL_SET_KEY_FREE) || defined(KEEL_SET_KEY_COPY)
#error "<keel/set.h>: a set of strings has no KEEL_SET_KEY, _HASH, _EQ, _KEY_FREE, _KEY_COPY"
#endif
#elif !defined(KEEL_SET_NAME) || !defined(KEEL_SET_KEY) || !defined(KEEL_SET_HASH) ||              \
    !defined(KEEL_SET_EQ)
#error                                                                                             \
    "before <keel/set.h>: #define KEEL_SET_NAME id_set, then #define KEEL_SET_KEY int64_t, #define KEEL_SET_HASH keel_hash_i64, #define KEEL_SET_EQ keel_eq_i64"
#endif

#define KEEL__TABLE KEEL_SET_NAME
#define KEEL__TABLE_ITER KEEL__JOIN(KEEL_SET_NAME, iter)
#if defined(KEEL_SET_BORROWED_KEYS)
#define KEEL__TABLE_STR 0
#define KEEL__TABLE_KEY keel_str
#elif defined(KEEL_SET_STR_KEYS)
#define KEEL__TABLE_STR 1
#define KEEL__TABLE_KEY keel_str
#else
#define KEEL__TABLE_KEY KEEL_SET_KEY
#define KEEL__TABLE_HASH KEEL_SET_HASH
#define KEEL__TABLE_EQ KEEL_SET_EQ
#ifdef KEEL_SET_CACHE_HASH
#define KEEL__TABLE_CACHED
#endif
#endif
#ifdef KEEL_SET_KEY_FREE
#define KEEL__TABLE_KEY_FREE KEEL_SET_KEY_FREE
#endif
#ifdef KEEL_SET_KEY_COPY
#define KEEL__TABLE_KEY_COPY KEEL_SET_KEY_COPY
#endif

#define KEEL__SET KEEL_SET_NAME
#define KEEL__SET_KEY KEEL__TABLE_KEY
#define KEEL__SET_ITER KEEL__TABLE_ITER
#define KEEL__SET_(verb) KEEL__JOIN(KEEL_SET_NAME, verb)
#define KEEL__SET_SLOT KEEL__SET_(keel__slot)
#if defined(KEEL_SET_DECLARE) || defined(KEEL_SET_IMPLEMENT)
#define KEEL__SET_FN
#else
#define KEEL__SET_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_SET_IMPLEMENT

#define KEEL__TABLE_TYPES
#include <keel/table.h>
#undef KEEL__TABLE_TYPES

typedef struct KEEL__SET {
    size_t len; /**< How many keys there are. */
    KEEL__SET_SLOT *keel__slots;
    size_t keel__limit; /* what changes together is kept apart: gcc would make vectors of it */
    unsigned char *keel__control;
    size_t keel__changes;
    size_t keel__mask;
    size_t keel__spills;
} KEEL__SET;

typedef struct KEEL__SET_ITER {
    KEEL__SET_KEY key; /**< The current one, after next said true. */
    const KEEL__SET *keel__of;
    KEEL__SET_SLOT *keel__slot;
    size_t keel__at, keel__changes;
    unsigned keel__bits;
} KEEL__SET_ITER;

/** Frees the keys and the memory. The set is empty afterwards and can be used again. Cost: O(n). */
KEEL__SET_FN void KEEL__SET_(deinit)(KEEL__SET *set);

/** Frees the keys and keeps the memory. Cost: O(n). */
KEEL__SET_FN void KEEL__SET_(clear)(KEEL__SET *set);

/** Makes room for `more` keys beyond those held, so that adding them cannot fail for want of it (copies
 * of strings still can). A set that never holds more than it made room for allocates nothing, however
 * items come and go. */
KEEL_NODISCARD KEEL__SET_FN keel_err *KEEL__SET_(reserve)(KEEL__SET *set, size_t more);

/** Gives back memory that is not needed for the keys held, if the allocator can. Cost: O(n). */
KEEL__SET_FN void KEEL__SET_(shrink)(KEEL__SET *set);

/** Adds a key, unless there is an equal one. `added`, which may be NULL, says which. */
KEEL_NODISCARD KEEL__SET_FN keel_err *KEEL__SET_(add)(KEEL__SET *set, KEEL__SET_KEY key,
                                                      bool *added);

KEEL__SET_FN bool KEEL__SET_(has)(const KEEL__SET *set, KEEL__SET_KEY key);

/** The set's own key that equals this one, in `*own`, still the set's. False: there is none. */
KEEL__SET_FN bool KEEL__SET_(get)(const KEEL__SET *set, KEEL__SET_KEY key, KEEL__SET_KEY *own);

/** Takes a key out and frees it. False: there is none. */
KEEL__SET_FN bool KEEL__SET_(remove)(KEEL__SET *set, KEEL__SET_KEY key);

/** An iterator before the first key. */
KEEL__SET_FN KEEL__SET_ITER KEEL__SET_(each)(const KEEL__SET *set);

/** Goes on to the next key, at `it->key`. False: that was the last. */
KEEL__SET_FN bool KEEL__SET_(next)(KEEL__SET_ITER *it);

/** Removes the iterator's current key, as remove does; only so may a set be changed while iterated over.
 * False: there is none, or it was removed. */
KEEL__SET_FN bool KEEL__SET_(it_remove)(KEEL__SET *set, KEEL__SET_ITER *it);

/** Whether both hold the same keys. Cost: O(n). */
KEEL__SET_FN bool KEEL__SET_(equal)(const KEEL__SET *a, const KEEL__SET *b);

#if defined(KEEL_SET_KEY_COPY) || !defined(KEEL_SET_KEY_FREE)
/**
 * Makes `*out` a set with copies of the keys; what it held before is not freed. Cost: O(n).
 *
 * Errors: KEEL_ERR_NOMEM, or what KEY_COPY returned; `*out` is then empty.
 */
KEEL_NODISCARD KEEL__SET_FN keel_err *KEEL__SET_(clone)(KEEL__SET *out, const KEEL__SET *from);
#endif

#endif /* KEEL_SET_IMPLEMENT */

#ifndef KEEL_SET_DECLARE

#define KEEL__TABLE_FUNCTIONS
#include <keel/table.h>
#undef KEEL__TABLE_FUNCTIONS

KEEL__SET_FN void KEEL__SET_(clear)(KEEL__SET *set)
{
    KEEL__SET_(keel__empty)(set);
}

KEEL__SET_FN void KEEL__SET_(deinit)(KEEL__SET *set)
{
    if (set == NULL)
        return;
    KEEL__SET_(keel__empty)(set);
    KEEL__SET_(keel__give_back)(set);
}

KEEL__SET_FN keel_err *KEEL__SET_(reserve)(KEEL__SET *set, size_t more)
{
    return KEEL__SET_(keel__make_room)(set, more);
}

KEEL__SET_FN void KEEL__SET_(shrink)(KEEL__SET *set)
{
    KEEL__SET_(keel__give_back)(set);
}

KEEL__SET_FN keel_err *KEEL__SET_(add)(KEEL__SET *set, KEEL__SET_KEY key, bool *added)
{
    bool is_new;
    const KEEL__SET_SLOT *slot = KEEL__SET_(keel__claim)(set, key, &is_new);

    if (added != NULL)
        *added = slot != NULL && is_new;
    return slot != NULL ? NULL : KEEL_ERR_NOMEM;
}

KEEL__SET_FN bool KEEL__SET_(has)(const KEEL__SET *set, KEEL__SET_KEY key)
{
    return KEEL__SET_(keel__find)(set, key, KEEL__SET_(keel__hash)(key)) != NULL;
}

KEEL__SET_FN bool KEEL__SET_(get)(const KEEL__SET *set, KEEL__SET_KEY key, KEEL__SET_KEY *own)
{
    const KEEL__SET_SLOT *slot = KEEL__SET_(keel__find)(set, key, KEEL__SET_(keel__hash)(key));

    if (slot == NULL)
        return false;
    *own = KEEL__SET_(keel__slot_key)(slot);
    return true;
}

KEEL__SET_FN bool KEEL__SET_(remove)(KEEL__SET *set, KEEL__SET_KEY key)
{
    const uint64_t hash = KEEL__SET_(keel__hash)(key);

    KEEL__SET_(keel__fetch)(set, hash);
    KEEL__SET_SLOT *slot = KEEL__SET_(keel__find)(set, key, hash);
    if (slot == NULL)
        return false;
    KEEL__SET_(keel__vacate)(set, slot);
    KEEL__SET_(keel__free_slot)(slot);
    return true;
}

KEEL__SET_FN KEEL__SET_ITER KEEL__SET_(each)(const KEEL__SET *set)
{
    return KEEL__SET_(keel__begin)(set);
}

KEEL__SET_FN bool KEEL__SET_(next)(KEEL__SET_ITER *it)
{
    const KEEL__SET_SLOT *slot = KEEL__SET_(keel__step)(it);

    if (slot == NULL)
        return false;
    it->key = KEEL__SET_(keel__slot_key)(slot);
    return true;
}

KEEL__SET_FN bool KEEL__SET_(it_remove)(KEEL__SET *set, KEEL__SET_ITER *it)
{
    KEEL__SET_SLOT *slot = KEEL__SET_(keel__remove_step)(set, it);

    if (slot == NULL)
        return false;
    KEEL__SET_(keel__free_slot)(slot);
    return true;
}

KEEL__SET_FN bool KEEL__SET_(equal)(const KEEL__SET *a, const KEEL__SET *b)
{
    if (a->len != b->len)
        return false;
    for (KEEL__SET_ITER it = KEEL__SET_(each)(a); KEEL__SET_(next)(&it);) {
        if (!KEEL__SET_(has)(b, it.key))
            return false;
    }
    return true;
}

#if defined(KEEL_SET_KEY_COPY) || !defined(KEEL_SET_KEY_FREE)
KEEL__SET_FN keel_err *KEEL__SET_(clone)(KEEL__SET *out, const KEEL__SET *from)
{
    return KEEL__SET_(keel__copy)(out, from);
}
#endif

#endif /* KEEL_SET_DECLARE */

KEEL_END_DECLS

#undef KEEL__TABLE
#undef KEEL__TABLE_ITER
#undef KEEL__TABLE_KEY
#undef KEEL__TABLE_STR
#undef KEEL__TABLE_HASH
#undef KEEL__TABLE_EQ
#undef KEEL__TABLE_CACHED
#undef KEEL__TABLE_KEY_FREE
#undef KEEL__TABLE_KEY_COPY
#undef KEEL__SET
#undef KEEL__SET_KEY
#undef KEEL__SET_ITER
#undef KEEL__SET_
#undef KEEL__SET_SLOT
#undef KEEL__SET_FN
#undef KEEL_SET_NAME
#undef KEEL_SET_STR_KEYS
#undef KEEL_SET_BORROWED_KEYS
#undef KEEL_SET_KEY
#undef KEEL_SET_HASH
#undef KEEL_SET_EQ
#undef KEEL_SET_CACHE_HASH
#undef KEEL_SET_KEY_FREE
#undef KEEL_SET_KEY_COPY
#undef KEEL_SET_DECLARE
#undef KEEL_SET_IMPLEMENT
