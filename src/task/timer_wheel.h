/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_TIMER_WHEEL_H
#define KEEL_SRC_TASK_TIMER_WHEEL_H

/* A timer, and a wheel of them that one thread uses.
 *
 * A timer's tick is its moment in units of about a millisecond. Timers of the wheel's tick, and of earlier ones,
 * stand in a heap. Each other stands on the level of the highest digit, to the base 64, in which its tick
 * differs from the wheel's, in the slot that this digit numbers. So the earliest are in the lowest slot in use
 * of the lowest level in use; when the wheel's tick gets there, all in it move to lower levels or the heap. Arming
 * and disarming cost the same however many there are; a timer that fires has moved eight times at most. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/heap.h"
#include "base/list.h"

typedef struct keel__timer keel__timer;
typedef void (*keel__timer_fn)(keel__timer *timer);

/* Where a timer is. */
enum { KEEL__TIMER_IDLE, KEEL__TIMER_SHARED, KEEL__TIMER_NEAR, KEEL__TIMER_SLOT };

struct keel__timer {
    int64_t when_ns;
    keel__timer_fn fire;         /* runs on the owner's native stack, without the lock */
    struct keel__worker *worker; /* whose timers it is among; set by keel__worker_arm */
    uint8_t place;               /* guarded by the lock; of an own one, the worker's */
    bool own;                    /* since it was armed last */
    keel__a32 claimed;           /* it has fired, or whoever has set this will see that it does */
    uint64_t order;
    union {
        keel__heap_node node;
        struct {
            keel__timer *next;  /* in its slot */
            keel__timer **back; /* what points here */
        } slot;
    };
    keel__timer *hurried; /* the next in that list */
};

static inline keel__timer *keel__timer_of(const keel__heap_node *node)
{
    return keel__container(node, keel__timer, node);
}

/* The order in which timers fire. */
static inline bool keel__timer_before(const keel__heap_node *node_a, const keel__heap_node *node_b)
{
    const keel__timer *a = keel__timer_of(node_a), *b = keel__timer_of(node_b);

    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->order < b->order;
}

enum {
    KEEL__TICK_SHIFT = 20,
    KEEL__DIGIT_SHIFT = 6,
    KEEL__WHEEL_LEVELS = 8,
    KEEL__WHEEL_SLOTS = 64
};

typedef struct keel__wheel {
    int64_t tick;
    size_t count; /* of timers, those in the heap included */
    uint64_t order;
    keel__heap near;
    uint64_t used[KEEL__WHEEL_LEVELS]; /* slots that have timers, a bit for each */
    keel__timer *slots[KEEL__WHEEL_LEVELS][KEEL__WHEEL_SLOTS];
} keel__wheel;

void keel__wheel_init(keel__wheel *wheel, int64_t now_ns);

static inline int64_t keel__tick_of(int64_t when_ns)
{
    return when_ns > 0 ? when_ns >> KEEL__TICK_SHIFT : 0;
}

/* Puts a timer where it belongs, and returns the first tick of that place. */
static inline int64_t keel__wheel_place(keel__wheel *wheel, keel__timer *timer)
{
    int64_t tick = keel__tick_of(timer->when_ns);

    if (tick <= wheel->tick) {
        timer->place = KEEL__TIMER_NEAR;
        keel__heap_add(&wheel->near, &timer->node, keel__timer_before);
        return tick;
    }
    unsigned level =
        (63 - (unsigned)__builtin_clzll((uint64_t)(tick ^ wheel->tick))) / KEEL__DIGIT_SHIFT;
    unsigned shift = level * KEEL__DIGIT_SHIFT;
    unsigned slot = (unsigned)(tick >> shift) % KEEL__WHEEL_SLOTS;
    keel__timer **first = &wheel->slots[level][slot];

    timer->place = KEEL__TIMER_SLOT;
    timer->slot.next = *first;
    timer->slot.back = first;
    if (*first != NULL)
        (*first)->slot.back = &timer->slot.next;
    *first = timer;
    wheel->used[level] |= (uint64_t)1 << slot;
    return tick >> shift << shift;
}

/* Returns a moment that is not after the timer's, and before which nothing is to be done for it. */
static inline int64_t keel__wheel_add(keel__wheel *wheel, keel__timer *timer)
{
    timer->order = wheel->order++;
    wheel->count++;
    int64_t tick = keel__wheel_place(wheel, timer);
    return timer->place == KEEL__TIMER_NEAR ? timer->when_ns : tick << KEEL__TICK_SHIFT;
}

static inline void keel__wheel_remove(keel__wheel *wheel, keel__timer *timer)
{
    if (timer->place == KEEL__TIMER_NEAR) {
        keel__heap_remove(&wheel->near, &timer->node, keel__timer_before);
    } else {
        keel__timer *next = timer->slot.next, **back = timer->slot.back;
        size_t at = (size_t)((uintptr_t)back - (uintptr_t)wheel->slots) / sizeof *back;

        *back = next;
        if (next != NULL)
            next->slot.back = back;
        else if (at < KEEL__WHEEL_LEVELS * KEEL__WHEEL_SLOTS) /* it was the only one there */
            wheel->used[at / KEEL__WHEEL_SLOTS] &= ~((uint64_t)1 << at % KEEL__WHEEL_SLOTS);
    }
    timer->place = KEEL__TIMER_IDLE;
    wheel->count--;
}

/* The first timer, if it is due: it stays. */
keel__timer *keel__wheel_due(keel__wheel *wheel, int64_t now_ns);

/* When to look again: not after the first timer; INT64_MAX without any. With `exact` it is that one's moment, if
 * this is in the same 64 ticks as now. */
int64_t keel__wheel_next(keel__wheel *wheel, int64_t now_ns, bool exact);

/* Any timer, or NULL: it stays. */
keel__timer *keel__wheel_any(keel__wheel *wheel);

#endif /* KEEL_SRC_TASK_TIMER_WHEEL_H */
