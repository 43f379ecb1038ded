/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/mutex.h"
#include "task/self.h"

/* `keel__state` is the owner's address, or 0. So a free mutex is locked by one compare-and-swap, and unlocked
 * by one if nobody waits. `keel__lock` guards the queue, `keel__woken`, and who sets WAITED in the state.
 *
 * Handing the mutex to a waiter at every unlock would leave it idle for as long as the waiter takes to
 * wake up, on another core thousands of times longer than it is held. So an unlock frees it and wakes the
 * first waiter, one at a time (`keel__woken`), which then tries again. If somebody was faster it goes
 * back to the front of the queue, and now the next unlock hands the mutex over.
 *
 * While the queue is not empty, WAITED is set or a woken waiter is on its way, who sets it if it has to wait
 * again. A free mutex has no WAITED. The last touch of a mutex by who unlocks it is what frees it:
 * the next owner may drop it at once. */

enum { WAITED = KEEL__MUTEX_WAITED };

/* Before it queues, a locker looks again for as long as a short owner on another core may take, about as
 * long as parking and waking would. An owner on the locker's own worker will not go on meanwhile:
 * `keel__place` is where the last one locked it. A rough guess is enough. */
#ifdef KEEL_SIM_CORE
enum { LOOKS = 1, PAUSES = 1 };
#else
enum { LOOKS = 4, PAUSES = 30 };
#endif

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
    keel__actor *owner = mutex != NULL ? keel__mutex_owner(mutex) : NULL;

    if (owner != NULL)
        misuse("keel_mutex_deinit", mutex, "is locked", owner, keel__actor_self());
}

/* Takes it if it is free. */
static inline bool take(keel_mutex *mutex, keel__self self)
{
    uintptr_t free = 0;

    if (!keel__cas(&mutex->keel__state, &free, (uintptr_t)self.actor))
        return false;
    keel__store_relaxed(&mutex->keel__place, (uintptr_t)self.place);
    return true;
}

static bool take_soon(keel_mutex *mutex, keel__self self)
{
    for (int i = 0; i < LOOKS; i++) {
        if (keel__load_relaxed(&mutex->keel__place) == (uintptr_t)self.place)
            return false;
        for (int j = 0; j < PAUSES; j++)
            keel__pause();
        if (keel__load_relaxed(&mutex->keel__state) == 0 && take(mutex, self))
            return true;
    }
    return false;
}

/* True if the caller has it now; if not, `waiter` stands in the queue, at its front if it was woken
 * before and came too late. */
static bool take_or_queue(keel_mutex *mutex, keel__self self, keel__waiter *waiter, bool woken)
{
    uintptr_t state, mine = (uintptr_t)self.actor;

    keel__spin_lock(&mutex->keel__lock);
    if (woken)
        mutex->keel__woken = 0;
    /* with somebody woken on the way the unlocking need not look, and WAITED stays off */
    do {
        state = 0;
        if (keel__cas(&mutex->keel__state, &state,
                      woken && mutex->keel__waiters.first != NULL ? mine | WAITED : mine)) {
            keel__spin_unlock(&mutex->keel__lock);
            keel__store_relaxed(&mutex->keel__place, (uintptr_t)self.place);
            return true;
        }
    } while (mutex->keel__woken == 0 && (state & WAITED) == 0 &&
             !keel__cas(&mutex->keel__state, &state, state | WAITED));
    if (woken)
        keel__waitq_push_front(&mutex->keel__waiters, waiter);
    else
        keel__waitq_push(&mutex->keel__waiters, waiter);
    keel__spin_unlock(&mutex->keel__lock);
    return false;
}

/* Waits for the mutex; false if the context ended first. `count` of a waiter says that it is to be
 * handed the mutex, and then that it was. */
__attribute__((noinline)) static bool wait_for(keel_ctx *ctx, keel_mutex *mutex, keel__self self)
{
    if (keel__mutex_owner(mutex) == self.actor)
        misuse("keel_mutex_lock", mutex, "is the caller's already", self.actor, self.actor);
    for (bool woken = false;; woken = true) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_MUTEX_LOCK, mutex);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER, .count = woken };

        if ((!woken && take_soon(mutex, self)) || take_or_queue(mutex, self, &waiter, woken))
            return true;
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&mutex->keel__lock);
            keel__waitq_remove(&mutex->keel__waiters, &waiter);
            keel__spin_unlock(&mutex->keel__lock);
            return false;
        }
        if (waiter.count != 0) {
            keel__store_relaxed(&mutex->keel__place, (uintptr_t)self.place);
            return true;
        }
    }
}

/* Waits without a context. */
static inline void lock(keel_mutex *mutex)
{
    keel__self self = keel__self_get();

    if (__builtin_expect(!take(mutex, self), 0))
        (void)wait_for(NULL, mutex, self);
    keel__order_acquire(mutex);
}

void keel_mutex_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    lock(mutex);
}

keel_err *keel_mutex_lock_ctx(keel_ctx *ctx, keel_mutex *mutex)
{
    need(mutex, "keel_mutex_lock_ctx");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    KEEL_TRY(keel__ctx_err(ctx));
    keel__self self = keel__self_get();

    if (!take(mutex, self) && !wait_for(ctx, mutex, self))
        return keel__ctx_err(ctx);
    keel__order_acquire(mutex);
    return NULL;
}

bool keel_mutex_try_lock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_try_lock");
    keel__point(KEEL__OP_MUTEX_LOCK, mutex);
    if (!take(mutex, keel__self_get()))
        return false;
    keel__order_acquire(mutex);
    return true;
}

/* Somebody waits, or the caller is not the owner. */
__attribute__((noinline)) static void unlock_waited(keel_mutex *mutex, keel__actor *self,
                                                    const char *function)
{
    keel__actor *owner;
    uintptr_t mine = (uintptr_t)self;

    while ((owner = keel__mutex_owner(mutex)) == self) {
        keel__spin_lock(&mutex->keel__lock);
        keel__waiter *next =
            mutex->keel__woken == 0 ? keel__waitq_claim(&mutex->keel__waiters) : NULL;
        bool more = mutex->keel__waiters.first != NULL;
        bool handed = next != NULL && next->count != 0;

        if (handed) {
            keel__store(&mutex->keel__state, (uintptr_t)next->wait->actor | (more ? WAITED : 0));
        } else {
            if (next != NULL)
                mutex->keel__woken = 1;
            keel__store(&mutex->keel__state, mine);
        }
        keel__spin_unlock(&mutex->keel__lock);

        uintptr_t still = mine;
        bool freed = handed || keel__cas(&mutex->keel__state, &still, 0);
        if (next != NULL)
            keel__unpark(next->wait->actor);
        if (freed)
            return;
    }
    misuse(function, mutex, "is not the caller's", owner, self);
}

static inline void unlock(keel_mutex *mutex, const char *function)
{
    keel__actor *self = keel__self_get().actor;
    uintptr_t mine = (uintptr_t)self;

    keel__order_release(mutex);
    if (__builtin_expect(!keel__cas(&mutex->keel__state, &mine, 0), 0))
        unlock_waited(mutex, self, function);
}

void keel_mutex_unlock(keel_mutex *mutex)
{
    need(mutex, "keel_mutex_unlock");
    keel__point(KEEL__OP_MUTEX_UNLOCK, mutex);
    unlock(mutex, "keel_mutex_unlock");
}

void keel__mutex_retake(keel_mutex *mutex)
{
    lock(mutex);
}

void keel__mutex_give_up(keel_mutex *mutex, const char *function)
{
    unlock(mutex, function);
}
