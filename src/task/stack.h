/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_STACK_H
#define KEEL_SRC_TASK_STACK_H

/* Stacks for tasks. They come out of slabs of address space, in two sizes; any other size is a mapping
 * of its own. Memory is committed by touching it, below every stack lies a guard, and what is
 * known of a stack is kept apart from it, where no overflow reaches it. */

#include <stdbool.h>
#include <stddef.h>

#include <keel/err.h>

#include "base/list.h"
#include "base/spin.h"

typedef struct keel__stack {
    struct keel__stack *next; /* in a list of free stacks */
    char *low;                /* the usable part; the guard lies below */
    size_t bytes;
    unsigned class; /* which size; KEEL__STACK_ODD: a mapping of its own */
    unsigned valgrind_id;
} keel__stack;

enum {
    KEEL__STACK_PLAIN,
    KEEL__STACK_LARGE,
    KEEL__STACK_ODD,
    KEEL__STACK_CLASSES = KEEL__STACK_ODD
};

/* Where a runtime's stacks come from. */
typedef struct keel__stack_pool {
    size_t page_bytes;
    size_t guard_bytes;
    bool has_light_guards; /* madvise can be asked for them */
    size_t class_bytes[KEEL__STACK_CLASSES];
    keel__spin lock; /* guards what follows */
    keel__stack *free[KEEL__STACK_CLASSES];
    struct keel__slab *slabs;
} keel__stack_pool;

/* What a worker keeps to itself: the stacks it used last, with their memory. Its own, without lock. */
typedef struct keel__stack_cache {
    keel__stack *free[KEEL__STACK_CLASSES];
    unsigned count[KEEL__STACK_CLASSES];
} keel__stack_cache;

#define KEEL__STACK_PLAIN_BYTES ((size_t)64 << 10)
#define KEEL__STACK_LARGE_BYTES ((size_t)256 << 10)
#define KEEL__STACK_MIN_BYTES ((size_t)16 << 10)
#define KEEL__STACK_MAX_BYTES ((size_t)1 << 30)

/* `plain_bytes`: the size of a plain task's stack, before the factor for sanitizers. */
void keel__stack_pool_init(keel__stack_pool *pool, size_t plain_bytes);
void keel__stack_pool_deinit(keel__stack_pool *pool);

/* A stack of at least that many bytes (0: plain). Errors: KEEL_ERR_LIMIT, naming the limit. */
keel_err *keel__stack_take(keel__stack_pool *pool, keel__stack_cache *cache, size_t bytes,
                           keel__stack **out);
void keel__stack_give(keel__stack_pool *pool, keel__stack_cache *cache, keel__stack *stack);

/* Whether an address is in the guard of a stack. */
bool keel__stack_guards(const keel__stack_pool *pool, const keel__stack *stack,
                        const void *address);

/* Sanitizers make frames several times larger: how many times as large stacks are. */
size_t keel__stack_factor(void);

#endif /* KEEL_SRC_TASK_STACK_H */
