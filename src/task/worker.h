/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_WORKER_H
#define KEEL_SRC_TASK_WORKER_H

/* Workers, and the runtime they belong to.
 *
 * A worker has three queues of tasks. `ready` is its own: started tasks, which stay where they
 * are. `inbox` takes what others made ready for it. `fresh` holds tasks that have not started: any idle
 * worker may take half of what has waited there for STEAL_AGE_NS. When all are empty the worker
 * spins for a moment, then sleeps in its event loop until its next timer.
 *
 * Nothing is lost between the last look and the sleep: who queues something does so under the
 * sleeper's lock, as the sleeper does when it sets `sleeping`. A spawner wakes a sleeper to
 * look for its fresh task if nobody is searching already; a worker counts itself as sleeping before
 * its last look at the others' fresh queues, the spawner looks at that count after queueing. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <keel/rand.h>
#include <keel/runtime.h>

#include "base/list.h"
#include "base/spin.h"
#include "task/clock.h"
#include "task/ctx_slab.h"
#include "task/fault.h"
#include "task/monitor.h"
#include "task/offload.h"
#include "task/os.h"
#include "task/park.h"
#include "task/stack.h"
#include "task/switch.h"
#include "task/task.h"
#include "task/timer.h"

typedef struct keel__worker {
    keel_runtime *rt;
    unsigned index;
    keel__thread thread;
    keel__loop loop;
    unsigned handles; /* in the loop, besides its own: poll it for their sake */
    keel__clock_sleeper clock_sleeper;
    keel__timers timers;

    /* the worker's own */
    keel__fiber native;
    keel__task *current;
    keel__task *picked; /* to be run next, instead of what the queues have */
    keel__link *ended;  /* tasks to be freed */
    unsigned ended_count;
    unsigned spare_count, spare_max;
    keel__link *spare; /* storage for tasks of groups (group.c) */
    keel__list ready;
    keel__stack_cache stacks;
    keel__ctx_cache contexts;
    keel_rand rand;
    unsigned picks;    /* tasks taken, to give fresh ones their turn */
    unsigned budget;   /* tasks to run until the next look at the clock */
    int64_t looked_ns; /* when that was, by the real clock */
    int64_t polled_ns; /* and when the loop was polled */
    void *fault_stack; /* for signal handlers */
    stack_t fault_previous;
    keel__probe probe;

    keel__spin lock; /* guards what follows */
    keel__list inbox;
    keel__list fresh;
    keel__list live;                      /* tasks spawned here that have not ended; and, without a
                                             runtime, the marks of who goes through it */
    keel__list groups;                    /* made here, and not waited for */
    bool sleeping;                        /* in its loop: must be woken */
    bool counted;                         /* and counted in rt->sleepers */
    bool searching;                       /* woken to search, and counted in rt->searchers */
    keel__asize inbox_count, fresh_count; /* for a look without the lock */
    keel__a64 fresh_taken, fresh_added;   /* ever: how thieves tell the age of what is queued */
} keel__worker;

/* What a higher floor keeps with a runtime: freed with it, when its threads have ended. */
typedef struct keel__extra {
    void (*free)(struct keel__extra *extra);
} keel__extra;

struct keel_runtime {
    unsigned worker_count;
    keel__worker *workers;
    keel_clock *clock;
    keel_ctx *root;
    keel__stack_pool stacks;
    keel__ctx_pool *contexts;
    keel__offload offload;
    keel__monitor monitor;
    bool handles_faults;
    bool simulated;        /* its one worker's tasks are scheduled by a simulation */
    bool alone;            /* a program's: when no task can go on, nothing is left to wait for */
    unsigned own_handles;  /* the program's, then */
    int64_t spin_ns;       /* how long a worker looks for work before it sleeps */
    keel__a32 next_worker; /* for tasks from plain threads */
    keel__a32 sleepers;    /* workers that a spawner may wake */
    keel__a32 searchers;   /* awake, with nothing to do but to look for fresh tasks */
    keel__a32 stopping;    /* no task is left; workers end */
    keel__a32 wakes;       /* ever, of workers that slept */
    keel__a32 joining;     /* somebody waits for `live` to fall */
    keel__a32 visitors;    /* threads of others, in the middle of waking a worker */
    keel__asize live;      /* tasks that have not ended */
    keel__asize offloads;  /* tasks that wait for an offloaded call */
    keel__aptr streams;    /* a keel__extra: what src/net has, once there was a stream */
    keel__spin lock;       /* guards joiners */
    keel__waitq joiners;
};

/* The worker that calls (from a task or its native stack), or NULL. */
keel__worker *keel__worker_self(void);

keel_err *keel__worker_init(keel__worker *worker, keel_runtime *rt, unsigned index, uint64_t seed);
void keel__worker_deinit(keel__worker *worker);

/* Runs tasks on the calling thread until the runtime stops. */
void keel__worker_loop(keel__worker *worker);

/* Runs a task on the calling worker until it parks or ends; true if it has ended, and is gone. */
bool keel__worker_run(keel__worker *worker, keel__task *task);

/* Wakes it if it sleeps. */
void keel__worker_wake(keel__worker *worker);

/* Arms a timer on a worker: the calling one if it is of that runtime, else any. */
void keel__worker_arm(keel_runtime *rt, keel__timer *timer);

/* Disarms it. False: it has fired or is about to; also if it is disarmed elsewhere than on the worker that has
 * armed it, which then fires it as soon as it can. One alone may disarm a timer. */
bool keel__worker_disarm(keel__timer *timer);

/* Fires the calling worker's timers that are due. */
void keel__worker_fire(keel__worker *worker);

/* The worker has ended: disarms all its timers for good. */
void keel__worker_end_timers(keel__worker *worker);

/* Lets an auto-advancing clock move on if nobody has anything to do, and looks for a deadlock. Called when that
 * may be so. Says for how long the worker may sleep. */
int64_t keel__runtime_idle(keel_runtime *rt);

/* Makes a runtime whose workers 1... have their threads, and worker 0 too if `all_threads`. */
keel_err *keel__runtime_new(keel_runtime **out, const keel_runtime_opts *opts, bool all_threads);

/* Stops and frees a runtime without tasks. Worker 0 has ended if its thread is the caller's. */
void keel__runtime_free(keel_runtime *rt, bool all_threads);

/* To be called when a task has ended, or a call that was abandoned. */
void keel__runtime_tell_joiners(keel_runtime *rt);

/* Waits until no more than `count` tasks live, and no abandoned call goes on. */
keel_err *keel__runtime_join(keel_ctx *ctx, keel_runtime *rt, size_t count, int64_t timeout_ns);

/* Tells all workers to end. */
void keel__runtime_end_workers(keel_runtime *rt);

/* "2 tasks still run: 'fetch' (started at a.c:7), 'fold' (...)": up to 8 live tasks but `except`. */
void keel__runtime_describe_live(keel_runtime *rt, const keel__task *except, char *buf,
                                 size_t size);

#endif /* KEEL_SRC_TASK_WORKER_H */
