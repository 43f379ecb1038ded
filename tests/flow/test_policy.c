/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "service.h"

#include <keel/any.h>

static KEEL_ERR_DEFINE(worse, "worse");

/* How long since its start. */
static int64_t passed(keel_ctx *ctx, const service *s)
{
    return keel_ctx_now(ctx) - s->start_ns;
}

static int64_t field(const keel_err *err, const char *key)
{
    keel_any value;
    int64_t number = -1;

    if (!keel_err_field(err, key, &value) || !keel_any_get_i64(value, &number))
        return -1;
    return number;
}

static void expect(keel_err *err, const keel_err *target)
{
    if (!keel_err_is(err, target))
        keel_sim_note("%s", KEEL_ERR_STR(err));
    KEEL_CHECK(keel_err_is(err, target));
    keel_err_free(err);
}

static bool text_is(const keel_err *err, const char *text)
{
    const char *real = KEEL_ERR_STR(err);

    if (strcmp(real, text) != 0)
        keel_sim_note("%s", real);
    return strcmp(real, text) == 0;
}

/* ---- Timeouts ---- */

static keel_err *each_attempt_has_its_time(keel_ctx *ctx, void *arg)
{
    service s = { .takes_ns = KEEL_MS(40) };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){ .retry = &three_attempts,
                                                           .attempt_timeout_ns = KEEL_MS(10) }));
    keel_err *err = run(ctx, policy, &s);
    KEEL_CHECK(text_is(err, "failed after 3 attempts: not done within 10ms (serve: context "
                            "deadline exceeded): timed out"));
    KEEL_CHECK(!keel_err_is(err, KEEL_ERR_DEADLINE));
    expect(err, KEEL_ERR_TIMEOUT);
    KEEL_CHECK(s.called == 3 && passed(ctx, &s) == KEEL_MS(330));
    KEEL_CHECK(s.called_ns[1] == KEEL_MS(110) && s.called_ns[2] == KEEL_MS(320));
    const keel_policy_stats now = stats(policy);
    KEEL_CHECK(now.attempts_timed_out == 3 && now.retried == 2 && now.timed_out == 0);
    KEEL_CHECK(now.failed == 1 && now.calls == 1);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *the_callers_deadline_is_no_timeout(keel_ctx *ctx, void *arg)
{
    service s = { .takes_ns = KEEL_MS(40) };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){ .retry = &three_attempts,
                                                           .attempt_timeout_ns = KEEL_MS(10),
                                                           .total_timeout_ns = KEEL_MS(10) }));
    for (int ms = 5; ms <= 10; ms += 5) { /* 10: both end in the same moment */
        keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(ms));
        keel_err *err = run(limited, policy, &s);
        KEEL_CHECK(keel_err_is(err, KEEL_ERR_DEADLINE) && !keel_err_is(err, KEEL_ERR_TIMEOUT));
        keel_err_free(err);
        KEEL_CHECK(s.called == 1 && passed(ctx, &s) == KEEL_MS(ms));
        keel_ctx_free(limited);
    }
    KEEL_CHECK(stats(policy).attempts_timed_out == 0 && stats(policy).timed_out == 0);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *all_attempts_have_their_time(keel_ctx *ctx, void *arg)
{
    service s = { .takes_ns = KEEL_MS(60), .failures = 9 };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){ .retry = &three_attempts,
                                                           .total_timeout_ns = KEEL_MS(200) }));
    keel_err *err = run(ctx, policy, &s); /* from 0 to 60 ms, and from 160 on */
    KEEL_CHECK(!keel_err_is(err, KEEL_ERR_DEADLINE));
    expect(err, KEEL_ERR_TIMEOUT);
    KEEL_CHECK(s.called == 2 && s.told_ns == KEEL_MS(200) && passed(ctx, &s) == KEEL_MS(200));
    KEEL_CHECK(stats(policy).timed_out == 1 && stats(policy).attempts_timed_out == 0);

    s.takes_ns = 0; /* at 0 and 100 ms; the third would be at 300 */
    err = run(ctx, policy, &s);
    KEEL_CHECK(!keel_err_is(err, KEEL_ERR_TIMEOUT));
    expect(err, broken);
    KEEL_CHECK(s.called == 2 && passed(ctx, &s) == KEEL_MS(100));
    KEEL_CHECK(stats(policy).timed_out == 1 && stats(policy).failed == 2);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *a_timeout_by_itself(keel_ctx *ctx, void *arg)
{
    service s = { .takes_ns = KEEL_MS(10), .start_ns = keel_ctx_now(ctx) };

    (void)arg;
    keel_err *err = keel_timeout_run(ctx, KEEL_MS(10) - 1, serve, &s);
    KEEL_CHECK(!keel_err_is(err, KEEL_ERR_DEADLINE));
    expect(err, KEEL_ERR_TIMEOUT);
    KEEL_CHECK(passed(ctx, &s) == KEEL_MS(10) - 1);
    KEEL_TRY(keel_timeout_run(ctx, KEEL_MS(10) + 1, serve, &s));

    s.deaf = true; /* it comes late, and counts */
    KEEL_TRY(keel_timeout_run(ctx, KEEL_MS(1), serve, &s));
    s.failures = 1;
    expect(keel_timeout_run(ctx, KEEL_MS(1), serve, &s), broken);
    err = keel_timeout_run(ctx, 0, serve, &s);
    KEEL_CHECK(text_is(err, "not done within 0s: timed out"));
    keel_err_free(err);
    KEEL_CHECK(s.called == 4);

    keel_ctx *ended = keel_ctx_with_cancel(ctx);
    keel_ctx_cancel(ended);
    KEEL_CHECK(keel_timeout_run(ended, KEEL_MS(1), serve, &s) == KEEL_ERR_CANCELLED);
    KEEL_CHECK(s.called == 4);
    keel_ctx_free(ended);
    return NULL;
}

/* ---- The breaker ---- */

static keel_err *with_breaker(keel_policy **policy, int64_t max_retry_after_ns,
                              keel_retry_budget *budget)
{
    return keel_policy_new(
        policy,
        &(keel_policy_opts){
            .retry =
                &(keel_retry_opts){ .max_retry_after_ns = max_retry_after_ns, .budget = budget },
            .breaker = &(keel_breaker_opts){
                .window_calls = 2, .open_ns = KEEL_MS(50), .no_jitter = true, .probes = 1 } });
}

static keel_err *a_refusal_is_retried_when_its_time_fits(keel_ctx *ctx, void *arg)
{
    service s = { 0 };
    keel_policy *policy;
    keel_retry_budget *budget;

    (void)arg;
    KEEL_TRY(keel_retry_budget_new(&budget, NULL));
    KEEL_TRY(with_breaker(&policy, KEEL_MS(50), budget));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_OPEN);
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(s.called == 1 && s.called_ns[0] == KEEL_MS(50));
    KEEL_CHECK(stats(policy).refused_by_breaker == 1 && stats(policy).retried == 1);
    KEEL_CHECK(stats(policy).succeeded == 1);
    KEEL_CHECK(keel_retry_budget_left(budget) == 100); /* 10/s; a fifth of one call is none */
    KEEL_CHECK(keel_breaker_get(keel_policy_breaker(policy)) == KEEL_BREAKER_CLOSED);
    keel_policy_free(policy);

    KEEL_TRY(with_breaker(&policy, KEEL_MS(50) - 1, budget));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_OPEN);
    keel_err *err = run(ctx, policy, &s);
    KEEL_CHECK(field(err, "retry_after_ns") == KEEL_MS(50));
    expect(err, KEEL_ERR_BREAKER_OPEN);
    KEEL_CHECK(s.called == 0 && passed(ctx, &s) == 0);

    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_FORCED_OPEN);
    err = run(ctx, policy, &s);
    KEEL_CHECK(field(err, "retry_after_ns") == -1);
    expect(err, KEEL_ERR_BREAKER_OPEN);
    KEEL_CHECK(stats(policy).refused_by_breaker == 2 && stats(policy).retried == 0);
    keel_policy_free(policy);
    keel_retry_budget_free(budget);
    return NULL;
}

static keel_err *nobody_is_asked_whether_to_retry_a_refusal(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 1 };
    keel_policy *policy;
    int asked = 0;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy,
        &(keel_policy_opts){ .retry = &(keel_retry_opts){ .retryable = never, .arg = &asked },
                             .limiter = &(keel_limiter_opts){ .per_second = 10, .burst = 1 } }));
    KEEL_CHECK(keel_limiter_allow(keel_policy_limiter(policy), 1));
    expect(run(ctx, policy, &s), broken); /* refused, and failed 100 ms later */
    KEEL_CHECK(asked == 1 && s.called_ns[0] == KEEL_MS(100));
    keel_policy_free(policy);
    return NULL;
}

static keel_err *the_breaker_sees_each_attempt(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 9 };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .retry = &(keel_retry_opts){ .base_delay_ns = 1 },
                                      .breaker = &(keel_breaker_opts){ .window_calls = 2,
                                                                       .open_ns = KEEL_S(90),
                                                                       .max_open_ns = KEEL_S(90),
                                                                       .no_jitter = true } }));
    expect(run(ctx, policy, &s), KEEL_ERR_BREAKER_OPEN);
    KEEL_CHECK(s.called == 2 && stats(policy).refused_by_breaker == 1);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *what_the_caller_cancelled_is_not_counted(keel_ctx *ctx, void *arg)
{
    keel_policy *policy;
    keel_breaker_stats seen;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .breaker = &(keel_breaker_opts){ .window_calls = 9 } }));
    keel_ctx *inner = keel_ctx_with_cancel(ctx);
    service s = { .failures = 1, .cancels = inner };
    expect(run(inner, policy, &s), broken);
    keel_ctx_free(inner);
    keel_breaker_get_stats(keel_policy_breaker(policy), &seen);
    KEEL_CHECK(seen.calls == 0);

    inner = keel_ctx_with_cancel(ctx);
    s.cancels = inner; /* what succeeds all the same is */
    KEEL_TRY(run(inner, policy, &s));
    keel_ctx_free(inner);
    inner = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    s = (service){ .takes_ns = KEEL_MS(2) };
    expect(run(inner, policy, &s), KEEL_ERR_DEADLINE);
    keel_ctx_free(inner);
    keel_breaker_get_stats(keel_policy_breaker(policy), &seen);
    KEEL_CHECK(seen.calls == 2 && seen.failures == 1);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *a_limits_refusal_is_no_probe(keel_ctx *ctx, void *arg)
{
    service s = { 0 };
    keel_policy *policy;
    keel_breaker_stats seen;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy,
        &(keel_policy_opts){
            .breaker = &(keel_breaker_opts){ .window_calls = 2, .min_calls = 1, .probes = 1 },
            .limiter = &(keel_limiter_opts){ .per_second = 10, .burst = 1 } }));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_HALF_OPEN);
    KEEL_CHECK(keel_limiter_allow(keel_policy_limiter(policy), 1));
    expect(run(ctx, policy, &s), KEEL_ERR_RATE_LIMITED);
    expect(run(ctx, policy, &s), KEEL_ERR_RATE_LIMITED); /* not BREAKER_OPEN: the probe came back */
    keel_breaker_get_stats(keel_policy_breaker(policy), &seen);
    KEEL_CHECK(seen.calls == 0 && seen.refused == 0 && seen.state == KEEL_BREAKER_HALF_OPEN);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(100)));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(keel_breaker_get(keel_policy_breaker(policy)) == KEEL_BREAKER_CLOSED);
    KEEL_CHECK(stats(policy).refused_by_limiter == 2);
    keel_policy_free(policy);
    return NULL;
}

/* ---- Limits ---- */

static keel_err *the_rate_limit_says_when(keel_ctx *ctx, void *arg)
{
    const keel_limiter_opts ten = { .per_second = 10, .burst = 1 };
    service s = { 0 };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){ .limiter = &ten }));
    KEEL_TRY(run(ctx, policy, &s));
    keel_err *err = run(ctx, policy, &s);
    KEEL_CHECK(field(err, "retry_after_ns") == KEEL_MS(100));
    expect(err, KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(s.called == 0);
    keel_policy_free(policy);

    KEEL_TRY(
        keel_policy_new(&policy, &(keel_policy_opts){ .limiter = &ten, .retry = &three_attempts }));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(s.called_ns[0] == KEEL_MS(100) && stats(policy).refused_by_limiter == 1);
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(100)); /* too late: it does not wait */
    expect(run(limited, policy, &s), KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(passed(ctx, &s) == 0);
    keel_ctx_free(limited);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *the_rate_limit_lets_wait(keel_ctx *ctx, void *arg)
{
    service s = { 0 };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy,
        &(keel_policy_opts){ .limiter = &(keel_limiter_opts){ .per_second = 10, .burst = 1 },
                             .limiter_waits = true }));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(s.called_ns[0] == KEEL_MS(100) && stats(policy).refused_by_limiter == 0);
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(100));
    keel_err *err = run(limited, policy, &s);
    KEEL_CHECK(field(err, "retry_after_ns") == KEEL_MS(100) && passed(ctx, &s) == 0);
    expect(err, KEEL_ERR_RATE_LIMITED);
    KEEL_CHECK(stats(policy).refused_by_limiter == 1);
    keel_ctx_free(limited);
    keel_policy_free(policy);
    return NULL;
}

typedef struct caller {
    keel_policy *policy;
    service s;
    keel_err *err;
} caller;

static keel_err *call_it(keel_ctx *ctx, void *arg)
{
    caller *c = arg;

    c->err = run(ctx, c->policy, &c->s);
    return NULL;
}

static keel_err *a_full_bulkhead_refuses(keel_ctx *ctx, void *arg)
{
    keel_policy *policy;
    keel_bulkhead_stats seen;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .bulkhead = &(keel_bulkhead_opts){ .max_running = 1 },
                                      .breaker = &(keel_breaker_opts){ 0 },
                                      .retry = &three_attempts }));
    caller first = { .policy = policy, .s = { .takes_ns = KEEL_MS(10) } };
    service s = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, call_it, &first);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(5)));
    expect(run(ctx, policy, &s), KEEL_ERR_BULKHEAD_FULL);
    KEEL_CHECK(s.called == 0 && passed(ctx, &s) == 0); /* nobody knows when: no retry */
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(first.err == NULL);
    s.failures = 1;
    KEEL_TRY(run(ctx, policy, &s)); /* each attempt leaves its place */
    KEEL_CHECK(s.called == 2 && stats(policy).refused_by_bulkhead == 1);
    keel_bulkhead_get_stats(keel_policy_bulkhead(policy), &seen);
    KEEL_CHECK(seen.running == 0 && seen.entered == 3 && seen.refused == 1);
    keel_breaker_stats counted;
    keel_breaker_get_stats(keel_policy_breaker(policy), &counted);
    KEEL_CHECK(counted.calls == 3);
    keel_policy_free(policy);
    return NULL;
}

/* ---- Fallback ---- */

static keel_err *a_fallback_stands_in(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 1 };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){ .fallback = fall,
                                                           .total_timeout_ns = KEEL_MS(10),
                                                           .breaker = &(keel_breaker_opts){ 0 } }));
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(s.fell_back == 1);
    KEEL_TRY(run(ctx, policy, &s)); /* succeeds */
    KEEL_CHECK(s.fell_back == 1);
    s.takes_ns = KEEL_MS(20); /* its context has ended, the caller's has not */
    KEEL_TRY(run(ctx, policy, &s));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_FORCED_OPEN);
    KEEL_TRY(run(ctx, policy, &s));
    KEEL_CHECK(s.fell_back == 3 && s.called == 0);

    s.fallback_error = worse;
    keel_err *err = run(ctx, policy, &s);
    KEEL_CHECK(keel_err_is(err, worse));
    expect(err, KEEL_ERR_BREAKER_OPEN);
    s.keeps = true;
    KEEL_CHECK(run(ctx, policy, &s) == KEEL_ERR_BREAKER_OPEN);

    keel_ctx *ended = keel_ctx_with_cancel(ctx);
    keel_ctx_cancel(ended);
    KEEL_CHECK(run(ended, policy, &s) == KEEL_ERR_CANCELLED && s.fell_back == 5);
    keel_ctx_free(ended);
    const keel_policy_stats now = stats(policy);
    KEEL_CHECK(now.succeeded == 1 && now.fell_back == 3 && now.failed == 3 && now.calls == 7);
    KEEL_CHECK(now.timed_out == 1);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *a_fallback_by_itself(keel_ctx *ctx, void *arg)
{
    service s = { .failures = 1 };

    (void)arg;
    KEEL_TRY(keel_fallback_run(ctx, serve, fall, &s));
    KEEL_TRY(keel_fallback_run(ctx, serve, fall, &s));
    KEEL_CHECK(s.fell_back == 1 && s.called == 2);
    keel_ctx *inner = keel_ctx_with_cancel(ctx);
    s = (service){ .failures = 1, .cancels = inner };
    KEEL_CHECK(keel_fallback_run(inner, serve, fall, &s) == broken);
    KEEL_CHECK(keel_fallback_run(inner, serve, fall, &s) == KEEL_ERR_CANCELLED);
    KEEL_CHECK(s.fell_back == 0 && s.called == 1);
    keel_ctx_free(inner);
    return NULL;
}

/* ---- Every schedule ---- */

static keel_err *two_callers(keel_ctx *ctx, void *arg)
{
    keel_policy *policy;
    keel_bulkhead_stats places;
    keel_breaker_stats seen;

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .bulkhead = &(keel_bulkhead_opts){ .max_running = 1 },
                                      .breaker = &(keel_breaker_opts){
                                          .window_calls = 2, .min_calls = 1, .probes = 1 } }));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_HALF_OPEN);
    caller c[2] = { { .policy = policy, .s = { .takes_ns = 1 } }, { .policy = policy } };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, call_it, &c[0]);
    keel_group_go(group, call_it, &c[1]);
    KEEL_TRY(keel_group_wait(group));
    const keel_policy_stats now = stats(policy);
    keel_bulkhead_get_stats(keel_policy_bulkhead(policy), &places);
    keel_breaker_get_stats(keel_policy_breaker(policy), &seen);
    for (int i = 0; i < 2; i++)
        KEEL_CHECK((c[i].err == NULL) == (c[i].s.called == 1));
    KEEL_CHECK(now.succeeded >= 1 && now.calls == 2);
    KEEL_CHECK(now.failed == now.refused_by_breaker + now.refused_by_bulkhead);
    KEEL_CHECK(places.running == 0 && places.entered == now.succeeded);
    KEEL_CHECK(seen.state == KEEL_BREAKER_CLOSED && seen.calls == now.succeeded);
    keel_policy_free(policy);
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(arg);
    return NULL;
}

/* Cancelled at any point, a call gives back its probe and its place. */
static keel_err *a_call_against_its_end(keel_ctx *ctx, void *arg)
{
    keel_policy *policy;
    keel_bulkhead_stats places;
    service after = { 0 };

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .bulkhead = &(keel_bulkhead_opts){ .max_running = 1 },
                                      .retry = &three_attempts,
                                      .attempt_timeout_ns = KEEL_MS(5),
                                      .breaker = &(keel_breaker_opts){ .probes = 1 } }));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_HALF_OPEN);
    keel_ctx *inner = keel_ctx_with_cancel(ctx);
    service s = { .takes_ns = KEEL_MS(1), .start_ns = keel_ctx_now(ctx) };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_it, inner);
    keel_err *err = keel_policy_run(inner, policy, serve, &s);
    KEEL_CHECK(err == NULL || keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    KEEL_TRY(keel_group_wait(group));
    keel_ctx_free(inner);
    KEEL_TRY(run(ctx, policy, &after));
    keel_bulkhead_get_stats(keel_policy_bulkhead(policy), &places);
    KEEL_CHECK(places.running == 0 && places.refused == 0);
    KEEL_CHECK(keel_breaker_get(keel_policy_breaker(policy)) == KEEL_BREAKER_CLOSED);
    keel_policy_free(policy);
    return NULL;
}

static void every_order_of_calls_is_fine(void **state)
{
    (void)state;
    const scenario scenarios[] = { { "two_callers", two_callers, NULL, false },
                                   { "a_call_against_its_end", a_call_against_its_end, NULL,
                                     true } };

    explore_all(scenarios, sizeof scenarios / sizeof *scenarios, (keel_sim_opts){ .seed = 0 });
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(each_attempt_has_its_time)
RUNS(the_callers_deadline_is_no_timeout)
RUNS(all_attempts_have_their_time)
RUNS(a_timeout_by_itself)
RUNS(a_refusal_is_retried_when_its_time_fits)
RUNS(nobody_is_asked_whether_to_retry_a_refusal)
RUNS(the_breaker_sees_each_attempt)
RUNS(what_the_caller_cancelled_is_not_counted)
RUNS(a_limits_refusal_is_no_probe)
RUNS(the_rate_limit_says_when)
RUNS(the_rate_limit_lets_wait)
RUNS(a_full_bulkhead_refuses)
RUNS(a_fallback_stands_in)
RUNS(a_fallback_by_itself)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_each_attempt_has_its_time),
        support_test(runs_the_callers_deadline_is_no_timeout),
        support_test(runs_all_attempts_have_their_time),
        support_test(runs_a_timeout_by_itself),
        support_test(runs_a_refusal_is_retried_when_its_time_fits),
        support_test(runs_nobody_is_asked_whether_to_retry_a_refusal),
        support_test(runs_the_breaker_sees_each_attempt),
        support_test(runs_what_the_caller_cancelled_is_not_counted),
        support_test(runs_a_limits_refusal_is_no_probe),
        support_test(runs_the_rate_limit_says_when),
        support_test(runs_the_rate_limit_lets_wait),
        support_test(runs_a_full_bulkhead_refuses),
        support_test(runs_a_fallback_stands_in),
        support_test(runs_a_fallback_by_itself),
        support_test(every_order_of_calls_is_fine),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
