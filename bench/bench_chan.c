/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Channels: what one item costs on its way from task to task. */

enum { BUFFERED = 128, BATCH = 64, MAX_TASKS = 4, CASES = 8, PRIMES = 2000 };

static keel_chan *new_chan(size_t capacity)
{
    keel_chan *chan;

    bench_must(keel_chan_new(&chan, sizeof(int64_t), &(keel_chan_opts){ .capacity = capacity }));
    return chan;
}

/* ---- Ping-pong over two unbuffered channels ---- */

typedef struct link {
    keel_chan *in, *out;
    int64_t n;
} link;

static keel_err *echo(keel_ctx *ctx, void *arg)
{
    link *l = arg;

    for (int64_t v; keel_chan_next(ctx, l->in, &v);) {
        v++;
        KEEL_TRY(keel_chan_send(ctx, l->out, &v));
    }
    return NULL;
}

static void pingpong(bench *b)
{
    keel_ctx *ctx = bench_ctx();
    link l = { .in = new_chan(0), .out = new_chan(0) };
    keel_group *group = keel_group_new(ctx, NULL);
    int64_t v = 0;

    keel_group_go(group, echo, &l);
    bench_start(b);
    for (size_t i = 0; i < b->n / 2; i++) {
        bench_must(keel_chan_send(ctx, l.in, &v));
        bench_must(keel_chan_recv(ctx, l.out, &v));
    }
    bench_stop(b);
    keel_chan_close(l.in);
    bench_must(keel_group_wait(group));
    BENCH_CHECK(v == (int64_t)(b->n / 2));
    keel_chan_free(l.in);
    keel_chan_free(l.out);
}

/* ---- Buffered channels, one to one and four to four ---- */

typedef struct end {
    keel_chan *chan;
    int64_t count; /* to send */
    int64_t sum;   /* received */
} end;

static keel_err *send_each(keel_ctx *ctx, void *arg)
{
    end *e = arg;

    for (int64_t i = 0; i < e->count; i++)
        KEEL_TRY(keel_chan_send(ctx, e->chan, &i));
    return NULL;
}

static keel_err *recv_each(keel_ctx *ctx, void *arg)
{
    end *e = arg;
    int64_t sum = 0;

    for (int64_t v; keel_chan_next(ctx, e->chan, &v);)
        sum += v;
    e->sum = sum;
    return NULL;
}

static keel_err *send_batches(keel_ctx *ctx, void *arg)
{
    end *e = arg;
    int64_t items[BATCH];

    for (int64_t i = 0; i < e->count; i += BATCH) {
        size_t count = e->count - i < BATCH ? (size_t)(e->count - i) : BATCH;

        for (size_t k = 0; k < count; k++)
            items[k] = i + (int64_t)k;
        KEEL_TRY(keel_chan_send_many(ctx, e->chan, items, count, NULL));
    }
    return NULL;
}

static keel_err *recv_batches(keel_ctx *ctx, void *arg)
{
    end *e = arg;
    int64_t items[BATCH], sum = 0;
    size_t count;
    keel_err *err;

    while ((err = keel_chan_recv_many(ctx, e->chan, items, BATCH, &count)) == NULL)
        for (size_t k = 0; k < count; k++)
            sum += items[k];
    e->sum = sum;
    return keel_err_is(err, KEEL_ERR_CLOSED) ? NULL : err;
}

/* Sends b->n items through one channel, by `tasks` tasks on either side. */
static void transfer(bench *b, size_t tasks, keel_task_fn send, keel_task_fn recv)
{
    keel_ctx *ctx = bench_ctx();
    keel_chan *chan = new_chan(BUFFERED);
    end sender[MAX_TASKS], receiver[MAX_TASKS];
    int64_t each = (int64_t)(b->n / tasks), sum = 0;

    bench_start(b);
    keel_group *senders = keel_group_new(ctx, NULL);
    keel_group *receivers = keel_group_new(ctx, NULL);
    for (size_t i = 0; i < tasks; i++) {
        sender[i] = (end){ .chan = chan, .count = each };
        keel_group_go(senders, send, &sender[i]);
    }
    for (size_t i = 0; i < tasks; i++) {
        receiver[i] = (end){ .chan = chan };
        keel_group_go(receivers, recv, &receiver[i]);
    }
    bench_must(keel_group_wait(senders));
    keel_chan_close(chan);
    bench_must(keel_group_wait(receivers));
    bench_stop(b);

    for (size_t i = 0; i < tasks; i++)
        sum += receiver[i].sum;
    BENCH_CHECK(sum == (int64_t)tasks * (each * (each - 1) / 2));
    keel_chan_free(chan);
}

static void spsc(bench *b)
{
    transfer(b, 1, send_each, recv_each);
}

static void spsc_batches(bench *b)
{
    transfer(b, 1, send_batches, recv_batches);
}

static void mpmc(bench *b)
{
    transfer(b, 4, send_each, recv_each);
}

static void mpmc_batches(bench *b)
{
    transfer(b, 4, send_batches, recv_batches);
}

/* ---- Generate, square, sum ---- */

static keel_err *generate(keel_ctx *ctx, void *arg)
{
    link *l = arg;

    for (int64_t i = 0; i < l->n; i++)
        KEEL_TRY(keel_chan_send(ctx, l->out, &i));
    keel_chan_close(l->out);
    return NULL;
}

static keel_err *square(keel_ctx *ctx, void *arg)
{
    link *l = arg;

    for (int64_t v; keel_chan_next(ctx, l->in, &v);) {
        v *= v;
        KEEL_TRY(keel_chan_send(ctx, l->out, &v));
    }
    keel_chan_close(l->out);
    return NULL;
}

static void pipeline3(bench *b)
{
    keel_ctx *ctx = bench_ctx();
    int64_t n = (int64_t)b->n, sum = 0;
    link first = { .out = new_chan(0), .n = n };
    link second = { .in = first.out, .out = new_chan(0) };

    bench_start(b);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, generate, &first);
    keel_group_go(group, square, &second);
    for (int64_t v; keel_chan_next(ctx, second.out, &v);)
        sum += v;
    bench_must(keel_group_wait(group));
    bench_stop(b);

    BENCH_CHECK(sum == (n - 1) * n * (2 * n - 1) / 6);
    keel_chan_free(first.out);
    keel_chan_free(second.out);
}

/* ---- Select: one receiver, eight channels, eight senders ---- */

static keel_err *send_ones(keel_ctx *ctx, void *arg)
{
    link *l = arg;
    int64_t one = 1;

    for (int64_t i = 0; i < l->n; i++)
        KEEL_TRY(keel_chan_send(ctx, l->out, &one));
    return NULL;
}

static void select8(bench *b)
{
    keel_ctx *ctx = bench_ctx();
    link l[CASES];
    keel_chan *c[CASES];
    int64_t sum = 0, v;

    for (int i = 0; i < CASES; i++) {
        c[i] = new_chan(0);
        l[i] = (link){ .out = c[i], .n = (int64_t)b->n / CASES };
    }
    bench_start(b);
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < CASES; i++)
        keel_group_go(group, send_ones, &l[i]);
    for (size_t i = 0; i < b->n; i++) {
        BENCH_CHECK(keel_select(ctx, KEEL_RECV(c[0], &v), KEEL_RECV(c[1], &v), KEEL_RECV(c[2], &v),
                                KEEL_RECV(c[3], &v), KEEL_RECV(c[4], &v), KEEL_RECV(c[5], &v),
                                KEEL_RECV(c[6], &v), KEEL_RECV(c[7], &v)) >= 0);
        sum += v;
    }
    bench_must(keel_group_wait(group));
    bench_stop(b);

    BENCH_CHECK(sum == (int64_t)b->n);
    for (int i = 0; i < CASES; i++)
        keel_chan_free(c[i]);
}

/* ---- The prime sieve: a chain of filters, one task and one channel for each prime ---- */

typedef struct filter {
    keel_chan *in, *out;
    int64_t prime;
} filter;

/* The sieve's tasks go on until they are cancelled, which is no error here. */
static keel_err *count_up(keel_ctx *ctx, void *arg)
{
    filter *f = arg;
    keel_err *err = NULL;

    for (int64_t i = 2; err == NULL; i++)
        err = keel_chan_send(ctx, f->out, &i);
    return keel_err_is(err, KEEL_ERR_CANCELLED) ? NULL : err;
}

static keel_err *drop_multiples(keel_ctx *ctx, void *arg)
{
    filter *f = arg;
    keel_err *err = NULL;

    for (int64_t v; err == NULL && keel_chan_next(ctx, f->in, &v);)
        if (v % f->prime != 0)
            err = keel_chan_send(ctx, f->out, &v);
    return keel_err_is(err, KEEL_ERR_CANCELLED) ? NULL : err;
}

static void sieve(bench *b)
{
    static filter filters[PRIMES + 1];
    keel_ctx *ctx = bench_ctx();
    int64_t prime = 0;

    bench_start(b);
    keel_group *group = keel_group_new(ctx, NULL);
    filters[0] = (filter){ .out = new_chan(0) };
    keel_group_go(group, count_up, &filters[0]);
    for (int i = 1; i <= PRIMES; i++) {
        bench_must(keel_chan_recv(ctx, filters[i - 1].out, &prime));
        filters[i] = (filter){ .in = filters[i - 1].out, .out = new_chan(0), .prime = prime };
        keel_group_go(group, drop_multiples, &filters[i]);
    }
    bench_stop(b);
    b->value = b->value * PRIMES / 1e6;

    BENCH_CHECK(prime == 17389);
    keel_group_cancel(group);
    bench_must(keel_group_wait(group));
    for (int i = 0; i <= PRIMES; i++)
        keel_chan_free(filters[i].out);
}

static const bench_workload workloads[] = {
    { .section = "chan",
      .name = "chan_unbuf_pingpong",
      .peer = "keel",
      .run = pingpong,
      .n = 1000000,
      .procs = BENCH_BOTH },
    { .section = "chan",
      .name = "chan_buf_spsc",
      .peer = "keel",
      .run = spsc,
      .n = 4000000,
      .procs = BENCH_BOTH },
    { .section = "chan",
      .name = "chan_buf_spsc",
      .peer = "keel batch64",
      .run = spsc_batches,
      .n = 8000000,
      .procs = BENCH_BOTH },
    { .section = "chan",
      .name = "chan_buf_mpmc",
      .peer = "keel",
      .run = mpmc,
      .n = 2000000,
      .procs = BENCH_BOTH },
    { .section = "chan",
      .name = "chan_buf_mpmc",
      .peer = "keel batch64",
      .run = mpmc_batches,
      .n = 4000000,
      .procs = BENCH_BOTH },
    { .section = "pipeline",
      .name = "pipeline3",
      .peer = "keel",
      .run = pipeline3,
      .n = 500000,
      .procs = BENCH_BOTH,
      .unit = "ns/item" },
    { .section = "select",
      .name = "select8",
      .peer = "keel",
      .run = select8,
      .n = 500000,
      .procs = BENCH_BOTH },
    { .section = "sieve",
      .name = "sieve2000",
      .peer = "keel",
      .run = sieve,
      .n = PRIMES,
      .procs = BENCH_BOTH,
      .unit = "ms",
      .slow = true },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
