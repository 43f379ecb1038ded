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

/* One item, under the lock. False: nothing can be done without waiting, or the channel is closed. `served` is
 * then, or is not, a waiter to be unparked after unlocking. */
static inline bool put_one(keel_chan *chan, const void *item, keel__waiter **served)
{
    *served = NULL;
    if (chan->closed)
        return false;
    if (chan->receivers.first != NULL) {
        keel__waiter *receiver = keel__waitq_claim(&chan->receivers);

        if (receiver != NULL) {
            copy_item(receiver->item, item, chan->item_size);
            receiver->count = 1;
            *served = receiver;
            return true;
        }
    }
    if (chan->len >= chan->capacity)
        return false;
    ring_put_one(chan, item);
    return true;
}

/* The same; may also be false if a sender waits for room. */
static inline bool get_one(keel_chan *chan, void *item, keel__waiter **served)
{
    *served = NULL;
    if (chan->len > 0) {
        if (chan->senders.first != NULL)
            return false;
        ring_get_one(chan, item);
        return true;
    }
    if (chan->senders.first == NULL)
        return false;
    keel__waiter *sender = keel__waitq_claim(&chan->senders);
    if (sender == NULL)
        return false;
    copy_item(item, sender->item, chan->item_size);
    sender->count = 1;
    *served = sender;
    return true;
}

static inline void unlock_and_serve(keel_chan *chan, bool as_owner, keel__waiter *served)
{
    keel__biased_unlock(&chan->lock, as_owner);
    if (served != NULL)
        keel__unpark(served->wait->actor);
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

/* Waits for a peer to take some of the items, and adds how many to *sent. Called under the lock, when there is
 * neither room nor a peer, or the channel is closed; returns without. */
static keel_err *wait_to_send(keel_ctx *ctx, keel_chan *chan, bool as_owner, const void *items,
                              size_t count, size_t *sent)
{
    if (chan->closed) {
        keel__biased_unlock(&chan->lock, as_owner);
        return KEEL_ERR_CLOSED;
    }
    keel__wait wait = keel__wait_begin_on(KEEL__OP_CHAN_SEND, chan);
    keel__waiter waiter = { .wait = &wait,
                            .number = KEEL__FIRED_USER,
                            .item = (void *)(uintptr_t)items, /* read by the receiver only */
                            .count = count };
    keel__waitq_push(&chan->senders, &waiter);
    keel__biased_unlock(&chan->lock, as_owner);

    if (!wait_for_peer(ctx, chan, &chan->senders, &waiter))
        return keel__ctx_err(ctx);
    *sent += waiter.count;
    return waiter.count > 0 ? NULL : KEEL_ERR_CLOSED;
}

/* Sends what it can, waits for a peer to take more if that was not all, and adds to *sent. */
static keel_err *send_some(keel_ctx *ctx, keel_chan *chan, const unsigned char *items, size_t count,
                           size_t *sent)
{
    keel__waitq served = { 0 };
    keel_err *err = keel__ctx_err(ctx);

    if (err != NULL)
        return err;
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    size_t done = chan->closed ? 0 : keel__chan_put(chan, items, count, &served);
    *sent += done;
    if (chan->closed || (done < count && served.first == NULL))
        return wait_to_send(ctx, chan, as_owner, items + done * chan->item_size, count - done,
                            sent);
    keel__biased_unlock(&chan->lock, as_owner);
    keel__unpark_all(served.first);
    return NULL;
}

/* Waits for a peer to bring from 1 to `max` items. Called under the lock, when there is neither an item nor a
 * peer; returns without. */
static keel_err *wait_to_receive(keel_ctx *ctx, keel_chan *chan, bool as_owner, void *items,
                                 size_t max, size_t *received)
{
    bool closed = chan->closed;
    keel__wait wait;
    keel__waiter waiter;

    if (!closed) {
        wait = keel__wait_begin_on(KEEL__OP_CHAN_RECV, chan);
        waiter = (keel__waiter){
            .wait = &wait, .number = KEEL__FIRED_USER, .item = items, .count = max
        };
        keel__waitq_push(&chan->receivers, &waiter);
    }
    keel__biased_unlock(&chan->lock, as_owner);

    if (!closed && !wait_for_peer(ctx, chan, &chan->receivers, &waiter))
        return keel__ctx_err(ctx);
    keel__order_acquire(chan);
    *received = closed ? 0 : waiter.count;
    return *received > 0 ? NULL : KEEL_ERR_CLOSED;
}

/* Receives from 1 to `max` items. Called under the lock, returns without. */
static keel_err *receive_some(keel_ctx *ctx, keel_chan *chan, bool as_owner, void *items,
                              size_t max, size_t *received)
{
    keel__waitq served = { 0 };
    size_t done = keel__chan_get(chan, items, max, &served);

    if (done == 0)
        return wait_to_receive(ctx, chan, as_owner, items, max, received);
    keel__biased_unlock(&chan->lock, as_owner);
    keel__unpark_all(served.first);
    keel__order_acquire(chan);
    *received = done;
    return NULL;
}

/* Receives one item. */
static inline keel_err *receive_one(keel_ctx *ctx, keel_chan *chan, void *item)
{
    size_t received;
    keel_err *err = keel__ctx_runs(ctx) ? NULL : keel__ctx_err(ctx);

    if (err == NULL) {
        bool as_owner = keel__biased_lock(&chan->lock);
        keel__waiter *served;

        if (get_one(chan, item, &served)) {
            unlock_and_serve(chan, as_owner, served);
            keel__order_acquire(chan);
            return NULL;
        }
        err = chan->len > 0 ? receive_some(ctx, chan, as_owner, item, 1, &received)
                            : wait_to_receive(ctx, chan, as_owner, item, 1, &received);
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
    keel__waiter *served;

    need(chan, item, "keel_chan_send");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    keel_err *err = keel__ctx_runs(ctx) ? NULL : keel__ctx_err(ctx);
    if (err != NULL)
        return err;
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    if (put_one(chan, item, &served)) {
        unlock_and_serve(chan, as_owner, served);
        return NULL;
    }
    return wait_to_send(ctx, chan, as_owner, item, 1, &sent);
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
    keel__waiter *served;

    need(chan, item, "keel_chan_try_send");
    keel__point(KEEL__OP_CHAN_SEND, chan);
    keel__order_release(chan);
    bool as_owner = keel__biased_lock(&chan->lock);
    bool closed = chan->closed;
    bool done = put_one(chan, item, &served);
    unlock_and_serve(chan, as_owner, served);
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
