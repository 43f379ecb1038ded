/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <pthread.h>

/* Buffers of 1 KiB from malloc: the C library's, or that of the library which the program is linked with,
 * whose name is PEER. Built so that the compiler does not know malloc. */

#ifndef PEER
#define PEER "malloc"
#endif

enum { SIZE = 1024, BATCH = 64 };

static char *get(void)
{
    char *buffer = malloc(SIZE);

    BENCH_CHECK(buffer != NULL);
    *(volatile char *)buffer = 1;
    return buffer;
}

static void *get_and_put(void *n)
{
    for (size_t i = *(const size_t *)n; i > 0; i--)
        free(get());
    return NULL;
}

static void one(bench *b)
{
    bench_start(b);
    get_and_put(&b->n);
    bench_stop(b);
}

static void batch(bench *b)
{
    char *held[BATCH];

    bench_start(b);
    for (size_t i = 0; i < b->n; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            held[k] = get();
        for (int k = 0; k < BATCH; k++)
            free(held[k]);
    }
    bench_stop(b);
}

/* Each does all the operations. */
static void two_threads(bench *b)
{
    pthread_t thread;

    bench_start(b);
    BENCH_CHECK(pthread_create(&thread, NULL, get_and_put, &b->n) == 0);
    get_and_put(&b->n);
    pthread_join(thread, NULL);
    bench_stop(b);
}

static const bench_workload workloads[] = {
    { .section = "buf", .name = "buf1k_getput", .peer = PEER, .run = one, .n = 5000000 },
    { .section = "buf", .name = "buf1k_batch64", .peer = PEER, .run = batch, .n = 5000000 },
    { .section = "buf",
      .name = "buf1k_getput_2threads",
      .peer = PEER,
      .run = two_threads,
      .n = 5000000,
      .procs = BENCH_P2 },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads,
                                        .count = sizeof workloads / sizeof workloads[0] });
}
