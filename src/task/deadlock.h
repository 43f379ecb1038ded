/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_DEADLOCK_H
#define KEEL_SRC_TASK_DEADLOCK_H

#include <keel/runtime.h>

/* All workers of a program's runtime sleep, without timers, offloaded calls and handles but the program's own. If
 * no other thread is there who could wake one, and a task is, that is reported and ends the process. */
void keel__deadlock_look(keel_runtime *rt);

#endif /* KEEL_SRC_TASK_DEADLOCK_H */
