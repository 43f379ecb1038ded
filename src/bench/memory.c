/* SPDX-License-Identifier: MIT */
#include <keel/bench.h>

#include <stdlib.h>

#include <keel/mem.h>

#include "base/atomic.h"
#include "bench/bench.h"

/* Runs that are timed pay for a load; the others also for two atomic additions at each allocation. */
static keel__a32 counting;
static keel__asize allocs, bytes;
static bool installed;

static void count(size_t size)
{
    if (keel__load_constant(&counting) == 0)
        return;
    keel__add_relaxed(&allocs, 1);
    keel__add_relaxed(&bytes, size);
}

static void *count_alloc(void *self, size_t size)
{
    (void)self;
    count(size);
    return malloc(size);
}

static void *count_realloc(void *self, void *ptr, size_t size)
{
    (void)self;
    count(size);
    return realloc(ptr, size);
}

static void count_free(void *self, void *ptr)
{
    (void)self;
    free(ptr);
}

keel_err *keel_bench_init(void)
{
    static const keel_allocator counter = { count_alloc, count_realloc, count_free, NULL };

    if (installed)
        return NULL;
    KEEL_TRY(keel_mem_set(&counter));
    installed = true;
    return NULL;
}

bool keel__bench_can_count(void)
{
    return installed;
}

void keel__bench_counting(bool on)
{
    keel__store(&counting, on);
}

keel__bench_count keel__bench_counted(void)
{
    return (keel__bench_count){ keel__load_relaxed(&allocs), keel__load_relaxed(&bytes) };
}
