/* SPDX-License-Identifier: MIT */
#ifndef KEEL_POOL_H
#define KEEL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/chan.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/fn.h>
#include <keel/runtime.h>

KEEL_BEGIN_DECLS

/**
 * A worker pool: a number of tasks that work off a bounded queue of jobs.
 *
 *     keel_pool *pool;
 *     KEEL_TRY(keel_pool_new(ctx, &pool, KEEL_FN(work, job, result),
 *                            &(keel_pool_opts){ .workers = 5, .results = 100 }));
 *     ... in a task of its own: keel_pool_submit(ctx, pool, &(job){ 1, 2 }), and then
 *         keel_pool_finish(pool); // there are no more: the results end behind the last
 *     while (keel_chan_next(ctx, keel_pool_results(pool), &result))
 *         ...
 *     keel_pool_free(pool);
 *
 * What a job came to goes, by how it was submitted: to its future (keel_pool_start, keel_pool_call), into
 * an array (keel_pool_map), else to the callback on_done, if there is one; else to the channel of
 * results if it succeeded and there is such a channel, and to the error of keel_pool_close if it failed.
 *
 * The pool's context is a child of that of keel_pool_new: when it ends, the jobs that run are told by theirs,
 * and the first worker that has time drops what is queued and closes the pool. A job gets that context, or a
 * child of it: it must not cancel it.
 *
 * Jobs and results are copied as bytes, to where they are aligned for any type, to 16 bytes; KEEL_FN refuses a
 * type that is declared with more.
 *
 * A pool lives from keel_pool_new to keel_pool_free. After keel_pool_finish or keel_pool_close nobody can
 * submit, and what is queued is worked off; after keel_pool_cancel it is dropped.
 *
 * Threads: any, all functions, at once; only keel_pool_free needs the others finished. A job must not
 *          close or free its own pool; one that waits for another job of it (keel_pool_call, _map), or for room
 *          in its queue, holds a worker meanwhile: with all of them doing that, nobody is left to work.
 */
typedef struct keel_pool keel_pool;

/** What to do with a job when the queue is full. */
typedef enum keel_pool_full {
    KEEL_POOL_WAIT,       /**< Wait for room, until the submitter's context ends. */
    KEEL_POOL_REFUSE,     /**< Fail with KEEL_ERR_POOL_FULL. */
    KEEL_POOL_RUN_HERE,   /**< Do it in the submitting task or thread. */
    KEEL_POOL_DROP_OLDEST /**< Drop the job that has been queued longest. */
} keel_pool_full;

KEEL_ERR_DECLARE(keel_err_pool_full);
#define KEEL_ERR_POOL_FULL keel_err_pool_full /**< The queue is full. */
KEEL_ERR_DECLARE(keel_err_pool_dropped);
#define KEEL_ERR_POOL_DROPPED keel_err_pool_dropped /**< The job made room for a newer one. */

typedef struct keel_pool_opts {
    unsigned workers;    /**< Tasks; at most 10,000. 0: as many as the runtime has workers. */
    size_t queue;        /**< Jobs that wait. 0: 100. */
    keel_pool_full full; /**< What happens to one more. */
    /** Results held for keel_pool_results before workers wait. 0: there is no such channel. */
    size_t results;
    /** Jobs that a worker takes from the queue at once, and whose results it sends at once; at most 1024.
     * Pays for tiny jobs; but those taken wait for each other. 0: 1. */
    unsigned batch;
    /** How long each may run; then its context ends, with KEEL_ERR_DEADLINE, and it should return: if with that
     * error, the job has failed with KEEL_ERR_TIMEOUT, as under keel_timeout_run. 0: as long as it likes. */
    int64_t job_timeout_ns;
    /** Told what came of a job; `out` and `err` are borrowed for the call, one of them is NULL. For a job that is
     * never run it is called by whoever drops it, and must not wait; `out` is freed by result_free after it. */
    void (*on_done)(const void *in, const void *out, const keel_err *err, void *arg);
    void *arg;                   /**< For the function and on_done. */
    void (*job_free)(void *job); /**< For jobs that are never run; must not wait. NULL: nothing. */
    /** Frees what a result owns that nobody takes: taken is what is received from the channel, copied by
     * keel_future_wait for the first time, or put into the array of keel_pool_map. NULL: nothing. */
    void (*result_free)(void *out);
    const char *name;   /**< For messages; a literal. NULL: that of the function. */
    size_t stack_bytes; /**< Of each worker. 0: 256 KiB. */
} keel_pool_opts;

/**
 * Makes a pool on the context's runtime, or that of the calling task, and starts its workers, spread over
 * the runtime's. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_INVAL, naming the pool and the field; KEEL_ERR_NO_RUNTIME; the context's, if it has
 *         ended; KEEL_ERR_NOMEM; KEEL_ERR_LIMIT.
 * Owns:   *out is yours, to be freed with keel_pool_free.
 */
#define keel_pool_new(ctx, out, fn, ...)                                                           \
    keel_pool_new_at(KEEL_HERE, (ctx), (out), (fn), __VA_ARGS__)
KEEL_NODISCARD keel_err *keel_pool_new_at(const char *where, keel_ctx *ctx, keel_pool **out,
                                          keel_fn fn, const keel_pool_opts *opts);

/** Cancels the pool, waits until every job that runs has returned, and frees it. Accepts NULL. */
void keel_pool_free(keel_pool *pool);

/* ---- Jobs ---- */

/**
 * Queues a copy of a job. `ctx` is for the wait for room, not for the job, which runs under the pool's
 * context.
 *
 * Errors: KEEL_ERR_CLOSED; the context's; KEEL_ERR_POOL_FULL. The job is then still the caller's.
 * Cost:   no allocation for jobs of up to 400 bytes.
 */
KEEL_NODISCARD keel_err *keel_pool_submit(keel_ctx *ctx, keel_pool *pool, const void *job);

/**
 * Queues the jobs of an array in order, waiting for room as often as needed, whatever `full` says: one
 * crossing to another worker for many.
 *
 * Errors: KEEL_ERR_CLOSED, or the context's. *submitted (may be NULL) is how many were queued; the
 *         others are still the caller's.
 */
KEEL_NODISCARD keel_err *keel_pool_submit_many(keel_ctx *ctx, keel_pool *pool, const void *jobs,
                                               size_t count, size_t *submitted);

/** What a job can have of its own. */
typedef struct keel_job_opts {
    /** Whose end tells the job to stop, beside the pool's; its values and deadline are the job's. NULL:
     * the pool's context alone. */
    keel_ctx *ctx;
    int64_t
        timeout_ns; /**< For waiting in the queue and running together: a deadline, and so fails with
                             KEEL_ERR_DEADLINE. 0: none. */
} keel_job_opts;

/** What a job will have come to. */
typedef struct keel_future keel_future;

/**
 * Queues a job with a context of its own, and, unless `out` is NULL, gives it a future. A job whose context
 * ends before it starts is not run: what came of it is the context's error, which its future tells when a
 * worker gets to it. `opts` may be NULL.
 *
 * Errors: as keel_pool_submit; KEEL_ERR_INVAL; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_future_free.
 */
KEEL_NODISCARD keel_err *keel_pool_start(keel_ctx *ctx, keel_pool *pool, const void *job,
                                         const keel_job_opts *opts, keel_future **out);

/**
 * Waits until the job has ended, and copies what it came to. Any number may wait, and again. `out` may be
 * NULL.
 *
 * Errors: the job's (a reference of the caller's own); the context's, if it ends first.
 */
KEEL_NODISCARD keel_err *keel_future_wait(keel_ctx *ctx, keel_future *future, void *out);

/** Tells the job to stop: ends its context. */
void keel_future_cancel(keel_future *future);

/** Gives the future up; the job goes on. Accepts NULL. */
void keel_future_free(keel_future *future);

/**
 * Does one job in the pool and waits for it. When the context ends, so does the job's, and the call returns
 * without it.
 *
 * Errors: the job's; as keel_pool_start.
 */
KEEL_NODISCARD keel_err *keel_pool_call(keel_ctx *ctx, keel_pool *pool, const void *job, void *out);

/**
 * Does the jobs of an array, and puts what they come to into the array `out` (NULL if the function has no
 * output), in the same order. Where one failure is not to end the others: keel_pool_start for each. The first that fails tells the others to stop; it returns when all have,
 * because the arrays are in use.
 *
 * Errors: the first job's that failed, with its index: "job 3: ..."; the context's; KEEL_ERR_CLOSED;
 *         KEEL_ERR_NOMEM. `out` is then filled in part, and zero elsewhere.
 * Owns:   what the jobs of the array own stays the caller's: job_free is not called for them.
 */
KEEL_NODISCARD keel_err *keel_pool_map(keel_ctx *ctx, keel_pool *pool, const void *jobs,
                                       size_t count, void *out);

/**
 * The channel of results, which is closed after the last one. NULL without the option `results`. Borrowed.
 */
keel_chan *keel_pool_results(keel_pool *pool);

/* ---- Closing ---- */

/** Lets nobody submit any more, and does not wait: the results end behind the last. May be called again. */
void keel_pool_finish(keel_pool *pool);

/**
 * Lets nobody submit any more, and waits until all jobs are done and the workers have ended. Where there is a
 * channel of results somebody has to read it meanwhile. May be called again.
 *
 * Errors: the context's, if it ends first: the pool goes on closing. Those of jobs that ran and whose errors
 *         went nowhere else, joined; the next call does not return them again.
 */
KEEL_NODISCARD keel_err *keel_pool_close(keel_ctx *ctx, keel_pool *pool);

/** Drops what is queued, and tells the jobs that run to stop. Does not wait for them. */
void keel_pool_cancel(keel_pool *pool);

/* ---- Steering and looking ---- */

/**
 * Changes the number of workers. Those that are too many leave when they have done the job at hand.
 *
 * Errors: KEEL_ERR_INVAL if it is 0 or more than 10,000; KEEL_ERR_CLOSED; KEEL_ERR_NOMEM.
 */
KEEL_NODISCARD keel_err *keel_pool_resize(keel_pool *pool, unsigned workers);

/** How long something took: `count` measured times, of which buckets[i] lie from 2^(i-1) to 2^i - 1 ns. */
typedef struct keel_pool_times {
    uint64_t count;
    int64_t sum_ns, max_ns;
    uint64_t buckets[64];
} keel_pool_times;

/** A time that so many of a hundred were not above, to a factor of two; 0 if none was measured. */
int64_t keel_pool_percentile(const keel_pool_times *times, double percent);

typedef struct keel_pool_stats {
    unsigned workers;
    size_t queued, running; /**< Now. */
    uint64_t done, failed;  /**< Jobs that have ended: with success, or with an error. */
    uint64_t refused;       /**< KEEL_ERR_POOL_FULL. */
    uint64_t dropped;       /**< Queued, and never run. */
    /** Waiting in the queue, and running: of the first 256 jobs, then of every 16th (of keel_pool_submit_many, the first of some). */
    keel_pool_times wait, run;
} keel_pool_stats;

/** A view of a moment; the numbers may be of slightly different ones. Cost: O(workers). */
void keel_pool_get_stats(keel_pool *pool, keel_pool_stats *out);

KEEL_END_DECLS

#endif /* KEEL_POOL_H */
