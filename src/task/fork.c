/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* no order for users comes of counting runtimes */
#include "task/fork.h"

#include <pthread.h>

#include "task/worker.h"

static keel__a32 runtimes; /* that have begun and not ended */

#ifndef KEEL_SIM_CORE
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* In the child, on its only thread. If that was a worker its task still runs, and may exec; when it lets go of the
 * worker, the loop is to come to its end and not to other tasks, which run in the parent. */
static void in_child(void)
{
    keel__worker *worker = keel__worker_self();

    if (keel__load_relaxed(&runtimes) == 0)
        return;
    keel__store_relaxed(&keel__process_forked, 1);
    if (worker != NULL) {
        keel__store_relaxed(&worker->rt->stopping, 1);
        worker->budget = 1;
    }
}

static void watch(void)
{
    pthread_atfork(NULL, NULL, in_child); /* without memory for it, forking goes unnoticed */
}
#endif

void keel__fork_runtime_begins(void)
{
#ifndef KEEL_SIM_CORE
    pthread_once(&once, watch);
#endif
    keel__add_relaxed(&runtimes, 1);
}

void keel__fork_runtime_ended(void)
{
    keel__sub(&runtimes, 1);
}

void keel__fork_die(const char *what)
{
    keel__misuse("%s in the child of a fork: its parent has a runtime, whose threads are not in "
                 "the child. Fork "
                 "before the first runtime starts, or only to exec",
                 what);
}
