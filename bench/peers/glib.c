/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <gio/gio.h>

/* GLib and GIO: GAsyncQueue, GThreadPool, GMutex, GCancellable and GError. A GAsyncQueue has no
 * capacity, so its "channels" never make a sender wait. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { END = -1 };

/* A queue cannot hold NULL. */
static gpointer box(gint64 v)
{
    return GSIZE_TO_POINTER((gsize)(v + 2));
}

static gint64 unbox(gpointer p)
{
    return (gint64)GPOINTER_TO_SIZE(p) - 2;
}

typedef struct stage {
    GAsyncQueue *in, *out;
    gint64 n;
} stage;

static gpointer send_all(gpointer arg)
{
    stage *s = arg;

    for (gint64 i = 0; i < s->n; i++)
        g_async_queue_push(s->out, box(i));
    return NULL;
}

static gpointer generate(gpointer arg)
{
    stage *s = arg;

    send_all(s);
    g_async_queue_push(s->out, box(END));
    return NULL;
}

static gpointer square(gpointer arg)
{
    stage *s = arg;

    for (gint64 v; (v = unbox(g_async_queue_pop(s->in))) != END;)
        g_async_queue_push(s->out, box(v * v));
    g_async_queue_push(s->out, box(END));
    return NULL;
}

static gpointer echo(gpointer arg)
{
    stage *s = arg;

    for (gint64 v; (v = unbox(g_async_queue_pop(s->in))) != END;)
        g_async_queue_push(s->out, box(v + 1));
    return NULL;
}

static gint64 sum_up(GAsyncQueue *queue)
{
    gint64 sum = 0;

    for (gint64 v; (v = unbox(g_async_queue_pop(queue))) != END;)
        sum += v;
    return sum;
}

static gpointer sum_in_thread(gpointer queue)
{
    return GSIZE_TO_POINTER((gsize)sum_up(queue));
}

static void pingpong(bench *b)
{
    stage s = { g_async_queue_new(), g_async_queue_new(), 0 };
    GThread *t = g_thread_new(NULL, echo, &s);
    gint64 v = 0;

    bench_start(b);
    for (gsize i = 0; i < b->n / 2; i++) {
        g_async_queue_push(s.in, box(v));
        v = unbox(g_async_queue_pop(s.out));
    }
    bench_stop(b);
    g_async_queue_push(s.in, box(END));
    g_thread_join(t);
    g_async_queue_unref(s.in);
    g_async_queue_unref(s.out);
    BENCH_CHECK(v == (gint64)(b->n / 2));
}

static void spsc(bench *b)
{
    stage s = { NULL, g_async_queue_new(), (gint64)b->n };
    gint64 sum;

    bench_start(b);
    GThread *t = g_thread_new(NULL, generate, &s);
    sum = sum_up(s.out);
    g_thread_join(t);
    bench_stop(b);
    g_async_queue_unref(s.out);
    BENCH_CHECK(sum == s.n * (s.n - 1) / 2);
}

static void mpmc(bench *b)
{
    stage s = { NULL, g_async_queue_new(), (gint64)b->n / 4 };
    GThread *in[4], *out[4];
    gint64 sum = 0;

    bench_start(b);
    for (int i = 0; i < 4; i++) {
        in[i] = g_thread_new(NULL, send_all, &s);
        out[i] = g_thread_new(NULL, sum_in_thread, s.out);
    }
    for (int i = 0; i < 4; i++)
        g_thread_join(in[i]);
    for (int i = 0; i < 4; i++)
        g_async_queue_push(s.out, box(END));
    for (int i = 0; i < 4; i++)
        sum += (gint64)GPOINTER_TO_SIZE(g_thread_join(out[i]));
    bench_stop(b);
    g_async_queue_unref(s.out);
    BENCH_CHECK(sum == 4 * (s.n * (s.n - 1) / 2));
}

static void pipeline3(bench *b)
{
    gint64 n = (gint64)b->n, sum;
    stage first = { NULL, g_async_queue_new(), n };
    stage second = { first.out, g_async_queue_new(), n };
    GThread *t[2];

    bench_start(b);
    t[0] = g_thread_new(NULL, generate, &first);
    t[1] = g_thread_new(NULL, square, &second);
    sum = sum_up(second.out);
    g_thread_join(t[0]);
    g_thread_join(t[1]);
    bench_stop(b);
    g_async_queue_unref(first.out);
    g_async_queue_unref(second.out);
    BENCH_CHECK(sum == (n - 1) * n * (2 * n - 1) / 6);
}

static void nothing(gpointer job, gpointer left)
{
    (void)job;
    (void)g_atomic_int_dec_and_test((gint *)left);
}

static void spawn_join(bench *b)
{
    enum { WIDTH = 1000 };
    gint left = 0;
    GThreadPool *workers = g_thread_pool_new(nothing, &left, 2, TRUE, NULL);

    bench_start(b);
    for (gsize rest = b->n; rest > 0;) {
        gsize wave = rest < WIDTH ? rest : WIDTH;

        g_atomic_int_set(&left, (gint)wave);
        for (gsize i = 0; i < wave; i++)
            g_thread_pool_push(workers, box((gint64)i), NULL);
        while (g_atomic_int_get(&left) != 0)
            g_thread_yield();
        rest -= wave;
    }
    bench_stop(b);
    g_thread_pool_free(workers, FALSE, TRUE);
}

/* ---- Locks ---- */

static GMutex lock;
static gsize count;

static gpointer lock_often(gpointer n)
{
    for (gsize i = GPOINTER_TO_SIZE(n); i > 0; i--) {
        g_mutex_lock(&lock);
        count++;
        g_mutex_unlock(&lock);
    }
    return NULL;
}

static void mutex_by(bench *b, gsize threads)
{
    GThread *t[4];

    count = 0;
    bench_start(b);
    for (gsize i = 0; i < threads; i++)
        t[i] = g_thread_new(NULL, lock_often, GSIZE_TO_POINTER(b->n / threads));
    for (gsize i = 0; i < threads; i++)
        g_thread_join(t[i]);
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

static void mutex_uncontended(bench *b)
{
    mutex_by(b, 1);
}

static void mutex_contended(bench *b)
{
    mutex_by(b, 4);
}

/* ---- Cancelling ---- */

static void cancel_root(bench *b)
{
    gsize ended = 0;

    bench_start(b);
    for (gsize i = 0; i < b->n; i++) {
        GCancellable *c = g_cancellable_new();

        g_cancellable_cancel(c);
        ended += g_cancellable_is_cancelled(c) != FALSE;
        g_object_unref(c);
    }
    bench_stop(b);
    BENCH_CHECK(ended == b->n);
}

static void cancel_check(bench *b)
{
    GCancellable *c = g_cancellable_new();
    gsize going = 0;

    bench_start(b);
    for (gsize i = 0; i < b->n; i++)
        going += g_cancellable_is_cancelled(c) == FALSE;
    bench_stop(b);
    g_object_unref(c);
    BENCH_CHECK(going == b->n);
}

/* ---- Errors: a wrap is a prefix on the text, an "is" compares domain and code ---- */

static void error_create(bench *b)
{
    bench_start(b);
    for (gsize i = 0; i < b->n; i++) {
        GError *e = g_error_new_literal(G_FILE_ERROR, 42, "not found");

        BENCH_KEEP(e);
        g_error_free(e);
    }
    bench_stop(b);
}

static void error_fmt(bench *b)
{
    bench_start(b);
    for (gsize i = 0; i < b->n; i++) {
        GError *e = g_error_new(G_FILE_ERROR, 42, "file %s: code %d", "app.conf", 42);

        BENCH_KEEP(e);
        g_error_free(e);
    }
    bench_stop(b);
}

BENCH_NOINLINE static void failing(GError **out)
{
    GError *e = g_error_new_literal(G_FILE_ERROR, 42, "not found");

    g_propagate_prefixed_error(out, e, "open config: ");
}

BENCH_NOINLINE static void failing2(GError **out)
{
    GError *e = NULL;

    failing(&e);
    g_propagate_prefixed_error(out, e, "load settings: ");
}

BENCH_NOINLINE static void failing3(GError **out)
{
    GError *e = NULL;

    failing2(&e);
    g_propagate_prefixed_error(out, e, "start server: ");
}

static void error_wrap3(bench *b)
{
    bench_start(b);
    for (gsize i = 0; i < b->n; i++) {
        GError *e = NULL;

        failing3(&e);
        g_error_free(e);
    }
    bench_stop(b);
}

static void error_is3(bench *b)
{
    GError *e = NULL;
    gsize hits = 0;

    failing3(&e);
    bench_start(b);
    for (gsize i = 0; i < b->n; i++)
        hits += g_error_matches(e, G_FILE_ERROR, 42) != FALSE;
    bench_stop(b);
    g_error_free(e);
    BENCH_CHECK(hits == b->n);
}

#define ROW(section_, name_, peer_, run_, n_, procs_, unit_)                                       \
    {                                                                                              \
        .section = section_, .name = name_, .peer = peer_, .run = run_, .n = n_, .procs = procs_,  \
        .unit = unit_                                                                              \
    }

static const char queue[] = "glib GAsyncQueue (unbounded)";

static const bench_workload workloads[] = {
    ROW("spawn", "spawn_join", "glib GThreadPool(2)", spawn_join, 50000, BENCH_BOTH, NULL),
    ROW("chan", "chan_unbuf_pingpong", queue, pingpong, 6400, BENCH_BOTH, NULL),
    ROW("chan", "chan_buf_spsc", queue, spsc, 500000, BENCH_BOTH, NULL),
    ROW("chan", "chan_buf_mpmc", queue, mpmc, 256000, BENCH_BOTH, NULL),
    ROW("pipeline", "pipeline3", queue, pipeline3, 200000, BENCH_BOTH, "ns/item"),
    ROW("mutex", "mutex_uncontended", "glib GMutex", mutex_uncontended, 5000000, BENCH_ANY, NULL),
    ROW("mutex", "mutex_contended4", "glib GMutex", mutex_contended, 1000000, BENCH_P2, NULL),
    ROW("ctx", "ctx_create_cancel_root", "glib GCancellable", cancel_root, 300000, BENCH_ANY, NULL),
    ROW("ctx", "ctx_err_check", "glib GCancellable", cancel_check, 10000000, BENCH_ANY, NULL),
    ROW("err", "err_create", "glib g_error_new_literal", error_create, 500000, BENCH_ANY, NULL),
    ROW("err", "err_create_fmt", "glib g_error_new", error_fmt, 500000, BENCH_ANY, NULL),
    ROW("err", "err_wrap3", "glib g_propagate_prefixed_error", error_wrap3, 200000, BENCH_ANY,
        NULL),
    ROW("err", "err_is3", "glib g_error_matches (no chain)", error_is3, 5000000, BENCH_ANY, NULL),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
