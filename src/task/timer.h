/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_TIMER_H
#define KEEL_SRC_TASK_TIMER_H

/* A worker's timers. All of it is intrusive, so that arming a timer allocates nothing and cannot fail. Timers
 * fire in the order of their moments, those of the same moment in the order in which they were armed, none too
 * early.
 *
 * There are two kinds. *Shared* ones anybody may arm and disarm: a pairing heap under a lock. *Own* ones the
 * worker itself has armed, without a lock: they stand in a wheel (timer_wheel.c), where arming and disarming
 * cost the same however many there are. Others cannot disarm an own timer, but have it fired at once, which
 * is all that is needed where its function then finds nothing to do (keel__timers_hurry).
 *
 * On a manual clock, and so in simulations, all are shared, because there keel__timers_next has to be exact. */

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/spin.h"
#include "task/timer_wheel.h"

typedef struct keel__timers {
    keel__spin lock; /* guards the next */
    keel__heap heap;
    uint64_t order;
    keel__a64 next_ns; /* of the first, INT64_MAX without; may be read without the lock */

    keel__a64 own_next_ns; /* not after the first own one; set by the worker */
    keel__aptr hurried;    /* own ones that others have hurried; a list */

    /* the worker's */
    bool wheeled;             /* there may be own ones */
    keel__timer *hurried_now; /* taken from that list */
    size_t awaited;           /* found hurried before they were in it */
    keel__wheel wheel;
} keel__timers;

/* ---- Shared timers ---- */

void keel__timers_init(keel__timers *timers);

/* Arms a timer; says whether it is now the first of the shared ones. */
bool keel__timers_add(keel__timers *timers, keel__timer *timer);

/* Disarms it; false if it was not armed: fired, or about to. */
bool keel__timers_remove(keel__timers *timers, keel__timer *timer);

/* ---- Own timers, for the worker only ---- */

/* From now on there may be some. */
void keel__timers_use_wheel(keel__timers *timers, int64_t now_ns);

static inline void keel__timers_publish_own(keel__timers *timers, int64_t next_ns)
{
    keel__store_relaxed(&timers->own_next_ns, (uint64_t)next_ns);
}

static inline void keel__timers_add_own(keel__timers *timers, keel__timer *timer)
{
    timer->own = true;
    keel__store_relaxed(&timer->claimed, 0);
    int64_t look_ns = keel__wheel_add(&timers->wheel, timer);
    if (look_ns < (int64_t)keel__load_relaxed(&timers->own_next_ns))
        keel__timers_publish_own(timers, look_ns);
}

/* Takes one out, whoever has claimed it. */
static inline void keel__timers_take_own(keel__timers *timers, keel__timer *timer)
{
    keel__wheel_remove(&timers->wheel, timer);
    if (timers->wheel.count == 0)
        keel__timers_publish_own(timers, INT64_MAX);
}

/* Nobody else can be claiming it: one alone disarms a timer. */
static inline bool keel__timers_remove_own(keel__timers *timers, keel__timer *timer)
{
    if (timer->place == KEEL__TIMER_IDLE || keel__load_relaxed(&timer->claimed) != 0)
        return false;
    keel__timers_take_own(timers, timer);
    return true;
}

/* Makes keel__timers_next exact, if the first own one is not too far away: to be called before a sleep. */
void keel__timers_settle(keel__timers *timers, int64_t now_ns);

/* For others: claims an own timer. If nobody has, it stays until keel__timers_hurry, which has it fired as soon
 * as its worker looks, and says whether the worker must be woken for that. */
bool keel__timers_claim(keel__timer *timer);
bool keel__timers_hurry(keel__timers *timers, keel__timer *timer);

/* Takes out one that was hurried, or returns NULL. The caller fires it. */
keel__timer *keel__timers_pop_hurried(keel__timers *timers);

static inline bool keel__timers_any_hurried(const keel__timers *timers)
{
    return keel__load_relaxed(&timers->hurried) != NULL || timers->hurried_now != NULL;
}

/* ---- Both, for the worker ---- */

/* Takes out the first timer that is due, or returns NULL. The caller fires it. */
keel__timer *keel__timers_pop(keel__timers *timers, int64_t now_ns);

/* When the first is due, or INT64_MAX. If it is an own one, perhaps before. */
static inline int64_t keel__timers_next(const keel__timers *timers)
{
    int64_t next_ns = (int64_t)keel__load(&timers->next_ns);
    int64_t own_ns = (int64_t)keel__load_relaxed(&timers->own_next_ns);

    return own_ns < next_ns ? own_ns : next_ns;
}

/* Takes out any timer, due or not, or returns NULL if none is left. For when the worker has ended. */
keel__timer *keel__timers_pop_any(keel__timers *timers);

#endif /* KEEL_SRC_TASK_TIMER_H */
