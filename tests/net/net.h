/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_NET_H
#define KEEL_TESTS_NET_H

/* What the tests of streams share: two ends of a connection of each kind, and descriptors counted. */

#include "support.h"

#include <dirent.h>
#include <unistd.h>

#include <keel/stream.h>

typedef enum net_kind { NET_TCP, NET_TCP6, NET_UNIX, NET_PAIR, NET_KINDS } net_kind;

static const char *const net_kind_names[] = { "TCP", "TCP over IPv6", "Unix", "pair" };

typedef struct net_ends {
    net_kind kind;
    keel_listener listener; /* closed, for a pair */
    keel_stream a, b;       /* a has connected to b */
} net_ends;

/* The address of a listener of a kind, to be used by one test program at a time. */
static inline const char *net_address(net_kind kind)
{
    static char path[64];

    if (kind == NET_TCP)
        return "127.0.0.1:0";
    if (kind == NET_TCP6)
        return "[::1]:0";
    snprintf(path, sizeof path, "unix:@keel-test-%ld", (long)getpid());
    return path;
}

static inline keel_err *net_connect(keel_ctx *ctx, net_ends *ends, const keel_stream_opts *opts)
{
    char address[KEEL_STREAM_ADDRESS_BYTES];

    KEEL_TRY(keel_listener_address(ends->listener, address, sizeof address));
    KEEL_TRY(keel_stream_connect(ctx, &ends->a, address, opts));
    return keel_listener_accept(ctx, ends->listener, &ends->b);
}

static inline keel_err *net_open(keel_ctx *ctx, net_ends *ends, net_kind kind,
                                 const keel_stream_opts *opts)
{
    keel_listener_opts all = { 0 };

    memset(ends, 0, sizeof *ends);
    ends->kind = kind;
    if (kind == NET_PAIR)
        return keel_stream_pair(
            &ends->a, &ends->b,
            &(keel_stream_pair_opts){ .buffer_bytes = opts != NULL ? opts->send_buffer_bytes : 0 });
    if (opts != NULL)
        all.stream = *opts;
    KEEL_TRY(keel_listener_open(ctx, &ends->listener, net_address(kind), &all));
    return net_connect(ctx, ends, opts);
}

static inline void net_close(net_ends *ends)
{
    keel_stream_close(ends->a);
    keel_stream_close(ends->b);
    keel_listener_close(ends->listener);
}

static inline keel_err *net_write_text(keel_ctx *ctx, keel_stream stream, const char *text)
{
    return keel_stream_write(ctx, stream, text, strlen(text));
}

/* What is to be read next is that text. */
static inline keel_err *net_expect(keel_ctx *ctx, keel_stream stream, const char *text)
{
    char got[256] = { 0 };

    KEEL_TRY(keel_io_read_full(ctx, keel_stream_reader(&stream), got, strlen(text), NULL));
    check(strcmp(got, text) == 0);
    return NULL;
}

static inline keel_err *net_read_byte(keel_ctx *ctx, keel_stream stream)
{
    char byte;
    size_t got = 7;
    keel_err *err = keel_stream_read(ctx, stream, &byte, 1, &got);

    check(got == (err == NULL));
    return err;
}

static inline keel_err *net_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return NULL;
}

/* How many descriptors the process has, with those that libuv keeps from its first loop on. */
static inline size_t net_descriptors(void)
{
    size_t count = 0;

    assert_ok(support_run(net_nothing, NULL));
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* A rule: a scenario that holds for every kind of connection, which finds it in `ends`, open. It leaves no descriptor
 * and no memory behind. */
typedef keel_err *(*net_rule_fn)(keel_ctx *ctx, net_ends *ends);

typedef struct net_rule {
    net_rule_fn fn;
    net_kind kind;
    size_t buffer_bytes;
} net_rule;

static inline keel_err *net_run_rule(keel_ctx *ctx, void *arg)
{
    const net_rule *rule = arg;
    const keel_stream_opts opts = { .send_buffer_bytes = rule->buffer_bytes,
                                    .receive_buffer_bytes = rule->buffer_bytes };
    net_ends ends;

    keel_err *err = net_open(ctx, &ends, rule->kind, &opts);
    if (err == NULL)
        err = rule->fn(ctx, &ends);
    net_close(&ends);
    return keel_err_wrap(err, "%s", net_kind_names[rule->kind]);
}

static inline void net_every_kind(net_rule_fn fn, size_t buffer_bytes)
{
    size_t before = net_descriptors();

    for (unsigned kind = 0; kind < NET_KINDS; kind++) {
        net_rule rule = { fn, (net_kind)kind, buffer_bytes };

        assert_ok(support_run(net_run_rule, &rule));
    }
    assert_int_equal(net_descriptors(), before);
}

#define rule_with(buffer_bytes, sentence)                                                          \
    static keel_err *sentence##_rule(keel_ctx *ctx, net_ends *ends);                               \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        net_every_kind(sentence##_rule, (buffer_bytes));                                           \
    }                                                                                              \
    static keel_err *sentence##_rule(keel_ctx *ctx, net_ends *ends)
#define rule(sentence) rule_with(0, sentence)

/* An operation in a task of its own. */
typedef struct net_job {
    keel_err *(*fn)(keel_ctx *ctx, keel_stream stream);
    keel_stream stream;
    keel_err *err;
    keel_ctx *under; /* NULL: the task's */
} net_job;

static inline keel_err *net_do(keel_ctx *ctx, void *arg)
{
    net_job *job = arg;

    job->err = job->fn(job->under != NULL ? job->under : ctx, job->stream);
    return NULL;
}

#endif /* KEEL_TESTS_NET_H */
