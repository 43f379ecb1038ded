/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_RANDOM_H
#define KEEL_SRC_TASK_RANDOM_H

#include <stdint.h>

/* 64 random bits of the calling worker's or thread's own generator: no lock, and repeatable from the
 * runtime's seed. */
uint64_t keel__rand_u64(void);

#endif /* KEEL_SRC_TASK_RANDOM_H */
