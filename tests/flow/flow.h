/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_FLOW_H
#define KEEL_TESTS_FLOW_H

#include "support.h"

/* A constructor refuses these options with KEEL_ERR_INVAL, and its text names the field. Frees `err`. */
static inline void assert_names(keel_err *err, const char *field)
{
    char text[256];

    keel_err_format(err, text, sizeof text);
    if (!keel_err_is(err, KEEL_ERR_INVAL) || strstr(text, field) == NULL)
        fail_msg("\"%s\" where %s should be named", text, field);
    keel_err_free(err);
}

/* A manual clock that starts at a second. */
static inline keel_clock *flow_clock(void)
{
    keel_clock *clock;

    assert_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .start_ns = KEEL_S(1) }));
    return clock;
}

#endif /* KEEL_TESTS_FLOW_H */
