/* SPDX-License-Identifier: MIT */
#include <keel/chan.h>

#include <stdint.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/chan.h"

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void need(const keel_chan *chan, const void *item, const char *function)
{
    if (chan == NULL)
        keel__misuse("%s: the channel is NULL", function);
    if (item == NULL)
        keel__misuse("%s: no place for the item (channel %p)", function, (const void *)chan);
}

/* ---- The ring ---- */

/* The caller knows that there is room. */
static void ring_put(keel_chan *chan, const unsigned char *items, size_t count)
{
    size_t tail = chan->head + chan->len;

    if (tail >= chan->capacity)
        tail -= chan->capacity;
    size_t first = min(count, chan->capacity - tail);
    memcpy(chan->items + tail * chan->item_size, items, first * chan->item_size);
    memcpy(chan->items, items + first * chan->item_size, (count - first) * chan->item_size);
    chan->len += count;
}

/* The caller knows that there are as many. */
static void ring_get(keel_chan *chan, unsigned char *items, size_t count)
{
    size_t first = min(count, chan->capacity - chan->head);

    memcpy(items, chan->items + chan->head * chan->item_size, first * chan->item_size);
    memcpy(items + first * chan->item_size, chan->items, (count - first) * chan->item_size);
    chan->head = first == count ? chan->head + count : count - first;
    if (chan->head == chan->capacity)
        chan->head = 0;
    chan->len -= count;
}

/* ---- Without waiting ---- */

size_t keel__chan_put(keel_chan *chan, const void *items, size_t count, keel__waitq *served)
{
    const unsigned char *from = items;
    size_t done = 0;
    keel__waiter *receiver;

    while (done < count && (receiver = keel__waitq_claim(&chan->receivers)) != NULL) {
        receiver->count = min(receiver->count, count - done);
        memcpy(receiver->item, from + done * chan->item_size, receiver->count * chan->item_size);
        done += receiver->count;
        keel__waitq_collect(served, receiver);
    }

    size_t rest = min(count - done, chan->capacity - chan->len);
    if (rest > 0)
        ring_put(chan, from + done * chan->item_size, rest);
    return done + rest;
}

size_t keel__chan_get(keel_chan *chan, void *items, size_t count, keel__waitq *served)
{
    unsigned char *to = items;
    size_t done = min(count, chan->len);
    keel__waiter *sender;

    if (done > 0)
        ring_get(chan, to, done);

    /* What senders wait with comes after what is in the ring: it goes straight to the caller only
     * when the ring is empty, and then into the ring, so that it is full while a sender waits. */
    while (done < count && (sender = keel__waitq_claim(&chan->senders)) != NULL) {
        sender->count = min(sender->count, count - done);
        memcpy(to + done * chan->item_size, sender->item, sender->count * chan->item_size);
        done += sender->count;
        keel__waitq_collect(served, sender);
    }
    while (chan->len < chan->capacity && (sender = keel__waitq_claim(&chan->senders)) != NULL) {
        sender->count = min(sender->count, chan->capacity - chan->len);
        ring_put(chan, sender->item, sender->count);
        keel__waitq_collect(served, sender);
    }
    return done;
}

/* ---- With waiting ---- */

/* Waits in `queue`, which was joined under the lock. True if a peer came; then waiter->count tells
 * what it did. False if the context ended first. */
static bool wait_for_peer(keel_ctx *ctx, keel_chan *chan, keel__waitq *queue, keel__waiter *waiter)
{
    if (keel__wait_end(waiter->wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER)
        return true;
    keel__spin_lock(&chan->lock);
    keel__waitq_remove(queue, waiter);
    keel__spin_unlock(&chan->lock);
    return false;
}

/* Sends what it can, waits for a peer to take more if that was not all, and adds to *sent. */
static keel_err *send_some(keel_ctx *ctx, keel_chan *chan, const unsigned char *items, size_t count,
                           size_t *sent)
{
    keel_err *err = keel__ctx_err(ctx);

    if (err != NULL)
        return err;

    keel__wait wait = keel__wait_begin_on(KEEL__OP_CHAN_SEND, chan);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
    keel__waitq served = { 0 };

    keel__order_release(chan);
    keel__spin_lock(&chan->lock);
    if (chan->closed) {
        keel__spin_unlock(&chan->lock);
        return KEEL_ERR_CLOSED;
    }
    size_t done = keel__chan_put(chan, items, count, &served);
    if (done < count) {
        /* read by the receiver only */
        waiter.item = (void *)(uintptr_t)(items + done * chan->item_size);
        waiter.count = count - done;
        keel__waitq_push(&chan->senders, &waiter);
    }
    keel__spin_unlock(&chan->lock);
    keel__unpark_all(served.first);

    *sent += done;
    if (done == count)
        return NULL;
    if (!wait_for_peer(ctx, chan, &chan->senders, &waiter))
        return keel__ctx_err(ctx);
    *sent += waiter.count;
    return waiter.count > 0 ? NULL : KEEL_ERR_CLOSED;
}

/* Receives from 1 to `max` items. */
static keel_err *receive(keel_ctx *ctx, keel_chan *chan, unsigned char *items, size_t max,
                         size_t *received)
{
    *received = 0;
    keel_err *err = keel__ctx_err(ctx);
    if (err != NULL)
        return err;

    keel__wait wait = keel__wait_begin_on(KEEL__OP_CHAN_RECV, chan);
    keel__waiter waiter = {
        .wait = &wait, .number = KEEL__FIRED_USER, .item = items, .count = max
    };
    keel__waitq served = { 0 };

    keel__spin_lock(&chan->lock);
    size_t done = keel__chan_get(chan, items, max, &served);
    bool closed = chan->closed;
    if (done == 0 && !closed)
        keel__waitq_push(&chan->receivers, &waiter);
    keel__spin_unlock(&chan->lock);
    keel__unpark_all(served.first);

    if (done == 0 && !closed) {
        if (!wait_for_peer(ctx, chan, &chan->receivers, &waiter))
            return keel__ctx_err(ctx);
        done = waiter.count;
    }
    keel__order_acquire(chan);
    *received = done;
    return done > 0 ? NULL : KEEL_ERR_CLOSED;
}

/* ---- Public ---- */

keel_err *keel_chan_new(keel_chan **out, size_t item_size, const keel_chan_opts *opts)
{
    size_t capacity = opts != NULL ? opts->capacity : 0;

    if (out == NULL)
        keel__misuse("keel_chan_new: no place for the channel");
    *out = NULL;
    if (item_size == 0 || capacity > (SIZE_MAX - sizeof(keel_chan)) / item_size)
        return KEEL_ERR_INVAL;

    keel_chan *chan = keel_mem_alloc(sizeof *chan + capacity * item_size);
    if (chan == NULL)
        return KEEL_ERR_NOMEM;
    *chan = (keel_chan){ .item_size = item_size,
                         .capacity = capacity,
                         .item_free = opts != NULL ? opts->item_free : NULL };
    *out = chan;
    return NULL;
}

void keel_chan_free(keel_chan *chan)
{
    if (chan == NULL)
        return;
    if (chan->senders.first != NULL || chan->receivers.first != NULL)
        keel__misuse(
            "keel_chan_free: somebody waits on channel %p (items of %zu bytes, capacity %zu)",
            (void *)chan, chan->item_size, chan->capacity);
    for (; chan->item_free != NULL && chan->len > 0; chan->len--) {
        chan->item_free(chan->items + chan->head * chan->item_size);
        chan->head = chan->head + 1 == chan->capacity ? 0 : chan->head + 1;
    }
    keel_mem_free(chan);
}

keel_err *keel_chan_send(keel_ctx *ctx, keel_chan *chan, const void *item)
{
    size_t sent = 0;

    need(chan, item, "keel_chan_send");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    return send_some(ctx, chan, item, 1, &sent);
}

keel_err *keel_chan_recv(keel_ctx *ctx, keel_chan *chan, void *item)
{
    size_t received;

    need(chan, item, "keel_chan_recv");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    keel_err *err = receive(ctx, chan, item, 1, &received);
    if (err != NULL)
        memset(item, 0, chan->item_size);
    return err;
}

bool keel_chan_next(keel_ctx *ctx, keel_chan *chan, void *item)
{
    size_t received;

    need(chan, item, "keel_chan_next");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    bool some = receive(ctx, chan, item, 1, &received) == NULL; /* its errors are all static */
    if (!some)
        memset(item, 0, chan->item_size);
    return some;
}

keel_chan_status keel_chan_try_send(keel_chan *chan, const void *item)
{
    keel__waitq served = { 0 };

    need(chan, item, "keel_chan_try_send");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    keel__order_release(chan);
    keel__spin_lock(&chan->lock);
    bool closed = chan->closed;
    bool done = !closed && keel__chan_put(chan, item, 1, &served) == 1;
    keel__spin_unlock(&chan->lock);
    keel__unpark_all(served.first);
    return done ? KEEL_CHAN_DONE : closed ? KEEL_CHAN_CLOSED : KEEL_CHAN_WOULD_BLOCK;
}

keel_chan_status keel_chan_try_recv(keel_chan *chan, void *item)
{
    keel__waitq served = { 0 };

    need(chan, item, "keel_chan_try_recv");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    keel__spin_lock(&chan->lock);
    bool closed = chan->closed;
    bool done = keel__chan_get(chan, item, 1, &served) == 1;
    keel__spin_unlock(&chan->lock);
    keel__unpark_all(served.first);
    if (done || closed)
        keel__order_acquire(chan);
    if (!done)
        memset(item, 0, chan->item_size);
    return done ? KEEL_CHAN_DONE : closed ? KEEL_CHAN_CLOSED : KEEL_CHAN_WOULD_BLOCK;
}

keel_err *keel_chan_send_many(keel_ctx *ctx, keel_chan *chan, const void *items, size_t count,
                              size_t *sent)
{
    const unsigned char *from = items;
    size_t done = 0;
    keel_err *err = NULL;

    need(chan, count > 0 ? items : chan, "keel_chan_send_many");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    do
        err = send_some(ctx, chan, from + done * chan->item_size, count - done, &done);
    while (err == NULL && done < count);
    if (sent != NULL)
        *sent = done;
    return err;
}

keel_err *keel_chan_recv_many(keel_ctx *ctx, keel_chan *chan, void *items, size_t max,
                              size_t *received)
{
    need(chan, items, "keel_chan_recv_many");
    if (received == NULL)
        keel__misuse("keel_chan_recv_many: no place for the number (channel %p)", (void *)chan);
    *received = 0;
    if (max == 0)
        return KEEL_ERR_INVAL;
    keel__point(KEEL__OP_CHAN_RECV, chan);

    keel_err *err = receive(ctx, chan, items, max, received);
    if (err != NULL)
        memset(items, 0, max * chan->item_size);
    return err;
}

void keel_chan_close(keel_chan *chan)
{
    need(chan, chan, "keel_chan_close");
    keel__point(KEEL__OP_CHAN_CLOSE, chan);
    keel__order_release(chan);
    keel__spin_lock(&chan->lock);
    bool twice = chan->closed;
    chan->closed = true;
    keel__waiter *senders = keel__waitq_claim_all(&chan->senders);
    keel__waiter *receivers = keel__waitq_claim_all(&chan->receivers);
    for (keel__waiter *waiter = senders; waiter != NULL; waiter = waiter->next)
        waiter->count = 0;
    for (keel__waiter *waiter = receivers; waiter != NULL; waiter = waiter->next)
        waiter->count = 0;
    keel__spin_unlock(&chan->lock);
    if (twice)
        keel__misuse(
            "keel_chan_close: channel %p (items of %zu bytes, capacity %zu) is closed already",
            (void *)chan, chan->item_size, chan->capacity);
    keel__unpark_all(senders);
    keel__unpark_all(receivers);
}

size_t keel_chan_len(keel_chan *chan)
{
    need(chan, chan, "keel_chan_len");
    keel__spin_lock(&chan->lock);
    size_t len = chan->len;
    keel__spin_unlock(&chan->lock);
    return len;
}

size_t keel_chan_capacity(const keel_chan *chan)
{
    need(chan, chan, "keel_chan_capacity");
    return chan->capacity;
}

size_t keel_chan_item_bytes(const keel_chan *chan)
{
    need(chan, chan, "keel_chan_item_bytes");
    return chan->item_size;
}
