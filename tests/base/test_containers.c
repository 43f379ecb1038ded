/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/containers.h>

/* The templates have tests of their own. Here each ready-made instance is made sure to exist, to be of the
 * type it says, to compare as it says, and to own what it says. */

/* The name of the vector, its items' type, and three of them in order. */
#define VECTOR_TEST(name, type, a, b, c)                                                           \
    static void name##_is_a_vector(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        name vec = { 0 }, copy;                                                                    \
        type got = c;                                                                              \
                                                                                                   \
        assert_ok(name##_reserve(&vec, 2));                                                        \
        assert_ok(name##_push(&vec, c));                                                           \
        assert_ok(name##_insert(&vec, 0, b));                                                      \
        assert_ok(name##_append(&vec, &got, 1));                                                   \
        assert_ok(name##_clone(&copy, &vec));                                                      \
        assert_true(name##_equal(&vec, &copy));                                                    \
        assert_true(name##_swap_remove(&vec, 0, &got));                                            \
        assert_false(name##_equal(&vec, &copy));                                                   \
        assert_null(name##_find(&vec, b));                                                         \
        assert_ptr_equal(name##_find(&copy, got), name##_at(&copy, 0));                            \
        assert_true(name##_pop(&vec, &got) && name##_remove(&vec, 0, &got));                       \
        assert_null(name##_last(&vec));                                                            \
        assert_ok(name##_push(&vec, a));                                                           \
        name##_shrink(&vec);                                                                       \
        name##_iter it = name##_each(&vec);                                                        \
        assert_true(name##_next(&it) && it.item == vec.items && !name##_next(&it));                \
        name##_truncate(&vec, 0);                                                                  \
        name##_clear(&copy);                                                                       \
        name##_deinit(&vec);                                                                       \
        name##_deinit(&copy);                                                                      \
    }
#define DEQUE_TEST(name, type, a, b, c)                                                            \
    static void name##_is_a_deque(void **state)                                                    \
    {                                                                                              \
        (void)state;                                                                               \
        name deque = { 0 }, copy;                                                                  \
        type got = a;                                                                              \
                                                                                                   \
        assert_ok(name##_reserve(&deque, 2));                                                      \
        assert_ok(name##_push_back(&deque, b));                                                    \
        assert_ok(name##_push_back(&deque, c));                                                    \
        assert_ok(name##_push_front(&deque, a));                                                   \
        assert_ok(name##_clone(&copy, &deque));                                                    \
        assert_true(name##_equal(&deque, &copy));                                                  \
        assert_true(name##_pop_back(&deque, &got) && name##_pop_front(&deque, &got));              \
        assert_ptr_equal(name##_find(&copy, got), name##_front(&copy));                            \
        assert_ptr_equal(name##_back(&deque), name##_at(&deque, 0));                               \
        assert_null(name##_find(&deque, a));                                                       \
        name##_iter it = name##_each(&deque);                                                      \
        assert_true(name##_next(&it) && it.item == name##_front(&deque) && !name##_next(&it));     \
        name##_shrink(&deque);                                                                     \
        name##_clear(&copy);                                                                       \
        name##_deinit(&deque);                                                                     \
        name##_deinit(&copy);                                                                      \
    }
#define HEAP_TEST(name, type)                                                                      \
    static void name##_is_a_heap(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        const type items[] = { 5, 3, -1, 4 };                                                      \
        name heap = { 0 }, copy;                                                                   \
        type got = 0;                                                                              \
                                                                                                   \
        assert_ok(name##_reserve(&heap, 2));                                                       \
        assert_ok(name##_push(&heap, 2));                                                          \
        assert_ok(name##_append(&heap, items, 4));                                                 \
        assert_ok(name##_clone(&copy, &heap));                                                     \
        assert_true(name##_pop(&heap, &got) && got == -1);                                         \
        assert_true(*name##_peek(&heap) == 2 && *name##_peek(&copy) == -1);                        \
        assert_true(name##_replace_top(&heap, 9, &got) && got == 2 && *name##_peek(&heap) == 3);   \
        heap.items[0] = 10;                                                                        \
        name##_fix(&heap, 0);                                                                      \
        assert_true(name##_remove(&heap, 0, &got) && got == 4);                                    \
        heap.items[2] = 1;                                                                         \
        name##_heapify(&heap);                                                                     \
        assert_true(*name##_peek(&heap) == 1);                                                     \
        size_t count = 0;                                                                          \
        for (name##_iter it = name##_each(&heap); name##_next(&it);)                               \
            count += *it.item >= 1;                                                                \
        assert_int_equal(count, 3);                                                                \
        name##_shrink(&heap);                                                                      \
        name##_clear(&copy);                                                                       \
        name##_deinit(&heap);                                                                      \
        name##_deinit(&copy);                                                                      \
    }
#define MAP_TEST(name, value_type, a, b, one, two)                                                 \
    static void name##_is_a_map(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        name map = { 0 }, copy;                                                                    \
        value_type old = one;                                                                      \
        value_type *value = NULL;                                                                  \
        bool replaced, added;                                                                      \
                                                                                                   \
        assert_ok(name##_reserve(&map, 2));                                                        \
        assert_ok(name##_put(&map, a, one));                                                       \
        assert_ok(name##_clone(&copy, &map));                                                      \
        assert_true(name##_equal(&map, &copy));                                                    \
        assert_ok(name##_swap(&map, a, two, &old, &replaced));                                     \
        assert_true(old == one && replaced && *name##_get(&map, a) == two);                        \
        assert_false(name##_equal(&map, &copy));                                                   \
        assert_ok(name##_entry(&map, b, &value, &added));                                          \
        assert_true(added);                                                                        \
        assert_true(*value == 0 && name##_has(&map, b) && !name##_has(&copy, b));                  \
        assert_true(name##_remove(&map, b, &old) && old == 0);                                     \
        name##_iter it = name##_each(&map);                                                        \
        assert_true(name##_next(&it) && *it.value == two);                                         \
        assert_true(name##_it_remove(&map, &it, NULL) && !name##_next(&it));                       \
        name##_shrink(&map);                                                                       \
        name##_clear(&copy);                                                                       \
        name##_deinit(&map);                                                                       \
        name##_deinit(&copy);                                                                      \
    }

static int things[3];

VECTOR_TEST(keel_ints, int, -1, INT32_MAX, 0)
VECTOR_TEST(keel_i64s, int64_t, -1, INT64_MIN, INT64_MAX)
VECTOR_TEST(keel_u64s, uint64_t, 0, 1, UINT64_MAX)
VECTOR_TEST(keel_doubles, double, 0.5, 1e300, -0.25)
VECTOR_TEST(keel_ptrs, void *, &things[0], &things[1], &things[2])
VECTOR_TEST(keel_strs, keel_str, KEEL_STR("a"), KEEL_STR(""), KEEL_STR("b\0c"))
DEQUE_TEST(keel_int_deque, int, -1, INT32_MAX, 0)
DEQUE_TEST(keel_ptr_deque, void *, &things[0], &things[1], &things[2])
DEQUE_TEST(keel_str_deque, keel_str, KEEL_STR("a"), KEEL_STR(""), KEEL_STR("b\0c"))
HEAP_TEST(keel_int_heap, int)
HEAP_TEST(keel_i64_heap, int64_t)
HEAP_TEST(keel_double_heap, double)
MAP_TEST(keel_i64_map, void *, INT64_MIN, INT64_MAX, &things[0], &things[1])
MAP_TEST(keel_ptr_map, void *, &things[0], &things[1], &things[0], &things[1])
MAP_TEST(keel_str_map, void *, KEEL_STR("a"), KEEL_STR(""), &things[0], &things[1])
MAP_TEST(keel_str_i64_map, int64_t, KEEL_STR("a"), KEEL_STR(""), INT64_MIN, 7)

static char *text(const char *chars)
{
    char *copy = NULL;

    assert_ok(keel_str_dup(&copy, keel_str_from(chars)));
    return copy;
}

static void keel_cstrs_owns_its_strings(void **state)
{
    (void)state;
    keel_cstrs vec = { 0 }, copy;
    char one[] = "one", *got = NULL;
    const size_t live = keel_test_live();

    assert_ok(keel_cstrs_push(&vec, text("one")));
    assert_ok(keel_cstrs_push(&vec, text("two")));
    assert_ok(keel_cstrs_clone(&copy, &vec));
    assert_true(keel_cstrs_equal(&vec, &copy));
    assert_ptr_not_equal(vec.items[0], copy.items[0]);
    assert_ptr_equal(keel_cstrs_find(&vec, one), vec.items);
    assert_int_equal(keel_test_live(), live + 6);
    assert_true(keel_cstrs_pop(&vec, &got));
    assert_string_equal(got, "two");
    keel_mem_free(got);
    keel_cstrs_deinit(&vec);
    keel_cstrs_deinit(&copy);
    assert_int_equal(keel_test_live(), live);
}

static void keel_str_str_map_owns_both(void **state)
{
    (void)state;
    keel_str_str_map map = { 0 }, copy;
    char key[] = "key";
    const size_t live = keel_test_live();

    assert_ok(keel_str_str_map_put(&map, keel_str_from(key), text("first")));
    assert_ok(keel_str_str_map_put(&map, keel_str_from(key), text("second")));
    assert_int_equal(keel_test_live(), live + 3);
    assert_ok(keel_str_str_map_clone(&copy, &map));
    assert_true(keel_str_str_map_equal(&map, &copy));
    key[0] = 'h';
    assert_string_equal(*keel_str_str_map_get(&copy, KEEL_STR("key")), "second");
    assert_int_equal(keel_test_live(), live + 6);
    assert_true(keel_str_str_map_remove(&map, KEEL_STR("key"), NULL));
    assert_int_equal(keel_test_live(), live + 4);
    keel_str_str_map_deinit(&map);
    keel_str_str_map_deinit(&copy);
    assert_int_equal(keel_test_live(), live);
}

#define SET_TEST(name, a, b)                                                                       \
    static void name##_is_a_set(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        name set = { 0 }, copy;                                                                    \
        bool added;                                                                                \
                                                                                                   \
        assert_ok(name##_reserve(&set, 2));                                                        \
        assert_ok(name##_add(&set, a, &added));                                                    \
        assert_true(added);                                                                        \
        assert_ok(name##_add(&set, a, &added));                                                    \
        assert_false(added);                                                                       \
        assert_true(name##_has(&set, a) && !name##_has(&set, b) && set.len == 1);                  \
        assert_ok(name##_clone(&copy, &set));                                                      \
        assert_true(name##_equal(&set, &copy));                                                    \
        name##_iter it = name##_each(&set);                                                        \
        assert_true(name##_next(&it) && name##_has(&copy, it.key) && !name##_next(&it));           \
        assert_true(name##_remove(&set, a) && !name##_remove(&set, a));                            \
        assert_false(name##_equal(&set, &copy));                                                   \
        name##_shrink(&set);                                                                       \
        name##_clear(&copy);                                                                       \
        name##_deinit(&set);                                                                       \
        name##_deinit(&copy);                                                                      \
    }

SET_TEST(keel_i64_set, INT64_MIN, 5)
SET_TEST(keel_ptr_set, &things[0], &things[1])
SET_TEST(keel_str_set, KEEL_STR("a"), KEEL_STR("b"))

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(keel_ints_is_a_vector),       keel_test(keel_i64s_is_a_vector),
        keel_test(keel_u64s_is_a_vector),       keel_test(keel_doubles_is_a_vector),
        keel_test(keel_ptrs_is_a_vector),       keel_test(keel_strs_is_a_vector),
        keel_test(keel_cstrs_owns_its_strings), keel_test(keel_int_deque_is_a_deque),
        keel_test(keel_ptr_deque_is_a_deque),   keel_test(keel_str_deque_is_a_deque),
        keel_test(keel_int_heap_is_a_heap),     keel_test(keel_i64_heap_is_a_heap),
        keel_test(keel_double_heap_is_a_heap),  keel_test(keel_i64_map_is_a_map),
        keel_test(keel_ptr_map_is_a_map),       keel_test(keel_str_map_is_a_map),
        keel_test(keel_str_i64_map_is_a_map),   keel_test(keel_str_str_map_owns_both),
        keel_test(keel_i64_set_is_a_set),       keel_test(keel_ptr_set_is_a_set),
        keel_test(keel_str_set_is_a_set),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
