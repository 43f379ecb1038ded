/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_NET_H
#define KEEL_SRC_TASK_SIM_NET_H

/* The simulated network's parts: sim_net.c has hosts, links and what goes wrong with them,
 * sim_net_wire.c carries things from one end of a connection to the other, sim_net_stream.c is what
 * users do with connections.
 *
 * A connection is two *pipes*, one for each direction. What an end sends is an *event* in its pipe's
 * flight: a connection being opened, bytes, the end, a reset. Each has a time of arrival, never
 * before that of the event ahead of it; a timer delivers the first when it is due. The bytes
 * themselves lie in the pipe's ring, where three counters that only ever grow divide them:
 *
 *         taken          arrived           written
 *     -----+----------------+-----------------+----------
 *     free |  can be read   |  on their way   |  free           written - taken <= room
 *
 * One lock guards a whole network, so that killing a host or healing a link is one step. Choices of
 * the schedule are made before it is taken. */

#include <stdbool.h>
#include <stdint.h>

#include <keel/sim_net.h>

#include "base/list.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/park.h"
#include "task/timer.h"

typedef struct keel__net_link {
    keel_sim_link_opts opts;
    bool cut;              /* nothing passes */
    int64_t busy_until_ns; /* when the last byte of what was sent has passed */
} keel__net_link;

enum { KEEL__NET_FLIGHT = 64, KEEL__NET_BACKLOG = 128, KEEL__NET_LATENCIES = 4 };

typedef enum keel__net_kind {
    KEEL__NET_OPEN, /* from the connecting end */
    KEEL__NET_ACCEPTED,
    KEEL__NET_REFUSED,
    KEEL__NET_DATA,
    KEEL__NET_END,
    KEEL__NET_RESET
} keel__net_kind;

typedef struct keel__net_event {
    keel__net_kind kind;
    uint64_t upto; /* of KEEL__NET_DATA: what `arrived` is then */
    int64_t arrival_ns;
} keel__net_event;

typedef struct keel__net_pipe {
    struct keel__net_pair *pair;
    keel__net_link *link;
    unsigned char *ring; /* of pair->room bytes */
    uint64_t taken, arrived, written;
    /* room for control events is kept, so that only data ever has to wait */
    keel__net_event events[KEEL__NET_FLIGHT + 4];
    unsigned first, flight;
    int64_t last_ns; /* the latest arrival: nothing overtakes it */
    bool ended;      /* the end has arrived */
    keel__waitq readers, writers;
    keel__timer timer;
    bool armed; /* then it holds a reference */
} keel__net_pipe;

/* One end. It writes pipe `side` of its pair, and reads the other one. */
struct keel_sim_conn {
    struct keel__net_pair *pair;
    unsigned side;
    keel_sim_host *host; /* NULL: of a pair without hosts */
    keel__link backlog;  /* in its listener, until it is accepted */
    bool held;           /* by a user, or a listener */
    bool opened, refused;
    bool closed;       /* by its user */
    bool write_closed; /* it has sent its end */
    bool broken;       /* it sends and gets nothing any more */
    bool discards;     /* nor is what had arrived of any use: its host is dead */
    bool reset_sent;
};

typedef struct keel__net_pair {
    keel_sim_net *net;
    keel__link link; /* in net->pairs */
    size_t refs;     /* of held ends and armed timers */
    size_t room;
    keel_sim_host *to; /* where its first end wants to go */
    unsigned port;
    unsigned answer_late; /* the latency of the answer, chosen by who connects */
    keel__net_link own_links[2];
    keel_sim_conn ends[2];
    keel__net_pipe pipes[2];
    unsigned char rings[];
} keel__net_pair;

struct keel_sim_listener {
    keel_sim_net *net;
    keel_sim_host *host;
    unsigned port;
    keel__link link; /* in host->listeners, unless closed */
    bool closed;
    keel__list backlog; /* ends that nobody has accepted */
    size_t backlog_count;
    keel__waitq acceptors;
};

struct keel_sim_host {
    keel_sim_net *net;
    keel__link link; /* in net->hosts */
    size_t index;
    keel_sim_host_opts opts;
    bool alive, restarting;
    keel_ctx *ctx;  /* of its present life */
    size_t running; /* tasks */
    keel_err *err;
    keel__waitq idle; /* who waits for `running` to be 0, or a restart to be over */
    keel__list listeners;
    /* from and to the hosts before it, by their index, then itself: [2i] from host i, [2i + 1] to it */
    keel__net_link *links;
    char name[];
};

struct keel_sim_net {
    keel_runtime *rt; /* NULL: a pair that needs no time */
    keel_sim_net_opts opts;
    keel__spin lock; /* guards everything in the network that changes */
    size_t refs;     /* of the user, pairs and listeners */
    size_t host_count;
    keel__list hosts;
    keel__list pairs;
};

/* What is left to do when the lock is free again. */
typedef struct keel__net_todo {
    keel__waitq woken; /* waiters that were claimed */
    keel__list gone;   /* pairs without references */
    bool net_gone;
} keel__net_todo;

/* Unlocks the network and does it. The network may then be gone. */
void keel__net_unlock(keel_sim_net *net, keel__net_todo *todo);

/* The rest is to be called under the lock. */

void keel__net_wake(keel__waitq *queue, keel__net_todo *todo);
void keel__net_unref(keel_sim_net *net, keel__net_todo *todo);
keel_sim_host *keel__net_find_host(keel_sim_net *net, const char *name);
keel__net_link *keel__net_link_between(keel_sim_host *from, keel_sim_host *to);

/* Sends from an end; `late` of KEEL__NET_LATENCIES chooses the latency. */
void keel__net_send(keel_sim_conn *from, keel__net_kind kind, size_t bytes, unsigned late,
                    keel__net_todo *todo);

/* Delivers what is due in the pipe that an end writes, and sees to the rest. */
void keel__net_deliver(keel_sim_conn *from, keel__net_todo *todo);

/* What an end has on its way was held up until now: sends it again. */
void keel__net_resend(keel_sim_conn *from, keel__net_todo *todo);

/* Breaks a connection at one end, which tells the other. */
void keel__net_break(keel_sim_conn *conn, keel__net_todo *todo);

/* An end is held no more: closes it. */
void keel__net_drop(keel_sim_conn *conn, keel__net_todo *todo);
void keel__net_close(keel_sim_conn *conn, unsigned late, keel__net_todo *todo);

/* A listener takes no more. */
void keel__net_stop_listening(keel_sim_listener *listener, keel__net_todo *todo);

/* ---- Without the lock ---- */

/* The host whose task has made this context, or an ancestor of it; or NULL. */
keel_sim_host *keel__net_host_of(keel_ctx *ctx);

/* Waits until reading from a connection would not wait. Errors: the context's. */
keel_err *keel__net_wait_readable(keel_ctx *ctx, keel_sim_conn *conn);

/* A network; one that needs no runtime takes no time either. */
keel_err *keel__net_make(keel_sim_net **out, const keel_sim_net_opts *opts, bool needs_runtime);
bool keel__net_link_valid(const keel_sim_link_opts *opts);

static inline uint64_t keel__net_choose(uint64_t count)
{
    return keel__sim() != NULL ? keel__sim()->choose(count) : 0;
}

/* Chooses among the latencies of a link, if there are several. */
static inline unsigned keel__net_choose_late(const keel__net_link *link)
{
    if (keel__sim() == NULL || link->opts.max_latency_ns <= link->opts.min_latency_ns)
        return 0;
    return (unsigned)keel__net_choose(KEEL__NET_LATENCIES);
}

#endif /* KEEL_SRC_TASK_SIM_NET_H */
