/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

#include <stdio.h>
#include <string.h>

#include "test/test.h"

void keel__test_fail_run(const char *text, const char *file, int line)
{
    char where[512];

    snprintf(where, sizeof where, "%s:%d", file, line);
    keel_sim_check_failed(text, where);
}

/* Adds the chain to `text`, with the place that made each link. */
static void describe(const keel_err *err, char *text, size_t size)
{
    size_t length = strlen(text);

    length += keel_err_format(err, text + length, size - length);
    for (; err != NULL && length < size; err = keel_err_unwrap(err))
        if (keel_err_where(err) != NULL)
            length +=
                (size_t)snprintf(text + length, size - length, "\n    at %s", keel_err_where(err));
}

/* cmocka leaves by longjmp, and a simulated task is never gone back to: so the error is freed before. */
static void fail_with(char *text, size_t size, keel_err *err, const char *file, int line)
{
    describe(err, text, size);
    keel_err_free(err);
    if (keel_sim_active())
        keel__test_fail_run(text, file, line);
    print_error("%s\n", text);
    _fail(file, line);
}

void keel_test_ok(keel_err *err, const char *call, const char *file, int line)
{
    char text[1000]; /* cmocka prints 1,023 bytes at once */

    if (err == NULL)
        return;
    snprintf(text, sizeof text, "%.200s failed:\n  ", call);
    fail_with(text, sizeof text, err, file, line);
}

void keel_test_err(keel_err *err, const keel_err *target, const char *call, const char *name,
                   const char *file, int line)
{
    char text[1000];

    if (keel_err_is(err, target)) {
        keel_err_free(err);
        return;
    }
    snprintf(text, sizeof text, "%.200s gave, instead of %.100s:\n  ", call, name);
    fail_with(text, sizeof text, err, file, line);
}

void keel_test_sim_ok(keel_sim_report *report, const char *file, int line)
{
    bool passed = report->kind == KEEL_SIM_PASS;

    for (const char *text = report->text; !passed && *text != '\0';) {
        size_t length = strcspn(text, "\n");

        print_error("%.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
    keel_sim_report_free(report);
    if (!passed)
        _fail(file, line);
}
