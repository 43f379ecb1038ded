/* SPDX-License-Identifier: MIT */
#include "explored.h"

#include <errno.h>
#include <pthread.h>

#include "base/atomic.h"

/* ---- Sleeping ---- */

static keel_err *sleep_exactly(keel_ctx *ctx, void *arg)
{
    static const int64_t times_ns[] = { 1, KEEL_US(1), KEEL_MS(3), KEEL_S(30), KEEL_HOUR(1000) };

    (void)arg;
    for (size_t i = 0; i < repeats(5, 4); i++) { /* a simulated run of a day counts as endless */
        int64_t start_ns = keel_ctx_now(ctx);
        KEEL_TRY(keel_sleep(ctx, times_ns[i]));
        check(keel_ctx_now(ctx) - start_ns == times_ns[i]);
    }
    return NULL;
}

static void a_sleep_takes_the_time_it_was_given(void **state)
{
    (void)state;
    run_and_explore_on_time(sleep_exactly, NULL);
}

static keel_err *sleep_not(keel_ctx *ctx, void *arg)
{
    keel_ctx *over = keel_ctx_with_cancel(ctx);
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    keel_err *err = keel_err_join(keel_sleep(ctx, 0), keel_sleep(ctx, -1));
    err = keel_err_join(err, keel_sleep(ctx, INT64_MIN));
    keel_ctx_cancel(over);
    keel_err *ended = keel_sleep(over, KEEL_S(1)), *ended_zero = keel_sleep(over, 0);
    keel_ctx_free(over);
    KEEL_TRY(err);
    check_err(ended, KEEL_ERR_CANCELLED);
    check_err(ended_zero, KEEL_ERR_CANCELLED);
    check(keel_ctx_now(ctx) == start_ns);
    return NULL;
}

static void a_sleep_of_nothing_or_under_an_ended_context_takes_no_time(void **state)
{
    (void)state;
    run_and_explore_on_time(sleep_not, NULL);
}

typedef struct riser {
    int64_t after_ns;
    keel__a32 *turn;
    uint32_t place;
} riser;

static keel_err *rise(keel_ctx *ctx, void *arg)
{
    riser *r = arg;

    KEEL_TRY(keel_sleep(ctx, r->after_ns));
    r->place = keel__add(r->turn, 1);
    return NULL;
}

static keel_err *rise_in_order(keel_ctx *ctx, void *arg)
{
    enum { RISERS = 50 };
    uint32_t count = (uint32_t)repeats(RISERS, 8);
    riser risers[RISERS];
    keel__a32 turn = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i * 37 % count;
        risers[i] = (riser){ .after_ns = KEEL_MS(place + 1), .turn = &turn };
        keel_group_go(group, rise, &risers[i]);
    }
    KEEL_TRY(keel_group_wait(group));
    for (uint32_t i = 0; i < count; i++)
        check(risers[i].place == i * 37 % count);
    return NULL;
}

static void sleepers_wake_in_the_order_of_their_times(void **state)
{
    (void)state;
    run_and_explore_on_time(rise_in_order, NULL);
}

static keel_err *sleep_too_long(keel_ctx *ctx, void *arg)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(20));
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    keel_err *err = keel_sleep(limited, KEEL_HOUR(1));
    keel_ctx_free(limited);
    check_err(err, KEEL_ERR_DEADLINE);
    check(keel_ctx_now(ctx) - start_ns == KEEL_MS(20));
    return NULL;
}

static void a_sleep_ends_with_its_context(void **state)
{
    (void)state;
    run_and_explore_on_time(sleep_too_long, NULL);
}

static keel_err *rest(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_S(20));
}

/* The workers may all sleep before the thread does: it is then for the thread to move the clock. */
static void a_plain_thread_sleeps_on_a_runtimes_clock(void **state)
{
    keel_clock *clock;
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2, .clock = clock }));
    for (int i = 1; i <= 20; i++) {
        if (i % 2 == 0)
            assert_ok(keel_runtime_run(rt, rest, NULL));
        else
            assert_ok(keel_sleep(keel_runtime_ctx(rt), KEEL_S(20)));
        assert_int_equal(keel_clock_now(clock), i * KEEL_S(20));
    }
    keel_ctx *limited = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_S(1));
    assert_err(keel_sleep(limited, KEEL_S(2)), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(clock);
}

static void a_plain_thread_sleeps_without_a_runtime(void **state)
{
    (void)state;
    int64_t start_ns = keel_ctx_now(NULL);
    assert_ok(keel_sleep(NULL, KEEL_US(300)));
    assert_true(keel_ctx_now(NULL) - start_ns >= KEEL_US(300));
    keel_ctx *limited = keel_ctx_with_timeout(NULL, KEEL_US(300));
    assert_err(keel_sleep(limited, KEEL_HOUR(1)), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
}

/* ---- Yielding ---- */

static keel_err *set_flag(keel_ctx *ctx, void *flag)
{
    (void)ctx;
    keel__store((keel__a32 *)flag, 1);
    return NULL;
}

/* One worker: without a yield that lets others run this never ends. */
static keel_err *yield_until_set(keel_ctx *ctx, void *arg)
{
    keel__a32 flag = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, set_flag, &flag);
    while (keel__load(&flag) == 0)
        keel_yield();
    return keel_group_wait(group);
}

static void yield_lets_other_tasks_of_the_worker_run(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, yield_until_set, NULL));
    explored(yield_until_set, NULL);
    keel_yield();
}

/* Tasks that only yield must not hold up their worker's timers. */
static keel_err *sleep_and_set(keel_ctx *ctx, void *flag)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_US(500)));
    return set_flag(ctx, flag);
}

static keel_err *yield_until(keel_ctx *ctx, void *flag)
{
    (void)ctx;
    while (keel__load((keel__a32 *)flag) == 0)
        keel_yield();
    return NULL;
}

/* Alone, or two that leave to each other. */
static keel_err *yield_until_woken(keel_ctx *ctx, void *two)
{
    keel__a32 flag = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, sleep_and_set, &flag);
    if (two != NULL)
        keel_group_go(group, yield_until, &flag);
    KEEL_TRY(yield_until(ctx, &flag));
    return keel_group_wait(group);
}

static void timers_fire_while_tasks_yield_without_end(void **state)
{
    assert_ok(support_run_on(NULL, 1, yield_until_woken, NULL));
    assert_ok(support_run_on(NULL, 1, yield_until_woken, state));
}

/* ---- What a task keeps ---- */

/* The tasks of a worker share its errno: a race detector sees that, and not that waits keep it. */
__attribute__((noinline, no_sanitize("thread"))) static void set_errno(int number)
{
    errno = number;
}

__attribute__((noinline, no_sanitize("thread"))) static bool errno_is(int number)
{
    return errno == number;
}

static keel_err *keep_errno(keel_ctx *ctx, void *number)
{
    for (size_t i = 0; i < repeats(20, 4); i++) {
        set_errno(*(int *)number);
        if (i % 2 == 0)
            keel_yield();
        else
            KEEL_TRY(keel_sleep(ctx, KEEL_US(1)));
        check(errno_is(*(int *)number));
    }
    return NULL;
}

static keel_err *keep_errnos(keel_ctx *ctx, void *arg)
{
    int numbers[16];
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (int i = 0; i < (int)repeats(16, 3); i++) {
        numbers[i] = i + 1;
        keel_group_go(group, keep_errno, &numbers[i]);
    }
    return keel_group_wait(group);
}

static void a_wait_keeps_errno(void **state)
{
    (void)state;
    run_and_explore(keep_errnos, NULL);
}

static _Thread_local int local;

/* noinline, so that the address is asked for anew */
__attribute__((noinline)) static int *local_address(void)
{
    __asm__ volatile("");
    return &local;
}

static keel_err *keep_thread(keel_ctx *ctx, void *arg)
{
    int *address = local_address();
    pthread_t thread = pthread_self();

    (void)arg;
    for (size_t i = 0; i < repeats(50, 4); i++) {
        if (i % 10 == 9 || (i % 2 == 1 && keel_sim_active()))
            KEEL_TRY(keel_sleep(ctx, KEEL_US(1)));
        else
            keel_yield();
        check(local_address() == address);
        check(pthread_equal(pthread_self(), thread));
    }
    return NULL;
}

static keel_err *keep_threads(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (size_t i = 0; i < repeats(200, 4); i++)
        keel_group_go(group, keep_thread, NULL);
    return keel_group_wait(group);
}

static void a_task_never_changes_its_thread(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 0, keep_threads, NULL));
    explored(keep_threads, NULL);
}

/* Sums that differ in the last bit if a register got lost. */
static keel_err *calculate(keel_ctx *ctx, void *arg)
{
    double seed = *(double *)arg, a = seed, b = seed / 3, c = seed / 7;
    double expected_a = seed, expected_b = seed / 3, expected_c = seed / 7;
    long double extended = (long double)seed;

    (void)ctx;
    int count = (int)repeats(200, 5);
    for (int i = 1; i < count; i++) {
        expected_a += 1.0 / (seed + i);
        expected_b = expected_b * 0.75 + expected_a;
        expected_c -= expected_b / 1024;
    }
    for (int i = 1; i < count; i++) {
        a += 1.0 / (seed + i);
        keel_yield();
        b = b * 0.75 + a;
        keel_yield();
        c -= b / 1024;
    }
    check(memcmp(&a, &expected_a, sizeof a) == 0 && memcmp(&b, &expected_b, sizeof b) == 0);
    check(memcmp(&c, &expected_c, sizeof c) == 0);
    check((double)extended >= seed && (double)extended <= seed);
    return NULL;
}

static keel_err *calculate_all(keel_ctx *ctx, void *arg)
{
    double seeds[20];
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (int i = 0; i < (int)repeats(20, 3); i++) {
        seeds[i] = 1.5 + i;
        keel_group_go(group, calculate, &seeds[i]);
    }
    return keel_group_wait(group);
}

static void floating_point_survives_switches(void **state)
{
    (void)state;
    run_and_explore(calculate_all, NULL);
}

/* The compiler may use aligned vector moves on any stack. */
static keel_err *check_alignment(keel_ctx *ctx, void *arg)
{
    _Alignas(64) volatile char line[64] = { 0 };
    _Alignas(16) volatile char quad[16] = { 0 };

    (void)ctx;
    (void)arg;
    check((uintptr_t)line % 64 == 0 && (uintptr_t)quad % 16 == 0);
    check((uintptr_t)__builtin_frame_address(0) % 16 == 0);
    return NULL;
}

static void stacks_are_aligned(void **state)
{
    (void)state;
    run_and_explore(check_alignment, NULL);
}

/* ---- Many ---- */

enum { TASKS = 10000 };

typedef struct many {
    keel__a32 awake, woken;
} many;

static keel_err *sleep_among_many(keel_ctx *ctx, void *arg)
{
    many *all = arg;

    keel__add(&all->awake, 1);
    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    keel__add(&all->woken, 1);
    return NULL;
}

static keel_err *start_many(keel_ctx *ctx, void *arg)
{
    many all = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    for (size_t i = 0; i < repeats(TASKS, 10); i++)
        keel_group_go(group, sleep_among_many, &all);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(500)));
    bool all_sleep = keel__load(&all.awake) == repeats(TASKS, 10) && keel__load(&all.woken) == 0;
    KEEL_TRY(keel_group_wait(group));
    check(all_sleep);
    check(keel__load(&all.woken) == repeats(TASKS, 10));
    check(keel_ctx_now(ctx) - start_ns == KEEL_S(1));
    return NULL;
}

static void ten_thousand_tasks_wait_at_once(void **state)
{
    (void)state;
    run_and_explore_on_time(start_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_sleep_takes_the_time_it_was_given),
        support_test(a_sleep_of_nothing_or_under_an_ended_context_takes_no_time),
        support_test(sleepers_wake_in_the_order_of_their_times),
        support_test(a_sleep_ends_with_its_context),
        support_test(a_plain_thread_sleeps_on_a_runtimes_clock),
        support_test(a_plain_thread_sleeps_without_a_runtime),
        support_test(yield_lets_other_tasks_of_the_worker_run),
        support_test(timers_fire_while_tasks_yield_without_end),
        support_test(a_wait_keeps_errno),
        support_test(a_task_never_changes_its_thread),
        support_test(floating_point_survives_switches),
        support_test(stacks_are_aligned),
        support_test(ten_thousand_tasks_wait_at_once),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
