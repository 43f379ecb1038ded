/* SPDX-License-Identifier: MIT */
#include <keel/ctx.h>

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/ctx.h"
#include "task/worker.h"

enum { CLOCK_POLLS = 256 };

static keel_ctx background = { .deadline_ns = INT64_MAX };

/* What a constructor returns that had no memory. */
static keel_ctx without_memory = { .state = { KEEL__CTX_BROKEN },
                                   .deadline_ns = INT64_MAX,
                                   .broken = KEEL_ERR_NOMEM };

/* The contexts of groups that cannot run tasks. */
static keel_ctx without_runtime = { .state = { KEEL__CTX_BROKEN },
                                    .deadline_ns = INT64_MAX,
                                    .broken = KEEL_ERR_NO_RUNTIME };
static keel_ctx without_sense = { .state = { KEEL__CTX_BROKEN },
                                  .deadline_ns = INT64_MAX,
                                  .broken = KEEL_ERR_INVAL };

keel_ctx *keel__ctx_broken(const keel_err *why)
{
    return why == KEEL_ERR_NO_RUNTIME ? &without_runtime
           : why == KEEL_ERR_INVAL    ? &without_sense
                                      : &without_memory;
}

static bool is_static(const keel_ctx *ctx)
{
    return ctx == NULL || ctx->top == NULL;
}

/* NULL for a context that never ends and carries nothing. */
static keel_ctx *normal(keel_ctx *ctx)
{
    return ctx == &background ? NULL : ctx;
}

keel_ctx *keel_ctx_background(void)
{
    return &background;
}

/* ---- Memory ---- */

keel_ctx *keel__ctx_retain(keel_ctx *ctx)
{
    if (!is_static(ctx))
        keel__add_relaxed(&ctx->refs, 1);
    return ctx;
}

void keel__ctx_release(keel_ctx *ctx)
{
    while (!is_static(ctx) && keel__sub(&ctx->refs, 1) == 1) {
        keel_ctx *parent = ctx->parent;

        keel_err_free(ctx->cause);
        keel_err_free(ctx->timeout_cause);
        keel_any_deinit(&ctx->value);
        keel_mem_free(ctx);
        ctx = parent; /* and give up its reference on the parent, without recursion */
    }
}

/* ---- Ending ---- */

static keel_err *end_of(const keel_ctx *ctx)
{
    switch (keel__load(&ctx->state)) {
    case KEEL__CTX_LIVE:
        return NULL;
    case KEEL__CTX_CANCELLED:
        return KEEL_ERR_CANCELLED;
    case KEEL__CTX_DEADLINE:
        return KEEL_ERR_DEADLINE;
    default:
        return ctx->broken;
    }
}

/* What is to be done when no lock is held any more. */
typedef struct aftermath {
    keel__watcher *woken; /* claimed; a list by link.next */
    keel__list afters;
} aftermath;

/* Ends one context. Its tree is locked. */
static void end_one(keel_ctx *ctx, uint32_t state, keel_err *cause, aftermath *todo)
{
    keel__spin_lock(&ctx->lock);
    ctx->cause = keel_err_retain(cause);
    keel__store(&ctx->state, state);

    /* A watcher that cannot be claimed was woken by another: it takes itself out of the list. */
    keel__link *link = ctx->watchers.first;
    while (link != NULL) {
        keel__watcher *watcher = keel__container(link, keel__watcher, link);

        link = link->next;
        if (keel__wait_claim(watcher->wait, KEEL__FIRED_CTX)) {
            keel__list_remove(&ctx->watchers, &watcher->link);
            watcher->linked = false;
            watcher->link.next = todo->woken != NULL ? &todo->woken->link : NULL;
            todo->woken = watcher;
        }
    }
    while ((link = keel__list_pop(&ctx->afters)) != NULL) {
        keel__after_claim(keel__after_of(link));
        keel__list_push(&todo->afters, link);
    }
    keel__spin_unlock(&ctx->lock);
}

/* The next of a subtree in preorder, or NULL. Below a context that had ended before all has. */
static keel_ctx *next_below(keel_ctx *ctx, const keel_ctx *subtree, bool descend)
{
    if (descend && !keel__list_empty(&ctx->children))
        return keel__container(ctx->children.first, keel_ctx, sibling);
    while (ctx != subtree && ctx->sibling.next == NULL)
        ctx = ctx->parent;
    return ctx == subtree ? NULL : keel__container(ctx->sibling.next, keel_ctx, sibling);
}

/* Ends a context and all its descendants. Takes `cause`. */
static void end(keel_ctx *ctx, uint32_t state, keel_err *cause)
{
    aftermath todo = { 0 };

    keel__spin_lock(&ctx->top->tree_lock);
    keel_ctx *at = ctx;
    while (at != NULL) {
        bool live = keel__load_relaxed(&at->state) == KEEL__CTX_LIVE;

        if (live)
            end_one(at, state, cause, &todo);
        at = next_below(at, ctx, live);
    }
    keel__spin_unlock(&ctx->top->tree_lock);

    /* a waiter is gone once it is unparked */
    while (todo.woken != NULL) {
        keel__watcher *watcher = todo.woken;
        keel__link *next = watcher->link.next;

        todo.woken = next != NULL ? keel__container(next, keel__watcher, link) : NULL;
        keel__unpark(watcher->wait->actor);
    }
    keel__link *link;
    while ((link = keel__list_pop(&todo.afters)) != NULL)
        keel__after_start(keel__after_of(link));
    keel_err_free(cause);
}

static void fire_deadline(keel__timer *timer)
{
    keel_ctx *ctx = keel__container(timer, keel_ctx, timer);

    end(ctx, KEEL__CTX_DEADLINE, keel_err_retain(ctx->timeout_cause));
    keel__ctx_release(ctx); /* the timer's */
}

/* Who set a context's deadline: an ancestor, perhaps. That has the cause, and other descendants. */
static keel_ctx *deadline_owner(keel_ctx *ctx)
{
    while (ctx->parent != NULL && ctx->parent->top == ctx->top &&
           ctx->parent->clock == ctx->clock && ctx->parent->deadline_ns == ctx->deadline_ns)
        ctx = ctx->parent;
    return ctx;
}

void keel__ctx_expire(keel_ctx *ctx)
{
    keel_ctx *owner = deadline_owner(ctx);

    end(owner, KEEL__CTX_DEADLINE, keel_err_retain(owner->timeout_cause));
}

void keel__ctx_cancel(keel_ctx *ctx, keel_err *cause)
{
    if (is_static(ctx)) {
        keel_err_free(cause);
        return;
    }
    keel__ctx_err(ctx); /* its deadline may have come first, unseen */
    keel__order_release(ctx->top);
    end(ctx, KEEL__CTX_CANCELLED, cause);
}

void keel_ctx_cancel_cause(keel_ctx *ctx, keel_err *cause)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    keel__ctx_cancel(ctx, cause);
}

void keel_ctx_cancel(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    keel__ctx_cancel(ctx, NULL);
}

void keel_ctx_free(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    keel__ctx_free(ctx);
}

void keel__ctx_free(keel_ctx *ctx)
{
    if (is_static(ctx))
        return;
    keel__ctx_cancel(ctx, NULL);
    if (ctx->timer.worker != NULL && keel__worker_disarm(&ctx->timer))
        keel__ctx_release(ctx); /* the timer's reference */
    if (ctx->parent != NULL && ctx->top != ctx) {
        keel__spin_lock(&ctx->top->tree_lock);
        keel__list_remove(&ctx->parent->children, &ctx->sibling);
        keel__spin_unlock(&ctx->top->tree_lock);
    }
    keel__ctx_release(ctx);
}

/* ---- Making ---- */

/* A context under `parent`, for its values if `detached`, else also for its end. */
static keel_ctx *make(keel_ctx *parent, bool detached, int64_t deadline_ns)
{
    parent = normal(parent);
    if (parent != NULL && parent->top == NULL)
        return NULL; /* a broken one has broken children */
    keel_ctx *ctx = keel_mem_calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return NULL;

    keel__store_relaxed(&ctx->refs, 1);
    ctx->parent = keel__ctx_retain(parent);
    ctx->rt = keel_ctx_runtime(parent);
    ctx->clock = keel__ctx_clock(parent);
    ctx->deadline_ns = deadline_ns;
    ctx->top = ctx;
    if (parent == NULL || detached)
        return ctx;

    if (parent->deadline_ns < ctx->deadline_ns)
        ctx->deadline_ns = parent->deadline_ns;
    ctx->top = parent->top;
    keel__spin_lock(&ctx->top->tree_lock);
    keel__list_push(&parent->children, &ctx->sibling);
    uint32_t state = keel__load_relaxed(&parent->state);
    if (state != KEEL__CTX_LIVE)
        ctx->cause = keel_err_retain(parent->cause);
    keel__store(&ctx->state, state);
    keel__spin_unlock(&ctx->top->tree_lock);
    return ctx;
}

/* For a new context with a deadline of its own: ends it, or sees that it will end. */
static void start_timer(keel_ctx *ctx)
{
    if (ctx->deadline_ns <= keel_clock_now(ctx->clock)) {
        end(ctx, KEEL__CTX_DEADLINE, keel_err_retain(ctx->timeout_cause));
    } else if (ctx->rt != NULL) {
        ctx->timer.when_ns = ctx->deadline_ns;
        ctx->timer.fire = fire_deadline;
        keel__ctx_retain(ctx);
        keel__worker_arm(ctx->rt, &ctx->timer);
    }
}

/* What a constructor returns that could not make a child: the parent, if that is why. */
static keel_ctx *or_broken(keel_ctx *ctx, keel_ctx *parent)
{
    if (ctx != NULL)
        return ctx;
    return parent != NULL && parent->broken != NULL ? parent : &without_memory;
}

keel_ctx *keel__ctx_child(keel_ctx *parent, keel_runtime *rt, keel_clock *clock)
{
    keel_ctx *ctx = make(parent, false, INT64_MAX);

    if (ctx == NULL || (ctx->rt == rt && ctx->clock == clock))
        return ctx;

    /* The parent's deadline, on this clock; and kept here, since perhaps nobody does there. */
    bool timed = ctx->deadline_ns != INT64_MAX;
    if (timed)
        ctx->timeout_cause = keel_err_retain(deadline_owner(ctx)->timeout_cause);
    if (timed && ctx->clock != clock) {
        int64_t now_ns = keel_clock_now(ctx->clock);
        int64_t left_ns = ctx->deadline_ns > now_ns ? ctx->deadline_ns - now_ns : 0;

        ctx->deadline_ns = keel__clock_after(keel_clock_now(clock), left_ns);
    }
    ctx->rt = rt;
    ctx->clock = clock;
    if (timed)
        start_timer(ctx);
    return ctx;
}

keel_ctx *keel_ctx_with_cancel(keel_ctx *parent)
{
    return or_broken(make(parent, false, INT64_MAX), parent);
}

keel_ctx *keel_ctx_with_deadline_cause(keel_ctx *parent, int64_t deadline_ns, keel_err *cause)
{
    keel_ctx *ctx = make(parent, false, deadline_ns);

    if (ctx == NULL) {
        keel_err_free(cause);
        return or_broken(NULL, parent);
    }
    if (ctx->deadline_ns != deadline_ns || deadline_ns == INT64_MAX) {
        keel_err_free(cause); /* the parent's is earlier, and ends this one too */
        return ctx;
    }
    ctx->timeout_cause = cause;
    start_timer(ctx);
    return ctx;
}

keel_ctx *keel_ctx_with_timeout_cause(keel_ctx *parent, int64_t timeout_ns, keel_err *cause)
{
    return keel_ctx_with_deadline_cause(parent, keel__clock_after(keel_ctx_now(parent), timeout_ns),
                                        cause);
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
    keel_ctx *ctx = make(parent, false, INT64_MAX);

    if (ctx == NULL)
        return or_broken(NULL, parent);
    if (keel_any_dup(&ctx->value, value) != NULL) { /* KEEL_ERR_NOMEM, which is static */
        keel__ctx_free(ctx);
        return or_broken(NULL, parent);
    }
    ctx->key = key;
    return ctx;
}

keel_ctx *keel_ctx_without_cancel(keel_ctx *parent)
{
    return or_broken(make(parent, true, INT64_MAX), parent);
}

/* ---- Asking ---- */

keel_err *keel_ctx_err(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_ERR, ctx);
    return keel__ctx_err(ctx);
}

keel_err *keel__ctx_err(keel_ctx *ctx)
{
    if (ctx == NULL)
        return NULL;
    keel_err *err = end_of(ctx);
    if (err != NULL)
        keel__order_acquire(ctx->top);
    if (err != NULL || ctx->deadline_ns == INT64_MAX)
        return err;

    /* Its timer may be late: on a worker that a task of this context keeps busy, it fires only when
     * that task waits. Without a runtime there is none at all. */
    uint32_t polls = keel__load_relaxed(&ctx->polls);
    keel__store_relaxed(&ctx->polls, polls + 1);
    if ((ctx->rt == NULL || polls % CLOCK_POLLS == CLOCK_POLLS - 1) &&
        keel_clock_now(ctx->clock) >= ctx->deadline_ns)
        keel__ctx_expire(ctx);
    return end_of(ctx);
}

keel_err *keel_ctx_cause(keel_ctx *ctx)
{
    keel_err *err = keel__ctx_err(ctx);

    if (err == NULL || is_static(ctx))
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
    for (; ctx != NULL; ctx = ctx->parent)
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

/* ---- Watching ---- */

bool keel__ctx_watch(keel_ctx *ctx, keel__watcher *watcher)
{
    if (is_static(ctx))
        return false;
    keel__spin_lock(&ctx->lock);
    bool live = keel__load_relaxed(&ctx->state) == KEEL__CTX_LIVE;
    watcher->linked = live;
    if (live)
        keel__list_push(&ctx->watchers, &watcher->link);
    keel__spin_unlock(&ctx->lock);
    return live; /* the end of the context may have changed `linked` since */
}

void keel__ctx_unwatch(keel_ctx *ctx, keel__watcher *watcher)
{
    keel__spin_lock(&ctx->lock);
    if (watcher->linked)
        keel__list_remove(&ctx->watchers, &watcher->link);
    watcher->linked = false;
    keel__spin_unlock(&ctx->lock);
}

int64_t keel__ctx_unattended(keel_ctx *ctx)
{
    if (ctx == NULL || ctx->rt != NULL || ctx->deadline_ns == INT64_MAX)
        return INT64_MAX;
    int64_t now_ns = keel_clock_now(ctx->clock);
    return ctx->deadline_ns > now_ns ? ctx->deadline_ns - now_ns : 0;
}
