/* SPDX-License-Identifier: MIT */

/* A test of somebody else's: an assertion of cmocka's that fails in a simulated task. */

#include <keel/keel.h>
#include <keel/test.h>

static keel_err *asserts(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    assert_int_equal(41, 42);
    return NULL;
}

static void the_simulation_finds_it(void **state)
{
    keel_sim_report *report = keel_sim_explore("asserts", asserts, NULL, NULL);

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_CHECK);
    keel_sim_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = { keel_test(the_simulation_finds_it) };

    keel_test_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
