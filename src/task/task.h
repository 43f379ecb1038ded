/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_TASK_H
#define KEEL_SRC_TASK_TASK_H

/* A task inside: whoever starts one embeds a keel__task in an object of its own. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include <keel/runtime.h>

#include "base/list.h"
#include "task/park.h"
#include "task/stack.h"
#include "task/switch.h"

typedef struct keel__task keel__task;

struct keel__task {
    keel__actor actor;
    keel__link link; /* in a queue of a worker: ready, inbox or fresh */
    keel__link live; /* in its home's list of live tasks */
    keel_runtime *rt;
    struct keel__worker *home;   /* whose list of live tasks it is in */
    struct keel__worker *worker; /* which runs it; NULL until it starts */
    keel__stack *stack;          /* from its first run to its end */
    bool ended;
    bool stack_left;      /* to the next task: it is not this one's any more */
    unsigned sim_id;      /* its number in a simulated run, from 1 */
    const char *name;     /* what it is, */
    const char *where;    /* and where it was started: `main.c:12`, */
    const char *function; /* in which function; may be NULL */
    size_t stack_bytes;
    void (*run)(keel__task *task); /* the task, on its own stack */
    /* Instead of run, on the worker's native stack: there is no stack to be had. Takes err. Says
     * whether that was the end of the task; if not, it has seen to keel__task_requeue. */
    bool (*failed)(keel__task *task, keel_err *err);
    /* After either, on the worker's native stack: nothing refers to the task any more. */
    void (*free)(keel__task *task);
    keel__fiber fiber;

    /* For dumps (dump.c), published by the task's worker whenever it parks or goes on. */
    uint32_t phase;     /* see below; it has not started while this is 0 */
    uint32_t woken;     /* published by who makes it ready, and taken back when it goes on */
    const void *object; /* what it waits for, if it is parked, */
    int64_t since_ns;   /* from when, as the worker last looked at the clock of the machine, */
    int64_t until_ns;   /* and at most until when, by the runtime's clock; INT64_MAX: no limit */
    struct keel__label *labels; /* guarded by the lock of its home */
};

/* A task's phase: what it waits to do (KEEL__OP_...) or KEEL__PHASE_RUNS, and above that the number of times
 * that it has parked. So who finds the same phase before and after looking at the other members, or at what
 * they point to, has seen them as they belong together: the members of one wait are written before its
 * phase, and those of the next after the end of that phase. */
enum { KEEL__PHASE_RUNS = 0xff, KEEL__PHASE_BITS = 8 };
static_assert((int)KEEL__OP_COUNT < (int)KEEL__PHASE_RUNS, "an operation's number needs more bits");

/* To be called by the task that is about to park; and when it goes on. They cost a few plain stores. */
static inline void keel__task_parks(keel__task *task, uint32_t op, const void *object,
                                    int64_t since_ns, int64_t until_ns)
{
    keel__publish(task->object, object);
    keel__publish(task->since_ns, since_ns);
    keel__publish(task->until_ns, until_ns);
    keel__publish(task->phase, ((task->phase >> KEEL__PHASE_BITS) + 1) << KEEL__PHASE_BITS | op);
}

static inline void keel__task_goes_on(keel__task *task)
{
    keel__publish(task->phase, task->phase | KEEL__PHASE_RUNS);
    keel__publish(task->woken, 0);
}

/* When it yields: it counts as one that runs, whether it is its worker's current one or queued. */
static inline void keel__task_yields(keel__task *task)
{
    keel__publish(task->phase, task->phase + (1u << KEEL__PHASE_BITS));
}

/* Queues a task whose fields from `name` to `free` are set (`rt` too), for any worker to start. */
void keel__task_spawn(keel__task *task);

/* The same on one worker, which no other can steal it from. */
void keel__task_spawn_on(keel__task *task, struct keel__worker *worker);

/* The same without queueing it: it is parked, and has no stack yet. */
void keel__task_hold(keel__task *task, struct keel__worker *worker);

/* Queues a task again that failed to start. */
void keel__task_requeue(keel__task *task);

/* Lets a parked task go on. */
void keel__task_ready(keel__task *task);

/* The task that calls, or NULL on a plain thread and in callbacks on a worker's native stack. */
keel__task *keel__task_self(void);

/* Parks the calling task until keel__task_ready. */
void keel__task_park(void);

#endif /* KEEL_SRC_TASK_TASK_H */
