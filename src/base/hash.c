/* SPDX-License-Identifier: MIT */
#include <keel/hash.h>

#include "base/process.h"

/* Each step multiplies two words of input, each under a secret of its own, and folds the product. With
 * one of them public, whoever knows it could choose a word that makes the factor 0, and with it the
 * whole product, whatever the other word. Long inputs go through four chains at once, since a
 * multiplication takes four cycles and one can begin in each. The last 16 bytes are read once more by
 * overlapping words, never a byte beyond the end. */

static inline uint64_t word(const unsigned char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t half_word(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

/* All but the last 16 bytes or fewer, of more than 16. */
static uint64_t chain(const uint64_t *secret, const unsigned char *at, size_t len)
{
    uint64_t h0 = secret[0];

    if (len > 64) {
        uint64_t h1 = h0, h2 = h0, h3 = h0;
        for (; len > 64; at += 64, len -= 64) {
            h0 = keel__fold(word(at) ^ secret[1], word(at + 8) ^ h0);
            h1 = keel__fold(word(at + 16) ^ secret[3], word(at + 24) ^ h1);
            h2 = keel__fold(word(at + 32) ^ secret[4], word(at + 40) ^ h2);
            h3 = keel__fold(word(at + 48) ^ secret[5], word(at + 56) ^ h3);
        }
        h0 ^= h1 ^ h2 ^ h3;
    }
    for (; len > 16; at += 16, len -= 16)
        h0 = keel__fold(word(at) ^ secret[1], word(at + 8) ^ h0);
    return h0;
}

uint64_t keel_hash_bytes(const void *bytes, size_t len)
{
    const uint64_t *secret = keel__process_secrets();
    const unsigned char *at = bytes;
    uint64_t h = secret[0], a = 0, b = 0;

    if (len > 16) {
        h = chain(secret, at, len);
        a = word(at + len - 16);
        b = word(at + len - 8);
    } else if (len >= 8) {
        a = word(at);
        b = word(at + len - 8);
    } else if (len >= 4) {
        a = half_word(at);
        b = half_word(at + len - 4);
    } else if (len > 0) {
        a = (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
    }
    h = keel__fold(a ^ secret[1], b ^ h);
    return keel__fold(h, len ^ secret[2]);
}
