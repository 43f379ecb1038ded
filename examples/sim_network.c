/* SPDX-License-Identifier: MIT */
/*
 * A payment is sent again when the connection breaks, and a bank that had got it books it twice.
 *
 * Shows:  hosts and connections in a simulation, faults as choices of the schedule, replay.
 * Run:    ./sim_network
 * Prints: what goes wrong, and that it does not with a bank that remembers what it has booked
 */
#include <stdio.h>
#include <string.h>

#include <keel/sim.h>
#include <keel/sim_net.h>

typedef struct world {
    int remembers, balance, booked, id;
    keel_sim_host *bank, *shop;
    keel_sim_listener *counter;
} world;

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_sim_conn *conn;

    while (keel_sim_listener_accept(ctx, w->counter, &conn) == NULL) {
        if (keel_sim_conn_read_full(ctx, conn, &w->id, sizeof w->id, NULL) == NULL) {
            w->balance += w->remembers && w->id == w->booked ? 0 : 10;
            w->booked = w->id;
            keel_err_free(keel_sim_conn_write_all(ctx, conn, "k", 1)); /* or it comes again */
        }
        keel_sim_conn_free(conn);
    }
    return NULL;
}

static keel_err *pay(keel_ctx *ctx, world *w)
{
    keel_sim_conn *conn;
    keel_err *err;

    do {
        KEEL_TRY(keel_sim_host_connect(ctx, w->shop, "bank", 80, &conn));
        err = keel_sim_conn_write_all(ctx, conn, &(int){ 1 }, sizeof(int));
        err = err == NULL ? keel_sim_conn_read_full(ctx, conn, &(char){ 0 }, 1, NULL) : err;
        keel_sim_conn_free(conn);
    } while (err == KEEL_ERR_RESET);
    return err;
}

static keel_err *scenario(keel_ctx *ctx, void *remembers)
{
    world w = { .remembers = remembers != NULL };
    keel_sim_net *net;

    KEEL_TRY(keel_sim_net_new(&net, &(keel_sim_net_opts){ .link = { .resets = true } }));
    KEEL_TRY(keel_sim_net_add_host(net, "bank", NULL, &w.bank));
    KEEL_TRY(keel_sim_net_add_host(net, "shop", NULL, &w.shop));
    KEEL_TRY(keel_sim_host_listen(w.bank, 80, &w.counter));
    KEEL_TRY(keel_sim_host_go(w.bank, serve, &w));
    KEEL_TRY(pay(ctx, &w));
    keel_sim_net_free(net);
    keel_sim_listener_free(w.counter);
    KEEL_CHECK(w.balance == 10);
    return NULL;
}

int main(void)
{
    keel_sim_report *found = keel_sim_explore("forgetful", scenario, NULL, NULL);
    keel_sim_report *again = keel_sim_replay(found->replay, scenario, NULL, NULL);
    keel_sim_report *fixed = keel_sim_explore("remembering", scenario, "yes", NULL);

    printf("forgetful: %s, the connection %.21s; replayed: %s\nremembering: %s\n",
           keel_sim_kind_name(found->kind), strstr(found->text, "breaks"),
           keel_sim_kind_name(again->kind), keel_sim_kind_name(fixed->kind));
    keel_sim_report_free(found);
    keel_sim_report_free(again);
    keel_sim_report_free(fixed);
}
