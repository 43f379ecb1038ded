/* SPDX-License-Identifier: MIT */
#include <keel/ctx.h>

#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/ctx.h"
#include "task/worker.h"

/* Contexts as trees: ends, what waits for them, and memory. */

enum { BATCH = 64 }; /* children ended until others get their turn at the parent's lock */

/* ---- Memory ---- */

keel_ctx *keel__ctx_retain(keel_ctx *ctx)
{
    if (ctx != NULL && !ctx->fixed)
        keel__add_relaxed(&ctx->refs, 1);
    return ctx;
}

/* Gives up references. Whoever has all that are left needs no atomic change: nobody can add one. */
static void release(keel_ctx *ctx, uint32_t refs)
{
    while (keel__load(&ctx->refs) == refs || keel__sub(&ctx->refs, refs) == refs) {
        keel_ctx *above = ctx->above;

        if (ctx->cause != NULL || ctx->timeout_cause != NULL) {
            keel_err_free(ctx->cause);
            keel_err_free(ctx->timeout_cause);
        }
        if (ctx->key != NULL)
            keel_any_deinit(&ctx->value);
        keel__ctx_give(ctx);
        if (above == NULL)
            return;
        ctx = above; /* and the reference on that, without recursion */
        refs = 1;
    }
}

void keel__ctx_release(keel_ctx *ctx)
{
    if (ctx != NULL && !ctx->fixed)
        release(ctx, 1);
}

/* ---- The tree ---- */

static void leave_tree(keel_ctx *ctx)
{
    keel_ctx *parent = keel__load(&ctx->parent);

    if (parent == NULL)
        return;
    /* whoever ends the parent may be about to let go of this one: then what is locked here may not be its
     * parent any more, nor be in use */
    keel__spin_lock(&parent->lock);
    if (keel__load_relaxed(&ctx->parent) == parent) {
        keel__list_remove(&parent->children, &ctx->sibling);
        keel__store_relaxed(&ctx->parent, NULL);
    }
    keel__spin_unlock(&parent->lock);
}

/* ---- Ending ---- */

/* What is to be done when no lock is held any more. */
typedef struct aftermath {
    keel__watcher *woken; /* claimed; a list by link.next */
    keel__list afters;
} aftermath;

/* Takes what waits for a context that ends. It is locked. */
static void take_waiting(keel_ctx *ctx, aftermath *todo)
{
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
}

/* Ends one context, if it has not ended. It is locked. */
static void end_one(keel_ctx *ctx, uint32_t reason, keel_err *cause, aftermath *todo)
{
    if ((keel__load_relaxed(&ctx->state) & KEEL__CTX_REASON) != KEEL__CTX_LIVE)
        return;
    if (cause != NULL)
        ctx->cause = keel_err_retain(cause);
    keel__order_release(ctx);
    keel__store(&ctx->state, reason);
    if (ctx->watched)
        take_waiting(ctx, todo);
}

/* Ends all below a context that has ended and is locked. */
static void end_below(keel_ctx *top, aftermath *todo)
{
    keel_ctx *at = top; /* locked, like all from there up to the top */
    unsigned done = 0;

    for (;;) {
        keel__link *link = at->children.first;
        uint32_t state = keel__load_relaxed(&at->state);

        if (link != NULL) {
            keel_ctx *child = keel__container(link, keel_ctx, sibling);

            keel__spin_lock(&child->lock);
            end_one(child, state & KEEL__CTX_REASON, at->cause, todo);
            at = child;
            continue;
        }
        keel__store(&at->state, state | KEEL__CTX_SETTLED);
        if (at == top)
            return;
        keel_ctx *parent = keel__load_relaxed(&at->parent);
        keel__list_remove(&parent->children, &at->sibling);
        keel__spin_unlock(&at->lock);
        keel__store(&at->parent, NULL); /* after this it may be freed */
        at = parent;
        if (++done % BATCH == 0) {
            keel__spin_unlock(&at->lock);
            keel__spin_lock(&at->lock);
        }
    }
}

/* A waiter is gone once it is unparked. */
static void wake(const aftermath *todo)
{
    keel__watcher *watcher = todo->woken;

    while (watcher != NULL) {
        keel__link *next = watcher->link.next;

        keel__unpark(watcher->wait->actor);
        watcher = next != NULL ? keel__container(next, keel__watcher, link) : NULL;
    }
}

/* Ends a context that is locked, and all its descendants; lets go of the lock. */
__attribute__((noinline)) static void end_all(keel_ctx *ctx, uint32_t reason, keel_err *cause)
{
    aftermath todo = { 0 };
    keel__link *link;

    end_one(ctx, reason, cause, &todo);
    end_below(ctx, &todo);
    keel__spin_unlock(&ctx->lock);

    wake(&todo);
    while ((link = keel__list_pop(&todo.afters)) != NULL)
        keel__after_start(keel__after_of(link));
}

/* Ends a context and all its descendants. Takes `cause`. */
static inline void end(keel_ctx *ctx, uint32_t reason, keel_err *cause)
{
    if ((keel__load(&ctx->state) & KEEL__CTX_SETTLED) == 0) {
        keel__spin_lock(&ctx->lock);
        if (ctx->watched || !keel__list_empty(&ctx->children) || cause != NULL ||
            (keel__load_relaxed(&ctx->state) & KEEL__CTX_REASON) != KEEL__CTX_LIVE) {
            end_all(ctx, reason, cause);
        } else { /* the same for a leaf that nobody waits for */
            keel__order_release(ctx);
            keel__store(&ctx->state, reason | KEEL__CTX_SETTLED);
            keel__spin_unlock(&ctx->lock);
        }
    }
    if (cause != NULL)
        keel_err_free(cause);
}

void keel__ctx_end_timeout(keel_ctx *ctx)
{
    end(ctx, KEEL__CTX_DEADLINE, keel_err_retain(ctx->timeout_cause));
}

void keel__ctx_fire(keel__timer *timer)
{
    keel_ctx *ctx = keel__container(timer, keel_ctx, timer);

    keel__ctx_end_timeout(ctx);
    release(ctx, 1); /* the timer's */
}

void keel__ctx_forget_timer(keel__timer *timer)
{
    release(keel__container(timer, keel_ctx, timer), 1);
}

/* The parent, if it has set the deadline: with a reference. */
static keel_ctx *who_set_deadline(keel_ctx *ctx)
{
    keel_ctx *parent = keel__load(&ctx->parent);

    if (parent == NULL)
        return NULL;
    keel__spin_lock(&parent->lock);
    bool same = keel__load_relaxed(&ctx->parent) == parent && parent->clock == ctx->clock &&
                parent->deadline_ns == ctx->deadline_ns;
    if (same)
        keel__ctx_retain(parent); /* it cannot have been freed while it has children */
    keel__spin_unlock(&parent->lock);
    return same ? parent : NULL;
}

void keel__ctx_expire(keel_ctx *ctx)
{
    keel_ctx *parent;

    /* who set the deadline has other descendants, which have theirs now too */
    keel__ctx_retain(ctx);
    while ((parent = who_set_deadline(ctx)) != NULL) {
        keel__ctx_release(ctx);
        ctx = parent;
    }
    keel__ctx_end_timeout(ctx);
    keel__ctx_release(ctx);
}

static inline void cancel(keel_ctx *ctx, keel_err *cause)
{
    if ((keel__load(&ctx->state) & KEEL__CTX_TIMED) != 0)
        keel__ctx_err(ctx); /* its deadline may have come first, unseen */
    end(ctx, KEEL__CTX_CANCELLED, cause);
}

void keel__ctx_cancel(keel_ctx *ctx, keel_err *cause)
{
    if (ctx == NULL || ctx->fixed)
        keel_err_free(cause);
    else
        cancel(ctx, cause);
}

void keel__ctx_free(keel_ctx *ctx)
{
    uint32_t refs = 1;

    if (ctx == NULL || ctx->fixed)
        return;
    cancel(ctx, NULL);
    if (ctx->timed && keel__worker_disarm(&ctx->timer))
        refs++; /* the timer's */
    leave_tree(ctx);
    release(ctx, refs);
}

/* ---- The same for users ---- */

void keel_ctx_cancel_cause(keel_ctx *ctx, keel_err *cause)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    keel__ctx_cancel(ctx, cause);
}

void keel_ctx_cancel(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    if (ctx != NULL && !ctx->fixed)
        cancel(ctx, NULL);
}

void keel_ctx_free(keel_ctx *ctx)
{
    keel__point(KEEL__OP_CTX_CANCEL, ctx);
    keel__ctx_free(ctx);
}

/* ---- Watching ---- */

bool keel__ctx_watch(keel_ctx *ctx, keel__watcher *watcher)
{
    if (ctx == NULL || ctx->fixed)
        return false;
    keel__spin_lock(&ctx->lock);
    bool live = (keel__load_relaxed(&ctx->state) & KEEL__CTX_REASON) == KEEL__CTX_LIVE;
    watcher->linked = live;
    if (live) {
        ctx->watched = true;
        keel__list_push(&ctx->watchers, &watcher->link);
    }
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
