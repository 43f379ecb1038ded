/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CHAN_H
#define KEEL_SRC_TASK_CHAN_H

/* What chan.c and select.c share. */

#include <stdbool.h>
#include <stddef.h>

#include <keel/chan.h>

#include "base/biased.h"
#include "task/park.h"

/* `lock` guards what follows it. The ring holds `len` items, the first in slot `head`; the next goes to
 * slot `tail`. `closed` and `len` are peeked at without the lock too.
 *
 * A sender waits only while the ring is full, a receiver only while it is empty; so whoever finds
 * others waiting on its own side cannot pass them, and the queues are served in order. (A select may
 * stand in both queues at once.)
 *
 * Of a waiter, `item` is where its items are or go and `count` how many it offers or takes. Whoever
 * claims it moves as many as it can, at least one, and leaves in `count` how many they were; 0
 * says that the channel was closed instead. */
struct keel_chan {
    size_t item_size;
    size_t capacity;
    void (*item_free)(void *item);
    keel__biased lock;
    bool closed;
    size_t len;
    size_t head, tail;
    keel__waitq senders, receivers;
    _Alignas(max_align_t) unsigned char items[];
};

/* Under the lock, without waiting: send up to `count` items of an open channel, or receive up to
 * `count`, and say how many they were. Waiters that are served on the way go to the list `served`, for
 * keel__unpark_all after unlocking. */
size_t keel__chan_put(keel_chan *chan, const void *items, size_t count, keel__waitq *served);
size_t keel__chan_get(keel_chan *chan, void *items, size_t count, keel__waitq *served);

#endif /* KEEL_SRC_TASK_CHAN_H */
