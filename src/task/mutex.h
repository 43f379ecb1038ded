/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_MUTEX_H
#define KEEL_SRC_TASK_MUTEX_H

/* What others than mutex.c and rwmutex.c know of theirs. */

#include <keel/sync.h>

#include "task/park.h"

/* In `keel__state`, beside the owner's address: who unlocks it must look at the queue. */
enum { KEEL__MUTEX_WAITED = 1 };

/* Who has it now, or NULL. */
static inline keel__actor *keel__mutex_owner(const keel_mutex *mutex)
{
    uintptr_t state = keel__load_relaxed(&mutex->keel__state);

    return (keel__actor *)(state & ~(uintptr_t)KEEL__MUTEX_WAITED);
}

/* Who has it now to write, or NULL. */
static inline keel__actor *keel__rwmutex_owner(const keel_rwmutex *rw)
{
    return (keel__actor *)keel__load_relaxed(&rw->keel__owner);
}

/* keel_mutex_lock and keel_mutex_unlock without a point of the simulation's, for what is built of a mutex.
 * `function`: the user's call, for misuse. */
void keel__mutex_retake(keel_mutex *mutex);
void keel__mutex_give_up(keel_mutex *mutex, const char *function);

#endif /* KEEL_SRC_TASK_MUTEX_H */
