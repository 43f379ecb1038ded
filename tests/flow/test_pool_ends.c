/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <keel/pool.h>

/* How pools end, and who owns what then. A result here owns memory, so that one that is lost is a leak. */

typedef struct world {
    keel_pool *pool;
    keel_ctx *ctx;
    int ran, told, taken, freed, made;
    bool cancels;
} world;

typedef char *text;

static keel_err *make_text(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;
    text made = keel_mem_alloc(8);

    (void)ctx;
    w->ran++;
    if (w->cancels)
        keel_pool_cancel(w->pool);
    if (made == NULL)
        return KEEL_ERR_NOMEM;
    memset(made, *(const int *)in, 8);
    *(text *)out = made;
    return NULL;
}

static void free_text(void *out)
{
    keel_mem_free(*(text *)out);
}

static void hear(const void *in, const void *out, const keel_err *err, void *arg)
{
    world *w = arg;

    (void)in, (void)out, (void)err;
    w->told++;
}

static int jobs_freed;

static void free_job(void *job)
{
    (void)job;
    jobs_freed++;
}

#define POOL(w, ...)                                                                               \
    keel_pool_new(                                                                                 \
        ctx, &(w)->pool, KEEL_FN(make_text, int, text),                                            \
        (&(keel_pool_opts){ .arg = (w), .workers = 1, .result_free = free_text, __VA_ARGS__ }))

/* ---- Results that nobody takes ---- */

static keel_err *results_without_a_channel_are_freed(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .batch = 4));
    for (int i = 0; i < 600; i++) /* more than are measured */
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &i));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 600);
    keel_pool_free(w.pool);

    KEEL_TRY(POOL(&w, .on_done = hear));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 1 }));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 1);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *who_waits_for_a_future_takes_its_result(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_future *unread, *read;
    text got;

    (void)arg;
    KEEL_TRY(POOL(&w, .queue = 4));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 1 }, NULL, &unread));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 2 }, NULL, &read));
    KEEL_TRY(keel_future_wait(ctx, unread, NULL));
    KEEL_TRY(keel_future_wait(ctx, read, &got));
    keel_future_free(unread);
    keel_future_free(read);
    KEEL_CHECK(got[7] == 2);
    keel_mem_free(got);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *fail_second(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;

    (void)ctx, (void)in;
    *(int *)out = 7;
    return ++w->ran == 2 ? KEEL_ERR_RANGE : NULL;
}

static keel_err *what_map_is_given_stays_the_callers(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    const int jobs[6] = { 0 };
    int out[6] = { 1, 1, 1, 1, 1, 1 };

    (void)arg;
    jobs_freed = 0;
    KEEL_TRY(keel_pool_new(ctx, &w.pool, KEEL_FN(fail_second, int, int),
                           &(keel_pool_opts){ .workers = 1, .arg = &w, .job_free = free_job }));
    check_err(keel_pool_map(ctx, w.pool, jobs, 6, out), KEEL_ERR_RANGE);
    KEEL_CHECK(jobs_freed == 0 && w.ran == 2);
    KEEL_CHECK(out[0] == 7 && out[2] == 0 && out[5] == 0);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Jobs ---- */

static keel_err *mapped_jobs_end_with_the_pool(keel_ctx *ctx, void *arg)
{
    world w = { .cancels = true };
    const int jobs[8] = { 0 };
    text out[8];

    (void)arg;
    KEEL_TRY(POOL(&w, .batch = 8));
    check_err(keel_pool_map(ctx, w.pool, jobs, 8, out), KEEL_ERR_CANCELLED);
    KEEL_CHECK(w.ran == 1);
    for (int i = 0; i < 8; i++)
        keel_mem_free(out[i]);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *sleep_long(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)in, (void)arg;
    *(int *)out = 1;
    return keel_sleep(ctx, KEEL_S(10));
}

static keel_err *cancel_soon(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    keel_pool_cancel(arg);
    return NULL;
}

static keel_err *mapped_jobs_that_wait_end_with_the_pool(keel_ctx *ctx, void *arg)
{
    const int64_t start_ns = keel_ctx_now(ctx);
    const int jobs[2] = { 0 };
    keel_pool *pool;
    int out[2];

    (void)arg;
    KEEL_TRY(keel_pool_new(ctx, &pool, KEEL_FN(sleep_long, int, int),
                           &(keel_pool_opts){ .workers = 2 }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_soon, pool);
    check_err(keel_pool_map(ctx, pool, jobs, 2, out), KEEL_ERR_CANCELLED);
    KEEL_CHECK(keel_ctx_now(ctx) == start_ns + KEEL_MS(1));
    KEEL_TRY(keel_group_wait(group));
    keel_pool_free(pool);
    return NULL;
}

static keel_err *each_mapped_job_has_its_time(keel_ctx *ctx, void *arg)
{
    const int64_t start_ns = keel_ctx_now(ctx);
    const int jobs[2] = { 0 };
    keel_pool *pool;
    int out[2];

    (void)arg;
    KEEL_TRY(keel_pool_new(ctx, &pool, KEEL_FN(sleep_long, int, int),
                           &(keel_pool_opts){ .workers = 2, .job_timeout_ns = KEEL_MS(3) }));
    check_err(keel_pool_map(ctx, pool, jobs, 2, out), KEEL_ERR_TIMEOUT);
    KEEL_CHECK(keel_ctx_now(ctx) == start_ns + KEEL_MS(3));
    keel_pool_free(pool);
    return NULL;
}

typedef struct large {
    char bytes[5000];
} large;

static keel_err *sleep_a_while(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;

    (void)in, (void)out;
    w->ran++;
    return keel_sleep(ctx, KEEL_MS(1));
}

static keel_err *many_large_jobs_wait_for_room_too(keel_ctx *ctx, void *arg)
{
    static const large jobs[5];
    world w = { 0 };
    size_t submitted;

    (void)arg;
    KEEL_TRY(keel_pool_new(
        ctx, &w.pool, KEEL_FN_SINK(sleep_a_while, large),
        &(keel_pool_opts){ .workers = 1, .queue = 1, .full = KEEL_POOL_REFUSE, .arg = &w }));
    KEEL_TRY(keel_pool_submit_many(ctx, w.pool, jobs, 5, &submitted));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(submitted == 5 && w.ran == 5);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *dropping_is_no_failure(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(keel_pool_new(
        ctx, &w.pool, KEEL_FN_SINK(sleep_a_while, int),
        &(keel_pool_opts){ .workers = 1, .queue = 1, .full = KEEL_POOL_DROP_OLDEST, .arg = &w }));
    for (int i = 0; i < 5; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &i));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.dropped + stats.done == 5 && stats.dropped > 0);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Finishing ---- */

static keel_err *submit_and_finish(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 0; i < 20; i++)
        KEEL_TRY(keel_pool_submit(ctx, w->pool, &i));
    keel_pool_finish(w->pool);
    keel_pool_finish(w->pool);
    return NULL;
}

static keel_err *finishing_ends_the_results(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    text got;

    (void)arg;
    KEEL_TRY(POOL(&w, .results = 2, .queue = 3));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, submit_and_finish, &w);
    while (keel_chan_next(ctx, keel_pool_results(w.pool), &got)) {
        w.taken++;
        keel_mem_free(got);
    }
    KEEL_CHECK(w.taken == 20);
    keel_err *err = keel_group_wait(group);
    keel_pool_free(w.pool);
    return err;
}

/* ---- Explored: whoever comes first, nothing is stranded ---- */

static keel_err *close_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    return keel_pool_close(NULL, w->pool);
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_pool_cancel(w->pool);
    return NULL;
}

static keel_err *end_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx_cancel(w->ctx);
    return NULL;
}

static keel_err *call_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    text got = NULL;

    (void)ctx;
    keel_err_free(
        keel_pool_call(NULL, w->pool, &(int){ 1 }, &got)); /* with a result, or an error */
    keel_mem_free(got);
    return NULL;
}

static keel_err *two_against_a_call(keel_ctx *ctx, keel_task_fn first, keel_task_fn second)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    KEEL_TRY(keel_pool_new(w.ctx, &w.pool, KEEL_FN(make_text, int, text),
                           &(keel_pool_opts){ .arg = &w, .workers = 1, .result_free = free_text }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, call_it, &w);
    keel_group_go(group, first, &w);
    keel_group_go(group, second, &w);
    keel_err *err = keel_group_wait(group);
    keel_pool_free(w.pool);
    keel_ctx_free(w.ctx);
    return err;
}

static keel_err *call_against_close_and_end(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return two_against_a_call(ctx, close_it, end_ctx);
}

static keel_err *call_against_cancel_and_close(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return two_against_a_call(ctx, cancel_it, close_it);
}

static keel_err *new_against_end(keel_ctx *ctx, void *arg)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, end_ctx, &w);
    keel_err *err = keel_pool_new(w.ctx, &w.pool, KEEL_FN(make_text, int, text),
                                  &(keel_pool_opts){ .workers = 2, .arg = &w });
    KEEL_CHECK((err == NULL) == (w.pool != NULL));
    keel_err_free(err);
    err = keel_group_wait(group);
    keel_pool_free(w.pool);
    keel_ctx_free(w.ctx);
    return err;
}

static keel_err *submit_here(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 0; i < 2; i++) {
        keel_err *err = keel_pool_submit(ctx, w->pool, &i);
        w->made += err == NULL;
        keel_err_free(err);
    }
    return NULL;
}

static keel_err *close_and_count(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_err *err = keel_pool_close(NULL, w->pool);
    w->taken = w->ran; /* all that will ever run */
    return err;
}

static keel_err *running_here_against_close(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .queue = 1, .full = KEEL_POOL_RUN_HERE, .on_done = hear));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, submit_here, &w);
    keel_group_go(group, close_and_count, &w);
    keel_err *err = keel_group_wait(group);
    KEEL_CHECK(w.taken == w.ran && w.told == w.made);
    keel_pool_free(w.pool);
    return err;
}

static void explored(void **state)
{
    (void)state;
    const scenario scenarios[] = {
        { "call_against_close_and_end", call_against_close_and_end, NULL, false },
        { "call_against_cancel_and_close", call_against_cancel_and_close, NULL, false },
        { "new_against_end", new_against_end, NULL, false },
        { "running_here_against_close", running_here_against_close, NULL, false },
    };

    explore_all(scenarios, sizeof scenarios / sizeof *scenarios, (keel_sim_opts){ .seed = 0 });
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(results_without_a_channel_are_freed)
RUNS(who_waits_for_a_future_takes_its_result)
RUNS(what_map_is_given_stays_the_callers)
RUNS(mapped_jobs_end_with_the_pool)
RUNS(mapped_jobs_that_wait_end_with_the_pool)
RUNS(each_mapped_job_has_its_time)
RUNS(many_large_jobs_wait_for_room_too)
RUNS(dropping_is_no_failure)
RUNS(finishing_ends_the_results)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_results_without_a_channel_are_freed),
        support_test(runs_who_waits_for_a_future_takes_its_result),
        support_test(runs_what_map_is_given_stays_the_callers),
        support_test(runs_mapped_jobs_end_with_the_pool),
        support_test(runs_mapped_jobs_that_wait_end_with_the_pool),
        support_test(runs_each_mapped_job_has_its_time),
        support_test(runs_many_large_jobs_wait_for_room_too),
        support_test(runs_dropping_is_no_failure),
        support_test(runs_finishing_ends_the_results),
        support_test(explored),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
