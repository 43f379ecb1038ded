/* SPDX-License-Identifier: MIT */
/*
 * Ways to build a string of 1000 characters, measured.
 *
 * Shows:  a table of benchmarks, what they allocate, a check of what they compute.
 * Run:    ./concat_benchmark
 * Prints: for each the operations of a run, the time for one, bytes a second, and allocations
 */
#include <string.h>

#include <keel/bench.h>
#include <keel/keel.h>

enum { LENGTH = 1000 };

/* Makes a new string for each character, as `s += "x"` does in many languages. */
static char *concat_slow(size_t length)
{
    char *text = keel_mem_calloc(1, 1);

    for (size_t i = 0; text != NULL && i < length; i++) {
        char *longer = keel_mem_alloc(i + 2);

        if (longer != NULL) {
            memcpy(longer, text, i);
            memcpy(longer + i, "x", 2);
        }
        keel_mem_free(text);
        text = longer;
    }
    return text;
}

/* Knows the length before it begins. */
static char *concat_fast(size_t length)
{
    char *text = keel_mem_alloc(length + 1);

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++)
        text[i] = 'x';
    text[length] = '\0';
    return text;
}

static void measure(keel_bench *b, char *(*concat)(size_t length))
{
    keel_bench_bytes(b, LENGTH);
    for (size_t i = 0; i < b->n; i++) {
        char *text = concat(LENGTH);

        KEEL_BENCH_CHECK(text != NULL && strlen(text) == LENGTH);
        keel_mem_free(text);
    }
}

static void slow(keel_bench *b)
{
    measure(b, concat_slow);
}

static void fast(keel_bench *b)
{
    measure(b, concat_fast);
}

int main(int argc, char **argv)
{
    static const keel_bench_entry table[] = { KEEL_BENCH(slow), KEEL_BENCH(fast) };

    return keel_bench_main(argc, argv, table);
}
