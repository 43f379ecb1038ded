/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_NET_SLOT_H
#define KEEL_SRC_NET_SLOT_H

/* What is behind a handle. A *slot* is one stream or listener; a handle is the slot and its generation, which
 * closing counts up, so that no copy of a handle ever means a later stream. Slots stay mapped until the
 * runtime stops, which is why any handle may be looked at.
 *
 * An operation *pins* the slot: the descriptor is closed and the slot free again when it is closed and the last
 * pin is gone. So no call of the system meets a descriptor that is somebody else's by now. Whoever waits
 * meanwhile was woken by closing.
 *
 * The descriptors of sockets never block. Reading and writing happen on the caller's stack; when there is nothing
 * to do, the caller waits for the next *event*. A slot is made known to the poller of the worker where
 * somebody waits first, once, for edges in both directions; each edge counts up `events` and wakes a waiter. The
 * count is taken before the call of the system that finds nothing, and compared under the lock before
 * waiting, so that an edge in between is not lost. An edge too many is harmless: so an event for a slot that
 * is another stream by now needs no care.
 *
 * A read of TCP that gives less than was asked for has taken all there is: the next can wait for an event
 * without asking the kernel first, if none has come since (`drained`). But the end, an error or urgent data
 * may stand behind what was read, with no further event to come: `unsure` remembers that one of them was seen. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include <keel/sim_net.h>
#include <keel/stream.h>

#include "base/spin.h"
#include "task/park.h"
#include "task/worker.h"

typedef enum keel__direction { KEEL__IN, KEEL__OUT } keel__direction;

/* The events of one worker's sockets. */
typedef struct keel__poller {
    keel__worker *worker;
    keel__a32 started;
    int fd;
    uv_poll_t handle;
} keel__poller;

typedef enum keel__slot_kind {
    KEEL__SLOT_FREE,
    KEEL__SLOT_SOCKET,
    KEEL__SLOT_CONN, /* of a simulated network, or a pair */
    KEEL__SLOT_SOCKET_LISTENER,
    KEEL__SLOT_SIM_LISTENER
} keel__slot_kind;

/* The address of a TCP socket. */
typedef union keel__peer {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} keel__peer;

typedef struct keel__slot {
    struct keel__streams *home;
    struct keel__slot *next; /* free */
    keel__slot_kind kind;
    int fd;
    union {
        keel_sim_conn *conn;
        keel_sim_listener *listener;
    } sim;
    keel__peer peer; /* the peer's, or the listener's */
    char *name;      /* what a Unix listener's file, or a simulated peer, is called */
    bool tcp;

    keel__spin lock; /* guards what follows */
    bool closed, reset, unsure, ended_write;
    bool busy[2];
    uint16_t streak; /* operations since one had to wait */
    uint32_t pins;
    uint32_t events[2];
    uint32_t drained; /* what events[KEEL__IN] was when nothing was left */
    bool is_drained;
    uint64_t generation;
    keel__poller *poller;
    keel__waitq waiters[2];
} keel__slot;

enum { KEEL__SLAB_SLOTS = 64, KEEL__STREAK = 64 };

typedef struct keel__slab {
    struct keel__slab *next;
    keel__slot slots[KEEL__SLAB_SLOTS];
} keel__slab;

/* All streams of a runtime. */
typedef struct keel__streams {
    keel__extra extra;
    keel_runtime *rt;
    keel__spin lock; /* guards the next two */
    keel__slot *free;
    keel__slab *slabs;
    keel__poller pollers[];
} keel__streams;

/* The runtime's streams; `rt` NULL: that of the context or of the caller. */
keel_err *keel__streams_of(keel__streams **out, keel_ctx *ctx, keel_runtime *rt);

/* A slot that is open. NULL without memory. */
keel__slot *keel__slot_new(keel__streams *home, keel__slot_kind kind, int fd);

/* One operation of one direction. */
typedef struct keel__turn {
    keel__direction direction;
    uint32_t seen; /* events */
    bool drained;  /* nothing can be there before the next event */
} keel__turn;

/* Begins one. Errors: KEEL_ERR_CLOSED, KEEL_ERR_BUSY; static ones. */
keel_err *keel__slot_begin(keel__slot *slot, uint64_t generation, keel__direction direction,
                           keel__turn *turn);
void keel__slot_end(keel__slot *slot, const keel__turn *turn);

/* The same for what goes beside reading and writing: accepting, asking. */
keel_err *keel__slot_pin(keel__slot *slot, uint64_t generation);
void keel__slot_unpin(keel__slot *slot);

bool keel__slot_is_open(keel__slot *slot, uint64_t generation);

/* Closes; nothing happens if that handle is closed. */
void keel__slot_close(keel__slot *slot, uint64_t generation, bool reset);

/* An operation that needs no turn of its own: accepting, connecting. */
keel__turn keel__slot_turn(keel__slot *slot, keel__direction direction);

/* Waits until there was an event since turn->seen, which becomes the present number. The slot is pinned.
 * Errors: KEEL_ERR_CLOSED, the context's, KEEL_ERR_TIMEOUT, what prevents waiting. */
keel_err *keel__slot_wait(keel_ctx *ctx, keel__slot *slot, uint64_t generation, keel__turn *turn,
                          int64_t timeout_ns);

/* Nothing more is written. */
void keel__slot_no_more(keel__slot *slot);

/* Makes the slot known to a poller. Without a lock. */
keel_err *keel__slot_watch(keel__slot *slot);

/* A poller that is there, the calling worker's if it can be. */
keel_err *keel__poller_get(keel__poller **out, keel__streams *streams);
keel_err *keel__poller_add(keel__poller *poller, keel__slot *slot);
/* Its worker's thread has ended. */
void keel__poller_stop(keel__poller *poller);

/* Something has happened. */
void keel__slot_event(keel__slot *slot, bool in, bool out, bool unsure);

#endif /* KEEL_SRC_NET_SLOT_H */
