/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BUFPOOL_H
#define KEEL_BUFPOOL_H

#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>

KEEL_BEGIN_DECLS

/** What a pool does if its options are 0. */
#define KEEL_BUFPOOL_DEFAULT_MAX_BYTES ((size_t)64 << 10)
#define KEEL_BUFPOOL_DEFAULT_RETAIN_BYTES ((size_t)16 << 20)

/**
 * Byte buffers that are used again instead of being allocated and freed each time.
 *
 *     char *buffer = keel_bufpool_get(pool, 1024);
 *     if (buffer == NULL)
 *         return KEEL_ERR_NOMEM;
 *     ...
 *     keel_bufpool_put(pool, buffer);
 *
 * A buffer has the size of its class, a power of two; what is larger than max_bytes is allocated and freed
 * each time. What is in a buffer is left over from its last user: nothing is zeroed.
 *
 * Each worker of a runtime (up to 255 in a process) has a cache of its own, which takes no lock and holds
 * up to 128 KiB, or 128 buffers, of each class (at least two). What finds no place there goes to a part that
 * all share, plain threads too; and beyond retain_bytes in that, back to the allocator.
 *
 * With KEEL_CHECKED in the library (all but its release builds) a buffer that is put twice, or near its start written to
 * after it was put, or put into another pool, ends the program with a message.
 *
 * Threads: any, at once; a buffer may be put by another task or thread than got it. Only keel_bufpool_free
 *          needs the others finished.
 * Source:  Go's sync.Pool, for buffers; a garbage collector that empties it is keel_bufpool_trim.
 */
typedef struct keel_bufpool keel_bufpool;

typedef struct keel_bufpool_opts {
    /** Buffers larger than this, rounded up to a power of two, are not kept. At most 1 GiB.
     * 0: KEEL_BUFPOOL_DEFAULT_MAX_BYTES. */
    size_t max_bytes;
    /** What the shared part may hold. 0: KEEL_BUFPOOL_DEFAULT_RETAIN_BYTES; KEEL_UNLIMITED: any. */
    size_t retain_bytes;
} keel_bufpool_opts;

/**
 * Makes a pool, empty. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_INVAL if max_bytes is over 1 GiB; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_bufpool_free.
 */
KEEL_NODISCARD keel_err *keel_bufpool_new(keel_bufpool **out, const keel_bufpool_opts *opts);

/** Frees the pool and all that is in it. Aborts if buffers have not been put back. Accepts NULL. */
void keel_bufpool_free(keel_bufpool *pool);

/** A buffer of at least `size` bytes, aligned for any type; NULL out of memory. To be put back. */
KEEL_NODISCARD static inline void *keel_bufpool_get(keel_bufpool *pool, size_t size);

/** Puts a buffer back; it is nobody's then. Never fails. Accepts NULL. */
static inline void keel_bufpool_put(keel_bufpool *pool, void *buffer);

/** How many bytes a buffer has: as many as were asked for, or more. */
size_t keel_bufpool_size(const void *buffer);

/** Gives what the shared part holds back to the allocator. */
void keel_bufpool_trim(keel_bufpool *pool);

/** What a pool did and has. While others use it, the numbers need not agree with each other. */
typedef struct keel_bufpool_stats {
    uint64_t gets;         /**< Buffers that were got. */
    uint64_t made;         /**< Of those, allocated for it. */
    uint64_t dropped;      /**< Given back to the allocator by put, and by trim. */
    size_t out;            /**< Buffers that were got and not put back. */
    size_t cached_bytes;   /**< In the workers' caches. */
    size_t retained_bytes; /**< In the shared part. */
} keel_bufpool_stats;

void keel_bufpool_get_stats(keel_bufpool *pool, keel_bufpool_stats *out);

/* ---- The library's own ---- */

KEEL_NODISCARD void *keel__bufpool_get(keel_bufpool *pool, size_t size);
void keel__bufpool_put(keel_bufpool *pool, void *buffer);

enum { KEEL__BUFPOOL_MIN_SHIFT = 6, KEEL__BUFPOOL_CLASSES = 25, KEEL__BUFPOOL_SLOTS = 256 };

/* A worker's idle buffers of one class: a stack. */
typedef struct keel__bufpool_bin {
    void **top; /* behind the last */
    void **first, **end;
    void *unused; /* for the size, which is 32 */
} keel__bufpool_bin;

/* One more bin is always full, that of buffers that are not kept. */
typedef struct keel__bufpool_cache {
    keel__bufpool_bin bins[KEEL__BUFPOOL_CLASSES + 1];
    uint64_t gets;
} keel__bufpool_cache;

struct keel_bufpool {
    /* By the number of a worker in the process. 0, which others have, is a cache that is empty and full. */
    keel__bufpool_cache *keel__caches[KEEL__BUFPOOL_SLOTS];
};

/* Stands before each buffer. */
typedef struct keel__bufpool_header {
    keel_bufpool *pool;
    uint32_t size_class; /* as many bytes, as a power of two, as are above the least */
    uint32_t state;
} keel__bufpool_header;

/* What has to look at every access does not get to see these: race detectors, the simulated machine. */
#if defined(__GNUC__) && !defined(KEEL_SIM_CORE) && !defined(__SANITIZE_THREAD__)
#define KEEL__BUFPOOL_INLINE 1
#else
#define KEEL__BUFPOOL_INLINE 0
#endif
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#undef KEEL__BUFPOOL_INLINE
#define KEEL__BUFPOOL_INLINE 0
#endif
#endif

#if KEEL__BUFPOOL_INLINE

/* A task never changes its thread, so that a compiler may keep this where it likes. */
extern __thread uint32_t keel__bufpool_slot;

static inline void *keel_bufpool_get(keel_bufpool *pool, size_t size)
{
    if (!__builtin_constant_p(size) || size - 1 >= (size_t)1 << 30)
        return keel__bufpool_get(pool, size);
    keel__bufpool_cache *cache = pool->keel__caches[keel__bufpool_slot];
    unsigned size_class = 64 - KEEL__BUFPOOL_MIN_SHIFT -
                          (unsigned)__builtin_clzll((unsigned long long)(size - 1) | 63);
    keel__bufpool_bin *bin = &cache->bins[size_class];
    void **top = __atomic_load_n(&bin->top, __ATOMIC_RELAXED);
    if (__builtin_expect(top == bin->first, 0))
        return keel__bufpool_get(pool, size);
    __atomic_store_n(&bin->top, top - 1, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->gets, cache->gets + 1, __ATOMIC_RELAXED);
    return top[-1];
}

static inline void keel_bufpool_put(keel_bufpool *pool, void *buffer)
{
    if (buffer == NULL)
        return;
    uint32_t size_class = ((keel__bufpool_header *)buffer - 1)->size_class;
    keel__bufpool_bin *bin = &pool->keel__caches[keel__bufpool_slot]->bins[size_class];
    void **top = __atomic_load_n(&bin->top, __ATOMIC_RELAXED);
    if (__builtin_expect(top == bin->end, 0)) {
        keel__bufpool_put(pool, buffer);
        return;
    }
    *top = buffer;
    __atomic_store_n(&bin->top, top + 1, __ATOMIC_RELAXED);
}

#else

static inline void *keel_bufpool_get(keel_bufpool *pool, size_t size)
{
    return keel__bufpool_get(pool, size);
}

static inline void keel_bufpool_put(keel_bufpool *pool, void *buffer)
{
    keel__bufpool_put(pool, buffer);
}

#endif

KEEL_END_DECLS

#endif /* KEEL_BUFPOOL_H */
