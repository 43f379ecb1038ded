/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include "sized.h"

/* ---- Beside a plain array ---- */

enum { MODEL_MOST = 300 };

#define MODEL_ITEM sized_1
#include "deque_model.h"
#define MODEL_ITEM sized_3
#include "deque_model.h"
#define MODEL_ITEM sized_8
#include "deque_model.h"
#define MODEL_ITEM sized_16
#include "deque_model.h"
#define MODEL_ITEM sized_200
#include "deque_model.h"

/* ---- The ring ---- */

#define KEEL_DEQUE_NAME ints
#define KEEL_DEQUE_ITEM int
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_DECLARE
#include <keel/deque.h>
#define KEEL_DEQUE_NAME ints
#define KEEL_DEQUE_ITEM int
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_IMPLEMENT
#include <keel/deque.h>

/* It holds first, first + 1, ... */
static void assert_counts(const ints *deque, int first, size_t len)
{
    assert_int_equal(deque->len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(*ints_at(deque, i), first + (int)i);
    assert_null(ints_at(deque, len));
}

/* A deque of 1 to `len` whose first item lies `turned` places into a block of 64. */
static ints turned_deque(size_t len, size_t turned)
{
    ints deque = { 0 };

    assert_ok(ints_reserve(&deque, 64));
    assert_int_equal(deque.keel__cap, 64);
    for (size_t i = 0; i < turned; i++) {
        assert_ok(ints_push_back(&deque, 0));
        assert_true(ints_pop_front(&deque, NULL));
    }
    for (size_t i = 0; i < len; i++)
        assert_ok(ints_push_back(&deque, (int)i + 1));
    return deque;
}

static void growing_keeps_the_order_wherever_the_ring_is_cut(void **state)
{
    (void)state;
    const size_t more[] = { 1, 40, 64, 65, 1000 };

    for (size_t turned = 0; turned < 64; turned++) {
        for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
            for (size_t len = 60; len <= 64; len++) {
                ints deque = turned_deque(len, turned);
                assert_ok(ints_reserve(&deque, more[i]));
                assert_counts(&deque, 1, len);
                for (size_t k = 0; k < more[i]; k++)
                    assert_ok(ints_push_back(&deque, (int)(len + k) + 1));
                assert_counts(&deque, 1, len + more[i]);
                ints_deinit(&deque);
            }
        }
    }
}

static void shrinking_keeps_the_order_wherever_the_ring_is_cut(void **state)
{
    (void)state;
    for (size_t turned = 0; turned < 64; turned++) {
        for (size_t len = 0; len <= 64; len += 16) {
            ints deque = turned_deque(len, turned);
            ints_shrink(&deque);
            assert_int_equal(deque.keel__cap, len);
            assert_counts(&deque, 1, len);
            assert_ok(ints_push_front(&deque, 0));
            assert_counts(&deque, 0, len + 1);
            ints_deinit(&deque);
        }
    }
}

static void shrinking_a_full_one_does_nothing(void **state)
{
    (void)state;
    ints deque = turned_deque(64, 20);
    const size_t made = keel_test_made();
    ints_iter it = ints_each(&deque);

    ints_shrink(&deque);
    assert_int_equal(keel_test_made(), made);
    assert_true(ints_next(&it));
    ints_deinit(&deque);
}

static void shrinking_an_empty_one_gives_its_memory_back(void **state)
{
    (void)state;
    ints deque = { 0 };

    assert_ok(ints_push_back(&deque, 1));
    assert_true(ints_pop_back(&deque, NULL));
    const size_t live = keel_test_live();
    ints_shrink(&deque);
    assert_int_equal(keel_test_live(), live - 1);
    assert_ok(ints_push_front(&deque, 7));
    assert_counts(&deque, 7, 1);
    ints_deinit(&deque);
}

static void a_queue_of_constant_length_allocates_once(void **state)
{
    (void)state;
    ints deque = { 0 };
    int got;

    assert_ok(ints_push_back(&deque, 0));
    const size_t made = keel_test_made();
    for (int i = 1; i < 1000; i++) {
        assert_ok(ints_push_back(&deque, i));
        assert_true(ints_pop_front(&deque, &got));
        assert_int_equal(got, i - 1);
        assert_ok(ints_push_front(&deque, got));
        assert_true(ints_pop_back(&deque, &got));
        assert_int_equal(got, i);
        *ints_front(&deque) = i;
    }
    assert_int_equal(keel_test_made(), made);
    ints_deinit(&deque);
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    ints deque = turned_deque(64, 40);

    ints_clear(&deque);
    assert_int_equal(deque.len, 0);
    const size_t made = keel_test_made();
    for (int i = 0; i < 64; i++)
        assert_ok(ints_push_back(&deque, i));
    assert_int_equal(keel_test_made(), made);
    assert_counts(&deque, 0, 64);
    ints_deinit(&deque);
}

static void a_million_items_come_out_as_they_went_in(void **state)
{
    (void)state;
    enum { MANY = 1 << 20 };
    ints deque = { 0 };
    int got;

    for (int i = 0; i < MANY; i++) {
        assert_ok(ints_push_back(&deque, i));
        assert_ok(ints_push_front(&deque, -1 - i));
    }
    for (int i = -MANY; i < MANY; i++) {
        assert_true(ints_pop_front(&deque, &got));
        assert_int_equal(got, i);
    }
    assert_false(ints_pop_front(&deque, &got));
    ints_deinit(&deque);
}

/* ---- Empty ---- */

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    ints never = { 0 }, emptied = { 0 };
    int untouched = 42;

    assert_ok(ints_push_front(&emptied, 1));
    assert_true(ints_pop_back(&emptied, NULL));
    for (int i = 0; i < 2; i++) {
        ints *deque = i == 0 ? &never : &emptied;
        ints_iter it = ints_each(deque);
        assert_false(ints_next(&it));
        assert_false(ints_pop_front(deque, &untouched));
        assert_false(ints_pop_back(deque, &untouched));
        assert_null(ints_front(deque));
        assert_null(ints_back(deque));
        assert_null(ints_at(deque, 0));
        assert_null(ints_find(deque, 1));
        ints_clear(deque);
        assert_ok(ints_reserve(deque, 0));
        assert_false(ints_next(&it)); /* none of which is a change */
    }
    assert_true(ints_equal(&never, &emptied));
    assert_int_equal(untouched, 42);
    ints_shrink(&never);
    ints_deinit(&never);
    ints_deinit(&emptied);
    ints_deinit(NULL);
}

static void it_can_be_used_again_after_deinit(void **state)
{
    (void)state;
    ints deque = turned_deque(64, 63);

    ints_deinit(&deque);
    assert_int_equal(deque.len, 0);
    assert_ok(ints_push_back(&deque, 5));
    assert_counts(&deque, 5, 1);
    ints_deinit(&deque);
}

/* ---- Comparing ---- */

static void equal_looks_at_order_and_length_and_not_at_the_place_in_the_ring(void **state)
{
    (void)state;
    ints a = turned_deque(20, 0), b = turned_deque(20, 55);

    assert_true(ints_equal(&a, &b));
    *ints_at(&b, 12) = 0;
    assert_false(ints_equal(&a, &b));
    *ints_at(&b, 12) = 13;
    assert_true(ints_pop_back(&b, NULL));
    assert_false(ints_equal(&a, &b));
    assert_false(ints_equal(&b, &a));
    ints_deinit(&a);
    ints_deinit(&b);
}

static void find_gives_the_first_from_the_front(void **state)
{
    (void)state;
    ints deque = turned_deque(20, 55);

    *ints_at(&deque, 5) = 100;
    *ints_at(&deque, 15) = 100;
    assert_ptr_equal(ints_find(&deque, 100), ints_at(&deque, 5));
    assert_null(ints_find(&deque, 101));
    ints_deinit(&deque);
}

/* ---- Items that own something ---- */

static void text_free(char **item)
{
    keel_mem_free(*item);
}

static keel_err *text_copy(char **to, char *const *from)
{
    *to = keel_mem_alloc(strlen(*from) + 1);
    if (*to == NULL)
        return KEEL_ERR_NOMEM;
    strcpy(*to, *from);
    return NULL;
}

#define KEEL_DEQUE_NAME texts
#define KEEL_DEQUE_ITEM char *
#define KEEL_DEQUE_EQ(a, b) (strcmp(a, b) == 0)
#define KEEL_DEQUE_ITEM_FREE text_free
#define KEEL_DEQUE_ITEM_COPY text_copy
#include <keel/deque.h>

static keel_err *push_text(texts *deque, const char *text, bool front)
{
    char *copy = NULL, *from = (char *)(uintptr_t)text;

    KEEL_TRY(text_copy(&copy, &from));
    keel_err *err = front ? texts_push_front(deque, copy) : texts_push_back(deque, copy);
    if (err != NULL)
        keel_mem_free(copy);
    return err;
}

/* a b c ... with the ring cut between */
static keel_err *make_texts(texts *deque)
{
    KEEL_TRY(push_text(deque, "c", false));
    KEEL_TRY(push_text(deque, "b", true));
    KEEL_TRY(push_text(deque, "d", false));
    KEEL_TRY(push_text(deque, "a", true));
    return push_text(deque, "e", false);
}

static void every_item_is_freed_once(void **state)
{
    (void)state;
    texts deque = { 0 };
    char *taken = NULL;
    const size_t live = keel_test_live();

    assert_ok(make_texts(&deque));
    assert_int_equal(keel_test_live(), live + 6);
    assert_true(texts_pop_front(&deque, NULL));
    assert_true(texts_pop_back(&deque, NULL));
    assert_int_equal(keel_test_live(), live + 4);
    assert_true(texts_pop_front(&deque, &taken));
    assert_string_equal(taken, "b");
    assert_int_equal(keel_test_live(), live + 4);
    keel_mem_free(taken);
    texts_clear(&deque);
    assert_int_equal(keel_test_live(), live + 1);
    assert_ok(make_texts(&deque));
    texts_deinit(&deque);
    assert_int_equal(keel_test_live(), live);
}

static void a_clone_has_items_of_its_own(void **state)
{
    (void)state;
    texts deque = { 0 }, copy;
    const char *const expected[] = { "a", "b", "c", "d", "e" };

    assert_ok(make_texts(&deque));
    assert_ok(texts_clone(&copy, &deque));
    assert_true(texts_equal(&copy, &deque));
    assert_ptr_not_equal(*texts_front(&copy), *texts_front(&deque));
    texts_deinit(&deque);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(*texts_at(&copy, i), expected[i]);
    assert_int_equal(copy.len, 5);
    texts_deinit(&copy);
}

#define KEEL_DEQUE_NAME names
#define KEEL_DEQUE_ITEM char *
#include <keel/deque.h>

static void a_clone_of_pointers_points_to_the_same(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b";
    names deque = { 0 }, copy;

    assert_ok(names_push_back(&deque, b));
    assert_ok(names_push_front(&deque, a));
    assert_ok(names_clone(&copy, &deque));
    names_deinit(&deque);
    assert_int_equal(copy.len, 2);
    assert_ptr_equal(*names_front(&copy), a);
    assert_ptr_equal(*names_back(&copy), b);
    names_deinit(&copy);
    assert_ok(names_clone(&copy, &deque)); /* of nothing */
    assert_int_equal(copy.len, 0);
    names_deinit(&copy);
}

/* ---- Without memory ---- */

static void without_memory_it_is_as_it_was(void **state)
{
    (void)state;
    ints deque = turned_deque(64, 10), copy;

    keel_test_fail_alloc(1, true);
    assert_err(ints_push_back(&deque, 0), KEEL_ERR_NOMEM);
    assert_err(ints_push_front(&deque, 0), KEEL_ERR_NOMEM);
    assert_err(ints_reserve(&deque, 1), KEEL_ERR_NOMEM);
    assert_err(ints_clone(&copy, &deque), KEEL_ERR_NOMEM);
    assert_int_equal(copy.len, 0);
    assert_null(ints_at(&copy, 0));
    assert_true(ints_pop_back(&deque, NULL));
    ints_shrink(&deque);
    assert_counts(&deque, 1, 63);
    keel_test_fail_alloc(0, false);
    assert_ok(ints_push_back(&deque, 64));
    assert_ok(ints_push_back(&deque, 65));
    assert_counts(&deque, 1, 65);
    ints_deinit(&deque);
}

static void what_is_reserved_needs_no_memory(void **state)
{
    (void)state;
    ints deque = turned_deque(60, 10);

    assert_ok(ints_reserve(&deque, 1000));
    keel_test_fail_alloc(1, true);
    for (int i = 0; i < 1000; i++)
        assert_ok(i % 2 == 0 ? ints_push_back(&deque, i) : ints_push_front(&deque, i));
    assert_int_equal(deque.len, 1060);
    keel_test_fail_alloc(0, false);
    ints_deinit(&deque);
}

static void no_size_overflows(void **state)
{
    (void)state;
    const size_t too_many[] = { SIZE_MAX,
                                SIZE_MAX - 1,
                                SIZE_MAX / 2,
                                SIZE_MAX / sizeof(int),
                                SIZE_MAX / sizeof(int) + 2,
                                PTRDIFF_MAX / sizeof(int) + 1 };
    ints never = { 0 }, deque = turned_deque(3, 63);

    for (size_t i = 0; i < sizeof too_many / sizeof too_many[0]; i++) {
        assert_err(ints_reserve(&never, too_many[i]), KEEL_ERR_NOMEM);
        assert_err(ints_reserve(&deque, too_many[i]), KEEL_ERR_NOMEM);
    }
    assert_counts(&deque, 1, 3);
    assert_int_equal(never.keel__cap, 0);
    ints_deinit(&deque);
}

static keel_err *fill_and_clone(void *arg)
{
    texts deque = { 0 }, copy = { 0 };

    (void)arg;
    keel_err *err = make_texts(&deque);
    if (err == NULL)
        err = texts_clone(&copy, &deque);
    if (err != NULL && copy.len != 0)
        err = keel_err_new("a failed clone is not empty");
    texts_deinit(&copy);
    texts_deinit(&deque);
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
    support_mem_torture(fill_and_clone, NULL, no_other);
}

/* ---- Iterators ---- */

/* Changes the deque under an iterator, in the way of row `*arg`, and goes on. */
static void iterate_over_a_change(void *arg)
{
    ints deque = { 0 };

    for (int i = 0; i < 5; i++)
        keel_err_free(ints_push_back(&deque, i));
    ints_iter it = ints_each(&deque);
    ints_next(&it);
    switch (*(int *)arg) {
    case 0:
        keel_err_free(ints_push_back(&deque, 1));
        break;
    case 1:
        keel_err_free(ints_push_front(&deque, 1));
        break;
    case 2:
        ints_pop_back(&deque, NULL);
        break;
    case 3:
        ints_pop_front(&deque, NULL);
        break;
    case 4:
        ints_clear(&deque);
        break;
    case 5:
        keel_err_free(ints_reserve(&deque, 100));
        break;
    case 6:
        ints_shrink(&deque);
        break;
    default:
        ints_deinit(&deque);
        break;
    }
    ints_next(&it);
}

static void an_iterator_notices_every_change(void **state)
{
    (void)state;
    for (int change = 0; change < 8; change++)
        support_assert_aborts(iterate_over_a_change, &change,
                              "ints: changed while it was iterated over");
}

static void reading_is_no_change(void **state)
{
    (void)state;
    ints deque = turned_deque(10, 60);
    int sum = 0;

    for (ints_iter it = ints_each(&deque); ints_next(&it);) {
        sum += *it.item;
        assert_ptr_equal(ints_find(&deque, *it.item), it.item);
        assert_ok(ints_reserve(&deque, 1));
        *it.item = -1;
    }
    assert_int_equal(sum, 55);
    assert_int_equal(*ints_back(&deque), -1);
    ints_deinit(&deque);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(it_does_what_an_array_does_sized_1),
        keel_test(it_does_what_an_array_does_sized_3),
        keel_test(it_does_what_an_array_does_sized_8),
        keel_test(it_does_what_an_array_does_sized_16),
        keel_test(it_does_what_an_array_does_sized_200),
        keel_test(growing_keeps_the_order_wherever_the_ring_is_cut),
        keel_test(shrinking_keeps_the_order_wherever_the_ring_is_cut),
        keel_test(shrinking_a_full_one_does_nothing),
        keel_test(shrinking_an_empty_one_gives_its_memory_back),
        keel_test(a_queue_of_constant_length_allocates_once),
        keel_test(clearing_keeps_the_memory),
        keel_test(a_million_items_come_out_as_they_went_in),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(it_can_be_used_again_after_deinit),
        keel_test(equal_looks_at_order_and_length_and_not_at_the_place_in_the_ring),
        keel_test(find_gives_the_first_from_the_front),
        keel_test(every_item_is_freed_once),
        keel_test(a_clone_has_items_of_its_own),
        keel_test(a_clone_of_pointers_points_to_the_same),
        keel_test(without_memory_it_is_as_it_was),
        keel_test(what_is_reserved_needs_no_memory),
        keel_test(no_size_overflows),
        keel_test(every_allocation_may_fail),
        keel_test(an_iterator_notices_every_change),
        keel_test(reading_is_no_change),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
