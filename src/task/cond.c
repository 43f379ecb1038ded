/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/mutex.h"

/* A waiter is in the queue before it gives the mutex up, so whoever signals after changing what the mutex
 * guards finds it. `keel__mutex` is the one of those who wait. A waiter that a signal has claimed
 * got it, even if its context ends meanwhile: no signal is lost on somebody who leaves. */

static void need(const keel_cond *cond, const char *function)
{
    if (cond == NULL)
        keel__misuse("%s: the cond is NULL", function);
}

void keel_cond_init(keel_cond *cond)
{
    need(cond, "keel_cond_init");
    *cond = (keel_cond){ 0 };
}

void keel_cond_deinit(keel_cond *cond)
{
    if (cond != NULL && cond->keel__waiters.first != NULL)
        keel__misuse("keel_cond_deinit: somebody waits on cond %p", (void *)cond);
}

static void need_mutex(const keel_mutex *mutex, const char *function)
{
    if (mutex == NULL)
        keel__misuse("%s: the mutex is NULL", function);
    if (keel__mutex_owner(mutex) != keel__actor_self())
        keel__misuse("%s: mutex %p is not the caller's", function, (const void *)mutex);
}

/* Gives the mutex up and waits. False: the context ended first. */
static bool await(keel_ctx *ctx, keel_cond *cond, keel_mutex *mutex, const char *function)
{
    keel__wait wait = keel__wait_begin_on(KEEL__OP_COND_WAIT, cond);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&cond->keel__lock);
    bool same = cond->keel__waiters.first == NULL || cond->keel__mutex == mutex;
    if (same) {
        cond->keel__mutex = mutex;
        keel__waitq_push(&cond->keel__waiters, &waiter);
    }
    keel__spin_unlock(&cond->keel__lock);
    if (!same)
        keel__misuse("%s: others wait on cond %p with another mutex", function, (void *)cond);
    keel__mutex_give_up(mutex, function);
    if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER)
        return true;

    keel__spin_lock(&cond->keel__lock);
    keel__waitq_remove(&cond->keel__waiters, &waiter);
    keel__spin_unlock(&cond->keel__lock);
    return false;
}

void keel_cond_wait(keel_cond *cond, keel_mutex *mutex)
{
    need(cond, "keel_cond_wait");
    keel__point(KEEL__OP_COND_WAIT, cond);
    need_mutex(mutex, "keel_cond_wait");
    (void)await(NULL, cond, mutex, "keel_cond_wait"); /* without a context it succeeds */
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    keel__mutex_retake(mutex);
}

keel_err *keel_cond_wait_ctx(keel_ctx *ctx, keel_cond *cond, keel_mutex *mutex)
{
    need(cond, "keel_cond_wait_ctx");
    keel__point(KEEL__OP_COND_WAIT, cond);
    need_mutex(mutex, "keel_cond_wait_ctx");
    KEEL_TRY(keel__ctx_err(ctx));

    bool signalled = await(ctx, cond, mutex, "keel_cond_wait_ctx");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    keel__mutex_retake(mutex);
    return signalled ? NULL : keel__ctx_err(ctx);
}

void keel_cond_signal(keel_cond *cond)
{
    need(cond, "keel_cond_signal");
    keel__point(KEEL__OP_COND_SIGNAL, cond);
    keel__spin_lock(&cond->keel__lock);
    keel__waiter *waiter = keel__waitq_claim(&cond->keel__waiters);
    keel__spin_unlock(&cond->keel__lock);
    if (waiter != NULL)
        keel__unpark(waiter->wait->actor);
}

void keel_cond_broadcast(keel_cond *cond)
{
    need(cond, "keel_cond_broadcast");
    keel__point(KEEL__OP_COND_BROADCAST, cond);
    keel__spin_lock(&cond->keel__lock);
    keel__waiter *waiters = keel__waitq_claim_all(&cond->keel__waiters);
    keel__spin_unlock(&cond->keel__lock);
    keel__unpark_all(waiters);
}
