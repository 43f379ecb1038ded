/* SPDX-License-Identifier: MIT */

/* Any text is a duration or is refused; and what is one survives being written and read again. */

#include <keel/test.h>

#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

KEEL_FUZZ_SEEDS("", "0", "1h15m30.918s", "-1.5h", "300ms", "2562047h47m16.854775807s", "1\xC2\xB5s",
                ".5s", "1e3s", "0.3333333333333333333h");

KEEL_FUZZ(duration)
{
    char *text = malloc(size + 1); /* of its own, so that reading past its end is noticed */
    char buf[KEEL_DURATION_TEXT_BYTES];
    int64_t ns, again;

    assert_non_null(text);
    memcpy(text, data, size);
    text[size] = '\0';
    keel_err *err = keel_duration_parse(&ns, text);
    if (err != NULL) {
        assert_true(ns == 0);
        assert_true(keel_err_is(err, KEEL_ERR_SYNTAX) || keel_err_is(err, KEEL_ERR_RANGE));
        keel_err_free(err);
    } else {
        assert_ok(keel_duration_parse(&again, keel_duration_format(ns, buf)));
        assert_true(again == ns);
    }
    free(text);
}
