/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_SIM_NET_RIG_H
#define KEEL_TESTS_SIM_NET_RIG_H

#include "support.h"

#include <keel/sim.h>
#include <keel/sim_net.h>

/* What the tests of the simulated network share. A *rule* is a scenario that runs twice: in the plain run
 * of a simulation, and on an ordinary runtime with an auto-advancing clock. In both, time is exact. */

static inline void both_ways(const char *name, keel_task_fn fn)
{
    keel_sim_report *report = keel_sim_run(name, fn, NULL, NULL);
    bool passed = report->kind == KEEL_SIM_PASS;

    if (!passed)
        print_error("%s", report->text);
    keel_sim_report_free(report);
    assert_true(passed);
    assert_ok(support_run(fn, NULL));
}

#define rule(sentence)                                                                             \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg);                                    \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        both_ways(#sentence, sentence##_task);                                                     \
    }                                                                                              \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg)

/* Two hosts, and a connection from a to b. */
typedef struct rig {
    keel_sim_net *net;
    keel_sim_host *a, *b;
    keel_sim_listener *listener;
    keel_sim_conn *at_a, *at_b;
} rig;

static inline keel_err *build(keel_ctx *ctx, rig *r, const keel_sim_net_opts *opts)
{
    memset(r, 0, sizeof *r);
    KEEL_TRY(keel_sim_net_new(&r->net, opts));
    KEEL_TRY(keel_sim_net_add_host(r->net, "a", NULL, &r->a));
    KEEL_TRY(keel_sim_net_add_host(r->net, "b", NULL, &r->b));
    KEEL_TRY(keel_sim_host_listen(r->b, 1, &r->listener));
    KEEL_TRY(keel_sim_host_connect(ctx, r->a, "b", 1, &r->at_a));
    return keel_sim_listener_accept(ctx, r->listener, &r->at_b);
}

static inline void tear_down(rig *r)
{
    keel_sim_net_free(r->net); /* first: tasks of its hosts may use the others */
    keel_sim_conn_free(r->at_a);
    keel_sim_conn_free(r->at_b);
    keel_sim_listener_free(r->listener);
}

static const keel_sim_net_opts slow = { .link = { .min_latency_ns = 1000 } };

static inline keel_err *write_text(keel_ctx *ctx, keel_sim_conn *conn, const char *text)
{
    return keel_sim_conn_write_all(ctx, conn, text, strlen(text));
}

/* What is to be read next is that text. */
static inline keel_err *expect_text(keel_ctx *ctx, keel_sim_conn *conn, const char *text)
{
    char got[64] = { 0 };

    KEEL_TRY(keel_sim_conn_read_full(ctx, conn, got, strlen(text), NULL));
    check(strcmp(got, text) == 0);
    return NULL;
}

static inline keel_err *read_byte(keel_ctx *ctx, keel_sim_conn *conn)
{
    char byte;
    size_t n = 7;
    keel_err *err = keel_sim_conn_read(ctx, conn, &byte, 1, &n);

    check(n == (err == NULL));
    return err;
}

static inline keel_err *write_byte(keel_ctx *ctx, keel_sim_conn *conn)
{
    size_t n = 7;
    keel_err *err = keel_sim_conn_write(ctx, conn, "x", 1, &n);

    check(n == (err == NULL));
    return err;
}

/* An operation in a task of its own: what it returned, and when. */
typedef struct job {
    keel_err *(*fn)(keel_ctx *ctx, keel_sim_conn *conn);
    keel_sim_conn *conn;
    keel_sim_listener *listener;
    keel_err *err;
    int64_t at_ns;
    bool done;
} job;

static inline keel_err *run_job(keel_ctx *ctx, void *arg)
{
    job *j = arg;
    keel_sim_conn *conn = NULL;

    if (j->listener != NULL)
        j->err = keel_sim_listener_accept(ctx, j->listener, &conn);
    else
        j->err = j->fn(ctx, j->conn);
    keel_sim_conn_free(conn);
    j->at_ns = keel_ctx_now(ctx);
    j->done = true;
    return NULL;
}

#endif /* KEEL_TESTS_SIM_NET_RIG_H */
