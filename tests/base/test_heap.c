/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include "sized.h"

/* ---- Beside a sorted array ---- */

enum { MODEL_MOST = 200 };

static void put_number(uint32_t *model, size_t *len, uint32_t number)
{
    size_t at = *len;

    while (at > 0 && model[at - 1] > number)
        at--;
    memmove(model + at + 1, model + at, (*len - at) * sizeof *model);
    model[at] = number;
    ++*len;
}

static void take_number(uint32_t *model, size_t *len, uint32_t number)
{
    size_t at = 0;

    while (at < *len && model[at] != number)
        at++;
    assert_true(at < *len);
    --*len;
    memmove(model + at, model + at + 1, (*len - at) * sizeof *model);
}

static void sort_numbers(uint32_t *numbers, size_t len)
{
    for (size_t i = 0; i < len;)
        put_number(numbers, &i, numbers[i]);
}

#define MODEL_ITEM sized_1
#include "heap_model.h"
#define MODEL_ITEM sized_3
#include "heap_model.h"
#define MODEL_ITEM sized_8
#include "heap_model.h"
#define MODEL_ITEM sized_16
#include "heap_model.h"
#define MODEL_ITEM sized_200
#include "heap_model.h"

/* ---- Numbers ---- */

#define KEEL_HEAP_NAME ints
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) (compared++, (a) < (b))
#define KEEL_HEAP_DECLARE
#include <keel/heap.h>

static size_t compared;

#define KEEL_HEAP_NAME ints
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) (compared++, (a) < (b))
#define KEEL_HEAP_IMPLEMENT
#include <keel/heap.h>

/* The heap gives first, first + 1, ..., and nothing else. */
static void assert_counts(ints *heap, int first, int len)
{
    int got = 0;

    assert_int_equal(heap->len, len);
    for (int i = 0; i < len; i++) {
        assert_int_equal(*ints_peek(heap), first + i);
        assert_true(ints_pop(heap, &got));
        assert_int_equal(got, first + i);
    }
    assert_false(ints_pop(heap, &got));
}

static ints heap_of(int len)
{
    ints heap = { 0 };

    for (int i = len; i > 0; i--)
        assert_ok(ints_push(&heap, i));
    return heap;
}

static void every_small_number_of_items_comes_out_in_order(void **state)
{
    (void)state;
    int numbers[200];

    for (int len = 0; len <= 200; len++) {
        ints rising = { 0 }, falling = heap_of(len), at_once = { 0 };
        for (int i = 0; i < len; i++) {
            assert_ok(ints_push(&rising, i));
            numbers[i] = i * 77 % 211;
        }
        assert_counts(&rising, 0, len);
        assert_counts(&falling, 1, len);
        assert_ok(ints_append(&at_once, numbers, (size_t)len));
        for (int last = -1, got; ints_pop(&at_once, &got); last = got)
            assert_true(got > last);
        ints_deinit(&rising);
        ints_deinit(&falling);
        ints_deinit(&at_once);
    }
}

static void a_million_items_come_out_in_order(void **state)
{
    (void)state;
    enum { MANY = 1 << 20 };
    ints heap = { 0 };
    keel_rand rand = { { 0 } };
    int last = 0, got;

    for (int i = 0; i < MANY; i++)
        assert_ok(ints_push(&heap, (int)keel_rand_below(&rand, MANY)));
    for (int i = 0; i < MANY; i++, last = got) {
        assert_true(ints_pop(&heap, &got));
        assert_true(got >= last);
    }
    assert_int_equal(heap.len, 0);
    ints_deinit(&heap);
}

static void it_compares_as_seldom_as_documented(void **state)
{
    (void)state;
    enum { MANY = 1 << 16 }; /* 4^8 */
    static int numbers[MANY];
    ints heap = { 0 };
    keel_rand rand = { { 0 } };

    for (int i = 0; i < MANY; i++)
        numbers[i] = (int)keel_rand_below(&rand, MANY);
    compared = 0;
    assert_ok(ints_append(&heap, numbers, MANY));
    assert_in_range(compared, MANY, 2 * MANY); /* O(n) */
    ints_clear(&heap);

    compared = 0;
    for (int i = 0; i < MANY; i++)
        assert_ok(ints_push(&heap, numbers[i]));
    assert_in_range(compared, MANY - 1, 2 * MANY); /* O(1) on average */

    compared = 0;
    assert_ok(ints_push(&heap, -1)); /* to the top */
    assert_in_range(compared, 8, 9);
    compared = 0;
    assert_true(ints_replace_top(&heap, MANY, NULL)); /* to the bottom */
    assert_in_range(compared, 8 * 4 - 4, 9 * 4);
    ints_deinit(&heap);
}

static void it_may_append_what_it_holds(void **state)
{
    (void)state;
    for (int len = 1; len < 70; len++) {
        for (int count = 1; count <= len; count++) {
            ints heap = heap_of(len);
            int sum = len * (len + 1) / 2, got;
            for (int i = 0; i < count; i++)
                sum += heap.items[i];
            ints_shrink(&heap); /* so that it moves */
            assert_ok(ints_append(&heap, heap.items, (size_t)count));
            assert_int_equal(heap.len, len + count);
            for (int last = 0; ints_pop(&heap, &got); last = got) {
                assert_true(got >= last);
                sum -= got;
            }
            assert_int_equal(sum, 0);
            ints_deinit(&heap);
        }
    }
}

static void shrinking_an_empty_one_gives_its_memory_back(void **state)
{
    (void)state;
    ints heap = heap_of(9);

    ints_clear(&heap);
    assert_int_equal(heap.len, 0);
    const size_t live = keel_test_live();
    assert_true(heap.cap >= 9);
    ints_shrink(&heap);
    assert_int_equal(keel_test_live(), live - 1);
    assert_int_equal(heap.cap, 0);
    ints_shrink(&heap);
    assert_ok(ints_push(&heap, 7));
    assert_counts(&heap, 7, 1);
    ints_deinit(&heap);
}

static void shrinking_leaves_no_room(void **state)
{
    (void)state;
    ints heap = heap_of(9);

    ints_shrink(&heap);
    assert_int_equal(heap.cap, 9);
    const size_t made = keel_test_made();
    ints_iter it = ints_each(&heap);
    ints_shrink(&heap); /* nothing to do */
    assert_int_equal(keel_test_made(), made);
    assert_true(ints_next(&it));
    assert_ok(ints_push(&heap, 0));
    assert_counts(&heap, 0, 10);
    ints_deinit(&heap);
}

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    ints heap = { 0 };
    int untouched = 42;

    for (int i = 0; i < 2; i++) {
        ints_iter it = ints_each(&heap);
        assert_false(ints_next(&it));
        assert_false(ints_pop(&heap, &untouched));
        assert_false(ints_replace_top(&heap, 1, &untouched));
        assert_false(ints_remove(&heap, 0, &untouched));
        assert_null(ints_peek(&heap));
        ints_fix(&heap, 0);
        ints_clear(&heap);
        assert_ok(ints_append(&heap, NULL, 0));
        assert_ok(ints_reserve(&heap, 0));
        assert_false(ints_next(&it)); /* none of which is a change */
        ints_heapify(&heap);
        ints_deinit(&heap); /* and after it */
    }
    assert_int_equal(untouched, 42);
    assert_int_equal(heap.len, 0);
    ints_deinit(NULL);
}

static void it_can_be_used_again_after_deinit(void **state)
{
    (void)state;
    ints heap = heap_of(9);

    ints_deinit(&heap);
    assert_int_equal(heap.len, 0);
    assert_ok(ints_push(&heap, 5));
    assert_counts(&heap, 5, 1);
    ints_deinit(&heap);
}

/* ---- Items that own something and know where they are ---- */

typedef struct job {
    int urgency;
    size_t place;
} job;

static void job_free(job **item)
{
    keel_mem_free(*item);
}

static keel_err *job_new(job **out, int urgency)
{
    *out = keel_mem_alloc(sizeof **out);
    if (*out == NULL)
        return KEEL_ERR_NOMEM;
    **out = (job){ .urgency = urgency, .place = SIZE_MAX };
    return NULL;
}

static keel_err *job_copy(job **to, job *const *from)
{
    return job_new(to, (*from)->urgency);
}

static bool more_urgent(const job *a, const job *b)
{
    return a->urgency > b->urgency;
}

static void job_moved(job **item, size_t index)
{
    (*item)->place = index;
}

#define KEEL_HEAP_NAME jobs
#define KEEL_HEAP_ITEM job *
#define KEEL_HEAP_LESS more_urgent
#define KEEL_HEAP_MOVED job_moved
#define KEEL_HEAP_ITEM_FREE job_free
#define KEEL_HEAP_ITEM_COPY job_copy
#include <keel/heap.h>

static keel_err *push_job(jobs *heap, int urgency)
{
    job *item = NULL;

    KEEL_TRY(job_new(&item, urgency));
    keel_err *err = jobs_push(heap, item);
    if (err != NULL)
        keel_mem_free(item);
    return err;
}

static void assert_places(const jobs *heap)
{
    for (size_t i = 0; i < heap->len; i++) {
        assert_int_equal(heap->items[i]->place, i);
        assert_true(i == 0 || heap->items[(i - 1) / 4]->urgency >= heap->items[i]->urgency);
    }
}

static void every_item_knows_its_place(void **state)
{
    (void)state;
    jobs heap = { 0 }, copy;
    keel_rand rand = { { 0 } };
    job *batch[40];

    for (int round = 0; round < 2000; round++) {
        const size_t index = keel_rand_below(&rand, heap.len + 1);
        const int urgency = (int)keel_rand_below(&rand, 100);
        switch (keel_rand_below(&rand, 10)) {
        case 0:
            if (index < heap.len)
                assert_true(jobs_remove(&heap, heap.items[index]->place, NULL));
            break;
        case 1:
            if (index < heap.len) {
                heap.items[index]->urgency = urgency;
                jobs_fix(&heap, index);
            }
            break;
        case 2:
            assert_ok(job_new(&batch[0], urgency));
            if (!jobs_replace_top(&heap, batch[0], NULL))
                keel_mem_free(batch[0]);
            break;
        case 3:
            jobs_pop(&heap, NULL);
            break;
        case 4:
            for (size_t i = 0; i < heap.len; i++)
                heap.items[i]->place = SIZE_MAX;
            jobs_heapify(&heap);
            break;
        case 5: {
            const size_t count = heap.len > 100 ? 0 : keel_rand_below(&rand, 40);
            for (size_t i = 0; i < count; i++)
                assert_ok(job_new(&batch[i], (int)keel_rand_below(&rand, 100)));
            assert_ok(jobs_append(&heap, batch, count));
            break;
        }
        case 6:
            assert_ok(jobs_clone(&copy, &heap));
            assert_int_equal(copy.len, heap.len);
            assert_places(&copy);
            jobs_deinit(&copy);
            break;
        case 7:
            if (heap.len > 200)
                jobs_clear(&heap);
            break;
        default:
            assert_ok(push_job(&heap, urgency));
            break;
        }
        assert_places(&heap);
    }
    jobs_deinit(&heap);
}

static void every_item_is_freed_once(void **state)
{
    (void)state;
    jobs heap = { 0 };
    job *taken = NULL, *put = NULL;
    const size_t live = keel_test_live();

    for (int i = 0; i < 5; i++)
        assert_ok(push_job(&heap, i));
    assert_int_equal(keel_test_live(), live + 6);
    assert_true(jobs_pop(&heap, NULL));
    assert_true(jobs_remove(&heap, 1, NULL));
    assert_int_equal(keel_test_live(), live + 4);
    assert_true(jobs_pop(&heap, &taken));
    assert_int_equal(taken->urgency, 3);
    assert_true(jobs_replace_top(&heap, taken, NULL));
    assert_int_equal(keel_test_live(), live + 3);
    assert_ok(job_new(&put, 1));
    assert_true(jobs_replace_top(&heap, put, &taken));
    assert_int_equal(taken->urgency, 3);
    keel_mem_free(taken);
    assert_int_equal(keel_test_live(), live + 3);
    jobs_clear(&heap);
    assert_int_equal(keel_test_live(), live + 1);
    assert_ok(push_job(&heap, 1));
    jobs_deinit(&heap);
    assert_int_equal(keel_test_live(), live);
}

static void a_clone_has_items_of_its_own(void **state)
{
    (void)state;
    jobs heap = { 0 }, copy;
    job *got = NULL;

    for (int i = 0; i < 50; i++)
        assert_ok(push_job(&heap, i));
    assert_ok(jobs_clone(&copy, &heap));
    jobs_deinit(&heap);
    for (int i = 50; i-- > 0;) {
        assert_true(jobs_pop(&copy, &got));
        assert_int_equal(got->urgency, i);
        keel_mem_free(got);
    }
    assert_false(jobs_pop(&copy, &got));
    jobs_deinit(&copy);
}

/* ---- Without memory ---- */

static void without_memory_it_is_as_it_was(void **state)
{
    (void)state;
    ints heap = heap_of(9), copy;
    int more[] = { 1, 2, 3 };

    ints_shrink(&heap);
    keel_test_fail_alloc(1, true);
    assert_err(ints_push(&heap, 0), KEEL_ERR_NOMEM);
    assert_err(ints_append(&heap, more, 3), KEEL_ERR_NOMEM);
    assert_err(ints_reserve(&heap, 1), KEEL_ERR_NOMEM);
    assert_err(ints_clone(&copy, &heap), KEEL_ERR_NOMEM);
    assert_int_equal(copy.len, 0);
    assert_true(ints_replace_top(&heap, 10, NULL)); /* needs none */
    assert_true(ints_pop(&heap, NULL));
    ints_shrink(&heap);
    assert_int_equal(heap.cap, 9);
    keel_test_fail_alloc(0, false);
    assert_counts(&heap, 3, 8);
    ints_deinit(&heap);
}

static void what_is_reserved_needs_no_memory(void **state)
{
    (void)state;
    ints heap = heap_of(9);

    assert_ok(ints_reserve(&heap, 1000));
    keel_test_fail_alloc(1, true);
    for (int i = 10; i < 1010; i++)
        assert_ok(ints_push(&heap, i));
    keel_test_fail_alloc(0, false);
    assert_counts(&heap, 1, 1009);
    ints_deinit(&heap);
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
    ints never = { 0 }, heap = heap_of(3);

    for (size_t i = 0; i < sizeof too_many / sizeof too_many[0]; i++) {
        assert_err(ints_reserve(&never, too_many[i]), KEEL_ERR_NOMEM);
        assert_err(ints_reserve(&heap, too_many[i]), KEEL_ERR_NOMEM);
    }
    assert_int_equal(never.cap, 0);
    assert_counts(&heap, 1, 3);
    ints_deinit(&heap);
}

static keel_err *fill_and_clone(void *arg)
{
    jobs heap = { 0 }, copy = { 0 };
    keel_err *err = NULL;

    (void)arg;
    for (int i = 0; i < 6 && err == NULL; i++)
        err = push_job(&heap, i);
    if (err == NULL)
        err = jobs_clone(&copy, &heap);
    if (err != NULL && copy.len != 0)
        err = keel_err_new("a failed clone is not empty");
    jobs_deinit(&copy);
    jobs_deinit(&heap);
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

/* Changes the heap under an iterator, in the way of row `*arg`, and goes on. */
static void iterate_over_a_change(void *arg)
{
    ints heap = { 0 };

    for (int i = 0; i < 5; i++)
        keel_err_free(ints_push(&heap, i));
    ints_iter it = ints_each(&heap);
    ints_next(&it);
    switch (*(int *)arg) {
    case 0:
        keel_err_free(ints_push(&heap, 1));
        break;
    case 1:
        keel_err_free(ints_append(&heap, (int[]){ 5 }, 1));
        break;
    case 2:
        keel_err_free(ints_append(&heap, (int[]){ 5, 6, 7, 8, 9, 10 }, 6));
        break;
    case 3:
        ints_pop(&heap, NULL);
        break;
    case 4:
        ints_remove(&heap, 4, NULL);
        break;
    case 5:
        ints_replace_top(&heap, 1, NULL);
        break;
    case 6:
        ints_fix(&heap, 0);
        break;
    case 7:
        ints_heapify(&heap);
        break;
    case 8:
        ints_clear(&heap);
        break;
    case 9:
        keel_err_free(ints_reserve(&heap, 100));
        break;
    case 10:
        ints_shrink(&heap);
        break;
    default:
        ints_deinit(&heap);
        break;
    }
    ints_next(&it);
}

static void an_iterator_notices_every_change(void **state)
{
    (void)state;
    for (int change = 0; change < 12; change++)
        support_assert_aborts(iterate_over_a_change, &change,
                              "ints: changed while it was iterated over");
}

static void reading_is_no_change(void **state)
{
    (void)state;
    ints heap = heap_of(10);
    int sum = 0;

    for (ints_iter it = ints_each(&heap); ints_next(&it);) {
        sum += *it.item;
        assert_int_equal(*ints_peek(&heap), 1);
        assert_ok(ints_reserve(&heap, 1));
    }
    assert_int_equal(sum, 55);
    ints_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(it_does_what_a_sorted_array_does_sized_1),
        keel_test(it_does_what_a_sorted_array_does_sized_3),
        keel_test(it_does_what_a_sorted_array_does_sized_8),
        keel_test(it_does_what_a_sorted_array_does_sized_16),
        keel_test(it_does_what_a_sorted_array_does_sized_200),
        keel_test(every_small_number_of_items_comes_out_in_order),
        keel_test(a_million_items_come_out_in_order),
        keel_test(it_compares_as_seldom_as_documented),
        keel_test(it_may_append_what_it_holds),
        keel_test(shrinking_an_empty_one_gives_its_memory_back),
        keel_test(shrinking_leaves_no_room),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(it_can_be_used_again_after_deinit),
        keel_test(every_item_knows_its_place),
        keel_test(every_item_is_freed_once),
        keel_test(a_clone_has_items_of_its_own),
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
