/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* What retries, breakers and limiters add to a call that succeeds. */

static BENCH_NOINLINE keel_err *succeed(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    ++*(size_t *)arg;
    return NULL;
}

static void retry_success(bench *b)
{
    size_t calls = 0;
    keel_retry *retry;

    bench_must(keel_retry_new(&retry, NULL));
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        bench_must(keel_retry_run(bench_ctx(), retry, succeed, &calls));
    bench_stop(b);
    BENCH_CHECK(calls == b->n);
    keel_retry_free(retry);
}

static void breaker_success(bench *b)
{
    size_t calls = 0;
    keel_breaker *breaker;

    bench_must(keel_breaker_new(&breaker, NULL));
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        bench_must(keel_breaker_run(bench_ctx(), breaker, succeed, &calls));
    bench_stop(b);
    BENCH_CHECK(calls == b->n);
    keel_breaker_free(breaker);
}

static void limiter_allow(bench *b)
{
    size_t allowed = 0;
    keel_limiter *limiter;

    bench_must(keel_limiter_new(&limiter, &(keel_limiter_opts){ .per_second = 1e9 }));
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        allowed += keel_limiter_allow(limiter, 1);
    bench_stop(b);
    BENCH_CHECK(allowed == b->n);
    keel_limiter_free(limiter);
}

static void limiter_wait(bench *b)
{
    keel_limiter *limiter;

    bench_must(keel_limiter_new(&limiter, &(keel_limiter_opts){ .per_second = 1e9 }));
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        bench_must(keel_limiter_wait(bench_ctx(), limiter, 1));
    bench_stop(b);
    keel_limiter_free(limiter);
}

static void bulkhead_success(bench *b)
{
    size_t calls = 0;
    keel_bulkhead *bulkhead;

    bench_must(keel_bulkhead_new(&bulkhead, NULL));
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        bench_must(keel_bulkhead_run(bench_ctx(), bulkhead, succeed, &calls));
    bench_stop(b);
    BENCH_CHECK(calls == b->n);
    keel_bulkhead_free(bulkhead);
}

#define ROW(name_)                                                                                 \
    {                                                                                              \
        .section = "resilience", .name = #name_, .peer = "keel", .run = name_, .n = 5000000        \
    }

static const bench_workload workloads[] = {
    ROW(retry_success), ROW(breaker_success),  ROW(limiter_allow),
    ROW(limiter_wait),  ROW(bulkhead_success),
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
