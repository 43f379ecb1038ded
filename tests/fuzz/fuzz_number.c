/* SPDX-License-Identifier: MIT */

/* What keel reads as a number, the C library reads as the same; and it survives being written and read
 * again. The first byte says how to read the others. */

#include <keel/test.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/buf.h>

KEEL_FUZZ_SEEDS("", "\n-9223372036854775808", "\n9223372036854775808",
                "\x10"
                "fFfF",
                "\x01"
                "0x1F",
                "e1.7976931348623157e308", "e.5", "e1e23", "e9007199254740993", "e4.9e-324",
                "e0.0000001234567890123456789012345678901234567890", "e-17.25E-5");

static void check_whole(keel_str str, const char *text, int base)
{
    keel_buf buf = { 0 };
    int64_t value, again;
    char *end;

    keel_err *err = keel_str_to_i64_base(str, base, INT64_MIN, INT64_MAX, &value);
    if (err == NULL && base != 0) {
        errno = 0;
        assert_true(strtoll(text, &end, base) == value && errno == 0 && *end == '\0');
    } else if (err != NULL) {
        assert_true(value == 0);
        assert_true(keel_err_is(err, KEEL_ERR_SYNTAX) || keel_err_is(err, KEEL_ERR_RANGE) ||
                    keel_err_is(err, KEEL_ERR_INVAL));
    }
    keel_err_free(err);
    assert_ok(keel_buf_append_i64(&buf, value));
    assert_ok(keel_str_to_i64(keel_buf_str(&buf), value, value, &again));
    assert_true(again == value);
    keel_buf_deinit(&buf);
}

static void check_double(keel_str str, const char *text, unsigned decimals)
{
    keel_buf buf = { 0 };
    double value, again, want;
    char fixed[400], *end;

    want = strtod(text, &end);
    keel_err *err = keel_str_to_double(str, -DBL_MAX, DBL_MAX, &value);
    if (err == NULL)
        assert_true(*end == '\0' && memcmp(&value, &want, sizeof value) == 0);
    else if (keel_err_is(err, KEEL_ERR_RANGE))
        assert_true(*end == '\0' && isinf(want) && value == 0);
    else /* strtod knows more than numbers, and skips white space */
        assert_true(keel_err_is(err, KEEL_ERR_SYNTAX) && value == 0);
    keel_err_free(err);
    assert_ok(keel_buf_append_double(&buf, value));
    assert_true(strtod(keel_buf_text(&buf), NULL) == value);
    assert_ok(keel_str_to_double(keel_buf_str(&buf), value, value, &again));
    assert_true(again == value);
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_fixed(&buf, value, decimals));
    snprintf(fixed, sizeof fixed, "%.*f", (int)decimals, value);
    assert_string_equal(keel_buf_text(&buf), fixed);
    keel_buf_deinit(&buf);
}

KEEL_FUZZ(number)
{
    if (size == 0)
        return;
    char *text = calloc(1, size);
    assert_non_null(text);
    memcpy(text, data + 1, size - 1);
    keel_str str = { (const char *)data + 1, size - 1 };

    check_whole(str, text, data[0] % 40 == 1 ? 0 : data[0] % 40);
    check_double(str, text, data[0] % 18);
    free(text);
}
