/* SPDX-License-Identifier: MIT */
#include <keel/ctx.h>

#include <assert.h>
#include <stddef.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/ctx.h"
#include "task/worker.h"

enum { CLOCK_POLLS = 256 };

static keel_ctx background = { .fixed = true, .deadline_ns = INT64_MAX };

#define BROKEN(why)                                                                                \
    {                                                                                              \
        .state = { KEEL__CTX_BROKEN | KEEL__CTX_SETTLED }, .fixed = true,                          \
        .deadline_ns = INT64_MAX, .cause = (why)                                                   \
    }

/* What a constructor returns that had no memory; and the contexts of groups that cannot run tasks. */
static keel_ctx without_memory = BROKEN(KEEL_ERR_NOMEM);
static keel_ctx without_runtime = BROKEN(KEEL_ERR_NO_RUNTIME);
static keel_ctx without_sense = BROKEN(KEEL_ERR_INVAL);

keel_ctx *keel__ctx_broken(const keel_err *why)
{
    return why == KEEL_ERR_NO_RUNTIME ? &without_runtime
           : why == KEEL_ERR_INVAL    ? &without_sense
                                      : &without_memory;
}

keel_ctx *keel_ctx_background(void)
{
    return &background;
}

/* ---- Making ---- */

/* How a new context differs from its parent. */
typedef struct difference {
    bool detached; /* for the parent's values only */
    keel_runtime *rt;
    keel_clock *clock;
    int64_t deadline_ns;     /* on that clock */
    keel_err *timeout_cause; /* its own; taken in any case */
} difference;

static inline difference no_difference(keel_ctx *parent)
{
    return (difference){ .rt = parent != NULL ? parent->rt : NULL,
                         .clock = keel__ctx_clock(parent),
                         .deadline_ns = INT64_MAX };
}

/* Puts a new context, which nobody else knows, under a parent. */
static inline void link_below(keel_ctx *parent, keel_ctx *ctx)
{
    keel__spin_lock(&parent->lock);
    uint32_t reason = keel__load_relaxed(&parent->state) & KEEL__CTX_REASON;
    if (__builtin_expect(reason == KEEL__CTX_LIVE, 1)) {
        keel__store_relaxed(&ctx->parent, parent);
        keel__list_push(&parent->children, &ctx->sibling);
    } else {
        ctx->cause = keel_err_retain(parent->cause);
        keel__store_relaxed(&ctx->state, reason | KEEL__CTX_SETTLED);
    }
    keel__spin_unlock(&parent->lock);
}

/* A child like its parent, but for what `d` says; NULL without memory, and under what had none. */
static inline keel_ctx *make(keel_ctx *parent, const difference *d)
{
    if (parent == &background)
        parent = NULL; /* it carries nothing */
    keel_ctx *ctx = parent == NULL || !parent->fixed ? keel__ctx_take(d->rt) : NULL;
    if (ctx == NULL) {
        keel_err_free(d->timeout_cause);
        return NULL;
    }
    keel__store_relaxed(&ctx->refs, 1);
    keel__store_relaxed(&ctx->polls, 0);
    keel__store_relaxed(&ctx->parent, NULL);
    ctx->watched = ctx->timed = ctx->valued = false;
    ctx->cause = NULL;
    ctx->above = NULL;
    ctx->rt = d->rt;
    ctx->clock = d->clock;
    ctx->deadline_ns = d->deadline_ns;
    ctx->timeout_cause = d->timeout_cause;
    ctx->key = NULL;

    bool under = parent != NULL && !d->detached;
    if (under && parent->deadline_ns != INT64_MAX && parent->deadline_ns <= d->deadline_ns &&
        parent->clock == d->clock) {
        /* the parent's is earlier, and ends this one too */
        keel_err_free(d->timeout_cause);
        ctx->deadline_ns = parent->deadline_ns;
        ctx->timeout_cause = keel_err_retain(parent->timeout_cause);
    }
    keel__store_relaxed(&ctx->state, ctx->deadline_ns != INT64_MAX ? KEEL__CTX_TIMED : 0u);
    if (parent == NULL)
        return ctx;

    ctx->valued = parent->valued;
    /* memory that stays need not be held */
    if (parent->valued || (under && (ctx->pool == NULL || ctx->pool != parent->pool)))
        ctx->above = keel__ctx_retain(parent);
    if (under)
        link_below(parent, ctx);
    return ctx;
}

/* The same, once. */
__attribute__((noinline)) static keel_ctx *make_child(keel_ctx *parent, const difference *d)
{
    return make(parent, d);
}

/* For a new context with a deadline of its own: ends it, or sees that it will end. */
static void start_timer(keel_ctx *ctx, int64_t now_ns)
{
    if (ctx->deadline_ns <= now_ns) {
        keel__ctx_end_timeout(ctx);
    } else if (ctx->rt != NULL && keel__ctx_reason(ctx) == KEEL__CTX_LIVE) {
        ctx->timer = (keel__timer){ .when_ns = ctx->deadline_ns, .fire = keel__ctx_fire };
        ctx->timed = true;
        keel__store_relaxed(&ctx->refs, 2); /* nobody else has one yet */
        keel__worker_arm(ctx->rt, &ctx->timer);
    }
}

/* What a constructor returns that could not make a child: the parent, if that is why. */
static keel_ctx *or_broken(keel_ctx *ctx, keel_ctx *parent)
{
    if (ctx != NULL)
        return ctx;
    return parent != NULL && parent->fixed && parent->cause != NULL ? parent : &without_memory;
}

keel_ctx *keel__ctx_child(keel_ctx *parent, keel_runtime *rt, keel_clock *clock)
{
    difference d = no_difference(parent);
    bool moved = d.rt != rt || d.clock != clock;
    bool timed = moved && parent != NULL && parent->deadline_ns != INT64_MAX;
    int64_t now_ns = timed ? keel_clock_now(clock) : 0;

    /* The parent's deadline, on this clock; and kept here, since perhaps nobody does there. */
    if (timed && d.clock != clock) {
        int64_t then_ns = keel_clock_now(d.clock);
        int64_t left_ns = parent->deadline_ns > then_ns ? parent->deadline_ns - then_ns : 0;

        d.deadline_ns = keel__clock_after(now_ns, left_ns);
        if (parent->timeout_cause != NULL)
            d.timeout_cause = keel_err_retain(parent->timeout_cause);
    }
    d.rt = rt;
    d.clock = clock;
    keel_ctx *ctx = make_child(parent, &d);
    if (ctx != NULL && timed)
        start_timer(ctx, now_ns);
    return ctx;
}

/* `now_ns` may be a moment that has passed since. */
static keel_ctx *with_deadline(keel_ctx *parent, int64_t now_ns, int64_t deadline_ns,
                               keel_err *cause)
{
    difference d = no_difference(parent);
    bool own = deadline_ns != INT64_MAX &&
               (parent == NULL || parent->fixed || deadline_ns < parent->deadline_ns);

    d.deadline_ns = deadline_ns;
    d.timeout_cause = cause;
    keel_ctx *ctx = make_child(parent, &d);
    if (ctx != NULL && own)
        start_timer(ctx, now_ns);
    return or_broken(ctx, parent);
}

keel_ctx *keel_ctx_with_cancel(keel_ctx *parent)
{
    difference d = no_difference(parent);

    return or_broken(make(parent, &d), parent); /* the most frequent, hence inlined here */
}

keel_ctx *keel_ctx_with_deadline_cause(keel_ctx *parent, int64_t deadline_ns, keel_err *cause)
{
    return with_deadline(parent, keel_ctx_now(parent), deadline_ns, cause);
}

keel_ctx *keel_ctx_with_timeout_cause(keel_ctx *parent, int64_t timeout_ns, keel_err *cause)
{
    int64_t now_ns = keel_ctx_now(parent);

    return with_deadline(parent, now_ns, keel__clock_after(now_ns, timeout_ns), cause);
}

keel_ctx *keel_ctx_with_deadline(keel_ctx *parent, int64_t deadline_ns)
{
    return keel_ctx_with_deadline_cause(parent, deadline_ns, NULL);
}

keel_ctx *keel_ctx_with_timeout(keel_ctx *parent, int64_t timeout_ns)
{
    return keel_ctx_with_timeout_cause(parent, timeout_ns, NULL);
}

keel_ctx *keel_ctx_with_value(keel_ctx *parent, const void *key, keel_any value)
{
    static const char nowhere; /* the key of what nobody can ask for */
    difference d = no_difference(parent);
    keel_any own;

    if (keel_any_dup(&own, value) != NULL) /* KEEL_ERR_NOMEM, which is static */
        return or_broken(NULL, parent);
    keel_ctx *ctx = make_child(parent, &d);
    if (ctx == NULL) {
        keel_any_deinit(&own);
        return or_broken(NULL, parent);
    }
    ctx->key = key != NULL ? key : &nowhere;
    ctx->value = own;
    ctx->valued = true;
    return ctx;
}

keel_ctx *keel_ctx_without_cancel(keel_ctx *parent)
{
    difference d = no_difference(parent);

    d.detached = true;
    return or_broken(make_child(parent, &d), parent);
}

/* ---- Asking ---- */

keel_err *keel__ctx_end_of(const keel_ctx *ctx, uint32_t state)
{
    switch (state & KEEL__CTX_REASON) {
    case KEEL__CTX_LIVE:
        return NULL;
    case KEEL__CTX_CANCELLED:
        return KEEL_ERR_CANCELLED;
    case KEEL__CTX_DEADLINE:
        return KEEL_ERR_DEADLINE;
    default:
        return ctx->cause;
    }
}

/* For a context that has ended, or has a deadline. */
static keel_err *look(keel_ctx *ctx, uint32_t state)
{
    if ((state & KEEL__CTX_TIMED) == 0) {
        keel__order_acquire(ctx);
        return keel__ctx_end_of(ctx, state);
    }

    /* Its timer may be late: on a worker that a task of this context keeps busy, it fires only when
     * that task waits. Without a runtime there is none at all. */
    uint32_t polls = keel__load_relaxed(&ctx->polls);
    keel__store_relaxed(&ctx->polls, polls + 1);
    if ((ctx->rt == NULL || polls % CLOCK_POLLS == CLOCK_POLLS - 1) &&
        keel_clock_now(ctx->clock) >= ctx->deadline_ns)
        keel__ctx_expire(ctx);
    return keel__ctx_end_of(ctx, keel__load(&ctx->state));
}

/* Of a context that may have ended, or have a deadline. */
__attribute__((noinline)) static keel_err *err_of(keel_ctx *ctx)
{
    uint32_t state = ctx != NULL ? keel__load(&ctx->state) : KEEL__CTX_LIVE;

    return state != KEEL__CTX_LIVE ? look(ctx, state) : NULL;
}

static_assert(offsetof(keel_ctx, state) == 0, "keel_ctx_err reads it");

keel_err *keel__ctx_ask(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_ERR, ctx);
    return err_of(ctx);
}

keel_err *keel__ctx_err(keel_ctx *ctx)
{
    if (ctx == NULL || keel__load(&ctx->state) == KEEL__CTX_LIVE)
        return NULL;
    return err_of(ctx);
}

keel_err *keel_ctx_cause(keel_ctx *ctx)
{
    keel_err *err = keel__ctx_err(ctx);

    if (err == NULL || ctx->fixed)
        return err;
    keel__spin_lock(&ctx->lock);
    keel_err *cause = keel_err_retain(ctx->cause);
    keel__spin_unlock(&ctx->lock);
    return cause != NULL ? cause : err;
}

bool keel_ctx_deadline(keel_ctx *ctx, int64_t *deadline_ns)
{
    keel__need(deadline_ns != NULL, "keel_ctx_deadline", "deadline_ns");
    bool some = ctx != NULL && ctx->deadline_ns != INT64_MAX;

    *deadline_ns = some ? ctx->deadline_ns : 0;
    return some;
}

keel_any keel_ctx_value(keel_ctx *ctx, const void *key)
{
    for (; ctx != NULL; ctx = ctx->above)
        if (ctx->key == key && key != NULL)
            return keel_any_borrow(ctx->value);
    return keel_any_none();
}

keel_clock *keel__ctx_clock(keel_ctx *ctx)
{
    if (ctx != NULL && ctx->clock != NULL)
        return ctx->clock;
    keel__worker *worker = keel__worker_self();
    return worker != NULL ? worker->rt->clock : keel_clock_system();
}

keel_runtime *keel_ctx_runtime(keel_ctx *ctx)
{
    return ctx != NULL ? ctx->rt : NULL;
}

int64_t keel_ctx_now(keel_ctx *ctx)
{
    return keel_clock_now(keel__ctx_clock(ctx));
}
