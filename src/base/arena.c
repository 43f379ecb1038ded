/* SPDX-License-Identifier: MIT */
#include <keel/arena.h>

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"

#ifdef KEEL_VALGRIND
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_NOACCESS(ptr, size) ((void)(ptr), (void)(size))
#define VALGRIND_MAKE_MEM_UNDEFINED(ptr, size) ((void)(ptr), (void)(size))
#endif

/* Weak: NULL in a program without the sanitizer. */
#if defined(__ELF__)
void __asan_poison_memory_region(const volatile void *low, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *low, size_t bytes) __attribute__((weak));
#define HAS_ASAN (__asan_poison_memory_region != NULL)
#else
#define __asan_poison_memory_region(low, bytes) ((void)0)
#define __asan_unpoison_memory_region(low, bytes) ((void)0)
#define HAS_ASAN false
#endif

#define ALIGNMENT alignof(max_align_t)
#define LARGEST_CHUNK 64 /* times chunk_bytes */
#define LARGE_SHARE 4    /* more than this part of a chunk is a block of its own */
#define GAP 16           /* between neighbours, where somebody watches */

/* A chunk, or a large block. What is handed out is behind it. */
typedef struct keel__arena_block {
    alignas(max_align_t) struct keel__arena_block *older;
    size_t bytes; /* with this */
} block;

static_assert(sizeof(block) % ALIGNMENT == 0, "what is behind a block is aligned");

/* ---- Watching ---- */

/* Nobody may use it. */
static void hide(void *ptr, size_t size)
{
    if (HAS_ASAN)
        __asan_poison_memory_region(ptr, size);
    VALGRIND_MAKE_MEM_NOACCESS(ptr, size);
}

static void show(void *ptr, size_t size)
{
    if (HAS_ASAN)
        __asan_unpoison_memory_region(ptr, size);
    VALGRIND_MAKE_MEM_UNDEFINED(ptr, size);
}

static size_t gap(void)
{
#ifdef KEEL_VALGRIND
    return GAP;
#else
    return HAS_ASAN ? GAP : 0;
#endif
}

/* ---- Blocks ---- */

static char *begin_of(block *b)
{
    return (char *)(b + 1);
}

static char *end_of(block *b)
{
    return (char *)b + b->bytes;
}

/* What max_bytes leaves. */
static size_t allowed(const keel_arena *arena)
{
    size_t max = arena->max_bytes != 0 ? arena->max_bytes : KEEL_ARENA_DEFAULT_MAX_BYTES;

    return max > arena->keel__held ? max - arena->keel__held : 0;
}

static void block_free(keel_arena *arena, block *b)
{
    if (b == NULL)
        return;
    arena->keel__held -= b->bytes;
    show(begin_of(b), b->bytes - sizeof *b); /* the allocator may write to it */
    keel_mem_free(b);
}

static block *block_new(keel_arena *arena, size_t bytes)
{
    if (bytes > allowed(arena)) { /* what is only kept for later must not stand in its way */
        block_free(arena, arena->keel__spare);
        arena->keel__spare = NULL;
    }
    if (bytes > allowed(arena))
        return NULL;
    block *b = keel_mem_alloc(bytes);
    if (b == NULL)
        return NULL;
    b->bytes = bytes;
    arena->keel__held += bytes;
    hide(begin_of(b), bytes - sizeof *b);
    return b;
}

static void use_chunk(keel_arena *arena, block *chunk, char *at)
{
    arena->keel__chunk = chunk;
    arena->keel__at = at;
    arena->keel__end = chunk != NULL ? end_of(chunk) : NULL;
}

/* Takes the newest chunk off, and keeps it or the spare one, whichever is larger. */
static void pop_chunk(keel_arena *arena)
{
    block *chunk = arena->keel__chunk;
    block *spare = arena->keel__spare;

    arena->keel__chunk = chunk->older;
    if (spare != NULL && spare->bytes >= chunk->bytes) {
        block_free(arena, chunk);
        return;
    }
    block_free(arena, spare);
    hide(begin_of(chunk), chunk->bytes - sizeof *chunk);
    arena->keel__spare = chunk;
}

static void pop_large(keel_arena *arena)
{
    block *large = arena->keel__large;

    arena->keel__large = large->older;
    block_free(arena, large);
}

static void note_peak(keel_arena *arena)
{
    if (arena->keel__peak < arena->keel__used)
        arena->keel__peak = arena->keel__used;
}

void keel_arena_reset(keel_arena *arena)
{
    keel__need(arena != NULL, "keel_arena_reset", "arena");
    keel_arena_rewind(arena, (keel_arena_mark){ 0 });
}

void keel_arena_deinit(keel_arena *arena)
{
    if (arena == NULL)
        return;
    keel_arena_reset(arena);
    block_free(arena, arena->keel__spare);
    *arena = (keel_arena){ .chunk_bytes = arena->chunk_bytes, .max_bytes = arena->max_bytes };
}

/* ---- Taking ---- */

/* A chunk where `size` bytes fit: the spare one, or a new one; a small one if max_bytes leaves no more. */
static block *find_chunk(keel_arena *arena, size_t size)
{
    block *chunk = arena->keel__spare;

    if (chunk != NULL && (size_t)(end_of(chunk) - begin_of(chunk)) >= size) {
        arena->keel__spare = NULL;
        return chunk;
    }
    size_t bytes = arena->keel__next_bytes;
    if (bytes > allowed(arena))
        bytes = sizeof *chunk + size;
    chunk = block_new(arena, bytes);
    size_t first_bytes =
        arena->chunk_bytes != 0 ? arena->chunk_bytes : KEEL_ARENA_DEFAULT_CHUNK_BYTES;
    if (chunk != NULL && arena->keel__next_bytes / LARGEST_CHUNK < first_bytes &&
        arena->keel__next_bytes <= SIZE_MAX / 2)
        arena->keel__next_bytes *= 2;
    return chunk;
}

static void *alloc_large(keel_arena *arena, size_t need)
{
    block *large = block_new(arena, sizeof *large + need);

    if (large == NULL)
        return NULL;
    large->older = arena->keel__large;
    arena->keel__large = large;
    return begin_of(large);
}

/* From a new place with room for the worst alignment. */
static __attribute__((noinline)) void *alloc_slow(keel_arena *arena, size_t size, size_t alignment)
{
    size_t slack = alignment > ALIGNMENT ? alignment - ALIGNMENT : 0;
    char *at;

    if (size > SIZE_MAX / 2 || slack > SIZE_MAX / 4)
        return NULL;
    size_t need = size + slack + gap();
    if (arena->keel__next_bytes == 0) {
        size_t first = arena->chunk_bytes;
        arena->keel__next_bytes = first == 0 ? KEEL_ARENA_DEFAULT_CHUNK_BYTES : first;
        if (arena->keel__next_bytes < LARGE_SHARE * sizeof(block))
            arena->keel__next_bytes = LARGE_SHARE * sizeof(block);
    }
    if (need > arena->keel__next_bytes / LARGE_SHARE) {
        at = alloc_large(arena, need);
        if (at == NULL)
            return NULL;
    } else {
        block *chunk = find_chunk(arena, need);
        if (chunk == NULL)
            return NULL;
        chunk->older = arena->keel__chunk;
        at = begin_of(chunk);
        use_chunk(arena, chunk, at + need);
    }
    at += -(uintptr_t)at & (alignment - 1);
    arena->keel__used += size;
    show(at, size);
    return at;
}

void *keel_arena_alloc_aligned(keel_arena *arena, size_t size, size_t alignment)
{
    keel__need(arena != NULL, "keel_arena_alloc", "arena");
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        keel__misuse("keel_arena_alloc_aligned: %zu is no power of two", alignment);
    size_t room = (size_t)(arena->keel__end - arena->keel__at);
    size_t padding = -(uintptr_t)arena->keel__at & (alignment - 1);
    size_t rest = gap() + padding;
    if (room < rest || room - rest < size || arena->keel__at == NULL)
        return alloc_slow(arena, size, alignment);
    char *at = arena->keel__at + padding;
    arena->keel__at = at + size + gap();
    arena->keel__used += size;
    show(at, size);
    return at;
}

void *keel_arena_alloc(keel_arena *arena, size_t size)
{
    return keel_arena_alloc_aligned(arena, size, ALIGNMENT);
}

void *keel_arena_calloc(keel_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    void *ptr = keel_arena_alloc(arena, count * size);
    if (ptr != NULL)
        memset(ptr, 0, count * size);
    return ptr;
}

void *keel_arena_dup(keel_arena *arena, const void *bytes, size_t size)
{
    keel__need(bytes != NULL || size == 0, "keel_arena_dup", "bytes");
    void *ptr = keel_arena_alloc(arena, size);
    if (ptr != NULL && size > 0)
        memcpy(ptr, bytes, size);
    return ptr;
}

char *keel_arena_strdup(keel_arena *arena, const char *text)
{
    keel__need(text != NULL, "keel_arena_strdup", "text");
    return keel_arena_str(arena, keel_str_from(text));
}

/* Texts need no alignment. */
char *keel_arena_str(keel_arena *arena, keel_str str)
{
    char *text = str.len < SIZE_MAX ? keel_arena_alloc_aligned(arena, str.len + 1, 1) : NULL;

    if (text == NULL)
        return NULL;
    if (str.len > 0)
        memcpy(text, str.ptr, str.len);
    text[str.len] = '\0';
    return text;
}

char *keel_arena_printf(keel_arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = keel_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *keel_arena_vprintf(keel_arena *arena, const char *format, va_list args)
{
    char first[256];
    va_list again;

    keel__need(format != NULL, "keel_arena_vprintf", "format");
    va_copy(again, args);
    int count = vsnprintf(first, sizeof first, format, args);
    char *text = count < 0 ? NULL : keel_arena_alloc_aligned(arena, (size_t)count + 1, 1);
    if (text != NULL && (size_t)count < sizeof first)
        memcpy(text, first, (size_t)count + 1);
    else if (text != NULL)
        vsnprintf(text, (size_t)count + 1, format, again);
    va_end(again);
    return text;
}

/* ---- Going back ---- */

keel_arena_mark keel_arena_checkpoint(const keel_arena *arena)
{
    keel__need(arena != NULL, "keel_arena_checkpoint", "arena");
    return (keel_arena_mark){ arena->keel__chunk, arena->keel__large, arena->keel__at,
                              arena->keel__used };
}

static bool is_among(const block *newest, const block *wanted)
{
    while (newest != NULL && newest != wanted)
        newest = newest->older;
    return newest == wanted;
}

void keel_arena_rewind(keel_arena *arena, keel_arena_mark mark)
{
    keel__need(arena != NULL, "keel_arena_rewind", "arena");
    if (mark.keel__used > arena->keel__used || !is_among(arena->keel__chunk, mark.keel__chunk) ||
        !is_among(arena->keel__large, mark.keel__large) ||
        (mark.keel__chunk == arena->keel__chunk && mark.keel__at > arena->keel__at))
        keel__misuse("keel_arena_rewind: the arena is before the mark");
    note_peak(arena);
    while (arena->keel__large != mark.keel__large)
        pop_large(arena);
    while (arena->keel__chunk != mark.keel__chunk)
        pop_chunk(arena);
    use_chunk(arena, mark.keel__chunk, mark.keel__at);
    if (mark.keel__chunk != NULL)
        hide(mark.keel__at, (size_t)(arena->keel__end - mark.keel__at));
    arena->keel__used = mark.keel__used;
}

/* ---- Statistics ---- */

static size_t count_blocks(const block *newest)
{
    size_t count = 0;

    for (; newest != NULL; newest = newest->older)
        count++;
    return count;
}

keel_arena_stats keel_arena_get_stats(const keel_arena *arena)
{
    keel__need(arena != NULL, "keel_arena_get_stats", "arena");
    return (keel_arena_stats){
        .used_bytes = arena->keel__used,
        .peak_bytes = arena->keel__used > arena->keel__peak ? arena->keel__used : arena->keel__peak,
        .held_bytes = arena->keel__held,
        .chunks = count_blocks(arena->keel__chunk) + (arena->keel__spare != NULL),
        .large = count_blocks(arena->keel__large),
    };
}
