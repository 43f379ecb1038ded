/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/timer_wheel.h"

void keel__wheel_init(keel__wheel *wheel, int64_t now_ns)
{
    *wheel = (keel__wheel){ .tick = keel__tick_of(now_ns) };
}

/* The first tick of a slot that is in use. */
static int64_t slot_tick(const keel__wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = level * KEEL__DIGIT_SHIFT;

    return (((wheel->tick >> shift) & ~(int64_t)(KEEL__WHEEL_SLOTS - 1)) | slot) << shift;
}

/* The earliest slot in use. False: none is. */
static bool first_slot(const keel__wheel *wheel, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < KEEL__WHEEL_LEVELS; ++*level) {
        if (wheel->used[*level] != 0) {
            *slot = (unsigned)__builtin_ctzll(wheel->used[*level]);
            return true;
        }
    }
    return false;
}

/* Empties a slot, and returns what was in it, a list by slot.next. */
static keel__timer *empty(keel__wheel *wheel, unsigned level, unsigned slot)
{
    keel__timer *first = wheel->slots[level][slot];

    wheel->slots[level][slot] = NULL;
    wheel->used[level] &= ~((uint64_t)1 << slot);
    return first;
}

/* Moves on to a tick: the slots up to there become empty. */
static void advance(keel__wheel *wheel, int64_t tick)
{
    unsigned level, slot;

    if (tick <= wheel->tick)
        return;
    while (first_slot(wheel, &level, &slot)) {
        int64_t start = slot_tick(wheel, level, slot);

        if (start > tick)
            break;
        keel__timer *timer = empty(wheel, level, slot), *next;
        wheel->tick = start;
        for (; timer != NULL; timer = next) {
            next = timer->slot.next;
            keel__wheel_place(wheel, timer);
        }
    }
    /* those that are left differ from this one in the same digits as before */
    wheel->tick = tick;
}

keel__timer *keel__wheel_due(keel__wheel *wheel, int64_t now_ns)
{
    advance(wheel, keel__tick_of(now_ns));
    keel__timer *first = wheel->near.root != NULL ? keel__timer_of(wheel->near.root) : NULL;
    return first != NULL && first->when_ns <= now_ns ? first : NULL;
}

int64_t keel__wheel_next(keel__wheel *wheel, int64_t now_ns, bool exact)
{
    unsigned level, slot;

    advance(wheel, keel__tick_of(now_ns));
    int64_t near_ns =
        wheel->near.root != NULL ? keel__timer_of(wheel->near.root)->when_ns : INT64_MAX;

    if (!first_slot(wheel, &level, &slot))
        return near_ns;
    int64_t slot_ns = slot_tick(wheel, level, slot) << KEEL__TICK_SHIFT;
    if (slot_ns > near_ns)
        return near_ns;
    if (!exact || level > 0)
        return slot_ns;

    /* into the heap, before its time */
    keel__timer *timer = empty(wheel, level, slot), *next;
    for (; timer != NULL; timer = next) {
        next = timer->slot.next;
        timer->place = KEEL__TIMER_NEAR;
        keel__heap_add(&wheel->near, &timer->node, keel__timer_before);
    }
    return keel__timer_of(wheel->near.root)->when_ns;
}

keel__timer *keel__wheel_any(keel__wheel *wheel)
{
    unsigned level, slot;

    if (wheel->near.root != NULL)
        return keel__timer_of(wheel->near.root);
    return first_slot(wheel, &level, &slot) ? wheel->slots[level][slot] : NULL;
}
