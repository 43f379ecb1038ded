/* SPDX-License-Identifier: MIT */
#include "task/park.h"

#include <errno.h>
#include <stdio.h>

#include <keel/clock.h>
#include <keel/rand.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/ctx.h"
#include "task/fork.h"
#include "task/os.h"
#include "task/random.h"
#include "task/worker.h"

/* ---- Plain threads ---- */

/* A plain thread that waits. `permit` says that it may go on; unparking sets it, so that it does not
 * matter which of the two comes first. */
typedef struct thread_actor {
    keel__actor actor;
    bool initialised;
    bool seeded;
    keel_rand rand;
    keel__gate gate; /* where it waits; its lock guards permit */
    bool permit;
    keel__clock_sleeper sleeper; /* on a manual clock, while it waits with a time limit */
} thread_actor;

#ifdef KEEL_SIM_CORE
#define this_thread (*(thread_actor *)keel__core_storage(sizeof(thread_actor)))
#else
static _Thread_local thread_actor this_thread;
#endif

static void wake_sleeper(keel__clock_sleeper *sleeper)
{
    thread_actor *thread = keel__container(sleeper, thread_actor, sleeper);

    keel__gate_lock(&thread->gate);
    keel__gate_signal(&thread->gate);
    keel__gate_unlock(&thread->gate);
}

__attribute__((noinline)) static thread_actor *thread_self(void)
{
    thread_actor *thread = &this_thread;

    if (!thread->initialised) {
        thread->actor.is_thread = true;
        keel__gate_init(&thread->gate);
        thread->sleeper.wake = wake_sleeper;
        thread->initialised = true;
    }
    return thread;
}

/* Waits for the permit; at the deadline claims the wait, if nobody has. */
static void thread_park(keel__wait *wait, keel_clock *clock, int64_t deadline_ns)
{
    thread_actor *thread = keel__container(wait->actor, thread_actor, actor);
    bool timed = deadline_ns != INT64_MAX, expired = false;

    if (timed) {
        keel__store_relaxed(&thread->sleeper.deadline_ns, (uint64_t)deadline_ns);
        keel__clock_attach(clock, &thread->sleeper);
        if (clock->auto_advance)
            keel_clock_advance(clock, 0); /* the workers, who may all sleep, are to move it */
    }
    keel__gate_lock(&thread->gate);
    while (!thread->permit && !expired) {
        if (timed && keel_clock_now(clock) >= deadline_ns) {
            expired = keel__wait_claim(wait, KEEL__FIRED_TIMER);
            timed = false; /* if somebody else claimed it, the permit is on its way */
        } else {
            keel__gate_wait(&thread->gate, timed && !clock->manual ? deadline_ns : INT64_MAX);
        }
    }
    if (!expired)
        thread->permit = false;
    keel__gate_unlock(&thread->gate);
    if (deadline_ns != INT64_MAX)
        keel__clock_detach(clock, &thread->sleeper);
}

/* ---- Tasks ---- */

typedef struct wait_timer {
    keel__timer timer;
    keel__wait *wait;
} wait_timer;

static void fire_wait(keel__timer *timer)
{
    keel__wait *wait = keel__container(timer, wait_timer, timer)->wait;

    if (keel__wait_claim(wait, KEEL__FIRED_TIMER))
        keel__unpark(wait->actor);
}

static void task_park(keel__wait *wait, keel__worker *worker, int64_t deadline_ns)
{
    keel__task *task = worker->current;
    wait_timer timer = { .wait = wait, .timer = { .when_ns = deadline_ns, .fire = fire_wait } };

    if (deadline_ns != INT64_MAX)
        keel__worker_arm(worker->rt, &timer.timer);
    keel__task_parks(task, wait->op, wait->object, worker->looked_ns, deadline_ns);
    keel__task_park();
    keel__task_goes_on(task);
    if (deadline_ns != INT64_MAX)
        keel__worker_disarm(&timer.timer); /* the task's own worker: it is not firing now */
}

/* ---- Both ---- */

keel__actor *keel__actor_self(void)
{
    keel__task *task = keel__task_self();

    return task != NULL ? &task->actor : &thread_self()->actor;
}

const char *keel__actor_describe(keel__actor *actor, char *buf, size_t size)
{
    if (actor->is_thread) {
        snprintf(buf, size, "a plain thread");
    } else {
        keel__task *task = keel__container(actor, keel__task, actor);
        snprintf(buf, size, "task '%s' (started at %s)", task->name, task->where);
    }
    return buf;
}

uint32_t keel__wait_end(keel__wait *wait, keel_ctx *ctx, int64_t timeout_ns)
{
    keel__worker *worker = keel__worker_self();
    keel__watcher watcher = { .wait = wait };
    bool watched = false;

    keel__fork_check("a wait");
    if (worker != NULL && worker->current == NULL)
        keel__misuse("a callback on a worker's own stack must not wait");

    if (keel__load(&wait->fired) == KEEL__FIRED_NONE) {
        watched = keel__ctx_watch(ctx, &watcher);
        if (!watched && keel__ctx_err(ctx) != NULL && keel__wait_claim(wait, KEEL__FIRED_CTX))
            return KEEL__FIRED_CTX;
    }

    /* a context without a runtime has no timer: whoever waits under it keeps its deadline */
    keel_clock *clock = worker != NULL ? worker->rt->clock : keel__ctx_clock(ctx);
    int64_t now_ns = 0, deadline_ns = INT64_MAX, ctx_left_ns = keel__ctx_unattended(ctx);
    if (timeout_ns != KEEL__NO_TIMEOUT || ctx_left_ns != INT64_MAX)
        now_ns = keel_clock_now(clock);
    if (timeout_ns != KEEL__NO_TIMEOUT)
        deadline_ns = keel__clock_after(now_ns, timeout_ns);
    bool ctx_first =
        ctx_left_ns != INT64_MAX && keel__clock_after(now_ns, ctx_left_ns) <= deadline_ns;
    if (ctx_first)
        deadline_ns = keel__clock_after(now_ns, ctx_left_ns);

    if (wait->actor->is_thread)
        thread_park(wait, clock, deadline_ns);
    else
        task_park(wait, worker, deadline_ns);

    if (watched)
        keel__ctx_unwatch(ctx, &watcher);
    keel__tsan_acquire(wait->actor);
    keel__order_acquire(wait->actor);
    uint32_t fired = keel__load(&wait->fired);
    if (fired == KEEL__FIRED_TIMER && ctx_first) {
        keel__ctx_expire(ctx);
        fired = KEEL__FIRED_CTX;
    }
    return fired;
}

void keel__unpark(keel__actor *actor)
{
    keel__tsan_release(actor);
    keel__order_release(actor);
    if (actor->is_thread) {
        thread_actor *thread = keel__container(actor, thread_actor, actor);

        keel__gate_lock(&thread->gate);
        thread->permit = true;
        keel__gate_signal(&thread->gate);
        keel__gate_unlock(&thread->gate);
    } else {
        keel__task_ready(keel__container(actor, keel__task, actor));
    }
}

uint64_t keel__rand_u64(void)
{
    keel__worker *worker = keel__worker_self();
    uint64_t bits;

    if (keel__sim() != NULL && keel__sim()->random(&bits))
        return bits;
    if (worker != NULL)
        return keel_rand_u64(&worker->rand);
    thread_actor *thread = thread_self();
    if (!thread->seeded) {
        keel_rand_seed(&thread->rand, keel_rand_system_seed());
        thread->seeded = true;
    }
    return keel_rand_u64(&thread->rand);
}
