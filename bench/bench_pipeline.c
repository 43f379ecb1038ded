/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include "inputs.h"

/* Pipelines: what an item costs on its way through keel_pipeline's stages. The same by hand, on channels, is in
 * bench_chan.c. */

enum { TEN = 10 };

typedef struct numbers {
    int64_t next, end;
} numbers;

static keel_err *generate(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    numbers *n = arg;

    (void)ctx;
    *(int64_t *)out = n->next;
    *more = n->next++ < n->end;
    return NULL;
}

static keel_err *square(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const int64_t v = *(const int64_t *)in;

    (void)ctx, (void)arg;
    *(int64_t *)out = v * v;
    return NULL;
}

static keel_err *add_one(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int64_t *)out = *(const int64_t *)in + 1;
    return NULL;
}

static keel_err *sum(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int64_t *)out += *(const int64_t *)in;
    return NULL;
}

static keel_pipeline *begin(numbers *n)
{
    keel_pipeline *p = keel_pipeline_new(NULL);

    keel_pipeline_from_fn(p, "generate", generate, sizeof(int64_t), NULL, n);
    return p;
}

static void run(bench *b, keel_pipeline *p)
{
    bench_start(b);
    bench_must(keel_pipeline_run(bench_ctx(), p));
    bench_stop(b);
    keel_pipeline_free(p);
}

static void pipeline3(bench *b)
{
    const int64_t n = (int64_t)b->n;
    int64_t total = 0;
    numbers from = { 0, n };
    keel_pipeline *p = begin(&from);

    keel_pipeline_map(p, "square", KEEL_FN(square, int64_t, int64_t), NULL);
    keel_pipeline_fold(p, "sum", KEEL_FN(sum, int64_t, int64_t), &total, NULL);
    run(b, p);
    BENCH_CHECK(total == (n - 1) * n * (2 * n - 1) / 6);
}

/* The same with a queue and a task of its own for each stage. */
static void pipeline3_apart(bench *b)
{
    const keel_stage_opts apart = { .apart = true };
    const int64_t n = (int64_t)b->n;
    int64_t total = 0;
    numbers from = { 0, n };
    keel_pipeline *p = begin(&from);

    keel_pipeline_map(p, "square", KEEL_FN(square, int64_t, int64_t), &apart);
    keel_pipeline_fold(p, "sum", KEEL_FN(sum, int64_t, int64_t), &total, &apart);
    run(b, p);
    BENCH_CHECK(total == (n - 1) * n * (2 * n - 1) / 6);
}

static void pipeline10(bench *b)
{
    const int64_t n = (int64_t)b->n;
    int64_t total = 0;
    numbers from = { 0, n };
    keel_pipeline *p = begin(&from);

    for (int i = 0; i < TEN; i++)
        keel_pipeline_map(p, "add one", KEEL_FN(add_one, int64_t, int64_t), NULL);
    keel_pipeline_fold(p, "sum", KEEL_FN(sum, int64_t, int64_t), &total, NULL);
    run(b, p);
    BENCH_CHECK(total == n * (n - 1) / 2 + TEN * n);
}

/* ---- One stage that works hard ---- */

static keel_err *work_hard(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(uint64_t *)out = bench_work(*(const uint64_t *)in);
    return NULL;
}

/* Checks the order too: what comes must be made of 1, 2, 3, ... */
typedef struct checked {
    uint64_t next, wrong;
} checked;

static keel_err *check_order(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    checked *seen = out;

    (void)ctx, (void)arg;
    seen->wrong += bench_work_input(*(const uint64_t *)in) != ++seen->next;
    return NULL;
}

static void pipeline4_heavy(bench *b)
{
    checked seen = { 0, 0 };
    numbers from = { 0, (int64_t)b->n };
    keel_pipeline *p = begin(&from);

    keel_pipeline_map(p, "add one", KEEL_FN(add_one, int64_t, uint64_t), NULL);
    keel_pipeline_map(p, "work", KEEL_FN(work_hard, uint64_t, uint64_t),
                      &(keel_stage_opts){ .parallel = 2, .keep_order = true });
    keel_pipeline_fold(p, "check", KEEL_FN(check_order, uint64_t, checked), &seen, NULL);
    run(b, p);
    BENCH_CHECK(seen.next == b->n && seen.wrong == 0);
}

#define ROW(section_, name_, peer_, run_, n_, procs_)                                              \
    {                                                                                              \
        .section = section_, .name = name_, .peer = peer_, .run = run_, .n = n_, .procs = procs_,  \
        .unit = "ns/item"                                                                          \
    }

static const bench_workload workloads[] = {
    ROW("pipeline", "pipeline3", "keel pipeline", pipeline3, 1000000, BENCH_BOTH),
    ROW("pipeline", "pipeline3", "keel pipeline, apart", pipeline3_apart, 500000, BENCH_BOTH),
    ROW("pipeline10", "pipeline10", "keel pipeline", pipeline10, 4000000, BENCH_BOTH),
    ROW("heavy", "pipeline4_heavy", "keel pipeline", pipeline4_heavy, 20000, BENCH_P2),
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
