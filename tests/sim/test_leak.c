/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/sim.h>

/* What a run leaves behind is named by where it comes from. */

static keel_err *leave_an_error(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    *(keel_err **)arg = keel_err_new("lost %d", 3);
    keel_yield();
    return NULL;
}

static keel_err *leave_memory(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_yield();
    *(void **)arg = keel_mem_alloc(100);
    return NULL;
}

static void an_error_that_is_left_is_named_by_its_text_and_place(void **state)
{
    (void)state;
    keel_err *left;
    keel_sim_report *report = keel_sim_explore("leave_an_error", leave_an_error, &left, NULL);

    assert_int_equal(report->kind, KEEL_SIM_MEMORY_LEAK);
    assert_non_null(strstr(report->text, "1 allocation ("));
    assert_non_null(strstr(report->text, "the error \"lost 3\", made at tests/sim/test_leak.c:11"));
    keel_sim_report_free(report);
}

static void memory_that_is_left_is_named_by_its_task_and_place(void **state)
{
    (void)state;
    void *left;
    keel_sim_report *report = keel_sim_explore("leave_memory", leave_memory, &left, NULL);

    assert_int_equal(report->kind, KEEL_SIM_MEMORY_LEAK);
    assert_non_null(strstr(report->text, "one of 100 bytes was made by T1 'main'"));
    if (system("command -v addr2line >/dev/null") == 0)
        assert_non_null(strstr(report->text, "test_leak.c:20"));
    keel_sim_report_free(report);
}

static keel_err *leave_three(keel_ctx *ctx, void *arg)
{
    void **left = arg;

    (void)ctx;
    left[0] = keel_mem_alloc(31);
    left[1] = keel_mem_alloc(32);
    left[2] = keel_err_new("lost, too");
    return NULL;
}

static keel_err *leave_two(keel_ctx *ctx, void *arg)
{
    void **left = arg;

    KEEL_TRY(leave_three(ctx, arg));
    keel_err_free(left[2]);
    return NULL;
}

static void of_many_that_are_left_an_error_is_named_or_else_the_first(void **state)
{
    (void)state;
    void *left[3];
    keel_sim_report *report = keel_sim_explore("leave_three", leave_three, left, NULL);

    assert_non_null(strstr(report->text, "the error \"lost, too\""));
    keel_sim_report_free(report);
    report = keel_sim_explore("leave_two", leave_two, left, NULL);
    assert_non_null(
        strstr(report->text, "2 allocations (63 bytes) were not freed; one of 31 bytes"));
    keel_sim_report_free(report);
}

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static keel_err *forget_group(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, do_nothing, arg);
    return NULL;
}

static void a_group_that_is_not_waited_for_is_named(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_explore("forget_group", forget_group, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_MEMORY_LEAK);
    assert_non_null(strstr(report->text, "keel_group_wait was never called for the group made at "
                                         "tests/sim/test_leak.c:92"));
    keel_sim_report_free(report);
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(an_error_that_is_left_is_named_by_its_text_and_place),
        support_test(memory_that_is_left_is_named_by_its_task_and_place),
        support_test(of_many_that_are_left_an_error_is_named_or_else_the_first),
        support_test(a_group_that_is_not_waited_for_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
