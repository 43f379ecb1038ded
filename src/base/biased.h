/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_BIASED_H
#define KEEL_SRC_BASE_BIASED_H

/* A spinlock that costs next to nothing while one thread only takes it. All zero is free.
 *
 * A thread that has taken it many times in a row becomes its *owner*, and from then on takes it by saying so in
 * `inside`, without an atomic instruction. The first other thread that comes ends that, for ever: under `lock` it
 * takes the ownership away and waits until the owner is out.
 *
 *     the owner                                    the other, under `lock`
 *     inside = 1                                   owner = NULL
 *     if (owner is still me) I am in               a memory barrier in every thread of the process
 *     else inside = 0, go to `lock`                wait until inside is 0
 *
 * The barrier comes either before the owner's second line, which then sees NULL, or after its first, and
 * then the other sees that it is in. The owner pays nothing for it (membarrier(2)). Where there is no such
 * thing nobody becomes an owner. */

#include <stdbool.h>

#include "base/atomic.h"
#include "base/spin.h"

typedef struct keel__biased {
    keel__aptr owner; /* its keel__thread_id, or NULL */
    keel__a32 inside; /* whether the owner is in */
    keel__spin lock;  /* everybody else's; guards what follows */
    uint32_t streak;  /* how often in a row `last` took it; KEEL__BIASED_OFF: had an owner */
    void *last;
} keel__biased;

/* A different one in each thread that lives; a thread may get that of one that has ended. */
static inline void *keel__thread_id(void)
{
#ifdef KEEL_SIM_CORE
    return keel__core_worker();
#elif defined(__x86_64__) && defined(__LP64__)
    void *id;

    /* The thread's control block points to itself. Volatile: a task may go on on another thread. */
    __asm__ volatile("mov %%fs:0, %0" : "=r"(id));
    return id;
#else
    void *keel__thread_id_slow(void);
    return keel__thread_id_slow();
#endif
}

bool keel__biased_lock_slow(keel__biased *biased);

/* Says how it was taken, for keel__biased_unlock. */
KEEL_NODISCARD static inline bool keel__biased_lock(keel__biased *biased)
{
    void *self = keel__thread_id();

    if (__builtin_expect(keel__load_relaxed(&biased->owner) == self, 1)) {
        keel__store_relaxed(&biased->inside, 1);
        __atomic_signal_fence(__ATOMIC_SEQ_CST); /* for the compiler; the barrier does the rest */
        if (__builtin_expect(keel__load_relaxed(&biased->owner) == self, 1)) {
            keel__tsan_acquire(&biased->inside);
            return true;
        }
        keel__store(&biased->inside, 0);
    }
    return keel__biased_lock_slow(biased);
}

static inline void keel__biased_unlock(keel__biased *biased, bool as_owner)
{
    if (__builtin_expect(as_owner, 1))
        keel__store(&biased->inside, 0);
    else
        keel__spin_unlock(&biased->lock);
}

#endif /* KEEL_SRC_BASE_BIASED_H */
