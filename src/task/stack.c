/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* what the scheduler orders is not what users may rely on */
#include "task/stack.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <keel/mem.h>

#include "task/switch.h"

#ifdef KEEL_VALGRIND
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) ((void)(low), (void)(high), 0u)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that is not a mapping of its own */
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000) /* Linux 6.14 */
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

enum {
#ifdef KEEL_SIM_CORE
    SLAB_STACKS = 4, /* runs are short, and each maps its own */
#else
    SLAB_STACKS = 32,
#endif
    GUARD_PAGES = 4,  /* a frame with a large array must not step over it */
    CACHE_PLAIN = 64, /* what a worker keeps */
    CACHE_LARGE = 8,
    CACHE_KEPT = 4 /* of as many, when it gives some back */
};

typedef struct keel__slab {
    struct keel__slab *next;
    char *base;
    size_t bytes;
    keel__stack stacks[SLAB_STACKS];
} keel__slab;

#ifdef KEEL_SIM_CORE
#define map_pages keel__core_map
#define unmap_pages keel__core_unmap
#else
static void *map_pages(size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
}

static void unmap_pages(void *base, size_t bytes)
{
    munmap(base, bytes);
}
#endif

void keel__stack_pool_init(keel__stack_pool *pool, size_t plain_bytes)
{
    memset(pool, 0, sizeof *pool);
    pool->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    pool->guard_bytes = GUARD_PAGES * pool->page_bytes;
    /* QEMU's user mode takes any advice, and does nothing */
    pool->has_light_guards = madvise(NULL, 0, -1) != 0;

    size_t sizes[KEEL__STACK_CLASSES] = { plain_bytes, KEEL__STACK_LARGE_BYTES };
    for (unsigned i = 0; i < KEEL__STACK_CLASSES; i++) {
        size_t bytes = sizes[i] * keel__stack_factor();
        pool->class_bytes[i] = (bytes + pool->page_bytes - 1) / pool->page_bytes * pool->page_bytes;
    }
}

void keel__stack_pool_deinit(keel__stack_pool *pool)
{
    while (pool->slabs != NULL) {
        keel__slab *slab = pool->slabs;

        pool->slabs = slab->next;
        for (unsigned i = 0; i < SLAB_STACKS; i++)
            VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
        unmap_pages(slab->base, slab->bytes);
        keel_mem_free(slab);
    }
}

/* Which limit refuses memory is not in errno: name the ones that can be. */
static keel_err *limit_error(const char *what, size_t bytes, int code)
{
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;

    return keel_err_wrap(
        KEEL_ERR_LIMIT, "task stack: %s of %zu bytes: %s: hit %s", what, bytes, strerror(code),
        limited ? "RLIMIT_AS (ulimit -v)"
                : "vm.max_map_count, or vm.overcommit_memory and the memory there is");
}

/* Puts a guard below `low`. The modern kind costs no mapping; the older one splits it in two. */
static keel_err *guard(const keel__stack_pool *pool, char *low)
{
    char *start = low - pool->guard_bytes;

#ifdef KEEL_SIM_CORE
    return NULL; /* the same few mappings serve all runs; guards would cost more than the runs */
#endif
    if (pool->has_light_guards && madvise(start, pool->guard_bytes, MADV_GUARD_INSTALL) == 0)
        return NULL;
    if (mprotect(start, pool->guard_bytes, PROT_NONE) == 0)
        return NULL;
    return limit_error("mprotect", pool->guard_bytes, errno);
}

/* Puts the guards of `count` stacks in one call, where the kernel has that; else none, or only some. */
static bool guard_all(const keel__stack_pool *pool, char *base, size_t stride, size_t count)
{
#if defined(SYS_process_madvise) && !defined(KEEL_SIM_CORE)
    struct iovec guards[SLAB_STACKS];

    for (size_t i = 0; i < count; i++)
        guards[i] = (struct iovec){ base + i * stride, pool->guard_bytes };
    return syscall(SYS_process_madvise, PIDFD_SELF, guards, count, MADV_GUARD_INSTALL, 0) ==
           (long)(count * pool->guard_bytes);
#else
    (void)pool, (void)base, (void)stride, (void)count;
    return false;
#endif
}

/* Maps `count` stacks of `bytes` each, guards included. */
static keel_err *map(const keel__stack_pool *pool, size_t bytes, size_t count, char **out)
{
    size_t stride = bytes + pool->guard_bytes;
    char *base = map_pages(stride * count);

    if (base == MAP_FAILED)
        return limit_error("mmap", stride * count, errno);
#if defined(MADV_NOHUGEPAGE) && !defined(KEEL_SIM_CORE)
    madvise(base, stride * count, MADV_NOHUGEPAGE); /* else one touch commits 2 MiB */
#endif
    const bool guarded = guard_all(pool, base, stride, count);
    for (size_t i = 0; i < count && !guarded; i++) {
        keel_err *err = guard(pool, base + i * stride + pool->guard_bytes);
        if (err != NULL) {
            unmap_pages(base, stride * count);
            return err;
        }
    }
    *out = base;
    return NULL;
}

static void describe(keel__stack *stack, char *low, size_t bytes, unsigned class)
{
    *stack = (keel__stack){ .low = low, .bytes = bytes, .class = class };
    stack->valgrind_id = VALGRIND_STACK_REGISTER(low, low + bytes);
}

static keel_err *make_odd(keel__stack_pool *pool, size_t bytes, keel__stack **out)
{
    keel__stack *stack = keel_mem_alloc(sizeof *stack);
    char *base = NULL;

    if (stack == NULL)
        return KEEL_ERR_NOMEM;
    bytes = (bytes + pool->page_bytes - 1) / pool->page_bytes * pool->page_bytes;
    keel_err *err = map(pool, bytes, 1, &base);
    if (err != NULL) {
        keel_mem_free(stack);
        return err;
    }
    describe(stack, base + pool->guard_bytes, bytes, KEEL__STACK_ODD);
    *out = stack;
    return NULL;
}

static void free_odd(keel__stack_pool *pool, keel__stack *stack)
{
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
    unmap_pages(stack->low - pool->guard_bytes, stack->bytes + pool->guard_bytes);
    keel_mem_free(stack);
}

/* A slab: its first stack for the caller, the others for the pool. */
static keel_err *make_slab(keel__stack_pool *pool, unsigned class, keel__stack **out)
{
    size_t bytes = pool->class_bytes[class], stride = bytes + pool->guard_bytes;
    keel__slab *slab = keel_mem_alloc(sizeof *slab);

    if (slab == NULL)
        return KEEL_ERR_NOMEM;
    keel_err *err = map(pool, bytes, SLAB_STACKS, &slab->base);
    if (err != NULL) {
        keel_mem_free(slab);
        return err;
    }
    slab->bytes = stride * SLAB_STACKS;
    for (unsigned i = 0; i < SLAB_STACKS; i++) {
        describe(&slab->stacks[i], slab->base + i * stride + pool->guard_bytes, bytes, class);
        slab->stacks[i].next = i + 1 < SLAB_STACKS ? &slab->stacks[i + 1] : NULL;
    }
    *out = &slab->stacks[0];

    keel__spin_lock(&pool->lock);
    slab->stacks[SLAB_STACKS - 1].next = pool->free[class];
    pool->free[class] = &slab->stacks[1];
    slab->next = pool->slabs;
    pool->slabs = slab;
    keel__spin_unlock(&pool->lock);
    return NULL;
}

keel_err *keel__stack_take(keel__stack_pool *pool, keel__stack_cache *cache, size_t bytes,
                           keel__stack **out)
{
    unsigned class = KEEL__STACK_PLAIN;

    bytes = bytes == 0 ? pool->class_bytes[KEEL__STACK_PLAIN] : bytes * keel__stack_factor();
    while (class < KEEL__STACK_CLASSES && pool->class_bytes[class] != bytes)
        class ++;
    /* the race detector keeps the history of a stack's memory: only a fresh mapping has none */
    if (class == KEEL__STACK_CLASSES || KEEL__TSAN)
        return make_odd(pool, bytes, out);

    keel__stack *stack = cache->free[class];
    if (stack != NULL) {
        cache->free[class] = stack->next;
        cache->count[class]--;
    } else {
        keel__spin_lock(&pool->lock);
        stack = pool->free[class];
        if (stack != NULL)
            pool->free[class] = stack->next;
        keel__spin_unlock(&pool->lock);
    }
    if (stack == NULL)
        return make_slab(pool, class, out);
    *out = stack;
    return NULL;
}

/* Gives the stacks that a cache has had longest back to the pool, which keeps addresses, not memory. Those of
 * tasks that began together and end together lie side by side: one call for all of them costs a few times
 * less than one for each. */
static void give_back(keel__stack_pool *pool, keel__stack_cache *cache, unsigned class)
{
    keel__stack *given[CACHE_PLAIN], *last = cache->free[class];
    const unsigned kept = cache->count[class] / CACHE_KEPT, count = cache->count[class] - kept;

    for (unsigned i = 1; i < kept; i++)
        last = last->next;
    keel__stack *stack = last->next;
    last->next = NULL;
    cache->count[class] = kept;

    for (unsigned i = 0; i < count; i++, stack = stack->next) { /* sorted by address */
        unsigned at = i;

        for (; at > 0 && given[at - 1]->low > stack->low; at--)
            given[at] = given[at - 1];
        given[at] = stack;
    }
    for (unsigned i = 0, end; i < count; i = end) {
        const size_t stride = given[i]->bytes + pool->guard_bytes;

        for (end = i + 1; end < count && given[end]->low == given[end - 1]->low + stride; end++)
            continue;
        madvise(given[i]->low, (end - i) * stride - pool->guard_bytes, MADV_DONTNEED);
    }

    keel__spin_lock(&pool->lock);
    for (unsigned i = 0; i < count; i++) {
        given[i]->next = pool->free[class];
        pool->free[class] = given[i];
    }
    keel__spin_unlock(&pool->lock);
}

void keel__stack_give(keel__stack_pool *pool, keel__stack_cache *cache, keel__stack *stack)
{
    unsigned class = stack->class;

    if (class == KEEL__STACK_ODD) {
        free_odd(pool, stack);
        return;
    }
    if (cache->count[class] < (class == KEEL__STACK_PLAIN ? CACHE_PLAIN : CACHE_LARGE)) {
        stack->next = cache->free[class];
        cache->free[class] = stack;
        cache->count[class]++;
        return;
    }
    give_back(pool, cache, class);
    keel__stack_give(pool, cache, stack);
}

bool keel__stack_guards(const keel__stack_pool *pool, const keel__stack *stack, const void *address)
{
    uintptr_t at = (uintptr_t)address, low = (uintptr_t)stack->low;

    return at < low && at >= low - pool->guard_bytes;
}

size_t keel__stack_factor(void)
{
    return KEEL__TSAN || keel__asan() ? 4 : 1;
}
