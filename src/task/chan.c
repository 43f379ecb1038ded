/* SPDX-License-Identifier: MIT */
#include <keel/chan.h>

#include <stdint.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/chan.h"
#include "task/ctx.h"

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

__attribute__((cold, noinline)) static void missing(const keel_chan *chan, const char *function)
{
    if (chan == NULL)
        keel__misuse("%s: the channel is NULL", function);
    keel__misuse("%s: no place for the item (channel %p)", function, (const void *)chan);
}

static inline void need(const keel_chan *chan, const void *item, const char *function)
{
    if (__builtin_expect(chan == NULL || item == NULL, 0))
        missing(chan, function);
}

/* ---- The ring ---- */

/* Most items are a word or two: no call then. */
static inline void copy_item(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 16)
        memcpy(to, from, 16);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

/* The caller knows that there is room, or an item. */
static inline void ring_put_one(keel_chan *chan, const void *item)
{
    copy_item(chan->items + chan->tail * chan->item_size, item, chan->item_size);
    chan->tail = chan->tail + 1 == chan->capacity ? 0 : chan->tail + 1;
    keel__publish(chan->len, chan->len + 1);
}

static inline void ring_get_one(keel_chan *chan, void *item)
{
    copy_item(item, chan->items + chan->head * chan->item_size, chan->item_size);
    chan->head = chan->head + 1 == chan->capacity ? 0 : chan->head + 1;
    keel__publish(chan->len, chan->len - 1);
}

/* The caller knows that there is room. */
static void ring_put(keel_chan *chan, const unsigned char *items, size_t count)
{
    size_t first = min(count, chan->capacity - chan->tail);

    memcpy(chan->items + chan->tail * chan->item_size, items, first * chan->item_size);
    memcpy(chan->items, items + first * chan->item_size, (count - first) * chan->item_size);
    chan->tail = first == count ? chan->tail + count : count - first;
    if (chan->tail == chan->capacity)
        chan->tail = 0;
    keel__publish(chan->len, chan->len + count);
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
    keel__publish(chan->len, chan->len - count);
}

/* ---- Without waiting ---- */

size_t keel__chan_put(keel_chan *chan, const void *items, size_t count, keel__waitq *served)
{
    const unsigned char *from = items;
    size_t done = 0;
    keel__waiter *receiver;

    while (done < count && (receiver = keel__waitq_claim(&chan->receivers)) != NULL) {
        receiver->count = min(receiver->count, count - done);
        copy_item(receiver->item, from + done * chan->item_size, receiver->count * chan->item_size);
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
        copy_item(to + done * chan->item_size, sender->item, sender->count * chan->item_size);
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

/* What most calls come to: there is room and nobody waits for an item, or there is one and nobody waits
 * for room. Under the lock. */
static inline bool put_one(keel_chan *chan, const void *item)
{
    if (chan->len >= chan->capacity || chan->receivers.first != NULL || chan->closed)
        return false;
    ring_put_one(chan, item);
    return true;
}

static inline bool get_one(keel_chan *chan, void *item)
{
    if (chan->len == 0 || chan->senders.first != NULL)
        return false;
    ring_get_one(chan, item);
    return true;
}

/* ---- With waiting ---- */

/* Waits in `queue`, which was joined under the lock. True if a peer came; then waiter->count tells
 * what it did. False if the context ended first. */
static bool wait_for_peer(keel_ctx *ctx, keel_chan *chan, keel__waitq *queue, keel__waiter *waiter)
{
    if (keel__wait_end(waiter->wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER)
        return true;
    bool as_owner = keel__biased_lock(&chan->lock);
    keel__waitq_remove(queue, waiter);
    keel__biased_unlock(&chan->lock, as_owner);
    return false;
}

/* Sends what it can, waits for a peer to take more if that was not all, and adds to *sent. Called
 * under the lock, returns without. */
static keel_err *send_some(keel_ctx *ctx, keel_chan *chan, bool as_owner,
                           const unsigned char *items, size_t count, size_t *sent)
{
    keel__wait wait;
    keel__waiter waiter;
    keel__waitq served = { 0 };

    if (chan->closed) {
        keel__biased_unlock(&chan->lock, as_owner);
        return KEEL_ERR_CLOSED;
    }
    size_t done = keel__chan_put(chan, items, count, &served);
    if (done < count) {
        wait = keel__wait_begin_on(KEEL__OP_CHAN_SEND, chan);
        waiter = (keel__waiter){ .wait = &wait,
                                 .number = KEEL__FIRED_USER,
                                 /* read by the receiver only */
                                 .item = (void *)(uintptr_t)(items + done * chan->item_size),
                                 .count = count - done };
        keel__waitq_push(&chan->senders, &waiter);
    }
    keel__biased_unlock(&chan->lock, as_owner);
    keel__unpark_all(served.first);

    *sent += done;
    if (done == count)
        return NULL;
    if (!wait_for_peer(ctx, chan, &chan->senders, &waiter))
        return keel__ctx_err(ctx);
    *sent += waiter.count;
    return waiter.count > 0 ? NULL : KEEL_ERR_CLOSED;
}

/* Receives from 1 to `max` items. Called under the lock, returns without. */
static keel_err *receive_some(keel_ctx *ctx, keel_chan *chan, bool as_owner, unsigned char *items,
                              size_t max, size_t *received)
{
    keel__wait wait;
    keel__waiter waiter;
    keel__waitq served = { 0 };

    size_t done = keel__chan_get(chan, items, max, &served);
    bool closed = chan->closed;
    if (done == 0 && !closed) {
        wait = keel__wait_begin_on(KEEL__OP_CHAN_RECV, chan);
        waiter = (keel__waiter){
            .wait = &wait, .number = KEEL__FIRED_USER, .item = items, .count = max
        };
        keel__waitq_push(&chan->receivers, &waiter);
    }
    keel__biased_unlock(&chan->lock, as_owner);
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

/* Receives one item. */
static inline keel_err *receive_one(keel_ctx *ctx, keel_chan *chan, void *item)
{
    size_t received;
    keel_err *err = keel__ctx_runs(ctx) ? NULL : keel__ctx_err(ctx);

    if (err == NULL) {
        bool as_owner = keel__biased_lock(&chan->lock);

        if (get_one(chan, item)) {
            keel__biased_unlock(&chan->lock, as_owner);
            keel__order_acquire(chan);
            return NULL;
        }
        err = receive_some(ctx, chan, as_owner, item, 1, &received);
    }
    if (err != NULL)
        memset(item, 0, chan->item_size);
    return err;
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
    for (size_t left = chan->len; chan->item_free != NULL && left > 0; left--) {
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
    keel_err *err = keel__ctx_runs(ctx) ? NULL : keel__ctx_err(ctx);
    if (err != NULL)
        return err;
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    if (put_one(chan, item)) {
        keel__biased_unlock(&chan->lock, as_owner);
        return NULL;
    }
    return send_some(ctx, chan, as_owner, item, 1, &sent);
}

keel_err *keel_chan_recv(keel_ctx *ctx, keel_chan *chan, void *item)
{
    need(chan, item, "keel_chan_recv");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    return receive_one(ctx, chan, item);
}

bool keel_chan_next(keel_ctx *ctx, keel_chan *chan, void *item)
{
    need(chan, item, "keel_chan_next");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    return receive_one(ctx, chan, item) == NULL; /* its errors are all static */
}

keel_chan_status keel_chan_try_send(keel_chan *chan, const void *item)
{
    keel__waitq served = { 0 };

    need(chan, item, "keel_chan_try_send");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    bool closed = chan->closed;
    bool done = !closed && keel__chan_put(chan, item, 1, &served) == 1;
    keel__biased_unlock(&chan->lock, as_owner);
    keel__unpark_all(served.first);
    return done ? KEEL_CHAN_DONE : closed ? KEEL_CHAN_CLOSED : KEEL_CHAN_WOULD_BLOCK;
}

keel_chan_status keel_chan_try_recv(keel_chan *chan, void *item)
{
    keel__waitq served = { 0 };

    need(chan, item, "keel_chan_try_recv");
    keel__point(KEEL__OP_CHAN_RECV, chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    bool closed = chan->closed;
    bool done = keel__chan_get(chan, item, 1, &served) == 1;
    keel__biased_unlock(&chan->lock, as_owner);
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
    keel_err *err;

    need(chan, count > 0 ? items : chan, "keel_chan_send_many");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    do {
        err = keel__ctx_err(ctx);
        if (err != NULL)
            break;
        keel__order_release(chan);
        bool as_owner = keel__biased_lock(&chan->lock);
        err = send_some(ctx, chan, as_owner, from + done * chan->item_size, count - done, &done);
    } while (err == NULL && done < count);
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

    keel_err *err = keel__ctx_err(ctx);
    if (err == NULL) {
        bool as_owner = keel__biased_lock(&chan->lock);
        err = receive_some(ctx, chan, as_owner, items, max, received);
    }
    if (err != NULL)
        memset(items, 0, max * chan->item_size);
    return err;
}

void keel_chan_close(keel_chan *chan)
{
    need(chan, chan, "keel_chan_close");
    keel__point(KEEL__OP_CHAN_CLOSE, chan);
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    bool twice = chan->closed;
    keel__publish(chan->closed, true);
    keel__waiter *senders = keel__waitq_claim_all(&chan->senders);
    keel__waiter *receivers = keel__waitq_claim_all(&chan->receivers);
    for (keel__waiter *waiter = senders; waiter != NULL; waiter = waiter->next)
        waiter->count = 0;
    for (keel__waiter *waiter = receivers; waiter != NULL; waiter = waiter->next)
        waiter->count = 0;
    keel__biased_unlock(&chan->lock, as_owner);
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
    bool as_owner = keel__biased_lock(&chan->lock);
    size_t len = chan->len;
    keel__biased_unlock(&chan->lock, as_owner);
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
