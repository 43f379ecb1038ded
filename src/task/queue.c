/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/queue.h"

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/deadlock.h"
#include "task/fork.h"

enum {
    STEAL_AGE_NS = 20 * 1000, /* what has waited less is left where it is: it will soon run there */
    SEARCH_NS = 100 * 1000,   /* how long a worker watches others' tasks grow old */
    DOZE_NS = 100 * 1000      /* and then sleeps, while there are some */
};

/* The clock of the machine, for the scheduler's own purposes: not what users call time. */
static int64_t machine_ns(void)
{
    return keel_clock_now(keel_clock_system());
}

/* ---- Waking ---- */

/* No spawner need wake this worker any more. Its lock is held. */
static void uncount(keel__worker *worker)
{
    if (worker->counted) {
        worker->counted = false;
        keel__sub_seq(&worker->rt->sleepers, 1);
    }
}

/* Ends the sleep of a worker whose lock is held; says whether it must be told. */
static bool rouse(keel__worker *worker)
{
    if (!worker->sleeping)
        return false;
    worker->sleeping = false;
    keel__add_seq(&worker->rt->wakes, 1);
    uncount(worker);
    return true;
}

void keel__worker_wake(keel__worker *worker)
{
    keel__spin_lock(&worker->lock);
    bool tell = rouse(worker);
    keel__spin_unlock(&worker->lock);
    if (tell)
        keel__loop_wake(&worker->loop);
}

/* Wakes one sleeper to look for fresh tasks, unless somebody is awake for that already. */
static void call_searcher(keel_runtime *rt, const keel__worker *except)
{
    if (keel__load_seq(&rt->sleepers) == 0 || keel__load_seq(&rt->searchers) != 0)
        return;
    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];

        if (worker == except)
            continue;
        keel__spin_lock(&worker->lock);
        bool tell = worker->counted && rouse(worker);
        if (tell) {
            worker->searching = true;
            keel__add_seq(&rt->searchers, 1);
        }
        keel__spin_unlock(&worker->lock);
        if (tell) {
            keel__loop_wake(&worker->loop);
            return;
        }
    }
}

/* ---- Visitors ---- */

/* A thread that is none of the runtime's queues a task. The task may run at once, and be the last
 * before the runtime is stopped: it must not be freed while that thread still has a worker to wake. */
static bool enter(keel_runtime *rt)
{
    keel__worker *self = keel__worker_self();

    if (self != NULL && self->rt == rt)
        return false; /* its worker is joined first */
    keel__add(&rt->visitors, 1);
    return true;
}

/* ---- Queues ---- */

void keel__task_ready(keel__task *task)
{
    keel__worker *owner = task->worker;

    keel__publish(task->woken, 1);
    if (owner == keel__worker_self()) {
        keel__list_push(&owner->ready, &task->link);
        return;
    }
    keel_runtime *rt = owner->rt;
    bool visitor = enter(rt);
    keel__spin_lock(&owner->lock);
    keel__list_push(&owner->inbox, &task->link);
    keel__add_relaxed(&owner->inbox_count, 1);
    bool tell = rouse(owner);
    keel__spin_unlock(&owner->lock);
    if (tell)
        keel__loop_wake(&owner->loop);
    if (visitor)
        keel__sub(&rt->visitors, 1);
}

keel__worker *keel__queue_worker_for(keel_runtime *rt)
{
    keel__worker *self = keel__worker_self();

    if (self != NULL && self->rt == rt)
        return self;
    return &rt->workers[keel__add_relaxed(&rt->next_worker, 1) % rt->worker_count];
}

/* Puts a task that has not started into the queue of `worker`, where others may find it. */
static void queue_fresh(keel__worker *worker, keel__task *task, bool newborn)
{
    keel_runtime *rt = worker->rt;
    bool visitor = enter(rt);

    keel__spin_lock(&worker->lock);
    if (newborn) {
        task->home = worker;
        keel__list_push(&worker->live, &task->live);
    }
    if (worker->rt->simulated) {
        keel__list_push(&worker->ready, &task->link);
        keel__spin_unlock(&worker->lock);
        return;
    }
    keel__list_push(&worker->fresh, &task->link);
    keel__add_relaxed(&worker->fresh_added, 1);
    keel__add_seq(&worker->fresh_count, 1);
    bool tell = rouse(worker);
    keel__spin_unlock(&worker->lock);
    if (tell)
        keel__loop_wake(&worker->loop);
    else
        call_searcher(rt, worker);
    if (visitor)
        keel__sub(&rt->visitors, 1);
}

void keel__task_spawn(keel__task *task)
{
    keel__fork_check("a start of a task");
    keel__add_relaxed(&task->rt->live, 1);
    if (__builtin_expect(keel__sim() != NULL, 0))
        keel__sim()->spawned(task);
    queue_fresh(keel__queue_worker_for(task->rt), task, true);
}

void keel__task_requeue(keel__task *task)
{
    queue_fresh(keel__queue_worker_for(task->rt), task, false);
}

void keel__task_hold(keel__task *task, keel__worker *worker)
{
    keel__fork_check("a start of a task");
    keel__add_relaxed(&task->rt->live, 1);
    keel__spin_lock(&worker->lock);
    task->home = task->worker = worker;
    keel__list_push(&worker->live, &task->live);
    keel__spin_unlock(&worker->lock);
}

void keel__task_spawn_on(keel__task *task, keel__worker *worker)
{
    keel__task_hold(task, worker);
    keel__task_ready(task);
}

/* Takes `count` tasks from the front of a worker's fresh queue. Its lock is held. */
static void take_fresh(keel__worker *worker, size_t count, keel__list *out)
{
    for (size_t i = 0; i < count; i++)
        keel__list_push(out, keel__list_pop(&worker->fresh));
    keel__add_relaxed(&worker->fresh_taken, count);
    keel__sub_seq(&worker->fresh_count, count);
}

keel__task *keel__queue_next(keel__worker *worker)
{
    if (keel__load_relaxed(&worker->inbox_count) != 0) {
        keel__link *link;

        keel__spin_lock(&worker->lock);
        while ((link = keel__list_pop(&worker->inbox)) != NULL)
            keel__list_push(&worker->ready, link);
        keel__store_relaxed(&worker->inbox_count, 0);
        keel__spin_unlock(&worker->lock);
    }
    if (keel__load_relaxed(&worker->fresh_count) != 0 &&
        (keel__list_empty(&worker->ready) || ++worker->picks % KEEL__FRESH_TURN == 0)) {
        keel__list taken = { 0 };

        keel__spin_lock(&worker->lock);
        if (!keel__list_empty(&worker->fresh))
            take_fresh(worker, 1, &taken);
        keel__spin_unlock(&worker->lock);
        if (!keel__list_empty(&taken))
            return keel__container(taken.first, keel__task, link);
    }
    keel__link *link = keel__list_pop(&worker->ready);
    return link != NULL ? keel__container(link, keel__task, link) : NULL;
}

bool keel__queue_has_work(const keel__worker *worker)
{
    return !keel__list_empty(&worker->ready) || keel__load_relaxed(&worker->inbox_count) != 0 ||
           keel__load_relaxed(&worker->fresh_count) != 0;
}

/* ---- Nothing to do ---- */

/* Takes half of what a victim has had queued since it had added `seen` tasks. */
static bool steal(keel__worker *worker, keel__worker *victim, uint64_t seen)
{
    keel__list taken = { 0 };
    size_t count = 0;

    keel__spin_lock(&victim->lock);
    uint64_t gone = keel__load_relaxed(&victim->fresh_taken);
    if (seen > gone) {
        count = (size_t)(seen - gone + 1) / 2;
        take_fresh(victim, count, &taken);
    }
    keel__spin_unlock(&victim->lock);
    if (count == 0)
        return false;

    keel__link *link;
    keel__spin_lock(&worker->lock);
    while ((link = keel__list_pop(&taken)) != NULL)
        keel__list_push(&worker->fresh, link);
    keel__add_relaxed(&worker->fresh_added, count);
    keel__add_seq(&worker->fresh_count, count);
    keel__spin_unlock(&worker->lock);
    return true;
}

static keel__worker *find_victim(keel__worker *worker)
{
    keel_runtime *rt = worker->rt;

    for (unsigned i = 1; i < rt->worker_count; i++) {
        keel__worker *other = &rt->workers[(worker->index + i) % rt->worker_count];
        if (keel__load_seq(&other->fresh_count) != 0)
            return other;
    }
    return NULL;
}

bool keel__queue_search(keel__worker *worker)
{
    keel__worker *victim = NULL;
    uint64_t seen = 0;
    int64_t start_ns = machine_ns(), now_ns = start_ns, seen_ns = 0;
    int64_t next_ns = worker->rt->clock->manual ? INT64_MAX : keel__timers_next(&worker->timers);

    for (;;) {
        if (keel__queue_has_work(worker) || now_ns >= next_ns ||
            keel__load_relaxed(&worker->rt->stopping) != 0)
            return true;
        if (victim == NULL || keel__load_relaxed(&victim->fresh_taken) >= seen) {
            victim = find_victim(worker);
            if (victim != NULL) {
                seen = keel__load_relaxed(&victim->fresh_added);
                seen_ns = now_ns;
            }
        } else if (now_ns - seen_ns >= STEAL_AGE_NS && steal(worker, victim, seen)) {
            return true;
        }
        if (now_ns - start_ns >= (victim != NULL ? SEARCH_NS : worker->rt->spin_ns))
            return false;
        keel__pause();
        now_ns = machine_ns();
    }
}

void keel__queue_stop_searching(keel__worker *worker)
{
    keel__spin_lock(&worker->lock);
    bool searching = worker->searching;
    worker->searching = false;
    keel__spin_unlock(&worker->lock);
    if (searching)
        keel__sub_seq(&worker->rt->searchers, 1);
}

void keel__queue_found(keel__worker *worker)
{
    if (!worker->searching)
        return;
    keel__queue_stop_searching(worker);
    call_searcher(worker->rt, worker); /* where one found something there may be more */
}

/* ---- Sleeping ---- */

bool keel__queue_sleep(keel__worker *worker, int64_t *limit_ns)
{
    keel_runtime *rt = worker->rt;

    keel__spin_lock(&worker->lock);
    bool idle = !keel__queue_has_work(worker);
    if (idle) {
        worker->sleeping = worker->counted = true;
        keel__add_seq(&rt->sleepers, 1);
    }
    keel__spin_unlock(&worker->lock);
    if (!idle)
        return false;

    /* Who spawned before this saw no sleeper, or somebody searching: look once more. While others
     * have tasks that are still young, nobody need wake this worker: it looks again soon. */
    *limit_ns = INT64_MAX;
    if (find_victim(worker) != NULL) {
        *limit_ns = DOZE_NS;
        keel__spin_lock(&worker->lock);
        uncount(worker);
        keel__spin_unlock(&worker->lock);
    } else {
        *limit_ns = keel__runtime_idle(rt);
    }
    return keel__load_seq(&rt->stopping) == 0;
}

bool keel__queue_asleep(keel__worker *worker)
{
    keel__spin_lock(&worker->lock);
    bool asleep = worker->sleeping;
    keel__spin_unlock(&worker->lock);
    return asleep;
}

void keel__queue_awake(keel__worker *worker)
{
    keel__spin_lock(&worker->lock);
    rouse(worker);
    keel__spin_unlock(&worker->lock);
    keel__monitor_tell(&worker->rt->monitor);
}

/* ---- Manual clocks ---- */

/* Under simulation-like clocks time stands still while anything can run. Every worker that goes to
 * sleep comes by here after it said so, hence the last one to sleep finds all asleep. */
int64_t keel__runtime_idle(keel_runtime *rt)
{
    int64_t next_ns = INT64_MAX;
    const bool alone = keel__peek(rt->alone);
    unsigned handles = 0;

    if ((!rt->clock->auto_advance && !alone) || keel__load_seq(&rt->offloads) != 0)
        return INT64_MAX;
    uint32_t wakes = keel__load_seq(&rt->wakes);
    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];

        keel__spin_lock(&worker->lock);
        bool asleep = worker->sleeping && keel__load_relaxed(&worker->inbox_count) == 0 &&
                      keel__load_relaxed(&worker->fresh_count) == 0;
        keel__spin_unlock(&worker->lock);
        if (!asleep)
            return INT64_MAX;
        handles += keel__peek(worker->handles);
        if (keel__timers_next(&worker->timers) < next_ns)
            next_ns = keel__timers_next(&worker->timers);
    }
    if (keel__load_seq(&rt->wakes) != wakes)
        return INT64_MAX;
    if (rt->clock->auto_advance)
        keel__clock_skip(rt->clock, next_ns);
    if (alone && next_ns == INT64_MAX && handles == rt->own_handles)
        return keel__deadlock_look(rt);
    return INT64_MAX;
}
