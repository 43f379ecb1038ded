/* SPDX-License-Identifier: MIT */
#include "explore.h"

KEEL_ANY_TYPE_STATIC(void); /* a pointer to anything */

/* Contexts, after-functions and timers under every schedule with three deviations. */

typedef struct world {
    keel_ctx *ctx, *child, *grandchild;
    keel_chan *chan;
    keel_after *after;
    bool cancelled, stopped, running;
    int calls, ends, received, woken;
    int64_t order[4];
} world;

static keel_err *in_world(keel_ctx *ctx, keel_err *(*body)(keel_ctx *ctx, world *w))
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    KEEL_TRY(keel_chan_new(&w.chan, sizeof(int), NULL));
    keel_err *err = body(ctx, &w);
    keel_chan_free(w.chan);
    keel_ctx_free(w.ctx);
    return err;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx_cancel(w->ctx);
    w->cancelled = true;
    return NULL;
}

/* ---- Every descendant has ended when cancel returns ---- */

static void check_cascade(world *w)
{
    bool cancelled = w->cancelled;

    KEEL_CHECK(!cancelled || keel_ctx_err(w->grandchild) == KEEL_ERR_CANCELLED);
    KEEL_CHECK(!cancelled || keel_ctx_err(w->child) == KEEL_ERR_CANCELLED);
}

static keel_err *look(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    check_cascade(arg);
    check_cascade(arg);
    return NULL;
}

/* A child made meanwhile ends too. */
static keel_err *make_child(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_ctx *own = keel_ctx_with_cancel(w->grandchild);
    keel_err *err = wait_for_end_of(own);

    (void)ctx;
    KEEL_CHECK(err == KEEL_ERR_CANCELLED);
    keel_ctx_free(own);
    return NULL;
}

static keel_err *cascade_body(keel_ctx *ctx, world *w)
{
    w->child = keel_ctx_with_cancel(w->ctx);
    w->grandchild = keel_ctx_with_value(w->child, &w->calls, KEEL_ANY_PTR(void, w));
    keel_err *err = together(ctx, w, look, make_child, cancel_it, look);
    keel_ctx_free(w->grandchild);
    keel_ctx_free(w->child);
    return err;
}

static keel_err *a_cancel_reaches_every_descendant(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, cascade_body);
}

/* ---- A deadline against a cancel: the first end counts, and stays ---- */

static keel_err *await_end(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = wait_for_end_of(w->child);

    (void)ctx;
    KEEL_CHECK(err == KEEL_ERR_CANCELLED || err == KEEL_ERR_DEADLINE);
    KEEL_CHECK(keel_ctx_err(w->child) == err);
    keel_err *cause = keel_ctx_cause(w->child);
    KEEL_CHECK((err == KEEL_ERR_DEADLINE) == keel_err_is(cause, KEEL_ERR_TIMEOUT));
    keel_err_free(cause);
    w->ends++;
    return NULL;
}

static keel_err *cancel_child_later(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(5)));
    keel_ctx_cancel(w->child);
    return NULL;
}

static keel_err *deadline_body(keel_ctx *ctx, world *w)
{
    w->child = keel_ctx_with_timeout_cause(w->ctx, KEEL_MS(5), KEEL_ERR_TIMEOUT);
    keel_err *err = together(ctx, w, await_end, cancel_child_later, await_end);
    keel_ctx_free(w->child);
    KEEL_CHECK(w->ends == 2);
    return err;
}

static keel_err *a_deadline_or_a_cancel(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, deadline_body);
}

/* ---- Waiters under a context come and go ---- */

static keel_err *receive_some(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    while (keel_chan_next(w->ctx, w->chan, &item))
        w->received++;
    KEEL_CHECK(keel_ctx_err(w->ctx) != NULL);
    return NULL;
}

static keel_err *send_some(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 2; i++) {
        keel_err *err = keel_chan_send(w->ctx, w->chan, &i);
        KEEL_CHECK(err == NULL || err == KEEL_ERR_CANCELLED);
        w->woken += err == NULL;
    }
    return NULL;
}

static keel_err *watch_body(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, receive_some, send_some, receive_some, cancel_it));
    KEEL_CHECK(w->received == w->woken);
    return NULL;
}

static keel_err *waiters_come_and_go(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, watch_body);
}

/* ---- After-functions ---- */

static void count_call(void *arg)
{
    world *w = arg;

    KEEL_CHECK(keel_ctx_err(w->ctx) != NULL);
    w->running = true;
    w->calls++;
    keel_yield();
    w->running = false;
}

static keel_err *stop_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    bool late = w->cancelled;
    w->stopped = keel_after_stop(w->after);
    KEEL_CHECK(!late || !w->stopped); /* when cancel has returned it is to run, or has run */
    return NULL;
}

static keel_err *stop_body(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_ctx_after(&w->after, w->ctx, count_call, w));
    KEEL_TRY(together(ctx, w, stop_it, cancel_it));
    keel_sim_settle();
    KEEL_CHECK(w->calls == !w->stopped && !w->running);
    keel_after_free(w->after);
    return NULL;
}

static keel_err *it_is_stopped_or_runs_once(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, stop_body);
}

static keel_err *free_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_after_free(w->after);
    KEEL_CHECK(!w->running);
    w->stopped = true;
    int calls = w->calls;
    keel_yield();
    KEEL_CHECK(w->calls == calls);
    return NULL;
}

static keel_err *free_body(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_ctx_after(&w->after, w->ctx, count_call, w));
    KEEL_TRY(together(ctx, w, free_it, cancel_it));
    keel_sim_settle();
    return NULL;
}

static keel_err *after_its_free_it_does_not_run(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, free_body);
}

static keel_err *make_and_stop(keel_ctx *ctx, void *arg)
{
    world *w = arg, own = { .ctx = w->ctx };

    (void)ctx;
    KEEL_TRY(keel_ctx_after(&own.after, w->ctx, count_call, &own));
    keel_yield();
    bool stopped = keel_after_stop_and_wait(own.after);
    KEEL_CHECK(!own.running && own.calls == !stopped);
    KEEL_CHECK(!keel_after_stop(own.after));
    keel_after_free(own.after);
    return NULL;
}

static keel_err *several_body(keel_ctx *ctx, world *w)
{
    return together(ctx, w, make_and_stop, cancel_it, make_and_stop);
}

static keel_err *several_are_made_and_stopped(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, several_body);
}

/* One after-function stops another that the same cancel is to start. */
static void stop_other(void *arg)
{
    world *w = arg;

    w->calls += !keel_after_stop_and_wait(w->after);
    w->running = false;
}

static void be_other(void *arg)
{
    ((world *)arg)->ends++;
}

static keel_err *mutual_body(keel_ctx *ctx, world *w)
{
    keel_after *first;

    KEEL_TRY(keel_ctx_after(&w->after, w->ctx, be_other, w));
    KEEL_TRY(keel_ctx_after(&first, w->ctx, stop_other, w));
    KEEL_TRY(together(ctx, w, cancel_it));
    keel_sim_settle();
    keel_after_free(first);
    KEEL_CHECK(w->calls == w->ends);
    keel_after_free(w->after);
    return NULL;
}

static keel_err *one_may_stop_another(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, mutual_body);
}

/* ---- Children of a tree that comes apart ---- */

static keel_err *grow_and_fell(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx *branch = keel_ctx_with_cancel(w->ctx);
    keel_ctx *leaf = keel_ctx_with_timeout(branch, KEEL_S(1));
    keel_yield();
    keel_ctx_free(branch);
    KEEL_CHECK(keel_ctx_err(leaf) != NULL);
    keel_ctx_free(leaf);
    return NULL;
}

static keel_err *tree_body(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, grow_and_fell, cancel_it, grow_and_fell));
    return keel_ctx_err(w->ctx) == KEEL_ERR_CANCELLED ? NULL : keel_err_new("not cancelled");
}

static keel_err *branches_come_and_go(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, tree_body);
}

/* ---- Timers ---- */

static keel_err *sleep_a_while(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int64_t ns = KEEL_MS(1 + (int64_t)(w->calls++ * 7 % 4)); /* 1, 4, 3, 2 */

    KEEL_TRY(keel_sleep(ctx, ns));
    int64_t now_ns = keel_ctx_now(ctx);
    KEEL_CHECK(now_ns >= ns);
    w->order[w->ends++] = ns;
    return NULL;
}

static keel_err *sleep_body(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, sleep_a_while, sleep_a_while, sleep_a_while, sleep_a_while));
    KEEL_CHECK(w->ends == 4);
    return NULL;
}

static keel_err *nobody_wakes_early(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, sleep_body);
}

/* Many time limits: the last are taken back, and, once the first has ended, some of the middle. */
static keel_err *limits_body(keel_ctx *ctx, world *w)
{
    keel_ctx *limits[9] = { NULL };

    (void)w;
    for (int i = 1; i <= 8; i++)
        limits[i] = keel_ctx_with_timeout(ctx, KEEL_MS(i));
    keel_ctx_free(limits[8]);
    keel_ctx_free(limits[7]);
    KEEL_CHECK(wait_for_end_of(limits[1]) == KEEL_ERR_DEADLINE);
    keel_ctx_free(limits[5]);
    keel_ctx_free(limits[3]);
    KEEL_CHECK(wait_for_end_of(limits[4]) == KEEL_ERR_DEADLINE);
    KEEL_CHECK(keel_ctx_now(ctx) >= KEEL_MS(4) && keel_ctx_err(limits[2]) != NULL);
    KEEL_CHECK(wait_for_end_of(limits[6]) == KEEL_ERR_DEADLINE);
    KEEL_CHECK(keel_ctx_now(ctx) >= KEEL_MS(6));
    for (int i = 1; i <= 6; i++)
        if (i != 3 && i != 5)
            keel_ctx_free(limits[i]);
    return NULL;
}

static keel_err *time_limits_end_in_order(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, limits_body);
}

static const scenario scenarios[] = {
    { "a cancel reaches every descendant", a_cancel_reaches_every_descendant, false },
    { "a deadline or a cancel", a_deadline_or_a_cancel, false },
    { "waiters come and go", waiters_come_and_go, false },
    { "it is stopped, or runs once", it_is_stopped_or_runs_once, false },
    { "after its free it does not run", after_its_free_it_does_not_run, false },
    { "several are made and stopped", several_are_made_and_stopped, false },
    { "one may stop another", one_may_stop_another, false },
    { "branches come and go", branches_come_and_go, false },
    { "nobody wakes early", nobody_wakes_early, false },
    { "time limits end in order", time_limits_end_in_order, false },
};

EXPLORE_MAIN()
