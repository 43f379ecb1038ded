/* SPDX-License-Identifier: MIT */

/**
 * A growing array of any type, also a stack (push, pop, last). A template: see <keel/template.h>.
 *
 *     #define KEEL_VEC_NAME ints
 *     #define KEEL_VEC_ITEM int
 *     #include <keel/vec.h>
 *
 * Optional parameters, functions or macros:
 *     KEEL_VEC_EQ         bool (ITEM a, ITEM b): makes find and equal.
 *     KEEL_VEC_ITEM_FREE  void (ITEM *item): what deinit, clear, truncate and an unclaimed removal
 *                         call for each item.
 *     KEEL_VEC_ITEM_COPY  keel_err *(ITEM *to, ITEM const *from): what clone calls; needed for clone
 *                         where ITEM_FREE is given. Without both, clone copies bytes.
 *
 * Items lie in one piece at `items`, `len` of them, for reading and writing as in a plain array.
 *
 *     for (size_t i = 0; i < v.len; i++)
 *         sum += v.items[i];
 *
 * or, with a check that nothing is added or removed meanwhile:
 *
 *     for (ints_iter it = ints_each(&v); ints_next(&it);)
 *         sum += *it.item;
 *
 * Sorting and searching: <keel/sort.h>; map, filter into another vector, reduce: <keel/algo.h>.
 */

#include <string.h>

#include <keel/template.h>

#if !defined(KEEL_VEC_NAME) || !defined(KEEL_VEC_ITEM)
#error "before <keel/vec.h>: #define KEEL_VEC_NAME ints, then #define KEEL_VEC_ITEM int"
#endif

#if defined(KEEL_VEC_DECLARE) && defined(KEEL_VEC_IMPLEMENT)
#error "<keel/vec.h>: KEEL_VEC_DECLARE is for the header, KEEL_VEC_IMPLEMENT for one .c"
#endif

/* `ITEM const *` throughout, never `const ITEM *`: ITEM may be `char *`. */
#define KEEL__VEC KEEL_VEC_NAME
#define KEEL__VEC_ITER KEEL__JOIN(KEEL_VEC_NAME, iter)
#define KEEL__VEC_(verb) KEEL__JOIN(KEEL_VEC_NAME, verb)
#if defined(KEEL_VEC_DECLARE) || defined(KEEL_VEC_IMPLEMENT)
#define KEEL__VEC_FN
#else
#define KEEL__VEC_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_VEC_IMPLEMENT

typedef struct KEEL__VEC {
    KEEL_VEC_ITEM *items; /**< The first `len` are in use. */
    size_t len;
    size_t cap;
    size_t keel__changes;
} KEEL__VEC;

typedef struct KEEL__VEC_ITER {
    KEEL_VEC_ITEM *item; /**< The current one, after next said true. */
    const KEEL__VEC *keel__of;
    size_t keel__next, keel__changes;
} KEEL__VEC_ITER;

/** Frees the items and the memory. The vector is empty afterwards and can be used again. */
KEEL__VEC_FN void KEEL__VEC_(deinit)(KEEL__VEC *vec);

/** Frees the items and keeps the memory. */
KEEL__VEC_FN void KEEL__VEC_(clear)(KEEL__VEC *vec);

/** Makes room for `more` items beyond those held, so that adding them cannot fail. */
KEEL_NODISCARD KEEL__VEC_FN keel_err *KEEL__VEC_(reserve)(KEEL__VEC *vec, size_t more);

/** Gives back memory that holds no item, as far as the allocator can. */
KEEL__VEC_FN void KEEL__VEC_(shrink)(KEEL__VEC *vec);

/** Adds an item at the end. */
KEEL_NODISCARD KEEL__VEC_FN keel_err *KEEL__VEC_(push)(KEEL__VEC *vec, KEEL_VEC_ITEM item);

/** Adds copies of `count` items at the end, all or none. They may be the vector's own. */
KEEL_NODISCARD KEEL__VEC_FN keel_err *KEEL__VEC_(append)(KEEL__VEC *vec, KEEL_VEC_ITEM const *items,
                                                         size_t count);

/** Takes the last item out, into `*out`, or frees it where that is NULL. False: there is none. */
KEEL__VEC_FN bool KEEL__VEC_(pop)(KEEL__VEC *vec, KEEL_VEC_ITEM *out);

/** The last item, or NULL. */
KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(last)(const KEEL__VEC *vec);

/** The item at `index`, or NULL if there is none. */
KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(at)(const KEEL__VEC *vec, size_t index);

/** Puts an item before the one at `index`, at the end if that is `len` or more. Cost: O(n). */
KEEL_NODISCARD KEEL__VEC_FN keel_err *KEEL__VEC_(insert)(KEEL__VEC *vec, size_t index,
                                                         KEEL_VEC_ITEM item);

/** Takes the item at `index` out, as pop does, and closes the gap. Cost: O(n). */
KEEL__VEC_FN bool KEEL__VEC_(remove)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM *out);

/** The same, but the last item fills the gap. Cost: O(1). */
KEEL__VEC_FN bool KEEL__VEC_(swap_remove)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM *out);

/** Frees the items from `len` on. Nothing happens if there are no more than that. */
KEEL__VEC_FN void KEEL__VEC_(truncate)(KEEL__VEC *vec, size_t len);

/** Keeps those items, in order, that `keep` says true of, once for each, and frees the others. */
KEEL__VEC_FN void KEEL__VEC_(retain)(KEEL__VEC *vec, bool (*keep)(KEEL_VEC_ITEM item, void *arg),
                                     void *arg);

/** An iterator before the first item. */
KEEL__VEC_FN KEEL__VEC_ITER KEEL__VEC_(each)(const KEEL__VEC *vec);

/** Goes on to the next item, at `it->item`. False: that was the last. */
KEEL__VEC_FN bool KEEL__VEC_(next)(KEEL__VEC_ITER *it);

#ifdef KEEL_VEC_EQ
/** Finds the first item equal to `item`. NULL: there is none. Cost: O(n). */
KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(find)(const KEEL__VEC *vec, KEEL_VEC_ITEM item);

/** Whether both hold equal items in the same order. */
KEEL__VEC_FN bool KEEL__VEC_(equal)(const KEEL__VEC *a, const KEEL__VEC *b);
#endif

#if defined(KEEL_VEC_ITEM_COPY) || !defined(KEEL_VEC_ITEM_FREE)
/**
 * Makes `*out` a vector with copies of the items; what it held before is not freed.
 *
 * Errors: KEEL_ERR_NOMEM, or what ITEM_COPY returned; `*out` is then empty.
 */
KEEL_NODISCARD KEEL__VEC_FN keel_err *KEEL__VEC_(clone)(KEEL__VEC *out, const KEEL__VEC *from);
#endif

#endif /* KEEL_VEC_IMPLEMENT */

#ifndef KEEL_VEC_DECLARE

KEEL__VEC_FN void KEEL__VEC_(truncate)(KEEL__VEC *vec, size_t len)
{
#ifdef KEEL_VEC_ITEM_FREE
    for (size_t i = len; i < vec->len; i++)
        KEEL_VEC_ITEM_FREE(&vec->items[i]);
#endif
    if (vec->len > len) {
        vec->len = len;
        vec->keel__changes++;
    }
}

KEEL__VEC_FN void KEEL__VEC_(clear)(KEEL__VEC *vec)
{
    KEEL__VEC_(truncate)(vec, 0);
}

KEEL__VEC_FN void KEEL__VEC_(deinit)(KEEL__VEC *vec)
{
    if (vec == NULL)
        return;
    KEEL__VEC_(truncate)(vec, 0);
    keel_mem_free(vec->items);
    vec->items = NULL;
    vec->cap = 0;
}

KEEL__VEC_FN keel_err *KEEL__VEC_(reserve)(KEEL__VEC *vec, size_t more)
{
    if (more <= vec->cap - vec->len)
        return NULL;
    if (more > SIZE_MAX - vec->len)
        return KEEL_ERR_NOMEM;
    const size_t cap = keel__grown(vec->cap, vec->len + more, sizeof(KEEL_VEC_ITEM));
    /* 0 where there can be no such array, which realloc refuses */
    KEEL_VEC_ITEM *items =
        (KEEL_VEC_ITEM *)keel_mem_realloc(vec->items, cap * sizeof(KEEL_VEC_ITEM));
    if (items == NULL)
        return KEEL_ERR_NOMEM;
    vec->items = items;
    vec->cap = cap;
    vec->keel__changes++;
    return NULL;
}

KEEL__VEC_FN void KEEL__VEC_(shrink)(KEEL__VEC *vec)
{
    if (vec->len == vec->cap)
        return;
    if (vec->len == 0) {
        keel_mem_free(vec->items);
        vec->items = NULL;
        vec->cap = 0;
    } else {
        KEEL_VEC_ITEM *items =
            (KEEL_VEC_ITEM *)keel_mem_realloc(vec->items, vec->len * sizeof(KEEL_VEC_ITEM));
        if (items == NULL)
            return; /* it may as well stay */
        vec->items = items;
        vec->cap = vec->len;
    }
    vec->keel__changes++;
}

KEEL__VEC_FN keel_err *KEEL__VEC_(push)(KEEL__VEC *vec, KEEL_VEC_ITEM item)
{
    if (vec->len == vec->cap) {
        keel_err *err = KEEL__VEC_(reserve)(vec, 1);
        if (err != NULL)
            return err;
    }
    vec->items[vec->len++] = item;
    vec->keel__changes++;
    return NULL;
}

KEEL__VEC_FN keel_err *KEEL__VEC_(append)(KEEL__VEC *vec, KEEL_VEC_ITEM const *items, size_t count)
{
    if (count == 0)
        return NULL;
    /* its own items may move with the rest */
    const uintptr_t offset = (uintptr_t)items - (uintptr_t)vec->items;
    const bool own = vec->items != NULL && offset < vec->len * sizeof(KEEL_VEC_ITEM);
    keel_err *err = KEEL__VEC_(reserve)(vec, count);
    if (err != NULL)
        return err;
    if (own)
        items = (KEEL_VEC_ITEM const *)(const void *)((const char *)vec->items + offset);
    memcpy(vec->items + vec->len, items, count * sizeof(KEEL_VEC_ITEM));
    vec->len += count;
    vec->keel__changes++;
    return NULL;
}

KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(at)(const KEEL__VEC *vec, size_t index)
{
    return index < vec->len ? &vec->items[index] : NULL;
}

KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(last)(const KEEL__VEC *vec)
{
    return vec->len > 0 ? &vec->items[vec->len - 1] : NULL;
}

KEEL__VEC_FN keel_err *KEEL__VEC_(insert)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM item)
{
    keel_err *err = KEEL__VEC_(reserve)(vec, 1);
    if (err != NULL)
        return err;
    if (index > vec->len)
        index = vec->len;
    /* no type after a parameter that may have its name */
    memmove(vec->items + index + 1, vec->items + index, (vec->len - index) * sizeof item);
    vec->items[index] = item;
    vec->len++;
    vec->keel__changes++;
    return NULL;
}

/* Hands the item at `index` out, or frees it; what remains there is to be overwritten. */
static inline void KEEL__VEC_(keel__out)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM *out)
{
    if (out != NULL)
        *out = vec->items[index];
#ifdef KEEL_VEC_ITEM_FREE
    else
        KEEL_VEC_ITEM_FREE(&vec->items[index]);
#endif
    vec->len--;
    vec->keel__changes++;
}

KEEL__VEC_FN bool KEEL__VEC_(pop)(KEEL__VEC *vec, KEEL_VEC_ITEM *out)
{
    if (vec->len == 0)
        return false;
    KEEL__VEC_(keel__out)(vec, vec->len - 1, out);
    return true;
}

KEEL__VEC_FN bool KEEL__VEC_(remove)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM *out)
{
    if (index >= vec->len)
        return false;
    KEEL__VEC_(keel__out)(vec, index, out);
    KEEL_VEC_ITEM *at = vec->items + index;
    memmove(at, at + 1, (vec->len - index) * sizeof(KEEL_VEC_ITEM));
    return true;
}

KEEL__VEC_FN bool KEEL__VEC_(swap_remove)(KEEL__VEC *vec, size_t index, KEEL_VEC_ITEM *out)
{
    if (index >= vec->len)
        return false;
    KEEL__VEC_(keel__out)(vec, index, out);
    vec->items[index] = vec->items[vec->len];
    return true;
}

KEEL__VEC_FN void KEEL__VEC_(retain)(KEEL__VEC *vec, bool (*keep)(KEEL_VEC_ITEM item, void *arg),
                                     void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < vec->len; i++) {
        if (keep(vec->items[i], arg))
            vec->items[kept++] = vec->items[i];
#ifdef KEEL_VEC_ITEM_FREE
        else
            KEEL_VEC_ITEM_FREE(&vec->items[i]);
#endif
    }
    if (kept < vec->len) {
        vec->len = kept;
        vec->keel__changes++;
    }
}

KEEL__VEC_FN KEEL__VEC_ITER KEEL__VEC_(each)(const KEEL__VEC *vec)
{
    const KEEL__VEC_ITER it = { NULL, vec, 0, vec->keel__changes };
    return it;
}

KEEL__VEC_FN bool KEEL__VEC_(next)(KEEL__VEC_ITER *it)
{
    KEEL__UNCHANGED(it->keel__changes, it->keel__of->keel__changes, KEEL__STRING(KEEL__VEC));
    if (it->keel__next >= it->keel__of->len)
        return false;
    it->item = &it->keel__of->items[it->keel__next++];
    return true;
}

#ifdef KEEL_VEC_EQ
KEEL__VEC_FN KEEL_VEC_ITEM *KEEL__VEC_(find)(const KEEL__VEC *vec, KEEL_VEC_ITEM item)
{
    for (size_t i = 0; i < vec->len; i++) {
        if (KEEL_VEC_EQ(vec->items[i], item))
            return &vec->items[i];
    }
    return NULL;
}

KEEL__VEC_FN bool KEEL__VEC_(equal)(const KEEL__VEC *a, const KEEL__VEC *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        if (!KEEL_VEC_EQ(a->items[i], b->items[i]))
            return false;
    }
    return true;
}
#endif

#if defined(KEEL_VEC_ITEM_COPY) || !defined(KEEL_VEC_ITEM_FREE)
KEEL__VEC_FN keel_err *KEEL__VEC_(clone)(KEEL__VEC *out, const KEEL__VEC *from)
{
    memset(out, 0, sizeof *out);
#ifdef KEEL_VEC_ITEM_COPY
    keel_err *err = KEEL__VEC_(reserve)(out, from->len);
    for (; err == NULL && out->len < from->len; out->len += err == NULL)
        err = KEEL_VEC_ITEM_COPY(&out->items[out->len], &from->items[out->len]);
    if (err != NULL)
        KEEL__VEC_(deinit)(out);
    return err;
#else
    return KEEL__VEC_(append)(out, from->items, from->len);
#endif
}
#endif

#endif /* KEEL_VEC_DECLARE */

KEEL_END_DECLS

#undef KEEL__VEC
#undef KEEL__VEC_ITER
#undef KEEL__VEC_
#undef KEEL__VEC_FN
#undef KEEL_VEC_NAME
#undef KEEL_VEC_ITEM
#undef KEEL_VEC_EQ
#undef KEEL_VEC_ITEM_FREE
#undef KEEL_VEC_ITEM_COPY
#undef KEEL_VEC_DECLARE
#undef KEEL_VEC_IMPLEMENT
