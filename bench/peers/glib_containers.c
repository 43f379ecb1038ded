/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <gio/gio.h>
#include <string.h>

/* GLib's GHashTable, which holds pointers or integers of their size, its sort and its strings. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Maps ---- */

/* What differs between numbers and texts. */
typedef struct kind {
    GHashFunc hash;
    GEqualFunc equal;
    gboolean texts;
} kind;

static const kind numbers = { g_direct_hash, NULL, FALSE };
static const kind texts = { g_str_hash, g_str_equal, TRUE };

/* A list of keys in the form that the table takes. */
static gpointer *as_pointers(const kind *k, const guint64 *list, const bench_text *text, gsize n)
{
    gpointer *keys = g_new(gpointer, n);

    for (gsize i = 0; i < n; i++)
        keys[i] = k->texts ? (gpointer)text[i] : GSIZE_TO_POINTER(list[i]);
    return keys;
}

static void fill(GHashTable *table, gpointer *keys, gsize n)
{
    for (gsize i = 0; i < n; i++)
        g_hash_table_insert(table, keys[i], GSIZE_TO_POINTER(i));
}

static GHashTable *build(const kind *k, gsize n)
{
    const bench_keys *all = bench_keys_of(n);
    gpointer *keys = as_pointers(k, all->insert, all->insert_text, n);
    GHashTable *table = g_hash_table_new(k->hash, k->equal);

    fill(table, keys, n);
    g_free(keys);
    BENCH_CHECK(g_hash_table_size(table) == n);
    return table;
}

static void insert(bench *b, const kind *k)
{
    const bench_keys *all = bench_keys_of(b->n);
    gpointer *keys = as_pointers(k, all->insert, all->insert_text, b->n);
    GHashTable *table = g_hash_table_new(k->hash, k->equal);

    bench_start(b);
    fill(table, keys, b->n);
    bench_stop(b);
    BENCH_CHECK(g_hash_table_size(table) == b->n);
    g_hash_table_destroy(table);
    g_free(keys);
}

static void hit(bench *b, const kind *k)
{
    const bench_keys *all = bench_keys_of(b->n);
    gpointer *keys = as_pointers(k, all->hit, all->hit_text, b->n);
    GHashTable *table = build(k, b->n);
    guint64 sum = 0;

    bench_start(b);
    for (gsize i = 0; i < b->n; i++)
        sum += GPOINTER_TO_SIZE(g_hash_table_lookup(table, keys[i]));
    bench_stop(b);
    BENCH_CHECK(sum == bench_sum(b->n));
    g_hash_table_destroy(table);
    g_free(keys);
}

static void miss(bench *b, const kind *k)
{
    const bench_keys *all = bench_keys_of(b->n);
    gpointer *keys = as_pointers(k, all->miss, all->miss_text, b->n);
    GHashTable *table = build(k, b->n);
    gsize found = 0;

    bench_start(b);
    for (gsize i = 0; i < b->n; i++)
        found += g_hash_table_contains(table, keys[i]) != FALSE;
    bench_stop(b);
    BENCH_CHECK(found == 0);
    g_hash_table_destroy(table);
    g_free(keys);
}

static void iterate(bench *b, const kind *k)
{
    GHashTable *table = build(k, b->n);
    GHashTableIter iter;
    gpointer key, value;
    guint64 sum = 0;

    bench_start(b);
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, &value))
        sum += GPOINTER_TO_SIZE(value);
    bench_stop(b);
    BENCH_CHECK(sum == bench_sum(b->n));
    g_hash_table_destroy(table);
}

static void remove_all(bench *b, const kind *k)
{
    const bench_keys *all = bench_keys_of(b->n);
    gpointer *keys = as_pointers(k, all->doomed, all->doomed_text, b->n);
    GHashTable *table = build(k, b->n);

    bench_start(b);
    for (gsize i = 0; i < b->n; i++)
        g_hash_table_remove(table, keys[i]);
    bench_stop(b);
    BENCH_CHECK(g_hash_table_size(table) == 0);
    g_hash_table_destroy(table);
    g_free(keys);
}

static void bytes(bench *b, const kind *k)
{
    (void)bench_keys_of(b->n);
    gsize before = bench_heap_bytes();
    GHashTable *table = build(k, b->n);

    b->value = (double)(bench_heap_bytes() - before) / (double)b->n;
    BENCH_CHECK(b->value > 0);
    g_hash_table_destroy(table);
}

#define BOTH(operation)                                                                            \
    static void operation##_numbers(bench *b)                                                      \
    {                                                                                              \
        operation(b, &numbers);                                                                    \
    }                                                                                              \
    static void operation##_texts(bench *b)                                                        \
    {                                                                                              \
        operation(b, &texts);                                                                      \
    }
BOTH(insert)
BOTH(hit)
BOTH(miss)
BOTH(iterate)
BOTH(remove_all)
BOTH(bytes)

/* ---- Sorting: a merge sort ---- */

static gint compare_i32(gconstpointer a, gconstpointer b, gpointer unused)
{
    gint32 x = *(const gint32 *)a, y = *(const gint32 *)b;

    (void)unused;
    return (x > y) - (x < y);
}

static void sort_i32(bench *b)
{
    gint32 *v = g_new(gint32, b->n);

    bench_fill_i32(v, b->n, BENCH_RANDOM);
    bench_start(b);
    g_qsort_with_data(v, (gint)b->n, sizeof *v, compare_i32, NULL);
    bench_stop(b);
    for (gsize i = 1; i < b->n; i++)
        BENCH_CHECK(v[i - 1] <= v[i]);
    g_free(v);
}

/* ---- Concatenation ---- */

static void concat(bench *b)
{
    bench_start(b);
    for (gsize i = 0; i < b->n; i++) {
        GString *string = g_string_new(NULL);

        for (int k = 0; k < 1000; k++)
            g_string_append_c(string, 'x');
        BENCH_CHECK(string->len == 1000);
        g_string_free(string, TRUE);
    }
    bench_stop(b);
}

#define ROW(name_, run_, n_)                                                                       \
    {                                                                                              \
        .section = "map", .name = name_, .peer = "glib GHashTable", .run = run_, .n = n_           \
    }
#define ROWS(prefix, suffix, n_)                                                                   \
    ROW(prefix "_insert", insert_##suffix, n_), ROW(prefix "_hit", hit_##suffix, n_),              \
        ROW(prefix "_miss", miss_##suffix, n_), ROW(prefix "_iterate", iterate_##suffix, n_),      \
        ROW(prefix "_delete", remove_all_##suffix, n_),                                            \
    {                                                                                              \
        .section = "map", .name = prefix "_bytes", .peer = "glib GHashTable",                      \
        .run = bytes_##suffix, .n = n_, .unit = "B/elem"                                           \
    }

static const bench_workload workloads[] = {
    ROWS("hash_u64", numbers, 1000000),
    ROWS("hash_u64_900k", numbers, 900000),
    ROWS("hash_str16", texts, 1000000),
    ROWS("hash_str16_900k", texts, 900000),
    { .section = "sort",
      .name = "sort_i32_random",
      .peer = "glib g_qsort_with_data",
      .run = sort_i32,
      .n = 1000000,
      .unit = "ns/elem" },
    { .section = "concat",
      .name = "concat_buffer",
      .peer = "glib GString",
      .run = concat,
      .n = 200000 },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(bench_program){ .workloads = workloads, .count = COUNT(workloads) });
}
