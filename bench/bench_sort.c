/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <keel/sort.h>

#include "inputs.h"

/* keel's sorts, on the input that the peers get (peers/sorts.cpp, peers/rust.rs). */

#define KEEL_SORT_NAME numbers
#define KEEL_SORT_ITEM int32_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME records
#define KEEL_SORT_ITEM bench_record
#define KEEL_SORT_KEY(item) ((item).key)
#include <keel/sort.h>

static void sort_numbers(bench *b, bench_pattern pattern, bool stable)
{
    int32_t *v = malloc(b->n * sizeof *v);
    keel_err *err = NULL;

    BENCH_CHECK(v != NULL);
    bench_fill_i32(v, b->n, pattern);
    bench_start(b);
    if (stable)
        err = numbers_sort_stable(v, b->n);
    else
        keel_sort_i32(v, b->n);
    bench_stop(b);
    bench_must(err);
    BENCH_CHECK(numbers_is_sorted(v, b->n));
    free(v);
}

static void sort_records(bench *b, bench_pattern pattern, bool stable)
{
    bench_record *v = malloc(b->n * sizeof *v);
    keel_err *err = NULL;

    BENCH_CHECK(v != NULL);
    bench_fill_records(v, b->n, pattern);
    bench_start(b);
    if (stable)
        err = records_sort_stable(v, b->n);
    else
        records_sort(v, b->n);
    bench_stop(b);
    bench_must(err);
    BENCH_CHECK(records_is_sorted(v, b->n));
    for (size_t i = 1; stable && i < b->n; i++)
        BENCH_CHECK(v[i - 1].key < v[i].key || v[i - 1].value < v[i].value);
    free(v);
}

/* A workload of its own for each pattern, unstable and stable. */
#define RUNS(pattern, PATTERN)                                                                     \
    static void numbers_##pattern(bench *b)                                                        \
    {                                                                                              \
        sort_numbers(b, PATTERN, false);                                                           \
    }                                                                                              \
    static void numbers_##pattern##_stable(bench *b)                                               \
    {                                                                                              \
        sort_numbers(b, PATTERN, true);                                                            \
    }                                                                                              \
    static void records_##pattern(bench *b)                                                        \
    {                                                                                              \
        sort_records(b, PATTERN, false);                                                           \
    }                                                                                              \
    static void records_##pattern##_stable(bench *b)                                               \
    {                                                                                              \
        sort_records(b, PATTERN, true);                                                            \
    }

RUNS(random, BENCH_RANDOM)
RUNS(sorted, BENCH_SORTED)
RUNS(reversed, BENCH_REVERSED)
RUNS(few, BENCH_FEW)

#define ROW(name_, peer_, run_)                                                                    \
    {                                                                                              \
        .section = "sort", .name = "sort_" name_, .peer = peer_, .run = run_, .n = 1000000,        \
        .unit = "ns/elem"                                                                          \
    }
#define ROWS(name, peer, type, how)                                                                \
    ROW(name "_random", peer, type##_random##how), ROW(name "_sorted", peer, type##_sorted##how),  \
        ROW(name "_reversed", peer, type##_reversed##how), ROW(name "_few", peer, type##_few##how)

static const bench_workload workloads[] = {
    ROWS("i32", "keel", numbers, ),
    ROWS("i32", "keel stable", numbers, _stable),
    ROWS("rec16", "keel", records, ),
    ROWS("rec16", "keel stable", records, _stable),
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), false);
}
