/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/worker.h"

#include <errno.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/bufpool.h"
#include "task/fault.h"
#include "task/fork.h"
#include "task/label.h"
#include "task/queue.h"

enum {
    BUDGET = 64,          /* tasks between two looks at the clock, at most */
    LOOK_NS = 100 * 1000, /* and about how long they should take */
    BURY = 32             /* ended tasks that are freed together, at most */
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

/* Frees what the worker's ended tasks leave. */
static void bury(keel__worker *worker)
{
    keel_runtime *rt = worker->rt;
    keel__worker *home = NULL;
    const unsigned count = worker->ended_count;

    /* first of all: a dump looks at the stack of what is in the list */
    for (keel__link *link = worker->ended; link != NULL; link = link->next) {
        keel__task *task = keel__container(link, keel__task, link);

        if (task->home != home) {
            if (home != NULL)
                keel__spin_unlock(&home->lock);
            home = task->home;
            keel__spin_lock(&home->lock);
        }
        keel__list_remove(&home->live, &task->live);
    }
    keel__spin_unlock(&home->lock);
    worker->ended_count = 0;
    while (worker->ended != NULL) {
        keel__task *task = keel__container(worker->ended, keel__task, link);

        worker->ended = task->link.next;
        if (task->stack != NULL && !task->stack_left) {
            keel__fiber_deinit(&task->fiber);
            keel__stack_give(&rt->stacks, &worker->stacks, task->stack);
        }
        if (task->labels != NULL)
            keel__labels_free(task->labels);
        task->free(task);
    }

    keel__sub_seq(&rt->live, count);
    keel__runtime_tell_joiners(rt);
}

/* Keeps a task that has ended for bury, which costs the less for each the more there are. It is called when
 * the worker's loop goes on at the latest. */
static void lay_out(keel__worker *worker, keel__task *task)
{
    task->link.next = worker->ended;
    worker->ended = &task->link;
    worker->ended_count++;
}

/* After a task has ended, on its stack: a task that has not started can begin there. Else the worker's loop
 * goes on; a task picked in vain is left to it. */
static keel__task *heir(keel__worker *worker, keel__task *task)
{
    /* the race detector wants a stack, and a fiber of its own, for each */
    if (KEEL__TSAN || worker->budget <= 1)
        return NULL;
    keel__task *next = keel__queue_next(worker);
    if (next == NULL)
        return NULL;
    if (next->stack != NULL || next->stack_bytes != task->stack_bytes) {
        worker->picked = next;
        return NULL;
    }
    worker->budget--;
    task->stack_left = true;
    next->stack = task->stack;
    next->worker = worker;
    keel__fiber_inherit(&next->fiber, &task->fiber);
    keel__task_goes_on(next);
    keel__publish(worker->current, next);
    lay_out(worker, task);
    if (worker->ended_count == BURY)
        bury(worker);
    return next;
}

/* What a stack begins with. The worker is asked for after each task: not all stay with one. */
static void task_entry(void *task_)
{
    keel__task *task = task_, *next;
    keel__worker *worker;

    for (;; task = next) {
        task->run(task);
        worker = keel__worker_self();
        keel__publish(task->ended, true);
        next = heir(worker, task);
        if (next == NULL)
            break;
    }
    keel__fiber_switch(&task->fiber, &worker->native, true);
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
            if (over) {
                lay_out(worker, task);
                bury(worker);
            }
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
    const bool ended = task->ended;
    if (ended)
        lay_out(worker, task);
    if (worker->ended != NULL)
        bury(worker);
    return ended;
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
    keel__worker_fire(worker);
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

    if (keel__timers_any_hurried(&worker->timers))
        return;
    if (worker->handles != 0) {
        keel__loop_poll(&worker->loop); /* to tell the kernel of new handles */

        /* that may have taken in the wake-up of who roused this worker since it said it sleeps, and what it
         * called back may have made tasks ready */
        if (!keel__queue_asleep(worker) || keel__queue_has_work(worker))
            return;
    }
    if (keel__timers_next(&worker->timers) != INT64_MAX) {
        int64_t now_ns = keel_clock_now(clock);

        keel__timers_settle(&worker->timers, now_ns);
        int64_t left_ns = keel__timers_next(&worker->timers) - now_ns;
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
        keel__task *task = worker->picked;

        worker->picked = NULL;
        if (task == NULL)
            task = keel__queue_next(worker);
        if (task != NULL) {
            keel__queue_found(worker);
            keel__worker_run(worker, task);
            if (--worker->budget == 0)
                look(worker);
            continue;
        }
        keel__worker_fire(worker);
        if (worker->handles != 0)
            keel__loop_poll(&worker->loop);
        if (keel__queue_has_work(worker) || keel__queue_search(worker))
            continue;
        keel__queue_stop_searching(worker);
        sleep_in_loop(worker);
        worker->looked_ns = machine_ns();
    }
    keel__fork_check("a task that ends");
    if (rt->handles_faults)
        keel__fault_leave(worker);
    keel__bufpool_leave(worker);
    keel__process_set_worker(NULL);
}
