/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET
#include "task/deadlock.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <keel/duration.h>

#include "task/dump.h"
#include "task/ops.h"
#include "task/worker.h"

#define AGAIN_NS KEEL_MS(10)

enum {
    TOLD = 200, /* tasks, at most */
    EXIT_STATUS = 2
};

/* Threads of the process; 0 where that is not known. */
static unsigned count_threads(void)
{
    unsigned count = 0;
    const struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Threads for offloaded calls that have nothing to do, and all there are: one may be busy with a call that was
 * abandoned, or not yet back from one. */
static unsigned count_idle(keel_runtime *rt, unsigned *made)
{
    unsigned idle = 0;

    keel__spin_lock(&rt->offload.lock);
    *made = rt->offload.made;
    for (const keel__waiter *waiter = rt->offload.idle.first; waiter != NULL; waiter = waiter->next)
        idle++;
    keel__spin_unlock(&rt->offload.lock);
    return idle;
}

/* A task that waits for its context alone waits for a signal: a select without a channel. */
static bool waits_for_context(const keel__snapshot *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->tasks[i].op == KEEL__OP_SELECT && all->tasks[i].object == NULL)
            return true;
    return false;
}

/* ---- The cycle ---- */

/* Whether `a` waits for `b`: for what it holds, or for the end of its group. */
static bool waits_for(const keel__seen *a, const keel__seen *b)
{
    if (a->owner != NULL)
        return a->owner == b->task;
    return a->op == KEEL__OP_GROUP_WAIT && a->object != NULL && a->object == b->group;
}

/* The first task in `left` that this one waits for; NULL: none. */
static const keel__seen *next_of(const keel__snapshot *all, const bool *left,
                                 const keel__seen *seen)
{
    for (size_t i = 0; i < all->count; i++)
        if (left[i] && waits_for(seen, &all->tasks[i]))
            return &all->tasks[i];
    return NULL;
}

/* Leaves out, again and again, who waits for nobody that is left: the rest are in cycles, or wait for
 * somebody who is. So whoever goes from one to the next comes by one place twice. */
static const keel__seen *find_cycle(const keel__snapshot *all, bool *left)
{
    bool changed = true;
    const keel__seen *at = NULL;

    for (size_t i = 0; i < all->count; i++)
        left[i] = true;
    while (changed) {
        changed = false;
        at = NULL;
        for (size_t i = 0; i < all->count; i++) {
            if (left[i] && next_of(all, left, &all->tasks[i]) == NULL)
                changed = !(left[i] = false);
            else if (left[i])
                at = &all->tasks[i];
        }
    }
    for (size_t i = 0; at != NULL && i < all->count; i++)
        at = next_of(all, left, at);
    return at;
}

/* "  cycle: T2 --mutex 0x7ffd51c8--> T3 --mutex 0x7ffd51f0--> T2" */
static keel_err *add_cycle(keel_buf *out, const keel__snapshot *all)
{
    bool left[TOLD];
    const keel__seen *first = find_cycle(all, left), *at = first;

    if (first == NULL)
        return NULL;
    KEEL_TRY(keel_buf_printf(out, "  cycle: T%zu", keel__seen_number(all, first)));
    do {
        KEEL_TRY(keel_buf_printf(out, " --%s %p--> ", keel__op_kind(at->op), at->object));
        at = next_of(all, left, at);
        KEEL_TRY(keel_buf_printf(out, "T%zu", keel__seen_number(all, at)));
    } while (at != first);
    return keel_buf_append_char(out, '\n');
}

static keel_err *describe(keel_buf *out, keel__snapshot *all)
{
    KEEL_TRY(keel_buf_append_text(
        out, "keel: deadlock: every task waits, and nothing is left that could wake one\n"));
    KEEL_TRY(keel__dump_text(out, all));
    return add_cycle(out, all);
}

/* Of two workers that went to sleep last, the first to come tells it, and the other sleeps on. */
static void end_process(keel_runtime *rt, keel__snapshot *all)
{
    keel_buf text = { 0 };

    keel__spin_lock(&rt->lock);
    const bool first = keel__peek(rt->alone);
    keel__publish(rt->alone, false);
    keel__spin_unlock(&rt->lock);
    if (!first)
        return;
    keel_err_free(describe(&text, all)); /* what there is of it is printed */
    fwrite(text.ptr, 1, text.len, stderr);
    fflush(stdout);
    _exit(EXIT_STATUS);
}

int64_t keel__deadlock_look(keel_runtime *rt)
{
    keel__snapshot all;
    unsigned made;

    if (keel__load(&rt->live) == 0)
        return INT64_MAX;
    const unsigned idle = count_idle(rt, &made);
    if (count_threads() != rt->worker_count + rt->monitor.there + made) {
        keel__publish(rt->alone, false);
        return INT64_MAX;
    }
    if (idle < made)
        return AGAIN_NS;
    keel_err *err = keel__snapshot_take(&all, rt, TOLD, NULL);
    if (err != NULL) {
        keel_err_free(err); /* there may be memory later */
        return AGAIN_NS;
    }
    if (!waits_for_context(&all))
        end_process(rt, &all);
    keel__snapshot_free(&all);
    return INT64_MAX;
}
