/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/hash.h>

/* ---- Keys and values that own something ---- */

typedef struct text_value {
    char *text;
} text_value;

static keel_err *text_new(char **out, const char *text)
{
    return keel_str_dup(out, keel_str_from(text));
}

static void value_free(text_value *value)
{
    keel_mem_free(value->text);
}

static void key_free(char **key)
{
    keel_mem_free(*key);
}

#define KEEL_LRU_NAME owner
#define KEEL_LRU_KEY char *
#define KEEL_LRU_VALUE text_value
#define KEEL_LRU_HASH keel_hash_cstr
#define KEEL_LRU_EQ keel_eq_cstr
#define KEEL_LRU_KEY_FREE key_free
#define KEEL_LRU_VALUE_FREE value_free
#define KEEL_LRU_WEIGHT(key, value) (strlen(key) + strlen((value).text))
#define KEEL_LRU_CACHE_HASH
#include <keel/lru.h>

static keel_err *owner_add(owner *lru, const char *key, const char *text)
{
    char *own_key = NULL;
    text_value value = { NULL };

    keel_err *err = text_new(&own_key, key);
    if (err == NULL)
        err = text_new(&value.text, text);
    if (err == NULL)
        err = owner_put(lru, own_key, value);
    if (err != NULL) {
        keel_mem_free(own_key);
        keel_mem_free(value.text);
    }
    return err;
}

static char *literal(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void everything_is_freed_once(void **state)
{
    (void)state;
    const size_t live = keel_test_live();
    text_value taken = { NULL };
    owner lru;

    assert_ok(owner_init(&lru, &(owner_opts){ .capacity = 20 }));
    assert_ok(owner_add(&lru, "a", "one"));
    assert_ok(owner_add(&lru, "b", "two"));
    assert_ok(owner_add(&lru, "c", "three"));
    assert_int_equal(lru.weight, 14);
    assert_int_equal(keel_test_live(), live + 2 + 6);
    assert_ok(owner_add(&lru, "a", "uno")); /* replaced */
    assert_string_equal(owner_get(&lru, literal("a"))->text, "uno");
    assert_int_equal(keel_test_live(), live + 2 + 6);
    assert_ok(owner_add(&lru, "d", "of ten bytes")); /* 13: no room for b and c */
    assert_null(owner_peek(&lru, literal("b")));
    assert_null(owner_peek(&lru, literal("c")));
    assert_int_equal(lru.weight, 17);
    assert_int_equal(keel_test_live(), live + 2 + 4);
    assert_ok(owner_add(&lru, "d", "of more than twenty bytes")); /* gone with what it had */
    assert_int_equal(lru.weight, 4);
    assert_int_equal(lru.stats.evictions, 3);
    assert_int_equal(keel_test_live(), live + 2 + 2);
    assert_true(owner_remove(&lru, literal("a"), &taken));
    assert_string_equal(taken.text, "uno");
    assert_int_equal(keel_test_live(), live + 2 + 1);
    value_free(&taken);
    assert_ok(owner_add(&lru, "e", "five"));
    assert_true(owner_remove(&lru, literal("e"), NULL));
    assert_int_equal(keel_test_live(), live + 2);
    assert_ok(owner_add(&lru, "f", "six"));
    owner_clear(&lru);
    assert_int_equal(keel_test_live(), live + 2);
    assert_ok(owner_add(&lru, "g", "seven"));
    owner_deinit(&lru);
    assert_int_equal(keel_test_live(), live);
}

/* Takes the value's text over. */
static void rescue(char *key, text_value *value, keel_lru_why why, void *arg)
{
    assert_string_equal(key, "a");
    assert_int_equal(why, KEEL_LRU_FULL);
    *(char **)arg = value->text;
    value->text = NULL;
}

static void what_is_dropped_may_be_taken_over(void **state)
{
    (void)state;
    char *rescued = NULL;
    owner lru;

    assert_ok(owner_init(&lru, &(owner_opts){ .capacity = 4, .dropped = rescue, .arg = &rescued }));
    assert_ok(owner_add(&lru, "a", "one"));
    assert_ok(owner_add(&lru, "b", "two"));
    assert_string_equal(rescued, "one");
    keel_mem_free(rescued);
    rescued = NULL;
    assert_ok(owner_add(&lru, "a", "too heavy"));
    assert_string_equal(rescued, "too heavy");
    keel_mem_free(rescued);
    owner_deinit(&lru);
}

#define KEEL_LRU_NAME texts
#define KEEL_LRU_STR_KEYS
#define KEEL_LRU_VALUE int
#include <keel/lru.h>

#define KEEL_LRU_NAME borrowed
#define KEEL_LRU_BORROWED_KEYS
#define KEEL_LRU_VALUE int
#include <keel/lru.h>

static void string_keys_are_copied(void **state)
{
    (void)state;
    char buffer[] = "first";
    texts lru;
    const size_t live = keel_test_live();

    assert_ok(texts_init(&lru, &(texts_opts){ .capacity = 2 }));
    assert_ok(texts_put(&lru, keel_str_from(buffer), 1));
    strcpy(buffer, "other");
    assert_ok(texts_put(&lru, keel_str_from(buffer), 2));
    assert_ok(texts_put(&lru, KEEL_STR("first"), 3));
    assert_int_equal(lru.len, 2);
    assert_int_equal(keel_test_live(), live + 2 + 2);
    texts_iter it = texts_each(&lru);
    assert_true(texts_next(&it));
    assert_true(keel_str_equal(it.key, KEEL_STR("first")));
    assert_ptr_not_equal(it.key.ptr, buffer);
    assert_int_equal(*it.value, 3);
    assert_ok(texts_put(&lru, KEEL_STR("third"), 4));
    assert_null(texts_get(&lru, KEEL_STR("other")));
    assert_int_equal(keel_test_live(), live + 2 + 2);
    assert_true(texts_remove(&lru, KEEL_STR("first"), NULL));
    assert_int_equal(keel_test_live(), live + 2 + 1);
    texts_deinit(&lru);
}

static void borrowed_keys_are_not(void **state)
{
    (void)state;
    borrowed lru = { 0 };
    static const char name[] = "name";
    const size_t made = keel_test_made();

    assert_ok(borrowed_put(&lru, keel_str_from(name), 1));
    assert_int_equal(keel_test_made(), made + 2); /* the map and the nodes */
    borrowed_iter it = borrowed_each(&lru);
    assert_true(borrowed_next(&it));
    assert_ptr_equal(it.key.ptr, name);
    assert_int_equal(*borrowed_get(&lru, KEEL_STR("name")), 1);
    borrowed_deinit(&lru);
}

static void what_it_has_may_be_put_again(void **state)
{
    (void)state;
    owner lru;

    assert_ok(owner_init(&lru, &(owner_opts){ .capacity = 9 }));
    assert_ok(owner_add(&lru, "key", "value"));
    char *again = NULL;
    assert_ok(text_new(&again, "key"));
    assert_ok(owner_put(&lru, again, *owner_get(&lru, again))); /* as one renews its time */
    assert_string_equal(owner_get(&lru, literal("key"))->text, "value");
    owner_deinit(&lru);
}

/* ---- Without memory ---- */

static void a_put_without_memory_leaves_all_as_it_was(void **state)
{
    (void)state;
    /* 8 nodes at first, one of which holds no item; the eighth item needs more, the key a copy */
    for (int held = 0; held < 40; held++) {
        char key[16];
        texts lru;
        size_t failing = 0;

        assert_ok(texts_init(&lru, &(texts_opts){ .capacity = 40 }));
        for (int i = 0; i < held; i++) {
            snprintf(key, sizeof key, "key %d", i);
            assert_ok(texts_put(&lru, keel_str_from(key), i));
        }
        for (bool failed = true; failed;) {
            keel_test_fail_alloc(++failing, false);
            keel_err *err = texts_put(&lru, KEEL_STR("new"), 1);
            failed = err != NULL;
            keel_test_fail_alloc(0, false);
            if (failed)
                assert_err(err, KEEL_ERR_NOMEM);
            assert_int_equal(lru.len, held + !failed);
            assert_int_equal(lru.weight, held + !failed);
            assert_int_equal(texts_peek(&lru, KEEL_STR("new")) != NULL, !failed);
        }
        assert_true(failing > 1);
        texts_iter it = texts_each(&lru);
        assert_true(texts_next(&it));
        for (int i = held; i-- > 0;) {
            assert_true(texts_next(&it));
            assert_int_equal(*it.value, i);
        }
        assert_false(texts_next(&it));
        texts_deinit(&lru);
    }
}

static void without_memory_a_full_one_drops_nothing(void **state)
{
    (void)state;
    texts lru;

    assert_ok(texts_init(&lru, &(texts_opts){ .capacity = 2 }));
    assert_ok(texts_put(&lru, KEEL_STR("a"), 1));
    assert_ok(texts_put(&lru, KEEL_STR("b"), 2));
    keel_test_fail_alloc(1, true);
    assert_err(texts_put(&lru, KEEL_STR("c"), 3), KEEL_ERR_NOMEM);
    assert_int_equal(lru.stats.evictions, 0);
    assert_int_equal(*texts_peek(&lru, KEEL_STR("a")), 1);
    assert_ok(texts_put(&lru, KEEL_STR("a"), 4)); /* needs none */
    assert_int_equal(*texts_get(&lru, KEEL_STR("a")), 4);
    keel_test_fail_alloc(0, false);
    texts_deinit(&lru);
}

static keel_err *fill_twice(void *arg)
{
    owner lru;
    char key[16];

    (void)arg;
    keel_err *err = owner_init(&lru, &(owner_opts){ .capacity = 100 });
    for (int i = 0; i < 40 && err == NULL; i++) {
        snprintf(key, sizeof key, "%d", i % 30);
        err = owner_add(&lru, key, "text");
    }
    owner_deinit(&lru);
    return err;
}

static bool no_other(const keel_err *err)
{
    (void)err;
    return false;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(fill_twice, NULL, no_other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(everything_is_freed_once),
        keel_test(what_is_dropped_may_be_taken_over),
        keel_test(what_it_has_may_be_put_again),
        keel_test(string_keys_are_copied),
        keel_test(borrowed_keys_are_not),
        keel_test(a_put_without_memory_leaves_all_as_it_was),
        keel_test(without_memory_a_full_one_drops_nothing),
        keel_test(every_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
