/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BENCH_INPUTS_H
#define KEEL_BENCH_INPUTS_H

/* What the workloads of maps, sorts and pipelines are given: the same numbers to every program, also to those in
 * other languages, which make them by the same rules. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The next of splitmix64's numbers. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* ---- Maps ---- */

/* 16 hexadecimal digits and a NUL. */
typedef char bench_text[17];

/* Distinct random keys: those of a map, in the order they come in; the same in another order, to be found,
 * and in a third, to be deleted; and as many that are not there. The texts are copies each, so that
 * nothing is found by its address. */
typedef struct bench_keys {
    size_t n;
    const uint64_t *insert, *hit, *miss, *doomed;
    const bench_text *insert_text, *hit_text, *miss_text, *doomed_text;
} bench_keys;

/* The keys of a map of `n` elements, whose values are 0, 1, 2, ... in the order of `insert`. They are
 * kept until two other numbers were asked for. */
const bench_keys *bench_keys_of(size_t n);

/* What the values add up to. */
static inline uint64_t bench_sum(size_t n)
{
    return (uint64_t)n * (n - 1) / 2;
}

/* ---- Sorts ---- */

typedef enum bench_pattern {
    BENCH_RANDOM,
    BENCH_SORTED,
    BENCH_REVERSED,
    BENCH_FEW /* 16 different keys */
} bench_pattern;

typedef struct bench_record {
    uint64_t key, value;
} bench_record;

void bench_fill_i32(int32_t *v, size_t n, bench_pattern pattern);
void bench_fill_records(bench_record *v, size_t n, bench_pattern pattern);

/* ---- Work ---- */

/* Keeps a CPU busy for about ten microseconds. The low half of what it returns is `v`'s. */
static inline uint64_t bench_work(uint64_t v)
{
    uint64_t x = v | 1;

    for (int i = 0; i < 6000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x << 32 | (v & UINT32_MAX);
}

static inline uint64_t bench_work_input(uint64_t result)
{
    return result & UINT32_MAX;
}

#ifdef __cplusplus
}
#endif

#endif /* KEEL_BENCH_INPUTS_H */
