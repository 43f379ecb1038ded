/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/timer.h"

/* The pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986), two-pass variant, without
 * recursion. A node's children are a list; `prev` of the first child is the parent. */

void keel__timers_init(keel__timers *timers)
{
    *timers = (keel__timers){ 0 };
    keel__store_relaxed(&timers->next_ns, (uint64_t)INT64_MAX);
}

static bool before(const keel__timer *a, const keel__timer *b)
{
    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->order < b->order;
}

/* Makes one heap of two; either may be NULL. */
static keel__timer *meld(keel__timer *a, keel__timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (before(b, a)) {
        keel__timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL)
        a->child->prev = b;
    a->child = b;
    a->next = a->prev = NULL;
    return a;
}

/* Makes one heap of a list of siblings: meld them two by two, then the pairs from the last. */
static keel__timer *meld_siblings(keel__timer *first)
{
    keel__timer *pairs = NULL, *root = NULL;

    while (first != NULL) {
        keel__timer *a = first, *b = a->next;

        first = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        keel__timer *next = pairs->next;

        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void publish(keel__timers *timers)
{
    keel__store(&timers->next_ns,
                (uint64_t)(timers->root != NULL ? timers->root->when_ns : INT64_MAX));
}

/* Takes `timer` out of the heap. Under the lock. */
static void unlink(keel__timers *timers, keel__timer *timer)
{
    keel__timer *rest = meld_siblings(timer->child);

    if (timer == timers->root) {
        timers->root = rest;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next != NULL)
            timer->next->prev = timer->prev;
        timers->root = meld(timers->root, rest);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = false;
    publish(timers);
}

bool keel__timers_add(keel__timers *timers, keel__timer *timer)
{
    keel__spin_lock(&timers->lock);
    timer->order = timers->order++;
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = true;
    timers->root = meld(timers->root, timer);
    bool first = timers->root == timer;
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
    keel__timer *timer = timers->root;
    if (timer != NULL && timer->when_ns <= now_ns)
        unlink(timers, timer);
    else
        timer = NULL;
    keel__spin_unlock(&timers->lock);
    return timer;
}
