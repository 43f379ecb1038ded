/* SPDX-License-Identifier: MIT */
#include "explore.h"

/* Select under every schedule with three deviations. */

typedef struct world {
    keel_ctx *ctx;
    keel_chan *a, *b;
    int sent_a, sent_b, got_a, got_b, others;
    bool cancelled, closed_b; /* that call has returned */
} world;

static keel_err *with_channels(keel_ctx *ctx, size_t capacity,
                               keel_err *(*body)(keel_ctx *ctx, world *w))
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };
    const keel_chan_opts opts = { .capacity = capacity };

    KEEL_TRY(keel_chan_new(&w.a, sizeof(int), &opts));
    KEEL_TRY(keel_chan_new(&w.b, sizeof(int), &opts));
    keel_err *err = body(ctx, &w);
    keel_chan_free(w.a);
    keel_chan_free(w.b);
    keel_ctx_free(w.ctx);
    return err;
}

static int drain(keel_chan *chan)
{
    int item, count = 0;

    while (keel_chan_try_recv(chan, &item) == KEEL_CHAN_DONE)
        count++;
    return count;
}

/* Nobody has been forgotten in a queue: an offer finds no taker. */
static void check_nobody_waits(world *w)
{
    int item;

    KEEL_CHECK(keel_chan_try_recv(w->a, &item) == KEEL_CHAN_WOULD_BLOCK);
    KEEL_CHECK(keel_chan_try_recv(w->b, &item) == KEEL_CHAN_WOULD_BLOCK);
    if (keel_chan_capacity(w->a) == 0) {
        KEEL_CHECK(keel_chan_try_send(w->a, &(int){ 1 }) == KEEL_CHAN_WOULD_BLOCK);
        KEEL_CHECK(keel_chan_try_send(w->b, &(int){ 1 }) == KEEL_CHAN_WOULD_BLOCK);
    }
}

/* ---- Two selects that meet ---- */

static keel_err *send_a_or_receive_b(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    switch (keel_select(ctx, KEEL_SEND(w->a, &(int){ 1 }), KEEL_RECV(w->b, &item))) {
    case 0:
        w->sent_a++;
        break;
    case 1:
        KEEL_CHECK(item == 2);
        w->got_b++;
        break;
    default:
        KEEL_CHECK(false);
    }
    return NULL;
}

static keel_err *send_b_or_receive_a(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    switch (keel_select(ctx, KEEL_RECV(w->a, &item), KEEL_SEND(w->b, &(int){ 2 }))) {
    case 0:
        KEEL_CHECK(item == 1);
        w->got_a++;
        break;
    case 1:
        w->sent_b++;
        break;
    default:
        KEEL_CHECK(false);
    }
    return NULL;
}

static keel_err *meeting(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_a_or_receive_b, send_b_or_receive_a));
    KEEL_CHECK(w->sent_a == w->got_a && w->sent_b == w->got_b && w->sent_a + w->sent_b == 1);
    check_nobody_waits(w);
    return NULL;
}

static keel_err *two_selects_meet(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, meeting);
}

static keel_err *meeting_of_four(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, send_a_or_receive_b, send_b_or_receive_a, send_a_or_receive_b,
                      send_b_or_receive_a));
    KEEL_CHECK(w->sent_a == w->got_a && w->sent_b == w->got_b && w->sent_a + w->sent_b == 2);
    check_nobody_waits(w);
    return NULL;
}

static keel_err *four_selects_meet(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, meeting_of_four);
}

/* ---- One select, two who send ---- */

static keel_err *send_a(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_chan_send(ctx, w->a, &(int){ 1 }));
    w->sent_a++;
    return NULL;
}

static keel_err *send_b(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_chan_send(ctx, w->b, &(int){ 2 }));
    w->sent_b++;
    return NULL;
}

static keel_err *receive_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int a = 0, b = 0;

    for (int i = 0; i < 2; i++) {
        int taken = keel_select(ctx, KEEL_RECV(w->a, &a), KEEL_RECV(w->b, &b));

        KEEL_CHECK(taken == 0 ? a == 1 : taken == 1 && b == 2);
        *(taken == 0 ? &w->got_a : &w->got_b) += 1;
    }
    return NULL;
}

static keel_err *two_sources(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, receive_two, send_a, send_b));
    KEEL_CHECK(w->got_a == 1 && w->got_b == 1);
    check_nobody_waits(w);
    return NULL;
}

static keel_err *each_source_is_received_once(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, two_sources);
}

static keel_err *each_buffer_is_received_once(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 1, two_sources);
}

/* ---- A select that is cancelled does nothing ---- */

static keel_err *select_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item = 0;
    bool cancelled = w->cancelled;
    int taken = keel_select(w->ctx, KEEL_RECV(w->a, &item), KEEL_SEND(w->b, &(int){ 2 }));

    (void)ctx;
    KEEL_CHECK(!cancelled || taken == KEEL_SELECT_CTX);
    switch (taken) {
    case 0:
        w->got_a++;
        break;
    case 1:
        w->sent_b++;
        break;
    case KEEL_SELECT_CTX:
        KEEL_CHECK(keel_ctx_err(w->ctx) == KEEL_ERR_CANCELLED);
        w->others++;
        break;
    default:
        KEEL_CHECK(false);
    }
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

static keel_err *try_send_a(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    w->sent_a += keel_chan_try_send(w->a, &(int){ 1 }) == KEEL_CHAN_DONE;
    return NULL;
}

static keel_err *try_receive_b(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    w->got_b += keel_chan_try_recv(w->b, &item) == KEEL_CHAN_DONE;
    return NULL;
}

static keel_err *cancelled(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, select_under_ctx, try_send_a, try_receive_b, cancel_it));
    KEEL_CHECK(w->got_a + w->sent_b + w->others == 1);
    KEEL_CHECK(w->sent_a == w->got_a + drain(w->a) && w->sent_b == w->got_b + drain(w->b));
    check_nobody_waits(w);
    return NULL;
}

static keel_err *cancel_against_select(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, cancelled);
}

static keel_err *cancel_against_select_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 1, cancelled);
}

/* ---- A timer or a value: one of them ---- */

static keel_err *select_for_a_while(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    switch (
        keel_select(ctx, KEEL_RECV(w->a, &item), KEEL_AFTER(KEEL_MS(5)), KEEL_AFTER(KEEL_S(5)))) {
    case 0:
        w->got_a++;
        break;
    case 1:
        KEEL_CHECK(keel_ctx_now(ctx) >= KEEL_MS(5));
        w->others++;
        break;
    default:
        KEEL_CHECK(false);
    }
    return NULL;
}

static keel_err *send_after_a_while(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(5)));
    return try_send_a(ctx, w);
}

static keel_err *timed(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, select_for_a_while, send_after_a_while, select_for_a_while));
    KEEL_CHECK(w->sent_a == w->got_a && w->got_a + w->others == 2);
    check_nobody_waits(w);
    return NULL;
}

static keel_err *a_timer_or_a_value(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, timed);
}

/* ---- Close ---- */

static keel_err *select_until_closed(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item = 7;
    bool some = true, delivered = true, closed = w->closed_b;

    switch (keel_select(ctx, KEEL_RECV_OK(w->a, &item, &some),
                        KEEL_SEND_OK(w->b, &(int){ 2 }, &delivered))) {
    case 0:
        KEEL_CHECK(some ? item == 1 : item == 0);
        w->got_a += some;
        break;
    case 1:
        KEEL_CHECK(!closed || !delivered);
        w->sent_b += delivered;
        break;
    default:
        KEEL_CHECK(false);
    }
    return NULL;
}

static keel_err *close_a(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_chan_close(w->a);
    return NULL;
}

static keel_err *close_b(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_chan_close(w->b);
    w->closed_b = true;
    return NULL;
}

static keel_err *closing(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, select_until_closed, close_a, close_b, select_until_closed));
    KEEL_CHECK(w->got_a == 0 && w->sent_b == drain(w->b));
    return NULL;
}

static keel_err *close_ends_selects(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 0, closing);
}

static keel_err *close_ends_selects_1(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 1, closing);
}

/* ---- Select in a pipeline that is being cancelled: nothing is lost ---- */

static keel_err *produce(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 3; i++) {
        if (keel_select(w->ctx, KEEL_SEND(w->a, &i)) != 0)
            break;
        w->sent_a++;
    }
    return NULL;
}

static keel_err *relay(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    while (keel_select(w->ctx, KEEL_RECV(w->a, &item)) == 0) {
        w->got_a++;
        if (keel_select(w->ctx, KEEL_SEND(w->b, &item)) != 0) {
            w->others++;
            break;
        }
    }
    return NULL;
}

static keel_err *consume(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    while (keel_select(w->ctx, KEEL_RECV(w->b, &item)) == 0)
        KEEL_CHECK(item == w->got_b++);
    return NULL;
}

static keel_err *pipe(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, produce, relay, consume, cancel_it));
    KEEL_CHECK(w->sent_a == w->got_b + drain(w->a) + drain(w->b) + w->others);
    return NULL;
}

static keel_err *a_cancelled_pipeline_loses_nothing(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 1, pipe);
}

/* ---- First listed wins; a default does not wait ---- */

static keel_err *listed_first(keel_ctx *ctx, world *w)
{
    int item;

    KEEL_TRY(together(ctx, w, send_a, send_b));
    KEEL_CHECK(keel_select_ordered(ctx, KEEL_RECV(w->b, &item), KEEL_RECV(w->a, &item)) == 0);
    KEEL_CHECK(keel_select(ctx, KEEL_RECV(w->b, &item), KEEL_DEFAULT) == 1);
    KEEL_CHECK(keel_select(ctx, KEEL_RECV(w->a, &item), KEEL_DEFAULT) == 0);
    KEEL_CHECK(keel_select(ctx, KEEL_RECV(NULL, &item), KEEL_AFTER(0)) == 1);
    return NULL;
}

static keel_err *the_first_listed_wins(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return with_channels(ctx, 1, listed_first);
}

static const scenario scenarios[] = {
    { "two selects meet", two_selects_meet, false },
    { "four selects meet", four_selects_meet, false },
    { "each source is received once", each_source_is_received_once, false },
    { "each buffer is received once", each_buffer_is_received_once, false },
    { "cancel against select, capacity 0", cancel_against_select, false },
    { "cancel against select, capacity 1", cancel_against_select_1, false },
    { "a timer or a value", a_timer_or_a_value, false },
    { "close ends selects, capacity 0", close_ends_selects, false },
    { "close ends selects, capacity 1", close_ends_selects_1, false },
    { "a cancelled pipeline loses nothing", a_cancelled_pipeline_loses_nothing, true },
    { "the first listed wins", the_first_listed_wins, false },
};

EXPLORE_MAIN()
