/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <pthread.h>

/* This program has the allocator of keel/bench.h, where the others have that of keel/test.h. */

static keel_bench_result measure(keel_bench_fn run, size_t count, unsigned runs)
{
    fake f = { .each_ns = 10 };
    keel_bench_result result;

    fake_measure(&f, &result, run, &(keel_bench_opts){ .count = count, .runs = runs });
    return result;
}

static void *allocate(size_t size)
{
    void *block = keel_mem_alloc(size);

    KEEL_BENCH_CHECK(block != NULL);
    return block;
}

static void two_blocks(keel_bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        keel_mem_free(allocate(100));
        keel_mem_free(allocate(24));
    }
}

static void allocations_and_their_bytes_are_for_one_operation(void **state)
{
    (void)state;
    keel_bench_result result = measure(two_blocks, 10, 3);

    assert_true(result.counted);
    assert_true(result.allocs == 2);
    assert_true(result.alloc_bytes == 124);
    result = measure(two_blocks, 1000, 1);
    assert_true(result.allocs == 2);
}

static void grows(keel_bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        void *block = allocate(10);
        void *larger = keel_mem_realloc(block, 30);

        KEEL_BENCH_CHECK(larger != NULL);
        keel_mem_free(larger);
    }
}

static void a_reallocation_counts_as_one_of_its_new_size(void **state)
{
    (void)state;
    keel_bench_result result = measure(grows, 5, 1);

    assert_true(result.allocs == 2);
    assert_true(result.alloc_bytes == 40);
}

static void prepares(keel_bench *b)
{
    void *prepared = allocate(1000);

    keel_bench_reset(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_mem_free(allocate(8));
        keel_bench_stop(b);
        keel_mem_free(allocate(500));
        keel_bench_start(b);
        if (i % 2 == 0)
            keel_mem_free(allocate(16));
    }
    keel_bench_stop(b);
    keel_mem_free(allocate(2000));
    keel_mem_free(prepared);
}

static void only_what_is_timed_is_counted(void **state)
{
    (void)state;
    keel_bench_result result = measure(prepares, 10, 2);

    assert_true(result.allocs == 1.5);
    assert_true(result.alloc_bytes == 16);
}

static void prepares_with_the_timer_stopped(keel_bench *b)
{
    keel_mem_free(allocate(300));
    keel_bench_stop(b);
    keel_bench_reset(b);
    keel_mem_free(allocate(8 * b->n));
}

static void reset_forgets_allocations_that_were_counted(void **state)
{
    (void)state;
    keel_bench_result result = measure(prepares_with_the_timer_stopped, 1, 1);

    assert_true(result.allocs == 1);
    assert_true(result.alloc_bytes == 8);
}

static void nothing_is_counted_between_the_runs(void **state)
{
    (void)state;
    assert_true(measure(two_blocks, 1, 1).counted);
    keel__bench_count before = keel__bench_counted();
    keel_mem_free(allocate(16));
    keel__bench_count after = keel__bench_counted();
    assert_int_equal(after.allocs, before.allocs);
    assert_int_equal(after.bytes, before.bytes);
}

static void *allocate_in_thread(void *arg)
{
    keel_mem_free(allocate(64));
    return arg;
}

static void by_thread(keel_bench *b)
{
    pthread_t thread;

    for (size_t i = 0; i < b->n; i++) {
        KEEL_BENCH_CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

static void allocations_of_all_threads_count(void **state)
{
    (void)state;
    keel_bench_result result = measure(by_thread, 3, 1);

    assert_true(result.allocs == 1);
    assert_true(result.alloc_bytes == 64);
}

static keel_err *allocate_in_task(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    *(void **)arg = keel_mem_alloc(5000);
    return NULL;
}

static void by_task(keel_bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        void *block = NULL;
        keel_group *group = keel_group_new(((keel_ctx **)b->arg)[0], NULL);

        keel_group_go(group, allocate_in_task, &block);
        KEEL_BENCH_OK(keel_group_wait(group));
        KEEL_BENCH_CHECK(block != NULL);
        keel_mem_free(block);
    }
}

static keel_err *measure_in_task(keel_ctx *ctx, void *out)
{
    const keel_bench_entry entry = { .run = by_task, .name = "tasks", .arg = &ctx };

    keel_bench_measure(out, &entry, &(keel_bench_opts){ .count = 10, .runs = 2 });
    return NULL;
}

static void a_task_may_measure_tasks(void **state)
{
    (void)state;
    keel_bench_result result;

    assert_ok(support_run(measure_in_task, &result));
    assert_true(result.counted);
    assert_true(result.allocs >= 1 && result.alloc_bytes >= 5000);
}

static void counting_has_a_run_of_its_own(void **state)
{
    (void)state;
    fake f = { .each_ns = 10, .later_ns = { 10, 10, 10, 5000 } };
    keel_bench_result result;

    fake_measure(&f, &result, fake_run, &(keel_bench_opts){ .count = 2, .runs = 3 });
    assert_int_equal(f.calls, 4);
    assert_true(result.most == 10);
    assert_true(result.allocs == 0 && result.alloc_bytes == 0);
}

static void lines_show_them(void **state)
{
    (void)state;
    fake f = { 0 };
    const keel_bench_entry table[] = { { two_blocks, "two", &f, NULL },
                                       { prepares, "prepares", &f, NULL } };
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "prog --count 8", table, 2), 0);
    assert_string_equal(o.out, "two                8          0.000 ns/op  \xC2\xB1  0.0%"
                               "        124 B/op        2 allocs/op\n"
                               "prepares           8          0.000 ns/op  \xC2\xB1  0.0%"
                               "         16 B/op     1.50 allocs/op\n");
    assert_int_equal(fake_main(&f, &o, "prog --tsv --count 8 pre", table, 2), 0);
    assert_string_equal(o.out, "prepares\tprog\t0\tns/op\n"
                               "prepares\tprog\t16\tB/op\n"
                               "prepares\tprog\t1.5\tallocs/op\n");
}

static void fractions_of_large_counts_are_not_shown(void **state)
{
    (void)state;
    fake f = { 0 };
    const keel_bench_entry table[] = { { prepares, "prepares", &f, NULL } };
    fake_output o;

    assert_int_equal(fake_main(&f, &o, "prog --count 3", table, 1), 0);
    assert_non_null(strstr(o.out, "      18.67 B/op     1.67 allocs/op"));
    assert_int_equal(fake_main(&f, &o, "prog --count 1", table, 1), 0);
    assert_non_null(strstr(o.out, "        24 B/op        2 allocs/op"));
}

static void the_allocator_may_be_set_twice(void **state)
{
    (void)state;
    assert_ok(keel_bench_init());
    assert_true(measure(two_blocks, 10, 1).counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_and_their_bytes_are_for_one_operation),
        cmocka_unit_test(a_reallocation_counts_as_one_of_its_new_size),
        cmocka_unit_test(only_what_is_timed_is_counted),
        cmocka_unit_test(reset_forgets_allocations_that_were_counted),
        cmocka_unit_test(nothing_is_counted_between_the_runs),
        cmocka_unit_test(allocations_of_all_threads_count),
        cmocka_unit_test(a_task_may_measure_tasks),
        cmocka_unit_test(counting_has_a_run_of_its_own),
        cmocka_unit_test(lines_show_them),
        cmocka_unit_test(fractions_of_large_counts_are_not_shown),
        cmocka_unit_test(the_allocator_may_be_set_twice),
    };

    KEEL_BENCH_OK(keel_bench_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
