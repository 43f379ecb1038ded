/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Listeners, addresses, and connecting. */

#define run_rule(sentence)                                                                         \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg);                                    \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        size_t before = net_descriptors();                                                         \
        assert_ok(support_run(sentence##_task, NULL));                                             \
        assert_int_equal(net_descriptors(), before);                                               \
    }                                                                                              \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg)

/* ---- Addresses ---- */

run_rule(texts_that_are_no_address_are_refused)
{
    static const char *const wrong[] = {
        "",        "localhost", "localhost:",    "localhost:x", "localhost:65536",
        "::1:80",  "[::1]",     "[::1]80",       "[]:80",       "localhost:-1",
        "[::1:80", "unix:",     "127.0.0.1:80 ", "a:1:2",       "localhost:99999999999999",
    };
    keel_listener listener;
    keel_stream stream;

    (void)arg;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        check_err(keel_listener_open(ctx, &listener, wrong[i], NULL), KEEL_ERR_INVAL);
        check_err(keel_stream_connect(ctx, &stream, wrong[i], NULL), KEEL_ERR_INVAL);
        check(!keel_stream_is_open(stream));
    }
    return NULL;
}

static keel_err *both_ends_know_their_addresses(keel_ctx *ctx, net_kind kind, const char *begins)
{
    char listening[KEEL_STREAM_ADDRESS_BYTES], peer[KEEL_STREAM_ADDRESS_BYTES];
    char local[KEEL_STREAM_ADDRESS_BYTES], tiny[4];
    net_ends ends;

    KEEL_TRY(net_open(ctx, &ends, kind, NULL));
    KEEL_TRY(keel_listener_address(ends.listener, listening, sizeof listening));
    KEEL_TRY(keel_stream_peer(ends.a, peer, sizeof peer));
    check(strcmp(peer, listening) == 0 && strncmp(peer, begins, strlen(begins)) == 0);
    check(strcmp(peer + strlen(peer) - 2, ":0") != 0);
    KEEL_TRY(keel_stream_local(ends.b, local, sizeof local));
    check(strcmp(local, listening) == 0);
    KEEL_TRY(keel_stream_local(ends.a, local, sizeof local));
    KEEL_TRY(keel_stream_peer(ends.b, peer, sizeof peer));
    check(strcmp(local, peer) == 0);
    check_err(keel_stream_peer(ends.b, tiny, sizeof tiny), KEEL_ERR_RANGE);
    net_close(&ends);
    check_err(keel_listener_address(ends.listener, local, sizeof local), KEEL_ERR_CLOSED);
    return NULL;
}

run_rule(addresses_are_texts)
{
    char path[128], text[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;

    (void)arg;
    KEEL_TRY(both_ends_know_their_addresses(ctx, NET_TCP, "127.0.0.1:"));
    KEEL_TRY(both_ends_know_their_addresses(ctx, NET_TCP6, "[::1]:"));
    KEEL_TRY(both_ends_know_their_addresses(ctx, NET_UNIX, "unix:@keel-test-"));
    snprintf(path, sizeof path, "unix:/tmp/keel-test-%ld.sock", (long)getpid());
    KEEL_TRY(keel_listener_open(ctx, &listener, path, NULL));
    KEEL_TRY(keel_listener_address(listener, text, sizeof text));
    check(strcmp(text, path) == 0);
    keel_listener_close(listener);
    keel_stream a, b;
    KEEL_TRY(keel_stream_pair(&a, &b, NULL));
    KEEL_TRY(keel_stream_peer(a, text, sizeof text));
    check(strcmp(text, "pair") == 0);
    keel_stream_close(a);
    keel_stream_close(b);
    return NULL;
}

run_rule(a_listener_without_a_host_takes_both_families)
{
    char listening[KEEL_STREAM_ADDRESS_BYTES], address[KEEL_STREAM_ADDRESS_BYTES];
    static const char *const hosts[] = { "127.0.0.1", "[::1]", "localhost", "" };
    keel_listener listener;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, ":0", NULL));
    KEEL_TRY(keel_listener_address(listener, listening, sizeof listening));
    check(strncmp(listening, "[::]:", 5) == 0);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        keel_stream a, b;

        snprintf(address, sizeof address, "%s:%s", hosts[i], listening + 5);
        KEEL_TRY(keel_stream_connect(ctx, &a, address, NULL));
        KEEL_TRY(keel_listener_accept(ctx, listener, &b));
        KEEL_TRY(keel_stream_peer(b, address, sizeof address));
        check(i != 0 || strncmp(address, "127.0.0.1:", 10) == 0);
        KEEL_TRY(net_write_text(ctx, a, "hello"));
        KEEL_TRY(net_expect(ctx, b, "hello"));
        keel_stream_close(a);
        keel_stream_close(b);
    }
    keel_listener_close(listener);
    return NULL;
}

/* ---- What cannot be reached ---- */

/* An error that names the address. */
static keel_err *names(keel_err *err, const keel_err *target, const char *address)
{
    char text[512];

    keel_err_str(err, text, sizeof text);
    bool named = strstr(text, address) != NULL;
    check_err(err, target);
    check(named);
    return NULL;
}

run_rule(where_nobody_listens_connections_are_refused)
{
    char tcp[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;
    keel_stream stream;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(listener, tcp, sizeof tcp));
    keel_listener_close(listener);
    KEEL_TRY(names(keel_stream_connect(ctx, &stream, tcp, NULL), KEEL_ERR_REFUSED, tcp));
    KEEL_TRY(names(keel_stream_connect(ctx, &stream, "unix:@nobody-is-here", NULL),
                   KEEL_ERR_REFUSED, "unix:@nobody-is-here"));
    KEEL_TRY(names(keel_stream_connect(ctx, &stream, "unix:/nowhere/at/all", NULL),
                   KEEL_ERR_NOT_FOUND, "unix:/nowhere/at/all"));
    return NULL;
}

run_rule(a_name_that_nobody_has_is_not_found)
{
    keel_stream stream;
    keel_err *err = keel_stream_connect(ctx, &stream, "no-such-host.invalid:80", NULL);

    (void)arg;
    check(keel_err_is(err, KEEL_ERR_NOT_FOUND) || keel_err_is(err, KEEL_ERR_BUSY));
    return names(err, err, "no-such-host.invalid");
}

run_rule(a_port_that_is_taken_is_busy_unless_it_is_shared)
{
    const keel_listener_opts shared = { .reuse_port = true };
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener one, two;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &one, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(one, address, sizeof address));
    KEEL_TRY(names(keel_listener_open(ctx, &two, address, NULL), KEEL_ERR_BUSY, address));
    keel_listener_close(one);
    KEEL_TRY(keel_listener_open(ctx, &one, address, &shared));
    KEEL_TRY(keel_listener_open(ctx, &two, address, &shared));
    keel_listener_close(one);
    keel_listener_close(two);
    return NULL;
}

run_rule(a_unix_socket_leaves_no_file_and_takes_the_place_of_a_dead_one)
{
    char address[128];
    const char *path = address + 5;
    struct stat file;
    keel_listener one, two;

    (void)arg;
    snprintf(address, sizeof address, "unix:/tmp/keel-test-%ld.sock", (long)getpid());
    KEEL_TRY(keel_listener_open(ctx, &one, address, NULL));
    check(stat(path, &file) == 0);
    KEEL_TRY(names(keel_listener_open(ctx, &two, address, NULL), KEEL_ERR_BUSY, address));
    check(stat(path, &file) == 0);

    char moved[160];
    snprintf(moved, sizeof moved, "%s.moved", path);
    check(rename(path, moved) == 0);
    keel_listener_close(one); /* finds nothing to remove, and nobody listens at the file any more */
    check(rename(moved, path) == 0);
    KEEL_TRY(keel_listener_open(ctx, &two, address, NULL));
    keel_listener_close(two);
    check(stat(path, &file) != 0);

    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* no socket at all: it stays */
    check(fd >= 0);
    close(fd);
    check_err(keel_listener_open(ctx, &two, address, NULL), KEEL_ERR_BUSY);
    check(unlink(path) == 0);
    return NULL;
}

/* ---- Accepting ---- */

typedef struct acceptor {
    keel_listener listener;
    keel_ctx *under;
    keel_stream stream;
    keel_err *err;
} acceptor;

static keel_err *accept_one(keel_ctx *ctx, void *arg)
{
    acceptor *a = arg;

    a->err = keel_listener_accept(a->under != NULL ? a->under : ctx, a->listener, &a->stream);
    return NULL;
}

enum { ACCEPTORS = 4 };

static keel_err *several_accept(keel_ctx *ctx, bool pause)
{
    acceptor all[ACCEPTORS] = { 0 };
    keel_stream made[ACCEPTORS];
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;
    keel_group *group = keel_group_new(ctx, NULL);

    KEEL_TRY(keel_listener_open(ctx, &listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(listener, address, sizeof address));
    for (int i = 0; i < ACCEPTORS; i++) {
        all[i].listener = listener;
        keel_group_go(group, accept_one, &all[i]);
    }
    for (int i = 0; i < ACCEPTORS; i++) {
        for (int k = 0; pause && k < 1000; k++)
            keel_yield();
        KEEL_TRY(keel_stream_connect(ctx, &made[i], address, NULL));
    }
    KEEL_TRY(keel_group_wait(group));
    for (int i = 0; i < ACCEPTORS; i++) {
        KEEL_TRY(all[i].err);
        keel_stream_close(all[i].stream);
        keel_stream_close(made[i]);
    }
    keel_listener_close(listener);
    return NULL;
}

run_rule(several_may_accept_and_each_gets_a_connection)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        KEEL_TRY(several_accept(ctx, i % 2 == 0));
    return NULL;
}

run_rule(closing_a_listener_wakes_all_who_accept)
{
    acceptor all[ACCEPTORS] = { 0 };
    keel_listener listener;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, "127.0.0.1:0", NULL));
    for (int i = 0; i < ACCEPTORS; i++) {
        all[i].listener = listener;
        keel_group_go(group, accept_one, &all[i]);
    }
    for (int i = 0; i < 1000; i++)
        keel_yield();
    keel_listener_close(listener);
    keel_listener_close(listener);
    KEEL_TRY(keel_group_wait(group));
    for (int i = 0; i < ACCEPTORS; i++)
        check_err(all[i].err, KEEL_ERR_CLOSED);
    check_err(keel_listener_accept(ctx, listener, &all[0].stream), KEEL_ERR_CLOSED);
    return NULL;
}

run_rule(accepting_ends_with_its_context)
{
    keel_listener listener;
    keel_stream stream;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, "127.0.0.1:0", NULL));
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_S(10));
    keel_err *err = keel_listener_accept(soon, listener, &stream);
    check_err(err, KEEL_ERR_DEADLINE);
    check_err(keel_listener_accept(soon, listener, &stream), KEEL_ERR_DEADLINE);
    check_err(keel_listener_open(soon, &listener, "127.0.0.1:0", NULL), KEEL_ERR_DEADLINE);
    check_err(keel_stream_connect(soon, &stream, "127.0.0.1:1", NULL), KEEL_ERR_DEADLINE);
    keel_ctx_free(soon);
    return NULL; /* the listener that is left open closes with its runtime */
}

/* ---- Connecting takes time where nobody accepts ---- */

run_rule(connecting_to_a_full_backlog_ends_with_its_context)
{
    const keel_listener_opts small = { .backlog = 1 };
    keel_listener listener;
    keel_stream made[64];
    keel_err *err = NULL;
    size_t count = 0;

    (void)arg;
    for (int unix_socket = 0; unix_socket < 2; unix_socket++) {
        char address[KEEL_STREAM_ADDRESS_BYTES];

        KEEL_TRY(keel_listener_open(ctx, &listener, net_address(unix_socket ? NET_UNIX : NET_TCP),
                                    &small));
        KEEL_TRY(keel_listener_address(listener, address, sizeof address));
        for (count = 0; count < 64; count++) {
            keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_MS(100));

            err = keel_stream_connect(soon, &made[count], address, NULL);
            keel_ctx_free(soon);
            if (err != NULL)
                break;
        }
        check_err(err, KEEL_ERR_DEADLINE);
        keel_stream stream;
        KEEL_TRY(keel_listener_accept(ctx, listener, &stream));
        keel_stream_close(stream);
        while (count > 0)
            keel_stream_close(made[--count]);
        keel_listener_close(listener);
    }
    return NULL;
}

/* ---- Descriptors ---- */

run_rule(a_thousand_connections_leave_nothing)
{
    net_ends ends;

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_TCP, NULL));
    for (int i = 0; i < 1000; i++) {
        keel_stream_reset(
            ends.a); /* a connection that ends in the usual way keeps its port for a minute */
        keel_stream_close(ends.b);
        KEEL_TRY(net_connect(ctx, &ends, NULL));
        KEEL_TRY(net_write_text(ctx, ends.a, "hello"));
        KEEL_TRY(net_expect(ctx, ends.b, "hello"));
    }
    net_close(&ends);
    return NULL;
}

run_rule(without_a_descriptor_accepting_waits_and_connecting_fails)
{
    struct rlimit before, none = { 0 };
    char address[KEEL_STREAM_ADDRESS_BYTES];
    acceptor a = { .err = NULL };
    keel_stream made, other;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &a.listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(a.listener, address, sizeof address));
    KEEL_TRY(keel_stream_connect(ctx, &other, address, NULL));
    KEEL_TRY(keel_stream_connect(ctx, &made, address, NULL));
    KEEL_TRY(keel_listener_accept(ctx, a.listener, &a.stream));
    keel_stream_close(a.stream);
    keel_stream_close(other);
    check(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none.rlim_max = before.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &none) == 0); /* what is open stays open */

    keel_group *group = keel_group_new(ctx, NULL);
    keel_err *refused = keel_stream_connect(ctx, &other, address, NULL);
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_S(10));
    keel_err *given_up = keel_listener_accept(soon, a.listener, &other);
    keel_ctx_free(soon);
    keel_group_go(group, accept_one, &a);
    keel_err *slept = keel_sleep(ctx, KEEL_S(4)); /* longer than some of its pauses */
    check(setrlimit(RLIMIT_NOFILE, &before) == 0);
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(slept);
    check_err(refused, KEEL_ERR_LIMIT);
    check_err(given_up, KEEL_ERR_DEADLINE);
    KEEL_TRY(a.err);
    KEEL_TRY(net_write_text(ctx, made, "hello"));
    KEEL_TRY(net_expect(ctx, a.stream, "hello"));
    keel_stream_close(a.stream);
    keel_stream_close(made);
    keel_listener_close(a.listener);
    return NULL;
}

/* ---- Runtimes ---- */

static void without_a_runtime_there_are_no_streams(void **state)
{
    keel_listener listener;
    keel_stream a, b;

    (void)state;
    assert_err(keel_listener_open(NULL, &listener, "127.0.0.1:0", NULL), KEEL_ERR_NO_RUNTIME);
    assert_err(keel_stream_connect(NULL, &a, "127.0.0.1:1", NULL), KEEL_ERR_NO_RUNTIME);
    assert_err(keel_stream_pair(&a, &b, NULL), KEEL_ERR_NO_RUNTIME);
}

static void what_is_left_open_closes_with_its_runtime(void **state)
{
    size_t before = net_descriptors();
    keel_runtime *rt;
    net_ends ends, pair;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    assert_ok(net_open(keel_runtime_ctx(rt), &ends, NET_TCP, NULL)); /* from a plain thread */
    assert_ok(net_write_text(keel_runtime_ctx(rt), ends.a, "hello"));
    assert_ok(net_expect(keel_runtime_ctx(rt), ends.b, "hello"));
    assert_ok(keel_stream_pair(&pair.a, &pair.b, &(keel_stream_pair_opts){ .runtime = rt }));
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(net_descriptors(), before);
}

/* ---- Memory ---- */

static keel_err *talk_without_memory(void *arg)
{
    return support_run_on(NULL, 1, net_run_rule, arg);
}

static keel_err *say_hello(keel_ctx *ctx, net_ends *ends)
{
    KEEL_TRY(net_write_text(ctx, ends->a, "hello"));
    return net_expect(ctx, ends->b, "hello");
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t before = net_descriptors();
    for (unsigned kind = 0; kind < NET_KINDS; kind++) {
        net_rule rule = { say_hello, (net_kind)kind, 0 };

        support_mem_torture(talk_without_memory, &rule, NULL);
    }
    assert_int_equal(net_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(texts_that_are_no_address_are_refused),
        keel_test(addresses_are_texts),
        keel_test(a_listener_without_a_host_takes_both_families),
        keel_test(where_nobody_listens_connections_are_refused),
        keel_test(a_name_that_nobody_has_is_not_found),
        keel_test(a_port_that_is_taken_is_busy_unless_it_is_shared),
        keel_test(a_unix_socket_leaves_no_file_and_takes_the_place_of_a_dead_one),
        keel_test(several_may_accept_and_each_gets_a_connection),
        keel_test(closing_a_listener_wakes_all_who_accept),
        keel_test(accepting_ends_with_its_context),
        keel_test(connecting_to_a_full_backlog_ends_with_its_context),
        keel_test(a_thousand_connections_leave_nothing),
        keel_test(without_a_descriptor_accepting_waits_and_connecting_fails),
        keel_test(without_a_runtime_there_are_no_streams),
        keel_test(what_is_left_open_closes_with_its_runtime),
        keel_test(every_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
