/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_OWN_H
#define KEEL_SRC_TASK_SIM_OWN_H

/* For containers of the engine's own, included before their templates: they take their memory from the C
 * library, since what passes through keel_mem_alloc belongs to the run. */

#include <stdlib.h>

#include <keel/mem.h>

static inline void *keel__sim_own_alloc(size_t size)
{
    return size != 0 ? malloc(size) : NULL;
}

static inline void *keel__sim_own_realloc(void *ptr, size_t size)
{
    return size != 0 ? realloc(ptr, size) : NULL;
}

#define keel_mem_alloc keel__sim_own_alloc
#define keel_mem_realloc keel__sim_own_realloc
#define keel_mem_free free

#endif /* KEEL_SRC_TASK_SIM_OWN_H */
