/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SIM_NET_H
#define KEEL_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/runtime.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * A network in memory: hosts that run tasks, links that take time and break, and connections, which
 * carry bytes both ways, in order, as TCP does. In a simulation (keel/sim.h) its latencies, short reads
 * and writes and faults are choices of the schedule: explored, minimised and replayed like any other.
 *
 *     keel_sim_net_new(&net, NULL);
 *     keel_sim_net_add_host(net, "db", NULL, &db);
 *     keel_sim_net_add_host(net, "app", NULL, &app);
 *     keel_sim_host_go(db, serve, db);      // keel_sim_host_listen(db, 5432, &listener) ...
 *     keel_sim_host_go(app, work, app);     // keel_sim_host_connect(ctx, app, "db", 5432, &conn) ...
 *     err = keel_sim_host_wait(app);
 *     keel_sim_net_free(net);
 *
 * It is only memory and timers, so it works on any runtime and clock: there, and in the plain run of a
 * simulation, every latency is the shortest, reads and writes are whole, and nothing breaks by itself.
 *
 * Threads: any, all functions, at once; the ..._free functions need the others finished.
 */
typedef struct keel_sim_net keel_sim_net;

/** A machine with a name, whose tasks and connections end when it is killed. Part of its network. */
typedef struct keel_sim_host keel_sim_host;

/** Where a host takes connections. */
typedef struct keel_sim_listener keel_sim_listener;

/** One end of a connection. One task may read while another writes. */
typedef struct keel_sim_conn keel_sim_conn;

/** What lies between two hosts, in one direction. */
typedef struct keel_sim_link_opts {
    /** How long anything is on its way: what is written, a connection being made, its end. The
     * schedule chooses among four values from the least to the most. A `max` below `min` is `min`. */
    int64_t min_latency_ns, max_latency_ns;
    /** Bytes a second that pass, of all connections together. A write arrives as a whole, after its
     * last byte has passed. 0: KEEL_UNLIMITED. */
    size_t bandwidth_bytes;
    /** The schedule may break the connection at any write, before or after delivering its bytes; the
     * writer gets KEEL_ERR_RESET either way. Also allowed by `faults` of keel_sim_opts. */
    bool resets;
    /** Reads and writes are never cut short: fewer schedules to explore. */
    bool no_short;
} keel_sim_link_opts;

typedef struct keel_sim_net_opts {
    /** Between any two hosts, until keel_sim_net_link says otherwise. A host reaches itself at once. */
    keel_sim_link_opts link;
    /** Bytes that a connection holds in each direction, on their way and unread together; then its
     * writer waits. 0: 16 KiB. */
    size_t buffer_bytes;
    /** Where its tasks and timers run. NULL: that of the calling task. */
    keel_runtime *runtime;
} keel_sim_net_opts;

/**
 * Makes a network.
 *
 * Errors: KEEL_ERR_NO_RUNTIME if there is none to be found; KEEL_ERR_INVAL for a negative latency;
 *         KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_sim_net_free, before its runtime stops.
 */
KEEL_NODISCARD keel_err *keel_sim_net_new(keel_sim_net **out, const keel_sim_net_opts *opts);

/**
 * Kills all hosts, waits until their tasks have ended, and frees the network and its hosts. Connections
 * and listeners that are left stay valid, broken, and are still to be freed. Accepts NULL. Not for a
 * task of one of the hosts: it would wait for itself, which is misuse.
 */
void keel_sim_net_free(keel_sim_net *net);

/* ---- Links ---- */

/**
 * Sets what lies between two hosts, in both directions; NULL for a host means every other. What is on
 * its way already is not changed. `one_way`: only from the first to the second.
 *
 * Errors: KEEL_ERR_INVAL for a negative latency.
 */
KEEL_NODISCARD keel_err *keel_sim_net_link(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b,
                                           const keel_sim_link_opts *opts);
KEEL_NODISCARD keel_err *keel_sim_net_link_one_way(keel_sim_net *net, keel_sim_host *from,
                                                   keel_sim_host *to,
                                                   const keel_sim_link_opts *opts);

/**
 * Lets nothing pass between two hosts; NULL means every other. Nobody is told: what is on its way
 * stays there, connecting and reading wait, writing goes on until the buffer is full.
 */
void keel_sim_net_partition(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b);
void keel_sim_net_partition_one_way(keel_sim_net *net, keel_sim_host *from, keel_sim_host *to);

/**
 * Undoes it, in both directions. What was held up is sent again: it arrives one latency (the least)
 * from now, or when it would have, whichever is later.
 */
void keel_sim_net_heal(keel_sim_net *net, keel_sim_host *a, keel_sim_host *b);

/* ---- Hosts ---- */

typedef struct keel_sim_host_opts {
    /** The host's first task, started with it and by keel_sim_host_restart. NULL: none. */
    keel_task_fn start;
    void *arg;          /**< Passed to it. */
    size_t stack_bytes; /**< Of each of its tasks. 0: the runtime's. */
} keel_sim_host_opts;

/**
 * Adds a host.
 *
 * Errors: KEEL_ERR_EXISTS if there is one of that name; KEEL_ERR_INVAL for a stack size out of range;
 *         KEEL_ERR_NOMEM.
 * Owns:   *out is the network's, until keel_sim_net_free. The name is copied.
 */
KEEL_NODISCARD keel_err *keel_sim_net_add_host(keel_sim_net *net, const char *name,
                                               const keel_sim_host_opts *opts, keel_sim_host **out);

/** Its name. Borrowed. */
const char *keel_sim_host_name(const keel_sim_host *host);

/**
 * Starts `fn(ctx, arg)` as a task of the host, with a context that ends when the host is killed, or
 * when one of its tasks fails.
 *
 * Errors: KEEL_ERR_CLOSED if the host was killed; KEEL_ERR_NOMEM. fn does not run then.
 */
#define keel_sim_host_go(host, fn, ...)                                                            \
    keel_sim_host_go_at((host), (fn), (__VA_ARGS__), #fn, KEEL_HERE)
KEEL_NODISCARD keel_err *keel_sim_host_go_at(keel_sim_host *host, keel_task_fn fn, void *arg,
                                             const char *name, const char *where);

/**
 * Kills the host as one kills a process: its tasks' contexts end, its listeners are closed, and its
 * connections break, all before this returns. Its peers learn of that one latency (the least) later.
 * Reads and writes under way on it fail with KEEL_ERR_RESET, and what it had not read is lost. Its tasks
 * go on until they notice, but reach nothing any more; it does not wait for them. Killing it twice does
 * nothing.
 */
void keel_sim_host_kill(keel_sim_host *host);

/**
 * Kills it if it lives, waits until its tasks have ended, and lets it live again, beginning with
 * its `start`. One at a time; not for its own tasks (misuse).
 *
 * Errors: KEEL_ERR_NOMEM; it then stays dead.
 */
KEEL_NODISCARD keel_err *keel_sim_host_restart(keel_sim_host *host);

/**
 * Waits until no task of the host runs, and returns the first error of those of its present life (once;
 * errors of tasks that were killed are dropped). Not for its own tasks (misuse).
 */
KEEL_NODISCARD keel_err *keel_sim_host_wait(keel_sim_host *host);

/* ---- Making connections ---- */

/**
 * Takes connections to a port of the host. Up to 128 wait to be accepted; more are refused.
 *
 * Errors: KEEL_ERR_BUSY if somebody listens there; KEEL_ERR_CLOSED if the host was killed;
 *         KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_sim_listener_free.
 */
KEEL_NODISCARD keel_err *keel_sim_host_listen(keel_sim_host *host, unsigned port,
                                              keel_sim_listener **out);

/**
 * Waits for the next connection.
 *
 * Errors: KEEL_ERR_CLOSED after keel_sim_listener_close, or when the host was killed; the context's.
 * Owns:   *out is yours, to be freed with keel_sim_conn_free.
 */
KEEL_NODISCARD keel_err *keel_sim_listener_accept(keel_ctx *ctx, keel_sim_listener *listener,
                                                  keel_sim_conn **out);

/** Takes no more: wakes who accepts, and breaks connections that nobody accepted. Twice is fine. */
void keel_sim_listener_close(keel_sim_listener *listener);

/** Closes it and frees it. Accepts NULL. */
void keel_sim_listener_free(keel_sim_listener *listener);

/**
 * Connects the host `from` to a port of the host named `to`. Takes the latency there and back.
 *
 * Errors: KEEL_ERR_NOT_FOUND if there is no such host; KEEL_ERR_REFUSED if nobody listens there;
 *         KEEL_ERR_CLOSED if `from` was killed before, KEEL_ERR_RESET if it was meanwhile;
 *         KEEL_ERR_NOMEM; the context's (and nothing else, in a partition).
 * Owns:   *out is yours, to be freed with keel_sim_conn_free.
 */
KEEL_NODISCARD keel_err *keel_sim_host_connect(keel_ctx *ctx, keel_sim_host *from, const char *to,
                                               unsigned port, keel_sim_conn **out);

/**
 * Makes a connection without hosts: what is written at one end is read at the other, `opts` lying
 * between them in both directions. With a latency or a bandwidth it needs the runtime of the
 * calling task; without, none at all.
 *
 * Errors: KEEL_ERR_NO_RUNTIME, KEEL_ERR_INVAL, KEEL_ERR_NOMEM.
 * Owns:   both ends are yours, each to be freed with keel_sim_conn_free, before that runtime stops.
 * Source: Go's net.Pipe, but buffered.
 */
KEEL_NODISCARD keel_err *keel_sim_net_pair(keel_sim_conn **a, keel_sim_conn **b,
                                           const keel_sim_net_opts *opts);

/* ---- Connections ---- */

/**
 * Waits for bytes and takes up to `size` of them. In a simulation it may take fewer than there are.
 * After the peer has closed, what it wrote can be read; then comes the end. A `size` of 0 does
 * not wait.
 *
 * Errors: KEEL_ERR_CLOSED at the end, as Go's io.EOF, or if this end was closed; KEEL_ERR_RESET if the
 *         connection broke, after what had arrived by then; the context's. *n is then 0, and nothing
 *         was taken.
 */
KEEL_NODISCARD keel_err *keel_sim_conn_read(keel_ctx *ctx, keel_sim_conn *conn, void *buf,
                                            size_t size, size_t *n);

/**
 * Waits for room and writes up to `size` bytes, at least one. It returns when they are on their way,
 * not when they have arrived. It also waits while 64 writes are on their way. In a simulation it may
 * write fewer than there is room for.
 *
 * Errors: KEEL_ERR_CLOSED after keel_sim_conn_close or keel_sim_conn_close_write of this end;
 *         KEEL_ERR_RESET if the connection broke: with `resets`, the bytes may have arrived all
 *         the same; the context's: nothing was written. *n is then 0.
 */
KEEL_NODISCARD keel_err *keel_sim_conn_write(keel_ctx *ctx, keel_sim_conn *conn, const void *data,
                                             size_t size, size_t *n);

/**
 * Reads until `size` bytes are there.
 *
 * Errors: as keel_sim_conn_read. KEEL_ERR_CLOSED only if the end came before the first byte; an end
 *         in the middle is KEEL_ERR_RESET. *n (may be NULL) is what was read.
 * Source: Go's io.ReadFull.
 */
KEEL_NODISCARD keel_err *keel_sim_conn_read_full(keel_ctx *ctx, keel_sim_conn *conn, void *buf,
                                                 size_t size, size_t *n);

/**
 * Writes all of it.
 *
 * Errors: as keel_sim_conn_write. If a part was written by then, the connection is broken with
 *         keel_sim_conn_reset, so that nobody takes the part for the whole.
 */
KEEL_NODISCARD keel_err *keel_sim_conn_write_all(keel_ctx *ctx, keel_sim_conn *conn,
                                                 const void *data, size_t size);

/** Writes no more: the peer gets what was written, then the end. This end can still read. */
void keel_sim_conn_close_write(keel_sim_conn *conn);

/**
 * Closes this end in both directions: who reads or writes here gets KEEL_ERR_CLOSED, and the peer what
 * was written, then the end. What the peer writes from now on is lost: its first write succeeds, and
 * the connection breaks under it when those bytes have arrived here. Twice is fine.
 */
void keel_sim_conn_close(keel_sim_conn *conn);

/** Breaks the connection: KEEL_ERR_RESET at this end now, at the other one latency later. */
void keel_sim_conn_reset(keel_sim_conn *conn);

/** Closes it and frees this end. Accepts NULL. */
void keel_sim_conn_free(keel_sim_conn *conn);

KEEL_END_DECLS

#endif /* KEEL_SIM_NET_H */
