/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_FAULT_H
#define KEEL_SRC_TASK_FAULT_H

/* What signals are for: a stack overflow, told by name; where a task is that keeps its worker; dumps. */

#include <stdbool.h>

#include <keel/buf.h>
#include <keel/err.h>
#include <keel/runtime.h>

#include "base/atomic.h"

struct keel__worker;
struct keel__task;

/* A question to a worker's thread: where is it? */
enum { KEEL__PROBE_FRAMES = 32 };
typedef struct keel__probe {
    keel__a32 state;               /* nobody asks, asked, being answered, answered */
    const struct keel__task *task; /* of which it is asked */
    int frame_count;
    void *frames[KEEL__PROBE_FRAMES];
} keel__probe;

/* Appends where a task is, a call to a line, if it still keeps that worker; nothing if that cannot be
 * told. For the runtime's monitor. */
keel_err *keel__fault_backtrace(keel_buf *out, struct keel__worker *worker,
                                const struct keel__task *task);

/* Has SIGQUIT write a dump of this runtime, as long as there is no other; and no more. */
keel_err *keel__fault_dump_on_quit(keel_runtime *rt);
void keel__fault_forget_quit(keel_runtime *rt);

/* Handles SIGSEGV and SIGBUS in this process, if it does not yet; counted, and undone by the last. */
keel_err *keel__fault_install(void);
void keel__fault_remove(void);

/* Gives the calling worker's thread a stack for signal handlers, and takes it away again. */
void keel__fault_enter(struct keel__worker *worker);
void keel__fault_leave(struct keel__worker *worker);

#endif /* KEEL_SRC_TASK_FAULT_H */
