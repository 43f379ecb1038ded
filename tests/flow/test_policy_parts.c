/* SPDX-License-Identifier: MIT */
#include "service.h"

static keel_err *everything(keel_policy **policy)
{
    return keel_policy_new(policy,
                           &(keel_policy_opts){
                               .name = "orders",
                               .total_timeout_ns = KEEL_S(10),
                               .attempt_timeout_ns = KEEL_S(2),
                               .retry = &(keel_retry_opts){ .max_attempts = KEEL_ATTEMPTS_UNLIMITED,
                                                            .max_elapsed_ns = KEEL_S(5) },
                               .breaker = &(keel_breaker_opts){ .slow_call_ns = KEEL_S(1) },
                               .limiter = &(keel_limiter_opts){ .per_second = 100 },
                               .bulkhead = &(keel_bulkhead_opts){ .max_waiting = KEEL_UNLIMITED },
                               .fallback = fall,
                           });
}

static keel_err *pass_all_parts(keel_ctx *ctx, void *arg)
{
    service s = { 0 };
    keel_policy *policy;
    keel_breaker_stats breaker;
    keel_bulkhead_stats bulkhead;

    (void)arg;
    KEEL_TRY(everything(&policy));
    KEEL_TRY(run(ctx, policy, &s));
    keel_breaker_get_stats(keel_policy_breaker(policy), &breaker);
    keel_bulkhead_get_stats(keel_policy_bulkhead(policy), &bulkhead);
    KEEL_CHECK(breaker.calls == 1 && bulkhead.entered == 1);
    const double tokens = keel_limiter_tokens(keel_policy_limiter(policy));
    KEEL_CHECK(tokens > 98.9 && tokens < 99.1);
    KEEL_CHECK(keel_retry_delay(keel_policy_retry(policy), 1) == KEEL_MS(100));
    keel_policy_free(policy);
    return NULL;
}

static void a_call_passes_all_parts(void **state)
{
    (void)state;
    assert_sim_ok(keel_sim_run("pass_all_parts", pass_all_parts, NULL,
                               &(keel_sim_opts){ .fixed_time = true }));
}

static void it_explains_every_value(void **state)
{
    (void)state;
    keel_policy *policy;
    keel_buf buf = { 0 };

    assert_ok(everything(&policy));
    assert_ok(keel_policy_explain(policy, &buf));
    assert_string_equal(
        keel_buf_text(&buf),
        "orders: fallback(total timeout(retry(breaker(rate limit(bulkhead(attempt "
        "timeout(call)))))))\n"
        "  fallback: by function\n"
        "  total timeout: 10s\n"
        "  retry: attempts unlimited, base delay 100ms, multiplier 2, max delay 10s, jitter full, "
        "max elapsed 5s, max retry after 1m0s, errors default, budget none\n"
        "  breaker: name breaker, window 10s, min calls 20, failure rate 0.5, slow call 1s, "
        "slow rate 0.8, open 5s, open multiplier 2, max open 1m0s, jitter 10 %, probes 3, "
        "probe time 30s, failures all errors\n"
        "  rate limit: per second 100, burst 100, without a token refuse\n"
        "  bulkhead: max running 25, max waiting unlimited, max wait unlimited\n"
        "  attempt timeout: 2s\n");
    keel_policy_free(policy);

    keel_buf_clear(&buf);
    assert_ok(keel_policy_new(&policy, NULL));
    assert_null(keel_policy_breaker(policy));
    assert_null(keel_policy_limiter(policy));
    assert_null(keel_policy_bulkhead(policy));
    assert_null(keel_policy_retry(policy));
    assert_ok(keel_policy_explain(policy, &buf));
    assert_string_equal(keel_buf_text(&buf), "policy: call\n"
                                             "  fallback: none\n"
                                             "  total timeout: none\n"
                                             "  retry: none\n"
                                             "  breaker: none\n"
                                             "  rate limit: none\n"
                                             "  bulkhead: none\n"
                                             "  attempt timeout: none\n");
    keel_policy_free(policy);

    keel_buf_clear(&buf);
    assert_ok(keel_policy_new(
        &policy, &(keel_policy_opts){
                     .retry = &(keel_retry_opts){ .retryable = never, .jitter = KEEL_JITTER_ADD },
                     .breaker = &(keel_breaker_opts){ .window_calls = 5, .no_jitter = true },
                     .limiter = &(keel_limiter_opts){ .per_second = 0.5 },
                     .limiter_waits = true,
                     .bulkhead = &(keel_bulkhead_opts){ .max_wait_ns = KEEL_MS(1) } }));
    assert_ok(keel_policy_explain(policy, &buf));
    const char *const parts[] = { "policy: retry(breaker(rate limit(bulkhead(call))))\n",
                                  "attempts 3,",
                                  "jitter add, max elapsed unlimited,",
                                  "errors by function",
                                  "window calls 5, min calls 5,",
                                  "slow call none",
                                  "jitter none, probes",
                                  "per second 0.5, burst 1, without a token wait",
                                  "max waiting 0, max wait 1ms" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(keel_buf_text(&buf), parts[i]));
    keel_policy_free(policy);
    keel_policy_free(NULL);

    keel_buf_deinit(&buf);
}

static void an_explanation_that_does_not_fit_leaves_no_trace(void **state)
{
    (void)state;
    keel_policy *policy;
    keel_buf buf = { .max_bytes = 60 };

    assert_ok(everything(&policy));
    assert_ok(keel_buf_append_text(&buf, "before"));
    assert_err(keel_policy_explain(policy, &buf), KEEL_ERR_LIMIT);
    assert_string_equal(keel_buf_text(&buf), "before");
    keel_buf_deinit(&buf);
    keel_policy_free(policy);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *text;
        keel_policy_opts opts;
    } rows[] = {
        { "policy: total_timeout_ns", { .total_timeout_ns = -1 } },
        { "x: attempt_timeout_ns", { .name = "x", .attempt_timeout_ns = -1 } },
        { "attempt_timeout_ns is more", { .total_timeout_ns = 1, .attempt_timeout_ns = 2 } },
        { "limiter_waits", { .limiter_waits = true } },
        { "policy: retry: max_attempts", { .retry = &(keel_retry_opts){ .max_attempts = -1 } } },
        { "x: breaker: open_ns",
          { .name = "x", .breaker = &(keel_breaker_opts){ .open_ns = -1 } } },
        { "policy: limiter: per_second", { .limiter = &(keel_limiter_opts){ 0 } } },
        { "policy: bulkhead: max_wait_ns",
          { .bulkhead = &(keel_bulkhead_opts){ .max_wait_ns = -1 } } },
    };
    keel_policy *policy;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_names(keel_policy_new(&policy, &rows[i].opts), rows[i].text);
        assert_null(policy);
    }
}

static void its_clock_is_that_of_its_parts(void **state)
{
    (void)state;
    keel_clock *clock = flow_clock(), *own = flow_clock();
    keel_policy *policy;
    service s = { 0 };

    assert_ok(keel_policy_new(
        &policy,
        &(keel_policy_opts){ .clock = clock,
                             .limiter = &(keel_limiter_opts){ .per_second = 1, .burst = 1 },
                             .breaker = &(keel_breaker_opts){ .no_jitter = true } }));
    assert_ok(run(NULL, policy, &s));
    assert_err(run(NULL, policy, &s), KEEL_ERR_RATE_LIMITED);
    keel_clock_advance(clock, KEEL_S(1));
    assert_ok(run(NULL, policy, &s));
    keel_breaker_force(keel_policy_breaker(policy), KEEL_BREAKER_OPEN);
    keel_clock_advance(clock, KEEL_S(5));
    assert_ok(run(NULL, policy, &s));
    keel_policy_free(policy);

    assert_ok(keel_policy_new(
        &policy, &(keel_policy_opts){ .clock = clock,
                                      .limiter = &(keel_limiter_opts){
                                          .per_second = 1, .burst = 1, .clock = own } }));
    assert_ok(run(NULL, policy, &s));
    keel_clock_advance(clock, KEEL_S(1));
    assert_err(run(NULL, policy, &s), KEEL_ERR_RATE_LIMITED);
    keel_policy_free(policy);
    keel_clock_free(own);
    keel_clock_free(clock);
}

static void success_without_timeouts_allocates_nothing(void **state)
{
    (void)state;
    keel_policy *policy;
    service s = { 0 };

    assert_ok(keel_policy_new(
        &policy, &(keel_policy_opts){ .retry = &three_attempts,
                                      .breaker = &(keel_breaker_opts){ 0 },
                                      .limiter = &(keel_limiter_opts){ .per_second = 1000 },
                                      .bulkhead = &(keel_bulkhead_opts){ 0 },
                                      .fallback = fall }));
    const size_t before = support_mem_made();
    for (int i = 0; i < 100; i++)
        assert_ok(keel_policy_run(NULL, policy, serve, &s));
    assert_int_equal(support_mem_made(), before);
    keel_policy_free(policy);
}

static keel_err *use_all_of_it(void *arg)
{
    service s = { .failures = 4, .keeps = true };
    keel_policy *policy;
    keel_buf buf = { 0 };

    (void)arg;
    KEEL_TRY(keel_policy_new(
        &policy, &(keel_policy_opts){ .retry = &(keel_retry_opts){ .base_delay_ns = 1 },
                                      .breaker = &(keel_breaker_opts){ .window_calls = 2 },
                                      .limiter = &(keel_limiter_opts){ .per_second = 1e6 },
                                      .bulkhead = &(keel_bulkhead_opts){ 0 },
                                      .total_timeout_ns = KEEL_S(9),
                                      .attempt_timeout_ns = KEEL_S(9),
                                      .fallback = fall }));
    keel_err *err = run(NULL, policy, &s);
    if (keel_err_is(err, broken) || keel_err_is(err, KEEL_ERR_BREAKER_OPEN)) {
        keel_err_free(err);
        err = NULL;
    }
    keel_err *told = keel_policy_explain(policy, &buf);
    keel_buf_deinit(&buf);
    keel_policy_free(policy);
    return keel_err_join(err, told);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(use_all_of_it, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_call_passes_all_parts),
        support_test(it_explains_every_value),
        support_test(an_explanation_that_does_not_fit_leaves_no_trace),
        support_test(bad_options_are_named),
        support_test(its_clock_is_that_of_its_parts),
        support_test(success_without_timeouts_allocates_nothing),
        support_test(each_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
