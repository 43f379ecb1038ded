/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <string.h>

#include <keel/stream.h>
#include <keel/task.h>

#include "net_load.h"

/* Streams: an echo server, and one whose connections are idle. The client is another process (net_load.h). */

typedef struct server {
    keel_listener listener;
    keel_group *group;
    size_t parked; /* connections that wait; one worker's */
} server;

static unsigned open_server(server *srv)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];

    *srv = (server){ .group = keel_group_new(bench_ctx(), NULL) };
    bench_must(keel_listener_open(bench_ctx(), &srv->listener, "127.0.0.1:0", NULL));
    bench_must(keel_listener_address(srv->listener, address, sizeof address));
    return (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

/* Lets the client go, and waits until all connections have ended. */
static void end_server(server *srv, bench_net_load *load)
{
    bench_net_end(load);
    keel_listener_close(srv->listener);
    bench_must(keel_group_wait(srv->group));
}

/* ---- Echo ---- */

static keel_err *echo_stream(keel_ctx *ctx, keel_stream stream, void *arg)
{
    char bytes[BENCH_NET_MESSAGE];
    size_t got;

    (void)arg;
    for (;;) {
        KEEL_TRY(keel_stream_read(ctx, stream, bytes, sizeof bytes, &got));
        KEEL_TRY(keel_stream_write(ctx, stream, bytes, got));
    }
}

static keel_err *serve_echo(keel_ctx *ctx, void *arg)
{
    server *srv = arg;

    return keel_listener_serve(ctx, srv->listener, echo_stream, NULL, NULL);
}

typedef struct answer {
    bench_net_load *load;
    double number;
} answer;

static keel_err *wait_for_number(void *arg)
{
    answer *a = arg;

    a->number = bench_net_number(a->load);
    return NULL;
}

static double number_of(bench_net_load *load)
{
    answer a = { .load = load };

    bench_must(keel_offload(bench_ctx(), wait_for_number, &a));
    return a.number;
}

static void echo(bench *b, size_t conns)
{
    server srv;
    bench_net_load load;
    unsigned port = open_server(&srv);

    keel_group_go(srv.group, serve_echo, &srv);
    bench_start(b);
    bench_net_start(&load, "echo", port, conns, b->n);
    double ns = number_of(&load);
    bench_stop(b);
    b->value = ns / (double)b->n; /* without the client's start */
    end_server(&srv, &load);
}

static void echo_1(bench *b)
{
    echo(b, 1);
}

static void echo_64(bench *b)
{
    echo(b, 64);
}

/* ---- Idle connections ---- */

static keel_err *read_nothing(keel_ctx *ctx, keel_stream stream, void *arg)
{
    char bytes[BENCH_NET_MESSAGE];
    size_t got;

    (void)arg;
    keel_err_free(
        keel_stream_read(ctx, stream, bytes, sizeof bytes, &got)); /* until the client goes */
    keel_stream_close(stream);
    return NULL;
}

static keel_err *wait_in_task(keel_ctx *ctx, keel_stream stream, void *arg)
{
    server *srv = arg;

    srv->parked++;
    return read_nothing(ctx, stream, NULL);
}

static keel_err *serve_tasks(keel_ctx *ctx, void *arg)
{
    server *srv = arg;

    return keel_listener_serve(ctx, srv->listener, wait_in_task, srv, NULL);
}

static keel_err *serve_parked(keel_ctx *ctx, void *arg)
{
    server *srv = arg;
    keel_stream stream;
    keel_err *err;

    while ((err = keel_listener_accept(ctx, srv->listener, &stream)) == NULL) {
        KEEL_TRY(keel_stream_when_readable(srv->group, stream, read_nothing, NULL));
        srv->parked++;
    }
    keel_err_free(err); /* it was closed */
    return NULL;
}

static void idle(bench *b, keel_task_fn serve)
{
    server srv;
    bench_net_load load;
    unsigned port = open_server(&srv);

    b->n = bench_net_room(b->n);
    keel_group_go(srv.group, serve, &srv);
    keel_yield();
    const double before = bench_net_resident();
    bench_start(b);
    bench_net_start(&load, "idle", port, b->n, 0);
    (void)number_of(&load);
    while (srv.parked < b->n)
        bench_must(keel_sleep(bench_ctx(), KEEL_MS(1)));
    bench_stop(b);
    b->value = (bench_net_resident() - before) / (double)b->n;
    end_server(&srv, &load);
}

static void idle_tasks(bench *b)
{
    idle(b, serve_tasks);
}

static void idle_parked(bench *b)
{
    idle(b, serve_parked);
}

/* The idle ones come first: what a process has occupied once, it may use again. */
static const bench_workload workloads[] = {
    { .section = "net",
      .name = "net_idle_10k_rss",
      .peer = "keel",
      .run = idle_tasks,
      .n = BENCH_NET_IDLE,
      .unit = "B/conn",
      .slow = true },
    { .section = "net",
      .name = "net_idle_10k_rss",
      .peer = "keel when_readable",
      .run = idle_parked,
      .n = BENCH_NET_IDLE,
      .unit = "B/conn",
      .slow = true },
    { .section = "net",
      .name = "net_echo_1",
      .peer = "keel",
      .run = echo_1,
      .n = 20000,
      .procs = BENCH_BOTH },
    { .section = "net",
      .name = "net_echo_64",
      .peer = "keel",
      .run = echo_64,
      .n = 64000,
      .procs = BENCH_BOTH },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
