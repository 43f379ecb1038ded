/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/hash.h>
#include <keel/mem.h>
#include <keel/rand.h>

#include "base/atomic.h"
#include "base/sim_hook.h"
#include "base/spin.h"

/* Everything in keel that a process has once, and that is not constant:
 *   - `worker_of_thread`, and the actor of a plain thread (task/park.c), one for each thread;
 *   - `allocator`, set once before the first allocation, and `allocator_used`;
 *   - the handlers of SIGSEGV, SIGBUS and SIGURG that keel__fault_install found, and the runtime that SIGQUIT
 *     dumps, with the handler that was there (task/fault.c);
 *   - the number of runtimes, a handler for forks, which is there from the first runtime on (task/fork.c), and
 *     `keel__process_forked`;
 *   - the numbers that buffer pools know workers by, and each thread's (task/bufpool.c);
 *   - `keel__sim_word`, the simulation that is under way, if any;
 *   - `keel__process_secret`, set once before the first hash, and `keel__process_secret_there`;
 *   - `keel__process_barrier`, set once when a lock first leans to a thread.
 * Nothing registers itself when the program is loaded. */

/* ---- Thread-locals ---- */

#ifdef KEEL_SIM_CORE
#define worker_of_thread (*keel__core_worker())
#else
static _Thread_local struct keel__worker *worker_of_thread;
#endif

__attribute__((noinline)) struct keel__worker *keel__process_worker(void)
{
    __asm__ volatile("");
    return worker_of_thread;
}

__attribute__((noinline)) void keel__process_set_worker(struct keel__worker *worker)
{
    __asm__ volatile("");
    worker_of_thread = worker;
}

/* ---- Forks ---- */

keel__a32 keel__process_forked;

/* ---- Simulation ---- */

keel__aptr keel__sim_word;

/* ---- Barriers ---- */

keel__a32 keel__process_barrier;

/* ---- Secrets ---- */

uint64_t keel__process_secret[KEEL__SECRETS];
keel__a32 keel__process_secret_there;
static keel__spin secret_lock;

/* The first to come sets them: false for all others. */
static bool set_secrets(const uint64_t *secret)
{
    keel__spin_lock(&secret_lock);
    const bool first = keel__load_relaxed(&keel__process_secret_there) == 0;
    if (first) {
        memcpy(keel__process_secret, secret, sizeof keel__process_secret);
        keel__store(&keel__process_secret_there, 1);
    }
    keel__spin_unlock(&secret_lock);
    return first;
}

keel_err *keel_hash_seed(uint64_t seed)
{
    uint64_t secret[KEEL__SECRETS];
    keel_rand rand;

    keel_rand_seed(&rand, seed);
    for (int i = 0; i < KEEL__SECRETS; i++)
        secret[i] = keel_rand_u64(&rand);
    return set_secrets(secret) ? NULL : KEEL_ERR_BUSY;
}

/* In a simulation not at random, so that a run can be repeated in another process. */
void keel__process_draw_secrets(void)
{
    uint64_t secret[KEEL__SECRETS];

    if (keel__sim() != NULL) {
        keel_err_free(keel_hash_seed(0)); /* somebody may have been faster */
        return;
    }
    for (int i = 0; i < KEEL__SECRETS; i++)
        secret[i] = keel_rand_system_seed();
    (void)set_secrets(secret);
}

/* ---- Misuse ---- */

void keel__misuse(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (keel__sim() != NULL)
        keel__sim()->misuse(text);
#ifdef KEEL_SIM_CORE
    keel__core_misuse(text);
#endif
    fprintf(stderr, "keel: misuse: %s\n", text);
    fflush(stderr);
    abort();
}

/* ---- Allocator ---- */

static void *libc_alloc(void *self, size_t size)
{
    (void)self;
    return malloc(size);
}

static void *libc_realloc(void *self, void *ptr, size_t size)
{
    (void)self;
    return realloc(ptr, size);
}

static void libc_free(void *self, void *ptr)
{
    (void)self;
    free(ptr);
}

static keel_allocator allocator = { libc_alloc, libc_realloc, libc_free, NULL };
static keel__a32 allocator_used;

keel_err *keel_mem_set(const keel_allocator *replacement)
{
    keel__need(replacement != NULL, "keel_mem_set", "allocator");
    if (replacement->alloc == NULL || replacement->realloc == NULL || replacement->free == NULL)
        return KEEL_ERR_INVAL;
    if (keel__exchange(&allocator_used, 1) != 0)
        return KEEL_ERR_BUSY;
    allocator = *replacement;
    return NULL;
}

bool keel__process_allocator_is_libc(void)
{
    return allocator.alloc == libc_alloc;
}

/* A plain load on the fast path: the flag is written once. */
static void mark_used(void)
{
    if (keel__load_constant(&allocator_used) == 0)
        keel__store(&allocator_used, 1);
}

/* The scheduler frees what a task allocated, and announces nothing of how it got it. To the race
 * detector, which sees into malloc and free, that must not look like a race. */
static void *announced(void *ptr)
{
    if (ptr != NULL)
        keel__tsan_release(ptr);
    return ptr;
}

/* In a simulation memory may be refused, and is known by the run it belongs to. */
static void *simulated_alloc(size_t size)
{
    void *ptr = keel__sim()->refuse_memory() ? NULL : allocator.alloc(allocator.self, size);

    if (ptr != NULL)
        keel__sim()->allocated(ptr, size, 0);
    return ptr;
}

static void *simulated_realloc(void *old, size_t size)
{
    void *ptr = keel__sim()->refuse_memory() ? NULL : allocator.realloc(allocator.self, old, size);

    if (ptr != NULL) {
        const size_t had = old != NULL ? keel__sim()->freed(old) : 0;
        keel__sim()->allocated(ptr, size, had < size ? had : size);
    }
    return ptr;
}

void *keel_mem_alloc(size_t size)
{
    if (size == 0)
        return NULL;
    mark_used();
    if (__builtin_expect(keel__sim() != NULL, 0))
        return simulated_alloc(size);
    return announced(allocator.alloc(allocator.self, size));
}

void *keel_mem_realloc(void *ptr, size_t size)
{
    if (size == 0)
        return NULL;
    mark_used();
    if (ptr != NULL)
        keel__tsan_acquire(ptr);
    if (__builtin_expect(keel__sim() != NULL, 0))
        return simulated_realloc(ptr, size);
    return announced(allocator.realloc(allocator.self, ptr, size));
}

void keel_mem_free(void *ptr)
{
    if (ptr != NULL) {
        keel__tsan_acquire(ptr);
        if (__builtin_expect(keel__sim() != NULL, 0))
            keel__sim()->freed(ptr);
        allocator.free(allocator.self, ptr);
    }
}
