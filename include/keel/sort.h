/* SPDX-License-Identifier: MIT */

/**
 * Sorting arrays of any type and searching in sorted ones. A template: see <keel/template.h>. For
 * plain numbers and strings keel_sort_i32 and the like are ready made, and need no parameters.
 *
 *     #define KEEL_SORT_NAME users
 *     #define KEEL_SORT_ITEM user
 *     #define KEEL_SORT_LESS(a, b) (strcmp((a).name, (b).name) < 0)
 *     #include <keel/sort.h> // makes users_sort, users_search, ...; #undefs the parameters
 *
 *     users_sort(v.items, v.len);
 *
 * What orders the items is one of these, a macro or a function:
 *     KEEL_SORT_KEY(item)     a number in the item, to sort by: `((item).id)`, or `(item)` alone.
 *     KEEL_SORT_LESS(a, b)    whether a comes before b; false if they are equal. Both are given as
 *                             values; a macro saves copying large ones.
 * and with LESS there may be
 *     KEEL_SORT_ARG           the type of an argument that the functions take last, and LESS as its
 *                             third: a table to look up in, an order that the user chose.
 *
 * Optional, for searching by something that is not an item:
 *     KEEL_SORT_TARGET        its type: makes search_for.
 *     KEEL_SORT_COMPARE(item, target[, arg])  less than, equal to or greater than 0, as strcmp.
 *
 * An order that contradicts itself (a key that is NaN, `<=` for LESS) gives no order and may lose or
 * repeat items, but never reads or writes outside the array.
 *
 * Source: quicksort with a pseudo-median of many (as in Rust's ipnsort, by Bergdoll and Peters), a
 *         partition without branches, sorting networks for the small parts, and a bottom-up heapsort
 *         where the pivots are bad. Never more than O(n log n).
 */

#ifndef KEEL_SORT_H
#define KEEL_SORT_H

#include <string.h>

#include <keel/sort_parts.h>
#include <keel/template.h>

KEEL_BEGIN_DECLS

/** Sorts numbers in place, upwards. */
void keel_sort_i32(int32_t *items, size_t count);
void keel_sort_u32(uint32_t *items, size_t count);
void keel_sort_i64(int64_t *items, size_t count);
void keel_sort_u64(uint64_t *items, size_t count);

/** The same; NaNs come last. */
void keel_sort_double(double *items, size_t count);

/** Sorts strings in place, by the values of their bytes as strcmp does. */
void keel_sort_str(const char **items, size_t count);

KEEL_END_DECLS

#endif /* KEEL_SORT_H */

/* Without parameters only the above is wanted. */
#if defined(KEEL_SORT_NAME) || defined(KEEL_SORT_ITEM) || defined(KEEL_SORT_KEY) ||                \
    defined(KEEL_SORT_LESS)

#if !defined(KEEL_SORT_NAME) || !defined(KEEL_SORT_ITEM) ||                                        \
    defined(KEEL_SORT_KEY) == defined(KEEL_SORT_LESS)
#error                                                                                             \
    "before <keel/sort.h>: #define KEEL_SORT_NAME users, #define KEEL_SORT_ITEM user, and one of \
#define KEEL_SORT_KEY(item) ((item).id) and #define KEEL_SORT_LESS(a, b) ((a).id < (b).id)"
#endif
#if defined(KEEL_SORT_KEY) && defined(KEEL_SORT_ARG)
#error "<keel/sort.h>: KEEL_SORT_ARG goes with KEEL_SORT_LESS(a, b, arg), not with KEEL_SORT_KEY"
#endif
#if defined(KEEL_SORT_TARGET) != defined(KEEL_SORT_COMPARE)
#error "<keel/sort.h>: KEEL_SORT_TARGET and KEEL_SORT_COMPARE(item, target) go together"
#endif
#if defined(KEEL_SORT_DECLARE) && defined(KEEL_SORT_IMPLEMENT)
#error "<keel/sort.h>: KEEL_SORT_DECLARE is for the header, KEEL_SORT_IMPLEMENT for one .c"
#endif

#define KEEL__SORT_(verb) KEEL__JOIN(KEEL_SORT_NAME, verb)
#define KEEL__SORT_OWN(verb) KEEL__JOIN(KEEL_SORT_NAME, keel__sort_##verb)
#if defined(KEEL_SORT_DECLARE) || defined(KEEL_SORT_IMPLEMENT)
#define KEEL__SORT_FN
#else
#define KEEL__SORT_FN static inline
#endif

/* The argument's declaration, and its name, after others. */
#ifdef KEEL_SORT_ARG
#define KEEL__SORT_TAKES , KEEL_SORT_ARG arg
#define KEEL__SORT_ARG , arg
#else
#define KEEL__SORT_TAKES
#define KEEL__SORT_ARG
#endif

/* The item's type and the comparisons, inside the functions: there the parameters themselves could be
 * taken for variables, where one has the name of a type or a function of the user's. */
#define KEEL__SORT_ITEM KEEL__SORT_OWN(item)
#define KEEL__SORT_LESS(a, b) KEEL__SORT_OWN(less)(&(a), &(b)KEEL__SORT_ARG)

KEEL_BEGIN_DECLS

#ifndef KEEL_SORT_IMPLEMENT

/** Sorts in place; equal items end up in any order. Allocates nothing. Cost: O(n log n) at most. */
KEEL__SORT_FN void KEEL__SORT_(sort)(KEEL_SORT_ITEM *items, size_t count KEEL__SORT_TAKES);

/**
 * Sorts, and equal items stay in the order they are in. Allocates room for as many items.
 *
 * Errors: KEEL_ERR_NOMEM; the array is then as it was. Never for up to 32 items, nor where they were
 *         sorted already, in either direction.
 * Cost:   O(n log n) at most.
 */
KEEL_NODISCARD KEEL__SORT_FN keel_err *KEEL__SORT_(sort_stable)(KEEL_SORT_ITEM *items,
                                                                size_t count KEEL__SORT_TAKES);

/** Sorts so far that the first `first` items are the least ones, in order. Cost: O(n + k log k). */
KEEL__SORT_FN void KEEL__SORT_(sort_first)(KEEL_SORT_ITEM *items, size_t count,
                                           size_t first KEEL__SORT_TAKES);

/**
 * Moves the item to `index` that sorting would put there, those that are not greater before it and those
 * that are not less behind it. Nothing happens if there is no such index. Cost: O(n), O(n log n) at most.
 */
KEEL__SORT_FN void KEEL__SORT_(nth)(KEEL_SORT_ITEM *items, size_t count,
                                    size_t index KEEL__SORT_TAKES);

/** Whether the items are in order. */
KEEL__SORT_FN bool KEEL__SORT_(is_sorted)(KEEL_SORT_ITEM const *items,
                                          size_t count KEEL__SORT_TAKES);

/**
 * Searches sorted items: whether one is equal to `item`. `*index` (may be NULL) becomes the lowest where
 * it is, or where it would have to be inserted. Cost: O(log n).
 */
KEEL__SORT_FN bool KEEL__SORT_(search)(KEEL_SORT_ITEM const *items, size_t count,
                                       KEEL_SORT_ITEM item, size_t *index KEEL__SORT_TAKES);

/** In sorted items, the index of the first that is not less than `item`, or `count`. */
KEEL__SORT_FN size_t KEEL__SORT_(lower_bound)(KEEL_SORT_ITEM const *items, size_t count,
                                              KEEL_SORT_ITEM item KEEL__SORT_TAKES);

/** In sorted items, the index of the first that is greater than `item`, or `count`. */
KEEL__SORT_FN size_t KEEL__SORT_(upper_bound)(KEEL_SORT_ITEM const *items, size_t count,
                                              KEEL_SORT_ITEM item KEEL__SORT_TAKES);

#ifdef KEEL_SORT_TARGET
/** As search, for what KEEL_SORT_COMPARE finds equal to `target`. */
KEEL__SORT_FN bool KEEL__SORT_(search_for)(KEEL_SORT_ITEM const *items, size_t count,
                                           KEEL_SORT_TARGET target, size_t *index KEEL__SORT_TAKES);
#endif

#endif /* KEEL_SORT_IMPLEMENT */

#ifndef KEEL_SORT_DECLARE

typedef KEEL_SORT_ITEM KEEL__SORT_ITEM;

static inline bool KEEL__SORT_OWN(less)(KEEL__SORT_ITEM const *keel__a,
                                        KEEL__SORT_ITEM const *keel__b KEEL__SORT_TAKES)
{
#ifdef KEEL_SORT_KEY
    return KEEL_SORT_KEY((*keel__a)) < KEEL_SORT_KEY((*keel__b));
#elif defined(KEEL_SORT_ARG)
    return KEEL_SORT_LESS((*keel__a), (*keel__b), arg);
#else
    return KEEL_SORT_LESS((*keel__a), (*keel__b));
#endif
}

#ifdef KEEL_SORT_TARGET
static inline int KEEL__SORT_OWN(compare)(KEEL__SORT_ITEM const *keel__item,
                                          KEEL_SORT_TARGET *keel__target KEEL__SORT_TAKES)
{
#ifdef KEEL_SORT_ARG
    return KEEL_SORT_COMPARE((*keel__item), (*keel__target), arg);
#else
    return KEEL_SORT_COMPARE((*keel__item), (*keel__target));
#endif
}
#endif

/* ---- A few items ---- */

/* Puts two items in order. `a` lies before `b`. */
static inline void KEEL__SORT_OWN(order)(KEEL__SORT_ITEM *a, KEEL__SORT_ITEM *b KEEL__SORT_TAKES)
{
    const bool swap = KEEL__SORT_LESS(*b, *a);

    if (KEEL__SORT_IS_INTEGER(*a)) {
        KEEL__SORT_ITEM const x = *a;
        KEEL__SORT_ITEM const y = *b;
        *a = swap ? y : x;
        *b = swap ? x : y;
    } else if (sizeof(KEEL__SORT_ITEM) <= 8) {
        keel__sort_swap(a, b, sizeof(KEEL__SORT_ITEM), swap);
    } else {
        KEEL__SORT_ITEM const first = *(KEEL__SORT_ITEM const *)keel__sort_pick(swap, b, a);
        KEEL__SORT_ITEM const second = *(KEEL__SORT_ITEM const *)keel__sort_pick(swap, a, b);
        *a = first;
        *b = second;
    }
}

/* Sorts up to 8 items by networks of the fewest comparisons. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(network)(KEEL__SORT_ITEM *v, size_t n KEEL__SORT_TAKES)
{
#define KEEL__SORT_2(i, j) KEEL__SORT_OWN(order)(v + (i), v + (j)KEEL__SORT_ARG)
#define KEEL__SORT_4(i, j, k, l) KEEL__SORT_2(i, j), KEEL__SORT_2(k, l)
    switch (n) {
    case 2:
        KEEL__SORT_2(0, 1);
        break;
    case 3:
        KEEL__SORT_4(0, 2, 0, 1), KEEL__SORT_2(1, 2);
        break;
    case 4:
        KEEL__SORT_4(0, 2, 1, 3), KEEL__SORT_4(0, 1, 2, 3), KEEL__SORT_2(1, 2);
        break;
    case 5:
        KEEL__SORT_4(0, 3, 1, 4), KEEL__SORT_4(0, 2, 1, 3), KEEL__SORT_4(0, 1, 2, 4);
        KEEL__SORT_4(1, 2, 3, 4), KEEL__SORT_2(2, 3);
        break;
    case 6:
        KEEL__SORT_4(0, 5, 1, 3), KEEL__SORT_4(2, 4, 1, 2), KEEL__SORT_4(3, 4, 0, 3);
        KEEL__SORT_4(2, 5, 0, 1), KEEL__SORT_4(2, 3, 4, 5), KEEL__SORT_4(1, 2, 3, 4);
        break;
    case 7:
        KEEL__SORT_4(0, 6, 2, 3), KEEL__SORT_4(4, 5, 0, 2), KEEL__SORT_4(1, 4, 3, 6);
        KEEL__SORT_4(0, 1, 2, 5), KEEL__SORT_4(3, 4, 1, 2), KEEL__SORT_4(4, 6, 2, 3);
        KEEL__SORT_4(4, 5, 1, 2), KEEL__SORT_4(3, 4, 5, 6);
        break;
    case 8:
        KEEL__SORT_4(0, 2, 1, 3), KEEL__SORT_4(4, 6, 5, 7), KEEL__SORT_4(0, 4, 1, 5);
        KEEL__SORT_4(2, 6, 3, 7), KEEL__SORT_4(0, 1, 2, 3), KEEL__SORT_4(4, 5, 6, 7);
        KEEL__SORT_4(2, 4, 3, 5), KEEL__SORT_4(1, 4, 3, 6), KEEL__SORT_4(1, 2, 3, 4);
        KEEL__SORT_2(5, 6);
        break;
    default:
        break;
    }
#undef KEEL__SORT_2
#undef KEEL__SORT_4
}

/* Merges the sorted halves from[0..n / 2) and from[n / 2..n) into `to`, from both ends at once: then no
 * half can run out before the last step, whatever the comparison says, and the processor has two
 * chains of work. Stable. */
static inline void KEEL__SORT_OWN(merge)(KEEL__SORT_ITEM const *from, size_t n,
                                         KEEL__SORT_ITEM *to KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM const *left = from;
    KEEL__SORT_ITEM const *left_end = from + n / 2;
    KEEL__SORT_ITEM const *right = left_end;
    KEEL__SORT_ITEM const *right_end = from + n;
    KEEL__SORT_ITEM *to_end = to + n;

    for (size_t i = n / 2; i > 0; i--) {
        const bool lower = KEEL__SORT_LESS(*right, *left);
        *to++ = *(KEEL__SORT_ITEM const *)keel__sort_pick(lower, right, left);
        right += lower;
        left += !lower;

        const bool upper = KEEL__SORT_LESS(right_end[-1], left_end[-1]);
        *--to_end = *(KEEL__SORT_ITEM const *)keel__sort_pick(upper, left_end - 1, right_end - 1);
        left_end -= upper;
        right_end -= !upper;
    }
    if (n % 2 != 0)
        *to = left < left_end ? *left : *right;
}

/* For items that are costly to move. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(insertion)(KEEL__SORT_ITEM *v, size_t n KEEL__SORT_TAKES)
{
    for (size_t i = 1; i < n; i++) {
        size_t at = i;

        while (at > 0 && KEEL__SORT_LESS(v[i], v[at - 1]))
            at--;
        if (at < i) {
            KEEL__SORT_ITEM const item = v[i];
            memmove(v + at + 1, v + at, (i - at) * sizeof(KEEL__SORT_ITEM));
            v[at] = item;
        }
    }
}

/* Sorts up to KEEL__SORT_FEW items. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(few)(KEEL__SORT_ITEM *v, size_t n KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM scratch[sizeof(KEEL__SORT_ITEM) <= KEEL__SORT_LIGHT ? KEEL__SORT_FEW : 1];
    const size_t half = n / 2, quarter = half / 2, three = half + (n - half) / 2;

    if (sizeof(KEEL__SORT_ITEM) > KEEL__SORT_LIGHT) {
        KEEL__SORT_OWN(insertion)(v, n KEEL__SORT_ARG);
    } else if (n <= 8) {
        KEEL__SORT_OWN(network)(v, n KEEL__SORT_ARG);
    } else if (n <= 16) {
        KEEL__SORT_OWN(network)(v, half KEEL__SORT_ARG);
        KEEL__SORT_OWN(network)(v + half, n - half KEEL__SORT_ARG);
        KEEL__SORT_OWN(merge)(v, n, scratch KEEL__SORT_ARG);
        memcpy(v, scratch, n * sizeof(KEEL__SORT_ITEM));
    } else {
        KEEL__SORT_OWN(network)(v, quarter KEEL__SORT_ARG);
        KEEL__SORT_OWN(network)(v + quarter, half - quarter KEEL__SORT_ARG);
        KEEL__SORT_OWN(network)(v + half, three - half KEEL__SORT_ARG);
        KEEL__SORT_OWN(network)(v + three, n - three KEEL__SORT_ARG);
        KEEL__SORT_OWN(merge)(v, half, scratch KEEL__SORT_ARG);
        KEEL__SORT_OWN(merge)(v + half, n - half, scratch + half KEEL__SORT_ARG);
        KEEL__SORT_OWN(merge)(scratch, n, v KEEL__SORT_ARG);
    }
}

/* ---- Many ---- */

/* Moves v[root] down to where no child in v[0..n) is greater: first all the way, since it mostly
 * belongs near the bottom, then up, with half the comparisons of a plain heap. */
static inline void KEEL__SORT_OWN(sift)(KEEL__SORT_ITEM *v, size_t root, size_t n KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM const item = v[root];
    size_t hole = root, child;

    for (; (child = 2 * hole + 2) < n; hole = child) {
        child -= KEEL__SORT_LESS(v[child], v[child - 1]);
        v[hole] = v[child];
    }
    if (child == n) {
        v[hole] = v[child - 1];
        hole = child - 1;
    }
    while (hole > root) {
        const size_t parent = (hole - 1) / 2;

        if (!KEEL__SORT_LESS(v[parent], item))
            break;
        v[hole] = v[parent];
        hole = parent;
    }
    v[hole] = item;
}

KEEL__SORT_ASIDE void KEEL__SORT_OWN(heap)(KEEL__SORT_ITEM *v, size_t n KEEL__SORT_TAKES)
{
    for (size_t root = n / 2; root > 0; root--)
        KEEL__SORT_OWN(sift)(v, root - 1, n KEEL__SORT_ARG);
    for (size_t end = n; end > 1; end--) {
        KEEL__SORT_ITEM const greatest = v[0];

        v[0] = v[end - 1];
        v[end - 1] = greatest;
        KEEL__SORT_OWN(sift)(v, 0, end - 1 KEEL__SORT_ARG);
    }
}

static inline KEEL__SORT_ITEM const *KEEL__SORT_OWN(median)(
    KEEL__SORT_ITEM const *a, KEEL__SORT_ITEM const *b, KEEL__SORT_ITEM const *c KEEL__SORT_TAKES)
{
    const bool below_b = KEEL__SORT_LESS(*a, *b), below_c = KEEL__SORT_LESS(*a, *c);

    if (below_b != below_c)
        return a;
    return KEEL__SORT_LESS(*b, *c) == below_b ? b : c;
}

/* A median of three medians of three ..., of about the square root of n items, from v, the middle and
 * near the end: `step` is an eighth of the part that each of the three stands for. */
KEEL__SORT_ASIDE KEEL__SORT_ITEM const *KEEL__SORT_OWN(medians)(KEEL__SORT_ITEM const *a,
                                                                KEEL__SORT_ITEM const *b,
                                                                KEEL__SORT_ITEM const *c,
                                                                size_t step KEEL__SORT_TAKES)
{
    if (step >= 8) {
        const size_t eighth = step / 8, middle = 4 * eighth, last = 7 * eighth;

        a = KEEL__SORT_OWN(medians)(a, a + middle, a + last, eighth KEEL__SORT_ARG);
        b = KEEL__SORT_OWN(medians)(b, b + middle, b + last, eighth KEEL__SORT_ARG);
        c = KEEL__SORT_OWN(medians)(c, c + middle, c + last, eighth KEEL__SORT_ARG);
    }
    return KEEL__SORT_OWN(median)(a, b, c KEEL__SORT_ARG);
}

/* The index of the pivot for v, of 8 or more items. */
static inline size_t KEEL__SORT_OWN(pivot)(KEEL__SORT_ITEM const *v, size_t n KEEL__SORT_TAKES)
{
    const size_t eighth = n / 8;

    return (
        size_t)(KEEL__SORT_OWN(medians)(v, v + 4 * eighth, v + 7 * eighth, eighth KEEL__SORT_ARG) -
                v);
}

/* Whether an item goes to the left of the pivot: where it is less, or with `equal` also where it is not
 * greater. */
#define KEEL__SORT_LEFT(item, pivot)                                                               \
    (equal ? !KEEL__SORT_LESS(pivot, item) : KEEL__SORT_LESS(item, pivot))

/* Moves the items that go to the left of v[at] before it, and the others behind, and returns where it is
 * then. `gap` walks through v: each item moves to the end of the left part, and the one that was there,
 * the first of the right part, moves into the gap that the item before left. So there are two moves for
 * an item and no branch. */
static inline size_t KEEL__SORT_OWN(partition)(KEEL__SORT_ITEM *v, size_t n, size_t at,
                                               bool equal KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM const pivot = v[at];
    v[at] = v[0];
    KEEL__SORT_ITEM const first = v[1];
    KEEL__SORT_ITEM *left = v + 1;

    for (KEEL__SORT_ITEM *gap = v + 1; gap < v + n - 1; gap++) {
        const bool goes_left = KEEL__SORT_LEFT(gap[1], pivot);
        KEEL__SORT_ITEM const item = gap[1];
        *gap = *left;
        *left = item;
        left += goes_left;
    }
    v[n - 1] = *left;
    *left = first;
    left += KEEL__SORT_LEFT(first, pivot);
    left--;
    v[0] = *left;
    *left = pivot;
    return (size_t)(left - v);
}

/* Sorts v. No item is less than `*before`, the pivot that these are to the right of, if there is one:
 * where the new pivot equals it, all that is not greater is in place and left out, so that many equal
 * items make it fast, not slow. When `depth` is used up, the pivots were bad. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(quick)(KEEL__SORT_ITEM *v, size_t n,
                                            KEEL__SORT_ITEM const *before,
                                            unsigned depth KEEL__SORT_TAKES)
{
    while (n > KEEL__SORT_FEW) {
        if (depth == 0) {
            KEEL__SORT_OWN(heap)(v, n KEEL__SORT_ARG);
            return;
        }
        depth--;
        size_t at = KEEL__SORT_OWN(pivot)(v, n KEEL__SORT_ARG);
        if (before != NULL && !KEEL__SORT_LESS(*before, v[at])) {
            at = KEEL__SORT_OWN(partition)(v, n, at, true KEEL__SORT_ARG);
            v += at + 1;
            n -= at + 1;
            before = NULL;
            continue;
        }
        at = KEEL__SORT_OWN(partition)(v, n, at, false KEEL__SORT_ARG);
        /* the smaller part first, so that the stack stays small */
        if (at < n / 2) {
            KEEL__SORT_OWN(quick)(v, at, before, depth KEEL__SORT_ARG);
            before = v + at;
            v += at + 1;
            n -= at + 1;
        } else {
            KEEL__SORT_OWN(quick)(v + at + 1, n - at - 1, v + at, depth KEEL__SORT_ARG);
            n = at;
        }
    }
    KEEL__SORT_OWN(few)(v, n KEEL__SORT_ARG);
}

/* Whether all items are at least their predecessors; with `down`, less than them. Four at a time, so
 * that there is a branch for four. */
static inline bool KEEL__SORT_OWN(run)(KEEL__SORT_ITEM const *v, size_t n,
                                       bool down KEEL__SORT_TAKES)
{
#define KEEL__SORT_BREAK(i) ((unsigned)(KEEL__SORT_LESS(v[i], v[(i)-1]) != down))
    size_t i = 1;

    for (; n - i >= 4; i += 4) {
        if ((KEEL__SORT_BREAK(i) | KEEL__SORT_BREAK(i + 1) | KEEL__SORT_BREAK(i + 2) |
             KEEL__SORT_BREAK(i + 3)) != 0)
            return false;
    }
    while (i < n && KEEL__SORT_BREAK(i) == 0)
        i++;
    return i == n;
#undef KEEL__SORT_BREAK
}

/* Whether v is in order, or in the reverse one with no two equal, which is then turned round. */
static inline bool KEEL__SORT_OWN(was_sorted)(KEEL__SORT_ITEM *v, size_t n KEEL__SORT_TAKES)
{
    if (n < 2)
        return true;
    if (!KEEL__SORT_LESS(v[1], v[0]))
        return KEEL__SORT_OWN(run)(v + 1, n - 1, false KEEL__SORT_ARG);
    if (!KEEL__SORT_OWN(run)(v + 1, n - 1, true KEEL__SORT_ARG))
        return false;
    for (size_t i = sizeof *v == 4 ? keel__sort_turn32(v, n) : 0; i < n / 2; i++) {
        KEEL__SORT_ITEM const item = v[i];

        v[i] = v[n - 1 - i];
        v[n - 1 - i] = item;
    }
    return true;
}

KEEL__SORT_FN void KEEL__SORT_(sort)(KEEL__SORT_ITEM *items, size_t count KEEL__SORT_TAKES)
{
    const unsigned depth = keel__sort_depth(count);

    if (!KEEL__SORT_OWN(was_sorted)(items, count KEEL__SORT_ARG))
        KEEL__SORT_OWN(quick)(items, count, NULL, depth KEEL__SORT_ARG);
}

KEEL__SORT_FN void KEEL__SORT_(nth)(KEEL__SORT_ITEM *items, size_t count,
                                    size_t index KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM *v = items;
    KEEL__SORT_ITEM const *before = NULL;
    size_t n = count;

    if (index >= count)
        return;
    for (unsigned depth = keel__sort_depth(count); n > KEEL__SORT_FEW; depth--) {
        if (depth == 0) {
            KEEL__SORT_OWN(heap)(v, n KEEL__SORT_ARG);
            return;
        }
        size_t at = KEEL__SORT_OWN(pivot)(v, n KEEL__SORT_ARG);
        const bool equal = before != NULL && !KEEL__SORT_LESS(*before, v[at]);
        at = equal ? KEEL__SORT_OWN(partition)(v, n, at, true KEEL__SORT_ARG)
                   : KEEL__SORT_OWN(partition)(v, n, at, false KEEL__SORT_ARG);
        if (at == index || (equal && index < at))
            return;
        if (index < at) {
            n = at;
        } else {
            before = equal ? NULL : v + at;
            v += at + 1;
            n -= at + 1;
            index -= at + 1;
        }
    }
    KEEL__SORT_OWN(few)(v, n KEEL__SORT_ARG);
}

KEEL__SORT_FN void KEEL__SORT_(sort_first)(KEEL__SORT_ITEM *items, size_t count,
                                           size_t first KEEL__SORT_TAKES)
{
    if (first < count)
        KEEL__SORT_(nth)(items, count, first KEEL__SORT_ARG);
    KEEL__SORT_(sort)(items, first < count ? first : count KEEL__SORT_ARG);
}

/* ---- Stable ---- */

/* Sorts 4 items into `to`, which may be `v`, by 5 comparisons. Of the two pairs, in order, it knows the
 * least and the greatest at once, and then compares the other two. */
static inline void KEEL__SORT_OWN(four)(KEEL__SORT_ITEM const *v,
                                        KEEL__SORT_ITEM *to KEEL__SORT_TAKES)
{
    const size_t c1 = KEEL__SORT_LESS(v[1], v[0]), c2 = KEEL__SORT_LESS(v[3], v[2]);
    const size_t a = c1, b = 1 - c1, c = 2 + c2, d = 3 - c2; /* v[a] <= v[b], v[c] <= v[d] */
    const bool c3 = KEEL__SORT_LESS(v[c], v[a]), c4 = KEEL__SORT_LESS(v[d], v[b]);
    const size_t least = c3 ? c : a, greatest = c4 ? b : d;
    const size_t left = c3 ? a : c4 ? c : b, right = c4 ? d : c3 ? b : c;
    const bool c5 = KEEL__SORT_LESS(v[right], v[left]);
    KEEL__SORT_ITEM const first = v[least];
    KEEL__SORT_ITEM const second = v[c5 ? right : left];
    KEEL__SORT_ITEM const third = v[c5 ? left : right];
    KEEL__SORT_ITEM const fourth = v[greatest];

    to[0] = first;
    to[1] = second;
    to[2] = third;
    to[3] = fourth;
}

/* Sorts v into `to` by merging, through `other`. All three are of n items; v may be one of the others. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(merging)(KEEL__SORT_ITEM const *v, size_t n,
                                              KEEL__SORT_ITEM *to,
                                              KEEL__SORT_ITEM *other KEEL__SORT_TAKES)
{
    const size_t half = n / 2;

    if (n > 4) {
        KEEL__SORT_OWN(merging)(v, half, other, to KEEL__SORT_ARG);
        KEEL__SORT_OWN(merging)(v + half, n - half, other + half, to + half KEEL__SORT_ARG);
        KEEL__SORT_OWN(merge)(other, n, to KEEL__SORT_ARG);
        return;
    }
    if (n == 4) {
        KEEL__SORT_OWN(four)(v, to KEEL__SORT_ARG);
        return;
    }
    if (to != v)
        memcpy(to, v, n * sizeof(KEEL__SORT_ITEM));
    if (n > 1)
        KEEL__SORT_OWN(order)(to, to + 1 KEEL__SORT_ARG);
    if (n > 2) {
        KEEL__SORT_OWN(order)(to + 1, to + 2 KEEL__SORT_ARG);
        KEEL__SORT_OWN(order)(to, to + 1 KEEL__SORT_ARG);
    }
}

/* Moves what goes to the left of the pivot before the rest, both in the order they are in, through
 * `scratch`: there the left part grows from the start, the other from the end. Returns how many went
 * to the left. */
static inline size_t KEEL__SORT_OWN(split)(KEEL__SORT_ITEM *v, size_t n, KEEL__SORT_ITEM *scratch,
                                           KEEL__SORT_ITEM const pivot, bool equal KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM *rest = scratch + n; /* less the number of items seen */
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        const bool goes_left = KEEL__SORT_LEFT(v[i], pivot);

        rest--;
        /* both ends are free still, and the wrong one stays so */
        scratch[left] = v[i];
        rest[left] = v[i];
        left += goes_left;
    }
    memcpy(v, scratch, left * sizeof(KEEL__SORT_ITEM));
    for (size_t i = left; i < n; i++)
        v[i] = scratch[n - 1 - (i - left)];
    return left;
}

/* As `quick`, but the pivot stays among the items right of it; it is the first of those equal to it. */
KEEL__SORT_ASIDE void KEEL__SORT_OWN(stable)(KEEL__SORT_ITEM *v, size_t n, KEEL__SORT_ITEM *scratch,
                                             KEEL__SORT_ITEM const *before,
                                             unsigned depth KEEL__SORT_TAKES)
{
    KEEL__SORT_ITEM pivot;
    KEEL__SORT_ITEM above;

    while (n > KEEL__SORT_FEW && depth > 0) {
        depth--;
        pivot = v[KEEL__SORT_OWN(pivot)(v, n KEEL__SORT_ARG)];
        size_t left = 0;
        if (before == NULL || KEEL__SORT_LESS(*before, pivot))
            left = KEEL__SORT_OWN(split)(v, n, scratch, pivot, false KEEL__SORT_ARG);
        if (left == 0) { /* it is the least: all that equal it are done */
            left = KEEL__SORT_OWN(split)(v, n, scratch, pivot, true KEEL__SORT_ARG);
            v += left;
            n -= left;
            before = NULL;
        } else if (left < n / 2) {
            KEEL__SORT_OWN(stable)(v, left, scratch, before, depth KEEL__SORT_ARG);
            above = pivot;
            before = &above;
            v += left;
            n -= left;
        } else {
            KEEL__SORT_OWN(stable)(v + left, n - left, scratch, &pivot, depth KEEL__SORT_ARG);
            n = left;
        }
    }
    KEEL__SORT_OWN(merging)(v, n, v, scratch KEEL__SORT_ARG);
}

KEEL__SORT_FN keel_err *KEEL__SORT_(sort_stable)(KEEL__SORT_ITEM *items,
                                                 size_t count KEEL__SORT_TAKES)
{
    if (count <= KEEL__SORT_FEW && sizeof(KEEL__SORT_ITEM) > KEEL__SORT_LIGHT) {
        KEEL__SORT_OWN(insertion)(items, count KEEL__SORT_ARG);
        return NULL;
    }
    if (KEEL__SORT_OWN(was_sorted)(items, count KEEL__SORT_ARG))
        return NULL;
    KEEL__SORT_ITEM few[sizeof(KEEL__SORT_ITEM) <= KEEL__SORT_LIGHT ? KEEL__SORT_FEW : 1];
    if (count <= sizeof few / sizeof few[0]) {
        KEEL__SORT_OWN(merging)(items, count, items, few KEEL__SORT_ARG);
        return NULL;
    }
    if (count > PTRDIFF_MAX / sizeof(KEEL__SORT_ITEM))
        return KEEL_ERR_NOMEM;
    KEEL__SORT_ITEM *scratch = (KEEL__SORT_ITEM *)keel_mem_alloc(count * sizeof(KEEL__SORT_ITEM));
    if (scratch == NULL)
        return KEEL_ERR_NOMEM;
    const unsigned depth = keel__sort_depth(count);
    KEEL__SORT_OWN(stable)(items, count, scratch, NULL, depth KEEL__SORT_ARG);
    keel_mem_free(scratch);
    return NULL;
}

/* ---- Searching ---- */

KEEL__SORT_FN bool KEEL__SORT_(is_sorted)(KEEL__SORT_ITEM const *items,
                                          size_t count KEEL__SORT_TAKES)
{
    return count < 2 || KEEL__SORT_OWN(run)(items, count, false KEEL__SORT_ARG);
}

/* The first index from which `passed`, an expression with `i`, is false; it is true before that. The
 * number of steps depends on `count` alone, and none has a branch that could be mispredicted. */
#define KEEL__SORT_FIRST_NOT(result, passed)                                                       \
    size_t result = 0;                                                                             \
    for (size_t left = count, half, i; left > 0; left -= half) {                                   \
        half = (left + 1) / 2;                                                                     \
        i = result + half - 1;                                                                     \
        result += half & -(size_t)(passed);                                                        \
    }

KEEL__SORT_FN size_t KEEL__SORT_(lower_bound)(KEEL__SORT_ITEM const *items, size_t count,
                                              KEEL__SORT_ITEM item KEEL__SORT_TAKES)
{
    KEEL__SORT_FIRST_NOT(found, KEEL__SORT_LESS(items[i], item));
    return found;
}

KEEL__SORT_FN size_t KEEL__SORT_(upper_bound)(KEEL__SORT_ITEM const *items, size_t count,
                                              KEEL__SORT_ITEM item KEEL__SORT_TAKES)
{
    KEEL__SORT_FIRST_NOT(found, !KEEL__SORT_LESS(item, items[i]));
    return found;
}

KEEL__SORT_FN bool KEEL__SORT_(search)(KEEL__SORT_ITEM const *items, size_t count,
                                       KEEL__SORT_ITEM item, size_t *index KEEL__SORT_TAKES)
{
    const size_t found = KEEL__SORT_(lower_bound)(items, count, item KEEL__SORT_ARG);

    if (index != NULL)
        *index = found;
    return found < count && !KEEL__SORT_LESS(item, items[found]);
}

#ifdef KEEL_SORT_TARGET
KEEL__SORT_FN bool KEEL__SORT_(search_for)(KEEL__SORT_ITEM const *items, size_t count,
                                           KEEL_SORT_TARGET target, size_t *index KEEL__SORT_TAKES)
{
    KEEL__SORT_FIRST_NOT(found, KEEL__SORT_OWN(compare)(&items[i], &target KEEL__SORT_ARG) < 0);
    if (index != NULL)
        *index = found;
    return found < count && KEEL__SORT_OWN(compare)(&items[found], &target KEEL__SORT_ARG) == 0;
}
#endif

#undef KEEL__SORT_FIRST_NOT
#undef KEEL__SORT_LEFT

#endif /* KEEL_SORT_DECLARE */

KEEL_END_DECLS

#undef KEEL__SORT_
#undef KEEL__SORT_OWN
#undef KEEL__SORT_FN
#undef KEEL__SORT_TAKES
#undef KEEL__SORT_ARG
#undef KEEL__SORT_LESS
#undef KEEL__SORT_ITEM
#undef KEEL_SORT_NAME
#undef KEEL_SORT_ITEM
#undef KEEL_SORT_KEY
#undef KEEL_SORT_LESS
#undef KEEL_SORT_ARG
#undef KEEL_SORT_TARGET
#undef KEEL_SORT_COMPARE
#undef KEEL_SORT_DECLARE
#undef KEEL_SORT_IMPLEMENT

#endif /* parameters */
