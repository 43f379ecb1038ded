/* SPDX-License-Identifier: MIT */
#include <keel/mem.h>
#include <keel/stream.h>
#include <keel/sync.h>
#include <keel/task.h>

#include "base/process.h"
#include "task/group.h"
#include "task/stack.h"
#include "task/worker.h"

enum { CONNECTIONS_DEFAULT = 10000, CONNECTIONS_MAX = 1000000 };

typedef struct server {
    keel_listener listener;
    keel_stream_fn fn;
    void *arg;
    keel_serve_opts opts;
    keel_semaphore places; /* one for each connection that may be */
    keel_group *group;
} server;

typedef struct connection {
    server *server;
    keel_stream stream;
} connection;

static void finish(connection *conn, keel_err *err)
{
    server *srv = conn->server;

    if (err != NULL && srv->opts.failed != NULL)
        srv->opts.failed(err, srv->arg);
    keel_err_free(err);
    keel_mem_free(conn);
    keel_semaphore_release(&srv->places, 1);
}

static keel_err *handle(keel_ctx *ctx, void *arg)
{
    connection *conn = arg;
    server *srv = conn->server;
    keel_err *err = srv->fn(ctx, conn->stream, srv->arg);

    if (!srv->opts.keep_open)
        keel_stream_close(conn->stream);
    finish(conn, err);
    return NULL;
}

/* There is no stack for it. */
static void refuse(void *arg, keel_err *err)
{
    connection *conn = arg;

    keel_stream_reset(conn->stream);
    finish(conn, err);
}

/* Starts a task for a stream, on that worker. */
static keel_err *start(server *srv, keel_stream stream, unsigned worker)
{
    connection *conn = keel_mem_alloc(sizeof *conn);
    const keel__placed what = { .fn = handle, .failed = refuse, .arg = conn };

    if (conn != NULL) {
        *conn = (connection){ srv, stream };
        if (keel__group_go_on(srv->group, worker, &what, "keel_listener_serve",
                              "keel_listener_serve"))
            return NULL;
    }
    keel_mem_free(conn);
    keel_stream_reset(stream);
    keel_semaphore_release(&srv->places, 1);
    return KEEL_ERR_NOMEM;
}

/* One connection that there is no memory for ends nothing else. */
static void tell(const server *srv, keel_err *err)
{
    if (srv->opts.failed != NULL)
        srv->opts.failed(err, srv->arg);
    keel_err_free(err);
}

static keel_err *accept_all(keel_ctx *ctx, server *srv)
{
    for (unsigned worker = 0;; worker++) {
        keel_stream stream;

        KEEL_TRY(keel_semaphore_acquire(ctx, &srv->places, 1));
        keel_err *err = keel_listener_accept(ctx, srv->listener, &stream);
        if (err != NULL)
            keel_semaphore_release(&srv->places, 1);
        else
            err = start(srv, stream, worker);
        if (err == KEEL_ERR_NOMEM) {
            tell(srv, err);
            err = keel_sleep(ctx, KEEL_MS(5));
        }
        if (err != NULL)
            return err;
    }
}

/* Lets connections end by themselves for a while. */
static void drain(server *srv)
{
    keel_ctx *patience = keel_ctx_with_timeout(NULL, srv->opts.drain_ns);

    keel_err_free(keel_semaphore_acquire(patience, &srv->places,
                                         srv->opts.max_connections)); /* all are over */
    keel_ctx_free(patience);
}

keel_err *keel_listener_serve(keel_ctx *ctx, keel_listener listener, keel_stream_fn fn, void *arg,
                              const keel_serve_opts *opts)
{
    server srv = { .listener = listener, .fn = fn, .arg = arg };

    keel__need(fn != NULL, "keel_listener_serve", "fn");
    if (opts != NULL)
        srv.opts = *opts;
    if (srv.opts.max_connections == 0)
        srv.opts.max_connections = CONNECTIONS_DEFAULT;
    if (srv.opts.max_connections > CONNECTIONS_MAX)
        srv.opts.max_connections = CONNECTIONS_MAX;
    if (srv.opts.stack_bytes == 0)
        srv.opts.stack_bytes = KEEL__STACK_LARGE_BYTES;

    keel_ctx *base = srv.opts.drain_ns > 0 ? keel_ctx_without_cancel(ctx) : NULL;
    srv.group = keel_group_new(base != NULL ? base : ctx,
                               &(keel_group_opts){ .stack_bytes = srv.opts.stack_bytes });
    keel_err *err = keel_ctx_err(keel_group_ctx(srv.group));
    keel_semaphore_init(&srv.places, srv.opts.max_connections);
    if (err == NULL)
        err = accept_all(ctx, &srv);
    keel_listener_close(listener);
    if (base != NULL && err != NULL && keel_ctx_err(ctx) != NULL)
        drain(&srv);
    keel_group_cancel(srv.group);
    keel_err *broken = keel_group_wait(srv.group);
    keel_semaphore_deinit(&srv.places);
    keel_ctx_free(base);
    if (broken != NULL)
        err = broken;
    if (keel_err_is(err, KEEL_ERR_CLOSED) || (err != NULL && err == keel_ctx_err(ctx))) {
        keel_err_free(err);
        return NULL;
    }
    return err;
}
