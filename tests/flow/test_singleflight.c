/* SPDX-License-Identifier: MIT */
#include "explored.h"
#include "flow.h"

#include <inttypes.h>

#include <keel/singleflight.h>

static KEEL_ERR_DEFINE(broken, "broken");

/* What the calls of a test do, and what came of them. */
typedef struct world {
    keel_flights *flights;
    int64_t start_ns, takes_ns;
    keel_err *error;   /* what each call fails with; a sentinel. NULL: it succeeds */
    bool stubborn;     /* it goes on when it should end */
    int calls, freed;  /* args */
    int64_t told_ns;   /* when a call was told to end; since the start */
    int copied, given; /* values: how many copies, and how many of the calls' own were freed */
} world;

/* Who asks, when, and what for; and the answer. */
typedef struct asker {
    world *w;
    const char *key;
    int64_t after_ns, patience_ns; /* 0: endless */
    keel_ctx *ctx;                 /* instead of patience */
    int64_t value, returned_ns;
    bool shared;
    keel_err *err;
} asker;

/* Comes to the number of the call. */
static keel_err *work(keel_ctx *ctx, void *out, void *arg)
{
    world *w = arg;
    const int64_t number = ++w->calls;

    keel_err *err = keel_sleep(ctx, w->takes_ns);
    if (err != NULL) {
        w->told_ns = keel_ctx_now(ctx) - w->start_ns;
        if (!w->stubborn)
            return err;
        KEEL_TRY(keel_sleep(NULL, w->takes_ns));
    }
    if (w->error != NULL)
        return keel_err_wrap(w->error, "call %d", (int)number);
    *(int64_t *)out = number;
    return NULL;
}

static void freed(void *arg)
{
    ((world *)arg)->freed++;
}

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    asker *a = arg;
    world *w = a->w;

    KEEL_TRY(keel_sleep(ctx, a->after_ns));
    keel_ctx *limited =
        a->patience_ns > 0 ? keel_ctx_with_timeout(ctx, a->patience_ns) : keel_ctx_with_cancel(ctx);
    a->value = -1;
    a->err = keel_flights_do(a->ctx != NULL ? a->ctx : limited, w->flights,
                             keel_str_from(a->key != NULL ? a->key : "key"), work, w, &a->value,
                             &a->shared);
    a->returned_ns = keel_ctx_now(ctx) - w->start_ns;
    keel_ctx_free(limited);
    return NULL;
}

/* All of them, each in a task; then nothing flies any more. */
static keel_err *ask_all(keel_ctx *ctx, world *w, asker *askers, size_t count)
{
    KEEL_TRY(keel_flights_new(ctx, &w->flights, sizeof(int64_t),
                              &(keel_flights_opts){ .arg_free = freed }));
    w->start_ns = keel_ctx_now(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    for (size_t i = 0; i < count; i++) {
        askers[i].w = w;
        keel_group_go(group, ask, &askers[i]);
    }
    keel_err *err = keel_group_wait(group);
    keel_flights_free(w->flights);
    KEEL_CHECK(w->freed == (int)count);
    return err;
}

#define ASK_ALL(ctx, w, askers) ask_all((ctx), (w), (askers), sizeof(askers) / sizeof *(askers))

/* Got that value at that time. */
static void expect(const asker *a, int64_t value, int64_t returned_ms, bool shared)
{
    if (a->err != NULL || a->value != value || a->returned_ns != KEEL_MS(returned_ms))
        keel_sim_note("got %" PRId64 " at %" PRId64 " ns", a->value, a->returned_ns);
    KEEL_CHECK(a->err == NULL && a->value == value);
    KEEL_CHECK(a->returned_ns == KEEL_MS(returned_ms));
    KEEL_CHECK(a->shared == shared);
}

static void expect_err(const asker *a, const keel_err *target, int64_t returned_ms)
{
    KEEL_CHECK(keel_err_is(a->err, target));
    KEEL_CHECK(a->value == 0 && a->returned_ns == KEEL_MS(returned_ms));
    keel_err_free(a->err);
}

/* ---- Sharing ---- */

static keel_err *all_that_ask_meanwhile_share_one_call(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { 0 }, { .after_ns = KEEL_MS(10) }, { .after_ns = KEEL_MS(20) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    expect(&a[0], 1, 30, false);
    expect(&a[1], 1, 30, true);
    expect(&a[2], 1, 30, true);
    KEEL_CHECK(w.calls == 1);
    return NULL;
}

static keel_err *nothing_is_kept(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { 0 }, { .after_ns = KEEL_MS(31) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    expect(&a[0], 1, 30, false);
    expect(&a[1], 2, 61, false);
    return NULL;
}

static keel_err *ask_twice(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(ask(ctx, arg));
    return ask(ctx, arg);
}

/* Who is the first to have the value, and asks again at once, does not get it once more. */
static keel_err *nobody_joins_a_call_that_has_ended(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .w = &w }, { .w = &w } };

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof(int64_t), NULL));
    w.start_ns = keel_ctx_now(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 2; i++)
        keel_group_go(group, ask_twice, &a[i]);
    KEEL_TRY(keel_group_wait(group));
    keel_flights_free(w.flights);
    KEEL_CHECK(w.calls == 2 && a[0].value == 2 && a[1].value == 2);
    KEEL_CHECK(a[0].returned_ns == KEEL_MS(60) && a[1].returned_ns == KEEL_MS(60));
    return NULL;
}

static keel_err *keys_have_calls_of_their_own(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .key = "a" },
                  { .key = "ab", .after_ns = 1 },
                  { .key = "", .after_ns = 2 },
                  { .key = "ab", .after_ns = KEEL_MS(10) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    KEEL_CHECK(a[0].value == 1 && a[1].value == 2 && a[2].value == 3);
    KEEL_CHECK(a[3].value == 2 && a[3].shared);
    KEEL_CHECK(a[2].returned_ns == KEEL_MS(30) + 2);
    return NULL;
}

static keel_err *errors_are_shared(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30), .error = broken };
    asker a[] = { { 0 }, { .after_ns = KEEL_MS(10) } };
    char text[64];

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    KEEL_CHECK(w.calls == 1);
    keel_err_format(a[1].err, text, sizeof text);
    KEEL_CHECK(strcmp(text, "call 1: broken") == 0);
    expect_err(&a[0], broken, 30);
    expect_err(&a[1], broken, 30);
    return NULL;
}

/* ---- Leaving ---- */

static keel_err *the_first_may_leave(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .patience_ns = KEEL_MS(20) }, { .after_ns = KEEL_MS(10) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    expect_err(&a[0], KEEL_ERR_DEADLINE, 20);
    expect(&a[1], 1, 30, true);
    KEEL_CHECK(w.told_ns == 0);
    return NULL;
}

static keel_err *the_last_to_leave_ends_the_call(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .patience_ns = KEEL_MS(5) },
                  { .after_ns = KEEL_MS(1), .patience_ns = KEEL_MS(7) },
                  { .key = "another", .after_ns = KEEL_MS(20) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    expect_err(&a[0], KEEL_ERR_DEADLINE, 5);
    expect_err(&a[1], KEEL_ERR_DEADLINE, 8);
    expect(&a[2], 2, 50, false);
    KEEL_CHECK(w.told_ns == KEEL_MS(8));
    return NULL;
}

static keel_err *nobody_joins_a_call_that_was_ended(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30), .stubborn = true };
    asker a[] = { { .patience_ns = KEEL_MS(5) },
                  { .after_ns = KEEL_MS(10) },
                  { .after_ns = KEEL_MS(36) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    expect_err(&a[0], KEEL_ERR_DEADLINE, 5);
    expect(&a[1], 2, 40, false);
    expect(&a[2], 2, 40, true); /* the end of the first, at 35 ms, took nothing away */
    KEEL_CHECK(w.calls == 2);
    return NULL;
}

static keel_err *who_comes_with_an_ended_context_causes_nothing(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    keel_ctx *ended = keel_ctx_with_cancel(ctx);
    asker a[] = { { .ctx = ended } };

    (void)arg;
    keel_ctx_cancel(ended);
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    keel_ctx_free(ended);
    expect_err(&a[0], KEEL_ERR_CANCELLED, 0);
    KEEL_CHECK(w.calls == 0);
    return NULL;
}

/* ---- Forgetting ---- */

static keel_err *forget_at_ten(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(10)));
    keel_flights_forget(w->flights, KEEL_STR("another"));
    keel_flights_forget(w->flights, KEEL_STR("key"));
    return NULL;
}

static keel_err *a_forgotten_call_goes_on_alone(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .w = &w },
                  { .w = &w, .after_ns = KEEL_MS(5) },
                  { .w = &w, .after_ns = KEEL_MS(15) },
                  { .w = &w, .after_ns = KEEL_MS(35) } };
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof(int64_t), NULL));
    w.start_ns = keel_ctx_now(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    for (size_t i = 0; i < 4; i++)
        keel_group_go(group, ask, &a[i]);
    keel_group_go(group, forget_at_ten, &w);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(20)));
    keel_flights_get_stats(w.flights, &stats);
    KEEL_CHECK(stats.flying == 2 && stats.started == 2 && stats.joined == 1);
    KEEL_TRY(keel_group_wait(group));
    expect(&a[0], 1, 30, false);
    expect(&a[1], 1, 30, true);
    expect(&a[2], 2, 45, false);
    expect(&a[3], 2, 45, true);
    keel_flights_get_stats(w.flights, &stats);
    KEEL_CHECK(stats.flying == 0 && stats.started == 2 && stats.joined == 2);
    KEEL_CHECK(stats.abandoned == 0);
    keel_flights_free(w.flights);
    return NULL;
}

static keel_err *an_abandoned_call_is_counted(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30) };
    asker a = { .w = &w, .patience_ns = KEEL_MS(1) };
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof(int64_t), NULL));
    KEEL_TRY(ask(ctx, &a));
    keel_err_free(a.err);
    a.patience_ns = 0;
    KEEL_TRY(ask(ctx, &a));
    keel_flights_get_stats(w.flights, &stats);
    KEEL_CHECK(stats.abandoned == 1 && stats.flying == 0 && stats.started == 2);
    keel_flights_free(w.flights);
    return NULL;
}

/* ---- The end of all ---- */

static keel_err *cancel_at_ten(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(10)));
    keel_ctx_cancel(arg);
    return NULL;
}

static keel_err *calls_end_with_the_context_of_all(keel_ctx *ctx, void *arg)
{
    keel_ctx *outer = keel_ctx_with_cancel(ctx);
    world w = { .takes_ns = KEEL_MS(30) };
    asker a[] = { { .w = &w }, { .w = &w, .after_ns = KEEL_MS(20) } };
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(keel_flights_new(outer, &w.flights, sizeof(int64_t),
                              &(keel_flights_opts){ .arg_free = freed }));
    w.start_ns = keel_ctx_now(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, ask, &a[0]);
    keel_group_go(group, ask, &a[1]);
    keel_group_go(group, cancel_at_ten, outer);
    KEEL_TRY(keel_group_wait(group));
    expect_err(&a[0], KEEL_ERR_CANCELLED, 10);
    expect_err(&a[1], KEEL_ERR_CANCELLED, 20);
    keel_flights_get_stats(w.flights, &stats);
    KEEL_CHECK(stats.started == 1 && w.calls == 1 && w.freed == 2);
    keel_flights_free(w.flights);
    keel_ctx_free(outer);
    return NULL;
}

static keel_err *freeing_waits_for_calls_that_go_on(keel_ctx *ctx, void *arg)
{
    world w = { .takes_ns = KEEL_MS(30), .stubborn = true };
    asker a[] = { { .patience_ns = KEEL_MS(5) } };

    (void)arg;
    KEEL_TRY(ASK_ALL(ctx, &w, a));
    keel_err_free(a[0].err);
    KEEL_CHECK(keel_ctx_now(ctx) - w.start_ns == KEEL_MS(35));
    return NULL;
}

/* ---- Values ---- */

typedef struct counted {
    world *w;
    int64_t number;
} counted;

static keel_err *make_counted(keel_ctx *ctx, void *out, void *arg)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    *(counted *)out = (counted){ arg, 7 };
    return NULL;
}

static keel_err *copy_counted(void *to, const void *from)
{
    world *w = ((const counted *)from)->w;

    memcpy(to, from, sizeof(counted));
    return ++w->copied == 2 ? broken : NULL;
}

static void free_counted(void *value)
{
    ((counted *)value)->w->given++;
}

typedef struct reader {
    world *w;
    bool blind;
    counted got;
    keel_err *err;
} reader;

static keel_err *read_counted(keel_ctx *ctx, void *arg)
{
    reader *r = arg;

    r->err = keel_flights_do(ctx, r->w->flights, KEEL_STR("x"), make_counted, r->w,
                             r->blind ? NULL : &r->got, NULL);
    return NULL;
}

static keel_err *each_gets_a_copy_of_its_own(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    reader r[] = { { .w = &w }, { .w = &w }, { .w = &w }, { .w = &w, .blind = true } };
    int failed = 0;

    (void)arg;
    KEEL_TRY(keel_flights_new(
        ctx, &w.flights, sizeof(counted),
        &(keel_flights_opts){ .value_copy = copy_counted, .value_free = free_counted }));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < 4; i++)
        keel_group_go(group, read_counted, &r[i]);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(w.copied == 3 && w.given == 1);
    for (int i = 0; i < 3; i++) {
        failed += r[i].err == broken;
        KEEL_CHECK(r[i].got.number == (r[i].err == broken ? 0 : 7));
    }
    KEEL_CHECK(failed == 1 && r[3].err == NULL);
    keel_flights_free(w.flights);
    return NULL;
}

static keel_err *no_bytes(keel_ctx *ctx, void *out, void *arg)
{
    (void)ctx;
    *(bool *)arg = out == NULL;
    return NULL;
}

static keel_err *values_may_have_no_bytes(keel_ctx *ctx, void *arg)
{
    keel_flights *flights;
    bool none = false;

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &flights, 0, NULL));
    KEEL_TRY(keel_flights_do(ctx, flights, KEEL_STR(""), no_bytes, &none, NULL, NULL));
    keel_flights_free(flights);
    KEEL_CHECK(none);
    return NULL;
}

/* ---- Every schedule ---- */

static keel_err *quick(keel_ctx *ctx, void *out, void *arg)
{
    world *w = arg;

    w->calls++;
    keel_yield();
    KEEL_TRY(keel_ctx_err(ctx));
    *(int64_t *)out = 7;
    return NULL;
}

static keel_err *ask_quickly(keel_ctx *ctx, void *arg)
{
    asker *a = arg;

    a->err = keel_flights_do(a->ctx != NULL ? a->ctx : ctx, a->w->flights, KEEL_STR("k"), quick,
                             a->w, &a->value, NULL);
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(arg);
    return NULL;
}

/* Runs in which a call was abandoned before it began, and then did not begin. */
static int never_begun;

/* Whoever comes and leaves when: who stays gets the value, and nothing is left behind. */
static keel_err *leave_against_join(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    keel_ctx *leaving = keel_ctx_with_cancel(ctx);
    asker a[] = { { .w = &w, .ctx = leaving }, { .w = &w } };
    keel_flights_stats stats;

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof(int64_t),
                              &(keel_flights_opts){ .arg_free = freed }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, ask_quickly, &a[0]);
    keel_group_go(group, ask_quickly, &a[1]);
    keel_group_go(group, cancel_it, leaving);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(a[0].err == NULL || a[0].err == KEEL_ERR_CANCELLED);
    KEEL_CHECK(a[0].err != NULL || a[0].value == 7);
    KEEL_CHECK(a[1].err == NULL && a[1].value == 7);
    keel_flights_get_stats(w.flights, &stats);
    KEEL_CHECK(stats.started >= 1 && stats.started + stats.joined <= 2);
    keel_flights_free(w.flights);
    KEEL_CHECK(w.freed == 2 && (uint64_t)w.calls <= stats.started);
    never_begun += (uint64_t)w.calls < stats.started;
    keel_ctx_free(leaving);
    return NULL;
}

static keel_err *forget_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_flights_forget(((world *)arg)->flights, KEEL_STR("k"));
    return NULL;
}

static keel_err *forget_against_join(keel_ctx *ctx, void *arg)
{
    world w = { 0 };
    asker a[] = { { .w = &w }, { .w = &w } };

    (void)arg;
    KEEL_TRY(keel_flights_new(ctx, &w.flights, sizeof(int64_t),
                              &(keel_flights_opts){ .arg_free = freed }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, ask_quickly, &a[0]);
    keel_group_go(group, forget_it, &w);
    keel_group_go(group, ask_quickly, &a[1]);
    KEEL_TRY(keel_group_wait(group));
    keel_flights_free(w.flights);
    KEEL_CHECK(a[0].err == NULL && a[0].value == 7 && a[1].err == NULL && a[1].value == 7);
    KEEL_CHECK(w.freed == 2 && (w.calls == 1 || w.calls == 2));
    return NULL;
}

static void every_order_of_coming_and_leaving_is_fine(void **state)
{
    (void)state;
    const scenario scenarios[] = { { "leave_against_join", leave_against_join, NULL, false },
                                   { "forget_against_join", forget_against_join, NULL, false } };

    explore_all(scenarios, sizeof scenarios / sizeof *scenarios, (keel_sim_opts){ .seed = 0 });
    assert_true(never_begun > 0);
}

#define RUNS(name)                                                                                 \
    static void runs_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        assert_sim_ok(keel_sim_run(#name, name, NULL, &(keel_sim_opts){ .fixed_time = true }));    \
    }
RUNS(all_that_ask_meanwhile_share_one_call)
RUNS(nothing_is_kept)
RUNS(nobody_joins_a_call_that_has_ended)
RUNS(keys_have_calls_of_their_own)
RUNS(errors_are_shared)
RUNS(the_first_may_leave)
RUNS(the_last_to_leave_ends_the_call)
RUNS(nobody_joins_a_call_that_was_ended)
RUNS(who_comes_with_an_ended_context_causes_nothing)
RUNS(a_forgotten_call_goes_on_alone)
RUNS(an_abandoned_call_is_counted)
RUNS(calls_end_with_the_context_of_all)
RUNS(freeing_waits_for_calls_that_go_on)
RUNS(each_gets_a_copy_of_its_own)
RUNS(values_may_have_no_bytes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runs_all_that_ask_meanwhile_share_one_call),
        support_test(runs_nothing_is_kept),
        support_test(runs_nobody_joins_a_call_that_has_ended),
        support_test(runs_keys_have_calls_of_their_own),
        support_test(runs_errors_are_shared),
        support_test(runs_the_first_may_leave),
        support_test(runs_the_last_to_leave_ends_the_call),
        support_test(runs_nobody_joins_a_call_that_was_ended),
        support_test(runs_who_comes_with_an_ended_context_causes_nothing),
        support_test(runs_a_forgotten_call_goes_on_alone),
        support_test(runs_an_abandoned_call_is_counted),
        support_test(runs_calls_end_with_the_context_of_all),
        support_test(runs_freeing_waits_for_calls_that_go_on),
        support_test(runs_each_gets_a_copy_of_its_own),
        support_test(runs_values_may_have_no_bytes),
        support_test(every_order_of_coming_and_leaving_is_fine),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
