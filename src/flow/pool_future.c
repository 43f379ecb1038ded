/* SPDX-License-Identifier: MIT */
#include "flow/pool.h"

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "flow/options.h"

/* ---- One job ---- */

/* Two own it: the user, and the job. */
struct keel_future {
    keel__job_done done;
    keel__a32 refs;
    keel_ctx *ctx; /* the job's */
    keel_waitgroup running;
    keel_err *err;
    bool succeeded;
    keel__a32 taken; /* what the result owns has a new owner */
    void (*result_free)(void *out);
    _Alignas(16) unsigned char out[];
};

static void release(keel_future *future)
{
    if (keel__sub(&future->refs, 1) != 1)
        return;
    if (future->succeeded && future->result_free != NULL && keel__load(&future->taken) == 0)
        future->result_free(future->out);
    keel_err_free(future->err);
    keel_ctx_free(future->ctx);
    keel_mem_free(future);
}

static void ended(keel__job_done *done, const keel__job *job, keel_err *err)
{
    keel_future *future = (keel_future *)(void *)done; /* its first member */

    (void)job;
    future->err = err;
    future->succeeded = err == NULL;
    keel_waitgroup_done(&future->running);
    release(future);
}

static keel_err *make_future(keel_pool *pool, keel_ctx *ctx, keel_future **out)
{
    keel_future *future = keel_mem_calloc(1, sizeof *future + pool->fn.out_bytes);

    *out = future;
    if (future == NULL) {
        keel_ctx_free(ctx);
        return KEEL_ERR_NOMEM;
    }
    future->done.ended = ended;
    future->ctx = ctx;
    future->refs.v = 2;
    future->done.outs = pool->fn.out_bytes > 0 ? future->out : NULL;
    future->done.out_bytes = pool->fn.out_bytes;
    future->result_free = pool->fn.out_bytes > 0 ? pool->opts.result_free : NULL;
    keel_waitgroup_add(&future->running, 1);
    return NULL;
}

/* The context of a job: a child of the caller's, which it may outlive. */
static keel_err *make_ctx(keel_pool *pool, const keel_job_opts *opts, keel_ctx **out)
{
    keel_ctx *parent = opts->ctx != NULL ? opts->ctx : pool->ctx;

    *out = NULL;
    if (opts->timeout_ns < 0)
        return keel__bad_option_of("pool", pool->opts.name, "timeout_ns", "is negative");
    *out = opts->timeout_ns > 0 ? keel_ctx_with_timeout(parent, opts->timeout_ns)
                                : keel_ctx_with_cancel(parent);
    if (keel_err_is(keel_ctx_err(*out), KEEL_ERR_NOMEM))
        return KEEL_ERR_NOMEM; /* a static one: nothing to free */
    return NULL;
}

keel_err *keel_pool_start(keel_ctx *ctx, keel_pool *pool, const void *job,
                          const keel_job_opts *given, keel_future **out)
{
    static const keel_job_opts none = { 0 };
    _Alignas(16) char small[KEEL__POOL_SMALL_BYTES];
    keel_future *future = NULL;
    keel_ctx *own;

    keel__need(pool != NULL, "keel_pool_start", "pool");
    keel__need(job != NULL, "keel_pool_start", "job");
    if (out != NULL)
        *out = NULL;
    KEEL_TRY(make_ctx(pool, given != NULL ? given : &none, &own));
    if (out != NULL)
        KEEL_TRY(make_future(pool, own, &future));
    keel__job *slot = keel__pool_slot(pool, small, job);
    keel_err *err = KEEL_ERR_NOMEM;
    if (slot != NULL) {
        slot->ctx = own;
        slot->owns_ctx = future == NULL;
        slot->done = future != NULL ? &future->done : NULL;
        err = keel__pool_queue(ctx, pool, slot);
        if ((void *)slot != (void *)small)
            keel_mem_free(slot);
    }
    if (err == NULL) {
        if (out != NULL)
            *out = future;
    } else if (future != NULL) {
        release(future);
        release(future);
    } else {
        keel_ctx_free(own);
    }
    return err;
}

keel_err *keel_future_wait(keel_ctx *ctx, keel_future *future, void *out)
{
    keel__need(future != NULL, "keel_future_wait", "future");
    KEEL_TRY(keel_waitgroup_wait(ctx, &future->running));
    if (future->err != NULL)
        return keel_err_retain(future->err);
    if (out != NULL) {
        memcpy(out, future->out, future->done.out_bytes);
        keel__store(&future->taken, 1);
    }
    return NULL;
}

void keel_future_cancel(keel_future *future)
{
    keel__need(future != NULL, "keel_future_cancel", "future");
    keel_ctx_cancel(future->ctx);
}

void keel_future_free(keel_future *future)
{
    if (future != NULL)
        release(future);
}

keel_err *keel_pool_call(keel_ctx *ctx, keel_pool *pool, const void *job, void *out)
{
    keel_future *future;

    KEEL_TRY(keel_pool_start(ctx, pool, job, &(keel_job_opts){ .ctx = ctx }, &future));
    keel_err *err = keel_future_wait(ctx, future, out);
    keel_future_free(future);
    return err;
}

/* ---- Many ---- */

typedef struct mapping {
    keel__job_done done;
    keel_pool *pool;
    keel_ctx *ctx; /* of all its jobs: ended by the first that fails */
    keel_waitgroup running;
    keel__spin lock; /* guards the next */
    keel_err *err;
} mapping;

/* Keeps the first error. Takes `err`. */
static void fail_mapping(mapping *map, keel_err *err)
{
    keel__spin_lock(&map->lock);
    const bool first = map->err == NULL;
    if (first)
        map->err = err;
    keel__spin_unlock(&map->lock);
    if (!first)
        keel_err_free(err);
    keel_ctx_cancel(map->ctx);
}

static void mapped(keel__job_done *done, const keel__job *job, keel_err *err)
{
    mapping *map = (mapping *)(void *)done; /* its first member */

    if (err != NULL)
        fail_mapping(map, keel_err_wrap(err, "job %u", (unsigned)job->index));
    keel_waitgroup_done(&map->running);
}

/* Queues one, and waits for room in any case. */
static keel_err *map_one(mapping *map, const void *job, uint32_t index)
{
    keel_pool *pool = map->pool;
    _Alignas(16) char small[KEEL__POOL_SMALL_BYTES];
    keel__job *slot = keel__pool_slot(pool, small, job);

    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    slot->done = &map->done;
    slot->ctx = map->ctx;
    slot->index = index;
    slot->of_map = true;
    keel_waitgroup_add(&map->running, 1);
    keel_err *err = keel_chan_send(map->ctx, pool->queue, slot);
    if (err != NULL)
        keel_waitgroup_done(&map->running);
    if ((void *)slot != (void *)small)
        keel_mem_free(slot);
    return err;
}

keel_err *keel_pool_map(keel_ctx *ctx, keel_pool *pool, const void *jobs, size_t count, void *out)
{
    keel__need(pool != NULL, "keel_pool_map", "pool");
    const size_t in_bytes = pool->fn.in_bytes, out_bytes = pool->fn.out_bytes;
    mapping map = { .done = { mapped, out, out_bytes }, .pool = pool };
    keel_after *after = NULL;

    keel__need(out != NULL || out_bytes == 0, "keel_pool_map", "out");
    KEEL_TRY(keel_ctx_err(ctx));
    if (count > UINT32_MAX)
        return keel__bad_option_of("pool", pool->opts.name, "count", "is more than 2^32 - 1");
    if (out_bytes == 0)
        map.done.outs = NULL;
    else
        memset(out, 0, count * out_bytes);
    map.ctx = keel_ctx_with_cancel(ctx);
    keel_err *err = keel__pool_end_with(pool->ctx, map.ctx, &after);
    for (size_t i = 0; err == NULL && i < count; i++)
        err = map_one(&map, (const char *)jobs + i * in_bytes, (uint32_t)i);
    if (err != NULL)
        fail_mapping(&map, err);
    keel_err_free(keel_waitgroup_wait(NULL, &map.running)); /* without a context it cannot fail */
    keel_after_free(after);
    keel_ctx_free(map.ctx);
    return map.err;
}
