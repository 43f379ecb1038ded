/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_GROUP_H
#define KEEL_SRC_TASK_GROUP_H

#include <stddef.h>

#include <keel/runtime.h>

/* The number of a runtime's groups for which keel_group_wait has not been called. If there are any,
 * says so: where the first was made, and its error. */
size_t keel__groups_forgotten(keel_runtime *rt, char *buf, size_t size);

#endif /* KEEL_SRC_TASK_GROUP_H */
