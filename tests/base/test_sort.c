/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/rand.h>
#include <keel/sort.h>

/* ---- Items of several sizes, each with a key and, where there is room, the place it began at ---- */

typedef struct triple {
    uint8_t key, place[2];
} triple;

typedef struct pair {
    uint32_t key, place;
} pair;

typedef struct record {
    uint64_t key, place;
} record;

typedef struct heavy {
    uint32_t key, place;
    uint64_t same[24]; /* the place again, so that a torn copy shows */
} heavy;

#define KEEL_SORT_NAME byte
#define KEEL_SORT_ITEM uint8_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>
#define KEEL_SORT_NAME triple
#define KEEL_SORT_ITEM triple
#define KEEL_SORT_KEY(item) ((item).key)
#include <keel/sort.h>
#define KEEL_SORT_NAME number
#define KEEL_SORT_ITEM int32_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>
#define KEEL_SORT_NAME pair
#define KEEL_SORT_ITEM pair
#define KEEL_SORT_KEY(item) ((item).key)
#include <keel/sort.h>
#define KEEL_SORT_NAME record
#define KEEL_SORT_ITEM record
#define KEEL_SORT_KEY(item) ((item).key)
#define KEEL_SORT_TARGET uint64_t
#define KEEL_SORT_COMPARE(item, target) ((item).key < (target) ? -1 : (item).key > (target))
#include <keel/sort.h>
#define KEEL_SORT_NAME heavy
#define KEEL_SORT_ITEM heavy
#define KEEL_SORT_LESS(a, b) ((a).key < (b).key)
#include <keel/sort.h>

enum { MOST = 100000, SMALL = 200 };

/* What the checks of all types share: the keys as they were given, and in order. */
static uint64_t keys[MOST], sorted[MOST];
static unsigned char seen[MOST];

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* ---- Patterns of keys ---- */

enum {
    RANDOM,
    SORTED,
    REVERSED,
    ORGAN_PIPE,
    FEW,
    SAWTOOTH,
    EQUAL,
    TWO,
    NEARLY,
    SORTED_TAIL,
    REVERSED_FEW,
    PATTERNS
};

static keel_rand rnd;

static uint64_t pattern_key(int pattern, size_t i, size_t n)
{
    switch (pattern) {
    case SORTED:
        return i;
    case REVERSED:
        return n - i;
    case ORGAN_PIPE:
        return i < n / 2 ? i : n - i;
    case FEW:
        return keel_rand_below(&rnd, 5);
    case SAWTOOTH:
        return i % 13;
    case EQUAL:
        return 7;
    case TWO:
        return keel_rand_below(&rnd, 2);
    case NEARLY:
        return keel_rand_below(&rnd, 20) == 0 ? keel_rand_below(&rnd, n) : i;
    case SORTED_TAIL:
        return i < n - n / 10 ? i : keel_rand_below(&rnd, n);
    case REVERSED_FEW:
        return (n - i) / 4;
    default:
        return keel_rand_u64(&rnd);
    }
}

/* The keys of a pattern, each at most `mask`, and the same in order. */
static void make_keys(int pattern, size_t n, uint64_t mask)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = keys[i] = pattern_key(pattern, i, n) & mask;
    qsort(sorted, n, sizeof sorted[0], compare_keys);
}

/* ---- The checks, for one type ---- */

#define KEY_OF_NUMBER(item) ((uint64_t)(item))
#define KEY_OF_STRUCT(item) ((uint64_t)(item).key)
#define NO_PLACE(items, i) SIZE_MAX
#define PLACE(items, i) ((size_t)(items)[i].place)
#define PLACE_OF_TRIPLE(items, i) ((size_t)((items)[i].place[0] | (items)[i].place[1] << 8))

static uint8_t make_byte(uint64_t key, size_t place)
{
    (void)place;
    return (uint8_t)key;
}

static triple make_triple(uint64_t key, size_t place)
{
    return (triple){ (uint8_t)key, { (uint8_t)place, (uint8_t)(place >> 8) } };
}

static int32_t make_number(uint64_t key, size_t place)
{
    (void)place;
    return (int32_t)key;
}

static pair make_pair(uint64_t key, size_t place)
{
    return (pair){ (uint32_t)key, (uint32_t)place };
}

static record make_record(uint64_t key, size_t place)
{
    return (record){ key, place };
}

static heavy make_heavy(uint64_t key, size_t place)
{
    heavy item = { (uint32_t)key, (uint32_t)place, { 0 } };

    for (size_t i = 0; i < 24; i++)
        item.same[i] = place;
    return item;
}

/* That item i is whole, belongs to its key, and is the only one from its place. */
static void check_item(uint64_t key, size_t place, size_t n)
{
    if (place == SIZE_MAX)
        return;
    assert_true(place < n);
    assert_int_equal(keys[place], key);
    assert_int_equal(seen[place], 0);
    seen[place] = 1;
}

#define CHECKS(type, item_type, mask, key_of, place_of)                                            \
    /* The items of the keys, in memory of exactly that size. */                                   \
    static item_type *type##_items(size_t n)                                                       \
    {                                                                                              \
        item_type *items = keel_mem_alloc((n + (n == 0)) * sizeof *items);                         \
        assert_non_null(items);                                                                    \
        for (size_t i = 0; i < n; i++)                                                             \
            items[i] = make_##type(keys[i], i);                                                    \
        return items;                                                                              \
    }                                                                                              \
    static void type##_check_all_there(const item_type *items, size_t n)                           \
    {                                                                                              \
        memset(seen, 0, n);                                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            check_item(key_of(items[i]), place_of(items, i), n);                                   \
    }                                                                                              \
    static void type##_sorts(size_t n, size_t part)                                                \
    {                                                                                              \
        item_type *items = type##_items(n);                                                        \
        type##_sort(items, n);                                                                     \
        for (size_t i = 0; i < n; i++)                                                             \
            assert_int_equal(key_of(items[i]), sorted[i]);                                         \
        type##_check_all_there(items, n);                                                          \
        assert_true(type##_is_sorted(items, n));                                                   \
        keel_mem_free(items);                                                                      \
                                                                                                   \
        items = type##_items(n);                                                                   \
        assert_ok(type##_sort_stable(items, n));                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            assert_int_equal(key_of(items[i]), sorted[i]);                                         \
            if (i > 0 && sorted[i] == sorted[i - 1] && place_of(items, i) != SIZE_MAX)             \
                assert_true(place_of(items, i) > place_of(items, i - 1));                          \
        }                                                                                          \
        type##_check_all_there(items, n);                                                          \
        keel_mem_free(items);                                                                      \
                                                                                                   \
        items = type##_items(n);                                                                   \
        type##_nth(items, n, part);                                                                \
        for (size_t i = 0; part < n && i < n; i++) {                                               \
            assert_true(i >= part || key_of(items[i]) <= sorted[part]);                            \
            assert_true(i <= part || key_of(items[i]) >= sorted[part]);                            \
            assert_true(i != part || key_of(items[i]) == sorted[part]);                            \
        }                                                                                          \
        type##_check_all_there(items, n);                                                          \
        keel_mem_free(items);                                                                      \
                                                                                                   \
        items = type##_items(n);                                                                   \
        type##_sort_first(items, n, part);                                                         \
        for (size_t i = 0; i < n && i < part; i++)                                                 \
            assert_int_equal(key_of(items[i]), sorted[i]);                                         \
        type##_check_all_there(items, n);                                                          \
        keel_mem_free(items);                                                                      \
    }                                                                                              \
    static void type##_in_all_patterns(void **state)                                               \
    {                                                                                              \
        (void)state;                                                                               \
        static const size_t large[] = { 257, 1000, 4096, sizeof(item_type) > 16 ? 5000 : 40000 };  \
        keel_rand_seed(&rnd, sizeof(item_type));                                                   \
        for (int pattern = 0; pattern < PATTERNS; pattern++) {                                     \
            for (size_t n = 0; n <= SMALL; n++) {                                                  \
                make_keys(pattern, n, mask);                                                       \
                type##_sorts(n, (size_t)keel_rand_below(&rnd, n + 2));                             \
            }                                                                                      \
            for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {                          \
                make_keys(pattern, large[i], mask);                                                \
                type##_sorts(large[i], (size_t)keel_rand_below(&rnd, large[i]));                   \
            }                                                                                      \
        }                                                                                          \
    }

CHECKS(byte, uint8_t, 0xff, KEY_OF_NUMBER, NO_PLACE)
CHECKS(triple, triple, 0xff, KEY_OF_STRUCT, PLACE_OF_TRIPLE)
CHECKS(number, int32_t, 0x7fffffff, KEY_OF_NUMBER, NO_PLACE)
CHECKS(pair, pair, 0xffffffff, KEY_OF_STRUCT, PLACE)
CHECKS(record, record, UINT64_MAX, KEY_OF_STRUCT, PLACE)
CHECKS(heavy, heavy, 0xffffffff, KEY_OF_STRUCT, PLACE)

/* ---- All inputs of few items ---- */

static void sort_both(size_t n)
{
    memcpy(sorted, keys, n * sizeof keys[0]);
    qsort(sorted, n, sizeof sorted[0], compare_keys);
    number_sorts(n, n / 2);
    record_sorts(n, n / 3);
    triple_sorts(n, n);
}

/* A network that sorts all zeros and ones sorts everything. */
static void all_zeros_and_ones_up_to_16_are_sorted(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 16; n++) {
        for (uint64_t bits = 0; bits < UINT64_C(1) << n; bits++) {
            for (size_t i = 0; i < n; i++)
                keys[i] = bits >> i & 1;
            if (n <= 12 || bits % 8 == 0) {
                sort_both(n);
                continue;
            }
            uint8_t items[16];
            for (size_t i = 0; i < n; i++)
                items[i] = (uint8_t)keys[i];
            byte_sort(items, n);
            assert_true(byte_is_sorted(items, n));
        }
    }
}

static void permute(size_t n, size_t from)
{
    if (from == n) {
        sort_both(n);
        return;
    }
    for (size_t i = from; i < n; i++) {
        const uint64_t key = keys[i];

        keys[i] = keys[from];
        keys[from] = key;
        permute(n, from + 1);
        keys[from] = keys[i];
        keys[i] = key;
    }
}

static void all_permutations_up_to_8_are_sorted(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 8; n++) {
        for (size_t i = 0; i < n; i++)
            keys[i] = i;
        permute(n, 0);
    }
}

/* ---- Searching ---- */

/* Against a walk through all items, which are `n` with keys that are even and repeat. */
static void check_search(const record *items, size_t n, uint64_t key)
{
    size_t lower = 0, upper = 0, index = SIZE_MAX;

    while (lower < n && items[lower].key < key)
        lower++;
    for (upper = lower; upper < n && items[upper].key == key;)
        upper++;
    assert_int_equal(record_lower_bound(items, n, (record){ key, 0 }), lower);
    assert_int_equal(record_upper_bound(items, n, (record){ key, 0 }), upper);
    assert_int_equal(record_search(items, n, (record){ key, 0 }, &index), lower < upper);
    assert_int_equal(index, lower);
    index = SIZE_MAX;
    assert_int_equal(record_search_for(items, n, key, &index), lower < upper);
    assert_int_equal(index, lower);
    assert_int_equal(record_search(items, n, (record){ key, 0 }, NULL), lower < upper);
    assert_int_equal(record_search_for(items, n, key, NULL), lower < upper);
}

static void searching_finds_the_first_or_where_it_would_be(void **state)
{
    (void)state;
    keel_rand_seed(&rnd, 1);
    for (size_t n = 0; n <= 70; n++) {
        for (int round = 0; round < 8; round++) {
            record *items = keel_mem_alloc((n + (n == 0)) * sizeof *items);
            const uint64_t gap = keel_rand_below(&rnd, 4);

            assert_non_null(items);
            for (size_t i = 0; i < n; i++)
                items[i] = (record){
                    2 + (i == 0 ? 0 : items[i - 1].key - 2 + 2 * (keel_rand_below(&rnd, gap + 1))),
                    i
                };
            for (uint64_t key = 0; key <= 2 * n * (gap + 1) + 4; key++)
                check_search(items, n, key);
            keel_mem_free(items);
        }
    }
}

static void is_sorted_sees_each_place_that_is_not(void **state)
{
    (void)state;
    int32_t items[40];

    for (size_t n = 0; n <= 40; n++) {
        for (size_t i = 0; i < n; i++)
            items[i] = (int32_t)(i / 2);
        assert_true(number_is_sorted(items, n));
        for (size_t i = 1; i < n; i++) {
            const int32_t item = items[i];

            items[i] = items[i - 1] - 1;
            assert_false(number_is_sorted(items, n));
            items[i] = item;
        }
    }
}

/* ---- How many comparisons ---- */

/* An order that counts; `values` gives each item its value. With `killer` it decides the values only
 * when they are asked for, so that pivots turn out to be among the least (McIlroy, 1999). */
typedef struct order {
    uint32_t *values;
    size_t compared;
    bool killer;
    uint32_t solid, candidate;
} order;

enum { GAS = INT32_MAX };

static bool less(uint32_t a, uint32_t b, order *by)
{
    uint32_t *values = by->values;

    by->compared++;
    if (by->killer) {
        if (values[a] == GAS && values[b] == GAS)
            values[a == by->candidate ? a : b] = by->solid++;
        if (values[a] == GAS)
            by->candidate = a;
        else if (values[b] == GAS)
            by->candidate = b;
    }
    return values[a] < values[b];
}

#define KEEL_SORT_NAME indices
#define KEEL_SORT_ITEM uint32_t
#define KEEL_SORT_LESS less
#define KEEL_SORT_ARG order *
#define KEEL_SORT_TARGET uint32_t
#define KEEL_SORT_COMPARE(item, target, arg)                                                       \
    ((arg)->compared++, (arg)->values[item] < (target) ? -1 : (arg)->values[item] > (target))
#include <keel/sort.h>

enum { COUNT = 10000, SORT = 0, STABLE, FIRST, NTH, WAYS };

static uint32_t values[COUNT], indices[COUNT];

/* How many comparisons it takes to sort the values. */
static size_t comparisons(int way, size_t n, bool killer)
{
    order by = { values, 0, killer, 3, 0 };

    for (uint32_t i = 0; i < n; i++)
        indices[i] = i;
    switch (way) {
    case STABLE:
        assert_ok(indices_sort_stable(indices, n, &by));
        break;
    case FIRST:
        indices_sort_first(indices, n, n / 2, &by);
        break;
    case NTH:
        indices_nth(indices, n, n / 2, &by);
        break;
    default:
        indices_sort(indices, n, &by);
        break;
    }
    const size_t compared = by.compared;
    by.killer = false;
    if (way == SORT || way == STABLE)
        assert_true(indices_is_sorted(indices, n, &by));
    return compared;
}

/* First against the adversary itself, then with the input that it has made. */
static void no_input_is_slow(void **state)
{
    (void)state;
    for (int way = SORT; way < WAYS; way++) {
        for (size_t i = 0; i < COUNT; i++)
            values[i] = i < 3 ? (uint32_t[]){ 1, 2, 0 }[i] : GAS; /* not a run from the start */
        const size_t live = comparisons(way, COUNT, true);
        const size_t again = comparisons(way, COUNT, false);

        assert_in_range(live, COUNT, 560000);
        assert_in_range(again, COUNT, 560000);
    }
}

static void comparisons_are_few(void **state)
{
    (void)state;
    static const struct {
        int pattern;
        size_t sort, stable; /* at most */
    } cases[] = {
        { RANDOM, 135000, 138000 },
        { SORTED, COUNT - 1, COUNT - 1 },
        { REVERSED, COUNT - 1, COUNT - 1 },
        { EQUAL, COUNT - 1, COUNT - 1 },
        { TWO, 31000, 31000 },
        { FEW, 38000, 38000 },
        { SAWTOOTH, 52000, 52000 },
        { ORGAN_PIPE, 170000, 200000 },
    };

    keel_rand_seed(&rnd, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t j = 0; j < COUNT; j++)
            values[j] = (uint32_t)(pattern_key(cases[i].pattern, j, COUNT) & 0x7fffffff);
        const size_t sort = comparisons(SORT, COUNT, false);
        const size_t stable = comparisons(STABLE, COUNT, false);

        assert_in_range(sort, 1, cases[i].sort);
        assert_in_range(stable, 1, cases[i].stable);
    }
}

static void a_part_takes_fewer_comparisons(void **state)
{
    (void)state;
    keel_rand_seed(&rnd, 3);
    for (size_t j = 0; j < COUNT; j++)
        values[j] = (uint32_t)keel_rand_u64(&rnd) >> 1;
    assert_in_range(comparisons(NTH, COUNT, false), 1, 5 * COUNT);
    assert_in_range(comparisons(FIRST, COUNT, false), 1, 100000);
    for (size_t j = 0; j < COUNT; j++)
        values[j] = (uint32_t)j % 3;
    assert_in_range(comparisons(NTH, COUNT, false), 1, 5 * COUNT);
}

static void searching_takes_a_logarithm(void **state)
{
    (void)state;
    order by = { values, 0, false, 0, 0 };

    for (uint32_t i = 0; i < COUNT; i++)
        indices[i] = values[i] = i;
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t index;

        by.compared = 0;
        assert_true(indices_search(indices, COUNT, i, &index, &by));
        assert_int_equal(index, i);
        assert_in_range(by.compared, 1, 16);
        by.compared = 0;
        assert_int_equal(indices_lower_bound(indices, COUNT, i, &by), i);
        assert_int_equal(indices_upper_bound(indices, COUNT, i, &by), i + 1);
        assert_in_range(by.compared, 1, 30);
        assert_true(indices_search_for(indices, COUNT, i, &index, &by));
        assert_int_equal(index, i);
    }
}

/* ---- Orders that are none ---- */

typedef struct nonsense {
    keel_rand rnd;
    int kind; /* 0: always false; 1: always true; 2: at random; 3: mostly right */
    bool strayed;
} nonsense;

static bool senseless(record a, record b, nonsense *by)
{
    /* all items have this in their key */
    by->strayed = by->strayed || a.key >> 32 != 0xc0ffee || b.key >> 32 != 0xc0ffee;
    switch (by->kind) {
    case 0:
    case 1:
        return by->kind == 1;
    case 2:
        return keel_rand_below(&by->rnd, 2) == 0;
    default:
        return keel_rand_below(&by->rnd, 10) == 0 ? a.key >= b.key : a.key < b.key;
    }
}

static bool senseless_heavy(const heavy *a, const heavy *b, nonsense *by)
{
    by->strayed = by->strayed || a->same[0] != 0xc0ffee || b->same[0] != 0xc0ffee;
    return senseless((record){ UINT64_C(0xc0ffee) << 32 | a->key, 0 },
                     (record){ UINT64_C(0xc0ffee) << 32 | b->key, 0 }, by);
}

#define KEEL_SORT_NAME unruly
#define KEEL_SORT_ITEM record
#define KEEL_SORT_LESS senseless
#define KEEL_SORT_ARG nonsense *
#include <keel/sort.h>
#define KEEL_SORT_NAME unruly_heavy
#define KEEL_SORT_ITEM heavy
#define KEEL_SORT_LESS(a, b, by) senseless_heavy(&a, &b, by)
#define KEEL_SORT_ARG nonsense *
#include <keel/sort.h>

static void sort_unruly(size_t n, nonsense *by)
{
    record *items = keel_mem_alloc((n + 2) * sizeof *items);
    heavy *weights = keel_mem_alloc((n + 2) * sizeof *weights);

    assert_non_null(items);
    assert_non_null(weights);
    for (int way = SORT; way < WAYS; way++) {
        memset(items, 0, (n + 2) * sizeof *items);
        memset(weights, 0, (n + 2) * sizeof *weights);
        for (size_t i = 1; i <= n; i++) {
            const uint32_t key = (uint32_t)keel_rand_u64(&by->rnd);

            items[i] = (record){ UINT64_C(0xc0ffee) << 32 | key, i };
            weights[i] = (heavy){ key, (uint32_t)i, { 0xc0ffee } };
        }
        switch (way) {
        case STABLE:
            assert_ok(unruly_sort_stable(items + 1, n, by));
            assert_ok(unruly_heavy_sort_stable(weights + 1, n, by));
            break;
        case FIRST:
            unruly_sort_first(items + 1, n, n / 3, by);
            unruly_heavy_sort_first(weights + 1, n, n / 3, by);
            break;
        case NTH:
            unruly_nth(items + 1, n, n / 2, by);
            unruly_heavy_nth(weights + 1, n, n / 2, by);
            break;
        default:
            unruly_sort(items + 1, n, by);
            unruly_heavy_sort(weights + 1, n, by);
            break;
        }
        assert_true(unruly_lower_bound(items + 1, n, (record){ UINT64_C(0xc0ffee) << 32, 0 }, by) <=
                    n);
        for (size_t i = 1; i <= n; i++) {
            assert_int_equal(items[i].key >> 32, 0xc0ffee);
            assert_int_equal(weights[i].same[0], 0xc0ffee);
        }
        assert_true(items[0].place == 0 && items[n + 1].place == 0);
        assert_true(weights[0].place == 0 && weights[n + 1].place == 0);
        assert_false(by->strayed);
    }
    keel_mem_free(items);
    keel_mem_free(weights);
}

static void an_order_that_is_none_stays_within_the_array(void **state)
{
    (void)state;
    nonsense by = { { { 0 } }, 0, false };

    for (by.kind = 0; by.kind < 4; by.kind++) {
        for (size_t n = 0; n <= SMALL; n++)
            sort_unruly(n, &by);
        for (size_t n = 1000; n <= 4000; n *= 2)
            sort_unruly(n, &by);
    }
}

/* ---- Memory ---- */

static void without_memory_the_array_stays_as_it_was(void **state)
{
    (void)state;
    keel_rand_seed(&rnd, 4);
    make_keys(RANDOM, 1000, UINT64_MAX);
    record *items = record_items(1000), *before = record_items(1000);

    keel_test_fail_alloc(1, true);
    assert_err(record_sort_stable(items, 1000), KEEL_ERR_NOMEM);
    assert_memory_equal(items, before, 1000 * sizeof *items);
    keel_test_fail_alloc(0, false);
    assert_ok(record_sort_stable(items, 1000));
    assert_true(record_is_sorted(items, 1000));
    keel_mem_free(items);
    keel_mem_free(before);
}

static void little_and_sorted_input_allocates_nothing(void **state)
{
    (void)state;
    for (int pattern = 0; pattern < PATTERNS; pattern++) {
        make_keys(pattern, 32, 0xff);
        record *items = record_items(32);
        heavy *weights = heavy_items(32);
        keel_test_fail_alloc(1, true);
        assert_ok(record_sort_stable(items, 32));
        assert_ok(heavy_sort_stable(weights, 32));
        keel_test_fail_alloc(0, false);
        keel_mem_free(items);
        keel_mem_free(weights);
    }
    static const int in_order[] = { SORTED, REVERSED, EQUAL };
    for (size_t i = 0; i < 3; i++) {
        make_keys(in_order[i], 1000, UINT64_MAX);
        record *items = record_items(1000);
        keel_test_fail_alloc(1, true);
        assert_ok(record_sort_stable(items, 1000));
        record_sort(items, 1000);
        keel_test_fail_alloc(0, false);
        assert_true(record_is_sorted(items, 1000));
        keel_mem_free(items);
    }
}

static void a_size_that_overflows_is_no_memory(void **state)
{
    (void)state;
    record items[8] = { { 2, 0 }, { 1, 0 }, { 2, 1 } }; /* it looks no further than these */
    const size_t counts[] = { SIZE_MAX, SIZE_MAX / 16 + 3, SIZE_MAX / 32 + 1,
                              PTRDIFF_MAX / 16 + 1 };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        assert_err(record_sort_stable(items, counts[i]), KEEL_ERR_NOMEM);
    assert_true(items[0].key == 2 && items[1].key == 1);
}

/* ---- At random, against the obvious ---- */

/* Each round is ten or so operations, with their results checked item by item. */
static void random_arrays_sort_as_qsort_sorts_them(void **state)
{
    (void)state;
    const size_t rounds = getenv("KEEL_TEST_LONG") != NULL ? 1000000 : 10000;

    keel_rand_seed(&rnd, 7);
    for (size_t round = 0; round < rounds; round++) {
        const int pattern = (int)keel_rand_below(&rnd, PATTERNS);
        const size_t n = (size_t)keel_rand_below(&rnd, keel_rand_below(&rnd, 20) == 0 ? 600 : 60);

        make_keys(pattern, n, keel_rand_below(&rnd, 2) == 0 ? 0xff : 0x1f);
        const size_t part = (size_t)keel_rand_below(&rnd, n + 1);
        triple_sorts(n, part);
        pair_sorts(n, part);
        number_sorts(n, part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(byte_in_all_patterns),
        keel_test(triple_in_all_patterns),
        keel_test(number_in_all_patterns),
        keel_test(pair_in_all_patterns),
        keel_test(record_in_all_patterns),
        keel_test(heavy_in_all_patterns),
        keel_test(all_zeros_and_ones_up_to_16_are_sorted),
        keel_test(all_permutations_up_to_8_are_sorted),
        keel_test(searching_finds_the_first_or_where_it_would_be),
        keel_test(is_sorted_sees_each_place_that_is_not),
        keel_test(no_input_is_slow),
        keel_test(comparisons_are_few),
        keel_test(a_part_takes_fewer_comparisons),
        keel_test(searching_takes_a_logarithm),
        keel_test(an_order_that_is_none_stays_within_the_array),
        keel_test(without_memory_the_array_stays_as_it_was),
        keel_test(little_and_sorted_input_allocates_nothing),
        keel_test(a_size_that_overflows_is_no_memory),
        keel_test(random_arrays_sort_as_qsort_sorts_them),
    };

    keel_test_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
