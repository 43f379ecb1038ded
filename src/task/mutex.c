/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/spin.h"
#include "task/park.h"

/* The owner hands the mutex over: who was claimed owns it before it runs. So a free mutex has no
 * waiters that could still be served, and nobody can overtake them. */

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

/* True if the caller has it now; if not, `waiter` stands in the queue. */
static bool lock_or_queue(keel_mutex *mutex, keel__waiter *waiter)
{
    keel__actor *self = waiter->wait->actor;

    keel__spin_lock(&mutex->keel__lock);
    keel__actor *owner = mutex->keel__owner;
    if (owner == NULL)
        mutex->keel__owner = self;
    else if (owner != self)
        keel__waitq_push(&mutex->keel__waiters, waiter);
    keel__spin_unlock(&mutex->keel__lock);
    if (owner == self)
        misuse("keel_mutex_lock", mutex, "is the caller's already", owner, self);
    return owner == NULL;
}

void keel_mutex_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock");
    keel__wait wait = keel__wait_begin();
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    if (!lock_or_queue(mutex, &waiter))
        (void)keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT); /* only a hand-over can end it */
}

keel_err *keel_mutex_lock_ctx(keel_ctx *ctx, keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock_ctx");
    KEEL_TRY(keel_ctx_err(ctx));

    keel__wait wait = keel__wait_begin();
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
    if (lock_or_queue(mutex, &waiter) ||
        keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER)
        return NULL;

    keel__spin_lock(&mutex->keel__lock);
    keel__waitq_remove(&mutex->keel__waiters, &waiter);
    keel__spin_unlock(&mutex->keel__lock);
    return keel_ctx_err(ctx);
}

bool keel_mutex_try_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_try_lock");
    keel__actor *self = keel__actor_self();

    keel__spin_lock(&mutex->keel__lock);
    bool locked = mutex->keel__owner == NULL;
    if (locked)
        mutex->keel__owner = self;
    keel__spin_unlock(&mutex->keel__lock);
    return locked;
}

void keel_mutex_unlock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_unlock");
    keel__actor *self = keel__actor_self();
    keel__waiter *next = NULL;

    keel__spin_lock(&mutex->keel__lock);
    keel__actor *owner = mutex->keel__owner;
    if (owner == self) {
        next = keel__waitq_claim(&mutex->keel__waiters);
        mutex->keel__owner = next != NULL ? next->wait->actor : NULL;
    }
    keel__spin_unlock(&mutex->keel__lock);
    if (owner != self)
        misuse("keel_mutex_unlock", mutex, "is not the caller's", owner, self);
    if (next != NULL)
        keel__unpark(next->wait->actor);
}
