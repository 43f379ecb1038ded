/* SPDX-License-Identifier: MIT */
#include "net_rig.h"

/* The simulated network's rules: how connections end, hosts, and pairs. */

/* ---- Ends ---- */

rule(a_half_closed_connection_still_reads)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(write_text(ctx, r.at_a, "question"));
    keel_sim_conn_close_write(r.at_a);
    keel_sim_conn_close_write(r.at_a);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_CLOSED);
    KEEL_TRY(expect_text(ctx, r.at_b, "question"));
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_CLOSED);
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_CLOSED);
    KEEL_TRY(write_text(ctx, r.at_b, "answer"));
    keel_sim_conn_close(r.at_b);
    KEEL_TRY(expect_text(ctx, r.at_a, "answer"));
    check_err(read_byte(ctx, r.at_a), KEEL_ERR_CLOSED);
    tear_down(&r);
    return NULL;
}

rule(closing_wakes_who_waits_at_this_end)
{
    job jobs[3] = { { .fn = read_byte }, { .fn = write_byte }, { 0 } };
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 1 }));
    KEEL_TRY(write_byte(ctx, r.at_a));
    jobs[0].conn = jobs[1].conn = r.at_a;
    jobs[2].listener = r.listener;
    keel_group *group = keel_group_new(ctx, NULL);
    for (size_t i = 0; i < 3; i++)
        keel_group_go(group, run_job, &jobs[i]);
    KEEL_TRY(keel_sleep(ctx, 1));
    check(!jobs[0].done && !jobs[1].done && !jobs[2].done);
    keel_sim_conn_close(r.at_a);
    keel_sim_conn_close(r.at_a);
    keel_sim_listener_close(r.listener);
    keel_sim_listener_close(r.listener);
    KEEL_TRY(keel_group_wait(group));
    for (size_t i = 0; i < 3; i++)
        check_err(jobs[i].err, KEEL_ERR_CLOSED);
    KEEL_TRY(read_byte(ctx, r.at_b)); /* what was written before arrives all the same */
    tear_down(&r);
    return NULL;
}

rule(writing_to_who_has_closed_breaks_after_a_round_trip)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(write_text(ctx, r.at_b, "bye"));
    keel_sim_conn_close(r.at_b);
    KEEL_TRY(expect_text(ctx, r.at_a, "bye"));
    check_err(read_byte(ctx, r.at_a), KEEL_ERR_CLOSED);
    KEEL_TRY(write_byte(ctx, r.at_a)); /* it cannot know yet */
    KEEL_TRY(keel_sleep(ctx, 1999));
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(keel_sleep(ctx, 1));
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    check_err(read_byte(ctx, r.at_a), KEEL_ERR_CLOSED); /* the end had come before */
    tear_down(&r);
    return NULL;
}

rule(closing_frees_a_peer_that_waits_for_room)
{
    job writer = { .fn = write_byte };
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 1 }));
    KEEL_TRY(write_byte(ctx, r.at_a));
    writer.conn = r.at_a;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, run_job, &writer);
    KEEL_TRY(keel_sleep(ctx, 1));
    keel_sim_conn_close(r.at_b);
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(writer.err);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

rule(a_reset_is_known_here_at_once_and_there_a_latency_later)
{
    job reader = { .fn = read_byte };
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(write_text(ctx, r.at_a, "last"));
    reader.conn = r.at_a;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, run_job, &reader);
    KEEL_TRY(keel_sleep(ctx, 500));
    int64_t start_ns = keel_ctx_now(ctx);
    keel_sim_conn_reset(r.at_a);
    KEEL_TRY(keel_group_wait(group));
    check(reader.at_ns == start_ns);
    check_err(reader.err, KEEL_ERR_RESET);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    KEEL_TRY(expect_text(ctx, r.at_b, "last"));
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_RESET);
    check(keel_ctx_now(ctx) - start_ns == 1000);
    check_err(write_byte(ctx, r.at_b), KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

rule(a_reset_wakes_writers_at_both_ends)
{
    job here = { .fn = write_byte }, there = { .fn = write_byte };
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 1, .link = slow.link }));
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(write_byte(ctx, r.at_b));
    here.conn = r.at_a;
    there.conn = r.at_b;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, run_job, &here);
    keel_group_go(group, run_job, &there);
    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    check(!here.done && !there.done);
    int64_t start_ns = keel_ctx_now(ctx);
    keel_sim_conn_reset(r.at_a);
    KEEL_TRY(keel_group_wait(group));
    check_err(here.err, KEEL_ERR_RESET);
    check_err(there.err, KEEL_ERR_RESET);
    check(here.at_ns == start_ns && there.at_ns == start_ns + 1000);
    tear_down(&r);
    return NULL;
}

rule(what_arrives_at_a_closed_end_takes_no_room)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 1, .link = slow.link }));
    keel_sim_conn_close(r.at_b);
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(write_byte(ctx, r.at_a));
    check(keel_ctx_now(ctx) == start_ns + 1000);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    check(keel_ctx_now(ctx) == start_ns + 2000);
    tear_down(&r);
    return NULL;
}

/* ---- Hosts ---- */

typedef struct life {
    keel_sim_host *host;
    keel_sim_conn *conn;
    int starts, ends;
    keel_err *read;
} life;

static keel_err *live(keel_ctx *ctx, void *arg)
{
    life *l = arg;

    l->starts++;
    if (l->conn != NULL)
        l->read = read_byte(NULL, l->conn); /* only the kill can end this */
    keel_err_free(keel_sleep(ctx, KEEL_HOUR(1)));
    /* takes its time to end */
    KEEL_TRY(keel_sleep(NULL, KEEL_S(1)));
    l->ends++;
    return keel_err_new("dropped: the host was killed");
}

rule(killing_a_host_ends_all_that_is_on_it)
{
    life l = { 0 };
    keel_sim_listener *listener;
    keel_sim_conn *conn;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    l.conn = r.at_b;
    KEEL_TRY(keel_sim_host_go(r.b, live, &l));
    KEEL_TRY(write_byte(ctx, r.at_b));
    KEEL_TRY(keel_sleep(ctx, 5000));
    int64_t start_ns = keel_ctx_now(ctx);
    keel_sim_host_kill(r.b);
    keel_sim_host_kill(r.b);
    check(keel_ctx_now(ctx) == start_ns);
    KEEL_TRY(read_byte(ctx, r.at_a)); /* this had arrived before */
    check_err(read_byte(ctx, r.at_a), KEEL_ERR_RESET);
    check(keel_ctx_now(ctx) - start_ns == 1000);
    check_err(write_byte(ctx, r.at_b), KEEL_ERR_RESET);
    check_err(keel_sim_listener_accept(ctx, r.listener, &conn), KEEL_ERR_CLOSED);
    check_err(keel_sim_host_connect(ctx, r.a, "b", 1, &conn), KEEL_ERR_REFUSED);
    check_err(keel_sim_host_connect(ctx, r.b, "a", 1, &conn), KEEL_ERR_CLOSED);
    check_err(keel_sim_host_listen(r.b, 2, &listener), KEEL_ERR_CLOSED);
    check_err(keel_sim_host_go(r.b, live, &l), KEEL_ERR_CLOSED);
    KEEL_TRY(keel_sim_host_wait(r.b));
    check(keel_ctx_now(ctx) - start_ns == KEEL_S(1));
    check(l.starts == 1 && l.ends == 1);
    check_err(l.read, KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

rule(what_had_arrived_at_a_killed_host_is_lost)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, NULL));
    KEEL_TRY(write_text(ctx, r.at_a, "unread"));
    keel_sim_conn_close_write(r.at_a);
    keel_sim_host_kill(r.b);
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

static void kill_host(void *host)
{
    keel_sim_host_kill(host);
}

rule(who_connects_from_a_host_that_is_killed_learns_it)
{
    keel_sim_net *net;
    keel_sim_host *a, *b;
    keel_sim_listener *listener;
    keel_sim_conn *conn;
    keel_after *after;

    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, &slow));
    KEEL_TRY(keel_sim_net_add_host(net, "a", NULL, &a));
    KEEL_TRY(keel_sim_net_add_host(net, "b", NULL, &b));
    KEEL_TRY(keel_sim_host_listen(b, 1, &listener));
    keel_sim_net_partition(net, a, b);
    keel_ctx *second = keel_ctx_with_timeout(ctx, KEEL_S(1));
    KEEL_TRY(keel_ctx_after(&after, second, kill_host, a));
    check_err(keel_sim_host_connect(ctx, a, "b", 1, &conn), KEEL_ERR_RESET);
    keel_after_free(after);
    keel_ctx_free(second);
    keel_sim_listener_free(listener);
    keel_sim_net_free(net);
    return NULL;
}

rule(restarting_runs_start_again_when_the_old_tasks_have_ended)
{
    life l = { 0 };
    keel_sim_net *net;

    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "db", &(keel_sim_host_opts){ .start = live, .arg = &l },
                                   &l.host));
    KEEL_TRY(keel_sleep(ctx, KEEL_S(5)));
    check(l.starts == 1 && l.ends == 0);
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_sim_host_restart(l.host));
    check(keel_ctx_now(ctx) - start_ns == KEEL_S(1));
    check(l.ends == 1);
    KEEL_TRY(keel_sleep(ctx, KEEL_S(5)));
    check(l.starts == 2 && l.ends == 1);
    keel_sim_host_kill(l.host);
    KEEL_TRY(keel_sim_host_restart(l.host));
    KEEL_TRY(keel_sleep(ctx, KEEL_S(5)));
    check(l.starts == 3 && l.ends == 2);
    keel_sim_net_free(net);
    check(l.ends == 3);
    return NULL;
}

static keel_err *fail_late(keel_ctx *ctx, void *arg)
{
    (void)arg;
    KEEL_TRY(keel_sleep(ctx, KEEL_S(3)));
    return KEEL_ERR_NO_SPACE;
}

static keel_err *sleep_long(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_HOUR(1));
}

rule(a_task_that_fails_ends_its_host_s_context)
{
    keel_sim_net *net;
    keel_sim_host *host;

    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "app", NULL, &host));
    KEEL_TRY(keel_sim_host_wait(host));
    KEEL_TRY(keel_sim_host_go(host, sleep_long, NULL));
    KEEL_TRY(keel_sim_host_go(host, fail_late, NULL));
    int64_t start_ns = keel_ctx_now(ctx);
    check_err(keel_sim_host_wait(host), KEEL_ERR_NO_SPACE);
    check(keel_ctx_now(ctx) - start_ns == KEEL_S(3));
    KEEL_TRY(keel_sim_host_wait(host)); /* told once */
    keel_sim_net_free(net);
    return NULL;
}

static keel_err *fail_with_text(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return keel_err_new("out of paper");
}

rule(a_kill_drops_the_errors_of_the_life_it_ends)
{
    keel_sim_net *net;
    keel_sim_host *host;

    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "app", NULL, &host));
    KEEL_TRY(keel_sim_host_go(host, fail_with_text, NULL));
    KEEL_TRY(keel_sleep(ctx, 1));
    keel_sim_host_kill(host);
    KEEL_TRY(keel_sim_host_wait(host));
    KEEL_TRY(keel_sim_host_restart(host));
    KEEL_TRY(keel_sim_host_wait(host));
    KEEL_TRY(keel_sim_host_go(host, fail_with_text, NULL));
    keel_err *err = keel_sim_host_wait(host);
    check(err != NULL && strstr(KEEL_ERR_STR(err), "paper") != NULL);
    keel_err_free(err);
    keel_sim_net_free(net);
    return NULL;
}

static keel_err *restart(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return keel_sim_host_restart(arg);
}

rule(waiting_for_a_host_waits_for_its_restart)
{
    life l = { 0 };
    keel_sim_net *net;

    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "db", &(keel_sim_host_opts){ .start = live, .arg = &l },
                                   &l.host));
    KEEL_TRY(keel_sleep(ctx, 1));
    int64_t start_ns = keel_ctx_now(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, restart, l.host);
    KEEL_TRY(keel_sleep(ctx, 1));
    keel_err *err = keel_sim_host_wait(l.host); /* not between the lives: after the second */
    check(err != NULL);
    keel_err_free(err);
    check(l.starts == 2 && l.ends == 2);
    check(keel_ctx_now(ctx) - start_ns == KEEL_HOUR(1) + KEEL_S(2));
    KEEL_TRY(keel_group_wait(group));
    keel_sim_net_free(net);
    return NULL;
}

rule(connections_outlive_their_network)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(write_byte(ctx, r.at_a));
    keel_sim_net_free(r.net);
    r.net = NULL;
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_RESET);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

/* ---- Pairs ---- */

rule(a_pair_is_a_connection_without_hosts)
{
    keel_sim_conn *a, *b;

    (void)arg;
    KEEL_TRY(keel_sim_net_pair(&a, &b, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_text(ctx, a, "ping"));
    KEEL_TRY(expect_text(ctx, b, "ping"));
    KEEL_TRY(write_text(ctx, b, "pong"));
    keel_sim_conn_free(b);
    KEEL_TRY(expect_text(ctx, a, "pong"));
    check_err(read_byte(ctx, a), KEEL_ERR_CLOSED);
    check(keel_ctx_now(ctx) - start_ns == 2000);
    keel_sim_conn_free(a);
    KEEL_TRY(keel_sim_net_pair(&a, &b, &slow));
    KEEL_TRY(write_text(ctx, a, "bequest"));
    keel_sim_conn_free(a);
    KEEL_TRY(expect_text(ctx, b, "bequest"));
    keel_sim_conn_free(b);
    /* what is on its way when both ends are gone is gone, too */
    KEEL_TRY(keel_sim_net_pair(&a, &b, &slow));
    KEEL_TRY(write_text(ctx, a, "lost"));
    keel_sim_conn_free(b);
    keel_sim_conn_free(a);
    return NULL;
}

static void a_pair_without_latency_needs_no_runtime(void **state)
{
    keel_sim_conn *a, *b;
    keel_sim_net *net;

    (void)state;
    assert_ok(keel_sim_net_pair(&a, &b, NULL));
    assert_ok(write_text(NULL, a, "ping"));
    assert_ok(expect_text(NULL, b, "ping"));
    keel_ctx *soon = keel_ctx_with_timeout(NULL, 1);
    assert_err(read_byte(soon, b), KEEL_ERR_DEADLINE);
    keel_ctx_free(soon);
    keel_sim_conn_free(a);
    assert_err(read_byte(NULL, b), KEEL_ERR_CLOSED);
    keel_sim_conn_free(b);
    assert_err(keel_sim_net_pair(&a, &b, &slow), KEEL_ERR_NO_RUNTIME);
    assert_null(a);
    assert_err(keel_sim_net_new(&net, NULL), KEEL_ERR_NO_RUNTIME);
    keel_sim_conn_free(NULL);
    keel_sim_listener_free(NULL);
    keel_sim_net_free(NULL);
}

/* ---- Misuse ---- */

typedef struct own {
    keel_sim_net *net;
    keel_sim_host *host;
} own;

static keel_err *wait_for_own(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return keel_sim_host_wait(((own *)arg)->host);
}

static keel_err *restart_own(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return keel_sim_host_restart(((own *)arg)->host);
}

static keel_err *free_own(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_sim_net_free(((own *)arg)->net);
    return NULL;
}

typedef struct misuse {
    const char *function;
    keel_task_fn fn;
} misuse;

static keel_err *misuse_own(keel_ctx *ctx, void *arg)
{
    own o;

    (void)ctx;
    KEEL_TRY(keel_sim_net_new(&o.net, NULL));
    KEEL_TRY(keel_sim_net_add_host(o.net, "app", NULL, &o.host));
    KEEL_TRY(keel_sim_host_go(o.host, ((const misuse *)arg)->fn, &o));
    return keel_sim_host_wait(o.host);
}

static void waiting_for_one_s_own_host_is_misuse(void **state)
{
    misuse cases[] = { { "keel_sim_host_wait", wait_for_own },
                       { "keel_sim_host_restart", restart_own },
                       { "keel_sim_net_free", free_own } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        keel_sim_report *report = keel_sim_run("own host", misuse_own, &cases[i], NULL);
        bool right = report->kind == KEEL_SIM_MISUSE && strstr(report->text, cases[i].function) &&
                     strstr(report->text, "'((const misuse *)arg)->fn'");

        if (!right)
            print_error("%s", report->text);
        keel_sim_report_free(report);
        assert_true(right);
    }
}

int main(void)
{
    support_mem_install();

    const struct CMUnitTest tests[] = {
        support_test(a_half_closed_connection_still_reads),
        support_test(closing_wakes_who_waits_at_this_end),
        support_test(writing_to_who_has_closed_breaks_after_a_round_trip),
        support_test(closing_frees_a_peer_that_waits_for_room),
        support_test(a_reset_is_known_here_at_once_and_there_a_latency_later),
        support_test(a_reset_wakes_writers_at_both_ends),
        support_test(what_arrives_at_a_closed_end_takes_no_room),
        support_test(killing_a_host_ends_all_that_is_on_it),
        support_test(what_had_arrived_at_a_killed_host_is_lost),
        support_test(who_connects_from_a_host_that_is_killed_learns_it),
        support_test(restarting_runs_start_again_when_the_old_tasks_have_ended),
        support_test(a_task_that_fails_ends_its_host_s_context),
        support_test(a_kill_drops_the_errors_of_the_life_it_ends),
        support_test(waiting_for_a_host_waits_for_its_restart),
        support_test(connections_outlive_their_network),
        support_test(a_pair_is_a_connection_without_hosts),
        support_test(a_pair_without_latency_needs_no_runtime),
        support_test(waiting_for_one_s_own_host_is_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
