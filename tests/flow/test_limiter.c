/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <math.h>

#include <keel/limiter.h>

#include "flow/bucket.h"

/* ---- The token bucket ---- */

typedef struct rig {
    keel_clock *clock;
    keel_limiter *limiter;
} rig;

static rig set_up(double per_second, double burst)
{
    rig r = { .clock = flow_clock() };

    assert_ok(keel_limiter_new(
        &r.limiter,
        &(keel_limiter_opts){ .per_second = per_second, .burst = burst, .clock = r.clock }));
    return r;
}

static void tear_down(rig *r)
{
    keel_limiter_free(r->limiter);
    keel_clock_free(r->clock);
}

static unsigned allowed(rig *r, unsigned tries)
{
    unsigned count = 0;

    while (tries-- > 0)
        count += keel_limiter_allow(r->limiter, 1);
    return count;
}

static void it_starts_full_and_fills_at_its_rate(void **state)
{
    (void)state;
    rig r = set_up(10, 3);

    assert_int_equal(allowed(&r, 10), 3);
    keel_clock_advance(r.clock, KEEL_MS(100) - 1);
    assert_int_equal(allowed(&r, 10), 0);
    keel_clock_advance(r.clock, 1);
    assert_int_equal(allowed(&r, 10), 1);
    keel_clock_advance(r.clock, KEEL_S(3600));
    assert_int_equal(allowed(&r, 10), 3); /* not more than the burst */
    tear_down(&r);
}

static void many_tokens_come_all_or_none(void **state)
{
    (void)state;
    rig r = set_up(1, 10);

    assert_false(keel_limiter_allow(r.limiter, 11));
    assert_true(keel_limiter_allow(r.limiter, 7));
    assert_false(keel_limiter_allow(r.limiter, 4));
    assert_true(keel_limiter_allow(r.limiter, 3));
    assert_true(keel_limiter_allow(r.limiter, 0));
    assert_false(keel_limiter_allow(r.limiter, -1));
    assert_false(keel_limiter_allow(r.limiter, NAN));
    tear_down(&r);
}

static void the_burst_is_the_rate_unless_told(void **state)
{
    (void)state;
    rig r = set_up(5, 0), slow = set_up(0.1, 0);

    assert_int_equal(allowed(&r, 10), 5);
    assert_int_equal(allowed(&slow, 10), 1);
    keel_clock_advance(slow.clock, KEEL_S(10));
    assert_int_equal(allowed(&slow, 10), 1);
    tear_down(&slow);
    tear_down(&r);
}

static void reservations_stand_in_line(void **state)
{
    (void)state;
    rig r = set_up(10, 1);
    keel_reservation a, b, c;

    assert_true(keel_limiter_reserve(r.limiter, 1, &a));
    assert_true(keel_limiter_reserve(r.limiter, 1, &b));
    assert_true(keel_limiter_reserve(r.limiter, 1, &c));
    assert_int_equal(a.delay_ns, 0);
    assert_int_equal(b.delay_ns, KEEL_MS(100));
    assert_int_equal(c.delay_ns, KEEL_MS(200));
    assert_int_equal(keel_limiter_delay(r.limiter, 1), KEEL_MS(300));
    assert_false(keel_limiter_reserve(r.limiter, 2, &a)); /* more than the burst */
    assert_int_equal(a.delay_ns, 0);
    tear_down(&r);
}

static void a_reservation_is_cancelled_once(void **state)
{
    (void)state;
    rig r = set_up(10, 10);
    keel_reservation a, b;

    assert_true(keel_limiter_reserve(r.limiter, 10, &a));
    assert_true(keel_limiter_reserve(r.limiter, 5, &b));
    keel_limiter_cancel(r.limiter, &b);
    assert_int_equal(keel_limiter_delay(r.limiter, 5), KEEL_MS(500));
    keel_limiter_cancel(r.limiter, &b);
    assert_int_equal(keel_limiter_delay(r.limiter, 5), KEEL_MS(500));
    tear_down(&r);
}

static void a_cancelled_reservation_gives_back_what_nobody_counts_on(void **state)
{
    (void)state;
    rig r = set_up(10, 2);
    keel_reservation a, b, c;

    assert_true(keel_limiter_allow(r.limiter, 2));
    assert_true(keel_limiter_reserve(r.limiter, 2, &a));
    assert_true(keel_limiter_reserve(r.limiter, 1, &b));
    assert_int_equal(b.delay_ns, KEEL_MS(300));
    keel_limiter_cancel(r.limiter, &a); /* b's own token stays taken, and its time */
    assert_true(keel_limiter_tokens(r.limiter) == -2);
    keel_limiter_cancel(r.limiter, &b); /* the last one: all of it comes back */
    assert_true(keel_limiter_tokens(r.limiter) == -1);
    keel_clock_advance(r.clock, KEEL_S(1));
    assert_true(keel_limiter_tokens(r.limiter) == 2);
    assert_true(keel_limiter_reserve(r.limiter, 2, &c));
    keel_limiter_cancel(r.limiter, &c); /* its time has come: it was used, or lost */
    assert_true(keel_limiter_tokens(r.limiter) == 0);
    tear_down(&r);
}

static void a_small_reservation_before_a_large_one_gives_nothing_back(void **state)
{
    (void)state;
    rig r = set_up(10, 5);
    keel_reservation a, b;

    assert_true(keel_limiter_allow(r.limiter, 5));
    assert_true(keel_limiter_reserve(r.limiter, 1, &a));
    assert_true(keel_limiter_reserve(r.limiter, 5, &b));
    keel_limiter_cancel(r.limiter, &a);
    assert_true(keel_limiter_tokens(r.limiter) == -6);
    tear_down(&r);
}

static void the_last_reservation_but_one_becomes_the_last(void **state)
{
    (void)state;
    rig r = set_up(10, 5);
    keel_reservation a, b, impossible;

    assert_true(keel_limiter_allow(r.limiter, 5));
    assert_true(keel_limiter_reserve(r.limiter, 2, &a));
    assert_true(keel_limiter_reserve(r.limiter, 3, &b));
    keel_limiter_cancel(r.limiter, &b);
    keel_limiter_cancel(r.limiter, &a); /* nobody counts on its tokens any more */
    assert_true(keel_limiter_tokens(r.limiter) == 0);
    memset(&impossible, 1, sizeof impossible);
    assert_false(keel_limiter_reserve(r.limiter, 6, &impossible));
    assert_int_equal(impossible.delay_ns, 0);
    tear_down(&r);
}

static void a_reservation_in_the_middle_gives_back_what_is_not_counted_on(void **state)
{
    (void)state;
    rig r = set_up(10, 5);
    keel_reservation a, b, c, d;

    assert_true(keel_limiter_allow(r.limiter, 5));
    assert_true(keel_limiter_reserve(r.limiter, 1, &a));
    assert_true(keel_limiter_reserve(r.limiter, 3, &b));
    assert_true(keel_limiter_reserve(r.limiter, 1, &c));
    keel_limiter_cancel(r.limiter, &b); /* one of its three comes in c's time */
    assert_true(keel_limiter_tokens(r.limiter) == -3);
    keel_limiter_cancel(r.limiter, &b);
    assert_true(keel_limiter_tokens(r.limiter) == -3);
    keel_limiter_cancel(r.limiter, &c); /* still the last: its own, and not more */
    assert_true(keel_limiter_tokens(r.limiter) == -2);
    assert_true(keel_limiter_reserve(r.limiter, 1, &d));
    assert_int_equal(d.delay_ns, KEEL_MS(300));
    keel_clock_advance(r.clock, KEEL_MS(100));
    keel_limiter_cancel(r.limiter, &a); /* in the moment in which its time has come */
    assert_true(keel_limiter_tokens(r.limiter) == -2);
    tear_down(&r);
}

static void the_least_burst_is_one(void **state)
{
    (void)state;
    rig r = set_up(1, 1), unsaid = set_up(1, 0), above = set_up(1.5, 0);

    assert_int_equal(allowed(&r, 3), 1);
    assert_int_equal(allowed(&unsaid, 3), 1);
    assert_true(keel_limiter_tokens(above.limiter) == 1.5);
    assert_names(keel_limiter_set_burst(r.limiter, 0), "burst");
    assert_names(keel_limiter_set_burst(r.limiter, -1), "burst");
    assert_names(keel_limiter_set_burst(r.limiter, NAN), "burst");
    assert_ok(keel_limiter_set_burst(r.limiter, 1));
    keel_clock_advance(r.clock, KEEL_S(2));
    assert_int_equal(allowed(&r, 3), 1);
    tear_down(&above);
    tear_down(&unsaid);
    tear_down(&r);
}

static void a_huge_rate_is_no_infinite_one(void **state)
{
    (void)state;
    rig r = set_up(1e18, 1);
    keel_reservation reservation;

    assert_int_equal(allowed(&r, 10), 1);
    assert_int_equal(keel_limiter_delay(r.limiter, 1), 1); /* never too early */
    assert_int_equal(keel_limiter_delay(r.limiter, 2), INT64_MAX);
    assert_false(keel_limiter_reserve(r.limiter, 2, &reservation));
    assert_true(keel_limiter_reserve(r.limiter, 1, &reservation));
    assert_int_equal(reservation.delay_ns, 1);
    keel_clock_advance(r.clock, INT64_MAX / 2);
    assert_true(keel_limiter_tokens(r.limiter) == 1);
    assert_int_equal(allowed(&r, 10), 1);
    tear_down(&r);
}

static void a_tiny_rate_is_never_over_the_end_of_time(void **state)
{
    (void)state;
    rig r = set_up(1e-300, 1);
    keel_reservation reservation;

    assert_int_equal(allowed(&r, 10), 1);
    assert_int_equal(keel_limiter_delay(r.limiter, 1), INT64_MAX);
    assert_true(keel_limiter_reserve(r.limiter, 1, &reservation));
    assert_int_equal(reservation.delay_ns, INT64_MAX);
    keel_clock_advance(r.clock, KEEL_S(1));
    assert_true(keel_limiter_tokens(r.limiter) < -0.99);
    keel_limiter_cancel(r.limiter,
                        &reservation); /* its time has not come: it is at the end of all */
    assert_true(keel_limiter_tokens(r.limiter) > -0.01);
    tear_down(&r);
}

static void an_earlier_time_takes_nothing_out(void **state)
{
    (void)state;
    keel__bucket bucket;

    keel__bucket_init(&bucket, 1, 10, KEEL_S(100));
    assert_true(keel__bucket_take(&bucket, 8));
    keel__bucket_fill(&bucket, KEEL_S(99)); /* by a thread that read the clock before another */
    assert_true(bucket.tokens == 2);
    keel__bucket_fill(&bucket, KEEL_S(101));
    assert_true(bucket.tokens == 3);
}

static void rate_and_burst_can_change(void **state)
{
    (void)state;
    rig r = set_up(10, 10);

    assert_ok(keel_limiter_set_burst(r.limiter, 4));
    assert_int_equal(allowed(&r, 20), 4);
    assert_ok(keel_limiter_set_rate(r.limiter, 1000));
    keel_clock_advance(r.clock, KEEL_MS(3));
    assert_int_equal(allowed(&r, 20), 3);
    assert_names(keel_limiter_set_rate(r.limiter, 0), "per_second");
    assert_names(keel_limiter_set_burst(r.limiter, 0.5), "burst");
    tear_down(&r);
}

static void an_infinite_rate_refuses_nothing(void **state)
{
    (void)state;
    rig r = set_up(HUGE_VAL, 1);
    keel_reservation reservation;

    assert_int_equal(allowed(&r, 1000), 1000);
    assert_true(keel_limiter_allow(r.limiter, 1e9));
    assert_true(keel_limiter_reserve(r.limiter, 1e9, &reservation));
    assert_int_equal(reservation.delay_ns, 0);
    assert_int_equal(keel_limiter_delay(r.limiter, 1e9), 0);
    keel_limiter_cancel(r.limiter, &reservation);
    keel_clock_advance(r.clock, 0);
    assert_ok(keel_limiter_wait(NULL, r.limiter, 1e9));
    tear_down(&r);
}

static void a_minute_of_traffic_has_the_rate(void **state)
{
    (void)state;
    rig r = set_up(7, 1);
    unsigned count = 0;

    for (int i = 0; i < 60000; i++) {
        count += keel_limiter_allow(r.limiter, 1);
        keel_clock_advance(r.clock, KEEL_MS(1));
    }
    assert_in_range(count, 60 * 7 - 6,
                    60 * 7 + 1); /* a poll a millisecond loses a part of each gap */
    tear_down(&r);
}

/* ---- Waiting ---- */

static keel_err *new_limiter(keel_limiter **out, double per_second, double burst)
{
    return keel_limiter_new(out, &(keel_limiter_opts){ .per_second = per_second, .burst = burst });
}

static keel_err *wait_in_line(keel_ctx *ctx, void *arg)
{
    keel_limiter *limiter;
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(new_limiter(&limiter, 10, 2));
    for (int i = 0; i < 12; i++)
        KEEL_TRY(keel_limiter_wait(ctx, limiter, 1));
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_S(1)); /* ten after the two of the burst */
    check_err(keel_limiter_wait(ctx, limiter, 3), KEEL_ERR_LIMIT);
    keel_limiter_free(limiter);
    return NULL;
}

static keel_err *wait_too_long(keel_ctx *ctx, void *arg)
{
    keel_limiter *limiter;
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(100));
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(new_limiter(&limiter, 10, 1));
    KEEL_TRY(keel_limiter_wait(limited, limiter, 1));
    KEEL_CHECK(keel_limiter_wait(limited, limiter, 1) == KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(keel_ctx_now(ctx) == start_ns); /* at once */
    keel_ctx_free(limited);

    limited = keel_ctx_with_timeout(ctx, KEEL_MS(100) + 1);
    KEEL_TRY(keel_limiter_wait(limited, limiter, 1)); /* just in time */
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(100));
    KEEL_CHECK(keel_limiter_wait(limited, limiter, 1) == KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(100)); /* at once */
    KEEL_TRY(keel_limiter_wait(ctx, limiter, 1));             /* and nothing was taken */
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(200));
    keel_ctx_free(limited);
    keel_limiter_free(limiter);
    return NULL;
}

/* Who stands behind others for longer than it has takes no place in the line. */
static keel_err *wait_behind_others(keel_ctx *ctx, void *arg)
{
    keel_limiter *limiter;
    keel_reservation before[3];
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(new_limiter(&limiter, 10, 2));
    KEEL_CHECK(keel_limiter_allow(limiter, 2));
    for (int i = 0; i < 3; i++)
        KEEL_CHECK(keel_limiter_reserve(limiter, 1, &before[i]));
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(350));
    KEEL_CHECK(keel_limiter_wait(limited, limiter, 1) == KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(keel_limiter_tokens(limiter) == -3 && keel_ctx_now(ctx) == start_ns);
    keel_limiter_cancel(limiter, &before[2]); /* now there is time */
    KEEL_TRY(keel_limiter_wait(limited, limiter, 1));
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(300));
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(50)));
    check_err(keel_limiter_wait(limited, limiter, 0), KEEL_ERR_DEADLINE); /* there is none left */
    keel_ctx_free(limited);
    keel_limiter_free(limiter);
    return NULL;
}

typedef struct shared {
    keel_limiter *limiter;
    keel_bulkhead *bulkhead;
    keel_ctx *ctx;
    int running, most, done, refused;
} shared;

static keel_err *wait_for_one(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    keel_err *err = keel_limiter_wait(s->ctx, s->limiter, 1);

    (void)ctx;
    s->done += err == NULL;
    keel_err_free(err);
    return NULL;
}

static keel_err *cancel_in_between(keel_ctx *ctx, void *arg)
{
    shared s = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    KEEL_TRY(new_limiter(&s.limiter, 1, 1));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 3; i++)
        keel_group_go(group, wait_for_one, &s);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(500)));
    keel_ctx_cancel(s.ctx);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(s.done == 1);
    /* of the two that left, the later gave its token back for sure: the next comes within 2 s */
    KEEL_CHECK(keel_limiter_delay(s.limiter, 1) <= KEEL_S(2));
    keel_ctx_free(s.ctx);
    keel_limiter_free(s.limiter);
    return NULL;
}

/* ---- The bulkhead ---- */

static keel_err *stay_inside(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    s->running++;
    s->most = s->running > s->most ? s->running : s->most;
    keel_err *err = keel_sleep(ctx, KEEL_S(1));
    s->running--;
    s->done += err == NULL;
    return err;
}

static keel_err *enter_bulkhead(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    keel_err *err = keel_bulkhead_run(s->ctx != NULL ? s->ctx : ctx, s->bulkhead, stay_inside, s);

    if (keel_err_is(err, KEEL_ERR_BULKHEAD_FULL))
        s->refused++;
    keel_err_free(err);
    return NULL;
}

static keel_err *crowd(keel_ctx *ctx, shared *s, int count, const keel_bulkhead_opts *opts)
{
    KEEL_TRY(keel_bulkhead_new(&s->bulkhead, opts));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < count; i++)
        keel_group_go(group, enter_bulkhead, s);
    return keel_group_wait(group);
}

static keel_err *a_full_one_refuses(keel_ctx *ctx, void *arg)
{
    shared s = { 0 };
    keel_bulkhead_stats stats;

    (void)arg;
    KEEL_TRY(crowd(ctx, &s, 30, NULL));
    KEEL_CHECK(s.most == 25 && s.done == 25 && s.refused == 5);
    keel_bulkhead_get_stats(s.bulkhead, &stats);
    KEEL_CHECK(stats.entered == 25 && stats.refused == 5 && stats.running + stats.waiting == 0);
    keel_bulkhead_free(s.bulkhead);
    return NULL;
}

static keel_err *some_wait_for_a_while(keel_ctx *ctx, void *arg)
{
    shared s = { 0 };
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    /* two run for a second; of the six others four may wait, for a second and a half: two get in */
    KEEL_TRY(crowd(
        ctx, &s, 8,
        &(keel_bulkhead_opts){ .max_running = 2, .max_waiting = 4, .max_wait_ns = KEEL_MS(1500) }));
    KEEL_CHECK(s.most == 2 && s.done == 4 && s.refused == 4);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_S(2));
    keel_bulkhead_free(s.bulkhead);
    return NULL;
}

static keel_err *without_limit_all_get_in(keel_ctx *ctx, void *arg)
{
    shared s = { 0 };

    (void)arg;
    KEEL_TRY(crowd(ctx, &s, 10,
                   &(keel_bulkhead_opts){ .max_running = 3, .max_waiting = KEEL_UNLIMITED }));
    KEEL_CHECK(s.most == 3 && s.done == 10 && s.refused == 0);
    keel_bulkhead_free(s.bulkhead);
    return NULL;
}

static keel_err *who_is_cancelled_leaves_the_line(keel_ctx *ctx, void *arg)
{
    shared s = { .ctx = keel_ctx_with_timeout(ctx, KEEL_MS(1200)) };
    keel_bulkhead_stats stats;

    (void)arg;
    KEEL_TRY(crowd(ctx, &s, 3,
                   &(keel_bulkhead_opts){ .max_running = 1, .max_waiting = KEEL_UNLIMITED }));
    KEEL_CHECK(s.done == 1 && s.refused == 0);
    keel_bulkhead_get_stats(s.bulkhead, &stats);
    KEEL_CHECK(stats.running == 0 && stats.waiting == 0 && stats.entered == 2);
    keel_ctx_free(s.ctx);
    keel_bulkhead_free(s.bulkhead);
    return NULL;
}

static keel_err *the_callers_deadline_is_no_refusal(keel_ctx *ctx, void *arg)
{
    keel_bulkhead *bulkhead;
    keel_bulkhead_stats stats;

    (void)arg;
    KEEL_TRY(keel_bulkhead_new(
        &bulkhead,
        &(keel_bulkhead_opts){ .max_running = 1, .max_waiting = 1, .max_wait_ns = KEEL_MS(10) }));
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(5));
    KEEL_TRY(keel_bulkhead_acquire(ctx, bulkhead));
    check_err(keel_bulkhead_acquire(limited, bulkhead), KEEL_ERR_DEADLINE);
    keel_bulkhead_release(bulkhead);
    /* who has no time left takes no place */
    check_err(keel_bulkhead_acquire(limited, bulkhead), KEEL_ERR_DEADLINE);
    keel_bulkhead_get_stats(bulkhead, &stats);
    KEEL_CHECK(stats.refused == 0 && stats.running == 0 && stats.entered == 1);
    keel_ctx_free(limited);
    keel_bulkhead_free(bulkhead);
    return NULL;
}

static keel_err *wait_for_a_place(keel_ctx *ctx, void *arg)
{
    return keel_bulkhead_acquire(ctx, arg);
}

static keel_err *free_it_in_use(keel_ctx *ctx, void *arg)
{
    keel_bulkhead *bulkhead;

    (void)arg;
    KEEL_TRY(
        keel_bulkhead_new(&bulkhead, &(keel_bulkhead_opts){ .max_running = 1, .max_waiting = 1 }));
    KEEL_TRY(keel_bulkhead_acquire(ctx, bulkhead));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, wait_for_a_place, bulkhead);
    KEEL_TRY(keel_sleep(ctx, 1));
    keel_bulkhead_free(bulkhead);
    return keel_group_wait(group);
}

static void run_it_in_use(void *arg)
{
    keel_err_free(support_run(free_it_in_use, arg));
}

static void freeing_what_somebody_waits_for_is_misuse(void **state)
{
    (void)state;
    support_assert_aborts(run_it_in_use, NULL, "somebody waits on semaphore");
}

static void release_too_much(void *arg)
{
    keel_bulkhead *bulkhead;

    (void)arg;
    keel_err_free(keel_bulkhead_new(&bulkhead, NULL));
    keel_bulkhead_release(bulkhead);
}

static void releasing_what_nobody_took_is_misuse(void **state)
{
    (void)state;
    support_assert_aborts(release_too_much, NULL, "keel_bulkhead_release");
}

/* ---- Explored ---- */

static keel_err *visit(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    KEEL_CHECK(s->running++ == 0);
    keel_yield();
    s->running--;
    s->done++;
    return NULL;
}

static keel_err *try_visit(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    keel_err *err = keel_bulkhead_run(s->ctx, s->bulkhead, visit, s);

    (void)ctx;
    s->refused += err != NULL;
    keel_err_free(err);
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_ctx_cancel(s->ctx);
    return NULL;
}

static keel_err *one_at_a_time_and_one_in_line(keel_ctx *ctx, void *arg)
{
    shared s = { .ctx = keel_ctx_with_cancel(ctx) };
    keel_bulkhead_stats stats;

    (void)arg;
    KEEL_TRY(keel_bulkhead_new(
        &s.bulkhead,
        &(keel_bulkhead_opts){ .max_running = 1, .max_waiting = 1, .max_wait_ns = KEEL_S(1) }));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 3; i++)
        keel_group_go(group, try_visit, &s);
    keel_group_go(group, cancel_it, &s);
    keel_err *err = keel_group_wait(group);
    keel_bulkhead_get_stats(s.bulkhead, &stats);
    KEEL_CHECK(s.done + s.refused == 3 && stats.running == 0 && stats.waiting == 0);
    KEEL_CHECK(stats.entered == (uint64_t)s.done);
    keel_bulkhead_free(s.bulkhead);
    keel_ctx_free(s.ctx);
    return err;
}

static void every_order_at_a_bulkhead_is_fine(void **state)
{
    (void)state;
    explore_one(one_at_a_time_and_one_in_line, false);
}

static void every_order_at_a_limiter_is_fine(void **state)
{
    (void)state;
    assert_sim_ok(keel_sim_explore("limiter", cancel_in_between, NULL,
                                   &(keel_sim_opts){ .fixed_time = true, .max_ms = 300 }));
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, NULL));                                      \
    }
RUNS(wait_in_line)
RUNS(wait_too_long)
RUNS(wait_behind_others)
RUNS(cancel_in_between)
RUNS(a_full_one_refuses)
RUNS(some_wait_for_a_while)
RUNS(the_callers_deadline_is_no_refusal)
RUNS(without_limit_all_get_in)
RUNS(who_is_cancelled_leaves_the_line)

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *field;
        keel_limiter_opts opts;
    } rows[] = {
        { "per_second", { .per_second = 0 } },
        { "per_second", { .per_second = -1 } },
        { "per_second", { .per_second = NAN } },
        { "burst", { .per_second = 1, .burst = 0.5 } },
        { "burst", { .per_second = 1, .burst = -1 } },
        { "burst", { .per_second = 1, .burst = NAN } },
    };
    keel_limiter *limiter;
    keel_bulkhead *bulkhead;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_names(keel_limiter_new(&limiter, &rows[i].opts), rows[i].field);
        assert_null(limiter);
    }
    assert_names(keel_limiter_new(&limiter, NULL), "per_second");
    assert_names(keel_bulkhead_new(&bulkhead, &(keel_bulkhead_opts){ .max_wait_ns = -1 }),
                 "max_wait_ns");
    assert_null(bulkhead);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    keel_limiter *limiter;
    keel_bulkhead *bulkhead;

    support_mem_fail(1, true);
    assert_err(keel_limiter_new(&limiter, &(keel_limiter_opts){ .per_second = 1 }), KEEL_ERR_NOMEM);
    assert_err(keel_bulkhead_new(&bulkhead, NULL), KEEL_ERR_NOMEM);
    assert_null(limiter);
    assert_null(bulkhead);
    keel_limiter_free(NULL);
    keel_bulkhead_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(it_starts_full_and_fills_at_its_rate),
        support_test(many_tokens_come_all_or_none),
        support_test(the_burst_is_the_rate_unless_told),
        support_test(reservations_stand_in_line),
        support_test(a_reservation_is_cancelled_once),
        support_test(a_cancelled_reservation_gives_back_what_nobody_counts_on),
        support_test(a_small_reservation_before_a_large_one_gives_nothing_back),
        support_test(the_last_reservation_but_one_becomes_the_last),
        support_test(a_reservation_in_the_middle_gives_back_what_is_not_counted_on),
        support_test(the_least_burst_is_one),
        support_test(a_huge_rate_is_no_infinite_one),
        support_test(a_tiny_rate_is_never_over_the_end_of_time),
        support_test(an_earlier_time_takes_nothing_out),
        support_test(rate_and_burst_can_change),
        support_test(runs_the_callers_deadline_is_no_refusal),
        support_test(freeing_what_somebody_waits_for_is_misuse),
        support_test(an_infinite_rate_refuses_nothing),
        support_test(a_minute_of_traffic_has_the_rate),
        support_test(runs_wait_in_line),
        support_test(runs_wait_too_long),
        support_test(runs_wait_behind_others),
        support_test(runs_cancel_in_between),
        support_test(runs_a_full_one_refuses),
        support_test(runs_some_wait_for_a_while),
        support_test(runs_without_limit_all_get_in),
        support_test(runs_who_is_cancelled_leaves_the_line),
        support_test(releasing_what_nobody_took_is_misuse),
        support_test(every_order_at_a_bulkhead_is_fine),
        support_test(every_order_at_a_limiter_is_fine),
        support_test(bad_options_are_named),
        support_test(without_memory_there_is_none),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
