/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <keel/sim.h>

/* Simulation: how many runs of a scenario are made in a second, by the size of the scenario. */

enum { MANY = 60 };

static keel_err *lock_twice(keel_ctx *ctx, void *mutex)
{
    (void)ctx;
    for (int i = 0; i < 2; i++) {
        keel_mutex_lock(mutex);
        keel_mutex_unlock(mutex);
    }
    return NULL;
}

/* Each task takes a mutex twice: four operations. */
static keel_err *tasks(keel_ctx *ctx, size_t count)
{
    keel_mutex mutex = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < count; i++)
        keel_group_go(group, lock_twice, &mutex);
    return keel_group_wait(group);
}

static keel_err *two(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return tasks(ctx, 2);
}

static keel_err *ten(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return tasks(ctx, 10);
}

static keel_err *many(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return tasks(ctx, MANY);
}

static void explore(bench *b, keel_task_fn fn, keel_sim_points points)
{
    bench_start(b);
    keel_sim_report *report = keel_sim_explore(
        "bench", fn, NULL,
        &(keel_sim_opts){
            .strategy = KEEL_SIM_RANDOM, .points = points, .max_runs = b->n, .max_ms = INT64_MAX });
    bench_stop(b);
    b->value = 1e9 / b->value;
    BENCH_CHECK(report->kind == KEEL_SIM_PASS && report->runs >= b->n);
    keel_sim_report_free(report);
}

static void two_parks(bench *b)
{
    explore(b, two, KEEL_SIM_PARKS);
}

static void two_operations(bench *b)
{
    explore(b, two, KEEL_SIM_OPERATIONS);
}

static void ten_operations(bench *b)
{
    explore(b, ten, KEEL_SIM_OPERATIONS);
}

static void many_operations(bench *b)
{
    explore(b, many, KEEL_SIM_OPERATIONS);
}

static const bench_workload workloads[] = {
    { .section = "sim",
      .name = "sim_2_tasks_parks",
      .peer = "keel",
      .run = two_parks,
      .n = 500000,
      .unit = "runs/s" },
    { .section = "sim",
      .name = "sim_2_tasks",
      .peer = "keel",
      .run = two_operations,
      .n = 300000,
      .unit = "runs/s" },
    { .section = "sim",
      .name = "sim_10_tasks",
      .peer = "keel",
      .run = ten_operations,
      .n = 50000,
      .unit = "runs/s" },
    { .section = "sim",
      .name = "sim_60_tasks",
      .peer = "keel",
      .run = many_operations,
      .n = 5000,
      .unit = "runs/s" },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), false);
}
