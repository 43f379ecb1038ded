/* SPDX-License-Identifier: MIT */
#include <keel/str.h>

#include <string.h>

#include "base/process.h"
#include "base/text.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t word_at(const unsigned char *s)
{
    uint64_t word;

    memcpy(&word, s, sizeof word);
    return word;
}

/* Where the ASCII that begins at `i` ends, or shortly before: the last bytes are one by one. */
static size_t skip_ascii(const unsigned char *s, size_t i, size_t len)
{
    while (len - i >= 32 &&
           ((word_at(s + i) | word_at(s + i + 8) | word_at(s + i + 16) | word_at(s + i + 24)) &
            HIGH_BITS) == 0)
        i += 32;
    while (len - i >= 8 && (word_at(s + i) & HIGH_BITS) == 0)
        i += 8;
    while (i < len && s[i] < 0x80)
        i++;
    return i;
}

bool keel_str_is_utf8(keel_str str, size_t *bad)
{
    const unsigned char *s = (const unsigned char *)str.ptr;
    size_t i = 0;

    while (i < str.len) {
        if (s[i] < 0x80) {
            i = skip_ascii(s, i, str.len);
            continue;
        }
        size_t length = keel__utf8_sequence(s + i, str.len - i);
        if (length == 0)
            break;
        i += length;
    }
    if (bad != NULL)
        *bad = i;
    return i == str.len;
}

size_t keel_str_decode(keel_str str, uint32_t *character)
{
    /* what a first byte of a sequence of that length holds of the character */
    static const unsigned char first_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    const unsigned char *s = (const unsigned char *)str.ptr;
    size_t length = keel__utf8_sequence(s, str.len);

    keel__need(character != NULL, "keel_str_decode", "character");
    if (length == 0) {
        *character = str.len > 0 ? 0xFFFD : 0;
        return str.len > 0;
    }
    *character = s[0] & first_bits[length];
    for (size_t i = 1; i < length; i++)
        *character = *character << 6 | (s[i] & 0x3F);
    return length;
}
