/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/timer.h"

#include "base/list.h"

void keel__timers_init(keel__timers *timers)
{
    *timers = (keel__timers){ 0 };
    keel__store_relaxed(&timers->next_ns, (uint64_t)INT64_MAX);
}

static keel__timer *timer_of(const keel__heap_node *node)
{
    return keel__container(node, keel__timer, node);
}

static bool before(const keel__heap_node *node_a, const keel__heap_node *node_b)
{
    const keel__timer *a = timer_of(node_a), *b = timer_of(node_b);

    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->order < b->order;
}

static void publish(keel__timers *timers)
{
    const keel__heap_node *root = timers->heap.root;

    keel__store(&timers->next_ns, (uint64_t)(root != NULL ? timer_of(root)->when_ns : INT64_MAX));
}

/* Takes `timer` out of the heap. Under the lock. */
static void unlink(keel__timers *timers, keel__timer *timer)
{
    keel__heap_remove(&timers->heap, &timer->node, before);
    timer->armed = false;
    publish(timers);
}

bool keel__timers_add(keel__timers *timers, keel__timer *timer)
{
    keel__spin_lock(&timers->lock);
    timer->order = timers->order++;
    timer->armed = true;
    keel__heap_add(&timers->heap, &timer->node, before);
    bool first = timers->heap.root == &timer->node;
    publish(timers);
    keel__spin_unlock(&timers->lock);
    return first;
}

bool keel__timers_remove(keel__timers *timers, keel__timer *timer)
{
    keel__spin_lock(&timers->lock);
    bool armed = timer->armed;
    if (armed)
        unlink(timers, timer);
    keel__spin_unlock(&timers->lock);
    return armed;
}

keel__timer *keel__timers_pop(keel__timers *timers, int64_t now_ns)
{
    if (keel__timers_next(timers) > now_ns)
        return NULL;
    keel__spin_lock(&timers->lock);
    const keel__heap_node *root = timers->heap.root;
    keel__timer *timer = root != NULL && timer_of(root)->when_ns <= now_ns ? timer_of(root) : NULL;
    if (timer != NULL)
        unlink(timers, timer);
    keel__spin_unlock(&timers->lock);
    return timer;
}
