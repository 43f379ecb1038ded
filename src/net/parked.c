/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <keel/mem.h>
#include <keel/stream.h>

#include "base/process.h"
#include "net/slot.h"
#include "task/ctx.h"
#include "task/group.h"
#include "task/sim_net.h"

/* A stream that waits without a stack is a wait like any other (task/park.h), but on the heap, and its actor is a
 * task that has not run yet: unparking starts it.
 *
 * While the wait is being set up it is claimed already, so that nobody can start the task under the feet of
 * who sets it up. Then it is opened, and looked at once more: an event or an end in between has failed to
 * claim it. Whoever claims it from then on starts the task, which may free all this: so each of the two holds
 * a reference. */
typedef struct parked {
    keel__wait wait;
    keel__waiter waiter;
    keel__watcher watcher;
    bool watched;
    keel__a32 refs;
    keel__turn turn;
    keel_stream stream;
    keel_stream_fn fn;
    void *arg;
    keel_group *group;
} parked;

static void drop(parked *p)
{
    if (keel__sub(&p->refs, 1) == 1)
        keel_mem_free(p);
}

/* The wait is over: takes it out of where it stands. */
static void unregister(parked *p)
{
    keel__slot *slot = p->stream.keel__slot;

    if (p->watched)
        keel__ctx_unwatch(keel_group_ctx(p->group), &p->watcher);
    keel__spin_lock(&slot->lock);
    keel__waitq_remove(&slot->waiters[KEEL__IN], &p->waiter);
    keel__spin_unlock(&slot->lock);
    p->turn.drained = false;
    keel__slot_end(slot, &p->turn);
}

static keel_err *run_parked(keel_ctx *ctx, void *arg)
{
    parked *p = arg;
    keel_stream stream = p->stream;
    keel_stream_fn fn = p->fn;
    void *fn_arg = p->arg;

    unregister(p);
    drop(p);
    return fn(ctx, stream, fn_arg);
}

static void fail_parked(void *arg, keel_err *err)
{
    parked *p = arg;

    unregister(p);
    keel_stream_close(p->stream);
    keel_group_fail(p->group, keel_err_wrap(err, "start of a task for a stream"));
    drop(p);
}

/* Queues it for the next event; false if there was one since `turn`, or the stream is closed. */
static bool still_waits(parked *p)
{
    keel__slot *slot = p->stream.keel__slot;

    keel__spin_lock(&slot->lock);
    bool waits =
        slot->generation == p->stream.keel__generation && slot->events[KEEL__IN] == p->turn.seen;
    keel__spin_unlock(&slot->lock);
    return waits;
}

static void queue(parked *p)
{
    keel__slot *slot = p->stream.keel__slot;

    keel__spin_lock(&slot->lock);
    keel__waitq_push(&slot->waiters[KEEL__IN], &p->waiter);
    slot->streak = 0;
    keel__spin_unlock(&slot->lock);
}

/* The slot's turn is taken, and what was there when it was has not been looked at. */
static void set_up(parked *p, keel__task *task, bool ready)
{
    keel_ctx *ctx = keel_group_ctx(p->group);

    p->wait = (keel__wait){ .actor = &task->actor, .op = KEEL__OP_NET_READ };
    p->wait.object = p->stream.keel__slot;
    keel__store(&p->wait.fired, KEEL__FIRED_SELF);
    p->waiter = (keel__waiter){ .wait = &p->wait, .number = KEEL__FIRED_USER };
    p->watcher = (keel__watcher){ .wait = &p->wait };
    queue(p);
    p->watched = keel__ctx_watch(ctx, &p->watcher);
    keel__store(&p->wait.fired, KEEL__FIRED_NONE);
    if ((ready || !still_waits(p) || keel__ctx_err(ctx) != NULL) &&
        keel__wait_claim(&p->wait, KEEL__FIRED_SELF))
        keel__unpark(&task->actor);
    drop(p);
}

/* Whether something, or the end, is there already. */
static bool is_readable(const keel__slot *slot)
{
    char byte;

    return recv(slot->fd, &byte, 1, MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* ---- Streams without a descriptor: a task waits ---- */

static keel_err *wait_and_run(keel_ctx *ctx, void *arg)
{
    parked *p = arg;
    keel__slot *slot = p->stream.keel__slot;
    keel_stream stream = p->stream;
    keel_stream_fn fn = p->fn;
    void *fn_arg = p->arg;

    keel_err_free(keel__net_wait_readable(ctx, slot->sim.conn)); /* fn learns it from the context */
    keel__slot_end(slot, &p->turn);
    drop(p);
    return fn(ctx, stream, fn_arg);
}

static void fail_waiting(void *arg, keel_err *err)
{
    parked *p = arg;

    keel__slot_end(p->stream.keel__slot, &p->turn);
    keel_stream_close(p->stream);
    keel_group_fail(p->group, keel_err_wrap(err, "start of a task for a stream"));
    drop(p);
}

/* ---- Both ---- */

static unsigned place_of(const keel__slot *slot)
{
    const keel__worker *self = keel__worker_self();

    if (slot->poller != NULL)
        return slot->poller->worker->index;
    return self != NULL ? self->index : 0;
}

static keel_err *start(parked *p, const char *name, const char *where)
{
    keel__slot *slot = p->stream.keel__slot;
    const bool socket = slot->kind == KEEL__SLOT_SOCKET;
    const keel__placed what = { .fn = socket ? run_parked : wait_and_run,
                                .failed = socket ? fail_parked : fail_waiting,
                                .arg = p };

    if (!socket) {
        keel__store(&p->refs, 1);
        return keel__group_go_on(p->group, place_of(slot), &what, name, where) ? NULL
                                                                               : KEEL_ERR_NOMEM;
    }
    bool ready = !p->turn.drained && is_readable(slot);
    if (!ready)
        KEEL_TRY(keel__slot_watch(slot));
    keel__store(&p->refs, 2);
    keel__task *task = keel__group_hold(p->group, place_of(slot), &what, name, where);
    if (task == NULL)
        return KEEL_ERR_NOMEM;
    set_up(p, task, ready);
    return NULL;
}

/* Why a group could not be made, if that is so. */
static keel_err *broken(keel_group *group)
{
    keel_err *err = keel_ctx_err(keel_group_ctx(group));

    return err == KEEL_ERR_CANCELLED || err == KEEL_ERR_DEADLINE ? NULL : err;
}

keel_err *keel_stream_when_readable_at(keel_group *group, keel_stream stream, keel_stream_fn fn,
                                       void *arg, const char *name, const char *where)
{
    keel__slot *slot = stream.keel__slot;
    keel__turn turn;

    keel__need(group != NULL, "keel_stream_when_readable", "group");
    keel__need(fn != NULL, "keel_stream_when_readable", "fn");
    KEEL_TRY(broken(group));
    KEEL_TRY(keel__slot_begin(slot, stream.keel__generation, KEEL__IN, &turn));
    parked *p = keel_mem_calloc(1, sizeof *p);
    keel_err *err = KEEL_ERR_NOMEM;
    if (p != NULL) {
        p->turn = turn;
        p->stream = stream;
        p->fn = fn;
        p->arg = arg;
        p->group = group;
        err = start(p, name, where);
    }
    if (err != NULL) {
        keel_mem_free(p);
        keel__slot_end(slot, &turn);
    }
    return err;
}
