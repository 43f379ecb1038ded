/* SPDX-License-Identifier: MIT */
#include "net/slot.h"

#include <unistd.h>

#include <keel/mem.h>
#include <keel/task.h>

#include "base/sim_hook.h"

/* ---- The streams of a runtime ---- */

/* What a simulation's runtime keeps outlives the run. */
static void *lasting_calloc(keel_runtime *rt, size_t size)
{
    if (rt->simulated)
        keel__sim()->lasting(true);
    void *memory = keel_mem_calloc(1, size);
    if (rt->simulated)
        keel__sim()->lasting(false);
    return memory;
}

static void release(keel__slot *slot);

/* The workers have ended: nobody uses any of it. A simulated connection that is left open was part of a run that
 * was cut off, and is gone. */
static void free_streams(keel__extra *extra)
{
    keel__streams *streams = keel__container(extra, keel__streams, extra);

    for (keel__slab *slab = streams->slabs, *next; slab != NULL; slab = next) {
        for (size_t i = 0; i < KEEL__SLAB_SLOTS && !streams->rt->simulated; i++)
            if (slab->slots[i].kind != KEEL__SLOT_FREE)
                release(&slab->slots[i]);
        next = slab->next;
        keel_mem_free(slab);
    }
    for (unsigned i = 0; i < streams->rt->worker_count; i++)
        keel__poller_stop(&streams->pollers[i]);
    keel_mem_free(streams);
}

static keel__streams *make_streams(keel_runtime *rt)
{
    keel__streams *streams = lasting_calloc(
        rt, sizeof *streams + rt->worker_count * sizeof *streams->pollers); /* at most 1024 */
    void *other = NULL;

    if (streams == NULL)
        return NULL;
    streams->extra.free = free_streams;
    streams->rt = rt;
    for (unsigned i = 0; i < rt->worker_count; i++)
        streams->pollers[i].worker = &rt->workers[i];
    if (keel__cas(&rt->streams, &other, (void *)streams))
        return streams;
    keel_mem_free(streams);
    return other; /* who was first */
}

keel_err *keel__streams_of(keel__streams **out, keel_ctx *ctx, keel_runtime *rt)
{
    keel__worker *self = keel__worker_self();

    if (rt == NULL)
        rt = keel_ctx_runtime(ctx);
    if (rt == NULL && self != NULL)
        rt = self->rt;
    if (rt == NULL)
        return KEEL_ERR_NO_RUNTIME;
    *out = keel__load(&rt->streams);
    if (*out == NULL)
        *out = make_streams(rt);
    return *out != NULL ? NULL : KEEL_ERR_NOMEM;
}

/* ---- Slots ---- */

static bool add_slab(keel__streams *home)
{
    keel__slab *slab = lasting_calloc(home->rt, sizeof *slab);

    if (slab == NULL)
        return false;
    for (size_t i = 0; i < KEEL__SLAB_SLOTS; i++) {
        slab->slots[i].home = home;
        slab->slots[i].closed = true;
        slab->slots[i].next = i + 1 < KEEL__SLAB_SLOTS ? &slab->slots[i + 1] : NULL;
    }
    keel__spin_lock(&home->lock);
    slab->next = home->slabs;
    home->slabs = slab;
    slab->slots[KEEL__SLAB_SLOTS - 1].next = home->free;
    home->free = slab->slots;
    keel__spin_unlock(&home->lock);
    return true;
}

keel__slot *keel__slot_new(keel__streams *home, keel__slot_kind kind, int fd)
{
    keel__slot *slot;

    do {
        keel__spin_lock(&home->lock);
        slot = home->free;
        if (slot != NULL)
            home->free = slot->next;
        keel__spin_unlock(&home->lock);
    } while (slot == NULL && add_slab(home));
    if (slot == NULL)
        return NULL;

    keel__spin_lock(&slot->lock); /* an event for its predecessor may come */
    slot->kind = kind;
    slot->fd = fd;
    slot->tcp = slot->closed = slot->reset = slot->unsure = slot->ended_write = false;
    slot->is_drained = false;
    slot->streak = 0;
    slot->poller = NULL;
    keel__spin_unlock(&slot->lock);
    return slot;
}

/* Gives back what the slot has. */
static void release(keel__slot *slot)
{
    const struct linger at_once = { .l_onoff = 1 };

    switch (slot->kind) {
    case KEEL__SLOT_SOCKET:
        if (slot->reset)
            setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(slot->fd);
        break;
    case KEEL__SLOT_SOCKET_LISTENER:
        if (slot->name != NULL)
            unlink(slot->name);
        close(slot->fd);
        break;
    case KEEL__SLOT_CONN:
        if (slot->reset)
            keel_sim_conn_reset(slot->sim.conn);
        keel_sim_conn_free(slot->sim.conn);
        break;
    case KEEL__SLOT_SIM_LISTENER:
        keel_sim_listener_free(slot->sim.listener);
        break;
    case KEEL__SLOT_FREE:
        break;
    }
    keel_mem_free(slot->name);
    slot->name = NULL;
    slot->kind = KEEL__SLOT_FREE;
}

static void recycle(keel__slot *slot)
{
    keel__streams *home = slot->home;

    release(slot);
    keel__spin_lock(&home->lock);
    slot->next = home->free;
    home->free = slot;
    keel__spin_unlock(&home->lock);
}

/* ---- Operations ---- */

static bool is_open(const keel__slot *slot, uint64_t generation)
{
    return slot->generation == generation && !slot->closed;
}

keel_err *keel__slot_begin(keel__slot *slot, uint64_t generation, keel__direction direction,
                           keel__turn *turn)
{
    keel_err *err = NULL;
    bool tired = false;

    if (slot == NULL)
        return KEEL_ERR_CLOSED;
    keel__spin_lock(&slot->lock);
    if (!is_open(slot, generation) || (direction == KEEL__OUT && slot->ended_write)) {
        err = KEEL_ERR_CLOSED;
    } else if (slot->busy[direction]) {
        err = KEEL_ERR_BUSY;
    } else {
        slot->busy[direction] = true;
        slot->pins++;
        tired = slot->kind == KEEL__SLOT_SOCKET && ++slot->streak >= KEEL__STREAK;
        if (tired)
            slot->streak = 0;
        turn->direction = direction;
        turn->seen = slot->events[direction];
        turn->drained = direction == KEEL__IN && slot->is_drained && slot->drained == turn->seen &&
                        !slot->unsure;
    }
    keel__spin_unlock(&slot->lock);
    if (tired)
        keel_yield();
    return err;
}

keel_err *keel__slot_pin(keel__slot *slot, uint64_t generation)
{
    if (slot == NULL)
        return KEEL_ERR_CLOSED;
    keel__spin_lock(&slot->lock);
    bool open = is_open(slot, generation);
    slot->pins += open;
    keel__spin_unlock(&slot->lock);
    return open ? NULL : KEEL_ERR_CLOSED;
}

bool keel__slot_is_open(keel__slot *slot, uint64_t generation)
{
    if (slot == NULL)
        return false;
    keel__spin_lock(&slot->lock);
    bool open = is_open(slot, generation);
    keel__spin_unlock(&slot->lock);
    return open;
}

/* Its lock is held, and let go of. */
static void drop_pin(keel__slot *slot)
{
    bool last = --slot->pins == 0 && slot->closed;

    keel__spin_unlock(&slot->lock);
    if (last)
        recycle(slot);
}

void keel__slot_unpin(keel__slot *slot)
{
    keel__spin_lock(&slot->lock);
    drop_pin(slot);
}

void keel__slot_end(keel__slot *slot, const keel__turn *turn)
{
    keel__spin_lock(&slot->lock);
    slot->busy[turn->direction] = false;
    if (turn->direction == KEEL__IN) {
        slot->is_drained = turn->drained;
        slot->drained = turn->seen;
    }
    drop_pin(slot);
}

/* Wakes those who wait in a simulated network; sockets' waiters are woken by the caller. */
static void close_simulated(keel__slot *slot)
{
    if (slot->kind == KEEL__SLOT_CONN && slot->reset)
        keel_sim_conn_reset(slot->sim.conn);
    if (slot->kind == KEEL__SLOT_CONN)
        keel_sim_conn_close(slot->sim.conn);
    else if (slot->kind == KEEL__SLOT_SIM_LISTENER)
        keel_sim_listener_close(slot->sim.listener);
}

void keel__slot_close(keel__slot *slot, uint64_t generation, bool reset)
{
    if (slot == NULL)
        return;
    keel__spin_lock(&slot->lock);
    if (!is_open(slot, generation)) {
        keel__spin_unlock(&slot->lock);
        return;
    }
    slot->closed = true;
    slot->reset = reset;
    slot->generation++;
    slot->pins++;
    keel__waiter *readers = keel__waitq_claim_all(&slot->waiters[KEEL__IN]);
    keel__waiter *writers = keel__waitq_claim_all(&slot->waiters[KEEL__OUT]);
    keel__spin_unlock(&slot->lock);
    close_simulated(slot);
    keel__unpark_all(readers);
    keel__unpark_all(writers);
    keel__slot_unpin(slot);
}

/* ---- Waiting ---- */

void keel__slot_event(keel__slot *slot, bool in, bool out, bool unsure)
{
    keel__waiter *reader = NULL, *writer = NULL;

    keel__spin_lock(&slot->lock);
    if (unsure)
        slot->unsure = true;
    if (in) {
        slot->events[KEEL__IN]++;
        reader = keel__waitq_claim(&slot->waiters[KEEL__IN]);
    }
    if (out) {
        slot->events[KEEL__OUT]++;
        writer = keel__waitq_claim(&slot->waiters[KEEL__OUT]);
    }
    keel__spin_unlock(&slot->lock);
    if (reader != NULL)
        keel__unpark(reader->wait->actor);
    if (writer != NULL)
        keel__unpark(writer->wait->actor);
}

keel__turn keel__slot_turn(keel__slot *slot, keel__direction direction)
{
    keel__spin_lock(&slot->lock);
    keel__turn turn = { .direction = direction, .seen = slot->events[direction] };
    keel__spin_unlock(&slot->lock);
    return turn;
}

void keel__slot_no_more(keel__slot *slot)
{
    keel__spin_lock(&slot->lock);
    slot->ended_write = true;
    keel__spin_unlock(&slot->lock);
}

keel_err *keel__slot_watch(keel__slot *slot)
{
    keel__poller *poller;
    keel_err *err = NULL;

    keel__spin_lock(&slot->lock);
    bool watched = slot->poller != NULL;
    keel__spin_unlock(&slot->lock);
    if (watched)
        return NULL;
    KEEL_TRY(keel__poller_get(&poller, slot->home));
    keel__spin_lock(&slot->lock); /* another direction's waiter may have done it meanwhile */
    watched = slot->poller != NULL;
    if (!watched)
        slot->poller = poller;
    keel__spin_unlock(&slot->lock);
    if (!watched)
        err = keel__poller_add(poller, slot);
    if (err != NULL) {
        keel__spin_lock(&slot->lock);
        slot->poller = NULL;
        keel__spin_unlock(&slot->lock);
        keel__slot_event(slot, true, true, false); /* who relied on it tries for itself */
    }
    return err;
}

keel_err *keel__slot_wait(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                          int64_t timeout_ns)
{
    const keel__direction direction = turn->direction;
    keel__wait wait =
        keel__wait_begin_on(direction == KEEL__IN ? KEEL__OP_NET_READ : KEEL__OP_NET_WRITE, slot);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
    uint32_t fired = KEEL__FIRED_USER;

    keel__spin_lock(&slot->lock);
    if (slot->poller == NULL) {
        keel__spin_unlock(&slot->lock);
        KEEL_TRY(keel__slot_watch(slot));
        keel__spin_lock(&slot->lock);
    }
    bool open = is_open(slot, generation);
    bool park = open && slot->events[direction] == turn->seen;
    if (park)
        keel__waitq_push(&slot->waiters[direction], &waiter);
    turn->seen = slot->events[direction];
    slot->streak = 0;
    keel__spin_unlock(&slot->lock);

    if (park) {
        fired = keel__wait_end(&wait, ctx, timeout_ns);
        keel__spin_lock(&slot->lock);
        keel__waitq_remove(&slot->waiters[direction], &waiter);
        open = is_open(slot, generation);
        turn->seen = slot->events[direction];
        keel__spin_unlock(&slot->lock);
    }
    if (!open)
        return KEEL_ERR_CLOSED;
    if (fired == KEEL__FIRED_CTX)
        return keel__ctx_err(ctx);
    return fired == KEEL__FIRED_TIMER ? KEEL_ERR_TIMEOUT : NULL;
}
