/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <keel/pipeline.h>

/* How pipelines end: never well with items lost, and never not at all. */

static KEEL_ERR_DEFINE(broken, "broken");

static int numbers[200];

typedef struct world {
    keel_ctx *ctx;
    int calls, batches, items;
} world;

static keel_err *pass_on(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int *)out = *(const int *)in;
    return NULL;
}

/* Ends a context at the fifth item: its own, or the one of the run. */
static keel_err *end_at_five(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;

    *(int *)out = *(const int *)in;
    if (++w->calls == 5)
        keel_ctx_cancel(w->ctx != NULL ? w->ctx : ctx);
    return NULL;
}

static keel_err *count_batch(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;
    world *w = arg;

    (void)ctx, (void)out;
    w->batches++;
    w->items += (int)batch->count;
    return NULL;
}

static keel_err *count_item(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    world *w = arg;

    (void)ctx, (void)in, (void)out;
    w->items++;
    return NULL;
}

static keel_pipeline *begin(size_t count)
{
    keel_pipeline *p = keel_pipeline_new(&(keel_pipeline_opts){ .queue = 2 });

    keel_pipeline_from_array(p, numbers, count, sizeof *numbers);
    return p;
}

static keel_err *a_batch_that_is_cut_off_is_no_success(keel_ctx *ctx, void *arg)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };
    keel_pipeline *p = begin(5);

    (void)arg;
    keel_pipeline_map(p, "end", KEEL_FN(end_at_five, int, int), &(keel_stage_opts){ .arg = &w });
    keel_pipeline_batch(p, "batch", 10, 0);
    keel_pipeline_each(p, "count", KEEL_FN_SINK(count_batch, keel_batch),
                       &(keel_stage_opts){ .arg = &w });
    check_err(keel_pipeline_run(w.ctx, p), KEEL_ERR_CANCELLED);
    KEEL_CHECK(w.batches == 0);
    keel_pipeline_free(p);
    keel_ctx_free(w.ctx);
    return NULL;
}

static keel_err *a_stage_that_ends_its_own_context_ends_the_run(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int apart = 0; apart < 2; apart++) {
        world w = { 0 };
        keel_pipeline *p = begin(200);

        keel_pipeline_map(p, "pass", KEEL_FN(pass_on, int, int), NULL);
        keel_pipeline_map(p, "end", KEEL_FN(end_at_five, int, int),
                          &(keel_stage_opts){ .apart = apart > 0, .arg = &w });
        keel_pipeline_each(p, "count", KEEL_FN_SINK(count_item, int),
                           &(keel_stage_opts){ .arg = &w });
        check_err(keel_pipeline_run(ctx, p), KEEL_ERR_CANCELLED);
        KEEL_CHECK(w.items < 10);
        keel_pipeline_free(p);
    }
    return NULL;
}

static keel_err *seven_then_fail(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    world *w = arg;

    (void)ctx, (void)more;
    *(int *)out = 0;
    return ++w->calls == 8 ? broken : NULL;
}

static keel_err *what_a_failing_source_has_made_arrives(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int apart = 0; apart < 2; apart++) {
        world w = { 0 };
        keel_pipeline *p = keel_pipeline_new(NULL);

        keel_pipeline_from_fn(p, "source", seven_then_fail, sizeof(int), NULL, &w);
        keel_pipeline_map(p, "pass", KEEL_FN(pass_on, int, int),
                          &(keel_stage_opts){ .apart = apart > 0 });
        keel_pipeline_batch(p, "fives", 5, 0);
        keel_pipeline_each(p, "count", KEEL_FN_SINK(count_batch, keel_batch),
                           &(keel_stage_opts){ .arg = &w });
        check_err(keel_pipeline_run(ctx, p), broken);
        KEEL_CHECK(w.batches == 2 && w.items == 7);
        keel_pipeline_free(p);
    }
    return NULL;
}

static size_t first_branch(const void *item, void *arg)
{
    (void)item, (void)arg;
    return 0;
}

static bool always(const void *item, void *arg)
{
    (void)item, (void)arg;
    return true;
}

static void expect_mistake(keel_pipeline *p, const char *what)
{
    char text[200];
    keel_err *err = keel_pipeline_run(NULL, p);

    keel_err_format(err, text, sizeof text);
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, what);
    assert_true(keel_err_is(err, KEEL_ERR_INVAL));
    keel_err_free(err);
    keel_pipeline_free(p);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    const keel_fn none = { 0 };
    int out[1];
    keel_chan *chan;

    keel_pipeline *p = begin(1);
    keel_pipeline_filter(p, "filter", NULL, NULL);
    expect_mistake(p, "stage filter: fn is missing");
    p = begin(1);
    keel_pipeline_filter(p, "filter", always, &(keel_stage_opts){ .timeout_ns = 1 });
    expect_mistake(p, "is set for a filter");
    p = begin(1);
    keel_pipeline_each(p, "each", none, NULL);
    expect_mistake(p, "stage each: fn is missing");
    p = begin(1);
    keel_pipeline_to_array(p, out, 1, sizeof(int), NULL);
    expect_mistake(p, "stage array: count is missing");
    p = keel_pipeline_new(NULL);
    keel_pipeline_from_fn(p, "source", NULL, sizeof(int), NULL, NULL);
    expect_mistake(p, "stage source: fn is missing");
    p = begin(1);
    keel_pipeline_batch(p, "batch", SIZE_MAX, 0);
    expect_mistake(p, "stage batch: max_items is more than 1,000,000");
    assert_ok(keel_chan_new(&chan, sizeof(int), NULL));
    p = begin(1);
    keel_pipeline_to_chan(p, chan, 4096);
    expect_mistake(p, "stage channel: item_bytes is not that of the channel");
    p = keel_pipeline_new(NULL);
    keel_pipeline_from_chan(p, chan, 1, NULL);
    expect_mistake(p, "stage channel: item_bytes is not that of the channel");
    p = begin(1);
    keel_pipeline_to_chan(p, NULL, 4);
    expect_mistake(p, "stage channel: chan is missing");
    keel_chan_free(chan);
}

static void split_into_itself(void *arg)
{
    keel_pipeline *p = keel_pipeline_new(NULL);
    const keel_pipeline *self[] = { p };

    (void)arg;
    keel_pipeline_split(p, "split", first_branch, NULL, self, 1);
}

static void a_pipeline_is_no_branch_of_itself(void **state)
{
    (void)state;
    support_assert_aborts(split_into_itself, NULL, "keel_pipeline_split");
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(a_batch_that_is_cut_off_is_no_success)
RUNS(a_stage_that_ends_its_own_context_ends_the_run)
RUNS(what_a_failing_source_has_made_arrives)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_a_batch_that_is_cut_off_is_no_success),
        support_test(runs_a_stage_that_ends_its_own_context_ends_the_run),
        support_test(runs_what_a_failing_source_has_made_arrives),
        support_test(what_is_missing_is_named),
        support_test(a_pipeline_is_no_branch_of_itself),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
