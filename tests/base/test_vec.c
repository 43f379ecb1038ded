/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/rand.h>
#include <keel/template.h>

#include "sized.h"

static keel_rand rnd;

/* ---- Beside a plain array ---- */

enum { MODEL_MOST = 300 };

#define MODEL_ITEM sized_1
#include "vec_model.h"
#define MODEL_ITEM sized_3
#include "vec_model.h"
#define MODEL_ITEM sized_8
#include "vec_model.h"
#define MODEL_ITEM sized_16
#include "vec_model.h"
#define MODEL_ITEM sized_200
#include "vec_model.h"

/* ---- Vectors of plain numbers ---- */

#define KEEL_VEC_NAME ints
#define KEEL_VEC_ITEM int
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>
#define KEEL_VEC_NAME ints
#define KEEL_VEC_ITEM int
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

/* 0, 1, 2, ... */
static ints counting(int len)
{
    ints vec = { 0 };

    for (int i = 0; i < len; i++)
        assert_ok(ints_push(&vec, i));
    return vec;
}

static void assert_holds(const ints *vec, const int *items, size_t len)
{
    assert_int_equal(vec->len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(vec->items[i], items[i]);
}

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    ints never = { 0 };
    ints emptied = counting(1);
    int untouched = 42;

    assert_true(ints_pop(&emptied, NULL));
    for (int i = 0; i < 2; i++) {
        ints *vec = i == 0 ? &never : &emptied;
        ints_iter it = ints_each(vec);
        assert_false(ints_next(&it));
        assert_false(ints_pop(vec, &untouched));
        assert_false(ints_remove(vec, 0, &untouched));
        assert_false(ints_swap_remove(vec, 0, &untouched));
        assert_null(ints_last(vec));
        assert_null(ints_at(vec, 0));
        assert_null(ints_find(vec, 0));
        ints_clear(vec);
        ints_truncate(vec, 5);
        assert_ok(ints_append(vec, NULL, 0));
        assert_ok(ints_reserve(vec, 0));
    }
    assert_true(ints_equal(&never, &emptied));
    assert_null(never.items);
    assert_int_equal(untouched, 42);
    ints_shrink(&never);
    ints_deinit(&never);
    ints_deinit(&emptied);
    ints_deinit(NULL);
}

static void it_can_be_used_again_after_deinit(void **state)
{
    (void)state;
    ints vec = counting(100);

    ints_deinit(&vec);
    assert_null(vec.items);
    assert_int_equal(vec.len, 0);
    assert_int_equal(vec.cap, 0);
    assert_ok(ints_push(&vec, 7));
    assert_holds(&vec, (int[]){ 7 }, 1);
    ints_deinit(&vec);
}

static void removing_closes_the_gap_or_fills_it_with_the_last(void **state)
{
    (void)state;
    ints vec = counting(5);
    int out;

    assert_true(ints_remove(&vec, 1, &out));
    assert_int_equal(out, 1);
    assert_holds(&vec, (int[]){ 0, 2, 3, 4 }, 4);
    assert_true(ints_swap_remove(&vec, 0, &out));
    assert_int_equal(out, 0);
    assert_holds(&vec, (int[]){ 4, 2, 3 }, 3);
    assert_true(ints_swap_remove(&vec, 2, &out)); /* the last itself */
    assert_int_equal(out, 3);
    assert_holds(&vec, (int[]){ 4, 2 }, 2);
    assert_ok(ints_insert(&vec, 1, 9));
    assert_ok(ints_insert(&vec, 100, 8));
    assert_holds(&vec, (int[]){ 4, 9, 2, 8 }, 4);
    ints_deinit(&vec);
}

/* While the block moves, the items to copy move too. */
static void it_can_append_its_own_items_at_any_length(void **state)
{
    (void)state;
    for (int len = 1; len <= 100; len++) {
        ints vec = counting(len);
        ints_shrink(&vec);
        assert_ok(ints_append(&vec, vec.items + len / 2, (size_t)(len - len / 2)));
        for (int i = 0; i < len - len / 2; i++)
            assert_int_equal(vec.items[len + i], len / 2 + i);
        ints_deinit(&vec);
    }
}

/* ---- Memory ---- */

static void what_was_reserved_cannot_fail(void **state)
{
    (void)state;
    const size_t more[] = { 1, 7, 8, 9, 1000, 100000 };

    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        ints vec = counting(5);
        assert_ok(ints_reserve(&vec, more[i]));
        int *const items = vec.items;
        keel_test_fail_alloc(1, true);
        for (size_t k = 0; k < more[i]; k++)
            assert_ok(ints_push(&vec, (int)k));
        keel_test_fail_alloc(0, false);
        assert_ptr_equal(vec.items, items);
        ints_deinit(&vec);
    }
}

static void a_million_pushes_allocate_few_times(void **state)
{
    (void)state;
    const size_t made = keel_test_made();
    ints vec = counting(1 << 20);

    assert_in_range(keel_test_made() - made, 10, 45);
    assert_true(vec.cap <= vec.len * 2);
    for (int i = (1 << 20) - 1; i >= 0; i--) {
        int out;
        assert_true(ints_pop(&vec, &out));
        assert_int_equal(out, i);
    }
    ints_deinit(&vec);
}

static void clearing_keeps_the_memory_and_shrinking_gives_it_back(void **state)
{
    (void)state;
    ints vec = counting(64);
    const size_t made = keel_test_made();

    ints_clear(&vec);
    assert_int_equal(vec.len, 0);
    for (int i = 0; i < 64; i++)
        assert_ok(ints_push(&vec, i));
    assert_int_equal(keel_test_made(), made);
    ints_truncate(&vec, 3);
    ints_shrink(&vec);
    assert_int_equal(vec.cap, 3);
    assert_holds(&vec, (int[]){ 0, 1, 2 }, 3);
    ints_clear(&vec);
    const size_t live = keel_test_live();
    ints_shrink(&vec);
    assert_int_equal(keel_test_live(), live - 1);
    assert_null(vec.items);
    ints_deinit(&vec);
}

static void shrinking_may_fail_unnoticed(void **state)
{
    (void)state;
    ints vec = counting(9);
    const size_t cap = vec.cap;

    keel_test_fail_alloc(1, true);
    ints_shrink(&vec);
    keel_test_fail_alloc(0, false);
    assert_int_equal(vec.cap, cap);
    assert_int_equal(*ints_last(&vec), 8);
    ints_deinit(&vec);
}

static void without_memory_it_stays_as_it_was(void **state)
{
    (void)state;
    ints vec = counting(8), copy;
    const int many[100] = { 0 };

    ints_shrink(&vec);
    keel_test_fail_alloc(1, true);
    assert_err(ints_push(&vec, 1), KEEL_ERR_NOMEM);
    assert_err(ints_insert(&vec, 0, 1), KEEL_ERR_NOMEM);
    assert_err(ints_append(&vec, many, 100), KEEL_ERR_NOMEM);
    assert_err(ints_append(&vec, vec.items, 3), KEEL_ERR_NOMEM);
    assert_err(ints_reserve(&vec, 1), KEEL_ERR_NOMEM);
    assert_err(ints_clone(&copy, &vec), KEEL_ERR_NOMEM);
    keel_test_fail_alloc(0, false);
    assert_holds(&vec, (int[]){ 0, 1, 2, 3, 4, 5, 6, 7 }, 8);
    assert_int_equal(copy.len, 0);
    assert_null(copy.items);
    ints_deinit(&vec);
}

static void a_size_that_overflows_is_no_memory(void **state)
{
    (void)state;
    const size_t sizes[] = {
        SIZE_MAX,         SIZE_MAX - 3,      SIZE_MAX / 2,     SIZE_MAX / 4,
        SIZE_MAX / 4 + 1, SIZE_MAX / 4 - 10, SIZE_MAX / 8 + 1, PTRDIFF_MAX / 4
    };
    ints vec = counting(4);
    sized_200_vec big = { 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_err(ints_reserve(&vec, sizes[i]), KEEL_ERR_NOMEM);
        assert_err(ints_append(&vec, vec.items, sizes[i]), KEEL_ERR_NOMEM);
        assert_err(sized_200_vec_reserve(&big, sizes[i]), KEEL_ERR_NOMEM);
    }
    assert_err(sized_200_vec_reserve(&big, PTRDIFF_MAX / 200 + 1), KEEL_ERR_NOMEM);
    assert_err(sized_200_vec_reserve(&big, SIZE_MAX / 200 + 1), KEEL_ERR_NOMEM);
    assert_holds(&vec, (int[]){ 0, 1, 2, 3 }, 4);
    assert_null(big.items);
    ints_deinit(&vec);
}

/* ---- Items that own something ---- */

typedef char *text;

static size_t freed;

static void free_text(text *item)
{
    freed++;
    keel_mem_free(*item);
}

static keel_err *copy_text(text *to, text const *from)
{
    const size_t size = strlen(*from) + 1;

    *to = keel_mem_alloc(size);
    if (*to == NULL)
        return KEEL_ERR_NOMEM;
    memcpy(*to, *from, size);
    return NULL;
}

#define KEEL_VEC_NAME texts
#define KEEL_VEC_ITEM text
#define KEEL_VEC_EQ(a, b) (strcmp(a, b) == 0)
#define KEEL_VEC_ITEM_FREE free_text
#define KEEL_VEC_ITEM_COPY copy_text
#include <keel/vec.h>

/* "0", "1", ... */
static texts numerals(int len)
{
    texts vec = { 0 };

    freed = 0;
    for (int i = 0; i < len; i++) {
        text item = keel_mem_alloc(12);
        assert_non_null(item);
        snprintf(item, 12, "%d", i);
        assert_ok(texts_push(&vec, item));
    }
    return vec;
}

static bool is_even(text item, void *asked)
{
    ++*(int *)asked;
    return (item[strlen(item) - 1] - '0') % 2 == 0;
}

static void what_is_dropped_is_freed_and_what_is_taken_is_not(void **state)
{
    (void)state;
    texts vec = numerals(20);
    text out = NULL;
    int asked = 0;

    assert_true(texts_pop(&vec, &out));
    assert_string_equal(out, "19");
    keel_mem_free(out);
    assert_true(texts_remove(&vec, 0, &out));
    keel_mem_free(out);
    assert_true(texts_swap_remove(&vec, 1, &out));
    assert_string_equal(out, "2");
    keel_mem_free(out);
    assert_int_equal(freed, 0);

    assert_true(texts_pop(&vec, NULL));
    assert_int_equal(freed, 1);
    assert_true(texts_remove(&vec, 3, NULL));
    assert_true(texts_swap_remove(&vec, 0, NULL));
    assert_int_equal(freed, 3);
    texts_truncate(&vec, 10);
    assert_int_equal(freed, 3 + 14 - 10);
    texts_retain(&vec, is_even, &asked);
    assert_int_equal(asked, 10);
    assert_int_equal(freed, 7 + 10 - vec.len);
    for (size_t i = 0; i < vec.len; i++)
        assert_true(is_even(vec.items[i], &asked));
    texts_clear(&vec);
    assert_int_equal(freed, 17);
    texts_deinit(&vec);
    assert_int_equal(freed, 17);

    vec = numerals(5);
    texts_deinit(&vec);
    assert_int_equal(freed, 5);
}

static void a_clone_owns_copies(void **state)
{
    (void)state;
    texts vec = numerals(50);
    texts copy, empty = { 0 };

    assert_ok(texts_clone(&copy, &vec));
    assert_true(texts_equal(&copy, &vec));
    assert_ptr_not_equal(copy.items[7], vec.items[7]);
    copy.items[49][0] = 'x';
    assert_false(texts_equal(&copy, &vec));
    assert_ptr_equal(texts_find(&vec, (text) "31"), &vec.items[31]);
    assert_null(texts_find(&vec, (text) "50"));
    texts_deinit(&copy);
    assert_ok(texts_clone(&copy, &empty));
    assert_int_equal(copy.len, 0);
    assert_null(copy.items);
    texts_deinit(&vec);
}

static void a_clone_that_fails_leaves_nothing(void **state)
{
    (void)state;
    texts vec = numerals(20);
    texts copy;
    const size_t live = keel_test_live();

    for (size_t nth = 1;; nth++) {
        keel_test_fail_alloc(nth, false);
        keel_err *err = texts_clone(&copy, &vec);
        keel_test_fail_alloc(0, false);
        if (err == NULL) {
            assert_int_equal(nth, 22);
            break;
        }
        assert_err(err, KEEL_ERR_NOMEM);
        assert_int_equal(keel_test_live(), live);
        assert_int_equal(copy.len, 0);
        assert_null(copy.items);
    }
    assert_true(texts_equal(&copy, &vec));
    texts_deinit(&copy);
    texts_deinit(&vec);
}

/* ---- Iterators ---- */

enum {
    PUSH,
    POP,
    INSERT,
    REMOVE,
    SWAP_REMOVE,
    APPEND,
    TRUNCATE,
    CLEAR,
    RETAIN,
    RESERVE,
    SHRINK,
    CHANGES
};

static bool is_even_int(int item, void *arg)
{
    (void)arg;
    return item % 2 == 0;
}

static void change_while_iterating(void *arg)
{
    ints vec = counting(9);
    ints_iter it = ints_each(&vec);

    (void)ints_next(&it);
    switch (*(int *)arg) {
    case PUSH:
        keel_err_free(ints_push(&vec, 1));
        break;
    case POP:
        ints_pop(&vec, NULL);
        break;
    case INSERT:
        keel_err_free(ints_insert(&vec, 3, 1));
        break;
    case REMOVE:
        ints_remove(&vec, 3, NULL);
        break;
    case SWAP_REMOVE:
        ints_swap_remove(&vec, 8, NULL);
        break;
    case APPEND:
        keel_err_free(ints_append(&vec, (int[]){ 1, 2 }, 2));
        break;
    case TRUNCATE:
        ints_truncate(&vec, 8);
        break;
    case CLEAR:
        ints_clear(&vec);
        break;
    case RETAIN:
        ints_retain(&vec, is_even_int, NULL);
        break;
    case RESERVE:
        keel_err_free(ints_reserve(&vec, 100));
        break;
    default:
        ints_shrink(&vec);
        break;
    }
    (void)ints_next(&it);
}

static void a_change_while_iterating_aborts(void **state)
{
    (void)state;
    for (int change = 0; change < CHANGES; change++)
        support_assert_aborts(change_while_iterating, &change,
                              "ints: changed while it was iterated over");
}

static bool all(int item, void *arg)
{
    (void)item;
    (void)arg;
    return true;
}

static void what_changes_nothing_does_not_disturb_an_iterator(void **state)
{
    (void)state;
    ints vec = counting(8); /* its whole first block */
    ints_iter it = ints_each(&vec);
    int sum = 0;

    assert_int_equal(vec.cap, 8);
    assert_true(ints_next(&it));
    ints_truncate(&vec, 8);
    ints_retain(&vec, all, NULL);
    ints_shrink(&vec);
    assert_ok(ints_reserve(&vec, 0));
    assert_ok(ints_append(&vec, NULL, 0));
    assert_false(ints_remove(&vec, 8, NULL));
    while (ints_next(&it)) {
        sum += *it.item;
        *it.item = -1; /* writing is allowed */
    }
    assert_int_equal(sum, 28);
    assert_false(ints_next(&it));
    ints_deinit(&vec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(sized_1_vec_does_what_an_array_does),
        keel_test(sized_3_vec_does_what_an_array_does),
        keel_test(sized_8_vec_does_what_an_array_does),
        keel_test(sized_16_vec_does_what_an_array_does),
        keel_test(sized_200_vec_does_what_an_array_does),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(it_can_be_used_again_after_deinit),
        keel_test(removing_closes_the_gap_or_fills_it_with_the_last),
        keel_test(it_can_append_its_own_items_at_any_length),
        keel_test(what_was_reserved_cannot_fail),
        keel_test(a_million_pushes_allocate_few_times),
        keel_test(clearing_keeps_the_memory_and_shrinking_gives_it_back),
        keel_test(shrinking_may_fail_unnoticed),
        keel_test(without_memory_it_stays_as_it_was),
        keel_test(a_size_that_overflows_is_no_memory),
        keel_test(what_is_dropped_is_freed_and_what_is_taken_is_not),
        keel_test(a_clone_owns_copies),
        keel_test(a_clone_that_fails_leaves_nothing),
        keel_test(a_change_while_iterating_aborts),
        keel_test(what_changes_nothing_does_not_disturb_an_iterator),
    };

    keel_test_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
