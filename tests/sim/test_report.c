/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/sim.h>

#include "task/switch.h"

/* What reports say, to who reads them. */

/* The number of the line, for what a scenario does there. */
#define LINE(name) (name = __LINE__)

typedef struct lines {
    int made, first, second, wait;
} lines;

static lines at;

static bool has_addr2line(void)
{
    return system("command -v addr2line >/dev/null") == 0;
}

static void expect_text(const keel_sim_report *report, const char *format, ...) KEEL_PRINTF(2, 3);

static void expect_text(const keel_sim_report *report, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strstr(report->text, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, report->text);
}

static void expect_no_text(const keel_sim_report *report, const char *text)
{
    if (strstr(report->text, text) != NULL)
        fail_msg("\"%s\" in: %s", text, report->text);
}

/* ---- Deadlocks ---- */

static keel_mutex one, two;

static void reset(void *arg)
{
    (void)arg;
    one = two = (keel_mutex){ 0 };
}

static keel_err *lock_both(keel_ctx *ctx, void *arg)
{
    bool turned = arg != NULL;

    (void)ctx;
    keel_mutex_lock(turned ? &two : &one), LINE(at.first);
    keel_mutex_lock(turned ? &one : &two), LINE(at.second);
    keel_mutex_unlock(&one);
    keel_mutex_unlock(&two);
    return NULL;
}

static keel_err *two_orders(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    LINE(at.made), keel_group_go(group, lock_both, NULL);
    keel_group_go(group, lock_both, &two);
    keel_err *err = (LINE(at.wait), keel_group_wait(group));
    keel_sim_note("both are done"); /* the call above is no jump: its line can be told */
    return err;
}

static void a_deadlock_says_who_has_what_since_where(void **state)
{
    keel_sim_report *report =
        keel_sim_explore("orders", two_orders, NULL, &(keel_sim_opts){ .reset = reset });

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_DEADLOCK);
    expect_text(report, "\n  cycle: T2 --mutex 2--> T3 --mutex 1--> T2\n");
    expect_text(report, "\n  T2 'lock_both' (started at tests/sim/test_report.c:%d) waits",
                at.made);
    if (has_addr2line()) {
        expect_text(report, "\n  T1 'main' waits at test_report.c:%d: wait for group 1, made at ",
                    at.wait);
        expect_text(report,
                    " waits at test_report.c:%d: lock mutex 2, which T3 locked at "
                    "test_report.c:%d\n",
                    at.second, at.first);
    }
    expect_text(report, " lock mutex 1 ");
    expect_text(report, " go in group 1 ");
    keel_sim_report_free(report);
}

static keel_err *receive_from_nobody(keel_ctx *ctx, void *arg)
{
    keel_chan *none, *chan;
    int item;

    (void)ctx;
    (void)arg;
    KEEL_TRY(keel_chan_new(&none, sizeof item, NULL));
    KEEL_TRY((LINE(at.made), keel_chan_new(&chan, sizeof item, NULL)));
    keel_chan_close(none);
    return keel_chan_recv(NULL, chan, &item);
}

static void a_channel_that_is_waited_for_is_known_by_number_and_origin(void **state)
{
    keel_sim_report *report = keel_sim_explore("nobody", receive_from_nobody, NULL, NULL);

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_DEADLOCK);
    expect_text(report, ": receive from channel 2");
    expect_text(report, "close channel 1");
    if (has_addr2line())
        expect_text(report, ": receive from channel 2, made at test_report.c:%d\n", at.made);
    keel_sim_report_free(report);
}

static keel_err *take_one(keel_ctx *ctx, void *arg)
{
    int item;

    (void)ctx;
    return keel_chan_recv(NULL, arg, &item);
}

static keel_err *send_one(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return keel_chan_send(NULL, arg, &(int){ 1 });
}

static keel_err *too_few_items(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);
    keel_chan *chan;

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof(int), NULL));
    keel_group_go(group, send_one, chan);
    keel_group_go(group, take_one, chan);
    keel_group_go(group, take_one, chan);
    return keel_group_wait(group);
}

static void who_used_what_is_waited_for_is_shown_though_it_has_ended(void **state)
{
    keel_sim_report *report = keel_sim_explore("few", too_few_items, NULL, NULL);

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_DEADLOCK);
    expect_text(report, "T2 send_one");
    expect_text(report, "send to channel 1");
    keel_sim_report_free(report);
}

/* ---- Where ---- */

static keel_err *unlock_unlocked(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_yield();
    LINE(at.first), keel_mutex_unlock(&one);
    return NULL;
}

static keel_err *call_abort(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_yield();
    LINE(at.first), abort();
}

static keel_err *use_null(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    LINE(at.first), *(volatile int *)arg = 1;
    return NULL;
}

/* The C library has no lines. */
static keel_err *let_the_library_use_null(keel_ctx *ctx, void *arg)
{
    char *(*volatile copy)(char *, const char *) = strcpy;

    (void)ctx;
    LINE(at.first), copy(arg, "crash");
    return NULL;
}

static volatile bool never;

static keel_err *compute_for_ever(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    LINE(at.first);
    while (!never)
        ;
    return NULL;
}

static void misuse_and_crashes_name_the_line(void **state)
{
    static const struct {
        keel_task_fn fn;
        keel_sim_kind kind;
        int below; /* the line is this much lower */
    } rows[] = { { unlock_unlocked, KEEL_SIM_MISUSE, 0 },
                 { call_abort, KEEL_SIM_CRASH, 0 },
                 { use_null, KEEL_SIM_CRASH, 0 },
                 { let_the_library_use_null, KEEL_SIM_CRASH, 0 },
                 { compute_for_ever, KEEL_SIM_LIVELOCK, 1 } };

    (void)state;
    if (KEEL__ASAN || KEEL__TSAN)
        skip(); /* they report crashes themselves */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keel_sim_report *report =
            keel_sim_explore("where", rows[i].fn, NULL, &(keel_sim_opts){ .reset = reset });

        assert_int_equal(report->kind, rows[i].kind);
        if (rows[i].kind == KEEL_SIM_MISUSE)
            expect_text(report, "keel_mutex_unlock: mutex 1 is not the caller's");
        if (has_addr2line())
            expect_text(report, "tests/sim/test_report.c:%d\n", at.first + rows[i].below);
        keel_sim_report_free(report);
    }
}

static keel_err *fail_twice(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    LINE(at.first);
    return keel_err_wrap(keel_err_new("the disk is gone"), "load %d", 7);
}

static void an_error_is_told_with_the_places_of_its_links(void **state)
{
    keel_sim_report *report = keel_sim_run("error", fail_twice, NULL, NULL);

    (void)state;
    expect_text(report, "load 7: the disk is gone\n  at tests/sim/test_report.c:%d\n  at tests/",
                at.first + 1);
    keel_sim_report_free(report);
}

/* ---- Choices ---- */

static keel_err *choose(keel_ctx *ctx, void *arg)
{
    bool rare = keel_sim_buggify("the rare path");
    uint64_t die = keel_sim_rand(6);
    void *block = keel_mem_alloc(10);
    bool got = block != NULL;

    (void)ctx;
    (void)arg;
    keel_mem_free(block);
    KEEL_CHECK(!rare || die != 4 || got);
    return NULL;
}

static void choices_that_matter_are_told(void **state)
{
    keel_sim_report *report = keel_sim_explore(
        "choices", choose, NULL,
        &(keel_sim_opts){ .strategy = KEEL_SIM_EXHAUSTIVE, .bound = 3, .faults = true });

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_CHECK);
    assert_int_equal(report->deviations, 3);
    expect_text(report, " (buggify: the rare path)\n");
    expect_text(report, " (chooses 4, of 0 to 5)\n");
    expect_text(report, " (no memory)\n");
    keel_sim_report *again =
        keel_sim_replay(report->replay, choose, NULL, &(keel_sim_opts){ .faults = true });
    assert_int_equal(again->trace_hash, report->trace_hash);
    keel_sim_report_free(again);
    keel_sim_report_free(report);
}

static int calls;

static keel_err *every_other_yields(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_mutex_lock(&one);
    keel_mutex_unlock(&one);
    if (calls++ % 2 == 1)
        LINE(at.first), keel_yield();
    return NULL;
}

static void the_first_difference_between_equal_runs_is_told(void **state)
{
    keel_sim_report *report =
        keel_sim_explore("static", every_other_yields, NULL, &(keel_sim_opts){ .reset = reset });

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_NONDETERMINISM);
    expect_text(report, "\n  first difference, at event 3: T1: ");
    expect_text(report, "\n  in the other run: T1: ");
    expect_text(report, "T1: (ends), 0s");
    expect_text(report, "T1: yield");
    if (has_addr2line())
        expect_text(report, "tests/sim/test_report.c:%d, 0s", at.first);
    keel_sim_report_free(report);
}

/* ---- What is left out ---- */

static int number;

static keel_err *count_up(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_err_free(keel_ctx_err(ctx));
    int before = number;
    keel_err_free(keel_ctx_err(ctx));
    number = before + 1;
    keel_err_free(keel_ctx_err(ctx));
    return NULL;
}

static keel_err *count_two(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    number = 0;
    keel_group_go(group, count_up, arg);
    keel_group_go(group, count_up, arg);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(number == 2);
    return NULL;
}

/* Three questions each: the first is where a task begins, and one is where a task goes on. */
static void idle_questions_are_left_out_and_those_after_a_switch_are_not(void **state)
{
    size_t count = 0;
    keel_sim_report *report = keel_sim_explore("questions", count_two, NULL, NULL);

    (void)state;
    assert_int_equal(report->kind, KEEL_SIM_CHECK);
    for (const char *text = report->text; (text = strstr(text, "ended? context 1")) != NULL; text++)
        count++;
    assert_int_equal(count, 3);
    expect_text(report, ">ended? context 1");
    expect_no_text(report, " ended? context 1");
    keel_sim_report_free(report);
}

/* ---- The environment ---- */

static keel_err *nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static void explore_two(void *arg)
{
    const char *const *variable = arg;

    setenv(variable[0], variable[1], 1);
    keel_sim_opts few = { .max_runs = 3 };
    keel_sim_report_free(keel_sim_explore("shop", nothing, NULL, &few));
    keel_sim_report_free(keel_sim_explore("shop:two", nothing, NULL, &few));
    exit(0);
}

static const char *errors_with(const char *variable, const char *value)
{
    const char *pair[] = { variable, value };
    int status;

    return support_child(explore_two, pair, &status);
}

static void a_replay_for_no_scenario_is_told_of_at_the_end(void **state)
{
    (void)state;
    assert_string_equal(errors_with("KEEL_SIM_REPLAY", "bank:2@3>3"),
                        "keel_sim: KEEL_SIM_REPLAY='bank:2@3>3' replayed nothing: no scenario is "
                        "called 'bank'. Explored: 'shop' 'shop:two'\n");
    assert_string_equal(errors_with("KEEL_SIM_REPLAY", "shop"),
                        "keel_sim: KEEL_SIM_REPLAY='shop' replayed nothing: no colon ends a name "
                        "in 'shop'. Explored: 'shop' 'shop:two'\n");
    assert_string_equal(errors_with("KEEL_SIM_REPLAY", "shop:two:"), "");
    assert_string_equal(errors_with("KEEL_SIM_REPLAY", "shop:2@3>3"), "");
}

static void a_replay_is_for_the_whole_name(void **state)
{
    (void)state;
    setenv("KEEL_SIM_REPLAY", "shop:two:", 1);
    keel_sim_report *report =
        keel_sim_explore("shop", nothing, NULL, &(keel_sim_opts){ .max_runs = 10 });
    unsetenv("KEEL_SIM_REPLAY");
    assert_true(report->runs >= 10);
    keel_sim_report_free(report);
}

static void what_is_no_number_is_told_of(void **state)
{
    (void)state;
    assert_non_null(strstr(errors_with("KEEL_SIM_SEED", "x"), "KEEL_SIM_SEED='x' is not a number"));
    assert_non_null(strstr(errors_with("KEEL_SIM_RUNS", "-1"), "KEEL_SIM_RUNS='-1' is not a"));
    assert_non_null(strstr(errors_with("KEEL_SIM_RUNS", ""), "KEEL_SIM_RUNS='' is not a number"));
    assert_string_equal(errors_with("KEEL_SIM_RUNS", "7"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_deadlock_says_who_has_what_since_where),
        support_test(a_channel_that_is_waited_for_is_known_by_number_and_origin),
        support_test(who_used_what_is_waited_for_is_shown_though_it_has_ended),
        support_test(misuse_and_crashes_name_the_line),
        support_test(an_error_is_told_with_the_places_of_its_links),
        support_test(choices_that_matter_are_told),
        support_test(the_first_difference_between_equal_runs_is_told),
        support_test(idle_questions_are_left_out_and_those_after_a_switch_are_not),
        support_test(a_replay_for_no_scenario_is_told_of_at_the_end),
        support_test(a_replay_is_for_the_whole_name),
        support_test(what_is_no_number_is_told_of),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
