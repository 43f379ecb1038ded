/* SPDX-License-Identifier: MIT */

/* Whatever bytes a string holds, jansson reads its JSON; and reads the same bytes if they were UTF-8. */

#include <keel/test.h>

#include <string.h>

#include <jansson.h>

#include <keel/buf.h>

KEEL_FUZZ_SEEDS("", "plain text of more than sixteen bytes", "a\"b\\c/d\n\r\t\b\f\x01\x7F",
                "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xFF\xED\xA0\x80\xC3",
                "0123456789abcde\"0123456789abcde\"");

KEEL_FUZZ(json)
{
    keel_str str = { (const char *)data, size };
    keel_buf buf = { 0 };

    assert_ok(keel_buf_append_json(&buf, str));
    assert_true(keel_str_is_utf8(keel_buf_str(&buf), NULL));
    json_t *json = json_loadb(buf.ptr, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_true(json_is_string(json));
    keel_str back = { json_string_value(json), json_string_length(json) };
    assert_true(keel_str_is_utf8(str, NULL) ? keel_str_equal(back, str) : back.len >= str.len);
    json_decref(json);
    keel_buf_deinit(&buf);
}
