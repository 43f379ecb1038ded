/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <math.h>

#include <keel/breaker.h>

/* A breaker on a manual clock, and what it told. */
typedef struct rig {
    keel_clock *clock;
    keel_breaker *breaker;
    char told[256];
} rig;

static KEEL_ERR_DEFINE(broken, "broken");
static KEEL_ERR_DEFINE(not_found, "no such user");

static void note_change(keel_breaker *breaker, keel_breaker_state from, keel_breaker_state to,
                        void *arg)
{
    rig *r = arg;

    assert_ptr_equal(breaker, r->breaker);
    assert_int_equal(keel_breaker_get(breaker), to); /* it may be used here */
    snprintf(r->told + strlen(r->told), sizeof r->told - strlen(r->told), "%s>%s ",
             keel_breaker_state_name(from), keel_breaker_state_name(to));
}

static rig set_up(keel_breaker_opts opts)
{
    rig r = { .clock = flow_clock() };

    opts.clock = r.clock;
    opts.no_jitter = true;
    assert_ok(keel_breaker_new(&r.breaker, &opts));
    return r;
}

static void tear_down(rig *r)
{
    keel_breaker_free(r->breaker);
    keel_clock_free(r->clock);
}

/* A call that takes `ns` and ends with `err`. */
static void call_for(rig *r, int64_t ns, const keel_err *err)
{
    keel_breaker_call call;

    assert_ok(keel_breaker_begin(r->breaker, &call));
    keel_clock_advance(r->clock, ns);
    keel_breaker_end(r->breaker, &call, err);
}

static void calls(rig *r, unsigned count, const keel_err *err)
{
    while (count-- > 0)
        call_for(r, 0, err);
}

static void assert_state(rig *r, keel_breaker_state state)
{
    assert_string_equal(keel_breaker_state_name(keel_breaker_get(r->breaker)),
                        keel_breaker_state_name(state));
}

static void assert_refused(rig *r)
{
    keel_breaker_call call;

    assert_err(keel_breaker_begin(r->breaker, &call), KEEL_ERR_BREAKER_OPEN);
}

/* ---- Opening ---- */

static void half_of_twenty_calls_open_it(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ 0 });

    calls(&r, 10, NULL);
    calls(&r, 9, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED); /* 9 of 19: too few, and too few of them bad */
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN); /* 10 of 20: at the threshold */
    assert_refused(&r);
    tear_down(&r);
}

static void few_calls_never_open_it(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ 0 });

    calls(&r, 19, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    calls(&r, 1, NULL); /* the twentieth */
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

static void less_than_the_rate_keeps_it_closed(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .failure_rate = 0.25, .min_calls = 4 });

    calls(&r, 4, NULL);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED); /* 1 of 5 */
    calls(&r, 3, NULL);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED); /* 2 of 9 */
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN); /* 3 of 10 */
    tear_down(&r);
}

static void the_window_of_time_forgets_part_by_part(void **state)
{
    (void)state;
    rig r =
        set_up((keel_breaker_opts){ .min_calls = 2, .failure_rate = 1, .window_ns = KEEL_S(10) });
    keel_breaker_stats stats;

    calls(&r, 1, broken); /* at 1 s */
    keel_clock_advance(r.clock, KEEL_S(9));
    calls(&r, 1, NULL); /* at 10 s */
    keel_clock_advance(r.clock, KEEL_S(1) - 1);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 2);
    assert_int_equal(stats.window_failures, 1);
    keel_clock_advance(r.clock, 1); /* 11 s: the part of the first second is gone */
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 1);
    assert_int_equal(stats.window_failures, 0);
    keel_clock_advance(r.clock, KEEL_S(100));
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 0);
    assert_int_equal(stats.calls, 2);
    tear_down(&r);
}

static void the_window_of_calls_forgets_the_oldest(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .window_calls = 4, .failure_rate = 0.75 });
    keel_breaker_stats stats;

    calls(&r, 2, broken);
    calls(&r, 2, NULL);
    calls(&r, 2, broken); /* fail fail ok ok fail fail: of the last four, two */
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 4);
    assert_int_equal(stats.window_failures, 2);
    keel_clock_advance(r.clock, KEEL_S(3600)); /* time is nothing to it */
    assert_state(&r, KEEL_BREAKER_CLOSED);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

static void slow_calls_open_it_too(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 5, .slow_call_ns = KEEL_MS(100) });

    calls(&r, 1, NULL);
    for (int i = 0; i < 3; i++)
        call_for(&r, KEEL_MS(100) + 1, NULL);
    call_for(&r, KEEL_MS(100), NULL); /* not longer than that: 3 of 5 */
    assert_state(&r, KEEL_BREAKER_CLOSED);
    for (int i = 0; i < 4; i++)
        call_for(&r, KEEL_MS(101), NULL); /* 7 of 9 */
    assert_state(&r, KEEL_BREAKER_CLOSED);
    call_for(&r, KEEL_MS(101), NULL); /* 8 of 10 */
    assert_state(&r, KEEL_BREAKER_OPEN);
    keel_breaker_stats stats;
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.slow, 8);
    assert_int_equal(stats.calls, 10);
    tear_down(&r);
}

static bool is_broken(const keel_err *err, void *arg)
{
    (void)arg;
    return keel_err_is(err, broken);
}

static void the_user_says_what_a_failure_is(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 4, .is_failure = is_broken });

    calls(&r, 100, not_found);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    calls(&r, 100, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

/* ---- Half open ---- */

static rig opened(keel_breaker_opts opts)
{
    opts.min_calls = 1;
    rig r = set_up(opts);

    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    return r;
}

static void it_opens_for_five_seconds_to_the_nanosecond(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });

    assert_int_equal(keel_breaker_remaining(r.breaker), KEEL_S(5));
    keel_clock_advance(r.clock, KEEL_S(5) - 1);
    assert_int_equal(keel_breaker_remaining(r.breaker), 1);
    assert_refused(&r);
    keel_clock_advance(r.clock, 1);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    assert_int_equal(keel_breaker_remaining(r.breaker), 0);
    tear_down(&r);
}

static void three_good_probes_close_it(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });
    keel_breaker_call probes[3];

    keel_clock_advance(r.clock, KEEL_S(5));
    for (int i = 0; i < 3; i++)
        assert_ok(keel_breaker_begin(r.breaker, &probes[i]));
    assert_refused(&r); /* no fourth */
    keel_breaker_end(r.breaker, &probes[0], NULL);
    assert_refused(&r);
    keel_breaker_end(r.breaker, &probes[1], NULL);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    keel_breaker_end(r.breaker, &probes[2], NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void a_call_ends_once(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });
    keel_breaker_call probes[3];
    keel_breaker_stats stats;

    keel_clock_advance(r.clock, KEEL_S(5));
    assert_ok(keel_breaker_begin(r.breaker, &probes[0]));
    keel_breaker_forget(r.breaker, &probes[0]);
    keel_breaker_forget(r.breaker, &probes[0]); /* or a fourth could begin */
    for (int i = 0; i < 3; i++)
        assert_ok(keel_breaker_begin(r.breaker, &probes[i]));
    assert_refused(&r);
    keel_breaker_end(r.breaker, &probes[0], NULL);
    for (int i = 0; i < 3; i++)
        keel_breaker_end(r.breaker, &probes[0], NULL); /* or it would close */
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    keel_breaker_get_stats(r.breaker, &stats);
    const uint64_t before = stats.calls;
    keel_breaker_forget(r.breaker, &probes[1]);
    keel_breaker_end(r.breaker, &probes[1], broken);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.calls, before);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    keel_breaker_end(r.breaker, &probes[2], NULL);
    tear_down(&r);
}

static void closing_empties_the_window(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 2, .window_calls = 100 });
    keel_breaker_stats stats;

    calls(&r, 2, broken);
    keel_clock_advance(r.clock, KEEL_S(5));
    calls(&r, 3, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 0);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void each_time_it_opens_for_longer(void **state)
{
    (void)state;
    const int64_t seconds[] = { 5, 10, 20, 40, 60, 60 };
    rig r = opened((keel_breaker_opts){ 0 });

    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        assert_int_equal(keel_breaker_remaining(r.breaker), KEEL_S(seconds[i]));
        keel_clock_advance(r.clock, KEEL_S(seconds[i]));
        calls(&r, 1, broken); /* the first bad probe is enough */
        assert_state(&r, KEEL_BREAKER_OPEN);
    }
    keel_clock_advance(r.clock, KEEL_S(60));
    calls(&r, 3, NULL); /* closed: from the start again */
    calls(&r, 1, broken);
    assert_int_equal(keel_breaker_remaining(r.breaker), KEEL_S(5));
    tear_down(&r);
}

static void jitter_is_a_tenth_and_never_beyond_the_most(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock();
    keel_breaker *breaker;
    int64_t least = INT64_MAX, most = 0;

    assert_ok(keel_breaker_new(&breaker, &(keel_breaker_opts){ .open_ns = KEEL_S(10),
                                                               .max_open_ns = KEEL_MS(10500),
                                                               .clock = clock }));
    for (int i = 0; i < 1000; i++) {
        keel_breaker_force(breaker, KEEL_BREAKER_OPEN);
        const int64_t ns = keel_breaker_remaining(breaker);
        least = ns < least ? ns : least;
        most = ns > most ? ns : most;
    }
    assert_in_range(least, KEEL_S(9), KEEL_MS(9100));
    assert_int_equal(most, KEEL_MS(10500));
    keel_breaker_free(breaker);
    keel_clock_free(clock);
}

/* What succeeded before it opened again does not count when it is half open the next time. */
static void probes_are_counted_anew_each_time(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });

    keel_clock_advance(r.clock, KEEL_S(5));
    calls(&r, 2, NULL);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    keel_clock_advance(r.clock, KEEL_S(10));
    calls(&r, 2, NULL);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    calls(&r, 1, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void a_window_of_calls_is_empty_when_it_has_closed(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ .window_calls = 4 });
    keel_breaker_stats stats;

    keel_clock_advance(r.clock, KEEL_S(5));
    calls(&r, 3, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    calls(&r, 5, NULL); /* more than it holds: what was there before is not taken out again */
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 4);
    assert_int_equal(stats.window_failures, 0);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void a_long_rest_costs_no_more_than_a_short_one(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .window_ns = 10 }); /* parts of a nanosecond */

    calls(&r, 5, broken);
    keel_clock_advance(r.clock, KEEL_HOUR(1000));
    calls(&r, 19, broken);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

static void a_slow_probe_is_a_bad_one(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ .slow_call_ns = KEEL_MS(10) });

    keel_clock_advance(r.clock, KEEL_S(5));
    call_for(&r, KEEL_MS(11), NULL);
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

static void a_probe_that_hangs_opens_it_again(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });
    keel_breaker_call first, second;

    keel_clock_advance(r.clock, KEEL_S(5));
    assert_ok(keel_breaker_begin(r.breaker, &first));
    keel_clock_advance(r.clock, KEEL_S(29));
    assert_ok(keel_breaker_begin(r.breaker, &second));
    keel_clock_advance(r.clock, KEEL_S(1) - 1);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    keel_clock_advance(r.clock, 1); /* 30 s after the first */
    assert_state(&r, KEEL_BREAKER_OPEN);
    assert_int_equal(keel_breaker_remaining(r.breaker), KEEL_S(10));
    tear_down(&r);
}

/* Three that overlap: once the first has ended, well or forgotten, time runs from the begin of the last. */
static void the_time_of_probes_is_that_of_the_first_and_then_of_the_last(bool forgotten)
{
    rig r = opened((keel_breaker_opts){ 0 });
    keel_breaker_call probes[3];

    keel_clock_advance(r.clock, KEEL_S(5));
    for (int i = 0; i < 3; i++) {
        assert_ok(keel_breaker_begin(r.breaker, &probes[i]));
        keel_clock_advance(r.clock, KEEL_S(8)); /* they begin at 0, 8 and 16 s; it is 24 then */
    }
    if (forgotten)
        keel_breaker_forget(r.breaker, &probes[1]);
    else
        keel_breaker_end(r.breaker, &probes[1], NULL);
    keel_clock_advance(r.clock, KEEL_S(22) - 1); /* long after the first's 30 s */
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    keel_clock_advance(r.clock, 1); /* 46: 30 s after the last */
    assert_state(&r, KEEL_BREAKER_OPEN);
    keel_breaker_end(r.breaker, &probes[0], NULL); /* comes too late for anything */
    keel_breaker_end(r.breaker, &probes[2], broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    assert_int_equal(keel_breaker_remaining(r.breaker), KEEL_S(10));
    tear_down(&r);
}

static void probes_that_overlap_hang_together(void **state)
{
    (void)state;
    the_time_of_probes_is_that_of_the_first_and_then_of_the_last(false);
    the_time_of_probes_is_that_of_the_first_and_then_of_the_last(true);
}

/* One that is bad opens; what the others come to is then nobody's business, also in the next round. */
static void a_bad_probe_decides_for_those_beside_it(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ .probes = 2 });
    keel_breaker_call good, bad, next;

    keel_clock_advance(r.clock, KEEL_S(5));
    assert_ok(keel_breaker_begin(r.breaker, &good));
    assert_ok(keel_breaker_begin(r.breaker, &bad));
    keel_breaker_end(r.breaker, &bad, broken);
    assert_state(&r, KEEL_BREAKER_OPEN);
    keel_clock_advance(r.clock, KEEL_S(10));
    assert_ok(keel_breaker_begin(r.breaker, &next));
    keel_breaker_end(r.breaker, &good,
                     NULL); /* of the round before: neither good nor room for one */
    keel_breaker_end(r.breaker, &next, NULL);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    calls(&r, 1, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void no_time_runs_where_all_probes_were_forgotten(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });
    keel_breaker_call probes[2];

    keel_clock_advance(r.clock, KEEL_S(5));
    for (int i = 0; i < 2; i++)
        assert_ok(keel_breaker_begin(r.breaker, &probes[i]));
    for (int i = 0; i < 2; i++)
        keel_breaker_forget(r.breaker, &probes[i]);
    keel_clock_advance(r.clock, KEEL_S(600));
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    calls(&r, 3, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void half_open_waits_for_ever_where_no_probe_runs(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ 0 });

    keel_clock_advance(r.clock, KEEL_S(5));
    for (int i = 0; i < 3; i++) {
        assert_state(&r, KEEL_BREAKER_HALF_OPEN);
        calls(&r, 1, NULL);
        keel_clock_advance(r.clock, KEEL_S(600));
    }
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

/* ---- What is not counted ---- */

static void results_from_before_a_change_are_ignored(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 1 });
    keel_breaker_call early, late;
    keel_breaker_stats stats;

    assert_ok(keel_breaker_begin(r.breaker, &early));
    assert_ok(keel_breaker_begin(r.breaker, &late));
    calls(&r, 1, broken); /* opens */
    keel_clock_advance(r.clock, KEEL_S(5));
    keel_breaker_end(r.breaker, &early, broken); /* would reopen it */
    assert_state(&r, KEEL_BREAKER_HALF_OPEN);
    calls(&r, 3, NULL);                         /* closes */
    keel_breaker_end(r.breaker, &late, broken); /* would open it */
    assert_state(&r, KEEL_BREAKER_CLOSED);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.failures, 1);
    tear_down(&r);
}

static void a_forgotten_probe_makes_room_for_another(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ .probes = 1 });
    keel_breaker_call call;

    keel_clock_advance(r.clock, KEEL_S(5));
    assert_ok(keel_breaker_begin(r.breaker, &call));
    assert_refused(&r);
    keel_breaker_forget(r.breaker, &call);
    assert_ok(keel_breaker_begin(r.breaker, &call));
    keel_breaker_end(r.breaker, &call, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static keel_err *just_fail(keel_ctx *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return broken;
}

static keel_err *cancel_then_fail(keel_ctx *ctx, void *arg)
{
    keel_ctx_cancel(arg);
    return keel_ctx_err(ctx);
}

static void cancelled_calls_are_not_counted(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 1 });
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    keel_breaker_stats stats;

    assert_err(keel_breaker_run(ctx, r.breaker, cancel_then_fail, ctx), KEEL_ERR_CANCELLED);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    assert_err(keel_breaker_run(ctx, r.breaker, just_fail, NULL),
               KEEL_ERR_CANCELLED); /* not even run */
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.calls, 0);
    assert_err(keel_breaker_run(NULL, r.breaker, just_fail, NULL), broken);
    assert_err(keel_breaker_run(NULL, r.breaker, just_fail, NULL), KEEL_ERR_BREAKER_OPEN);
    keel_ctx_free(ctx);
    tear_down(&r);
}

static keel_err *outlive_its_deadline(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_S(60));
}

static keel_err *time_out_in_a_task(keel_ctx *ctx, void *arg)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(1));

    check_err(keel_breaker_run(limited, arg, outlive_its_deadline, NULL), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
    return NULL;
}

static void a_call_that_runs_out_of_time_is_a_failure(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 1 });

    assert_ok(support_run(time_out_in_a_task, r.breaker));
    assert_state(&r, KEEL_BREAKER_OPEN);
    tear_down(&r);
}

/* ---- Steering ---- */

static void the_hook_is_told_of_every_change(void **state)
{
    (void)state;
    rig r = { .clock = flow_clock() };

    assert_ok(keel_breaker_new(
        &r.breaker, &(keel_breaker_opts){
                        .min_calls = 1, .clock = r.clock, .on_change = note_change, .arg = &r }));
    calls(&r, 1, broken);
    keel_clock_advance(r.clock, KEEL_S(6));
    calls(&r, 1, broken);
    keel_clock_advance(r.clock, KEEL_S(12));
    calls(&r, 3, NULL);
    keel_breaker_force(r.breaker, KEEL_BREAKER_CLOSED); /* no change */
    assert_string_equal(r.told, "closed>open open>half open half open>open "
                                "open>half open half open>closed ");
    tear_down(&r);
}

static void forced_states_stay(void **state)
{
    (void)state;
    rig r = set_up((keel_breaker_opts){ .min_calls = 1 });
    keel_breaker_stats stats;

    keel_breaker_force(r.breaker, KEEL_BREAKER_FORCED_OPEN);
    keel_clock_advance(r.clock, KEEL_S(3600));
    assert_refused(&r);
    assert_int_equal(keel_breaker_remaining(r.breaker), 0); /* nobody knows */
    keel_breaker_force(r.breaker, KEEL_BREAKER_DISABLED);
    calls(&r, 50, broken);
    assert_state(&r, KEEL_BREAKER_DISABLED);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.failures, 50);
    assert_int_equal(stats.refused, 1);
    keel_breaker_force(r.breaker, KEEL_BREAKER_CLOSED);
    keel_breaker_get_stats(r.breaker, &stats);
    assert_int_equal(stats.window_calls, 0);
    keel_breaker_force(r.breaker, KEEL_BREAKER_HALF_OPEN);
    calls(&r, 3, NULL);
    assert_state(&r, KEEL_BREAKER_CLOSED);
    tear_down(&r);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *field;
        keel_breaker_opts opts;
    } rows[] = {
        { "window_ns", { .window_ns = -1 } },
        { "window_calls", { .window_calls = 100001 } },
        { "min_calls", { .min_calls = 11, .window_calls = 10 } },
        { "failure_rate", { .failure_rate = 1.01 } },
        { "failure_rate", { .failure_rate = -0.1 } },
        { "failure_rate", { .failure_rate = NAN } },
        { "slow_call_ns", { .slow_call_ns = INT64_MIN } },
        { "slow_rate", { .slow_rate = INFINITY } },
        { "open_ns", { .open_ns = -KEEL_S(1) } },
        { "open_multiplier", { .open_multiplier = 0.5 } },
        { "open_multiplier", { .open_multiplier = NAN } },
        { "max_open_ns", { .max_open_ns = KEEL_S(4) } },
        { "probes", { .probes = 1001 } },
        { "probe_time_ns", { .probe_time_ns = -1 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keel_breaker *breaker = (keel_breaker *)&rows;
        assert_names(keel_breaker_new(&breaker, &rows[i].opts), rows[i].field);
        assert_null(breaker);
    }
}

static void extreme_options_do_no_harm(void **state)
{
    (void)state;
    rig r = opened((keel_breaker_opts){ .open_ns = INT64_MAX,
                                        .max_open_ns = INT64_MAX,
                                        .open_multiplier = 1e18,
                                        .window_ns = INT64_MAX });

    keel_clock_advance(r.clock, INT64_MAX - KEEL_S(1));
    calls(&r, 1, broken);
    assert_state(&r, KEEL_BREAKER_HALF_OPEN); /* open to the end of time, which is now */
    tear_down(&r);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    keel_breaker *breaker;

    support_mem_fail(1, false);
    assert_err(keel_breaker_new(&breaker, NULL), KEEL_ERR_NOMEM);
    assert_null(breaker);
    keel_breaker_free(NULL);
}

/* ---- Under exploration ---- */

typedef struct probing {
    keel_breaker *breaker;
    int inside, good, bad;
} probing;

static keel_err *probe_it(keel_ctx *ctx, void *arg)
{
    probing *p = arg;
    keel_breaker_call call;

    (void)ctx;
    if (keel_breaker_begin(p->breaker, &call) != NULL)
        return NULL;
    KEEL_CHECK(++p->inside <= 2 || p->good >= 2); /* two probes, or it is closed again */
    keel_yield();
    const bool good = keel_sim_rand(2) == 0;
    p->inside--;
    p->good += good;
    p->bad += !good;
    keel_breaker_end(p->breaker, &call, good ? NULL : broken);
    return NULL;
}

/* However three callers come between each other, two probes decide. */
static keel_err *probe_together(keel_ctx *ctx, void *arg)
{
    probing p = { 0 };
    keel_breaker_stats stats;

    (void)arg;
    KEEL_TRY(keel_breaker_new(&p.breaker, &(keel_breaker_opts){ .probes = 2, .no_jitter = true }));
    keel_breaker_force(p.breaker, KEEL_BREAKER_HALF_OPEN);
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 3; i++)
        keel_group_go(group, probe_it, &p);
    keel_err *err = keel_group_wait(group);
    keel_breaker_get_stats(p.breaker, &stats);
    if (p.bad == 0)
        KEEL_CHECK(stats.state == KEEL_BREAKER_CLOSED && stats.opened == 0);
    if (p.good == 0)
        KEEL_CHECK(stats.state == KEEL_BREAKER_OPEN && stats.opened == 1);
    keel_breaker_free(p.breaker);
    return err;
}

static void every_order_of_probes_is_fine(void **state)
{
    (void)state;
    explore_one(probe_together, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(half_of_twenty_calls_open_it),
        support_test(few_calls_never_open_it),
        support_test(less_than_the_rate_keeps_it_closed),
        support_test(the_window_of_time_forgets_part_by_part),
        support_test(the_window_of_calls_forgets_the_oldest),
        support_test(slow_calls_open_it_too),
        support_test(the_user_says_what_a_failure_is),
        support_test(it_opens_for_five_seconds_to_the_nanosecond),
        support_test(three_good_probes_close_it),
        support_test(a_call_ends_once),
        support_test(closing_empties_the_window),
        support_test(each_time_it_opens_for_longer),
        support_test(jitter_is_a_tenth_and_never_beyond_the_most),
        support_test(probes_are_counted_anew_each_time),
        support_test(a_window_of_calls_is_empty_when_it_has_closed),
        support_test(a_long_rest_costs_no_more_than_a_short_one),
        support_test(a_slow_probe_is_a_bad_one),
        support_test(a_probe_that_hangs_opens_it_again),
        support_test(probes_that_overlap_hang_together),
        support_test(a_bad_probe_decides_for_those_beside_it),
        support_test(no_time_runs_where_all_probes_were_forgotten),
        support_test(half_open_waits_for_ever_where_no_probe_runs),
        support_test(results_from_before_a_change_are_ignored),
        support_test(a_forgotten_probe_makes_room_for_another),
        support_test(cancelled_calls_are_not_counted),
        support_test(a_call_that_runs_out_of_time_is_a_failure),
        support_test(the_hook_is_told_of_every_change),
        support_test(forced_states_stay),
        support_test(bad_options_are_named),
        support_test(extreme_options_do_no_harm),
        support_test(without_memory_there_is_none),
        support_test(every_order_of_probes_is_fine),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
