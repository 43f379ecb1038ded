/* SPDX-License-Identifier: MIT */
/*
 * An echo server: each line that comes over a connection goes back over it.
 *
 * Shows: keel_listener_open and keel_listener_serve, a stream as reader and writer, a deadline for each
 *        line, and the end by SIGTERM or Ctrl-C: connections may finish what they are at.
 * Run:   ./echo_server 127.0.0.1:7000   and in another terminal: nc 127.0.0.1 7000
 *        ./echo_server                  talks to itself and ends
 * Prints: hello
 *         and
 *         goodbye
 *         3 lines, 2 connections
 */
#include <stdatomic.h>
#include <stdio.h>

#include <keel/keel.h>

typedef struct counts {
    atomic_size_t lines, connections;
} counts;

/* One connection: it ends with its peer, after a minute of silence, or when the server stops. */
static keel_err *echo(keel_ctx *ctx, keel_stream stream, void *arg)
{
    counts *seen = arg;
    keel_lines lines = { .from = keel_stream_reader(&stream) };
    keel_err *err = NULL;
    bool more = true;

    seen->connections++;
    while (err == NULL && more) {
        keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_S(60));
        keel_str line;

        more = keel_lines_next(soon, &lines, &line);
        if (more) {
            const keel_str answer[] = { line, KEEL_STR("\n") };

            seen->lines++;
            err = keel_stream_writev(soon, stream, answer, 2);
        }
        keel_ctx_free(soon);
    }
    if (err == NULL)
        err = keel_lines_err(&lines);
    keel_lines_deinit(&lines);
    return err;
}

static void complain(const keel_err *err, void *arg)
{
    (void)arg;
    if (!keel_err_is(err, KEEL_ERR_CANCELLED))
        fprintf(stderr, "%s\n", KEEL_ERR_STR(err));
}

static keel_err *serve(keel_ctx *ctx, keel_listener listener, counts *seen)
{
    return keel_listener_serve(ctx, listener, echo, seen,
                               &(keel_serve_opts){ .drain_ns = KEEL_S(2), .failed = complain });
}

/* ---- When nobody else talks to it ---- */

typedef struct client {
    const char *address, *text;
    size_t size; /* of the text */
    char got[64];
} client;

static keel_err *talk(keel_ctx *ctx, void *arg)
{
    client *c = arg;
    keel_stream stream;

    KEEL_TRY(keel_stream_connect(ctx, &stream, c->address, NULL));
    keel_err *err = keel_stream_write(ctx, stream, c->text, c->size);
    if (err == NULL)
        err = keel_io_read_full(ctx, keel_stream_reader(&stream), c->got, c->size, NULL);
    keel_stream_close(stream);
    return err;
}

typedef struct demo {
    keel_listener listener;
    counts *seen;
} demo;

static keel_err *serve_demo(keel_ctx *ctx, void *arg)
{
    demo *d = arg;

    return serve(ctx, d->listener, d->seen);
}

static keel_err *talk_to_itself(keel_ctx *ctx, keel_listener listener, counts *seen)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];
    demo d = { listener, seen };

    KEEL_TRY(keel_listener_address(listener, address, sizeof address));
    client one = { address, "hello\n", 6, "" }, two = { address, "and\ngoodbye\n", 12, "" };
    keel_group *server = keel_group_new(ctx, NULL), *group = keel_group_new(ctx, NULL);

    keel_group_go(server, serve_demo, &d);
    keel_group_go(group, talk, &one);
    keel_group_go(group, talk, &two);
    keel_err *err = keel_group_wait(group);
    keel_group_cancel(server);
    err = keel_err_join(err, keel_group_wait(server));
    printf("%s%s", one.got, two.got);
    return err;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    const char *address = arg;
    counts seen = { 0 };
    keel_listener listener;
    keel_err *err;

    KEEL_TRY(keel_listener_open(ctx, &listener, address != NULL ? address : "127.0.0.1:0", NULL));
    if (address != NULL)
        err = serve(ctx, listener, &seen);
    else
        err = talk_to_itself(ctx, listener, &seen);
    printf("%zu lines, %zu connections\n", seen.lines, seen.connections);
    return err;
}

int main(int argc, char **argv)
{
    return keel_main(run, argc > 1 ? argv[1] : NULL);
}
