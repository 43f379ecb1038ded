/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <stdatomic.h>

static keel_ctx *task_ctx;
static atomic_size_t made;

typedef struct job {
    void (*body)(void *arg);
    void *arg;
} job;

static void *counting_alloc(void *self, size_t size)
{
    (void)self;
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    return malloc(size);
}

static void *counting_realloc(void *self, void *ptr, size_t size)
{
    (void)self;
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    return realloc(ptr, size);
}

static void counting_free(void *self, void *ptr)
{
    (void)self;
    free(ptr);
}

static void count_allocs(void)
{
    bench_must(keel_mem_set(&(keel_allocator){
        .alloc = counting_alloc, .realloc = counting_realloc, .free = counting_free }));
}

static size_t allocs(void)
{
    return atomic_load(&made);
}

void bench_must(keel_err *err)
{
    if (err == NULL)
        return;
    fprintf(stderr, "benchmark: %s\n", KEEL_ERR_STR(err));
    exit(1);
}

keel_ctx *bench_ctx(void)
{
    return task_ctx;
}

static keel_err *run_job(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    task_ctx = ctx;
    j->body(j->arg);
    return NULL;
}

static void in_runtime(unsigned procs, void (*body)(void *arg), void *arg)
{
    keel_runtime *rt;
    job j = { body, arg };

    bench_must(keel_runtime_start(
        &rt, &(keel_runtime_opts){ .workers = procs == 0 ? 1 : procs, .seed = 1 }));
    bench_must(keel_runtime_run(rt, run_job, &j));
    bench_must(keel_runtime_stop(NULL, rt));
}

int bench_keel_main(int argc, char **argv, const bench_workload *workloads, size_t count,
                    bool in_task)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads,
                                        .count = count,
                                        .inside = in_task ? in_runtime : NULL,
                                        .count_allocs = count_allocs,
                                        .allocs = allocs });
}
