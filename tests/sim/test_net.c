/* SPDX-License-Identifier: MIT */
#include "net_rig.h"

/* The simulated network's rules: time, links and bytes. */

/* ---- Time ---- */

rule(connecting_takes_the_latency_there_and_back)
{
    rig r;
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .link = { .min_latency_ns = 12345 } }));
    check(keel_ctx_now(ctx) - start_ns == 2 * 12345);
    tear_down(&r);
    return NULL;
}

rule(a_host_reaches_itself_at_once)
{
    rig r;
    keel_sim_conn *conn;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_sim_host_connect(ctx, r.b, "b", 1, &conn));
    check(keel_ctx_now(ctx) == start_ns);
    keel_sim_conn_free(conn);
    tear_down(&r);
    return NULL;
}

rule(bytes_arrive_one_latency_later)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_text(ctx, r.at_a, "hello"));
    check(keel_ctx_now(ctx) == start_ns);
    KEEL_TRY(expect_text(ctx, r.at_b, "hello"));
    check(keel_ctx_now(ctx) - start_ns == 1000);
    KEEL_TRY(write_text(ctx, r.at_b, "back"));
    KEEL_TRY(expect_text(ctx, r.at_a, "back"));
    check(keel_ctx_now(ctx) - start_ns == 2000);
    tear_down(&r);
    return NULL;
}

rule(links_differ_by_direction)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(
        keel_sim_net_link_one_way(r.net, r.b, r.a, &(keel_sim_link_opts){ .min_latency_ns = 70 }));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(read_byte(ctx, r.at_b));
    check(keel_ctx_now(ctx) - start_ns == 1000);
    KEEL_TRY(write_byte(ctx, r.at_b));
    KEEL_TRY(read_byte(ctx, r.at_a));
    check(keel_ctx_now(ctx) - start_ns == 1070);
    KEEL_TRY(keel_sim_net_link(r.net, r.a, NULL, &(keel_sim_link_opts){ .min_latency_ns = 5 }));
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(read_byte(ctx, r.at_b));
    KEEL_TRY(write_byte(ctx, r.at_b));
    KEEL_TRY(read_byte(ctx, r.at_a));
    check(keel_ctx_now(ctx) - start_ns == 1080);
    tear_down(&r);
    return NULL;
}

rule(nothing_overtakes_what_was_sent_before)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_text(ctx, r.at_a, "first"));
    KEEL_TRY(keel_sim_net_link(r.net, r.a, r.b, NULL));
    KEEL_TRY(write_text(ctx, r.at_a, "second"));
    keel_sim_conn_close_write(r.at_a);
    KEEL_TRY(expect_text(ctx, r.at_b, "firstsecond"));
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_CLOSED);
    check(keel_ctx_now(ctx) - start_ns == 1000);
    tear_down(&r);
    return NULL;
}

rule(bandwidth_is_shared_by_all_connections)
{
    static char data[500];
    keel_sim_link_opts link = { .min_latency_ns = 1000, .bandwidth_bytes = 1000 };
    keel_sim_conn *other;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .link = link }));
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &other));
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_sim_conn_write_all(ctx, other, data, sizeof data));
    KEEL_TRY(keel_sim_conn_write_all(ctx, r.at_a, data, 333));
    KEEL_TRY(keel_sim_conn_read_full(ctx, r.at_b, data, 333, NULL));
    check(keel_ctx_now(ctx) - start_ns == KEEL_MS(833) + 1000);
    /* and what is sent later does not wait for what has passed */
    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    start_ns = keel_ctx_now(ctx);
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(read_byte(ctx, r.at_b));
    check(keel_ctx_now(ctx) - start_ns == KEEL_MS(1) + 1000);
    keel_sim_conn_free(other);
    tear_down(&r);
    return NULL;
}

/* ---- Connecting ---- */

rule(who_listens_nowhere_refuses_after_a_round_trip)
{
    keel_sim_conn *conn;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    check_err(keel_sim_host_connect(ctx, r.a, "b", 2, &conn), KEEL_ERR_REFUSED);
    check(conn == NULL);
    check(keel_ctx_now(ctx) - start_ns == 2000);
    check_err(keel_sim_host_connect(ctx, r.a, "nobody", 1, &conn), KEEL_ERR_NOT_FOUND);
    keel_sim_listener_close(r.listener);
    check_err(keel_sim_host_connect(ctx, r.a, "b", 1, &conn), KEEL_ERR_REFUSED);
    tear_down(&r);
    return NULL;
}

rule(the_129th_that_nobody_accepts_is_refused)
{
    keel_sim_conn *conns[128], *more;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, NULL));
    for (size_t i = 0; i < 128; i++)
        KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &conns[i]));
    check_err(keel_sim_host_connect(ctx, r.a, "b", 1, &more), KEEL_ERR_REFUSED);
    KEEL_TRY(keel_sim_listener_accept(ctx, r.listener, &more));
    keel_sim_conn_free(more);
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &more));
    keel_sim_conn_free(more);
    /* those that are left break with the listener */
    keel_sim_listener_close(r.listener);
    check_err(read_byte(ctx, conns[0]), KEEL_ERR_CLOSED); /* this one was accepted and closed */
    check_err(read_byte(ctx, conns[1]), KEEL_ERR_RESET);
    for (size_t i = 0; i < 128; i++)
        keel_sim_conn_free(conns[i]);
    tear_down(&r);
    return NULL;
}

rule(names_and_ports_are_taken_once)
{
    keel_sim_listener *listener;
    keel_sim_host *host;
    keel_sim_net *net;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, NULL));
    check_err(keel_sim_net_add_host(r.net, "a", NULL, &host), KEEL_ERR_EXISTS);
    check(host == NULL);
    check_err(keel_sim_host_listen(r.b, 1, &listener), KEEL_ERR_BUSY);
    check(listener == NULL);
    KEEL_TRY(keel_sim_host_listen(r.a, 1, &listener));
    keel_sim_listener_free(listener);
    KEEL_TRY(keel_sim_host_listen(r.a, 1, &listener));
    keel_sim_listener_free(listener);
    check(strcmp(keel_sim_host_name(r.b), "b") == 0);
    check_err(keel_sim_net_link(r.net, NULL, NULL, &(keel_sim_link_opts){ .max_latency_ns = -1 }),
              KEEL_ERR_INVAL);
    check_err(keel_sim_net_new(&net, &(keel_sim_net_opts){ .link = { .min_latency_ns = -1 } }),
              KEEL_ERR_INVAL);
    check(net == NULL);
    check_err(keel_sim_net_add_host(r.net, "c", &(keel_sim_host_opts){ .stack_bytes = 1 }, &host),
              KEEL_ERR_INVAL);
    tear_down(&r);
    return NULL;
}

rule(connections_are_accepted_in_the_order_of_arrival)
{
    keel_sim_conn *first, *second, *conn;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &first));
    KEEL_TRY(write_text(ctx, first, "1"));
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &second));
    KEEL_TRY(write_text(ctx, second, "2"));
    KEEL_TRY(keel_sim_listener_accept(ctx, r.listener, &conn));
    KEEL_TRY(expect_text(ctx, conn, "1"));
    keel_sim_conn_free(conn);
    KEEL_TRY(keel_sim_listener_accept(ctx, r.listener, &conn));
    KEEL_TRY(expect_text(ctx, conn, "2"));
    keel_sim_conn_free(conn);
    keel_sim_conn_free(first);
    keel_sim_conn_free(second);
    tear_down(&r);
    return NULL;
}

/* ---- Partitions ---- */

rule(in_a_partition_connecting_ends_with_the_context_only)
{
    keel_sim_conn *conn;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    keel_sim_net_partition(r.net, r.b, NULL);
    keel_ctx *hour = keel_ctx_with_timeout(ctx, KEEL_HOUR(1));
    int64_t start_ns = keel_ctx_now(ctx);
    check_err(keel_sim_host_connect(hour, r.a, "b", 1, &conn), KEEL_ERR_DEADLINE);
    check(keel_ctx_now(ctx) - start_ns == KEEL_HOUR(1));
    keel_ctx_free(hour);
    keel_sim_net_heal(r.net, r.a, r.b);
    start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &conn));
    check(keel_ctx_now(ctx) - start_ns == 2000);
    keel_sim_conn_free(conn);
    tear_down(&r);
    return NULL;
}

rule(what_a_partition_held_up_arrives_one_latency_after_it)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    KEEL_TRY(write_text(ctx, r.at_a, "before "));
    keel_sim_net_partition(r.net, r.a, r.b);
    KEEL_TRY(write_text(ctx, r.at_a, "within"));
    keel_ctx *minute = keel_ctx_with_timeout(ctx, KEEL_MIN(1));
    check_err(read_byte(minute, r.at_b), KEEL_ERR_DEADLINE);
    keel_ctx_free(minute);
    keel_sim_net_heal(r.net, NULL, r.a);
    int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(expect_text(ctx, r.at_b, "before within"));
    check(keel_ctx_now(ctx) - start_ns == 1000);
    /* one that ends in time holds up nothing longer than that */
    KEEL_TRY(keel_sim_net_link(r.net, r.a, r.b, &(keel_sim_link_opts){ .min_latency_ns = 10 }));
    KEEL_TRY(keel_sim_net_link(r.net, r.a, r.b, &slow.link));
    KEEL_TRY(write_byte(ctx, r.at_a));
    keel_sim_net_partition(r.net, r.a, r.b);
    KEEL_TRY(keel_sim_net_link(r.net, r.a, r.b, &(keel_sim_link_opts){ .min_latency_ns = 10 }));
    keel_sim_net_heal(r.net, r.a, r.b);
    start_ns = keel_ctx_now(ctx);
    KEEL_TRY(read_byte(ctx, r.at_b));
    check(keel_ctx_now(ctx) - start_ns == 1000);
    tear_down(&r);
    return NULL;
}

rule(a_partition_one_way_leaves_the_other_open)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    keel_sim_net_partition_one_way(r.net, r.a, r.b);
    KEEL_TRY(write_text(ctx, r.at_a, "held up"));
    KEEL_TRY(write_text(ctx, r.at_b, "through"));
    KEEL_TRY(expect_text(ctx, r.at_a, "through"));
    keel_ctx *minute = keel_ctx_with_timeout(ctx, KEEL_MIN(1));
    check_err(read_byte(minute, r.at_b), KEEL_ERR_DEADLINE);
    keel_ctx_free(minute);
    keel_sim_net_heal(r.net, NULL, NULL);
    KEEL_TRY(expect_text(ctx, r.at_b, "held up"));
    tear_down(&r);
    return NULL;
}

/* ---- Bytes ---- */

rule(a_writer_waits_when_nobody_reads)
{
    static unsigned char data[300], got[300];
    size_t n;
    rig r;

    (void)arg;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 100 }));
    KEEL_TRY(keel_sim_conn_write(ctx, r.at_a, data, 300, &n));
    check(n == 100);
    keel_ctx *minute = keel_ctx_with_timeout(ctx, KEEL_MIN(1));
    check_err(keel_sim_conn_write(minute, r.at_a, data, 1, &n), KEEL_ERR_DEADLINE);
    check(n == 0);
    keel_ctx_free(minute);
    KEEL_TRY(keel_sim_conn_read(ctx, r.at_b, got, 30, &n));
    check(n == 30);
    KEEL_TRY(keel_sim_conn_write(ctx, r.at_a, data + 100, 200, &n));
    check(n == 30);
    KEEL_TRY(keel_sim_conn_read(ctx, r.at_b, got + 30, 270, &n));
    check(n == 100);
    check(memcmp(data, got, 130) == 0);
    tear_down(&r);
    return NULL;
}

rule(a_reader_lets_a_waiting_writer_go_on)
{
    job writer = { .fn = write_byte };
    char got[16];
    size_t n;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 1 }));
    KEEL_TRY(write_byte(ctx, r.at_a));
    writer.conn = r.at_a;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, run_job, &writer);
    KEEL_TRY(keel_sleep(ctx, 1));
    check(!writer.done);
    KEEL_TRY(keel_sim_conn_read(ctx, r.at_b, got, sizeof got, &n));
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(writer.err);
    KEEL_TRY(read_byte(ctx, r.at_b));
    tear_down(&r);
    return NULL;
}

rule(sixty_four_writes_may_be_on_their_way)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &slow));
    int64_t start_ns = keel_ctx_now(ctx);
    for (size_t i = 0; i < 64; i++)
        KEEL_TRY(write_byte(ctx, r.at_a));
    check(keel_ctx_now(ctx) == start_ns);
    KEEL_TRY(write_byte(ctx, r.at_a));
    check(keel_ctx_now(ctx) - start_ns == 1000);
    keel_sim_conn_close(r.at_a);
    for (size_t i = 0; i < 65; i++)
        KEEL_TRY(read_byte(ctx, r.at_b));
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_CLOSED);
    tear_down(&r);
    return NULL;
}

rule(an_ended_context_touches_nothing)
{
    keel_sim_conn *conn;
    size_t n = 7;
    char c;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, NULL));
    keel_ctx *ended = keel_ctx_with_timeout(ctx, KEEL_MIN(1));
    check_err(keel_sim_listener_accept(ended, r.listener, &conn), KEEL_ERR_DEADLINE);
    keel_ctx_free(ended);
    ended = keel_ctx_with_cancel(ctx);
    keel_ctx_cancel(ended);
    KEEL_TRY(write_byte(ctx, r.at_a));
    check_err(keel_sim_conn_read(ended, r.at_b, &c, 1, &n), KEEL_ERR_CANCELLED);
    check(n == 0);
    check_err(keel_sim_conn_write(ended, r.at_b, "x", 1, &n), KEEL_ERR_CANCELLED);
    check_err(keel_sim_host_connect(ended, r.a, "b", 1, &conn), KEEL_ERR_CANCELLED);
    check_err(keel_sim_listener_accept(ended, r.listener, &conn), KEEL_ERR_CANCELLED);
    KEEL_TRY(
        keel_sim_host_connect(ctx, r.a, "b", 1, &conn)); /* also if there is something to accept */
    keel_sim_conn_free(conn);
    check_err(keel_sim_listener_accept(ended, r.listener, &conn), KEEL_ERR_CANCELLED);
    check(conn == NULL);
    KEEL_TRY(read_byte(ctx, r.at_b));
    KEEL_TRY(keel_sim_conn_read(ctx, r.at_b, &c, 0, &n)); /* nothing asked for: no wait */
    KEEL_TRY(keel_sim_conn_write(ctx, r.at_b, &c, 0, &n));
    keel_ctx_free(ended);
    tear_down(&r);
    return NULL;
}

rule(reading_in_full_tells_an_end_from_a_break)
{
    char got[8];
    size_t n;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, NULL));
    KEEL_TRY(write_text(ctx, r.at_a, "abcdefghij"));
    keel_sim_conn_close(r.at_a);
    KEEL_TRY(keel_sim_conn_read_full(ctx, r.at_b, got, 8, &n));
    check(n == 8);
    check_err(keel_sim_conn_read_full(ctx, r.at_b, got, 8, &n), KEEL_ERR_RESET);
    check(n == 2 && memcmp(got, "ij", 2) == 0);
    check_err(keel_sim_conn_read_full(ctx, r.at_b, got, 8, &n), KEEL_ERR_CLOSED);
    check(n == 0);
    tear_down(&r);
    return NULL;
}

rule(a_part_of_a_write_breaks_the_connection)
{
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .buffer_bytes = 4 }));
    keel_ctx *minute = keel_ctx_with_timeout(ctx, KEEL_MIN(1));
    check_err(write_text(minute, r.at_a, "abcdefgh"), KEEL_ERR_DEADLINE);
    keel_ctx_free(minute);
    check_err(write_byte(ctx, r.at_a), KEEL_ERR_RESET);
    KEEL_TRY(expect_text(ctx, r.at_b, "abcd"));
    check_err(read_byte(ctx, r.at_b), KEEL_ERR_RESET);
    tear_down(&r);
    return NULL;
}

int main(void)
{
    support_mem_install();

    const struct CMUnitTest tests[] = {
        support_test(connecting_takes_the_latency_there_and_back),
        support_test(a_host_reaches_itself_at_once),
        support_test(bytes_arrive_one_latency_later),
        support_test(links_differ_by_direction),
        support_test(nothing_overtakes_what_was_sent_before),
        support_test(bandwidth_is_shared_by_all_connections),
        support_test(who_listens_nowhere_refuses_after_a_round_trip),
        support_test(the_129th_that_nobody_accepts_is_refused),
        support_test(names_and_ports_are_taken_once),
        support_test(connections_are_accepted_in_the_order_of_arrival),
        support_test(in_a_partition_connecting_ends_with_the_context_only),
        support_test(what_a_partition_held_up_arrives_one_latency_after_it),
        support_test(a_partition_one_way_leaves_the_other_open),
        support_test(a_writer_waits_when_nobody_reads),
        support_test(a_reader_lets_a_waiting_writer_go_on),
        support_test(sixty_four_writes_may_be_on_their_way),
        support_test(an_ended_context_touches_nothing),
        support_test(reading_in_full_tells_an_end_from_a_break),
        support_test(a_part_of_a_write_breaks_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
