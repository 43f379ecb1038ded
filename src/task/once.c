/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/park.h"

/* `keel__done` is set last and never reset: who sees it may read `keel__err` without the lock. */

static void need(const keel_once *once, const char *function)
{
    if (once == NULL)
        keel__misuse("%s: the once is NULL", function);
}

void keel_once_init(keel_once *once)
{
    need(once, "keel_once_init");
    *once = (keel_once){ 0 };
}

void keel_once_deinit(keel_once *once)
{
    if (once == NULL)
        return;
    if (once->keel__runner != NULL)
        keel__misuse("keel_once_deinit: the function of once %p still runs", (void *)once);
    keel_err_free(once->keel__err);
    *once = (keel_once){ 0 };
}

static keel_err *kept(const keel_once *once)
{
    keel__order_acquire(once);
    return once->keel__err != NULL ? keel_err_retain(once->keel__err) : NULL;
}

static keel_err *run(keel_ctx *ctx, keel_once *once, keel_task_fn fn, void *arg)
{
    keel_err *err = fn(ctx, arg);
    keel_err *result = err != NULL ? keel_err_retain(err) : NULL;

    keel__order_release(once);
    keel__spin_lock(&once->keel__lock);
    once->keel__err = err;
    once->keel__runner = NULL;
    keel__store(&once->keel__done, 1);
    keel__waiter *waiters = keel__waitq_claim_all(&once->keel__waiters);
    keel__spin_unlock(&once->keel__lock);
    keel__unpark_all(waiters);
    return result;
}

keel_err *keel_once_do(keel_ctx *ctx, keel_once *once, keel_task_fn fn, void *arg)
{
    need(once, "keel_once_do");
    keel__need(fn != NULL, "keel_once_do", "fn");
    keel__point(KEEL__OP_ONCE, once);
    KEEL_TRY(keel__ctx_err(ctx));
    if (keel__load(&once->keel__done))
        return kept(once);

    keel__wait wait = keel__wait_begin_on(KEEL__OP_ONCE, once);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&once->keel__lock);
    bool done = keel__load(&once->keel__done) != 0;
    keel__actor *runner = once->keel__runner;
    if (!done && runner == NULL)
        once->keel__runner = wait.actor;
    else if (!done && runner != wait.actor)
        keel__waitq_push(&once->keel__waiters, &waiter);
    keel__spin_unlock(&once->keel__lock);

    if (done)
        return kept(once);
    if (runner == NULL)
        return run(ctx, once, fn, arg);
    if (runner == wait.actor)
        keel__misuse("keel_once_do: the function of once %p calls keel_once_do on it",
                     (void *)once);
    if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER)
        return kept(once);

    keel__spin_lock(&once->keel__lock);
    keel__waitq_remove(&once->keel__waiters, &waiter);
    keel__spin_unlock(&once->keel__lock);
    return keel__ctx_err(ctx);
}
