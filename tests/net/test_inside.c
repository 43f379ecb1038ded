/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "net/slot.h"

/* What needs a moment that no caller can choose, or shows only inside: on one worker, with a say in
 * calls of the system. */

#define one_worker(sentence)                                                                       \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg);                                    \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        size_t before = net_descriptors();                                                         \
        assert_ok(support_run_on(NULL, 1, sentence##_task, NULL));                                 \
        assert_int_equal(net_descriptors(), before);                                               \
    }                                                                                              \
    static keel_err *sentence##_task(keel_ctx *ctx, void *arg)

/* Until they wait. */
static void let_others_run(void)
{
    for (int i = 0; i < 100; i++)
        keel_yield();
}

/* ---- A descriptor becomes known to a poller: something may happen right then ---- */

static void (*after_add)(void);
static bool add_fails;

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    /* only streams are added for edges in both directions */
    const bool ours = what == EPOLL_CTL_ADD && (event->events & EPOLLRDHUP) != 0;

    if (ours && add_fails) {
        errno = ENOMEM;
        return -1;
    }
    int status = (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
    if (ours && after_add != NULL)
        after_add();
    return status;
}

one_worker(a_stream_that_no_poller_took_can_be_waited_for_later)
{
    net_ends ends;
    net_job job = { .fn = net_read_byte };

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_UNIX, NULL));
    add_fails = true;
    keel_err *err = net_read_byte(ctx, ends.b);
    add_fails = false;
    check_err(err, KEEL_ERR_NOMEM);
    job.stream = ends.b;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, net_do, &job);
    let_others_run();
    KEEL_TRY(keel_stream_write(ctx, ends.a, "x", 1));
    KEEL_TRY(keel_group_wait(group));
    net_close(&ends);
    return job.err;
}

static keel_stream closing;

static void close_now(void)
{
    after_add = NULL;
    keel_stream_close(closing);
}

static keel_err *count_call(keel_ctx *ctx, keel_stream stream, void *arg)
{
    (void)ctx;
    ++*(int *)arg;
    return keel_stream_is_open(stream) ? keel_err_new("open") : NULL;
}

one_worker(a_stream_that_closes_while_its_wait_is_set_up_starts_its_task)
{
    net_ends ends;
    int calls = 0;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_UNIX, NULL));
    closing = ends.b;
    after_add = close_now;
    KEEL_TRY(keel_stream_when_readable(group, ends.b, count_call, &calls));
    KEEL_TRY(keel_group_wait(group));
    check(calls == 1);
    net_close(&ends);
    return NULL;
}

/* ---- Events ---- */

one_worker(an_event_between_looking_and_waiting_ends_the_wait)
{
    net_ends ends;

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_TCP, NULL));
    keel__slot *slot = ends.b.keel__slot;
    KEEL_TRY(keel__slot_pin(slot, ends.b.keel__generation));
    keel__turn turn = keel__slot_turn(slot, KEEL__IN);
    keel__slot_event(slot, true, false, false);
    keel_err *err = keel__slot_wait(ctx, slot, ends.b.keel__generation, &turn, KEEL__NO_TIMEOUT);
    keel__slot_unpin(slot);
    net_close(&ends);
    return err;
}

/* Reads more than there is, after having waited for it: nothing is left, and that is known. */
static keel_err *drain(keel_ctx *ctx, const net_ends *ends)
{
    char bytes[8];
    size_t got;
    net_job job = { .fn = net_read_byte, .stream = ends->b };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, net_do, &job);
    let_others_run();
    KEEL_TRY(keel_stream_write(ctx, ends->a, "x", 1));
    KEEL_TRY(keel_group_wait(group));
    KEEL_TRY(job.err);
    KEEL_TRY(keel_stream_write(ctx, ends->a, "y", 1));
    KEEL_TRY(keel_stream_read(ctx, ends->b, bytes, sizeof bytes, &got));
    check(got == 1 && bytes[0] == 'y');
    return NULL;
}

one_worker(what_came_between_two_short_reads_is_read)
{
    net_ends ends, later;
    char bytes[8];
    size_t got;

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_TCP, NULL));
    KEEL_TRY(net_open(ctx, &later, NET_TCP, NULL));
    KEEL_TRY(drain(ctx, &ends));
    KEEL_TRY(drain(ctx, &later));
    KEEL_TRY(keel_stream_write(ctx, ends.a, "first", 5));
    KEEL_TRY(keel_stream_write(ctx, later.a, "second", 6));
    KEEL_TRY(
        keel_stream_read(ctx, later.b, bytes, sizeof bytes, &got)); /* its event is the later one */
    KEEL_TRY(net_expect(ctx, ends.b, "first"));
    net_close(&ends);
    net_close(&later);
    return NULL;
}

static keel_err *accept_and_close(keel_ctx *ctx, void *arg)
{
    const keel_listener *listener = arg;
    keel_stream stream;

    KEEL_TRY(keel_listener_accept(ctx, *listener, &stream));
    keel_stream_close(stream);
    return NULL;
}

one_worker(connections_that_come_at_once_go_to_all_who_wait)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;
    keel_stream made[3];
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, net_address(NET_UNIX), NULL));
    KEEL_TRY(keel_listener_address(listener, address, sizeof address));
    for (int i = 0; i < 3; i++)
        keel_group_go(group, accept_and_close, &listener);
    let_others_run();
    for (int i = 0; i < 3; i++) /* none of these waits: the worker hears of all of them together */
        KEEL_TRY(keel_stream_connect(ctx, &made[i], address, NULL));
    KEEL_TRY(keel_group_wait(group));
    for (int i = 0; i < 3; i++)
        keel_stream_close(made[i]);
    keel_listener_close(listener);
    return NULL;
}

typedef struct turns {
    size_t count;
    bool stop;
} turns;

static keel_err *take_turns(keel_ctx *ctx, void *arg)
{
    turns *t = arg;

    (void)ctx;
    for (; !t->stop; t->count++)
        keel_yield();
    return NULL;
}

one_worker(who_never_has_to_wait_lets_others_run)
{
    net_ends ends;
    turns t = { .count = 0 };

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_UNIX, NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, take_turns, &t);
    while (t.count == 0)
        keel_yield();
    const size_t before = t.count;
    keel_err *err = NULL;
    for (int i = 0; i < KEEL__STREAK && err == NULL; i++)
        err = keel_stream_write(ctx, ends.a, "x", 1);
    const size_t after = t.count;
    t.stop = true;
    err = keel_err_join(err, keel_group_wait(group));
    net_close(&ends);
    KEEL_TRY(err);
    check(after > before);
    return NULL;
}

/* ---- Sockets and slots ---- */

one_worker(a_stream_in_the_place_of_one_that_wrote_no_more_writes)
{
    net_ends first, ends;

    (void)arg;
    KEEL_TRY(net_open(ctx, &first, NET_TCP, NULL));
    KEEL_TRY(keel_stream_close_write(first.a));
    KEEL_TRY(keel_stream_close_write(first.b));
    net_close(&first);
    KEEL_TRY(net_open(ctx, &ends, NET_TCP, NULL));
    check(ends.a.keel__slot == first.b.keel__slot || ends.a.keel__slot == first.a.keel__slot ||
          ends.b.keel__slot == first.a.keel__slot || ends.b.keel__slot == first.b.keel__slot);
    KEEL_TRY(net_write_text(ctx, ends.a, "hello"));
    KEEL_TRY(net_write_text(ctx, ends.b, "hello"));
    KEEL_TRY(net_expect(ctx, ends.a, "hello"));
    KEEL_TRY(net_expect(ctx, ends.b, "hello"));
    net_close(&ends);
    return NULL;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

one_worker(a_connection_that_failed_leaves_no_descriptor)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;
    keel_stream stream;
    size_t before = 0;

    (void)arg;
    KEEL_TRY(keel_listener_open(ctx, &listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(listener, address, sizeof address));
    keel_listener_close(listener);
    for (int i = 0; i < 5; i++) {
        check_err(keel_stream_connect(ctx, &stream, address, NULL), KEEL_ERR_REFUSED);
        if (i == 0)
            before = open_descriptors(); /* with the poller's */
    }
    check(open_descriptors() == before);
    return NULL;
}

one_worker(a_port_can_be_taken_again_at_once)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];
    keel_listener listener;
    net_ends ends;

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_TCP, NULL));
    KEEL_TRY(keel_listener_address(ends.listener, address, sizeof address));
    keel_stream_close(ends.b); /* the server's end is first, and keeps the port for a while */
    check_err(net_read_byte(ctx, ends.a), KEEL_ERR_EOF);
    net_close(&ends);
    KEEL_TRY(keel_listener_open(ctx, &listener, address, NULL));
    keel_listener_close(listener);
    return NULL;
}

static int option_of(keel_stream stream, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(stream.keel__slot->fd, level, option, &value, &size) == 0 ? value : -1;
}

static keel_err *check_options(const net_ends *ends, bool nodelay, bool alive, int idle_s)
{
    const keel_stream both[] = { ends->a, ends->b };

    for (int i = 0; i < 2; i++) {
        check((option_of(both[i], IPPROTO_TCP, TCP_NODELAY) != 0) == nodelay);
        check((option_of(both[i], SOL_SOCKET, SO_KEEPALIVE) != 0) == alive);
        if (alive) {
            check(option_of(both[i], IPPROTO_TCP, TCP_KEEPIDLE) == idle_s);
            check(option_of(both[i], IPPROTO_TCP, TCP_KEEPINTVL) == idle_s);
            check(option_of(both[i], IPPROTO_TCP, TCP_KEEPCNT) == 9);
        }
    }
    return NULL;
}

one_worker(both_ends_have_the_options_that_were_asked_for)
{
    static const keel_stream_opts plain = { .keepalive_ns = 0 };
    static const keel_stream_opts other = { .delay = true, .no_keepalive = true };
    static const keel_stream_opts rare = { .keepalive_ns = KEEL_S(100) };
    static const keel_stream_opts least = { .keepalive_ns = 1 };
    const struct {
        const keel_stream_opts *opts;
        bool nodelay, alive;
        int idle_s;
    } rows[] = { { &plain, true, true, 15 },
                 { &other, false, false, 0 },
                 { &rare, true, true, 100 },
                 { &least, true, true, 1 } };

    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        net_ends ends;

        KEEL_TRY(net_open(ctx, &ends, NET_TCP, rows[i].opts));
        keel_err *err = check_options(&ends, rows[i].nodelay, rows[i].alive, rows[i].idle_s);
        net_close(&ends);
        KEEL_TRY(err);
    }
    return NULL;
}

static keel_err *talk_by_a_unix_socket(keel_ctx *ctx, void *arg)
{
    net_ends ends;

    (void)arg;
    KEEL_TRY(net_open(ctx, &ends, NET_UNIX, NULL));
    KEEL_TRY(net_write_text(ctx, ends.a, "hello"));
    KEEL_TRY(net_expect(ctx, ends.b, "hello"));
    net_close(&ends);
    return NULL;
}

one_worker(a_simulated_host_outside_of_a_simulation_has_the_unix_sockets_of_its_machine)
{
    keel_sim_net *net;
    keel_sim_host *host;

    (void)ctx, (void)arg;
    KEEL_TRY(keel_sim_net_new(&net, NULL));
    KEEL_TRY(keel_sim_net_add_host(net, "host", NULL, &host));
    KEEL_TRY(keel_sim_host_go(host, talk_by_a_unix_socket, NULL));
    keel_err *err = keel_sim_host_wait(host);
    keel_sim_net_free(net);
    return err;
}

/* ---- Without a stack, or without memory ---- */

enum { HUGE_STACK = 1 << 30 };

static keel_err *no_stacks(struct rlimit *before)
{
    check(getrlimit(RLIMIT_AS, before) == 0);
    check(setrlimit(RLIMIT_AS, &(struct rlimit){ HUGE_STACK, before->rlim_max }) == 0);
    return NULL;
}

static keel_err *park_without_a_stack(keel_ctx *ctx, net_kind kind)
{
    net_ends ends;
    struct rlimit before;
    int calls = 0;
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .stack_bytes = HUGE_STACK });

    KEEL_TRY(net_open(ctx, &ends, kind, NULL));
    KEEL_TRY(no_stacks(&before));
    keel_err *err = keel_stream_when_readable(group, ends.b, count_call, &calls);
    keel_err *written = net_write_text(ctx, ends.a, "x");
    keel_err *failed = keel_group_wait(group);
    check(setrlimit(RLIMIT_AS, &before) == 0);
    KEEL_TRY(err);
    KEEL_TRY(written);
    check_err(failed, KEEL_ERR_LIMIT);
    check(calls == 0 && !keel_stream_is_open(ends.b));
    net_close(&ends);
    return NULL;
}

one_worker(a_stream_whose_task_gets_no_stack_is_closed)
{
    (void)arg;
    KEEL_TRY(park_without_a_stack(ctx, NET_UNIX));
    return park_without_a_stack(ctx, NET_PAIR);
}

/* A server of one connection at a time. */
typedef struct server {
    keel_listener listener;
    char address[KEEL_STREAM_ADDRESS_BYTES];
    size_t stack_bytes;
    int failures;
} server;

static keel_err *greet(keel_ctx *ctx, keel_stream stream, void *arg)
{
    (void)arg;
    return net_write_text(ctx, stream, "hello");
}

static void count_failure(const keel_err *err, void *arg)
{
    server *s = arg;

    s->failures += keel_err_is(err, KEEL_ERR_NOMEM) || keel_err_is(err, KEEL_ERR_LIMIT);
}

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    server *s = arg;
    const keel_serve_opts opts = { .max_connections = 1,
                                   .stack_bytes = s->stack_bytes,
                                   .failed = count_failure };

    return keel_listener_serve(ctx, s->listener, greet, s, &opts);
}

/* *instead becomes why there was no greeting. */
static keel_err *be_greeted(keel_ctx *ctx, server *s, keel_err **instead)
{
    keel_stream stream;
    keel_err *err = keel_stream_connect(ctx, &stream, s->address, NULL);

    if (err == NULL)
        *instead = net_expect(ctx, stream, "hello");
    keel_stream_close(stream);
    if (keel_err_is(err, KEEL_ERR_RESET)) { /* so soon */
        *instead = err;
        err = NULL;
    }
    return err;
}

static keel_err *begin(keel_ctx *ctx, server *s, keel_group **group)
{
    KEEL_TRY(keel_listener_open(ctx, &s->listener, "127.0.0.1:0", NULL));
    KEEL_TRY(keel_listener_address(s->listener, s->address, sizeof s->address));
    *group = keel_group_new(ctx, NULL);
    keel_group_go(*group, serve, s);
    let_others_run();
    return NULL;
}

/* It goes on with the next. */
static keel_err *end(keel_ctx *ctx, server *s, keel_group *group)
{
    keel_err *instead;

    KEEL_TRY(be_greeted(ctx, s, &instead));
    KEEL_TRY(instead);
    keel_listener_close(s->listener);
    return keel_group_wait(group);
}

one_worker(a_connection_whose_task_gets_no_stack_is_reset)
{
    server s = { .stack_bytes = HUGE_STACK };
    keel_group *group;
    struct rlimit before;
    keel_err *instead = NULL;

    (void)arg;
    KEEL_TRY(begin(ctx, &s, &group));
    KEEL_TRY(no_stacks(&before));
    keel_err *err = be_greeted(ctx, &s, &instead);
    check(setrlimit(RLIMIT_AS, &before) == 0);
    KEEL_TRY(err);
    check_err(instead, KEEL_ERR_RESET);
    check(s.failures == 1);
    return end(ctx, &s, group);
}

one_worker(a_connection_without_memory_for_its_task_is_reset)
{
    server s = { .failures = 0 };
    keel_group *group;
    int resets = 0;

    (void)arg;
    KEEL_TRY(begin(ctx, &s, &group));
    for (size_t i = 1; i <= 6; i++) { /* more than it takes */
        keel_err *instead = NULL;

        support_mem_fail(i, false);
        keel_err *err = be_greeted(ctx, &s, &instead);
        support_mem_fail(0, false);
        if (keel_err_is(instead, KEEL_ERR_RESET))
            resets++;
        check(err == NULL || keel_err_is(err, KEEL_ERR_NOMEM));
        check(instead == NULL || keel_err_is(instead, KEEL_ERR_RESET));
        check(s.failures == resets);
        keel_err_free(err);
        keel_err_free(instead);
    }
    check(resets >= 2); /* for its record, and for its task */
    return end(ctx, &s, group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(a_stream_that_no_poller_took_can_be_waited_for_later),
        keel_test(a_stream_that_closes_while_its_wait_is_set_up_starts_its_task),
        keel_test(an_event_between_looking_and_waiting_ends_the_wait),
        keel_test(what_came_between_two_short_reads_is_read),
        keel_test(connections_that_come_at_once_go_to_all_who_wait),
        keel_test(who_never_has_to_wait_lets_others_run),
        keel_test(a_stream_in_the_place_of_one_that_wrote_no_more_writes),
        keel_test(a_connection_that_failed_leaves_no_descriptor),
        keel_test(a_port_can_be_taken_again_at_once),
        keel_test(both_ends_have_the_options_that_were_asked_for),
        keel_test(a_simulated_host_outside_of_a_simulation_has_the_unix_sockets_of_its_machine),
        keel_test(a_stream_whose_task_gets_no_stack_is_closed),
        keel_test(a_connection_whose_task_gets_no_stack_is_reset),
        keel_test(a_connection_without_memory_for_its_task_is_reset),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
