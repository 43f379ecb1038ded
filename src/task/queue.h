/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_QUEUE_H
#define KEEL_SRC_TASK_QUEUE_H

/* The queues of the workers: what task/worker.h says about them, and how an idle worker finds
 * something to do or goes to sleep. For the worker's loop only; others use task/task.h. */

#include "task/worker.h"

enum { KEEL__FRESH_TURN = 8 }; /* every so many picks a task that has not started goes first */

/* The calling worker if it is of that runtime, else any. */
keel__worker *keel__queue_worker_for(keel_runtime *rt);

/* Takes out the next task to run, or NULL. */
keel__task *keel__queue_next(keel__worker *worker);

/* The next task to run, if it is one that has started and nothing else is due: for a task that leaves to
 * another without the worker's loop. */
static inline keel__task *keel__queue_next_started(keel__worker *worker)
{
    keel__link *link = worker->ready.first;

    if (link == NULL || keel__load_relaxed(&worker->inbox_count) != 0)
        return NULL;
    keel__task *task = keel__container(link, keel__task, link);
    if (task->stack == NULL)
        return NULL; /* placed here, not started */
    if (keel__load_relaxed(&worker->fresh_count) != 0) {
        if ((worker->picks + 1) % KEEL__FRESH_TURN == 0)
            return NULL;
        worker->picks++;
    }
    keel__list_pop(&worker->ready);
    return task;
}

/* Whether the worker's own queues hold something. */
bool keel__queue_has_work(const keel__worker *worker);

/* Spins until there is something in the own queues, or a task of another's has become old enough to
 * be stolen. Gives up after a moment, which is longer while there is something to watch. */
bool keel__queue_search(keel__worker *worker);

/* The worker found a task: if it had been woken to search, somebody else does that now. */
void keel__queue_found(keel__worker *worker);

/* The worker found nothing, and searches no more. */
void keel__queue_stop_searching(keel__worker *worker);

/* Says that the worker sleeps, unless it has work. If this is true it is to wait in its loop, for at
 * most *limit_ns. Either way keel__queue_awake comes then. */
bool keel__queue_sleep(keel__worker *worker, int64_t *limit_ns);

/* Whether nobody has roused the worker since keel__queue_sleep. */
bool keel__queue_asleep(keel__worker *worker);

void keel__queue_awake(keel__worker *worker);

#endif /* KEEL_SRC_TASK_QUEUE_H */
