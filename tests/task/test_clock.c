/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include "task/clock.h"
#include "task/worker.h"

static keel_clock *new_clock(int64_t start_ns, bool auto_advance)
{
    keel_clock *clock;

    must_ok(keel_clock_manual_new(
        &clock, &(keel_clock_manual_opts){ .start_ns = start_ns, .auto_advance = auto_advance }));
    return clock;
}

static keel_runtime *new_runtime(keel_clock *clock, unsigned workers)
{
    keel_runtime *rt;

    must_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers, .clock = clock }));
    return rt;
}

/* ---- What it shows ---- */

static void a_manual_clock_moves_only_when_told(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(5, false);

    assert_true(keel_clock_now(clock) == 5);
    keel_clock_advance(clock, 37);
    assert_true(keel_clock_now(clock) == 42);
    keel_clock_advance(clock, 0);
    assert_true(keel_clock_now(clock) == 42);
    keel_clock_free(clock);
}

static void a_manual_clock_starts_at_nothing_without_options(void **state)
{
    (void)state;
    keel_clock *clock;

    assert_ok(keel_clock_manual_new(&clock, NULL));
    assert_true(keel_clock_now(clock) == 0);
    keel_clock_free(clock);
}

static void a_manual_clock_stops_at_the_end_of_time(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(INT64_MAX - 3, false);

    keel_clock_advance(clock, 3);
    assert_true(keel_clock_now(clock) == INT64_MAX);
    keel_clock_advance(clock, INT64_MAX);
    assert_true(keel_clock_now(clock) == INT64_MAX);
    keel_clock_free(clock);
}

static void time_before_nothing_is_invalid(void **state)
{
    (void)state;
    keel_clock *clock = keel_clock_system();

    assert_err(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .start_ns = -1 }),
               KEEL_ERR_INVAL);
    assert_null(clock);
}

static void without_memory_there_is_no_clock(void **state)
{
    (void)state;
    keel_clock *clock = keel_clock_system();

    support_mem_fail(1, false);
    assert_err(keel_clock_manual_new(&clock, NULL), KEEL_ERR_NOMEM);
    assert_null(clock);
}

static void the_systems_clock_never_goes_back(void **state)
{
    (void)state;
    int64_t start_ns = keel_clock_now(keel_clock_system()), last_ns = start_ns;

    while (last_ns < start_ns + KEEL_US(100)) {
        int64_t now_ns = keel_clock_now(keel_clock_system());
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
    keel_clock_free(keel_clock_system()); /* nothing happens */
    keel_clock_free(NULL);
    assert_true(keel_clock_now(keel_clock_system()) >= last_ns);
}

static void advance_the_system(void *arg)
{
    (void)arg;
    keel_clock_advance(keel_clock_system(), 1);
}

static void go_back(void *arg)
{
    keel_clock_advance(arg, -1);
}

static void free_in_use(void *arg)
{
    new_runtime(arg, 1);
    keel_clock_free(arg);
}

static void misuse_is_noticed(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(1, false);

    support_assert_aborts(advance_the_system, NULL, "keel_clock_advance: the system's clock");
    support_assert_aborts(go_back, clock, "cannot go back");
    support_assert_aborts(free_in_use, clock, "is in use");
    keel_clock_free(clock);
}

static void moments_are_added_without_overflow(void **state)
{
    (void)state;
    assert_true(keel__clock_after(7, 5) == 12);
    assert_true(keel__clock_after(7, 0) == 7);
    assert_true(keel__clock_after(7, -5) == 7);
    assert_true(keel__clock_after(7, INT64_MIN) == 7);
    assert_true(keel__clock_after(7, INT64_MAX) == INT64_MAX);
    assert_true(keel__clock_after(INT64_MAX - 5, 5) == INT64_MAX);
    assert_true(keel__clock_after(INT64_MAX - 5, 4) == INT64_MAX - 1);
    assert_true(keel__clock_after(INT64_MAX, 1) == INT64_MAX);
}

/* ---- A clock that moves by itself ---- */

enum { SLEEPERS = 200, NAPS = 10 };

typedef struct nap {
    uint64_t seed;
    int64_t wrong_ns;
} nap;

/* While anything runs the clock stands still, so a sleep takes what it should, to the nanosecond. */
static keel_err *take_naps(keel_ctx *ctx, void *arg)
{
    nap *n = arg;
    keel_rand rand;

    keel_rand_seed(&rand, n->seed);
    for (size_t i = 0; i < repeats(NAPS, 3); i++) {
        int64_t ns = keel_rand_between(&rand, 1, i % 2 == 0 ? 50 : KEEL_S(100));
        int64_t start_ns = keel_ctx_now(ctx);

        KEEL_TRY(keel_sleep(ctx, ns));
        if (keel_ctx_now(NULL) - start_ns != ns)
            n->wrong_ns = keel_ctx_now(NULL) - start_ns - ns;
    }
    return NULL;
}

static keel_err *all_take_naps(keel_ctx *ctx, void *arg)
{
    nap *naps = arg;
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < repeats(SLEEPERS, 5); i++) {
        naps[i].seed = i;
        keel_group_go(group, take_naps, &naps[i]);
    }
    return keel_group_wait(group);
}

static void sleeps_are_exact_to_the_nanosecond(void **state)
{
    (void)state;
    static nap naps[SLEEPERS];

    run_and_explore_on_time(all_take_naps, naps);
    for (size_t i = 0; i < SLEEPERS; i++)
        assert_true(naps[i].wrong_ns == 0);
}

typedef struct stand {
    keel_clock *clock;
    keel__a32 looks;
    bool moved;
} stand;

static keel_err *look_often(void *arg)
{
    stand *s = arg;
    int64_t start_ns = keel_clock_now(s->clock);

    for (size_t i = 0; i < repeats(500, 5); i++) {
        keel_yield();
        s->moved |= keel_clock_now(s->clock) != start_ns;
    }
    keel__store(&s->looks, 1);
    return NULL;
}

static keel_err *offload_looks(keel_ctx *ctx, void *arg)
{
    return keel_offload(ctx, look_often, arg);
}

static keel_err *sleep_past_looks(keel_ctx *ctx, void *arg)
{
    stand *s = arg;

    KEEL_TRY(keel_sleep(ctx, 1));
    check(keel__load(&s->looks)); /* or time has passed although somebody worked */
    return NULL;
}

static keel_err *offload_and_sleep(keel_ctx *ctx, void *arg)
{
    stand *s = arg;
    keel_group *group = keel_group_new(ctx, NULL);

    keel__store(&s->looks, 0);
    s->clock = keel__worker_self()->rt->clock;
    keel_group_go(group, offload_looks, s);
    keel_group_go(group, sleep_past_looks, s);
    return keel_group_wait(group);
}

static void time_stands_still_during_an_offloaded_call(void **state)
{
    (void)state;
    stand s = { 0 };

    run_and_explore_on_time(offload_and_sleep, &s);
    assert_false(s.moved);
}

static keel_err *nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static void until_asleep(keel_runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        bool asleep = false;

        while (!asleep) {
            keel__spin_lock(&rt->workers[i].lock);
            asleep = rt->workers[i].counted;
            keel__spin_unlock(&rt->workers[i].lock);
            keel_yield();
        }
    }
}

/* The workers are all asleep already when the thread begins to wait: somebody must notice. */
static void a_threads_sleep_moves_the_clock_of_an_idle_runtime(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(0, true);
    keel_runtime *rt = new_runtime(clock, 2);

    assert_ok(keel_runtime_run(rt, nothing, NULL));
    for (int i = 1; i <= 100; i++) {
        until_asleep(rt);
        for (int turn = 0; turn < 200; turn++) /* past their last look, most likely */
            keel_yield();
        assert_ok(keel_sleep(keel_runtime_ctx(rt), KEEL_S(1)));
        assert_true(keel_clock_now(clock) == KEEL_S(i));
    }
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(clock);
}

/* ---- Waiting on a clock that others move ---- */

typedef struct sleeper {
    keel_ctx *ctx;
    int64_t ns, woke_ns;
    keel__a32 woke;
    keel_err *err;
    pthread_t thread;
} sleeper;

static void *sleep_in_thread(void *arg)
{
    sleeper *s = arg;

    s->err = keel_sleep(s->ctx, s->ns);
    s->woke_ns = keel_ctx_now(s->ctx);
    keel__store(&s->woke, 1);
    return NULL;
}

static size_t sleepers_on(keel_clock *clock)
{
    size_t count = 0;

    keel__spin_lock(&clock->lock);
    for (keel__link *link = clock->sleepers.first; link != NULL; link = link->next)
        count++;
    keel__spin_unlock(&clock->lock);
    return count;
}

static void until_sleepers(keel_clock *clock, size_t count)
{
    while (sleepers_on(clock) != count)
        keel_yield();
}

static void threads_sleep_on_a_manual_clock(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    keel_clock *clock = new_clock(100, false);
    keel_runtime *rt = new_runtime(clock, 1);
    sleeper all[THREADS];

    for (int i = 0; i < THREADS; i++) {
        all[i] = (sleeper){ .ctx = keel_runtime_ctx(rt), .ns = 10 * (i + 1) };
        assert_int_equal(pthread_create(&all[i].thread, NULL, sleep_in_thread, &all[i]), 0);
    }
    until_sleepers(clock, 1 + THREADS); /* the worker, too */
    for (int i = 0; i < THREADS; i++) {
        keel_clock_advance(clock, 9);
        for (int turn = 0; turn < 20; turn++)
            keel_yield();
        assert_int_equal(sleepers_on(clock), 1 + THREADS - i);
        assert_false(keel__load(&all[i].woke));
        keel_clock_advance(clock, 1);
        assert_int_equal(pthread_join(all[i].thread, NULL), 0);
        assert_ok(all[i].err);
        assert_true(all[i].woke_ns == 110 + 10 * i);
    }
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(clock);
}

/* Any number of threads move the clock at once; it goes forward by all they say together. */
static void *push(void *clock)
{
    for (int i = 0; i < 1000; i++)
        keel_clock_advance(clock, 3);
    return NULL;
}

static void threads_that_move_the_clock_at_once_add_up(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    keel_clock *clock = new_clock(0, false);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push, clock), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(keel_clock_now(clock) == (int64_t)THREADS * 1000 * 3);
    keel_clock_free(clock);
}

/* ---- Tasks, woken by an advance from elsewhere ---- */

typedef struct queue {
    keel__a32 turn;
    int wrong;
} queue;

typedef struct place {
    queue *q;
    int64_t ns;
    uint32_t turn;
} place;

static keel_err *wake_in_turn(keel_ctx *ctx, void *arg)
{
    place *p = arg;
    int64_t start_ns = keel_ctx_now(ctx);

    KEEL_TRY(keel_sleep(ctx, p->ns));
    if (keel_ctx_now(ctx) < start_ns + p->ns || keel__add(&p->q->turn, 1) != p->turn)
        p->q->wrong++;
    return NULL;
}

static keel_err *all_in_turn(keel_ctx *ctx, void *arg)
{
    queue *q = arg;
    /* two that are due at once wake in the order in which they began to wait */
    place places[] = { { q, 30, 4 }, { q, 10, 0 }, { q, 20, 2 }, { q, 10, 1 }, { q, 20, 3 } };
    keel_group *group = keel_group_new(ctx, NULL);

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        keel_group_go(group, wake_in_turn, &places[i]);
    return keel_group_wait(group);
}

static void tasks_wake_in_the_order_of_their_moments(void **state)
{
    (void)state;
    queue q = { .wrong = 0 };
    keel_clock *clock = new_clock(0, true);

    assert_ok(support_run_on(clock, 1, all_in_turn, &q));
    assert_int_equal(q.wrong, 0);
    assert_int_equal(keel__load(&q.turn), 5);
    keel_clock_free(clock);
}

static keel_err *sleep_in_task(keel_ctx *ctx, void *arg)
{
    sleeper *s = arg;

    KEEL_TRY(keel_sleep(ctx, s->ns));
    s->woke_ns = keel_ctx_now(ctx);
    keel__store(&s->woke, 1);
    return NULL;
}

static void until_armed(keel_runtime *rt, int64_t when_ns)
{
    while (keel__timers_next(&rt->workers[0].timers) != when_ns)
        keel_yield();
}

static void two_runtimes_share_a_manual_clock(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(0, false);
    keel_runtime *rts[2] = { new_runtime(clock, 1), new_runtime(clock, 1) };
    sleeper s[2] = { { .ns = 10 }, { .ns = 20 } };
    keel_group *groups[2];

    for (int i = 0; i < 2; i++) {
        groups[i] = keel_group_new(keel_runtime_ctx(rts[i]), NULL);
        keel_group_go(groups[i], sleep_in_task, &s[i]);
        until_armed(rts[i], s[i].ns);
    }
    keel_clock_advance(clock, 10);
    assert_ok(keel_group_wait(groups[0]));
    assert_true(s[0].woke_ns == 10);
    assert_true(keel__timers_next(&rts[1]->workers[0].timers) == 20);
    assert_false(keel__load(&s[1].woke));

    /* one of them goes, the other stays */
    assert_ok(keel_runtime_stop(NULL, rts[0]));
    keel_clock_advance(clock, 9);
    until_asleep(rts[1]);
    assert_false(keel__load(&s[1].woke));
    keel_clock_advance(clock, 1);
    assert_ok(keel_group_wait(groups[1]));
    assert_true(s[1].woke_ns == 20);
    assert_ok(keel_runtime_stop(NULL, rts[1]));
    keel_clock_free(clock);
}

/* What is due already when it is armed fires without waiting for the clock to move. */
static void one_leap_wakes_all_that_it_passes(void **state)
{
    (void)state;
    enum { TASKS = 50 };
    keel_clock *clock = new_clock(0, false);
    keel_runtime *rt = new_runtime(clock, 2);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    sleeper s[TASKS];
    bool all = false;

    for (int i = 0; i < TASKS; i++) {
        s[i] = (sleeper){ .ns = 1 + i };
        keel_group_go(group, sleep_in_task, &s[i]);
    }
    while (!all) {
        keel_clock_advance(clock, TASKS);
        all = true;
        for (int i = 0; i < TASKS; i++)
            all &= keel__load(&s[i].woke) != 0;
    }
    assert_ok(keel_group_wait(group));
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_manual_clock_moves_only_when_told),
        support_test(a_manual_clock_starts_at_nothing_without_options),
        support_test(a_manual_clock_stops_at_the_end_of_time),
        support_test(time_before_nothing_is_invalid),
        support_test(without_memory_there_is_no_clock),
        support_test(the_systems_clock_never_goes_back),
        support_test(misuse_is_noticed),
        support_test(moments_are_added_without_overflow),
        support_test(sleeps_are_exact_to_the_nanosecond),
        support_test(time_stands_still_during_an_offloaded_call),
        support_test(a_threads_sleep_moves_the_clock_of_an_idle_runtime),
        support_test(threads_sleep_on_a_manual_clock),
        support_test(threads_that_move_the_clock_at_once_add_up),
        support_test(tasks_wake_in_the_order_of_their_moments),
        support_test(two_runtimes_share_a_manual_clock),
        support_test(one_leap_wakes_all_that_it_passes),
    };

    support_mem_install();
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
