/* SPDX-License-Identifier: MIT */
/*
 * A buffer for each item: allocated each time, allocated once, or from a pool.
 *
 * Shows:  keel_bufpool, for buffers that are needed for a short time and in many places; measured
 *         with keel::bench.
 * Run:    ./memory_pool
 * Prints: for each way the allocations for an item, and how long it takes
 */
#include <stdio.h>

#include <keel/bench.h>
#include <keel/keel.h>

static void process(char *buffer)
{
    KEEL_BENCH_CHECK(buffer != NULL);
    buffer[0] = 1;
    KEEL_BENCH_KEEP(buffer);
}

static void bad(keel_bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        char *buffer = keel_mem_alloc(1024); /* for each item */

        process(buffer);
        keel_mem_free(buffer);
    }
}

static void good(keel_bench *b)
{
    char *buffer = keel_mem_alloc(1024); /* once */

    keel_bench_reset(b);
    for (size_t i = 0; i < b->n; i++)
        process(buffer);
    keel_mem_free(buffer);
}

static void pooled(keel_bench *b)
{
    keel_bufpool *pool = b->arg;

    for (size_t i = 0; i < b->n; i++) {
        char *buffer = keel_bufpool_get(pool, 1024); /* nobody knows whose it was before */

        process(buffer);
        keel_bufpool_put(pool, buffer);
    }
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_bufpool *pool;

    (void)ctx, (void)arg;
    KEEL_TRY(keel_bufpool_new(&pool, NULL));
    keel_bufpool_put(pool, keel_bufpool_get(pool, 1024)); /* now the pool has one */
    const keel_bench_entry table[] = { KEEL_BENCH(bad),
                                       KEEL_BENCH(good),
                                       { .run = pooled, .name = "pool", .arg = pool } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        keel_bench_result result;

        keel_bench_measure(&result, &table[i], &(keel_bench_opts){ .min_run_ns = KEEL_MS(10) });
        printf("%-4s  %.0f allocations of %.0f bytes, %.1f ns\n", table[i].name, result.allocs,
               result.alloc_bytes, result.median);
    }
    keel_bufpool_free(pool);
    return NULL;
}

int main(void)
{
    keel_err_free(keel_bench_init()); /* counts; it fails only after keel's first use of memory */
    /* a benchmark means to keep its worker */
    return keel_main_opts(run, NULL, &(keel_runtime_opts){ .stall_ns = KEEL_STALL_OFF });
}
