/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- Bytes that stand as they are ---- */

static bool is_clean(char byte)
{
    unsigned char c = (unsigned char)byte;
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether one of the eight bytes is not clean. Subtracting borrows from the next byte only where a byte
 * is below what is subtracted, so that the answer is exact, though not which byte it is. */
static bool word_has_unclean(uint64_t word)
{
    uint64_t quote = word ^ EACH('"');
    uint64_t backslash = word ^ EACH('\\');
    uint64_t low = (word - EACH(0x20)) & ~word;

    quote = (quote - EACH(1)) & ~quote;
    backslash = (backslash - EACH(1)) & ~backslash;
    return ((word | low | quote | backslash) & EACH(0x80)) != 0;
}

#ifdef __SSE2__
#define BLOCK 16

/* The bytes as a bit each. As signed numbers those beyond ASCII are below 0x20 too. */
static unsigned unclean(__m128i block)
{
    __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
}
#endif

/* Stores before it tests, so that the test delays nothing; `at` is NULL to copy nothing. What is left of
 * fewer bytes than a block or word is the end of one that overlaps what was already looked at, so that
 * nothing behind the text is read. */
static inline __attribute__((always_inline)) size_t scan(char *at, const char *s, size_t len)
{
    size_t i = 0;

#ifdef __SSE2__
    while (len - i >= BLOCK) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        if (at != NULL)
            _mm_storeu_si128((__m128i *)(void *)(at + i), block);
        unsigned mask = unclean(block);
        if (mask != 0)
            return i + (size_t)__builtin_ctz(mask);
        i += BLOCK;
        if (i < len && len - i < BLOCK)
            i = len - BLOCK;
    }
#endif
    while (len - i >= 8) {
        uint64_t word;
        memcpy(&word, s + i, 8);
        if (at != NULL)
            memcpy(at + i, &word, 8);
        if (word_has_unclean(word))
            break;
        i += 8;
        if (i < len && len - i < 8)
            i = len - 8;
    }
    for (; i < len && is_clean(s[i]); i++) {
        if (at != NULL)
            at[i] = s[i];
    }
    return i;
}

size_t keel__json_clean(const char *s, size_t len)
{
    return scan(NULL, s, len);
}

/* Copies well-formed sequences beyond ASCII, up to what is none. */
static size_t copy_sequences(char *at, const char *s, size_t len)
{
    size_t i = 0;

    while (i < len && (unsigned char)s[i] >= 0x80) {
        size_t count = keel__utf8_sequence((const unsigned char *)s + i, len - i);
        if (count == 0)
            break;
        if (len - i >= 4) { /* faster than as many as there are */
            memcpy(at + i, s + i, 4);
            i += count;
        } else {
            for (; count > 0; count--, i++)
                at[i] = s[i];
        }
    }
    return i;
}

size_t keel__json_copy(char *at, const char *s, size_t len)
{
    size_t i = 0, count;

    do {
        i += scan(at + i, s + i, len - i);
        count = copy_sequences(at + i, s + i, len - i);
        i += count;
    } while (count > 0);
    return i;
}

/* ---- The others ---- */

char *keel__json_put(char *at, const char *s, size_t len, size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*s;
    char letter = '\0';
    size_t length = keel__utf8_sequence((const unsigned char *)s, len);

    *used = length > 0 ? length : 1;
    if (length == 0) {
        memcpy(at, "\xEF\xBF\xBD", 3); /* U+FFFD for each byte, as Go does */
        return at + 3;
    }
    if (length > 1 || is_clean(*s)) {
        for (size_t i = 0; i < length; i++)
            at[i] = s[i];
        return at + length;
    }
    switch (c) {
    case '"':
    case '\\':
        letter = (char)c;
        break;
    case '\n':
        letter = 'n';
        break;
    case '\r':
        letter = 'r';
        break;
    case '\t':
        letter = 't';
        break;
    default:
        break;
    }
    at[0] = '\\';
    if (letter != '\0') {
        at[1] = letter;
        return at + 2;
    }
    memcpy(at + 1, "u00", 3);
    at[4] = hex[c >> 4];
    at[5] = hex[c & 15];
    return at + 6;
}
