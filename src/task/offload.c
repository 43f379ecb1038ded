/* SPDX-License-Identifier: MIT */
#include "task/offload.h"

#include <keel/mem.h>
#include <keel/task.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/worker.h"

/* One call. On the stack of the task that waits for it, or on the heap if it may be abandoned. */
typedef struct job {
    keel__link link; /* in offload->jobs, until it begins */
    keel_offload_fn fn;
    void *arg;
    void (*arg_free)(void *arg);
    /* guarded by offload->lock: */
    bool begun, done;
    bool abandoned; /* nobody waits: the thread frees it */
    keel_err *err;
    keel__waitq waiter;
    struct job_task *task; /* which stands for a thread */
} job;

/* In a simulation a task stands for the thread, for one call. */
typedef struct job_task {
    keel__task task;
    job *call; /* guarded by offload->lock; NULL: withdrawn */
} job_task;

keel_err *keel__offload_init(keel__offload *offload, unsigned max)
{
    offload->threads = keel_mem_alloc(max * sizeof *offload->threads);
    if (offload->threads == NULL)
        return KEEL_ERR_NOMEM;
    offload->max = max;
    return NULL;
}

void keel__offload_deinit(keel__offload *offload)
{
    keel__spin_lock(&offload->lock);
    offload->stopping = true;
    keel__waiter *idle = keel__waitq_claim_all(&offload->idle);
    keel__spin_unlock(&offload->lock);
    keel__unpark_all(idle);
    for (unsigned i = 0; i < offload->made; i++)
        keel__thread_join(offload->threads[i]);
    keel_mem_free(offload->threads);
}

/* ---- The threads ---- */

static void free_job(job *call)
{
    if (call->arg_free != NULL)
        call->arg_free(call->arg);
    keel_mem_free(call);
}

static void perform(keel__offload *offload, job *call)
{
    keel_err *err = call->fn(call->arg);

    keel__spin_lock(&offload->lock);
    call->err = err;
    call->done = true;
    bool abandoned = call->abandoned;
    keel__waiter *woken = keel__waitq_claim(&call->waiter);
    keel__spin_unlock(&offload->lock);
    if (woken != NULL)
        keel__unpark(woken->wait->actor);
    if (abandoned) {
        keel_runtime *rt = keel__container(offload, keel_runtime, offload);

        keel_err_free(err); /* nobody is left who could want it */
        free_job(call);
        keel__sub_seq(&offload->abandoned, 1);
        keel__runtime_tell_joiners(rt); /* it is freed when this thread has been joined */
    }
}

/* The next job; NULL when the runtime stops and there is none. */
static job *next_job(keel__offload *offload)
{
    for (;;) {
        keel__wait wait = keel__wait_begin();
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

        keel__spin_lock(&offload->lock);
        keel__link *link = keel__list_pop(&offload->jobs);
        job *call = link != NULL ? keel__container(link, job, link) : NULL;
        if (call != NULL)
            call->begun = true;
        bool stopping = offload->stopping;
        if (call == NULL && !stopping)
            keel__waitq_push(&offload->idle, &waiter);
        keel__spin_unlock(&offload->lock);
        if (call != NULL || stopping)
            return call;
        keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT);
    }
}

static void *offload_thread(void *offload)
{
    job *call;

    while ((call = next_job(offload)) != NULL)
        perform(offload, call);
    return NULL;
}

/* ---- Jobs without a thread ---- */

/* There is no thread, and none could be made: all jobs have failed. Under the lock; a job may be
 * gone when that is let go of. */
static keel__waiter *fail_jobs(keel__offload *offload, keel_err *err)
{
    keel__waitq woken = { 0 };
    keel__link *link;

    while ((link = keel__list_pop(&offload->jobs)) != NULL) {
        job *call = keel__container(link, job, link);
        keel__waiter *waiter = keel__waitq_claim(&call->waiter);

        call->begun = call->done = true;
        call->err = keel_err_retain(err);
        if (waiter != NULL)
            keel__waitq_collect(&woken, waiter);
    }
    return woken.first;
}

/* Makes one more thread, in a place that was counted for it. If that fails the others will come to
 * the jobs; without others, who may have failed at the same time, nobody would. */
static void add_thread(keel__offload *offload)
{
    keel__thread thread;
    keel__waiter *woken = NULL;
    keel_err *err =
        keel_err_wrap(keel__thread_start(&thread, offload_thread, offload), "keel_offload");

    keel__spin_lock(&offload->lock);
    if (err == NULL)
        offload->threads[offload->made++] = thread;
    else if (--offload->count == 0)
        woken = fail_jobs(offload, err);
    keel__spin_unlock(&offload->lock);
    keel__unpark_all(woken);
    keel_err_free(err);
}

/* Takes a job back that has not begun. */
static bool withdraw(keel__offload *offload, job *call)
{
    keel__spin_lock(&offload->lock);
    bool withdrawn = !call->begun;
    if (withdrawn && call->task != NULL)
        call->task->call = NULL;
    else if (withdrawn)
        keel__list_remove(&offload->jobs, &call->link);
    keel__spin_unlock(&offload->lock);
    return withdrawn;
}

/* ---- In a simulation ---- */

static void run_job(keel__task *task)
{
    keel__offload *offload = &task->rt->offload;

    keel__order_acquire(task);
    keel__spin_lock(&offload->lock);
    job *call = keel__container(task, job_task, task)->call;
    if (call != NULL)
        call->begun = true;
    keel__spin_unlock(&offload->lock);
    if (call != NULL)
        perform(offload, call);
}

static void free_job_task(keel__task *task)
{
    keel_mem_free(keel__container(task, job_task, task));
}

static bool fail_job(keel__task *task, keel_err *err)
{
    keel_err_free(err);
    run_job(task); /* a short call does with the stack there is */
    return true;
}

static void simulate(keel_runtime *rt, job *call)
{
    job_task *task = keel_mem_calloc(1, sizeof *task);

    if (task == NULL) {
        call->begun = true;
        perform(&rt->offload, call);
        return;
    }
    task->call = call;
    call->task = task;
    task->task = (keel__task){ .rt = rt,
                               .name = "keel_offload",
                               .where = "keel_offload",
                               .stack_bytes = KEEL__STACK_LARGE_BYTES,
                               .run = run_job,
                               .failed = fail_job,
                               .free = free_job_task };
    keel__order_release(&task->task);
    keel__task_spawn(&task->task);
}

/* ---- The callers ---- */

/* Queues a job and sees to it that a thread will take it, or that it fails. */
static void submit(keel__offload *offload, job *call)
{
    keel__worker *worker = keel__worker_self();

    if (worker != NULL && worker->rt->simulated) {
        simulate(worker->rt, call);
        return;
    }
    keel__spin_lock(&offload->lock);
    keel__list_push(&offload->jobs, &call->link);
    keel__waiter *idle = keel__waitq_claim(&offload->idle);
    bool more = idle == NULL && offload->count < offload->max;
    if (more)
        offload->count++;
    keel__spin_unlock(&offload->lock);
    if (idle != NULL)
        keel__unpark(idle->wait->actor);
    if (more)
        add_thread(offload);
}

/* Waits until the job is done or the context ends; says which. */
static bool wait_done(keel__offload *offload, job *call, keel_ctx *ctx)
{
    keel__wait wait = keel__wait_begin_on(KEEL__OP_OFFLOAD, NULL);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&offload->lock);
    bool done = call->done;
    if (!done)
        keel__waitq_push(&call->waiter, &waiter);
    keel__spin_unlock(&offload->lock);
    if (done)
        return true;
    uint32_t fired = keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT);
    if (fired == KEEL__FIRED_USER)
        return true;
    keel__spin_lock(&offload->lock);
    keel__waitq_remove(&call->waiter, &waiter);
    keel__spin_unlock(&offload->lock);
    return false;
}

keel_err *keel_offload(keel_ctx *ctx, keel_offload_fn fn, void *arg)
{
    keel__worker *worker = keel__worker_self();

    keel__need(fn != NULL, "keel_offload", "fn");
    keel__point(KEEL__OP_OFFLOAD, NULL);
    keel_err *ended = keel__ctx_err(ctx);
    if (ended != NULL)
        return ended;
    if (worker == NULL)
        return fn(arg);

    keel_runtime *rt = worker->rt;
    job call = { .fn = fn, .arg = arg };
    keel__add_seq(&rt->offloads, 1);
    submit(&rt->offload, &call);
    keel_err *err = NULL;
    if (wait_done(&rt->offload, &call, ctx)) {
        err = call.err;
    } else if (withdraw(&rt->offload, &call)) {
        err = keel__ctx_err(ctx);
    } else {
        wait_done(&rt->offload, &call, NULL);
        err = call.err;
    }
    keel__sub_seq(&rt->offloads, 1);
    return err;
}

keel_err *keel_offload_abandon(keel_ctx *ctx, keel_offload_fn fn, void *arg,
                               void (*arg_free)(void *arg))
{
    keel__worker *worker = keel__worker_self();

    keel__need(fn != NULL, "keel_offload_abandon", "fn");
    keel__point(KEEL__OP_OFFLOAD, NULL);
    keel_err *err = keel__ctx_err(ctx);
    job *call = err == NULL ? keel_mem_calloc(1, sizeof *call) : NULL;

    if (call == NULL || worker == NULL) {
        if (err == NULL)
            err = call == NULL ? KEEL_ERR_NOMEM : fn(arg);
        if (arg_free != NULL)
            arg_free(arg);
        keel_mem_free(call);
        return err;
    }

    keel_runtime *rt = worker->rt;
    *call = (job){ .fn = fn, .arg = arg, .arg_free = arg_free };
    keel__add_seq(&rt->offloads, 1);
    submit(&rt->offload, call);
    bool abandoned = false;
    if (wait_done(&rt->offload, call, ctx)) {
        err = call->err;
    } else {
        err = keel__ctx_err(ctx);
        if (!withdraw(&rt->offload, call)) {
            keel__spin_lock(&rt->offload.lock);
            abandoned = call->abandoned = !call->done; /* too late: it has ended meanwhile */
            if (abandoned)
                keel__add_seq(&rt->offload.abandoned, 1);
            keel__spin_unlock(&rt->offload.lock);
            if (!abandoned)
                keel_err_free(call->err);
        }
    }
    keel__sub_seq(&rt->offloads, 1);
    if (!abandoned)
        free_job(call);
    return err;
}
