/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/hash.h>

/* What sets share with maps, and both beside a model: test_map.c. */

/* ---- Numbers ---- */

#define KEEL_SET_NAME ids
#define KEEL_SET_KEY int64_t
#define KEEL_SET_HASH keel_hash_i64
#define KEEL_SET_EQ keel_eq_i64
#define KEEL_SET_DECLARE
#include <keel/set.h>
#define KEEL_SET_NAME ids
#define KEEL_SET_KEY int64_t
#define KEEL_SET_HASH keel_hash_i64
#define KEEL_SET_EQ keel_eq_i64
#define KEEL_SET_IMPLEMENT
#include <keel/set.h>

static size_t ids_cap(const ids *set)
{
    return set->keel__control != NULL ? set->keel__mask + 16 : 0;
}

/* Of first, first + 1, ... */
static ids counting_set(int64_t first, size_t count)
{
    ids set = { 0 };

    for (size_t i = 0; i < count; i++)
        assert_ok(ids_add(&set, first + (int64_t)i, NULL));
    return set;
}

static void assert_counts(const ids *set, int64_t first, size_t count)
{
    int64_t own = 0, sum = 0;

    assert_int_equal(set->len, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(ids_has(set, first + (int64_t)i));
        assert_true(ids_get(set, first + (int64_t)i, &own));
        assert_int_equal(own, first + (int64_t)i);
        sum += own;
    }
    assert_false(ids_has(set, first - 1));
    assert_false(ids_has(set, first + (int64_t)count));
    for (ids_iter it = ids_each(set); ids_next(&it);)
        sum -= it.key;
    assert_int_equal(sum, 0);
}

static void adding_says_whether_the_key_is_new(void **state)
{
    (void)state;
    ids set = { 0 };
    bool added = false;

    assert_ok(ids_add(&set, -5, &added));
    assert_true(added);
    assert_ok(ids_add(&set, -5, &added));
    assert_false(added);
    assert_ok(ids_add(&set, -5, NULL));
    assert_counts(&set, -5, 1);
    ids_deinit(&set);
}

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    ids never = { 0 }, emptied = counting_set(1, 1);
    int64_t untouched = 42;

    assert_true(ids_remove(&emptied, 1));
    for (int i = 0; i < 2; i++) {
        ids *set = i == 0 ? &never : &emptied;
        ids_iter it = ids_each(set);
        assert_false(ids_next(&it));
        assert_false(ids_it_remove(set, &it));
        assert_false(ids_has(set, 1));
        assert_false(ids_get(set, 1, &untouched));
        assert_false(ids_remove(set, 1));
        ids_clear(set);
        assert_ok(ids_reserve(set, 0));
    }
    assert_int_equal(untouched, 42);
    assert_true(ids_equal(&never, &emptied));
    ids_shrink(&never);
    ids_deinit(&never);
    ids_deinit(&emptied);
    ids_deinit(NULL);
    assert_ok(ids_add(&emptied, 3, NULL)); /* again after deinit */
    assert_counts(&emptied, 3, 1);
    ids_deinit(&emptied);
}

static void equal_compares_keys_and_length(void **state)
{
    (void)state;
    ids a = counting_set(0, 100), b = counting_set(-1, 100), copy;

    assert_false(ids_equal(&a, &b) || ids_equal(&b, &a));
    assert_true(ids_remove(&b, -1));
    assert_false(ids_equal(&a, &b) || ids_equal(&b, &a));
    assert_ok(ids_add(&b, 99, NULL));
    assert_true(ids_equal(&a, &b) && ids_equal(&b, &a));
    assert_ok(ids_clone(&copy, &a));
    ids_deinit(&a);
    assert_true(ids_equal(&copy, &b));
    ids_deinit(&b);
    assert_counts(&copy, 0, 100);
    ids_deinit(&copy);
}

static void sizes_are_those_of_the_table(void **state)
{
    (void)state;
    ids set = counting_set(0, 14);

    assert_int_equal(ids_cap(&set), 16);
    assert_ok(ids_add(&set, 14, NULL));
    assert_int_equal(ids_cap(&set), 32);
    assert_ok(ids_reserve(&set, 100));
    assert_int_equal(ids_cap(&set), 256);
    keel_test_fail_alloc(1, true);
    for (int64_t i = 15; i < 115; i++)
        assert_ok(ids_add(&set, i, NULL));
    keel_test_fail_alloc(0, false);
    for (int64_t i = 20; i < 115; i++)
        assert_true(ids_remove(&set, i));
    assert_counts(&set, 0, 20);
    ids_shrink(&set);
    assert_int_equal(ids_cap(&set), 32);
    assert_counts(&set, 0, 20);
    ids_clear(&set);
    assert_int_equal(ids_cap(&set), 32);
    assert_err(ids_reserve(&set, SIZE_MAX), KEEL_ERR_NOMEM);
    assert_err(ids_reserve(&set, SIZE_MAX / 10), KEEL_ERR_NOMEM);
    ids_shrink(&set);
    assert_int_equal(ids_cap(&set), 0);
    ids_deinit(&set);
}

static void what_is_removed_while_iterating_is_gone_and_nothing_else(void **state)
{
    (void)state;
    ids set = counting_set(0, 1000);
    size_t seen = 0;

    for (ids_iter it = ids_each(&set); ids_next(&it); seen++) {
        if (it.key < 600) {
            assert_true(ids_it_remove(&set, &it));
            assert_false(ids_it_remove(&set, &it));
        }
    }
    assert_int_equal(seen, 1000);
    assert_counts(&set, 600, 400);
    ids_deinit(&set);
}

static void add_while_iterating(void *arg)
{
    ids set = counting_set(0, 10);

    (void)arg;
    ids_iter it = ids_each(&set);
    assert_true(ids_next(&it));
    assert_ok(ids_add(&set, 10, NULL));
    (void)ids_next(&it);
}

static void a_change_while_iterating_is_noticed(void **state)
{
    (void)state;
    support_assert_aborts(add_while_iterating, NULL, "ids: changed while it was iterated over");
}

/* ---- Strings ---- */

#define KEEL_SET_NAME words
#define KEEL_SET_STR_KEYS
#include <keel/set.h>

#define KEEL_SET_NAME views
#define KEEL_SET_BORROWED_KEYS
#include <keel/set.h>

static void strings_are_copied_or_borrowed(void **state)
{
    (void)state;
    char first[] = "one", second[] = "one";
    words copies = { 0 };
    views borrowed = { 0 };
    keel_str own;

    assert_ok(words_add(&copies, keel_str_from(first), NULL));
    assert_ok(views_add(&borrowed, keel_str_from(first), NULL));
    assert_ok(views_add(&borrowed, keel_str_from(second), NULL)); /* it has one */
    assert_true(views_get(&borrowed, keel_str_from(second), &own));
    assert_ptr_equal(own.ptr, first);
    first[0] = 'x';
    assert_true(words_get(&copies, keel_str_from(second), &own));
    assert_string_equal(own.ptr, "one");
    first[0] = 'o';
    assert_true(views_remove(&borrowed, keel_str_from(second)));
    assert_true(words_remove(&copies, keel_str_from(second)));
    assert_int_equal(borrowed.len + copies.len, 0);
    words_deinit(&copies);
    views_deinit(&borrowed);
}

/* ---- Keys that own something ---- */

static void text_free(char **item)
{
    keel_mem_free(*item);
}

static keel_err *text_copy(char **to, char *const *from)
{
    return keel_str_dup(to, keel_str_from(*from));
}

#define KEEL_SET_NAME texts
#define KEEL_SET_KEY char *
#define KEEL_SET_HASH keel_hash_cstr
#define KEEL_SET_EQ keel_eq_cstr
#define KEEL_SET_CACHE_HASH
#define KEEL_SET_KEY_FREE text_free
#define KEEL_SET_KEY_COPY text_copy
#include <keel/set.h>

static keel_err *add_text(texts *set, const char *text)
{
    char *copy;

    KEEL_TRY(keel_str_dup(&copy, keel_str_from(text)));
    keel_err *err = texts_add(set, copy, NULL);
    if (err != NULL)
        keel_mem_free(copy);
    return err;
}

static void what_a_set_owns_is_freed_once(void **state)
{
    (void)state;
    texts set = { 0 };
    char name[] = "a", *own = NULL;
    const size_t live = keel_test_live();

    assert_ok(add_text(&set, "a"));
    assert_ok(add_text(&set, "a")); /* frees the new one */
    assert_ok(add_text(&set, "b"));
    assert_int_equal(keel_test_live(), live + 3);
    assert_true(texts_get(&set, name, &own));
    assert_ok(texts_add(&set, own, NULL)); /* its own: not freed */
    assert_int_equal(keel_test_live(), live + 3);
    assert_true(texts_remove(&set, name));
    assert_int_equal(keel_test_live(), live + 2);
    for (texts_iter it = texts_each(&set); texts_next(&it);)
        assert_true(texts_it_remove(&set, &it));
    assert_int_equal(keel_test_live(), live + 1);
    assert_ok(add_text(&set, "c"));
    texts_clear(&set);
    assert_int_equal(keel_test_live(), live + 1);
    assert_ok(add_text(&set, "d"));
    texts_deinit(&set);
    assert_int_equal(keel_test_live(), live);
}

/* ---- Without memory ---- */

static keel_err *scenario(void *arg)
{
    texts set = { 0 }, copy = { 0 };
    words strings = { 0 }, strings_copy = { 0 };
    keel_err *err = NULL;

    (void)arg;
    for (int i = 0; err == NULL && i < 40; i++) {
        const char text[] = { 'k', (char)('0' + i), 0 };
        err = add_text(&set, text);
        if (err == NULL)
            err = words_add(&strings, keel_str_from(text), NULL);
        if (set.len < (size_t)i || strings.len < (size_t)i)
            err = keel_err_wrap(err, "a failed add lost a key");
    }
    if (err == NULL)
        err = texts_clone(&copy, &set);
    if (err == NULL)
        err = words_clone(&strings_copy, &strings);
    if (err == NULL && !words_equal(&strings_copy, &strings))
        err = keel_err_new("the clone is another");
    texts_deinit(&copy);
    texts_deinit(&set);
    words_deinit(&strings_copy);
    words_deinit(&strings);
    return err;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(scenario, NULL, NULL);
}

static void a_failed_add_changes_nothing(void **state)
{
    (void)state;
    ids set = counting_set(0, 28);
    bool added = true;

    keel_test_fail_alloc(1, true);
    assert_err(ids_add(&set, 28, &added), KEEL_ERR_NOMEM);
    assert_false(added);
    keel_test_fail_alloc(0, false);
    assert_counts(&set, 0, 28);
    ids_deinit(&set);
}

int main(void)
{
    keel_test_init();
    const struct CMUnitTest tests[] = {
        keel_test(adding_says_whether_the_key_is_new),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(equal_compares_keys_and_length),
        keel_test(sizes_are_those_of_the_table),
        keel_test(what_is_removed_while_iterating_is_gone_and_nothing_else),
        keel_test(a_change_while_iterating_is_noticed),
        keel_test(strings_are_copied_or_borrowed),
        keel_test(what_a_set_owns_is_freed_once),
        keel_test(every_allocation_may_fail),
        keel_test(a_failed_add_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
