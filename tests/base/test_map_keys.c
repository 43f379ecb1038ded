/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/hash.h>

/* Keys that are not numbers: structs, keys and values that own something, strings. */

/* ---- Structs ---- */

typedef struct place {
    int32_t x, y;
    const char *name;
} place;

static uint64_t place_hash(place p)
{
    return keel_hash_combine(keel_hash_combine(keel_hash_i32(p.x), keel_hash_i32(p.y)),
                             keel_hash_cstr(p.name));
}

static bool place_eq(place a, place b)
{
    return a.x == b.x && a.y == b.y && strcmp(a.name, b.name) == 0;
}

#define KEEL_MAP_NAME places
#define KEEL_MAP_KEY place
#define KEEL_MAP_VALUE char
#define KEEL_MAP_HASH place_hash
#define KEEL_MAP_EQ place_eq
#include <keel/map.h>

static void a_struct_is_a_key(void **state)
{
    (void)state;
    places map = { 0 };
    char first[] = "mill", second[] = "mill";

    for (int32_t x = -50; x < 50; x++) {
        for (int32_t y = -50; y < 50; y++)
            assert_ok(places_put(&map, (place){ x, y, first }, (char)(x ^ y)));
    }
    assert_int_equal(map.len, 10000);
    for (int32_t x = -50; x < 50; x++) {
        for (int32_t y = -50; y < 50; y++)
            assert_int_equal(*places_get(&map, (place){ x, y, second }), (char)(x ^ y));
    }
    assert_null(places_get(&map, (place){ 1, 2, "hill" }));
    places_deinit(&map);
}

/* ---- Keys and values that own something ---- */

static void text_free(char **item)
{
    keel_mem_free(*item);
}

static keel_err *text_copy(char **to, char *const *from)
{
    return keel_str_dup(to, keel_str_from(*from));
}

#define KEEL_MAP_NAME texts
#define KEEL_MAP_KEY char *
#define KEEL_MAP_VALUE char *
#define KEEL_MAP_HASH keel_hash_cstr
#define KEEL_MAP_EQ keel_eq_cstr
#define KEEL_MAP_KEY_FREE text_free
#define KEEL_MAP_KEY_COPY text_copy
#define KEEL_MAP_VALUE_FREE text_free
#define KEEL_MAP_VALUE_COPY text_copy
#define KEEL_MAP_VALUE_EQ keel_eq_cstr
#include <keel/map.h>

/* Gives the map copies of both. */
static keel_err *put_texts(texts *map, const char *key, const char *value)
{
    char *k = NULL, *v = NULL;
    keel_err *err = keel_str_dup(&k, keel_str_from(key));

    if (err == NULL)
        err = keel_str_dup(&v, keel_str_from(value));
    if (err == NULL)
        err = texts_put(map, k, v);
    if (err != NULL) { /* they are still ours */
        keel_mem_free(k);
        keel_mem_free(v);
    }
    return err;
}

static void what_a_map_owns_is_freed_once(void **state)
{
    (void)state;
    texts map = { 0 };
    char *old = NULL, name[] = "a", two[] = "2";
    bool replaced;
    const size_t live = keel_test_live();

    assert_ok(put_texts(&map, "a", "1"));
    assert_int_equal(keel_test_live(), live + 3);
    assert_ok(
        put_texts(&map, "a", "2")); /* the key is there: frees the new one, and the old value */
    assert_int_equal(keel_test_live(), live + 3);
    assert_string_equal(*texts_get(&map, name), two);
    texts_iter it = texts_each(&map);
    assert_true(texts_next(&it));
    assert_ok(texts_put(&map, it.key, *it.value)); /* its own: nothing is freed */
    assert_int_equal(keel_test_live(), live + 3);
    assert_ok(keel_str_dup(&old, KEEL_STR("3")));
    assert_ok(texts_swap(&map, it.key, old, &old, &replaced));
    assert_true(replaced);
    assert_string_equal(old, "2");
    assert_int_equal(keel_test_live(), live + 4);
    keel_mem_free(old);
    assert_true(texts_remove(&map, name, &old));
    assert_string_equal(old, "3");
    assert_int_equal(keel_test_live(), live + 2);
    keel_mem_free(old);
    assert_ok(put_texts(&map, "b", "4"));
    assert_true(texts_remove(&map, (char[]){ "b" }, NULL));
    assert_int_equal(keel_test_live(), live + 1);
    for (int i = 0; i < 3; i++)
        assert_ok(put_texts(&map, (char[]){ (char)('a' + i), 0 }, "5"));
    for (it = texts_each(&map); texts_next(&it);) {
        if (*it.key == 'a')
            assert_true(texts_it_remove(&map, &it, NULL));
    }
    assert_int_equal(keel_test_live(), live + 5);
    texts_clear(&map);
    assert_int_equal(keel_test_live(), live + 1);
    assert_ok(put_texts(&map, "c", "6"));
    texts_deinit(&map);
    assert_int_equal(keel_test_live(), live);
}

static void a_clone_owns_copies(void **state)
{
    (void)state;
    texts map = { 0 }, copy;
    char name[] = "k7";

    for (int i = 0; i < 20; i++)
        assert_ok(put_texts(&map, (char[]){ 'k', (char)('0' + i), 0 }, "v"));
    const size_t live = keel_test_live();
    assert_ok(texts_clone(&copy, &map));
    assert_int_equal(keel_test_live(), live + 41);
    assert_true(texts_equal(&copy, &map));
    assert_ptr_not_equal(*texts_get(&copy, name), *texts_get(&map, name));
    texts_deinit(&map);
    assert_string_equal(*texts_get(&copy, name), "v");
    assert_int_equal(copy.len, 20);
    for (int i = 0; i < 50; i++) /* and it grows as any other */
        assert_ok(put_texts(&copy, (char[]){ 'l', (char)('0' + i), 0 }, "w"));
    assert_int_equal(copy.len, 70);
    texts_deinit(&copy);
    assert_ok(texts_clone(&copy, &map)); /* of nothing */
    assert_int_equal(copy.len, 0);
    texts_deinit(&copy);
}

/* ---- Strings ---- */

#define KEEL_MAP_NAME counts
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int
#define KEEL_MAP_VALUE_EQ(a, b) ((a) == (b))
#include <keel/map.h>

#define KEEL_MAP_NAME views
#define KEEL_MAP_BORROWED_KEYS
#define KEEL_MAP_VALUE int
#include <keel/map.h>

static keel_str numbered(char *text, int number)
{
    sprintf(text, "%d", number);
    return keel_str_from(text);
}

static void string_keys_are_copied_and_end_in_a_nul(void **state)
{
    (void)state;
    counts map = { 0 };
    char text[32];
    int *value;
    bool added;
    const size_t live = keel_test_live();

    for (int i = 0; i < 3000; i++) {
        assert_ok(counts_entry(&map, numbered(text, i % 1000), &value, &added));
        assert_int_equal(added, i < 1000);
        ++*value;
    }
    assert_int_equal(map.len, 1000);
    assert_int_equal(keel_test_live(), live + 1001);
    for (counts_iter it = counts_each(&map); counts_next(&it);) {
        assert_int_equal(strlen(it.key.ptr), it.key.len);
        assert_true(atoi(it.key.ptr) < 1000);
        assert_int_equal(*it.value, 3);
        if (atoi(it.key.ptr) >= 500)
            assert_true(counts_it_remove(&map, &it, NULL));
    }
    assert_int_equal(keel_test_live(), live + 501);
    for (int i = 0; i < 500; i++)
        assert_true(counts_remove(&map, numbered(text, i), NULL));
    assert_int_equal(keel_test_live(), live + 1);
    counts_deinit(&map);
}

static void strings_are_compared_by_all_their_bytes(void **state)
{
    (void)state;
    counts map = { 0 };
    char text[64];
    int expected = 0;

    /* every length, with NULs in it, and each differing from the next in one byte */
    for (size_t len = 0; len <= 40; len++) {
        memset(text, 0, sizeof text);
        assert_ok(counts_put(&map, (keel_str){ text, len }, ++expected));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_ok(counts_put(&map, (keel_str){ text, len }, ++expected));
            text[i] = 0;
        }
    }
    assert_int_equal(map.len, expected);
    expected = 0;
    for (size_t len = 0; len <= 40; len++) {
        assert_int_equal(*counts_get(&map, (keel_str){ text, len }), ++expected);
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_int_equal(*counts_get(&map, (keel_str){ text, len }), ++expected);
            text[i] = 2;
            assert_null(counts_get(&map, (keel_str){ text, len }));
            text[i] = 0;
        }
    }
    assert_int_equal(*counts_get(&map, (keel_str){ 0 }), 1);
    counts_deinit(&map);
}

/* As when 39 bits of two hashes agree. */
static void strings_of_one_hash_are_told_apart(void **state)
{
    (void)state;
    keel__table_str stored;

    assert_true(keel__table_str_borrow(&stored, KEEL_STR("abc"), 7));
    assert_true(keel__table_str_is(&stored, KEEL_STR("abc"), 7));
    assert_false(keel__table_str_is(&stored, KEEL_STR("abc"), 8));
    assert_false(keel__table_str_is(&stored, KEEL_STR("ab"), 7));
    assert_false(keel__table_str_is(&stored, KEEL_STR("abd"), 7));
}

static void a_clone_of_strings_owns_copies(void **state)
{
    (void)state;
    counts map = { 0 }, copy;
    char text[32];

    for (int i = 0; i < 100; i++)
        assert_ok(counts_put(&map, numbered(text, i), i));
    assert_ok(counts_clone(&copy, &map));
    assert_true(counts_equal(&copy, &map));
    counts_deinit(&map);
    for (int i = 0; i < 100; i++)
        assert_int_equal(*counts_get(&copy, numbered(text, i)), i);
    counts_deinit(&copy);
}

static void borrowed_keys_stay_where_they_are(void **state)
{
    (void)state;
    static char text[200][8];
    views map = { 0 }, copy;
    int out;

    for (int i = 0; i < 200; i++)
        assert_ok(views_put(&map, numbered(text[i], i), i));
    assert_ok(views_clone(&copy, &map));
    views_shrink(&copy);
    for (views_iter it = views_each(&copy); views_next(&it);)
        assert_ptr_equal(it.key.ptr, text[*it.value]);
    for (int i = 0; i < 200; i++) {
        assert_true(views_remove(&map, keel_str_from(text[i]), &out));
        assert_int_equal(out, i);
    }
    views_deinit(&map);
    views_deinit(&copy);
}

static void a_key_of_4_gib_is_refused(void **state)
{
    (void)state;
#if SIZE_MAX > UINT32_MAX
    keel__table_str stored;

    assert_false(keel__table_str_borrow(&stored, (keel_str){ "", (size_t)UINT32_MAX + 1 }, 0));
    assert_false(keel__table_str_copy(&stored, (keel_str){ "", (size_t)UINT32_MAX + 1 }, 0));
    assert_true(keel__table_str_borrow(&stored, (keel_str){ "", UINT32_MAX }, 0));
#endif
}

/* ---- Without memory ---- */

static keel_err *texts_scenario(void *arg)
{
    texts map = { 0 }, copy = { 0 };
    keel_err *err = NULL;

    (void)arg;
    for (int i = 0; err == NULL && i < 40; i++) {
        const size_t len = map.len;
        err = put_texts(&map, (char[]){ 'k', (char)('0' + i), 0 }, "v");
        if (map.len != len + (err == NULL))
            err = keel_err_wrap(err, "a failed put changed the map");
    }
    if (err == NULL)
        err = texts_clone(&copy, &map);
    if (err != NULL && copy.len != 0)
        err = keel_err_wrap(err, "a failed clone is not empty");
    texts_deinit(&copy);
    texts_deinit(&map);
    return err;
}

static keel_err *counts_scenario(void *arg)
{
    counts map = { 0 }, copy = { 0 };
    char text[32];
    keel_err *err = NULL;

    (void)arg;
    for (int i = 0; err == NULL && i < 40; i++)
        err = counts_put(&map, numbered(text, i), i);
    for (size_t i = 0; i < map.len; i++) {
        if (!counts_has(&map, numbered(text, (int)i)))
            err = keel_err_wrap(err, "a failed put lost a key");
    }
    if (err == NULL)
        err = counts_clone(&copy, &map);
    if (err != NULL && copy.len != 0)
        err = keel_err_wrap(err, "a failed clone is not empty");
    counts_deinit(&copy);
    counts_deinit(&map);
    return err;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(texts_scenario, NULL, NULL);
    support_mem_torture(counts_scenario, NULL, NULL);
}

int main(void)
{
    keel_test_init();
    const struct CMUnitTest tests[] = {
        keel_test(a_struct_is_a_key),
        keel_test(what_a_map_owns_is_freed_once),
        keel_test(a_clone_owns_copies),
        keel_test(string_keys_are_copied_and_end_in_a_nul),
        keel_test(strings_are_compared_by_all_their_bytes),
        keel_test(strings_of_one_hash_are_told_apart),
        keel_test(a_clone_of_strings_owns_copies),
        keel_test(borrowed_keys_stay_where_they_are),
        keel_test(a_key_of_4_gib_is_refused),
        keel_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
