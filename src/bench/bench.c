/* SPDX-License-Identifier: MIT */
#include <keel/bench.h>

#include <stdlib.h>
#include <time.h>

#include <keel/duration.h>
#include <keel/sort.h>

#include "bench/bench.h"

/* One run. While it is `running`, the time and the allocations since `started_*` belong to it. */
struct keel__bench {
    const keel__bench_host *host;
    bool running;
    int64_t started_ns, elapsed_ns;
    keel__bench_count started, spent;
    size_t bytes;
    double metric;
    const char *unit; /* NULL: there is no metric */
};

/* For the message of a check that fails, which may be far from any keel_bench. */
static const char *current;

/* ---- The timer ---- */

/* The counters are read outside of what the clock sees. */
void keel_bench_start(keel_bench *b)
{
    struct keel__bench *run = b->keel__;

    if (run->running)
        return;
    run->running = true;
    run->started = keel__bench_counted();
    run->started_ns = run->host->now_ns(run->host->arg);
}

void keel_bench_stop(keel_bench *b)
{
    struct keel__bench *run = b->keel__;

    if (!run->running)
        return;
    run->elapsed_ns = keel_bench_elapsed_ns(b);
    run->running = false;
    keel__bench_count now = keel__bench_counted();
    run->spent.allocs += now.allocs - run->started.allocs;
    run->spent.bytes += now.bytes - run->started.bytes;
}

void keel_bench_reset(keel_bench *b)
{
    struct keel__bench *run = b->keel__;

    run->elapsed_ns = 0;
    run->spent = (keel__bench_count){ 0, 0 };
    run->running = false;
    keel_bench_start(b);
}

int64_t keel_bench_elapsed_ns(const keel_bench *b)
{
    const struct keel__bench *run = b->keel__;
    int64_t elapsed_ns = run->elapsed_ns;

    if (run->running)
        elapsed_ns += run->host->now_ns(run->host->arg) - run->started_ns;
    return elapsed_ns;
}

void keel_bench_bytes(keel_bench *b, size_t bytes)
{
    b->keel__->bytes = bytes;
}

void keel_bench_metric(keel_bench *b, double value, const char *unit)
{
    b->keel__->metric = value;
    b->keel__->unit = unit;
}

/* ---- Checks ---- */

static void fail(const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s:%d: ", current != NULL ? current : "benchmark", file, line);
}

void keel_bench_failed(const char *condition, const char *file, int line)
{
    fail(file, line);
    fprintf(stderr, "check failed: %s\n", condition);
    exit(1);
}

void keel_bench_error(keel_err *err, const char *call, const char *file, int line)
{
    fail(file, line);
    fprintf(stderr, "%s failed: %s\n", call, KEEL_ERR_STR(err));
    keel_err_free(err);
    exit(1);
}

/* ---- Runs ---- */

/* A run of `n` operations. */
static struct keel__bench run_once(const keel__bench_host *host, const keel_bench_entry *entry,
                                   size_t n)
{
    struct keel__bench run = { .host = host };
    keel_bench b = { .n = n, .arg = entry->arg, .keel__ = &run };

    current = entry->name;
    keel_bench_start(&b);
    entry->run(&b);
    keel_bench_stop(&b);
    current = NULL;
    return run;
}

/* How many operations take `goal_ns`: from one run to the next at most a hundred times as many, since
 * the first runs are short and tell little, and a fifth more than would just do. */
static size_t calibrate(const keel__bench_host *host, const keel_bench_entry *entry,
                        int64_t goal_ns)
{
    const double most = 1e9;
    double n = 1;

    for (;;) {
        int64_t elapsed_ns = run_once(host, entry, (size_t)n).elapsed_ns;

        if (elapsed_ns >= goal_ns || n >= most)
            return (size_t)n;
        double next = 1.2 * n * (double)goal_ns / (double)(elapsed_ns > 0 ? elapsed_ns : 1);
        if (next > 100 * n)
            next = 100 * n;
        n = next > n + 1 ? next : n + 1;
        n = n < most ? (double)(size_t)n : most;
    }
}

/* Counting has a run of its own: its atomic additions would show in the others. */
static void count_allocations(const keel__bench_host *host, const keel_bench_entry *entry,
                              keel_bench_result *out)
{
    keel__bench_counting(true);
    struct keel__bench run = run_once(host, entry, out->n);
    keel__bench_counting(false);
    out->counted = true;
    out->allocs = (double)run.spent.allocs / (double)out->n;
    out->alloc_bytes = (double)run.spent.bytes / (double)out->n;
}

/* Sorts the values. */
static double median(double *values, unsigned count)
{
    keel_sort_double(values, count);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

void keel__bench_measure(const keel__bench_host *host, keel_bench_result *out,
                         const keel_bench_entry *entry, const keel_bench_opts *opts)
{
    const keel_bench_opts none = { 0 }, *o = opts != NULL ? opts : &none;
    int64_t goal_ns = o->min_run_ns > 0 ? o->min_run_ns : KEEL_MS(100);
    unsigned runs = o->runs > 0 ? o->runs : 5;
    double value[KEEL_BENCH_RUNS_MAX], ns[KEEL_BENCH_RUNS_MAX];
    struct keel__bench run;

    if (runs > KEEL_BENCH_RUNS_MAX)
        runs = KEEL_BENCH_RUNS_MAX;
    *out = (keel_bench_result){ .unit = "ns/op" };
    out->n = o->count > 0 ? o->count : calibrate(host, entry, goal_ns);
    for (unsigned i = 0; i < runs; i++) {
        run = run_once(host, entry, out->n);
        ns[i] = (double)run.elapsed_ns / (double)out->n;
        value[i] = run.unit != NULL ? run.metric : ns[i];
        out->unit = run.unit != NULL ? run.unit : out->unit;
    }
    double ns_per_op = median(ns, runs);
    out->median = median(value, runs);
    out->least = value[0];
    out->most = value[runs - 1];
    out->mb_per_s = ns_per_op > 0 ? (double)run.bytes * 1e3 / ns_per_op : 0;
    if (keel__bench_can_count())
        count_allocations(host, entry, out);
}

static int64_t monotonic_ns(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return KEEL_S(now.tv_sec) + KEEL_NS(now.tv_nsec);
}

keel__bench_host keel__bench_real_host(void)
{
    return (keel__bench_host){ monotonic_ns, NULL, stdout, stderr };
}

void keel_bench_measure(keel_bench_result *out, const keel_bench_entry *entry,
                        const keel_bench_opts *opts)
{
    keel__bench_host host = keel__bench_real_host();

    keel__bench_measure(&host, out, entry, opts);
}
