/* SPDX-License-Identifier: MIT */

/* The check says where the first bad byte is, as reading character by character does; what is well-formed
 * comes out the same when it is written again. */

#include <keel/test.h>

#include <string.h>

#include <keel/buf.h>

KEEL_FUZZ_SEEDS("", "ascii, and more than sixteen bytes of it, so that blocks are seen",
                "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                "\xC0\xAF", "abc\xE2\x82", "\xEF\xBF\xBD");

KEEL_FUZZ(utf8)
{
    keel_str all = { (const char *)data, size }, rest = all;
    size_t bad, first_bad = size;
    keel_buf again = { 0 };

    while (rest.len > 0) {
        uint32_t character;
        size_t count = keel_str_decode(rest, &character);
        assert_true(count >= 1 && count <= 4 && count <= rest.len);
        assert_true(character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF));
        if (character == 0xFFFD && count == 1 && first_bad == size)
            first_bad = (size_t)(rest.ptr - all.ptr);
        assert_ok(keel_buf_append_utf8(&again, character));
        rest = keel_str_slice(rest, count, rest.len);
    }
    assert_int_equal(keel_str_is_utf8(all, &bad), first_bad == size);
    assert_int_equal(bad, first_bad);
    assert_true(keel_str_is_utf8(keel_buf_str(&again), NULL));
    assert_int_equal(keel_str_equal(all, keel_buf_str(&again)), first_bad == size);
    keel_buf_deinit(&again);
}
