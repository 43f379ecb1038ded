/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <string.h>

#include <keel/mem.h>

/* The items of an ordered segment have places 0, 1, ... in the order in which they were taken from the queue.
 * At most `room` are under way, from `next` on: so the one at place n waits in cell n % room until all before
 * it have been sent. One task at a time sends, `sending`; the others put theirs into a cell and go on. */
typedef enum cell_state { CELL_EMPTY, CELL_NOTHING, CELL_ITEM } cell_state;

struct keel__order {
    size_t room, cell_bytes;
    keel_semaphore places; /* for items under way */
    keel_mutex taking;
    uint64_t taken;  /* guarded by `taking` */
    keel__spin lock; /* guards what follows */
    uint64_t next;
    bool sending;
    size_t waiting, most;
    unsigned char *states;
    unsigned char *cells; /* slots */
};

keel_err *keel__order_new(keel__order **out, size_t room, size_t bytes)
{
    keel__order *order = keel_mem_calloc(1, sizeof *order);

    *out = order;
    if (order == NULL)
        return KEEL_ERR_NOMEM;
    order->room = room;
    order->cell_bytes = (bytes + 15) / 16 * 16;
    order->states = keel_mem_calloc(room, 1);
    order->cells = keel_mem_calloc(room, order->cell_bytes);
    keel_semaphore_init(&order->places, room);
    return order->states == NULL || order->cells == NULL ? KEEL_ERR_NOMEM : NULL;
}

size_t keel__order_room(const keel__segment *segment)
{
    const size_t queue = segment->plan->p->opts.queue, tasks = segment->parallel;

    return !segment->ordered ? 0 : queue > 2 * tasks ? queue - tasks : tasks;
}

void keel__order_free(keel__order *order)
{
    if (order == NULL)
        return;
    keel_mem_free(order->states);
    keel_mem_free(order->cells);
    keel_mem_free(order);
}

keel_err *keel__order_enter(keel_ctx *ctx, keel__order *order)
{
    return keel_semaphore_acquire(ctx, &order->places, 1);
}

void keel__order_leave(keel__order *order)
{
    keel_semaphore_release(&order->places, 1);
}

keel_err *keel__order_lock(keel_ctx *ctx, keel__order *order)
{
    return keel_mutex_lock_ctx(ctx, &order->taking);
}

uint64_t keel__order_next(keel__order *order)
{
    return order->taken++;
}

void keel__order_unlock(keel__order *order)
{
    keel_mutex_unlock(&order->taking);
}

/* Sends what is in a cell. The cell is this task's alone meanwhile. */
static void send_cell(keel__carrier *c, keel__order *order, size_t cell)
{
    keel__segment *segment = c->segment;
    keel__slot *slot = (keel__slot *)(void *)(order->cells + cell * order->cell_bytes);

    if (order->states[cell] == CELL_ITEM) {
        c->number = slot->number; /* the carrier's own item has ended */
        keel__send(c, segment->outs[0], slot->type, keel__slot_item(slot));
    }
}

void keel__order_put(keel__carrier *c, uint64_t place, const void *slot)
{
    keel__order *order = c->segment->order;
    size_t cell = (size_t)(place % order->room);

    keel__spin_lock(&order->lock);
    if (slot != NULL)
        memcpy(order->cells + cell * order->cell_bytes, slot,
               KEEL__SLOT_BYTES + ((const keel__slot *)slot)->type->bytes);
    order->states[cell] = slot != NULL ? CELL_ITEM : CELL_NOTHING;
    order->waiting++;
    const bool mine = !order->sending && place == order->next;
    if (mine)
        order->sending = true;
    else if (order->waiting > order->most)
        order->most = order->waiting;
    while (mine && order->states[cell = (size_t)(order->next % order->room)] != CELL_EMPTY) {
        keel__spin_unlock(&order->lock);
        send_cell(c, order, cell);
        keel__spin_lock(&order->lock);
        order->states[cell] = CELL_EMPTY;
        order->next++;
        order->waiting--;
        keel__spin_unlock(&order->lock);
        keel_semaphore_release(&order->places, 1); /* the cell may be used again */
        keel__spin_lock(&order->lock);
    }
    if (mine)
        order->sending = false;
    keel__spin_unlock(&order->lock);
}

size_t keel__order_most(keel__order *order)
{
    keel__spin_lock(&order->lock);
    const size_t most = order->most;
    keel__spin_unlock(&order->lock);
    return most;
}
