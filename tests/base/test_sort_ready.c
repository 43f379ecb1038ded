/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <math.h>

#include <keel/rand.h>
#include <keel/sort.h>

/* The sorts that need no parameters. */

static keel_rand rnd;

#define check_ready(type, ctype, least, most)                                                      \
    do {                                                                                           \
        ctype items[500];                                                                          \
        for (size_t i = 0; i < 500; i++)                                                           \
            items[i] = (ctype)keel_rand_u64(&rnd);                                                 \
        items[3] = most;                                                                           \
        items[490] = least;                                                                        \
        keel_sort_##type(items, 500);                                                              \
        assert_true(items[0] == least && items[499] == most);                                      \
        for (size_t i = 1; i < 500; i++)                                                           \
            assert_true(items[i - 1] <= items[i]);                                                 \
    } while (0)

static void whole_numbers_sort_by_value(void **state)
{
    (void)state;
    keel_rand_seed(&rnd, 5);
    check_ready(i32, int32_t, INT32_MIN, INT32_MAX);
    check_ready(u32, uint32_t, 0, UINT32_MAX);
    check_ready(i64, int64_t, INT64_MIN, INT64_MAX);
    check_ready(u64, uint64_t, 0, UINT64_MAX);
}

static void nans_come_last(void **state)
{
    (void)state;
    keel_rand_seed(&rnd, 6);
    for (size_t n = 0; n < 300; n++) {
        double *items = keel_mem_alloc((n + 1) * sizeof *items);
        size_t nans = 0, bad = 0;

        assert_non_null(items);
        for (size_t i = 0; i < n; i++) {
            const uint64_t kind = keel_rand_below(&rnd, 8);

            nans += kind < 2;
            items[i] = kind == 0   ? (double)NAN
                       : kind == 1 ? -(double)NAN
                       : kind == 2 ? (double)INFINITY
                       : kind == 3 ? -(double)INFINITY
                       : kind == 4 ? -0.0
                                   : keel_rand_double(&rnd) - 0.5;
        }
        keel_sort_double(items, n);
        for (size_t i = 0; i < n - nans; i++)
            bad += (isnan(items[i]) || (i > 0 && items[i - 1] > items[i])) ? 1 : 0;
        for (size_t i = n - nans; i < n; i++)
            bad += isnan(items[i]) ? 0 : 1;
        assert_int_equal(bad, 0);
        keel_mem_free(items);
    }
}

static void strings_sort_by_their_bytes(void **state)
{
    (void)state;
    const char *items[] = { "dog", "cat", "\xc3\xa4", "", "bird", "Dog", "do", "cat" };
    const char *expected[] = { "", "Dog", "bird", "cat", "cat", "do", "dog", "\xc3\xa4" };

    keel_sort_str(items, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(items[i], expected[i]);
    keel_sort_str(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(whole_numbers_sort_by_value),
        keel_test(nans_come_last),
        keel_test(strings_sort_by_their_bytes),
    };

    keel_test_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
