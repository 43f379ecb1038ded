/* SPDX-License-Identifier: MIT */

/* Random operations on a map and a set and on an array beside them: included for each MODEL_ITEM, of which
 * keys and values are made and by which it names the types and the test. */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define MAP JOIN(map, MODEL_ITEM)
#define MAP_(verb) JOIN(MAP, verb)
#define SET JOIN(set, MODEL_ITEM)
#define SET_(verb) JOIN(SET, verb)
#define SIZE sizeof(MODEL_ITEM)

#define KEEL_MAP_NAME MAP
#define KEEL_MAP_KEY MODEL_ITEM
#define KEEL_MAP_VALUE MODEL_ITEM
#define KEEL_MAP_HASH(key) model_hash(&(key), SIZE)
#define KEEL_MAP_EQ(a, b) (memcmp(&(a), &(b), SIZE) == 0)
#define KEEL_MAP_VALUE_EQ(a, b) (memcmp(&(a), &(b), SIZE) == 0)
#ifdef MODEL_CACHE_HASH
#define KEEL_MAP_CACHE_HASH
#endif
#include <keel/map.h>

#define KEEL_SET_NAME SET
#define KEEL_SET_KEY MODEL_ITEM
#define KEEL_SET_HASH(key) model_hash(&(key), SIZE)
#define KEEL_SET_EQ(a, b) (memcmp(&(a), &(b), SIZE) == 0)
#ifdef MODEL_CACHE_HASH
#define KEEL_SET_CACHE_HASH
#endif
#include <keel/set.h>

static MODEL_ITEM JOIN(made, MODEL_ITEM)(uint32_t number)
{
    MODEL_ITEM item;

    sized_make(&item, SIZE, number);
    return item;
}

/* model[key] is the number of the key's value, or -1. */
static void JOIN(compare, MODEL_ITEM)(const MAP *map, const SET *set, const int64_t *model,
                                      size_t len)
{
    bool seen[MODEL_KEYS] = { false };
    size_t count = 0;

    assert_int_equal(map->len, len);
    assert_int_equal(set->len, len);
    for (JOIN(MAP, iter) it = MAP_(each)(map); MAP_(next)(&it); count++) {
        const uint32_t key = sized_number(&it.key, SIZE);
        assert_true(key < MODEL_KEYS && !seen[key] && sized_is(&it.key, SIZE, key));
        assert_true(model[key] >= 0 && sized_is(it.value, SIZE, (uint32_t)model[key]));
        assert_true(SET_(has)(set, it.key));
        seen[key] = true;
    }
    assert_int_equal(count, len);
    count = 0;
    for (JOIN(SET, iter) it = SET_(each)(set); SET_(next)(&it); count++) {
        assert_true(seen[sized_number(&it.key, SIZE)]);
        seen[sized_number(&it.key, SIZE)] = false;
    }
    assert_int_equal(count, len);
}

/* Removes some while going through all. */
static size_t JOIN(thin, MODEL_ITEM)(MAP *map, SET *set, int64_t *model, size_t len, uint32_t part)
{
    MODEL_ITEM value;
    size_t seen = 0, before = len;

    for (JOIN(MAP, iter) it = MAP_(each)(map); MAP_(next)(&it); seen++) {
        const uint32_t key = sized_number(&it.key, SIZE);
        if (key % part != 0)
            continue;
        assert_true(MAP_(it_remove)(map, &it, &value));
        assert_true(sized_is(&value, SIZE, (uint32_t)model[key]));
        assert_false(MAP_(it_remove)(map, &it, &value));
        model[key] = -1;
        len--;
    }
    assert_int_equal(seen, before);
    seen = 0;
    for (JOIN(SET, iter) it = SET_(each)(set); SET_(next)(&it); seen++) {
        if (sized_number(&it.key, SIZE) % part == 0)
            assert_true(SET_(it_remove)(set, &it));
    }
    assert_int_equal(seen, before);
    return len;
}

static void JOIN(copies, MODEL_ITEM)(const MAP *map, const SET *set, const int64_t *model,
                                     size_t len)
{
    MAP map_copy;
    SET set_copy;

    assert_ok(MAP_(clone)(&map_copy, map));
    assert_ok(SET_(clone)(&set_copy, set));
    JOIN(compare, MODEL_ITEM)(&map_copy, &set_copy, model, len);
    assert_true(MAP_(equal)(&map_copy, map) && SET_(equal)(&set_copy, set));
    MAP_(shrink)(&map_copy);
    SET_(shrink)(&set_copy);
    JOIN(compare, MODEL_ITEM)(&map_copy, &set_copy, model, len);
    assert_true(MAP_(equal)(map, &map_copy) && SET_(equal)(set, &set_copy));
    MAP_(deinit)(&map_copy);
    SET_(deinit)(&set_copy);
}

static void JOIN(run, MODEL_ITEM)(size_t operations, uint64_t seed)
{
    static int64_t model[MODEL_KEYS];
    const uint32_t keys = MODEL_KEYS < sized_limit(SIZE) ? MODEL_KEYS : sized_limit(SIZE);
    MAP map = { 0 };
    SET set = { 0 };
    MODEL_ITEM out, *value;
    keel_rand rand;
    size_t len = 0;
    bool was;

    keel_rand_seed(&rand, seed);
    for (size_t i = 0; i < MODEL_KEYS; i++)
        model[i] = -1;
    for (size_t n = operations; n > 0; n--) {
        const uint32_t number = (uint32_t)keel_rand_below(&rand, keys);
        const uint32_t next = (uint32_t)keel_rand_below(&rand, sized_limit(SIZE));
        const MODEL_ITEM key = JOIN(made, MODEL_ITEM)(number), item = JOIN(made, MODEL_ITEM)(next);
        const bool there = model[number] >= 0;
        value = MAP_(get)(&map, key);
        assert_true((value != NULL) == there && MAP_(has)(&map, key) == there);
        assert_true(SET_(has)(&set, key) == there && SET_(get)(&set, key, &out) == there);
        assert_true(!there || (sized_is(value, SIZE, (uint32_t)model[number]) &&
                               sized_is(&out, SIZE, number)));
        /* it fills and empties by turns */
        if (keel_rand_below(&rand, 16) < (n / (4 * MODEL_KEYS) % 2 ? 4 : 11)) {
            switch (keel_rand_below(&rand, 3)) {
            case 0:
                assert_ok(MAP_(put)(&map, key, item));
                break;
            case 1:
                assert_ok(MAP_(swap)(&map, key, item, &out, &was));
                assert_int_equal(was, there);
                assert_true(!there || sized_is(&out, SIZE, (uint32_t)model[number]));
                break;
            default:
                assert_ok(MAP_(entry)(&map, key, &value, &was));
                assert_int_equal(was, !there);
                assert_true(there ? sized_is(value, SIZE, (uint32_t)model[number])
                                  : all_zero(value, SIZE));
                *value = item;
            }
            assert_ok(SET_(add)(&set, key, &was));
            assert_int_equal(was, !there);
            len += !there;
            model[number] = next;
        } else {
            assert_true(MAP_(remove)(&map, key, &out) == there);
            assert_true(!there || sized_is(&out, SIZE, (uint32_t)model[number]));
            assert_true(SET_(remove)(&set, key) == there);
            len -= there;
            model[number] = -1;
        }
        assert_true(map.len == len && set.len == len);
        switch (keel_rand_below(&rand, 1200)) {
        case 0:
            MAP_(shrink)(&map);
            SET_(shrink)(&set);
            break;
        case 1:
            assert_ok(MAP_(reserve)(&map, keel_rand_below(&rand, 100)));
            assert_ok(SET_(reserve)(&set, keel_rand_below(&rand, 100)));
            break;
        case 2:
            JOIN(compare, MODEL_ITEM)(&map, &set, model, len);
            break;
        case 3:
            JOIN(copies, MODEL_ITEM)(&map, &set, model, len);
            break;
        case 4:
            len = JOIN(thin, MODEL_ITEM)(&map, &set, model, len, 2 + next % 10);
            break;
        case 5:
            if (keel_rand_below(&rand, 10) == 0) {
                MAP_(clear)(&map);
                SET_(clear)(&set);
                for (size_t i = 0; i < MODEL_KEYS; i++)
                    model[i] = -1;
                len = 0;
            }
            break;
        default:
            break;
        }
    }
    JOIN(compare, MODEL_ITEM)(&map, &set, model, len);
    MAP_(deinit)(&map);
    SET_(deinit)(&set);
}

static void JOIN(map_and_set_do_what_an_array_does, MODEL_ITEM)(void **state)
{
    (void)state;
    hashing = HASH_GOOD;
    JOIN(run, MODEL_ITEM)(sized_operations(), SIZE);
}

static void JOIN(bad_hashes_make_no_mistakes, MODEL_ITEM)(void **state)
{
    (void)state;
    for (hashing = HASH_CONSTANT; hashing <= HASH_LAST; hashing++)
        JOIN(run, MODEL_ITEM)(sized_operations() / 20, hashing);
}

#undef JOIN_
#undef JOIN
#undef MAP
#undef MAP_
#undef SET
#undef SET_
#undef SIZE
#undef MODEL_ITEM
#undef MODEL_CACHE_HASH
