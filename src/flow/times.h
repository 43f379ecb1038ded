/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_TIMES_H
#define KEEL_SRC_FLOW_TIMES_H

/* How long things took. One task adds; any may read, by keel__times_read. */

#include <keel/pool.h>

#include "base/atomic.h"

typedef struct keel__times {
    keel__a64 count, sum_ns, max_ns;
    keel__a64 buckets[64];
} keel__times;

void keel__times_add(keel__times *times, int64_t ns);

/* Adds what is there to `out`. */
void keel__times_read(const keel__times *times, keel_pool_times *out);

/* Adds `more` to `times`. Threads: one at a time. */
void keel__times_merge(keel_pool_times *times, const keel_pool_times *more);

#endif /* KEEL_SRC_FLOW_TIMES_H */
