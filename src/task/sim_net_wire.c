/* SPDX-License-Identifier: MIT */
#include "task/sim_net.h"

#include <keel/mem.h>

#include "task/clock.h"
#include "task/worker.h"

void keel__net_wake(keel__waitq *queue, keel__net_todo *todo)
{
    keel__waiter *waiter;

    while ((waiter = keel__waitq_claim(queue)) != NULL)
        keel__waitq_collect(&todo->woken, waiter);
}

/* ---- References ---- */

void keel__net_unref(keel_sim_net *net, keel__net_todo *todo)
{
    if (--net->refs == 0)
        todo->net_gone = true;
}

static void unref_pair(keel__net_pair *pair, keel__net_todo *todo)
{
    if (--pair->refs > 0)
        return;
    keel__list_remove(&pair->net->pairs, &pair->link);
    keel__list_push(&todo->gone, &pair->link);
    keel__net_unref(pair->net, todo);
}

void keel__net_unlock(keel_sim_net *net, keel__net_todo *todo)
{
    keel__link *link;

    keel__spin_unlock(&net->lock);
    keel__unpark_all(todo->woken.first);
    while ((link = keel__list_pop(&todo->gone)) != NULL)
        keel_mem_free(keel__container(link, keel__net_pair, link));
    if (!todo->net_gone)
        return;
    while ((link = keel__list_pop(&net->hosts)) != NULL) {
        keel_sim_host *host = keel__container(link, keel_sim_host, link);

        keel_mem_free(host->links);
        keel_mem_free(host);
    }
    keel_mem_free(net);
}

/* ---- Time ---- */

static int64_t now_of(const keel_sim_net *net)
{
    return net->rt != NULL ? keel_clock_now(net->rt->clock) : 0;
}

static int64_t latency(const keel__net_link *link, unsigned late)
{
    int64_t min_ns = link->opts.min_latency_ns, max_ns = link->opts.max_latency_ns;

    if (late == KEEL__NET_LATENCIES - 1)
        return max_ns;
    return late == 0 ? min_ns : min_ns + (max_ns - min_ns) / (KEEL__NET_LATENCIES - 1) * late;
}

/* How long bytes take to pass a link. A buffer, and so `bytes`, is at most 2^30: no overflow. */
static int64_t transmission(const keel__net_link *link, size_t bytes)
{
    uint64_t bandwidth = link->opts.bandwidth_bytes;

    if (bandwidth == 0 || link->opts.bandwidth_bytes == KEEL_UNLIMITED)
        return 0;
    return (int64_t)(bytes / bandwidth * 1000000000u + bytes % bandwidth * 1000000000u / bandwidth);
}

/* ---- Timers ---- */

static void fire(keel__timer *timer)
{
    keel__net_pipe *pipe = keel__container(timer, keel__net_pipe, timer);
    keel__net_pair *pair = pipe->pair;
    keel_sim_net *net = pair->net;
    keel__net_todo todo = { 0 };

    keel__spin_lock(&net->lock);
    pipe->armed = false;
    keel__net_deliver(&pair->ends[pipe - pair->pipes], &todo);
    unref_pair(pair, &todo);
    keel__net_unlock(net, &todo);
}

/* Under the network's lock, which is above those of timers and workers: so whoever frees the pair finds
 * the timer either armed or firing. */
static void arm(keel__net_pipe *pipe)
{
    pipe->timer.when_ns = pipe->events[pipe->first].arrival_ns;
    pipe->timer.fire = fire;
    pipe->armed = true;
    pipe->pair->refs++;
    keel__worker_arm(pipe->pair->net->rt, &pipe->timer);
}

/* ---- Arrivals ---- */

static keel_sim_listener *find_listener(const keel_sim_host *host, unsigned port)
{
    for (keel__link *link = host->listeners.first; link != NULL; link = link->next) {
        keel_sim_listener *listener = keel__container(link, keel_sim_listener, link);

        if (listener->port == port)
            return listener;
    }
    return NULL;
}

/* Somebody wants to connect: the other end begins to exist. */
static void open_arrived(keel_sim_conn *at, keel__net_todo *todo)
{
    keel__net_pair *pair = at->pair;
    keel_sim_listener *listener = find_listener(pair->to, pair->port);

    if (listener == NULL || listener->backlog_count == KEEL__NET_BACKLOG) {
        keel__net_send(at, KEEL__NET_REFUSED, 0, pair->answer_late, todo);
        return;
    }
    at->host = pair->to;
    at->opened = at->held = true;
    pair->refs++;
    keel__list_push(&listener->backlog, &at->backlog);
    listener->backlog_count++;
    keel__net_wake(&listener->acceptors, todo);
    keel__net_send(at, KEEL__NET_ACCEPTED, 0, pair->answer_late, todo);
}

static void data_arrived(keel_sim_conn *at, keel__net_pipe *pipe, uint64_t upto,
                         keel__net_todo *todo)
{
    pipe->arrived = upto;
    if (at->closed || at->broken) { /* nobody reads it; tell who wrote it */
        pipe->taken = upto;
        if (!at->reset_sent) {
            at->broken = at->reset_sent = true;
            keel__net_send(at, KEEL__NET_RESET, 0, 0, todo);
        }
    }
    keel__net_wake(&pipe->readers, todo);
    keel__net_wake(&pipe->writers, todo); /* there is one less on its way */
}

static void arrived(keel_sim_conn *at, keel__net_pipe *pipe, keel__net_event event,
                    keel__net_todo *todo)
{
    switch (event.kind) {
    case KEEL__NET_OPEN:
        open_arrived(at, todo);
        break;
    case KEEL__NET_ACCEPTED:
        at->opened = true;
        keel__net_wake(&pipe->readers, todo);
        break;
    case KEEL__NET_REFUSED:
        at->refused = true;
        keel__net_wake(&pipe->readers, todo);
        break;
    case KEEL__NET_DATA:
        data_arrived(at, pipe, event.upto, todo);
        break;
    case KEEL__NET_END:
        pipe->ended = !at->broken; /* what came before it was lost */
        keel__net_wake(&pipe->readers, todo);
        break;
    case KEEL__NET_RESET:
        at->broken = at->reset_sent = true;
        keel__net_wake(&pipe->readers, todo);
        keel__net_wake(&at->pair->pipes[at->side].writers, todo);
        break;
    }
}

enum { EVENTS = KEEL__NET_FLIGHT + 4 };

void keel__net_deliver(keel_sim_conn *from, keel__net_todo *todo)
{
    keel__net_pair *pair = from->pair;
    keel__net_pipe *pipe = &pair->pipes[from->side];

    while (pipe->flight > 0 && !pipe->link->cut &&
           pipe->events[pipe->first].arrival_ns <= now_of(pair->net)) {
        keel__net_event event = pipe->events[pipe->first];

        pipe->first = (pipe->first + 1) % EVENTS;
        pipe->flight--;
        arrived(&pair->ends[1 - from->side], pipe, event, todo);
    }
    if (pipe->flight > 0 && !pipe->link->cut && !pipe->armed)
        arm(pipe);
}

void keel__net_send(keel_sim_conn *from, keel__net_kind kind, size_t bytes, unsigned late,
                    keel__net_todo *todo)
{
    keel__net_pipe *pipe = &from->pair->pipes[from->side];
    int64_t start_ns = now_of(from->pair->net);

    if (pipe->link->busy_until_ns > start_ns)
        start_ns = pipe->link->busy_until_ns;
    if (bytes > 0) {
        start_ns = keel__clock_after(start_ns, transmission(pipe->link, bytes));
        pipe->link->busy_until_ns = start_ns;
        pipe->written += bytes;
    }
    int64_t arrival_ns = keel__clock_after(start_ns, latency(pipe->link, late));
    if (arrival_ns > pipe->last_ns)
        pipe->last_ns = arrival_ns;
    pipe->events[(pipe->first + pipe->flight) % EVENTS] =
        (keel__net_event){ .kind = kind, .upto = pipe->written, .arrival_ns = pipe->last_ns };
    pipe->flight++;
    keel__net_deliver(from, todo);
}

void keel__net_resend(keel_sim_conn *from, keel__net_todo *todo)
{
    keel__net_pipe *pipe = &from->pair->pipes[from->side];
    int64_t earliest_ns = keel__clock_after(now_of(from->pair->net), latency(pipe->link, 0));

    for (unsigned i = 0; i < pipe->flight; i++) {
        keel__net_event *event = &pipe->events[(pipe->first + i) % EVENTS];

        if (event->arrival_ns < earliest_ns)
            event->arrival_ns = earliest_ns;
    }
    if (pipe->flight > 0 && pipe->last_ns < earliest_ns)
        pipe->last_ns = earliest_ns;
    keel__net_deliver(from, todo);
}

/* ---- Ends of connections ---- */

void keel__net_break(keel_sim_conn *conn, keel__net_todo *todo)
{
    keel__net_pair *pair = conn->pair;

    conn->broken = true;
    if (!conn->reset_sent) {
        conn->reset_sent = true;
        keel__net_send(conn, KEEL__NET_RESET, 0, 0, todo);
    }
    keel__net_wake(&pair->pipes[1 - conn->side].readers, todo);
    keel__net_wake(&pair->pipes[conn->side].writers, todo);
}

void keel__net_close(keel_sim_conn *conn, unsigned late, keel__net_todo *todo)
{
    keel__net_pipe *out = &conn->pair->pipes[conn->side];
    keel__net_pipe *in = &conn->pair->pipes[1 - conn->side];

    if (conn->closed)
        return;
    conn->closed = true;
    if (!conn->broken && !conn->write_closed)
        keel__net_send(conn, KEEL__NET_END, 0, late, todo);
    conn->write_closed = true;
    in->taken = in->arrived;
    keel__net_wake(&in->readers, todo);
    keel__net_wake(&in->writers, todo);
    keel__net_wake(&out->writers, todo);
}

/* Nobody is left at either end. The caller has a reference. */
static void cancel_flight(keel__net_pipe *pipe)
{
    pipe->flight = 0;
    if (pipe->armed && keel__worker_disarm(&pipe->timer)) {
        pipe->armed = false;
        pipe->pair->refs--;
    }
}

void keel__net_drop(keel_sim_conn *conn, keel__net_todo *todo)
{
    keel__net_pair *pair = conn->pair;

    conn->held = false;
    if (!pair->ends[1 - conn->side].held) {
        cancel_flight(&pair->pipes[0]);
        cancel_flight(&pair->pipes[1]);
    }
    unref_pair(pair, todo);
}
