/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_BUFPOOL_H
#define KEEL_SRC_TASK_BUFPOOL_H

/* The numbers that pools know workers by. A worker has one, or 0, while its thread is in its loop; who has
 * it next takes over the caches that are left. */

#include <stdint.h>

typedef struct keel__worker keel__worker;

void keel__bufpool_enter(keel__worker *worker);
void keel__bufpool_leave(keel__worker *worker);

#endif /* KEEL_SRC_TASK_BUFPOOL_H */
