/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* keel_main in child processes: it handles signals, and prints. */

/* Where tasks or groups are left behind keel_main joins no thread: that is no mistake here. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}

static KEEL_ERR_DEFINE(err_bad_day, "a bad day");

typedef struct run {
    keel_task_fn fn;
    keel_runtime_opts opts;
    bool auto_advance; /* on a manual clock */
} run;

static void in_child(void *arg)
{
    run *r = arg;
    keel_clock *clock = NULL;

    if (r->auto_advance) {
        keel_err *err =
            keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true });
        if (err != NULL)
            abort();
        r->opts.clock = clock;
    }
    int status = keel_main_opts(r->fn, &r->opts, &r->opts);
    fprintf(stderr, "keel_main: %d\n", status);
}

/* Runs it in a child that must exit, and compares what it wrote. */
static void expect(run r, const char *expected)
{
    int status;
    const char *text = support_child(in_child, &r, &status);

    assert_string_equal(text, expected);
    assert_int_equal(status, 0);
}

/* ---- Results ---- */

static keel_err *succeed(keel_ctx *ctx, void *arg)
{
    check(arg != NULL && keel_ctx_err(ctx) == NULL);
    return keel_sleep(ctx, KEEL_US(10));
}

static keel_err *fail_badly(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return keel_err_wrap(keel_err_wrap(err_bad_day, "read"), "start");
}

static void success_is_0_and_prints_nothing(void **state)
{
    (void)state;
    for (unsigned workers = 0; workers <= 4; workers++)
        expect((run){ .fn = succeed, .opts = { .workers = workers } }, "keel_main: 0\n");
}

static void an_error_is_1_and_its_chain_is_printed(void **state)
{
    (void)state;
    expect((run){ .fn = fail_badly }, "error: start: read: a bad day\nkeel_main: 1\n");
}

static void an_option_out_of_range_is_an_error_like_any(void **state)
{
    run r = { .fn = succeed, .opts = { .workers = 5000 } };
    int status;

    (void)state;
    const char *text = support_child(in_child, &r, &status);
    assert_non_null(strstr(text, "error: "));
    assert_non_null(strstr(text, "workers 5000"));
    assert_non_null(strstr(text, "keel_main: 1\n"));
}

static void run_twice(void *arg)
{
    (void)arg;
    if (keel_main(succeed, &(int){ 0 }) != 0 || keel_main(fail_badly, NULL) != 1 ||
        keel_main(succeed, &(int){ 0 }) != 0)
        abort();
}

static void it_can_run_again(void **state)
{
    int status;

    (void)state;
    assert_string_equal(support_child(run_twice, NULL, &status), "error: start: read: a bad day\n");
    assert_int_equal(status, 0);
}

/* ---- Signals ---- */

static keel_err *see_signal(keel_ctx *ctx, int number, const char *name)
{
    kill(getpid(), number);
    keel_err *err = keel_sleep(ctx, KEEL_HOUR(1));
    keel_err *cause = keel_ctx_cause(ctx);
    bool named =
        keel_err_is(cause, KEEL_ERR_INTERRUPTED) && strstr(KEEL_ERR_STR(cause), name) != NULL;

    keel_err_free(cause);
    check(keel_err_is(err, KEEL_ERR_CANCELLED));
    check(named);
    return NULL;
}

static keel_err *see_sigint(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return see_signal(ctx, SIGINT, "SIGINT");
}

static keel_err *see_sigterm(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return see_signal(ctx, SIGTERM, "SIGTERM");
}

/* The main thread is busy with this task alone, which never lets go of it. */
static keel_err *see_sigint_busily(keel_ctx *ctx, void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
    while (keel_ctx_err(ctx) == NULL)
        keel_yield();
    return keel_ctx_cause(ctx);
}

static void the_first_signal_cancels_with_its_name_as_the_cause(void **state)
{
    (void)state;
    expect((run){ .fn = see_sigint }, "keel_main: 0\n");
    expect((run){ .fn = see_sigterm, .opts = { .workers = 1 } }, "keel_main: 0\n");
}

static void a_signal_reaches_a_main_task_that_only_yields(void **state)
{
    int status;
    run r = { .fn = see_sigint_busily, .opts = { .workers = 1 } };

    (void)state;
    const char *text = support_child(in_child, &r, &status);
    assert_non_null(strstr(text, "error: SIGINT"));
    assert_non_null(strstr(text, "keel_main: 1\n"));
}

/* The error is the context's own: why the context ended is printed too. */
static keel_err *be_interrupted(keel_ctx *ctx, void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
    return keel_err_wrap(keel_sleep(ctx, KEEL_HOUR(1)), "nap");
}

static keel_err *be_cancelled(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_ctx_cancel_cause(ctx, keel_err_retain(err_bad_day));
    return keel_ctx_err(ctx);
}

static keel_err *fail_when_interrupted(keel_ctx *ctx, void *arg)
{
    keel_err_free(be_interrupted(ctx, arg));
    return err_bad_day;
}

static void the_signal_is_printed_with_an_error_that_comes_of_it(void **state)
{
    (void)state;
    expect((run){ .fn = be_interrupted },
           "error: nap: context canceled (SIGINT: interrupted by a signal)\nkeel_main: 1\n");
    expect((run){ .fn = be_cancelled }, "error: context canceled\nkeel_main: 1\n");
    expect((run){ .fn = fail_when_interrupted }, "error: a bad day\nkeel_main: 1\n");
}

static keel_err *raise_twice(keel_ctx *ctx, void *arg)
{
    (void)arg;
    KEEL_TRY(see_signal(ctx, SIGINT, "SIGINT"));
    kill(getpid(), SIGTERM);
    keel_chan *never;
    KEEL_TRY(keel_chan_new(&never, 1, NULL));
    return keel_chan_recv(NULL, never, &(char){ 0 });
}

static void the_second_signal_ends_the_process(void **state)
{
    int status;

    (void)state;
    support_child(in_child, &(run){ .fn = raise_twice }, &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static keel_err *end_at_once(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static void run_then_raise(void *arg)
{
    (void)arg;
    if (keel_main(end_at_once, NULL) == 0)
        kill(getpid(), SIGINT);
}

static void after_it_signals_end_the_process_as_before(void **state)
{
    int status;

    (void)state;
    support_child(run_then_raise, NULL, &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* ---- Tasks left behind ---- */

static keel_err *wait_forever(keel_ctx *ctx, void *never)
{
    (void)ctx;
    return keel_chan_recv(NULL, never, &(char){ 0 });
}

/* Groups that nobody waits for: their tasks are on their own. */
static keel_err *leave_behind(keel_ctx *ctx, void *arg)
{
    keel_chan *never;
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .name = "lost" });

    (void)arg;
    KEEL_TRY(keel_chan_new(&never, 1, NULL));
    keel_group_go(group, wait_forever, never);
    keel_group_go(group, wait_forever, never);
    return NULL;
}

static void check_left_behind(const char *text)
{
    assert_non_null(strstr(text, "5 seconds after their context has ended 2 tasks still run: "));
    assert_non_null(strstr(text, "'lost' (started at tests/task/test_main.c:"));
    assert_null(strstr(text, "'main'"));
    assert_non_null(strstr(text, "keel_main: 1\n"));
}

static void tasks_left_behind_are_named_after_five_seconds(void **state)
{
    int status;

    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        run r = { .fn = leave_behind, .opts = { .workers = workers }, .auto_advance = true };
        check_left_behind(support_child(in_child, &r, &status));
    }
}

static void the_five_seconds_are_those_of_the_systems_clock_by_default(void **state)
{
    int status;

    (void)state;
    check_left_behind(support_child(in_child, &(run){ .fn = leave_behind }, &status));
}

/* Goes on for a second more than tasks are given after a signal; then the second one comes. */
static keel_err *be_deaf(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);
    keel_chan *never;

    (void)arg;
    KEEL_TRY(keel_chan_new(&never, 1, NULL));
    kill(getpid(), SIGTERM);
    keel_group_go(group, wait_forever, never);
    KEEL_TRY(keel_sleep(NULL, KEEL_S(6)));
    kill(getpid(), SIGINT);
    return keel_group_wait(group);
}

static void tasks_that_go_on_after_a_signal_are_named_after_five_seconds(void **state)
{
    const char *begin = "keel: 5 seconds after SIGTERM 2 tasks still run: ";
    int status;

    (void)state;
    const char *text = support_child(in_child, &(run){ .fn = be_deaf }, &status);
    assert_memory_equal(text, begin, strlen(begin));
    assert_non_null(strstr(text, "'main' (started at keel_main)"));
    assert_non_null(strstr(text, "'wait_forever' (started at tests/task/test_main.c:"));
    assert_non_null(strstr(text, "; a second signal ends the process\n"));
    assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text)); /* once, and nothing else */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* Keeps starting tasks, which end: that is no reason to wait on. */
static keel_err *breed(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        keel_group *group = keel_group_new(NULL, NULL);
        keel_group_go(group, end_at_once, NULL);
        keel_err_free(keel_err_join(keel_group_wait(group), keel_sleep(NULL, KEEL_S(1))));
    }
    return NULL;
}

static keel_err *leave_a_breeder(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, breed, NULL);
    return NULL;
}

static void tasks_that_end_do_not_prolong_the_five_seconds(void **state)
{
    int status;
    run r = { .fn = leave_a_breeder, .opts = { .workers = 2 }, .auto_advance = true };

    (void)state;
    const char *text = support_child(in_child, &r, &status);
    assert_non_null(strstr(text, "'breed' (started at tests/task/test_main.c:"));
    assert_non_null(strstr(text, "keel_main: 1\n"));
}

/* A task that needs a while after its context has ended is waited for. */
static keel_err *clean_up(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_err_free(keel_sleep(ctx, KEEL_HOUR(1))); /* its end is what it waits for */
    KEEL_TRY(keel_sleep(NULL, KEEL_S(4)));
    fprintf(stderr, "clean\n");
    return NULL;
}

static keel_err *leave_a_cleaner(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, clean_up, NULL);
    return NULL;
}

static void tasks_have_time_to_clean_up(void **state)
{
    (void)state;
    int status;
    run r = { .fn = leave_a_cleaner, .auto_advance = true };
    const char *text = support_child(in_child, &r, &status);
    assert_memory_equal(text, "clean\n", strlen("clean\n"));
    assert_null(strstr(text, "still run"));
}

static keel_err *forget_a_group(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, fail_badly, NULL);
    return keel_group_wait(keel_group_new(ctx, NULL));
}

static void a_group_that_was_never_waited_for_is_named(void **state)
{
    const char *begin = "keel: keel_group_wait was never called for the group made at "
                        "tests/task/test_main.c:";
    const char *end = ": start: read: a bad day\nkeel_main: 1\n";
    int status;

    (void)state;
    const char *text = support_child(in_child, &(run){ .fn = forget_a_group }, &status);
    assert_memory_equal(text, begin, strlen(begin));
    assert_non_null(strstr(text, end));
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(success_is_0_and_prints_nothing),
        support_test(an_error_is_1_and_its_chain_is_printed),
        support_test(an_option_out_of_range_is_an_error_like_any),
        support_test(it_can_run_again),
        support_test(the_first_signal_cancels_with_its_name_as_the_cause),
        support_test(a_signal_reaches_a_main_task_that_only_yields),
        support_test(the_signal_is_printed_with_an_error_that_comes_of_it),
        support_test(the_second_signal_ends_the_process),
        support_test(after_it_signals_end_the_process_as_before),
        support_test(tasks_left_behind_are_named_after_five_seconds),
        support_test(the_five_seconds_are_those_of_the_systems_clock_by_default),
        support_test(tasks_that_go_on_after_a_signal_are_named_after_five_seconds),
        support_test(tasks_that_end_do_not_prolong_the_five_seconds),
        support_test(tasks_have_time_to_clean_up),
        support_test(a_group_that_was_never_waited_for_is_named),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
