/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_FORK_H
#define KEEL_SRC_TASK_FORK_H

/* fork copies one thread: in the child of a process with a runtime the workers are gone, and their locks are as they
 * happened to be. Such a child may call exec and functions that are safe in signal handlers. It is marked
 * as dead here, and ends with a message when it waits, spawns or goes on as a worker. */

#include "base/process.h"

/* A runtime begins, and has ended. */
void keel__fork_runtime_begins(void);
void keel__fork_runtime_ended(void);

_Noreturn void keel__fork_die(const char *what);

/* To stand where something waits or is spawned. */
static inline void keel__fork_check(const char *what)
{
    if (__builtin_expect(keel__load_constant(&keel__process_forked) != 0, 0))
        keel__fork_die(what);
}

#endif /* KEEL_SRC_TASK_FORK_H */
