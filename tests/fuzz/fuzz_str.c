/* SPDX-License-Identifier: MIT */

/* Taking apart loses nothing, and finding finds what is there. The first byte says where to divide the
 * others into a string and what is looked for in it. */

#include <keel/test.h>

#include <string.h>

#include <keel/buf.h>

KEEL_FUZZ_SEEDS("",
                "\x03"
                "a=b=c",
                "\x05"
                "one, two,,three",
                "\x02"
                "aaaaaab",
                "\x08"
                "  words\tand\n more ");

static void check_fields(keel_str str, char separator)
{
    keel_str_split split = { .rest = str, .separator = separator };
    keel_buf again = { 0 };
    keel_str field;
    bool first = true;

    while (keel_str_split_next(&split, &field)) {
        if (!first)
            assert_ok(keel_buf_append_char(&again, separator));
        first = false;
        assert_false(keel_str_find_byte(field, separator, NULL));
        assert_ok(keel_buf_append_str(&again, field));
    }
    assert_true(keel_str_equal(keel_buf_str(&again), str));
    keel_buf_deinit(&again);
}

static void check_words(keel_str str)
{
    keel_str rest = str, word;
    const char *end = str.ptr;

    while (keel_str_next_word(&rest, &word)) {
        assert_true(word.len > 0 && word.ptr >= end);
        assert_true(keel_str_equal(keel_str_trim(word), word));
        assert_int_equal(keel_str_trim((keel_str){ end, (size_t)(word.ptr - end) }).len, 0);
        end = word.ptr + word.len;
    }
    assert_int_equal(keel_str_trim((keel_str){ end, (size_t)(str.ptr + str.len - end) }).len, 0);
}

KEEL_FUZZ(str)
{
    if (size == 0)
        return;
    size_t split = 1 + data[0] % size;
    keel_str what = { (const char *)data + 1, split - 1 };
    keel_str str = { (const char *)data + split, size - split };
    keel_str before, after;
    size_t at, want = 0;

    while (want + what.len <= str.len &&
           !keel_str_starts_with(keel_str_slice(str, want, str.len), what))
        want++;
    bool is = want + what.len <= str.len;
    assert_int_equal(keel_str_find(str, what, &at), is);
    assert_int_equal(at, is ? want : str.len);
    assert_int_equal(keel_str_cut(str, what, &before, &after), is);
    assert_int_equal(before.len + (is ? what.len : 0) + after.len, str.len);
    assert_true(keel_str_ends_with(str, after) && keel_str_starts_with(str, before));
    assert_int_equal(keel_str_compare(str, what) < 0, keel_str_compare(what, str) > 0);
    assert_int_equal(keel_str_compare_ignore_case(str, what) < 0,
                     keel_str_compare_ignore_case(what, str) > 0);
    assert_true(!keel_str_equal(str, what) || keel_str_equal_ignore_case(str, what));
    check_fields(str, what.len > 0 ? what.ptr[0] : ',');
    check_words(str);
}
