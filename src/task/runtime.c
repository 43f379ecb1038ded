/* SPDX-License-Identifier: MIT */
#include <keel/runtime.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <keel/group.h>
#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/cores.h"
#include "task/ctx.h"
#include "task/fault.h"
#include "task/fork.h"
#include "task/group.h"
#include "task/worker.h"

enum { WORKERS_MAX = 1024, OFFLOAD_DEFAULT = 16, OFFLOAD_MAX = 1024, SPIN_NS = 5000 };

/* ---- Workers ---- */

static void on_clock(keel__clock_sleeper *sleeper)
{
    keel__worker_wake(keel__container(sleeper, keel__worker, clock_sleeper));
}

keel_err *keel__worker_init(keel__worker *worker, keel_runtime *rt, unsigned index, uint64_t seed)
{
    worker->rt = rt;
    worker->spare_max = keel__group_spare_max();
    worker->index = index;
    keel__timers_init(&worker->timers);
    if (!rt->clock->manual)
        keel__timers_use_wheel(&worker->timers, keel_clock_now(rt->clock));
    keel_rand_seed(&worker->rand, seed + index);
    worker->clock_sleeper.wake = on_clock;
    keel__store_relaxed(&worker->clock_sleeper.deadline_ns, (uint64_t)INT64_MAX);

    KEEL_TRY(keel__loop_init(&worker->loop));
    keel__clock_attach(rt->clock, &worker->clock_sleeper);
    return NULL;
}

void keel__worker_deinit(keel__worker *worker)
{
    keel__group_free_spare(worker);
    keel__clock_detach(worker->rt->clock, &worker->clock_sleeper);
    keel__ctx_pool_leave(worker->rt->contexts, &worker->contexts);
    keel__loop_deinit(&worker->loop);
}

static void *worker_thread(void *worker)
{
    keel__worker_loop(worker);
    return NULL;
}

void keel__runtime_end_workers(keel_runtime *rt)
{
    keel__store_seq(&rt->stopping, 1);
    for (unsigned i = 0; i < rt->worker_count; i++)
        keel__worker_wake(&rt->workers[i]);
}

/* Undoes what was done for the first `loops` workers, of which `threads` from `first` on run. */
static void dismantle(keel_runtime *rt, unsigned loops, unsigned first, unsigned threads)
{
    keel__monitor_end(rt);
    keel__runtime_end_workers(rt);
    for (unsigned i = first; i < first + threads; i++)
        keel__thread_join(rt->workers[i].thread);
    keel__monitor_deinit(rt);
    keel__offload_deinit(&rt->offload);
    for (unsigned i = 0; i < loops; i++)
        keel__worker_end_timers(&rt->workers[i]);
    while (keel__load(&rt->visitors) != 0)
        keel__thread_yield(); /* for the few instructions that it takes */
    keel__ctx_free(rt->root);
    keel__extra *streams = keel__load(&rt->streams);
    if (streams != NULL)
        streams->free(streams);
    for (unsigned i = 0; i < loops; i++)
        keel__worker_deinit(&rt->workers[i]);
    keel__ctx_pool_close(rt->contexts);
    keel__stack_pool_deinit(&rt->stacks);
    if (rt->handles_faults)
        keel__fault_remove();
    keel__fork_runtime_ended();
    keel_mem_free(rt->workers);
    keel_mem_free(rt);
}

/* ---- Making a runtime ---- */

static keel_err *check_opts(const keel_runtime_opts *opts)
{
    if (opts->workers > WORKERS_MAX)
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_runtime_opts: workers %u is over %d",
                             opts->workers, WORKERS_MAX);
    if (opts->offload_threads > OFFLOAD_MAX)
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_runtime_opts: offload_threads %u is over %d",
                             opts->offload_threads, OFFLOAD_MAX);
    if (opts->stall_ns < 0)
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_runtime_opts: stall_ns is negative");
    if (opts->stack_bytes != 0 &&
        (opts->stack_bytes < KEEL__STACK_MIN_BYTES || opts->stack_bytes > KEEL__STACK_MAX_BYTES))
        return keel_err_wrap(KEEL_ERR_INVAL,
                             "keel_runtime_opts: stack_bytes %zu is not from 16 KiB to 1 GiB",
                             opts->stack_bytes);
    return NULL;
}

static keel_err *make_parts(keel_runtime *rt, const keel_runtime_opts *opts)
{
    rt->contexts = keel__ctx_pool_new();
    if (rt->contexts == NULL)
        return KEEL_ERR_NOMEM;
    rt->root = keel__ctx_child(NULL, rt, rt->clock);
    if (rt->root == NULL)
        return KEEL_ERR_NOMEM;
    KEEL_TRY(keel__offload_init(&rt->offload, opts->offload_threads != 0 ? opts->offload_threads
                                                                         : OFFLOAD_DEFAULT));
    if (opts->handle_faults) {
        KEEL_TRY(keel__fault_install());
        rt->handles_faults = true;
    }
    return NULL;
}

keel_err *keel__runtime_new(keel_runtime **out, const keel_runtime_opts *opts_, bool all_threads)
{
    keel_runtime_opts opts = opts_ != NULL ? *opts_ : (keel_runtime_opts){ 0 };
    unsigned loops = 0, threads = 0, first = all_threads ? 0 : 1;

    *out = NULL;
    if (keel__sim() != NULL && keel__sim()->active())
        return keel_err_wrap(KEEL_ERR_UNSUPPORTED, "start of a runtime in a simulation");
    KEEL_TRY(check_opts(&opts));
#ifdef KEEL_SIM_CORE /* one core more than most scenarios want */
    opts.stall_ns = opts.stall_ns == 0 ? KEEL_STALL_OFF : opts.stall_ns;
#endif
    keel_runtime *rt = keel_mem_calloc(1, sizeof *rt);
    if (rt == NULL)
        return KEEL_ERR_NOMEM;
    unsigned cores = keel__cores();
    unsigned count = opts.workers != 0 ? opts.workers : cores;
    keel__fork_runtime_begins();
    rt->clock = opts.clock != NULL ? opts.clock : keel_clock_system();
    rt->spin_ns = cores > 1 ? SPIN_NS : 0;
    rt->workers = keel_mem_calloc(count, sizeof *rt->workers);
    keel__stack_pool_init(&rt->stacks,
                          opts.stack_bytes != 0 ? opts.stack_bytes : KEEL__STACK_PLAIN_BYTES);
    keel_err *err = rt->workers != NULL ? make_parts(rt, &opts) : KEEL_ERR_NOMEM;
    uint64_t seed = opts.seed != 0 ? opts.seed : keel_rand_system_seed();

    while (err == NULL && loops < count) {
        err = keel__worker_init(&rt->workers[loops], rt, loops, seed);
        if (err == NULL)
            loops++;
    }
    rt->worker_count = loops;
    if (!all_threads && loops > 0)
        rt->workers[0].thread = keel__thread_self();
    if (err == NULL && (opts.stall_ns != KEEL_STALL_OFF || !all_threads))
        err = keel__monitor_start(rt, &opts);
    while (err == NULL && first + threads < count) {
        keel__worker *worker = &rt->workers[first + threads];

        err = keel__thread_start(&worker->thread, worker_thread, worker);
        if (err == NULL)
            threads++;
    }
    if (err != NULL) {
        dismantle(rt, loops, first, threads);
        return keel_err_wrap(err, "start of a runtime with %u workers", count);
    }
    *out = rt;
    return NULL;
}

void keel__runtime_free(keel_runtime *rt, bool all_threads)
{
    unsigned first = all_threads ? 0 : 1;

    dismantle(rt, rt->worker_count, first, rt->worker_count - first);
}

keel_err *keel_runtime_start(keel_runtime **out, const keel_runtime_opts *opts)
{
    keel__need(out != NULL, "keel_runtime_start", "out");
    return keel__runtime_new(out, opts, true);
}

/* ---- Stopping ---- */

void keel__runtime_tell_joiners(keel_runtime *rt)
{
    if (keel__load_seq(&rt->joining) != 0) {
        keel__spin_lock(&rt->lock);
        keel__waiter *woken = keel__waitq_claim_all(&rt->joiners);
        keel__spin_unlock(&rt->lock);
        keel__unpark_all(woken);
    }
}

keel_err *keel__runtime_join(keel_ctx *ctx, keel_runtime *rt, size_t count, int64_t timeout_ns)
{
    keel_err *err = NULL;
    int64_t end_ns = keel__clock_after(keel_ctx_now(ctx), timeout_ns); /* of all its turns */

    keel__add_seq(&rt->joining, 1);
    while (err == NULL) {
        keel__wait wait = keel__wait_begin();
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

        keel__spin_lock(&rt->lock);
        keel__waitq_push(&rt->joiners, &waiter);
        keel__spin_unlock(&rt->lock);
        bool over =
            keel__load_seq(&rt->live) <= count && keel__load_seq(&rt->offload.abandoned) == 0;
        if (!over || !keel__wait_cancel(&wait)) {
            int64_t left_ns = end_ns != INT64_MAX ? end_ns - keel_ctx_now(ctx) : KEEL__NO_TIMEOUT;
            uint32_t fired = keel__wait_end(&wait, ctx, left_ns);
            if (fired == KEEL__FIRED_CTX)
                err = keel__ctx_err(ctx);
            else if (fired == KEEL__FIRED_TIMER)
                err = KEEL_ERR_TIMEOUT;
        }
        keel__spin_lock(&rt->lock);
        keel__waitq_remove(&rt->joiners, &waiter);
        keel__spin_unlock(&rt->lock);
        if (over)
            break;
    }
    keel__sub_seq(&rt->joining, 1);
    return err;
}

void keel__runtime_describe_live(keel_runtime *rt, const keel__task *except, char *buf, size_t size)
{
    enum { SHOWN = 8 };
    char names[1024] = "";
    size_t count = 0, at = 0;

    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];

        keel__spin_lock(&worker->lock);
        for (keel__link *link = worker->live.first; link != NULL; link = link->next) {
            const keel__task *task = keel__container(link, keel__task, live);

            if (task->rt == NULL || keel__peek(task->ended) || task == except || count++ >= SHOWN ||
                at >= sizeof names)
                continue;
            int length = snprintf(names + at, sizeof names - at, "%s'%s' (started at %s)",
                                  at > 0 ? ", " : "", task->name, task->where);
            at += length > 0 ? (size_t)length : 0;
        }
        keel__spin_unlock(&worker->lock);
    }
    const size_t calls = keel__load_seq(&rt->offload.abandoned);
    char left[80] = "";
    if (calls > 0)
        snprintf(left, sizeof left, "%s%zu abandoned call%s of keel_offload_abandon still run%s",
                 count > 0 ? "; " : "", calls, calls == 1 ? "" : "s", calls == 1 ? "s" : "");
    if (count > 0)
        snprintf(buf, size, "%zu %s: %s%s", count,
                 count == 1 ? "task still runs" : "tasks still run", names, left);
    else
        snprintf(buf, size, "%s", left);
}

keel_err *keel_runtime_stop(keel_ctx *ctx, keel_runtime *rt)
{
    char text[1024];
    keel__worker *self = keel__worker_self();

    keel__need(rt != NULL, "keel_runtime_stop", "rt");
    if (self != NULL && self->rt == rt)
        keel__misuse("keel_runtime_stop: called by a task of the runtime itself");
    keel__ctx_cancel(rt->root, NULL);
    keel_err *err = keel__runtime_join(ctx, rt, 0, KEEL__NO_TIMEOUT);
    if (err != NULL) {
        keel__runtime_describe_live(rt, NULL, text, sizeof text);
        return keel_err_wrap(err, "keel_runtime_stop: %s", text);
    }
    if (keel__groups_forgotten(rt, text, sizeof text) > 0)
        keel__misuse("keel_runtime_stop: %s", text);
    keel__runtime_free(rt, true);
    return NULL;
}

keel_ctx *keel_runtime_ctx(keel_runtime *rt)
{
    keel__need(rt != NULL, "keel_runtime_ctx", "rt");
    return rt->root;
}

unsigned keel_runtime_workers(const keel_runtime *rt)
{
    keel__need(rt != NULL, "keel_runtime_workers", "rt");
    return rt->worker_count;
}

keel_err *keel_runtime_run_at(keel_runtime *rt, keel_task_fn fn, void *arg, const char *name,
                              const char *where, const char *function)
{
    keel__need(rt != NULL, "keel_runtime_run", "rt");
    keel__need(fn != NULL, "keel_runtime_run", "fn");
    keel_group *group = keel_group_new(rt->root, NULL);

    keel_group_go_at(group, fn, arg, name, where, function);
    return keel_group_wait(group);
}
