/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BENCH_BENCH_H
#define KEEL_SRC_BENCH_BENCH_H

#include <stdio.h>

#include <keel/bench.h>

/* What the harness has of the outside world: tests put something else in its place. */
typedef struct keel__bench_host {
    int64_t (*now_ns)(void *arg);
    void *arg;
    FILE *out, *err;
} keel__bench_host;

/* The same as the public ones, elsewhere. */
void keel__bench_measure(const keel__bench_host *host, keel_bench_result *out,
                         const keel_bench_entry *entry, const keel_bench_opts *opts);
int keel__bench_main(const keel__bench_host *host, int argc, char **argv,
                     const keel_bench_entry *table, size_t count);

/* The monotonic clock, the standard output and the other. */
keel__bench_host keel__bench_real_host(void);

/* ---- Counting allocations ---- */

typedef struct keel__bench_count {
    size_t allocs, bytes;
} keel__bench_count;

/* Whether keel_bench_init has set the allocator. */
bool keel__bench_can_count(void);
/* It counts while this is on. */
void keel__bench_counting(bool on);
keel__bench_count keel__bench_counted(void);

#endif /* KEEL_SRC_BENCH_BENCH_H */
