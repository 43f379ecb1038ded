/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/timer.h"

void keel__timers_init(keel__timers *timers)
{
    *timers = (keel__timers){ 0 };
    keel__store_relaxed(&timers->next_ns, (uint64_t)INT64_MAX);
    keel__store_relaxed(&timers->own_next_ns, (uint64_t)INT64_MAX);
}

/* ---- Shared timers ---- */

static void publish(keel__timers *timers)
{
    const keel__heap_node *root = timers->heap.root;

    keel__store(&timers->next_ns,
                (uint64_t)(root != NULL ? keel__timer_of(root)->when_ns : INT64_MAX));
}

/* Takes `timer` out of the heap. Under the lock. */
static void take_out(keel__timers *timers, keel__timer *timer)
{
    keel__heap_remove(&timers->heap, &timer->node, keel__timer_before);
    timer->place = KEEL__TIMER_IDLE;
    publish(timers);
}

bool keel__timers_add(keel__timers *timers, keel__timer *timer)
{
    timer->own = false;
    keel__store_relaxed(&timer->claimed, 0);
    keel__spin_lock(&timers->lock);
    timer->order = timers->order++;
    timer->place = KEEL__TIMER_SHARED;
    keel__heap_add(&timers->heap, &timer->node, keel__timer_before);
    bool first = timers->heap.root == &timer->node;
    publish(timers);
    keel__spin_unlock(&timers->lock);
    return first;
}

bool keel__timers_remove(keel__timers *timers, keel__timer *timer)
{
    if (keel__load(&timer->claimed) != 0)
        return false; /* the timers may be gone */
    keel__spin_lock(&timers->lock);
    bool armed = timer->place == KEEL__TIMER_SHARED;
    if (armed)
        take_out(timers, timer);
    keel__spin_unlock(&timers->lock);
    return armed;
}

/* The first shared one, if it is due, and before `other`, which may be NULL. */
static keel__timer *pop_shared(keel__timers *timers, int64_t now_ns, const keel__timer *other)
{
    if (other != NULL && other->when_ns < now_ns)
        now_ns = other->when_ns;
    if ((int64_t)keel__load(&timers->next_ns) > now_ns)
        return NULL;
    keel__spin_lock(&timers->lock);
    const keel__heap_node *root = timers->heap.root;
    keel__timer *timer =
        root != NULL && keel__timer_of(root)->when_ns <= now_ns ? keel__timer_of(root) : NULL;
    if (timer != NULL) {
        take_out(timers, timer);
        keel__store(&timer->claimed, 1);
    }
    keel__spin_unlock(&timers->lock);
    return timer;
}

/* ---- Own timers ---- */

void keel__timers_use_wheel(keel__timers *timers, int64_t now_ns)
{
    keel__wheel_init(&timers->wheel, now_ns);
    timers->wheeled = true;
}

void keel__timers_settle(keel__timers *timers, int64_t now_ns)
{
    if (timers->wheel.count != 0)
        keel__timers_publish_own(timers, keel__wheel_next(&timers->wheel, now_ns, true));
}

bool keel__timers_claim(keel__timer *timer)
{
    uint32_t none = 0;

    return keel__load(&timer->claimed) == 0 && keel__cas(&timer->claimed, &none, 1);
}

bool keel__timers_hurry(keel__timers *timers, keel__timer *timer)
{
    void *first = keel__load_relaxed(&timers->hurried);

    do
        timer->hurried = first;
    while (!keel__cas(&timers->hurried, &first, (void *)timer));
    return first == NULL;
}

keel__timer *keel__timers_pop_hurried(keel__timers *timers)
{
    if (timers->hurried_now == NULL && keel__load_relaxed(&timers->hurried) != NULL)
        timers->hurried_now = keel__exchange(&timers->hurried, NULL);
    keel__timer *timer = timers->hurried_now;
    if (timer == NULL)
        return NULL;
    timers->hurried_now = timer->hurried;
    if (timer->place == KEEL__TIMER_IDLE)
        timers->awaited--;
    else
        keel__timers_take_own(timers, timer);
    return timer;
}

/* ---- Both ---- */

/* The first own one, if it is due. */
static keel__timer *first_own(keel__timers *timers, int64_t now_ns)
{
    keel__timer *timer;

    if ((int64_t)keel__load_relaxed(&timers->own_next_ns) > now_ns)
        return NULL;
    while ((timer = keel__wheel_due(&timers->wheel, now_ns)) != NULL &&
           keel__load_relaxed(&timer->claimed) != 0) {
        keel__timers_take_own(timers, timer); /* somebody is about to hurry it */
        timers->awaited++;
    }
    if (timer == NULL)
        keel__timers_publish_own(timers, keel__wheel_next(&timers->wheel, now_ns, false));
    return timer;
}

keel__timer *keel__timers_pop(keel__timers *timers, int64_t now_ns)
{
    for (;;) {
        keel__timer *own = first_own(timers, now_ns);
        keel__timer *timer = pop_shared(timers, now_ns, own);

        if (timer != NULL || own == NULL)
            return timer;
        if (keel__timers_claim(own)) {
            keel__timers_take_own(timers, own);
            return own;
        }
    }
}

keel__timer *keel__timers_pop_any(keel__timers *timers)
{
    for (;;) {
        keel__timer *timer = keel__timers_pop_hurried(timers);

        if (timer != NULL)
            return timer;
        timer = keel__wheel_any(&timers->wheel);
        if (timer != NULL && keel__timers_claim(timer)) {
            keel__timers_take_own(timers, timer);
            return timer;
        }
        if (timer == NULL && timers->awaited == 0)
            return pop_shared(timers, INT64_MAX, NULL);
        keel__pause(); /* somebody is about to hurry it */
    }
}
