/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BENCH_H
#define KEEL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * Benchmarks: how long an operation takes, and what it allocates. In an archive of its own,
 * keel::bench; not part of keel/keel.h.
 *
 *     static void copy_page(keel_bench *b)
 *     {
 *         char page[4096] = { 0 }, copy[4096];
 *
 *         keel_bench_bytes(b, sizeof page);
 *         for (size_t i = 0; i < b->n; i++) {
 *             memcpy(copy, page, sizeof page);
 *             KEEL_BENCH_KEEP(copy[0]);
 *         }
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const keel_bench_entry table[] = { KEEL_BENCH(copy_page) };
 *         return keel_bench_main(argc, argv, table);
 *     }
 *
 * prints `copy_page   1811594   55.42 ns/op   ± 1.4%   73909.06 MB/s   0 B/op   0 allocs/op`: how many
 * operations a run did, the median of the runs and how far from it the farthest was, and the rest.
 *
 * Threads: a benchmark starts and stops its timer in one thread; allocations of all threads count.
 * Source:  Go's testing.B and `go test -bench . -benchmem`.
 */
typedef struct keel_bench {
    size_t n;                   /**< How many operations to do. */
    void *arg;                  /**< The entry's. */
    struct keel__bench *keel__; /* the harness's */
} keel_bench;

/**
 * Does b->n operations; all it does is timed, except between keel_bench_stop and keel_bench_start,
 * and before keel_bench_reset. It is called several times, with an n that grows until a run takes
 * long enough, then with that n for each run.
 *
 * Runs on: the thread, or task, that called keel_bench_main.
 */
typedef void (*keel_bench_fn)(keel_bench *b);

typedef struct keel_bench_entry {
    keel_bench_fn run;
    const char *name; /**< Without tabs. */
    void *arg;        /**< Becomes b->arg: one function may have several entries. */
    const char *peer; /**< Second column of --tsv: whose figure it is. NULL: the program's name. */
} keel_bench_entry;

/** An entry of the function's name. Others are written out: `{ copy, "copy_64k", &size, NULL }`. */
#define KEEL_BENCH(function)                                                                       \
    {                                                                                              \
        function, #function, NULL, NULL                                                            \
    }

/* ---- In a benchmark ---- */

/** Forgets the time and the allocations so far, which were for preparing, and goes on timing. */
void keel_bench_reset(keel_bench *b);

/** Stops timing and counting, for what does not belong to the operation; does so again from here. */
void keel_bench_stop(keel_bench *b);
void keel_bench_start(keel_bench *b);

/** The time measured so far in this run. */
int64_t keel_bench_elapsed_ns(const keel_bench *b);

/** Tells how many bytes one operation goes through: the result then shows MB/s (of 10^6 bytes). */
void keel_bench_bytes(keel_bench *b, size_t bytes);

/**
 * Makes `value` the result of this run, in place of the ns/op: a percentile, or bytes for an element.
 * `unit` is borrowed for as long as the process lives.
 */
void keel_bench_metric(keel_bench *b, double value, const char *unit);

/** Ends the program with status 1 and says why unless the condition holds: a wrong answer has no time. */
#define KEEL_BENCH_CHECK(condition)                                                                \
    ((condition) ? (void)0 : keel_bench_failed(#condition, __FILE__, __LINE__))
void keel_bench_failed(const char *condition, const char *file, int line);

/** The same unless the call returned NULL; frees the error. */
#define KEEL_BENCH_OK(call) keel_bench_ok((call), #call, __FILE__, __LINE__)
void keel_bench_error(keel_err *err, const char *call, const char *file, int line);

static inline void keel_bench_ok(keel_err *err, const char *call, const char *file, int line)
{
    if (err != NULL)
        keel_bench_error(err, call, file, line);
}

/**
 * Makes the compiler believe that `value`, and all memory that others may know of, is used here, so
 * that what leads to it is computed. With a compiler that is neither gcc nor clang, only evaluates it.
 */
#if defined(__GNUC__)
#define KEEL_BENCH_KEEP(value) __asm__ volatile("" : : "r,m"(value) : "memory")
#else
#define KEEL_BENCH_KEEP(value) ((void)(value))
#endif

/* ---- The program ---- */

/**
 * Runs the entries of an array as the command line says, prints a line for each, and returns main's
 * status: 0, or 2 after a line on the standard error if the command line makes no sense.
 *
 *     --time 100ms   each run takes at least as long: a duration as in keel/duration.h
 *     --runs 5       so many runs, of which the median is shown; at most KEEL_BENCH_RUNS_MAX
 *     --count N      each run does exactly N operations
 *     --tsv          prints `name TAB peer TAB median TAB unit`, and the same for MB/s, B/op and
 *                    allocs/op where they are known, with these units
 *     --peer NAME    the peer of entries without one
 *     --list         prints the names only
 *     NAME...        only entries whose name contains one of these
 *
 * Allocations are those through keel/mem.h, counted in a run of their own that is not timed; a
 * reallocation counts as one of its new size. They are not shown if keel's memory was used before, as in
 * a program that calls this in a task, unless that called keel_bench_init first.
 */
#define keel_bench_main(argc, argv, table)                                                         \
    keel_bench_main_with((argc), (argv), (table), sizeof(table) / sizeof((table)[0]))
int keel_bench_main_with(int argc, char **argv, const keel_bench_entry *table, size_t count);

/**
 * Sets an allocator that can count: the first line of a main that uses keel before keel_bench_main.
 *
 * Errors: KEEL_ERR_BUSY if keel's memory was used before, or has another allocator.
 */
KEEL_NODISCARD keel_err *keel_bench_init(void);

/* ---- One benchmark, for programs that print themselves ---- */

#define KEEL_BENCH_RUNS_MAX 100

typedef struct keel_bench_opts {
    int64_t min_run_ns; /**< A run takes at least as long. 0: 100 ms. */
    unsigned runs;      /**< 0: 5; at most KEEL_BENCH_RUNS_MAX are made. */
    size_t count; /**< Operations of a run, exactly; there is no warm-up then. 0: calibrated. */
} keel_bench_opts;

typedef struct keel_bench_result {
    size_t n;                   /**< Operations of each run. */
    double median, least, most; /**< Of the runs, in `unit`. */
    const char *unit;           /**< "ns/op", or that of keel_bench_metric. */
    double mb_per_s;            /**< At the median. 0: the benchmark did not tell its bytes. */
    bool counted;               /**< Whether the next two are known (keel_bench_init). */
    double allocs, alloc_bytes; /**< For one operation. */
} keel_bench_result;

/** Measures one entry; `opts` may be NULL. Source: Go's testing.Benchmark. */
void keel_bench_measure(keel_bench_result *out, const keel_bench_entry *entry,
                        const keel_bench_opts *opts);

KEEL_END_DECLS

#endif /* KEEL_BENCH_H */
