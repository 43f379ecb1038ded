/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/rand.h>

#include "sized.h"

#define KEEL_VEC_NAME ints
#define KEEL_VEC_ITEM int
#include <keel/vec.h>
#define KEEL_VEC_NAME texts
#define KEEL_VEC_ITEM const char *
#include <keel/vec.h>
#define KEEL_VEC_NAME sizes
#define KEEL_VEC_ITEM size_t
#include <keel/vec.h>

#define KEEL_ALGO_NAME int_to_int
#define KEEL_ALGO_FROM int
#define KEEL_ALGO_FROM_VEC ints
#define KEEL_ALGO_TO_VEC ints
#include <keel/algo.h>

#define KEEL_ALGO_NAME text_to_size
#define KEEL_ALGO_FROM const char *
#define KEEL_ALGO_TO size_t
#define KEEL_ALGO_FROM_VEC texts
#define KEEL_ALGO_TO_VEC sizes
#define KEEL_ALGO_DECLARE
#include <keel/algo.h>
#define KEEL_ALGO_NAME text_to_size
#define KEEL_ALGO_FROM const char *
#define KEEL_ALGO_TO size_t
#define KEEL_ALGO_FROM_VEC texts
#define KEEL_ALGO_TO_VEC sizes
#define KEEL_ALGO_IMPLEMENT
#include <keel/algo.h>

#define KEEL_ALGO_NAME big_to_number
#define KEEL_ALGO_FROM sized_200
#define KEEL_ALGO_TO uint32_t
#include <keel/algo.h>

static const char *const words[] = { "fox", "", "badger", "ox", "cat" };

/* The functions count their calls in `*asked`. */

static int twice(int item, void *asked)
{
    ++*(int *)asked;
    return item * 2;
}

static bool is_even(int item, void *asked)
{
    ++*(int *)asked;
    return item % 2 == 0;
}

static int digits(int sofar, int item, void *base)
{
    return sofar * *(int *)base + item;
}

static size_t size_of(const char *item, void *extra)
{
    return strlen(item) + *(size_t *)extra;
}

static bool is_longer(const char *item, void *than)
{
    return strlen(item) > *(size_t *)than;
}

static size_t add_size(size_t sofar, const char *item, void *arg)
{
    (void)arg;
    return sofar + strlen(item);
}

/* ---- Arrays ---- */

static void map_takes_each_item_once_in_order(void **state)
{
    (void)state;
    int items[] = { 1, 2, 3, 4 }, out[5] = { 0, 0, 0, 0, 99 }, asked = 0;
    size_t sizes_out[5], extra = 10;

    int_to_int_map(out, items, 4, twice, &asked);
    assert_memory_equal(out, ((int[]){ 2, 4, 6, 8, 99 }), sizeof out);
    assert_int_equal(asked, 4);
    int_to_int_map(items, items, 4, twice, &asked);
    assert_memory_equal(items, out, sizeof items);
    int_to_int_map(NULL, NULL, 0, twice, &asked);
    assert_int_equal(asked, 8);

    text_to_size_map(sizes_out, words, 5, size_of, &extra);
    assert_memory_equal(sizes_out, ((size_t[]){ 13, 10, 16, 12, 13 }), sizeof sizes_out);
}

static void filter_keeps_the_order(void **state)
{
    (void)state;
    int items[] = { 1, 2, 3, 4, 6, 7, 8 }, out[7] = { 0 }, asked = 0;
    size_t than = 2;
    const char *kept[5];

    assert_int_equal(int_to_int_filter(out, items, 7, is_even, &asked), 4);
    assert_int_equal(asked, 7);
    assert_memory_equal(out, ((int[]){ 2, 4, 6, 8, 0, 0, 0 }), sizeof out);
    assert_int_equal(int_to_int_filter(items, items, 7, is_even, &asked), 4);
    assert_memory_equal(items, out, 4 * sizeof items[0]);
    assert_int_equal(int_to_int_filter(NULL, NULL, 0, is_even, &asked), 0);

    assert_int_equal(text_to_size_filter(kept, words, 5, is_longer, &than), 3);
    assert_ptr_equal(kept[1], words[2]);
}

static void reduce_goes_from_the_first_to_the_last(void **state)
{
    (void)state;
    int base = 10;

    assert_int_equal(int_to_int_reduce((int[]){ 1, 2, 3 }, 3, 7, digits, &base), 7123);
    assert_int_equal(int_to_int_reduce(NULL, 0, 7, digits, &base), 7);
    assert_int_equal(text_to_size_reduce(words, 5, 100, add_size, NULL), 114);
}

static void any_all_find_and_count_ask_no_more_than_they_must(void **state)
{
    (void)state;
    static const struct {
        int items[4];
        size_t len;
        bool any, all;
        int first, count; /* the first that is even, by its index, or -1 */
        int any_asks, all_asks;
    } cases[] = {
        { { 0 }, 0, false, true, -1, 0, 0, 0 },
        { { 1, 3, 5, 7 }, 4, false, false, -1, 0, 4, 1 },
        { { 1, 2, 3, 4 }, 4, true, false, 1, 2, 2, 1 },
        { { 2, 4, 6, 8 }, 4, true, true, 0, 4, 1, 4 },
        { { 2, 4, 6, 7 }, 4, true, false, 0, 3, 1, 4 },
        { { 1, 3, 5, 8 }, 4, true, false, 3, 1, 4, 1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int *items = cases[i].items;
        const size_t len = cases[i].len;
        int asked = 0;

        assert_int_equal(int_to_int_any(items, len, is_even, &asked), cases[i].any);
        assert_int_equal(asked, cases[i].any_asks);
        asked = 0;
        assert_int_equal(int_to_int_all(items, len, is_even, &asked), cases[i].all);
        assert_int_equal(asked, cases[i].all_asks);
        assert_ptr_equal(int_to_int_find_if(items, len, is_even, &asked),
                         cases[i].first < 0 ? NULL : items + cases[i].first);
        assert_int_equal(int_to_int_count_if(items, len, is_even, &asked), cases[i].count);
    }
}

/* ---- Vectors ---- */

static void what_is_mapped_or_kept_is_added_to_a_vector(void **state)
{
    (void)state;
    ints from = { 0 }, to = { 0 };
    int asked = 0;

    for (int i = 0; i < 100; i++)
        assert_ok(ints_push(&from, i));
    assert_ok(ints_push(&to, -1));
    assert_ok(int_to_int_map_vec(&to, from.items, from.len, twice, &asked));
    assert_int_equal(to.len, 101);
    assert_int_equal(to.items[0], -1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(to.items[i + 1], 2 * i);
    assert_ok(int_to_int_filter_vec(&to, from.items, from.len, is_even, &asked));
    assert_int_equal(to.len, 151);
    for (int i = 0; i < 50; i++)
        assert_int_equal(to.items[i + 101], 2 * i);
    assert_int_equal(asked, 200);

    const size_t changes = to.keel__changes;
    assert_ok(int_to_int_map_vec(&to, NULL, 0, twice, &asked));
    assert_ok(int_to_int_filter_vec(&to, NULL, 0, is_even, &asked));
    assert_int_equal(to.keel__changes, changes);
    assert_ok(int_to_int_map_vec(&to, from.items, 1, twice, &asked));
    assert_int_not_equal(to.keel__changes, changes);
    ints_deinit(&from);
    ints_deinit(&to);
}

static void types_may_differ(void **state)
{
    (void)state;
    texts from = { 0 }, long_ones = { 0 };
    sizes to = { 0 };
    size_t number = 1;

    assert_ok(texts_append(&from, words, 5));
    assert_ok(text_to_size_map_vec(&to, from.items, from.len, size_of, &number));
    assert_int_equal(to.len, 5);
    assert_int_equal(to.items[2], 7);
    assert_ok(text_to_size_filter_vec(&long_ones, from.items, from.len, is_longer, &number));
    assert_int_equal(long_ones.len, 4);
    assert_string_equal(long_ones.items[3], "cat");
    number = 5;
    assert_string_equal(*text_to_size_find_if(from.items, from.len, is_longer, &number), "badger");
    texts_deinit(&from);
    texts_deinit(&long_ones);
    sizes_deinit(&to);
}

static void a_vector_can_be_added_to_itself(void **state)
{
    (void)state;
    for (int len = 1; len < 70; len++) {
        ints vec = { 0 };
        int asked = 0;
        const size_t start = (size_t)len / 3, count = (size_t)len - start;

        for (int i = 0; i < len; i++)
            assert_ok(ints_push(&vec, i));
        ints_shrink(&vec);
        assert_ok(int_to_int_map_vec(&vec, vec.items + start, count, twice, &asked));
        for (size_t i = 0; i < count; i++)
            assert_int_equal(vec.items[(size_t)len + i], 2 * (start + i));
        ints_truncate(&vec, (size_t)len);
        ints_shrink(&vec);
        assert_ok(int_to_int_filter_vec(&vec, vec.items + start, count, is_even, &asked));
        for (size_t i = (size_t)len; i < vec.len; i++)
            assert_int_equal(vec.items[i], (start + 1) / 2 * 2 + 2 * (i - (size_t)len));
        assert_int_equal(vec.len, (size_t)len + ((size_t)len + 1) / 2 - (start + 1) / 2);
        ints_deinit(&vec);
    }
}

static void without_memory_the_vector_holds_what_it_held(void **state)
{
    (void)state;
    int items[1000], asked = 0;
    ints vec = { 0 };
    size_t nth = 1;
    volatile size_t too_many = SIZE_MAX; /* which the compiler need not know */

    for (int i = 0; i < 1000; i++)
        items[i] = i;
    assert_ok(ints_append(&vec, items, 8));
    assert_int_equal(vec.cap, 8);
    keel_test_fail_alloc(1, true);
    assert_err(int_to_int_map_vec(&vec, items, 1000, twice, &asked), KEEL_ERR_NOMEM);
    keel_test_fail_alloc(0, false);
    assert_int_equal(asked, 0);
    for (;; nth++) {
        keel_test_fail_alloc(nth, false);
        keel_err *err = int_to_int_filter_vec(&vec, items, 1000, is_even, &asked);
        keel_test_fail_alloc(0, false);
        if (err == NULL)
            break;
        assert_err(err, KEEL_ERR_NOMEM);
        assert_int_equal(vec.len, 8);
        assert_memory_equal(vec.items, items, 8 * sizeof items[0]);
        ints_shrink(&vec);
    }
    assert_true(nth > 3);
    assert_int_equal(vec.len, 508);
    assert_err(int_to_int_map_vec(&vec, items, too_many, twice, &asked), KEEL_ERR_NOMEM);
    ints_deinit(&vec);
}

/* ---- At random, large items ---- */

static uint32_t number_of(sized_200 item, void *sum)
{
    const uint32_t number = sized_number(&item, sizeof item);

    *(uint64_t *)sum += number;
    return number;
}

static bool is_whole_and_odd(sized_200 item, void *sum)
{
    (void)sum;
    return sized_is(&item, sizeof item, sized_number(&item, sizeof item)) &&
           sized_number(&item, sizeof item) % 2 == 1;
}

static uint32_t greatest(uint32_t sofar, sized_200 item, void *sum)
{
    const uint32_t number = sized_number(&item, sizeof item);

    (void)sum;
    return number > sofar ? number : sofar;
}

static void items_of_200_bytes_agree_with_a_loop(void **state)
{
    (void)state;
    enum { MOST = 50 };
    sized_200 items[MOST], kept[MOST];
    uint32_t numbers[MOST], out[MOST];
    keel_rand rnd = { { 0 } };

    for (size_t done = 0; done < sized_operations();) {
        const size_t len = (size_t)keel_rand_below(&rnd, MOST + 1);
        uint64_t sum = 0, expected = 0;
        uint32_t top = 0;
        size_t odd = 0;

        for (size_t i = 0; i < len; i++) {
            numbers[i] = (uint32_t)keel_rand_below(&rnd, 1000);
            sized_make(&items[i], sizeof items[i], numbers[i]);
            expected += numbers[i];
            top = numbers[i] > top ? numbers[i] : top;
        }
        big_to_number_map(out, items, len, number_of, &sum);
        assert_memory_equal(out, numbers, len * sizeof out[0]);
        assert_int_equal(sum, expected);
        assert_int_equal(big_to_number_reduce(items, len, 0, greatest, NULL), top);
        const size_t count = big_to_number_filter(kept, items, len, is_whole_and_odd, NULL);
        for (size_t i = 0; i < len; i++) {
            if (numbers[i] % 2 == 1)
                assert_true(sized_is(&kept[odd++], sizeof kept[0], numbers[i]));
        }
        assert_int_equal(count, odd);
        assert_int_equal(big_to_number_count_if(items, len, is_whole_and_odd, NULL), odd);
        assert_int_equal(big_to_number_any(items, len, is_whole_and_odd, NULL), odd > 0);
        assert_int_equal(big_to_number_all(items, len, is_whole_and_odd, NULL), odd == len);
        done += 6 * (len + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(map_takes_each_item_once_in_order),
        keel_test(filter_keeps_the_order),
        keel_test(reduce_goes_from_the_first_to_the_last),
        keel_test(any_all_find_and_count_ask_no_more_than_they_must),
        keel_test(what_is_mapped_or_kept_is_added_to_a_vector),
        keel_test(types_may_differ),
        keel_test(a_vector_can_be_added_to_itself),
        keel_test(without_memory_the_vector_holds_what_it_held),
        keel_test(items_of_200_bytes_agree_with_a_loop),
    };

    keel_test_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
