/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SORT_PARTS_H
#define KEEL_SORT_PARTS_H

/* What <keel/sort.h> is made of and is the same for all types. Nothing here is for users. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <keel/defs.h>

KEEL_BEGIN_DECLS

/* Up to how many items the small sorts take; of a size up to which copying twice costs little. */
#define KEEL__SORT_FEW 32
#define KEEL__SORT_LIGHT 64

/* A function that is not to be inlined, and need not be used. */
#if defined(__GNUC__)
#define KEEL__SORT_ASIDE static __attribute__((noinline, unused))
#else
#define KEEL__SORT_ASIDE static inline
#endif

/* Whether x is a plain integer, of which compilers choose one without a branch by ?: alone. */
#if defined(__GNUC__)
#define KEEL__SORT_IS_INTEGER(x) (__builtin_classify_type(x) == 1)
#else
#define KEEL__SORT_IS_INTEGER(x) 0
#endif

/* All ones, or 0, of which the compiler does not know that it is one of the two: it would branch. */
static inline uint64_t keel__sort_mask(bool ones)
{
    uint64_t mask = -(uint64_t)ones;

#if defined(__GNUC__)
    __asm__("" : "+r"(mask));
#endif
    return mask;
}

/* `yes` or `no`, which are of one array. */
static inline const void *keel__sort_pick(bool which, const void *yes, const void *no)
{
    return (const char *)no +
           (((const char *)yes - (const char *)no) & (ptrdiff_t)keel__sort_mask(which));
}

/* Swaps up to 8 bytes at a and b, or not, in registers. */
static inline void keel__sort_swap(void *a, void *b, size_t size, bool swap)
{
    uint64_t x = 0, y = 0;

    memcpy(&x, a, size);
    memcpy(&y, b, size);
    const uint64_t change = (x ^ y) & -(uint64_t)swap;
    x ^= change;
    y ^= change;
    memcpy(a, &x, size);
    memcpy(b, &y, size);
}

/* Turns items of 4 bytes round, two at a time, as far as they are even from both ends. Returns how many
 * at each end are done. */
static inline size_t keel__sort_turn32(void *items, size_t n)
{
    const size_t all = n / 4 * 2;

    for (size_t done = 0; done < all; done += 2) {
        char *const low = (char *)items + 4 * done;
        char *const high = (char *)items + 4 * (n - done - 2);
        uint64_t x, y;

        memcpy(&x, low, sizeof x);
        memcpy(&y, high, sizeof y);
        x = x << 32 | x >> 32;
        y = y << 32 | y >> 32;
        memcpy(low, &y, sizeof y);
        memcpy(high, &x, sizeof x);
    }
    return all;
}

/* How many times n items may be partitioned: twice the logarithm. */
static inline unsigned keel__sort_depth(size_t n)
{
    unsigned depth = 0;

    for (; n > 1; n /= 2)
        depth += 2;
    return depth;
}

KEEL_END_DECLS

#endif /* KEEL_SORT_PARTS_H */
