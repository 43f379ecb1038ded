/* SPDX-License-Identifier: MIT */

/**
 * Map, filter and reduce over arrays and vectors of any types. A template: see <keel/template.h>.
 *
 *     #define KEEL_ALGO_NAME word_sizes
 *     #define KEEL_ALGO_FROM const char *
 *     #define KEEL_ALGO_TO size_t
 *     #define KEEL_ALGO_TO_VEC sizes // if there is <keel/vec.h> for size_t by that name
 *     #include <keel/algo.h>         // makes word_sizes_map, ...; #undefs the parameters
 *
 *     KEEL_TRY(word_sizes_map_vec(&out, words.items, words.len, size_of_word, NULL));
 *     total = word_sizes_reduce(words.items, words.len, 0, add_size, NULL);
 *
 * Required: KEEL_ALGO_NAME and KEEL_ALGO_FROM, the items' type. Optional:
 *     KEEL_ALGO_TO        what they are mapped and reduced to; without, FROM.
 *     KEEL_ALGO_FROM_VEC  the name of a vector of FROM: makes filter_vec.
 *     KEEL_ALGO_TO_VEC    the name of a vector of TO: makes map_vec.
 *
 * All take an array and a count, which for a vector are its `items` and `len`, and a function with an
 * argument of its caller's, called for each item in order. Compilers inline it where they see it. To
 * filter a vector in place, see `retain` in <keel/vec.h>. What is added to a vector may come from itself.
 */

#include <keel/template.h>

#if !defined(KEEL_ALGO_NAME) || !defined(KEEL_ALGO_FROM)
#error                                                                                             \
    "before <keel/algo.h>: #define KEEL_ALGO_NAME word_sizes, #define KEEL_ALGO_FROM const char *"
#endif
#if defined(KEEL_ALGO_DECLARE) && defined(KEEL_ALGO_IMPLEMENT)
#error "<keel/algo.h>: KEEL_ALGO_DECLARE is for the header, KEEL_ALGO_IMPLEMENT for one .c"
#endif

#ifdef KEEL_ALGO_TO
#define KEEL__ALGO_TO KEEL_ALGO_TO
#else
#define KEEL__ALGO_TO KEEL_ALGO_FROM
#endif
#define KEEL__ALGO_(verb) KEEL__JOIN(KEEL_ALGO_NAME, verb)
#if defined(KEEL_ALGO_DECLARE) || defined(KEEL_ALGO_IMPLEMENT)
#define KEEL__ALGO_FN
#else
#define KEEL__ALGO_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_ALGO_IMPLEMENT

/** Writes what `fn` makes of each item to `out`, which has room for `count` and may be `items`. */
KEEL__ALGO_FN void KEEL__ALGO_(map)(KEEL__ALGO_TO *out, KEEL_ALGO_FROM const *items, size_t count,
                                    KEEL__ALGO_TO (*fn)(KEEL_ALGO_FROM item, void *arg), void *arg);

/**
 * Copies the items for which `keep` is true to `out`, which has room for `count` and may be `items`:
 * then it filters in place. Returns how many there are.
 */
KEEL__ALGO_FN size_t KEEL__ALGO_(filter)(KEEL_ALGO_FROM *out, KEEL_ALGO_FROM const *items,
                                         size_t count, bool (*keep)(KEEL_ALGO_FROM item, void *arg),
                                         void *arg);

/** Returns fn(...fn(fn(start, first item), second item)..., last item); `start` without items. */
KEEL__ALGO_FN KEEL__ALGO_TO KEEL__ALGO_(reduce)(
    KEEL_ALGO_FROM const *items, size_t count, KEEL__ALGO_TO start,
    KEEL__ALGO_TO (*fn)(KEEL__ALGO_TO sofar, KEEL_ALGO_FROM item, void *arg), void *arg);

/** Whether `is` is true of one item at least. It is not asked about those that follow. */
KEEL__ALGO_FN bool KEEL__ALGO_(any)(KEEL_ALGO_FROM const *items, size_t count,
                                    bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg);

/** Whether `is` is true of every item, also if there is none. */
KEEL__ALGO_FN bool KEEL__ALGO_(all)(KEEL_ALGO_FROM const *items, size_t count,
                                    bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg);

/** The first item that `is` is true of, or NULL. */
KEEL__ALGO_FN KEEL_ALGO_FROM const *KEEL__ALGO_(find_if)(KEEL_ALGO_FROM const *items, size_t count,
                                                         bool (*is)(KEEL_ALGO_FROM item, void *arg),
                                                         void *arg);

/** How many items `is` is true of. */
KEEL__ALGO_FN size_t KEEL__ALGO_(count_if)(KEEL_ALGO_FROM const *items, size_t count,
                                           bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg);

#ifdef KEEL_ALGO_TO_VEC
/**
 * Adds what `fn` makes of each item to the end of a vector.
 *
 * Errors: KEEL_ERR_NOMEM; `fn` was not called, and the vector is as it was.
 */
KEEL_NODISCARD KEEL__ALGO_FN
    keel_err *KEEL__ALGO_(map_vec)(KEEL_ALGO_TO_VEC *out, KEEL_ALGO_FROM const *items, size_t count,
                                   KEEL__ALGO_TO (*fn)(KEEL_ALGO_FROM item, void *arg), void *arg);
#endif

#ifdef KEEL_ALGO_FROM_VEC
/**
 * Adds copies of the items for which `keep` is true to the end of a vector. Their bytes are copied: what
 * they own, if anything, then has two owners.
 *
 * Errors: KEEL_ERR_NOMEM; the vector holds what it held.
 */
KEEL_NODISCARD KEEL__ALGO_FN keel_err *KEEL__ALGO_(filter_vec)(
    KEEL_ALGO_FROM_VEC *out, KEEL_ALGO_FROM const *items, size_t count,
    bool (*keep)(KEEL_ALGO_FROM item, void *arg), void *arg);
#endif

#endif /* KEEL_ALGO_IMPLEMENT */

#ifndef KEEL_ALGO_DECLARE

KEEL__ALGO_FN void KEEL__ALGO_(map)(KEEL__ALGO_TO *out, KEEL_ALGO_FROM const *items, size_t count,
                                    KEEL__ALGO_TO (*fn)(KEEL_ALGO_FROM item, void *arg), void *arg)
{
    for (size_t i = 0; i < count; i++)
        out[i] = fn(items[i], arg);
}

KEEL__ALGO_FN size_t KEEL__ALGO_(filter)(KEEL_ALGO_FROM *out, KEEL_ALGO_FROM const *items,
                                         size_t count, bool (*keep)(KEEL_ALGO_FROM item, void *arg),
                                         void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (keep(items[i], arg))
            out[kept++] = items[i];
    }
    return kept;
}

KEEL__ALGO_FN KEEL__ALGO_TO KEEL__ALGO_(reduce)(
    KEEL_ALGO_FROM const *items, size_t count, KEEL__ALGO_TO start,
    KEEL__ALGO_TO (*fn)(KEEL__ALGO_TO sofar, KEEL_ALGO_FROM item, void *arg), void *arg)
{
    for (size_t i = 0; i < count; i++)
        start = fn(start, items[i], arg);
    return start;
}

KEEL__ALGO_FN KEEL_ALGO_FROM const *KEEL__ALGO_(find_if)(KEEL_ALGO_FROM const *items, size_t count,
                                                         bool (*is)(KEEL_ALGO_FROM item, void *arg),
                                                         void *arg)
{
    for (size_t i = 0; i < count; i++) {
        if (is(items[i], arg))
            return &items[i];
    }
    return NULL;
}

KEEL__ALGO_FN bool KEEL__ALGO_(any)(KEEL_ALGO_FROM const *items, size_t count,
                                    bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg)
{
    return KEEL__ALGO_(find_if)(items, count, is, arg) != NULL;
}

KEEL__ALGO_FN bool KEEL__ALGO_(all)(KEEL_ALGO_FROM const *items, size_t count,
                                    bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg)
{
    for (size_t i = 0; i < count; i++) {
        if (!is(items[i], arg))
            return false;
    }
    return true;
}

KEEL__ALGO_FN size_t KEEL__ALGO_(count_if)(KEEL_ALGO_FROM const *items, size_t count,
                                           bool (*is)(KEEL_ALGO_FROM item, void *arg), void *arg)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += is(items[i], arg);
    return found;
}

#ifdef KEEL_ALGO_TO_VEC
KEEL__ALGO_FN keel_err *KEEL__ALGO_(map_vec)(KEEL_ALGO_TO_VEC *out, KEEL_ALGO_FROM const *items,
                                             size_t count,
                                             KEEL__ALGO_TO (*fn)(KEEL_ALGO_FROM item, void *arg),
                                             void *arg)
{
    /* the vector's own items may move with the rest */
    const uintptr_t offset = (uintptr_t)items - (uintptr_t)out->items;
    const bool own = out->items != NULL && offset < out->len * sizeof(KEEL__ALGO_TO);

    keel_err *err = KEEL__JOIN(KEEL_ALGO_TO_VEC, reserve)(out, count);
    if (err != NULL)
        return err;
    if (own)
        items = (KEEL_ALGO_FROM const *)(const void *)((const char *)out->items + offset);
    for (size_t i = 0; i < count; i++)
        out->items[out->len + i] = fn(items[i], arg);
    out->len += count;
    out->keel__changes += count > 0;
    return NULL;
}
#endif

#ifdef KEEL_ALGO_FROM_VEC
KEEL__ALGO_FN keel_err *KEEL__ALGO_(filter_vec)(KEEL_ALGO_FROM_VEC *out,
                                                KEEL_ALGO_FROM const *items, size_t count,
                                                bool (*keep)(KEEL_ALGO_FROM item, void *arg),
                                                void *arg)
{
    const uintptr_t offset = (uintptr_t)items - (uintptr_t)out->items;
    const size_t held = out->len, first = offset / sizeof(KEEL_ALGO_FROM);
    const bool own = out->items != NULL && first < held;

    for (size_t i = 0; i < count; i++) {
        KEEL_ALGO_FROM const *item = own ? &out->items[first + i] : &items[i];

        if (!keep(*item, arg))
            continue;
        keel_err *err = KEEL__JOIN(KEEL_ALGO_FROM_VEC, push)(out, *item);
        if (err != NULL) {
            out->len = held; /* without freeing what still has its first owner */
            return err;
        }
    }
    return NULL;
}
#endif

#endif /* KEEL_ALGO_DECLARE */

KEEL_END_DECLS

#undef KEEL__ALGO_
#undef KEEL__ALGO_TO
#undef KEEL__ALGO_FN
#undef KEEL_ALGO_NAME
#undef KEEL_ALGO_FROM
#undef KEEL_ALGO_TO
#undef KEEL_ALGO_FROM_VEC
#undef KEEL_ALGO_TO_VEC
#undef KEEL_ALGO_DECLARE
#undef KEEL_ALGO_IMPLEMENT
