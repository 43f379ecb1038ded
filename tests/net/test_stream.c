/* SPDX-License-Identifier: MIT */
#include "net.h"

/* What holds for every kind of connection. */

static keel_err *write_hello(keel_ctx *ctx, keel_stream stream)
{
    return net_write_text(ctx, stream, "hello");
}

/* ---- Bytes ---- */

rule(what_is_written_at_one_end_is_read_at_the_other)
{
    KEEL_TRY(write_hello(ctx, ends->a));
    KEEL_TRY(net_expect(ctx, ends->b, "hello"));
    KEEL_TRY(write_hello(ctx, ends->b));
    return net_expect(ctx, ends->a, "hello");
}

rule(a_reader_that_waits_gets_what_comes)
{
    net_job job = { .fn = net_read_byte, .stream = ends->b };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, net_do, &job);
    for (int i = 0; i < 100; i++)
        keel_yield();
    KEEL_TRY(keel_stream_write(ctx, ends->a, "x", 1));
    KEEL_TRY(keel_group_wait(group));
    return job.err;
}

rule(reading_takes_as_much_as_there_is_room_for_and_leaves_the_rest)
{
    KEEL_TRY(net_write_text(ctx, ends->a, "abcdef"));
    KEEL_TRY(net_expect(ctx, ends->b, "ab"));
    KEEL_TRY(net_expect(ctx, ends->b, "c"));
    return net_expect(ctx, ends->b, "def");
}

rule(a_size_of_0_does_not_wait)
{
    size_t got = 7;

    KEEL_TRY(keel_stream_read(ctx, ends->a, NULL, 0, &got));
    check(got == 0);
    KEEL_TRY(keel_stream_write(ctx, ends->a, NULL, 0));
    KEEL_TRY(keel_stream_writev(ctx, ends->a, NULL, 0));
    return NULL;
}

rule(pieces_arrive_as_one_after_the_other)
{
    keel_str pieces[200];
    char text[400], got[400];

    for (size_t i = 0; i < 200;
         i++) { /* of 0 to 3 bytes, more of them than the kernel takes at once */
        pieces[i] = (keel_str){ "abc", i % 4 };
        text[i] = (char)('a' + i % 4);
    }
    size_t size = 0;
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i % 4; k++)
            text[size++] = "abc"[k];
    KEEL_TRY(keel_stream_writev(ctx, ends->a, pieces, 200));
    KEEL_TRY(keel_io_read_full(ctx, keel_stream_reader(&ends->b), got, size, NULL));
    check(memcmp(got, text, size) == 0);
    return NULL;
}

/* ---- More than the buffers hold ---- */

enum { LARGE = 3000001 };

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 7 + i / 251 * 3);
}

static keel_err *write_large(keel_ctx *ctx, keel_stream stream)
{
    unsigned char *bytes = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = pattern(i);
    const keel_str pieces[] = { { (char *)bytes, 1 },
                                { (char *)bytes + 1, LARGE - 100 },
                                { (char *)bytes + LARGE - 99, 99 } };
    keel_err *err = keel_stream_writev(ctx, stream, pieces, 3);
    if (err == NULL)
        err = keel_stream_close_write(stream);
    free(bytes);
    return err;
}

static keel_err *read_large(keel_ctx *ctx, keel_stream stream)
{
    unsigned char bytes[5000];
    size_t got, sum = 0;
    keel_err *err;

    while ((err = keel_stream_read(ctx, stream, bytes, 1 + sum % sizeof bytes, &got)) == NULL) {
        for (size_t i = 0; i < got; i++)
            check(bytes[i] == pattern(sum + i));
        sum += got;
    }
    check_err(err, KEEL_ERR_EOF);
    check(sum == LARGE);
    return NULL;
}

rule_with(4096, all_bytes_of_a_large_write_arrive_through_small_buffers_both_ways_at_once)
{
    net_job jobs[] = { { .fn = write_large, .stream = ends->a },
                       { .fn = write_large, .stream = ends->b },
                       { .fn = read_large, .stream = ends->a },
                       { .fn = read_large, .stream = ends->b } };
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < 4; i++)
        keel_group_go(group, net_do, &jobs[i]);
    KEEL_TRY(keel_group_wait(group));
    for (size_t i = 0; i < 4; i++)
        KEEL_TRY(jobs[i].err);
    return NULL;
}

/* ---- The end ---- */

rule(the_end_comes_after_what_was_written)
{
    KEEL_TRY(write_hello(ctx, ends->a));
    keel_stream_close(ends->a);
    KEEL_TRY(net_expect(ctx, ends->b, "hello"));
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_EOF);
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_EOF);
    return NULL;
}

rule(a_reader_that_waits_learns_of_the_end)
{
    net_job job = { .fn = net_read_byte, .stream = ends->b };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, net_do, &job);
    for (int i = 0; i < 100; i++)
        keel_yield();
    keel_stream_close(ends->a);
    KEEL_TRY(keel_group_wait(group));
    check_err(job.err, KEEL_ERR_EOF);
    return NULL;
}

rule(a_half_closed_stream_still_reads)
{
    KEEL_TRY(write_hello(ctx, ends->a));
    KEEL_TRY(keel_stream_close_write(ends->a));
    KEEL_TRY(keel_stream_close_write(ends->a)); /* twice is fine */
    check_err(write_hello(ctx, ends->a), KEEL_ERR_CLOSED);
    KEEL_TRY(net_expect(ctx, ends->b, "hello"));
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_EOF);
    KEEL_TRY(write_hello(ctx, ends->b));
    return net_expect(ctx, ends->a, "hello");
}

rule(short_reads_do_not_hide_the_end)
{
    char bytes[64];
    size_t got;

    for (int i = 0; i < 3; i++) { /* with an event for both, or one for each */
        KEEL_TRY(write_hello(ctx, ends->a));
        if (i == 2)
            KEEL_TRY(keel_stream_close_write(ends->a));
        if (i > 0)
            for (int k = 0; k < 1000; k++)
                keel_yield();
        KEEL_TRY(keel_stream_read(ctx, ends->b, bytes, sizeof bytes, &got));
        check(got == 5);
    }
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_EOF);
    return NULL;
}

/* ---- A peer that breaks off ---- */

rule(after_a_reset_nothing_more_is_read_or_written)
{
    KEEL_TRY(keel_stream_write(ctx, ends->a, "x", 1));
    keel_stream_reset(ends->a);
    check(!keel_stream_is_open(ends->a));
    keel_err *err;
    do
        err = net_read_byte(ctx, ends->b); /* the byte may be lost */
    while (err == NULL);
    /* a Unix socket knows no reset */
    check_err(err, ends->kind == NET_UNIX ? KEEL_ERR_EOF : KEEL_ERR_RESET);
    do
        err = keel_stream_write(ctx, ends->b, "x", 1);
    while (err == NULL);
    check_err(err, KEEL_ERR_RESET);
    return NULL;
}

rule(writing_to_a_peer_that_has_closed_fails_in_the_end_and_raises_no_signal)
{
    keel_err *err;

    keel_stream_close(ends->b);
    do
        err = write_hello(ctx, ends->a);
    while (err == NULL);
    check_err(err, KEEL_ERR_RESET);
    return NULL;
}

/* ---- Closing at this end ---- */

rule(a_closed_handle_does_nothing_any_more)
{
    keel_stream copy = ends->a;
    char text[KEEL_STREAM_ADDRESS_BYTES];

    check(keel_stream_is_open(copy));
    keel_stream_close(ends->a);
    keel_stream_close(ends->a);
    keel_stream_reset(copy);
    check(!keel_stream_is_open(copy));
    check_err(net_read_byte(ctx, copy), KEEL_ERR_CLOSED);
    check_err(write_hello(ctx, copy), KEEL_ERR_CLOSED);
    check_err(keel_stream_close_write(copy), KEEL_ERR_CLOSED);
    check_err(keel_stream_local(copy, text, sizeof text), KEEL_ERR_CLOSED);
    check_err(keel_stream_peer(copy, text, sizeof text), KEEL_ERR_CLOSED);
    return NULL;
}

rule(a_closed_handle_is_never_a_later_stream)
{
    keel_stream stale = ends->a;

    keel_stream_close(ends->a);
    for (int i = 0; i < 200; i++) { /* more than there are slots in a slab */
        net_ends others;

        KEEL_TRY(net_open(ctx, &others, NET_PAIR, NULL));
        keel_stream_close(stale);
        KEEL_TRY(write_hello(ctx, others.a));
        check_err(net_read_byte(ctx, stale), KEEL_ERR_CLOSED);
        check_err(write_hello(ctx, stale), KEEL_ERR_CLOSED);
        KEEL_TRY(net_expect(ctx, others.b, "hello"));
        net_close(&others);
    }
    return NULL;
}

rule(a_zeroed_handle_is_closed)
{
    keel_stream none = { 0 };
    keel_listener no_listener = { 0 };

    (void)ends;
    check(!keel_stream_is_open(none));
    check_err(net_read_byte(ctx, none), KEEL_ERR_CLOSED);
    check_err(write_hello(ctx, none), KEEL_ERR_CLOSED);
    check_err(keel_stream_close_write(none), KEEL_ERR_CLOSED);
    check_err(keel_listener_accept(ctx, no_listener, &none), KEEL_ERR_CLOSED);
    keel_stream_close(none);
    keel_stream_reset(none);
    keel_listener_close(no_listener);
    return NULL;
}

static keel_err *fill(keel_ctx *ctx, keel_stream stream)
{
    static const char zeros[1 << 16];

    for (;;)
        KEEL_TRY(keel_stream_write(ctx, stream, zeros, sizeof zeros));
}

rule_with(4096, closing_wakes_whoever_waits)
{
    net_job jobs[] = { { .fn = net_read_byte, .stream = ends->a },
                       { .fn = fill, .stream = ends->a } };
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < 2; i++)
        keel_group_go(group, net_do, &jobs[i]);
    for (int i = 0; i < 1000; i++)
        keel_yield();
    keel_stream_close(ends->a);
    KEEL_TRY(keel_group_wait(group));
    check_err(jobs[0].err, KEEL_ERR_CLOSED);
    check_err(jobs[1].err, KEEL_ERR_CLOSED);
    return NULL;
}

/* ---- Two at once ---- */

rule_with(4096, a_second_reader_and_a_second_writer_are_turned_away)
{
    net_job jobs[] = { { .fn = net_read_byte, .stream = ends->a },
                       { .fn = fill, .stream = ends->a } };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_err *err;

    for (size_t i = 0; i < 2; i++)
        keel_group_go(group, net_do, &jobs[i]);
    do { /* until both are at it: until then this one writes and reads nothing that matters */
        keel_yield();
        err = keel_stream_write(ctx, ends->a, NULL, 0);
    } while (err == NULL);
    check_err(err, KEEL_ERR_BUSY);
    size_t none;
    do {
        keel_yield();
        err = keel_stream_read(ctx, ends->a, NULL, 0, &none);
    } while (err == NULL);
    check_err(err, KEEL_ERR_BUSY);
    check_err(keel_stream_close_write(ends->a), KEEL_ERR_BUSY);
    keel_stream_close(ends->a);
    KEEL_TRY(keel_group_wait(group));
    check_err(jobs[0].err, KEEL_ERR_CLOSED);
    check_err(jobs[1].err, KEEL_ERR_CLOSED);
    return NULL;
}

/* ---- Contexts ---- */

rule(a_context_that_has_ended_touches_nothing)
{
    keel_ctx *ended = keel_ctx_with_cancel(ctx);

    keel_ctx_cancel(ended);
    KEEL_TRY(write_hello(ctx, ends->a));
    check_err(net_read_byte(ended, ends->b), KEEL_ERR_CANCELLED);
    check_err(write_hello(ended, ends->a), KEEL_ERR_CANCELLED);
    keel_ctx_free(ended);
    KEEL_TRY(net_expect(ctx, ends->b, "hello"));
    keel_stream_close(ends->a);
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_EOF);
    return NULL;
}

rule(reading_ends_with_its_context_and_loses_nothing)
{
    keel_ctx *under = keel_ctx_with_cancel(ctx);
    net_job job = { .fn = net_read_byte, .stream = ends->b, .under = under };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, net_do, &job);
    for (int i = 0; i < 100; i++)
        keel_yield();
    keel_ctx_cancel(under);
    KEEL_TRY(keel_group_wait(group));
    check_err(job.err, KEEL_ERR_CANCELLED);
    keel_ctx_free(under);
    KEEL_TRY(write_hello(ctx, ends->a));
    return net_expect(ctx, ends->b, "hello");
}

rule(reading_ends_at_its_deadline)
{
    keel_ctx *under = keel_ctx_with_timeout(ctx, KEEL_S(10));
    keel_err *err = net_read_byte(under, ends->b);

    keel_ctx_free(under);
    check_err(err, KEEL_ERR_DEADLINE);
    KEEL_TRY(write_hello(ctx, ends->a));
    return net_expect(ctx, ends->b, "hello");
}

rule_with(4096, a_write_that_was_cut_off_closes_the_stream_and_the_peer_sees_no_end)
{
    keel_ctx *under = keel_ctx_with_timeout(ctx, KEEL_S(10));
    keel_err *err = fill(under, ends->a);

    keel_ctx_free(under);
    check_err(err, KEEL_ERR_DEADLINE);
    if (ends->kind == NET_PAIR && keel_stream_is_open(ends->a))
        return NULL; /* whole pieces went in: none was cut off */
    check(!keel_stream_is_open(ends->a));
    do
        err = net_read_byte(ctx, ends->b);
    while (err == NULL);
    check_err(err, ends->kind == NET_UNIX ? KEEL_ERR_EOF : KEEL_ERR_RESET);
    return NULL;
}

/* ---- From elsewhere ---- */

static keel_err *echo_on_a_thread(void *arg)
{
    net_ends *ends = arg;

    KEEL_TRY(net_expect(NULL, ends->b, "hello"));
    return write_hello(NULL, ends->b);
}

rule(plain_threads_read_and_write_like_tasks)
{
    net_job job = { .fn = write_hello, .stream = ends->a };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, net_do, &job);
    KEEL_TRY(keel_offload(ctx, echo_on_a_thread, ends));
    KEEL_TRY(keel_group_wait(group));
    return net_expect(ctx, ends->a, "hello");
}

static keel_err *wait_for_the_end(void *arg)
{
    net_ends *ends = arg;

    check_err(net_read_byte(NULL, ends->b), KEEL_ERR_CLOSED);
    return NULL;
}

static keel_err *close_b_later(keel_ctx *ctx, void *arg)
{
    net_ends *ends = arg;

    (void)ctx;
    for (int i = 0; i < 10000; i++)
        keel_yield();
    keel_stream_close(ends->b);
    return NULL;
}

rule(closing_wakes_a_plain_thread_too)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, close_b_later, ends);
    KEEL_TRY(keel_offload(ctx, wait_for_the_end, ends));
    return keel_group_wait(group);
}

static keel_err *end_on_a_thread(void *arg)
{
    net_ends *ends = arg;
    keel_ctx *under = keel_ctx_with_timeout(NULL, KEEL_MS(1));
    keel_err *err = net_read_byte(under, ends->b);

    keel_ctx_free(under);
    check_err(err, KEEL_ERR_DEADLINE);
    return NULL;
}

rule(a_plain_thread_has_deadlines_too)
{
    KEEL_TRY(keel_offload(ctx, end_on_a_thread, ends));
    KEEL_TRY(write_hello(ctx, ends->a));
    return net_expect(ctx, ends->b, "hello");
}

/* ---- Interfaces ---- */

rule(a_stream_is_a_reader_a_writer_and_a_closer)
{
    keel_read_write_closer all = keel_stream_all(&ends->a);
    keel_lines lines = { .from = keel_stream_reader(&ends->b) };
    keel_str line;

    KEEL_TRY(keel_io_printf(ctx, all.writer, "one\ntwo %d\n", 2));
    KEEL_TRY(keel_io_close(ctx, all.closer));
    check(keel_lines_next(ctx, &lines, &line) && keel_str_equal(line, KEEL_STR("one")));
    check(keel_lines_next(ctx, &lines, &line) && keel_str_equal(line, KEEL_STR("two 2")));
    check(!keel_lines_next(ctx, &lines, &line));
    KEEL_TRY(keel_lines_err(&lines));
    keel_lines_deinit(&lines);
    check(!keel_stream_is_open(ends->a));
    return NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(what_is_written_at_one_end_is_read_at_the_other),
        keel_test(a_reader_that_waits_gets_what_comes),
        keel_test(reading_takes_as_much_as_there_is_room_for_and_leaves_the_rest),
        keel_test(a_size_of_0_does_not_wait),
        keel_test(pieces_arrive_as_one_after_the_other),
        keel_test(all_bytes_of_a_large_write_arrive_through_small_buffers_both_ways_at_once),
        keel_test(the_end_comes_after_what_was_written),
        keel_test(a_reader_that_waits_learns_of_the_end),
        keel_test(a_half_closed_stream_still_reads),
        keel_test(short_reads_do_not_hide_the_end),
        keel_test(after_a_reset_nothing_more_is_read_or_written),
        keel_test(writing_to_a_peer_that_has_closed_fails_in_the_end_and_raises_no_signal),
        keel_test(a_closed_handle_does_nothing_any_more),
        keel_test(a_closed_handle_is_never_a_later_stream),
        keel_test(a_zeroed_handle_is_closed),
        keel_test(closing_wakes_whoever_waits),
        keel_test(a_second_reader_and_a_second_writer_are_turned_away),
        keel_test(a_context_that_has_ended_touches_nothing),
        keel_test(reading_ends_with_its_context_and_loses_nothing),
        keel_test(reading_ends_at_its_deadline),
        keel_test(a_write_that_was_cut_off_closes_the_stream_and_the_peer_sees_no_end),
        keel_test(plain_threads_read_and_write_like_tasks),
        keel_test(closing_wakes_a_plain_thread_too),
        keel_test(a_plain_thread_has_deadlines_too),
        keel_test(a_stream_is_a_reader_a_writer_and_a_closer),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
