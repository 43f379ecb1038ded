/* SPDX-License-Identifier: MIT */
#include <keel/bufpool.h>

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#include <keel/mem.h>
#include <keel/template.h> /* KEEL_CHECKED */

#include "base/atomic.h"
#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/bufpool.h"
#include "task/worker.h"

/* The smallest class has 64 bytes, the largest there may be 1 GiB. */
enum { MIN_SHIFT = KEEL__BUFPOOL_MIN_SHIFT, CLASSES = KEEL__BUFPOOL_CLASSES };
#ifdef KEEL_SIM_CORE
enum { SLOTS = 8 }; /* a look at all of them is part of every run */
#else
enum { SLOTS = KEEL__BUFPOOL_SLOTS };
#endif
enum { CACHE_COUNT = 128 };
#define CACHE_BYTES ((size_t)128 << 10)

enum {
    UNPOOLED = CLASSES, /* the class of a buffer that is freed when it is put */
    OUT = 0x5EED0007,   /* the state of a buffer that somebody has, and of one that nobody has */
    IN = 0x5EED0FF0,
};

/* A block: a buffer aligned for anything, its header directly before it, and before that, in a buffer that
 * is not kept, its size. */
typedef keel__bufpool_header header;
enum { HEAD_BYTES = 32 };
static_assert(HEAD_BYTES % alignof(max_align_t) == 0, "the buffer is aligned");
static_assert(HEAD_BYTES >= sizeof(header) + sizeof(size_t), "there is room for both");

/* A buffer that nobody has: `next` makes chains, and in the first of a chain `next_chain` a list of
 * chains. So a whole chain changes hands under a lock in one step. */
typedef struct idle {
    struct idle *next, *next_chain;
    size_t count; /* of the chain, in its first */
} idle;

static_assert(sizeof(idle) <= 1 << MIN_SHIFT, "an idle buffer holds its links");

/* What the inlined functions see of a worker's cache, and the stacks. Only the worker changes it; others
 * look at the tops and count. */
typedef keel__bufpool_bin bin;
typedef struct cache {
    keel__bufpool_cache head;
    void *items[];
} cache;

/* The shared part of one class. */
typedef struct depot {
    keel__spin lock; /* guards what follows */
    idle *chains;    /* of batch_of(class) each */
    idle *loose;     /* a chain of fewer */
    size_t count;    /* of all */
} depot;

/* With checks the inlined functions find no caches, and so leave everything to those here. */
typedef struct pool {
    keel_bufpool head;
    keel__aptr caches[SLOTS]; /* NULL: not made yet */

    /* constant */
    size_t retain_bytes;
    unsigned classes;
    bool simulated; /* made in a simulation */

    depot depots[CLASSES];
    keel__asize retained_bytes;
    keel__a64 gets; /* but for those that a cache counts */
    keel__a64 made, freed;
} pool;

/* Empty and full. */
static const keel__bufpool_cache no_cache;

static size_t bytes_of(unsigned class)
{
    return (size_t)1 << (class + MIN_SHIFT);
}

/* The class for a size: the largest bit of what is one less says how many bits it needs. */
static inline unsigned class_of(size_t size)
{
    unsigned long long last = (size - (size != 0)) | ((1 << MIN_SHIFT) - 1);

    return 64 - MIN_SHIFT - (unsigned)__builtin_clzll(last);
}

/* How many a cache holds of a class: an even number. It trades half of that with the shared part. */
static size_t room_of(unsigned class)
{
    size_t count = CACHE_BYTES / bytes_of(class);

    return count > CACHE_COUNT ? CACHE_COUNT : count < 2 ? 2 : count;
}

static size_t batch_of(unsigned class)
{
    return room_of(class) / 2;
}

static inline header *header_of(const void *buffer)
{
    return (header *)(uintptr_t)buffer - 1;
}

static void *block_of(const void *buffer)
{
    return (char *)(uintptr_t)buffer - HEAD_BYTES;
}

/* ---- Numbers of workers ---- */

static struct {
    keel__spin lock;
    bool taken[SLOTS]; /* not 0, which is everybody's */
} slots;

#ifdef KEEL_SIM_CORE

/* One thread has all the cores, and a scenario one runtime. */
static unsigned own_slot(void)
{
    const keel__worker *worker = keel__process_worker();

    return worker != NULL ? (worker->index + 1) % SLOTS : 0;
}

void keel__bufpool_enter(keel__worker *worker)
{
    (void)worker, (void)slots;
}

void keel__bufpool_leave(keel__worker *worker)
{
    (void)worker;
}

#else

__thread uint32_t keel__bufpool_slot;

static unsigned own_slot(void)
{
    return keel__bufpool_slot;
}

void keel__bufpool_enter(keel__worker *worker)
{
    unsigned slot = worker->index % (SLOTS - 1) + 1; /* mostly the same one again */

    keel__spin_lock(&slots.lock);
    for (unsigned i = 1; i < SLOTS && slots.taken[slot]; i++)
        slot = slot % (SLOTS - 1) + 1;
    keel__bufpool_slot = slots.taken[slot] ? 0 : slot;
    slots.taken[slot] = true;
    keel__spin_unlock(&slots.lock);
}

void keel__bufpool_leave(keel__worker *worker)
{
    (void)worker;
    keel__spin_lock(&slots.lock);
    slots.taken[keel__bufpool_slot] = false;
    keel__bufpool_slot = 0;
    keel__spin_unlock(&slots.lock);
}

#endif

/* ---- Checks ---- */

#if KEEL_CHECKED

/* What the beginning of a buffer that nobody has holds, behind its links: to be there when it is got. */
enum { MARKED_BYTES = 128 };
static const char rubbish[] = "written to by none, written to by none, written to by none, "
                              "written to by none, written to by none, written to";
static_assert(sizeof rubbish >= MARKED_BYTES - sizeof(idle), "enough for all of it");

/* How much of it a buffer has. */
static size_t marked(const header *head)
{
    size_t bytes = head->size_class != UNPOOLED ? bytes_of(head->size_class) : 0;

    return bytes == 0 ? 0 : (bytes < MARKED_BYTES ? bytes : MARKED_BYTES) - sizeof(idle);
}

static void check_put(const pool *of, void *buffer)
{
    header *head = header_of(buffer);

    if (head->state == IN)
        keel__misuse("keel_bufpool_put: the buffer %p was put before", buffer);
    if (head->state != OUT)
        keel__misuse("keel_bufpool_put: %p is no buffer, or its start was written over", buffer);
    if (head->pool != &of->head)
        keel__misuse("keel_bufpool_put: the buffer %p is another pool's", buffer);
    head->state = IN;
    memcpy((char *)buffer + sizeof(idle), rubbish, marked(head));
}

static void *check_got(void *buffer)
{
    header *head = header_of(buffer);

    if (head->state == IN && memcmp((char *)buffer + sizeof(idle), rubbish, marked(head)) != 0)
        keel__misuse("keel_bufpool_get: a buffer (%p) was written to after it was put", buffer);
    head->state = OUT;
    return buffer;
}

#else
#define check_put(pool, buffer) ((void)0)
#define check_got(buffer) (buffer)
#endif

/* ---- Memory ---- */

/* The size stands at the start of the block. */
static void *make(pool *of, unsigned class, size_t bytes)
{
    char *block = keel_mem_alloc(HEAD_BYTES + bytes);

    if (block == NULL)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    *header_of(block + HEAD_BYTES) = (header){ .pool = &of->head, .size_class = class };
    keel__add_relaxed(&of->made, 1);
    return block + HEAD_BYTES;
}

static void drop(pool *of, void *buffer)
{
    keel__tsan_acquire(buffer); /* comes after who put it */
    keel_mem_free(block_of(buffer));
    keel__add_relaxed(&of->freed, 1);
}

static void drop_chain(pool *of, idle *chain)
{
    while (chain != NULL) {
        idle *next = chain->next;

        drop(of, chain);
        chain = next;
    }
}

/* ---- The shared part ---- */

/* Whether so many bytes more may be kept; they are counted then. */
static bool retain(pool *of, size_t bytes)
{
    size_t before = keel__add(&of->retained_bytes, bytes);

    if (before <= of->retain_bytes && bytes <= of->retain_bytes - before)
        return true;
    keel__sub(&of->retained_bytes, bytes);
    return false;
}

/* Gives a chain of batch_of(class) to the shared part. */
static void give_chain(pool *of, unsigned class, idle *chain)
{
    depot *shared = &of->depots[class];

    if (!retain(of, chain->count * bytes_of(class))) {
        drop_chain(of, chain);
        return;
    }
    keel__spin_lock(&shared->lock);
    chain->next_chain = shared->chains;
    shared->chains = chain;
    shared->count += chain->count;
    keel__spin_unlock(&shared->lock);
}

static void give_one(pool *of, unsigned class, idle *one)
{
    depot *shared = &of->depots[class];

    if (!retain(of, bytes_of(class))) {
        drop(of, one);
        return;
    }
    keel__spin_lock(&shared->lock);
    one->next = shared->loose;
    one->count = one->next != NULL ? one->next->count + 1 : 1;
    shared->loose = one;
    shared->count++;
    if (one->count == batch_of(class)) {
        one->next_chain = shared->chains;
        shared->chains = one;
        shared->loose = NULL;
    }
    keel__spin_unlock(&shared->lock);
}

/* A chain of up to batch_of(class), or NULL. */
static idle *take_chain(pool *of, unsigned class)
{
    depot *shared = &of->depots[class];

    keel__spin_lock(&shared->lock);
    idle *chain = shared->chains;
    if (chain != NULL) {
        shared->chains = chain->next_chain;
    } else {
        chain = shared->loose;
        shared->loose = NULL;
    }
    if (chain != NULL)
        shared->count -= chain->count;
    keel__spin_unlock(&shared->lock);
    if (chain != NULL)
        keel__sub(&of->retained_bytes, chain->count * bytes_of(class));
    return chain;
}

static void *take_one(pool *of, unsigned class)
{
    depot *shared = &of->depots[class];

    keel__spin_lock(&shared->lock);
    if (shared->loose == NULL && shared->chains != NULL) {
        shared->loose = shared->chains;
        shared->chains = shared->chains->next_chain;
    }
    idle *one = shared->loose;
    if (one != NULL) {
        shared->loose = one->next;
        shared->count--;
        if (one->next != NULL)
            one->next->count = one->count - 1;
    }
    keel__spin_unlock(&shared->lock);
    if (one != NULL)
        keel__sub(&of->retained_bytes, bytes_of(class));
    return one;
}

/* ---- The workers' caches ---- */

static void *top_of(const bin *b)
{
    return __atomic_load_n(&b->top, __ATOMIC_RELAXED);
}

static void set_top(bin *b, void **top)
{
    __atomic_store_n(&b->top, top, __ATOMIC_RELAXED);
}

static void count_get(cache *mine)
{
    __atomic_store_n(&mine->head.gets, mine->head.gets + 1, __ATOMIC_RELAXED);
}

static cache *new_cache(const pool *of)
{
    size_t count = 0;

    for (unsigned class = 0; class < of->classes; class ++)
        count += room_of(class);
    cache *mine = keel_mem_calloc(1, sizeof(cache) + count * sizeof(void *));
    if (mine == NULL)
        return NULL;
    void **at = mine->items;
    for (unsigned class = 0; class < of->classes; class ++) {
        bin *b = &mine->head.bins[class];

        b->top = b->first = at;
        at += room_of(class);
        b->end = at;
    }
    return mine;
}

/* The cache that the caller may use. NULL: it is no worker, or has none yet. */
static cache *own_cache(pool *of)
{
    return keel__load(&of->caches[own_slot()]);
}

/* The same, and makes it. Simulated workers have none; NULL also without memory. */
static cache *add_cache(pool *of)
{
    unsigned slot = own_slot();
    cache *mine = keel__load(&of->caches[slot]);

    if (mine != NULL || slot == 0)
        return mine;
    mine = new_cache(of);
    if (mine == NULL)
        return NULL;
    keel__store(&of->caches[slot], mine); /* nobody else has this number meanwhile */
    if (!KEEL_CHECKED)
        __atomic_store_n(&of->head.keel__caches[slot], &mine->head, __ATOMIC_RELAXED);
    return mine;
}

/* Fills an empty bin from the shared part, and takes one. */
static void *refill(pool *of, bin *from, unsigned class)
{
    idle *one = take_chain(of, class);

    if (one == NULL)
        return NULL;
    void **top = from->first;
    for (idle *at = one->next; at != NULL; at = at->next)
        *top++ = at;
    set_top(from, top);
    return one;
}

/* Moves half of a full bin to the shared part: those that have been there longest. */
static void spill(pool *of, bin *from, unsigned class)
{
    size_t count = batch_of(class);
    idle *chain = NULL;

    keel__tsan_acquire(
        from); /* a race detector sees memmove, and not that tasks of a worker take turns */
    for (size_t i = 0; i < count; i++) {
        idle *one = from->first[i];

        one->next = chain;
        chain = one;
    }
    chain->count = count;
    memmove(from->first, from->first + count, count * sizeof *from->first);
    keel__tsan_release(from);
    set_top(from, from->first + count);
    give_chain(of, class, chain);
}

/* ---- Getting and putting ---- */

/* A pool that was made outside the simulation in which the caller runs keeps nothing of it: a run must not
 * depend on what the one before left. */
static bool is_outside(const pool *of)
{
    return keel__sim() != NULL && keel__sim()->active() && !of->simulated;
}

static void *get_slowly(pool *of, cache *mine, size_t size)
{
    if (size > bytes_of(of->classes - 1) || is_outside(of)) {
        keel__add_relaxed(&of->gets, 1);
        return size <= PTRDIFF_MAX - HEAD_BYTES ? make(of, UNPOOLED, size) : NULL;
    }
    unsigned class = class_of(size);
    void *buffer;

    if (mine == NULL)
        mine = add_cache(of);
    if (mine != NULL) {
        count_get(mine);
        buffer = refill(of, &mine->head.bins[class], class);
    } else {
        keel__add_relaxed(&of->gets, 1);
        buffer = take_one(of, class);
    }
    return buffer != NULL ? buffer : make(of, class, bytes_of(class));
}

void *keel__bufpool_get(keel_bufpool *pool_, size_t size)
{
    pool *of = (pool *)pool_;
    void *buffer = NULL;

    keel__need(of != NULL, "keel_bufpool_get", "pool");
    cache *mine = own_cache(of);
    if (mine != NULL && size <= bytes_of(of->classes - 1)) {
        bin *from = &mine->head.bins[class_of(size)];
        void **top = top_of(from);

        if (top != from->first) {
            set_top(from, top - 1);
            count_get(mine);
            buffer = top[-1];
        }
    }
    if (buffer == NULL)
        buffer = get_slowly(of, mine, size);
    if (buffer == NULL)
        return NULL;
    keel__tsan_acquire(buffer);
    keel__order_acquire(buffer);
    return check_got(buffer);
}

static void put_in_cache(pool *of, cache *mine, void *buffer)
{
    unsigned class = header_of(buffer)->size_class;
    bin *to = &mine->head.bins[class];

    if (top_of(to) == to->end)
        spill(of, to, class);
    void **top = top_of(to);
    *top = buffer;
    set_top(to, top + 1);
}

void keel__bufpool_put(keel_bufpool *pool_, void *buffer)
{
    pool *of = (pool *)pool_;

    keel__need(of != NULL, "keel_bufpool_put", "pool");
    if (buffer == NULL)
        return;
    check_put(of, buffer);
    keel__tsan_release(buffer);
    keel__order_release(buffer);
    unsigned class = header_of(buffer)->size_class;
    cache *mine = add_cache(of);
    if (class == UNPOOLED)
        drop(of, buffer);
    else if (mine != NULL)
        put_in_cache(of, mine, buffer);
    else
        give_one(of, class, buffer);
}

size_t keel_bufpool_size(const void *buffer)
{
    keel__need(buffer != NULL, "keel_bufpool_size", "buffer");
    size_t bytes;

    memcpy(&bytes, block_of(buffer), sizeof bytes);
    return bytes;
}

/* ---- The pool ---- */

keel_err *keel_bufpool_new(keel_bufpool **out, const keel_bufpool_opts *opts)
{
    keel__need(out != NULL, "keel_bufpool_new", "out");
    size_t max_bytes = opts != NULL ? opts->max_bytes : 0;
    size_t retain_bytes = opts != NULL ? opts->retain_bytes : 0;

    *out = NULL;
    if (max_bytes == 0)
        max_bytes = KEEL_BUFPOOL_DEFAULT_MAX_BYTES;
    if (max_bytes > bytes_of(CLASSES - 1))
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_bufpool_opts: max_bytes %zu is over 1 GiB",
                             max_bytes);
    pool *made = keel_mem_calloc(1, sizeof *made);
    if (made == NULL)
        return KEEL_ERR_NOMEM;
    for (unsigned i = 0; i < SLOTS; i++)
        made->head.keel__caches[i] = (keel__bufpool_cache *)(uintptr_t)&no_cache;
    made->retain_bytes = retain_bytes != 0 ? retain_bytes : KEEL_BUFPOOL_DEFAULT_RETAIN_BYTES;
    made->classes = class_of(max_bytes) + 1;
    made->simulated = keel__sim() != NULL && keel__sim()->active();
    *out = &made->head;
    return NULL;
}

void keel_bufpool_trim(keel_bufpool *pool_)
{
    pool *of = (pool *)pool_;

    keel__need(of != NULL, "keel_bufpool_trim", "pool");
    for (unsigned class = 0; class < of->classes; class ++) {
        idle *chain;

        while ((chain = take_chain(of, class)) != NULL)
            drop_chain(of, chain);
    }
}

/* Buffers that nobody has, by bytes as well. */
static size_t count_idle(pool *of, size_t *cached_bytes)
{
    size_t count = 0;

    *cached_bytes = 0;
    for (unsigned class = 0; class < of->classes; class ++) {
        keel__spin_lock(&of->depots[class].lock);
        count += of->depots[class].count;
        keel__spin_unlock(&of->depots[class].lock);
        for (unsigned i = 1; i < SLOTS; i++) {
            const cache *some = keel__load(&of->caches[i]);

            if (some == NULL)
                continue;
            const bin *b = &some->head.bins[class];
            size_t cached = (size_t)((void **)top_of(b) - b->first);
            count += cached;
            *cached_bytes += cached * bytes_of(class);
        }
    }
    return count;
}

void keel_bufpool_get_stats(keel_bufpool *pool_, keel_bufpool_stats *out)
{
    pool *of = (pool *)pool_;

    keel__need(of != NULL, "keel_bufpool_get_stats", "pool");
    keel__need(out != NULL, "keel_bufpool_get_stats", "out");
    *out = (keel_bufpool_stats){ .gets = keel__load_relaxed(&of->gets),
                                 .made = keel__load_relaxed(&of->made),
                                 .dropped = keel__load_relaxed(&of->freed),
                                 .retained_bytes = keel__load_relaxed(&of->retained_bytes) };
    for (unsigned i = 1; i < SLOTS; i++) {
        const cache *some = keel__load(&of->caches[i]);

        if (some != NULL)
            out->gets += __atomic_load_n(&some->head.gets, __ATOMIC_RELAXED);
    }
    uint64_t not_out = out->dropped + count_idle(of, &out->cached_bytes);
    out->out = out->made > not_out ? (size_t)(out->made - not_out) : 0;
}

void keel_bufpool_free(keel_bufpool *pool_)
{
    pool *of = (pool *)pool_;
    keel_bufpool_stats stats;

    if (of == NULL)
        return;
    keel_bufpool_get_stats(pool_, &stats);
    if (stats.out != 0)
        keel__misuse("keel_bufpool_free: %zu %s not put back", stats.out,
                     stats.out == 1 ? "buffer was" : "buffers were");
    keel_bufpool_trim(pool_);
    for (unsigned i = 1; i < SLOTS; i++) {
        cache *some = keel__load(&of->caches[i]);

        for (unsigned class = 0; some != NULL && class < of->classes; class ++) {
            const bin *b = &some->head.bins[class];

            for (void **top = top_of(b); top != b->first; top--)
                drop(of, top[-1]);
        }
        keel_mem_free(some);
    }
    keel_mem_free(of);
}
