/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <keel/pipeline.h>

/* Where items end, and that what they own is freed once. */

static KEEL_ERR_DEFINE(broken, "broken");

enum { MANY = 30 };

static int numbers[MANY];
static int owned;       /* numbers that live */
static int sunk, fails; /* the number on which the sink fails */

typedef int *int_ptr;

static keel_err *make_owned(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    int *number = keel_mem_alloc(sizeof *number);

    (void)ctx, (void)arg;
    if (number == NULL)
        return KEEL_ERR_NOMEM;
    owned++;
    *number = *(const int *)in;
    *(int **)out = number;
    return NULL;
}

static void free_owned(void *item)
{
    owned--;
    keel_mem_free(*(int **)item);
}

static keel_err *take_owned(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    int *number = *(int *const *)in;

    (void)ctx, (void)out, (void)arg;
    if (*number == fails)
        return broken; /* it is not taken over */
    sunk++;
    owned--;
    keel_mem_free(number);
    return NULL;
}

static keel_err *take_batch(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;
    int *const *items = batch->items;

    (void)out;
    for (size_t i = 0; i < batch->count; i++)
        if (*items[i] == fails)
            return broken;
    for (size_t i = 0; i < batch->count; i++)
        KEEL_TRY(take_owned(ctx, &items[i], NULL, arg));
    return NULL;
}

static bool not_thirds(const void *item, void *arg)
{
    (void)arg;
    return **(int *const *)item % 3 != 0;
}

static keel_pipeline *begin(void)
{
    keel_pipeline *p = keel_pipeline_new(NULL);

    for (int i = 0; i < MANY; i++)
        numbers[i] = i + 1;
    owned = sunk = 0;
    keel_pipeline_from_array(p, numbers, MANY, sizeof *numbers);
    keel_pipeline_map(p, "make", KEEL_FN(make_owned, int, int_ptr),
                      &(keel_stage_opts){ .item_free = free_owned });
    return p;
}

static keel_err *run_and_free(keel_ctx *ctx, keel_pipeline *p)
{
    keel_err *err = keel_pipeline_run(ctx, p);

    keel_pipeline_free(p);
    return err;
}

/* It cannot be built, and the text says why. */
static void expect_names(keel_err *err, const char *what)
{
    char buf[256];

    keel_err_format(err, buf, sizeof buf);
    KEEL_CHECK(keel_err_is(err, KEEL_ERR_INVAL) && strstr(buf, what) != NULL);
    keel_err_free(err);
}

static keel_err *items_are_freed_once(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (fails = 0; fails <= 20; fails += 20) {
        for (unsigned tasks = 1; tasks <= 2; tasks++) {
            keel_pipeline *p = begin();
            keel_pipeline_filter(p, "thirds", not_thirds, &(keel_stage_opts){ .parallel = tasks });
            keel_pipeline_each(p, "take", KEEL_FN_SINK(take_owned, int_ptr), NULL);
            keel_err *err = run_and_free(ctx, p);
            KEEL_CHECK(owned == 0 && (err != NULL) == (fails > 0));
            keel_err_free(err);
        }
    }
    return NULL;
}

static keel_err *batches_are_freed_with_their_items(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (fails = 0; fails <= 20; fails += 20) {
        for (int apart = 0; apart < 2; apart++) {
            keel_pipeline *p = begin();
            keel_pipeline_batch(p, "batch", 4, 0);
            keel_pipeline_each(p, "take", KEEL_FN_SINK(take_batch, keel_batch),
                               &(keel_stage_opts){ .apart = apart > 0 });
            keel_err *err = run_and_free(ctx, p);
            KEEL_CHECK(owned == 0 && (err != NULL) == (fails > 0) && (fails > 0 || sunk == MANY));
            keel_err_free(err);
        }
    }
    return NULL;
}

/* ---- Lines ---- */

static const char text[] = "one\ntwo\nthree\nfour\nfive\n";

static keel_err *count_lines(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *batch = in;
    const keel_line *lines = batch->items;

    (void)ctx, (void)out, (void)arg;
    for (size_t i = 0; i < batch->count; i++)
        KEEL_CHECK(strlen(lines[i].text) == lines[i].len);
    sunk += (int)batch->count;
    return sunk == fails ? broken : NULL;
}

static keel_err *lines_in_batches_live_as_long_as_they(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (fails = 0; fails <= 4; fails += 4) {
        keel_str rest = { text, sizeof text - 1 };
        keel_pipeline *p = keel_pipeline_new(NULL);

        sunk = 0;
        keel_pipeline_from_lines(p, keel_io_from_str(&rest), 0);
        keel_pipeline_batch(p, "batch", 2, 0);
        keel_pipeline_each(p, "count", KEEL_FN_SINK(count_lines, keel_batch), NULL);
        keel_err *err = run_and_free(ctx, p);
        KEEL_CHECK(fails > 0 ? err != NULL && sunk == 4 : err == NULL && sunk == 5);
        keel_err_free(err);
    }
    return NULL;
}

/* A line ends with the stage that is given it, a batch too: nobody could free them in an array. */
static keel_err *what_ends_with_its_stage_is_not_kept(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (int batches = 0; batches < 2; batches++) {
        keel_str rest = { text, sizeof text - 1 };
        char room[8 * sizeof(keel_line)];
        size_t count;
        keel_pipeline *p = keel_pipeline_new(NULL);
        keel_chan *chan;

        keel_pipeline_from_lines(p, keel_io_from_str(&rest), 0);
        if (batches > 0)
            keel_pipeline_batch(p, "batch", 2, 0);
        keel_pipeline_to_array(p, room, 8, batches > 0 ? sizeof(keel_batch) : sizeof(keel_line),
                               &count);
        expect_names(run_and_free(ctx, p), batches > 0 ? "keel_batch" : "keel_line");

        KEEL_TRY(keel_chan_new(&chan, sizeof(keel_line), NULL));
        p = keel_pipeline_new(NULL);
        keel_pipeline_from_lines(p, keel_io_from_str(&rest), 0);
        keel_pipeline_to_chan(p, chan, sizeof(keel_line));
        expect_names(run_and_free(ctx, p), "channel");
        keel_chan_free(chan);
    }
    return NULL;
}

/* ---- Branches ---- */

static size_t by_parity(const void *item, void *arg)
{
    (void)arg;
    return (size_t)(*(const int *)item % 2);
}

/* What comes together is freed by one function: one of each branch cannot be told from another's. */
static keel_err *branches_free_alike(keel_ctx *ctx, void *arg)
{
    static void (*const frees[])(void *) = { free_owned, NULL };

    (void)arg;
    fails = 0;
    for (int i = 0; i < 2; i++) {
        keel_pipeline *branches[2], *p = keel_pipeline_new(NULL);

        owned = sunk = 0;
        for (int b = 0; b < 2; b++) {
            branches[b] = keel_pipeline_new(NULL);
            keel_pipeline_map(branches[b], "make", KEEL_FN(make_owned, int, int_ptr),
                              &(keel_stage_opts){ .item_free = frees[b == 1 ? i : 0] });
        }
        keel_pipeline_from_array(p, numbers, MANY, sizeof *numbers);
        keel_pipeline_split(p, "parity", by_parity, NULL, (const keel_pipeline *const *)branches,
                            2);
        keel_pipeline_each(p, "take", KEEL_FN_SINK(take_owned, int_ptr), NULL);
        keel_err *err = run_and_free(ctx, p);
        if (i == 0)
            KEEL_CHECK(err == NULL && owned == 0 && sunk == MANY);
        else
            expect_names(err, "item_free");
        keel_pipeline_free(branches[0]);
        keel_pipeline_free(branches[1]);
    }
    return NULL;
}

/* ---- What is given up is not success ---- */

static keel_err *nap(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)arg;
    *(int *)out = *(const int *)in;
    return keel_sleep(ctx, KEEL_S(1));
}

static keel_err *ignore(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)in, (void)out, (void)arg;
    sunk++;
    return NULL;
}

/* Nothing comes after the last item that could notice the end instead of it. */
static keel_err *the_last_item_may_be_cut_off(keel_ctx *ctx, void *arg)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    keel_pipeline *p = keel_pipeline_new(NULL);
    keel_stage_stats stats[3];

    (void)arg;
    sunk = 0;
    keel_pipeline_from_array(p, numbers, 1, sizeof *numbers);
    keel_pipeline_map(p, "nap", KEEL_FN(nap, int, int), NULL);
    keel_pipeline_each(p, "ignore", KEEL_FN_SINK(ignore, int), NULL);
    keel_err *err = keel_pipeline_run(limited, p);
    KEEL_CHECK(keel_err_is(err, KEEL_ERR_DEADLINE) && sunk == 0);
    keel_err_free(err);
    KEEL_CHECK(keel_pipeline_get_stats(p, stats, 3) == 3);
    KEEL_CHECK(stats[1].in == 1 && stats[1].failed == 0 && stats[1].out == 0 && stats[2].in == 0);
    keel_pipeline_free(p);
    keel_ctx_free(limited);
    return NULL;
}

static keel_err *cancel_own(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    keel_yield(); /* the source ends meanwhile */
    if (*(const int *)in == 1)
        keel_ctx_cancel(arg);
    return ignore(ctx, in, out, arg);
}

static keel_err *items_in_a_queue_may_be_cut_off(keel_ctx *ctx, void *arg)
{
    keel_ctx *own = keel_ctx_with_cancel(ctx);
    keel_pipeline *p = keel_pipeline_new(NULL);

    (void)arg;
    sunk = 0;
    keel_pipeline_from_array(p, numbers, 3, sizeof *numbers);
    keel_pipeline_each(p, "cancel", KEEL_FN_SINK(cancel_own, int),
                       &(keel_stage_opts){ .apart = true, .arg = own });
    keel_err *err = run_and_free(own, p);
    KEEL_CHECK(keel_err_is(err, KEEL_ERR_CANCELLED) && sunk == 1);
    keel_err_free(err);
    keel_ctx_free(own);
    return NULL;
}

static keel_err *a_batch_has_the_number_of_its_first(keel_ctx *ctx, void *arg)
{
    keel_pipeline *p = begin();
    char buf[256];

    (void)arg;
    fails = 7; /* the third of the batch from 5 to 8 */
    keel_pipeline_batch(p, "batch", 4, 0);
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take_batch, keel_batch), NULL);
    keel_err *err = run_and_free(ctx, p);
    keel_err_format(err, buf, sizeof buf);
    KEEL_CHECK(strstr(buf, "stage take, item 5: ") != NULL);
    keel_err_free(err);
    return NULL;
}

/* ---- Beside others ---- */

static keel_err *count_turns(keel_ctx *ctx, void *arg)
{
    for (int *turns = arg; keel_ctx_err(ctx) == NULL; keel_yield())
        ++*turns;
    return NULL;
}

static keel_err *others_run_now_and_then(keel_ctx *ctx, void *arg)
{
    static int many[2000];
    int turns = 0;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_pipeline *p = keel_pipeline_new(NULL);

    (void)arg;
    keel_pipeline_from_array(p, many, 2000, sizeof *many);
    keel_pipeline_each(p, "ignore", KEEL_FN_SINK(ignore, int), NULL);
    keel_group_go(group, count_turns, &turns);
    KEEL_TRY(run_and_free(ctx, p));
    keel_group_cancel(group);
    keel_err_free(keel_group_wait(group));
    KEEL_CHECK(turns >= 2000 / 256);
    return NULL;
}

static keel_err *who_keeps_order_is_not_fused_with_who_does_not(keel_ctx *ctx, void *arg)
{
    keel_pipeline *p = begin();
    keel_buf plan = { 0 };

    (void)ctx, (void)arg;
    keel_pipeline_filter(p, "some", not_thirds,
                         &(keel_stage_opts){ .parallel = 2, .keep_order = true });
    keel_pipeline_filter(p, "more", not_thirds, &(keel_stage_opts){ .parallel = 2 });
    keel_pipeline_each(p, "take", KEEL_FN_SINK(take_owned, int_ptr), NULL);
    KEEL_TRY(keel_pipeline_explain(p, &plan));
    KEEL_CHECK(strstr(keel_buf_text(&plan), "2 tasks in order: queue 1 -> filter some -> ") !=
               NULL);
    KEEL_CHECK(strstr(keel_buf_text(&plan), "2 tasks: queue 2 -> filter more -> ") != NULL);
    keel_buf_deinit(&plan);
    keel_pipeline_free(p);
    return NULL;
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(items_are_freed_once)
RUNS(batches_are_freed_with_their_items)
RUNS(lines_in_batches_live_as_long_as_they)
RUNS(what_ends_with_its_stage_is_not_kept)
RUNS(branches_free_alike)
RUNS(the_last_item_may_be_cut_off)
RUNS(items_in_a_queue_may_be_cut_off)
RUNS(a_batch_has_the_number_of_its_first)
RUNS(others_run_now_and_then)
RUNS(who_keeps_order_is_not_fused_with_who_does_not)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_items_are_freed_once),
        support_test(runs_batches_are_freed_with_their_items),
        support_test(runs_lines_in_batches_live_as_long_as_they),
        support_test(runs_what_ends_with_its_stage_is_not_kept),
        support_test(runs_branches_free_alike),
        support_test(runs_the_last_item_may_be_cut_off),
        support_test(runs_items_in_a_queue_may_be_cut_off),
        support_test(runs_a_batch_has_the_number_of_its_first),
        support_test(runs_others_run_now_and_then),
        support_test(runs_who_keeps_order_is_not_fused_with_who_does_not),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
