/* SPDX-License-Identifier: MIT */

/* Each of these tests must fail, and say why. `failing NAME` runs one of them. */

#include <stdio.h>
#include <string.h>

#include <keel/keel.h>
#include <keel/test.h>

static void ok(void **state)
{
    (void)state;
    assert_ok(keel_err_wrap(keel_err_retain(KEEL_ERR_CLOSED), "load %d", 7));
}

static void err(void **state)
{
    (void)state;
    assert_err(keel_err_new("something else"), KEEL_ERR_CLOSED);
}

static void err_of_success(void **state)
{
    (void)state;
    assert_err(NULL, KEEL_ERR_CLOSED);
}

static void leak(void **state)
{
    (void)state;
    keel_err_free(keel_err_new("not left behind"));
    assert_non_null(keel_mem_alloc(123));
}

static void error_leak(void **state)
{
    (void)state;
    assert_non_null(keel_err_new("left behind"));
}

static keel_err *waits_for_nobody(keel_ctx *ctx, void *arg)
{
    keel_chan *chan;
    int item;

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof item, NULL));
    return keel_chan_recv(ctx, chan, &item);
}

static void sim(void **state)
{
    (void)state;
    assert_sim_ok(keel_sim_explore("nobody", waits_for_nobody, NULL, NULL));
}

static void cmocka(void **state)
{
    (void)state;
    assert_int_equal(6 * 7, 43);
}

static void cmocka_message(void **state)
{
    (void)state;
    fail_msg("for %s", "a reason");
}

static void cmocka_skips(void **state)
{
    (void)state;
    skip();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        keel_test(ok),
        keel_test(err),
        keel_test(err_of_success),
        keel_test(leak),
        keel_test(sim),
        keel_test(error_leak),
        keel_test(cmocka),
        keel_test(cmocka_message),
        keel_test(cmocka_skips),
    };

    keel_test_init();
    for (size_t i = 0; argc == 2 && i < sizeof tests / sizeof *tests; i++) {
        const struct CMUnitTest one[] = { tests[i] };

        if (strcmp(tests[i].name, argv[1]) == 0)
            return cmocka_run_group_tests(one, NULL, NULL);
    }
    fprintf(stderr, "usage: failing NAME\n");
    return 2;
}
