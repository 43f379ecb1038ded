/* SPDX-License-Identifier: MIT */
#include <keel/group.h>

#include <stdio.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/ctx.h"
#include "task/group.h"
#include "task/worker.h"

enum { SPARE_MAX = 1024 }; /* the storage of ended tasks that a worker keeps */

#define LIMIT_DEFAULT ((size_t)1000000)

struct keel_group {
    keel_err *broken; /* a static group: what keel_group_wait returns */
    keel_runtime *rt;
    keel_ctx *ctx;
    size_t limit;
    size_t stack_bytes;
    const char *name;
    bool collect_all;
    void (*arg_free)(void *arg); /* may be NULL */
    const char *where;           /* it was made, */
    keel__worker *home;          /* and by whom, or worker 0: the list that it is in */
    keel__link unwaited;         /* until keel_group_wait is called */
    keel__a64 state;    /* how many tasks hold a place, in units of TASK, and who waits for them */
    keel__spin lock;    /* guards what follows, and the marks of waiters in `state` */
    keel__waitq places; /* who waits to start a task; handed a place by one that ends */
    keel__waitq joiner;
    keel_err *err;
};

/* The parts of a group's state. Without a mark places are taken and left by a single compare-and-swap.
 * With PLACES set that is done under the lock only. With JOINER set who would be the last to leave
 * takes the lock too. So whoever waits is in its queue before anybody can look there in vain, and nobody
 * touches a group after a swap that lets it be freed. */
enum { PLACES = 1, JOINER = 2, TASK = 4 };

/* What keel_group_new returns when it cannot make one. */
static keel_group without_memory = { .broken = KEEL_ERR_NOMEM };
static keel_group without_runtime = { .broken = KEEL_ERR_NO_RUNTIME };
static keel_group without_sense = { .broken = KEEL_ERR_INVAL };

typedef struct group_task {
    keel__task task;
    keel_group *group;
    keel_task_fn fn;
    void *arg;
} group_task;

/* One that belongs apart; and the size of all. */
typedef struct placed_task {
    group_task task;
    void (*failed)(void *arg, keel_err *err);
} placed_task;

/* Each worker has a list of its own, so that those who make many groups are not in each other's way. */
static void remember(keel_group *group, keel__worker *home)
{
    group->home = home;
    keel__spin_lock(&home->lock);
    keel__list_push(&home->groups, &group->unwaited);
    keel__spin_unlock(&home->lock);
}

static void forget(keel_group *group)
{
    keel__spin_lock(&group->home->lock);
    keel__list_remove(&group->home->groups, &group->unwaited);
    keel__spin_unlock(&group->home->lock);
}

keel_group *keel_group_new_at(const char *where, keel_ctx *ctx, const keel_group_opts *opts_)
{
    keel_group_opts opts = opts_ != NULL ? *opts_ : (keel_group_opts){ 0 };
    keel__worker *self = keel__worker_self();
    keel_runtime *rt = opts.runtime;

    if (rt == NULL)
        rt = keel_ctx_runtime(ctx);
    if (rt == NULL && self != NULL)
        rt = self->rt;
    if (rt == NULL)
        return &without_runtime;
    if (opts.stack_bytes != 0 &&
        (opts.stack_bytes < KEEL__STACK_MIN_BYTES || opts.stack_bytes > KEEL__STACK_MAX_BYTES))
        return &without_sense;

    keel_group *group = keel_mem_calloc(1, sizeof *group);
    if (group == NULL)
        return &without_memory;
    group->ctx = keel__ctx_child(ctx, rt, rt->clock);
    if (group->ctx == NULL) {
        keel_mem_free(group);
        return &without_memory;
    }
    group->rt = rt;
    group->limit = opts.limit != 0 ? opts.limit : LIMIT_DEFAULT;
    group->stack_bytes = opts.stack_bytes;
    group->name = opts.name;
    group->collect_all = opts.collect_all;
    group->arg_free = opts.arg_free;
    group->where = where;
    remember(group, self != NULL && self->rt == rt ? self : &rt->workers[0]);
    return group;
}

keel_ctx *keel_group_ctx(keel_group *group)
{
    keel__need(group != NULL, "keel_group_ctx", "group");
    return group->broken == NULL ? group->ctx : keel__ctx_broken(group->broken);
}

void keel_group_cancel(keel_group *group)
{
    keel__need(group != NULL, "keel_group_cancel", "group");
    keel__point(KEEL__OP_CTX_CANCEL, group->ctx);
    if (group->broken == NULL)
        keel__ctx_cancel(group->ctx, NULL);
}

/* Keeps the error of a task, if it is to be kept. Takes it. */
static void record(keel_group *group, keel_err *err)
{
    bool first = false;

    if (err == NULL)
        return;
    keel__spin_lock(&group->lock);
    keel_err *kept = group->err;
    if (kept == NULL) {
        group->err = err;
        first = true;
    } else if (group->collect_all) {
        group->err = NULL; /* out of the lock's way while memory is allocated */
    }
    keel__spin_unlock(&group->lock);

    if (first && !group->collect_all)
        keel__ctx_cancel(group->ctx, keel_err_retain(err));
    else if (!first && group->collect_all)
        record(group, keel_err_join(kept, err));
    else if (!first)
        keel_err_free(err);
}

void keel_group_fail(keel_group *group, keel_err *err)
{
    keel__need(group != NULL, "keel_group_fail", "group");
    keel__point(KEEL__OP_CTX_CANCEL, group->ctx);
    if (group->broken != NULL)
        keel_err_free(err);
    else
        record(group, err);
}

static bool take_place(keel_group *group)
{
    uint64_t state = keel__load_relaxed(&group->state);

    while ((state & PLACES) == 0 && state / TASK < group->limit) {
        if (keel__cas(&group->state, &state, state + TASK))
            return true;
    }
    return false;
}

/* The same under the lock, for a waiter in its stead if there is no place. */
static bool take_place_or_queue(keel_group *group, keel__waiter *waiter)
{
    uint64_t state = keel__load_relaxed(&group->state);
    bool full;

    do
        full = state / TASK >= group->limit;
    while (!keel__cas(&group->state, &state, full ? state | PLACES : state + TASK));
    if (full)
        keel__waitq_push(&group->places, waiter);
    return !full;
}

/* A place has become free. The group may be gone when this returns. */
static void leave(keel_group *group)
{
    keel__order_release(group);
    uint64_t state = keel__load_relaxed(&group->state), next;
    while ((state & PLACES) == 0 && ((state & JOINER) == 0 || state / TASK > 1)) {
        if (keel__cas(&group->state, &state, state - TASK))
            return;
    }

    keel__spin_lock(&group->lock);
    keel__waiter *woken = keel__waitq_claim(&group->places); /* who gets the place */
    if (woken == NULL) {
        state = keel__load_relaxed(&group->state);
        do
            next = (state & ~(uint64_t)PLACES) - TASK;
        while (!keel__cas(&group->state, &state, next));
        if (next == JOINER)
            woken = keel__waitq_claim(&group->joiner);
    }
    keel__spin_unlock(&group->lock);
    if (woken != NULL)
        keel__unpark(woken->wait->actor);
}

static void run_task(keel__task *task_)
{
    group_task *task = keel__container(task_, group_task, task);

    keel__tsan_acquire(task_);
    keel__order_acquire(task_);
    record(task->group, task->fn(task->group->ctx, task->arg));
    leave(task->group);
}

static bool fail_task(keel__task *task_, keel_err *err)
{
    group_task *task = keel__container(task_, group_task, task);

    record(task->group,
           keel_err_wrap(err, "start of task '%s' (%s)", task->task.name, task->task.where));
    if (task->group->arg_free != NULL)
        task->group->arg_free(task->arg);
    leave(task->group);
    return true;
}

/* Tasks come and go faster than malloc does: a worker keeps the storage of some that have ended. Not where
 * somebody watches how memory is used. */
unsigned keel__group_spare_max(void)
{
#if !defined(KEEL_SIM_CORE) && !KEEL__TSAN
    if (keel__sim() == NULL && !keel__asan() && keel__process_allocator_is_libc())
        return SPARE_MAX;
#endif
    return 0;
}

static void *storage_take(void)
{
    keel__worker *self = keel__worker_self();

    if (self == NULL || self->spare == NULL)
        return keel_mem_alloc(sizeof(placed_task));
    keel__link *link = self->spare;
    self->spare = link->next;
    self->spare_count--;
    return keel__container(link, group_task, task.link);
}

static void free_task(keel__task *task)
{
    keel__worker *self = keel__worker_self();

    keel__tsan_acquire(task); /* the spawner's writes to it */
    if (self == NULL || self->spare_count == self->spare_max) {
        keel_mem_free(keel__container(task, group_task, task));
        return;
    }
    task->link.next = self->spare;
    self->spare = &task->link;
    self->spare_count++;
}

void keel__group_free_spare(keel__worker *worker)
{
    while (worker->spare != NULL) {
        keel__link *link = worker->spare;

        worker->spare = link->next;
        keel_mem_free(keel__container(link, group_task, task.link));
    }
}

/* A task of the group's, in a place that the caller has taken. NULL: out of memory. */
static group_task *make_task(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                             const char *where, const char *function)
{
    group_task *task = storage_take();

    if (task == NULL)
        return NULL;
    memset(task, 0, sizeof *task);
    task->group = group;
    task->fn = fn;
    task->arg = arg;
    task->task.rt = group->rt;
    task->task.name = group->name != NULL ? group->name : name;
    task->task.where = where;
    task->task.function = function;
    task->task.stack_bytes = group->stack_bytes;
    task->task.run = run_task;
    task->task.failed = fail_task;
    task->task.free = free_task;
    keel__tsan_release(&task->task);
    keel__order_release(&task->task);
    return task;
}

static bool start(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                  const char *where, const char *function)
{
    group_task *task = make_task(group, fn, arg, name, where, function);

    if (task == NULL) {
        record(group, KEEL_ERR_NOMEM);
        leave(group);
        return false;
    }
    keel__task_spawn(&task->task);
    return true;
}

static void wait_for_place(keel_group *group)
{
    keel__wait wait = keel__wait_begin_on(KEEL__OP_GROUP_GO, group);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&group->lock);
    bool taken = take_place_or_queue(group, &waiter);
    keel__spin_unlock(&group->lock);
    if (!taken && keel__wait_end(&wait, group->ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_CTX) {
        /* the group is to end: what waits for places in its own tasks would keep it from that */
        keel__spin_lock(&group->lock);
        keel__waitq_remove(&group->places, &waiter);
        keel__spin_unlock(&group->lock);
        keel__add(&group->state, TASK);
    }
}

bool keel_group_go_at(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                      const char *where, const char *function)
{
    keel__need(group != NULL, "keel_group_go", "group");
    keel__need(fn != NULL, "keel_group_go", "fn");
    if (group->broken != NULL)
        return false;
    keel__point(KEEL__OP_GROUP_GO, group);
    if (!take_place(group))
        wait_for_place(group);
    return start(group, fn, arg, name, where, function);
}

bool keel_group_try_go_at(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                          const char *where, const char *function)
{
    keel__need(group != NULL, "keel_group_try_go", "group");
    keel__need(fn != NULL, "keel_group_try_go", "fn");
    if (group->broken != NULL)
        return false;
    keel__point(KEEL__OP_GROUP_GO, group);
    return take_place(group) && start(group, fn, arg, name, where, function);
}

/* ---- Tasks that belong apart ---- */

static bool fail_placed(keel__task *task_, keel_err *err)
{
    placed_task *task = keel__container(task_, placed_task, task.task);

    task->failed(task->task.arg, err);
    leave(task->task.group);
    return true;
}

static placed_task *make_placed(keel_group *group, const keel__placed *what, const char *name,
                                const char *where)
{
    placed_task *task = keel__container(make_task(group, what->fn, what->arg, name, where, NULL),
                                        placed_task, task);

    if (task == NULL)
        return NULL;
    keel__add(&group->state, TASK);
    task->failed = what->failed;
    task->task.task.failed = fail_placed;
    return task;
}

bool keel__group_go_on(keel_group *group, unsigned worker, const keel__placed *what,
                       const char *name, const char *where)
{
    const unsigned count = group->rt->worker_count;

    keel__point(KEEL__OP_GROUP_GO, group);
    placed_task *task = make_placed(group, what, name, where);
    if (task == NULL)
        return false;
    if (count > 1)
        keel__task_spawn_on(&task->task.task, &group->rt->workers[worker % count]);
    else
        keel__task_spawn(&task->task.task);
    return true;
}

keel__task *keel__group_hold(keel_group *group, unsigned worker, const keel__placed *what,
                             const char *name, const char *where)
{
    placed_task *task = group->broken == NULL ? make_placed(group, what, name, where) : NULL;

    if (task == NULL)
        return NULL;
    keel__task_hold(&task->task.task, &group->rt->workers[worker % group->rt->worker_count]);
    return &task->task.task;
}

keel_err *keel_group_wait(keel_group *group)
{
    if (group == NULL)
        return NULL;
    if (group->broken != NULL)
        return group->broken;
    keel__point(KEEL__OP_GROUP_WAIT, group);
    forget(group);
    keel__wait wait = keel__wait_begin_on(KEEL__OP_GROUP_WAIT, group);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&group->lock);
    bool busy = keel__add(&group->state, JOINER) / TASK > 0;
    if (busy)
        keel__waitq_push(&group->joiner, &waiter);
    keel__spin_unlock(&group->lock);
    if (busy)
        keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT);
    keel__order_acquire(group);

    keel_err *err = group->err;
    keel__ctx_free(group->ctx);
    keel_mem_free(group);
    return err;
}

const keel_group *keel__group_of(const keel__task *task)
{
    return task->run == run_task ? keel__container(task, group_task, task)->group : NULL;
}

size_t keel__groups_forgotten(keel_runtime *rt, char *buf, size_t size)
{
    keel_group *first = NULL;
    size_t count = 0;

    for (unsigned i = 0; i < rt->worker_count; i++) {
        keel__worker *worker = &rt->workers[i];

        keel__spin_lock(&worker->lock);
        for (keel__link *link = worker->groups.first; link != NULL; link = link->next) {
            if (count++ == 0)
                first = keel__container(link, keel_group, unwaited);
        }
        keel__spin_unlock(&worker->lock);
    }
    if (first != NULL) {
        char text[200], more[40] = "";

        keel__spin_lock(&first->lock); /* after what its tasks did */
        const keel_err *err = first->err;
        keel__spin_unlock(&first->lock);
        if (count > 1)
            snprintf(more, sizeof more, " (nor for %zu more)", count - 1);
        snprintf(buf, size, "keel_group_wait was never called for the group made at %s%s: %s",
                 first->where, more, keel_err_str(err, text, sizeof text));
    }
    return count;
}
