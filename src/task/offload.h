/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_OFFLOAD_H
#define KEEL_SRC_TASK_OFFLOAD_H

/* A runtime's threads for calls that block, made one by one when all are busy. */

#include <stdbool.h>

#include <keel/err.h>

#include "base/list.h"
#include "base/spin.h"
#include "task/os.h"
#include "task/park.h"

typedef struct keel__offload {
    unsigned max;
    keel__thread *threads; /* room for max */
    keel__spin lock;       /* guards what follows */
    unsigned count;        /* threads that run, or are being made */
    unsigned made;         /* entries of `threads`, to be joined */
    keel__list jobs;       /* not yet begun */
    keel__waitq idle;      /* threads without a job */
    bool stopping;
    keel__asize abandoned; /* calls that go on although nobody waits for them */
} keel__offload;

keel_err *keel__offload_init(keel__offload *offload, unsigned max);

/* Ends and joins the threads. No call is under way but abandoned ones, which it waits for. */
void keel__offload_deinit(keel__offload *offload);

#endif /* KEEL_SRC_TASK_OFFLOAD_H */
