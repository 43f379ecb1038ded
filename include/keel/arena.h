/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ARENA_H
#define KEEL_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <keel/defs.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/** What an arena does if its options are 0. */
#define KEEL_ARENA_DEFAULT_CHUNK_BYTES ((size_t)8 << 10)
#define KEEL_ARENA_DEFAULT_MAX_BYTES ((size_t)1 << 30)

/**
 * Memory that is given back all at once: what a request needs until its answer is sent. Taking some moves
 * a pointer; nothing is freed one by one. A zeroed struct is an empty arena.
 *
 *     keel_arena arena = { .max_bytes = 1 << 20 };
 *     for (each request) {
 *         char *key = keel_arena_printf(&arena, "user:%d", id);
 *         ...
 *         keel_arena_reset(&arena);
 *     }
 *     keel_arena_deinit(&arena);
 *
 * Memory comes in chunks, each twice as large as the one before, up to 64 times chunk_bytes; what asks for
 * more than a quarter of a chunk gets a block of its own. All that gives memory answers NULL without any
 * left, and beyond max_bytes. With AddressSanitizer in the program, using what was not taken, or was given
 * back, is reported; under Valgrind too, if keel was built for it.
 *
 * Threads: one at a time.
 */
typedef struct keel_arena {
    size_t chunk_bytes; /**< Of the first chunk. 0: KEEL_ARENA_DEFAULT_CHUNK_BYTES. */
    size_t max_bytes;   /**< Most to hold. 0: KEEL_ARENA_DEFAULT_MAX_BYTES; KEEL_UNLIMITED: any. */
    /* Private. */
    char *keel__at, *keel__end; /* what is left of the current chunk */
    struct keel__arena_block *keel__chunk, *keel__spare, *keel__large;
    size_t keel__next_bytes, keel__held, keel__used, keel__peak;
} keel_arena;

/** Gives everything back and zeroes the struct but for the options. */
void keel_arena_deinit(keel_arena *arena);

/** Gives everything back but one chunk, the largest. */
void keel_arena_reset(keel_arena *arena);

/* ---- Taking ---- */

/** `size` bytes, aligned for any type; a pointer to none if `size` is 0. */
KEEL_NODISCARD void *keel_arena_alloc(keel_arena *arena, size_t size);

/** The same, aligned to a power of two; aborts for another number. */
KEEL_NODISCARD void *keel_arena_alloc_aligned(keel_arena *arena, size_t size, size_t alignment);

/** `count` objects of `size` bytes, all zero; NULL also if the product overflows. */
KEEL_NODISCARD void *keel_arena_calloc(keel_arena *arena, size_t count, size_t size);

/** One object of a type, or several, all zero: `user *u = KEEL_ARENA_NEW(&arena, user);`. */
#define KEEL_ARENA_NEW(arena, type) KEEL_ARENA_ARRAY(arena, type, 1)
#define KEEL_ARENA_ARRAY(arena, type, count)                                                       \
    ((type *)keel_arena_calloc((arena), (count), sizeof(type)))

/** A copy of some bytes, or of a string, with a NUL behind it. */
KEEL_NODISCARD void *keel_arena_dup(keel_arena *arena, const void *bytes, size_t size);
KEEL_NODISCARD char *keel_arena_strdup(keel_arena *arena, const char *text);
KEEL_NODISCARD char *keel_arena_str(keel_arena *arena, keel_str str);

/** What printf would write. NULL also if it cannot. */
KEEL_NODISCARD char *keel_arena_printf(keel_arena *arena, const char *format, ...)
    KEEL_PRINTF(2, 3);
KEEL_NODISCARD char *keel_arena_vprintf(keel_arena *arena, const char *format, va_list args)
    KEEL_PRINTF(2, 0);

/* ---- Going back ---- */

/** A state of an arena. Private, but to be kept and passed. */
typedef struct keel_arena_mark {
    struct keel__arena_block *keel__chunk, *keel__large;
    char *keel__at;
    size_t keel__used;
} keel_arena_mark;

/** The state now. */
keel_arena_mark keel_arena_checkpoint(const keel_arena *arena);

/**
 * Gives back what was taken since the checkpoint, and keeps a chunk of it for later. Checkpoints nest; going
 * back to one ends those made after it, keel_arena_reset all. Aborts if the arena is before the mark, as far
 * as that can be seen.
 *
 * Cost: O(chunks and large blocks since).
 */
void keel_arena_rewind(keel_arena *arena, keel_arena_mark mark);

/* ---- Statistics ---- */

typedef struct keel_arena_stats {
    size_t used_bytes; /**< Asked for since it was empty, and not given back. */
    size_t peak_bytes; /**< The most there was of that. */
    size_t held_bytes; /**< Held of the allocator, with what is kept for later. */
    size_t chunks;     /**< In use, or kept. */
    size_t large;      /**< Blocks of their own. */
} keel_arena_stats;

keel_arena_stats keel_arena_get_stats(const keel_arena *arena);

KEEL_END_DECLS

#endif /* KEEL_ARENA_H */
