/* SPDX-License-Identifier: MIT */
#include "flow/pool.h"

#include <string.h>

#include <keel/group.h>
#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "flow/parts.h"
#include "task/ctx.h"
#include "task/group.h"

/* ---- One job ---- */

/* Keeps the error of a job that nobody else is told of. Takes it. */
static void keep_error(keel_pool *pool, keel_err *err)
{
    keel__spin_lock(&pool->lock);
    keel_err *before = pool->err;
    pool->err = NULL;
    keel__spin_unlock(&pool->lock);
    err = keel_err_join(before, err);
    keel__spin_lock(&pool->lock);
    keel_err *meanwhile = pool->err;
    pool->err = meanwhile == NULL ? err : NULL;
    keel__spin_unlock(&pool->lock);
    if (meanwhile != NULL) /* another was as quick: both again */
        keep_error(pool, keel_err_join(err, meanwhile));
}

/* Tells who wants to know what came of a job. Takes `err`. Says whether a result is for the channel. */
static bool tell(keel_pool *pool, const keel__job *job, void *out, keel_err *err)
{
    const keel_pool_opts *opts = &pool->opts;

    if (job->done != NULL) {
        job->done->ended(job->done, job, err);
        return false;
    }
    if (opts->on_done != NULL) {
        opts->on_done(keel__job_in(job), err == NULL ? out : NULL, err, opts->arg);
    } else if (err != NULL) {
        keep_error(pool, keel_err_wrap(err, "job of pool %s", opts->name));
        return false;
    } else if (pool->results != NULL) {
        return true;
    }
    if (err == NULL && out != NULL && opts->result_free != NULL)
        opts->result_free(out); /* nobody takes it */
    keel_err_free(err);
    return false;
}

void keel__pool_drop(keel_pool *pool, const keel__job *job, keel_err *err)
{
    keel__add(&pool->dropped, 1);
    if (job->done != NULL || pool->opts.on_done != NULL)
        tell(pool, job, NULL, err);
    else
        keel_err_free(err); /* that it was dropped is counted, and no failure of its own */
    if (pool->opts.job_free != NULL && !job->of_map)
        pool->opts.job_free(keel__job_in(job));
    if (job->owns_ctx)
        keel_ctx_free(job->ctx);
}

static void end_job(void *ctx)
{
    keel_ctx_cancel(ctx);
}

keel_err *keel__pool_end_with(keel_ctx *pool_ctx, keel_ctx *ctx, keel_after **out)
{
    keel_err *err = keel_ctx_after(out, pool_ctx, end_job, ctx);

    if (!keel_err_is(err, KEEL_ERR_INVAL)) /* INVAL: pool_ctx never ends */
        return err;
    keel_err_free(err);
    return NULL;
}

/* Calls the user's function, under a context that ends with the pool's, the job's own and the time. */
static keel_err *call(keel_pool *pool, keel_ctx *ctx, const keel__job *job, void *out)
{
    const int64_t timeout_ns = pool->opts.job_timeout_ns;
    keel_ctx *own = NULL, *limited = NULL;
    keel_after *after = NULL;

    if (job->of_map) {
        ctx = job->ctx;
    } else if (job->ctx != NULL) { /* of another family: the pool's end is handed on */
        own = keel_ctx_with_cancel(job->ctx);
        keel_err *err = keel__pool_end_with(ctx, own, &after);
        if (err != NULL) {
            keel_ctx_free(own);
            return err;
        }
        ctx = own;
    }
    if (timeout_ns > 0)
        limited = keel_ctx_with_timeout(ctx, timeout_ns);
    keel_err *err =
        pool->fn.fn(limited != NULL ? limited : ctx, keel__job_in(job), out, pool->opts.arg);
    if (limited != NULL)
        err = keel__timed_out(ctx, limited, timeout_ns, err);
    keel_ctx_free(limited);
    keel_after_free(after);
    keel_ctx_free(own);
    return err;
}

static inline void count_end(keel__pool_worker *worker, const keel_err *err)
{
    keel__a64 *number = err == NULL ? &worker->done : &worker->failed;

    keel__store_relaxed(number, keel__load_relaxed(number) + 1);
}

bool keel__pool_run(keel_pool *pool, keel__pool_worker *worker, keel_ctx *ctx, const keel__job *job,
                    void *out)
{
    const bool measured = worker != NULL && job->measured;
    keel_err *ended = keel_ctx_err(ctx);
    int64_t start_ns = 0;

    if (ended == NULL && job->ctx != NULL)
        ended = keel_ctx_err(job->ctx);

    if (ended != NULL) {
        keel__pool_drop(pool, job, ended);
        return false;
    }
    if (measured) {
        start_ns = keel_ctx_now(ctx);
        keel__times_add(&worker->wait, start_ns - job->queued_ns);
    }
    keel_err *err = call(pool, ctx, job, job->done != NULL ? keel__job_out(job) : out);
    if (measured)
        keel__times_add(&worker->run, keel_ctx_now(ctx) - start_ns);
    if (worker != NULL)
        count_end(worker, err);
    else
        keel__add(err == NULL ? &pool->here_done : &pool->here_failed, 1);
    const bool has_result = tell(pool, job, out, err);
    if (job->owns_ctx)
        keel_ctx_free(job->ctx);
    return has_result;
}

/* ---- Workers ---- */

/* Whether a job asks for no more than a call of the function, and its context has not ended. */
static inline bool is_plain(const keel_pool *pool, const keel__job *job)
{
    keel__point(KEEL__OP_CTX_ERR, pool->ctx);
    return job->ctx == NULL && job->done == NULL && !job->measured && keel__ctx_runs(pool->ctx);
}

/* Runs the jobs of a batch, and sends their results. */
static void work_off(keel__pool_worker *worker, size_t count)
{
    keel_pool *pool = worker->pool;
    const size_t out_bytes = pool->fn.out_bytes;
    const bool quick = pool->opts.job_timeout_ns == 0 && pool->opts.on_done == NULL;
    unsigned char *slot = worker->slots, *out = worker->outs;
    size_t sent = 0;

    keel__store_relaxed(&worker->running, count);
    for (size_t left = count; left > 0; left--, slot += pool->slot_bytes) {
        keel__job *job = (keel__job *)(void *)slot;
        bool has_result;

        if (quick && is_plain(pool, job)) {
            keel_err *err = pool->fn.fn(pool->ctx, keel__job_in(job), out, pool->opts.arg);
            count_end(worker, err);
            has_result = err == NULL && pool->results != NULL;
            if (err != NULL || (!has_result && pool->opts.result_free != NULL))
                tell(pool, job, err == NULL ? out : NULL, err);
        } else {
            has_result = keel__pool_run(pool, worker, pool->ctx, job, out);
        }
        out += has_result ? out_bytes : 0;
        keel__store_relaxed(&worker->running, left - 1);
    }
    const size_t results = out_bytes > 0 ? (size_t)(out - worker->outs) / out_bytes : 0;
    if (results == 0)
        return;
    /* the pool's context is the only thing that can keep it from being sent */
    keel_err_free(keel_chan_send_many(pool->ctx, pool->results, worker->outs, results, &sent));
    for (; sent < results && pool->opts.result_free != NULL; sent++)
        pool->opts.result_free(worker->outs + sent * pool->fn.out_bytes);
}

/* Waits for jobs. Nothing of the user's is on the stack here: a safe point, where the task could go on on any
 * worker of the runtime. */
static size_t wait_for_jobs(keel__pool_worker *worker)
{
    keel_pool *pool = worker->pool;
    size_t count = 0;
    keel_err *err;

    if (pool->opts.batch == 1) {
        err = keel_chan_recv(worker->stop, pool->queue, worker->slots);
        count = err == NULL;
    } else {
        err =
            keel_chan_recv_many(worker->stop, pool->queue, worker->slots, pool->opts.batch, &count);
    }
    keel_err_free(err);
    return count;
}

static void add_stats(const keel__pool_worker *worker, keel_pool_stats *out)
{
    out->running += (size_t)keel__load_relaxed(&worker->running);
    out->done += keel__load_relaxed(&worker->done);
    out->failed += keel__load_relaxed(&worker->failed);
    keel__times_read(&worker->wait, &out->wait);
    keel__times_read(&worker->run, &out->run);
}

static void free_worker(keel__pool_worker *worker)
{
    keel_ctx_free(worker->stop);
    keel_mem_free(worker->outs);
    keel_mem_free(worker);
}

/* The last thing a worker does, or what is done for one that never ran. */
static void leave(keel__pool_worker *worker)
{
    keel_pool *pool = worker->pool;

    keel__spin_lock(&pool->lock);
    add_stats(worker, &pool->former);
    keel__pool_worker **at = &pool->workers;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    pool->count -= !worker->leaving;
    const bool held = worker->held;
    worker->left = true;
    keel__spin_unlock(&pool->lock);
    if (!held)
        free_worker(worker);
    keel__pool_depart(pool);
}

static keel_err *work(keel_ctx *ctx, void *arg)
{
    keel__pool_worker *worker = arg;
    size_t count;

    (void)ctx;
    while ((count = wait_for_jobs(worker)) > 0)
        work_off(worker, count);
    if (keel_ctx_err(worker->pool->ctx) != NULL)
        keel__pool_empty(worker->pool, KEEL_ERR_CANCELLED);
    leave(worker);
    return NULL;
}

/* There is no stack for it. What it was to do others do; if there are none, it is dropped. */
static void fail_to_work(void *arg, keel_err *err)
{
    keel__pool_worker *worker = arg;
    keel_pool *pool = worker->pool;

    keep_error(pool, keel_err_wrap(err, "worker of pool %s", pool->opts.name));
    leave(worker);
}

/* ---- Their number ---- */

static keel_err *make_worker(keel_pool *pool, keel__pool_worker **out)
{
    keel__pool_worker *worker = keel_mem_calloc(1, sizeof *worker + pool->worker_slots_bytes);

    *out = worker;
    if (worker == NULL)
        return KEEL_ERR_NOMEM;
    worker->pool = pool;
    worker->stop = keel_ctx_with_cancel(pool->ctx);
    if (pool->fn.out_bytes > 0)
        worker->outs = keel_mem_calloc(pool->opts.batch, pool->fn.out_bytes);
    keel_err *err = keel_ctx_err(worker->stop);
    if (err == NULL && pool->fn.out_bytes > 0 && worker->outs == NULL)
        err = KEEL_ERR_NOMEM;
    if (err != NULL)
        free_worker(worker);
    return err;
}

static keel_err *add_worker(keel_pool *pool)
{
    keel__pool_worker *worker;

    KEEL_TRY(make_worker(pool, &worker));
    keel_err *err = keel__pool_enter(pool);
    if (err != NULL) {
        free_worker(worker);
        return err;
    }
    keel__spin_lock(&pool->lock);
    const unsigned place = pool->next_place++;
    worker->next = pool->workers;
    pool->workers = worker;
    pool->count++;
    keel__spin_unlock(&pool->lock);
    const keel__placed what = { work, fail_to_work, worker };
    if (keel__group_go_on(pool->group, place, &what, pool->opts.name, pool->where))
        return NULL;
    leave(worker);
    return KEEL_ERR_NOMEM;
}

/* Tells one to leave; false: no more than `count` are left. */
static bool remove_worker(keel_pool *pool, unsigned count)
{
    keel__spin_lock(&pool->lock);
    keel__pool_worker *worker = pool->count > count ? pool->workers : NULL;
    while (worker != NULL && worker->leaving)
        worker = worker->next;
    if (worker != NULL) {
        worker->leaving = worker->held = true;
        pool->count--;
    }
    keel__spin_unlock(&pool->lock);
    if (worker == NULL)
        return false;
    keel_ctx_cancel(worker->stop);
    keel__spin_lock(&pool->lock);
    const bool left = worker->left;
    worker->held = false;
    keel__spin_unlock(&pool->lock);
    if (left)
        free_worker(worker);
    return true;
}

keel_err *keel__pool_set_workers(keel_pool *pool, unsigned count)
{
    for (;;) {
        keel__spin_lock(&pool->lock);
        const unsigned now = pool->count;
        const bool closed = pool->closed;
        keel__spin_unlock(&pool->lock);
        if (closed)
            return KEEL_ERR_CLOSED;
        if (now < count)
            KEEL_TRY(add_worker(pool));
        else if (now == count || !remove_worker(pool, count))
            return NULL;
    }
}

void keel_pool_get_stats(keel_pool *pool, keel_pool_stats *out)
{
    keel__need(pool != NULL, "keel_pool_get_stats", "pool");
    keel__spin_lock(&pool->lock);
    *out = pool->former;
    out->workers = pool->count;
    for (const keel__pool_worker *worker = pool->workers; worker != NULL; worker = worker->next)
        add_stats(worker, out);
    keel__spin_unlock(&pool->lock);
    out->queued = keel_chan_len(pool->queue);
    out->done += keel__load_relaxed(&pool->here_done);
    out->failed += keel__load_relaxed(&pool->here_failed);
    out->refused = keel__load_relaxed(&pool->refused);
    out->dropped = keel__load_relaxed(&pool->dropped);
}
