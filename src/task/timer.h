/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_TIMER_H
#define KEEL_SRC_TASK_TIMER_H

/* A worker's timers: an intrusive pairing heap under a lock, so that arming a timer allocates nothing
 * and cannot fail. Timers due at the same time fire in the order in which they were armed. */

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/spin.h"

typedef struct keel__timer keel__timer;
typedef void (*keel__timer_fn)(keel__timer *timer);

struct keel__timer {
    int64_t when_ns;
    keel__timer_fn fire;         /* runs on the owner's native stack, without the lock */
    struct keel__worker *worker; /* whose timers it is among; set by keel__worker_arm */
    bool armed;
    uint64_t order;
    keel__heap_node node;
};

typedef struct keel__timers {
    keel__spin lock; /* guards all of it */
    keel__heap heap;
    uint64_t order;
    keel__a64 next_ns; /* of the first, INT64_MAX without; may be read without the lock */
} keel__timers;

void keel__timers_init(keel__timers *timers);

/* Arms a timer; says whether it is now the first. */
bool keel__timers_add(keel__timers *timers, keel__timer *timer);

/* Disarms it; false if it was not armed: fired, or about to. */
bool keel__timers_remove(keel__timers *timers, keel__timer *timer);

/* Takes out the first timer that is due, or returns NULL. The caller fires it. */
keel__timer *keel__timers_pop(keel__timers *timers, int64_t now_ns);

/* When the first is due, or INT64_MAX. */
static inline int64_t keel__timers_next(const keel__timers *timers)
{
    return (int64_t)keel__load(&timers->next_ns);
}

#endif /* KEEL_SRC_TASK_TIMER_H */
