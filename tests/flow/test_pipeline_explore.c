/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <keel/pipeline.h>

/* Small pipelines under every schedule with up to two deviations. Their items own memory, and each must end
 * once: in the sink, filtered, or given up because the pipeline fails or is cut short. */

static KEEL_ERR_DEFINE(broken, "broken");

enum { MOST = 8 };

typedef int *owner;

static int ends[MOST + 1], sunk[MOST + 1];
static int order[MOST], sunk_count, fails;
static bool is_bad; /* one has come to no end, or to two */

static void reset(void *arg)
{
    (void)arg;
    memset(ends, 0, sizeof ends);
    memset(sunk, 0, sizeof sunk);
    sunk_count = fails = 0;
    is_bad = false;
}

static void end(int *number)
{
    is_bad |= ++ends[*number] > 1;
    keel_mem_free(number);
}

static void free_owned(void *item)
{
    end(*(int **)item);
}

static keel_err *make(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    int *number = keel_mem_alloc(sizeof *number);

    (void)ctx, (void)arg;
    if (number == NULL)
        return KEEL_ERR_NOMEM;
    *number = *(const int *)in;
    *(int **)out = number;
    return NULL;
}

/* Waits, so that others can go on, and fails on one. */
static keel_err *pass(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    int *number = *(int *const *)in;

    (void)arg;
    keel_yield();
    KEEL_TRY(keel_ctx_err(ctx));
    if (*number == fails)
        return broken;
    *(int **)out = number;
    return NULL;
}

static keel_err *take(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    int *number = *(int *const *)in;

    (void)ctx, (void)out, (void)arg;
    order[sunk_count++] = *number;
    sunk[*number]++;
    end(number);
    return NULL;
}

static keel_err *take_batch(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;

    KEEL_CHECK(batch->count > 0);
    for (size_t i = 0; i < batch->count; i++)
        KEEL_TRY(take(ctx, (char *)batch->items + i * sizeof(owner), out, arg));
    return NULL;
}

static const int numbers[MOST] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static keel_pipeline *begin(size_t count, size_t queue)
{
    keel_pipeline *p = keel_pipeline_new(&(keel_pipeline_opts){ .queue = queue });

    keel_pipeline_from_array(p, numbers, count, sizeof *numbers);
    keel_pipeline_map(p, "make", KEEL_FN(make, int, owner),
                      &(keel_stage_opts){ .item_free = free_owned });
    return p;
}

/* In order, and, if it went well, all that did not end otherwise. */
static void check_sunk(bool went_well, int count)
{
    KEEL_CHECK(!is_bad);
    for (int i = 1; i < sunk_count; i++)
        KEEL_CHECK(order[i] > order[i - 1]);
    for (int n = 1; went_well && n <= count; n++)
        KEEL_CHECK(sunk[n] == 1);
}

/* ---- Two tasks in order ---- */

static keel_err *two_in_order_and_one_fails(keel_ctx *ctx, void *arg)
{
    const keel_stage_error on_error = *(const keel_stage_error *)arg;
    keel_pipeline *p = begin(4, 2);

    fails = 2;
    keel_pipeline_map(
        p, "pass", KEEL_FN(pass, owner, owner),
        &(keel_stage_opts){
            .parallel = 2, .keep_order = true, .on_error = on_error, .item_free = free_owned });
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take, owner), NULL);
    keel_err *err = keel_pipeline_run(ctx, p);
    keel_pipeline_free(p);
    check_sunk(false, 4);
    KEEL_CHECK(sunk[2] == 0 && ends[2] == 1);
    if (on_error == KEEL_STAGE_FAIL)
        KEEL_CHECK(keel_err_is(err, broken));
    else
        KEEL_CHECK(err == NULL && sunk_count == 3);
    keel_err_free(err);
    return NULL;
}

/* ---- A context that ends ---- */

static keel_err *cut_off(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(arg);
    return NULL;
}

static keel_err *cancelled_at_any_moment(keel_ctx *ctx, void *arg)
{
    keel_ctx *own = keel_ctx_with_cancel(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    const unsigned tasks = *(const unsigned *)arg;
    keel_pipeline *p = begin(3, 1);

    keel_pipeline_map(
        p, "pass", KEEL_FN(pass, owner, owner),
        &(keel_stage_opts){
            .apart = true, .parallel = tasks, .keep_order = true, .item_free = free_owned });
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take, owner), NULL);
    keel_group_go(group, cut_off, own);
    keel_err *err = keel_pipeline_run(own, p);
    keel_pipeline_free(p);
    KEEL_TRY(keel_group_wait(group));
    check_sunk(err == NULL, 3);
    KEEL_CHECK(err == NULL || keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    keel_ctx_free(own);
    return NULL;
}

/* ---- Time against items ---- */

static keel_err *tick(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    int *next = arg;

    *more = *next < 3;
    if (!*more)
        return NULL;
    KEEL_TRY(keel_sleep(ctx, KEEL_US(10)));
    return make(ctx, &numbers[(*next)++], out, NULL);
}

/* The batch's time comes with its second item, or just before or after. */
static keel_err *a_batch_ends_by_time_or_number(keel_ctx *ctx, void *arg)
{
    int next = 0;
    keel_pipeline *p = keel_pipeline_new(NULL);

    (void)arg;
    keel_pipeline_from_fn(p, "tick", tick, sizeof(owner), free_owned, &next);
    keel_pipeline_batch(p, "batch", 2, KEEL_US(10));
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take_batch, keel_batch), NULL);
    keel_err *err = keel_pipeline_run(ctx, p);
    keel_pipeline_free(p);
    KEEL_CHECK(err == NULL);
    check_sunk(true, 3);
    return NULL;
}

/* ---- Split and merge ---- */

static size_t by_parity(const void *item, void *arg)
{
    (void)arg;
    return (size_t)(**(int *const *)item % 2);
}

static keel_err *branches_meet_again(keel_ctx *ctx, void *arg)
{
    const int failing = *(const int *)arg;
    keel_pipeline *branches[2] = { keel_pipeline_new(NULL), keel_pipeline_new(NULL) };
    keel_pipeline *p = begin(3, 1);

    fails = failing;
    keel_pipeline_map(branches[1], "pass", KEEL_FN(pass, owner, owner),
                      &(keel_stage_opts){ .item_free = free_owned });
    keel_pipeline_split(p, "parity", by_parity, NULL, (const keel_pipeline *const *)branches, 2);
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take, owner), NULL);
    keel_err *err = keel_pipeline_run(ctx, p);
    keel_pipeline_free(p);
    keel_pipeline_free(branches[0]);
    keel_pipeline_free(branches[1]);
    KEEL_CHECK(!is_bad);
    if (failing == 0)
        KEEL_CHECK(err == NULL && sunk_count == 3 && sunk[1] + sunk[2] + sunk[3] == 3);
    else
        KEEL_CHECK(keel_err_is(err, broken) && ends[failing] == 1 && sunk[failing] == 0);
    keel_err_free(err);
    return NULL;
}

/* ---- All of them ---- */

static keel_stage_error on_error[] = { KEEL_STAGE_FAIL, KEEL_STAGE_DROP };
static int failing[] = { 0, 3 };
static unsigned tasks[] = { 1, 2 };

static const scenario scenarios[] = {
    { "one_of_two_fails_it", two_in_order_and_one_fails, &on_error[0], true },
    { "one_of_two_drops", two_in_order_and_one_fails, &on_error[1], true },
    { "cancelled", cancelled_at_any_moment, &tasks[0], true },
    { "two_cancelled", cancelled_at_any_moment, &tasks[1], true },
    { "batch", a_batch_ends_by_time_or_number, NULL, false },
    { "branches", branches_meet_again, &failing[0], true },
    { "branch_fails", branches_meet_again, &failing[1], true },
};

static void every_order_is_fine(void **state)
{
    const bool is_long = getenv("KEEL_TEST_LONG") != NULL;

    (void)state;
    explore_all(scenarios, sizeof scenarios / sizeof *scenarios,
                (keel_sim_opts){ .bound = is_long ? 3 : 2, .reset = reset });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(every_order_is_fine),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
