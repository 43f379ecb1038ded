/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_FAULT_H
#define KEEL_SRC_TASK_FAULT_H

/* A stack overflow, told by name. */

#include <keel/err.h>

struct keel__worker;

/* Handles SIGSEGV and SIGBUS in this process, if it does not yet; counted, and undone by the last. */
keel_err *keel__fault_install(void);
void keel__fault_remove(void);

/* Gives the calling worker's thread a stack for signal handlers, and takes it away again. */
void keel__fault_enter(struct keel__worker *worker);
void keel__fault_leave(struct keel__worker *worker);

#endif /* KEEL_SRC_TASK_FAULT_H */
