/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <pthread.h>
#include <string.h>

/* What floor.c is for tasks, for containers and memory: the plain code that does each workload's bare
 * minimum. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void *need(size_t size)
{
    void *ptr = calloc(1, size);

    BENCH_CHECK(ptr != NULL);
    return ptr;
}

/* ---- Maps: one slot for each hash, in an array of the size that a map of open addressing would have.
 * A key takes the slot from the one before, so that some are not found: no map goes without a probe. ---- */

typedef struct slot {
    uint64_t key; /* 0: empty */
    uint64_t value;
} slot;

typedef struct table {
    slot *slots;
    size_t count;
    int shift;
} table;

static table new_table(size_t n)
{
    table t = { .count = 16, .shift = 60 };

    while (t.count * 7 / 8 < n) {
        t.count *= 2;
        t.shift--;
    }
    t.slots = need(t.count * sizeof *t.slots);
    return t;
}

static slot *at(const table *t, uint64_t key)
{
    return &t->slots[key * UINT64_C(0x9E3779B97F4A7C15) >> t->shift];
}

static void put_all(table *t, const uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *at(t, keys[i]) = (slot){ keys[i], i };
}

static size_t occupied(const table *t)
{
    size_t count = 0;

    for (size_t i = 0; i < t->count; i++)
        count += t->slots[i].key != 0;
    return count;
}

static size_t find_all(const table *t, const uint64_t *keys, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += at(t, keys[i])->key == keys[i];
    return found;
}

static void map_insert(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    bench_start(b);
    put_all(&t, keys->insert, b->n);
    bench_stop(b);
    BENCH_CHECK(occupied(&t) > b->n / 2);
    free(t.slots);
}

static void map_hit(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    put_all(&t, keys->insert, b->n);
    bench_start(b);
    size_t found = find_all(&t, keys->hit, b->n);
    bench_stop(b);
    BENCH_CHECK(found == occupied(&t));
    free(t.slots);
}

static void map_miss(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    /* a byte for a slot is all that a miss has to read */
    unsigned char *full = need(t.count);
    for (size_t i = 0; i < b->n; i++)
        full[at(&t, keys->insert[i]) - t.slots] = (unsigned char)(keys->insert[i] | 128);
    size_t found = 0;
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        found += full[at(&t, keys->miss[i]) - t.slots] == (unsigned char)(keys->miss[i] | 128);
    bench_stop(b);
    BENCH_CHECK(found < b->n / 32);
    free(full);
    free(t.slots);
}

static void map_iterate(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);
    uint64_t sum = 0;

    put_all(&t, keys->insert, b->n);
    bench_start(b);
    for (size_t i = 0; i < t.count; i++)
        sum += t.slots[i].value;
    bench_stop(b);
    BENCH_CHECK(sum > 0 && sum < bench_sum(b->n));
    free(t.slots);
}

static void map_delete(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    put_all(&t, keys->insert, b->n);
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        at(&t, keys->doomed[i])->key = 0;
    bench_stop(b);
    BENCH_CHECK(occupied(&t) == 0);
    free(t.slots);
}

static void map_bytes(bench *b)
{
    bench_start(b);
    bench_stop(b);
    b->value = sizeof(slot);
}

/* The same for texts: `value` points to the text, which has to be read and compared. */

static uint64_t hash_text(const char *text)
{
    uint64_t halves[2];

    memcpy(halves, text, 16);
    return (halves[0] ^ halves[1] >> 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

static void put_texts(table *t, const bench_text *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = hash_text(text[i]);

        *at(t, hash) = (slot){ hash, (uint64_t)(uintptr_t)text[i] };
    }
}

static size_t find_texts(const table *t, const bench_text *text, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t hash = hash_text(text[i]);
        const slot *s = at(t, hash);

        found += s->key == hash && memcmp((const char *)(uintptr_t)s->value, text[i], 16) == 0;
    }
    return found;
}

static void text_insert(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    bench_start(b);
    put_texts(&t, keys->insert_text, b->n);
    bench_stop(b);
    BENCH_CHECK(occupied(&t) > b->n / 2);
    free(t.slots);
}

static void text_hit(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    put_texts(&t, keys->insert_text, b->n);
    bench_start(b);
    size_t found = find_texts(&t, keys->hit_text, b->n);
    bench_stop(b);
    BENCH_CHECK(found == occupied(&t));
    free(t.slots);
}

static void text_miss(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    table t = new_table(b->n);

    put_texts(&t, keys->insert_text, b->n);
    bench_start(b);
    size_t found = find_texts(&t, keys->miss_text, b->n);
    bench_stop(b);
    BENCH_CHECK(found == 0);
    free(t.slots);
}

/* ---- Sorts ---- */

/* By the lowest digit first, 11 bits at a time. */
static void sort_i32_random(bench *b)
{
    enum { DIGITS = 3, BITS = 11, VALUES = 1 << BITS };
    static size_t start[DIGITS][VALUES];
    size_t n = b->n;
    int32_t *v = need(n * sizeof *v), *other = need(n * sizeof *v);

    bench_fill_i32(v, n, BENCH_RANDOM);
    memset(start, 0, sizeof start);
    bench_start(b);
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++)
            start[d][((uint32_t)v[i] ^ 0x80000000u) >> (d * BITS) & (VALUES - 1)]++;
    for (int d = 0; d < DIGITS; d++) {
        int32_t *swap = v;

        for (size_t k = 0, sum = 0; k < VALUES; k++) {
            size_t count = start[d][k];

            start[d][k] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            other[start[d][((uint32_t)v[i] ^ 0x80000000u) >> (d * BITS) & (VALUES - 1)]++] = v[i];
        v = other;
        other = swap;
    }
    bench_stop(b);
    for (size_t i = 1; i < n; i++)
        BENCH_CHECK(v[i - 1] <= v[i]);
    free(v);
    free(other);
}

/* Each record goes to one of 2048 places by its highest bits, and from there to where it belongs, which
 * is next to it in the cache: two copies. */
static void sort_records_random(bench *b)
{
    enum { PLACES = 2048, SHIFT = 53 };
    static size_t start[PLACES];
    size_t n = b->n;
    bench_record *v = need(n * sizeof *v), *other = need(n * sizeof *v);

    bench_fill_records(v, n, BENCH_RANDOM);
    memset(start, 0, sizeof start);
    bench_start(b);
    for (size_t i = 0; i < n; i++)
        start[v[i].key >> SHIFT]++;
    for (size_t k = 0, sum = 0; k < PLACES; k++) {
        size_t count = start[k];

        start[k] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        other[start[v[i].key >> SHIFT]++] = v[i];
    memcpy(v, other, n * sizeof *v);
    bench_stop(b);
    for (size_t i = 1; i < n; i++)
        BENCH_CHECK(v[i - 1].key >> SHIFT <= v[i].key >> SHIFT);
    free(v);
    free(other);
}

/* What is sorted has to be read once. */
static void sort_i32_sorted(bench *b)
{
    size_t n = b->n, descents = 0;
    int32_t *v = need(n * sizeof *v);

    bench_fill_i32(v, n, BENCH_SORTED);
    bench_start(b);
    for (size_t i = 1; i < n; i++)
        descents += v[i - 1] > v[i];
    bench_stop(b);
    BENCH_CHECK(descents == 0);
    free(v);
}

static void sort_records_sorted(bench *b)
{
    size_t n = b->n, descents = 0;
    bench_record *v = need(n * sizeof *v);

    bench_fill_records(v, n, BENCH_SORTED);
    bench_start(b);
    for (size_t i = 1; i < n; i++)
        descents += v[i - 1].key > v[i].key;
    bench_stop(b);
    BENCH_CHECK(descents == 0);
    free(v);
}

static void sort_i32_reversed(bench *b)
{
    size_t n = b->n;
    int32_t *v = need(n * sizeof *v);

    bench_fill_i32(v, n, BENCH_REVERSED);
    bench_start(b);
    for (size_t i = 0; i < n / 2; i++) {
        int32_t x = v[i];

        v[i] = v[n - 1 - i];
        v[n - 1 - i] = x;
    }
    bench_stop(b);
    BENCH_CHECK(v[0] == 1 && v[n - 1] == (int32_t)n);
    free(v);
}

static void sort_records_reversed(bench *b)
{
    size_t n = b->n;
    bench_record *v = need(n * sizeof *v);

    bench_fill_records(v, n, BENCH_REVERSED);
    bench_start(b);
    for (size_t i = 0; i < n / 2; i++) {
        bench_record x = v[i];

        v[i] = v[n - 1 - i];
        v[n - 1 - i] = x;
    }
    bench_stop(b);
    BENCH_CHECK(v[0].key == 1 && v[n - 1].key == n);
    free(v);
}

/* Few values are counted. */
static void sort_i32_few(bench *b)
{
    size_t n = b->n, count[16] = { 0 };
    int32_t *v = need(n * sizeof *v), *to = v;

    bench_fill_i32(v, n, BENCH_FEW);
    bench_start(b);
    for (size_t i = 0; i < n; i++)
        count[v[i]]++;
    for (int32_t x = 0; x < 16; x++)
        for (size_t k = 0; k < count[x]; k++)
            *to++ = x;
    bench_stop(b);
    BENCH_CHECK(to == v + n);
    free(v);
}

static void sort_records_few(bench *b)
{
    size_t n = b->n, start[16] = { 0 };
    bench_record *v = need(n * sizeof *v), *other = need(n * sizeof *v);

    bench_fill_records(v, n, BENCH_FEW);
    bench_start(b);
    for (size_t i = 0; i < n; i++)
        start[v[i].key]++;
    for (size_t k = 0, sum = 0; k < 16; k++) {
        size_t count = start[k];

        start[k] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        other[start[v[i].key]++] = v[i];
    bench_stop(b);
    for (size_t i = 1; i < n; i++)
        BENCH_CHECK(other[i - 1].key <= other[i].key);
    free(v);
    free(other);
}

/* ---- Buffers: a stack of pointers ---- */

enum { BATCH = 64 };

typedef struct stack {
    char *held[BATCH];
    size_t count;
    char buffer[BATCH][1024];
} stack;

static stack *new_stack(void)
{
    stack *s = need(sizeof *s);

    for (; s->count < BATCH; s->count++)
        s->held[s->count] = s->buffer[s->count];
    return s;
}

static char *pop(stack *s)
{
    char *buffer = s->held[--s->count];

    BENCH_KEEP(s);
    *(volatile char *)buffer = 1;
    return buffer;
}

static void push(stack *s, char *buffer)
{
    s->held[s->count++] = buffer;
    BENCH_KEEP(s);
}

static void *pop_and_push(void *n)
{
    stack *s = new_stack();

    for (size_t i = *(const size_t *)n; i > 0; i--)
        push(s, pop(s));
    free(s);
    return NULL;
}

static void buffer_one(bench *b)
{
    bench_start(b);
    pop_and_push(&b->n);
    bench_stop(b);
}

static void buffer_batch(bench *b)
{
    stack *s = new_stack();
    char *got[BATCH];

    bench_start(b);
    for (size_t i = 0; i < b->n; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            got[k] = pop(s);
        for (int k = 0; k < BATCH; k++)
            push(s, got[k]);
    }
    bench_stop(b);
    free(s);
}

static void buffer_threads(bench *b)
{
    pthread_t thread;

    bench_start(b);
    BENCH_CHECK(pthread_create(&thread, NULL, pop_and_push, &b->n) == 0);
    pop_and_push(&b->n);
    pthread_join(thread, NULL);
    bench_stop(b);
}

/* ---- Concatenation: the copies alone ---- */

enum { LENGTH = 1000 };

static void concat_slow(bench *b)
{
    char text[2][LENGTH];

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        for (size_t length = 0; length < LENGTH; length++) {
            char *to = text[length % 2];

            memcpy(to, text[1 - length % 2], length);
            to[length] = 'x';
            BENCH_KEEP(to);
        }
    bench_stop(b);
    BENCH_CHECK(text[1][0] == 'x' && text[1][LENGTH - 1] == 'x');
}

static void concat_fast(bench *b)
{
    char text[LENGTH] = { 0 };

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        memset(text, 'x', LENGTH);
        BENCH_KEEP(&text);
    }
    bench_stop(b);
    BENCH_CHECK(text[LENGTH - 1] == 'x');
}

/* A character at a time, which the compiler may not join. */
static void concat_buffer(bench *b)
{
    volatile char text[LENGTH] = { 0 };

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        for (size_t length = 0; length < LENGTH; length++)
            text[length] = 'x';
    bench_stop(b);
    BENCH_CHECK(text[LENGTH - 1] == 'x');
}

#define FLOOR(section_, name_, run_, n_, unit_)                                                    \
    {                                                                                              \
        .section = section_, .name = name_, .peer = "floor", .run = run_, .n = n_, .unit = unit_   \
    }
#define NUMBERS(prefix, n_)                                                                        \
    FLOOR("map", prefix "_insert", map_insert, n_, NULL),                                          \
        FLOOR("map", prefix "_hit", map_hit, n_, NULL),                                            \
        FLOOR("map", prefix "_miss", map_miss, n_, NULL),                                          \
        FLOOR("map", prefix "_iterate", map_iterate, n_, NULL),                                    \
        FLOOR("map", prefix "_delete", map_delete, n_, NULL),                                      \
        FLOOR("map", prefix "_bytes", map_bytes, n_, "B/elem")
#define TEXTS(prefix, n_)                                                                          \
    FLOOR("map", prefix "_insert", text_insert, n_, NULL),                                         \
        FLOOR("map", prefix "_hit", text_hit, n_, NULL),                                           \
        FLOOR("map", prefix "_miss", text_miss, n_, NULL),                                         \
        FLOOR("map", prefix "_iterate", map_iterate, n_, NULL),                                    \
        FLOOR("map", prefix "_delete", map_delete, n_, NULL),                                      \
        FLOOR("map", prefix "_bytes", map_bytes, n_, "B/elem")

static const bench_workload workloads[] = {
    NUMBERS("hash_u64", 1000000),
    NUMBERS("hash_u64_900k", 900000),
    TEXTS("hash_str16", 1000000),
    TEXTS("hash_str16_900k", 900000),
    FLOOR("sort", "sort_i32_random", sort_i32_random, 1000000, "ns/elem"),
    FLOOR("sort", "sort_i32_sorted", sort_i32_sorted, 1000000, "ns/elem"),
    FLOOR("sort", "sort_i32_reversed", sort_i32_reversed, 1000000, "ns/elem"),
    FLOOR("sort", "sort_i32_few", sort_i32_few, 1000000, "ns/elem"),
    FLOOR("sort", "sort_rec16_random", sort_records_random, 1000000, "ns/elem"),
    FLOOR("sort", "sort_rec16_sorted", sort_records_sorted, 1000000, "ns/elem"),
    FLOOR("sort", "sort_rec16_reversed", sort_records_reversed, 1000000, "ns/elem"),
    FLOOR("sort", "sort_rec16_few", sort_records_few, 1000000, "ns/elem"),
    FLOOR("buf", "buf1k_getput", buffer_one, 20000000, NULL),
    FLOOR("buf", "buf1k_batch64", buffer_batch, 20000000, NULL),
    { .section = "buf",
      .name = "buf1k_getput_2threads",
      .peer = "floor",
      .run = buffer_threads,
      .n = 20000000,
      .procs = BENCH_P2 },
    FLOOR("concat", "concat_slow", concat_slow, 20000, NULL),
    FLOOR("concat", "concat_fast", concat_fast, 2000000, NULL),
    FLOOR("concat", "concat_buffer", concat_buffer, 200000, NULL),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
