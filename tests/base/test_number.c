/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>

#include "text_rig.h"

/* How many doubles are compared with what the C library makes of them. */
static size_t doubles(void)
{
    return getenv("KEEL_TEST_LONG") != NULL ? 10000000 : 300000;
}

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Of all magnitudes, of ordinary ones, with few digits, near powers of two, and halves of a last place. */
static double some_double(keel_rand *rand)
{
    uint64_t bits = keel_rand_u64(rand);
    double value;

    switch (keel_rand_below(rand, 6)) {
    case 0:
        return (double)(int64_t)(bits >> keel_rand_below(rand, 64)) /
               pow(10, (double)keel_rand_below(rand, 23));
    case 1:
        return ldexp(1, (int)keel_rand_between(rand, -1074, 1023));
    case 2:
        bits = (bits & ~(UINT64_MAX >> 12)) + keel_rand_below(rand, 5) - 2;
        break;
    case 3:
        return ldexp((double)keel_rand_between(rand, -4000, 4000), -(int)keel_rand_below(rand, 20));
    case 4:
        return (double)keel_rand_between(rand, -100000000, 100000000) / 1000;
    default:
        break;
    }
    value = from_bits(bits);
    return isfinite(value) ? value : (double)bits;
}

static keel_err *read_any(keel_str str, double *value)
{
    return keel_str_to_double(str, -DBL_MAX, DBL_MAX, value);
}

/* ---- Whole numbers ---- */

static void whole_numbers_are_written_as_printf_does(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    char want[64];
    keel_rand rand;
    uint64_t value = 1;

    keel_rand_seed(&rand, 3);
    for (size_t round = 0; round < rig_rounds(); round++) {
        if (round < 20) /* 9, 10, 11, 99, ... */
            value *= 10;
        else if (round < 64)
            value = UINT64_C(1) << round;
        else
            value = keel_rand_u64(&rand) >> keel_rand_below(&rand, 64);
        for (uint64_t near = value - 1; near != value + 2; near++) {
            unsigned digits = (unsigned)keel_rand_below(&rand, 18);
            int64_t back_i;
            uint64_t back_u;

            keel_buf_clear(&buf);
            assert_ok(keel_buf_append_u64(&buf, near));
            snprintf(want, sizeof want, "%" PRIu64, near);
            assert_string_equal(keel_buf_text(&buf), want);
            assert_ok(keel_str_to_u64(keel_buf_str(&buf), near, near, &back_u));
            assert_true(back_u == near);

            keel_buf_clear(&buf);
            assert_ok(keel_buf_append_i64(&buf, (int64_t)near));
            snprintf(want, sizeof want, "%" PRId64, (int64_t)near);
            assert_string_equal(keel_buf_text(&buf), want);
            assert_ok(keel_str_to_i64(keel_buf_str(&buf), (int64_t)near, (int64_t)near, &back_i));
            assert_true(back_i == (int64_t)near);

            keel_buf_clear(&buf);
            assert_ok(keel_buf_append_hex(&buf, near, digits));
            snprintf(want, sizeof want, "%0*" PRIx64, digits > 16 ? 16 : (int)digits, near);
            assert_string_equal(keel_buf_text(&buf), want);
            assert_ok(keel_str_to_u64_base(keel_buf_str(&buf), 16, 0, UINT64_MAX, &back_u));
            assert_true(back_u == near);
        }
    }
    keel_buf_deinit(&buf);
}

static void every_base_is_read_as_strtoull_does(void **state)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+";
    char text[70];
    keel_rand rand;

    (void)state;
    keel_rand_seed(&rand, 4);
    for (size_t round = 0; round < rig_rounds(); round++) {
        int base = (int)keel_rand_between(&rand, 2, 36);
        size_t len = 1 + (size_t)keel_rand_below(&rand, keel_rand_below(&rand, 4) == 0 ? 65 : 12);
        size_t some = keel_rand_below(&rand, 8) == 0 ? sizeof digits - 1 : (size_t)base;
        for (size_t i = 0; i < len; i++)
            text[i] = digits[keel_rand_below(&rand, some)];
        text[len] = '\0';

        char *end;
        uint64_t got;
        errno = 0;
        uint64_t want = strtoull(text, &end, base);
        keel_err *err = keel_str_to_u64_base(rig_str(text), base, 0, UINT64_MAX, &got);
        /* strtoull knows a sign, and a prefix that base 16 says anyway */
        if (*end != '\0' || text[0] == '+' || (base == 16 && len > 1 && text[1] == 'x')) {
            assert_err(err, KEEL_ERR_SYNTAX);
        } else if (errno == ERANGE) {
            assert_err(err, KEEL_ERR_RANGE);
            assert_true(got == 0);
        } else {
            assert_ok(err);
            assert_true(got == want);
        }
    }
}

static void whole_numbers_have_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int base;
        int64_t value;
    } rows[] = {
        { "0", 10, 0 },  { "+7", 10, 7 },    { "-7", 10, -7 },    { "007", 10, 7 },
        { "-0", 10, 0 }, { "0x1F", 0, 31 },  { "-0X1f", 0, -31 }, { "0b101", 0, 5 },
        { "0B1", 0, 1 }, { "0o17", 0, 15 },  { "0O7", 0, 7 },     { "017", 0, 17 },
        { "12", 0, 12 }, { "zz", 36, 1295 }, { "Zz", 36, 1295 },  { "-1", 2, -1 },
        { "0", 0, 0 },   { "1F", 16, 31 },   { "0b1", 16, 0xB1 },
    };
    static const char *const wrong[] = { "",    "-",   "+",   " 1",   "1 ",   "1.0", "0x1", "--1",
                                         "1_0", "1e3", "+-1", "\xB2", "1\0b", "a",   "/",   ":" };
    static const char *const wrong_prefixed[] = { "0x", "0xg", "0b2", "0o8", "0b", "0X", "x1" };
    int64_t got;
    uint64_t unsigned_got;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(
            keel_str_to_i64_base(rig_str(rows[i].text), rows[i].base, INT64_MIN, INT64_MAX, &got));
        assert_true(got == rows[i].value);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        keel_str str = { wrong[i], i == 12 ? 3 : strlen(wrong[i]) };
        got = 1;
        assert_err(keel_str_to_i64(str, INT64_MIN, INT64_MAX, &got), KEEL_ERR_SYNTAX);
        assert_true(got == 0);
        unsigned_got = 1;
        assert_err(keel_str_to_u64(str, 0, UINT64_MAX, &unsigned_got), KEEL_ERR_SYNTAX);
        assert_true(unsigned_got == 0);
    }
    for (size_t i = 0; i < sizeof wrong_prefixed / sizeof wrong_prefixed[0]; i++)
        assert_err(keel_str_to_i64_base(rig_str(wrong_prefixed[i]), 0, INT64_MIN, INT64_MAX, &got),
                   KEEL_ERR_SYNTAX);
    assert_err(keel_str_to_u64(KEEL_STR("+1"), 0, 9, &unsigned_got), KEEL_ERR_SYNTAX);
    assert_err(keel_str_to_i64((keel_str){ NULL, 0 }, 0, 9, &got), KEEL_ERR_SYNTAX);
    assert_err(keel_str_to_i64_base(KEEL_STR("1"), 1, 0, 9, &got), KEEL_ERR_INVAL);
    assert_err(keel_str_to_i64_base(KEEL_STR("1"), 37, 0, 9, &got), KEEL_ERR_INVAL);
    assert_err(keel_str_to_u64_base(KEEL_STR("1"), -2, 0, 9, &unsigned_got), KEEL_ERR_INVAL);
}

static void ranges_are_kept(void **state)
{
    (void)state;
    int64_t got = 1;
    uint64_t unsigned_got = 1;
    double real = 1;

    assert_ok(keel_str_to_i64(KEEL_STR("-5"), -5, 5, &got));
    assert_true(got == -5);
    assert_err(keel_str_to_i64(KEEL_STR("-6"), -5, 5, &got), KEEL_ERR_RANGE);
    assert_true(got == 0);
    assert_err(keel_str_to_i64(KEEL_STR("6"), -5, 5, &got), KEEL_ERR_RANGE);
    assert_ok(keel_str_to_i64(KEEL_STR("9223372036854775807"), 0, INT64_MAX, &got));
    assert_true(got == INT64_MAX);
    assert_ok(keel_str_to_i64(KEEL_STR("-9223372036854775808"), INT64_MIN, 0, &got));
    assert_true(got == INT64_MIN);
    assert_err(keel_str_to_i64(KEEL_STR("9223372036854775808"), INT64_MIN, INT64_MAX, &got),
               KEEL_ERR_RANGE);
    assert_err(keel_str_to_i64(KEEL_STR("-9223372036854775809"), INT64_MIN, INT64_MAX, &got),
               KEEL_ERR_RANGE);
    assert_err(keel_str_to_u64(KEEL_STR("4"), 5, 9, &unsigned_got), KEEL_ERR_RANGE);
    assert_err(keel_str_to_u64(KEEL_STR("10"), 5, 9, &unsigned_got), KEEL_ERR_RANGE);
    assert_true(unsigned_got == 0);
    assert_ok(keel_str_to_u64(KEEL_STR("18446744073709551615"), 5, UINT64_MAX, &unsigned_got));
    assert_true(unsigned_got == UINT64_MAX);
    assert_err(keel_str_to_u64(KEEL_STR("18446744073709551616"), 0, UINT64_MAX, &unsigned_got),
               KEEL_ERR_RANGE);
    /* a wrong digit counts, also behind too many */
    assert_err(keel_str_to_u64(KEEL_STR("99999999999999999999x"), 0, UINT64_MAX, &unsigned_got),
               KEEL_ERR_SYNTAX);
    assert_ok(keel_str_to_double(KEEL_STR("1.5"), 1.5, 1.5, &real));
    assert_true(real == 1.5);
    assert_err(keel_str_to_double(KEEL_STR("1.5"), 1.6, 2, &real), KEEL_ERR_RANGE);
    assert_true(real == 0);
    assert_err(keel_str_to_double(KEEL_STR("1.5"), 0, 1.4, &real), KEEL_ERR_RANGE);
    assert_err(keel_str_to_double(KEEL_STR("1e309"), -INFINITY, INFINITY, &real), KEEL_ERR_RANGE);
}

static void errors_show_text_and_range(void **state)
{
    static char digits[100];
    int64_t got;
    double real;
    keel_err *err;

    (void)state;
    err = keel_str_to_i64(KEEL_STR("ten"), 0, 9, &got);
    assert_string_equal(KEEL_ERR_STR(err), "invalid number \"ten\": syntax error");
    keel_err_free(err);
    err = keel_str_to_i64(KEEL_STR("300"), -1, 255, &got);
    assert_string_equal(KEEL_ERR_STR(err), "number \"300\" is not from -1 to 255: out of range");
    keel_err_free(err);
    err = keel_str_to_double(KEEL_STR("2"), 0.5, 1, &real);
    assert_string_equal(KEEL_ERR_STR(err), "number \"2\" is not from 0.5 to 1: out of range");
    keel_err_free(err);
    memset(digits, '7', sizeof digits);
    err = keel_str_to_i64((keel_str){ digits, sizeof digits }, 0, 9, &got);
    assert_int_equal(keel_err_format(err, NULL, 0),
                     strlen("number \"\" is not from 0 to 9: out of range") + 40);
    keel_err_free(err);
    support_mem_fail(1, true);
    assert_ptr_equal(keel_str_to_i64(KEEL_STR("ten"), 0, 9, &got), KEEL_ERR_SYNTAX);
    assert_ptr_equal(keel_str_to_double(KEEL_STR("2"), 0, 1, &real), KEEL_ERR_RANGE);
}

/* ---- Writing doubles ---- */

/* The digits without point, exponent and zeros. */
static size_t digits_in(const char *text)
{
    size_t digits = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0' && digits > 0)
            zeros++;
        else if (*text >= '1' && *text <= '9')
            digits += 1 + zeros, zeros = 0;
    }
    return digits;
}

/* It reads back, no %.*e with fewer digits does, and one with as many is no nearer. */
static void check_shortest(double value, keel_buf *buf)
{
    char other[64];
    double back;

    keel_buf_clear(buf);
    assert_ok(keel_buf_append_double(buf, value));
    if (strtod(buf->ptr, NULL) != value || signbit(strtod(buf->ptr, NULL)) != signbit(value))
        fail_msg("%.17g is written as %s", value, buf->ptr);
    size_t digits = digits_in(buf->ptr);
    if (digits > 1) {
        snprintf(other, sizeof other, "%.*e", (int)digits - 2, value);
        if (strtod(other, NULL) == value)
            fail_msg("%s is shorter than %s", other, buf->ptr);
    }
    if (digits > 0) {
        snprintf(other, sizeof other, "%.*e", (int)digits - 1, value);
        if (strtod(other, NULL) == value && digits_in(other) < digits)
            fail_msg("%s is shorter than %s", other, buf->ptr);
    }
    if (read_any(keel_buf_str(buf), &back) != NULL || back != value ||
        signbit(back) != signbit(value))
        fail_msg("%s is read as %.17g", buf->ptr, back);
}

static void doubles_are_written_as_shortly_as_they_read_back(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    keel_rand rand;

    keel_rand_seed(&rand, 5);
    for (size_t round = doubles(); round > 0; round--)
        check_shortest(some_double(&rand), &buf);
    for (int exponent = 0; exponent < 2047; exponent++) { /* every power in the table */
        uint64_t bits = (uint64_t)exponent << 52;
        check_shortest(from_bits(bits), &buf);
        check_shortest(from_bits(bits + 1), &buf);
        check_shortest(-from_bits(bits | (keel_rand_u64(&rand) >> 12)), &buf);
        check_shortest(from_bits(bits | UINT64_MAX >> 12), &buf);
    }
    keel_buf_deinit(&buf);
}

static void doubles_have_the_form_of_ecmascript(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { -2, "-2" },
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 123.456, "123.456" },
        { 100, "100" },
        { 1e15, "1000000000000000" },
        { 9007199254740993.0, "9007199254740992" },
        { 123456789012345680.0, "123456789012345680" },
        { 1e20, "100000000000000000000" },
        { 999999999999999900000.0, "999999999999999900000" },
        { 1e21, "1e+21" },
        { 1.5e300, "1.5e+300" },
        { 1e-6, "0.000001" },
        { 1.25e-6, "0.00000125" },
        { 1e-7, "1e-7" },
        { -1.5e-7, "-1.5e-7" },
        { 1e23, "1e+23" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { DBL_MIN, "2.2250738585072014e-308" },
        { 5e-324, "5e-324" },
        { 5.684341886080802e-14,
          "5.684341886080802e-14" }, /* 2^-44: the nearer one does not read back */
        { 9.5367431640625e-7, "9.5367431640625e-7" },
        { 2.0 / 3, "0.6666666666666666" },
        { 4.35, "4.35" },
        { -0.0000012345678901234567, "-0.0000012345678901234567" },
    };
    keel_buf buf = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        keel_buf_clear(&buf);
        assert_ok(keel_buf_append_double(&buf, rows[i].value));
        assert_string_equal(keel_buf_text(&buf), rows[i].text);
    }
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_double(&buf, NAN));
    assert_ok(keel_buf_append_double(&buf, INFINITY));
    assert_ok(keel_buf_append_double(&buf, -INFINITY));
    assert_ok(keel_buf_append_fixed(&buf, -INFINITY, 2));
    assert_string_equal(keel_buf_text(&buf), "naninf-inf-inf");
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_json_double(&buf, NAN));
    assert_ok(keel_buf_append_json_double(&buf, -INFINITY));
    assert_ok(keel_buf_append_json_double(&buf, 0.5));
    assert_string_equal(keel_buf_text(&buf), "nullnull0.5");
    keel_buf_deinit(&buf);
}

static void check_fixed(double value, unsigned decimals, keel_buf *buf)
{
    static char want[400];

    keel_buf_clear(buf);
    assert_ok(keel_buf_append_fixed(buf, value, decimals));
    snprintf(want, sizeof want, "%.*f", decimals > 17 ? 17 : (int)decimals, value);
    if (strcmp(buf->ptr, want) != 0)
        fail_msg("%.17g with %u decimals is written as %s", value, decimals, buf->ptr);
}

static void decimals_are_written_as_printf_does(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    keel_rand rand;

    keel_rand_seed(&rand, 6);
    for (size_t round = doubles(); round > 0; round--)
        check_fixed(some_double(&rand), (unsigned)keel_rand_below(&rand, 20), &buf);
    for (int exponent = -140; exponent < 70; exponent++) { /* 0.5, 1.5, ... of each last place */
        for (unsigned decimals = 0; decimals < 18; decimals++) {
            check_fixed(ldexp(1, exponent), decimals, &buf);
            check_fixed(-ldexp(3, exponent), decimals, &buf);
            check_fixed(ldexp(0x1FFFFFFFFFFFFF, exponent), decimals, &buf);
        }
    }
    check_fixed(0.5, 0, &buf);
    check_fixed(1.5, 0, &buf);
    check_fixed(2.5, 0, &buf);
    check_fixed(9.5, 0, &buf);
    check_fixed(0.125, 2, &buf);
    check_fixed(0.375, 2, &buf);
    check_fixed(999.995, 2, &buf);
    check_fixed(DBL_MAX, 17, &buf);
    check_fixed(-DBL_MAX, 17, &buf);
    check_fixed(0, 3, &buf);
    check_fixed(-0.0, 0, &buf);
    check_fixed(5e-324, 17, &buf);
    keel_buf_deinit(&buf);
}

/* ---- Reading doubles ---- */

static void check_read(const char *text)
{
    double got, want = strtod(text, NULL);
    size_t len = strlen(text);
    keel_err *err = read_any((keel_str){ rig_at_page_end(text, len), len }, &got);

    if (isinf(want)) {
        assert_err(err, KEEL_ERR_RANGE);
        return;
    }
    assert_ok(err);
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s is read as %.17g, not %.17g", text, got, want);
}

static void doubles_are_read_as_strtod_does(void **state)
{
    (void)state;
    char text[1200];
    keel_rand rand;

    keel_rand_seed(&rand, 7);
    for (size_t round = doubles(); round > 0; round--) {
        double value = some_double(&rand);
        int digits = (int)keel_rand_below(&rand, 22);
        switch (keel_rand_below(&rand, 4)) {
        case 0:
            snprintf(text, sizeof text, "%.*e", digits, value);
            break;
        case 1:
            snprintf(text, sizeof text, "%.*f", digits, value);
            break;
        case 2:
            snprintf(text, sizeof text, "%+.*g", digits, value);
            break;
        default:
            snprintf(text, sizeof text, "%" PRIu64 ".%0*" PRIu64 "E%d",
                     keel_rand_u64(&rand) >> keel_rand_below(&rand, 64), digits,
                     keel_rand_below(&rand, 100000), (int)keel_rand_between(&rand, -340, 320));
            break;
        }
        check_read(text);
    }
}

/* The middle between two doubles, with all its digits, goes to the even one; a digit more, however far
 * behind, makes it the upper one. */
static void middles_are_rounded_to_even_however_long(void **state)
{
    (void)state;
    static char text[3000];
    keel_rand rand;

    keel_rand_seed(&rand, 8);
    for (int round = 0; round < 2000; round++) {
        int exponent = round % 4 == 0 ? -1075 : (int)keel_rand_between(&rand, -1075, 900);
        uint64_t mantissa = keel_rand_u64(&rand) >> 11;
        long double middle = ldexpl((long double)mantissa * 2 + 1, exponent);
        int len = snprintf(text, sizeof text, "%.1080Lf", middle);
        check_read(text);
        for (size_t zeros = 0; zeros < 900; zeros += 300) {
            memset(text + len, '0', zeros);
            memcpy(text + (size_t)len + zeros, "1", 2);
            check_read(text);
        }
    }
}

static void numbers_have_their_forms(void **state)
{
    (void)state;
    static const char *const right[] = {
        "0",
        "-0",
        "+0",
        "1.",
        ".5",
        "-.5",
        "00012",
        "1e5",
        "1E+05",
        "1e-5",
        "0e99999999999999999999",
        "1e-99999999999999999999",
        "0.0",
        "1e0000000000000000000000000000000000005",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740992",
        "9007199254740991e22",
        "1e22",
        "1e23",
        "8.5e22",
        "12345678901234567890e-22",
        "1234567890123456789e-22",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-400",
        "0.000000000000000000000000000001",
        "18446744073709551616",
        "99999999999999999999",
        "1e400",
        "-1e400",
        "1.7976931348623159e308",
        "1e99999999999999999999",
    };
    static const char *const wrong[] = { "",      ".",     "-",   "e5",  "1e",    "1e+",
                                         "1e5.",  "1.2.3", " 1",  "1 ",  "inf",   "nan",
                                         "0x1p3", "1,5",   "--1", "+-1", "1e--5", "1f",
                                         "1e5x",  ".e1",   "-.",  "1d5" };
    double got = 1;

    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        check_read(right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        got = 1;
        size_t len = strlen(wrong[i]);
        assert_err(read_any((keel_str){ rig_at_page_end(wrong[i], len), len }, &got),
                   KEEL_ERR_SYNTAX);
        assert_true(got == 0);
    }
    assert_err(read_any((keel_str){ NULL, 0 }, &got), KEEL_ERR_SYNTAX);
    errno = 7;
    assert_ok(read_any(KEEL_STR("1e-400"), &got));
    assert_int_equal(errno, 7);
}

static void a_locale_changes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF" };
    keel_buf buf = { 0 };
    double got;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (setlocale(LC_NUMERIC, names[i]) == NULL)
            continue;
        assert_ok(read_any(KEEL_STR("3.141592653589793238462643"), &got));
        assert_true(got == 3.141592653589793);
        keel_buf_clear(&buf);
        assert_ok(keel_buf_append_double(&buf, 0.1));
        assert_ok(keel_buf_append_fixed(&buf, 1e300, 1));
        assert_int_equal(strncmp(keel_buf_text(&buf), "0.1", 3), 0);
        assert_string_equal(keel_buf_text(&buf) + buf.len - 2, ".0");
    }
    setlocale(LC_NUMERIC, "C");
    keel_buf_deinit(&buf);
}

static void no_output(void *arg)
{
    if (strcmp(arg, "keel_str_to_i64") == 0)
        keel_err_free(keel_str_to_i64(KEEL_STR("1"), 0, 1, NULL));
    else if (strcmp(arg, "keel_str_to_u64") == 0)
        keel_err_free(keel_str_to_u64(KEEL_STR("1"), 0, 1, NULL));
    else
        keel_err_free(read_any(KEEL_STR("1"), NULL));
}

static void null_is_misuse(void **state)
{
    static char *const names[] = { "keel_str_to_i64", "keel_str_to_u64", "keel_str_to_double" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        support_assert_aborts(no_output, names[i], names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(whole_numbers_are_written_as_printf_does),
        support_test(every_base_is_read_as_strtoull_does),
        support_test(whole_numbers_have_their_forms),
        support_test(ranges_are_kept),
        support_test(errors_show_text_and_range),
        support_test(doubles_are_written_as_shortly_as_they_read_back),
        support_test(doubles_have_the_form_of_ecmascript),
        support_test(decimals_are_written_as_printf_does),
        support_test(doubles_are_read_as_strtod_does),
        support_test(middles_are_rounded_to_even_however_long),
        support_test(numbers_have_their_forms),
        support_test(a_locale_changes_nothing),
        support_test(null_is_misuse),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
