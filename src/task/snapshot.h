/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SNAPSHOT_H
#define KEEL_SRC_TASK_SNAPSHOT_H

/* What all live tasks of a runtime are doing, for dumps and other reports.
 *
 * It is taken while they run. A task is in the list of live tasks of its home, under whose lock it is looked at,
 * until the worker that buries it takes it out; so it is there with its stack. What it waits for it has
 * published before it parked (task/task.h); found unchanged after the look, its phase says that all of it
 * belongs together. The object that it waits for is not safe by that: the wait may just be over, and the
 * object gone. So who holds a mutex is read by the kernel, which finds no memory where there is none, and
 * is believed only if the task has been in the same phase all the while.
 *
 * A lock is held for a few tasks at a time: a mark in the list says how far the walk has come. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>
#include <keel/runtime.h>

enum { KEEL__TEXT_BYTES = 200 /* of a name are kept, at most */ };

typedef struct keel__seen {
    const void *task;                    /* its address: not to be looked at any more */
    const char *name, *where, *function; /* copies; the last may be NULL */
    const char *labels; /* pairs of strings, one behind the other, and an empty one */
    unsigned worker;    /* where it has started */
    unsigned op;        /* what it waits to do; KEEL__PHASE_RUNS; 0: it has not started */
    bool ready;         /* it waits no more */
    const void *object;
    const void *owner; /* the task that holds the object, as far as known */
    const void *group; /* that it belongs to */
    int64_t since_ns, until_ns;
    const char *stack_low;
    size_t stack_bytes;
} keel__seen;

typedef struct keel__snapshot {
    keel__seen *tasks;
    size_t count;       /* of what is told */
    size_t total;       /* of what there was */
    int64_t now_ns;     /* by the clock of the machine, */
    int64_t runtime_ns; /* and by the runtime's */
    struct keel__seen_text *texts;
    const keel__seen **by_address; /* made when first asked for */
} keel__snapshot;

/* Takes one of at most `max` tasks; `only`, if not NULL, is the one to be told of. */
keel_err *keel__snapshot_take(keel__snapshot *out, keel_runtime *rt, size_t max, const void *only);
void keel__snapshot_free(keel__snapshot *snapshot);

/* The task of that address, or NULL. */
const keel__seen *keel__snapshot_find(keel__snapshot *snapshot, const void *task);

/* Its number, from 1. */
static inline size_t keel__seen_number(const keel__snapshot *snapshot, const keel__seen *seen)
{
    return (size_t)(seen - snapshot->tasks) + 1;
}

/* How much of its stack has memory, in bytes. */
size_t keel__seen_stack_used(const keel__seen *seen);

/* Copies memory that may not be there; false if it is not. */
bool keel__copy_safely(void *to, const void *from, size_t bytes);

#endif /* KEEL_SRC_TASK_SNAPSHOT_H */
