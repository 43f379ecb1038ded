/* SPDX-License-Identifier: MIT */
/*
 * Three ways to build a string of 1000 characters, measured.
 *
 * Shows:  a table of benchmarks, what they allocate, a check of what they compute.
 * Run:    ./concat_benchmark
 * Prints: for each the operations of a run, the time for one, bytes a second, and allocations
 */
#include <string.h>

#include <keel/bench.h>
#include <keel/keel.h>

enum { LENGTH = 1000 };
typedef char *(*concat_fn)(void);

static char *new_block(size_t size)
{
    char *block = keel_mem_alloc(size);
    KEEL_BENCH_CHECK(block != NULL);
    return block;
}

/* Makes a new string for each character, as `s += "x"` does in many languages. */
static char *slow(void)
{
    char *text = new_block(1);

    for (size_t i = 0; i < LENGTH; i++) {
        char *longer = new_block(i + 2);
        memcpy(longer, text, i);
        memcpy(longer + i, "x", 2);
        keel_mem_free(text);
        text = longer;
    }
    return text;
}

/* Knows the length before it begins. */
static char *fast(void)
{
    char *text = new_block(LENGTH + 1);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = 'x';
    text[LENGTH] = '\0';
    return text;
}

/* Does not know it: the buffer doubles whenever it is full. */
static char *buffer(void)
{
    keel_buf buf = { 0 };
    char *text;

    for (size_t i = 0; i < LENGTH; i++)
        KEEL_BENCH_OK(keel_buf_append_char(&buf, 'x'));
    KEEL_BENCH_OK(keel_buf_take(&buf, &text, NULL));
    return text;
}

static void measure(keel_bench *b)
{
    const concat_fn *concat = b->arg;
    keel_bench_bytes(b, LENGTH);
    for (size_t i = 0; i < b->n; i++) {
        char *text = (*concat)();
        KEEL_BENCH_CHECK(strlen(text) == LENGTH);
        keel_mem_free(text);
    }
}

int main(int argc, char **argv)
{
    concat_fn ways[] = { slow, fast, buffer };
    const keel_bench_entry table[] = { { .run = measure, .name = "slow", .arg = &ways[0] },
                                       { .run = measure, .name = "fast", .arg = &ways[1] },
                                       { .run = measure, .name = "buffer", .arg = &ways[2] } };
    return keel_bench_main(argc, argv, table);
}
