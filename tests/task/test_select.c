/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <keel/rand.h>

/* No waiter is left with the channel. */
static bool deserted(keel_chan *chan)
{
    return chan_waiting(chan, &chan->senders) == 0 && chan_waiting(chan, &chan->receivers) == 0;
}

/* ---- One caller, ready cases ---- */

static void the_case_that_is_ready_happens(void **state)
{
    (void)state;
    keel_chan *full = new_chan(sizeof(int), 1), *empty = new_chan(sizeof(int), 1);
    int got = 0;
    bool ok = false;

    assert_ok(keel_chan_send(NULL, full, &(int){ 7 }));
    assert_int_equal(keel_select(NULL, KEEL_RECV(empty, &got), KEEL_RECV_OK(full, &got, &ok)), 1);
    assert_int_equal(got, 7);
    assert_true(ok);
    assert_ok(keel_chan_send(NULL, full, &(int){ 7 }));
    ok = false;
    assert_int_equal(keel_select(NULL, KEEL_SEND(full, &(int){ 8 }), KEEL_RECV(NULL, &got),
                                 KEEL_SEND_OK(empty, &(int){ 9 }, &ok)),
                     2);
    assert_true(ok);
    assert_int_equal(keel_chan_len(full), 1);
    assert_ok(keel_chan_recv(NULL, empty, &got));
    assert_int_equal(got, 9);
    keel_chan_free(full);
    keel_chan_free(empty);
}

static void the_default_happens_only_if_nothing_else_can(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 1);
    int got = 5;

    assert_int_equal(keel_select(NULL, KEEL_DEFAULT, KEEL_RECV(chan, &got)), 0);
    assert_int_equal(got, 5);
    assert_int_equal(keel_select(NULL, KEEL_RECV(chan, &got), KEEL_AFTER(1), KEEL_DEFAULT), 2);
    for (int i = 0; i < 50; i++) {
        assert_ok(keel_chan_send(NULL, chan, &i));
        assert_int_equal(keel_select(NULL, KEEL_DEFAULT, KEEL_RECV(chan, &got)), 1);
        assert_int_equal(got, i);
    }
    assert_int_equal(keel_select(NULL, KEEL_DEFAULT, KEEL_AFTER(0)), 1);
    assert_true(deserted(chan));
    keel_chan_free(chan);
}

static void an_ended_context_comes_before_every_case(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 1);
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    int got = 5;

    assert_ok(keel_chan_send(NULL, chan, &(int){ 7 }));
    keel_ctx_cancel(ctx);
    assert_int_equal(keel_select_ordered(ctx, KEEL_RECV(chan, &got), KEEL_AFTER(0), KEEL_DEFAULT),
                     KEEL_SELECT_CTX);
    assert_int_equal(got, 5);
    assert_int_equal(keel_chan_len(chan), 1);
    keel_ctx_free(ctx);
    keel_chan_free(chan);
}

static void a_closed_channel_is_ready(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 2), *silent = new_chan(sizeof(int), 0);
    int got = 5;
    bool ok = false;

    assert_ok(keel_chan_send(NULL, chan, &(int){ 7 }));
    keel_chan_close(chan);
    assert_int_equal(keel_select(NULL, KEEL_RECV(silent, &got), KEEL_RECV_OK(chan, &got, &ok)), 1);
    assert_true(ok);
    assert_int_equal(got, 7);
    assert_int_equal(keel_select(NULL, KEEL_RECV(silent, &got), KEEL_RECV_OK(chan, &got, &ok)), 1);
    assert_false(ok);
    assert_int_equal(got, 0);
    got = 5;
    assert_int_equal(keel_select(NULL, KEEL_RECV(silent, &got), KEEL_RECV(chan, &got)), 1);
    assert_int_equal(got, 0);

    ok = true;
    assert_int_equal(keel_select(NULL, KEEL_RECV(silent, &got), KEEL_SEND_OK(chan, &got, &ok)), 1);
    assert_false(ok);
    assert_int_equal(keel_select(NULL, KEEL_RECV(silent, &got), KEEL_SEND(chan, &got)),
                     KEEL_SELECT_CLOSED);
    assert_int_equal(keel_chan_len(chan), 0);
    keel_chan_free(chan);
    keel_chan_free(silent);
}

static void ordered_prefers_the_first_listed(void **state)
{
    (void)state;
    keel_chan *a = new_chan(sizeof(int), 1), *b = new_chan(sizeof(int), 1);
    int got;

    for (int i = 0; i < 100; i++) {
        assert_ok(keel_chan_send(NULL, a, &i));
        assert_ok(keel_chan_send(NULL, b, &i));
        assert_int_equal(keel_select_ordered(NULL, KEEL_RECV(b, &got), KEEL_RECV(a, &got)), 0);
        assert_int_equal(
            keel_select_ordered(NULL, KEEL_RECV(b, &got), KEEL_RECV(a, &got), KEEL_AFTER(0)), 1);
    }
    keel_chan_free(a);
    keel_chan_free(b);
}

/* Of n draws at 1/k each, a count is n/k give or take sqrt(n/k * (1 - 1/k)): here within five of it. */
static void ready_cases_are_equally_likely(void **state)
{
    (void)state;
    enum { DRAWS = 20000, CASES = 5, MEAN = DRAWS / CASES, FIVE_SIGMA = 283 };
    keel_chan *chans[3];
    int got, counts[CASES] = { 0 };
    bool ok;

    for (int i = 0; i < 3; i++) {
        chans[i] = new_chan(sizeof(int), 1);
        if (i > 0)
            assert_ok(keel_chan_send(NULL, chans[i], &i));
    }
    keel_chan_close(chans[2]);
    for (int i = 0; i < DRAWS; i++) {
        int index = keel_select(NULL, KEEL_SEND(chans[0], &i), KEEL_RECV(chans[1], &got),
                                KEEL_AFTER(0), KEEL_SEND_OK(chans[2], &got, &ok), KEEL_AFTER(-3),
                                KEEL_RECV(NULL, &got), KEEL_DEFAULT);
        assert_in_range(index, 0, CASES - 1);
        counts[index]++;
        if (index == 0)
            assert_ok(keel_chan_recv(NULL, chans[0], &got));
        if (index == 1)
            assert_ok(keel_chan_send(NULL, chans[1], &got));
    }
    for (int i = 0; i < CASES; i++)
        assert_in_range(counts[i], MEAN - FIVE_SIGMA, MEAN + FIVE_SIGMA);
    for (int i = 0; i < 3; i++)
        keel_chan_free(chans[i]);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 1);
    int got;

    (void)keel_select(NULL, KEEL_RECV(chan, &got), KEEL_AFTER(KEEL_US(1)));
    size_t made = support_mem_made();
    assert_int_equal(keel_select(NULL, KEEL_RECV(chan, &got), KEEL_AFTER(KEEL_US(1))), 1);
    assert_int_equal(keel_select(NULL, KEEL_SEND(chan, &(int){ 1 }), KEEL_RECV(NULL, &got)), 0);
    assert_int_equal(support_mem_made(), made);
    keel_chan_free(chan);
}

enum { MOST = 65535 };

static void the_most_cases_work(void **state)
{
    (void)state;
    enum { CHANS = 1000 };
    keel_case *cases = keel_mem_calloc(MOST, sizeof *cases);
    keel_chan *chans[CHANS];
    int got = 0, item = 4;

    assert_non_null(cases);
    for (size_t i = 0; i < CHANS; i++)
        chans[i] = new_chan(sizeof(int), 1);
    for (size_t i = 0; i < MOST; i++)
        cases[i] = KEEL_RECV(chans[i % (CHANS - 1)], &got);
    cases[MOST - 1] = KEEL_RECV(chans[CHANS - 1], &got);
    cases[17] = KEEL_AFTER(KEEL_US(1));
    assert_int_equal(keel_select_cases(NULL, cases, MOST, false), 17);
    for (size_t i = 0; i < CHANS; i++)
        assert_true(deserted(chans[i]));
    assert_ok(keel_chan_send(NULL, chans[CHANS - 1], &item));
    assert_int_equal(keel_select_cases(NULL, cases, MOST, true), MOST - 1);
    assert_int_equal(got, 4);
    for (size_t i = 0; i < CHANS; i++)
        keel_chan_free(chans[i]);
    keel_mem_free(cases);
}

/* ---- Waiting ---- */

static keel_err *shortest(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < repeats(20, 3); i++) {
        int64_t start_ns = keel_ctx_now(ctx);
        check(keel_select(ctx, KEEL_AFTER(KEEL_S(9)), KEEL_AFTER(KEEL_S(2)), KEEL_AFTER(KEEL_S(5)),
                          KEEL_AFTER(INT64_MAX)) == 1);
        check(keel_ctx_now(ctx) - start_ns == KEEL_S(2));
    }
    return NULL;
}

static void the_shortest_time_is_up_first(void **state)
{
    (void)state;
    run_and_explore_on_time(shortest, NULL);
    assert_int_equal(keel_select(NULL, KEEL_AFTER(KEEL_S(99)), KEEL_AFTER(KEEL_US(1))), 1);
}

static keel_err *equal_times(keel_ctx *ctx, void *arg)
{
    int counts[2] = { 0 };

    (void)arg;
    for (int i = 0; i < 400; i++)
        counts[keel_select(ctx, KEEL_AFTER(KEEL_S(1)), KEEL_AFTER(KEEL_S(1)))]++;
    check(counts[0] >= 150 && counts[1] >= 150); /* five times the deviation of 10 */
    check(keel_select_ordered(ctx, KEEL_AFTER(KEEL_S(1)), KEEL_AFTER(KEEL_S(1))) == 0);
    return NULL;
}

static void of_equal_times_either_may_happen(void **state)
{
    (void)state;
    assert_ok(support_run(equal_times, NULL));
}

typedef struct chooser {
    keel_chan *a, *b, *c;
    keel_ctx *ctx;
    int from_a, from_b; /* received */
    int to_c;           /* sent */
    bool ok_a, ok_b;
    int index;
} chooser;

static keel_err *choose(keel_ctx *ctx, void *arg)
{
    chooser *ch = arg;

    (void)ctx;
    ch->index =
        keel_select(ch->ctx, KEEL_RECV_OK(ch->a, &ch->from_a, &ch->ok_a),
                    KEEL_RECV_OK(ch->b, &ch->from_b, &ch->ok_b), KEEL_SEND(ch->c, &ch->to_c));
    return NULL;
}

typedef struct three {
    keel_chan *a, *b, *c;
    chooser ch;
    crew crew;
} three;

/* One that waits in a select on three channels. */
static void begin(three *t, keel_ctx *ctx, keel_ctx *ends)
{
    t->a = new_chan(sizeof(int), 0);
    t->b = new_chan(sizeof(int), 1);
    t->c = new_chan(sizeof(int), 0);
    t->ch = (chooser){ .a = t->a,
                       .b = t->b,
                       .c = t->c,
                       .ctx = ends,
                       .from_a = 77,
                       .from_b = 77,
                       .to_c = 42,
                       .index = 77 };
    crew_open(&t->crew, ctx);
    crew_go(&t->crew, choose, &t->ch);
    until_receivers(t->a, 1);
    until_receivers(t->b, 1);
    until_senders(t->c, 1);
}

static void end(three *t, int index)
{
    crew_join(&t->crew);
    must(t->ch.index == index);
    must(deserted(t->a) && deserted(t->b) && deserted(t->c));
    keel_chan_free(t->a);
    keel_chan_free(t->b);
    keel_chan_free(t->c);
}

CREW_TEST(a_sender_wakes_it)
{
    three t;

    (void)arg;
    begin(&t, ctx, NULL);
    must_ok(keel_chan_send(NULL, t.a, &(int){ 5 }));
    end(&t, 0);
    must(t.ch.from_a == 5 && t.ch.ok_a && t.ch.from_b == 77);
    begin(&t, ctx, NULL);
    must(keel_chan_try_send(t.b, &(int){ 6 }) == KEEL_CHAN_DONE);
    must(keel_chan_len(t.b) == 0);
    end(&t, 1);
    must(t.ch.from_b == 6 && t.ch.ok_b && t.ch.from_a == 77);
    return NULL;
}

CREW_TEST(a_receiver_wakes_it)
{
    three t;
    int got = 0;

    (void)arg;
    begin(&t, ctx, NULL);
    must_ok(keel_chan_recv(NULL, t.c, &got));
    must(got == 42);
    end(&t, 2);
    must(t.ch.from_a == 77 && t.ch.from_b == 77);
    return NULL;
}

CREW_TEST(a_close_wakes_it)
{
    three t;

    (void)arg;
    begin(&t, ctx, NULL);
    keel_chan_close(t.b);
    end(&t, 1);
    must(t.ch.from_b == 0 && !t.ch.ok_b);
    begin(&t, ctx, NULL);
    keel_chan_close(t.c);
    end(&t, KEEL_SELECT_CLOSED);
    return NULL;
}

CREW_TEST(its_context_wakes_it_and_nothing_has_happened)
{
    keel_ctx *ends = keel_ctx_with_cancel(ctx);
    three t;
    int got;

    (void)arg;
    begin(&t, ctx, ends);
    keel_ctx_cancel(ends);
    crew_join(&t.crew);
    must(keel_chan_try_recv(t.c, &got) == KEEL_CHAN_WOULD_BLOCK);
    must(keel_chan_try_send(t.a, &got) == KEEL_CHAN_WOULD_BLOCK);
    crew_open(&t.crew, NULL);
    end(&t, KEEL_SELECT_CTX);
    must(t.ch.from_a == 77 && t.ch.from_b == 77);
    keel_ctx_free(ends);
    return NULL;
}

CREW_TEST(once_woken_it_does_nothing_else)
{
    three t;
    int got;

    (void)arg;
    begin(&t, ctx, NULL);
    must(keel_chan_try_send(t.a, &(int){ 1 }) == KEEL_CHAN_DONE);
    /* it may not even have run yet, and must not take or give more */
    must(keel_chan_try_send(t.a, &(int){ 2 }) == KEEL_CHAN_WOULD_BLOCK);
    must(keel_chan_try_recv(t.c, &got) == KEEL_CHAN_WOULD_BLOCK);
    must(keel_chan_try_send(t.b, &(int){ 3 }) == KEEL_CHAN_DONE);
    must(keel_chan_len(t.b) == 1);
    end(&t, 0);
    must(t.ch.from_a == 1 && t.ch.from_b == 77);
    return NULL;
}

CREW_TEST(waking_one_leaves_the_others_where_they_are)
{
    three t;
    chooser second;
    crew c;

    (void)arg;
    begin(&t, ctx, NULL);
    second = t.ch;
    crew_open(&c, ctx);
    crew_go(&c, choose, &second);
    until_receivers(t.a, 2);
    until_receivers(t.b, 2);
    until_senders(t.c, 2);
    must_ok(keel_chan_send(NULL, t.a, &(int){ 1 }));
    crew_join(&t.crew);
    must(t.ch.index == 0 && t.ch.from_a == 1);
    until_receivers(t.a, 1);
    until_receivers(t.b, 1);
    until_senders(t.c, 1);
    must(keel_chan_try_send(t.a, &(int){ 2 }) == KEEL_CHAN_DONE);
    crew_join(&c);
    must(second.index == 0 && second.from_a == 2);
    crew_open(&t.crew, NULL);
    end(&t, 0);
    return NULL;
}

static keel_err *wait_for_nothing(keel_ctx *ctx, void *arg)
{
    chooser *ch = arg;
    int got;

    (void)ctx;
    must(keel_select_cases(ch->ctx, NULL, 0, false) == KEEL_SELECT_CTX);
    ch->index = keel_select(ch->ctx, KEEL_RECV(NULL, &got), KEEL_SEND(NULL, &got));
    return NULL;
}

CREW_TEST(without_cases_it_waits_for_its_context)
{
    chooser ch = { .ctx = keel_ctx_with_timeout(ctx, KEEL_MS(1)) };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, wait_for_nothing, &ch);
    crew_join(&c);
    must(ch.index == KEEL_SELECT_CTX);
    must_err(keel_ctx_err(ch.ctx), KEEL_ERR_DEADLINE);
    keel_ctx_free(ch.ctx);
    return NULL;
}

/* ---- Selects that meet ---- */

static keel_err *both_ways(keel_ctx *ctx, void *arg)
{
    chooser *ch = arg;

    (void)ctx;
    ch->index = keel_select(ch->ctx, KEEL_RECV(ch->a, &ch->from_a), KEEL_SEND(ch->a, &ch->to_c),
                            KEEL_RECV(ch->a, &ch->from_b));
    return NULL;
}

CREW_TEST(a_select_does_not_meet_itself)
{
    keel_chan *chan = new_chan(sizeof(int), 0);
    chooser ch = { .a = chan, .to_c = 42 };
    int got = 0, from = 0;
    crew c;

    (void)arg;
    must(keel_select(NULL, KEEL_RECV(chan, &from), KEEL_SEND(chan, &got), KEEL_DEFAULT) == 2);
    for (int round = 0; round < 2; round++) {
        crew_open(&c, ctx);
        crew_go(&c, both_ways, &ch);
        until_receivers(chan, 2);
        until_senders(chan, 1);
        if (round == 0) {
            must_ok(keel_chan_recv(NULL, chan, &got));
            must(got == 42);
        } else {
            must_ok(keel_chan_send(NULL, chan, &(int){ 3 }));
        }
        crew_join(&c);
        must(deserted(chan));
        must(round == 0 ? ch.index == 1 : ch.index == 0 && ch.from_a == 3);
    }
    keel_chan_free(chan);
    return NULL;
}

CREW_TEST(two_selects_meet_in_one_case)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 2); round++) {
        keel_chan *chan = new_chan(sizeof(int), 0);
        chooser one = { .a = chan, .to_c = 1 }, two = { .a = chan, .to_c = 2 };
        crew c;
        crew_open(&c, ctx);
        crew_go(&c, both_ways, &one);
        crew_go(&c, both_ways, &two);
        crew_join(&c);
        must((one.index == 1) != (two.index == 1));
        must(one.index == 1 ? two.from_a + two.from_b == 1 : one.from_a + one.from_b == 2);
        must(deserted(chan));
        keel_chan_free(chan);
    }
    return NULL;
}

enum { TRADERS = 6, CHANNELS = 3 };

typedef struct trader {
    keel_chan **chans;
    keel_ctx *ctx; /* NULL: takes its time limit from KEEL_AFTER */
    int number;
    size_t sent, received, other;
    int64_t sum; /* received less sent */
} trader;

/* Sends and receives on all channels, in an order of its own; a sum that comes out 0 over all proves
 * that nothing was lost, and nothing was received twice. */
static keel_err *trade(keel_ctx *ctx, void *arg)
{
    trader *t = arg;

    (void)ctx;
    for (int round = 0; round < (int)repeats(300, 5); round++) {
        keel_chan **chans = t->chans;
        int got[CHANNELS], item = t->number * 1000 + round, first = t->number % CHANNELS;
        int second = (first + 1) % CHANNELS, third = (first + 2) % CHANNELS;
        int index =
            keel_select(t->ctx, KEEL_RECV(chans[first], &got[0]), KEEL_SEND(chans[second], &item),
                        KEEL_RECV(chans[third], &got[1]), KEEL_SEND(chans[first], &item),
                        KEEL_RECV(chans[second], &got[2]), KEEL_AFTER(KEEL_US(10)));
        if (index == KEEL_SELECT_CTX)
            return NULL;
        if (index == 5) {
            t->other++;
        } else if (index % 2 == 1) {
            t->sent++;
            t->sum -= item;
        } else {
            t->received++;
            t->sum += got[index / 2];
        }
    }
    return NULL;
}

static keel_err *cancel_some(keel_ctx *ctx, void *arg)
{
    trader *traders = arg;

    (void)ctx;
    for (int i = 0; i < TRADERS; i += 2) {
        for (size_t k = 0; k < repeats(20, 1) * (size_t)i; k++)
            keel_yield();
        keel_ctx_cancel(traders[i].ctx);
    }
    return NULL;
}

CREW_TEST(many_selects_lose_nothing_and_double_nothing)
{
    (void)arg;
    for (size_t capacity = 0; capacity <= 2; capacity++) {
        keel_chan *chans[CHANNELS];
        trader traders[TRADERS];
        size_t sent = 0, received = 0, held = 0;
        int64_t sum = 0;
        crew c;
        for (size_t i = 0; i < CHANNELS; i++)
            chans[i] = new_chan(sizeof(int), capacity);
        crew_open(&c, ctx);
        for (int i = 0; i < TRADERS; i++) {
            traders[i] = (trader){ .chans = chans, .ctx = keel_ctx_with_cancel(ctx), .number = i };
            crew_go(&c, trade, &traders[i]);
        }
        crew_go(&c, cancel_some, traders);
        crew_join(&c);
        for (size_t i = 0; i < TRADERS; i++) {
            sent += traders[i].sent;
            received += traders[i].received;
            sum += traders[i].sum;
            keel_ctx_free(traders[i].ctx);
        }
        for (size_t i = 0; i < CHANNELS; i++) {
            int item;
            must(deserted(chans[i]));
            for (; keel_chan_try_recv(chans[i], &item) == KEEL_CHAN_DONE; held++)
                sum += item;
            keel_chan_free(chans[i]);
        }
        must(sent == received + held);
        must(sum == 0);
        must(received > 0 || keel_sim_active());
    }
    return NULL;
}

/* ---- Misuse ---- */

static void item_of_another_size(void *arg)
{
    long long item;

    (void)arg;
    (void)keel_select(NULL, KEEL_DEFAULT, KEEL_RECV(new_chan(4, 2), &item));
}

static void too_many_cases(void *arg)
{
    keel_case *cases = keel_mem_calloc(MOST + 1, sizeof *cases);

    (void)arg;
    for (size_t i = 0; i <= MOST; i++)
        cases[i] = KEEL_DEFAULT;
    (void)keel_select_cases(NULL, cases, MOST + 1, true);
}

static void a_case_of_nothing(void *arg)
{
    (void)arg;
    (void)keel_select_cases(NULL, &(keel_case){ 0 }, 1, false);
}

static void no_place_for_the_item(void *arg)
{
    (void)arg;
    (void)keel_select(NULL, KEEL_RECV(new_chan(4, 2), (int *)NULL), KEEL_DEFAULT);
}

static void misuse_aborts_with_a_message(void **state)
{
    (void)state;
    support_assert_aborts(item_of_another_size, NULL, "case 1 has an item of 8 bytes, channel ");
    support_assert_aborts(too_many_cases, NULL, "65536 cases");
    support_assert_aborts(a_case_of_nothing, NULL, "case 0 was not made by");
    support_assert_aborts(no_place_for_the_item, NULL, "case 0 has no place for the item");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(the_case_that_is_ready_happens),
        support_test(the_default_happens_only_if_nothing_else_can),
        support_test(an_ended_context_comes_before_every_case),
        support_test(a_closed_channel_is_ready),
        support_test(ordered_prefers_the_first_listed),
        support_test(ready_cases_are_equally_likely),
        support_test(nothing_is_allocated),
        support_test(the_most_cases_work),
        support_test(the_shortest_time_is_up_first),
        support_test(of_equal_times_either_may_happen),
        support_test(a_sender_wakes_it),
        support_test(a_receiver_wakes_it),
        support_test(a_close_wakes_it),
        support_test(its_context_wakes_it_and_nothing_has_happened),
        support_test(once_woken_it_does_nothing_else),
        support_test(waking_one_leaves_the_others_where_they_are),
        support_test(without_cases_it_waits_for_its_context),
        support_test(a_select_does_not_meet_itself),
        support_test(two_selects_meet_in_one_case),
        support_test(many_selects_lose_nothing_and_double_nothing),
        support_test(misuse_aborts_with_a_message),
    };
    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
