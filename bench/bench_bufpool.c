/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Buffers of 1 KiB from a pool: one at a time, 64 at once, and by two tasks. */

enum { SIZE = 1024, BATCH = 64 };

static keel_bufpool *pool;

static char *get(void)
{
    char *buffer = keel_bufpool_get(pool, SIZE);

    *(volatile char *)buffer = 1;
    return buffer;
}

static void new_pool(void)
{
    bench_must(keel_bufpool_new(&pool, NULL));
}

/* Nearly all came out of the pool, and all went back. */
static void end_pool(const bench *b)
{
    keel_bufpool_stats stats;

    keel_bufpool_get_stats(pool, &stats);
    BENCH_CHECK(stats.out == 0 && stats.gets >= b->n / BATCH && stats.made <= 4 * BATCH);
    keel_bufpool_free(pool);
}

static void getput(bench *b)
{
    new_pool();
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        keel_bufpool_put(pool, get());
    bench_stop(b);
    end_pool(b);
}

static void batch64(bench *b)
{
    char *held[BATCH];

    new_pool();
    bench_start(b);
    for (size_t i = 0; i < b->n / BATCH; i++) {
        for (int k = 0; k < BATCH; k++)
            held[k] = get();
        for (int k = 0; k < BATCH; k++)
            keel_bufpool_put(pool, held[k]);
    }
    bench_stop(b);
    end_pool(b);
}

/* Two tasks at once, on two workers. Each does all the operations. */
static keel_err *get_and_put(keel_ctx *ctx, void *n)
{
    (void)ctx;
    for (size_t i = *(const size_t *)n; i > 0; i--)
        keel_bufpool_put(pool, get());
    return NULL;
}

static void getput_2tasks(bench *b)
{
    new_pool();
    bench_start(b);
    keel_group *group = keel_group_new(bench_ctx(), NULL);
    keel_group_go(group, get_and_put, &b->n);
    keel_group_go(group, get_and_put, &b->n);
    bench_must(keel_group_wait(group));
    bench_stop(b);
    end_pool(b);
}

static const bench_workload workloads[] = {
    { .section = "buf", .name = "buf1k_getput", .peer = "keel", .run = getput, .n = 5000000 },
    { .section = "buf", .name = "buf1k_batch64", .peer = "keel", .run = batch64, .n = 5000000 },
    { .section = "buf",
      .name = "buf1k_getput_2threads",
      .peer = "keel",
      .run = getput_2tasks,
      .n = 5000000,
      .procs = BENCH_P2 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
