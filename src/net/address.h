/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_NET_ADDRESS_H
#define KEEL_SRC_NET_ADDRESS_H

/* Addresses: texts of users', and those of the system's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <keel/ctx.h>
#include <keel/err.h>

#include "net/slot.h"

enum { KEEL__HOST_BYTES = 256, KEEL__ADDRESSES = 16 };

/* A text taken apart. */
typedef struct keel__target {
    bool local;                  /* a Unix socket, `host` being its path */
    char host[KEEL__HOST_BYTES]; /* "": any, or this machine */
    unsigned port;
} keel__target;

typedef union keel__sockaddr {
    struct sockaddr any;
    keel__peer tcp;
    struct sockaddr_un local;
} keel__sockaddr;

typedef struct keel__addresses {
    size_t count;
    keel__sockaddr items[KEEL__ADDRESSES];
} keel__addresses;

/* Errors: KEEL_ERR_INVAL, with the text. */
keel_err *keel__target_parse(keel__target *out, const char *text);

/* The address of a Unix socket, and its size. Errors: KEEL_ERR_LIMIT. */
keel_err *keel__address_local(keel__sockaddr *out, socklen_t *size, const char *path);

/* What a host means, to listen there or to connect. May wait. Errors are wrapped with the name. */
keel_err *keel__resolve(keel_ctx *ctx, keel__addresses *out, const keel__target *target,
                        bool listens);

socklen_t keel__address_size(const keel__sockaddr *address);

/* As text. Errors: KEEL_ERR_RANGE. */
keel_err *keel__address_format(const struct sockaddr *address, socklen_t address_size, char *buf,
                               size_t size);

#endif /* KEEL_SRC_NET_ADDRESS_H */
