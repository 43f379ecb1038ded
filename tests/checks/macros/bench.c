/* SPDX-License-Identifier: MIT */
#include <keel/bench.h>

static void add(keel_bench *b)
{
    double sum = 0;

    KEEL_BENCH_OK(NULL);
    for (size_t i = 0; i < b->n; i++) {
        sum += (double)i;
        KEEL_BENCH_KEEP(sum);
        KEEL_BENCH_KEEP(i + 1);
        KEEL_BENCH_KEEP(b);
    }
    KEEL_BENCH_CHECK(sum >= 0);
}

int keel_check_bench(int argc, char **argv);
int keel_check_bench(int argc, char **argv)
{
    const keel_bench_entry table[] = { KEEL_BENCH(add), { add, "add again", NULL, NULL } };
    const keel_bench_opts opts = { 0, KEEL_BENCH_RUNS_MAX, 1 };
    keel_bench_result result;

    keel_bench_measure(&result, &table[1], &opts);
    return keel_bench_main(argc, argv, table);
}
