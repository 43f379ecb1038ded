/* SPDX-License-Identifier: MIT */
#include "explore.h"

/* Channels under every schedule with three deviations. */

typedef struct world {
    keel_ctx *ctx;
    keel_chan *chan;
    keel_waitgroup senders;
    int sent, received, last[2], closed, next_sender;
    bool cancelled, shut; /* that call has returned */
} world;

static keel_err *with_channel(keel_ctx *ctx, size_t capacity,
                              keel_err *(*body)(keel_ctx *ctx, world *w))
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    KEEL_TRY(keel_chan_new(&w.chan, sizeof(int), &(keel_chan_opts){ .capacity = capacity }));
    keel_err *err = body(ctx, &w);
    keel_chan_free(w.chan);
    keel_ctx_free(w.ctx);
    return err;
}

/* ---- First in, first out; exactly once ---- */

static keel_err *send_three_and_close(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 1; i <= 3; i++)
        KEEL_TRY(keel_chan_send(ctx, w->chan, &i));
    keel_chan_close(w->chan);
    return NULL;
}

static keel_err *receive_in_order(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    while (keel_chan_next(ctx, w->chan, &item))
        KEEL_CHECK(item == ++w->received);
    KEEL_CHECK(item == 0);
    return NULL;
}

static keel_err *fifo(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_three_and_close, receive_in_order));
    KEEL_CHECK(w->received == 3);
    return NULL;
}

static keel_err *fifo_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, fifo);
}

static keel_err *fifo_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, fifo);
}

static keel_err *fifo_2(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 2, fifo);
}

/* ---- Several at both ends ---- */

static keel_err *send_own(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int me = w->next_sender++;

    for (int i = 1; i <= 2; i++)
        KEEL_TRY(keel_chan_send(ctx, w->chan, &(int){ me * 10 + i }));
    keel_waitgroup_done(&w->senders);
    return NULL;
}

static keel_err *close_after_senders(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_waitgroup_wait(ctx, &w->senders));
    keel_chan_close(w->chan);
    return NULL;
}

static keel_err *receive_each(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    while (keel_chan_next(ctx, w->chan, &item))
        w->received += item;
    return NULL;
}

/* One receiver sees the items of each sender in order. */
static keel_err *receive_by_sender(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    while (keel_chan_next(ctx, w->chan, &item)) {
        KEEL_CHECK(item % 10 == w->last[item / 10] + 1);
        w->last[item / 10] = item % 10;
        w->received += item;
    }
    return NULL;
}

static keel_err *crowd(keel_ctx *ctx, world *w)
{
    keel_waitgroup_add(&w->senders, 2);
    KEEL_TRY(together(ctx, w, send_own, send_own, receive_each, receive_each, close_after_senders));
    KEEL_CHECK(w->received == 1 + 2 + 11 + 12);
    return NULL;
}

static keel_err *crowd_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, crowd);
}

static keel_err *crowd_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, crowd);
}

static keel_err *two_senders(keel_ctx *ctx, world *w)
{
    keel_waitgroup_add(&w->senders, 2);
    KEEL_TRY(together(ctx, w, send_own, receive_by_sender, send_own, close_after_senders));
    KEEL_CHECK(w->received == 1 + 2 + 11 + 12);
    return NULL;
}

static keel_err *two_senders_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, two_senders);
}

static keel_err *two_senders_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, two_senders);
}

/* ---- Close against who waits ---- */

static keel_err *send_until_closed(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    bool shut = w->shut;
    keel_err *err = keel_chan_send(ctx, w->chan, &(int){ 1 });

    KEEL_CHECK(err == KEEL_ERR_CLOSED || (err == NULL && !shut));
    w->sent += err == NULL;
    w->closed += err != NULL;
    return NULL;
}

static keel_err *receive_until_closed(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item = 5;
    keel_err *err = keel_chan_recv(ctx, w->chan, &item);

    KEEL_CHECK(err == NULL ? item == 1 : err == KEEL_ERR_CLOSED && item == 0);
    w->received += item;
    return NULL;
}

static keel_err *close_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_chan_close(w->chan);
    w->shut = true;
    return NULL;
}

static int drain(world *w)
{
    int item, count = 0;

    while (keel_chan_try_recv(w->chan, &item) == KEEL_CHAN_DONE)
        count += item;
    return count;
}

static keel_err *close_against_all(keel_ctx *ctx, world *w)
{
    KEEL_TRY(
        together(ctx, w, send_until_closed, send_until_closed, receive_until_closed, close_it));
    KEEL_CHECK(w->sent + w->closed == 2);
    KEEL_CHECK(w->sent == w->received + drain(w));
    return NULL;
}

static keel_err *close_against_all_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, close_against_all);
}

static keel_err *close_against_all_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, close_against_all);
}

static keel_err *close_against_receivers(keel_ctx *ctx, world *w)
{
    return together(ctx, w, receive_until_closed, receive_until_closed, receive_until_closed,
                    close_it);
}

static keel_err *close_wakes_receivers(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, close_against_receivers);
}

static keel_err *close_against_senders(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_until_closed, send_until_closed, close_it));
    KEEL_CHECK(w->sent == drain(w) && w->closed + w->sent == 2);
    return NULL;
}

static keel_err *close_wakes_senders(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, close_against_senders);
}

/* ---- Cancel against delivery ---- */

static keel_err *send_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    bool cancelled = w->cancelled;
    keel_err *err = keel_chan_send(w->ctx, w->chan, &(int){ 1 });

    (void)ctx;
    KEEL_CHECK(!cancelled || err != NULL);
    KEEL_CHECK(err == NULL || err == KEEL_ERR_CANCELLED);
    w->sent += err == NULL;
    return NULL;
}

static keel_err *receive_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;
    bool cancelled = w->cancelled;
    keel_err *err = keel_chan_recv(w->ctx, w->chan, &item);

    (void)ctx;
    KEEL_CHECK(!cancelled || err != NULL);
    KEEL_CHECK(err == NULL ? item == 1 : err == KEEL_ERR_CANCELLED && item == 0);
    w->received += item;
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx_cancel(w->ctx);
    w->cancelled = true;
    return NULL;
}

static keel_err *send_without_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    w->sent++;
    return keel_chan_send(NULL, w->chan, &(int){ 1 });
}

/* The receiver that is not cancelled gets what the other does not take. */
static keel_err *receive_one(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    KEEL_TRY(keel_chan_recv(NULL, w->chan, &item));
    w->received += item;
    return NULL;
}

static keel_err *cancel_against_both(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, receive_under_ctx, send_under_ctx, send_under_ctx, cancel_it));
    KEEL_CHECK(w->sent == w->received + drain(w));
    KEEL_CHECK(keel_chan_try_send(w->chan, &(int){ 1 }) ==
               (keel_chan_capacity(w->chan) > 0 ? KEEL_CHAN_DONE : KEEL_CHAN_WOULD_BLOCK));
    return NULL;
}

static keel_err *cancel_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, cancel_against_both);
}

static keel_err *cancel_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, cancel_against_both);
}

static keel_err *cancelled_receiver(keel_ctx *ctx, world *w)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, receive_under_ctx, w);
    keel_group_go(group, send_without_ctx, w);
    keel_group_go(group, cancel_it, w);
    keel_group_go(group, receive_one, w);
    if (keel_ctx_err(w->ctx) == NULL)
        keel_yield();
    KEEL_TRY(keel_chan_send(NULL, w->chan, &(int){ 1 }));
    w->sent++;
    keel_sim_settle();
    if (w->received == 1 && w->sent == 2) /* the cancelled one took none: one item is left */
        w->received += drain(w);
    KEEL_CHECK(w->received == 2);
    return keel_group_wait(group);
}

static keel_err *a_cancelled_receiver_takes_nothing(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 2, cancelled_receiver);
}

/* A sender that left must not be served later: what it had to give is gone. */
static keel_err *left_sender(keel_ctx *ctx, world *w)
{
    int item;

    KEEL_TRY(together(ctx, w, send_under_ctx, cancel_it));
    KEEL_CHECK(w->sent == 0);
    KEEL_CHECK(keel_chan_try_recv(w->chan, &item) == KEEL_CHAN_WOULD_BLOCK);
    return NULL;
}

static keel_err *a_cancelled_sender_leaves_nothing(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, left_sender);
}

/* ---- Batches ---- */

static keel_err *send_batch(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int items[5] = { 1, 2, 3, 4, 5 };
    size_t sent;

    KEEL_TRY(keel_chan_send_many(ctx, w->chan, items, 5, &sent));
    KEEL_CHECK(sent == 5);
    keel_chan_close(w->chan);
    return NULL;
}

static keel_err *receive_batches(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int items[3];
    size_t count;

    while (keel_chan_recv_many(ctx, w->chan, items, 3, &count) == NULL)
        for (size_t i = 0; i < count; i++)
            KEEL_CHECK(items[i] == ++w->received);
    return NULL;
}

static keel_err *batches(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_batch, receive_batches));
    KEEL_CHECK(w->received == 5);
    return NULL;
}

static keel_err *batches_0(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, batches);
}

static keel_err *batches_2(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 2, batches);
}

/* ---- A value against a timer ---- */

static keel_err *receive_for_a_while(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(5));
    keel_err *err = keel_chan_recv(limited, w->chan, &item);

    KEEL_CHECK(err == NULL ? item == 1 : err == KEEL_ERR_DEADLINE && item == 0);
    KEEL_CHECK(err == NULL || keel_ctx_now(limited) >= KEEL_MS(5));
    w->received += item;
    keel_ctx_free(limited);
    return NULL;
}

static keel_err *send_after_a_while(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(5)));
    w->sent += keel_chan_try_send(w->chan, &(int){ 1 }) == KEEL_CHAN_DONE;
    return NULL;
}

static keel_err *timer_against_value(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, receive_for_a_while, send_after_a_while, receive_for_a_while));
    KEEL_CHECK(w->sent == w->received);
    return NULL;
}

static keel_err *a_timer_or_a_value(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 0, timer_against_value);
}

/* ---- A pipeline ---- */

static keel_err *crowd_2(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 2, crowd);
}

/* ---- A sender waits only while there is no room ---- */

static keel_err *send_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (w->sent = 0; w->sent < 2; w->sent++)
        KEEL_TRY(keel_chan_send(ctx, w->chan, &w->sent));
    return NULL;
}

static keel_err *take_one(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    return keel_chan_recv(ctx, w->chan, &item);
}

static keel_err *who_waits_is_let_in(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_two, take_one));
    KEEL_CHECK(w->sent == 2 && keel_chan_len(w->chan) == 1);
    return NULL;
}

static keel_err *let_in(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channel(ctx, 1, who_waits_is_let_in);
}

static const scenario scenarios[] = {
    { "fifo, capacity 0", fifo_0, false },
    { "fifo, capacity 1", fifo_1, false },
    { "fifo, capacity 2", fifo_2, false },
    { "several at both ends, capacity 0", crowd_0, false },
    { "several at both ends, capacity 1", crowd_1, false },
    { "several at both ends, capacity 2", crowd_2, true },
    { "two senders in order, capacity 0", two_senders_0, false },
    { "two senders in order, capacity 1", two_senders_1, false },
    { "close against all, capacity 0", close_against_all_0, false },
    { "close against all, capacity 1", close_against_all_1, false },
    { "close wakes receivers", close_wakes_receivers, false },
    { "close wakes senders", close_wakes_senders, false },
    { "cancel, capacity 0", cancel_0, false },
    { "cancel, capacity 1", cancel_1, false },
    { "a cancelled receiver takes nothing", a_cancelled_receiver_takes_nothing, false },
    { "a cancelled sender leaves nothing", a_cancelled_sender_leaves_nothing, false },
    { "batches, capacity 0", batches_0, false },
    { "batches, capacity 2", batches_2, false },
    { "a sender is let in", let_in, false },
    { "a timer or a value", a_timer_or_a_value, false },
};

EXPLORE_MAIN()
