/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HASH_H
#define KEEL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <keel/err.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * Hashes for <keel/map.h> and <keel/set.h>, and the equality that goes with each. A hash function takes a
 * key and returns 64 bits, all of which a table uses: `return key;` is a legal one, and a slow one.
 *
 * Strings and bytes are hashed under secrets of the process, drawn at random at the first hash, so that
 * nobody outside can choose keys that collide. The hash of a string differs from run to run and must not
 * be stored. Integers are mixed well but without a secret: where strangers choose the numbers, hash them
 * as bytes (`keel_hash_bytes(&id, sizeof id)`).
 *
 * A struct key combines the hashes of its members:
 *
 *     static uint64_t place_hash(place p)
 *     {
 *         return keel_hash_combine(keel_hash_i32(p.x), keel_hash_i32(p.y));
 *     }
 *
 * Threads: any.
 */

/* ---- Mixing ---- */

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 keel__u128;
#endif

/* Both halves of the product, one upon the other. */
static inline uint64_t keel__fold(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__) && !defined(KEEL__PORTABLE)
    const keel__u128 product = (keel__u128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
#else
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32); /* fits: (2^32-1)^2 + 2^32-1 < 2^64 */
    const uint64_t carry = a0 * b1 + (uint32_t)middle;
    return (a1 * b1 + (middle >> 32) + (carry >> 32)) ^ (a * b);
#endif
}

/** One hash of two; of more by nesting. The order counts. */
static inline uint64_t keel_hash_combine(uint64_t a, uint64_t b)
{
    return keel__fold((a << 29 | a >> 35) ^ b, 0xD1342543DE82EF95u);
}

/* ---- Integers and pointers ---- */

static inline uint64_t keel_hash_u64(uint64_t key)
{
    return keel__fold(key, 0x6DFE3F5B27D6563Bu);
}

static inline uint64_t keel_hash_i64(int64_t key)
{
    return keel_hash_u64((uint64_t)key);
}

static inline uint64_t keel_hash_u32(uint32_t key)
{
    return keel_hash_u64(key);
}

static inline uint64_t keel_hash_i32(int32_t key)
{
    return keel_hash_u64((uint32_t)key);
}

/** Of the address, not of what is there. */
static inline uint64_t keel_hash_ptr(const void *key)
{
    return keel_hash_u64((uintptr_t)key);
}

static inline bool keel_eq_u64(uint64_t a, uint64_t b)
{
    return a == b;
}

static inline bool keel_eq_i64(int64_t a, int64_t b)
{
    return a == b;
}

static inline bool keel_eq_u32(uint32_t a, uint32_t b)
{
    return a == b;
}

static inline bool keel_eq_i32(int32_t a, int32_t b)
{
    return a == b;
}

static inline bool keel_eq_ptr(const void *a, const void *b)
{
    return a == b;
}

/* ---- Strings and bytes ---- */

/** Of `len` bytes, which may be none. Padding between the members of a struct counts, and is rubbish. */
uint64_t keel_hash_bytes(const void *bytes, size_t len);

/** Of a string view; and of a C string, which is the same for the same text. */
static inline uint64_t keel_hash_str(keel_str key)
{
    return keel_hash_bytes(key.ptr, key.len);
}

static inline uint64_t keel_hash_cstr(const char *key)
{
    return keel_hash_bytes(key, strlen(key));
}

/* memcmp, without a call for the usual lengths: by two words that may overlap. */
static inline bool keel__same_bytes(const char *a, const char *b, size_t len)
{
    if (len >= 8 && len <= 16) {
        uint64_t a0, a1, b0, b1;
        memcpy(&a0, a, 8);
        memcpy(&b0, b, 8);
        memcpy(&a1, a + len - 8, 8);
        memcpy(&b1, b + len - 8, 8);
        return ((a0 ^ b0) | (a1 ^ b1)) == 0;
    }
    return len == 0 || memcmp(a, b, len) == 0;
}

static inline bool keel_eq_str(keel_str a, keel_str b)
{
    return a.len == b.len && keel__same_bytes(a.ptr, b.ptr, a.len);
}

static inline bool keel_eq_cstr(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/**
 * Fixes the secrets, so that the order in maps of strings is the same in every run: for tests, before
 * anything is hashed. In a simulation they are those of 0, unless something was hashed before it.
 *
 * Errors: KEEL_ERR_BUSY: a hash was made already, or they were fixed.
 */
KEEL_NODISCARD keel_err *keel_hash_seed(uint64_t seed);

KEEL_END_DECLS

#endif /* KEEL_HASH_H */
