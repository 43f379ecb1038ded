/* SPDX-License-Identifier: MIT */
#include <keel/duration.h>

/* Constants: of an enumeration if whole, of a static object if not. */
enum { KEEL_CHECK_WHOLE = KEEL_S(1) / KEEL_MS(1) };
extern const int64_t keel_check_constants[6];
const int64_t keel_check_constants[6] = { KEEL_NS(1.5), KEEL_US(0.5),   KEEL_MS(0.25),
                                          KEEL_S(0.5f), KEEL_MIN(1.5f), KEEL_HOUR(0.5f) };

int64_t keel_check_fractions(double n);
int64_t keel_check_fractions(double n)
{
    return KEEL_NS(n) + KEEL_US(n) + KEEL_MS(n) + KEEL_S(n) + KEEL_MIN(n) + KEEL_HOUR(n);
}

int64_t keel_check_sizes(size_t n, unsigned char small);
int64_t keel_check_sizes(size_t n, unsigned char small)
{
    return KEEL_NS(n) + KEEL_US(n) + KEEL_MS(n) + KEEL_S(n) + KEEL_MIN(small) + KEEL_HOUR(small);
}

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
