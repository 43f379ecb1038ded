/* SPDX-License-Identifier: MIT */
#ifndef KEEL_CHAN_H
#define KEEL_CHAN_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/ctx.h>
#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * A bounded queue of fixed-size items between tasks or threads.
 *
 * Items are copied in and out, first in, first out; whoever waits longest is served first. After
 * keel_chan_close, sends fail at once and receivers drain what is left, then get KEEL_ERR_CLOSED. The
 * sender, or whoever knows that all have finished sending, closes.
 *
 * A context that has ended fails sends and receives even if there is room, or an item. To deliver or
 * to drain after that pass NULL, or a context of keel_ctx_without_cancel.
 *
 * `item` must point to an item of the channel's size: a KEEL_SEND or KEEL_RECV case checks that, the
 * functions here cannot. A channel that is NULL is misuse, and aborts; so is an `item` that is.
 *
 * An item is copied as bytes between variables of its users, so that it may have any alignment. Only item_free
 * sees it inside the channel: aligned for any type that is not declared with more than 16 bytes.
 *
 * To drain a channel that a group of tasks fills, give the receiver a group of its own, wait for the
 * producers' group, close the channel, then wait for the receiver's.
 *
 * Threads: any, all functions, at once; only keel_chan_free needs the others finished.
 * Source:  Go's chan, except that a closed channel is an error and not a panic.
 */
typedef struct keel_chan keel_chan;

typedef struct keel_chan_opts {
    /** Items held before a sender waits. 0: sender and receiver meet. */
    size_t capacity;
    /** For items left at keel_chan_free; gets a pointer to the item. NULL: nothing. */
    void (*item_free)(void *item);
} keel_chan_opts;

/**
 * Makes a channel for items of item_size bytes. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_INVAL if item_size is 0 or the sizes overflow; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_chan_free.
 */
KEEL_NODISCARD keel_err *keel_chan_new(keel_chan **out, size_t item_size,
                                       const keel_chan_opts *opts);

/** Frees the channel and, by item_free, what is left in it. Nobody may wait on it. Accepts NULL. */
void keel_chan_free(keel_chan *chan);

/**
 * Sends a copy of one item, waiting while the channel is full.
 *
 * Errors: KEEL_ERR_CLOSED, or the context's error if it ends first; the item is then not sent, and
 *         still the caller's. Nothing is allocated, failing or not.
 * Source: Go's `ch <- v`.
 */
KEEL_NODISCARD keel_err *keel_chan_send(keel_ctx *ctx, keel_chan *chan, const void *item);

/**
 * Receives one item, waiting while the channel is empty.
 *
 * Errors: KEEL_ERR_CLOSED once it is closed and empty, or the context's error; the bytes at `item` are
 *         then zero.
 * Source: Go's `v, ok := <-ch`.
 */
KEEL_NODISCARD keel_err *keel_chan_recv(keel_ctx *ctx, keel_chan *chan, void *item);

/**
 * Receives one item for a loop. False when the channel is closed and empty, and also when the context
 * has ended; the bytes at `item` are then zero. So after the loop:
 *
 *     while (keel_chan_next(ctx, chan, &item))
 *         ...
 *     KEEL_TRY(keel_ctx_err(ctx));
 *
 * If the context ends just after the channel was drained that is an error all the same;
 * keel_chan_recv tells exactly. Source: Go's `for v := range ch`.
 */
bool keel_chan_next(keel_ctx *ctx, keel_chan *chan, void *item);

/** What a call that does not wait found. */
typedef enum keel_chan_status {
    KEEL_CHAN_DONE,        /**< The item was sent or received. */
    KEEL_CHAN_WOULD_BLOCK, /**< The channel is full, or empty, and nobody waits at the other end. */
    KEEL_CHAN_CLOSED       /**< It is closed; for a receiver, and empty. */
} keel_chan_status;

/** Sends if that needs no waiting. */
KEEL_NODISCARD keel_chan_status keel_chan_try_send(keel_chan *chan, const void *item);

/** Receives if that needs no waiting; else the bytes at `item` are zero. */
KEEL_NODISCARD keel_chan_status keel_chan_try_recv(keel_chan *chan, void *item);

/**
 * Sends the `count` items of an array in order, waiting as often as needed: one crossing for many
 * items. Others' items may come between them.
 *
 * Errors: as keel_chan_send. *sent (may be NULL) is how many were sent, whatever happened.
 */
KEEL_NODISCARD keel_err *keel_chan_send_many(keel_ctx *ctx, keel_chan *chan, const void *items,
                                             size_t count, size_t *sent);

/**
 * Receives from 1 to `max` items: waits for the first, then takes what is there.
 *
 * Errors: as keel_chan_recv; *received is then 0. KEEL_ERR_INVAL if max is 0.
 */
KEEL_NODISCARD keel_err *keel_chan_recv_many(keel_ctx *ctx, keel_chan *chan, void *items,
                                             size_t max, size_t *received);

/**
 * Closes the channel: senders that wait are told KEEL_ERR_CLOSED and their items are not delivered,
 * receivers drain it. Closing it twice is misuse, and aborts.
 */
void keel_chan_close(keel_chan *chan);

/** How many items it holds now, and how many it can hold. */
size_t keel_chan_len(keel_chan *chan);
size_t keel_chan_capacity(const keel_chan *chan);

/** The size of its items. */
size_t keel_chan_item_bytes(const keel_chan *chan);

KEEL_END_DECLS

#endif /* KEEL_CHAN_H */
