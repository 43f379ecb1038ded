/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

KEEL_FUZZ_SEEDS("a", "b");
KEEL_FUZZ(nothing)
{
    (void)data;
    (void)size;
}

static void passes(void **state)
{
    (void)state;
    assert_ok(NULL);
    assert_err(KEEL_ERR_CLOSED, KEEL_ERR_CLOSED);
    assert_sim_ok(keel_sim_run("nothing", NULL, NULL, NULL));
}

int keel_check_test(void);
int keel_check_test(void)
{
    const struct CMUnitTest tests[] = { keel_test(passes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
