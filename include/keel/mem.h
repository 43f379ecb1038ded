/* SPDX-License-Identifier: MIT */
#ifndef KEEL_MEM_H
#define KEEL_MEM_H

#include <stddef.h>

#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * Where keel's memory comes from: malloc's family, unless the program sets something else.
 * Task stacks are mapped by the kernel and do not pass here; neither do the allocations of libuv.
 *
 * Threads: any; the functions of an allocator are called from every thread at once.
 */
typedef struct keel_allocator {
    /** Returns `size` bytes (never 0), aligned for any type, or NULL. */
    void *(*alloc)(void *self, size_t size);
    /** As realloc; `ptr` may be NULL, `size` is never 0. On failure `ptr` stays as it is. */
    void *(*realloc)(void *self, void *ptr, size_t size);
    /** As free; `ptr` is never NULL. */
    void (*free)(void *self, void *ptr);
    void *self; /**< Passed to each. */
} keel_allocator;

/**
 * Sets the allocator of this process, once, before anything else of keel's is used. The struct is
 * copied; `self` must live as long as the process.
 *
 * Errors: KEEL_ERR_BUSY after the first allocation or the first call; KEEL_ERR_INVAL if a function
 *         is missing.
 */
KEEL_NODISCARD keel_err *keel_mem_set(const keel_allocator *allocator);

/** Memory from the allocator: NULL if there is none, or `size` is 0. */
KEEL_NODISCARD void *keel_mem_alloc(size_t size);

/** The same for `count` objects of `size` bytes, all zero. NULL also if the product overflows. */
KEEL_NODISCARD void *keel_mem_calloc(size_t count, size_t size);

/** Changes the size, as realloc; NULL leaves `ptr` as it is. A `size` of 0 is refused with NULL. */
KEEL_NODISCARD void *keel_mem_realloc(void *ptr, size_t size);

/** Gives memory back. NULL is fine. */
void keel_mem_free(void *ptr);

KEEL_END_DECLS

#endif /* KEEL_MEM_H */
