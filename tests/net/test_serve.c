/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <stdatomic.h>

#include <keel/sync.h>

/* Streams that wait without a task, and serving. */

/* ---- Without a task ---- */

typedef struct heard {
    atomic_int calls;
    keel_err *err; /* of the read */
    char text[16];
    size_t got;
    bool ctx_ended;
} heard;

static keel_err *hear(keel_ctx *ctx, keel_stream stream, void *arg)
{
    heard *h = arg;

    h->calls++;
    h->ctx_ended = keel_ctx_err(ctx) != NULL;
    h->err = keel_stream_read(ctx, stream, h->text, sizeof h->text - 1, &h->got);
    return NULL;
}

static void let_others_run(void)
{
    for (int i = 0; i < 1000; i++)
        keel_yield();
}

rule(nothing_runs_before_there_is_something_to_read)
{
    heard h = { .calls = 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    KEEL_TRY(keel_stream_when_readable(group, ends->b, hear, &h));
    let_others_run();
    check(h.calls == 0);
    check_err(net_read_byte(ctx, ends->b), KEEL_ERR_BUSY);
    check_err(keel_stream_when_readable(group, ends->b, hear, &h), KEEL_ERR_BUSY);
    KEEL_TRY(net_write_text(ctx, ends->b, "back"));
    KEEL_TRY(net_expect(ctx, ends->a, "back"));
    let_others_run();
    check(h.calls == 0);
    KEEL_TRY(net_write_text(ctx, ends->a, "hello"));
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(h.err);
    check(h.calls == 1 && h.got == 5 && strcmp(h.text, "hello") == 0 && !h.ctx_ended);
    return NULL;
}

rule(what_is_there_already_starts_it_at_once)
{
    heard h = { .calls = 0 };
    keel_group *group = keel_group_new(ctx, NULL);
    bool late = ends->kind == NET_TCP;

    KEEL_TRY(net_write_text(ctx, ends->a, "xhello"));
    if (late) /* with its event behind it, too */
        let_others_run();
    KEEL_TRY(net_read_byte(ctx, ends->b));
    let_others_run();
    KEEL_TRY(keel_stream_when_readable(group, ends->b, hear, &h));
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(h.err);
    check(h.calls == 1 && h.got == 5);
    return NULL;
}

rule(the_end_starts_it)
{
    heard h = { .calls = 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    KEEL_TRY(keel_stream_when_readable(group, ends->b, hear, &h));
    let_others_run();
    keel_stream_close(ends->a);
    KEEL_TRY(keel_group_wait(group));
    check_err(h.err, KEEL_ERR_EOF);
    check(h.calls == 1);
    return NULL;
}

rule(closing_starts_it)
{
    heard h = { .calls = 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    KEEL_TRY(keel_stream_when_readable(group, ends->b, hear, &h));
    let_others_run();
    keel_stream_close(ends->b);
    KEEL_TRY(keel_group_wait(group));
    check_err(h.err, KEEL_ERR_CLOSED);
    check(h.calls == 1);
    group = keel_group_new(ctx, NULL);
    check_err(keel_stream_when_readable(group, ends->b, hear, &h), KEEL_ERR_CLOSED);
    return keel_group_wait(group);
}

rule(the_end_of_the_group_starts_it_and_leaves_the_stream_open)
{
    heard h = { .calls = 0 };

    for (int twice = 0; twice < 2; twice++) {
        keel_group *group = keel_group_new(ctx, NULL);

        if (twice == 1)
            keel_group_cancel(group);
        KEEL_TRY(keel_stream_when_readable(group, ends->b, hear, &h));
        if (twice == 0) {
            let_others_run();
            keel_group_cancel(group);
        }
        KEEL_TRY(keel_group_wait(group));
        check_err(h.err, KEEL_ERR_CANCELLED);
        check(h.calls == twice + 1 && h.ctx_ended);
    }
    KEEL_TRY(net_write_text(ctx, ends->a, "hello"));
    return net_expect(ctx, ends->b, "hello");
}

/* Each byte is answered by a task that was started for it, and that leaves the stream to the next. */
typedef struct relay {
    keel_group *group;
    int left;
} relay;

static keel_err *answer(keel_ctx *ctx, keel_stream stream, void *arg)
{
    relay *r = arg;
    char byte;
    size_t got;

    KEEL_TRY(keel_stream_read(ctx, stream, &byte, 1, &got));
    byte++;
    KEEL_TRY(keel_stream_write(ctx, stream, &byte, 1));
    return --r->left > 0 ? keel_stream_when_readable(r->group, stream, answer, r) : NULL;
}

rule(it_may_be_asked_for_again_and_again)
{
    relay r = { .group = keel_group_new(ctx, NULL), .left = 300 };

    KEEL_TRY(keel_stream_when_readable(r.group, ends->b, answer, &r));
    for (int i = 0; i < 300; i++) {
        char byte = (char)(i % 100), back;
        size_t got;

        KEEL_TRY(keel_stream_write(ctx, ends->a, &byte, 1));
        KEEL_TRY(keel_stream_read(ctx, ends->a, &back, 1, &got));
        check(back == byte + 1);
    }
    return keel_group_wait(r.group);
}

enum { CROWD = 200 };

static keel_err *write_to_all(keel_ctx *ctx, void *arg)
{
    net_ends *all = arg;

    for (int i = 0; i < CROWD; i++)
        KEEL_TRY(keel_stream_write(ctx, all[i].a, "x", 1));
    return NULL;
}

/* Bytes, closing and the end of the group come while it is being set up, and one after the other. */
static keel_err *in_a_crowd(keel_ctx *ctx, void *arg)
{
    heard *h = arg;
    net_ends *all = calloc(CROWD, sizeof *all);
    keel_group *group = keel_group_new(ctx, NULL), *writer = keel_group_new(ctx, NULL);

    for (int i = 0; i < CROWD; i++)
        KEEL_TRY(net_open(ctx, &all[i], i % 2 == 0 ? NET_TCP : NET_TCP6, NULL));
    keel_group_go(writer, write_to_all, all);
    for (int i = 0; i < CROWD; i++) {
        KEEL_TRY(keel_stream_when_readable(group, all[i].b, hear, &h[i]));
        if (i % 3 == 0)
            keel_yield();
    }
    for (int i = 0; i < CROWD; i += 7)
        keel_stream_close(all[i].b);
    keel_group_cancel(group);
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(keel_group_wait(writer));
    for (int i = 0; i < CROWD; i++) {
        check(h[i].calls == 1);
        net_close(&all[i]);
        keel_err_free(h[i].err);
    }
    free(all);
    return NULL;
}

static void in_a_crowd_each_runs_exactly_once(void **state)
{
    (void)state;
    size_t before = net_descriptors();
    for (int round = 0; round < 5; round++) {
        heard *h = calloc(CROWD, sizeof *h);

        assert_ok(support_run(in_a_crowd, h));
        free(h);
    }
    assert_int_equal(net_descriptors(), before);
}

static keel_err *hear_once(keel_ctx *ctx, net_ends *ends)
{
    heard h = { .calls = 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_err *err = keel_stream_when_readable(group, ends->b, hear, &h);
    keel_stream_close(ends->a);
    err = keel_err_join(err, keel_group_wait(group));
    keel_err_free(h.err);
    return err;
}

static keel_err *hear_without_memory(void *arg)
{
    return support_run_on(NULL, 1, net_run_rule, arg);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < NET_KINDS; kind++) {
        net_rule rule = { hear_once, (net_kind)kind, 0 };

        support_mem_torture(hear_without_memory, &rule, NULL);
    }
}

/* ---- Serving ---- */

typedef struct server {
    keel_listener listener;
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_stream_fn fn;
    keel_serve_opts opts;
    atomic_int now, most, served, failures, cut_off;
    keel_err *err;
} server;

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    server *s = arg;

    s->err = keel_listener_serve(ctx, s->listener, s->fn, s, &s->opts);
    return NULL;
}

static keel_err *echo(keel_ctx *ctx, keel_stream stream, void *arg)
{
    server *s = arg;
    char bytes[16];
    size_t got;
    keel_err *err;
    int now = ++s->now;

    if (now > s->most)
        s->most = now;
    while ((err = keel_stream_read(ctx, stream, bytes, sizeof bytes, &got)) == NULL)
        KEEL_TRY(keel_stream_write(ctx, stream, bytes, got));
    s->cut_off += keel_err_is(err, KEEL_ERR_CANCELLED);
    s->now--;
    s->served++;
    return err;
}

static void count_failure(const keel_err *err, void *arg)
{
    server *s = arg;

    s->failures += !keel_err_is(err, KEEL_ERR_EOF) && !keel_err_is(err, KEEL_ERR_CANCELLED);
}

static keel_err *begin(keel_ctx *ctx, server *s, keel_group **group)
{
    KEEL_TRY(keel_listener_open(ctx, &s->listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(s->listener, s->address, sizeof s->address));
    s->opts.failed = count_failure;
    *group = keel_group_new(ctx, NULL);
    keel_group_go(*group, serve, s);
    return NULL;
}

#define serve_rule(sentence)                                                                       \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg);                                    \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        size_t before = net_descriptors();                                                         \
        assert_ok(support_run(sentence##_task, NULL));                                             \
        assert_int_equal(net_descriptors(), before);                                               \
    }                                                                                              \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg)

serve_rule(each_connection_is_served_and_no_more_at_once_than_allowed)
{
    server s = { .fn = echo, .opts = { .max_connections = 3 } };
    keel_stream streams[10];
    keel_group *group;

    (void)arg;
    KEEL_TRY(begin(ctx, &s, &group));
    for (int i = 0; i < 10; i++) {
        KEEL_TRY(keel_stream_connect(ctx, &streams[i], s.address, NULL));
        KEEL_TRY(net_write_text(ctx, streams[i], "hello"));
    }
    for (int i = 0; i < 10; i++) {
        KEEL_TRY(net_expect(ctx, streams[i], "hello"));
        keel_stream_close(streams[i]);
    }
    while (s.served < 10)
        keel_yield();
    keel_group_cancel(group);
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(s.err);
    check(s.most <= 3 && s.served == 10 && s.failures == 0);
    check_err(keel_listener_accept(ctx, s.listener, &streams[0]), KEEL_ERR_CLOSED);
    return NULL;
}

static keel_err *refuse_it(keel_ctx *ctx, keel_stream stream, void *arg)
{
    server *s = arg;

    (void)ctx, (void)stream;
    s->served++;
    return keel_err_new("no");
}

serve_rule(an_error_ends_one_connection_and_is_told)
{
    server s = { .fn = refuse_it };
    keel_group *group;

    (void)arg;
    KEEL_TRY(begin(ctx, &s, &group));
    for (int i = 0; i < 3; i++) {
        keel_stream stream;

        KEEL_TRY(keel_stream_connect(ctx, &stream, s.address, NULL));
        check_err(net_read_byte(ctx, stream), KEEL_ERR_EOF); /* it was closed */
        keel_stream_close(stream);
    }
    keel_listener_close(s.listener); /* ends the serving as well */
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(s.err);
    check(s.failures == 3);
    return NULL;
}

static keel_err *end_serving(keel_ctx *ctx, void *arg)
{
    static const int64_t drains_ns[] = { 0, KEEL_MS(1), KEEL_S(3600) };

    (void)arg;
    for (int i = 0; i < 3; i++) {
        server s = { .fn = echo, .opts = { .drain_ns = drains_ns[i] } };
        keel_stream one, two;
        keel_group *group;

        KEEL_TRY(begin(ctx, &s, &group));
        KEEL_TRY(keel_stream_connect(ctx, &one, s.address, NULL));
        KEEL_TRY(keel_stream_connect(ctx, &two, s.address, NULL));
        while (s.now < 2)
            keel_yield();
        keel_group_cancel(group);
        if (i == 2) { /* there is an hour, and it still serves */
            KEEL_TRY(net_write_text(ctx, one, "hello"));
            KEEL_TRY(net_expect(ctx, one, "hello"));
            keel_stream_close(one);
            keel_stream_close(two);
        }
        KEEL_TRY(keel_group_wait(group));
        KEEL_TRY(s.err);
        check(s.cut_off == (i == 2 ? 0 : 2));
        if (i < 2)
            check_err(net_read_byte(ctx, one), KEEL_ERR_EOF);
        keel_stream_close(one);
        keel_stream_close(two);
    }
    return NULL;
}

/* By the system's clock: a clock that advances by itself does so while bytes are on their way. */
static void at_the_end_connections_are_cut_off_or_may_drain(void **state)
{
    (void)state;
    size_t before = net_descriptors();
    assert_ok(support_run_on(NULL, 0, end_serving, NULL));
    assert_int_equal(net_descriptors(), before);
}

/* Hands its connection on to a task that begins when there is something to read. */
typedef struct hand_on {
    server server; /* first: it is what serve passes */
    keel_group *group;
    heard heard;
} hand_on;

static keel_err *hand_it_on(keel_ctx *ctx, keel_stream stream, void *arg)
{
    hand_on *h = (hand_on *)arg;

    (void)ctx;
    return keel_stream_when_readable(h->group, stream, hear, &h->heard);
}

serve_rule(a_connection_may_be_handed_on)
{
    hand_on h = { .server = { .fn = hand_it_on, .opts = { .keep_open = true } },
                  .group = keel_group_new(ctx, NULL) };
    keel_stream stream;
    keel_group *group;

    (void)arg;
    KEEL_TRY(begin(ctx, &h.server, &group));
    KEEL_TRY(keel_stream_connect(ctx, &stream, h.server.address, NULL));
    let_others_run();
    KEEL_TRY(net_write_text(ctx, stream, "hello"));
    while (h.heard.calls == 0)
        keel_yield();
    keel_group_cancel(group);
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(keel_group_wait(h.group));
    KEEL_TRY(h.heard.err);
    check(h.heard.got == 5);
    keel_stream_close(stream);
    return NULL; /* the server's end closes with the runtime */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(nothing_runs_before_there_is_something_to_read),
        keel_test(what_is_there_already_starts_it_at_once),
        keel_test(the_end_starts_it),
        keel_test(closing_starts_it),
        keel_test(the_end_of_the_group_starts_it_and_leaves_the_stream_open),
        keel_test(it_may_be_asked_for_again_and_again),
        keel_test(in_a_crowd_each_runs_exactly_once),
        keel_test(every_allocation_may_fail),
        keel_test(each_connection_is_served_and_no_more_at_once_than_allowed),
        keel_test(an_error_ends_one_connection_and_is_told),
        keel_test(at_the_end_connections_are_cut_off_or_may_drain),
        keel_test(a_connection_may_be_handed_on),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
