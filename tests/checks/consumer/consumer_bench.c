/* SPDX-License-Identifier: MIT */

/* A benchmark of somebody else's. */

#include <stdio.h>

#include <keel/bench.h>
#include <keel/keel.h>

static void forty_two_blocks(keel_bench *b)
{
    for (size_t i = 0; i < 42 * b->n; i++) {
        void *block = keel_mem_alloc(10);

        KEEL_BENCH_CHECK(block != NULL);
        keel_mem_free(block);
    }
}

int main(void)
{
    const keel_bench_entry entry = KEEL_BENCH(forty_two_blocks);
    keel_bench_result result;

    KEEL_BENCH_OK(keel_bench_init());
    keel_bench_measure(&result, &entry, &(keel_bench_opts){ .count = 10 });
    printf("%.0f\n", result.allocs);
    return 0;
}
