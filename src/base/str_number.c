/* SPDX-License-Identifier: MIT */
#include <keel/str.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "base/text.h"

/* What an error shows of a text. */
#define SHOWN 40

static keel_err *syntax_error(keel_str str)
{
    keel_str shown = keel_str_slice(str, 0, SHOWN);

    return keel_err_wrap(KEEL_ERR_SYNTAX, "invalid number \"" KEEL_STR_FMT "\"",
                         KEEL_STR_ARG(shown));
}

static keel_err *range_error(keel_str str, const char *min, const char *max)
{
    keel_str shown = keel_str_slice(str, 0, SHOWN);

    return keel_err_wrap(KEEL_ERR_RANGE, "number \"" KEEL_STR_FMT "\" is not from %s to %s",
                         KEEL_STR_ARG(shown), min, max);
}

/* ---- Whole numbers ---- */

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a' + 10);
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A' + 10);
    return UINT32_MAX;
}

/* The base that a prefix says, which is taken off. */
static unsigned take_base(keel_str *str)
{
    unsigned base = 10;

    if (str->len < 2 || str->ptr[0] != '0')
        return base;
    switch (str->ptr[1]) {
    case 'x':
    case 'X':
        base = 16;
        break;
    case 'o':
    case 'O':
        base = 8;
        break;
    case 'b':
    case 'B':
        base = 2;
        break;
    default:
        return base;
    }
    *str = keel_str_slice(*str, 2, str->len);
    return base;
}

/* Reads the magnitude: KEEL_ERR_RANGE if it is beyond uint64_t and every digit is one. */
static keel_err *magnitude(keel_str str, unsigned base, uint64_t *value)
{
    keel_err *err = NULL;

    *value = 0;
    if (base == 0)
        base = take_base(&str);
    if (str.len == 0)
        return KEEL_ERR_SYNTAX;
    uint64_t limit = UINT64_MAX / base;
    for (size_t i = 0; i < str.len; i++) {
        unsigned digit = digit_value(str.ptr[i]);
        if (digit >= base)
            return KEEL_ERR_SYNTAX;
        if (*value > limit || *value * base > UINT64_MAX - digit)
            err = KEEL_ERR_RANGE;
        else
            *value = *value * base + digit;
    }
    return err;
}

static bool is_base(int base)
{
    return base == 0 || (base >= 2 && base <= 36);
}

keel_err *keel_str_to_i64_base(keel_str str, int base, int64_t min, int64_t max, int64_t *out)
{
    char min_text[KEEL__I64_BYTES + 1], max_text[KEEL__I64_BYTES + 1];
    keel_str digits = str;
    uint64_t value;

    keel__need(out != NULL, "keel_str_to_i64", "out");
    *out = 0;
    if (!is_base(base))
        return KEEL_ERR_INVAL;
    bool negative = str.len > 0 && str.ptr[0] == '-';
    if (negative || (str.len > 0 && str.ptr[0] == '+'))
        digits = keel_str_slice(str, 1, str.len);
    keel_err *err = magnitude(digits, (unsigned)base, &value);
    if (err == KEEL_ERR_SYNTAX)
        return syntax_error(str);

    /* that of INT64_MIN is one beyond INT64_MAX */
    bool fits = err == NULL && value <= (uint64_t)INT64_MAX + negative;
    int64_t number = 0;
    if (fits && negative)
        number = value > 0 ? -(int64_t)(value - 1) - 1 : 0;
    else if (fits)
        number = (int64_t)value;
    if (!fits || number < min || number > max) {
        *keel__put_i64(min_text, min) = '\0';
        *keel__put_i64(max_text, max) = '\0';
        return range_error(str, min_text, max_text);
    }
    *out = number;
    return NULL;
}

keel_err *keel_str_to_u64_base(keel_str str, int base, uint64_t min, uint64_t max, uint64_t *out)
{
    char min_text[KEEL__U64_BYTES + 1], max_text[KEEL__U64_BYTES + 1];
    uint64_t value;

    keel__need(out != NULL, "keel_str_to_u64", "out");
    *out = 0;
    if (!is_base(base))
        return KEEL_ERR_INVAL;
    keel_err *err = magnitude(str, (unsigned)base, &value);
    if (err == KEEL_ERR_SYNTAX)
        return syntax_error(str);
    if (err != NULL || value < min || value > max) {
        *keel__put_u64(min_text, min) = '\0';
        *keel__put_u64(max_text, max) = '\0';
        return range_error(str, min_text, max_text);
    }
    *out = value;
    return NULL;
}

keel_err *keel_str_to_i64(keel_str str, int64_t min, int64_t max, int64_t *out)
{
    return keel_str_to_i64_base(str, 10, min, max, out);
}

keel_err *keel_str_to_u64(keel_str str, uint64_t min, uint64_t max, uint64_t *out)
{
    return keel_str_to_u64_base(str, 10, min, max, out);
}

/* ---- Doubles ---- */

/* A number as it stands in the text: digits with a point among them, times a power of ten. */
typedef struct decimal {
    keel_str digits;  /* from the first that is not 0, with the point if it is behind that */
    int64_t exponent; /* of the last digit */
    bool negative;
} decimal;

/* More digits than these change no double: between two neighbours lies a number of 767 digits at most,
 * so that of the others it only matters whether all are 0. */
#define DIGITS_MAX 800
#define EXPONENT_MAX (INT64_MAX / 4)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads `e-12` up to the end of the text. */
static bool read_exponent(keel_str str, int64_t *exponent)
{
    size_t i = 1;
    bool negative = i < str.len && str.ptr[i] == '-';

    *exponent = 0;
    if (i < str.len && (str.ptr[i] == '-' || str.ptr[i] == '+'))
        i++;
    if (i == str.len)
        return false;
    for (; i < str.len; i++) {
        if (!is_digit(str.ptr[i]))
            return false;
        if (*exponent < EXPONENT_MAX / 10 - 1)
            *exponent = *exponent * 10 + (str.ptr[i] - '0');
    }
    if (negative)
        *exponent = -*exponent;
    return true;
}

static bool read_decimal(keel_str str, decimal *number)
{
    size_t i = 0, digits = 0, first = str.len, after_point = 0;
    bool point = false;

    *number = (decimal){ .negative = str.len > 0 && str.ptr[0] == '-' };
    if (str.len > 0 && (str.ptr[0] == '-' || str.ptr[0] == '+'))
        i++;
    for (; i < str.len; i++) {
        if (str.ptr[i] == '.' && !point) {
            point = true;
        } else if (is_digit(str.ptr[i])) {
            digits++;
            after_point += point;
            if (str.ptr[i] != '0' && first == str.len)
                first = i;
        } else {
            break;
        }
    }
    if (digits == 0)
        return false;
    if (i < str.len) {
        if ((str.ptr[i] != 'e' && str.ptr[i] != 'E') ||
            !read_exponent(keel_str_slice(str, i, str.len), &number->exponent))
            return false;
    }
    number->exponent -= (int64_t)after_point;
    if (first < i)
        number->digits = keel_str_slice(str, first, i - first);
    return true;
}

/* Digits up to 2^53 and a power of ten that is a double too: one multiplication or division of them is
 * rounded once, and so right. Source: W. D. Clinger, "How to read floating point numbers accurately". */
static bool read_fast(const decimal *number, double *value)
{
    static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    uint64_t digits = 0;

    if (FLT_EVAL_METHOD != 0 || number->digits.len > 20 || number->exponent < -22 ||
        number->exponent > 22)
        return false;
    for (size_t i = 0; i < number->digits.len; i++) {
        if (number->digits.ptr[i] != '.')
            digits = digits * 10 + (uint64_t)(number->digits.ptr[i] - '0');
    }
    if (digits > UINT64_C(1) << 53 || number->digits.len == 20)
        return false;
    *value = number->exponent < 0 ? (double)digits / tens[-number->exponent]
                                  : (double)digits * tens[number->exponent];
    return true;
}

/* By strtod, which gets digits and exponent without a point, because that is the locale's. */
static double read_slow(const decimal *number)
{
    char text[DIGITS_MAX + 32];
    size_t count = 0;
    int64_t exponent = number->exponent;
    bool more = false;

    for (size_t i = 0; i < number->digits.len; i++) {
        char c = number->digits.ptr[i];
        if (c == '.')
            continue;
        if (count < DIGITS_MAX) {
            text[count++] = c;
        } else {
            more = more || c != '0';
            exponent++;
        }
    }
    if (more) { /* any digit beyond will do */
        text[count++] = '1';
        exponent--;
    }
    /* far enough for 0 or infinity, whatever the digits */
    exponent = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
    text[count++] = 'e';
    *keel__put_i64(text + count, exponent) = '\0';
    int saved = errno;
    double value = strtod(text, NULL);
    errno = saved;
    return value;
}

keel_err *keel_str_to_double(keel_str str, double min, double max, double *out)
{
    char min_text[KEEL__DOUBLE_BYTES + 1], max_text[KEEL__DOUBLE_BYTES + 1];
    decimal number;
    double value = 0;

    keel__need(out != NULL, "keel_str_to_double", "out");
    *out = 0;
    if (!read_decimal(str, &number))
        return syntax_error(str);
    if (number.digits.len > 0 && !read_fast(&number, &value))
        value = read_slow(&number);
    if (number.negative)
        value = -value;
    if (isinf(value) || !(value >= min && value <= max)) {
        *keel__put_double(min_text, min) = '\0';
        *keel__put_double(max_text, max) = '\0';
        return range_error(str, min_text, max_text);
    }
    *out = value;
    return NULL;
}
