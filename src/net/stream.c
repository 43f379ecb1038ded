/* SPDX-License-Identifier: MIT */
#include <keel/stream.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "net/simulated.h"
#include "net/socket.h"
#include "task/sim_net.h"

static bool is_socket(const keel__slot *slot)
{
    return slot->kind == KEEL__SLOT_SOCKET || slot->kind == KEEL__SLOT_SOCKET_LISTENER;
}

static keel_stream stream_of(keel__slot *slot)
{
    return (keel_stream){ slot, slot->generation };
}

/* ---- Making them ---- */

/* What an address means here: of a simulated host (*host), or of the system. */
static keel_err *prepare(keel_ctx *ctx, const char *address, keel__target *target,
                         keel__streams **home, keel_sim_host **host)
{
    KEEL_TRY(keel__ctx_err(ctx));
    KEEL_TRY(keel__target_parse(target, address));
    KEEL_TRY(keel__streams_of(home, ctx, NULL));
    *host = keel__net_host_of(ctx);
    if ((*home)->rt->simulated && (*host == NULL || target->local))
        return keel_err_wrap(
            KEEL_ERR_UNSUPPORTED,
            "%s: a simulation has no network but that of its hosts (keel_sim_host_go)", address);
    if (target->local)
        *host = NULL;
    return NULL;
}

keel_err *keel_listener_open(keel_ctx *ctx, keel_listener *out, const char *address,
                             const keel_listener_opts *opts)
{
    keel_listener_opts all = opts != NULL ? *opts : (keel_listener_opts){ 0 };
    keel__target target;
    keel__streams *home;
    keel_sim_host *host;
    keel__slot *slot;

    keel__need(out != NULL, "keel_listener_open", "out");
    keel__need(address != NULL, "keel_listener_open", "address");
    *out = (keel_listener){ 0 };
    KEEL_TRY(prepare(ctx, address, &target, &home, &host));
    if (host != NULL)
        KEEL_TRY(keel__simulated_listen(&slot, home, host, &target));
    else
        KEEL_TRY(keel__socket_listen(ctx, &slot, home, &target, &all));
    *out = (keel_listener){ slot, slot->generation };
    return NULL;
}

keel_err *keel_stream_connect(keel_ctx *ctx, keel_stream *out, const char *address,
                              const keel_stream_opts *opts)
{
    keel_stream_opts all = opts != NULL ? *opts : (keel_stream_opts){ 0 };
    keel__target target;
    keel__streams *home;
    keel_sim_host *host;
    keel__slot *slot;

    keel__need(out != NULL, "keel_stream_connect", "out");
    keel__need(address != NULL, "keel_stream_connect", "address");
    *out = (keel_stream){ 0 };
    KEEL_TRY(prepare(ctx, address, &target, &home, &host));
    if (host != NULL)
        KEEL_TRY(keel__simulated_connect(ctx, &slot, home, host, &target));
    else
        KEEL_TRY(keel__socket_connect(ctx, &slot, home, &target, &all));
    *out = stream_of(slot);
    return NULL;
}

keel_err *keel_stream_pair(keel_stream *a, keel_stream *b, const keel_stream_pair_opts *opts)
{
    keel_stream_pair_opts all = opts != NULL ? *opts : (keel_stream_pair_opts){ 0 };
    keel__streams *home;
    keel__slot *ends[2];

    keel__need(a != NULL && b != NULL, "keel_stream_pair", "an end");
    *a = *b = (keel_stream){ 0 };
    KEEL_TRY(keel__streams_of(&home, NULL, all.runtime));
    KEEL_TRY(keel__simulated_pair(ends, home, all.buffer_bytes));
    *a = stream_of(ends[0]);
    *b = stream_of(ends[1]);
    return NULL;
}

keel_err *keel_listener_accept(keel_ctx *ctx, keel_listener listener, keel_stream *out)
{
    keel__slot *slot = listener.keel__slot, *accepted;

    keel__need(out != NULL, "keel_listener_accept", "out");
    *out = (keel_stream){ 0 };
    KEEL_TRY(keel__ctx_err(ctx));
    KEEL_TRY(keel__slot_pin(slot, listener.keel__generation));
    keel_err *err = is_socket(slot)
                        ? keel__socket_accept(ctx, slot, listener.keel__generation, &accepted)
                        : keel__simulated_accept(ctx, slot, &accepted);
    keel__slot_unpin(slot);
    if (err == NULL)
        *out = stream_of(accepted);
    return err;
}

void keel_listener_close(keel_listener listener)
{
    keel__slot_close(listener.keel__slot, listener.keel__generation, false);
}

/* ---- Using them ---- */

keel_err *keel_stream_read(keel_ctx *ctx, keel_stream stream, void *buf, size_t size, size_t *got)
{
    keel__slot *slot = stream.keel__slot;
    const uint64_t generation = stream.keel__generation;
    keel__turn turn;
    keel_err *err = NULL;

    keel__need(got != NULL, "keel_stream_read", "got");
    *got = 0;
    KEEL_TRY(keel__ctx_err(ctx));
    KEEL_TRY(keel__slot_begin(slot, generation, KEEL__IN, &turn));
    if (size > 0 && is_socket(slot))
        err = keel__socket_read(ctx, slot, generation, &turn, buf, size, got);
    else if (size > 0)
        err = keel__simulated_read(ctx, slot, generation, buf, size, got);
    keel__slot_end(slot, &turn);
    return err;
}

keel_err *keel_stream_writev(keel_ctx *ctx, keel_stream stream, const keel_str *pieces,
                             size_t count)
{
    keel__slot *slot = stream.keel__slot;
    const uint64_t generation = stream.keel__generation;
    keel__turn turn;
    keel_err *err;
    bool begun = false;

    KEEL_TRY(keel__ctx_err(ctx));
    KEEL_TRY(keel__slot_begin(slot, generation, KEEL__OUT, &turn));
    if (is_socket(slot))
        err = keel__socket_write(ctx, slot, generation, &turn, pieces, count, &begun);
    else
        err = keel__simulated_write(ctx, slot, generation, pieces, count, &begun);
    if (err != NULL && begun)
        keel__slot_close(slot, generation, true); /* nobody takes the part for the whole */
    keel__slot_end(slot, &turn);
    return err;
}

keel_err *keel_stream_write(keel_ctx *ctx, keel_stream stream, const void *bytes, size_t size)
{
    return keel_stream_writev(ctx, stream, &(keel_str){ bytes, size }, 1);
}

keel_err *keel_stream_close_write(keel_stream stream)
{
    keel__slot *slot = stream.keel__slot;
    keel__turn turn;
    keel_err *err = keel__slot_begin(slot, stream.keel__generation, KEEL__OUT, &turn);

    if (err == KEEL_ERR_CLOSED && keel__slot_is_open(slot, stream.keel__generation))
        return NULL; /* for the second time */
    if (err != NULL)
        return err;
    if (is_socket(slot))
        err = keel__socket_close_write(slot);
    else
        keel_sim_conn_close_write(slot->sim.conn);
    if (err == NULL)
        keel__slot_no_more(slot);
    keel__slot_end(slot, &turn);
    return err;
}

void keel_stream_close(keel_stream stream)
{
    keel__slot_close(stream.keel__slot, stream.keel__generation, false);
}

void keel_stream_reset(keel_stream stream)
{
    keel__slot_close(stream.keel__slot, stream.keel__generation, true);
}

bool keel_stream_is_open(keel_stream stream)
{
    return keel__slot_is_open(stream.keel__slot, stream.keel__generation);
}

/* ---- Addresses ---- */

static keel_err *address_of(keel__slot *slot, uint64_t generation, bool peer, char *buf,
                            size_t size)
{
    KEEL_TRY(keel__slot_pin(slot, generation));
    keel_err *err = is_socket(slot) ? keel__socket_address(slot, peer, buf, size)
                                    : keel__simulated_address(slot, peer, buf, size);
    keel__slot_unpin(slot);
    return err;
}

keel_err *keel_stream_local(keel_stream stream, char *buf, size_t size)
{
    return address_of(stream.keel__slot, stream.keel__generation, false, buf, size);
}

keel_err *keel_stream_peer(keel_stream stream, char *buf, size_t size)
{
    return address_of(stream.keel__slot, stream.keel__generation, true, buf, size);
}

keel_err *keel_listener_address(keel_listener listener, char *buf, size_t size)
{
    return address_of(listener.keel__slot, listener.keel__generation, false, buf, size);
}

/* ---- Interfaces ---- */

static keel_err *read_from(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    return keel_stream_read(ctx, *(const keel_stream *)self, buf, size, got);
}

static keel_err *write_to(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                          size_t *written)
{
    keel_err *err = keel_stream_write(ctx, *(const keel_stream *)self, bytes, size);

    *written = err == NULL ? size : 0;
    return err;
}

static keel_err *close_it(keel_ctx *ctx, void *self)
{
    (void)ctx; /* nothing waits */
    keel_stream_close(*(const keel_stream *)self);
    return NULL;
}

keel_reader keel_stream_reader(const keel_stream *stream)
{
    return (keel_reader){ read_from, (void *)(uintptr_t)stream };
}

keel_writer keel_stream_writer(const keel_stream *stream)
{
    return (keel_writer){ write_to, (void *)(uintptr_t)stream };
}

keel_closer keel_stream_closer(const keel_stream *stream)
{
    return (keel_closer){ close_it, (void *)(uintptr_t)stream };
}

keel_read_write_closer keel_stream_all(const keel_stream *stream)
{
    return (keel_read_write_closer){ keel_stream_reader(stream), keel_stream_writer(stream),
                                     keel_stream_closer(stream) };
}
