/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_DUMP_H
#define KEEL_SRC_TASK_DUMP_H

#include <keel/dump.h>

#include "task/snapshot.h"

/* "task 'fetch' (started at shop.c:31 in serve)", with "T2 " and without "task" if it has a number. */
keel_err *keel__dump_name(keel_buf *out, const keel__seen *seen, size_t number);

/* The lines of all tasks, with what comes before them. */
keel_err *keel__dump_text(keel_buf *out, keel__snapshot *snapshot);

#endif /* KEEL_SRC_TASK_DUMP_H */
