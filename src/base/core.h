/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_CORE_H
#define KEEL_SRC_BASE_CORE_H

/* The simulated machine of the sim-core build (KEEL_SIM_CORE), as atomics and locks see it: where
 * another core may go on. task/core.h describes the machine. In other builds there is none of this. */

#ifdef KEEL_SIM_CORE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before an access that others can see: another core may run first. */
void keel__core_step(const char *what, const char *func, int line);

/* After one. Only in dense runs: for what a core does between two such accesses. */
void keel__core_after(const char *what, const char *func, int line);

/* The caller's core waits while *word is `value`, until a moment of the machine's clock (INT64_MAX: no
 * limit). False: that has come. */
bool keel__core_wait(const uint32_t *word, uint32_t value, int64_t deadline_ns, const char *what,
                     const char *func, int line);

/* A turn of a loop that waits for another core. Takes a moment of the machine's time. */
void keel__core_spin(const char *func, int line);

/* A lock: 0 is free, 1 is held. */
void keel__core_lock(uint32_t *word, const char *func, int line);
void keel__core_unlock(uint32_t *word, const char *func, int line);

/* What a thread-local of the library is, on the calling core. */
struct keel__worker;
struct keel__worker **keel__core_worker(void);
void *keel__core_storage(size_t size);

/* Memory for stacks, which is kept from run to run. Not zeroed; MAP_FAILED if there is none. */
void *keel__core_map(size_t bytes);
void keel__core_unmap(void *base, size_t bytes);

/* The seed of what is random in a run. */
uint64_t keel__core_seed(void);

/* A contract was broken: ends the run, if the caller is in one. */
void keel__core_misuse(const char *text);

#define keel__step(what) keel__core_step((what), __func__, __LINE__)
#define keel__after_step(what) keel__core_after((what), __func__, __LINE__)

#endif /* KEEL_SIM_CORE */
#endif /* KEEL_SRC_BASE_CORE_H */
