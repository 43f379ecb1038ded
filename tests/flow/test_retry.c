/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <inttypes.h>
#include <math.h>

#include <keel/any.h>
#include <keel/breaker.h>
#include <keel/limiter.h>
#include <keel/retry.h>

static KEEL_ERR_DEFINE(broken, "broken");

/* A function that fails so many times, notes when it was called, and what its errors say. */
typedef struct service {
    int failures; /* left */
    int called;
    int64_t called_ns[32]; /* since the start */
    int64_t start_ns;
    keel_err *error; /* what it fails with; a sentinel. NULL: broken */
    bool permanent;
    int64_t after_ns;  /* what it asks for; 0: nothing */
    keel_ctx *cancels; /* when called */
    int64_t takes_ns;
    char told[512]; /* by the hooks */
} service;

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    service *s = arg;

    if (s->called < 32)
        s->called_ns[s->called] = keel_ctx_now(ctx) - s->start_ns;
    s->called++;
    if (s->takes_ns > 0)
        KEEL_TRY(keel_sleep(ctx, s->takes_ns));
    keel_ctx_cancel(s->cancels);
    if (s->failures-- <= 0)
        return NULL;
    keel_err *err = s->error != NULL ? s->error : broken;
    if (s->permanent)
        err = keel_permanent(err);
    return s->after_ns > 0 ? keel_retry_after(err, s->after_ns) : err;
}

/* Runs it with these options. */
static keel_err *run(keel_ctx *ctx, service *s, const keel_retry_opts *opts)
{
    keel_retry *retry;

    s->start_ns = keel_ctx_now(ctx);
    KEEL_TRY(keel_retry_new(&retry, opts));
    keel_err *err = keel_retry_run(ctx, retry, serve, s);
    keel_retry_free(retry);
    return err;
}

/* The run failed after as many attempts, for that reason; frees `err`. */
static void expect_stop(keel_err *err, int attempts, const char *why)
{
    keel_any value;
    int64_t number = -1;
    const char *text = "nothing";

    KEEL_CHECK(keel_err_field(err, "attempts", &value) && keel_any_get_i64(value, &number));
    KEEL_CHECK(keel_err_field(err, "stopped", &value) && keel_any_get_text(value, &text));
    if (number != attempts || strcmp(text, why) != 0)
        keel_sim_note("%" PRId64 " attempts, stopped by %s", number, text);
    KEEL_CHECK(number == attempts && strcmp(text, why) == 0);
    keel_err_free(err);
}

/* ---- When ---- */

static keel_err *delays_double(keel_ctx *ctx, void *arg)
{
    const int64_t expected_ms[] = { 0, 100, 300, 700, 1500, 2500, 3500 };
    service s = { .failures = 6 };

    (void)arg;
    KEEL_TRY(run(ctx, &s,
                 &(keel_retry_opts){
                     .max_attempts = 7, .jitter = KEEL_JITTER_NONE, .max_delay_ns = KEEL_S(1) }));
    KEEL_CHECK(s.called == 7);
    for (int i = 0; i < 7; i++)
        KEEL_CHECK(s.called_ns[i] == KEEL_MS(expected_ms[i]));
    return NULL;
}

static keel_err *three_attempts_by_default(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 9 };
    char text[128];

    (void)arg;
    s.start_ns = keel_ctx_now(ctx);
    keel_err *err = keel_retry_run(ctx, NULL, serve, &s);
    KEEL_CHECK(keel_err_is(err, broken));
    keel_err_format(err, text, sizeof text);
    KEEL_CHECK(strcmp(text, "failed after 3 attempts: broken") == 0);
    expect_stop(err, 3, "attempts");
    KEEL_CHECK(s.called == 3);
    return NULL;
}

static keel_err *success_needs_one_call(keel_ctx *ctx, void *arg)
{
    service s = { 0 };

    (void)arg;
    KEEL_TRY(keel_retry_run(ctx, NULL, serve, &s));
    KEEL_CHECK(s.called == 1);
    return NULL;
}

/* What each jitter may do to the delays 100, 200, 400 ms, ... */
static keel_err *jitter_stays_in_its_range(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int jitter = KEEL_JITTER_FULL; jitter <= KEEL_JITTER_ADD; jitter++) {
        int64_t low = INT64_MAX, high = 0, before_ns = KEEL_MS(100);

        for (int round = 0; round < 300; round++) {
            service s = { .failures = 3 };

            KEEL_TRY(run(ctx, &s,
                         &(keel_retry_opts){ .max_attempts = 4, .jitter = (keel_jitter)jitter }));
            for (int i = 1; i <= 3; i++) {
                const int64_t ns = s.called_ns[i] - s.called_ns[i - 1], full = KEEL_MS(50) << i;
                const int64_t least[] = { 0, full / 2, KEEL_MS(100), full };
                const int64_t most[] = { full, full, 3 * before_ns, 2 * full };

                KEEL_CHECK(ns >= least[jitter] && ns <= most[jitter]);
                before_ns = i < 3 ? ns : KEEL_MS(100);
                if (i == 1) {
                    low = ns < low ? ns : low;
                    high = ns > high ? ns : high;
                }
            }
        }
        const int64_t lowest[] = { 0, KEEL_MS(50), KEEL_MS(100), KEEL_MS(100) };
        const int64_t highest[] = { KEEL_MS(100), KEEL_MS(100), KEEL_MS(300), KEEL_MS(200) };
        KEEL_CHECK(low - lowest[jitter] < KEEL_MS(5));
        KEEL_CHECK(highest[jitter] - high < KEEL_MS(5));
    }
    return NULL;
}

static keel_err *no_wait_passes_the_cap(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int jitter = KEEL_JITTER_FULL; jitter <= KEEL_JITTER_NONE; jitter++) {
        service s = { .failures = 20 };

        KEEL_TRY(run(ctx, &s,
                     &(keel_retry_opts){ .max_attempts = 21,
                                         .jitter = (keel_jitter)jitter,
                                         .max_delay_ns = KEEL_MS(150) }));
        for (int i = 1; i <= 20; i++)
            KEEL_CHECK(s.called_ns[i] - s.called_ns[i - 1] <= KEEL_MS(150));
    }
    return NULL;
}

/* ---- When not ---- */

static keel_err *no_wait_that_cannot_fit(keel_ctx *ctx, void *arg)
{
    const keel_retry_opts opts = { .max_attempts = 9, .jitter = KEEL_JITTER_NONE };
    service s = { .failures = 99 };

    (void)arg;
    /* the third attempt would be at 300 ms, which is the deadline */
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(300));
    expect_stop(run(limited, &s, &opts), 2, "deadline");
    KEEL_CHECK(keel_ctx_now(ctx) - s.start_ns == KEEL_MS(100)); /* it did not wait for it */
    keel_ctx_free(limited);

    s.called = 0;
    limited = keel_ctx_with_timeout(ctx, KEEL_MS(300) + 1);
    expect_stop(run(limited, &s, &opts), 3, "deadline");
    keel_ctx_free(limited);
    return NULL;
}

static keel_err *the_elapsed_time_bounds_the_last_call(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 99, .takes_ns = KEEL_MS(10) };

    (void)arg;
    /* calls at 0, 110 and 320 ms; the next would be at 730 */
    expect_stop(run(ctx, &s,
                    &(keel_retry_opts){ .max_attempts = KEEL_ATTEMPTS_UNLIMITED,
                                        .jitter = KEEL_JITTER_NONE,
                                        .max_elapsed_ns = KEEL_MS(730) - 1 }),
                3, "elapsed");
    s.called = 0;
    expect_stop(run(ctx, &s,
                    &(keel_retry_opts){ .max_attempts = KEEL_ATTEMPTS_UNLIMITED,
                                        .jitter = KEEL_JITTER_NONE,
                                        .max_elapsed_ns = KEEL_MS(730) }),
                4, "elapsed");
    return NULL;
}

static keel_err *permanent_errors_end_it(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 99, .permanent = true };

    (void)arg;
    expect_stop(run(ctx, &s, NULL), 1, "permanent");
    keel_err *const never[] = { KEEL_ERR_CANCELLED,    KEEL_ERR_INVAL,        KEEL_ERR_UNSUPPORTED,
                                KEEL_ERR_PERMISSION,   KEEL_ERR_BREAKER_OPEN, KEEL_ERR_RATE_LIMITED,
                                KEEL_ERR_BULKHEAD_FULL };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        s = (service){ .failures = 99, .error = never[i] };
        expect_stop(run(ctx, &s, NULL), 1, "permanent");
    }
    s = (service){ .failures = 1, .error = KEEL_ERR_DEADLINE }; /* an attempt's own */
    KEEL_TRY(run(ctx, &s, NULL));
    KEEL_CHECK(keel_permanent(NULL) == NULL && keel_retry_after(NULL, 1) == NULL);
    return NULL;
}

static bool only_io(const keel_err *err, void *arg)
{
    (void)arg;
    return keel_err_is(err, KEEL_ERR_IO);
}

static keel_err *the_user_says_what_to_retry(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 2, .error = KEEL_ERR_IO };

    (void)arg;
    KEEL_TRY(run(ctx, &s, &(keel_retry_opts){ .retryable = only_io }));
    s = (service){ .failures = 2 };
    expect_stop(run(ctx, &s, &(keel_retry_opts){ .retryable = only_io }), 1, "permanent");
    s = (service){ .failures = 2, .error = KEEL_ERR_IO, .permanent = true };
    expect_stop(run(ctx, &s, &(keel_retry_opts){ .retryable = only_io }), 1, "permanent");
    return NULL;
}

static keel_err *the_server_says_when(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 1, .after_ns = KEEL_S(7) };

    (void)arg;
    KEEL_TRY(run(ctx, &s, &(keel_retry_opts){ .max_delay_ns = KEEL_S(1) }));
    KEEL_CHECK(s.called_ns[1] == KEEL_S(7));
    s = (service){ .failures = 9, .after_ns = KEEL_S(60) };
    KEEL_TRY(run(ctx, &s, &(keel_retry_opts){ .max_attempts = 10 }));
    s = (service){ .failures = 9, .after_ns = KEEL_S(60) + 1 };
    expect_stop(run(ctx, &s, NULL), 1, "retry_after");
    s = (service){ .failures = 1, .after_ns = KEEL_MS(5), .error = KEEL_ERR_BREAKER_OPEN };
    KEEL_TRY(run(ctx, &s, NULL)); /* a refusal that names its time */
    KEEL_CHECK(s.called_ns[1] == KEEL_MS(5));
    return NULL;
}

static keel_err *an_ended_context_ends_it(keel_ctx *ctx, void *arg)
{
    keel_ctx *own = keel_ctx_with_cancel(ctx);
    service s = { .failures = 9, .cancels = own };

    (void)arg;
    expect_stop(run(own, &s, NULL), 1, "context"); /* cancelled while it ran */
    KEEL_CHECK(s.called == 1);
    check_err(run(own, &s, NULL), KEEL_ERR_CANCELLED);
    KEEL_CHECK(s.called == 1); /* not called at all */
    keel_ctx_free(own);
    return NULL;
}

static keel_err *cancel_later(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(50)));
    keel_ctx_cancel(arg);
    return NULL;
}

static keel_err *cancelling_cuts_the_wait_short(keel_ctx *ctx, void *arg)
{
    keel_ctx *own = keel_ctx_with_cancel(ctx);
    service s = { .failures = 9 };

    (void)arg;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_later, own);
    keel_err *err = run(own, &s, &(keel_retry_opts){ .jitter = KEEL_JITTER_NONE });
    KEEL_CHECK(keel_ctx_now(ctx) - s.start_ns == KEEL_MS(50));
    KEEL_CHECK(keel_err_is(err, broken) && keel_err_is(err, KEEL_ERR_CANCELLED));
    expect_stop(err, 1, "context");
    KEEL_TRY(keel_group_wait(group));
    keel_ctx_free(own);
    return NULL;
}

/* ---- Hooks ---- */

static void note(service *s, const char *what, const keel_retry_event *e)
{
    const size_t len = strlen(s->told);

    snprintf(s->told + len, sizeof s->told - len, "%s %d %s %" PRId64 "ms; ", what, (int)e->attempt,
             keel_err_is(e->err, broken) ? "broken" : "?", e->delay_ns / 1000000);
}

static void note_before(const keel_retry_event *event, void *arg)
{
    note(arg, "before", event);
}

static void note_after(const keel_retry_event *event, void *arg)
{
    note(arg, "after", event);
}

static keel_err *hooks_stand_around_each_wait(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 9 };

    (void)arg;
    expect_stop(run(ctx, &s,
                    &(keel_retry_opts){ .jitter = KEEL_JITTER_NONE,
                                        .before_wait = note_before,
                                        .after_wait = note_after,
                                        .arg = &s }),
                3, "attempts");
    KEEL_CHECK(strcmp(s.told, "before 1 broken 100ms; after 1 broken 100ms; "
                              "before 2 broken 200ms; after 2 broken 200ms; ") == 0);
    return NULL;
}

/* ---- The budget ---- */

static keel_err *a_shared_budget_ends_the_storm(keel_ctx *ctx, void *arg)
{
    keel_retry_budget *budget;
    int retries = 0;

    (void)arg;
    KEEL_TRY(keel_retry_budget_new(&budget, &(keel_retry_budget_opts){ .per_second = 1 }));
    KEEL_CHECK(keel_retry_budget_left(budget) == 10); /* a second's one, ten seconds */
    for (int i = 0; i < 100; i++) {
        service s = { .failures = 9 };
        const keel_retry_opts opts = { .budget = budget, .base_delay_ns = 1, .max_delay_ns = 1 };

        keel_err_free(run(ctx, &s, &opts));
        retries += s.called - 1;
    }
    KEEL_CHECK(retries == 30); /* and a fifth of a hundred calls */
    service s = { .failures = 9 };
    expect_stop(run(ctx, &s, &(keel_retry_opts){ .budget = budget }), 1, "budget");
    KEEL_TRY(keel_sleep(ctx, KEEL_S(11))); /* another window */
    KEEL_CHECK(keel_retry_budget_left(budget) == 10);
    keel_retry_budget_free(budget);
    return NULL;
}

static keel_err *a_refusal_costs_no_budget(keel_ctx *ctx, void *arg)
{
    keel_retry_budget *budget;
    service s = { .failures = 5, .error = KEEL_ERR_BREAKER_OPEN, .after_ns = 1 };

    (void)arg;
    KEEL_TRY(keel_retry_budget_new(&budget, &(keel_retry_budget_opts){ .per_second = 0.1 }));
    KEEL_TRY(run(ctx, &s, &(keel_retry_opts){ .budget = budget, .max_attempts = 6 }));
    KEEL_CHECK(keel_retry_budget_left(budget) == 1);
    keel_retry_budget_free(budget);
    return NULL;
}

/* ---- Without simulation ---- */

static void delays_grow_without_overflow(void **state)
{
    (void)state;
    keel_retry *retry;

    assert_int_equal(keel_retry_delay(NULL, 1), KEEL_MS(100));
    assert_int_equal(keel_retry_delay(NULL, 4), KEEL_MS(800));
    assert_int_equal(keel_retry_delay(NULL, 10000), KEEL_S(10));
    assert_int_equal(keel_retry_delay(NULL, INT32_MAX), KEEL_S(10));
    assert_int_equal(keel_retry_delay(NULL, 0), KEEL_MS(100));
    assert_int_equal(keel_retry_delay(NULL, -5), KEEL_MS(100));
    assert_ok(keel_retry_new(&retry, &(keel_retry_opts){ .base_delay_ns = INT64_MAX / 2,
                                                         .max_delay_ns = INT64_MAX,
                                                         .multiplier = 1e18 }));
    assert_int_equal(keel_retry_delay(retry, 10000), INT64_MAX);
    keel_retry_free(retry);
    assert_ok(keel_retry_new(&retry, &(keel_retry_opts){ .multiplier = 1 }));
    assert_int_equal(keel_retry_delay(retry, 10000), KEEL_MS(100));
    keel_retry_free(retry);
    assert_ok(keel_retry_new(&retry, &(keel_retry_opts){ .multiplier = 1.5 }));
    assert_int_equal(keel_retry_delay(retry, 4), KEEL_US(337500));
    keel_retry_free(retry);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *field;
        keel_retry_opts opts;
    } rows[] = {
        { "max_attempts", { .max_attempts = -1 } },
        { "base_delay_ns", { .base_delay_ns = -1 } },
        { "max_delay_ns", { .max_delay_ns = -1 } },
        { "max_delay_ns", { .max_delay_ns = KEEL_MS(99) } },
        { "multiplier", { .multiplier = 0.99 } },
        { "multiplier", { .multiplier = -2 } },
        { "multiplier", { .multiplier = NAN } },
        { "multiplier", { .multiplier = INFINITY } },
        { "jitter", { .jitter = (keel_jitter)9 } },
        { "max_elapsed_ns", { .max_elapsed_ns = -1 } },
        { "max_retry_after_ns", { .max_retry_after_ns = INT64_MIN } },
    };
    const struct {
        const char *field;
        keel_retry_budget_opts opts;
    } budgets[] = {
        { "share", { .share = -1 } },
        { "share", { .share = NAN } },
        { "per_second", { .per_second = -1 } },
        { "window_ns", { .window_ns = -1 } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keel_retry *retry;
        assert_names(keel_retry_new(&retry, &rows[i].opts), rows[i].field);
        assert_null(retry);
    }
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        keel_retry_budget *budget;
        assert_names(keel_retry_budget_new(&budget, &budgets[i].opts), budgets[i].field);
        assert_null(budget);
    }
}

static keel_err *fail_three_times(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 9, .after_ns = 1 };
    keel_retry *retry;

    (void)arg;
    KEEL_TRY(keel_retry_new(&retry, NULL));
    keel_err *err = keel_retry_run(ctx, retry, serve, &s);
    keel_retry_free(retry);
    return err;
}

/* Whatever fails beside, the error is still known for what it is. */
static keel_err *without_runtime(void *arg)
{
    keel_err *err = fail_three_times(NULL, arg);

    if (!keel_err_is(err, broken))
        return err;
    keel_err_free(err);
    return NULL;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(without_runtime, NULL, NULL);
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, NULL));                                      \
    }
RUNS(delays_double)
RUNS(three_attempts_by_default)
RUNS(success_needs_one_call)
RUNS(jitter_stays_in_its_range)
RUNS(no_wait_passes_the_cap)
RUNS(no_wait_that_cannot_fit)
RUNS(the_elapsed_time_bounds_the_last_call)
RUNS(permanent_errors_end_it)
RUNS(the_user_says_what_to_retry)
RUNS(the_server_says_when)
RUNS(an_ended_context_ends_it)
RUNS(cancelling_cuts_the_wait_short)
RUNS(hooks_stand_around_each_wait)
RUNS(a_shared_budget_ends_the_storm)
RUNS(a_refusal_costs_no_budget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_delays_double),
        support_test(runs_three_attempts_by_default),
        support_test(runs_success_needs_one_call),
        support_test(runs_jitter_stays_in_its_range),
        support_test(runs_no_wait_passes_the_cap),
        support_test(runs_no_wait_that_cannot_fit),
        support_test(runs_the_elapsed_time_bounds_the_last_call),
        support_test(runs_permanent_errors_end_it),
        support_test(runs_the_user_says_what_to_retry),
        support_test(runs_the_server_says_when),
        support_test(runs_an_ended_context_ends_it),
        support_test(runs_cancelling_cuts_the_wait_short),
        support_test(runs_hooks_stand_around_each_wait),
        support_test(runs_a_shared_budget_ends_the_storm),
        support_test(runs_a_refusal_costs_no_budget),
        support_test(delays_grow_without_overflow),
        support_test(bad_options_are_named),
        support_test(each_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
