/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_MONITOR_H
#define KEEL_SRC_TASK_MONITOR_H

/* The monitor: a thread of a runtime that looks after the workers. It reports tasks that keep their worker, and
 * writes the dump that SIGQUIT asks for, also when all workers are stuck.
 *
 * It sleeps without a limit while all workers do, so that an idle program stays idle. Then it has said so in
 * `asleep`, and looked at the workers once more, under their locks; a worker that wakes up looks at `asleep`
 * after it was marked as awake under its lock. So one of the two sees the other. */

#include <stdbool.h>
#include <stdint.h>

#include <keel/runtime.h>

#include "base/atomic.h"
#include "task/os.h"

typedef struct keel__monitor {
    bool there; /* before the first worker runs, until the last has ended */
    keel__thread thread;
    keel__bell bell;
    keel__a32 asleep; /* until somebody rings */
    keel__a32 ending;
    keel__a32 dump_wanted;
    int64_t stall_ns;
    void (*on_stall)(void *arg, const char *report);
    void *on_stall_arg;
    struct keel__watched *watched; /* for each worker, what it was doing */
} keel__monitor;

/* Starts it, when the workers are there but for their threads. */
keel_err *keel__monitor_start(keel_runtime *rt, const keel_runtime_opts *opts);

/* Joins it, before the workers end; and frees the rest, when they have. Nothing happens if there is none. */
void keel__monitor_end(keel_runtime *rt);
void keel__monitor_deinit(keel_runtime *rt);

/* Has it write a dump to standard error. From signal handlers too. */
void keel__monitor_dump(keel_runtime *rt);

/* To be called by a worker that woke up. */
static inline void keel__monitor_tell(keel__monitor *monitor)
{
    if (monitor->there && keel__load_seq(&monitor->asleep) != 0 &&
        keel__exchange(&monitor->asleep, 0) != 0)
        keel__bell_ring(&monitor->bell);
}

#endif /* KEEL_SRC_TASK_MONITOR_H */
