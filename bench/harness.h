/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BENCH_HARNESS_H
#define KEEL_BENCH_HARNESS_H

/* What every benchmark program of this suite in C or C++ shares, keel's, the floors' and the peers' alike.
 * keel/bench.h measures; here is what only a comparison needs: sections, counts that are the same for
 * all, processors, and runs that can take turns with those of other programs. A program is a table of
 * workloads and a main that calls bench_main:
 *
 *     bench_task [--runs N] [--scale X] [--allocs] [SECTION...]
 *
 * Each workload is run once to warm up, then N times (3). Each run prints one line,
 *
 *     workload <TAB> peer <TAB> value <TAB> unit
 *
 * and bench/run makes medians of them. X multiplies all counts of operations, for a short run that only
 * shows that things still work. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <keel/bench.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One run of a workload. */
typedef struct bench {
    size_t n; /* how many operations to do */
    unsigned
        procs;    /* the CPUs, and the scheduler's threads, it may use; 0: the program's default */
    double value; /* what to report; bench_stop puts ns per operation here */
    keel_bench *timer; /* for what keel/bench.h offers beyond these */
} bench;

typedef void (*bench_fn)(bench *b);

/* The measured part of a run lies between these. */
void bench_start(bench *b);
void bench_stop(bench *b);

/* For a workload's `procs`: run it on one CPU, named "..._p1", on two, named "..._p2", or both. Without
 * either the name stays as it is, and the process uses the CPUs it was given. */
enum { BENCH_ANY = 0, BENCH_P1 = 1, BENCH_P2 = 2, BENCH_BOTH = 3 };

typedef struct bench_workload {
    const char *section; /* what the command line chooses by */
    const char *name;
    const char *peer;
    bench_fn run;
    size_t n; /* operations of one run at scale 1 */
    int procs;
    const char *unit; /* NULL: "ns/op" */
    bool slow;        /* `n` cannot be scaled; no warm-up, and a third of the runs */
} bench_workload;

typedef struct bench_program {
    const bench_workload *workloads;
    size_t count;
    /* Calls body(arg) where the program's workloads are to run, say in a task. NULL: calls it. */
    void (*inside)(unsigned procs, void (*body)(void *arg), void *arg);
    bool counts; /* its allocations are keel's, so that --allocs can tell their number */
} bench_program;

int bench_main(int argc, char **argv, const bench_program *program);

double bench_now_ns(void);

/* Ends the program when a workload computed the wrong answer. */
#define BENCH_CHECK KEEL_BENCH_CHECK

/* Sorts `count` values and returns the one at that percentage. */
double bench_percentile(double *values, size_t count, unsigned percent);

/* How many bytes the program has from malloc just now; 0 where the C library cannot tell. */
size_t bench_heap_bytes(void);

/* Makes the compiler believe that `p`, and all memory, is used here. */
#define BENCH_KEEP KEEL_BENCH_KEEP

/* Keeps a function a function, so that returning through it costs what it does in real code. */
#define BENCH_NOINLINE __attribute__((noinline))

#ifdef __cplusplus
}
#endif

#endif /* KEEL_BENCH_HARNESS_H */
