/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <inttypes.h>

/* The values in the tables are what Go 1.19 gives for the same. */

static void durations_are_written_as_go_does(void **state)
{
    (void)state;
    const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        { INT64_C(0), "0s" },
        { INT64_C(1), "1ns" },
        { INT64_C(-1), "-1ns" },
        { INT64_C(999), "999ns" },
        { INT64_C(1000), "1\xC2\xB5s" },
        { INT64_C(1001), "1.001\xC2\xB5s" },
        { INT64_C(1100), "1.1\xC2\xB5s" },
        { INT64_C(999999), "999.999\xC2\xB5s" },
        { INT64_C(1000000), "1ms" },
        { INT64_C(2200000), "2.2ms" },
        { INT64_C(999999999), "999.999999ms" },
        { INT64_C(1000000000), "1s" },
        { INT64_C(1500000000), "1.5s" },
        { INT64_C(3300000000), "3.3s" },
        { INT64_C(59999999999), "59.999999999s" },
        { INT64_C(60000000000), "1m0s" },
        { INT64_C(245000000000), "4m5s" },
        { INT64_C(245001000000), "4m5.001s" },
        { INT64_C(3599999999999), "59m59.999999999s" },
        { INT64_C(3600000000000), "1h0m0s" },
        { INT64_C(3601000000000), "1h0m1s" },
        { INT64_C(18367001000000), "5h6m7.001s" },
        { INT64_C(4530918000000), "1h15m30.918s" },
        { INT64_C(360000000000000), "100h0m0s" },
        { INT64_C(86400000000000), "24h0m0s" },
        { INT64_C(480000000000001), "133h20m0.000000001s" },
        { INT64_C(-250000000), "-250ms" },
        { INT64_C(-1500000000), "-1.5s" },
        { INT64_MAX, "2562047h47m16.854775807s" },
        { INT64_MIN, "-2562047h47m16.854775808s" },
        { INT64_C(-9223372036854775807), "-2562047h47m16.854775807s" },
        { INT64_C(100000000), "100ms" },
        { INT64_C(10), "10ns" },
        { INT64_C(1000010), "1.00001ms" },
        { INT64_C(123456789), "123.456789ms" },
    };
    char buf[KEEL_DURATION_TEXT_BYTES];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ptr_equal(keel_duration_format(rows[i].ns, buf), buf);
        assert_string_equal(buf, rows[i].text);
        assert_string_equal(KEEL_DURATION_STR(rows[i].ns), rows[i].text);
    }
}

static void durations_are_read_as_go_does(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        { "0", INT64_C(0) },
        { "5s", INT64_C(5000000000) },
        { "30s", INT64_C(30000000000) },
        { "1478s", INT64_C(1478000000000) },
        { "-5s", INT64_C(-5000000000) },
        { "+5s", INT64_C(5000000000) },
        { "-0", INT64_C(0) },
        { "+0", INT64_C(0) },
        { "5.0s", INT64_C(5000000000) },
        { "5.6s", INT64_C(5600000000) },
        { "5.s", INT64_C(5000000000) },
        { ".5s", INT64_C(500000000) },
        { "1.0s", INT64_C(1000000000) },
        { "1.00s", INT64_C(1000000000) },
        { "1.004s", INT64_C(1004000000) },
        { "1.0040s", INT64_C(1004000000) },
        { "100.00100s", INT64_C(100001000000) },
        { "10ns", INT64_C(10) },
        { "11us", INT64_C(11000) },
        { "12\xC2\xB5s", INT64_C(12000) },
        { "12\xCE\xBCs", INT64_C(12000) },
        { "13ms", INT64_C(13000000) },
        { "14s", INT64_C(14000000000) },
        { "15m", INT64_C(900000000000) },
        { "16h", INT64_C(57600000000000) },
        { "3h30m", INT64_C(12600000000000) },
        { "10.5s4m", INT64_C(250500000000) },
        { "-2m3.4s", INT64_C(-123400000000) },
        { "1h2m3s4ms5us6ns", INT64_C(3723004005006) },
        { "39h9m14.425s", INT64_C(140954425000000) },
        { "52763797000ns", INT64_C(52763797000) },
        { "0.3333333333333333333h", INT64_C(1200000000000) },
        { "9007199254740993ns", INT64_C(9007199254740993) },
        { "9223372036854775807ns", INT64_MAX },
        { "9223372036854775.807us", INT64_MAX },
        { "9223372036s854ms775us807ns", INT64_MAX },
        { "-9223372036854775808ns", INT64_MIN },
        { "-9223372036854775.808us", INT64_MIN },
        { "-9223372036s854ms775us808ns", INT64_MIN },
        { "-2562047h47m16.854775808s", INT64_MIN },
        { "2562047h47m16.854775807s", INT64_MAX },
        { "0.100000000000000000000h", INT64_C(360000000000) },
        { "0.830103483285477580700h", INT64_C(2988372539827) },
        { "1.9ns", INT64_C(1) },
        { "0.9ns", INT64_C(0) },
        { "0.0000000019s", INT64_C(1) },
        { "0.9223372036854775809h", INT64_C(3320413933267) },
        { "0.92233720368547758089h", INT64_C(3320413933267) },
        { "0.9223372036854775799h", INT64_C(3320413933267) },
        { "1h1h", INT64_C(7200000000000) },
        { "00001s", INT64_C(1000000000) },
        { "0.99999999999999999999999h", INT64_C(3600000000000) },
        { "1.1234567895s", INT64_C(1123456789) },
        { "-.5h", INT64_C(-1800000000000) },
        { "0s", INT64_C(0) },
        { "0h", INT64_C(0) },
        { "9223372036854775807.9ns", INT64_MAX },
        { "9223372036854775807.99999ns0.5ns", INT64_MAX },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = 1;
        assert_ok(keel_duration_parse(&ns, rows[i].text));
        if (ns != rows[i].ns)
            fail_msg("%s was read as %" PRId64, rows[i].text, ns);
    }
}

static void assert_refused(const char *text, const keel_err *target)
{
    int64_t ns = 1;

    assert_err(keel_duration_parse(&ns, text), target);
    assert_int_equal(ns, 0);
}

static void what_is_no_duration_is_a_syntax_error(void **state)
{
    (void)state;
    const char *const rows[] = {
        "",
        "3",
        "-",
        "+",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "-1",
        "1.5",
        "1 s",
        " 1s",
        "1s ",
        "--1s",
        "+-1s",
        "1e3s",
        "0x1s",
        "1S",
        "1Ms",
        "1\xC2\xB5",
        "\x85\x85",
        "\xFF"
        "ff",
        "1m.",
        "1.2.3s",
        "s1",
        "1.s.",
        "0.",
        "00",
        "hello \xFF"
        "ff world",
        "1\xC2s",
        "1\xB5s",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i], KEEL_ERR_SYNTAX);
}

static void what_does_not_fit_is_a_range_error(void **state)
{
    (void)state;
    const char *const rows[] = {
        "9223372036854775808ns",
        "9223372036854775.808us",
        "9223372036854ms775us808ns",
        "-9223372036854775809ns",
        "9223372036854775810ns",
        "3000000h",
        "2562048h",
        "99999999999999999999s",
        "92233720368547758080ns",
        "1h9223372036854775807ns",
        "153722867280912930m",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i], KEEL_ERR_RANGE);
}

static void the_error_shows_the_text(void **state)
{
    (void)state;
    int64_t ns;
    keel_err *err = keel_duration_parse(&ns, "soon");

    assert_string_equal(KEEL_ERR_STR(err), "invalid duration \"soon\": syntax error");
    keel_err_free(err);
}

static void a_refusal_needs_no_memory(void **state)
{
    (void)state;
    int64_t ns;

    support_mem_fail(1, true);
    assert_ptr_equal(keel_duration_parse(&ns, "soon"), KEEL_ERR_SYNTAX);
    assert_ptr_equal(keel_duration_parse(&ns, "3000000h"), KEEL_ERR_RANGE);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    keel_rand rand;
    char buf[KEEL_DURATION_TEXT_BYTES];

    keel_rand_seed(&rand, 11);
    for (int i = 0; i < 20000; i++) {
        /* all magnitudes, and both signs */
        int64_t ns = (int64_t)keel_rand_u64(&rand) >> keel_rand_below(&rand, 63);
        int64_t back;
        assert_ok(keel_duration_parse(&back, keel_duration_format(ns, buf)));
        assert_true(back == ns);
    }
}

static void the_constants_are_nanoseconds(void **state)
{
    (void)state;

    assert_true(KEEL_NS(1) == 1);
    assert_true(KEEL_US(2) == 2 * INT64_C(1000));
    assert_true(KEEL_MS(250) == 250 * KEEL_US(1000));
    assert_true(KEEL_S(1) == KEEL_MS(1000));
    assert_true(KEEL_MIN(1) == KEEL_S(60));
    assert_true(KEEL_HOUR(1) == KEEL_MIN(60));
    assert_true(KEEL_HOUR(100000) == 100000 * INT64_C(3600) * 1000000000);
}

static void fractions_count(void **state)
{
    static const int64_t half_second_ns = KEEL_S(0.5);
    const double thirds = 1.0 / 3;

    (void)state;
    assert_true(half_second_ns == KEEL_MS(500));
    assert_true(KEEL_NS(1.9) == 1 && KEEL_NS(-1.9) == -1);
    assert_true(KEEL_US(0.25) == 250);
    assert_true(KEEL_MS(-1.5) == -1500000);
    assert_true(KEEL_S(thirds) == 333333333);
    assert_true(KEEL_MIN(0.5) == KEEL_S(30));
    assert_true(KEEL_HOUR(1.5) == KEEL_MIN(90));
    assert_true(KEEL_S(1 + 1) == KEEL_S(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(durations_are_written_as_go_does),
        support_test(durations_are_read_as_go_does),
        support_test(what_is_no_duration_is_a_syntax_error),
        support_test(what_does_not_fit_is_a_range_error),
        support_test(the_error_shows_the_text),
        support_test(a_refusal_needs_no_memory),
        support_test(what_is_written_is_read_back),
        support_test(the_constants_are_nanoseconds),
        support_test(fractions_count),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
