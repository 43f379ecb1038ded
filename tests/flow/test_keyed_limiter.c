/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <math.h>

#include <keel/limiter.h>

#define A KEEL_STR("a")
#define B KEEL_STR("b")

/* The key of a number. */
#define KEY(number) ((keel_str){ (const char *)&(number), sizeof(number) })

static keel_keyed_limiter *make(keel_clock *clock, double per_second, double burst, size_t max_keys)
{
    keel_keyed_limiter *limiter;

    assert_ok(keel_keyed_limiter_new(&limiter, &(keel_keyed_limiter_opts){ .per_second = per_second,
                                                                           .burst = burst,
                                                                           .max_keys = max_keys,
                                                                           .clock = clock }));
    return limiter;
}

static keel_keyed_limiter_stats stats(keel_keyed_limiter *limiter)
{
    keel_keyed_limiter_stats now;

    keel_keyed_limiter_get_stats(limiter, &now);
    return now;
}

/* Takes one token for each of the numbers from `from` on; says for how many there was one. */
static int take_each(keel_keyed_limiter *limiter, uint64_t from, int count)
{
    int taken = 0;

    for (uint64_t i = from; i < from + (uint64_t)count; i++)
        taken += keel_keyed_limiter_allow(limiter, KEY(i), 1);
    return taken;
}

/* ---- Keys ---- */

static void each_key_has_a_bucket_of_its_own(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 10, 2, 0);

    for (int round = 0; round < 2; round++) {
        assert_true(keel_keyed_limiter_allow(limiter, A, 1));
        assert_true(keel_keyed_limiter_allow(limiter, B, 1));
        assert_true(keel_keyed_limiter_allow(limiter, KEEL_STR(""), 1));
        assert_true(keel_keyed_limiter_allow(limiter, KEEL_STR("a\0b"), 1));
    }
    assert_false(keel_keyed_limiter_allow(limiter, A, 1));
    assert_false(keel_keyed_limiter_allow(limiter, B, 1));
    assert_int_equal(keel_keyed_limiter_delay(limiter, A, 1), KEEL_MS(100));
    keel_clock_advance(clock, KEEL_MS(100) - 1);
    assert_int_equal(keel_keyed_limiter_delay(limiter, A, 1), 1);
    assert_false(keel_keyed_limiter_allow(limiter, A, 1));
    keel_clock_advance(clock, 1);
    assert_true(keel_keyed_limiter_allow(limiter, A, 1));
    assert_false(keel_keyed_limiter_allow(limiter, A, 1));
    assert_true(keel_keyed_limiter_allow(limiter, B, 1));

    const keel_keyed_limiter_stats now = stats(limiter);
    assert_int_equal(now.keys, 4);
    assert_int_equal(now.taken, 10);
    assert_int_equal(now.refused, 4);
    assert_int_equal(now.forgotten, 0);
    assert_int_equal(now.shared, 0);
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

static void a_full_bucket_goes_to_the_next_key(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 1, 2, 4);

    assert_int_equal(take_each(limiter, 0, 4), 4);
    keel_clock_advance(clock, KEEL_S(1)); /* all are full again */
    assert_int_equal(take_each(limiter, 100, 4), 4);
    assert_int_equal(stats(limiter).keys, 4);
    assert_int_equal(stats(limiter).forgotten, 4);
    assert_int_equal(take_each(limiter, 100, 4), 4); /* they are known, and have another */
    assert_int_equal(take_each(limiter, 100, 4), 0);
    assert_int_equal(stats(limiter).shared, 0);
    keel_clock_advance(clock, KEEL_S(2));
    assert_int_equal(take_each(limiter, 200, 4) + take_each(limiter, 200, 4), 8);
    /* nothing leads from those that were forgotten to the buckets of others */
    assert_int_equal(take_each(limiter, 0, 1) + take_each(limiter, 100, 1), 2);
    assert_int_equal(stats(limiter).shared, 2);
    assert_int_equal(stats(limiter).forgotten, 8);
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

/* The room grows with the keys that are in use, not with those that ever came. */
static void full_buckets_are_used_before_there_are_more(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 1, 1, 100000);

    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(take_each(limiter, 10 * i, 10), 10);
        keel_clock_advance(clock, KEEL_S(1));
    }
    assert_true(stats(limiter).keys <= 32);
    assert_int_equal(stats(limiter).shared, 0);
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

/* ---- A flood ---- */

static void a_flood_has_nothing_forgotten(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 1, 2, 100);

    assert_true(keel_keyed_limiter_allow(limiter, A, 2));
    /* 99 keys find room; the others share two tokens */
    assert_int_equal(take_each(limiter, 0, 100000), 99 + 2);
    assert_int_equal(stats(limiter).keys, 100);
    assert_int_equal(stats(limiter).shared, 100000 - 99);
    assert_false(keel_keyed_limiter_allow(limiter, A, 1));
    assert_int_equal(keel_keyed_limiter_delay(limiter, A, 1), KEEL_S(1));
    assert_false(keel_keyed_limiter_allow(limiter, B, 1)); /* came too late */
    assert_int_equal(keel_keyed_limiter_delay(limiter, B, 1), KEEL_S(1));

    keel_clock_advance(clock, KEEL_S(1)); /* the flood's are full again, A's is not */
    assert_true(keel_keyed_limiter_allow(limiter, B, 2));
    assert_int_equal(take_each(limiter, 200000, 100000), 98 + 1); /* and one is shared */
    assert_true(keel_keyed_limiter_allow(limiter, A, 1));
    assert_false(keel_keyed_limiter_allow(limiter, A, 1));
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

static void a_flood_takes_no_more_memory(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 1, 1, 1000);

    take_each(limiter, 0, 10000);
    for (uint64_t i = 1; i < 20; i++) { /* the map may have grown once more by then */
        keel_clock_advance(clock, KEEL_S(1));
        take_each(limiter, i * 10000, 10000);
    }
    const size_t live = support_mem_live();
    for (uint64_t i = 20; i < 40; i++) {
        keel_clock_advance(clock, KEEL_S(1));
        take_each(limiter, i * 10000, 10000);
    }
    assert_int_equal(support_mem_live(), live);
    assert_int_equal(stats(limiter).keys, 1000);
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

/* Some buckets that do not fill at the place that is looked at do not hide the others for long. */
static void full_buckets_are_found_behind_empty_ones(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 1, 100, 64);
    int own = 0;

    for (uint64_t i = 0; i < 64; i++)
        assert_true(keel_keyed_limiter_allow(limiter, KEY(i), i < 40 ? 100 : 1));
    keel_clock_advance(clock, KEEL_S(1)); /* 24 are full */
    for (uint64_t i = 1000; i < 1029; i++)
        own += keel_keyed_limiter_allow(limiter, KEY(i), 50);
    /* five of them looked in vain, of whom two got the shared tokens */
    assert_int_equal(own, 24 + 2);
    assert_int_equal(stats(limiter).forgotten, 24);
    assert_int_equal(stats(limiter).shared, 5);
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

/* ---- Waiting ---- */

static keel_err *waits_to_the_nanosecond(keel_ctx *ctx, void *arg)
{
    keel_keyed_limiter *limiter;

    (void)arg;
    KEEL_TRY(keel_keyed_limiter_new(&limiter,
                                    &(keel_keyed_limiter_opts){ .per_second = 10, .burst = 2 }));
    const int64_t start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_keyed_limiter_wait(ctx, limiter, A, 2));
    KEEL_TRY(keel_keyed_limiter_wait(ctx, limiter, B, 2));
    KEEL_CHECK(keel_ctx_now(ctx) == start_ns);
    KEEL_TRY(keel_keyed_limiter_wait(ctx, limiter, A, 1));
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(100));

    /* B has one token; the second comes in the moment of the deadline, or just before */
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(100));
    check_err(keel_keyed_limiter_wait(limited, limiter, B, 2), KEEL_ERR_RATE_LIMITED);
    keel_ctx_free(limited);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(100));
    limited = keel_ctx_with_timeout(ctx, KEEL_MS(100) + 1);
    KEEL_TRY(keel_keyed_limiter_wait(limited, limiter, B, 2));
    keel_ctx_free(limited);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(200));

    check_err(keel_keyed_limiter_wait(ctx, limiter, B, 3), KEEL_ERR_LIMIT);
    const keel_keyed_limiter_stats now = stats(limiter);
    KEEL_CHECK(now.taken == 4 && now.refused == 2 && now.keys == 2);
    keel_keyed_limiter_free(limiter);
    return NULL;
}

typedef struct waiter {
    keel_keyed_limiter *limiter;
    keel_ctx *ctx;
    keel_str key;
    keel_err *err;
} waiter;

static keel_err *wait_for_one(keel_ctx *ctx, void *arg)
{
    waiter *w = arg;

    (void)ctx;
    w->err = keel_keyed_limiter_wait(w->ctx, w->limiter, w->key, 1);
    return NULL;
}

/* Also where the tokens are those that are shared. */
static keel_err *who_leaves_gives_its_tokens_back(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t keys = 1; keys <= 2; keys++) {
        keel_keyed_limiter *limiter;
        keel_ctx *inner = keel_ctx_with_cancel(ctx);

        KEEL_TRY(keel_keyed_limiter_new(
            &limiter, &(keel_keyed_limiter_opts){ .per_second = 1, .burst = 1, .max_keys = keys }));
        KEEL_CHECK(keel_keyed_limiter_allow(limiter, A, 1));
        KEEL_CHECK(keel_keyed_limiter_allow(limiter, B, 1));
        KEEL_CHECK(stats(limiter).shared == (keys == 1));
        waiter w = { .limiter = limiter, .ctx = inner, .key = B };
        keel_group *group = keel_group_new(ctx, NULL);
        keel_group_go(group, wait_for_one, &w);
        KEEL_TRY(keel_sleep(ctx, KEEL_MS(500)));
        KEEL_CHECK(keel_keyed_limiter_delay(limiter, B, 1) == KEEL_MS(1500));
        keel_ctx_cancel(inner);
        KEEL_TRY(keel_group_wait(group));
        KEEL_CHECK(w.err == KEEL_ERR_CANCELLED);
        KEEL_CHECK(keel_keyed_limiter_delay(limiter, B, 1) == KEEL_MS(500));
        KEEL_CHECK(keel_keyed_limiter_wait(inner, limiter, B, 1) == KEEL_ERR_CANCELLED);
        KEEL_CHECK(keel_keyed_limiter_delay(limiter, B, 1) == KEEL_MS(500));
        keel_keyed_limiter_free(limiter);
        keel_ctx_free(inner);
    }
    return NULL;
}

/* ---- Every schedule ---- */

static keel_err *allow_one(keel_ctx *ctx, void *arg)
{
    waiter *w = arg;

    (void)ctx;
    w->err = keel_keyed_limiter_allow(w->limiter, w->key, 1) ? NULL : KEEL_ERR_RATE_LIMITED;
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(arg);
    return NULL;
}

static keel_err *two_keys_and_room_for_one(keel_ctx *ctx, void *arg)
{
    keel_keyed_limiter *limiter;
    keel_ctx *inner = keel_ctx_with_cancel(ctx);

    (void)arg;
    KEEL_TRY(keel_keyed_limiter_new(
        &limiter, &(keel_keyed_limiter_opts){ .per_second = 1e-9, .burst = 1, .max_keys = 1 }));
    KEEL_CHECK(keel_keyed_limiter_allow(limiter, A, 1));
    waiter w[] = { { limiter, inner, A, NULL },
                   { limiter, inner, B, NULL },
                   { limiter, inner, KEEL_STR("c"), NULL } };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, wait_for_one, &w[0]);
    keel_group_go(group, allow_one, &w[1]);
    keel_group_go(group, allow_one, &w[2]);
    keel_group_go(group, cancel_it, inner);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(w[0].err == KEEL_ERR_CANCELLED);
    KEEL_CHECK((w[1].err == NULL) != (w[2].err == NULL)); /* they share one */
    KEEL_CHECK(stats(limiter).keys == 1 && stats(limiter).shared == 2);
    keel_keyed_limiter_free(limiter);
    keel_ctx_free(inner);
    return NULL;
}

static void every_order_is_fine(void **state)
{
    (void)state;
    explore_one(two_keys_and_room_for_one, true);
}

/* ---- Options and memory ---- */

static void without_a_limit_all_pass(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, HUGE_VAL, 1, 2);

    for (int i = 0; i < 100; i++)
        assert_true(keel_keyed_limiter_allow(limiter, KEY(i), 1e9));
    keel_keyed_limiter_free(limiter);
    keel_keyed_limiter_free(NULL);
    keel_clock_free(clock);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *field;
        keel_keyed_limiter_opts opts;
    } rows[] = {
        { "per_second", { .burst = 1 } },
        { "per_second", { .per_second = -1 } },
        { "per_second", { .per_second = NAN } },
        { "burst", { .per_second = 1, .burst = 0.5 } },
        { "burst", { .per_second = 1, .burst = NAN } },
        { "max_keys", { .per_second = 1, .max_keys = 100000001 } },
    };
    keel_keyed_limiter *limiter;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_names(keel_keyed_limiter_new(&limiter, &rows[i].opts), rows[i].field);
        assert_null(limiter);
    }
    assert_names(keel_keyed_limiter_new(&limiter, NULL), "per_second");
}

static void defaults_are_ten_thousand_keys_and_a_second_of_burst(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_keyed_limiter *limiter = make(clock, 5, 0, 0);

    assert_true(keel_keyed_limiter_allow(limiter, A, 5));
    assert_false(keel_keyed_limiter_allow(limiter, A, 0.01));
    take_each(limiter, 0, 10001);
    assert_int_equal(stats(limiter).keys, 10000);
    assert_int_equal(stats(limiter).shared, 2);
    keel_keyed_limiter_free(limiter);
    limiter = make(clock, 0.5, 0, 0);
    assert_true(keel_keyed_limiter_allow(limiter, A, 1));
    keel_keyed_limiter_free(limiter);
    keel_clock_free(clock);
}

/* Whatever fails, calls are limited, and keys that have a bucket keep it. */
static keel_err *forty_keys(void *arg)
{
    keel_keyed_limiter *limiter;
    keel_clock *clock = arg;

    KEEL_TRY(keel_keyed_limiter_new(
        &limiter, &(keel_keyed_limiter_opts){ .per_second = 1e-6, .burst = 3, .clock = clock }));
    const int taken = take_each(limiter, 0, 40);
    const keel_keyed_limiter_stats now = stats(limiter);
    const int shared = (int)now.shared < 3 ? (int)now.shared : 3;
    const int again = take_each(limiter, 0, (int)now.keys > 0 ? 1 : 0);
    keel_keyed_limiter_free(limiter);
    if (taken != (int)now.keys + shared || now.keys + now.shared != 40 || again != (now.keys > 0))
        return keel_err_new("%d of %d and %d", taken, (int)now.keys, (int)now.shared);
    return support_mem_failed() ? KEEL_ERR_NOMEM : NULL;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();

    support_mem_torture(forty_keys, clock, NULL);
    keel_clock_free(clock);
}

/* ---- On the real runtime ---- */

static keel_err *take_a_thousand(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 1000; i++) {
        (void)!take_each(arg, (uint64_t)i % 50, 1);
        if (i % 100 == 0)
            keel_yield();
    }
    return NULL;
}

static keel_err *from_many_tasks(keel_ctx *ctx, void *arg)
{
    keel_keyed_limiter *limiter;

    (void)arg;
    KEEL_TRY(keel_keyed_limiter_new(
        &limiter, &(keel_keyed_limiter_opts){ .per_second = 1e-6, .burst = 10, .max_keys = 40 }));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 8; i++)
        keel_group_go(group, take_a_thousand, limiter);
    keel_err *err = keel_group_wait(group);
    const keel_keyed_limiter_stats now = stats(limiter);
    keel_keyed_limiter_free(limiter);
    KEEL_TRY(err);
    check(now.taken == 410 && now.refused == 8000 - 410 && now.keys == 40);
    return NULL;
}

static void it_works_on_real_workers(void **state)
{
    (void)state;
    assert_ok(support_run(from_many_tasks, NULL));
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(waits_to_the_nanosecond)
RUNS(who_leaves_gives_its_tokens_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(each_key_has_a_bucket_of_its_own),
        support_test(a_full_bucket_goes_to_the_next_key),
        support_test(full_buckets_are_used_before_there_are_more),
        support_test(a_flood_has_nothing_forgotten),
        support_test(a_flood_takes_no_more_memory),
        support_test(full_buckets_are_found_behind_empty_ones),
        support_test(runs_waits_to_the_nanosecond),
        support_test(runs_who_leaves_gives_its_tokens_back),
        support_test(every_order_is_fine),
        support_test(without_a_limit_all_pass),
        support_test(bad_options_are_named),
        support_test(defaults_are_ten_thousand_keys_and_a_second_of_burst),
        support_test(each_allocation_may_fail),
        support_test(it_works_on_real_workers),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
