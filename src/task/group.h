/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_GROUP_H
#define KEEL_SRC_TASK_GROUP_H

#include <stddef.h>

#include <keel/group.h>
#include <keel/runtime.h>

#include "task/task.h"

/* The number of a runtime's groups for which keel_group_wait has not been called. If there are any,
 * says so: where the first was made, and its error. */
size_t keel__groups_forgotten(keel_runtime *rt, char *buf, size_t size);

struct keel__task;

/* The group of a task, or NULL: not every task belongs to one. */
const keel_group *keel__group_of(const struct keel__task *task);

/* A task that belongs apart from its fellows, as those of a pool. */
typedef struct keel__placed {
    keel_task_fn fn;
    /* Instead of fn, on a worker's native stack, where there is no stack for the task: takes err, and must not
     * wait. The group does not fail. */
    void (*failed)(void *arg, keel_err *err);
    void *arg;
} keel__placed;

/* Starts one on worker `worker`, counted round the runtime's; no other steals it. It does not wait for a place.
 * False: out of memory, and nothing has happened. The group is not one that could not be made. */
bool keel__group_go_on(keel_group *group, unsigned worker, const keel__placed *what,
                       const char *name, const char *where);

/* The same without starting it: it belongs to the group, and waits without a stack until somebody calls keel__unpark for
 * its actor, once; from then on it runs on that worker. NULL: out of memory, or the group could not be made. */
keel__task *keel__group_hold(keel_group *group, unsigned worker, const keel__placed *what,
                             const char *name, const char *where);

/* The storage for how many tasks a worker may keep. */
unsigned keel__group_spare_max(void);

/* Frees what a worker that has ended kept for tasks. */
struct keel__worker;
void keel__group_free_spare(struct keel__worker *worker);

#endif /* KEEL_SRC_TASK_GROUP_H */
