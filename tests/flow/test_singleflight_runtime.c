/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <pthread.h>
#include <sys/resource.h>

#include <keel/singleflight.h>

#include "task/switch.h"

/* What the calls of a test have in common, and how often they were made. */
typedef struct world {
    keel_flights *flights;
    int calls, freed; /* args */
} world;

static keel_err *quick(keel_ctx *ctx, void *out, void *arg)
{
    world *w = arg;

    w->calls++;
    keel_yield();
    KEEL_TRY(keel_ctx_err(ctx));
    *(int64_t *)out = 7;
    return NULL;
}

static void freed(void *arg)
{
    ((world *)arg)->freed++;
}

/* ---- Without a stack ---- */

#if defined(__linux__) && !KEEL__ASAN && !KEEL__TSAN && !defined(KEEL_VALGRIND)

enum { HUGE_STACK = 1 << 30 };

static keel_err *fly_without_stacks(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    struct rlimit old;
    int64_t value = 7;
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(
        keel_flights_new(ctx, &w.flights, sizeof value,
                         &(keel_flights_opts){ .stack_bytes = HUGE_STACK, .arg_free = freed }));
    check(getrlimit(RLIMIT_AS, &old) == 0);
    check(setrlimit(RLIMIT_AS, &(struct rlimit){ HUGE_STACK, old.rlim_max }) == 0);
    keel_err *err = keel_flights_do(ctx, w.flights, KEEL_STR("k"), quick, &w, &value, NULL);
    check(setrlimit(RLIMIT_AS, &old) == 0);
    check_err(err, KEEL_ERR_LIMIT);
    keel_flights_get_stats(w.flights, &stats);
    check(value == 0 && w.freed == 1 && w.calls == 0 && stats.flying == 0);
    KEEL_TRY(keel_flights_do(ctx, w.flights, KEEL_STR("k"), quick, &w, &value, NULL));
    keel_flights_free(w.flights);
    check(value == 7);
    return NULL;
}

static void a_call_without_a_stack_is_an_error(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, fly_without_stacks, NULL));
}

static struct rlimit enough;

/* The first to be told asks again, before the other has left the call that never began. */
static keel_err *ask_twice(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int64_t value = 0;

    keel_err *err = keel_flights_do(ctx, w->flights, KEEL_STR("k"), quick, w, &value, NULL);
    check(setrlimit(RLIMIT_AS, &enough) == 0);
    check_err(err, KEEL_ERR_LIMIT);
    KEEL_TRY(keel_flights_do(ctx, w->flights, KEEL_STR("k"), quick, w, &value, NULL));
    check(value == 7);
    return NULL;
}

static keel_err *ask_again_without_stacks(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(
        keel_flights_new(ctx, &w.flights, sizeof(int64_t),
                         &(keel_flights_opts){ .stack_bytes = HUGE_STACK, .arg_free = freed }));
    check(getrlimit(RLIMIT_AS, &enough) == 0);
    check(setrlimit(RLIMIT_AS, &(struct rlimit){ HUGE_STACK, enough.rlim_max }) == 0);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, ask_twice, &w);
    keel_group_go(group, ask_twice, &w);
    keel_err *err = keel_group_wait(group);
    check(setrlimit(RLIMIT_AS, &enough) == 0);
    KEEL_TRY(err);
    keel_flights_get_stats(w.flights, &stats);
    keel_flights_free(w.flights);
    /* one of each two caused a call, the other joined it: the one that never began, and the next */
    check(stats.started == 2 && stats.joined == 2 && stats.flying == 0);
    check(w.calls == 1 && w.freed == 4);
    return NULL;
}

static void nobody_joins_a_call_that_got_no_stack(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, ask_again_without_stacks, NULL));
}
#endif

/* ---- On the real runtime ---- */

static keel_err *many_ask(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 0; i < 200; i++) {
        int64_t value = 0;
        char key[8];

        snprintf(key, sizeof key, "%d", i % 5);
        KEEL_TRY(keel_flights_do(ctx, w->flights, keel_str_from(key), quick, w, &value, NULL));
        check(value == 7);
    }
    return NULL;
}

static keel_err *from_many_tasks(keel_ctx *ctx, void *arg)
{
    world w[8] = { { 0 } };
    keel_flights *flights;

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &flights, sizeof(int64_t), NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 8; i++) {
        w[i].flights = flights;
        keel_group_go(group, many_ask, &w[i]);
    }
    keel_err *err = keel_group_wait(group);
    keel_flights_free(flights);
    return err;
}

static void it_works_on_real_workers(void **state)
{
    (void)state;
    assert_ok(support_run(from_many_tasks, NULL));
}

static void it_works_from_a_plain_thread(void **state)
{
    (void)state;
    keel_runtime *rt;
    world w = { 0 };
    int64_t value = 0;

    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    assert_ok(keel_flights_new(keel_runtime_ctx(rt), &w.flights, sizeof value, NULL));
    assert_ok(keel_flights_do(NULL, w.flights, KEEL_STR("k"), quick, &w, &value, NULL));
    assert_int_equal(value, 7);
    keel_flights_free(w.flights);
    assert_ok(keel_runtime_stop(NULL, rt));
}

static keel_err *where_it_runs(keel_ctx *ctx, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(pthread_t *)out = pthread_self();
    return NULL;
}

static keel_err *on_two_workers(keel_ctx *ctx, void *arg)
{
    keel_flights *flights;
    pthread_t threads[2];

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &flights, sizeof *threads, NULL));
    for (int i = 0; i < 2; i++)
        KEEL_TRY(
            keel_flights_do(ctx, flights, KEEL_STR("k"), where_it_runs, NULL, &threads[i], NULL));
    keel_flights_free(flights);
    check(!pthread_equal(threads[0], threads[1]));
    return NULL;
}

static void calls_are_spread_over_the_workers(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 2, on_two_workers, NULL));
}

static keel_err *with_a_stack_of(keel_ctx *ctx, void *arg)
{
    keel_flights *flights;

    keel_err *err = keel_flights_new(ctx, &flights, 1, &(keel_flights_opts){ .stack_bytes = 1 });
    check(flights == NULL);
    (void)arg;
    return err;
}

static void what_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    keel_flights *flights;

    assert_err(keel_flights_new(NULL, &flights, 1, NULL), KEEL_ERR_NO_RUNTIME);
    assert_null(flights);
    assert_err(support_run(with_a_stack_of, NULL), KEEL_ERR_INVAL);
    keel_flights_free(NULL);
}

static keel_err *huge_values(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, SIZE_MAX - 8, NULL));
    keel_err *err = keel_flights_do(ctx, w.flights, KEEL_STR("0123456789"), quick, &w, NULL, NULL);
    keel_flights_free(w.flights);
    return err;
}

static void values_larger_than_memory_are_an_error(void **state)
{
    (void)state;
    assert_err(support_run(huge_values, NULL), KEEL_ERR_NOMEM);
}

static keel_err *use_all_of_it(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    int64_t value = 0;

    (void)arg;
    KEEL_TRY(
        keel_flights_new(ctx, &w.flights, sizeof value, &(keel_flights_opts){ .arg_free = freed }));
    keel_err *err = keel_flights_do(ctx, w.flights, KEEL_STR("a key"), quick, &w, &value, NULL);
    keel_flights_free(w.flights);
    if (w.freed != 1 || (err == NULL) != (value == 7))
        return keel_err_join(keel_err_new("freed %d", w.freed), err);
    return err;
}

/* The nth allocation of a call fails: the next call does not find what is left of it. */
static keel_err *fail_once(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    int64_t value = 0;

    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof value, NULL));
    keel_test_fail_alloc(*(size_t *)arg, false);
    keel_err *err = keel_flights_do(ctx, w.flights, KEEL_STR("a key"), quick, &w, &value, NULL);
    if (!keel_test_alloc_failed())
        *(size_t *)arg = 0; /* it needed fewer */
    keel_test_fail_alloc(0, false);
    keel_err_free(err);
    err = keel_flights_do(ctx, w.flights, KEEL_STR("a key"), quick, &w, &value, NULL);
    keel_flights_free(w.flights);
    check(err != NULL || value == 7);
    return err;
}

static void a_call_that_could_not_begin_stands_in_nobodys_way(void **state)
{
    (void)state;
    for (size_t nth = 1;; nth++) {
        size_t at = nth;
        assert_ok(support_run(fail_once, &at));
        if (at == 0)
            break;
    }
}

static keel_err *on_a_runtime(void *arg)
{
    return support_run(use_all_of_it, arg);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(on_a_runtime, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(it_works_on_real_workers),
        support_test(it_works_from_a_plain_thread),
        support_test(calls_are_spread_over_the_workers),
        support_test(what_cannot_be_made_is_an_error),
        support_test(values_larger_than_memory_are_an_error),
        support_test(a_call_that_could_not_begin_stands_in_nobodys_way),
        support_test(each_allocation_may_fail),
#if defined(__linux__) && !KEEL__ASAN && !KEEL__TSAN && !defined(KEEL_VALGRIND)
        support_test(a_call_without_a_stack_is_an_error),
        support_test(nobody_joins_a_call_that_got_no_stack),
#endif
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
