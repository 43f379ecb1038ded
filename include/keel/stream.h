/* SPDX-License-Identifier: MIT */
#ifndef KEEL_STREAM_H
#define KEEL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/group.h>
#include <keel/io.h>
#include <keel/runtime.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * Streams: connections over TCP, Unix sockets or memory, and listeners, which accept them.
 *
 *     keel_stream stream;
 *     KEEL_TRY(keel_stream_connect(ctx, &stream, "localhost:7000", NULL));
 *     keel_err *err = keel_stream_write(ctx, stream, "hello\n", 6);
 *     ...
 *     keel_stream_close(stream);
 *
 * A stream is a handle, to be copied and passed by value; so is a listener. It is valid from the call that made it
 * until keel_stream_close, by whichever copy: every later use of any copy is KEEL_ERR_CLOSED, and never
 * touches a connection that was made since. A zeroed handle is closed. Handles are dead weight once their
 * runtime has stopped: do not use them then. What is open then is closed with it.
 *
 * One may read while another writes. Two readers at once, or two writers, are an error, KEEL_ERR_BUSY, for the
 * second. Whoever waits is woken by keel_stream_close and gets KEEL_ERR_CLOSED.
 *
 * Addresses are texts: `host:port` with a name, an IPv4 or IPv6 address (`[::1]:80`); without a host
 * (`:80`) a listener takes connections to any address of the machine, and a connection goes to this machine.
 * `unix:PATH` is a Unix socket; on Linux `unix:@NAME` one without a file. In a task of a simulated host
 * (keel/sim_net.h), or one whose context comes from such a task, `host:port` means hosts of that network:
 * the same code runs there. A simulation has no other network.
 *
 * Errors name the address. KEEL_ERR_RESET means that the peer has broken the connection, or is gone; no call
 * raises SIGPIPE. Contexts are the only timeouts.
 *
 * What is ready goes on at once; a task whose streams are always ready lets others run every 64 calls.
 * Waiting needs a descriptor for each worker that does, besides that of each stream.
 *
 * Runtime: needed, that of the context or of the calling task; else KEEL_ERR_NO_RUNTIME. Plain threads may
 *          use streams like tasks.
 * Threads: any, all functions, at once. A stream's events come to the worker where somebody first waited for it:
 *          a task that stays with its stream waits at the least cost.
 * Source:  Go's package net.
 */
typedef struct keel_stream {
    struct keel__slot *keel__slot;
    uint64_t keel__generation;
} keel_stream;

typedef struct keel_listener {
    struct keel__slot *keel__slot;
    uint64_t keel__generation;
} keel_listener;

typedef struct keel_stream_opts {
    /** Let the kernel hold back small writes for an answer to earlier ones (Nagle); else they go at once. */
    bool delay;
    /** When nothing has come for so long, ask whether the peer is there, then every so often, 9 times at
     * most; in whole seconds. Without an answer the connection ends with KEEL_ERR_TIMEOUT. 0: 15 s. */
    int64_t keepalive_ns;
    bool no_keepalive;
    /** Of the kernel's buffers; it may take other sizes, twice as much for instance. 0: the system's. */
    size_t send_buffer_bytes, receive_buffer_bytes;
} keel_stream_opts;

typedef struct keel_listener_opts {
    /** Connections that wait to be accepted, as far as the system allows. 0: 1024. */
    unsigned backlog;
    /** Several listeners may take this port (SO_REUSEPORT); the kernel spreads connections over them. */
    bool reuse_port;
    keel_stream_opts stream; /**< Of what is accepted. */
} keel_listener_opts;

/* ---- Listening ---- */

/**
 * Takes connections to an address; a name means the first of its addresses where that is possible. Port 0 is a free one: ask
 * keel_listener_address. The file of a Unix socket is removed when the listener closes; one that nobody
 * listens at any more is replaced.
 *
 * Errors: KEEL_ERR_INVAL for a text that is no address; KEEL_ERR_BUSY if somebody listens there;
 *         KEEL_ERR_NOT_FOUND for a name; KEEL_ERR_PERMISSION; KEEL_ERR_LIMIT without a descriptor;
 *         KEEL_ERR_NO_RUNTIME; KEEL_ERR_NOMEM; the context's.
 * Owns:   *out is yours, to be closed with keel_listener_close.
 */
KEEL_NODISCARD keel_err *keel_listener_open(keel_ctx *ctx, keel_listener *out, const char *address,
                                            const keel_listener_opts *opts);

/**
 * Waits for the next connection. Several may wait at once.
 *
 * When the process or the system has no descriptor left, or no memory for sockets, it waits too, looking again
 * after 5 ms, and then ever more rarely, up to 1 s, until there is: the connection stays in the backlog.
 *
 * Errors: KEEL_ERR_CLOSED after keel_listener_close; KEEL_ERR_NOMEM; the context's.
 * Owns:   *out is yours, to be closed with keel_stream_close.
 */
KEEL_NODISCARD keel_err *keel_listener_accept(keel_ctx *ctx, keel_listener listener,
                                              keel_stream *out);

/** Takes no more; who waits gets KEEL_ERR_CLOSED; connections that nobody accepted are reset. Twice is fine. */
void keel_listener_close(keel_listener listener);

/** Room for the text of any address. */
#define KEEL_STREAM_ADDRESS_BYTES 160

/** Where it listens, with its port, as text. Errors: KEEL_ERR_CLOSED; KEEL_ERR_RANGE if it does not fit. */
KEEL_NODISCARD keel_err *keel_listener_address(keel_listener listener, char *buf, size_t size);

/* ---- Connecting ---- */

/**
 * Connects. The addresses of a name are tried in turn: with a deadline each gets an equal share of the time
 * that is left, without one 5 s, but the last. Names are looked up on the runtime's threads for blocking calls (keel_offload).
 *
 * Errors: KEEL_ERR_INVAL for a text that is no address; KEEL_ERR_NOT_FOUND for a name; of the last
 *         address tried: KEEL_ERR_REFUSED, KEEL_ERR_UNREACHABLE, KEEL_ERR_TIMEOUT and what else the
 *         system says; KEEL_ERR_LIMIT without a descriptor; KEEL_ERR_NO_RUNTIME; KEEL_ERR_NOMEM; the
 *         context's. On a plain thread a name is looked up in place, where the context cannot stop it.
 * Owns:   *out is yours, to be closed with keel_stream_close.
 */
KEEL_NODISCARD keel_err *keel_stream_connect(keel_ctx *ctx, keel_stream *out, const char *address,
                                             const keel_stream_opts *opts);

typedef struct keel_stream_pair_opts {
    size_t buffer_bytes;   /**< Held in each direction; then who writes waits. 0: 16 KiB. */
    keel_runtime *runtime; /**< NULL: that of the calling task. */
} keel_stream_pair_opts;

/**
 * Makes two ends of a connection in memory. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_NO_RUNTIME, KEEL_ERR_NOMEM.
 * Owns:   both are yours, to be closed with keel_stream_close.
 */
KEEL_NODISCARD keel_err *keel_stream_pair(keel_stream *a, keel_stream *b,
                                          const keel_stream_pair_opts *opts);

/* ---- Using a connection ---- */

/**
 * Waits until there is something, and reads at most `size` bytes: *got is how many, at least 1. A size of 0
 * does not wait.
 *
 * Errors: KEEL_ERR_EOF at the end, when the peer will send no more; KEEL_ERR_RESET; KEEL_ERR_TIMEOUT;
 *         KEEL_ERR_CLOSED; KEEL_ERR_BUSY if another reads; the context's: nothing is lost then. *got
 *         is 0.
 */
KEEL_NODISCARD keel_err *keel_stream_read(keel_ctx *ctx, keel_stream stream, void *buf, size_t size,
                                          size_t *got);

/**
 * Writes all of it, waiting while the peer does not read. It returns when the kernel has the bytes, not when
 * the peer has.
 *
 * Errors: KEEL_ERR_RESET; KEEL_ERR_CLOSED, also after keel_stream_close_write; KEEL_ERR_BUSY if
 *         another writes; the context's. If it had ended already, nothing is written; if some of the bytes
 *         were by then, the stream is closed and the peer gets a reset, lest it take a part for the whole.
 */
KEEL_NODISCARD keel_err *keel_stream_write(keel_ctx *ctx, keel_stream stream, const void *bytes,
                                           size_t size);

/** The same for several pieces, with as few calls of the system as it takes. */
KEEL_NODISCARD keel_err *keel_stream_writev(keel_ctx *ctx, keel_stream stream,
                                            const keel_str *pieces, size_t count);

/** Writes no more: the peer reads what was written, then the end. Reading goes on. Twice is fine.
 * Errors: KEEL_ERR_CLOSED, also if the connection is broken; KEEL_ERR_BUSY while somebody writes. */
KEEL_NODISCARD keel_err *keel_stream_close_write(keel_stream stream);

/**
 * Closes the stream: who waits gets KEEL_ERR_CLOSED. What was written goes on its way. But where the peer had
 * sent what was never read, TCP resets the connection, and the peer may lose the end of what it was to
 * read: to be sure, keel_stream_close_write, read to the end, then close. Never waits; twice is fine.
 */
void keel_stream_close(keel_stream stream);

/** Closes it, and breaks the connection: the peer gets KEEL_ERR_RESET. On a Unix socket: the end. */
void keel_stream_reset(keel_stream stream);

/** Says whether it is open at this end; the peer may have gone. */
bool keel_stream_is_open(keel_stream stream);

/** This end's address, and the peer's, as text: `127.0.0.1:80`, `unix:/run/a`; `unix:` and `pair` for ends
 * without a name. Errors: KEEL_ERR_CLOSED, also where the connection is broken; KEEL_ERR_RANGE if it does not
 * fit. */
KEEL_NODISCARD keel_err *keel_stream_local(keel_stream stream, char *buf, size_t size);
KEEL_NODISCARD keel_err *keel_stream_peer(keel_stream stream, char *buf, size_t size);

/** Interfaces to the stream (keel/io.h). They point to the handle, which must outlive them. */
keel_reader keel_stream_reader(const keel_stream *stream);
keel_writer keel_stream_writer(const keel_stream *stream);
keel_closer keel_stream_closer(const keel_stream *stream);
keel_read_write_closer keel_stream_all(const keel_stream *stream);

/* ---- Without a task ---- */

/** What is done with a connection. */
typedef keel_err *(*keel_stream_fn)(keel_ctx *ctx, keel_stream stream, void *arg);

/**
 * Has `fn(ctx, stream, arg)` run as a task of `group`, with the group's context, when there is something to
 * read: bytes, the end, an error. Until then the stream has neither a stack nor a task that runs, but some 600
 * bytes (a pair, and a simulated connection, have a task that waits). fn also runs when the stream is closed
 * or the group's context ends, so that it can release what `arg` holds. It counts as a task of the group
 * from now on, whatever the group's limit is, and reading meanwhile is KEEL_ERR_BUSY.
 *
 * Without a stack for the task fn does not run: the stream is closed, and the group fails.
 *
 * Errors: KEEL_ERR_CLOSED; KEEL_ERR_BUSY if another reads; KEEL_ERR_LIMIT without a descriptor;
 *         KEEL_ERR_NOMEM. fn does not run then.
 */
#define keel_stream_when_readable(group, stream, fn, arg)                                          \
    keel_stream_when_readable_at((group), (stream), (fn), (arg), #fn, KEEL_HERE)
KEEL_NODISCARD keel_err *keel_stream_when_readable_at(keel_group *group, keel_stream stream,
                                                      keel_stream_fn fn, void *arg,
                                                      const char *name, const char *where);

/* ---- A server ---- */

typedef struct keel_serve_opts {
    /** At once; then no more are accepted until one ends. 0: 10,000. At most 1,000,000. */
    size_t max_connections;
    /** How long connections may go on after ctx has ended; then their contexts end. 0: not at all. */
    int64_t drain_ns;
    size_t stack_bytes; /**< Of each task. 0: 256 KiB. */
    /** Leaves the stream open when fn returns: fn has closed it or handed it on. */
    bool keep_open;
    /** Is told of fn's errors; runs in fn's task. NULL: they are dropped. */
    void (*failed)(const keel_err *err, void *arg);
} keel_serve_opts;

/**
 * Accepts connections and runs `fn(ctx, stream, arg)` for each, as a task of its own; the tasks go round the
 * workers. When fn returns, its stream is closed; its error ends nothing else. Returns once ctx has ended
 * or the listener was closed, and every fn has returned. The listener is closed then. `opts` may be NULL.
 *
 * Errors: those of keel_listener_accept but KEEL_ERR_CLOSED; NULL when ctx ended; KEEL_ERR_INVAL for a
 *         stack size out of range; KEEL_ERR_NO_RUNTIME.
 */
KEEL_NODISCARD keel_err *keel_listener_serve(keel_ctx *ctx, keel_listener listener,
                                             keel_stream_fn fn, void *arg,
                                             const keel_serve_opts *opts);

KEEL_END_DECLS

#endif /* KEEL_STREAM_H */
