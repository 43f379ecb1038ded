/* SPDX-License-Identifier: MIT */
#include "net/socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/uio.h>

#include <keel/duration.h>
#include <keel/mem.h>
#include <keel/task.h>

enum { PIECES = 64 };

/* The peer, or the place of a listener, for errors. Returns `buf`. */
static const char *describe(keel__slot *slot, char *buf, size_t size)
{
    if (!slot->tcp || keel__address_format(&slot->peer.any, sizeof slot->peer, buf, size) != NULL)
        keel_err_free(keel__socket_address(slot, false, buf, size));
    return buf;
}

static keel_err *failed(keel__slot *slot, int code, const char *what)
{
    char address[KEEL_STREAM_ADDRESS_BYTES] = "unix:";

    return keel_err_from_errno(code, "%s %s", what, describe(slot, address, sizeof address));
}

static bool would_block(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK;
}

/* ---- Reading and writing ---- */

keel_err *keel__socket_read(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                            void *buf, size_t size, size_t *got)
{
    for (;;) {
        ssize_t count = -1;
        int code = EAGAIN;

        if (!turn->drained) {
            count = recv(slot->fd, buf, size, 0);
            code = errno;
        }
        if (count >= 0) {
            *got = (size_t)count;
            turn->drained = slot->tcp && count > 0 && *got < size;
            return count > 0 ? NULL : KEEL_ERR_EOF;
        }
        turn->drained = false;
        if (would_block(code))
            KEEL_TRY(keel__slot_wait(ctx, slot, generation, turn, KEEL__NO_TIMEOUT));
        else if (code != EINTR)
            return failed(slot, code, "read from");
    }
}

/* What is left to write: from `offset` in the first of `count` pieces. */
typedef struct rest {
    const keel_str *pieces;
    size_t count, offset;
} rest;

/* Drops what was written, and pieces without bytes. */
static void advance(rest *left, size_t written)
{
    while (left->count > 0 && written >= left->pieces->len - left->offset) {
        written -= left->pieces->len - left->offset;
        left->pieces++;
        left->count--;
        left->offset = 0;
    }
    left->offset += written;
}

static ssize_t send_some(int fd, const rest *left)
{
    struct iovec vector[PIECES];
    size_t count = left->count < PIECES ? left->count : PIECES;

    for (size_t i = 0; i < count; i++) {
        const keel_str *piece = &left->pieces[i];
        size_t skip = i == 0 ? left->offset : 0;

        vector[i] = (struct iovec){ (void *)(uintptr_t)(piece->ptr + skip), piece->len - skip };
    }
    const struct msghdr message = { .msg_iov = vector, .msg_iovlen = count };
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

keel_err *keel__socket_write(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                             const keel_str *pieces, size_t count, bool *begun)
{
    rest left = { .pieces = pieces, .count = count };

    advance(&left, 0);
    while (left.count > 0) {
        ssize_t written = send_some(slot->fd, &left);
        int code = errno;

        if (written >= 0) {
            advance(&left, (size_t)written);
            *begun = true;
        } else if (would_block(code)) {
            KEEL_TRY(keel__slot_wait(ctx, slot, generation, turn, KEEL__NO_TIMEOUT));
        } else if (code != EINTR) {
            return failed(slot, code, "write to");
        }
    }
    return NULL;
}

keel_err *keel__socket_close_write(keel__slot *slot)
{
    if (shutdown(slot->fd, SHUT_WR) == 0)
        return NULL;
    return failed(slot, errno, "close for writing");
}

keel_err *keel__socket_address(keel__slot *slot, bool peer, char *buf, size_t size)
{
    keel__sockaddr address = { 0 };
    socklen_t length = sizeof address;

    if (peer && slot->tcp)
        return keel__address_format(&slot->peer.any, sizeof slot->peer, buf, size);
    int status = peer ? getpeername(slot->fd, &address.any, &length)
                      : getsockname(slot->fd, &address.any, &length);
    if (status != 0)
        return keel_err_from_errno(errno, "address of a stream");
    return keel__address_format(&address.any, length, buf, size);
}

/* ---- Making sockets ---- */

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value); /* what a system lacks is no error */
}

/* What is accepted inherits these from the listener. */
static void tune(int fd, bool tcp, const keel_stream_opts *opts)
{
    if (opts->send_buffer_bytes > 0)
        set(fd, SOL_SOCKET, SO_SNDBUF,
            opts->send_buffer_bytes < INT32_MAX ? (int)opts->send_buffer_bytes : INT32_MAX);
    if (opts->receive_buffer_bytes > 0)
        set(fd, SOL_SOCKET, SO_RCVBUF,
            opts->receive_buffer_bytes < INT32_MAX ? (int)opts->receive_buffer_bytes : INT32_MAX);
    if (!tcp)
        return;
    set(fd, IPPROTO_TCP, TCP_NODELAY, !opts->delay);
    if (opts->no_keepalive)
        return;
    int64_t alive_s = opts->keepalive_ns > 0 ? opts->keepalive_ns / 1000000000 : 15;
    int seconds = alive_s < 1 ? 1 : alive_s > 32767 ? 32767 : (int)alive_s;
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 9);
}

static int new_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* ---- Listening ---- */

/* The file of a socket that nobody listens at is in the way: what a program that was killed has left. */
static bool is_stale(const keel__sockaddr *address, socklen_t size)
{
    struct stat file;

    if (address->local.sun_path[0] == '\0' || lstat(address->local.sun_path, &file) != 0 ||
        !S_ISSOCK(file.st_mode))
        return false;
    int fd = new_socket(AF_UNIX);
    if (fd < 0)
        return false;
    bool stale = connect(fd, &address->any, size) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* A listening socket; or -1 and errno. */
static int listen_at(const keel__sockaddr *address, socklen_t size, const keel_listener_opts *opts)
{
    bool tcp = address->any.sa_family != AF_UNIX;
    unsigned backlog = opts->backlog != 0 ? opts->backlog : 1024;
    int fd = new_socket(address->any.sa_family);

    if (fd < 0)
        return -1;
    tune(fd, tcp, &opts->stream);
    if (tcp) {
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (opts->reuse_port)
            set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (address->any.sa_family == AF_INET6)
            set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    int status = bind(fd, &address->any, size);
    if (status != 0 && !tcp && errno == EADDRINUSE) {
        if (is_stale(address, size) && unlink(address->local.sun_path) == 0)
            status = bind(fd, &address->any, size);
        else
            errno = EADDRINUSE;
    }
    if (status == 0)
        status = listen(fd, backlog < INT32_MAX ? (int)backlog : INT32_MAX);
    if (status != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static keel_err *wrap_slot(keel__slot **out, keel__streams *home, keel__slot_kind kind, int fd,
                           const keel__sockaddr *address)
{
    *out = keel__slot_new(home, kind, fd);
    if (*out == NULL) {
        close(fd);
        return KEEL_ERR_NOMEM;
    }
    (*out)->tcp = address != NULL && address->any.sa_family != AF_UNIX;
    if ((*out)->tcp)
        memcpy(&(*out)->peer, &address->tcp, sizeof address->tcp);
    return NULL;
}

static keel_err *listen_locally(keel__slot **out, keel__streams *home, const keel__target *target,
                                const keel_listener_opts *opts)
{
    keel__sockaddr address;
    socklen_t size;
    char *name = NULL;

    KEEL_TRY(keel__address_local(&address, &size, target->host));
    if (address.local.sun_path[0] != '\0')
        KEEL_TRY(keel_str_dup(&name, keel_str_from(target->host)));
    int fd = listen_at(&address, size, opts);
    keel_err *err = fd < 0 ? keel_err_from_errno(errno, "listen at unix:%s", target->host)
                           : wrap_slot(out, home, KEEL__SLOT_SOCKET_LISTENER, fd, NULL);
    if (err != NULL)
        keel_mem_free(name);
    else
        (*out)->name = name;
    return err;
}

keel_err *keel__socket_listen(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                              const keel__target *target, const keel_listener_opts *opts)
{
    keel__addresses found;
    int fd = -1;
    size_t i = 0;

    if (target->local)
        return listen_locally(out, home, target, opts);
    KEEL_TRY(keel__resolve(ctx, &found, target, true));
    for (; fd < 0 && i < found.count; i++)
        fd = listen_at(&found.items[i], keel__address_size(&found.items[i]), opts);
    if (fd < 0)
        return keel_err_from_errno(errno, "listen at %s:%u", target->host, target->port);
    return wrap_slot(out, home, KEEL__SLOT_SOCKET_LISTENER, fd, &found.items[i - 1]);
}

/* ---- Accepting ---- */

/* Whether the next connection may be better: this one, or the network, has failed meanwhile. */
static bool passes(int code)
{
    switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
#ifdef ENONET
    case ENONET:
#endif
        return true;
    default:
        return false;
    }
}

static bool is_full(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

keel_err *keel__socket_accept(keel_ctx *ctx, keel__slot *slot, uint64_t generation,
                              keel__slot **out)
{
    int64_t pause_ns = KEEL_MS(5);

    for (;;) {
        keel__turn turn = keel__slot_turn(slot, KEEL__IN), never = keel__slot_turn(slot, KEEL__OUT);
        keel__sockaddr address;
        socklen_t size = sizeof address;
        int fd = accept4(slot->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int code = errno;
        keel_err *err = NULL;

        if (fd >= 0) {
            keel__slot_event(slot, true, false, false); /* there may be more, for another */
            return wrap_slot(out, slot->home, KEEL__SLOT_SOCKET, fd, slot->tcp ? &address : NULL);
        }
        if (would_block(code)) {
            err = keel__slot_wait(ctx, slot, generation, &turn, KEEL__NO_TIMEOUT);
        } else if (is_full(code)) {
            /* a listener has no events of this direction: only the time, the context and closing end it */
            err = keel__slot_wait(ctx, slot, generation, &never, pause_ns);
            if (err == KEEL_ERR_TIMEOUT)
                err = NULL;
            pause_ns = pause_ns * 2 < KEEL_S(1) ? pause_ns * 2 : KEEL_S(1);
        } else if (!passes(code)) {
            err = failed(slot, code, "accept at");
        }
        if (err != NULL)
            return err;
    }
}

/* ---- Connecting ---- */

static keel_err *could_not(int code, const keel__sockaddr *address, socklen_t size)
{
    char text[KEEL_STREAM_ADDRESS_BYTES] = "?";

    keel_err_free(keel__address_format(&address->any, size, text, sizeof text));
    return keel_err_from_errno(code, "connect to %s", text);
}

/* How a connection under way stands: 0, EINPROGRESS, or why it failed. */
static int progress(int fd)
{
    keel__sockaddr peer;
    socklen_t size = sizeof peer, code_size = sizeof(int);
    int code = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &code_size) != 0)
        return errno;
    if (code != 0 || getpeername(fd, &peer.any, &size) == 0)
        return code;
    return errno == ENOTCONN ? EINPROGRESS : errno;
}

/* Waits until the slot's socket is connected; timeout_ns is for all of it. */
static keel_err *connect_slot(keel_ctx *ctx, keel__slot *slot, uint64_t generation,
                              const keel__sockaddr *address, socklen_t size, int64_t timeout_ns)
{
    const int64_t start_ns = keel_ctx_now(ctx);
    int64_t pause_ns = KEEL_MS(1);
    keel__turn turn = keel__slot_turn(slot, KEEL__OUT);
    int code = connect(slot->fd, &address->any, size) == 0 ? 0 : errno;

    while (code == EAGAIN &&
           !slot->tcp) { /* the backlog is full, and nothing will tell when it is not */
        KEEL_TRY(keel_sleep(ctx, pause_ns));
        pause_ns = pause_ns * 2 < KEEL_MS(100) ? pause_ns * 2 : KEEL_MS(100);
        code = connect(slot->fd, &address->any, size) == 0 ? 0 : errno;
    }
    while (code == EINPROGRESS || code == EINTR) {
        int64_t left_ns = KEEL__NO_TIMEOUT;

        if (timeout_ns != KEEL__NO_TIMEOUT)
            left_ns = timeout_ns - (keel_ctx_now(ctx) - start_ns);
        keel_err *err =
            left_ns > 0 ? keel__slot_wait(ctx, slot, generation, &turn, left_ns) : KEEL_ERR_TIMEOUT;
        if (err == KEEL_ERR_TIMEOUT)
            return could_not(ETIMEDOUT, address, size);
        if (err != NULL)
            return err;
        code = progress(slot->fd);
    }
    return code == 0 ? NULL : could_not(code, address, size);
}

static keel_err *connect_to(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                            const keel__sockaddr *address, socklen_t size,
                            const keel_stream_opts *opts, int64_t timeout_ns)
{
    int fd = new_socket(address->any.sa_family);
    keel__slot *slot;

    if (fd < 0)
        return could_not(errno, address, size);
    tune(fd, address->any.sa_family != AF_UNIX, opts);
    KEEL_TRY(wrap_slot(&slot, home, KEEL__SLOT_SOCKET, fd, address));
    keel_err *err = connect_slot(ctx, slot, slot->generation, address, size, timeout_ns);
    if (err != NULL)
        keel__slot_close(slot, slot->generation, false);
    else
        *out = slot;
    return err;
}

/* How long an address may take when `more` others wait for their turn. */
static int64_t share_ns(keel_ctx *ctx, size_t more)
{
    int64_t deadline_ns;

    if (more == 0)
        return KEEL__NO_TIMEOUT;
    if (!keel_ctx_deadline(ctx, &deadline_ns))
        return KEEL_S(5);
    return (deadline_ns - keel_ctx_now(ctx)) / (int64_t)(more + 1);
}

keel_err *keel__socket_connect(keel_ctx *ctx, keel__slot **out, keel__streams *home,
                               const keel__target *target, const keel_stream_opts *opts)
{
    keel__addresses found;
    keel__sockaddr address;
    socklen_t size;
    keel_err *err = NULL;

    if (target->local) {
        KEEL_TRY(keel__address_local(&address, &size, target->host));
        return connect_to(ctx, out, home, &address, size, opts, KEEL__NO_TIMEOUT);
    }
    KEEL_TRY(keel__resolve(ctx, &found, target, false));
    for (size_t i = 0; i < found.count; i++) {
        keel_err_free(err);
        err = connect_to(ctx, out, home, &found.items[i], keel__address_size(&found.items[i]), opts,
                         share_ns(ctx, found.count - 1 - i));
        if (err == NULL || keel__ctx_err(ctx) != NULL)
            break;
    }
    return err;
}
