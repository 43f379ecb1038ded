/* SPDX-License-Identifier: MIT */
#include <keel/secret.h>

#include <stdint.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"

/* The compiler takes the value for another one, about which it knows nothing: else it could see that the
 * answer is decided once a byte differs, and stop there. */
static inline uint64_t opaque(uint64_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

bool keel_secret_equal(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    uint64_t different = 0;
    size_t i = 0;

    keel__need((a != NULL && b != NULL) || size == 0, "keel_secret_equal", "a or b");
    for (; size - i >= 8; i += 8)
        different = opaque(different | (word_at(x + i) ^ word_at(y + i)));
    for (; i < size; i++)
        different = opaque(different | (uint64_t)(x[i] ^ y[i]));
    return different == 0;
}

bool keel_secret_str_equal(keel_str a, keel_str b)
{
    return a.len == b.len && keel_secret_equal(a.ptr, b.ptr, a.len);
}

void keel_secret_wipe(void *ptr, size_t size)
{
    keel__need(ptr != NULL || size == 0, "keel_secret_wipe", "ptr");
    if (size == 0)
        return;
    memset(ptr, 0, size);
    __asm__ volatile("" : : "r"(ptr) : "memory"); /* somebody may read it, for all that is known */
}

void keel_secret_free(void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    keel_secret_wipe(ptr, size);
    keel_mem_free(ptr);
}
