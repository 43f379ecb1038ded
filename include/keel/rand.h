/* SPDX-License-Identifier: MIT */
#ifndef KEEL_RAND_H
#define KEEL_RAND_H

#include <stddef.h>
#include <stdint.h>

#include <keel/defs.h>

KEEL_BEGIN_DECLS

/**
 * A fast generator of random numbers that gives the same sequence for the same seed. Not for
 * secrets.
 *
 * Threads: one at a time.
 * Source:  xoshiro256** 1.0 (Blackman, Vigna 2018), seeded by splitmix64.
 */
typedef struct keel_rand {
    uint64_t state[4]; /**< Private. All zero counts as seeded with 0. */
} keel_rand;

/** Starts the sequence of `seed`. */
void keel_rand_seed(keel_rand *rand, uint64_t seed);

/** A seed from the operating system, different at every call. */
uint64_t keel_rand_system_seed(void);

/** 64 random bits. */
uint64_t keel_rand_u64(keel_rand *rand);

/** A number from 0 to limit - 1, each as likely as the others; 0 if `limit` is 0. */
uint64_t keel_rand_below(keel_rand *rand, uint64_t limit);

/** A number from `min` to `max`, both included; `min` if max is not greater. */
int64_t keel_rand_between(keel_rand *rand, int64_t min, int64_t max);

/** A number in [0, 1), a multiple of 2^-53. */
double keel_rand_double(keel_rand *rand);

KEEL_END_DECLS

#endif /* KEEL_RAND_H */
