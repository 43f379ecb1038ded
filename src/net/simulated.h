/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_NET_SIMULATED_H
#define KEEL_SRC_NET_SIMULATED_H

/* Streams in memory: pairs, and connections of a simulated network. As net/socket.h. */

#include "net/address.h"
#include "net/slot.h"

keel_err *keel__simulated_listen(keel__slot **out, keel__streams *home, keel_sim_host *host,
                                 const keel__target *target);
keel_err *keel__simulated_accept(keel_ctx *ctx, keel__slot *slot, keel__slot **out);
keel_err *keel__simulated_connect(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                                  keel_sim_host *host, const keel__target *target);
keel_err *keel__simulated_pair(keel__slot *out[2], keel__streams *home, size_t buffer_bytes);
keel_err *keel__simulated_read(keel_ctx *ctx, keel__slot *slot, uint64_t generation, void *buf,
                               size_t size, size_t *got);
keel_err *keel__simulated_write(keel_ctx *ctx, keel__slot *slot, uint64_t generation,
                                const keel_str *pieces, size_t count, bool *begun);
keel_err *keel__simulated_address(keel__slot *slot, bool peer, char *buf, size_t size);

#endif /* KEEL_SRC_NET_SIMULATED_H */
