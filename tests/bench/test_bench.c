/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <errno.h>

/* ---- Calibration ---- */

static void the_count_grows_until_a_run_takes_long_enough(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .min_run_ns = KEEL_MS(1) });
    assert_int_equal(f.n[0], 1);
    assert_true(result.n >= 100000 && result.n <= 121000);
    for (size_t i = 1; i < f.calls - 5; i++)
        assert_true(f.n[i] > f.n[i - 1] && f.n[i] <= 100 * f.n[i - 1]);
    for (size_t i = f.calls - 5; i < f.calls; i++)
        assert_int_equal(f.n[i], result.n);
    assert_true(f.calls <= 10);
}

static void a_first_run_that_is_slow_by_chance_does_not_end_the_growth(void **state)
{
    (void)state;
    fake f = { .each_ns = 10, .later_ns = { 900000, 1000 } };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .min_run_ns = KEEL_MS(1) });
    assert_int_equal(f.n[1], 2);
    assert_true(result.n >= 100000);
}

static void one_operation_that_takes_long_is_enough(void **state)
{
    (void)state;
    fake f = { .each_ns = KEEL_S(1) };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, NULL);
    assert_int_equal(result.n, 1);
    assert_int_equal(f.calls, 1 + 5);
    assert_true(result.median == 1e9);
}

static void without_options_a_run_takes_100_ms(void **state)
{
    (void)state;
    fake f = { .each_ns = KEEL_MS(1) };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, NULL);
    assert_true(result.n >= 100 && result.n <= 121);
}

static void what_takes_no_time_ends_at_a_billion(void **state)
{
    (void)state;
    fake f = { 0 };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, NULL);
    assert_int_equal(result.n, 1000000000);
    assert_int_equal(f.calls, 6 + 5); /* 1, 100, ... 10^8, 10^9, and the runs */
    assert_true(result.median == 0 && result.mb_per_s == 0);
}

static void a_given_count_is_the_count_of_every_run(void **state)
{
    (void)state;
    fake f = { .each_ns = 1 };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .count = 7, .runs = 3 });
    assert_int_equal(f.calls, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f.n[i], 7);
    assert_int_equal(result.n, 7);
}

/* ---- The median ---- */

static void the_result_is_the_median_and_the_ends(void **state)
{
    (void)state;
    const struct {
        const char *name;
        unsigned runs;
        int64_t each_ns[6];
        double median, least, most;
    } rows[] = {
        { "one", 1, { 30 }, 30, 30, 30 },
        { "two", 2, { 30, 10 }, 20, 10, 30 },
        { "three", 3, { 30, 10, 11 }, 11, 10, 30 },
        { "four", 4, { 1000, 4, 8, 2 }, 6, 2, 1000 },
        { "as ever", 0, { 9, 7, 8, 1, 99 }, 8, 1, 99 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake f = { .each_ns = 1 };
        keel_bench_result result;

        print_message("%s\n", rows[i].name);
        memcpy(f.later_ns, rows[i].each_ns, sizeof rows[i].each_ns);
        fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .count = 4, .runs = rows[i].runs });
        assert_true(result.median == rows[i].median);
        assert_true(result.least == rows[i].least);
        assert_true(result.most == rows[i].most);
        assert_string_equal(result.unit, "ns/op");
    }
}

static void there_are_at_most_a_hundred_runs(void **state)
{
    (void)state;
    fake f = { .each_ns = 1 };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .count = 1, .runs = 101 });
    assert_int_equal(f.calls, KEEL_BENCH_RUNS_MAX);
}

/* ---- The timer ---- */

static void pass(keel_bench *b, int64_t time_ns)
{
    ((fake *)b->arg)->now_ns += time_ns;
}

static void in_parts(keel_bench *b)
{
    pass(b, 1000);
    keel_bench_reset(b);
    KEEL_BENCH_CHECK(keel_bench_elapsed_ns(b) == 0);
    pass(b, 7);
    KEEL_BENCH_CHECK(keel_bench_elapsed_ns(b) == 7);
    keel_bench_stop(b);
    pass(b, 2000);
    keel_bench_stop(b);
    KEEL_BENCH_CHECK(keel_bench_elapsed_ns(b) == 7);
    keel_bench_start(b);
    pass(b, 20);
    keel_bench_start(b);
    pass(b, 100);
    KEEL_BENCH_CHECK(keel_bench_elapsed_ns(b) == 127);
    keel_bench_stop(b);
    pass(b, 4000);
}

static void only_what_is_between_start_and_stop_is_timed(void **state)
{
    (void)state;
    fake f = { 0 };
    keel_bench_result result;

    fake_measure(&f, &result, in_parts, &(keel_bench_opts){ .count = 1 });
    assert_true(result.median == 127);
}

static void reset_while_stopped(keel_bench *b)
{
    pass(b, 10);
    keel_bench_stop(b);
    keel_bench_reset(b);
    pass(b, 3);
}

static void reset_starts_a_timer_that_was_stopped(void **state)
{
    (void)state;
    fake f = { 0 };
    keel_bench_result result;

    fake_measure(&f, &result, reset_while_stopped, &(keel_bench_opts){ .count = 1 });
    assert_true(result.median == 3);
}

/* ---- Bytes and metrics ---- */

static void of_a_thousand_bytes(keel_bench *b)
{
    keel_bench_bytes(b, 1000);
    fake_run(b);
}

static void bytes_give_megabytes_a_second(void **state)
{
    (void)state;
    fake f = { .later_ns = { 5, 10, 5000 } };
    keel_bench_result result;

    fake_measure(&f, &result, of_a_thousand_bytes, &(keel_bench_opts){ .count = 4, .runs = 3 });
    assert_true(result.mb_per_s == 1e5); /* 1000 bytes in 10 ns */
}

static void with_a_metric(keel_bench *b)
{
    of_a_thousand_bytes(b);
    keel_bench_metric(b, (double)((const fake *)b->arg)->calls, "B/elem");
}

static void a_metric_stands_for_the_time(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    keel_bench_result result;

    fake_measure(&f, &result, with_a_metric, &(keel_bench_opts){ .count = 4, .runs = 3 });
    assert_string_equal(result.unit, "B/elem");
    assert_true(result.median == 2 && result.least == 1 && result.most == 3);
    assert_true(result.mb_per_s == 1e5);
}

/* ---- The program ---- */

/* Three benchmarks on one clock; those with the same function differ in nothing. */
#define TABLE(f)                                                                                   \
    {                                                                                              \
        { fake_run, "copy", f, NULL }, { of_a_thousand_bytes, "copy_1k", f, "memcpy" },            \
        {                                                                                          \
            with_a_metric, "size", f, NULL                                                         \
        }                                                                                          \
    }

static void a_line_shows_all_there_is(void **state)
{
    (void)state;
    fake f = { .each_ns = 10, .later_ns = { 12 } };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "prog --count 3 --runs 3", table, 3), 0);
    assert_string_equal(o.out, "copy              3         10.00  ns/op  \xC2\xB1 20.0%\n"
                               "copy_1k           3         10.00  ns/op  \xC2\xB1  0.0%"
                               "   100000.00 MB/s\n"
                               "size              3          8.000 B/elem  \xC2\xB1 12.5%"
                               "   100000.00 MB/s\n");
    assert_string_equal(o.err, "");
}

static void the_point_stays_in_its_column(void **state)
{
    (void)state;
    const struct {
        int64_t each_ns;
        const char *text;
    } rows[] = {
        { 1234567, "   1234567     ns/op" }, { 1000, "      1000     ns/op" },
        { 999, "       999.0   ns/op" },     { 123, "       123.0   ns/op" },
        { 99, "        99.00  ns/op" },      { 10, "        10.00  ns/op" },
        { 9, "         9.000 ns/op" },       { 0, "         0.000 ns/op" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake f = { .each_ns = rows[i].each_ns };
        const keel_bench_entry table[] = { { fake_run, "x", &f, NULL } };
        fake_output o;

        assert_int_equal(fake_main(&f, &o, "prog --count 1", table, 1), 0);
        assert_non_null(strstr(o.out, rows[i].text));
    }
}

static void tab_separated_lines_have_four_fields(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "./some/prog --tsv --count 3 --runs 1", table, 2), 0);
    assert_string_equal(o.out, "copy\tprog\t10\tns/op\n"
                               "copy_1k\tmemcpy\t10\tns/op\n"
                               "copy_1k\tmemcpy\t100000\tMB/s\n");
    assert_int_equal(fake_main(&f, &o, "prog --tsv --count 3 --peer before", table, 1), 0);
    assert_string_equal(o.out, "copy\tbefore\t10\tns/op\n");
}

static void names_choose_by_any_part(void **state)
{
    (void)state;
    const struct {
        const char *words, *out;
    } rows[] = {
        { "prog --list", "copy\ncopy_1k\nsize\n" },
        { "prog --list copy", "copy\ncopy_1k\n" },
        { "prog --list 1k", "copy_1k\n" },
        { "prog --list ize 1k", "copy_1k\nsize\n" },
        { "prog --list copy op", "copy\ncopy_1k\n" },
    };
    fake f = { .each_ns = 10 };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(fake_main(&f, &o, rows[i].words, table, 3), 0);
        assert_string_equal(o.out, rows[i].out);
    }
    assert_int_equal(f.calls, 0);
    assert_int_equal(fake_main(&f, &o, "prog --count 2 --runs 4 _1k", table, 3), 0);
    assert_int_equal(f.calls, 4);
}

static void options_set_time_and_runs(void **state)
{
    (void)state;
    fake f = { .each_ns = KEEL_US(100) };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "prog --time 0.05s --runs 100 copy", table, 1), 0);
    assert_true(f.calls > 100 && f.calls < 108);
    assert_true(f.n[100] >= 500 && f.n[100] <= 605);
}

static void a_command_line_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const char *lines[] = {
        "prog --what",
        "prog --time",
        "prog --time 0s",
        "prog --time -1s",
        "prog --time soon",
        "prog --runs",
        "prog --runs 0",
        "prog --runs 101",
        "prog --runs 3x",
        "prog --runs -3",
        "prog --runs +3",
        "prog --count 0",
        "prog --count x",
        "prog --count",
        "prog --list --who",
        "prog --peer",
        "prog --tsv=1",
        "prog --runs 1e1",
        "prog --count 99999999999999999999999",
    };
    fake f = { .each_ns = 10 };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        print_message("%s\n", lines[i]);
        assert_int_equal(fake_main(&f, &o, lines[i], table, 3), 2);
        assert_non_null(strstr(o.err, "usage: prog [--time DURATION]"));
        assert_string_equal(o.out, "");
    }
    assert_int_equal(fake_main(&f, &o, "prog copied", table, 3), 2);
    assert_non_null(strstr(o.err, "prog: no benchmark of that name"));
    assert_int_equal(f.calls, 0);
}

static void a_program_needs_no_name(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "", table, 3), 0);
    assert_non_null(strstr(o.out, "size"));
}

static void an_old_errno_is_no_reason_to_refuse(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    const keel_bench_entry table[] = TABLE(&f);
    fake_output o;

    errno = ERANGE;
    assert_int_equal(fake_main(&f, &o, "prog --list --count 3", table, 3), 0);
}

/* Goes on until the clock does. */
static void wait_for_the_clock(keel_bench *b)
{
    for (int i = 0; i < 100000000 && keel_bench_elapsed_ns(b) == 0; i++)
        continue;
}

static void the_public_ones_use_the_real_clock(void **state)
{
    (void)state;
    static char program[] = "prog", list[] = "--list", unknown[] = "--unknown";
    const keel_bench_entry table[] = { { wait_for_the_clock, "listed", NULL, NULL } };
    keel_bench_result result;

    assert_int_equal(keel_bench_main(2, ((char *[]){ program, list, NULL }), table), 0);
    assert_int_equal(keel_bench_main(2, ((char *[]){ program, unknown, NULL }), table), 2);
    keel_bench_measure(&result, &table[0], &(keel_bench_opts){ .count = 1, .runs = 1 });
    assert_true(result.median > 0);
}

/* ---- Checks ---- */

static void computes_rubbish(keel_bench *b)
{
    KEEL_BENCH_CHECK(b->n + 1 == 2);
    KEEL_BENCH_OK(NULL);
    KEEL_BENCH_CHECK(b->n == 2);
}

static void fails(keel_bench *b)
{
    (void)b;
    KEEL_BENCH_OK(keel_err_wrap(KEEL_ERR_CLOSED, "send"));
}

static void run_in_child(void *run)
{
    fake f = { 0 };
    keel_bench_result result;

    fake_measure(&f, &result, *(keel_bench_fn *)run, &(keel_bench_opts){ .count = 1 });
    fputs("it went on", stderr);
}

static void a_benchmark_that_fails_ends_the_program(void **state)
{
    (void)state;
    int status;
    const char *text = support_child(run_in_child, &(keel_bench_fn){ computes_rubbish }, &status);

    assert_int_equal(status, 1 << 8);
    assert_non_null(strstr(text, "faked: tests/bench/test_bench.c:"));
    assert_non_null(strstr(text, "check failed: b->n == 2\n"));
    assert_null(strstr(text, "went on"));

    text = support_child(run_in_child, &(keel_bench_fn){ fails }, &status);
    assert_int_equal(status, 1 << 8);
    assert_non_null(strstr(text, "faked: tests/bench/test_bench.c:"));
    assert_non_null(strstr(text, "failed: send: "));
    assert_null(strstr(text, "went on"));
}

static void check_between(void *arg)
{
    run_in_child(&(keel_bench_fn){ fake_run });
    KEEL_BENCH_CHECK(arg != NULL);
}

static void a_check_outside_of_benchmarks_names_none(void **state)
{
    (void)state;
    int status;
    const char *text = support_child(check_between, NULL, &status);

    assert_int_equal(status, 1 << 8);
    assert_non_null(strstr(text, "benchmark: tests/bench/test_bench.c:"));
}

/* ---- Memory ---- */

static void with_another_allocator_nothing_is_counted(void **state)
{
    (void)state;
    fake f = { .each_ns = 10 };
    keel_bench_result result;

    assert_err(keel_bench_init(), KEEL_ERR_BUSY);
    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .count = 1, .runs = 1 });
    assert_false(result.counted);
    assert_int_equal(f.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(the_count_grows_until_a_run_takes_long_enough),
        support_test(a_first_run_that_is_slow_by_chance_does_not_end_the_growth),
        support_test(one_operation_that_takes_long_is_enough),
        support_test(without_options_a_run_takes_100_ms),
        support_test(what_takes_no_time_ends_at_a_billion),
        support_test(a_given_count_is_the_count_of_every_run),
        support_test(the_result_is_the_median_and_the_ends),
        support_test(there_are_at_most_a_hundred_runs),
        support_test(only_what_is_between_start_and_stop_is_timed),
        support_test(reset_starts_a_timer_that_was_stopped),
        support_test(bytes_give_megabytes_a_second),
        support_test(a_metric_stands_for_the_time),
        support_test(a_line_shows_all_there_is),
        support_test(the_point_stays_in_its_column),
        support_test(tab_separated_lines_have_four_fields),
        support_test(names_choose_by_any_part),
        support_test(options_set_time_and_runs),
        support_test(a_command_line_that_makes_no_sense_is_refused),
        support_test(a_program_needs_no_name),
        support_test(an_old_errno_is_no_reason_to_refuse),
        support_test(the_public_ones_use_the_real_clock),
        support_test(a_benchmark_that_fails_ends_the_program),
        support_test(a_check_outside_of_benchmarks_names_none),
        support_test(with_another_allocator_nothing_is_counted),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
