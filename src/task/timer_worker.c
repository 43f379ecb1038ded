/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/worker.h"

#include "base/process.h"
#include "task/ctx.h"
#include "task/queue.h"

/* The timers of workers. */

/* On any worker of the runtime. The rare cases are functions of their own, so that the others need no stack. */
__attribute__((noinline)) static void arm_shared(keel_runtime *rt, keel__timer *timer)
{
    keel__worker *worker = keel__queue_worker_for(rt);

    timer->worker = worker;
    if (keel__timers_add(&worker->timers, timer) && worker != keel__worker_self())
        keel__worker_wake(worker);
}

void keel__worker_arm(keel_runtime *rt, keel__timer *timer)
{
    keel__worker *self = keel__process_worker();

    if (self == NULL || self->rt != rt || !self->timers.wheeled) {
        arm_shared(rt, timer);
        return;
    }
    timer->worker = self;
    keel__timers_add_own(&self->timers, timer);
}

/* An own timer of another worker's. */
__attribute__((noinline)) static bool hurry(keel__worker *worker, keel__timer *timer)
{
    if (!keel__timers_claim(timer))
        return false;

    /* The runtime cannot end before the timer is hurried, nor before this visitor has left. */
    keel_runtime *rt = worker->rt;
    keel__add(&rt->visitors, 1);
    if (keel__timers_hurry(&worker->timers, timer))
        keel__worker_wake(worker);
    keel__sub(&rt->visitors, 1);
    return false;
}

bool keel__worker_disarm(keel__timer *timer)
{
    keel__worker *worker = timer->worker;

    if (!timer->own)
        return keel__timers_remove(&worker->timers, timer);
    if (worker != keel__process_worker())
        return hurry(worker, timer);
    return keel__timers_remove_own(&worker->timers, timer);
}

void keel__worker_fire(keel__worker *worker)
{
    keel__timers *timers = &worker->timers;
    keel__timer *timer;

    while ((timer = keel__timers_pop_hurried(timers)) != NULL)
        timer->fire(timer);
    if (keel__timers_next(timers) == INT64_MAX)
        return;
    int64_t now_ns = keel_clock_now(worker->rt->clock);
    while ((timer = keel__timers_pop(timers, now_ns)) != NULL)
        timer->fire(timer);
}

void keel__worker_end_timers(keel__worker *worker)
{
    keel__timer *timer;

    while ((timer = keel__timers_pop_any(&worker->timers)) != NULL) {
        if (timer->fire == keel__ctx_fire)
            keel__ctx_forget_timer(timer);
    }
}
