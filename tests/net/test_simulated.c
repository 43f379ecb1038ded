/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <keel/sim.h>
#include <keel/sim_net.h>

/* The same calls over a simulated network: hosts are found by their tasks' contexts. */

static keel_err *serve_one(keel_ctx *ctx, void *arg)
{
    keel_listener *listener = arg;
    keel_stream stream;
    char bytes[8];
    size_t got;

    KEEL_TRY(keel_listener_accept(ctx, *listener, &stream));
    keel_err *err;
    while ((err = keel_stream_read(ctx, stream, bytes, sizeof bytes, &got)) == NULL)
        if ((err = keel_stream_write(ctx, stream, bytes, got)) != NULL)
            break;
    keel_stream_close(stream);
    keel_err_free(err); /* the end, or a reset: the client tells */
    return NULL;
}

static keel_err *listen_first(keel_ctx *ctx, void *arg)
{
    return keel_listener_open(ctx, arg, ":80", NULL);
}

static keel_err *talk(keel_ctx *ctx, void *arg)
{
    keel_stream stream;
    bool *resets = arg;

    KEEL_TRY(keel_stream_connect(ctx, &stream, "server:80", NULL));
    keel_err *err = net_write_text(ctx, stream, "hello");
    if (err == NULL)
        err = net_expect(ctx, stream, "hello");
    keel_stream_close(stream);
    if (*resets && keel_err_is(err, KEEL_ERR_RESET)) {
        keel_err_free(err);
        err = NULL;
    }
    return err;
}

static keel_err *echo_between_hosts(keel_ctx *ctx, void *arg)
{
    const keel_sim_net_opts opts = { .link = { .resets = *(bool *)arg, .max_latency_ns = 1000 } };
    keel_sim_net *net;
    keel_sim_host *server, *client;
    keel_listener listener = { 0 };

    (void)ctx;
    KEEL_TRY(keel_sim_net_new(&net, &opts));
    KEEL_TRY(keel_sim_net_add_host(net, "server", NULL, &server));
    KEEL_TRY(keel_sim_net_add_host(net, "client", NULL, &client));
    KEEL_TRY(keel_sim_host_go(server, listen_first, &listener));
    KEEL_TRY(keel_sim_host_wait(server));
    KEEL_TRY(keel_sim_host_go(server, serve_one, &listener));
    KEEL_TRY(keel_sim_host_go(client, talk, arg));
    keel_err *err = keel_sim_host_wait(client);
    keel_sim_net_free(net);
    keel_listener_close(listener);
    return err;
}

static void streams_work_between_simulated_hosts_under_every_schedule(void **state)
{
    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        bool with = resets != 0;

        assert_sim_ok(keel_sim_explore("streams", echo_between_hosts, &with,
                                       &(keel_sim_opts){ .max_ms = 100 }));
        assert_ok(support_run(echo_between_hosts, &with));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(streams_work_between_simulated_hosts_under_every_schedule),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
