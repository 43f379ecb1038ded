/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/worker.h"

#include <errno.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/bufpool.h"
#include "task/fault.h"
#include "task/label.h"
#include "task/queue.h"

enum {
    BUDGET = 64,         /* tasks between two looks at the clock, at most */
    LOOK_NS = 100 * 1000 /* and about how long they should take */
};

/* The clock of the machine, for the scheduler's own purposes: not what users call time. */
static int64_t machine_ns(void)
{
    return keel_clock_now(keel_clock_system());
}

keel__worker *keel__worker_self(void)
{
    return keel__process_worker();
}

/* ---- Running ---- */

keel__task *keel__task_self(void)
{
    keel__worker *worker = keel__worker_self();

    return worker != NULL ? worker->current : NULL;
}

/* Leaves a task, which somebody has made or will make ready. With budget left the next started task goes on
 * at once, as if the loop had picked it; all else is done on the native stack. A simulation's
 * worker has no budget: every task comes back to its engine. */
static inline void leave(keel__worker *worker, keel__task *task)
{
    keel__fiber *to = &worker->native;
    int saved_errno = errno;

    if (worker->budget > 1) {
        keel__task *next = keel__queue_next_started(worker);

        if (next == task) {
            worker->budget--;
            return; /* ready before it had parked */
        }
        if (next != NULL) {
            worker->budget--;
            keel__publish(worker->current, next);
            to = &next->fiber;
        }
    }
    keel__fiber_switch(&task->fiber, to, false);
    errno = saved_errno;
}

void keel__task_park(void)
{
    keel__worker *worker = keel__worker_self();

    leave(worker, worker->current);
}

void keel_yield(void)
{
    keel__worker *worker = keel__worker_self();

    if (worker == NULL || worker->current == NULL) {
        keel__thread_yield();
        return;
    }
    keel__point(KEEL__OP_YIELD, NULL);
    keel__task_yields(worker->current);
    keel__list_push(&worker->ready, &worker->current->link);
    leave(worker, worker->current);
}

/* What a task's stack begins with. */
static void task_entry(void *task_)
{
    keel__task *task = task_;

    task->run(task);
    task->ended = true;
    keel__fiber_switch(&task->fiber, &task->worker->native, true);
}

static void bury(keel__worker *worker, keel__task *task)
{
    keel_runtime *rt = worker->rt;

    keel__spin_lock(
        &task->home->lock); /* first of all: a dump looks at the stack of what is in the list */
    keel__list_remove(&task->home->live, &task->live);
    keel__spin_unlock(&task->home->lock);
    if (task->stack != NULL) {
        keel__fiber_deinit(&task->fiber);
        keel__stack_give(&rt->stacks, &worker->stacks, task->stack);
    }
    if (task->labels != NULL)
        keel__labels_free(task->labels);
    task->free(task);

    keel__sub_seq(&rt->live, 1);
    if (keel__load_seq(&rt->joining) != 0) {
        keel__spin_lock(&rt->lock);
        keel__waiter *woken = keel__waitq_claim_all(&rt->joiners);
        keel__spin_unlock(&rt->lock);
        keel__unpark_all(woken);
    }
}

static keel_err *take_stack(keel__worker *worker, keel__task *task)
{
    keel_runtime *rt = worker->rt;

    if (rt->simulated)
        keel__sim()->lasting(true);
    keel_err *err = keel__stack_take(&rt->stacks, &worker->stacks, task->stack_bytes, &task->stack);
    if (rt->simulated)
        keel__sim()->lasting(false);
    return err;
}

bool keel__worker_run(keel__worker *worker, keel__task *task)
{
    if (task->stack == NULL) {
        keel_err *err = take_stack(worker, task);
        if (err != NULL) {
            task->stack = NULL;
            bool over = task->failed(task, err);
            if (over)
                bury(worker, task);
            return over;
        }
        task->worker = worker;
        keel__fiber_init(&task->fiber, task->stack->low, task->stack->bytes, task_entry, task);
        keel__task_goes_on(task);
    }
    keel__publish(worker->current, task); /* who looks for stalls looks at it */
    keel__fiber_switch(&worker->native, &task->fiber, false);
    task = worker->current; /* others may have run since, one leaving to the next */
    keel__publish(worker->current, NULL);
    if (!task->ended)
        return false;
    bury(worker, task);
    return true;
}

static void fire_timers(keel__worker *worker)
{
    keel__timer *timer;

    if (keel__timers_next(&worker->timers) == INT64_MAX)
        return;
    int64_t now_ns = keel_clock_now(worker->rt->clock);
    while ((timer = keel__timers_pop(&worker->timers, now_ns)) != NULL)
        timer->fire(timer);
}

/* Looks at the clock: fires timers, and polls the loop if that is due. Sets the next budget so that the
 * tasks until then take about LOOK_NS. */
static void look(keel__worker *worker)
{
    int64_t now_ns = machine_ns(), spent_ns = now_ns - worker->looked_ns;

    worker->looked_ns = now_ns;
    worker->budget = BUDGET;
    if (spent_ns > LOOK_NS)
        worker->budget = (unsigned)(BUDGET * (int64_t)LOOK_NS / spent_ns) + 1;
    fire_timers(worker);
    if (worker->handles != 0 && now_ns - worker->polled_ns >= LOOK_NS) {
        worker->polled_ns = now_ns;
        keel__loop_poll(&worker->loop);
    }
}

/* ---- Nothing to do ---- */

/* Waits in the loop for events, a wake-up or the next timer, for at most `limit_ns`. */
static void wait_in_loop(keel__worker *worker, int64_t limit_ns)
{
    keel_clock *clock = worker->rt->clock;
    int64_t next_ns = keel__timers_next(&worker->timers);

    if (worker->handles != 0) {
        keel__loop_poll(&worker->loop); /* to tell the kernel of new handles */

        /* that may have taken in the wake-up of who roused this worker since it said it sleeps, and what it
         * called back may have made tasks ready */
        if (!keel__queue_asleep(worker) || keel__queue_has_work(worker))
            return;
    }
    if (next_ns != INT64_MAX) {
        int64_t left_ns = next_ns - keel_clock_now(clock);

        if (left_ns <= 0)
            return;
        if (!clock->manual && left_ns < limit_ns)
            limit_ns = left_ns;
    }
    keel__loop_sleep(&worker->loop, limit_ns);
}

static void sleep_in_loop(keel__worker *worker)
{
    int64_t limit_ns;

    if (keel__queue_sleep(worker, &limit_ns))
        wait_in_loop(worker, limit_ns);
    keel__queue_awake(worker);
}

void keel__worker_loop(keel__worker *worker)
{
    keel_runtime *rt = worker->rt;

    keel__process_set_worker(worker);
    keel__bufpool_enter(worker);
    keel__fiber_init_native(&worker->native);
    if (rt->handles_faults)
        keel__fault_enter(worker);
    keel__loop_poll(&worker->loop);
    worker->looked_ns = machine_ns();
    worker->budget = BUDGET;

    while (keel__load(&rt->stopping) == 0) {
        keel__task *task = keel__queue_next(worker);

        if (task != NULL) {
            keel__queue_found(worker);
            keel__worker_run(worker, task);
            if (--worker->budget == 0)
                look(worker);
            continue;
        }
        fire_timers(worker);
        if (worker->handles != 0)
            keel__loop_poll(&worker->loop);
        if (keel__queue_has_work(worker) || keel__queue_search(worker))
            continue;
        keel__queue_stop_searching(worker);
        sleep_in_loop(worker);
        worker->looked_ns = machine_ns();
    }
    if (rt->handles_faults)
        keel__fault_leave(worker);
    keel__bufpool_leave(worker);
    keel__process_set_worker(NULL);
}

/* ---- Timers ---- */

void keel__worker_arm(keel_runtime *rt, keel__timer *timer)
{
    keel__worker *worker = keel__queue_worker_for(rt);

    timer->worker = worker;
    if (keel__timers_add(&worker->timers, timer) && worker != keel__worker_self())
        keel__worker_wake(worker);
}

bool keel__worker_disarm(keel__timer *timer)
{
    return keel__timers_remove(&timer->worker->timers, timer);
}
