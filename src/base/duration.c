/* SPDX-License-Identifier: MIT */
#include <keel/duration.h>

#include <stdbool.h>
#include <string.h>

#include "base/process.h"

/* Magnitudes are unsigned, because that of INT64_MIN is one beyond INT64_MAX. */
#define MAGNITUDE_MAX ((uint64_t)1 << 63)

/* ---- Formatting ---- */

/* Writes a number and its fraction of `digits` digits before `end`, without trailing zeros, and
 * returns where it starts. */
static char *number_before(char *end, uint64_t value, int digits)
{
    bool significant = false;

    for (int i = 0; i < digits; i++) {
        char digit = (char)('0' + value % 10);
        value /= 10;
        significant = significant || digit != '0';
        if (significant)
            *--end = digit;
    }
    if (significant)
        *--end = '.';
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

static char *unit_before(char *end, const char *unit)
{
    end -= strlen(unit);
    memcpy(end, unit, strlen(unit));
    return end;
}

/* Written from the end, the smallest unit first. */
const char *keel_duration_format(int64_t ns, char buf[KEEL_DURATION_TEXT_BYTES])
{
    char text[KEEL_DURATION_TEXT_BYTES];
    char *at = text + sizeof text;
    uint64_t left = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

    keel__need(buf != NULL, "keel_duration_format", "buf");
    *--at = '\0';
    if (left == 0) {
        at = unit_before(at, "0s");
    } else if (left < (uint64_t)KEEL_US(1)) {
        at = number_before(unit_before(at, "ns"), left, 0);
    } else if (left < (uint64_t)KEEL_MS(1)) {
        at = number_before(unit_before(at, "\xC2\xB5s"), left, 3); /* µs */
    } else if (left < (uint64_t)KEEL_S(1)) {
        at = number_before(unit_before(at, "ms"), left, 6);
    } else {
        uint64_t minutes = left / (uint64_t)KEEL_MIN(1);
        at = number_before(unit_before(at, "s"), left % (uint64_t)KEEL_MIN(1), 9);
        if (minutes > 0)
            at = number_before(unit_before(at, "m"), minutes % 60, 0);
        if (minutes >= 60)
            at = number_before(unit_before(at, "h"), minutes / 60, 0);
    }
    if (ns < 0)
        *--at = '-';
    return memcpy(buf, at, (size_t)(text + sizeof text - at));
}

/* ---- Parsing ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits; false if they make more than MAGNITUDE_MAX. */
static bool whole(const char **at, uint64_t *value)
{
    *value = 0;
    for (; is_digit(**at); ++*at) {
        if (*value > MAGNITUDE_MAX / 10)
            return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
        if (*value > MAGNITUDE_MAX)
            return false;
    }
    return true;
}

/* Reads the digits after a point as value / scale. Those that do not fit add nothing that counts. */
static void fraction(const char **at, uint64_t *value, double *scale)
{
    bool full = false;

    *value = 0;
    *scale = 1;
    for (; is_digit(**at); ++*at) {
        uint64_t longer = *value * 10 + (uint64_t)(**at - '0');
        full = full || *value > (MAGNITUDE_MAX - 1) / 10 || longer > MAGNITUDE_MAX;
        if (full)
            continue;
        *value = longer;
        *scale *= 10;
    }
}

/* Reads a unit, which goes on to the next digit, point, or the end; 0 if there is no such unit. */
static uint64_t unit(const char **at)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        { "ns", KEEL_NS(1) },        { "us", KEEL_US(1) }, { "\xC2\xB5s", KEEL_US(1) }, /* µ */
        { "\xCE\xBCs", KEEL_US(1) }, /* the Greek letter, which looks the same */
        { "ms", KEEL_MS(1) },        { "s", KEEL_S(1) },   { "m", KEEL_MIN(1) },
        { "h", KEEL_HOUR(1) },
    };
    size_t length = 0;

    while ((*at)[length] != '\0' && (*at)[length] != '.' && !is_digit((*at)[length]))
        length++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, *at, length) == 0) {
            *at += length;
            return (uint64_t)units[i].ns;
        }
    }
    return 0;
}

/* Reads one number with its unit, and adds it to *sum. */
static keel_err *term(const char **at, uint64_t *sum)
{
    const char *start = *at;
    uint64_t value, part = 0;
    double scale = 1;

    if (!whole(at, &value))
        return KEEL_ERR_RANGE;
    bool digits = *at != start;
    if (**at == '.') {
        ++*at;
        start = *at;
        fraction(at, &part, &scale);
        digits = digits || *at != start;
    }
    if (!digits)
        return KEEL_ERR_SYNTAX;

    uint64_t ns = unit(at);
    if (ns == 0)
        return KEEL_ERR_SYNTAX;
    if (value > MAGNITUDE_MAX / ns)
        return KEEL_ERR_RANGE;
    value *= ns;
    /* In floating point as Go does it, to give the same for every fraction: 0.3333333333333333333h
     * is 20 minutes in both. It is an hour at most, so the sums here and below fit 64 bits. */
    value += (uint64_t)((double)part * ((double)ns / scale));
    if (value > MAGNITUDE_MAX)
        return KEEL_ERR_RANGE;
    *sum += value;
    return *sum <= MAGNITUDE_MAX ? NULL : KEEL_ERR_RANGE;
}

static keel_err *parse(int64_t *ns, const char *text)
{
    bool negative = *text == '-';
    uint64_t sum = 0;

    if (*text == '-' || *text == '+')
        text++;
    if (strcmp(text, "0") == 0)
        return NULL;
    do
        KEEL_TRY(term(&text, &sum));
    while (*text != '\0');

    if (sum == MAGNITUDE_MAX) {
        if (!negative)
            return KEEL_ERR_RANGE;
        *ns = INT64_MIN;
    } else {
        *ns = negative ? -(int64_t)sum : (int64_t)sum;
    }
    return NULL;
}

keel_err *keel_duration_parse(int64_t *ns, const char *text)
{
    keel__need(ns != NULL, "keel_duration_parse", "ns");
    keel__need(text != NULL, "keel_duration_parse", "text");
    *ns = 0;
    return keel_err_wrap(parse(ns, text), "invalid duration \"%.40s\"", text);
}
