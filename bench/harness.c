/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include <keel/sort.h>

/* What the command line asked for, and what it leads to now. */
typedef struct runner {
    const bench_program *program;
    const bench_workload *workload;
    unsigned procs;
    unsigned runs;
    double scale;
    bool allocs;
} runner;

double bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

size_t bench_heap_bytes(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

void bench_start(bench *b)
{
    keel_bench_reset(b->timer);
}

void bench_stop(bench *b)
{
    keel_bench_stop(b->timer);
    b->value = (double)keel_bench_elapsed_ns(b->timer) / (double)b->n;
}

double bench_percentile(double *values, size_t count, unsigned percent)
{
    keel_sort_double(values, count);
    return values[count * percent / 100];
}

/* Lets this thread, and threads it starts later, use the first `n` of the CPUs the process was given,
 * or all with 0. Says whether there are that many. */
static bool use_cpus(unsigned n)
{
    static cpu_set_t given;
    static bool known;
    cpu_set_t set;
    unsigned left = n;

    if (!known)
        BENCH_CHECK(sched_getaffinity(0, sizeof given, &given) == 0);
    known = true;
    if (n == 0)
        return sched_setaffinity(0, sizeof given, &given) == 0;
    CPU_ZERO(&set);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && left > 0; cpu++)
        if (CPU_ISSET(cpu, &given)) {
            CPU_SET(cpu, &set);
            left--;
        }
    return left == 0 && sched_setaffinity(0, sizeof set, &set) == 0;
}

static void run_workload(keel_bench *timer)
{
    const runner *r = (const runner *)timer->arg;
    const bench_workload *w = r->workload;
    bench b = { .n = timer->n, .procs = r->procs, .timer = timer };

    w->run(&b);
    keel_bench_metric(timer, b.value, w->unit != NULL ? w->unit : "ns/op");
}

/* One run of a workload, and with --allocs another that counts. */
static keel_bench_result one_run(runner *r, double scale)
{
    const bench_workload *w = r->workload;
    keel_bench_entry entry = { .run = run_workload, .name = w->name, .arg = r };
    keel_bench_result result;
    size_t n = w->slow ? w->n : (size_t)((double)w->n * scale);

    /* every workload can share its operations evenly among 2, 4 or 8 tasks */
    if (!w->slow)
        n = n < 64 ? 64 : n & ~(size_t)63;
    keel_bench_measure(&result, &entry, &(keel_bench_opts){ .count = n, .runs = 1 });
    return result;
}

static void print(const runner *r, const char *suffix, double value, const char *unit)
{
    const bench_workload *w = r->workload;
    char procs[8] = "";

    if (w->procs != BENCH_ANY)
        snprintf(procs, sizeof procs, "_p%u", r->procs);
    printf("%s%s%s\t%s\t%.6g\t%s\n", w->name, procs, suffix, w->peer, value, unit);
    fflush(stdout);
}

/* All runs of one workload, wherever the program wants them. */
static void all_runs(void *arg)
{
    runner *r = (runner *)arg;
    const bench_workload *w = r->workload;
    unsigned runs = w->slow ? (r->runs + 2) / 3 : r->runs;

    if (r->allocs) {
        print(r, "_allocs", one_run(r, r->scale).allocs, "allocs/op");
        return;
    }
    if (!w->slow)
        (void)one_run(r, r->scale / 8);
    for (unsigned i = 0; i < runs; i++) {
        keel_bench_result result = one_run(r, r->scale);

        print(r, "", result.median, result.unit);
    }
}

static void measure(runner *r)
{
    const bench_program *p = r->program;

    if (!use_cpus(r->procs)) {
        fprintf(stderr, "%s: needs %u CPUs, skipped\n", r->workload->name, r->procs);
        return;
    }
    if (p->inside != NULL)
        p->inside(r->procs, all_runs, r);
    else
        all_runs(r);
}

static bool chosen(const char *section, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], section) == 0)
            return true;
    return argc == 0;
}

/* Reads the options into `r`. Returns the index of the first section, or -1. */
static int options(runner *r, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--allocs") == 0 && r->program->counts)
            r->allocs = true;
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            r->runs = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--scale") == 0 && i + 1 < argc)
            r->scale = strtod(argv[++i], NULL);
        else
            return -1;
    }
    return r->runs > 0 && r->scale > 0 ? i : -1;
}

int bench_main(int argc, char **argv, const bench_program *program)
{
    runner r = { .program = program, .runs = 3, .scale = 1 };
    int first = options(&r, argc, argv);

    if (first < 0) {
        fprintf(stderr, "usage: %s [--runs N] [--scale X]%s [SECTION...]\n", argv[0],
                program->counts ? " [--allocs]" : "");
        return 2;
    }
    if (r.allocs)
        KEEL_BENCH_OK(keel_bench_init());
    for (size_t i = 0; i < program->count; i++) {
        r.workload = &program->workloads[i];
        if (!chosen(r.workload->section, argc - first, argv + first))
            continue;
        /* two before one: a library that counts the CPUs once must see them all */
        for (unsigned procs = 2; procs >= 1; procs--) {
            r.procs = procs;
            if (r.workload->procs & (procs == 1 ? BENCH_P1 : BENCH_P2))
                measure(&r);
        }
        r.procs = 0;
        if (r.workload->procs == BENCH_ANY)
            measure(&r);
    }
    return 0;
}
