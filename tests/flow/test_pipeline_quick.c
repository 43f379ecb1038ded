/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <keel/group.h>
#include <keel/pipeline.h>
#include <keel/task.h>

/* Pipelines on a real runtime, whose items take the short way between two that are measured: all is counted and
 * named as on the long one, which simulations take. */

static KEEL_ERR_DEFINE(broken, "broken");

enum { MANY = 2000, SOME = 1234 };

typedef struct numbers {
    int64_t next, end;
    int64_t fails;   /* the number the source fails at */
    int64_t cancels; /* the number it ends the context at, */
    keel_ctx *whole; /* which is this */
    int64_t bad;     /* the number the stage fails on */
    keel_stage_error on_error;
    bool filtered;
    int64_t sum, sunk; /* what came to the sink */
    keel_clock *clock; /* on which each call takes a microsecond */
    int turns;         /* of another task */
    keel_stage_stats stats[4];
} numbers;

static keel_err *generate(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    numbers *n = arg;

    (void)ctx;
    if (n->next == n->end) {
        *more = false;
        return NULL;
    }
    if (++n->next == n->fails)
        return broken;
    if (n->next == n->cancels)
        keel_ctx_cancel(n->whole);
    *(int64_t *)out = n->next;
    return NULL;
}

static keel_err *twice(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const numbers *n = arg;
    const int64_t number = *(const int64_t *)in;

    (void)ctx;
    if (n->clock != NULL)
        keel_clock_advance(n->clock, KEEL_US(1));
    if (number == n->bad)
        return broken;
    *(int64_t *)out = 2 * number;
    return NULL;
}

static bool no_thirds(const void *item, void *arg)
{
    (void)arg;
    return *(const int64_t *)item % 3 != 0;
}

static keel_err *add(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    numbers *n = arg;

    (void)ctx, (void)out;
    if (n->clock != NULL)
        keel_clock_advance(n->clock, KEEL_US(1));
    n->sum += *(const int64_t *)in;
    __atomic_fetch_add(&n->sunk, 1, __ATOMIC_RELAXED); /* others look at it meanwhile */
    return NULL;
}

/* generate, twice, perhaps a filter, add. */
static keel_err *carry_all(keel_ctx *ctx, void *arg)
{
    numbers *n = arg;
    keel_ctx *whole = keel_ctx_with_cancel(ctx);
    keel_pipeline *p = keel_pipeline_new(NULL);

    n->whole = whole;
    keel_pipeline_from_fn(p, "generate", generate, sizeof(int64_t), NULL, n);
    keel_pipeline_map(p, "twice", KEEL_FN(twice, int64_t, int64_t),
                      &(keel_stage_opts){ .arg = n, .on_error = n->on_error });
    if (n->filtered)
        keel_pipeline_filter(p, "no thirds", no_thirds, NULL);
    keel_pipeline_each(p, "add", KEEL_FN_SINK(add, int64_t), &(keel_stage_opts){ .arg = n });
    keel_err *err = keel_pipeline_run(whole, p);
    keel_pipeline_get_stats(p, n->stats, 4);
    keel_pipeline_free(p);
    keel_ctx_free(whole);
    return err;
}

static keel_err *carry(numbers *n)
{
    return support_run(carry_all, n);
}

static void all_are_counted(void **state)
{
    (void)state;
    numbers n = { .end = MANY };

    assert_ok(carry(&n));
    assert_int_equal(n.sunk, MANY);
    assert_int_equal(n.sum, (int64_t)MANY * (MANY + 1));
    assert_int_equal(n.stats[0].out, MANY);
    assert_int_equal(n.stats[1].in, MANY);
    assert_int_equal(n.stats[2].in, MANY);
}

static void what_a_filter_lets_go_is_counted(void **state)
{
    (void)state;
    numbers n = { .end = MANY, .filtered = true };

    assert_ok(carry(&n));
    assert_int_equal(n.sunk, MANY - MANY / 3);
    assert_int_equal(n.stats[2].in, MANY);
    assert_int_equal(n.stats[2].filtered, MANY / 3);
    assert_int_equal(n.stats[3].in, MANY - MANY / 3);
}

static void one_is_dropped(void **state)
{
    (void)state;
    numbers n = { .end = MANY, .bad = SOME, .on_error = KEEL_STAGE_DROP };

    assert_ok(carry(&n));
    assert_int_equal(n.sunk, MANY - 1);
    assert_int_equal(n.stats[1].failed, 1);
}

static void a_failure_names_the_item(void **state)
{
    (void)state;
    numbers n = { .end = MANY, .bad = SOME };
    char text[256];

    keel_err *err = carry(&n);
    keel_err_format(err, text, sizeof text);
    assert_err(err, broken);
    assert_non_null(strstr(text, "stage twice, item 1234"));
    assert_int_equal(n.sunk, SOME - 1);
    assert_int_equal(n.next, SOME);
    assert_int_equal(n.stats[0].out, SOME);
}

static void a_source_that_fails_says_where(void **state)
{
    (void)state;
    numbers n = { .end = MANY, .fails = SOME };
    char text[256];

    keel_err *err = carry(&n);
    keel_err_format(err, text, sizeof text);
    assert_err(err, broken);
    assert_non_null(strstr(text, "stage generate, item 1234"));
    assert_int_equal(n.sunk, SOME - 1);
    assert_int_equal(n.stats[0].out, SOME - 1);
}

static void no_item_is_made_after_the_end_of_the_context(void **state)
{
    (void)state;
    numbers n = { .end = MANY, .cancels = SOME };

    assert_err(carry(&n), KEEL_ERR_CANCELLED);
    assert_int_equal(n.next, SOME);
    assert_in_range(n.sunk, SOME - 1, SOME);
}

/* Each call takes a microsecond. What is measured of some counts for all. */
static void some_items_are_measured(void **state)
{
    (void)state;
    for (int filtered = 0; filtered < 2; filtered++) {
        numbers n = { .end = 50 * MANY, .filtered = filtered != 0, .clock = flow_clock() };

        assert_ok(support_run_on(n.clock, 1, carry_all, &n));
        assert_in_range(n.stats[1].busy_ns, KEEL_US(49 * MANY), KEEL_US(51 * MANY));
        const int64_t sunk_ns = KEEL_US(n.sunk), busy_ns = n.stats[filtered + 2].busy_ns;
        assert_in_range(busy_ns, sunk_ns / 10 * 9, sunk_ns / 10 * 11);
        keel_clock_free(n.clock);
    }
}

static keel_err *take_turns(keel_ctx *ctx, void *arg)
{
    numbers *n = arg;

    while (__atomic_load_n(&n->sunk, __ATOMIC_RELAXED) < n->end) {
        n->turns++;
        keel_yield();
        KEEL_TRY(keel_ctx_err(ctx));
    }
    return NULL;
}

static keel_err *carry_beside(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, take_turns, arg);
    keel_err *err = carry_all(ctx, arg);
    return keel_err_join(err, keel_group_wait(group));
}

static void others_run_now_and_then(void **state)
{
    (void)state;
    numbers n = { .end = MANY };

    assert_ok(support_run_on(NULL, 1, carry_beside, &n));
    assert_true(n.turns >= MANY / 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(all_are_counted),
        support_test(what_a_filter_lets_go_is_counted),
        support_test(one_is_dropped),
        support_test(a_failure_names_the_item),
        support_test(a_source_that_fails_says_where),
        support_test(no_item_is_made_after_the_end_of_the_context),
        support_test(some_items_are_measured),
        support_test(others_run_now_and_then),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
