/* SPDX-License-Identifier: MIT */
#include "task/ctx_slab.h"

#include <assert.h>
#include <stdint.h>

#include <keel/mem.h>

#include "base/sim_hook.h"
#include "task/ctx.h"
#include "task/worker.h"

enum { BATCH = 64 }; /* contexts of a slab, and those that a cache and its pool hand over at once */

typedef struct slab {
    struct slab *next;
    keel_ctx *contexts; /* in the same block, where a cache line begins */
} slab;

struct keel__ctx_pool {
    keel__spin lock; /* guards what follows */
    slab *slabs;
    keel_ctx *batches; /* lists of BATCH each; a list of them by the sibling.prev of their first */
    keel_ctx *loose;   /* single ones, given back by others than workers */
    size_t out;        /* contexts that are in neither: in use, or in a worker's cache */
    bool closed;       /* goes with the last one */
};

/* ---- Lists of free contexts, by sibling.next ---- */

static keel_ctx *of_link(keel__link *link)
{
    return link != NULL ? keel__container(link, keel_ctx, sibling) : NULL;
}

static void push(keel_ctx **list, keel_ctx *ctx)
{
    ctx->sibling.next = *list != NULL ? &(*list)->sibling : NULL;
    *list = ctx;
}

static keel_ctx *pop(keel_ctx **list)
{
    keel_ctx *ctx = *list;

    if (ctx != NULL)
        *list = of_link(ctx->sibling.next);
    return ctx;
}

static void push_batch(keel__ctx_pool *pool, keel_ctx *batch)
{
    batch->sibling.prev = pool->batches != NULL ? &pool->batches->sibling : NULL;
    pool->batches = batch;
}

/* ---- Slabs ---- */

/* A list of BATCH contexts that the pool counts as out; NULL without memory. */
static keel_ctx *add_slab(keel__ctx_pool *pool)
{
    enum { LINE = 64 };
    slab *added = keel_mem_calloc(1, sizeof *added + LINE + BATCH * sizeof(keel_ctx));
    keel_ctx *list = NULL;

    if (added == NULL)
        return NULL;
    static_assert(sizeof(keel_ctx) % LINE == 0, "contexts begin where cache lines do");
    added->contexts = (keel_ctx *)(((uintptr_t)(added + 1) + LINE - 1) & ~(uintptr_t)(LINE - 1));
    for (size_t i = BATCH; i-- > 0;) {
        added->contexts[i].pool = pool;
        push(&list, &added->contexts[i]);
    }
    keel__spin_lock(&pool->lock);
    added->next = pool->slabs;
    pool->slabs = added;
    pool->out += BATCH;
    keel__spin_unlock(&pool->lock);
    return list;
}

static void free_pool(keel__ctx_pool *pool)
{
    while (pool->slabs != NULL) {
        slab *next = pool->slabs->next;

        keel_mem_free(pool->slabs);
        pool->slabs = next;
    }
    keel_mem_free(pool);
}

/* ---- Pools ---- */

keel__ctx_pool *keel__ctx_pool_new(void)
{
    keel__ctx_pool *pool = keel_mem_calloc(1, sizeof *pool);
    keel_ctx *batch = pool != NULL ? add_slab(pool) : NULL;

    if (batch == NULL) {
        keel_mem_free(pool);
        return NULL;
    }
    push_batch(pool, batch);
    pool->out -= BATCH;
    return pool;
}

void keel__ctx_pool_leave(keel__ctx_pool *pool, keel__ctx_cache *cache)
{
    keel_ctx *ctx;

    keel__spin_lock(&pool->lock);
    while ((ctx = pop(&cache->free)) != NULL || (ctx = pop(&cache->spare)) != NULL) {
        push(&pool->loose, ctx);
        pool->out--;
    }
    keel__spin_unlock(&pool->lock);
    cache->count = 0;
}

void keel__ctx_pool_close(keel__ctx_pool *pool)
{
    if (pool == NULL)
        return;
    keel__spin_lock(&pool->lock);
    bool last = pool->out == 0;
    pool->closed = true;
    keel__spin_unlock(&pool->lock);
    if (last)
        free_pool(pool);
}

/* For a worker whose cache is empty. */
static bool refill(keel__ctx_pool *pool, keel__ctx_cache *cache)
{
    cache->free = cache->spare;
    cache->spare = NULL;
    cache->count = BATCH;
    if (cache->free != NULL)
        return true;
    keel__spin_lock(&pool->lock);
    if (pool->batches != NULL) {
        cache->free = pool->batches;
        pool->batches = of_link(cache->free->sibling.prev);
        pool->out += BATCH;
    } else if (pool->loose != NULL) {
        for (cache->count = 0; cache->count < BATCH && pool->loose != NULL; cache->count++)
            push(&cache->free, pop(&pool->loose));
        pool->out += cache->count;
    }
    keel__spin_unlock(&pool->lock);
    if (cache->free == NULL)
        cache->free = add_slab(pool);
    if (cache->free == NULL)
        cache->count = 0;
    return cache->free != NULL;
}

/* For who has no cache: one that was given back singly, or else the first of a batch. */
static keel_ctx *take_loose(keel__ctx_pool *pool)
{
    keel__spin_lock(&pool->lock);
    if (pool->loose == NULL && pool->batches != NULL) {
        pool->loose = pool->batches;
        pool->batches = of_link(pool->loose->sibling.prev);
    }
    keel_ctx *ctx = pop(&pool->loose);
    pool->out += ctx != NULL;
    keel__spin_unlock(&pool->lock);
    if (ctx != NULL)
        return ctx;

    keel_ctx *batch = add_slab(pool);
    if (batch == NULL)
        return NULL;
    keel__spin_lock(&pool->lock);
    ctx = pop(&batch);
    keel_ctx *other;
    while ((other = pop(&batch)) != NULL)
        push(&pool->loose, other);
    pool->out -= BATCH - 1;
    keel__spin_unlock(&pool->lock);
    return ctx;
}

static void give_loose(keel__ctx_pool *pool, keel_ctx *ctx)
{
    keel__spin_lock(&pool->lock);
    push(&pool->loose, ctx);
    bool last = --pool->out == 0 && pool->closed;
    keel__spin_unlock(&pool->lock);
    if (last)
        free_pool(pool);
}

/* ---- Contexts ---- */

keel_ctx *keel__ctx_take(keel_runtime *rt)
{
    keel__worker *worker = keel__worker_self();

    if (worker != NULL)
        rt = worker->rt;
    if (rt == NULL || __builtin_expect(keel__sim() != NULL, 0))
        return keel_mem_calloc(1, sizeof(keel_ctx));
    if (worker == NULL)
        return take_loose(rt->contexts);

    keel__ctx_cache *cache = &worker->contexts;
    if (cache->free == NULL && !refill(rt->contexts, cache))
        return NULL;
    cache->count--;
    return pop(&cache->free);
}

void keel__ctx_give(keel_ctx *ctx)
{
    keel__worker *worker = keel__worker_self();
    keel__ctx_pool *pool = ctx->pool;

    if (pool == NULL) {
        keel_mem_free(ctx);
        return;
    }
    if (worker == NULL || worker->rt->contexts != pool) {
        give_loose(pool, ctx);
        return;
    }
    keel__ctx_cache *cache = &worker->contexts;
    if (cache->count == BATCH) {
        if (cache->spare != NULL) {
            keel__spin_lock(&pool->lock);
            push_batch(pool, cache->spare);
            pool->out -= BATCH;
            keel__spin_unlock(&pool->lock);
        }
        cache->spare = cache->free;
        cache->free = NULL;
        cache->count = 0;
    }
    cache->count++;
    push(&cache->free, ctx);
}
