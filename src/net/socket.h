/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_NET_SOCKET_H
#define KEEL_SRC_NET_SOCKET_H

/* Streams that are sockets of the system's. The slot is pinned in all of these but those that make one. */

#include "net/address.h"
#include "net/slot.h"

keel_err *keel__socket_listen(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                              const keel__target *target, const keel_listener_opts *opts);
keel_err *keel__socket_accept(keel_ctx *ctx, keel__slot *slot, uint64_t generation,
                              keel__slot **out);
keel_err *keel__socket_connect(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                               const keel__target *target, const keel_stream_opts *opts);
keel_err *keel__socket_read(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                            void *buf, size_t size, size_t *got);
/* *begun becomes true when some bytes were written, whatever happens then. */
keel_err *keel__socket_write(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                             const keel_str *pieces, size_t count, bool *begun);
keel_err *keel__socket_close_write(keel__slot *slot);
keel_err *keel__socket_address(keel__slot *slot, bool peer, char *buf, size_t size);

#endif /* KEEL_SRC_NET_SOCKET_H */
