/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* Tasks: starting, joining, yielding, sleeping, and excluding one another. */

enum { WIDTH = 1000, SLEEPS = 200, LOCKERS = 4 };

/* ---- Spawn and join, in waves of WIDTH ---- */

static keel_err *note(keel_ctx *ctx, void *arg)
{
    unsigned *ran = arg;

    (void)ctx;
    (*ran)++;
    return NULL;
}

static void spawn_join(bench *b)
{
    static unsigned ran[WIDTH];
    keel_ctx *ctx = bench_ctx();
    size_t total = 0;

    for (size_t i = 0; i < WIDTH; i++)
        ran[i] = 0;
    bench_start(b);
    for (size_t left = b->n; left > 0;) {
        size_t wave = left < WIDTH ? left : WIDTH;
        keel_group *group = keel_group_new(ctx, NULL);

        for (size_t i = 0; i < wave; i++)
            keel_group_go(group, note, &ran[i]);
        bench_must(keel_group_wait(group));
        left -= wave;
    }
    bench_stop(b);
    for (size_t i = 0; i < WIDTH; i++)
        total += ran[i];
    BENCH_CHECK(total == b->n);
}

/* ---- Two tasks that yield to each other ---- */

typedef struct turns {
    size_t count;
    size_t *done;
} turns;

static keel_err *take_turns(keel_ctx *ctx, void *arg)
{
    turns *t = arg;

    (void)ctx;
    for (size_t i = 0; i < t->count; i++) {
        (*t->done)++;
        keel_yield();
    }
    return NULL;
}

static void yield(bench *b)
{
    size_t done = 0;
    turns t = { b->n / 2, &done };

    bench_start(b);
    keel_group *group = keel_group_new(bench_ctx(), NULL);
    keel_group_go(group, take_turns, &t);
    keel_group_go(group, take_turns, &t);
    bench_must(keel_group_wait(group));
    bench_stop(b);
    BENCH_CHECK(done == b->n);
}

/* ---- A million tasks that wait ---- */

typedef struct crowd {
    keel_chan *gate;
    size_t waiting;
} crowd;

static keel_err *wait_at_gate(keel_ctx *ctx, void *arg)
{
    crowd *c = arg;
    int nothing;

    c->waiting++;
    keel_err_free(keel_chan_recv(ctx, c->gate, &nothing)); /* it is closed in the end */
    return NULL;
}

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    BENCH_CHECK(statm != NULL && fscanf(statm, "%*u %lu", &pages) == 1);
    fclose(statm);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* What is measured: making them, until all wait; what they occupy then; waking them, until all have ended. */
enum { CROWD_CREATE, CROWD_RSS, CROWD_WAKE };

static void blocked(bench *b, int what)
{
    crowd c = { 0 };

    malloc_trim(0);
    bench_must(keel_chan_new(&c.gate, sizeof(int), NULL));
    keel_group *group = keel_group_new(bench_ctx(), &(keel_group_opts){ .limit = KEEL_UNLIMITED });
    const double before = resident_bytes();
    if (what == CROWD_CREATE)
        bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        keel_group_go(group, wait_at_gate, &c);
    while (c.waiting < b->n)
        keel_yield();
    if (what == CROWD_CREATE)
        bench_stop(b);
    const double after = resident_bytes();
    if (what != CROWD_CREATE)
        bench_start(b);
    keel_chan_close(c.gate);
    bench_must(keel_group_wait(group));
    if (what != CROWD_CREATE)
        bench_stop(b);
    if (what == CROWD_RSS)
        b->value = (after - before) / (double)b->n;
    keel_chan_free(c.gate);
}

static void blocked_create(bench *b)
{
    blocked(b, CROWD_CREATE);
}

static void blocked_rss(bench *b)
{
    blocked(b, CROWD_RSS);
}

static void blocked_wake(bench *b)
{
    blocked(b, CROWD_WAKE);
}

/* ---- Mutex ---- */

typedef struct locker {
    keel_mutex *mutex;
    size_t *count;
    size_t each;
} locker;

static keel_err *lock_often(keel_ctx *ctx, void *arg)
{
    locker *l = arg;

    (void)ctx;
    for (size_t i = 0; i < l->each; i++) {
        keel_mutex_lock(l->mutex);
        (*l->count)++;
        keel_mutex_unlock(l->mutex);
    }
    return NULL;
}

static void mutex_by(bench *b, size_t tasks)
{
    keel_mutex mutex = { 0 };
    size_t count = 0;
    locker l = { &mutex, &count, b->n / tasks };

    bench_start(b);
    keel_group *group = keel_group_new(bench_ctx(), NULL);
    for (size_t i = 0; i < tasks; i++)
        keel_group_go(group, lock_often, &l);
    bench_must(keel_group_wait(group));
    bench_stop(b);
    BENCH_CHECK(count == b->n);
    keel_mutex_deinit(&mutex);
}

static void mutex_uncontended(bench *b)
{
    mutex_by(b, 1);
}

static void mutex_contended(bench *b)
{
    mutex_by(b, LOCKERS);
}

/* ---- How long a sleep of 1 ms takes ---- */

static void sleep_percentile(bench *b, unsigned percent)
{
    double us[SLEEPS];

    bench_start(b);
    for (size_t i = 0; i < SLEEPS; i++) {
        double start = bench_now_ns();

        bench_must(keel_sleep(bench_ctx(), KEEL_MS(1)));
        us[i] = (bench_now_ns() - start) / 1e3;
        BENCH_CHECK(us[i] >= 1000);
    }
    bench_stop(b);
    b->value = bench_percentile(us, SLEEPS, percent);
}

static void sleep_p50(bench *b)
{
    sleep_percentile(b, 50);
}

static void sleep_p99(bench *b)
{
    sleep_percentile(b, 99);
}

static const bench_workload workloads[] = {
    { .section = "spawn",
      .name = "spawn_join",
      .peer = "keel",
      .run = spawn_join,
      .n = 1000000,
      .procs = BENCH_BOTH },
    { .section = "yield",
      .name = "yield",
      .peer = "keel",
      .run = yield,
      .n = 4000000,
      .procs = BENCH_P1 },
    { .section = "blocked",
      .name = "blocked_1m_create",
      .peer = "keel",
      .run = blocked_create,
      .n = 1000000 },
    { .section = "blocked",
      .name = "blocked_1m_rss",
      .peer = "keel",
      .run = blocked_rss,
      .n = 1000000,
      .unit = "B/task" },
    { .section = "blocked",
      .name = "blocked_1m_wake",
      .peer = "keel",
      .run = blocked_wake,
      .n = 1000000 },
    { .section = "mutex",
      .name = "mutex_uncontended",
      .peer = "keel",
      .run = mutex_uncontended,
      .n = 10000000 },
    { .section = "mutex",
      .name = "mutex_contended4",
      .peer = "keel",
      .run = mutex_contended,
      .n = 512000,
      .procs = BENCH_P2 },
    { .section = "sleep",
      .name = "sleep_1ms_p50",
      .peer = "keel",
      .run = sleep_p50,
      .n = SLEEPS,
      .unit = "us",
      .slow = true },
    { .section = "sleep",
      .name = "sleep_1ms_p99",
      .peer = "keel",
      .run = sleep_p99,
      .n = SLEEPS,
      .unit = "us",
      .slow = true },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), true);
}
