/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_DEADLOCK_H
#define KEEL_SRC_TASK_DEADLOCK_H

#include <keel/runtime.h>

/* All workers of a program's runtime sleep, without timers, offloaded calls and handles but the program's own. If
 * there is no other thread that could wake one, and there are tasks, that is reported and ends the process. Else says
 * how long to wait until the next look; with a thread of others it is not looked for any more. */
int64_t keel__deadlock_look(keel_runtime *rt);

#endif /* KEEL_SRC_TASK_DEADLOCK_H */
