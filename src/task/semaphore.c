/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/park.h"

static void need(const keel_semaphore *sem, const char *function)
{
    if (sem == NULL)
        keel__misuse("%s: the semaphore is NULL", function);
}

void keel_semaphore_init(keel_semaphore *sem, size_t permits)
{
    need(sem, "keel_semaphore_init");
    *sem = (keel_semaphore){ .keel__permits = permits, .keel__free = permits };
}

void keel_semaphore_deinit(keel_semaphore *sem)
{
    if (sem != NULL && sem->keel__waiters.first != NULL)
        keel__misuse(
            "keel_semaphore_deinit: somebody waits on semaphore %p (%zu of %zu permits free)",
            (void *)sem, sem->keel__free, sem->keel__permits);
}

/* Under the lock: serves who waits, in order, until the first asks for more than is free. To be
 * called whenever permits come back, and when one leaves the queue that held up the others. */
static keel__waiter *grant(keel_semaphore *sem)
{
    keel__waitq granted = { 0 };
    keel__waiter *waiter;

    while ((waiter = sem->keel__waiters.first) != NULL && waiter->count <= sem->keel__free) {
        if (keel__waitq_claim_one(&sem->keel__waiters, waiter)) {
            sem->keel__free -= waiter->count;
            keel__waitq_collect(&granted, waiter);
        }
    }
    return granted.first;
}

/* Under the lock. Who asks for none overtakes nobody. */
static bool take(keel_semaphore *sem, size_t count)
{
    if (count > 0 && (sem->keel__waiters.first != NULL || count > sem->keel__free))
        return false;
    sem->keel__free -= count;
    return true;
}

keel_err *keel_semaphore_acquire(keel_ctx *ctx, keel_semaphore *sem, size_t count)
{
    need(sem, "keel_semaphore_acquire");
    keel__point(KEEL__OP_SEMAPHORE_ACQUIRE, sem);
    KEEL_TRY(keel__ctx_err(ctx));

    keel__wait wait = keel__wait_begin_on(KEEL__OP_SEMAPHORE_ACQUIRE, sem);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER, .count = count };

    keel__spin_lock(&sem->keel__lock);
    bool taken = take(sem, count);
    /* who asks for more than there are must not hold up the others for ever */
    if (!taken && count <= sem->keel__permits)
        keel__waitq_push(&sem->keel__waiters, &waiter);
    keel__spin_unlock(&sem->keel__lock);
    if (taken || keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER) {
        keel__order_acquire(sem);
        return NULL;
    }

    keel__spin_lock(&sem->keel__lock);
    keel__waitq_remove(&sem->keel__waiters, &waiter);
    keel__waiter *granted = grant(sem);
    keel__spin_unlock(&sem->keel__lock);
    keel__unpark_all(granted);
    return keel__ctx_err(ctx);
}

bool keel_semaphore_try_acquire(keel_semaphore *sem, size_t count)
{
    need(sem, "keel_semaphore_try_acquire");
    keel__point(KEEL__OP_SEMAPHORE_ACQUIRE, sem);
    keel__spin_lock(&sem->keel__lock);
    bool taken = take(sem, count);
    keel__spin_unlock(&sem->keel__lock);
    if (taken)
        keel__order_acquire(sem);
    return taken;
}

void keel_semaphore_release(keel_semaphore *sem, size_t count)
{
    keel__waiter *granted = NULL;

    need(sem, "keel_semaphore_release");
    keel__point(KEEL__OP_SEMAPHORE_RELEASE, sem);
    keel__order_release(sem);
    keel__spin_lock(&sem->keel__lock);
    size_t out = sem->keel__permits - sem->keel__free;
    if (count <= out) {
        sem->keel__free += count;
        granted = grant(sem);
    }
    keel__spin_unlock(&sem->keel__lock);
    if (count > out)
        keel__misuse(
            "keel_semaphore_release: %zu permits given back to semaphore %p, %zu of %zu are out",
            count, (void *)sem, out, sem->keel__permits);
    keel__unpark_all(granted);
}
