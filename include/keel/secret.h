/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SECRET_H
#define KEEL_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/defs.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * For passwords, keys and tokens: comparing them in a time that tells nothing of where they differ, and
 * removing them from memory.
 *
 * Threads: any.
 */

/**
 * Whether `size` bytes are the same. How long it takes, and what it reads, depends on `size` alone.
 * Source: Go's subtle.ConstantTimeCompare.
 */
bool keel_secret_equal(const void *a, const void *b, size_t size);

/** The same for strings; one of another length is another at once, so that lengths are no secret. */
bool keel_secret_str_equal(keel_str a, keel_str b);

/** Zeroes memory, also where the compiler sees that nobody reads it any more. Copies that it made in
 * registers and on the stack stay. NULL is fine if `size` is 0. Source: C23's memset_explicit. */
void keel_secret_wipe(void *ptr, size_t size);

/** Zeroes `size` bytes of keel's memory and frees them. NULL is fine. */
void keel_secret_free(void *ptr, size_t size);

KEEL_END_DECLS

#endif /* KEEL_SECRET_H */
