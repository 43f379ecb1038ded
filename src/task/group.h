/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_GROUP_H
#define KEEL_SRC_TASK_GROUP_H

#include <stddef.h>

#include <keel/group.h>
#include <keel/runtime.h>

/* The number of a runtime's groups for which keel_group_wait has not been called. If there are any,
 * says so: where the first was made, and its error. */
size_t keel__groups_forgotten(keel_runtime *rt, char *buf, size_t size);

/* keel_group_go for tasks that belong apart, as those of a pool: this one starts on worker `worker`, counted
 * round the runtime's, and no other steals it. It does not wait for a place. */
void keel__group_go_on(keel_group *group, unsigned worker, keel_task_fn fn, void *arg,
                       const char *name, const char *where);

#endif /* KEEL_SRC_TASK_GROUP_H */
