/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Buffers of 1 KiB from a pool: one at a time, and 64 at once. The floor is the allocator below. */

enum { SIZE = 1024, BATCH = 64 };

static keel_bufpool *pool;

static void *malloc_get(void)
{
    return malloc(SIZE);
}

static void malloc_put(void *buffer)
{
    free(buffer);
}

static void *pool_get(void)
{
    return keel_bufpool_get(pool, SIZE);
}

static void pool_put(void *buffer)
{
    keel_bufpool_put(pool, buffer);
}

/* Inlined into each workload with its functions known. */
static inline __attribute__((always_inline)) void one_by_one(bench *b, void *(*get)(void),
                                                             void (*put)(void *buffer))
{
    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        char *buffer = get();

        *(volatile char *)buffer = 1;
        put(buffer);
    }
    bench_stop(b);
}

static inline __attribute__((always_inline)) void at_once(bench *b, void *(*get)(void),
                                                          void (*put)(void *buffer))
{
    char *held[BATCH];

    bench_start(b);
    for (size_t i = 0; i < b->n / BATCH; i++) {
        for (int k = 0; k < BATCH; k++) {
            held[k] = get();
            *(volatile char *)held[k] = 1;
        }
        for (int k = 0; k < BATCH; k++)
            put(held[k]);
    }
    bench_stop(b);
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
    one_by_one(b, pool_get, pool_put);
    end_pool(b);
}

static void batch64(bench *b)
{
    new_pool();
    at_once(b, pool_get, pool_put);
    end_pool(b);
}

static void floor_getput(bench *b)
{
    one_by_one(b, malloc_get, malloc_put);
}

static void floor_batch64(bench *b)
{
    at_once(b, malloc_get, malloc_put);
}

/* ---- Two tasks at once, on two workers if there are two CPUs ---- */

typedef struct share {
    size_t n;
    void *(*get)(void);
    void (*put)(void *buffer);
} share;

static keel_err *use(keel_ctx *ctx, void *arg)
{
    const share *s = arg;

    (void)ctx;
    for (size_t i = 0; i < s->n; i++) {
        char *buffer = s->get();

        *(volatile char *)buffer = 1;
        s->put(buffer);
    }
    return NULL;
}

static void both(bench *b, share *s)
{
    s->n = b->n;
    bench_start(b);
    keel_group *group = keel_group_new(bench_ctx(), NULL);
    keel_group_go(group, use, s);
    keel_group_go(group, use, s);
    bench_must(keel_group_wait(group));
    bench_stop(b);
}

static void getput_2tasks(bench *b)
{
    new_pool();
    both(b, &(share){ .get = pool_get, .put = pool_put });
    end_pool(b);
}

static void floor_getput_2tasks(bench *b)
{
    both(b, &(share){ .get = malloc_get, .put = malloc_put });
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
    { .section = "buf",
      .name = "buf1k_getput",
      .peer = "malloc",
      .run = floor_getput,
      .n = 5000000 },
    { .section = "buf",
      .name = "buf1k_batch64",
      .peer = "malloc",
      .run = floor_batch64,
      .n = 5000000 },
    { .section = "buf",
      .name = "buf1k_getput_2threads",
      .peer = "malloc",
      .run = floor_getput_2tasks,
      .n = 5000000,
      .procs = BENCH_P2 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
