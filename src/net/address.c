/* SPDX-License-Identifier: MIT */
#include "net/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <net/if.h>

#include <keel/mem.h>
#include <keel/task.h>

#include "task/uverr.h"

/* ---- Texts ---- */

static bool parse_port(const char *text, unsigned *out)
{
    unsigned port = 0;

    if (*text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9' && port <= 65535; text++)
        port = port * 10 + (unsigned)(*text - '0');
    *out = port;
    return *text == '\0' && port <= 65535;
}

/* The host of "host:port" is [*from, *to); the port begins at the result. NULL: none. */
static const char *split(const char *text, const char **from, const char **to)
{
    if (*text == '[') {
        *from = text + 1;
        *to = strchr(text, ']');
        return *to != NULL && (*to)[1] == ':' && *to > *from ? *to + 2 : NULL;
    }
    *from = text;
    *to = strchr(text, ':');
    return *to != NULL && strchr(*to + 1, ':') == NULL ? *to + 1 : NULL;
}

keel_err *keel__target_parse(keel__target *out, const char *text)
{
    const char *from, *to;

    *out = (keel__target){ .local = strncmp(text, "unix:", 5) == 0 };
    if (out->local) {
        size_t length = strlen(text + 5);

        if (length == 0 || length >= sizeof out->host)
            return keel_err_wrap(KEEL_ERR_INVAL, "address '%.300s': no path, or too long", text);
        memcpy(out->host, text + 5, length + 1);
        return NULL;
    }
    const char *port = split(text, &from, &to);
    if (port == NULL || !parse_port(port, &out->port))
        return keel_err_wrap(KEEL_ERR_INVAL, "address '%.300s' is not 'host:port' or 'unix:path'",
                             text);
    if ((size_t)(to - from) >= sizeof out->host)
        return keel_err_wrap(KEEL_ERR_INVAL, "address '%.300s': the host is too long", text);
    memcpy(out->host, from, (size_t)(to - from));
    return NULL;
}

socklen_t keel__address_size(const keel__sockaddr *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->tcp.in6 : sizeof address->tcp.in;
}

keel_err *keel__address_local(keel__sockaddr *out, socklen_t *size, const char *path)
{
    size_t length = strlen(path);

    *out = (keel__sockaddr){ .local = { .sun_family = AF_UNIX } };
    if (length >= sizeof out->local.sun_path)
        return keel_err_wrap(KEEL_ERR_LIMIT, "unix:%s: the path is longer than %zu bytes", path,
                             sizeof out->local.sun_path - 1);
    memcpy(out->local.sun_path, path, length);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
#ifdef __linux__
    if (*path == '@') { /* a name without a file: it begins with a NUL, and ends without */
        out->local.sun_path[0] = '\0';
        *size -= 1;
    }
#endif
    return NULL;
}

static keel_err *fits(int length, size_t size)
{
    return length >= 0 && (size_t)length < size ? NULL : KEEL_ERR_RANGE;
}

static keel_err *format_local(const struct sockaddr_un *address, socklen_t address_size, char *buf,
                              size_t size)
{
    size_t length = address_size > offsetof(struct sockaddr_un, sun_path)
                        ? address_size - offsetof(struct sockaddr_un, sun_path)
                        : 0;
    const char *path = address->sun_path;

    if (length > 1 && path[0] == '\0')
        return fits(snprintf(buf, size, "unix:@%.*s", (int)length - 1, path + 1), size);
    return fits(snprintf(buf, size, "unix:%.*s", (int)length, path), size);
}

keel_err *keel__address_format(const struct sockaddr *address, socklen_t address_size, char *buf,
                               size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?", zone[IF_NAMESIZE + 1] = "";
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;

    switch (address->sa_family) {
    case AF_UNIX:
        return format_local((const void *)address, address_size, buf, size);
    case AF_INET:
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        return fits(snprintf(buf, size, "%s:%u", host, ntohs(in->sin_port)), size);
    case AF_INET6:
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) { /* by a listener for both */
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
            return fits(snprintf(buf, size, "%s:%u", host, ntohs(in6->sin6_port)), size);
        }
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        if (in6->sin6_scope_id != 0)
            snprintf(zone, sizeof zone, "%%%u", in6->sin6_scope_id);
        return fits(snprintf(buf, size, "[%s%s]:%u", host, zone, ntohs(in6->sin6_port)), size);
    default:
        return fits(snprintf(buf, size, "unix:"),
                    size); /* an end without a name, on some systems */
    }
}

/* ---- Names ---- */

static void add(keel__addresses *out, const struct sockaddr *address, socklen_t size)
{
    if (out->count == KEEL__ADDRESSES || size > sizeof out->items[0].tcp)
        return;
    out->items[out->count] = (keel__sockaddr){ 0 };
    memcpy(&out->items[out->count++], address, size);
}

static void add_in(keel__addresses *out, struct in_addr host, unsigned port)
{
    const struct sockaddr_in in = { .sin_family = AF_INET,
                                    .sin_addr = host,
                                    .sin_port = htons((uint16_t)port) };

    add(out, (const void *)&in, sizeof in);
}

static void add_in6(keel__addresses *out, struct in6_addr host, unsigned scope, unsigned port)
{
    const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                      .sin6_addr = host,
                                      .sin6_scope_id = scope,
                                      .sin6_port = htons((uint16_t)port) };

    add(out, (const void *)&in6, sizeof in6);
}

/* Without asking anybody: an address in numbers, or no host at all. */
static bool resolve_at_once(keel__addresses *out, const keel__target *target, bool listens)
{
    char host[KEEL__HOST_BYTES];
    struct in_addr in;
    struct in6_addr in6;

    if (target->host[0] == '\0' && listens) {
        add_in6(out, in6addr_any, 0, target->port);
        add_in(out, (struct in_addr){ htonl(INADDR_ANY) }, target->port);
        return true;
    }
    if (target->host[0] == '\0') {
        add_in(out, (struct in_addr){ htonl(INADDR_LOOPBACK) }, target->port);
        add_in6(out, in6addr_loopback, 0, target->port);
        return true;
    }
    if (inet_pton(AF_INET, target->host, &in) == 1) {
        add_in(out, in, target->port);
        return true;
    }
    snprintf(host, sizeof host, "%s", target->host);
    char *zone = strchr(host, '%');
    if (zone != NULL)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, host, &in6) != 1)
        return false;
    unsigned scope = 0;
    if (zone != NULL && !parse_port(zone, &scope))
        scope = if_nametoindex(zone);
    add_in6(out, in6, scope, target->port);
    return true;
}

/* A look-up. Whoever asked may give it up. */
typedef struct lookup {
    keel__a32 refs;
    keel__target target;
    keel__addresses found;
} lookup;

static void free_lookup(void *arg)
{
    lookup *l = arg;

    if (keel__sub(&l->refs, 1) == 1)
        keel_mem_free(l);
}

static keel_err *look_up(void *arg)
{
    lookup *l = arg;
    const struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list;
    char port[8];

    snprintf(port, sizeof port, "%u", l->target.port);
    int status = getaddrinfo(l->target.host, port, &wanted, &list);
    if (status != 0) {
        int code = errno;
        if (status == EAI_SYSTEM)
            return keel_err_from_errno(code, "look up '%s'", l->target.host);
        keel_err *why = status == EAI_MEMORY  ? KEEL_ERR_NOMEM
                        : status == EAI_AGAIN ? KEEL_ERR_BUSY
                        : status == EAI_FAIL  ? KEEL_ERR_IO
                                              : KEEL_ERR_NOT_FOUND;
        return keel_err_wrap(why, "look up '%s': %s", l->target.host, gai_strerror(status));
    }
    for (const struct addrinfo *each = list; each != NULL; each = each->ai_next)
        if (each->ai_family == AF_INET || each->ai_family == AF_INET6)
            add(&l->found, each->ai_addr, each->ai_addrlen);
    freeaddrinfo(list);
    return l->found.count > 0 ? NULL
                              : keel_err_wrap(KEEL_ERR_NOT_FOUND, "look up '%s'", l->target.host);
}

keel_err *keel__resolve(keel_ctx *ctx, keel__addresses *out, const keel__target *target,
                        bool listens)
{
    out->count = 0;
    if (resolve_at_once(out, target, listens))
        return NULL;
    lookup *l = keel_mem_calloc(1, sizeof *l);
    if (l == NULL)
        return KEEL_ERR_NOMEM;
    l->target = *target;
    keel__store(&l->refs, 2);
    keel_err *err = keel_offload_abandon(ctx, look_up, l, free_lookup);
    if (err == NULL)
        *out = l->found;
    free_lookup(l);
    return err;
}
