/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

static keel_ctx *task_ctx;

typedef struct job {
    void (*body)(void *arg);
    void *arg;
} job;

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

    KEEL_BENCH_OK(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = procs == 0 ? 1 : procs,
                                                                .seed = 1,
                                                                .stall_ns = KEEL_STALL_OFF }));
    KEEL_BENCH_OK(keel_runtime_run(rt, run_job, &j));
    KEEL_BENCH_OK(keel_runtime_stop(NULL, rt));
}

int bench_keel_main(int argc, char **argv, const bench_workload *workloads, size_t count,
                    bool in_task)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads,
                                        .count = count,
                                        .inside = in_task ? in_runtime : NULL,
                                        .counts = true });
}
