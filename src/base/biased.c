/* SPDX-License-Identifier: MIT */
#include "base/biased.h"

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/process.h"

/* STREAK: what one must have earned by then to make up for the end of it, should that come at once. */
#ifdef KEEL_SIM_CORE
enum { STREAK = 2 };
#else
enum { STREAK = 64 };
#endif
#define OFF UINT32_MAX

/* ---- A barrier in every thread ---- */

/* Whether there is one; must be true before it is used. */
static bool barrier_prepare(void)
{
#if defined(KEEL_SIM_CORE)
    return true; /* its accesses are in one order */
#elif defined(__linux__)
    enum { UNKNOWN, THERE, NONE };

    if (keel__load_relaxed(&keel__process_barrier) == UNKNOWN) {
        long failed = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
        keel__store_relaxed(&keel__process_barrier, failed == 0 ? THERE : NONE);
    }
    return keel__load_relaxed(&keel__process_barrier) == THERE;
#else
    return false;
#endif
}

static void barrier_everywhere(void)
{
#if defined(KEEL_SIM_CORE)
    keel__step("barrier");
#elif defined(__linux__)
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return;
    /* a forked child may have to say again that it wants them */
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0 ||
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        keel__misuse(
            "membarrier(2) is refused now, and was not before: a filter of system calls must "
            "be in place before the first channel is used");
#endif
}

/* ---- Without being the owner ---- */

#if !(defined(__x86_64__) && defined(__LP64__)) && !defined(KEEL_SIM_CORE)
__attribute__((noinline)) void *keel__thread_id_slow(void)
{
    static _Thread_local char here;

    __asm__ volatile("");
    return &here;
}
#endif

/* Ends the bias. `lock` is held. */
static void end_bias(keel__biased *biased)
{
    keel__store_relaxed(&biased->owner, NULL);
    barrier_everywhere();
    while (keel__load(&biased->inside) != 0) {
#ifdef KEEL_SIM_CORE
        keel__pause();
#else
        keel__spin_wait(&biased->inside);
#endif
    }
    biased->streak = OFF;
}

/* Counts one more time that `self` took it. True if it is to be the owner from now on. */
static bool earned(keel__biased *biased, void *self)
{
    if (biased->streak == OFF)
        return false;
    biased->streak = biased->last == self ? biased->streak + 1 : 1;
    biased->last = self;
    if (biased->streak < STREAK)
        return false;
    if (barrier_prepare())
        return true;
    biased->streak = OFF;
    return false;
}

bool keel__biased_lock_slow(keel__biased *biased)
{
    void *self = keel__thread_id();

    keel__spin_lock(&biased->lock);
    if (keel__load_relaxed(&biased->owner) != NULL)
        end_bias(biased);
    if (!earned(biased, self))
        return false;
    /* in already when others can see that it is the owner */
    keel__store_relaxed(&biased->inside, 1);
    keel__store_relaxed(&biased->owner, self);
    keel__spin_unlock(&biased->lock);
    return true;
}
