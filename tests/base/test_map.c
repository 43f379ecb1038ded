/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/hash.h>

#include "sized.h"
#include "table_rig.h"

/* ---- Beside a plain array ---- */

enum { MODEL_KEYS = 500 };

/* Hashes that send all keys to one place, to a few, to one group with different tags, to any group with
 * one tag; or that are the plain key. */
static enum {
    HASH_GOOD,
    HASH_CONSTANT,
    HASH_FEW,
    HASH_GROUP,
    HASH_TAG,
    HASH_KEY,
    HASH_LAST = HASH_KEY
} hashing;

static uint64_t model_hash(const void *key, size_t size)
{
    const uint64_t hash = keel_hash_bytes(key, size);

    switch (hashing) {
    case HASH_GOOD:
        return hash;
    case HASH_CONSTANT:
        return 0x123456789ABCDEFu;
    case HASH_FEW:
        return (hash & 3) * 0x9E3779B97F4A7C15u;
    case HASH_GROUP:
        return hash & ~(uint64_t)0xFFFFF0;
    case HASH_TAG:
        return hash & 0xFFFFFF;
    default:
        return sized_number(key, size);
    }
}

static bool all_zero(const void *item, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)item)[i] != 0)
            return false;
    }
    return true;
}

#define MODEL_ITEM sized_1
#include "map_model.h"
#define MODEL_ITEM sized_3
#include "map_model.h"
#define MODEL_ITEM sized_8
#define MODEL_CACHE_HASH
#include "map_model.h"
#define MODEL_ITEM sized_16
#include "map_model.h"
#define MODEL_ITEM sized_200
#include "map_model.h"

/* ---- Numbers ---- */

#define KEEL_MAP_NAME u64_map
#define KEEL_MAP_KEY uint64_t
#define KEEL_MAP_VALUE uint64_t
#define KEEL_MAP_HASH keel_hash_u64
#define KEEL_MAP_EQ keel_eq_u64
#define KEEL_MAP_VALUE_EQ keel_eq_u64
#define KEEL_MAP_DECLARE
#include <keel/map.h>
#define KEEL_MAP_NAME u64_map
#define KEEL_MAP_KEY uint64_t
#define KEEL_MAP_VALUE uint64_t
#define KEEL_MAP_HASH keel_hash_u64
#define KEEL_MAP_EQ keel_eq_u64
#define KEEL_MAP_VALUE_EQ keel_eq_u64
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

/* Slots, also those that must stay empty. */
static size_t u64_map_cap(const u64_map *map)
{
    return map->keel__control != NULL ? map->keel__mask + 16 : 0;
}

/* Of keys first, first + 1, ... with values of twice that. */
static u64_map counting_map(uint64_t first, size_t count)
{
    u64_map map = { 0 };

    for (uint64_t key = first; key < first + count; key++)
        assert_ok(u64_map_put(&map, key, 2 * key));
    return map;
}

static void assert_counts(const u64_map *map, uint64_t first, size_t count)
{
    uint64_t sum = 0;
    size_t seen = 0;

    assert_int_equal(map->len, count);
    for (uint64_t key = first; key < first + count; key++) {
        const uint64_t *value = u64_map_get(map, key);
        assert_non_null(value);
        assert_int_equal(*value, 2 * key);
    }
    assert_false(u64_map_has(map, first + count));
    assert_false(u64_map_has(map, first - 1));
    for (u64_map_iter it = u64_map_each(map); u64_map_next(&it); seen++)
        sum += it.key;
    assert_int_equal(seen, count);
    assert_int_equal(sum, count == 0 ? 0 : count * first + count * (count - 1) / 2);
}

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    u64_map never = { 0 }, emptied = { 0 };
    uint64_t untouched = 42;

    assert_ok(u64_map_put(&emptied, 1, 1));
    assert_true(u64_map_remove(&emptied, 1, NULL));
    for (int i = 0; i < 2; i++) {
        u64_map *map = i == 0 ? &never : &emptied;
        u64_map_iter it = u64_map_each(map);
        assert_false(u64_map_next(&it));
        assert_false(u64_map_next(&it));
        assert_false(u64_map_it_remove(map, &it, &untouched));
        assert_null(u64_map_get(map, 1));
        assert_false(u64_map_has(map, 1));
        assert_false(u64_map_remove(map, 1, &untouched));
        u64_map_clear(map);
        assert_ok(u64_map_reserve(map, 0));
    }
    assert_true(u64_map_equal(&never, &emptied));
    assert_int_equal(untouched, 42);
    u64_map_shrink(&never);
    u64_map_deinit(&never);
    u64_map_deinit(&emptied);
    u64_map_deinit(NULL);
    assert_false(u64_map_has(&emptied, 1));
    assert_ok(u64_map_put(&emptied, 1, 2)); /* again after deinit */
    assert_counts(&emptied, 1, 1);
    u64_map_deinit(&emptied);
}

static void it_holds_7_of_8_and_then_doubles(void **state)
{
    (void)state;
    u64_map map = { 0 };
    size_t made = 0;

    assert_int_equal(u64_map_cap(&map), 0);
    for (size_t cap = 16; cap <= 4096; cap *= 2) {
        const size_t full = cap / 8 * 7;
        while (map.len < full)
            assert_ok(u64_map_put(&map, map.len, 2 * map.len));
        assert_counts(&map, 0, full);
        assert_int_equal(u64_map_cap(&map), cap);
        assert_true(made == 0 || keel_test_made() == made + 1);
        made = keel_test_made();
    }
    u64_map_deinit(&map);
}

static void what_is_reserved_needs_no_memory(void **state)
{
    (void)state;
    for (size_t cap = 16; cap <= 1024; cap *= 2) {
        for (size_t count = cap / 8 * 7 - 1; count <= cap / 8 * 7 + 1; count++) {
            u64_map map = counting_map(0, 3);
            assert_ok(u64_map_reserve(&map, count - 3));
            assert_int_equal(u64_map_cap(&map), count <= cap / 8 * 7 ? cap : 2 * cap);
            keel_test_fail_alloc(1, true);
            while (map.len < count)
                assert_ok(u64_map_put(&map, map.len, 2 * map.len));
            assert_false(keel_test_alloc_failed());
            keel_test_fail_alloc(0, false);
            assert_counts(&map, 0, count);
            u64_map_deinit(&map);
        }
    }
}

static void a_map_of_at_most_what_was_reserved_never_fails(void **state)
{
    (void)state;
    u64_map map = { 0 };

    assert_ok(u64_map_reserve(&map, 100));
    const size_t cap = u64_map_cap(&map), most = cap / 8 * 7;
    keel_test_fail_alloc(1, true);
    for (uint64_t key = 0; key < 100000; key++) {
        if (map.len == most)
            assert_true(u64_map_remove(&map, key - most, NULL));
        assert_ok(u64_map_put(&map, key, 2 * key));
        assert_false(keel_test_alloc_failed()); /* not even tried */
    }
    assert_err(u64_map_put(&map, 100000, 0), KEEL_ERR_NOMEM);
    assert_counts(&map, 100000 - most, most);
    keel_test_fail_alloc(0, false);
    assert_int_equal(u64_map_cap(&map), cap);
    u64_map_deinit(&map);
}

static void shrinking_gives_back_what_is_not_needed(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 1000);

    u64_map_shrink(&map); /* nothing is */
    assert_int_equal(u64_map_cap(&map), 2048);
    for (uint64_t key = 20; key < 1000; key++)
        assert_true(u64_map_remove(&map, key, NULL));
    u64_map_shrink(&map);
    assert_int_equal(u64_map_cap(&map), 32);
    assert_counts(&map, 0, 20);
    const size_t made = keel_test_made();
    u64_map_iter it = u64_map_each(&map);
    u64_map_shrink(&map);
    assert_true(u64_map_next(&it));
    assert_int_equal(keel_test_made(), made);
    u64_map_clear(&map);
    assert_int_equal(u64_map_cap(&map), 32);
    const size_t live = keel_test_live();
    u64_map_shrink(&map);
    assert_int_equal(keel_test_live(), live - 1);
    assert_ok(u64_map_put(&map, 5, 10));
    assert_counts(&map, 5, 1);
    u64_map_deinit(&map);
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 28);

    u64_map_clear(&map);
    assert_int_equal(map.len, 0);
    assert_false(u64_map_has(&map, 3));
    const size_t made = keel_test_made();
    for (uint64_t key = 100; key < 128; key++)
        assert_ok(u64_map_put(&map, key, 2 * key));
    assert_int_equal(keel_test_made(), made);
    assert_counts(&map, 100, 28);
    u64_map_deinit(&map);
}

static void no_size_overflows(void **state)
{
    (void)state;
    const size_t too_many[] = { SIZE_MAX,      SIZE_MAX - 1,    SIZE_MAX - 2,  SIZE_MAX / 2,
                                SIZE_MAX / 4,  SIZE_MAX / 8,    SIZE_MAX / 16, SIZE_MAX / 18,
                                SIZE_MAX / 32, PTRDIFF_MAX / 18 };
    u64_map never = { 0 }, map = counting_map(1, 3);

    for (size_t i = 0; i < sizeof too_many / sizeof too_many[0]; i++) {
        assert_err(u64_map_reserve(&never, too_many[i]), KEEL_ERR_NOMEM);
        assert_err(u64_map_reserve(&map, too_many[i]), KEEL_ERR_NOMEM);
    }
    assert_counts(&map, 1, 3);
    assert_int_equal(u64_map_cap(&never), 0);
    u64_map_deinit(&map);
    for (size_t size = 1; size < 300; size++) {
        for (size_t cap = 16; cap != 0; cap *= 2) {
            const size_t bytes = keel__table_bytes(cap, size);
            if (bytes == 0)
                assert_true(cap > PTRDIFF_MAX / (size + 2));
            else
                assert_true(bytes <= PTRDIFF_MAX && bytes / cap >= size + 1);
        }
        assert_int_equal(keel__table_cap(PTRDIFF_MAX / size, size), 0);
    }
}

/* ---- Putting, taking ---- */

static void put_replaces_and_swap_hands_the_old_value_out(void **state)
{
    (void)state;
    u64_map map = counting_map(1, 2);
    uint64_t old = 7;
    bool replaced = true;

    assert_ok(u64_map_put(&map, 1, 5));
    assert_int_equal(*u64_map_get(&map, 1), 5);
    assert_ok(u64_map_swap(&map, 1, 6, &old, &replaced));
    assert_true(replaced);
    assert_int_equal(old, 5);
    assert_int_equal(*u64_map_get(&map, 1), 6);
    old = 7;
    assert_ok(u64_map_swap(&map, 3, 8, &old, &replaced));
    assert_false(replaced);
    assert_int_equal(old, 7);
    assert_int_equal(*u64_map_get(&map, 3), 8);
    assert_int_equal(map.len, 3);
    u64_map_deinit(&map);
}

static void an_entry_begins_with_zero(void **state)
{
    (void)state;
    u64_map map = { 0 };
    uint64_t *value = NULL;
    bool added = false;

    for (uint64_t i = 0; i < 1000; i++) {
        assert_ok(u64_map_entry(&map, i % 10, &value, &added));
        assert_int_equal(added, i < 10);
        assert_ptr_equal(value, u64_map_get(&map, i % 10));
        ++*value;
    }
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(*u64_map_get(&map, i), 100);
    assert_ok(u64_map_entry(&map, 3, &value, NULL));
    assert_int_equal(*value, 100);
    u64_map_deinit(&map);
}

static void equal_compares_keys_values_and_length(void **state)
{
    (void)state;
    u64_map a = counting_map(0, 100), b = { 0 };

    assert_ok(u64_map_reserve(&b, 5000));
    for (uint64_t key = 100; key-- > 0;)
        assert_ok(u64_map_put(&b, key, 2 * key));
    assert_true(u64_map_equal(&a, &b) && u64_map_equal(&b, &a));
    *u64_map_get(&b, 50) = 1;
    assert_false(u64_map_equal(&a, &b) || u64_map_equal(&b, &a));
    assert_true(u64_map_remove(&b, 50, NULL));
    assert_false(u64_map_equal(&a, &b) || u64_map_equal(&b, &a));
    assert_ok(u64_map_put(&b, 100, 100));
    assert_false(u64_map_equal(&a, &b) || u64_map_equal(&b, &a));
    u64_map_deinit(&a);
    u64_map_deinit(&b);
}

/* ---- Much coming and going ---- */

/* The groups visited on average for what is there and for what is not; and no other way is longer. */
static void assert_searches_are_short(const u64_map *map, double most)
{
    size_t hits = 0, misses = 0;

    for (u64_map_iter it = u64_map_each(map); u64_map_next(&it);)
        hits += rig_groups_to(map->keel__mask, keel_hash_u64(it.key),
                              (size_t)(it.keel__slot - map->keel__slots));
    for (uint64_t i = 1; i <= 10000; i++)
        misses += rig_groups(map->keel__control, map->keel__mask, keel_hash_u64(0 - i));
    assert_true((double)hits <= most * (double)map->len);
    assert_true((double)misses <= most * 10000);
}

/* How often a map was rehashed, of which `changes` items were added or removed since `before`. */
static size_t rehashes(const u64_map *map, size_t before, size_t changes)
{
    return map->keel__changes - before - changes;
}

static void constant_coming_and_going_neither_grows_nor_slows(void **state)
{
    (void)state;
    const size_t counts[] = { 10, 14, 100, 500, 700, 800, 890 };
    const size_t turns = getenv("KEEL_TEST_LONG") != NULL ? 10000000 : 200000;

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        u64_map map = counting_map(0, counts[i]);
        const size_t cap = u64_map_cap(&map), made = keel_test_made(), before = map.keel__changes;
        for (uint64_t key = 0; key < turns; key++) {
            assert_true(u64_map_remove(&map, key, NULL));
            assert_ok(u64_map_put(&map, key + counts[i], 0));
            /* the fullest has 1.23 on average; of ten thousand moments one has 1.53 */
            if (key % 1000 == 0)
                assert_searches_are_short(&map, 1.75);
        }
        assert_int_equal(u64_map_cap(&map), cap);
        assert_int_equal(keel_test_made(), made);
        assert_true(rehashes(&map, before, 2 * turns) * counts[i] <= turns / 2);
        u64_map_deinit(&map);
    }
}

static void emptied_and_filled_again_it_neither_grows_nor_slows(void **state)
{
    (void)state;
    u64_map map = { 0 };

    for (uint64_t turn = 0; turn < 300; turn++) {
        for (uint64_t key = 0; key < 800; key++)
            assert_ok(u64_map_put(&map, turn * 1000 + key, 0));
        assert_searches_are_short(&map, 1.5);
        for (uint64_t key = 0; key < 800; key++)
            assert_true(u64_map_remove(&map, turn * 1000 + key, NULL));
        assert_int_equal(map.len, 0);
    }
    assert_true(u64_map_cap(&map) <= 2048);
    u64_map_deinit(&map);
}

/* What removals leave behind is got rid of in place. */
static void what_removals_leave_behind_costs_no_memory(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 890);
    uint64_t next = 890;

    for (uint64_t key = 0; key < 890; key++)
        assert_true(u64_map_remove(&map, key, NULL));
    const size_t made = keel_test_made(), before = map.keel__changes;
    for (int turn = 0; turn < 50; turn++) {
        for (uint64_t i = 0; i < 890; i++)
            assert_ok(u64_map_put(&map, next + i, 2 * (next + i)));
        assert_counts(&map, next, 890);
        for (uint64_t i = 0; i < 890; i++)
            assert_true(u64_map_remove(&map, next + i, NULL));
        next += 890;
        assert_searches_are_short(&map, 1.5);
    }
    assert_int_equal(u64_map_cap(&map), 1024);
    assert_int_equal(keel_test_made(), made);
    assert_true(rehashes(&map, before, 50 * 2 * 890) > 0); /* or it shows nothing */
    u64_map_deinit(&map);
}

/* Clones take the bits along, and the count of them. */
static void a_clone_of_a_clone_is_not_slower(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 890);

    for (uint64_t key = 0; key < 50000; key++) {
        assert_true(u64_map_remove(&map, key, NULL));
        assert_ok(u64_map_put(&map, key + 890, 0));
        if (key % 50 == 0) {
            u64_map copy;
            assert_ok(u64_map_clone(&copy, &map));
            u64_map_deinit(&map);
            map = copy;
        }
        if (key % 1000 == 0)
            assert_searches_are_short(&map, 1.5);
    }
    u64_map_deinit(&map);
}

static void a_cleared_one_begins_anew(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 890);
    const size_t before = map.keel__changes;

    for (uint64_t turn = 1; turn <= 100; turn++) {
        u64_map_clear(&map);
        for (uint64_t key = 0; key < 890; key++)
            assert_ok(u64_map_put(&map, turn * 1000 + key, 0));
    }
    assert_int_equal(rehashes(&map, before, 100 * 891), 0);
    u64_map_deinit(&map);
}

/* All in one group, and in each of its eight bits. */
static uint64_t bad_hash(uint64_t key)
{
    return key & 7;
}

#define KEEL_MAP_NAME bad_map
#define KEEL_MAP_KEY uint64_t
#define KEEL_MAP_VALUE uint64_t
#define KEEL_MAP_HASH bad_hash
#define KEEL_MAP_EQ keel_eq_u64
#include <keel/map.h>

static void a_bad_hash_does_not_rehash_at_each_insertion(void **state)
{
    (void)state;
    bad_map map = { 0 };

    for (uint64_t key = 0; key < 1700; key++)
        assert_ok(bad_map_put(&map, key, key));
    assert_in_range(map.keel__changes - 1700, 1, 40);
    for (uint64_t key = 0; key < 1700; key++)
        assert_int_equal(*bad_map_get(&map, key), key);
    bad_map_deinit(&map);
}

static size_t place_of(const u64_map *map, uint64_t key)
{
    return (size_t)((const char *)u64_map_get(map, key) - (const char *)map->keel__slots);
}

static void doubling_leaves_what_can_stay(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 896);
    size_t places[896], stayed = 0;

    assert_int_equal(u64_map_cap(&map), 1024);
    for (uint64_t key = 0; key < 896; key++)
        places[key] = place_of(&map, key);
    assert_ok(u64_map_reserve(&map, 1));
    assert_int_equal(u64_map_cap(&map), 2048);
    assert_counts(&map, 0, 896);
    for (uint64_t key = 0; key < 896; key++)
        stayed += places[key] == place_of(&map, key);
    assert_in_range(stayed, 896 * 4 / 10, 896 * 6 / 10);
    assert_searches_are_short(&map, 1.02);
    u64_map_deinit(&map);
}

/* Keys as programs have them, near the fullest a table gets. */
static uint64_t patterned(unsigned pattern, uint64_t i)
{
    if (pattern < 48)
        return i << pattern;
    if (pattern < 64)
        return i * ((uint64_t)1 << (pattern - 47)) * 1000003;
    switch (pattern) {
    case 64:
        return i << 56 | (i & 0xFF00) << 40 | (i & 0xFF0000) << 24 | (i & 0xFF000000) << 8;
    case 65:
        return (i & 0xFF) << 56 | i >> 8;
    case 66:
        return i << 32 | i;
    case 67:
        return ~i;
    case 68:
        return 0x00007F0000000000u + i * 4096;
    default:
        return i * i;
    }
}

static void numbers_of_any_pattern_spread(void **state)
{
    (void)state;
    for (size_t cap = 8192; cap <= 65536; cap *= 8) {
        for (unsigned pattern = 0; pattern < 70; pattern++) {
            const size_t count = cap / 8 * 7 - 1;
            u64_map map = { 0 };
            for (uint64_t i = 0; i < count; i++)
                assert_ok(u64_map_put(&map, patterned(pattern, i), i));
            assert_int_equal(map.len, count);
            assert_int_equal(u64_map_cap(&map), cap);
            assert_searches_are_short(&map, 1.45);
            u64_map_deinit(&map);
        }
    }
}

/* ---- Iterating ---- */

static void what_is_removed_while_iterating_is_gone_and_nothing_else(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 1000);
    uint64_t out = 0;
    size_t seen = 0;

    u64_map_iter it = u64_map_each(&map);
    assert_false(u64_map_it_remove(&map, &it, &out)); /* not yet at an item */
    for (; u64_map_next(&it); seen++) {
        if (it.key < 600) {
            assert_true(u64_map_it_remove(&map, &it, &out));
            assert_int_equal(out, 2 * it.key);
            assert_false(u64_map_it_remove(&map, &it, &out));
        }
    }
    assert_false(u64_map_it_remove(&map, &it, &out));
    assert_int_equal(seen, 1000);
    assert_counts(&map, 600, 400);
    u64_map_deinit(&map);
}

static void values_may_be_changed_and_replaced_while_iterating(void **state)
{
    (void)state;
    u64_map map = counting_map(0, 100);

    for (u64_map_iter it = u64_map_each(&map); u64_map_next(&it);) {
        *it.value = 1;
        assert_ok(u64_map_put(&map, it.key, 3));
        assert_int_equal(*it.value, 3);
    }
    assert_int_equal(map.len, 100);
    u64_map_deinit(&map);
}

enum { CHANGE_PUT, CHANGE_ENTRY, CHANGE_REMOVE, CHANGE_CLEAR, CHANGE_RESERVE, CHANGE_SHRINK };

static void change_while_iterating(void *arg)
{
    u64_map map = counting_map(0, 10);
    uint64_t *value;

    assert_ok(u64_map_reserve(&map, 30));
    u64_map_iter it = u64_map_each(&map);
    assert_true(u64_map_next(&it));
    switch (*(int *)arg) {
    case CHANGE_PUT:
        assert_ok(u64_map_put(&map, 100, 0));
        break;
    case CHANGE_ENTRY:
        assert_ok(u64_map_entry(&map, 100, &value, NULL));
        break;
    case CHANGE_REMOVE:
        assert_true(u64_map_remove(&map, 3, NULL));
        break;
    case CHANGE_CLEAR:
        u64_map_clear(&map);
        break;
    case CHANGE_RESERVE:
        assert_ok(u64_map_reserve(&map, 100));
        break;
    default:
        u64_map_shrink(&map);
    }
    (void)u64_map_next(&it);
}

static void remove_with_a_stale_iterator(void *arg)
{
    u64_map map = counting_map(0, 10);

    (void)arg;
    u64_map_iter it = u64_map_each(&map);
    assert_true(u64_map_next(&it));
    assert_true(u64_map_remove(&map, it.key, NULL));
    (void)u64_map_it_remove(&map, &it, NULL);
}

static void a_change_while_iterating_is_noticed(void **state)
{
    (void)state;
    for (int change = CHANGE_PUT; change <= CHANGE_SHRINK; change++)
        support_assert_aborts(change_while_iterating, &change,
                              "u64_map: changed while it was iterated over");
    support_assert_aborts(remove_with_a_stale_iterator, NULL, "u64_map: changed while");
}

/* ---- Without memory ---- */

static void without_memory_it_is_as_it_was(void **state)
{
    (void)state;
    u64_map map = counting_map(1, 56), copy, empty = { 0 }; /* of 64 slots */
    uint64_t old = 5, *value = &old;
    bool flag = true;

    keel_test_fail_alloc(1, true);
    assert_err(u64_map_put(&map, 100, 0), KEEL_ERR_NOMEM);
    assert_err(u64_map_put(&empty, 100, 0), KEEL_ERR_NOMEM);
    assert_err(u64_map_swap(&map, 100, 0, &old, &flag), KEEL_ERR_NOMEM);
    assert_false(flag);
    flag = true;
    assert_err(u64_map_entry(&map, 100, &value, &flag), KEEL_ERR_NOMEM);
    assert_false(flag);
    assert_null(value);
    assert_err(u64_map_reserve(&map, 1), KEEL_ERR_NOMEM);
    assert_err(u64_map_clone(&copy, &map), KEEL_ERR_NOMEM);
    assert_int_equal(copy.len, 0);
    assert_false(u64_map_has(&copy, 1));
    assert_ok(u64_map_put(&map, 1, 2)); /* which it has */
    assert_counts(&map, 1, 56);
    for (uint64_t key = 29; key <= 56; key++)
        assert_true(u64_map_remove(&map, key, NULL));
    u64_map_shrink(&map);
    assert_int_equal(u64_map_cap(&map), 64);
    assert_counts(&map, 1, 28);
    keel_test_fail_alloc(0, false);
    u64_map_shrink(&map);
    assert_int_equal(u64_map_cap(&map), 32);
    assert_counts(&map, 1, 28);
    u64_map_deinit(&map);
}

int main(void)
{
    keel_test_init();
    const struct CMUnitTest tests[] = {
        keel_test(map_and_set_do_what_an_array_does_sized_1),
        keel_test(map_and_set_do_what_an_array_does_sized_3),
        keel_test(map_and_set_do_what_an_array_does_sized_8),
        keel_test(map_and_set_do_what_an_array_does_sized_16),
        keel_test(map_and_set_do_what_an_array_does_sized_200),
        keel_test(bad_hashes_make_no_mistakes_sized_1),
        keel_test(bad_hashes_make_no_mistakes_sized_3),
        keel_test(bad_hashes_make_no_mistakes_sized_8),
        keel_test(bad_hashes_make_no_mistakes_sized_16),
        keel_test(bad_hashes_make_no_mistakes_sized_200),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(it_holds_7_of_8_and_then_doubles),
        keel_test(what_is_reserved_needs_no_memory),
        keel_test(a_map_of_at_most_what_was_reserved_never_fails),
        keel_test(shrinking_gives_back_what_is_not_needed),
        keel_test(clearing_keeps_the_memory),
        keel_test(no_size_overflows),
        keel_test(put_replaces_and_swap_hands_the_old_value_out),
        keel_test(an_entry_begins_with_zero),
        keel_test(equal_compares_keys_values_and_length),
        keel_test(constant_coming_and_going_neither_grows_nor_slows),
        keel_test(emptied_and_filled_again_it_neither_grows_nor_slows),
        keel_test(what_removals_leave_behind_costs_no_memory),
        keel_test(doubling_leaves_what_can_stay),
        keel_test(a_clone_of_a_clone_is_not_slower),
        keel_test(a_cleared_one_begins_anew),
        keel_test(a_bad_hash_does_not_rehash_at_each_insertion),
        keel_test(numbers_of_any_pattern_spread),
        keel_test(what_is_removed_while_iterating_is_gone_and_nothing_else),
        keel_test(values_may_be_changed_and_replaced_while_iterating),
        keel_test(a_change_while_iterating_is_noticed),
        keel_test(without_memory_it_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
