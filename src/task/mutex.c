/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/park.h"

/* Handing the mutex to a waiter at every unlock would leave it idle for as long as the waiter takes to
 * wake up, on another core thousands of times longer than it is held. So an unlock frees it and wakes the
 * first waiter, one at a time (`keel__woken`), which then tries again. If somebody was faster it goes
 * back to the front of the queue, and now the next unlock hands the mutex over. */

enum { NAME_BYTES = 192 };

static _Noreturn void misuse(const char *function, keel_mutex *mutex, const char *what,
                             keel__actor *owner, keel__actor *caller)
{
    char owner_name[NAME_BYTES] = "nobody";
    char caller_name[NAME_BYTES];

    if (owner != NULL)
        keel__actor_describe(owner, owner_name, sizeof owner_name);
    keel__actor_describe(caller, caller_name, sizeof caller_name);
    keel__misuse("%s: mutex %p %s (owner: %s, caller: %s)", function, (void *)mutex, what,
                 owner_name, caller_name);
}

static void need(const keel_mutex *mutex, const char *function)
{
    if (mutex == NULL)
        keel__misuse("%s: the mutex is NULL", function);
}

void keel_mutex_init(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_init");
    *mutex = (keel_mutex){ 0 };
}

void keel_mutex_deinit(keel_mutex *mutex)
{
    if (mutex != NULL && mutex->keel__owner != NULL)
        misuse("keel_mutex_deinit", mutex, "is locked", mutex->keel__owner, keel__actor_self());
}

/* True if the caller has it now; if not, `waiter` stands in the queue, at its front if it was woken
 * before and came too late. */
static bool lock_or_queue(keel_mutex *mutex, keel__waiter *waiter, bool woken)
{
    keel__actor *self = waiter->wait->actor;

    keel__spin_lock(&mutex->keel__lock);
    keel__actor *owner = mutex->keel__owner;
    if (woken)
        mutex->keel__woken = 0;
    if (owner == NULL)
        mutex->keel__owner = self;
    else if (owner != self && woken)
        keel__waitq_push_front(&mutex->keel__waiters, waiter);
    else if (owner != self)
        keel__waitq_push(&mutex->keel__waiters, waiter);
    keel__spin_unlock(&mutex->keel__lock);
    if (owner == self)
        misuse("keel_mutex_lock", mutex, "is the caller's already", owner, self);
    return owner == NULL;
}

/* Waits for the mutex; false if the context ended first. `count` of a waiter says that it is to be
 * handed the mutex, and then that it was. */
static bool lock(keel_ctx *ctx, keel_mutex *mutex)
{
    for (bool woken = false;; woken = true) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_MUTEX_LOCK, mutex);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER, .count = woken };

        if (lock_or_queue(mutex, &waiter, woken))
            break;
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&mutex->keel__lock);
            keel__waitq_remove(&mutex->keel__waiters, &waiter);
            keel__spin_unlock(&mutex->keel__lock);
            return false;
        }
        if (waiter.count != 0)
            break;
    }
    keel__order_acquire(mutex);
    return true;
}

void keel_mutex_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    (void)lock(NULL, mutex); /* without a context it succeeds */
}

keel_err *keel_mutex_lock_ctx(keel_ctx *ctx, keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock_ctx");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    KEEL_TRY(keel__ctx_err(ctx));
    return lock(ctx, mutex) ? NULL : keel__ctx_err(ctx);
}

bool keel_mutex_try_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_try_lock");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    keel__actor *self = keel__actor_self();

    keel__spin_lock(&mutex->keel__lock);
    bool locked = mutex->keel__owner == NULL;
    if (locked)
        mutex->keel__owner = self;
    keel__spin_unlock(&mutex->keel__lock);
    if (locked)
        keel__order_acquire(mutex);
    return locked;
}

void keel_mutex_unlock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_unlock");
    keel__point(KEEL__OP_MUTEX_UNLOCK, mutex);
    keel__order_release(mutex);
    keel__actor *self = keel__actor_self();
    keel__waiter *next = NULL;

    keel__spin_lock(&mutex->keel__lock);
    keel__actor *owner = mutex->keel__owner;
    if (owner == self) {
        mutex->keel__owner = NULL;
        if (mutex->keel__woken == 0)
            next = keel__waitq_claim(&mutex->keel__waiters);
        if (next != NULL && next->count != 0)
            mutex->keel__owner = next->wait->actor;
        else if (next != NULL)
            mutex->keel__woken = 1;
    }
    keel__spin_unlock(&mutex->keel__lock);
    if (owner != self)
        misuse("keel_mutex_unlock", mutex, "is not the caller's", owner, self);
    if (next != NULL)
        keel__unpark(next->wait->actor);
}
