/* SPDX-License-Identifier: MIT */

/**
 * A queue of any type with two ends: adding and taking at either is O(1). A template: see
 * <keel/template.h>.
 *
 *     #define KEEL_DEQUE_NAME jobs
 *     #define KEEL_DEQUE_ITEM job *
 *     #include <keel/deque.h>
 *
 * Optional parameters, functions or macros:
 *     KEEL_DEQUE_EQ         bool (ITEM a, ITEM b): makes find and equal.
 *     KEEL_DEQUE_ITEM_FREE  void (ITEM *item): what deinit, clear and an unclaimed pop call for each
 *                           item.
 *     KEEL_DEQUE_ITEM_COPY  keel_err *(ITEM *to, ITEM const *from): what clone calls; needed for clone
 *                           where ITEM_FREE is given. Without both, clone copies bytes.
 *
 *     while (jobs_pop_front(&queue, &next))
 *         run(next);
 *
 *     for (jobs_iter it = jobs_each(&queue); jobs_next(&it);) // from the front to the back
 *         print(*it.item);
 */

#include <string.h>

#include <keel/template.h>

#if !defined(KEEL_DEQUE_NAME) || !defined(KEEL_DEQUE_ITEM)
#error "before <keel/deque.h>: #define KEEL_DEQUE_NAME jobs, then #define KEEL_DEQUE_ITEM job *"
#endif

#if defined(KEEL_DEQUE_DECLARE) && defined(KEEL_DEQUE_IMPLEMENT)
#error "<keel/deque.h>: KEEL_DEQUE_DECLARE is for the header, KEEL_DEQUE_IMPLEMENT for one .c"
#endif

/* `ITEM const *` throughout, never `const ITEM *`: ITEM may be `char *`. */
#define KEEL__DEQUE KEEL_DEQUE_NAME
#define KEEL__DEQUE_ITER KEEL__JOIN(KEEL_DEQUE_NAME, iter)
#define KEEL__DEQUE_(verb) KEEL__JOIN(KEEL_DEQUE_NAME, verb)
#if defined(KEEL_DEQUE_DECLARE) || defined(KEEL_DEQUE_IMPLEMENT)
#define KEEL__DEQUE_FN
#else
#define KEEL__DEQUE_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_DEQUE_IMPLEMENT

/* A ring: the items are `len` from `head` on, and from the start of the block when its end is
 * reached. `head` is less than `cap`, or both are 0. */
typedef struct KEEL__DEQUE {
    size_t len; /**< How many items it holds; for reading. */
    size_t keel__head, keel__cap;
    KEEL_DEQUE_ITEM *keel__items;
    size_t keel__changes;
} KEEL__DEQUE;

typedef struct KEEL__DEQUE_ITER {
    KEEL_DEQUE_ITEM *item; /**< The current one, after next said true. */
    const KEEL__DEQUE *keel__of;
    size_t keel__next, keel__changes;
} KEEL__DEQUE_ITER;

/** Frees the items and the memory. The deque is empty afterwards and can be used again. */
KEEL__DEQUE_FN void KEEL__DEQUE_(deinit)(KEEL__DEQUE *deque);

/** Frees the items and keeps the memory. */
KEEL__DEQUE_FN void KEEL__DEQUE_(clear)(KEEL__DEQUE *deque);

/** Makes room for `more` items beyond those held, so that adding them cannot fail. */
KEEL_NODISCARD KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(reserve)(KEEL__DEQUE *deque, size_t more);

/** Gives back memory that holds no item, if there is memory to move the others to. Cost: O(n). */
KEEL__DEQUE_FN void KEEL__DEQUE_(shrink)(KEEL__DEQUE *deque);

/** Adds an item at the back, or at the front. */
KEEL_NODISCARD KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(push_back)(KEEL__DEQUE *deque,
                                                                KEEL_DEQUE_ITEM item);
KEEL_NODISCARD KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(push_front)(KEEL__DEQUE *deque,
                                                                 KEEL_DEQUE_ITEM item);

/** Takes the item at that end out, into `*out`, or frees it where that is NULL. False: there is none. */
KEEL__DEQUE_FN bool KEEL__DEQUE_(pop_back)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM *out);
KEEL__DEQUE_FN bool KEEL__DEQUE_(pop_front)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM *out);

/** The item at that end, or NULL. */
KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(back)(const KEEL__DEQUE *deque);
KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(front)(const KEEL__DEQUE *deque);

/** The item at `index`, counted from the front, or NULL if there is none. */
KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(at)(const KEEL__DEQUE *deque, size_t index);

/** An iterator before the item at the front. */
KEEL__DEQUE_FN KEEL__DEQUE_ITER KEEL__DEQUE_(each)(const KEEL__DEQUE *deque);

/** Goes on to the next item, at `it->item`. False: that was the one at the back. */
KEEL__DEQUE_FN bool KEEL__DEQUE_(next)(KEEL__DEQUE_ITER *it);

#ifdef KEEL_DEQUE_EQ
/** Finds the first item, from the front, equal to `item`. NULL: there is none. Cost: O(n). */
KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(find)(const KEEL__DEQUE *deque, KEEL_DEQUE_ITEM item);

/** Whether both hold equal items in the same order. */
KEEL__DEQUE_FN bool KEEL__DEQUE_(equal)(const KEEL__DEQUE *a, const KEEL__DEQUE *b);
#endif

#if defined(KEEL_DEQUE_ITEM_COPY) || !defined(KEEL_DEQUE_ITEM_FREE)
/**
 * Makes `*out` a deque with copies of the items; what it held before is not freed.
 *
 * Errors: KEEL_ERR_NOMEM, or what ITEM_COPY returned; `*out` is then empty.
 */
KEEL_NODISCARD KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(clone)(KEEL__DEQUE *out,
                                                            const KEEL__DEQUE *from);
#endif

#endif /* KEEL_DEQUE_IMPLEMENT */

#ifndef KEEL_DEQUE_DECLARE

/* Where the item at `index` lies; `index` is at most `len`, and there is memory. */
static inline KEEL_DEQUE_ITEM *KEEL__DEQUE_(keel__slot)(const KEEL__DEQUE *deque, size_t index)
{
    const size_t slot = deque->keel__head + index;
    return &deque->keel__items[slot < deque->keel__cap ? slot : slot - deque->keel__cap];
}

/* Copies the items, in order, to an array with room for them. */
static inline void KEEL__DEQUE_(keel__unroll)(KEEL_DEQUE_ITEM *to, const KEEL__DEQUE *from)
{
    const size_t to_end = from->keel__cap - from->keel__head;
    const size_t first = from->len < to_end ? from->len : to_end;

    if (from->len == 0)
        return;
    memcpy(to, from->keel__items + from->keel__head, first * sizeof(KEEL_DEQUE_ITEM));
    memcpy(to + first, from->keel__items, (from->len - first) * sizeof(KEEL_DEQUE_ITEM));
}

KEEL__DEQUE_FN void KEEL__DEQUE_(clear)(KEEL__DEQUE *deque)
{
    if (deque->len == 0)
        return;
#ifdef KEEL_DEQUE_ITEM_FREE
    for (size_t i = 0; i < deque->len; i++)
        KEEL_DEQUE_ITEM_FREE(KEEL__DEQUE_(keel__slot)(deque, i));
#endif
    deque->len = deque->keel__head = 0;
    deque->keel__changes++;
}

KEEL__DEQUE_FN void KEEL__DEQUE_(deinit)(KEEL__DEQUE *deque)
{
    if (deque == NULL)
        return;
    KEEL__DEQUE_(clear)(deque);
    keel_mem_free(deque->keel__items);
    deque->keel__items = NULL;
    deque->keel__cap = deque->keel__head = 0;
}

KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(reserve)(KEEL__DEQUE *deque, size_t more)
{
    const size_t old = deque->keel__cap;

    if (more <= old - deque->len)
        return NULL;
    if (more > SIZE_MAX - deque->len)
        return KEEL_ERR_NOMEM;
    const size_t cap = keel__grown(old, deque->len + more, sizeof(KEEL_DEQUE_ITEM));
    KEEL_DEQUE_ITEM *items =
        (KEEL_DEQUE_ITEM *)keel_mem_realloc(deque->keel__items, cap * sizeof(KEEL_DEQUE_ITEM));
    if (items == NULL)
        return KEEL_ERR_NOMEM;
    const size_t to_end = old - deque->keel__head;
    if (deque->len > to_end) {
        /* one of the two pieces moves: that at the start to behind the other, or the other to the end */
        const size_t rest = deque->len - to_end;
        if (rest <= to_end && rest <= cap - old) {
            memcpy(items + old, items, rest * sizeof(KEEL_DEQUE_ITEM));
        } else {
            memmove(items + (cap - to_end), items + deque->keel__head,
                    to_end * sizeof(KEEL_DEQUE_ITEM));
            deque->keel__head = cap - to_end;
        }
    }
    deque->keel__items = items;
    deque->keel__cap = cap;
    deque->keel__changes++;
    return NULL;
}

KEEL__DEQUE_FN void KEEL__DEQUE_(shrink)(KEEL__DEQUE *deque)
{
    KEEL_DEQUE_ITEM *items = NULL;

    if (deque->len == deque->keel__cap)
        return;
    if (deque->len > 0) {
        items = (KEEL_DEQUE_ITEM *)keel_mem_alloc(deque->len * sizeof(KEEL_DEQUE_ITEM));
        if (items == NULL)
            return; /* it may as well stay */
        KEEL__DEQUE_(keel__unroll)(items, deque);
    }
    keel_mem_free(deque->keel__items);
    deque->keel__items = items;
    deque->keel__cap = deque->len;
    deque->keel__head = 0;
    deque->keel__changes++;
}

KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(push_back)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM item)
{
    if (deque->len == deque->keel__cap) {
        keel_err *err = KEEL__DEQUE_(reserve)(deque, 1);
        if (err != NULL)
            return err;
    }
    *KEEL__DEQUE_(keel__slot)(deque, deque->len) = item;
    deque->len++;
    deque->keel__changes++;
    return NULL;
}

KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(push_front)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM item)
{
    if (deque->len == deque->keel__cap) {
        keel_err *err = KEEL__DEQUE_(reserve)(deque, 1);
        if (err != NULL)
            return err;
    }
    deque->keel__head = (deque->keel__head > 0 ? deque->keel__head : deque->keel__cap) - 1;
    deque->keel__items[deque->keel__head] = item;
    deque->len++;
    deque->keel__changes++;
    return NULL;
}

/* Hands the item at `index` out, or frees it; the caller lets its slot go. */
static inline void KEEL__DEQUE_(keel__out)(KEEL__DEQUE *deque, size_t index, KEEL_DEQUE_ITEM *out)
{
    KEEL_DEQUE_ITEM *item = KEEL__DEQUE_(keel__slot)(deque, index);

    if (out != NULL)
        *out = *item;
#ifdef KEEL_DEQUE_ITEM_FREE
    else
        KEEL_DEQUE_ITEM_FREE(item);
#endif
    deque->len--;
    deque->keel__changes++;
}

KEEL__DEQUE_FN bool KEEL__DEQUE_(pop_back)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM *out)
{
    if (deque->len == 0)
        return false;
    KEEL__DEQUE_(keel__out)(deque, deque->len - 1, out);
    return true;
}

KEEL__DEQUE_FN bool KEEL__DEQUE_(pop_front)(KEEL__DEQUE *deque, KEEL_DEQUE_ITEM *out)
{
    if (deque->len == 0)
        return false;
    KEEL__DEQUE_(keel__out)(deque, 0, out);
    deque->keel__head = deque->keel__head + 1 < deque->keel__cap ? deque->keel__head + 1 : 0;
    return true;
}

KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(at)(const KEEL__DEQUE *deque, size_t index)
{
    return index < deque->len ? KEEL__DEQUE_(keel__slot)(deque, index) : NULL;
}

KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(back)(const KEEL__DEQUE *deque)
{
    return KEEL__DEQUE_(at)(deque, deque->len - 1);
}

KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(front)(const KEEL__DEQUE *deque)
{
    return KEEL__DEQUE_(at)(deque, 0);
}

KEEL__DEQUE_FN KEEL__DEQUE_ITER KEEL__DEQUE_(each)(const KEEL__DEQUE *deque)
{
    const KEEL__DEQUE_ITER it = { NULL, deque, 0, deque->keel__changes };
    return it;
}

KEEL__DEQUE_FN bool KEEL__DEQUE_(next)(KEEL__DEQUE_ITER *it)
{
    KEEL__UNCHANGED(it->keel__changes, it->keel__of->keel__changes, KEEL__STRING(KEEL__DEQUE));
    if (it->keel__next >= it->keel__of->len)
        return false;
    it->item = KEEL__DEQUE_(keel__slot)(it->keel__of, it->keel__next++);
    return true;
}

#ifdef KEEL_DEQUE_EQ
KEEL__DEQUE_FN KEEL_DEQUE_ITEM *KEEL__DEQUE_(find)(const KEEL__DEQUE *deque, KEEL_DEQUE_ITEM item)
{
    for (size_t i = 0; i < deque->len; i++) {
        KEEL_DEQUE_ITEM *candidate = KEEL__DEQUE_(keel__slot)(deque, i);
        if (KEEL_DEQUE_EQ(*candidate, item))
            return candidate;
    }
    return NULL;
}

KEEL__DEQUE_FN bool KEEL__DEQUE_(equal)(const KEEL__DEQUE *a, const KEEL__DEQUE *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        KEEL_DEQUE_ITEM const *of_a = KEEL__DEQUE_(keel__slot)(a, i);
        KEEL_DEQUE_ITEM const *of_b = KEEL__DEQUE_(keel__slot)(b, i);
        if (!KEEL_DEQUE_EQ(*of_a, *of_b))
            return false;
    }
    return true;
}
#endif

#if defined(KEEL_DEQUE_ITEM_COPY) || !defined(KEEL_DEQUE_ITEM_FREE)
KEEL__DEQUE_FN keel_err *KEEL__DEQUE_(clone)(KEEL__DEQUE *out, const KEEL__DEQUE *from)
{
    memset(out, 0, sizeof *out);
    keel_err *err = KEEL__DEQUE_(reserve)(out, from->len);
#ifdef KEEL_DEQUE_ITEM_COPY
    for (; err == NULL && out->len < from->len; out->len += err == NULL)
        err = KEEL_DEQUE_ITEM_COPY(&out->keel__items[out->len],
                                   KEEL__DEQUE_(keel__slot)(from, out->len));
    if (err != NULL)
        KEEL__DEQUE_(deinit)(out);
    return err;
#else
    if (err != NULL)
        return err;
    KEEL__DEQUE_(keel__unroll)(out->keel__items, from);
    out->len = from->len;
    return NULL;
#endif
}
#endif

#endif /* KEEL_DEQUE_DECLARE */

KEEL_END_DECLS

#undef KEEL__DEQUE
#undef KEEL__DEQUE_ITER
#undef KEEL__DEQUE_
#undef KEEL__DEQUE_FN
#undef KEEL_DEQUE_NAME
#undef KEEL_DEQUE_ITEM
#undef KEEL_DEQUE_EQ
#undef KEEL_DEQUE_ITEM_FREE
#undef KEEL_DEQUE_ITEM_COPY
#undef KEEL_DEQUE_DECLARE
#undef KEEL_DEQUE_IMPLEMENT
