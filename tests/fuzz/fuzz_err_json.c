/* SPDX-License-Identifier: MIT */

/* Whatever bytes an error's text holds, its JSON is valid, as long as was said, and cut off cleanly. */

#include <keel/test.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

KEEL_FUZZ_SEEDS("plain", "a\"b\\c\n", "\xFF\xC3\xA9\xED\xA0\x80", "\x01\x1F\x7F text of a chain");

/* The text of a chain as jansson reads it back must be there; only its bytes may have changed. */
static void check_json(const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, 0, NULL);

    assert_true(json_is_string(json_object_get(json, "error")));
    assert_true(json_array_size(json_object_get(json, "chain")) > 0);
    json_decref(json);
}

KEEL_FUZZ(err_json)
{
    int half = (int)(size / 2);
    const char *text = (const char *)data;

    keel_err *err = keel_err_new("%.*s", half, text);
    if (size % 3 == 0)
        err = keel_err_join(err, keel_err_from_errno(2, "%.*s", half, text));
    err = keel_err_wrap(err, "%.*s", (int)size - half, text + half);

    size_t len = keel_err_json(err, NULL, 0);
    char *whole = malloc(len + 1);
    char *part = malloc(len / 2 + 1);
    assert_true(whole != NULL && part != NULL);
    assert_int_equal(keel_err_json(err, whole, len + 1), len);
    assert_int_equal(strlen(whole), len);
    check_json(whole, len);
    assert_int_equal(keel_err_json(err, part, len / 2 + 1), len);
    assert_int_equal(strncmp(part, whole, strlen(part)), 0);
    free(whole);
    free(part);
    keel_err_free(err);
}
