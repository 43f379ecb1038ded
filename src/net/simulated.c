/* SPDX-License-Identifier: MIT */
#include "net/simulated.h"

#include <stdio.h>
#include <string.h>

#include <keel/mem.h>

#include "task/sim_net.h"

/* "local" NUL "peer", in one allocation: hosts may be gone before their connections. NULL without memory. */
static char *names(const char *local, const char *peer)
{
    size_t local_size = strlen(local) + 1, peer_size = strlen(peer) + 1;
    char *both = keel_mem_alloc(local_size + peer_size);

    if (both != NULL) {
        memcpy(both, local, local_size);
        memcpy(both + local_size, peer, peer_size);
    }
    return both;
}

static keel_err *wrap_conn(keel__slot **out, keel__streams *home, keel_sim_conn *conn,
                           const char *local, const char *peer)
{
    char *name = local != NULL ? names(local, peer) : NULL;
    keel__slot *slot =
        local == NULL || name != NULL ? keel__slot_new(home, KEEL__SLOT_CONN, -1) : NULL;

    if (slot == NULL) {
        keel_mem_free(name);
        keel_sim_conn_free(conn);
        return KEEL_ERR_NOMEM;
    }
    slot->sim.conn = conn;
    slot->name = name;
    *out = slot;
    return NULL;
}

/* The same words as of a socket's errors; the context's stay as they are. */
static keel_err *named(keel_ctx *ctx, keel_err *err, const char *what, const char *host,
                       unsigned port)
{
    if (err == NULL || err == keel__ctx_err(ctx))
        return err;
    return keel_err_wrap(err, "%s %s:%u", what, host, port);
}

static bool is_here(const keel_sim_host *host, const char *name)
{
    return *name == '\0' || strcmp(name, "localhost") == 0 ||
           strcmp(name, keel_sim_host_name(host)) == 0;
}

/* ---- Listening ---- */

keel_err *keel__simulated_listen(keel__slot **out, keel__streams *home, keel_sim_host *host,
                                 const keel__target *target)
{
    enum { FREE_PORTS = 49152, PORTS = 65536 };
    const char *name = keel_sim_host_name(host);
    unsigned port = target->port != 0 ? target->port : FREE_PORTS;
    keel_sim_listener *listener;
    char text[KEEL_STREAM_ADDRESS_BYTES];

    if (!is_here(host, target->host))
        return keel_err_wrap(KEEL_ERR_NOT_FOUND, "listen at %s:%u: this is host '%s'", target->host,
                             port, name);
    keel_err *err = keel_sim_host_listen(host, port, &listener);
    while (target->port == 0 && err == KEEL_ERR_BUSY && ++port < PORTS)
        err = keel_sim_host_listen(host, port, &listener);
    if (err != NULL)
        return named(NULL, err, "listen at", name, port);
    snprintf(text, sizeof text, "%.140s:%u", name, port);
    char *both = names(text, "");
    keel__slot *slot = both != NULL ? keel__slot_new(home, KEEL__SLOT_SIM_LISTENER, -1) : NULL;
    if (slot == NULL) {
        keel_mem_free(both);
        keel_sim_listener_free(listener);
        return KEEL_ERR_NOMEM;
    }
    slot->sim.listener = listener;
    slot->name = both;
    *out = slot;
    return NULL;
}

keel_err *keel__simulated_accept(keel_ctx *ctx, keel__slot *slot, keel__slot **out)
{
    char peer[KEEL_STREAM_ADDRESS_BYTES] = "pair";
    keel_sim_conn *conn;

    KEEL_TRY(keel_sim_listener_accept(ctx, slot->sim.listener, &conn));
    keel_sim_net *net = conn->pair->net;
    keel__spin_lock(&net->lock);
    const keel_sim_host *host = conn->pair->ends[1 - conn->side].host;
    snprintf(peer, sizeof peer, "%.140s", host->name);
    keel__spin_unlock(&net->lock);
    return wrap_conn(out, slot->home, conn, slot->name, peer);
}

/* ---- Connecting ---- */

keel_err *keel__simulated_connect(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                                  keel_sim_host *host, const keel__target *target)
{
    const char *own = keel_sim_host_name(host);
    const char *to = is_here(host, target->host) ? own : target->host;
    char text[KEEL_STREAM_ADDRESS_BYTES];
    keel_sim_conn *conn;

    KEEL_TRY(named(ctx, keel_sim_host_connect(ctx, host, to, target->port, &conn), "connect to", to,
                   target->port));
    snprintf(text, sizeof text, "%.140s:%u", to, target->port);
    return wrap_conn(out, home, conn, own, text);
}

keel_err *keel__simulated_pair(keel__slot *out[2], keel__streams *home, size_t buffer_bytes)
{
    keel_sim_conn *a, *b;

    KEEL_TRY(keel_sim_net_pair(
        &a, &b, &(keel_sim_net_opts){ .buffer_bytes = buffer_bytes, .runtime = home->rt }));
    keel_err *err = wrap_conn(&out[0], home, a, NULL, NULL);
    if (err != NULL) {
        keel_sim_conn_free(b);
        return err;
    }
    err = wrap_conn(&out[1], home, b, NULL, NULL);
    if (err != NULL)
        keel__slot_close(out[0], out[0]->generation, false);
    return err;
}

/* ---- Reading and writing ---- */

/* What an error of a connection's means: closed at this end, or the end of what the peer sends. */
static keel_err *judge(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel_err *err,
                       keel_err *end, const char *what)
{
    char text[KEEL_STREAM_ADDRESS_BYTES];

    if (err == NULL || err == keel__ctx_err(ctx))
        return err;
    if (!keel__slot_is_open(slot, generation))
        return KEEL_ERR_CLOSED;
    if (err == KEEL_ERR_CLOSED)
        return end;
    keel_err_free(keel__simulated_address(slot, true, text, sizeof text));
    return keel_err_wrap(err, "%s %s", what, text);
}

keel_err *keel__simulated_read(keel_ctx *ctx, keel__slot *slot, uint64_t generation, void *buf,
                               size_t size, size_t *got)
{
    return judge(ctx, slot, generation, keel_sim_conn_read(ctx, slot->sim.conn, buf, size, got),
                 KEEL_ERR_EOF, "read from");
}

static keel_err *write_piece(keel_ctx *ctx, keel__slot *slot, keel_str piece, bool *begun)
{
    while (piece.len > 0) {
        size_t written;

        KEEL_TRY(keel_sim_conn_write(ctx, slot->sim.conn, piece.ptr, piece.len, &written));
        *begun = true;
        piece.ptr += written;
        piece.len -= written;
    }
    return NULL;
}

keel_err *keel__simulated_write(keel_ctx *ctx, keel__slot *slot, uint64_t generation,
                                const keel_str *pieces, size_t count, bool *begun)
{
    keel_err *err = NULL;

    for (size_t i = 0; i < count && err == NULL; i++)
        err = judge(ctx, slot, generation, write_piece(ctx, slot, pieces[i], begun),
                    KEEL_ERR_CLOSED, "write to");
    return err;
}

keel_err *keel__simulated_address(keel__slot *slot, bool peer, char *buf, size_t size)
{
    const char *text = slot->name != NULL ? slot->name : "pair";

    if (peer && slot->name != NULL)
        text += strlen(text) + 1;
    int length = snprintf(buf, size, "%s", text);
    return length >= 0 && (size_t)length < size ? NULL : KEEL_ERR_RANGE;
}
