/* SPDX-License-Identifier: MIT */

/* Whatever bytes an error's text holds, its JSON is valid, as long as was said, and cut off cleanly. */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <keel/err.h>

/* The text of a chain as jansson reads it back must be there; only its bytes may have changed. */
static void check_json(const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, 0, NULL);

    if (!json_is_string(json_object_get(json, "error")) ||
        json_array_size(json_object_get(json, "chain")) == 0)
        abort();
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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
    if (whole == NULL || part == NULL)
        abort();
    if (keel_err_json(err, whole, len + 1) != len || strlen(whole) != len)
        abort();
    check_json(whole, len);
    if (keel_err_json(err, part, len / 2 + 1) != len || strncmp(part, whole, strlen(part)) != 0)
        abort();
    free(whole);
    free(part);
    keel_err_free(err);
    return 0;
}
