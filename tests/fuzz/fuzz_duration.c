/* SPDX-License-Identifier: MIT */

/* Any text is a duration or is refused; and what is one survives being written and read again. */

#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* of its own, so that reading past its end is noticed */
    char buf[KEEL_DURATION_TEXT_BYTES];
    int64_t ns, again;

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    keel_err *err = keel_duration_parse(&ns, text);
    if (err != NULL) {
        if (ns != 0 || !(keel_err_is(err, KEEL_ERR_SYNTAX) || keel_err_is(err, KEEL_ERR_RANGE)))
            abort();
        keel_err_free(err);
    } else if (keel_duration_parse(&again, keel_duration_format(ns, buf)) != NULL || again != ns) {
        abort();
    }
    free(text);
    return 0;
}
