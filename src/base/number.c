/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* ---- Whole numbers ---- */

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static const uint64_t tens[20] = { UINT64_C(1),
                                   UINT64_C(10),
                                   UINT64_C(100),
                                   UINT64_C(1000),
                                   UINT64_C(10000),
                                   UINT64_C(100000),
                                   UINT64_C(1000000),
                                   UINT64_C(10000000),
                                   UINT64_C(100000000),
                                   UINT64_C(1000000000),
                                   UINT64_C(10000000000),
                                   UINT64_C(100000000000),
                                   UINT64_C(1000000000000),
                                   UINT64_C(10000000000000),
                                   UINT64_C(100000000000000),
                                   UINT64_C(1000000000000000),
                                   UINT64_C(10000000000000000),
                                   UINT64_C(100000000000000000),
                                   UINT64_C(1000000000000000000),
                                   UINT64_C(10000000000000000000) };

/* Decimal digits, 1 for 0: log10(2) is near 1233 / 4096, and the table says which of two it is. */
static unsigned digits_of(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;

    return guess + ((value | 1) >= tens[guess]);
}

/* Exactly `count` digits, with leading zeros. */
static void put_digits(char *at, uint64_t value, unsigned count)
{
    while (count >= 2) {
        count -= 2;
        memcpy(at + count, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (count == 1)
        at[0] = (char)('0' + value % 10);
}

char *keel__put_u64(char *at, uint64_t value)
{
    unsigned count = digits_of(value);

    put_digits(at, value, count);
    return at + count;
}

char *keel__put_i64(char *at, int64_t value)
{
    if (value >= 0)
        return keel__put_u64(at, (uint64_t)value);
    *at = '-';
    return keel__put_u64(at + 1, -(uint64_t)value);
}

/* ---- The shortest digits of a double ---- */

#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1075 /* of 2^exponent * mantissa, both whole */

/* digits * 10^exponent */
typedef struct decimal {
    uint64_t digits;
    int exponent;
} decimal;

/* power * value / 2^128 with every lost bit gathered in the lowest: enough to compare. */
static uint64_t scaled(keel__u128 power, uint64_t value)
{
    keel__u128 low = keel__mul(power.low, value);
    keel__u128 high = keel__mul(power.high, value);
    uint64_t middle = high.low + low.high;

    return (high.high + (middle < high.low)) | (middle > 1);
}

/* All decimals that read back as the double lie between the middles to its neighbours. Scaled by a
 * power of ten so that this interval is at least 1 and less than 10 long (all by 4, to have the middles
 * whole), it holds one multiple of 10 at most, and one or two whole numbers near the double at least. An
 * even mantissa owns the ends of its interval. The names are the paper's in words. */
static decimal shortest(uint64_t mantissa, int exponent, bool closer_below)
{
    unsigned odd = mantissa & 1;
    /* floor of log10 of the interval's length: 2^exponent, or 3/4 of it above a power of two */
    int k = (exponent * 1262611 - (closer_below ? 524031 : 0)) >> 22;
    /* 2^exponent * 10^-k as a shift by 1 to 4 */
    int shift = exponent + ((-k * 1741647) >> 19) + 1;
    keel__u128 power = keel__pow10[-k - KEEL__POW10_MIN];
    uint64_t value = scaled(power, 4 * mantissa << shift);
    uint64_t low = scaled(power, (4 * mantissa - 2 + closer_below) << shift) + odd;
    uint64_t high = scaled(power, (4 * mantissa + 2) << shift) - odd;
    uint64_t whole = value / 4;

    if (whole >= 10) {
        uint64_t ten = whole / 10;
        bool down = low <= 40 * ten;
        bool up = 40 * ten + 40 <= high;
        if (down != up)
            return (decimal){ ten + up, k + 1 };
    }
    bool down = low <= 4 * whole;
    bool up = 4 * whole + 4 <= high;
    if (down == up) { /* the nearer one; of two as near, the even one */
        uint64_t middle = 4 * whole + 2;
        up = value > middle || (value == middle && (whole & 1) != 0);
    }
    return (decimal){ whole + up, k };
}

static decimal without_zeros(decimal number)
{
    if (number.digits % 100000000 == 0) {
        number.digits /= 100000000;
        number.exponent += 8;
    }
    while (number.digits % 10 == 0) {
        number.digits /= 10;
        number.exponent++;
    }
    return number;
}

static char *put_exponent(char *at, int exponent)
{
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    return keel__put_u64(at, (uint64_t)(exponent < 0 ? -exponent : exponent));
}

static char *put_decimal(char *at, decimal number)
{
    int count = (int)digits_of(number.digits);
    int point = count + number.exponent; /* digits before it */

    if (point > 21 || point < -5) { /* d.ddde+x */
        put_digits(at + 1, number.digits, (unsigned)count);
        at[0] = at[1];
        at[1] = '.';
        return put_exponent(count == 1 ? at + 1 : at + count + 1, point - 1);
    }
    if (point <= 0) { /* 0.000ddd */
        memcpy(at, "0.00000", 7);
        put_digits(at + 2 - point, number.digits, (unsigned)count);
        return at + 2 - point + count;
    }
    put_digits(at, number.digits, (unsigned)count);
    if (number.exponent >= 0) { /* ddd000 */
        memset(at + count, '0', (size_t)number.exponent);
        return at + point;
    }
    memmove(at + point + 1, at + point, (size_t)(count - point)); /* ddd.ddd */
    at[point] = '.';
    return at + count + 1;
}

static char *put_text(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

char *keel__put_double(char *at, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int exponent = (int)(bits >> MANTISSA_BITS & 0x7FF);
    if (exponent == 0x7FF && mantissa != 0)
        return put_text(at, "nan", 3);
    if (bits >> 63 != 0)
        *at++ = '-';
    if (exponent == 0x7FF)
        return put_text(at, "inf", 3);
    if (exponent == 0 && mantissa == 0)
        return put_text(at, "0", 1);

    bool closer_below = mantissa == 0 && exponent > 1;
    if (exponent == 0)
        exponent = 1;
    else
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    exponent -= EXPONENT_BIAS;
    if (exponent <= 0 && exponent >= -MANTISSA_BITS &&
        (mantissa & ((UINT64_C(1) << -exponent) - 1)) == 0)
        return keel__put_u64(at, mantissa >> -exponent);
    return put_decimal(at, without_zeros(shortest(mantissa, exponent, closer_below)));
}

/* ---- A number of decimals ---- */

/* fraction * 10^decimals / 2^shift, rounded half to even; `odd` says that the digit before the first
 * decimal is. The fraction is below 2^53 and below 2^shift. */
static uint64_t scaled_fraction(uint64_t fraction, unsigned shift, unsigned decimals, bool odd)
{
    keel__u128 product = keel__mul(fraction, tens[decimals]);
    uint64_t quotient, rest_high, rest_low, half_high, half_low;

    if (shift > 127) /* the product is below 2^110 */
        return 0;
    if (shift >= 64) {
        unsigned more = shift - 64;
        quotient = product.high >> more;
        rest_high = product.high & ((UINT64_C(1) << more) - 1);
        rest_low = product.low;
        half_high = more > 0 ? UINT64_C(1) << (more - 1) : 0;
        half_low = more > 0 ? 0 : UINT64_C(1) << 63;
    } else {
        quotient = product.high << (64 - shift) | product.low >> shift;
        rest_high = 0;
        rest_low = product.low & ((UINT64_C(1) << shift) - 1);
        half_high = 0;
        half_low = UINT64_C(1) << (shift - 1);
    }
    odd = decimals > 0 ? (quotient & 1) != 0 : odd;
    if (rest_high > half_high || (rest_high == half_high && rest_low > half_low) ||
        (rest_high == half_high && rest_low == half_low && odd))
        quotient++;
    return quotient;
}

char *keel__put_fixed(char *at, double value, unsigned decimals)
{
    uint64_t bits, whole, fraction = 0;

    if (decimals > KEEL__FIXED_DECIMALS)
        decimals = KEEL__FIXED_DECIMALS;
    memcpy(&bits, &value, sizeof bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int exponent = (int)(bits >> MANTISSA_BITS & 0x7FF);
    if (exponent == 0x7FF)
        return keel__put_double(at, value);
    if (bits >> 63 != 0)
        *at++ = '-';
    if (exponent == 0)
        exponent = 1;
    else
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    exponent -= EXPONENT_BIAS;

    if (exponent > 11) { /* beyond 64 bits; whole, so that no locale has a say */
        at += snprintf(at, KEEL__FIXED_BYTES - KEEL__FIXED_DECIMALS - 2, "%.0f", fabs(value));
    } else if (exponent >= 0) {
        at = keel__put_u64(at, mantissa << exponent);
    } else {
        unsigned shift = (unsigned)-exponent;
        whole = shift < 64 ? mantissa >> shift : 0;
        fraction = shift < 64 ? mantissa & ((UINT64_C(1) << shift) - 1) : mantissa;
        fraction = scaled_fraction(fraction, shift, decimals, (whole & 1) != 0);
        if (fraction == tens[decimals]) { /* for no decimals, 1: rounded up */
            whole++;
            fraction = 0;
        }
        at = keel__put_u64(at, whole);
    }
    if (decimals == 0)
        return at;
    *at++ = '.';
    put_digits(at, fraction, decimals);
    return at + decimals;
}
