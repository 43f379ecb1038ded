/* SPDX-License-Identifier: MIT */
#include "net_rig.h"

/* The simulated network under exploration: what must hold in every schedule, what some schedule must bring
 * about, and what may fail at any moment. */

enum { LENGTH = 24 };

static void must_pass(const char *name, keel_task_fn fn, void *arg, const keel_sim_opts *opts)
{
    keel_sim_report *report = keel_sim_explore(name, fn, arg, opts);
    bool passed = report->kind == KEEL_SIM_PASS;

    print_message("%s", report->text);
    keel_sim_report_free(report);
    assert_true(passed);
}

/* Exploring finds a check that fails, with few deviations; and the replay is the same run. */
static void must_fail(const char *name, keel_task_fn fn, const char *text,
                      const keel_sim_opts *opts)
{
    keel_sim_report *found = keel_sim_explore(name, fn, NULL, opts);
    keel_sim_report *again = keel_sim_replay(found->replay, fn, NULL, opts);
    bool right = found->kind == KEEL_SIM_CHECK && found->deviations <= 2 &&
                 strstr(found->text, text) != NULL && again->trace_hash == found->trace_hash;

    if (!right)
        print_error("%s%s", found->text, again->text);
    keel_sim_report_free(found);
    keel_sim_report_free(again);
    assert_true(right);
}

static const keel_sim_opts budget = { .max_ms = 500 };
static const keel_sim_opts random_walk = { .strategy = KEEL_SIM_RANDOM,
                                           .max_runs = 1000,
                                           .max_ms = 500 };

/* ---- Bytes in, bytes out ---- */

/* One direction: what was written, what was read, and how both ended. */
typedef struct stream {
    keel_sim_conn *from, *to;
    unsigned char sent[LENGTH], got[LENGTH];
    size_t sent_count, got_count, refused; /* `refused`: of the write that failed */
    keel_err *write_err, *read_err;
} stream;

static keel_err *write_stream(keel_ctx *ctx, void *arg)
{
    stream *s = arg;

    for (size_t i = 0; i < LENGTH; i++)
        s->sent[i] = (unsigned char)(i + 1);
    while (s->write_err == NULL && s->sent_count < LENGTH) {
        size_t size = 1 + keel_sim_rand(LENGTH - s->sent_count), n;

        s->write_err = keel_sim_conn_write(ctx, s->from, s->sent + s->sent_count, size, &n);
        s->sent_count += n;
        s->refused = s->write_err != NULL ? size : 0;
        KEEL_CHECK(n <= size && (n > 0) == (s->write_err == NULL));
    }
    keel_sim_conn_close_write(s->from);
    return NULL;
}

static keel_err *read_stream(keel_ctx *ctx, void *arg)
{
    stream *s = arg;

    while (s->read_err == NULL) {
        unsigned char buf[LENGTH + 1];
        size_t n;

        s->read_err = keel_sim_conn_read(ctx, s->to, buf, 1 + keel_sim_rand(LENGTH), &n);
        KEEL_CHECK((n > 0) == (s->read_err == NULL) && s->got_count + n <= LENGTH);
        memcpy(s->got + s->got_count, buf, n);
        s->got_count += n;
    }
    return NULL;
}

/* The oracle: a prefix of what was sent, and all of it unless somebody was told of a reset. */
static void judge(const stream *s, bool resets)
{
    KEEL_CHECK(memcmp(s->got, s->sent, s->got_count) == 0);
    KEEL_CHECK(s->got_count <= s->sent_count + s->refused);
    KEEL_CHECK(s->read_err == KEEL_ERR_CLOSED || (resets && s->read_err == KEEL_ERR_RESET));
    KEEL_CHECK(s->write_err == NULL || (resets && s->write_err == KEEL_ERR_RESET));
    if (s->write_err == NULL && s->read_err == KEEL_ERR_CLOSED)
        KEEL_CHECK(s->got_count == LENGTH);
}

static keel_err *both_directions(keel_ctx *ctx, const keel_sim_link_opts *link)
{
    stream there = { 0 }, back = { 0 };

    KEEL_TRY(keel_sim_net_pair(&there.from, &there.to,
                               &(keel_sim_net_opts){ .link = *link, .buffer_bytes = 7 }));
    back.from = there.to;
    back.to = there.from;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, write_stream, &there);
    keel_group_go(group, read_stream, &there);
    keel_group_go(group, write_stream, &back);
    keel_group_go(group, read_stream, &back);
    KEEL_TRY(keel_group_wait(group));
    judge(&there, link->resets);
    judge(&back, link->resets);
    keel_sim_conn_free(there.from);
    keel_sim_conn_free(there.to);
    return NULL;
}

static keel_err *sound_link(keel_ctx *ctx, void *arg)
{
    const keel_sim_link_opts link = { .min_latency_ns = 10,
                                      .max_latency_ns = 3000,
                                      .bandwidth_bytes = 1000000 };

    (void)arg;
    return both_directions(ctx, &link);
}

static keel_err *shaky_link(keel_ctx *ctx, void *arg)
{
    const keel_sim_link_opts link = { .max_latency_ns = 3000, .resets = true };

    (void)arg;
    return both_directions(ctx, &link);
}

static void bytes_arrive_complete_and_in_order_however_they_are_cut(void **state)
{
    (void)state;
    must_pass("sound link", sound_link, NULL, &budget);
    must_pass("sound link", sound_link, NULL, &random_walk);
}

static void only_a_reported_reset_loses_bytes(void **state)
{
    (void)state;
    must_pass("shaky link", shaky_link, NULL, &budget);
    must_pass("shaky link", shaky_link, NULL, &random_walk);
}

static void equal_seeds_make_equal_runs(void **state)
{
    (void)state;
    uint64_t seeds = getenv("KEEL_TEST_LONG") != NULL ? 10000 : 200;

    for (uint64_t seed = 0; seed < seeds; seed++) {
        const keel_sim_opts opts = { .seed = seed };
        keel_sim_report *one = keel_sim_run("shaky link", shaky_link, NULL, &opts);
        keel_sim_report *two = keel_sim_run("shaky link", shaky_link, NULL, &opts);
        bool equal = one->trace_hash == two->trace_hash && one->kind == KEEL_SIM_PASS;

        keel_sim_report_free(one);
        keel_sim_report_free(two);
        assert_true(equal);
    }
}

/* ---- What some schedule brings about ---- */

/* A message of five bytes from a to b; how it went on either side. */
typedef struct message {
    keel_err *sent;
    size_t first; /* bytes of the first read */
    size_t count; /* of all */
} message;

static keel_err *send_message(keel_ctx *ctx, const keel_sim_link_opts *link, message *m)
{
    char got[8];
    size_t n;
    keel_err *err;
    rig r;

    *m = (message){ 0 };
    err = build(ctx, &r, &(keel_sim_net_opts){ .link = *link });
    if (err != NULL) {
        tear_down(&r);
        return err;
    }
    m->sent = keel_sim_conn_write_all(ctx, r.at_a, "hello", 5);
    keel_sim_conn_close_write(r.at_a);
    while ((err = keel_sim_conn_read(ctx, r.at_b, got, sizeof got, &n)) == NULL) {
        m->first = m->first != 0 ? m->first : n;
        m->count += n;
    }
    KEEL_CHECK(err == (m->sent == NULL ? KEEL_ERR_CLOSED : KEEL_ERR_RESET));
    tear_down(&r);
    return NULL;
}

static keel_err *believes_in_whole_reads(keel_ctx *ctx, void *arg)
{
    message m;

    (void)arg;
    KEEL_TRY(send_message(ctx, &(keel_sim_link_opts){ 0 }, &m));
    KEEL_CHECK(m.first == 5);
    return NULL;
}

static keel_err *forbids_short_reads(keel_ctx *ctx, void *arg)
{
    message m;

    (void)arg;
    KEEL_TRY(send_message(ctx, &(keel_sim_link_opts){ .no_short = true }, &m));
    KEEL_CHECK(m.first == 5 && m.sent == NULL);
    return NULL;
}

static keel_err *believes_that_reset_means_lost(keel_ctx *ctx, void *arg)
{
    message m;

    (void)arg;
    KEEL_TRY(send_message(ctx, &(keel_sim_link_opts){ .resets = true, .no_short = true }, &m));
    KEEL_CHECK(m.sent == NULL || m.count == 0);
    return NULL;
}

static keel_err *believes_that_reset_means_delivered(keel_ctx *ctx, void *arg)
{
    message m;

    (void)arg;
    KEEL_TRY(send_message(ctx, &(keel_sim_link_opts){ .resets = true, .no_short = true }, &m));
    KEEL_CHECK(m.sent == NULL || m.count == 5);
    return NULL;
}

/* The first to be sent on another connection need not be the first to arrive. */
static keel_err *believes_in_order_across_connections(keel_ctx *ctx, void *arg)
{
    const keel_sim_link_opts link = { .min_latency_ns = 1000, .max_latency_ns = 5000 };
    keel_sim_conn *other_a, *other_b;
    rig r;

    (void)arg;
    KEEL_TRY(build(ctx, &r, &(keel_sim_net_opts){ .link = link }));
    KEEL_TRY(keel_sim_host_connect(ctx, r.a, "b", 1, &other_a));
    KEEL_TRY(keel_sim_listener_accept(ctx, r.listener, &other_b));
    KEEL_TRY(write_byte(ctx, r.at_a));
    KEEL_TRY(write_byte(ctx, other_a));
    KEEL_TRY(read_byte(ctx, r.at_b));
    int64_t first_ns = keel_ctx_now(ctx);
    KEEL_TRY(read_byte(ctx, other_b));
    keel_ctx *at_once = keel_ctx_with_timeout(ctx, KEEL_US(3));
    keel_err *err = read_byte(at_once, r.at_b);
    KEEL_CHECK(err == KEEL_ERR_DEADLINE);
    keel_ctx_free(at_once);
    KEEL_CHECK(keel_ctx_now(ctx) - first_ns <= KEEL_US(5));
    keel_sim_conn_free(other_a);
    keel_sim_conn_free(other_b);
    tear_down(&r);
    return NULL;
}

static void short_reads_are_found_unless_forbidden(void **state)
{
    (void)state;
    must_fail("whole reads", believes_in_whole_reads, "m.first == 5", &budget);
    /* and names it */
    must_fail("whole reads", believes_in_whole_reads, "read from connection 2", &budget);
    must_pass("no short reads", forbids_short_reads, NULL, &budget);
}

static void resets_are_found_before_and_after_delivery(void **state)
{
    (void)state;
    must_fail("lost", believes_that_reset_means_lost, "breaks after delivery", &budget);
    must_fail("delivered", believes_that_reset_means_delivered, "breaks before delivery", &budget);
}

static void later_latencies_are_found(void **state)
{
    (void)state;
    must_fail("order", believes_in_order_across_connections, "first_ns", &budget);
}

static keel_err *faulty_scenario(keel_ctx *ctx, void *arg)
{
    message m;

    (void)arg;
    keel_err *err = send_message(ctx, &(keel_sim_link_opts){ 0 }, &m);
    bool nomem = keel_err_is(err, KEEL_ERR_NOMEM);
    keel_err_free(err);
    KEEL_CHECK(nomem || m.sent == NULL);
    return NULL;
}

static void the_option_faults_allows_resets_everywhere(void **state)
{
    (void)state;
    must_pass("no faults", faulty_scenario, NULL, &budget);
    must_fail("faults", faulty_scenario, "breaks",
              &(keel_sim_opts){ .faults = true, .max_ms = 500 });
}

/* ---- Order ---- */

typedef struct shared {
    keel_sim_conn *from, *to;
    int number;
    bool send;
} shared;

static keel_err *write_then_send(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    KEEL_WRITE(s->number) = 1;
    return write_byte(ctx, s->from);
}

static keel_err *receive_then_read(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    if (s->send)
        KEEL_TRY(read_byte(ctx, s->to));
    return KEEL_READ(s->number) > 1 ? KEEL_ERR_RANGE : NULL;
}

static keel_err *share(keel_ctx *ctx, void *ordered)
{
    shared s = { .send = ordered != NULL };

    KEEL_TRY(keel_sim_net_pair(&s.from, &s.to, &slow));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, write_then_send, &s);
    keel_group_go(group, receive_then_read, &s);
    keel_err *err = keel_group_wait(group);
    keel_sim_conn_free(s.from);
    keel_sim_conn_free(s.to);
    return err;
}

static void a_byte_received_orders_what_was_done_before_it_was_sent(void **state)
{
    char yes;

    (void)state;
    must_pass("ordered", share, &yes, &budget);
    keel_sim_report *report = keel_sim_explore("unordered", share, NULL, &budget);
    assert_int_equal(report->kind, KEEL_SIM_RACE);
    keel_sim_report_free(report);
}

/* A host's tasks see what was done before they were started; who waits for them, what they did. */
static keel_err *increment(keel_ctx *ctx, void *number)
{
    (void)ctx;
    KEEL_WRITE(*(int *)number)++;
    return NULL;
}

static keel_err *count_on_host(keel_ctx *ctx, void *arg)
{
    int number = 0;
    keel_sim_net *net;
    keel_sim_host *host;

    (void)ctx;
    (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "app", NULL, &host));
    KEEL_WRITE(number)++;
    KEEL_TRY(keel_sim_host_go(host, increment, &number));
    KEEL_TRY(keel_sim_host_wait(host));
    KEEL_WRITE(number)++;
    keel_sim_net_free(net);
    KEEL_CHECK(number == 3);
    return NULL;
}

static void starting_and_waiting_for_tasks_of_a_host_orders(void **state)
{
    (void)state;
    must_pass("host", count_on_host, NULL, &budget);
}

/* ---- Trouble at any moment ---- */

/* Timeouts that come early all the time would keep a client from ever getting an answer. */
static const keel_sim_opts in_time = { .max_ms = 500, .fixed_time = true };
static const keel_sim_opts random_in_time = {
    .strategy = KEEL_SIM_RANDOM, .max_runs = 1000, .max_ms = 500, .fixed_time = true
};

/* A counter that outlives its host, on disk as it were, and a client that asks until it is told. */
typedef struct service {
    rig r;
    int disk;
    bool partition;
} service;

static keel_err *count_requests(keel_ctx *ctx, void *arg)
{
    service *s = arg;
    keel_sim_listener *listener;
    keel_sim_conn *conn;

    KEEL_TRY(keel_sim_host_listen(s->r.b, 2, &listener));
    while (keel_sim_listener_accept(ctx, listener, &conn) == NULL) {
        if (read_byte(ctx, conn) == NULL) {
            s->disk++;
            keel_err_free(write_byte(ctx, conn)); /* or it asks again */
        }
        keel_sim_conn_free(conn);
    }
    keel_sim_listener_free(listener);
    return NULL;
}

static keel_err *ask(keel_ctx *ctx, service *s)
{
    keel_sim_conn *conn;
    keel_ctx *patience = keel_ctx_with_timeout(ctx, KEEL_S(1));
    keel_err *err = keel_sim_host_connect(patience, s->r.a, "b", 2, &conn);

    if (err == NULL)
        err = write_byte(patience, conn);
    if (err == NULL)
        err = read_byte(patience, conn);
    keel_sim_conn_free(conn);
    keel_ctx_free(patience);
    return err;
}

static keel_err *make_trouble(keel_ctx *ctx, void *arg)
{
    service *s = arg;

    KEEL_TRY(keel_sleep(ctx, 400 * (int64_t)keel_sim_rand(16)));
    if (!s->partition)
        return keel_sim_host_restart(s->r.b);
    keel_sim_net_partition(s->r.net, s->r.a, s->r.b);
    KEEL_TRY(keel_sleep(ctx, KEEL_S(2)));
    keel_sim_net_heal(s->r.net, s->r.a, s->r.b);
    return NULL;
}

static keel_err *troubled(keel_ctx *ctx, void *partition)
{
    service s = { .partition = partition != NULL };
    keel_err *err;
    int tries = 0;

    KEEL_TRY(keel_sim_net_new(&s.r.net, &slow));
    KEEL_TRY(keel_sim_net_add_host(s.r.net, "a", NULL, &s.r.a));
    KEEL_TRY(keel_sim_net_add_host(
        s.r.net, "b", &(keel_sim_host_opts){ .start = count_requests, .arg = &s }, &s.r.b));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, make_trouble, &s);
    do {
        err = ask(ctx, &s);
        if (err != NULL)
            KEEL_TRY(keel_sleep(ctx, KEEL_MS(100)));
    } while (err != NULL && ++tries < 100);
    KEEL_TRY(err);
    KEEL_TRY(keel_group_wait(group));
    keel_sim_net_free(s.r.net);
    KEEL_CHECK(s.disk >= 1 && s.disk <= tries + 1);
    return NULL;
}

static void a_restart_at_any_moment_leaves_nothing_behind(void **state)
{
    (void)state;
    must_pass("restart", troubled, NULL, &in_time);
    must_pass("restart", troubled, NULL, &random_in_time);
}

static void a_partition_at_any_moment_is_got_over(void **state)
{
    char yes;

    (void)state;
    must_pass("partition", troubled, &yes, &in_time);
    must_pass("partition", troubled, &yes, &random_in_time);
}

/* ---- Without memory ---- */

static keel_err *echo(keel_ctx *ctx, void *arg)
{
    rig *r = arg;

    KEEL_TRY(read_byte(ctx, r->at_b));
    return write_byte(ctx, r->at_b);
}

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static keel_err *grand_tour(keel_ctx *ctx, void *arg)
{
    keel_sim_conn *one = NULL, *two = NULL;
    keel_sim_host *host;
    rig r;

    (void)arg;
    keel_err *err = build(ctx, &r, &slow);
    if (err == NULL)
        err = keel_sim_host_go(r.b, echo, &r);
    if (err == NULL)
        err = write_byte(ctx, r.at_a);
    if (err == NULL)
        err = keel_sim_host_wait(r.b);
    if (err == NULL)
        err = read_byte(ctx, r.at_a);
    if (err == NULL)
        err = keel_sim_host_restart(r.b);
    if (err == NULL)
        err =
            keel_sim_net_add_host(r.net, "c", &(keel_sim_host_opts){ .start = do_nothing }, &host);
    if (err == NULL)
        err = keel_sim_net_pair(&one, &two, &slow);
    if (err == NULL)
        err = write_byte(ctx, one);
    keel_sim_conn_free(one);
    keel_sim_conn_free(two);
    tear_down(&r);
    return err;
}

static keel_err *tour_in_runtime(void *arg)
{
    return support_run(grand_tour, arg);
}

static bool only_memory(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_LIMIT);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(tour_in_runtime, NULL, only_memory);
}

static keel_err *tour_with_faults(keel_ctx *ctx, void *arg)
{
    keel_err *err = grand_tour(ctx, arg);
    bool expected = err == NULL || keel_err_is(err, KEEL_ERR_NOMEM) ||
                    keel_err_is(err, KEEL_ERR_RESET) || keel_err_is(err, KEEL_ERR_CLOSED);

    if (!expected)
        return err;
    keel_err_free(err);
    return NULL;
}

static void faults_of_any_kind_leave_nothing_behind(void **state)
{
    (void)state;
    must_pass("tour", tour_with_faults, NULL, &(keel_sim_opts){ .faults = true, .max_ms = 500 });
    must_pass("tour", tour_with_faults, NULL,
              &(keel_sim_opts){ .faults = true, .strategy = KEEL_SIM_RANDOM, .max_ms = 500 });
}

/* ---- Several threads ---- */

enum { PAIRS = 8, BULK = 100000 };

typedef struct bulk {
    keel_sim_conn *from, *to;
} bulk;

static keel_err *pump(keel_ctx *ctx, void *arg)
{
    const bulk *b = arg;
    unsigned char chunk[997];
    size_t done = 0;

    while (done < BULK) {
        size_t size = BULK - done < sizeof chunk ? BULK - done : sizeof chunk;

        for (size_t i = 0; i < size; i++)
            chunk[i] = (unsigned char)((done + i) * 31 % 251);
        KEEL_TRY(keel_sim_conn_write_all(ctx, b->from, chunk, size));
        done += size;
    }
    keel_sim_conn_close(b->from);
    return NULL;
}

static keel_err *drain(keel_ctx *ctx, void *arg)
{
    const bulk *b = arg;
    unsigned char chunk[1013];
    size_t done = 0, n;
    keel_err *err;

    while ((err = keel_sim_conn_read(ctx, b->to, chunk, sizeof chunk, &n)) == NULL) {
        for (size_t i = 0; i < n; i++)
            check(chunk[i] == (unsigned char)((done + i) * 31 % 251));
        done += n;
    }
    check(err == KEEL_ERR_CLOSED && done == BULK);
    return NULL;
}

static keel_err *many_pairs(keel_ctx *ctx, void *arg)
{
    const keel_sim_net_opts *opts = arg;
    bulk pairs[PAIRS];
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < PAIRS; i++) {
        KEEL_TRY(keel_sim_net_pair(&pairs[i].from, &pairs[i].to, opts));
        keel_group_go(group, pump, &pairs[i]);
        keel_group_go(group, drain, &pairs[i]);
    }
    keel_err *err = keel_group_wait(group);
    for (size_t i = 0; i < PAIRS; i++) {
        keel_sim_conn_free(pairs[i].from);
        keel_sim_conn_free(pairs[i].to);
    }
    return err;
}

static void pairs_work_between_threads_and_in_real_time(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 2, many_pairs, &(keel_sim_net_opts){ .buffer_bytes = 4096 }));
    assert_ok(support_run_on(
        NULL, 2, many_pairs,
        &(keel_sim_net_opts){ .buffer_bytes = 4096, .link = { .min_latency_ns = 1000 } }));
    assert_ok(support_run(many_pairs, &(keel_sim_net_opts){ .link = { .min_latency_ns = 1000,
                                                                      .bandwidth_bytes = 999 } }));
}

int main(void)
{
    support_mem_install();

    const struct CMUnitTest tests[] = {
        support_test(bytes_arrive_complete_and_in_order_however_they_are_cut),
        support_test(only_a_reported_reset_loses_bytes),
        support_test(equal_seeds_make_equal_runs),
        support_test(short_reads_are_found_unless_forbidden),
        support_test(resets_are_found_before_and_after_delivery),
        support_test(later_latencies_are_found),
        support_test(the_option_faults_allows_resets_everywhere),
        support_test(a_byte_received_orders_what_was_done_before_it_was_sent),
        support_test(starting_and_waiting_for_tasks_of_a_host_orders),
        support_test(a_restart_at_any_moment_leaves_nothing_behind),
        support_test(a_partition_at_any_moment_is_got_over),
        support_test(any_allocation_may_fail),
        support_test(faults_of_any_kind_leave_nothing_behind),
        support_test(pairs_work_between_threads_and_in_real_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
