/* SPDX-License-Identifier: MIT */
#include <keel/sim_net.h>

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "task/sim_net.h"

#define PLACE __builtin_return_address(0)

/* A scheduling point whose place in reports is the user's call, also from a loop of the library's. */
static void point(unsigned op, const void *object, const void *place)
{
    if (keel__sim() != NULL)
        keel__sim()->point(op, object, place);
}

static void need(const void *object, const char *function, const char *what)
{
    if (object == NULL)
        keel__misuse("%s: the %s is NULL", function, what);
}

/* ---- Pairs ---- */

/* Two ends and what lies between them; the first is held. Enters the network under its lock. */
static keel__net_pair *make_pair(keel_sim_net *net, keel__net_link *there, keel__net_link *back)
{
    size_t room = net->opts.buffer_bytes;
    keel__net_pair *pair = keel_mem_alloc(sizeof *pair + 2 * room);

    if (pair == NULL)
        return NULL;
    memset(pair, 0, sizeof *pair);
    pair->net = net;
    pair->room = room;
    pair->refs = 1;
    for (unsigned side = 0; side < 2; side++) {
        pair->own_links[side].opts = net->opts.link;
        pair->ends[side].pair = pair->pipes[side].pair = pair;
        pair->ends[side].side = side;
        pair->pipes[side].ring = pair->rings + side * room;
    }
    pair->pipes[0].link = there != NULL ? there : &pair->own_links[0];
    pair->pipes[1].link = back != NULL ? back : &pair->own_links[1];
    pair->ends[0].held = true;
    keel__spin_lock(&net->lock);
    net->refs++;
    keel__list_push(&net->pairs, &pair->link);
    keel__spin_unlock(&net->lock);
    return pair;
}

keel_err *keel_sim_net_pair(keel_sim_conn **a, keel_sim_conn **b, const keel_sim_net_opts *opts)
{
    keel__net_todo todo = { 0 };
    keel_sim_net *net;
    bool timed = opts != NULL &&
                 (opts->link.min_latency_ns > 0 || opts->link.max_latency_ns > 0 ||
                  (opts->link.bandwidth_bytes > 0 && opts->link.bandwidth_bytes != KEEL_UNLIMITED));

    *a = *b = NULL;
    KEEL_TRY(keel__net_make(&net, opts, timed));
    keel__net_pair *pair = make_pair(net, NULL, NULL);

    keel__spin_lock(&net->lock);
    if (pair != NULL) {
        pair->refs++;
        pair->ends[1].held = pair->ends[0].opened = pair->ends[1].opened = true;
        *a = &pair->ends[0];
        *b = &pair->ends[1];
    }
    keel__net_unref(net, &todo); /* from now on it is the pair's */
    keel__net_unlock(net, &todo);
    return pair != NULL ? NULL : KEEL_ERR_NOMEM;
}

/* ---- Listening ---- */

keel_err *keel_sim_host_listen(keel_sim_host *host, unsigned port, keel_sim_listener **out)
{
    *out = NULL;
    need(host, "keel_sim_host_listen", "host");
    keel__point(KEEL__OP_NET_LISTEN, host);
    keel_sim_listener *listener = keel_mem_calloc(1, sizeof *listener);
    if (listener == NULL)
        return KEEL_ERR_NOMEM;
    *listener = (keel_sim_listener){ .net = host->net, .host = host, .port = port };

    keel__spin_lock(&host->net->lock);
    keel_err *err = host->alive ? NULL : KEEL_ERR_CLOSED;
    for (keel__link *link = host->listeners.first; link != NULL; link = link->next)
        if (keel__container(link, keel_sim_listener, link)->port == port)
            err = KEEL_ERR_BUSY;
    if (err == NULL) {
        keel__list_push(&host->listeners, &listener->link);
        host->net->refs++;
    }
    keel__spin_unlock(&host->net->lock);
    if (err == NULL)
        *out = listener;
    else
        keel_mem_free(listener);
    return err;
}

keel_err *keel_sim_listener_accept(keel_ctx *ctx, keel_sim_listener *listener, keel_sim_conn **out)
{
    *out = NULL;
    need(listener, "keel_sim_listener_accept", "listener");
    keel__point(KEEL__OP_NET_ACCEPT, listener);
    KEEL_TRY(keel__ctx_err(ctx));
    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_NET_ACCEPT, listener);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
        keel_sim_net *net = listener->net;

        keel__spin_lock(&net->lock);
        bool closed = listener->closed;
        keel__link *link = keel__list_pop(&listener->backlog);
        if (link != NULL)
            listener->backlog_count--;
        else if (!closed)
            keel__waitq_push(&listener->acceptors, &waiter);
        keel__spin_unlock(&net->lock);
        if (link != NULL)
            *out = keel__container(link, keel_sim_conn, backlog);
        if (link != NULL || closed) {
            keel__order_acquire(listener);
            if (link != NULL) /* what its peer did before it connected */
                keel__order_acquire(&(*out)->pair->pipes[0]);
            return closed ? KEEL_ERR_CLOSED : NULL;
        }
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&net->lock);
            keel__waitq_remove(&listener->acceptors, &waiter);
            keel__spin_unlock(&net->lock);
            return keel__ctx_err(ctx);
        }
    }
}

void keel__net_stop_listening(keel_sim_listener *listener, keel__net_todo *todo)
{
    keel__link *link;

    if (listener->closed)
        return;
    listener->closed = true;
    keel__list_remove(&listener->host->listeners, &listener->link);
    while ((link = keel__list_pop(&listener->backlog)) != NULL) {
        keel_sim_conn *conn = keel__container(link, keel_sim_conn, backlog);

        keel__net_break(conn, todo);
        keel__net_drop(conn, todo);
    }
    listener->backlog_count = 0;
    keel__net_wake(&listener->acceptors, todo);
}

static void close_listener(keel_sim_listener *listener, bool last)
{
    keel_sim_net *net = listener->net;
    keel__net_todo todo = { 0 };

    keel__order_release(listener);
    keel__spin_lock(&net->lock);
    keel__net_stop_listening(listener, &todo);
    if (last)
        keel__net_unref(net, &todo);
    keel__net_unlock(net, &todo);
}

void keel_sim_listener_close(keel_sim_listener *listener)
{
    need(listener, "keel_sim_listener_close", "listener");
    keel__point(KEEL__OP_NET_CLOSE, listener);
    close_listener(listener, false);
}

void keel_sim_listener_free(keel_sim_listener *listener)
{
    if (listener == NULL)
        return;
    keel__point(KEEL__OP_NET_CLOSE, listener);
    close_listener(listener, true);
    keel_mem_free(listener);
}

/* ---- Connecting ---- */

/* Waits for the answer to a connection that was asked for. */
static keel_err *await_answer(keel_ctx *ctx, keel_sim_conn *conn)
{
    keel__net_pair *pair = conn->pair;
    keel__net_pipe *in = &pair->pipes[1 - conn->side];

    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_NET_CONNECT, conn);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

        keel__spin_lock(&pair->net->lock);
        bool refused = conn->refused, broken = conn->broken && !conn->opened;
        bool answered = refused || broken || conn->opened;
        if (!answered)
            keel__waitq_push(&in->readers, &waiter);
        keel__spin_unlock(&pair->net->lock);
        if (answered)
            return refused ? KEEL_ERR_REFUSED : broken ? KEEL_ERR_RESET : NULL;
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&pair->net->lock);
            keel__waitq_remove(&in->readers, &waiter);
            keel__spin_unlock(&pair->net->lock);
            return keel__ctx_err(ctx);
        }
    }
}

/* The end that connects; nothing is sent yet. */
static keel_err *prepare(keel_sim_host *from, const char *to, unsigned port, keel_sim_conn **out)
{
    keel_sim_net *net = from->net;

    keel__spin_lock(&net->lock);
    keel_sim_host *other = keel__net_find_host(net, to);
    keel__spin_unlock(&net->lock);
    if (other == NULL)
        return KEEL_ERR_NOT_FOUND;
    keel__net_pair *pair =
        make_pair(net, keel__net_link_between(from, other), keel__net_link_between(other, from));
    if (pair == NULL)
        return KEEL_ERR_NOMEM;
    pair->to = other;
    pair->port = port;
    *out = &pair->ends[0];
    return NULL;
}

/* Sends the wish to connect; false if the host that connects is dead. */
static bool open_conn(keel_sim_host *from, keel_sim_conn *conn)
{
    keel__net_todo todo = { 0 };
    keel__net_pair *pair = conn->pair;
    unsigned late = keel__net_choose_late(pair->pipes[0].link);

    pair->answer_late = keel__net_choose_late(pair->pipes[1].link);
    keel__order_release(&pair->pipes[0]);
    keel__spin_lock(&from->net->lock);
    bool alive = from->alive;
    if (alive) {
        conn->host = from;
        keel__net_send(conn, KEEL__NET_OPEN, 0, late, &todo);
    }
    keel__net_unlock(from->net, &todo);
    return alive;
}

static void abandon(keel_sim_conn *conn)
{
    keel_sim_net *net = conn->pair->net;
    keel__net_todo todo = { 0 };

    keel__spin_lock(&net->lock);
    keel__net_break(conn, &todo);
    keel__net_drop(conn, &todo);
    keel__net_unlock(net, &todo);
}

keel_err *keel_sim_host_connect(keel_ctx *ctx, keel_sim_host *from, const char *to, unsigned port,
                                keel_sim_conn **out)
{
    keel_sim_conn *conn = NULL;

    *out = NULL;
    need(from, "keel_sim_host_connect", "host");
    need(to, "keel_sim_host_connect", "name of the other host");
    keel__point(KEEL__OP_NET_CONNECT, from);
    KEEL_TRY(keel__ctx_err(ctx));
    keel_err *err = prepare(from, to, port, &conn);
    if (err == NULL && !open_conn(from, conn))
        err = KEEL_ERR_CLOSED;
    if (err == NULL)
        err = await_answer(ctx, conn);
    if (err == NULL) {
        *out = conn;
        return NULL;
    }
    if (conn != NULL)
        abandon(conn);
    return err;
}

/* ---- Reading ---- */

/* What the schedule decides about one read or write. All zero: as plain as can be. */
typedef struct dice {
    unsigned part;  /* how much of it: 0 all, 1 one byte, 2 half */
    unsigned fault; /* 1 and 2: a reset before, after delivery */
    unsigned late;
} dice;

static size_t part_of(size_t size, unsigned part)
{
    return part == 0 || size < 2 ? size : part == 1 ? 1 : size / 2;
}

/* Copies between a user's buffer and the ring, from position `at` on. */
static size_t upto_edge(const keel__net_pair *pair, uint64_t at, size_t size)
{
    size_t left = pair->room - (size_t)(at % pair->room);

    return size < left ? size : left;
}

static void copy_out(const keel__net_pair *pair, const keel__net_pipe *pipe, void *buf, size_t size)
{
    size_t first = upto_edge(pair, pipe->taken, size);

    memcpy(buf, pipe->ring + pipe->taken % pair->room, first);
    memcpy((unsigned char *)buf + first, pipe->ring, size - first);
}

static void copy_in(const keel__net_pair *pair, keel__net_pipe *pipe, const void *data, size_t size)
{
    size_t first = upto_edge(pair, pipe->written, size);

    memcpy(pipe->ring + pipe->written % pair->room, data, first);
    memcpy(pipe->ring, (const unsigned char *)data + first, size - first);
}

/* Under the lock: takes what is there, or says (true) how it ended; false: nothing yet. */
static bool take(keel_sim_conn *conn, void *buf, size_t size, unsigned part, size_t *n,
                 keel_err **err, keel__net_todo *todo)
{
    keel__net_pipe *in = &conn->pair->pipes[1 - conn->side];
    size_t there = conn->discards ? 0 : (size_t)(in->arrived - in->taken);

    *err = NULL;
    if (conn->closed) {
        *err = KEEL_ERR_CLOSED;
    } else if (there > 0) {
        *n = part_of(size < there ? size : there, part);
        copy_out(conn->pair, in, buf, *n);
        in->taken += *n;
        keel__net_wake(&in->writers, todo);
        if (there > *n)
            keel__net_wake(&in->readers, todo);
    } else if (in->ended && !conn->discards) {
        *err = KEEL_ERR_CLOSED;
    } else if (conn->broken) {
        *err = KEEL_ERR_RESET;
    } else {
        return false;
    }
    return true;
}

static keel_err *read_some(keel_ctx *ctx, keel_sim_conn *conn, void *buf, size_t size, size_t *n,
                           const void *place)
{
    keel__net_pipe *in = &conn->pair->pipes[1 - conn->side];
    keel_sim_net *net = conn->pair->net;

    *n = 0;
    point(KEEL__OP_NET_READ, conn, place);
    KEEL_TRY(keel__ctx_err(ctx));
    if (size == 0)
        return NULL;
    bool may_cut = keel__sim() != NULL && size > 1 && !in->link->opts.no_short;
    unsigned part = may_cut ? (unsigned)keel__net_choose(3) : 0;
    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_NET_READ, conn);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
        keel__net_todo todo = { 0 };
        keel_err *err;

        keel__spin_lock(&net->lock);
        bool over = take(conn, buf, size, part, n, &err, &todo);
        if (!over)
            keel__waitq_push(&in->readers, &waiter);
        keel__net_unlock(net, &todo);
        if (over) {
            keel__order_acquire(in);
            return err;
        }
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&net->lock);
            keel__waitq_remove(&in->readers, &waiter);
            keel__spin_unlock(&net->lock);
            return keel__ctx_err(ctx);
        }
    }
}

keel_err *keel__net_wait_readable(keel_ctx *ctx, keel_sim_conn *conn)
{
    keel__net_pipe *in = &conn->pair->pipes[1 - conn->side];
    keel_sim_net *net = conn->pair->net;

    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_NET_READ, conn);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

        keel__spin_lock(&net->lock);
        bool there = conn->closed || conn->broken || in->ended || in->arrived != in->taken;
        if (!there)
            keel__waitq_push(&in->readers, &waiter);
        keel__spin_unlock(&net->lock);
        if (there)
            return NULL;
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&net->lock);
            keel__waitq_remove(&in->readers, &waiter);
            keel__spin_unlock(&net->lock);
            return keel__ctx_err(ctx);
        }
    }
}

keel_err *keel_sim_conn_read(keel_ctx *ctx, keel_sim_conn *conn, void *buf, size_t size, size_t *n)
{
    need(conn, "keel_sim_conn_read", "connection");
    return read_some(ctx, conn, buf, size, n, PLACE);
}

keel_err *keel_sim_conn_read_full(keel_ctx *ctx, keel_sim_conn *conn, void *buf, size_t size,
                                  size_t *n)
{
    size_t done = 0, more = 0;
    keel_err *err = NULL;

    need(conn, "keel_sim_conn_read_full", "connection");
    do {
        err = read_some(ctx, conn, (unsigned char *)buf + done, size - done, &more, PLACE);
        done += more;
    } while (err == NULL && done < size);
    if (n != NULL)
        *n = done;
    return err == KEEL_ERR_CLOSED && done > 0 ? KEEL_ERR_RESET : err;
}

/* ---- Writing ---- */

static dice roll(const keel__net_link *link, size_t size)
{
    dice thrown = { 0 };

    if (keel__sim() == NULL)
        return thrown;
    if (size > 1 && !link->opts.no_short)
        thrown.part = (unsigned)keel__net_choose(3);
    if (link->opts.resets || keel__sim()->faults())
        thrown.fault = (unsigned)keel__net_choose(3);
    thrown.late = keel__net_choose_late(link);
    return thrown;
}

/* Under the lock: sends what there is room for, or says (true) why it cannot; false: no room. */
static bool put(keel_sim_conn *conn, const void *data, size_t size, dice thrown, size_t *n,
                keel_err **err, keel__net_todo *todo)
{
    keel__net_pair *pair = conn->pair;
    keel__net_pipe *out = &pair->pipes[conn->side];
    size_t free = pair->room - (size_t)(out->written - out->taken);

    *err = NULL;
    if (conn->closed || conn->write_closed) {
        *err = KEEL_ERR_CLOSED;
    } else if (conn->broken) {
        *err = KEEL_ERR_RESET;
    } else if (free == 0 || out->flight >= KEEL__NET_FLIGHT) {
        return false;
    } else {
        *n = part_of(size < free ? size : free, thrown.part);
        if (thrown.fault != 1) {
            copy_in(pair, out, data, *n);
            keel__net_send(conn, KEEL__NET_DATA, *n, thrown.late, todo);
        }
        if (thrown.fault != 0) {
            keel__sim()->note(thrown.fault == 1 ? "breaks before delivery"
                                                : "breaks after delivery");
            keel__net_break(conn, todo);
            *n = 0;
            *err = KEEL_ERR_RESET;
        }
    }
    return true;
}

static keel_err *write_some(keel_ctx *ctx, keel_sim_conn *conn, const void *data, size_t size,
                            size_t *n, const void *place)
{
    keel__net_pipe *out = &conn->pair->pipes[conn->side];
    keel_sim_net *net = conn->pair->net;

    *n = 0;
    point(KEEL__OP_NET_WRITE, conn, place);
    KEEL_TRY(keel__ctx_err(ctx));
    if (size == 0)
        return NULL;
    dice thrown = roll(out->link, size);
    keel__order_release(out);
    for (;;) {
        keel__wait wait = keel__wait_begin_on(KEEL__OP_NET_WRITE, conn);
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
        keel__net_todo todo = { 0 };
        keel_err *err;

        keel__spin_lock(&net->lock);
        bool over = put(conn, data, size, thrown, n, &err, &todo);
        if (!over)
            keel__waitq_push(&out->writers, &waiter);
        keel__net_unlock(net, &todo);
        if (over)
            return err;
        if (keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
            keel__spin_lock(&net->lock);
            keel__waitq_remove(&out->writers, &waiter);
            keel__spin_unlock(&net->lock);
            return keel__ctx_err(ctx);
        }
    }
}

keel_err *keel_sim_conn_write(keel_ctx *ctx, keel_sim_conn *conn, const void *data, size_t size,
                              size_t *n)
{
    need(conn, "keel_sim_conn_write", "connection");
    return write_some(ctx, conn, data, size, n, PLACE);
}

/* ---- Ending ---- */

/* What is done to a connection under the lock. */
typedef enum ending { CLOSE_WRITE, CLOSE, RESET, FREE } ending;

static void end_conn(keel_sim_conn *conn, ending how)
{
    keel__net_pipe *out = &conn->pair->pipes[conn->side];
    keel_sim_net *net = conn->pair->net;
    keel__net_todo todo = { 0 };
    unsigned late = how == RESET ? 0 : keel__net_choose_late(out->link);

    keel__order_release(out);
    keel__spin_lock(&net->lock);
    if (how == RESET) {
        keel__net_break(conn, &todo);
    } else if (how != CLOSE_WRITE) {
        keel__net_close(conn, late, &todo);
    } else if (!conn->write_closed) {
        conn->write_closed = true;
        if (!conn->broken)
            keel__net_send(conn, KEEL__NET_END, 0, late, &todo);
        keel__net_wake(&out->writers, &todo);
    }
    if (how == FREE)
        keel__net_drop(conn, &todo);
    keel__net_unlock(net, &todo);
}

void keel_sim_conn_close_write(keel_sim_conn *conn)
{
    need(conn, "keel_sim_conn_close_write", "connection");
    keel__point(KEEL__OP_NET_CLOSE, conn);
    end_conn(conn, CLOSE_WRITE);
}

void keel_sim_conn_close(keel_sim_conn *conn)
{
    need(conn, "keel_sim_conn_close", "connection");
    keel__point(KEEL__OP_NET_CLOSE, conn);
    end_conn(conn, CLOSE);
}

void keel_sim_conn_reset(keel_sim_conn *conn)
{
    need(conn, "keel_sim_conn_reset", "connection");
    keel__point(KEEL__OP_NET_CLOSE, conn);
    end_conn(conn, RESET);
}

void keel_sim_conn_free(keel_sim_conn *conn)
{
    if (conn == NULL)
        return;
    keel__point(KEEL__OP_NET_CLOSE, conn);
    end_conn(conn, FREE);
}

keel_err *keel_sim_conn_write_all(keel_ctx *ctx, keel_sim_conn *conn, const void *data, size_t size)
{
    size_t done = 0, more = 0;
    keel_err *err = NULL;

    need(conn, "keel_sim_conn_write_all", "connection");
    do {
        err = write_some(ctx, conn, (const unsigned char *)data + done, size - done, &more, PLACE);
        done += more;
    } while (err == NULL && done < size);
    if (err != NULL && done > 0)
        end_conn(conn, RESET);
    return err;
}
