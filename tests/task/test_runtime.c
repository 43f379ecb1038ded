/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "task/switch.h"
#include "task/worker.h"

static unsigned test_workers(void)
{
    const char *text = getenv("KEEL_TEST_WORKERS");

    return text != NULL ? (unsigned)atoi(text) : 2;
}

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static keel_err *return_arg(keel_ctx *ctx, void *err)
{
    (void)ctx;
    return err;
}

/* ---- Options ---- */

static void options_out_of_range_are_refused(void **state)
{
    static const keel_runtime_opts wrong[] = {
        { .workers = 1025 },
        { .offload_threads = 1025 },
        { .stack_bytes = 1 },
        { .stack_bytes = (16 << 10) - 1 },
        { .stack_bytes = ((size_t)1 << 30) + 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        keel_runtime *rt = (keel_runtime *)&rt;
        assert_err(keel_runtime_start(&rt, &wrong[i]), KEEL_ERR_INVAL);
        assert_null(rt);
    }
}

static void it_has_the_workers_it_was_asked_for(void **state)
{
    static const unsigned counts[] = { 1, 2, 3, 8 };
    keel_runtime *rt;

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_ok(keel_runtime_start(
            &rt, &(keel_runtime_opts){ .workers = counts[i], .stack_bytes = 16 << 10 }));
        assert_int_equal(keel_runtime_workers(rt), counts[i]);
        assert_ok(keel_runtime_run(rt, do_nothing, NULL));
        assert_ok(keel_runtime_stop(NULL, rt));
    }
    assert_ok(keel_runtime_start(&rt, NULL));
    assert_true(keel_runtime_workers(rt) >= 1);
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Starting and stopping ---- */

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static keel_err *touch_all(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    for (int i = 0; i < 4; i++)
        keel_group_go(group, do_nothing, arg);
    KEEL_TRY(keel_group_wait(group));
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_HOUR(1));
    keel_ctx_free(limited);
    return keel_sleep(ctx, KEEL_US(1));
}

static keel_err *block(void *arg)
{
    (void)arg;
    return NULL;
}

static keel_err *use_everything(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(touch_all(ctx, arg));
    return keel_offload(ctx, block, NULL);
}

/* Mappings of the process. The C library may have some more or less of its own, for memory that it keeps. */
static size_t mappings(void)
{
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    assert_non_null(maps);
    for (int c; (c = getc(maps)) != EOF;)
        count += c == '\n';
    fclose(maps);
    return count;
}

static void starting_and_stopping_leaves_nothing_behind(void **state)
{
    enum { PLAIN = !KEEL__TSAN && !KEEL__ASAN };
    enum { STARTS = PLAIN ? 1000 : 200, WARM = 20, SLACK = 20 };
    size_t fds = 0, threads = 0, maps = 0, live = 0;

    (void)state;
    for (int i = 0; i < STARTS; i++) {
        keel_runtime *rt;

        assert_ok(keel_runtime_start(
            &rt, &(keel_runtime_opts){ .workers = test_workers(), .handle_faults = i % 2 == 0 }));
        if (i % 4 != 3)
            assert_ok(keel_runtime_run(rt, use_everything, NULL));
        assert_ok(keel_runtime_stop(NULL, rt));
        if (i == 0) { /* libuv keeps a pipe from its first loop on */
            fds = entries("/proc/self/fd");
            threads = entries("/proc/self/task");
            live = support_mem_live();
        }
        if (i == WARM)
            maps = mappings();
    }
    assert_int_equal(support_mem_live(), live);
    if (PLAIN) /* sanitizers map what they need */
        assert_true(mappings() < maps + SLACK);
    assert_int_equal(entries("/proc/self/fd"), fds);
    /* the kernel may show a joined thread for a moment yet */
    while (entries("/proc/self/task") > threads)
        sched_yield();
}

static void stopping_at_once_joins_workers_that_have_hardly_begun(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        keel_runtime *rt;
        assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 3 }));
        assert_ok(keel_runtime_stop(NULL, rt));
    }
}

/* ---- Running ---- */

static KEEL_ERR_DEFINE(err_of_task, "the task's own");

static keel_err *run_nested(keel_ctx *ctx, void *rt)
{
    (void)ctx;
    check_err(keel_runtime_run(rt, return_arg, err_of_task), err_of_task);
    return keel_runtime_run(rt, do_nothing, NULL);
}

static void run_returns_the_tasks_error_to_threads_and_tasks(void **state)
{
    keel_runtime *a, *b;

    (void)state;
    assert_ok(keel_runtime_start(&a, &(keel_runtime_opts){ .workers = test_workers() }));
    assert_ok(keel_runtime_start(&b, &(keel_runtime_opts){ .workers = 1 }));
    assert_err(keel_runtime_run(a, return_arg, err_of_task), err_of_task);
    assert_ok(keel_runtime_run(a, run_nested, a));
    assert_ok(keel_runtime_run(a, run_nested, b));
    assert_ok(keel_runtime_stop(NULL, b));
    assert_ok(keel_runtime_stop(NULL, a));
}

static keel_err *run_own_runtime(keel_ctx *ctx, void *arg)
{
    keel_runtime *rt;

    (void)ctx;
    KEEL_TRY(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_err *err = keel_runtime_run(rt, touch_all, arg);
    return keel_err_join(err, keel_runtime_stop(NULL, rt));
}

static void a_task_may_start_and_stop_another_runtime(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 0, run_own_runtime, NULL));
}

enum { RUNTIMES = 3, ROUNDS = 300 };

static void *drive(void *arg)
{
    keel_runtime **rts = arg;
    keel_err *err = NULL;

    for (int i = 0; i < ROUNDS && err == NULL; i++)
        err = keel_runtime_run(rts[i % RUNTIMES], run_nested, rts[(i + 1) % RUNTIMES]);
    return err;
}

static void several_runtimes_work_side_by_side(void **state)
{
    keel_runtime *rts[RUNTIMES];
    pthread_t threads[RUNTIMES];
    void *err;

    (void)state;
    for (int i = 0; i < RUNTIMES; i++)
        assert_ok(keel_runtime_start(&rts[i], &(keel_runtime_opts){ .workers = test_workers() }));
    for (int i = 0; i < RUNTIMES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, drive, rts), 0);
    for (int i = 0; i < RUNTIMES; i++) {
        pthread_join(threads[i], &err);
        assert_ok(err);
    }
    for (int i = 0; i < RUNTIMES; i++)
        assert_ok(keel_runtime_stop(NULL, rts[i]));
}

/* ---- Stopping while tasks run ---- */

static keel_err *wait_for_end(keel_ctx *ctx, void *ended)
{
    keel_err *err = keel_sleep(ctx, KEEL_HOUR(1));

    keel__add((keel__a32 *)ended, 1);
    return err;
}

static keel_err *wait_for_item(keel_ctx *ctx, void *chan)
{
    char item;

    (void)ctx; /* deaf to its end */
    return keel_chan_recv(NULL, chan, &item);
}

/* A stop that does not get far, so that the groups can be waited for after it. */
static void stopping_cancels_the_tasks(void **state)
{
    keel__a32 ended = { 0 };
    keel_runtime *rt;
    keel_chan *chan;
    keel_ctx *over = keel_ctx_with_cancel(NULL);

    (void)state;
    keel_ctx_cancel(over);
    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group *deaf = keel_group_new(keel_runtime_ctx(rt), NULL);
    for (int i = 0; i < 100; i++)
        keel_group_go(group, wait_for_end, &ended);
    keel_group_go(deaf, wait_for_item, chan);
    assert_err(keel_runtime_stop(over, rt), KEEL_ERR_CANCELLED);
    assert_err(keel_group_wait(group), KEEL_ERR_CANCELLED);
    assert_int_equal(keel__load(&ended), 100);
    keel_chan_close(chan);
    assert_err(keel_group_wait(deaf), KEEL_ERR_CLOSED);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
    keel_ctx_free(over);
}

/* Ends late, and is not waited for by anybody but the stop. */
static keel_err *dawdle(keel_ctx *ctx, void *ended)
{
    for (int i = 0; i < 50; i++)
        keel_yield();
    (void)ctx;
    keel__add((keel__a32 *)ended, 1);
    return NULL;
}

static void set_off(void *arg)
{
    keel_err_free(dawdle(NULL, arg));
}

static void stopping_waits_for_what_it_set_off(void **state)
{
    enum { AFTERS = 20 };
    keel__a32 ended = { 0 };
    keel_after *afters[AFTERS];
    keel_runtime *rt;
    keel_ctx *ctx;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));
    for (int i = 0; i < AFTERS; i++)
        assert_ok(keel_ctx_after(&afters[i], ctx, set_off, &ended));
    keel_ctx_free(ctx);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(keel__load(&ended), AFTERS);
    for (int i = 0; i < AFTERS; i++)
        keel_after_free(afters[i]);
}

typedef struct left_behind {
    keel_chan *go_on;
    keel__a32 freed;
} left_behind;

static keel_err *wait_to_go_on(void *l_)
{
    left_behind *l = l_;

    return keel_chan_recv(NULL, l->go_on, &(char){ 0 });
}

static void free_left_behind(void *l_)
{
    left_behind *l = l_;

    keel__store(&l->freed, 1);
}

static keel_err *leave_call_behind(keel_ctx *ctx, void *l)
{
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    keel_err *err = keel_offload_abandon(soon, wait_to_go_on, l, free_left_behind);

    keel_ctx_free(soon);
    check(keel_err_is(err, KEEL_ERR_DEADLINE));
    return NULL;
}

static void a_stop_waits_for_abandoned_calls_within_its_limit(void **state)
{
    left_behind l = { 0 };
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_chan_new(&l.go_on, 1, NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    do { /* a call that had not begun was withdrawn, and its argument freed */
        keel__store(&l.freed, 0);
        assert_ok(keel_runtime_run(rt, leave_call_behind, &l));
    } while (keel__load(&l.freed) != 0);
    for (int i = 0; i < 2; i++) {
        keel_ctx *limited = keel_ctx_with_timeout(NULL, KEEL_MS(1));
        keel_err *err = keel_runtime_stop(limited, rt);
        bool told = strstr(KEEL_ERR_STR(err), "keel_runtime_stop: 1 abandoned call of "
                                              "keel_offload_abandon still runs: ") != NULL;
        bool is = keel_err_is(err, KEEL_ERR_DEADLINE);
        keel_err_free(err);
        keel_ctx_free(limited);
        assert_true(told && is);
    }
    keel_chan_close(l.go_on); /* the call ends, at some time */
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(keel__load(&l.freed), 1);
    keel_chan_free(l.go_on);
}

static void a_stop_that_expires_names_the_tasks_and_can_be_called_again(void **state)
{
    keel_runtime *rt;
    keel_chan *chan;
    keel_ctx *over = keel_ctx_with_cancel(NULL);

    (void)state;
    keel_ctx_cancel(over);
    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    keel_group *named = keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .name = "deaf" });
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(named, wait_for_item, chan);
    for (int i = 0; i < 20; i++)
        keel_group_go(group, wait_for_item, chan);

    for (int i = 0; i < 3; i++) {
        keel_err *err = keel_runtime_stop(over, rt);
        const char *text = KEEL_ERR_STR(err);
        bool is = keel_err_is(err, KEEL_ERR_CANCELLED);
        bool counted = strstr(text, "21 tasks still run") != NULL;
        bool named_by_fn = strstr(text, "'wait_for_item' (started at tests/task/test_run") != NULL;
        keel_err_free(err);
        assert_true(is && counted && named_by_fn);
    }
    keel_ctx *limited = keel_ctx_with_timeout(NULL, KEEL_MS(1));
    assert_err(keel_runtime_stop(limited, rt), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
    assert_int_equal(keel__load_seq(&rt->joining),
                     0); /* else every task that ends looks for who waits */
    keel_chan_close(chan);
    assert_err(keel_group_wait(named), KEEL_ERR_CLOSED);
    assert_err(keel_group_wait(group), KEEL_ERR_CLOSED);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
    keel_ctx_free(over);
}

static void the_names_of_groups_are_used_for_their_tasks(void **state)
{
    char text[128];
    keel_runtime *rt;
    keel_chan *chan;

    (void)state;
    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .name = "deaf" });
    keel_group_go(group, wait_for_item, chan);
    keel__runtime_describe_live(rt, NULL, text, sizeof text);
    assert_non_null(strstr(text, "1 task still runs: 'deaf' (started at tests/"));
    keel__runtime_describe_live(rt, NULL, text, 4);
    assert_string_equal(text, "1 t"); /* cut off, not over */
    keel_chan_close(chan);
    assert_err(keel_group_wait(group), KEEL_ERR_CLOSED);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
}

static keel_err *stop_own(keel_ctx *ctx, void *rt)
{
    (void)ctx;
    return keel_runtime_stop(NULL, rt);
}

static void stop_by_own_task(void *arg)
{
    keel_runtime *rt;
    keel_err *err = keel_runtime_start(&rt, NULL);

    (void)arg;
    if (err == NULL)
        err = keel_runtime_run(rt, stop_own, rt);
    keel_err_free(err);
}

static keel_err *find_runtime(keel_ctx *ctx, void *rt)
{
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    bool found = keel_ctx_runtime(ctx) == rt && keel_ctx_runtime(child) == rt;

    keel_ctx_free(child);
    check(found);
    return NULL;
}

static void a_context_knows_its_runtime(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_err *err = keel_runtime_run(rt, find_runtime, rt);
    assert_ptr_equal(keel_ctx_runtime(keel_runtime_ctx(rt)), rt);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_ok(err);
    assert_null(keel_ctx_runtime(NULL));
    assert_null(keel_ctx_runtime(keel_ctx_background()));
}

static keel_err *fail_at_once(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return keel_err_new("a bad day");
}

/* Makes groups on the runtime, from a thread and from a task of its, and waits for one of them. */
static keel_err *make_groups(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL), *empty = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, fail_at_once, NULL);
    return empty != NULL ? keel_group_wait(keel_group_new(ctx, NULL)) : NULL;
}

static void forget_groups(void *run)
{
    keel_runtime *rt;
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 });

    if (err == NULL && run != NULL)
        err = keel_runtime_run(rt, make_groups, NULL);
    else if (err == NULL)
        err = make_groups(keel_runtime_ctx(rt), NULL);
    if (err == NULL)
        keel_err_free(keel_runtime_stop(NULL, rt));
}

static void groups_that_were_never_waited_for_are_misuse(void **state)
{
    (void)state;
    for (int in_task = 0; in_task < 2; in_task++) {
        void *run = in_task ? state : NULL;
        support_assert_aborts(forget_groups, run, "keel_runtime_stop: keel_group_wait was never");
        support_assert_aborts(forget_groups, run, "made at tests/task/test_runtime.c:");
        support_assert_aborts(forget_groups, run, "(nor for 1 more): a bad day");
    }
}

static void a_task_that_stops_its_own_runtime_aborts(void **state)
{
    (void)state;
    support_assert_aborts(stop_by_own_task, NULL, "keel_runtime_stop: called by a task");
}

/* ---- Nothing is lost between the last look and the sleep ---- */

/* One item at a time between a plain thread and a task: each wakes a worker that has just slept. */
static keel_err *echo(keel_ctx *ctx, void *chans_)
{
    keel_chan **chans = chans_;
    int item;

    while (keel_chan_next(ctx, chans[0], &item))
        KEEL_TRY(keel_chan_send(ctx, chans[1], &item));
    return NULL;
}

static void no_wake_up_is_lost_between_a_thread_and_a_task(void **state)
{
    keel_runtime *rt;
    keel_chan *chans[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_ok(keel_chan_new(&chans[i], sizeof(int), NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, echo, chans);
    for (int i = 0; i < 3000; i++) {
        int item = 0;
        assert_ok(keel_chan_send(NULL, chans[0], &i));
        if (i % 64 == 0)
            sched_yield();
        assert_ok(keel_chan_recv(NULL, chans[1], &item));
        assert_int_equal(item, i);
    }
    keel_chan_close(chans[0]);
    assert_ok(keel_group_wait(group));
    assert_true(keel__load_seq(&rt->sleepers) <= test_workers()); /* none counted twice */
    assert_true(keel__load_seq(&rt->searchers) <= test_workers());
    assert_ok(keel_runtime_stop(NULL, rt));
    for (int i = 0; i < 2; i++)
        keel_chan_free(chans[i]);
}

static void no_start_is_lost_from_plain_threads(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    for (int i = 0; i < 3000; i++)
        assert_ok(keel_runtime_run(rt, do_nothing, NULL));
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* Each waits, without ever letting go of its worker, for the next to have begun. */
typedef struct chain {
    keel__a32 begun;
    uint32_t length;
} chain;

static keel_err *hold_worker(keel_ctx *ctx, void *arg)
{
    chain *c = arg;

    (void)ctx;
    keel__add(&c->begun, 1);
    while (keel__load(&c->begun) < c->length)
        sched_yield();
    return NULL;
}

static keel_err *start_chain(keel_ctx *ctx, void *arg)
{
    chain c = { .length = *(uint32_t *)arg };
    keel_group *group = keel_group_new(ctx, NULL);

    for (uint32_t i = 1; i < c.length; i++)
        keel_group_go(group, hold_worker, &c);
    keel_err *err = hold_worker(ctx, &c);
    return keel_err_join(err, keel_group_wait(group));
}

static void tasks_that_a_busy_worker_has_not_begun_are_taken_by_others(void **state)
{
    (void)state;
    for (uint32_t workers = 2; workers <= 4; workers++)
        for (int i = 0; i < 30; i++)
            assert_ok(support_run_on(NULL, workers, start_chain, &workers));
}

/* The same when the tasks come one by one, and the other workers have gone to sleep between. */
static keel_err *start_chain_slowly(keel_ctx *ctx, void *arg)
{
    for (int i = 0; i < 20; i++) {
        KEEL_TRY(keel_sleep(ctx, KEEL_US(500)));
        KEEL_TRY(start_chain(ctx, arg));
    }
    return NULL;
}

static void sleeping_workers_are_woken_for_them(void **state)
{
    uint32_t workers = 3;

    (void)state;
    assert_ok(support_run_on(NULL, workers, start_chain_slowly, &workers));
}

/* ---- Timers ---- */

/* Armed by a plain thread while all workers sleep without one. */
static void a_deadline_made_by_a_thread_ends_on_the_runtimes_clock(void **state)
{
    keel_clock *clock;
    keel_runtime *rt;
    keel_chan *chan;
    char item;

    (void)state;
    assert_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_ok(
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers(), .clock = clock }));
    for (int i = 1; i <= 100; i++) {
        keel_ctx *limited = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_S(10));
        assert_err(keel_chan_recv(limited, chan, &item), KEEL_ERR_DEADLINE);
        keel_ctx_free(limited);
        assert_int_equal(keel_clock_now(clock), i * KEEL_S(10));
    }
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
    keel_clock_free(clock);
}

/* The system's clock: an earlier timer wakes a worker that sleeps until a later one. */
static void an_earlier_timer_is_not_held_up_by_a_later_one(void **state)
{
    keel_runtime *rt;
    keel_chan *chan;
    char item;

    (void)state;
    assert_ok(keel_chan_new(&chan, 1, NULL));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_ctx *late = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_HOUR(1));
    for (int i = 0; i < 20; i++) {
        keel_ctx *soon = keel_ctx_with_timeout(late, KEEL_US(500));
        assert_err(keel_chan_recv(soon, chan, &item), KEEL_ERR_DEADLINE);
        keel_ctx_free(soon);
    }
    keel_ctx_free(late);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
}

static keel_err *sleep_and_store(keel_ctx *ctx, void *now_ns)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_S(5)));
    *(int64_t *)now_ns = keel_ctx_now(ctx);
    return NULL;
}

static void a_manual_clock_moves_only_when_told(void **state)
{
    keel_clock *clock;
    keel_runtime *rt;
    int64_t now_ns = 0;

    (void)state;
    assert_ok(keel_clock_manual_new(&clock, NULL));
    assert_ok(
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers(), .clock = clock }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, sleep_and_store, &now_ns);
    assert_int_equal(keel_clock_now(clock), 0);
    keel_clock_advance(clock, KEEL_S(5)); /* perhaps before the task sleeps: then once more */
    keel_clock_advance(clock, KEEL_S(5));
    while (keel__load_seq(&rt->live) != 0)
        keel_clock_advance(clock, KEEL_S(1));
    assert_ok(keel_group_wait(group));
    assert_true(now_ns >= KEEL_S(5));
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(clock);
}

/* ---- Idleness: the one test that needs real time ---- */

static void be_idle(void *arg)
{
    keel_runtime *rt;
    struct rusage before, after;
    struct timespec pause = { .tv_nsec = 300 * 1000 * 1000 };
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 4 });

    (void)arg;
    if (err == NULL)
        err = keel_runtime_run(rt, use_everything, NULL);
    if (err != NULL)
        abort();
    keel_ctx *limited = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_HOUR(1));
    getrusage(RUSAGE_SELF, &before);
    nanosleep(&pause, NULL);
    getrusage(RUSAGE_SELF, &after);
    keel_ctx_free(limited);
    int64_t used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                       before.ru_stime.tv_sec) *
                          1000000 +
                      after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                      before.ru_stime.tv_usec;
    if (used_us >= 20000)
        fprintf(stderr, "%lld us\n", (long long)used_us);
}

static void an_idle_runtime_uses_no_cpu(void **state)
{
    int status;

    (void)state;
    assert_string_equal(support_child(be_idle, NULL, &status), "");
    assert_int_equal(status, 0);
}

/* ---- Signals ---- */

/* A program that embeds a runtime keeps its signals: nothing is installed, ignored or blocked. */
static void a_runtime_leaves_the_signals_alone(void **state)
{
    enum { LAST = 31 };
    struct sigaction before[LAST + 1], now;
    sigset_t mask_before, mask_now;
    keel_runtime *rt;

    (void)state;
    pthread_sigmask(SIG_BLOCK, NULL, &mask_before);
    for (int number = 1; number <= LAST; number++)
        assert_int_equal(sigaction(number, NULL, &before[number]), 0);
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = test_workers() }));
    assert_ok(keel_runtime_run(rt, use_everything, NULL));
    pthread_sigmask(SIG_BLOCK, NULL, &mask_now);
    for (int number = 1; number <= LAST; number++) {
        assert_int_equal(sigaction(number, NULL, &now), 0);
        assert_ptr_equal(now.sa_handler, before[number].sa_handler);
        assert_int_equal(now.sa_flags, before[number].sa_flags);
        assert_int_equal(sigismember(&mask_now, number), sigismember(&mask_before, number));
    }
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Limits ---- */

/* Starts with more and more file descriptors to spare until it succeeds. */
static void start_without_files(void *arg)
{
    keel_runtime *rt;
    size_t failed = 0;
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 });

    (void)arg;
    if (err != NULL || (err = keel_runtime_stop(NULL, rt)) != NULL)
        abort();
    size_t used = entries("/proc/self/fd");
    for (rlim_t files = 3;; files += 2) {
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, 4096 });
        err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 3 });
        if (err == NULL)
            break;
        if (!keel_err_is(err, KEEL_ERR_LIMIT) || strstr(KEEL_ERR_STR(err), "RLIMIT_NOFILE") == NULL)
            fprintf(stderr, "not the limit: %s\n", KEEL_ERR_STR(err));
        keel_err_free(err);
        failed++;
    }
    keel_err_free(keel_runtime_stop(NULL, rt));
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4096, 4096 });
    /* one for each loop that failed: libuv 1.44 forgets the epoll descriptor when uv_loop_init fails */
    size_t now = entries("/proc/self/fd");
    if (failed < 3 || now > used + failed)
        fprintf(stderr, "%zu failed; %zu descriptors were in use, %zu are\n", failed, used, now);
}

static void without_file_descriptors_the_limit_is_named(void **state)
{
    int status;

    (void)state;
#ifdef KEEL_VALGRIND
    skip(); /* it keeps descriptors of its own */
#endif
    assert_string_equal(support_child(start_without_files, NULL, &status), "");
    assert_int_equal(status, 0);
}

/* Root is under no such limit: become nobody. */
static void start_without_threads(void *arg)
{
    enum { NOBODY = 65534 };
    keel_runtime *rt;

    (void)arg;
    if (setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 }) != 0 ||
        (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
        abort();
    size_t live = support_mem_live();
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 3 });
    if (!keel_err_is(err, KEEL_ERR_LIMIT) || strstr(KEEL_ERR_STR(err), "RLIMIT_NPROC") == NULL)
        fprintf(stderr, "not the limit: %s\n", err != NULL ? KEEL_ERR_STR(err) : "none");
    keel_err_free(err);
    if (support_mem_live() != live)
        fprintf(stderr, "memory is lost\n");
}

static void without_threads_the_limit_is_named(void **state)
{
    int status;

    (void)state;
    assert_string_equal(support_child(start_without_threads, NULL, &status), "");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(options_out_of_range_are_refused),
        support_test(it_has_the_workers_it_was_asked_for),
        support_test(starting_and_stopping_leaves_nothing_behind),
        support_test(stopping_at_once_joins_workers_that_have_hardly_begun),
        support_test(run_returns_the_tasks_error_to_threads_and_tasks),
        support_test(a_task_may_start_and_stop_another_runtime),
        support_test(several_runtimes_work_side_by_side),
        support_test(stopping_cancels_the_tasks),
        support_test(stopping_waits_for_what_it_set_off),
        support_test(a_stop_waits_for_abandoned_calls_within_its_limit),
        support_test(a_stop_that_expires_names_the_tasks_and_can_be_called_again),
        support_test(the_names_of_groups_are_used_for_their_tasks),
        support_test(a_context_knows_its_runtime),
        support_test(groups_that_were_never_waited_for_are_misuse),
        support_test(a_task_that_stops_its_own_runtime_aborts),
        support_test(no_wake_up_is_lost_between_a_thread_and_a_task),
        support_test(no_start_is_lost_from_plain_threads),
        support_test(tasks_that_a_busy_worker_has_not_begun_are_taken_by_others),
        support_test(sleeping_workers_are_woken_for_them),
        support_test(a_deadline_made_by_a_thread_ends_on_the_runtimes_clock),
        support_test(an_earlier_timer_is_not_held_up_by_a_later_one),
        support_test(a_manual_clock_moves_only_when_told),
        support_test(an_idle_runtime_uses_no_cpu),
        support_test(a_runtime_leaves_the_signals_alone),
        support_test(without_file_descriptors_the_limit_is_named),
        support_test(without_threads_the_limit_is_named),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
