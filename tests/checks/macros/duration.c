/* SPDX-License-Identifier: MIT */
#include <keel/duration.h>

int64_t keel_check_durations(int n);
int64_t keel_check_durations(int n)
{
    return KEEL_NS(n) + KEEL_US(n) + KEEL_MS(n) + KEEL_S(n) + KEEL_MIN(n) + KEEL_HOUR(n);
}

char keel_check_duration_text(int64_t ns);
char keel_check_duration_text(int64_t ns)
{
    char buf[KEEL_DURATION_TEXT_BYTES];
    char first = keel_duration_format(ns, buf)[0];

#ifndef __cplusplus /* a compound literal */
    first = KEEL_DURATION_STR(ns)[0];
#endif
    return first;
}
