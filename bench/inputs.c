/* SPDX-License-Identifier: MIT */
#include "inputs.h"

#include <string.h>

#include "harness.h"

/* ---- Maps ---- */

static uint64_t *random_keys(size_t n, uint64_t seed)
{
    uint64_t *keys = malloc(n * sizeof *keys);

    BENCH_CHECK(keys != NULL);
    for (size_t i = 0; i < n; i++)
        keys[i] = bench_random(&seed);
    return keys;
}

static uint64_t *shuffled(const uint64_t *from, size_t n, uint64_t seed)
{
    uint64_t *keys = malloc(n * sizeof *keys);

    BENCH_CHECK(keys != NULL);
    memcpy(keys, from, n * sizeof *keys);
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = (size_t)(bench_random(&seed) % (i + 1));
        uint64_t key = keys[i];

        keys[i] = keys[k];
        keys[k] = key;
    }
    return keys;
}

static bench_text *texts(const uint64_t *keys, size_t n)
{
    bench_text *text = malloc(n * sizeof *text);

    BENCH_CHECK(text != NULL);
    for (size_t i = 0; i < n; i++) {
        for (int digit = 0; digit < 16; digit++)
            text[i][digit] = "0123456789abcdef"[keys[i] >> (60 - 4 * digit) & 15];
        text[i][16] = '\0';
    }
    return text;
}

static void forget(bench_keys *keys)
{
    free((void *)keys->insert);
    free((void *)keys->hit);
    free((void *)keys->miss);
    free((void *)keys->doomed);
    free((void *)keys->insert_text);
    free((void *)keys->hit_text);
    free((void *)keys->miss_text);
    free((void *)keys->doomed_text);
}

/* The two latest: those of the warm-up and of the runs. */
const bench_keys *bench_keys_of(size_t n)
{
    static bench_keys kept[2];
    static int latest;

    if (kept[latest].n == n)
        return &kept[latest];
    latest = 1 - latest;
    bench_keys *k = &kept[latest];
    if (k->n == n)
        return k;
    forget(k);
    k->n = n;
    k->insert = random_keys(n, 1);
    k->miss = random_keys(n, 2);
    k->hit = shuffled(k->insert, n, 3);
    k->doomed = shuffled(k->insert, n, 4);
    k->insert_text = (const bench_text *)texts(k->insert, n);
    k->hit_text = (const bench_text *)texts(k->hit, n);
    k->miss_text = (const bench_text *)texts(k->miss, n);
    k->doomed_text = (const bench_text *)texts(k->doomed, n);
    return k;
}

/* ---- Sorts ---- */

static uint64_t key_at(bench_pattern pattern, size_t i, size_t n, uint64_t *state)
{
    uint64_t random = bench_random(state);

    switch (pattern) {
    case BENCH_SORTED:
        return i;
    case BENCH_REVERSED:
        return n - i;
    case BENCH_FEW:
        return random % 16;
    case BENCH_RANDOM:
        break;
    }
    return random;
}

void bench_fill_i32(int32_t *v, size_t n, bench_pattern pattern)
{
    uint64_t state = 5;

    for (size_t i = 0; i < n; i++)
        v[i] = (int32_t)(uint32_t)key_at(pattern, i, n, &state);
}

void bench_fill_records(bench_record *v, size_t n, bench_pattern pattern)
{
    uint64_t state = 5;

    for (size_t i = 0; i < n; i++)
        v[i] = (bench_record){ key_at(pattern, i, n, &state), i };
}
