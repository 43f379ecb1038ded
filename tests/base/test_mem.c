/* SPDX-License-Identifier: MIT */
#include "support.h"

/* ---- Through the allocator that the program has set ---- */

static void memory_comes_from_the_allocator_and_goes_back(void **state)
{
    (void)state;
    size_t live = support_mem_live(), made = support_mem_made();
    char *ptr = keel_mem_alloc(10);

    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
    assert_int_equal(support_mem_live(), live + 1);
    memcpy(ptr, "123456789", 10);
    ptr = keel_mem_realloc(ptr, 100000);
    assert_string_equal(ptr, "123456789");
    ptr = keel_mem_realloc(ptr, 4);
    assert_memory_equal(ptr, "1234", 4);
    assert_int_equal(support_mem_live(), live + 1);
    assert_int_equal(support_mem_made(), made + 3);
    keel_mem_free(ptr);
    keel_mem_free(NULL);
    assert_int_equal(support_mem_live(), live);
}

static void reallocating_nothing_allocates(void **state)
{
    (void)state;
    void *ptr = keel_mem_realloc(NULL, 8);

    assert_non_null(ptr);
    keel_mem_free(ptr);
}

static void no_bytes_are_refused(void **state)
{
    (void)state;
    size_t made = support_mem_made();
    char *ptr = keel_mem_alloc(1);

    assert_null(keel_mem_alloc(0));
    assert_null(keel_mem_calloc(0, 5));
    assert_null(keel_mem_calloc(5, 0));
    assert_null(keel_mem_realloc(NULL, 0));
    *ptr = 'x';
    assert_null(keel_mem_realloc(ptr, 0));
    assert_int_equal(*ptr, 'x'); /* still there */
    assert_int_equal(support_mem_made(), made + 1);
    keel_mem_free(ptr);
}

static void calloc_gives_zeros(void **state)
{
    (void)state;
    unsigned char *ptr = keel_mem_calloc(7, 3);

    for (int i = 0; i < 21; i++)
        assert_int_equal(ptr[i], 0);
    keel_mem_free(ptr);
}

static void calloc_refuses_a_product_that_overflows(void **state)
{
    (void)state;
    size_t half = SIZE_MAX / 2 + 1;

    assert_null(keel_mem_calloc(half, 2));
    assert_null(keel_mem_calloc(2, half));
    assert_null(keel_mem_calloc(SIZE_MAX, SIZE_MAX));
    assert_null(keel_mem_calloc(half + 1, 2)); /* the product would be 2 */
}

static void a_failing_allocation_is_null_and_changes_nothing(void **state)
{
    (void)state;
    char *ptr = keel_mem_alloc(2);

    memcpy(ptr, "x", 2);
    support_mem_fail(1, true);
    assert_null(keel_mem_alloc(1));
    assert_null(keel_mem_calloc(1, 1));
    assert_null(keel_mem_realloc(ptr, 100));
    assert_true(support_mem_failed());
    support_mem_fail(0, false);
    assert_string_equal(ptr, "x");
    keel_mem_free(ptr);
}

static void the_nth_allocation_fails_and_no_other(void **state)
{
    (void)state;
    void *ptrs[4];

    support_mem_fail(3, false);
    for (int i = 0; i < 4; i++) {
        ptrs[i] = keel_mem_alloc(1);
        assert_int_equal(ptrs[i] == NULL, i == 2);
        assert_int_equal(support_mem_failed(), i >= 2);
    }
    for (int i = 0; i < 4; i++)
        keel_mem_free(ptrs[i]);
}

/* Counts its runs; makes three allocations, and gives up at the first that fails. */
static keel_err *three_allocations(void *arg)
{
    ++*(int *)arg;
    for (int i = 0; i < 3; i++) {
        void *ptr = keel_mem_alloc(1);
        if (ptr == NULL)
            return KEEL_ERR_NOMEM;
        keel_mem_free(ptr);
    }
    return NULL;
}

static void torture_fails_each_allocation_in_turn(void **state)
{
    (void)state;
    int runs = 0;

    support_mem_torture(three_allocations, &runs, NULL);
    assert_int_equal(runs, 2 * 4);
}

/* ---- Setting it ----
 *
 * In child processes: a process can do it only once. What they write is what went wrong. */

static int called[3];

static void *own_alloc(void *self, size_t size)
{
    called[0] += self == called;
    return malloc(size);
}

static void *own_realloc(void *self, void *ptr, size_t size)
{
    called[1] += self == called;
    return realloc(ptr, size);
}

static void own_free(void *self, void *ptr)
{
    called[2] += self == called;
    free(ptr);
}

static const keel_allocator own = { own_alloc, own_realloc, own_free, called };

static void expect(bool holds, const char *what)
{
    if (!holds)
        fprintf(stderr, "not so: %s\n", what);
}

static void setting_it_late(void *arg)
{
    (void)arg;
    keel_mem_free(keel_mem_alloc(1));
    expect(keel_mem_set(&own) == KEEL_ERR_BUSY, "refused after an allocation");
}

static void setting_it_after_realloc(void *arg)
{
    (void)arg;
    keel_mem_free(keel_mem_realloc(NULL, 1));
    expect(keel_mem_set(&own) == KEEL_ERR_BUSY, "refused after a reallocation");
}

static void setting_it_twice(void *arg)
{
    (void)arg;
    keel_allocator copied = own;

    expect(keel_mem_set(&copied) == NULL, "taken the first time");
    memset(&copied, 0, sizeof copied);
    expect(keel_mem_set(&own) == KEEL_ERR_BUSY, "refused the second time");

    void *ptr = keel_mem_alloc(1);
    ptr = keel_mem_realloc(ptr, 2);
    keel_mem_free(ptr);
    keel_mem_free(NULL);
    expect(called[0] == 1 && called[1] == 1 && called[2] == 1, "each was called once with self");
}

static void setting_what_is_incomplete(void *arg)
{
    (void)arg;
    for (int missing = 0; missing < 3; missing++) {
        keel_allocator partial = own;
        if (missing == 0)
            partial.alloc = NULL;
        else if (missing == 1)
            partial.realloc = NULL;
        else
            partial.free = NULL;
        expect(keel_mem_set(&partial) == KEEL_ERR_INVAL, "a function is missing");
    }
    expect(keel_mem_set(&own) == NULL, "a refusal does not count as the first call");
}

static void using_the_default(void *arg)
{
    (void)arg;
    char *ptr = keel_mem_alloc(2);

    expect(ptr != NULL, "there is memory");
    memcpy(ptr, "x", 2);
    ptr = keel_mem_realloc(ptr, 1000);
    expect(strcmp(ptr, "x") == 0, "it moves with its bytes");
    keel_mem_free(ptr);
}

static void assert_silent(void (*fn)(void *arg))
{
    int status;

    assert_string_equal(support_child(fn, NULL, &status), "");
    assert_int_equal(status, 0);
}

static void the_allocator_is_set_once_and_first(void **state)
{
    (void)state;

    assert_silent(using_the_default);
    assert_silent(setting_it_late);
    assert_silent(setting_it_after_realloc);
    assert_silent(setting_it_twice);
    assert_silent(setting_what_is_incomplete);
}

static void free_what_was_not_allocated(void *arg)
{
    static max_align_t block[4];

    (void)arg;
    support_mem_install();
    keel_mem_free(&block[3]);
}

static void the_test_allocator_knows_its_blocks(void **state)
{
    (void)state;

    support_assert_aborts(free_what_was_not_allocated, NULL, "is no block of this allocator");
}

int main(void)
{
    /* before the allocator is set: their children start as a program does */
    const struct CMUnitTest first[] = {
        cmocka_unit_test(the_allocator_is_set_once_and_first),
        cmocka_unit_test(the_test_allocator_knows_its_blocks),
    };
    const struct CMUnitTest tests[] = {
        support_test(memory_comes_from_the_allocator_and_goes_back),
        support_test(reallocating_nothing_allocates),
        support_test(no_bytes_are_refused),
        support_test(calloc_gives_zeros),
        support_test(calloc_refuses_a_product_that_overflows),
        support_test(a_failing_allocation_is_null_and_changes_nothing),
        support_test(the_nth_allocation_fails_and_no_other),
        support_test(torture_fails_each_allocation_in_turn),
    };

    int failed = cmocka_run_group_tests(first, NULL, NULL);
    support_mem_install();
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
