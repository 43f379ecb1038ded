/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_POOL_H
#define KEEL_SRC_FLOW_POOL_H

/* A pool inside. Its queue is a channel of slots: a keel__job, and behind it the user's job. Each worker is a
 * task of the pool's group that receives slots, until the channel is closed and empty, or the context of
 * its own, `stop`, ends: by a smaller number of workers, or with the group's.
 *
 * The last worker closes the channel of results. Where the group's context has ended, the workers close and
 * empty the queue before they leave, so that nobody waits for room in it. */

#include <stddef.h>

#include <keel/group.h>
#include <keel/pool.h>
#include <keel/sync.h>

#include "base/atomic.h"
#include "base/spin.h"
#include "flow/times.h"

typedef struct keel__job keel__job;

/* Who wants to know what came of a job. `ended` takes `err`; it runs on the worker. */
typedef struct keel__job_done {
    void (*ended)(struct keel__job_done *done, const keel__job *job, keel_err *err);
    unsigned char *outs; /* where the results go, by the jobs' index; NULL: nowhere */
    size_t out_bytes;
} keel__job_done;

/* In front of each job in the queue. */
struct keel__job {
    keel__job_done *done; /* NULL: on_done, or the channels */
    keel_ctx *ctx; /* the job's own, which is freed with it if `owns_ctx`. NULL: the pool's */
    int64_t queued_ns;
    uint32_t index; /* in the arrays of keel_pool_map */
    bool owns_ctx, measured;
    bool of_map; /* its context ends with the pool's, and what it owns stays the submitter's */
};

/* Where the user's job begins in a slot: aligned for any type. */
enum { KEEL__POOL_SMALL_BYTES = 512 };
enum { KEEL__JOB_BYTES = (sizeof(keel__job) + 15) / 16 * 16 };

static inline void *keel__job_in(const keel__job *job)
{
    return (char *)(uintptr_t)job + KEEL__JOB_BYTES;
}

/* Where the result of a job with `done` goes. */
static inline void *keel__job_out(const keel__job *job)
{
    unsigned char *outs = job->done->outs;

    return outs != NULL ? outs + job->index * job->done->out_bytes : NULL;
}

typedef struct keel__pool_worker {
    keel_pool *pool;
    struct keel__pool_worker *next; /* in the pool's list */
    keel_ctx *stop;                 /* ends its waiting, not its jobs */
    bool leaving, left; /* told to, and done; guarded by the pool's lock, like the next */
    bool held;          /* by who tells it: that one frees it */
    keel__a64 done, failed, running; /* written by itself alone */
    keel__times wait, run;
    unsigned char *outs;                /* results of a batch */
    _Alignas(16) unsigned char slots[]; /* a batch */
} keel__pool_worker;

struct keel_pool {
    keel_pool_opts opts; /* complete */
    keel_fn fn;
    const char *where; /* it was made */
    keel_group *group;
    keel_ctx *ctx; /* the group's */
    keel_chan *queue, *results;
    size_t slot_bytes, worker_slots_bytes;
    keel_waitgroup working; /* a worker each */
    keel__a64 submitted, refused, dropped, here_done, here_failed;
    unsigned char *spare; /* a slot for who empties the queue */
    keel__spin lock;      /* guards what follows */
    bool closed;
    bool emptying;    /* somebody is at it, */
    unsigned empties; /* and has been asked so often */
    unsigned count;   /* workers that are not leaving */
    unsigned live;    /* all that have not left, and who runs a job where it was submitted */
    unsigned next_place;
    keel__pool_worker *workers;
    keel_err *err;          /* of jobs whose errors go nowhere else */
    keel_pool_stats former; /* of workers that have left */
};

/* Starts workers, or tells some to leave, until there are `count`. */
keel_err *keel__pool_set_workers(keel_pool *pool, unsigned count);

/* Closes the queue, if nobody has. */
void keel__pool_shut(keel_pool *pool);

/* One more that works, unless the pool is closed; and one less: the last closes the results. */
KEEL_NODISCARD keel_err *keel__pool_enter(keel_pool *pool);
void keel__pool_depart(keel_pool *pool);

/* Closes the queue and drops what is in it, with a sentinel as the reason; or leaves that to who is at it. */
void keel__pool_empty(keel_pool *pool, keel_err *why);

/* Runs a job, on a worker or, where that is NULL, for whoever submits it. `out` is room for a result, used
 * where the job itself brings none; says whether there is one now for the channel of results. */
bool keel__pool_run(keel_pool *pool, keel__pool_worker *worker, keel_ctx *ctx, const keel__job *job,
                    void *out);

/* Has `ctx` end when the pool's does, until *out is freed. */
KEEL_NODISCARD keel_err *keel__pool_end_with(keel_ctx *pool_ctx, keel_ctx *ctx, keel_after **out);

/* A job will not be run, because of `err`, which it takes. The user's part is freed. */
void keel__pool_drop(keel_pool *pool, const keel__job *job, keel_err *err);

/* Queues a job whose head is at `job`, and waits for room, or not, as the pool's options say. */
keel_err *keel__pool_queue(keel_ctx *ctx, keel_pool *pool, keel__job *job);

/* A slot for one job, in `small`, of KEEL__POOL_SMALL_BYTES, if it fits there. NULL: out of memory. */
keel__job *keel__pool_slot(const keel_pool *pool, void *small, const void *job);

#endif /* KEEL_SRC_FLOW_POOL_H */
