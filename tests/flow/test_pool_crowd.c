/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "pool_rig.h"

/* Pools with many at once: under every schedule with two deviations, and on real workers. */

/* ---- Explored ---- */

static keel_err *submit_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 1; i <= 2; i++) {
        keel_err *err = keel_pool_submit(ctx, w->pool, &i);
        w->sum += err == NULL;
        if (err != NULL && !keel_err_is(err, KEEL_ERR_CLOSED))
            return err;
    }
    return NULL;
}

static keel_err *close_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    return keel_pool_close(ctx, w->pool);
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_pool_cancel(w->pool);
    return NULL;
}

static keel_err *resize_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_err_free(keel_pool_resize(w->pool, 1)); /* it may be closed */
    return NULL;
}

static void count_done(const void *in, const void *out, const keel_err *err, void *arg)
{
    world *w = arg;

    (void)in, (void)out;
    w->told++;
    w->failures += err != NULL;
}

/* Whoever comes first: each job that was taken is told of, once. */
static keel_err *exactly_once(keel_ctx *ctx, keel_task_fn fn, bool may_fail)
{
    world w = { 0 };

    KEEL_TRY(POOL(&w, .workers = 2, .queue = 1, .on_done = count_done));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, submit_two, &w);
    keel_group_go(group, fn, &w);
    keel_err *err = keel_group_wait(group);
    if (err == NULL)
        err = keel_pool_close(ctx, w.pool);
    KEEL_CHECK(w.told == w.sum && (may_fail || w.failures == 0));
    keel_pool_free(w.pool);
    return err;
}

static keel_err *submit_against_close(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return exactly_once(ctx, close_it, false);
}

static keel_err *submit_against_cancel(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return exactly_once(ctx, cancel_it, true);
}

static keel_err *submit_against_resize(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return exactly_once(ctx, resize_it, false);
}

static keel_err *future_against_cancel(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_future *future;
    result r;

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 1 }, NULL, &future));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_it, &w);
    keel_err *err = keel_future_wait(ctx, future, &r);
    KEEL_CHECK(err == NULL ? r.doubled == 2 : keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    keel_future_free(future);
    err = keel_group_wait(group);
    keel_pool_free(w.pool);
    return err;
}

static keel_err *map_against_cancel(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    const int jobs[] = { 1, 2 };
    result results[2];

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .queue = 1));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_it, &w);
    keel_err *err = keel_pool_map(ctx, w.pool, jobs, 2, results);
    KEEL_CHECK(err == NULL
                   ? results[1].doubled == 4
                   : keel_err_is(err, KEEL_ERR_CANCELLED) || keel_err_is(err, KEEL_ERR_CLOSED));
    keel_err_free(err);
    err = keel_group_wait(group);
    keel_pool_free(w.pool);
    return err;
}

static void explored(void **state)
{
    (void)state;
    const scenario scenarios[] = {
        { "submit_against_close", submit_against_close, NULL, false },
        { "submit_against_cancel", submit_against_cancel, NULL, false },
        { "submit_against_resize", submit_against_resize, NULL, false },
        { "future_against_cancel", future_against_cancel, NULL, false },
        { "map_against_cancel", map_against_cancel, NULL, false },
    };

    explore_all(scenarios, sizeof scenarios / sizeof *scenarios, (keel_sim_opts){ .seed = 0 });
}

/* ---- On the real runtime ---- */

static keel_err *from_many_sides(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_pool *pool;
    int jobs[200];
    result results[200];

    KEEL_TRY(keel_pool_new(ctx, &pool, KEEL_FN(twice, int, result),
                           &(keel_pool_opts){ .workers = 4, .queue = 8 }));
    for (int i = 0; i < 200; i++)
        jobs[i] = i;
    for (int round = 0; round < 20; round++) {
        KEEL_TRY(keel_pool_map(ctx, pool, jobs, 200, results));
        for (int i = 0; i < 200; i++)
            check(results[i].doubled == 2 * i);
        KEEL_TRY(keel_pool_resize(pool, 1 + (unsigned)round % 6));
    }
    keel_err *err = keel_pool_close(ctx, pool);
    keel_pool_free(pool);
    return err;
}

static void it_works_on_real_workers(void **state)
{
    (void)state;
    assert_ok(support_run(from_many_sides, NULL));
}

static keel_err *use_all_of_it(keel_ctx *ctx, void *arg)
{
    keel_pool *pool = NULL;
    keel_future *future = NULL;
    const int jobs[] = { 1, 2, 3 };
    result results[3], r;

    (void)arg;
    keel_err *err = keel_pool_new(ctx, &pool, KEEL_FN(twice, int, result),
                                  &(keel_pool_opts){ .workers = 2, .results = 2 });
    if (err == NULL)
        err = keel_pool_submit(ctx, pool, &jobs[0]);
    if (err == NULL)
        err = keel_pool_start(ctx, pool, &jobs[1], NULL, &future);
    if (err == NULL)
        err = keel_future_wait(ctx, future, &r);
    keel_future_free(future);
    if (err == NULL)
        err = keel_pool_map(ctx, pool, jobs, 3, results);
    if (err == NULL)
        err = keel_pool_resize(pool, 3);
    if (err == NULL)
        err = keel_pool_close(ctx, pool);
    keel_pool_free(pool);
    return err;
}

static keel_err *on_a_runtime(void *arg)
{
    return support_run(use_all_of_it, arg);
}

/* Where no worker could be started, the pool has closed. */
static bool is_closed(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_CLOSED);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(on_a_runtime, NULL, is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(explored),
        support_test(it_works_on_real_workers),
        support_test(each_allocation_may_fail),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
