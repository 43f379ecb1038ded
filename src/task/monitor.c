/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the monitor sees orders nothing for users */
#include "task/monitor.h"

#include <stdio.h>
#include <unistd.h>

#include <keel/duration.h>
#include <keel/mem.h>

#include "task/dump.h"
#include "task/fault.h"
#include "task/worker.h"

#define STALL_DEFAULT_NS KEEL_MS(100)

enum { LOOKS = 4 /* in the time after which a task is reported */ };

/* A spell: a task that has not left its worker since it was first seen there. */
typedef struct keel__watched {
    const keel__task *task; /* not to be looked into: it may be gone */
    uint32_t phase;
    int64_t since_ns;
    bool reported;
} watched;

static keel_runtime *runtime_of(keel__monitor *monitor)
{
    return keel__container(monitor, keel_runtime, monitor);
}

static void write_out(const keel_buf *text)
{
    size_t at = 0;

    while (at < text->len) {
        const ssize_t written = write(STDERR_FILENO, text->ptr + at, text->len - at);

        if (written <= 0)
            return; /* nobody listens */
        at += (size_t)written;
    }
}

/* ---- Stalls ---- */

/* What a worker is doing now. Without a current task, or where memory cannot be read safely, nothing. */
static watched look_at(const keel__worker *worker)
{
    watched now = { .task = keel__peek(worker->current) };

    if (now.task != NULL && !keel__copy_safely(&now.phase, &now.task->phase, sizeof now.phase))
        now.task = NULL;
    return now;
}

static bool goes_on(const watched *then, const keel__worker *worker)
{
    const watched now = look_at(worker);

    return now.task == then->task && now.phase == then->phase;
}

static keel_err *add_task(keel_buf *out, keel__worker *worker, const watched *seen, int64_t now_ns)
{
    keel__snapshot snapshot;

    KEEL_TRY(keel__snapshot_take(&snapshot, worker->rt, 1, seen->task));
    keel_err *err = keel_buf_append_text(out, "keel: ");
    if (err == NULL && snapshot.count > 0)
        err = keel__dump_name(out, &snapshot.tasks[0], 0);
    keel__snapshot_free(&snapshot);
    if (err != NULL)
        return err;
    return keel_buf_printf(
        out,
        " has kept worker %u for %s from other tasks: what computes for long should "
        "yield, what blocks belongs in keel_offload\n",
        worker->index, KEEL_DURATION_STR((now_ns - seen->since_ns) / KEEL_MS(1) * KEEL_MS(1)));
}

/* Appends who it is, and where. False if it has left meanwhile, or if there is no memory. */
static bool describe(keel_buf *out, keel__worker *worker, const watched *seen, int64_t now_ns)
{
    keel_err *err = add_task(out, worker, seen, now_ns);

    if (err == NULL)
        err = keel__fault_backtrace(out, worker, seen->task);
    const bool complete = err == NULL;
    keel_err_free(err); /* a report less */
    return complete && goes_on(seen, worker);
}

static void report(keel__monitor *monitor, keel__worker *worker, const watched *seen,
                   int64_t now_ns)
{
    keel_buf text = { 0 };

    if (describe(&text, worker, seen, now_ns)) {
        if (monitor->on_stall != NULL)
            monitor->on_stall(monitor->on_stall_arg, keel_buf_text(&text));
        else
            write_out(&text);
    }
    keel_buf_deinit(&text);
}

/* `late_ns`: how much later than planned this is. So long the whole machine was busy, and a worker that did not
 * get on may not have had a processor either. */
static void look_at_all(keel__monitor *monitor, int64_t now_ns, int64_t late_ns)
{
    keel_runtime *rt = runtime_of(monitor);

    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];
        watched *seen = &monitor->watched[i];

        if (seen->task == NULL || !goes_on(seen, worker)) {
            *seen = look_at(worker);
            seen->since_ns = now_ns;
            continue;
        }
        seen->since_ns += late_ns;
        if (!seen->reported && now_ns - seen->since_ns >= monitor->stall_ns) {
            seen->reported = true;
            report(monitor, worker, seen, now_ns);
        }
    }
}

/* ---- The thread ---- */

static bool all_asleep(keel_runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];

        keel__spin_lock(&worker->lock);
        const bool asleep = worker->sleeping;
        keel__spin_unlock(&worker->lock);
        if (!asleep)
            return false;
    }
    return true;
}

static void dump(keel_runtime *rt)
{
    keel_buf text = { 0 };

    keel_err_free(keel_runtime_dump(rt, &text, NULL)); /* what there is of it is written */
    write_out(&text);
    keel_buf_deinit(&text);
}

static void *monitor_thread(void *monitor_)
{
    keel__monitor *monitor = monitor_;
    keel_runtime *rt = runtime_of(monitor);
    const bool watches = monitor->stall_ns != KEEL_STALL_OFF;
    int64_t planned_ns = INT64_MAX; /* the next look at the workers */

    while (keel__load_seq(&monitor->ending) == 0) {
        const int64_t now_ns = keel__os_now();
        bool idle = !watches;

        if (keel__exchange(&monitor->dump_wanted, 0) != 0)
            dump(rt);
        if (now_ns >= planned_ns)
            look_at_all(monitor, now_ns, now_ns - planned_ns);
        if (watches && all_asleep(rt)) {
            keel__store_seq(&monitor->asleep, 1);
            idle = all_asleep(rt); /* else nobody may be left to ring */
        }
        if (idle)
            planned_ns = INT64_MAX;
        else if (now_ns >= planned_ns || planned_ns == INT64_MAX)
            planned_ns = now_ns + monitor->stall_ns / LOOKS + 1;
        keel__bell_wait(&monitor->bell, planned_ns);
    }
    return NULL;
}

keel_err *keel__monitor_start(keel_runtime *rt, const keel_runtime_opts *opts)
{
    keel__monitor *monitor = &rt->monitor;

    monitor->stall_ns = opts->stall_ns != 0 ? opts->stall_ns : STALL_DEFAULT_NS;
    monitor->on_stall = opts->on_stall;
    monitor->on_stall_arg = opts->on_stall_arg;
    monitor->watched = keel_mem_calloc(rt->worker_count, sizeof *monitor->watched);
    if (monitor->watched == NULL)
        return KEEL_ERR_NOMEM;
    keel__bell_init(&monitor->bell);
    keel_err *err = keel__thread_start(&monitor->thread, monitor_thread, monitor);
    if (err != NULL) {
        keel__bell_deinit(&monitor->bell);
        keel_mem_free(monitor->watched);
        return err;
    }
    monitor->there = true;
    return NULL;
}

void keel__monitor_end(keel_runtime *rt)
{
    if (!rt->monitor.there)
        return;
    keel__store_seq(&rt->monitor.ending, 1);
    keel__bell_ring(&rt->monitor.bell);
    keel__thread_join(rt->monitor.thread);
}

void keel__monitor_deinit(keel_runtime *rt)
{
    if (!rt->monitor.there)
        return;
    keel__bell_deinit(&rt->monitor.bell);
    keel_mem_free(rt->monitor.watched);
}

void keel__monitor_dump(keel_runtime *rt)
{
    keel__store_seq(&rt->monitor.dump_wanted, 1);
    keel__bell_ring(&rt->monitor.bell);
}
