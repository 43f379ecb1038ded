/* SPDX-License-Identifier: MIT */
#include <keel/ctx.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/ctx.h"
#include "task/worker.h"

#define RETRY_NS KEEL_MS(1)

/* Two own it: the user, and the run to come. `pending` ends when it is started or stopped, whichever
 * is first. Who ends the context takes it out of the list, and starts it when it holds no lock any
 * more; until then it can be stopped, also by another after-function on the same thread. */
struct keel_after {
    keel__task task;
    keel__a32 refs;
    keel_ctx *ctx;
    keel__link link; /* in ctx->afters, or where keel__after_claim's caller keeps it */
    bool pending;    /* guarded by ctx->lock, like the next */
    bool claimed;    /* has left ctx->afters to be started */
    keel_after_fn fn;
    void *arg;
    keel__timer retry;
    keel__spin lock; /* guards what follows */
    bool running;    /* has started, and not ended */
    keel__actor *runner;
    keel__waitq waiters;
};

keel_after *keel__after_of(keel__link *link)
{
    return keel__container(link, keel_after, link);
}

static void release(keel_after *after)
{
    if (keel__sub(&after->refs, 1) != 1)
        return;
    keel__ctx_release(after->ctx);
    keel_mem_free(after);
}

static void call(keel_after *after)
{
    keel__spin_lock(&after->lock);
    after->runner = keel__actor_self();
    keel__spin_unlock(&after->lock);

    after->fn(after->arg);

    keel__order_release(after);
    keel__spin_lock(&after->lock);
    after->running = false;
    after->runner = NULL;
    keel__waiter *woken = keel__waitq_claim_all(&after->waiters);
    keel__spin_unlock(&after->lock);
    keel__unpark_all(woken);
}

static void run_task(keel__task *task)
{
    keel__tsan_acquire(task);
    keel__order_acquire(task);
    call(keel__container(task, keel_after, task));
}

static void retry(keel__timer *timer)
{
    keel__task_requeue(&keel__container(timer, keel_after, retry)->task);
}

/* Ending a context cannot fail: without a stack, try again soon. */
static bool fail_task(keel__task *task, keel_err *err)
{
    keel_after *after = keel__container(task, keel_after, task);

    keel_err_free(err);
    after->retry.when_ns = keel__clock_after(keel_ctx_now(after->ctx), RETRY_NS);
    after->retry.fire = retry;
    keel__worker_arm(task->rt, &after->retry);
    return false;
}

static void free_task(keel__task *task)
{
    keel__tsan_acquire(task); /* the spawner's writes to it */
    release(keel__container(task, keel_after, task));
}

void keel__after_claim(keel_after *after)
{
    after->claimed = true;
}

void keel__after_start(keel_after *after)
{
    keel__spin_lock(&after->ctx->lock);
    bool stopped = !after->pending;
    after->pending = false;
    after->running = !stopped;
    keel__spin_unlock(&after->ctx->lock);
    if (stopped) {
        release(after);
        return;
    }
    if (after->ctx->rt == NULL) {
        call(after);
        release(after);
        return;
    }
    after->task.rt = after->ctx->rt;
    after->task.name = "keel_ctx_after";
    after->task.where = "keel_ctx_after";
    after->task.stack_bytes = KEEL__STACK_LARGE_BYTES;
    after->task.run = run_task;
    after->task.failed = fail_task;
    after->task.free = free_task;
    keel__tsan_release(&after->task);
    keel__order_release(&after->task);
    keel__task_spawn(&after->task);
}

keel_err *keel_ctx_after(keel_after **out, keel_ctx *ctx, keel_after_fn fn, void *arg)
{
    keel__need(out != NULL, "keel_ctx_after", "out");
    keel__need(fn != NULL, "keel_ctx_after", "fn");
    *out = NULL;
    keel__point(KEEL__OP_AFTER, ctx);
    keel_err *ended = keel__ctx_err(ctx); /* looks at the deadline, too */
    if (ctx == NULL || ctx->fixed) {
        return ended != NULL
                   ? ended
                   : keel_err_wrap(KEEL_ERR_INVAL, "keel_ctx_after: this context never ends");
    }
    keel_after *after = keel_mem_calloc(1, sizeof *after);
    if (after == NULL)
        return KEEL_ERR_NOMEM;
    keel__store_relaxed(&after->refs, 2); /* the user's, and that of the run to come */
    after->ctx = keel__ctx_retain(ctx);
    after->fn = fn;
    after->arg = arg;
    *out = after;
    keel__order_release(&after->task); /* fn sees what the caller did before */

    keel__spin_lock(&ctx->lock);
    bool live = (keel__load_relaxed(&ctx->state) & KEEL__CTX_REASON) == KEEL__CTX_LIVE;
    after->pending = true;
    if (live) {
        ctx->watched = true;
        keel__list_push(&ctx->afters, &after->link);
    }
    keel__spin_unlock(&ctx->lock);
    if (!live)
        keel__after_start(after);
    return NULL;
}

bool keel_after_stop(keel_after *after)
{
    keel__need(after != NULL, "keel_after_stop", "after");
    keel__point(KEEL__OP_AFTER_STOP, after);
    keel__spin_lock(&after->ctx->lock);
    bool stopped = after->pending, listed = stopped && !after->claimed;
    if (listed)
        keel__list_remove(&after->ctx->afters, &after->link);
    after->pending = false;
    keel__spin_unlock(&after->ctx->lock);
    if (listed)
        release(after); /* the run's: there will be none; the user's is still there */
    return stopped;
}

bool keel_after_stop_and_wait(keel_after *after)
{
    if (keel_after_stop(after))
        return true;
    keel__wait wait = keel__wait_begin_on(KEEL__OP_AFTER_STOP, after);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&after->lock);
    bool busy = after->running && after->runner != wait.actor;
    if (busy)
        keel__waitq_push(&after->waiters, &waiter);
    keel__spin_unlock(&after->lock);
    if (busy)
        keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT);
    keel__order_acquire(after);
    return false;
}

void keel_after_free(keel_after *after)
{
    if (after == NULL)
        return;
    keel_after_stop_and_wait(after);
    release(after);
}
