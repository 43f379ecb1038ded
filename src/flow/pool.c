/* SPDX-License-Identifier: MIT */
#include "flow/pool.h"

#include <string.h>

#include <keel/group.h>
#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "flow/options.h"
#include "task/stack.h"

KEEL_ERR_DEFINE(keel_err_pool_full, "pool is full");
KEEL_ERR_DEFINE(keel_err_pool_dropped, "dropped for a newer job");

/* The first jobs are all measured, then one of so many: reading the clock three times costs as much as a
 * tiny job. */
enum { MEASURED_AT_FIRST = 256, MEASURED_THEN = 16 };
enum { MAX_WORKERS = 10000, MAX_BATCH = 1024, MAX_JOB_BYTES = 65536 };

/* ---- Making and freeing ---- */

static keel_err *complete(keel_pool_opts *opts, const keel_fn *fn)
{
    opts->name = opts->name != NULL ? opts->name : fn->name;
    if (fn->in_bytes == 0 || fn->in_bytes > MAX_JOB_BYTES)
        return keel__bad_option_of("pool", opts->name, "fn",
                                   "takes jobs of none, or more than 65,536 bytes");
    if (opts->workers > MAX_WORKERS)
        return keel__bad_option_of("pool", opts->name, "workers", "is more than 10,000");
    if (opts->batch > MAX_BATCH)
        return keel__bad_option_of("pool", opts->name, "batch", "is more than 1024");
    if ((unsigned)opts->full > KEEL_POOL_DROP_OLDEST)
        return keel__bad_option_of("pool", opts->name, "full", "is none of keel_pool_full");
    if (opts->results > 0 && fn->out_bytes == 0)
        return keel__bad_option_of("pool", opts->name, "results",
                                   "is set, but the function has no output");
    if (opts->job_timeout_ns < 0)
        return keel__bad_option_of("pool", opts->name, "job_timeout_ns", "is negative");
    if (opts->queue == 0)
        opts->queue = 100;
    if (opts->batch == 0)
        opts->batch = 1;
    if (opts->stack_bytes == 0)
        opts->stack_bytes = KEEL__STACK_LARGE_BYTES;
    return NULL;
}

static void free_pool(keel_pool *pool)
{
    keel_chan_free(pool->results);
    keel_chan_free(pool->queue);
    keel_mem_free(pool->spare);
    keel_err_free(pool->err);
    keel_mem_free(pool);
}

/* All but the group and its workers. */
static keel_err *make(keel_pool **out, keel_fn fn, const keel_pool_opts *opts)
{
    keel_pool *pool = keel_mem_calloc(1, sizeof *pool);

    if (pool == NULL)
        return KEEL_ERR_NOMEM;
    pool->opts = *opts;
    pool->fn = fn;
    pool->slot_bytes = KEEL__JOB_BYTES + (fn.in_bytes + 15) / 16 * 16;
    pool->worker_slots_bytes = opts->batch * pool->slot_bytes;
    pool->spare = keel_mem_alloc(pool->slot_bytes);
    keel_err *err = pool->spare == NULL
                        ? KEEL_ERR_NOMEM
                        : keel_chan_new(&pool->queue, pool->slot_bytes,
                                        &(keel_chan_opts){ .capacity = opts->queue });
    if (err == NULL && opts->results > 0)
        err = keel_chan_new(
            &pool->results, fn.out_bytes,
            &(keel_chan_opts){ .capacity = opts->results, .item_free = opts->result_free });
    if (err != NULL)
        free_pool(pool);
    else
        *out = pool;
    return err;
}

keel_err *keel_pool_new_at(const char *where, keel_ctx *ctx, keel_pool **out, keel_fn fn,
                           const keel_pool_opts *given)
{
    keel_pool_opts opts = given != NULL ? *given : (keel_pool_opts){ 0 };
    keel_pool *pool;

    keel__need(out != NULL, "keel_pool_new", "out");
    keel__need(fn.fn != NULL, "keel_pool_new", "fn");
    *out = NULL;
    KEEL_TRY(keel_ctx_err(ctx));
    KEEL_TRY(complete(&opts, &fn));
    KEEL_TRY(make(&pool, fn, &opts));
    pool->where = where;
    pool->group = keel_group_new_at(
        where, ctx, &(keel_group_opts){ .limit = KEEL_UNLIMITED, .stack_bytes = opts.stack_bytes });
    pool->ctx = keel_group_ctx(pool->group);
    keel_runtime *rt = keel_ctx_runtime(pool->ctx);
    if (rt == NULL) { /* the group could not be made */
        keel_err *err = keel_group_wait(pool->group);
        free_pool(pool);
        return keel_err_is(err, KEEL_ERR_INVAL)
                   ? keel__bad_option_of("pool", opts.name, "stack_bytes", "is out of range")
                   : err;
    }
    keel_err *err =
        keel__pool_set_workers(pool, opts.workers > 0 ? opts.workers : keel_runtime_workers(rt));
    if (err != NULL) {
        if (err == KEEL_ERR_CLOSED) { /* the first have failed already, or the context has ended */
            err = keel_pool_close(NULL, pool);
            if (err == NULL)
                err = keel_ctx_err(pool->ctx);
        }
        keel_pool_free(pool);
        return err != NULL ? err : KEEL_ERR_CANCELLED;
    }
    *out = pool;
    return NULL;
}

void keel_pool_free(keel_pool *pool)
{
    if (pool == NULL)
        return;
    keel_pool_cancel(pool);
    keel_err_free(keel_group_wait(pool->group)); /* its tasks return none */
    free_pool(pool);
}

/* ---- Submitting ---- */

keel__job *keel__pool_slot(const keel_pool *pool, void *small, const void *job)
{
    keel__job *slot =
        pool->slot_bytes <= KEEL__POOL_SMALL_BYTES ? small : keel_mem_alloc(pool->slot_bytes);

    if (slot == NULL)
        return NULL;
    *slot = (keel__job){ 0 };
    memcpy(keel__job_in(slot), job, pool->fn.in_bytes);
    return slot;
}

/* Whether this job is one of those that are measured; if so it notes the time. */
static void stamp(keel_pool *pool, keel__job *job)
{
    const uint64_t number = keel__load_relaxed(&pool->submitted);

    keel__store_relaxed(&pool->submitted, number + 1); /* one that is lost does no harm */
    if (number < MEASURED_AT_FIRST || number % MEASURED_THEN == 0) {
        job->queued_ns = keel_ctx_now(pool->ctx);
        job->measured = true;
    }
}

static keel_err *queue_or_run(keel_pool *pool, keel__job *job)
{
    unsigned char *out = NULL;

    switch (keel_chan_try_send(pool->queue, job)) {
    case KEEL_CHAN_DONE:
        return NULL;
    case KEEL_CHAN_CLOSED:
        return KEEL_ERR_CLOSED;
    case KEEL_CHAN_WOULD_BLOCK:
        break;
    }
    if (pool->fn.out_bytes > 0) {
        out = keel_mem_calloc(1, pool->fn.out_bytes);
        if (out == NULL)
            return KEEL_ERR_NOMEM;
    }
    keel_err *err = keel__pool_enter(pool);
    if (err == NULL) {
        if (keel__pool_run(pool, NULL, pool->ctx, job, out)) {
            keel_err *unsent = keel_chan_send(pool->ctx, pool->results, out);
            if (unsent != NULL && pool->opts.result_free != NULL)
                pool->opts.result_free(out);
            keel_err_free(unsent); /* the pool was cancelled */
        }
        keel__pool_depart(pool);
    }
    keel_mem_free(out);
    return err;
}

/* Makes room by dropping the oldest, until there is some. */
static keel_err *queue_dropping(keel_pool *pool, keel__job *job)
{
    _Alignas(16) char small[KEEL__POOL_SMALL_BYTES];
    keel__job *oldest =
        pool->slot_bytes <= sizeof small ? (void *)small : keel_mem_alloc(pool->slot_bytes);
    keel_chan_status status;

    if (oldest == NULL)
        return KEEL_ERR_NOMEM;
    while ((status = keel_chan_try_send(pool->queue, job)) == KEEL_CHAN_WOULD_BLOCK) {
        if (keel_chan_try_recv(pool->queue, oldest) == KEEL_CHAN_DONE)
            keel__pool_drop(pool, oldest, KEEL_ERR_POOL_DROPPED);
    }
    if ((void *)oldest != (void *)small)
        keel_mem_free(oldest);
    return status == KEEL_CHAN_DONE ? NULL : KEEL_ERR_CLOSED;
}

keel_err *keel__pool_queue(keel_ctx *ctx, keel_pool *pool, keel__job *job)
{
    KEEL_TRY(keel_ctx_err(ctx));
    stamp(pool, job);
    switch (pool->opts.full) {
    case KEEL_POOL_REFUSE:
        switch (keel_chan_try_send(pool->queue, job)) {
        case KEEL_CHAN_DONE:
            return NULL;
        case KEEL_CHAN_CLOSED:
            return KEEL_ERR_CLOSED;
        case KEEL_CHAN_WOULD_BLOCK:
            keel__add(&pool->refused, 1);
            return KEEL_ERR_POOL_FULL;
        }
        break;
    case KEEL_POOL_RUN_HERE:
        return queue_or_run(pool, job);
    case KEEL_POOL_DROP_OLDEST:
        return queue_dropping(pool, job);
    case KEEL_POOL_WAIT:
        break;
    }
    return keel_chan_send(ctx, pool->queue, job);
}

keel_err *keel_pool_submit(keel_ctx *ctx, keel_pool *pool, const void *job)
{
    _Alignas(16) char small[KEEL__POOL_SMALL_BYTES];

    keel__need(pool != NULL, "keel_pool_submit", "pool");
    keel__need(job != NULL, "keel_pool_submit", "job");
    keel__job *slot = keel__pool_slot(pool, small, job);
    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    keel_err *err = keel__pool_queue(ctx, pool, slot);
    if ((void *)slot != (void *)small)
        keel_mem_free(slot);
    return err;
}

/* Waits for room in any case. */
static keel_err *submit_large(keel_ctx *ctx, keel_pool *pool, const void *job)
{
    _Alignas(16) char small[KEEL__POOL_SMALL_BYTES];
    keel__job *slot = keel__pool_slot(pool, small, job);

    if (slot == NULL)
        return KEEL_ERR_NOMEM;
    stamp(pool, slot);
    keel_err *err = keel_chan_send(ctx, pool->queue, slot);
    if ((void *)slot != (void *)small)
        keel_mem_free(slot);
    return err;
}

keel_err *keel_pool_submit_many(keel_ctx *ctx, keel_pool *pool, const void *jobs, size_t count,
                                size_t *submitted)
{
    _Alignas(16) char many[4096];
    size_t done = 0, sent = 0;
    keel_err *err = keel_ctx_err(ctx);

    keel__need(pool != NULL, "keel_pool_submit_many", "pool");
    const size_t slot_bytes = pool->slot_bytes, in_bytes = pool->fn.in_bytes;
    const size_t most = sizeof many / slot_bytes;
    while (err == NULL && done < count) {
        const char *first = (const char *)jobs + done * in_bytes;
        const size_t now = count - done < most ? count - done : most;

        if (most == 0) { /* too large for this */
            err = submit_large(ctx, pool, first);
            done += err == NULL;
            continue;
        }
        for (size_t i = 0; i < now; i++) {
            keel__job *slot = (keel__job *)(void *)(many + i * slot_bytes);
            *slot = (keel__job){ 0 };
            if (in_bytes == sizeof(void *)) /* one word, as it is most often */
                memcpy(keel__job_in(slot), first + i * sizeof(void *), sizeof(void *));
            else
                memcpy(keel__job_in(slot), first + i * in_bytes, in_bytes);
        }
        stamp(pool, (keel__job *)(void *)many); /* one of them tells for all */
        err = keel_chan_send_many(ctx, pool->queue, many, now, &sent);
        done += sent;
    }
    if (submitted != NULL)
        *submitted = done;
    return err;
}

keel_chan *keel_pool_results(keel_pool *pool)
{
    keel__need(pool != NULL, "keel_pool_results", "pool");
    return pool->results;
}

/* ---- Closing ---- */

keel_err *keel__pool_enter(keel_pool *pool)
{
    keel_waitgroup_add(&pool->working, 1);
    keel__spin_lock(&pool->lock);
    const bool closed = pool->closed;
    pool->live += !closed;
    keel__spin_unlock(&pool->lock);
    if (closed)
        keel_waitgroup_done(&pool->working);
    return closed ? KEEL_ERR_CLOSED : NULL;
}

void keel__pool_depart(keel_pool *pool)
{
    keel__spin_lock(&pool->lock);
    const bool last = --pool->live == 0, closed = pool->closed;
    keel__spin_unlock(&pool->lock);
    if (last && closed && pool->results != NULL)
        keel_chan_close(pool->results);
    if (last) /* nobody is left to work */
        keel__pool_empty(pool, KEEL_ERR_NOMEM);
    keel_waitgroup_done(&pool->working);
}

/* Drops what is queued, by one at a time, because there is one spare slot. Who asks while another is at it
 * has that one look once more. */
static void drain(keel_pool *pool, keel_err *why)
{
    keel__spin_lock(&pool->lock);
    unsigned seen = ++pool->empties;
    const bool mine = !pool->emptying;
    pool->emptying = true;
    while (mine) {
        keel__spin_unlock(&pool->lock);
        while (keel_chan_try_recv(pool->queue, pool->spare) == KEEL_CHAN_DONE)
            keel__pool_drop(pool, (keel__job *)(void *)pool->spare, why);
        keel__spin_lock(&pool->lock);
        if (pool->empties == seen) {
            pool->emptying = false;
            break;
        }
        seen = pool->empties;
    }
    keel__spin_unlock(&pool->lock);
}

/* Why jobs that are queued will not be run: the end of the pool's context, or else `otherwise`. */
static keel_err *reason(const keel_pool *pool, keel_err *otherwise)
{
    keel_err *ended = keel_ctx_err(pool->ctx);

    return ended != NULL ? ended : otherwise;
}

void keel__pool_shut(keel_pool *pool)
{
    keel__spin_lock(&pool->lock);
    const bool first = !pool->closed;
    const bool deserted = first && pool->live == 0;
    pool->closed = true;
    keel__spin_unlock(&pool->lock);
    if (!first)
        return;
    keel_chan_close(pool->queue);
    if (deserted && pool->results != NULL) /* no worker is left to do it */
        keel_chan_close(pool->results);
    /* until the queue was closed somebody may have put a job into it that no worker will see */
    keel__spin_lock(&pool->lock);
    const bool none = pool->live == 0;
    keel__spin_unlock(&pool->lock);
    if (none || keel_ctx_err(pool->ctx) != NULL)
        drain(pool, reason(pool, KEEL_ERR_NOMEM));
}

void keel__pool_empty(keel_pool *pool, keel_err *why)
{
    keel__pool_shut(pool);
    drain(pool, reason(pool, why));
}

void keel_pool_finish(keel_pool *pool)
{
    keel__need(pool != NULL, "keel_pool_finish", "pool");
    keel__point(KEEL__OP_POOL_CLOSE, pool);
    keel__pool_shut(pool);
}

void keel_pool_cancel(keel_pool *pool)
{
    keel__need(pool != NULL, "keel_pool_cancel", "pool");
    keel__point(KEEL__OP_POOL_CLOSE, pool);
    keel_group_cancel(pool->group);
    keel__pool_empty(pool, KEEL_ERR_CANCELLED);
}

keel_err *keel_pool_close(keel_ctx *ctx, keel_pool *pool)
{
    keel__need(pool != NULL, "keel_pool_close", "pool");
    keel__point(KEEL__OP_POOL_CLOSE, pool);
    keel__pool_shut(pool);
    KEEL_TRY(keel_waitgroup_wait(ctx, &pool->working));
    keel__spin_lock(&pool->lock);
    keel_err *err = pool->err;
    pool->err = NULL;
    keel__spin_unlock(&pool->lock);
    return err;
}

keel_err *keel_pool_resize(keel_pool *pool, unsigned workers)
{
    keel__need(pool != NULL, "keel_pool_resize", "pool");
    if (workers == 0 || workers > MAX_WORKERS)
        return keel__bad_option_of("pool", pool->opts.name, "workers", "is not in 1 ... 10,000");
    return keel__pool_set_workers(pool, workers);
}
