/* SPDX-License-Identifier: MIT */

/* The workloads of one kind of map, included for each: MAP is its type, LIST(keys, what) one of its key
 * lists (insert, hit, miss, doomed), KEY(list, i) the key in there. */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define MAP_(verb) JOIN(MAP, verb)

static void MAP_(fill)(MAP *map, size_t n)
{
    const bench_keys *keys = bench_keys_of(n);

    for (size_t i = 0; i < n; i++)
        bench_must(MAP_(put)(map, KEY(LIST(keys, insert), i), i));
    BENCH_CHECK(map->len == n);
}

/* Maps that several workloads ask are built once: the two latest, those of the warm-up and of the runs. */
static MAP *MAP_(built)(size_t n)
{
    static MAP kept[2];
    static int latest;

    for (int i = 0; i < 2; i++) {
        if (kept[i].len == n)
            return &kept[i];
    }
    latest = 1 - latest;
    MAP_(deinit)(&kept[latest]);
    MAP_(fill)(&kept[latest], n);
    return &kept[latest];
}

static void MAP_(insert)(bench *b)
{
    MAP map = { 0 };

    (void)bench_keys_of(b->n);
    bench_start(b);
    MAP_(fill)(&map, b->n);
    bench_stop(b);
    MAP_(deinit)(&map);
}

static void MAP_(hit)(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    const MAP *map = MAP_(built)(b->n);
    uint64_t sum = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        sum += *MAP_(get)(map, KEY(LIST(keys, hit), i));
    bench_stop(b);
    BENCH_CHECK(sum == bench_sum(b->n));
}

static void MAP_(miss)(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    const MAP *map = MAP_(built)(b->n);
    size_t found = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        found += MAP_(has)(map, KEY(LIST(keys, miss), i));
    bench_stop(b);
    BENCH_CHECK(found == 0);
}

static void MAP_(iterate)(bench *b)
{
    const MAP *map = MAP_(built)(b->n);
    uint64_t sum = 0;

    bench_start(b);
    for (JOIN(MAP, iter) it = MAP_(each)(map); MAP_(next)(&it);)
        sum += *it.value;
    bench_stop(b);
    BENCH_CHECK(sum == bench_sum(b->n));
}

static void MAP_(delete)(bench *b)
{
    const bench_keys *keys = bench_keys_of(b->n);
    MAP map = { 0 };

    MAP_(fill)(&map, b->n);
    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        (void)MAP_(remove)(&map, KEY(LIST(keys, doomed), i), NULL);
    bench_stop(b);
    BENCH_CHECK(map.len == 0);
    MAP_(deinit)(&map);
}

static void MAP_(bytes)(bench *b)
{
    MAP map = { 0 };

    (void)bench_keys_of(b->n);
    const size_t before = bench_heap_bytes();
    MAP_(fill)(&map, b->n);
    b->value = (double)(bench_heap_bytes() - before) / (double)b->n;
    BENCH_CHECK(b->value > 0);
    MAP_(deinit)(&map);
}

#undef JOIN_
#undef JOIN
#undef MAP_
#undef MAP
#undef LIST
#undef KEY
