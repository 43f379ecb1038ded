/* SPDX-License-Identifier: MIT */
/*
 * Many cases of one function in a table, each a test with a name of its own.
 *
 * Shows:  cmocka's tests with keel::test: each row is one, assert_ok and assert_err say what was returned
 *         and where it was made, and an error or allocation that is left behind fails the test that did.
 * Run:    ./table_tests
 * Prints: a line for each case, and how many passed
 */
#include <keel/keel.h>
#include <keel/test.h>

/* The function under test. */
static keel_err *divide(double a, double b, double *quotient)
{
    *quotient = 0;
    if (b == 0)
        return keel_err_wrap(KEEL_ERR_INVAL, "divide %g by zero", a);
    *quotient = a / b;
    return NULL;
}

typedef struct divide_case {
    const char *name;
    double a, b, want;
    keel_err *want_err; /* NULL: none */
} divide_case;

static divide_case cases[] = {
    { .name = "normal division", .a = 10, .b = 2, .want = 5 },
    { .name = "decimal result", .a = 7, .b = 2, .want = 3.5 },
    { .name = "negative result", .a = -9, .b = 3, .want = -3 },
    { .name = "divide by zero", .a = 10, .b = 0, .want_err = KEEL_ERR_INVAL },
};
#define CASES (sizeof cases / sizeof cases[0])

static void divides(void **state)
{
    const divide_case *c = *state;
    double got;

    if (c->want_err != NULL) {
        assert_err(divide(c->a, c->b, &got), c->want_err);
    } else {
        assert_ok(divide(c->a, c->b, &got));
        assert_true(got == c->want);
    }
}

int main(void)
{
    struct CMUnitTest tests[CASES];

    keel_test_init();
    for (size_t i = 0; i < CASES; i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, divides, keel_test_setup, keel_test_teardown,
                                        &cases[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
