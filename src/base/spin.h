/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_SPIN_H
#define KEEL_SRC_BASE_SPIN_H

/* A lock for a few instructions. All zero is free. Nothing waits, allocates or calls back while
 * holding one. Who cannot have it spins briefly, then gives way to other threads: the holder may
 * have been preempted. */

#include <stdbool.h>

#include "base/atomic.h"

typedef keel__word keel__spin;

#ifdef KEEL_SIM_CORE

#define keel__spin_lock(spin) keel__core_lock(&(spin)->v, __func__, __LINE__)
#define keel__spin_unlock(spin) keel__core_unlock(&(spin)->v, __func__, __LINE__)
#define keel__pause() keel__core_spin(__func__, __LINE__)

#else

void keel__spin_wait(keel__spin *spin);

static inline bool keel__spin_try(keel__spin *spin)
{
    uint32_t free = 0;

    return keel__cas(spin, &free, 1);
}

static inline void keel__spin_lock(keel__spin *spin)
{
    if (!keel__spin_try(spin)) {
        do
            keel__spin_wait(spin);
        while (!keel__spin_try(spin));
    }
}

static inline void keel__spin_unlock(keel__spin *spin)
{
    keel__store(spin, 0);
}

/* One turn of a loop that waits for another core. */
static inline void keel__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif /* KEEL_SIM_CORE */

#endif /* KEEL_SRC_BASE_SPIN_H */
