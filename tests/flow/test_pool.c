/* SPDX-License-Identifier: MIT */
#include "pool_rig.h"

/* ---- Results by channel ---- */

static keel_err *submit_hundred(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 0; i < 100; i++)
        KEEL_TRY(keel_pool_submit(ctx, w->pool, &i));
    return keel_pool_close(ctx, w->pool);
}

static keel_err *drain(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    result r;

    while (keel_chan_next(ctx, keel_pool_results(w->pool), &r)) {
        KEEL_CHECK(r.doubled == 2 * r.in);
        w->sum += r.in;
        w->told++;
    }
    return NULL;
}

static keel_err *every_job_has_its_result(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (unsigned batch = 1; batch <= 8; batch += 7) {
        world w = { 0 };
        keel_pool_stats stats;

        KEEL_TRY(POOL(&w, .workers = 5, .results = 10, .queue = 7, .batch = batch));
        keel_group *group = keel_group_new(ctx, NULL);
        keel_group_go(group, submit_hundred, &w);
        KEEL_TRY(drain(ctx, &w));
        KEEL_TRY(keel_group_wait(group));
        KEEL_CHECK(w.told == 100 && w.sum == 4950);
        keel_pool_get_stats(w.pool, &stats);
        KEEL_CHECK(stats.done == 100 && stats.failed == 0 && stats.queued + stats.running == 0);
        KEEL_CHECK(stats.wait.count == 100 && stats.run.count == 100);
        keel_pool_free(w.pool);
    }
    return NULL;
}

static keel_err *as_many_at_once_as_workers(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    const int64_t start_ns = keel_ctx_now(ctx);
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 3, .results = 100));
    for (int i = 0; i < 10; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 1000 }));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.most == 3 && w.ran == 10);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(4));
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.run.count == 10 && stats.run.sum_ns == KEEL_MS(10));
    KEEL_CHECK(stats.run.max_ns == KEEL_MS(1) && stats.wait.max_ns == KEEL_MS(3));
    KEEL_CHECK(keel_pool_percentile(&stats.run, 50) == KEEL_MS(1));
    KEEL_CHECK(keel_pool_percentile(&stats.wait, 30) == 0);
    check_err(keel_pool_submit(ctx, w.pool, &(int){ 1 }), KEEL_ERR_CLOSED);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *batches_keep_their_order(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    int jobs[1000];
    size_t submitted;
    result r;

    (void)arg;
    for (int i = 0; i < 1000; i++)
        jobs[i] = i % 900;
    KEEL_TRY(POOL(&w, .workers = 1, .results = 1000, .queue = 1000, .batch = 64));
    KEEL_TRY(keel_pool_submit_many(ctx, w.pool, jobs, 1000, &submitted));
    KEEL_CHECK(submitted == 1000);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    for (int i = 0; i < 1000; i++)
        KEEL_CHECK(keel_chan_next(ctx, keel_pool_results(w.pool), &r) && r.in == i % 900);
    KEEL_CHECK(!keel_chan_next(ctx, keel_pool_results(w.pool), &r));
    check_err(keel_pool_submit_many(ctx, w.pool, jobs, 3, &submitted), KEEL_ERR_CLOSED);
    KEEL_CHECK(submitted == 0);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Errors, callbacks ---- */

static keel_err *errors_come_back_from_close(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .results = 100, .name = "doubler"));
    for (int i = -2; i < 3; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &i));
    keel_err *err = keel_pool_close(ctx, w.pool);
    KEEL_CHECK(keel_err_is(err, broken) && keel_err_join_count(err) == 2);
    KEEL_CHECK(strstr(KEEL_ERR_STR(err), "job of pool doubler: broken") != NULL);
    keel_err_free(err);
    KEEL_TRY(keel_pool_close(ctx, w.pool)); /* once */
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.done == 3 && stats.failed == 2);
    keel_pool_free(w.pool);
    return NULL;
}

static void tell(const void *in, const void *out, const keel_err *err, void *arg)
{
    world *w = arg;
    const result *r = out;

    KEEL_CHECK((out == NULL) == (err != NULL));
    w->told++;
    w->failures += err != NULL;
    w->sum += r != NULL ? r->doubled : *(const int *)in;
}

static keel_err *callbacks_are_told_of_all(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .on_done = tell));
    for (int i = -5; i <= 5; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &i));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 11 && w.failures == 5 && w.sum == -15 + 30);
    KEEL_CHECK(keel_pool_results(w.pool) == NULL);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *each_job_has_its_time(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .on_done = tell, .job_timeout_ns = KEEL_MS(5)));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 4000 }));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 6000 }));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 2 && w.failures == 1 && w.sum == 8000 + 6000);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- A full queue ---- */

static int freed;

static void job_freed(void *job)
{
    (void)job;
    freed++;
}

/* One job runs, two wait: the next is one too many. */
static keel_err *fill(keel_ctx *ctx, world *w, keel_pool_full full)
{
    freed = 0;
    KEEL_TRY(
        POOL(w, .workers = 1, .queue = 2, .full = full, .on_done = tell, .job_free = job_freed));
    KEEL_TRY(keel_pool_submit(ctx, w->pool, &(int){ 10000 }));
    keel_sim_settle();
    KEEL_TRY(keel_pool_submit(ctx, w->pool, &(int){ 1 }));
    return keel_pool_submit(ctx, w->pool, &(int){ 2 });
}

static keel_err *full_ones_refuse(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(fill(ctx, &w, KEEL_POOL_REFUSE));
    KEEL_CHECK(keel_pool_submit(ctx, w.pool, &(int){ 3 }) == KEEL_ERR_POOL_FULL);
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.queued == 2 && stats.running == 1 && stats.refused == 1);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 3);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *full_ones_let_wait(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(5));

    (void)arg;
    KEEL_TRY(fill(ctx, &w, KEEL_POOL_WAIT));
    check_err(keel_pool_submit(limited, w.pool, &(int){ 3 }), KEEL_ERR_DEADLINE);
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 4 }));
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 4 && w.sum == 2 * (10000 + 1 + 2 + 4));
    keel_ctx_free(limited);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *full_ones_run_it_here(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(fill(ctx, &w, KEEL_POOL_RUN_HERE));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 3 }));
    KEEL_CHECK(w.told == 1 && w.sum == 6); /* before the others */
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 4);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *full_ones_drop_the_oldest(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(fill(ctx, &w, KEEL_POOL_DROP_OLDEST));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 3 }));
    KEEL_CHECK(w.told == 1 && w.failures == 1 && w.sum == 1); /* the first that waited */
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 3 && w.sum == 1 + 20000 + 4 + 6);
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.dropped == 1 && stats.done == 3 && freed == 1);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Futures ---- */

static keel_err *futures_hold_what_came_of_it(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_future *good, *bad, *slow;
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    result r = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .results = 1));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 21 }, NULL, &good));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ -1 }, NULL, &bad));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 9000 }, NULL, &slow));
    KEEL_TRY(keel_future_wait(ctx, good, &r));
    KEEL_CHECK(r.doubled == 42);
    KEEL_TRY(keel_future_wait(ctx, good, NULL)); /* and again */
    KEEL_CHECK(keel_future_wait(ctx, bad, &r) == broken);
    check_err(keel_future_wait(limited, slow, &r), KEEL_ERR_DEADLINE);
    keel_future_free(slow); /* it goes on */
    keel_future_free(bad);
    keel_future_free(good);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.ran == 3 && !keel_chan_next(ctx, keel_pool_results(w.pool), &r));
    keel_ctx_free(limited);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *a_job_can_be_cancelled(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_future *running, *waiting;
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 9000 }, NULL, &running));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 9000 }, NULL, &waiting));
    keel_sim_settle();
    keel_future_cancel(waiting);
    keel_future_cancel(running);
    check_err(keel_future_wait(ctx, running, NULL), KEEL_ERR_CANCELLED);
    check_err(keel_future_wait(ctx, waiting, NULL), KEEL_ERR_CANCELLED);
    KEEL_CHECK(w.ran == 1 && keel_ctx_now(ctx) == start_ns);
    keel_future_free(running);
    keel_future_free(waiting);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *a_job_has_a_time_and_a_context_of_its_own(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *own = keel_ctx_with_cancel(ctx);

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1, .on_done = tell));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 3000 },
                             &(keel_job_opts){ .timeout_ns = KEEL_MS(4) }, NULL));
    /* three of its four milliseconds are over when it starts */
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 3000 },
                             &(keel_job_opts){ .timeout_ns = KEEL_MS(4) }, NULL));
    KEEL_TRY(keel_pool_start(ctx, w.pool, &(int){ 3000 }, &(keel_job_opts){ .ctx = own }, NULL));
    keel_ctx_free(own); /* the job's is a child */
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 3 && w.failures == 2 && w.ran == 2);
    check_err(keel_pool_start(ctx, w.pool, &(int){ 1 }, &(keel_job_opts){ .timeout_ns = -1 }, NULL),
              KEEL_ERR_INVAL);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *calls_return_with_their_context(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(2));
    result r;

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1));
    KEEL_TRY(keel_pool_call(ctx, w.pool, &(int){ 4 }, &r));
    KEEL_CHECK(r.doubled == 8);
    KEEL_CHECK(keel_pool_call(ctx, w.pool, &(int){ -4 }, &r) == broken);
    check_err(keel_pool_call(limited, w.pool, &(int){ 9000 }, &r), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.running == 0 && w.ran == 3);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Map ---- */

static keel_err *map_keeps_the_order(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    int jobs[50];
    result results[50];

    (void)arg;
    for (int i = 0; i < 50; i++)
        jobs[i] = (50 - i) * 1000; /* the later the quicker */
    KEEL_TRY(POOL(&w, .workers = 4, .queue = 3, .full = KEEL_POOL_REFUSE));
    KEEL_TRY(keel_pool_map(ctx, w.pool, jobs, 50, results));
    for (int i = 0; i < 50; i++)
        KEEL_CHECK(results[i].in == jobs[i] && results[i].doubled == 2 * jobs[i]);
    KEEL_TRY(keel_pool_map(ctx, w.pool, jobs, 0, results));
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *the_first_failure_ends_a_map(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    int jobs[] = { 5000, 1, 2, -1, 5000, 5000, 5000, 5000 };
    result results[8];
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2));
    keel_err *err = keel_pool_map(ctx, w.pool, jobs, 8, results);
    KEEL_CHECK(keel_err_is(err, broken));
    KEEL_CHECK(strcmp(KEEL_ERR_STR(err), "job 3: broken") == 0);
    KEEL_CHECK(keel_ctx_now(ctx) == start_ns && w.running == 0 && w.ran <= 5);
    keel_err_free(err);
    keel_pool_free(w.pool);
    return NULL;
}

/* ---- Closing, cancelling ---- */

static keel_err *closing_may_take_too_long(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(1));

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1, .on_done = tell));
    KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 9000 }));
    check_err(keel_pool_close(limited, w.pool), KEEL_ERR_DEADLINE);
    KEEL_CHECK(w.told == 0);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 1 && w.failures == 0);
    keel_ctx_free(limited);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *cancelling_drops_what_waits(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;

    (void)arg;
    KEEL_TRY(fill(ctx, &w, KEEL_POOL_WAIT));
    keel_pool_cancel(w.pool);
    KEEL_CHECK(w.failures == 2);
    check_err(keel_pool_submit(ctx, w.pool, &(int){ 1 }), KEEL_ERR_CLOSED);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 3 && w.failures == 3 && w.ran == 1);
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.dropped == 2 && stats.failed == 1 && stats.workers == 0 && freed == 2);
    keel_pool_free(w.pool);
    return NULL;
}

static keel_err *it_ends_with_its_context(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *own = keel_ctx_with_cancel(ctx);

    (void)arg;
    KEEL_TRY(keel_pool_new(own, &w.pool, KEEL_FN(twice, int, result),
                           &(keel_pool_opts){ .arg = &w, .on_done = tell, .workers = 2 }));
    for (int i = 0; i < 5; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 9000 }));
    keel_sim_settle();
    keel_ctx_cancel(own);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.told == 5 && w.failures == 5 && w.ran == 2);
    keel_pool_free(w.pool);
    check_err(keel_pool_new(own, &w.pool, KEEL_FN(twice, int, result), NULL), KEEL_ERR_CANCELLED);
    keel_ctx_free(own);
    return NULL;
}

static keel_err *freeing_does_all_of_it(keel_ctx *ctx, void *arg)
{
    world w = { 0 };

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 2, .results = 1));
    for (int i = 0; i < 10; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &i)); /* and nobody reads */
    keel_pool_free(w.pool);
    KEEL_CHECK(w.running == 0);
    keel_pool_free(NULL);
    return NULL;
}

/* ---- Resizing ---- */

static keel_err *the_number_of_workers_changes(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_pool_stats stats;
    const int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(POOL(&w, .workers = 1, .on_done = tell));
    for (int i = 0; i < 30; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 1000 }));
    KEEL_TRY(keel_pool_resize(w.pool, 10));
    KEEL_TRY(keel_sleep(ctx, KEEL_US(2500))); /* three rounds of ten */
    KEEL_TRY(keel_pool_resize(w.pool, 2));
    for (int i = 0; i < 10; i++)
        KEEL_TRY(keel_pool_submit(ctx, w.pool, &(int){ 1000 }));
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.workers == 2 && stats.running == 2);
    KEEL_TRY(keel_pool_close(ctx, w.pool));
    KEEL_CHECK(w.most == 10 && w.told == 40 && w.failures == 0);
    KEEL_CHECK(keel_ctx_now(ctx) - start_ns == KEEL_MS(8)); /* 3, then ten by two */
    keel_pool_get_stats(w.pool, &stats);
    KEEL_CHECK(stats.done == 40 && stats.run.count == 40);
    check_err(keel_pool_resize(w.pool, 0), KEEL_ERR_INVAL);
    check_err(keel_pool_resize(w.pool, 3), KEEL_ERR_CLOSED);
    keel_pool_free(w.pool);
    return NULL;
}

static void a_program_without_a_runtime_has_none(void **state)
{
    (void)state;
    keel_pool *pool;

    assert_err(keel_pool_new(NULL, &pool, KEEL_FN(twice, int, result), NULL), KEEL_ERR_NO_RUNTIME);
    assert_null(pool);
}

typedef struct large {
    char bytes[65537];
} large;

static keel_err *nothing(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)in, (void)out, (void)arg;
    return NULL;
}

static void bad_options_are_named(void **state)
{
    (void)state;
    const struct {
        const char *field;
        keel_pool_opts opts;
    } rows[] = {
        { "pool nothing: workers is", { .workers = 10001 } },
        { "pool thumbnails: workers is", { .workers = 10001, .name = "thumbnails" } },
        { "pool nothing: batch is", { .batch = 1025 } },
        { "pool: full is", { .full = (keel_pool_full)9, .name = "pool" } },
        { "pool nothing: results is", { .results = 1 } },
        { "pool nothing: job_timeout_ns is", { .job_timeout_ns = -1 } },
    };
    keel_pool *pool;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_names(keel_pool_new(NULL, &pool, KEEL_FN_SINK(nothing, int), &rows[i].opts),
                     rows[i].field);
    assert_names(keel_pool_new(NULL, &pool, KEEL_FN_SINK(nothing, large), NULL),
                 "pool nothing: fn takes");
    keel_fn nameless = KEEL_FN_SINK(nothing, large);
    nameless.name = NULL;
    assert_names(keel_pool_new(NULL, &pool, nameless, NULL), "pool: fn takes");
}

static keel_err *options_of_a_runtime(keel_ctx *ctx, void *arg)
{
    const keel_fn fn = KEEL_FN_SINK(nothing, int);
    keel_pool *pool;
    keel_future *future;

    (void)arg;
    assert_names(keel_pool_new(ctx, &pool, fn, &(keel_pool_opts){ .stack_bytes = 1 }),
                 "pool nothing: stack_bytes is");
    KEEL_TRY(keel_pool_new(ctx, &pool, fn, &(keel_pool_opts){ .workers = 1 }));
    assert_names(keel_pool_resize(pool, 0), "pool nothing: workers is");
    assert_names(
        keel_pool_start(ctx, pool, &(int){ 1 }, &(keel_job_opts){ .timeout_ns = -1 }, &future),
        "pool nothing: timeout_ns is");
    keel_pool_free(pool);
    return NULL;
}

static void bad_options_are_named_on_a_runtime_too(void **state)
{
    (void)state;
    assert_ok(support_run(options_of_a_runtime, NULL));
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(every_job_has_its_result)
RUNS(as_many_at_once_as_workers)
RUNS(batches_keep_their_order)
RUNS(errors_come_back_from_close)
RUNS(callbacks_are_told_of_all)
RUNS(each_job_has_its_time)
RUNS(full_ones_refuse)
RUNS(full_ones_let_wait)
RUNS(full_ones_run_it_here)
RUNS(full_ones_drop_the_oldest)
RUNS(futures_hold_what_came_of_it)
RUNS(a_job_can_be_cancelled)
RUNS(a_job_has_a_time_and_a_context_of_its_own)
RUNS(calls_return_with_their_context)
RUNS(map_keeps_the_order)
RUNS(the_first_failure_ends_a_map)
RUNS(closing_may_take_too_long)
RUNS(cancelling_drops_what_waits)
RUNS(it_ends_with_its_context)
RUNS(freeing_does_all_of_it)
RUNS(the_number_of_workers_changes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_every_job_has_its_result),
        support_test(runs_as_many_at_once_as_workers),
        support_test(runs_batches_keep_their_order),
        support_test(runs_errors_come_back_from_close),
        support_test(runs_callbacks_are_told_of_all),
        support_test(runs_each_job_has_its_time),
        support_test(runs_full_ones_refuse),
        support_test(runs_full_ones_let_wait),
        support_test(runs_full_ones_run_it_here),
        support_test(runs_full_ones_drop_the_oldest),
        support_test(runs_futures_hold_what_came_of_it),
        support_test(runs_a_job_can_be_cancelled),
        support_test(runs_a_job_has_a_time_and_a_context_of_its_own),
        support_test(runs_calls_return_with_their_context),
        support_test(runs_map_keeps_the_order),
        support_test(runs_the_first_failure_ends_a_map),
        support_test(runs_closing_may_take_too_long),
        support_test(runs_cancelling_drops_what_waits),
        support_test(runs_it_ends_with_its_context),
        support_test(runs_freeing_does_all_of_it),
        support_test(runs_the_number_of_workers_changes),
        support_test(a_program_without_a_runtime_has_none),
        support_test(bad_options_are_named),
        support_test(bad_options_are_named_on_a_runtime_too),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
