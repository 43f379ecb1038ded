/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <keel/sim.h>
#include <keel/sim_net.h>

/* The same calls over a simulated network: hosts are found by their tasks' contexts. */

/* What a server's task and a client's do, and what they tell each other beside the network. */
typedef struct world {
    keel_task_fn serve, talk; /* their argument is the world */
    keel_sim_link_opts link;
    size_t buffer_bytes;

    keel_sim_net *net;
    keel_sim_host *server, *client;
    keel_listener listener;
    bool served, cut;        /* the server has seen the end of a connection, or a reset */
    bool written, untouched; /* what became of the client's write */
    size_t sum;              /* bytes that came to the server */
} world;

enum { PAYLOAD = 20, BUFFER = 8 };

static keel_err *listen_first(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    return keel_listener_open(ctx, &w->listener, ":80", NULL);
}

/* Runs both; the listener is closed when the client is through. */
static keel_err *between_hosts(keel_ctx *ctx, void *arg)
{
    const world *what = arg;
    world w = *what; /* each run has its own */
    const keel_sim_net_opts opts = { .link = w.link, .buffer_bytes = w.buffer_bytes };

    (void)ctx;
    KEEL_TRY(keel_sim_net_new(&w.net, &opts));
    KEEL_TRY(keel_sim_net_add_host(w.net, "server", NULL, &w.server));
    KEEL_TRY(keel_sim_net_add_host(w.net, "client", NULL, &w.client));
    KEEL_TRY(keel_sim_host_go(w.server, listen_first, &w));
    KEEL_TRY(keel_sim_host_wait(w.server));
    KEEL_TRY(keel_sim_host_go(w.server, w.serve, &w));
    KEEL_TRY(keel_sim_host_go(w.client, w.talk, &w));
    keel_err *err = keel_sim_host_wait(w.client);
    keel_listener_close(w.listener);
    keel_err *server_err = keel_sim_host_wait(w.server);
    if (err == NULL)
        err = server_err;
    else
        keel_err_free(server_err);
    keel_sim_net_free(w.net);
    if (err == NULL && w.served && w.written)
        check(w.sum == PAYLOAD && !w.cut);
    if (err == NULL && w.served && w.untouched)
        check(w.sum == 0 && !w.cut);
    return err;
}

static void explore(const char *name, const world *w)
{
    world copy = *w;

    assert_sim_ok(keel_sim_explore(name, between_hosts, &copy, &(keel_sim_opts){ .max_ms = 100 }));
    assert_ok(support_run(between_hosts, &copy));
}

/* Sends back what comes, to one after the other, until the listener is closed. */
static keel_err *serve_echo(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_stream stream;
    char bytes[8];
    size_t got;
    keel_err *err;

    while ((err = keel_listener_accept(ctx, w->listener, &stream)) == NULL) {
        while ((err = keel_stream_read(ctx, stream, bytes, sizeof bytes, &got)) == NULL)
            if ((err = keel_stream_write(ctx, stream, bytes, got)) != NULL)
                break;
        keel_stream_close(stream);
        keel_err_free(err); /* the end, or a reset: the client tells */
    }
    check_err(err, KEEL_ERR_CLOSED);
    return NULL;
}

static keel_err *say(keel_ctx *ctx, keel_stream stream, const char *text)
{
    KEEL_TRY(net_write_text(ctx, stream, text));
    return net_expect(ctx, stream, text);
}

static keel_err *say_hello(keel_ctx *ctx, void *arg)
{
    keel_stream stream;
    world *w = arg;

    KEEL_TRY(keel_stream_connect(ctx, &stream, "server:80", NULL));
    keel_err *err = say(ctx, stream, "hello");
    keel_stream_close(stream);
    if (w->link.resets && keel_err_is(err, KEEL_ERR_RESET)) {
        keel_err_free(err);
        err = NULL;
    }
    return err;
}

static void streams_work_between_simulated_hosts_under_every_schedule(void **state)
{
    world w = { .serve = serve_echo, .talk = say_hello, .link = { .max_latency_ns = 1000 } };

    (void)state;
    explore("streams", &w);
    w.link.resets = true;
    explore("streams that break", &w);
}

/* ---- Partitions ---- */

static keel_err *read_in_vain(keel_ctx *ctx, keel_stream stream)
{
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_MS(10));
    keel_err *err = net_read_byte(soon, stream);

    keel_ctx_free(soon);
    check_err(err, KEEL_ERR_DEADLINE);
    check(keel_stream_is_open(stream));
    return NULL;
}

static keel_err *connect_in_vain(keel_ctx *ctx)
{
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_MS(10));
    keel_stream stream;
    keel_err *err = keel_stream_connect(soon, &stream, "server:80", NULL);

    keel_ctx_free(soon);
    check_err(err, KEEL_ERR_DEADLINE);
    check(!keel_stream_is_open(stream));
    return NULL;
}

static keel_err *talk_across(keel_ctx *ctx, world *w, keel_stream stream)
{
    KEEL_TRY(say(ctx, stream, "a"));
    keel_sim_net_partition(w->net, w->server, w->client);
    KEEL_TRY(net_write_text(ctx, stream, "hello"));
    KEEL_TRY(read_in_vain(ctx, stream));
    KEEL_TRY(connect_in_vain(ctx));
    keel_sim_net_heal(w->net, w->server, w->client);
    KEEL_TRY(net_expect(ctx, stream, "hello"));
    return say(ctx, stream, "b");
}

static keel_err *talk_through_a_partition(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_stream stream;

    KEEL_TRY(keel_stream_connect(ctx, &stream, "server:80", NULL));
    keel_err *err = talk_across(ctx, w, stream);
    keel_stream_close(stream);
    return err;
}

static void a_partition_holds_up_what_is_written_and_nothing_is_lost(void **state)
{
    const world w = { .serve = serve_echo,
                      .talk = talk_through_a_partition,
                      .link = { .min_latency_ns = 1000, .max_latency_ns = 2000 } };

    (void)state;
    explore("partition", &w);
}

/* ---- Contexts that end, at any moment ---- */

/* A context, and a task that cancels it while the caller is at work with it. */
typedef struct cancelling {
    keel_ctx *ctx;
    keel_group *group;
} cancelling;

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    cancelling *c = arg;

    (void)ctx;
    keel_ctx_cancel(c->ctx);
    return NULL;
}

static void begin_cancelling(cancelling *c, keel_ctx *ctx)
{
    c->ctx = keel_ctx_with_cancel(ctx);
    c->group = keel_group_new(ctx, NULL);
    keel_group_go(c->group, cancel_it, c);
}

/* The operation is over: it has failed, succeeded, or, *cancelled, ended with the context. */
static keel_err *end_cancelling(cancelling *c, keel_err *err, bool *cancelled)
{
    *cancelled = err == KEEL_ERR_CANCELLED;
    keel_err *group_err = keel_group_wait(c->group);
    keel_ctx_free(c->ctx);
    if (*cancelled)
        err = NULL;
    return err != NULL ? err : group_err;
}

static keel_err *connect_while_cancelled(keel_ctx *ctx, void *arg)
{
    cancelling c;
    keel_stream stream;
    bool cancelled;

    begin_cancelling(&c, ctx);
    keel_err *err = keel_stream_connect(c.ctx, &stream, "server:80", NULL);
    KEEL_TRY(end_cancelling(&c, err, &cancelled));
    check(keel_stream_is_open(stream) == !cancelled);
    if (cancelled)
        return say_hello(ctx, arg); /* the server is not stuck with the other */
    err = say(ctx, stream, "hello");
    keel_stream_close(stream);
    return err;
}

static void connecting_ends_with_its_context_and_leaves_nothing(void **state)
{
    const world w = { .serve = serve_echo,
                      .talk = connect_while_cancelled,
                      .link = { .max_latency_ns = 1000 } };

    (void)state;
    explore("cancelled while connecting", &w);
}

static keel_err *accept_while_cancelled(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    cancelling c;
    keel_stream stream;
    bool cancelled;

    begin_cancelling(&c, ctx);
    keel_err *err = keel_listener_accept(c.ctx, w->listener, &stream);
    KEEL_TRY(end_cancelling(&c, err, &cancelled));
    check(keel_stream_is_open(stream) == !cancelled);
    if (cancelled)
        return serve_echo(ctx, w);
    err = net_expect(ctx, stream, "hello");
    if (err == NULL)
        err = net_write_text(ctx, stream, "hello");
    keel_stream_close(stream);
    return err;
}

static void accepting_ends_with_its_context_and_loses_no_connection(void **state)
{
    const world w = { .serve = accept_while_cancelled,
                      .talk = say_hello,
                      .link = { .max_latency_ns = 1000 } };

    (void)state;
    explore("cancelled while accepting", &w);
}

static keel_err *say_and_read_while_cancelled(keel_ctx *ctx, keel_stream stream)
{
    char bytes[5];
    size_t got;
    cancelling c;
    bool cancelled;

    KEEL_TRY(net_write_text(ctx, stream, "hello"));
    begin_cancelling(&c, ctx);
    keel_err *err = keel_stream_read(c.ctx, stream, bytes, sizeof bytes, &got);
    KEEL_TRY(end_cancelling(&c, err, &cancelled));
    check((got == 0) == cancelled);
    check(keel_stream_is_open(stream));
    if (got < sizeof bytes)
        KEEL_TRY(keel_io_read_full(ctx, keel_stream_reader(&stream), bytes + got,
                                   sizeof bytes - got, NULL));
    check(memcmp(bytes, "hello", sizeof bytes) == 0);
    return NULL;
}

static keel_err *read_while_cancelled(keel_ctx *ctx, void *arg)
{
    keel_stream stream;

    (void)arg;
    KEEL_TRY(keel_stream_connect(ctx, &stream, "server:80", NULL));
    keel_err *err = say_and_read_while_cancelled(ctx, stream);
    keel_stream_close(stream);
    return err;
}

static void reading_ends_with_its_context_and_what_comes_is_read_later(void **state)
{
    const world w = { .serve = serve_echo,
                      .talk = read_while_cancelled,
                      .link = { .max_latency_ns = 1000 } };

    (void)state;
    explore("cancelled while reading", &w);
}

/* Counts what comes over one connection, and how it ends. */
static keel_err *serve_count(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_stream stream;
    char bytes[PAYLOAD];
    size_t got;
    keel_err *err = keel_listener_accept(ctx, w->listener, &stream);

    if (err == KEEL_ERR_CLOSED)
        return NULL; /* the client had gone before */
    if (err != NULL)
        return err;
    while ((err = keel_stream_read(ctx, stream, bytes, sizeof bytes, &got)) == NULL)
        w->sum += got;
    keel_stream_close(stream);
    w->served = true;
    w->cut = keel_err_is(err, KEEL_ERR_RESET);
    check_err(err, w->cut ? KEEL_ERR_RESET : KEEL_ERR_EOF);
    check(w->cut || w->sum == 0 || w->sum == PAYLOAD);
    return NULL;
}

static keel_err *write_while_cancelled(keel_ctx *ctx, void *arg)
{
    const char payload[PAYLOAD] = { 0 };
    world *w = arg;
    keel_stream stream;
    cancelling c;
    bool cancelled;

    KEEL_TRY(keel_stream_connect(ctx, &stream, "server:80", NULL));
    begin_cancelling(&c, ctx);
    keel_err *err = keel_stream_write(c.ctx, stream, payload, sizeof payload);
    err = end_cancelling(&c, err, &cancelled);
    w->written = err == NULL && !cancelled;
    w->untouched = cancelled && keel_stream_is_open(stream);
    if (w->written)
        check(keel_stream_is_open(stream));
    keel_stream_close(stream);
    return err;
}

static void writing_ends_with_its_context_and_the_peer_takes_no_part_for_the_whole(void **state)
{
    const world w = { .serve = serve_count,
                      .talk = write_while_cancelled,
                      .link = { .max_latency_ns = 1000 },
                      .buffer_bytes = BUFFER };

    (void)state;
    explore("cancelled while writing", &w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(streams_work_between_simulated_hosts_under_every_schedule),
        keel_test(a_partition_holds_up_what_is_written_and_nothing_is_lost),
        keel_test(connecting_ends_with_its_context_and_leaves_nothing),
        keel_test(accepting_ends_with_its_context_and_loses_no_connection),
        keel_test(reading_ends_with_its_context_and_what_comes_is_read_later),
        keel_test(writing_ends_with_its_context_and_the_peer_takes_no_part_for_the_whole),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
