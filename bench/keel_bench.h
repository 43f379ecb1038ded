/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BENCH_KEEL_BENCH_H
#define KEEL_BENCH_KEEL_BENCH_H

/* What keel's own benchmark programs share beyond the harness: a runtime around each workload. */

#include <keel/keel.h>

#include "harness.h"

/* The same as bench_main for a table of keel's workloads. With `in_task`, each runs as a task of a
 * runtime of its own, with as many workers as CPUs (one if the workload does not say); else on the main
 * thread, without a runtime. */
int bench_keel_main(int argc, char **argv, const bench_workload *workloads, size_t count,
                    bool in_task);

/* The context of the task that the workload runs in. */
keel_ctx *bench_ctx(void);

/* Ends the program if the call returned an error. */
#define bench_must KEEL_BENCH_OK

#define BENCH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif /* KEEL_BENCH_KEEL_BENCH_H */
