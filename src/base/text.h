/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_TEXT_H
#define KEEL_SRC_BASE_TEXT_H

/* Writing and reading text in memory that is large enough: what is under keel/buf.h, keel/str.h and
 * whoever else formats without a buffer. */

#include <stddef.h>
#include <stdint.h>

/* ---- Numbers: written at `at`, without a NUL; the end is returned ---- */

#define KEEL__U64_BYTES 20
#define KEEL__I64_BYTES 20
#define KEEL__DOUBLE_BYTES 26 /* -0.0000012345678901234567 has 25 */
#define KEEL__FIXED_BYTES 330 /* the sign, 309 digits, the point and KEEL__FIXED_DECIMALS */
#define KEEL__FIXED_DECIMALS 17

char *keel__put_u64(char *at, uint64_t value);
char *keel__put_i64(char *at, int64_t value);
char *keel__put_double(char *at, double value);
char *keel__put_fixed(char *at, double value, unsigned decimals);

/* ---- Arithmetic ---- */

typedef struct keel__u128 {
    uint64_t high, low;
} keel__u128;

static inline keel__u128 keel__mul(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (keel__u128){ (uint64_t)(product >> 64), (uint64_t)product };
#else
    uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t middle = a1 * b0 + (low >> 32);
    uint64_t other = a0 * b1 + (middle & UINT32_MAX);
    return (keel__u128){ a1 * b1 + (middle >> 32) + (other >> 32),
                         other << 32 | (low & UINT32_MAX) };
#endif
}

#define KEEL__POW10_MIN (-292)
#define KEEL__POW10_MAX 324
extern const keel__u128 keel__pow10[KEEL__POW10_MAX - KEEL__POW10_MIN + 1];

/* ---- UTF-8 ---- */

/* The length of the well-formed sequence that the `len` bytes at `s` begin with; 0 if there is none.
 * Table 3-7 of the Unicode Standard. */
static inline size_t keel__utf8_sequence(const unsigned char *s, size_t len)
{
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (len < 2 || s[0] < 0xC2)
        return 0;
    if (s[0] < 0xE0)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] < 0xF0) {
        unsigned char low = s[0] == 0xE0 ? 0xA0 : 0x80;  /* below: overlong */
        unsigned char high = s[0] == 0xED ? 0x9F : 0xBF; /* above: surrogates */
        return len >= 3 && s[1] >= low && s[1] <= high && (s[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    unsigned char low = s[0] == 0xF0 ? 0x90 : 0x80;  /* below: overlong */
    unsigned char high = s[0] == 0xF4 ? 0x8F : 0xBF; /* above: beyond U+10FFFF */
    return len >= 4 && s[0] <= 0xF4 && s[1] >= low && s[1] <= high && (s[2] & 0xC0) == 0x80 &&
                   (s[3] & 0xC0) == 0x80
               ? 4
               : 0;
}

/* ---- JSON ---- */

/* How many of the bytes at `s` stand in a JSON string as they are: ASCII to be escaped, and anything
 * beyond ASCII, ends them. */
size_t keel__json_clean(const char *s, size_t len);

/* The same with well-formed UTF-8, and copies them to `at`, where there is room for all `len`; what is behind
 * them may change. */
size_t keel__json_copy(char *at, const char *s, size_t len);

/* The longest text for one byte. */
#define KEEL__JSON_BYTES 6

/* Writes what stands for the first character at `s` (there is one), returns the end, and says in *used how
 * many bytes it was: an escape, a well-formed sequence, or U+FFFD for a byte. */
char *keel__json_put(char *at, const char *s, size_t len, size_t *used);

#endif /* KEEL_SRC_BASE_TEXT_H */
