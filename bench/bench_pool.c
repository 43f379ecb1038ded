/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Worker pools: what a tiny job costs, from its submitting to its result. */

enum { QUEUE = 100, WORKERS = 5, BATCH = 64 };

typedef struct feed {
    keel_pool *pool;
    int64_t n;
    int64_t *jobs; /* for keel_pool_submit_many; NULL: one by one */
} feed;

static keel_err *twice(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int64_t *)out = 2 * *(const int64_t *)in;
    return NULL;
}

static keel_err *submit(keel_ctx *ctx, void *arg)
{
    feed *f = arg;

    for (int64_t i = 0; i < f->n; i++)
        KEEL_TRY(keel_pool_submit(ctx, f->pool, &i));
    return keel_pool_close(ctx, f->pool);
}

static keel_err *submit_batches(keel_ctx *ctx, void *arg)
{
    feed *f = arg;
    int64_t jobs[BATCH];

    for (int64_t i = 0; i < f->n; i += BATCH) {
        const size_t count = f->n - i < BATCH ? (size_t)(f->n - i) : BATCH;

        for (size_t k = 0; k < count; k++)
            jobs[k] = i + (int64_t)k;
        KEEL_TRY(keel_pool_submit_many(ctx, f->pool, jobs, count, NULL));
    }
    return keel_pool_close(ctx, f->pool);
}

static int64_t collect(keel_ctx *ctx, keel_chan *results)
{
    int64_t sum = 0;

    for (int64_t v; keel_chan_next(ctx, results, &v);)
        sum += v;
    return sum;
}

static int64_t collect_batches(keel_ctx *ctx, keel_chan *results)
{
    int64_t items[BATCH], sum = 0;
    size_t count;
    keel_err *err;

    while ((err = keel_chan_recv_many(ctx, results, items, BATCH, &count)) == NULL)
        for (size_t k = 0; k < count; k++)
            sum += items[k];
    BENCH_CHECK(keel_err_is(err, KEEL_ERR_CLOSED));
    return sum;
}

/* One task submits, five workers double, the workload's own task collects. */
static void work(bench *b, unsigned batch)
{
    keel_ctx *ctx = bench_ctx();
    feed f = { .n = (int64_t)b->n };

    bench_start(b);
    bench_must(keel_pool_new(
        ctx, &f.pool, KEEL_FN(twice, int64_t, int64_t),
        &(keel_pool_opts){ .workers = WORKERS, .queue = QUEUE, .results = QUEUE, .batch = batch }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, batch > 1 ? submit_batches : submit, &f);
    keel_chan *results = keel_pool_results(f.pool);
    const int64_t sum = batch > 1 ? collect_batches(ctx, results) : collect(ctx, results);
    bench_must(keel_group_wait(group));
    bench_stop(b);

    BENCH_CHECK(sum == f.n * (f.n - 1));
    keel_pool_free(f.pool);
}

static void plain(bench *b)
{
    work(b, 1);
}

static void batched(bench *b)
{
    work(b, BATCH);
}

/* The array form: all jobs at once, each result in its place. */
static void map(bench *b)
{
    enum { ARRAY = 1024 };
    static int64_t jobs[ARRAY], out[ARRAY];
    keel_ctx *ctx = bench_ctx();
    keel_pool *pool;
    int64_t sum = 0, want = 0;

    bench_must(
        keel_pool_new(ctx, &pool, KEEL_FN(twice, int64_t, int64_t),
                      &(keel_pool_opts){ .workers = WORKERS, .queue = QUEUE, .batch = BATCH }));
    bench_start(b);
    for (size_t done = 0; done < b->n; done += ARRAY) {
        const size_t count = b->n - done < ARRAY ? b->n - done : ARRAY;

        for (size_t i = 0; i < count; i++)
            jobs[i] = (int64_t)(done + i);
        bench_must(keel_pool_map(ctx, pool, jobs, count, out));
        for (size_t i = 0; i < count; i++)
            sum += out[i];
    }
    bench_stop(b);
    want = (int64_t)b->n * ((int64_t)b->n - 1);
    BENCH_CHECK(sum == want);
    keel_pool_free(pool);
}

#define ROW(name_, peer_, run_, n_)                                                                \
    {                                                                                              \
        .section = "pool", .name = name_, .peer = peer_, .run = run_, .n = n_,                     \
        .procs = BENCH_BOTH, .unit = "ns/job"                                                      \
    }

static const bench_workload workloads[] = {
    ROW("worker_pool", "keel", plain, 1000000),
    ROW("worker_pool", "keel batch64", batched, 4000000),
    ROW("worker_pool", "keel map", map, 1000000),
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
