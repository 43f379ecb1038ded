/* SPDX-License-Identifier: MIT */
#ifndef KEEL_DURATION_H
#define KEEL_DURATION_H

#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * Time everywhere in keel is `int64_t` nanoseconds; these make the numbers readable:
 * `.max_delay_ns = KEEL_MS(250)`. Fractions work too, KEEL_S(0.5), cut off to whole nanoseconds.
 * A number beyond int64_t (some 292 years) does not fit, and is not noticed.
 */
#define KEEL_NS(n) ((int64_t)(n))
#define KEEL_US(n) ((int64_t)((n)*INT64_C(1000)))
#define KEEL_MS(n) ((int64_t)((n)*INT64_C(1000000)))
#define KEEL_S(n) ((int64_t)((n)*INT64_C(1000000000)))
#define KEEL_MIN(n) ((int64_t)((n)*INT64_C(1000000000) * 60))
#define KEEL_HOUR(n) ((int64_t)((n)*INT64_C(1000000000) * 3600))

/** Enough for every duration's text with its NUL. */
#define KEEL_DURATION_TEXT_BYTES 32

/**
 * Writes a duration as Go does: `1.5s`, `250ms`, `1h15m30.918s`, `0s`. Returns `buf`.
 * Source: Go's time.Duration.String ("µs" is written "µs", in UTF-8).
 */
const char *keel_duration_format(int64_t ns, char buf[KEEL_DURATION_TEXT_BYTES]);

/** The text as an argument of printf, living to the end of the block. In C++: keel_duration_format. */
#ifndef __cplusplus
#define KEEL_DURATION_STR(ns) keel_duration_format((ns), (char[KEEL_DURATION_TEXT_BYTES]){ 0 })
#endif

/**
 * Reads a duration: a sign or none, then numbers with a unit each, such as `300ms`, `-1.5h` or
 * `2h45m`; a lone `0` too. Units: ns, us, µs, ms, s, m, h. Digits below a nanosecond are cut off.
 *
 * Errors: KEEL_ERR_SYNTAX; KEEL_ERR_RANGE beyond int64_t (some 292 years). *ns is then 0.
 * Source: Go's time.ParseDuration.
 */
KEEL_NODISCARD keel_err *keel_duration_parse(int64_t *ns, const char *text);

KEEL_END_DECLS

#endif /* KEEL_DURATION_H */
