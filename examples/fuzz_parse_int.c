/* SPDX-License-Identifier: MIT */
/*
 * A function for any input: whatever the text, it is read as a number or refused.
 *
 * Shows:  KEEL_FUZZ and its seeds. This program replays inputs, as a test does after every change; the
 *         CMake function keel_fuzz, with -DKEEL_FUZZING=ON, makes a fuzzer of the same source, which
 *         looks for others that fail.
 * Run:    ./fuzz_parse_int [FILE-OR-DIRECTORY...]
 * Prints: a line for each seed and file, and that all passed
 */
#include <keel/keel.h>
#include <keel/test.h>

/* The function under test: a number of items, at most a million, from a form on a web page. */
static keel_err *parse_int(keel_str text, int64_t *value)
{
    return keel_err_wrap(keel_str_to_i64(keel_str_trim(text), -1000000, 1000000, value), "items");
}

KEEL_FUZZ_SEEDS("123", "0", "-456", " 7 ", "99999999999999999999", "12a", "");

KEEL_FUZZ(parse_int)
{
    int64_t value, again;

    keel_err *err = parse_int((keel_str){ (const char *)data, size }, &value);
    if (err != NULL) { /* refused, and for one of two reasons */
        assert_true(keel_err_is(err, KEEL_ERR_SYNTAX) || keel_err_is(err, KEEL_ERR_RANGE));
        assert_int_equal(value, 0);
        keel_err_free(err);
        return;
    }
    /* what was read is in the range, and is read again from what is written of it */
    assert_in_range(value + 1000000, 0, 2000000);
    keel_buf buf = { 0 };
    assert_ok(keel_buf_append_i64(&buf, value));
    assert_ok(parse_int(keel_buf_str(&buf), &again));
    assert_int_equal(again, value);
    keel_buf_deinit(&buf);
}
