/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/sim.h>

/* Assertions in simulated tasks: keel/test.h's, and with keel::test_redirect cmocka's own, end the run,
 * and what they say is in the report. */

static void assert_sum(int sum)
{
    assert_int_equal(sum, 2);
}

static void assert_sum_by_message(int sum)
{
    if (sum != 2)
        fail_msg("the sum is %d", sum);
}

static void assert_sum_in_range(int sum)
{
    assert_in_range(sum, 2, 2);
}

static void assert_sum_as_text(int sum)
{
    assert_string_equal(sum == 2 ? "two" : "one", "two");
}

static void assert_sum_by_error(int sum)
{
    assert_ok(sum == 2 ? NULL : keel_err_new("the sum is %d", sum));
}

static void assert_sum_by_other_error(int sum)
{
    assert_err(sum == 2 ? keel_err_retain(KEEL_ERR_CLOSED) : keel_err_new("the sum is %d", sum),
               KEEL_ERR_CLOSED);
}

static void assert_sum_by_skipping(int sum)
{
    if (sum != 2)
        skip();
}

typedef struct counter {
    keel_mutex mutex;
    int value;
} counter;

/* Between the two locks another may add. */
static keel_err *add_one(keel_ctx *ctx, void *arg)
{
    counter *c = arg;

    (void)ctx;
    keel_mutex_lock(&c->mutex);
    int value = c->value;
    keel_mutex_unlock(&c->mutex);
    keel_mutex_lock(&c->mutex);
    c->value = value + 1;
    keel_mutex_unlock(&c->mutex);
    return NULL;
}

typedef struct assertion {
    void (*sum_is_two)(int sum);
    const char *says;
} assertion;

static keel_err *two_add(keel_ctx *ctx, void *arg)
{
    const assertion *a = arg;
    counter c = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, add_one, &c);
    keel_group_go(group, add_one, &c);
    KEEL_TRY(keel_group_wait(group));
    a->sum_is_two(c.value);
    return NULL;
}

static void a_failed_assertion_in_a_task_is_minimised_and_replays(void **state)
{
    static assertion assertions[] = {
        { assert_sum, "0x1 != 0x2" },
        { assert_sum_by_message, "the sum is 1" },
        { assert_sum_in_range, "1 is not within" },
        { assert_sum_as_text, "\"one\" != \"two\"" },
        { assert_sum_by_error, "the sum is 1\n    at " },
        { assert_sum_by_other_error, "instead of KEEL_ERR_CLOSED" },
        { assert_sum_by_skipping, "skipped" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof assertions / sizeof *assertions; i++) {
        assertion *a = &assertions[i];
        keel_sim_report *report = keel_sim_explore("two_add", two_add, a, NULL);

        assert_int_equal(report->kind, KEEL_SIM_CHECK);
        assert_int_equal(report->deviations, 1);
        if (strstr(report->text, a->says) == NULL ||
            strstr(report->text, "test_redirect.c:") == NULL ||
            strstr(report->text, "(fails)") == NULL)
            fail_msg("no \"%s\" in: %s", a->says, report->text);

        keel_sim_report *again = keel_sim_replay(report->replay, two_add, a, NULL);
        assert_int_equal(again->kind, KEEL_SIM_CHECK);
        assert_true(again->trace_hash == report->trace_hash);
        keel_sim_report_free(again);
        keel_sim_report_free(report);
    }
}

static keel_err *asserts_what_is_true(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    assert_ptr_equal(arg, NULL);
    assert_in_range(1, 1, 2);
    assert_ok(NULL);
    assert_err(keel_err_retain(KEEL_ERR_BUSY), KEEL_ERR_BUSY);
    return NULL;
}

static void true_assertions_in_a_task_pass(void **state)
{
    (void)state;
    assert_sim_ok(keel_sim_explore("true", asserts_what_is_true, NULL, NULL));
}

static void mock_asserts_expected_in_the_test_still_work(void **state)
{
    (void)state;
    expect_assert_failure(mock_assert(0, "no", __FILE__, __LINE__));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_failed_assertion_in_a_task_is_minimised_and_replays),
        support_test(true_assertions_in_a_task_pass),
        support_test(mock_asserts_expected_in_the_test_still_work),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
