/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CTX_SLAB_H
#define KEEL_SRC_TASK_CTX_SLAB_H

/* Where the memory of contexts comes from.
 *
 * A runtime has a pool of them, in slabs that stay until the runtime has ended and the last context of the
 * pool is gone. Their lock words are never initialised again, so that whoever has read a pointer to a
 * context may lock it even if it was freed, and made anew, since; then it looks whether it is still what it
 * was. A worker has a cache of free ones, so that it needs no lock. Threads outside a runtime, and whatever
 * is simulated, have plain memory, so that what is lost or used too late is found there. */

#include <stddef.h>

#include <keel/runtime.h>

#include "base/spin.h"

struct keel_ctx;

typedef struct keel__ctx_pool keel__ctx_pool;

/* A worker's own. */
typedef struct keel__ctx_cache {
    struct keel_ctx *free;  /* a list by sibling.next */
    struct keel_ctx *spare; /* another one, full: goes to the pool when `free` is full too */
    size_t count;           /* in `free` */
} keel__ctx_cache;

/* Makes a pool with one slab; NULL without memory. */
keel__ctx_pool *keel__ctx_pool_new(void);

/* A worker ends: what it has is the pool's again. */
void keel__ctx_pool_leave(keel__ctx_pool *pool, keel__ctx_cache *cache);

/* The runtime ends, all workers have left: the pool goes now, or with its last context. */
void keel__ctx_pool_close(keel__ctx_pool *pool);

/* Memory for a context of a runtime (NULL: of none): its lists are empty, its lock works, and `pool` says
 * where it belongs; all else may be anything. NULL without memory. */
struct keel_ctx *keel__ctx_take(keel_runtime *rt);

/* Gives it back, in the same state. */
void keel__ctx_give(struct keel_ctx *ctx);

#endif /* KEEL_SRC_TASK_CTX_SLAB_H */
