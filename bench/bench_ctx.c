/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Contexts: making and cancelling them, and asking whether they have ended. */

/* Makes a context with `make`, cancels it and frees it, b->n times. */
static void cycle(bench *b, keel_ctx *(*make)(keel_ctx *parent), keel_ctx *parent)
{
    size_t ended = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_ctx *ctx = make(parent);

        keel_ctx_cancel(ctx);
        ended += keel_ctx_err(ctx) == KEEL_ERR_CANCELLED;
        keel_ctx_free(ctx);
    }
    bench_stop(b);
    BENCH_CHECK(ended == b->n);
}

static keel_ctx *with_hour(keel_ctx *parent)
{
    return keel_ctx_with_timeout(parent, KEEL_HOUR(1));
}

static void root(bench *b)
{
    cycle(b, keel_ctx_with_cancel, keel_ctx_background());
}

static void child(bench *b)
{
    keel_ctx *parent = keel_ctx_with_cancel(bench_ctx());

    cycle(b, keel_ctx_with_cancel, parent);
    keel_ctx_free(parent);
}

static void timeout(bench *b)
{
    keel_ctx *parent = keel_ctx_with_cancel(bench_ctx());

    cycle(b, with_hour, parent);
    keel_ctx_free(parent);
}

static void err_check(bench *b)
{
    keel_ctx *ctx = keel_ctx_with_cancel(bench_ctx());
    size_t going = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        going += keel_ctx_err(ctx) == NULL;
    bench_stop(b);
    BENCH_CHECK(going == b->n);
    keel_ctx_free(ctx);
}

static const bench_workload workloads[] = {
    { .section = "ctx",
      .name = "ctx_create_cancel_root",
      .peer = "keel",
      .run = root,
      .n = 2000000 },
    { .section = "ctx",
      .name = "ctx_create_cancel_child",
      .peer = "keel",
      .run = child,
      .n = 2000000 },
    { .section = "ctx",
      .name = "ctx_timeout_create_cancel",
      .peer = "keel",
      .run = timeout,
      .n = 1000000 },
    { .section = "ctx", .name = "ctx_err_check", .peer = "keel", .run = err_check, .n = 20000000 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
