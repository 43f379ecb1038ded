/* SPDX-License-Identifier: MIT */
#include "crew.h"

/* ---- One caller ---- */

static void closing_lets_receivers_drain(void **state)
{
    (void)state;
    keel_chan *chan;
    int got = 0;

    assert_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = 2 }));
    assert_ok(keel_chan_send(NULL, chan, &(int){ 7 }));
    keel_chan_close(chan);

    assert_err(keel_chan_send(NULL, chan, &(int){ 8 }), KEEL_ERR_CLOSED);
    assert_ok(keel_chan_recv(NULL, chan, &got));
    assert_int_equal(got, 7);
    assert_err(keel_chan_recv(NULL, chan, &got), KEEL_ERR_CLOSED);
    assert_int_equal(got, 0);
    keel_chan_free(chan);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t item_size, capacity;
    } cases[] = {
        { "no bytes", 0, 1 },
        { "product wraps", SIZE_MAX / 2 + 1, 2 },
        { "product fits, the channel not", 1, SIZE_MAX - 8 },
        { "one item too large", SIZE_MAX, 1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        keel_chan *chan = (keel_chan *)&cases;
        print_message("    %s\n", cases[i].name);
        assert_err(keel_chan_new(&chan, cases[i].item_size,
                                 &(keel_chan_opts){ .capacity = cases[i].capacity }),
                   KEEL_ERR_INVAL);
        assert_null(chan);
    }
}

static void try_tells_done_full_empty_and_closed(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 1);
    int got = 5;

    assert_int_equal(keel_chan_capacity(chan), 1);
    assert_int_equal(keel_chan_try_recv(chan, &got), KEEL_CHAN_WOULD_BLOCK);
    assert_int_equal(got, 0);
    assert_int_equal(keel_chan_try_send(chan, &(int){ 1 }), KEEL_CHAN_DONE);
    assert_int_equal(keel_chan_try_send(chan, &(int){ 2 }), KEEL_CHAN_WOULD_BLOCK);
    assert_int_equal(keel_chan_len(chan), 1);
    keel_chan_close(chan);
    assert_int_equal(keel_chan_try_send(chan, &(int){ 3 }), KEEL_CHAN_CLOSED);
    assert_int_equal(keel_chan_try_recv(chan, &got), KEEL_CHAN_DONE);
    assert_int_equal(got, 1);
    assert_int_equal(keel_chan_try_recv(chan, &got), KEEL_CHAN_CLOSED);
    assert_int_equal(got, 0);
    keel_chan_free(chan);
}

static void without_capacity_nothing_is_held(void **state)
{
    (void)state;
    keel_chan *chan;
    char got;

    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_int_equal(keel_chan_capacity(chan), 0);
    assert_int_equal(keel_chan_try_send(chan, "x"), KEEL_CHAN_WOULD_BLOCK);
    assert_int_equal(keel_chan_try_recv(chan, &got), KEEL_CHAN_WOULD_BLOCK);
    assert_int_equal(keel_chan_len(chan), 0);
    keel_chan_free(chan);
}

static void items_of_every_size_arrive_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 3, 4, 5, 8, 12, 16, 17, 4096 };
    static unsigned char sent[4096], got[4096];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        keel_chan *chan = new_chan(sizes[i], 3);
        for (size_t round = 0; round < 10; round++) {
            memset(got, 0xEE, sizeof got);
            for (size_t k = 0; k < sizes[i]; k++)
                sent[k] = (unsigned char)(round + k * 7);
            assert_ok(keel_chan_send(NULL, chan, sent));
            assert_ok(keel_chan_recv(NULL, chan, got));
            assert_memory_equal(got, sent, sizes[i]);
            assert_true(sizes[i] == sizeof got || got[sizes[i]] == 0xEE);
        }
        keel_chan_free(chan);
    }
}

static void next_ends_with_the_channel_and_with_the_context(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 4);
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    int item, sum = 0;

    assert_ok(keel_chan_send_many(NULL, chan, (int[]){ 1, 2, 3, 4 }, 4, NULL));
    assert_true(keel_chan_next(ctx, chan, &item));
    keel_ctx_cancel(ctx);
    assert_false(keel_chan_next(ctx, chan, &item));
    assert_int_equal(item, 0);
    keel_chan_close(chan);
    while (keel_chan_next(NULL, chan, &item))
        sum += item;
    assert_int_equal(sum, 2 + 3 + 4);
    keel_ctx_free(ctx);
    keel_chan_free(chan);
}

static void a_context_that_has_ended_touches_nothing(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 2);
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    int got[2] = { 5, 5 };
    size_t count = 9;

    assert_ok(keel_chan_send(NULL, chan, &(int){ 1 }));
    keel_ctx_cancel(ctx);
    assert_err(keel_chan_send(ctx, chan, &(int){ 2 }), KEEL_ERR_CANCELLED);
    assert_err(keel_chan_send_many(ctx, chan, got, 2, &count), KEEL_ERR_CANCELLED);
    assert_int_equal(count, 0);
    assert_err(keel_chan_recv(ctx, chan, got), KEEL_ERR_CANCELLED);
    assert_int_equal(got[0], 0);
    got[0] = 5;
    count = 9;
    assert_err(keel_chan_recv_many(ctx, chan, got, 2, &count), KEEL_ERR_CANCELLED);
    assert_int_equal(count, 0);
    assert_int_equal(got[0] + got[1], 0);
    assert_int_equal(keel_chan_len(chan), 1);

    keel_chan_close(chan); /* and it comes before the closing */
    assert_err(keel_chan_send(ctx, chan, &(int){ 2 }), KEEL_ERR_CANCELLED);
    keel_ctx_free(ctx);
    keel_chan_free(chan);
}

static void batches_move_what_fits(void **state)
{
    (void)state;
    keel_chan *chan = new_chan(sizeof(int), 4);
    int got[8] = { 0 };
    size_t count = 9;

    assert_err(keel_chan_recv_many(NULL, chan, got, 0, &count), KEEL_ERR_INVAL);
    assert_int_equal(count, 0);
    assert_ok(keel_chan_send_many(NULL, chan, NULL, 0, &count));
    assert_int_equal(count, 0);
    assert_ok(keel_chan_send_many(NULL, chan, (int[]){ 1, 2, 3 }, 3, &count));
    assert_int_equal(count, 3);
    assert_ok(keel_chan_recv_many(NULL, chan, got, 2, &count));
    assert_int_equal(count, 2);
    assert_ok(keel_chan_send_many(NULL, chan, (int[]){ 4, 5, 6 }, 3, &count)); /* wraps */
    assert_ok(keel_chan_recv_many(NULL, chan, got, 8, &count));
    assert_int_equal(count, 4);
    assert_memory_equal(got, ((int[]){ 3, 4, 5, 6 }), 4 * sizeof(int));

    keel_chan_close(chan);
    count = 9;
    assert_err(keel_chan_send_many(NULL, chan, got, 2, &count), KEEL_ERR_CLOSED);
    assert_int_equal(count, 0);
    assert_err(keel_chan_send_many(NULL, chan, NULL, 0, &count), KEEL_ERR_CLOSED);
    assert_err(keel_chan_recv_many(NULL, chan, got, 8, &count), KEEL_ERR_CLOSED);
    assert_int_equal(count, 0);
    keel_chan_free(chan);
}

static char freed[8];

static void note_freed(void *item)
{
    strncat(freed, item, 1);
}

static void what_is_left_is_freed_in_order(void **state)
{
    (void)state;
    keel_chan *chan;
    char got[2];
    size_t count;

    freed[0] = '\0';
    assert_ok(keel_chan_new(&chan, 1, &(keel_chan_opts){ .capacity = 3, .item_free = note_freed }));
    assert_ok(keel_chan_send_many(NULL, chan, "abc", 3, NULL));
    assert_ok(keel_chan_recv_many(NULL, chan, got, 2, &count));
    assert_ok(keel_chan_send_many(NULL, chan, "de", 2, NULL));
    keel_chan_free(chan);
    assert_string_equal(freed, "cde");
    keel_chan_free(NULL);
}

static keel_err *make_and_use(void *arg)
{
    keel_chan *chan;
    int item = 3;

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof item, &(keel_chan_opts){ .capacity = 1 }));
    keel_err *err = keel_chan_send(NULL, chan, &item);
    if (err == NULL)
        err = keel_chan_recv(NULL, chan, &item);
    keel_chan_close(chan);
    keel_chan_free(chan);
    return err;
}

static void a_channel_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    keel_chan *chan = (keel_chan *)freed;

    support_mem_torture(make_and_use, NULL, NULL);
    support_mem_fail(1, false);
    assert_err(keel_chan_new(&chan, 8, NULL), KEEL_ERR_NOMEM);
    assert_null(chan);
}

/* ---- Against a model: what a queue of so many places does, by arithmetic ---- */

/* Items are numbers in order, so the model is only how many went in and came out. */
static void random_calls_agree_with_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        keel_rand rand;
        keel_rand_seed(&rand, seed);
        size_t capacity = (size_t)keel_rand_below(&rand, 9);
        keel_chan *chan = new_chan(sizeof(uint64_t), capacity);
        uint64_t in = 0, out = 0;

        for (int step = 0; step < 200; step++) {
            uint64_t items[10], want = keel_rand_below(&rand, 10);
            size_t count = 0;
            switch (keel_rand_below(&rand, 4)) {
            case 0:
                assert_int_equal(keel_chan_try_send(chan, &in),
                                 in - out < capacity ? KEEL_CHAN_DONE : KEEL_CHAN_WOULD_BLOCK);
                in += in - out < capacity;
                break;
            case 1:
                assert_int_equal(keel_chan_try_recv(chan, items),
                                 in > out ? KEEL_CHAN_DONE : KEEL_CHAN_WOULD_BLOCK);
                assert_int_equal(items[0], in > out ? out : 0);
                out += in > out;
                break;
            case 2:
                want = want < capacity - (in - out) ? want : capacity - (in - out);
                for (uint64_t i = 0; i < want; i++)
                    items[i] = in++;
                assert_ok(keel_chan_send_many(NULL, chan, items, (size_t)want, NULL));
                break;
            default:
                if (in == out || want == 0)
                    break;
                assert_ok(keel_chan_recv_many(NULL, chan, items, (size_t)want, &count));
                assert_int_equal(count, want < in - out ? want : in - out);
                for (size_t i = 0; i < count; i++)
                    assert_int_equal(items[i], out++);
            }
            assert_int_equal(keel_chan_len(chan), in - out);
        }
        keel_chan_free(chan);
    }
}

/* ---- Several ---- */

static keel_err *send_sequence(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    for (int item = j->item; item <= j->last; item++)
        must_ok(keel_chan_send(NULL, j->chan, &item));
    return NULL;
}

CREW_TEST(items_come_in_order_at_every_capacity)
{
    static const size_t capacities[] = { 0, 1, 2, 3, 7, 64 };
    int last = (int)repeats(500, 5);

    (void)arg;
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        keel_chan *chan = new_chan(sizeof(int), capacities[i]);
        crew c;
        crew_open(&c, ctx);
        crew_go(&c, send_sequence, &(job){ .chan = chan, .item = 1, .last = last });
        for (int want = 1, got; want <= last; want++) {
            must_ok(keel_chan_recv(NULL, chan, &got));
            must(got == want);
        }
        crew_join(&c);
        keel_chan_free(chan);
    }
    return NULL;
}

CREW_TEST(senders_wait_their_turn)
{
    (void)arg;
    for (int capacity = 0; capacity <= 2; capacity++) {
        keel_chan *chan = new_chan(sizeof(int), (size_t)capacity);
        job jobs[3];
        crew c;
        crew_open(&c, ctx);
        for (int i = 0; i < capacity; i++)
            must_ok(keel_chan_send(NULL, chan, &i));
        for (int i = 0; i < 3; i++) {
            jobs[i] = (job){ .chan = chan, .item = capacity + i };
            crew_go(&c, send_one, &jobs[i]);
            until_senders(chan, (size_t)i + 1);
        }
        must(keel_chan_try_send(chan, &(int){ 99 }) == KEEL_CHAN_WOULD_BLOCK);
        for (int i = 0, got; i < capacity + 3; i++) {
            must_ok(keel_chan_recv(NULL, chan, &got));
            must(got == i);
            must(keel_chan_len(chan) == (size_t)(i < 3 ? capacity : capacity + 2 - i));
        }
        crew_join(&c);
        for (int i = 0; i < 3; i++)
            must_ok(jobs[i].err);
        keel_chan_free(chan);
    }
    return NULL;
}

CREW_TEST(receivers_wait_their_turn)
{
    (void)arg;
    for (size_t capacity = 0; capacity <= 2; capacity++) {
        keel_chan *chan = new_chan(sizeof(int), capacity);
        job jobs[4];
        crew c;
        crew_open(&c, ctx);
        for (size_t i = 0; i < 4; i++) {
            jobs[i] = (job){ .chan = chan };
            crew_go(&c, receive_one, &jobs[i]);
            until_receivers(chan, i + 1);
        }
        must(keel_chan_try_send(chan, &(int){ 10 }) == KEEL_CHAN_DONE);
        must_ok(keel_chan_send(NULL, chan, &(int){ 11 }));
        must_ok(keel_chan_send_many(NULL, chan, (int[]){ 12, 13 }, 2, NULL));
        crew_join(&c);
        for (int i = 0; i < 4; i++) {
            must_ok(jobs[i].err);
            must(jobs[i].item == 10 + i);
        }
        must(keel_chan_len(chan) == 0);
        keel_chan_free(chan);
    }
    return NULL;
}

CREW_TEST(closing_wakes_all_receivers)
{
    keel_chan *chan = new_chan(sizeof(int), 1);
    job jobs[5];
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (size_t i = 0; i < 5; i++) {
        jobs[i] = (job){ .chan = chan, .item = 77 };
        crew_go(&c, receive_one, &jobs[i]);
    }
    until_receivers(chan, 5);
    keel_chan_close(chan);
    crew_join(&c);
    for (size_t i = 0; i < 5; i++) {
        must_err(jobs[i].err, KEEL_ERR_CLOSED);
        must(jobs[i].item == 0);
    }
    keel_chan_free(chan);
    return NULL;
}

CREW_TEST(closing_tells_all_senders_that_nothing_was_delivered)
{
    keel_chan *chan = new_chan(sizeof(int), 1);
    job jobs[5];
    crew c;
    int got;

    (void)arg;
    crew_open(&c, ctx);
    must_ok(keel_chan_send(NULL, chan, &(int){ 1 }));
    for (size_t i = 0; i < 5; i++) {
        jobs[i] = (job){ .chan = chan, .item = 77 };
        crew_go(&c, send_one, &jobs[i]);
    }
    until_senders(chan, 5);
    keel_chan_close(chan);
    crew_join(&c);
    for (size_t i = 0; i < 5; i++)
        must_err(jobs[i].err, KEEL_ERR_CLOSED);
    must_ok(keel_chan_recv(NULL, chan, &got));
    must(got == 1);
    must_err(keel_chan_recv(NULL, chan, &got), KEEL_ERR_CLOSED);
    keel_chan_free(chan);
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_context_and_leaves_no_trace)
{
    keel_chan *chan = new_chan(sizeof(int), 1);
    keel_ctx *ends = keel_ctx_with_cancel(ctx);
    job receiver = { .chan = chan, .ctx = ends, .item = 77 };
    job sender = { .chan = chan, .ctx = ends, .item = 88 };
    crew c;
    int got;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, receive_one, &receiver);
    until_receivers(chan, 1);
    keel_ctx_cancel(ends);
    crew_join(&c);
    must_err(receiver.err, KEEL_ERR_CANCELLED);
    must(receiver.item == 0);
    must(chan_waiting(chan, &chan->receivers) == 0);
    keel_ctx_free(ends);

    must_ok(keel_chan_send(NULL, chan, &(int){ 1 })); /* into the ring, not to a ghost */
    sender.ctx = ends = keel_ctx_with_cancel(ctx);
    crew_open(&c, ctx);
    crew_go(&c, send_one, &sender);
    until_senders(chan, 1);
    keel_ctx_cancel(ends);
    crew_join(&c);
    must_err(sender.err, KEEL_ERR_CANCELLED);
    must(chan_waiting(chan, &chan->senders) == 0);
    must_ok(keel_chan_recv(NULL, chan, &got));
    must(got == 1);
    must(keel_chan_try_recv(chan, &got) == KEEL_CHAN_WOULD_BLOCK);
    keel_ctx_free(ends);
    keel_chan_free(chan);
    return NULL;
}

CREW_TEST(a_wait_ends_at_its_deadline)
{
    keel_chan *chan = new_chan(sizeof(int), 0);
    keel_ctx *ends = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    int got = 5;

    (void)arg;
    must_err(keel_chan_recv(ends, chan, &got), KEEL_ERR_DEADLINE);
    must(got == 0);
    keel_ctx_free(ends);
    ends = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    must_err(keel_chan_send(ends, chan, &got), KEEL_ERR_DEADLINE);
    keel_ctx_free(ends);
    keel_chan_free(chan);
    return NULL;
}

/* ---- Misuse ---- */

static void close_twice(void *arg)
{
    keel_chan *chan = new_chan(24, 3);

    (void)arg;
    keel_chan_close(chan);
    keel_chan_close(chan);
}

static void free_while_waited_on(void *arg)
{
    keel_chan *chan = new_chan(24, 3);
    crew c;

    (void)arg;
    crew_open(&c, NULL);
    crew_go(&c, receive_one, &(job){ .chan = chan });
    until_receivers(chan, 1);
    keel_chan_free(chan);
}

static void send_to_null(void *arg)
{
    (void)arg;
    keel_err_free(keel_chan_send(NULL, NULL, "x"));
}

static void receive_from_null(void *arg)
{
    char item;

    (void)arg;
    keel_err_free(keel_chan_recv(NULL, NULL, &item));
}

static void receive_to_null(void *arg)
{
    (void)arg;
    keel_err_free(keel_chan_recv(NULL, new_chan(1, 0), NULL));
}

static void close_null(void *arg)
{
    (void)arg;
    keel_chan_close(NULL);
}

static void misuse_aborts_and_names_the_channel(void **state)
{
    (void)state;
    support_assert_aborts(close_twice, NULL, "items of 24 bytes, capacity 3) is closed already");
    support_assert_aborts(free_while_waited_on, NULL, "somebody waits on channel");
    support_assert_aborts(send_to_null, NULL, "keel_chan_send: the channel is NULL");
    support_assert_aborts(receive_from_null, NULL, "keel_chan_recv: the channel is NULL");
    support_assert_aborts(receive_to_null, NULL, "keel_chan_recv: no place for the item");
    support_assert_aborts(close_null, NULL, "keel_chan_close: the channel is NULL");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(closing_lets_receivers_drain),
        support_test(sizes_that_make_no_sense_are_refused),
        support_test(try_tells_done_full_empty_and_closed),
        support_test(without_capacity_nothing_is_held),
        support_test(items_of_every_size_arrive_whole),
        support_test(next_ends_with_the_channel_and_with_the_context),
        support_test(a_context_that_has_ended_touches_nothing),
        support_test(batches_move_what_fits),
        support_test(what_is_left_is_freed_in_order),
        support_test(a_channel_that_cannot_be_made_is_an_error),
        support_test(random_calls_agree_with_a_model),
        support_test(items_come_in_order_at_every_capacity),
        support_test(senders_wait_their_turn),
        support_test(receivers_wait_their_turn),
        support_test(closing_wakes_all_receivers),
        support_test(closing_tells_all_senders_that_nothing_was_delivered),
        support_test(a_wait_ends_with_its_context_and_leaves_no_trace),
        support_test(a_wait_ends_at_its_deadline),
        support_test(misuse_aborts_and_names_the_channel),
    };
    return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
