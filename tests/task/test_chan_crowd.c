/* SPDX-License-Identifier: MIT */
#include "crew.h"

/* ---- Batches among several ---- */

static keel_err *send_batch(keel_ctx *ctx, void *arg)
{
    job *j = arg;
    int items[64];

    (void)ctx;
    for (size_t i = 0; i < j->batch; i++)
        items[i] = j->item + (int)i;
    j->err = keel_chan_send_many(j->ctx, j->chan, items, j->batch, &j->count);
    return NULL;
}

static keel_err *receive_batch(keel_ctx *ctx, void *arg)
{
    job *j = arg;
    int items[64];

    (void)ctx;
    j->err = keel_chan_recv_many(j->ctx, j->chan, items, j->batch, &j->count);
    for (size_t i = 0; i < j->count; i++) {
        must(items[i] == items[0] + (int)i);
        j->sum += items[i];
    }
    return NULL;
}

CREW_TEST(batches_come_whole_and_in_order)
{
    static const size_t capacities[] = { 0, 1, 5, 100 };

    (void)arg;
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        keel_chan *chan = new_chan(sizeof(int), capacities[i]);
        job sender = { .chan = chan, .item = 0, .batch = 64 };
        int items[7], want = 0;
        size_t count;
        crew c;
        crew_open(&c, ctx);
        crew_go(&c, send_batch, &sender);
        while (want < 64) {
            must_ok(keel_chan_recv_many(NULL, chan, items, 7, &count));
            must(count >= 1 && count <= 7);
            for (size_t k = 0; k < count; k++)
                must(items[k] == want++);
        }
        crew_join(&c);
        must_ok(sender.err);
        must(sender.count == 64);
        keel_chan_free(chan);
    }
    return NULL;
}

CREW_TEST(a_batch_goes_to_all_who_wait_and_then_into_the_ring)
{
    keel_chan *chan = new_chan(sizeof(int), 2);
    job many = { .chan = chan, .batch = 3 };
    job one = { .chan = chan };
    job rest = { .chan = chan, .batch = 64 };
    size_t count = 0;
    int items[8];
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, receive_batch, &many);
    until_receivers(chan, 1);
    crew_go(&c, receive_one, &one);
    until_receivers(chan, 2);
    must_ok(keel_chan_send_many(NULL, chan, (int[]){ 0, 1, 2, 3, 4, 5 }, 6, &count));
    must(count == 6);
    must(keel_chan_len(chan) == 2);
    crew_join(&c);
    must(many.count == 3 && many.sum == 3);
    must(one.item == 3);

    /* and one call takes the ring, and what a sender has beyond it */
    rest.item = 6;
    rest.batch = 4;
    crew_open(&c, ctx);
    crew_go(&c, send_batch, &rest);
    until_senders(chan, 1);
    must_ok(keel_chan_recv_many(NULL, chan, items, 5, &count));
    must(count == 5 && items[0] == 4 && items[4] == 8);
    must_ok(keel_chan_recv(NULL, chan, items));
    must(items[0] == 9);
    crew_join(&c);
    must_ok(rest.err);
    must(rest.count == 4);
    keel_chan_free(chan);
    return NULL;
}

CREW_TEST(a_batch_that_is_cut_short_tells_how_far_it_came)
{
    keel_chan *chan = new_chan(sizeof(int), 2);
    keel_ctx *ends = keel_ctx_with_cancel(ctx);
    job sender = { .chan = chan, .ctx = ends, .item = 1, .batch = 10 };
    crew c;
    int got;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, send_batch, &sender);
    until_senders(chan, 1);
    must_ok(keel_chan_recv(NULL, chan, &got));
    until_senders(chan, 1);
    keel_ctx_cancel(ends);
    crew_join(&c);
    must_err(sender.err, KEEL_ERR_CANCELLED);
    must(sender.count == 3);
    must(keel_chan_len(chan) == 2);

    crew_open(&c, ctx);
    sender.ctx = NULL;
    sender.count = 99;
    crew_go(&c, send_batch, &sender);
    until_senders(chan, 1);
    must_ok(keel_chan_recv(NULL, chan, &got));
    must_ok(keel_chan_recv(NULL, chan, &got));
    until_senders(chan, 1);
    keel_chan_close(chan);
    crew_join(&c);
    must_err(sender.err, KEEL_ERR_CLOSED);
    must(sender.count == keel_chan_len(chan));
    keel_ctx_free(ends);
    keel_chan_free(chan);
    return NULL;
}

/* ---- Many at once ---- */

enum { SENDERS = 4, RECEIVERS = 4 };

static int each(void)
{
    return (int)repeats(400, 9);
}

/* Each sender's items are its number in the thousands and a count: the receiver sees the order. */
static keel_err *send_own(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    for (int i = 0; i < each();) {
        int items[3] = { j->item * 1000 + i, j->item * 1000 + i + 1, j->item * 1000 + i + 2 };
        size_t count = each() - i >= 3 && i % 7 == 0 ? 3 : 1;
        if (count == 1)
            must_ok(keel_chan_send(NULL, j->chan, items));
        else
            must_ok(keel_chan_send_many(NULL, j->chan, items, count, NULL));
        i += (int)count;
    }
    return NULL;
}

static keel_err *receive_all(keel_ctx *ctx, void *arg)
{
    job *j = arg;
    int last[SENDERS], items[5];

    (void)ctx;
    memset(last, -1, sizeof last);
    for (;;) {
        size_t count = 1;
        keel_err *err = j->count % 5 == 0 ? keel_chan_recv_many(NULL, j->chan, items, 5, &count)
                                          : keel_chan_recv(NULL, j->chan, items);
        if (err != NULL) {
            must_err(err, KEEL_ERR_CLOSED);
            return NULL;
        }
        for (size_t i = 0; i < count; i++) {
            must(items[i] % 1000 > last[items[i] / 1000]);
            last[items[i] / 1000] = items[i] % 1000;
            j->sum += items[i];
        }
        j->count += count;
    }
}

CREW_TEST(each_item_arrives_once_and_in_its_senders_order)
{
    static const size_t capacities[] = { 0, 1, 8 };

    (void)arg;
    for (size_t k = 0; k < sizeof capacities / sizeof capacities[0]; k++) {
        keel_chan *chan = new_chan(sizeof(int), capacities[k]);
        job senders[SENDERS], receivers[RECEIVERS];
        int64_t sum = 0, want = 0;
        size_t count = 0;
        crew in, out;
        crew_open(&in, ctx);
        crew_open(&out, ctx);
        for (int i = 0; i < RECEIVERS; i++) {
            receivers[i] = (job){ .chan = chan };
            crew_go(&out, receive_all, &receivers[i]);
        }
        for (int i = 0; i < SENDERS; i++) {
            senders[i] = (job){ .chan = chan, .item = i };
            crew_go(&in, send_own, &senders[i]);
            want += (int64_t)i * 1000 * each() + (int64_t)each() * (each() - 1) / 2;
        }
        crew_join(&in);
        keel_chan_close(chan);
        crew_join(&out);
        for (int i = 0; i < RECEIVERS; i++) {
            sum += receivers[i].sum;
            count += receivers[i].count;
        }
        must(count == (size_t)(SENDERS * each()));
        must(sum == want);
        keel_chan_free(chan);
    }
    return NULL;
}

/* One round: a sender and a receiver meet, while both contexts are being cancelled. */
static keel_err *cancel_one(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    for (size_t i = 0; i < j->batch; i++)
        keel_yield();
    keel_ctx_cancel(j->ctx);
    return NULL;
}

CREW_TEST(a_cancelled_item_is_either_delivered_or_returned)
{
    size_t delivered = 0;

    (void)arg;
    for (size_t round = 0; round < repeats(300, 3); round++) {
        keel_chan *chan = new_chan(sizeof(int), round % 3);
        job sender = {
            .chan = chan, .ctx = keel_ctx_with_cancel(ctx), .item = 5, .batch = round % 7
        };
        job receiver = { .chan = chan, .ctx = keel_ctx_with_cancel(ctx), .batch = round % 5 };
        crew c;
        crew_open(&c, ctx);
        for (size_t i = 0; i < 4; i++) { /* every round in another order */
            size_t who = (i + round) % 4;
            crew_go(&c,
                    who == 0   ? send_one
                    : who == 1 ? receive_one
                               : cancel_one,
                    who % 2 == 0 ? &sender : &receiver);
        }
        crew_join(&c);

        size_t held = keel_chan_len(chan);
        must((sender.err == NULL) == ((receiver.err == NULL) + held == 1));
        must((receiver.err == NULL) == (receiver.item == 5));
        must(sender.err == NULL || sender.err == KEEL_ERR_CANCELLED);
        must(receiver.err == NULL || receiver.err == KEEL_ERR_CANCELLED);
        delivered += receiver.err == NULL;
        keel_ctx_free(sender.ctx);
        keel_ctx_free(receiver.ctx);
        keel_chan_free(chan);
    }
    must(keel_sim_active() || (delivered > 0 && delivered < 300));
    return NULL;
}

CREW_TEST(closing_and_sending_agree_on_what_was_sent)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 4); round++) {
        keel_chan *chan = new_chan(sizeof(int), round % 4);
        job sender = { .chan = chan, .item = 1, .batch = 20 };
        job receiver = { .chan = chan, .count = 1 };
        crew c;
        crew_open(&c, ctx);
        crew_go(&c, send_batch, &sender);
        crew_go(&c, receive_all, &receiver);
        for (size_t i = 0; i < round % 9; i++)
            keel_yield();
        keel_chan_close(chan);
        crew_join(&c);
        must(sender.err == NULL || sender.err == KEEL_ERR_CLOSED);
        must(receiver.count - 1 == sender.count);
        keel_chan_free(chan);
    }
    return NULL;
}

/* ---- From one thread to another ---- */

static keel_err *send_numbers(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    for (int i = j->item; i <= j->last; i++)
        must_ok(keel_chan_send(NULL, j->chan, &i));
    return NULL;
}

/* So long as one thread only uses a channel it pays for less; then others come, all at once. */
CREW_TEST(a_channel_that_was_one_threads_becomes_anybodys)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 2); round++) {
        keel_chan *chan = new_chan(sizeof(int), round % 3 * 4);
        job low = { .chan = chan, .item = 1, .last = (int)repeats(50, 2) };
        job high = { .chan = chan, .item = 1001, .last = 1000 + low.last };
        int next_low = 1, next_high = 1001;
        crew c;

        for (size_t i = 0; i < repeats(100, 2); i++)
            must(keel_chan_len(chan) == 0);
        crew_open(&c, ctx);
        crew_go(&c, send_numbers, &low);
        crew_go(&c, send_numbers, &high);
        for (int i = 0; i < 2 * low.last; i++) {
            int got = 0;
            must_ok(keel_chan_recv(NULL, chan, &got));
            must(got == (got < 1000 ? next_low++ : next_high++));
        }
        crew_join(&c);
        must(next_low == low.last + 1 && next_high == high.last + 1);
        keel_chan_free(chan);
    }
    return NULL;
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(batches_come_whole_and_in_order),
        support_test(a_batch_goes_to_all_who_wait_and_then_into_the_ring),
        support_test(a_batch_that_is_cut_short_tells_how_far_it_came),
        support_test(each_item_arrives_once_and_in_its_senders_order),
        support_test(a_cancelled_item_is_either_delivered_or_returned),
        support_test(closing_and_sending_agree_on_what_was_sent),
        support_test(a_channel_that_was_one_threads_becomes_anybodys),
    };
    return cmocka_run_group_tests_name("chan_crowd", tests, NULL, NULL);
}
