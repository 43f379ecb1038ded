/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include <string.h>

#include <keel/buf.h>

/* A string of 1000 characters, one by one: a new string for each, one block of the right size, keel's
 * buffer. */

enum { LENGTH = 1000 };

static char *need(size_t size)
{
    char *text = keel_mem_alloc(size);

    BENCH_CHECK(text != NULL);
    return text;
}

static void slow(bench *b)
{
    size_t total = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        char *text = need(1);

        for (size_t length = 0; length < LENGTH; length++) {
            char *longer = need(length + 2);

            memcpy(longer, text, length);
            memcpy(longer + length, "x", 2);
            keel_mem_free(text);
            text = longer;
        }
        total += strlen(text);
        keel_mem_free(text);
    }
    bench_stop(b);
    BENCH_CHECK(total == b->n * LENGTH);
}

static void fast(bench *b)
{
    size_t total = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        char *text = need(LENGTH + 1);

        for (size_t length = 0; length < LENGTH; length++)
            text[length] = 'x';
        text[LENGTH] = '\0';
        BENCH_KEEP(text);
        total += text[LENGTH - 1] == 'x';
        keel_mem_free(text);
    }
    bench_stop(b);
    BENCH_CHECK(total == b->n);
}

static void buffer(bench *b)
{
    size_t total = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_buf buf = { 0 };

        for (size_t length = 0; length < LENGTH; length++)
            BENCH_CHECK(keel_buf_append_char(&buf, 'x') == NULL);
        total += buf.len;
        keel_buf_deinit(&buf);
    }
    bench_stop(b);
    BENCH_CHECK(total == b->n * LENGTH);
}

static const bench_workload workloads[] = {
    { .section = "concat", .name = "concat_slow", .peer = "keel", .run = slow, .n = 10000 },
    { .section = "concat", .name = "concat_fast", .peer = "keel", .run = fast, .n = 2000000 },
    { .section = "concat", .name = "concat_buffer", .peer = "keel", .run = buffer, .n = 500000 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), false);
}
