/* SPDX-License-Identifier: MIT */
#include "task/park.h"

#include <stddef.h>

/* Queues are changed under a lock. Whoever does not keep to that comes in between here, on the simulated
 * machine. */
#ifdef KEEL_SIM_CORE
#define midway() keel__after_step("change a queue")
#else
#define midway() ((void)0)
#endif

/* `first` is published: whether somebody waits is peeked at without the lock too. */

void keel__waitq_push(keel__waitq *queue, keel__waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = queue->last;
    midway();
    waiter->queued = true;
    if (queue->last != NULL)
        queue->last->next = waiter;
    else
        keel__publish(queue->first, waiter);
    queue->last = waiter;
}

void keel__waitq_push_front(keel__waitq *queue, keel__waiter *waiter)
{
    waiter->prev = NULL;
    waiter->next = queue->first;
    waiter->queued = true;
    if (queue->first != NULL)
        queue->first->prev = waiter;
    else
        queue->last = waiter;
    keel__publish(queue->first, waiter);
}

void keel__waitq_remove(keel__waitq *queue, keel__waiter *waiter)
{
    if (!waiter->queued)
        return;
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        keel__publish(queue->first, waiter->next);
    midway();
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        queue->last = waiter->prev;
    waiter->next = waiter->prev = NULL;
    waiter->queued = false;
}

bool keel__waitq_claim_one(keel__waitq *queue, keel__waiter *waiter)
{
    keel__waitq_remove(queue, waiter);
    return keel__wait_claim(waiter->wait, waiter->number);
}

keel__waiter *keel__waitq_claim(keel__waitq *queue)
{
    keel__waiter *waiter;

    while ((waiter = queue->first) != NULL) {
        if (keel__waitq_claim_one(queue, waiter))
            return waiter;
    }
    return NULL;
}

keel__waiter *keel__waitq_claim_all(keel__waitq *queue)
{
    keel__waitq claimed = { 0 };
    keel__waiter *waiter;

    while ((waiter = keel__waitq_claim(queue)) != NULL)
        keel__waitq_collect(&claimed, waiter);
    return claimed.first;
}

void keel__waitq_collect(keel__waitq *list, keel__waiter *waiter)
{
    waiter->next = NULL;
    if (list->last != NULL)
        list->last->next = waiter;
    else
        list->first = waiter;
    list->last = waiter;
}

void keel__unpark_all(keel__waiter *list)
{
    while (list != NULL) {
        keel__waiter *next = list->next; /* unparked, it is gone */

        keel__unpark(list->wait->actor);
        list = next;
    }
}
