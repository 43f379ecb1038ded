/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include "task/worker.h"

/* Contexts: making and cancelling them, and asking whether they have ended. And timers, which have no public
 * functions: what a wait with a time limit needs besides the clock. */

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

/* ---- Many children ---- */

enum { CHILDREN = 100000 };

/* Makes CHILDREN children of one parent and cancels it, until there were b->n; measures one of the two. */
static void fan_out(bench *b, bool creating)
{
    keel_ctx **children = keel_mem_calloc(CHILDREN, sizeof(keel_ctx *));
    double spent_ns = 0;
    size_t made = 0;

    BENCH_CHECK(children != NULL);
    bench_start(b);
    while (made < b->n) {
        keel_ctx *parent = keel_ctx_with_cancel(bench_ctx());
        size_t ended = 0;

        double start_ns = bench_now_ns();
        for (size_t i = 0; i < CHILDREN; i++)
            children[i] = keel_ctx_with_cancel(parent);
        double made_ns = bench_now_ns();
        keel_ctx_cancel(parent);
        spent_ns += creating ? made_ns - start_ns : bench_now_ns() - made_ns;
        for (size_t i = 0; i < CHILDREN; i++) {
            ended += keel_ctx_err(children[i]) == KEEL_ERR_CANCELLED;
            keel_ctx_free(children[i]);
        }
        BENCH_CHECK(ended == CHILDREN);
        keel_ctx_free(parent);
        made += CHILDREN;
    }
    bench_stop(b);
    b->value = spent_ns / (double)made;
    keel_mem_free(children);
}

static void fan_out_create(bench *b)
{
    fan_out(b, true);
}

static void fan_out_cancel(bench *b)
{
    fan_out(b, false);
}

/* Workers that make, cancel and free children of one parent at once. */
static keel_err *make_children(keel_ctx *ctx, void *arg)
{
    const bench *b = arg;

    for (size_t i = 0; i < b->n / b->procs; i++) {
        keel_ctx *child = keel_ctx_with_cancel(ctx);

        keel_ctx_cancel(child);
        keel_ctx_free(child);
    }
    return NULL;
}

static void shared_parent(bench *b)
{
    keel_group *group = keel_group_new(bench_ctx(), NULL);

    bench_start(b);
    for (unsigned i = 0; i < b->procs; i++)
        keel_group_go(group, make_children, b);
    bench_must(keel_group_wait(group));
    bench_stop(b);
}

/* ---- Timers ---- */

enum { PENDING = 1000000 };

static void never_fires(keel__timer *timer)
{
    (void)timer;
    BENCH_CHECK(false);
}

static void start_and_stop(bench *b)
{
    keel_runtime *rt = keel_ctx_runtime(bench_ctx());
    keel__timer timer = { .when_ns = keel_ctx_now(bench_ctx()) + KEEL_HOUR(1),
                          .fire = never_fires };
    size_t stopped = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel__worker_arm(rt, &timer);
        stopped += keel__worker_disarm(&timer);
    }
    bench_stop(b);
    BENCH_CHECK(stopped == b->n);
}

/* Starts a million and stops them, until there were b->n; measures one of the two. */
static void many_pending(bench *b, bool starting)
{
    keel_runtime *rt = keel_ctx_runtime(bench_ctx());
    keel__timer *all = keel_mem_calloc(PENDING, sizeof *all);
    double spent_ns = 0;
    size_t done = 0;

    BENCH_CHECK(all != NULL);
    bench_start(b);
    while (done < b->n) {
        int64_t first_ns = keel_ctx_now(bench_ctx()) + KEEL_HOUR(1);
        size_t stopped = 0;

        double start_ns = bench_now_ns();
        for (int64_t i = 0; i < PENDING; i++) {
            all[i].when_ns = first_ns + KEEL_S(i % 1000);
            all[i].fire = never_fires;
            keel__worker_arm(rt, &all[i]);
        }
        double pending_ns = bench_now_ns();
        for (size_t i = 0; i < PENDING; i++)
            stopped += keel__worker_disarm(&all[i]);
        spent_ns += starting ? pending_ns - start_ns : bench_now_ns() - pending_ns;
        BENCH_CHECK(stopped == PENDING);
        done += PENDING;
    }
    bench_stop(b);
    b->value = spent_ns / (double)done;
    keel_mem_free(all);
}

static void many_start(bench *b)
{
    many_pending(b, true);
}

static void many_stop(bench *b)
{
    many_pending(b, false);
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
    { .section = "ctx",
      .name = "ctx_fanout100k_create",
      .peer = "keel",
      .run = fan_out_create,
      .n = 500000 },
    { .section = "ctx",
      .name = "ctx_fanout100k_cancel",
      .peer = "keel",
      .run = fan_out_cancel,
      .n = 500000 },
    { .section = "ctx",
      .name = "ctx_shared_parent",
      .peer = "keel",
      .run = shared_parent,
      .n = 1000000,
      .procs = BENCH_P2 },
    { .section = "timer",
      .name = "timer_create_stop",
      .peer = "keel",
      .run = start_and_stop,
      .n = 2000000 },
    { .section = "timer",
      .name = "timer_1m_pending_create",
      .peer = "keel",
      .run = many_start,
      .n = 1000000 },
    { .section = "timer",
      .name = "timer_1m_pending_stop",
      .peer = "keel",
      .run = many_stop,
      .n = 1000000 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
