/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include "task/ctx.h"
#include "task/worker.h"

KEEL_ANY_TYPE_STATIC(void); /* a pointer to anything */

static const char key_a, key_b, key_c;

/* What keel_ctx_cause says, by address: sentinels and errors that the test still holds. */
static bool cause_is(keel_ctx *ctx, const keel_err *cause)
{
    keel_err *got = keel_ctx_cause(ctx);
    bool same = got == cause;

    keel_err_free(got);
    return same;
}

/* ---- Contexts that are no objects ---- */

static void the_background_never_ends(void **state)
{
    (void)state;
    keel_ctx *all[] = { NULL, keel_ctx_background() };

    for (size_t i = 0; i < 2; i++) {
        keel_ctx *ctx = all[i];
        int64_t deadline_ns = 7;

        keel_ctx_cancel(ctx);
        keel_ctx_cancel_cause(ctx, keel_err_new("in vain"));
        keel_ctx_free(ctx);
        assert_null(keel_ctx_err(ctx));
        assert_null(keel_ctx_cause(ctx));
        assert_false(keel_ctx_deadline(ctx, &deadline_ns));
        assert_true(deadline_ns == 0);
        assert_null(KEEL_ANY_AS(keel_ctx_value(ctx, &key_a), void));
        assert_null(KEEL_ANY_AS(keel_ctx_value(ctx, NULL), void));
        int64_t now_ns = keel_ctx_now(ctx);
        assert_true(now_ns <= keel_clock_now(keel_clock_system()));
    }
}

/* ---- Ending ---- */

CREW_TEST(only_the_first_end_counts)
{
    keel_err *first = keel_err_new("first"), *second = keel_err_new("second");
    keel_ctx *child = keel_ctx_with_cancel(ctx);

    (void)arg;
    must(keel_ctx_err(child) == NULL && cause_is(child, NULL));
    keel_ctx_cancel_cause(child, keel_err_retain(first));
    must(keel_ctx_err(child) == KEEL_ERR_CANCELLED && cause_is(child, first));
    keel_ctx_cancel_cause(child, keel_err_retain(second));
    keel_ctx_cancel(child);
    must(keel_ctx_err(child) == KEEL_ERR_CANCELLED && cause_is(child, first));
    keel_ctx_free(child);

    child = keel_ctx_with_cancel(ctx);
    keel_ctx_cancel(child);
    keel_ctx_cancel_cause(child, keel_err_retain(second));
    must(cause_is(child, KEEL_ERR_CANCELLED));
    keel_ctx_free(child);
    keel_err_free(first);
    keel_err_free(second);
    return NULL;
}

CREW_TEST_ON_TIME(descendants_end_with_it_and_for_its_cause)
{
    keel_err *high = keel_err_new("high"), *low = keel_err_new("low");
    keel_ctx *top = keel_ctx_with_cancel(ctx);
    keel_ctx *ended = keel_ctx_with_cancel(top), *below_ended = keel_ctx_with_cancel(ended);
    keel_ctx *value = keel_ctx_with_value(top, &key_a, KEEL_ANY_PTR(void, top));
    keel_ctx *leaf = keel_ctx_with_timeout(value, KEEL_HOUR(1));
    keel_ctx *other = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel_cause(ended, keel_err_retain(low));
    must(keel_ctx_err(top) == NULL && keel_ctx_err(value) == NULL);
    keel_ctx_cancel_cause(top, keel_err_retain(high));
    must(keel_ctx_err(leaf) == KEEL_ERR_CANCELLED && cause_is(leaf, high));
    must(cause_is(value, high) && cause_is(top, high));
    must(cause_is(ended, low) && cause_is(below_ended, low));
    must(keel_ctx_err(other) == NULL && cause_is(other, NULL));

    keel_ctx_free(other);
    keel_ctx_free(leaf);
    keel_ctx_free(below_ended);
    keel_ctx_free(ended);
    keel_ctx_free(value);
    keel_ctx_free(top);
    keel_err_free(high);
    keel_err_free(low);
    return NULL;
}

CREW_TEST(a_child_of_what_has_ended_has_ended)
{
    keel_err *cause = keel_err_new("cause"), *late = keel_err_new("late");
    keel_ctx *top = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel_cause(top, keel_err_retain(cause));
    keel_ctx *children[] = {
        keel_ctx_with_cancel(top),
        keel_ctx_with_value(top, &key_a, KEEL_ANY_PTR(void, top)),
        keel_ctx_with_timeout(top, KEEL_HOUR(1)),
        keel_ctx_with_timeout_cause(top, -1, keel_err_retain(late)),
        keel_ctx_with_deadline_cause(top, INT64_MIN, keel_err_retain(late)),
    };
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        must(keel_ctx_err(children[i]) == KEEL_ERR_CANCELLED);
        must(cause_is(children[i], cause));
        must_err(keel_sleep(children[i], KEEL_HOUR(1)), KEEL_ERR_CANCELLED);
        keel_ctx_free(children[i]);
    }
    keel_ctx_free(top);
    keel_err_free(cause);
    keel_err_free(late);
    return NULL;
}

CREW_TEST(freeing_a_parent_ends_children_that_stay_valid)
{
    int seen = 1;
    keel_ctx *top = keel_ctx_with_value(ctx, &key_a, KEEL_ANY_PTR(void, &seen));
    keel_ctx *middle = keel_ctx_with_value(top, &key_b, KEEL_ANY_PTR(void, ctx));
    keel_ctx *low = keel_ctx_with_cancel(middle);

    (void)arg;
    keel_ctx_free(top);
    keel_ctx_free(middle);
    must(keel_ctx_err(low) == KEEL_ERR_CANCELLED);
    must(KEEL_ANY_AS(keel_ctx_value(low, &key_a), void) == &seen &&
         KEEL_ANY_AS(keel_ctx_value(low, &key_b), void) == ctx);
    keel_ctx *late = keel_ctx_with_cancel(low);
    must(keel_ctx_err(late) == KEEL_ERR_CANCELLED);
    keel_ctx_free(low);
    keel_ctx_free(late);
    return NULL;
}

/* ---- Deadlines, in virtual time ---- */

static keel_err *deadlines(keel_ctx *ctx, void *arg)
{
    keel_err *slow = keel_err_new("too slow"), *why = keel_err_new("why");
    int64_t start_ns = keel_ctx_now(ctx), deadline_ns;

    (void)arg;
    must(!keel_ctx_deadline(ctx, &deadline_ns) && deadline_ns == 0);

    /* the timer fires: its cause, at its moment, for all below */
    keel_ctx *a = keel_ctx_with_timeout_cause(ctx, KEEL_S(5), keel_err_retain(slow));
    keel_ctx *below = keel_ctx_with_cancel(a);
    must(keel_ctx_deadline(a, &deadline_ns) && deadline_ns == start_ns + KEEL_S(5));
    must(keel_ctx_deadline(below, &deadline_ns) && deadline_ns == start_ns + KEEL_S(5));
    must_ok(keel_sleep(a, KEEL_S(5) - 1));
    must(keel_ctx_err(a) == NULL);
    must_err(keel_sleep(below, KEEL_S(5)), KEEL_ERR_DEADLINE);
    must(keel_ctx_now(ctx) == start_ns + KEEL_S(5));
    must(keel_ctx_err(a) == KEEL_ERR_DEADLINE && cause_is(a, slow));
    must(keel_ctx_err(below) == KEEL_ERR_DEADLINE && cause_is(below, slow));
    keel_ctx_cancel_cause(a, keel_err_retain(why));
    must(keel_ctx_err(a) == KEEL_ERR_DEADLINE && cause_is(a, slow));
    keel_ctx_free(below);
    keel_ctx_free(a);

    /* cancelled before: not the timer's cause, and it stays so */
    a = keel_ctx_with_timeout_cause(ctx, KEEL_S(5), keel_err_retain(slow));
    keel_ctx *b = keel_ctx_with_timeout_cause(ctx, KEEL_S(5), keel_err_retain(slow));
    keel_ctx_cancel(a);
    keel_ctx_cancel_cause(b, keel_err_retain(why));
    must_ok(keel_sleep(ctx, KEEL_S(10)));
    must(keel_ctx_err(a) == KEEL_ERR_CANCELLED && cause_is(a, KEEL_ERR_CANCELLED));
    must(keel_ctx_err(b) == KEEL_ERR_CANCELLED && cause_is(b, why));
    keel_ctx_free(a);
    keel_ctx_free(b);

    /* without a cause of its own */
    a = keel_ctx_with_timeout(ctx, KEEL_S(1));
    must_err(keel_sleep(a, KEEL_S(2)), KEEL_ERR_DEADLINE);
    must(cause_is(a, KEEL_ERR_DEADLINE));
    keel_ctx_free(a);
    keel_err_free(slow);
    keel_err_free(why);
    return NULL;
}

static void deadlines_end_contexts_at_their_moment(void **state)
{
    (void)state;
    run_and_explore_on_time(deadlines, NULL);
}

static keel_err *earlier_wins(keel_ctx *ctx, void *arg)
{
    keel_err *outer = keel_err_new("outer"), *inner = keel_err_new("inner");
    int64_t start_ns = keel_ctx_now(ctx), deadline_ns;

    (void)arg;
    /* the parent's is earlier: the child has that, and its own cause never counts */
    keel_ctx *top = keel_ctx_with_timeout_cause(ctx, KEEL_S(1), keel_err_retain(outer));
    keel_ctx *low = keel_ctx_with_timeout_cause(top, KEEL_S(2), keel_err_retain(inner));
    must(keel_ctx_deadline(low, &deadline_ns) && deadline_ns == start_ns + KEEL_S(1));
    must_err(keel_sleep(low, KEEL_S(3)), KEEL_ERR_DEADLINE);
    must(keel_ctx_now(ctx) == start_ns + KEEL_S(1));
    must(cause_is(low, outer) && cause_is(top, outer));
    keel_ctx_free(low);
    keel_ctx_free(top);

    /* the child's is earlier: the parent goes on */
    start_ns = keel_ctx_now(ctx);
    top = keel_ctx_with_timeout_cause(ctx, KEEL_S(2), keel_err_retain(outer));
    low = keel_ctx_with_timeout_cause(top, KEEL_S(1), keel_err_retain(inner));
    keel_ctx *lower = keel_ctx_with_value(low, &key_a, KEEL_ANY_PTR(void, ctx));
    must_err(keel_sleep(lower, KEEL_S(3)), KEEL_ERR_DEADLINE);
    must(keel_ctx_now(ctx) == start_ns + KEEL_S(1));
    must(cause_is(low, inner) && cause_is(lower, inner) && keel_ctx_err(top) == NULL);
    must_err(keel_sleep(top, KEEL_S(3)), KEEL_ERR_DEADLINE);
    must(keel_ctx_now(ctx) == start_ns + KEEL_S(2));
    must(cause_is(low, inner) && cause_is(top, outer));
    keel_ctx_free(lower);
    keel_ctx_free(low);
    keel_ctx_free(top);
    keel_err_free(outer);
    keel_err_free(inner);
    return NULL;
}

static void of_two_deadlines_the_earlier_wins(void **state)
{
    (void)state;
    run_and_explore_on_time(earlier_wins, NULL);
}

CREW_TEST(a_deadline_in_the_past_ends_it_at_once)
{
    keel_err *slow = keel_err_new("too slow");
    int64_t now_ns = keel_ctx_now(ctx), deadline_ns;
    int64_t past[] = { now_ns, now_ns - 1, 0, -1, INT64_MIN + 1, INT64_MIN };

    (void)arg;
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        keel_ctx *at = keel_ctx_with_deadline_cause(ctx, past[i], keel_err_retain(slow));
        keel_ctx *after =
            keel_ctx_with_timeout_cause(ctx, past[i] < 0 ? past[i] : 0, keel_err_retain(slow));

        must(keel_ctx_err(at) == KEEL_ERR_DEADLINE && cause_is(at, slow));
        must(keel_ctx_deadline(at, &deadline_ns) && deadline_ns == past[i]);
        must(keel_ctx_err(after) == KEEL_ERR_DEADLINE && cause_is(after, slow));
        must_err(keel_sleep(at, INT64_MAX), KEEL_ERR_DEADLINE);
        keel_ctx *low = keel_ctx_with_timeout(at, KEEL_S(1));
        must(keel_ctx_err(low) == KEEL_ERR_DEADLINE && cause_is(low, slow));
        keel_ctx_free(low);
        keel_ctx_free(at);
        keel_ctx_free(after);
    }
    keel_err_free(slow);
    return NULL;
}

CREW_TEST_ON_TIME(a_far_deadline_does_not_overflow)
{
    int64_t deadline_ns;

    (void)arg;
    keel_ctx *never = keel_ctx_with_timeout_cause(ctx, INT64_MAX, keel_err_new("never"));
    keel_ctx *neither = keel_ctx_with_deadline(ctx, INT64_MAX);
    keel_ctx *late = keel_ctx_with_deadline(ctx, INT64_MAX - 1);
    must(!keel_ctx_deadline(never, &deadline_ns) && !keel_ctx_deadline(neither, &deadline_ns));
    must(keel_ctx_deadline(late, &deadline_ns) && deadline_ns == INT64_MAX - 1);
    keel_ctx *all[] = { never, neither, late };
    for (size_t i = 0; i < 3; i++) {
        must(keel_ctx_err(all[i]) == NULL);
        must_ok(keel_sleep(all[i], 1));
        keel_ctx_free(all[i]);
    }
    return NULL;
}

/* ---- Values ---- */

CREW_TEST(values_are_found_through_all_kinds)
{
    int a = 1, b = 2, hidden = 3;
    keel_ctx *chain[7];

    (void)arg;
    chain[0] = keel_ctx_with_value(ctx, &key_a, KEEL_ANY_PTR(void, &hidden));
    chain[1] = keel_ctx_with_cancel(chain[0]);
    chain[2] = keel_ctx_with_value(chain[1], &key_b, KEEL_ANY_PTR(void, &b));
    chain[3] = keel_ctx_with_timeout(chain[2], KEEL_HOUR(1));
    chain[4] = keel_ctx_without_cancel(chain[3]);
    chain[5] = keel_ctx_with_value(chain[4], &key_a, KEEL_ANY_PTR(void, &a));
    chain[6] = keel_ctx_with_deadline_cause(chain[5], 0, NULL);
    must(KEEL_ANY_AS(keel_ctx_value(chain[6], &key_a), void) == &a &&
         KEEL_ANY_AS(keel_ctx_value(chain[6], &key_b), void) == &b);
    must(KEEL_ANY_AS(keel_ctx_value(chain[4], &key_a), void) == &hidden &&
         KEEL_ANY_AS(keel_ctx_value(chain[1], &key_b), void) == NULL);
    must(KEEL_ANY_AS(keel_ctx_value(chain[6], &key_c), void) == NULL &&
         KEEL_ANY_AS(keel_ctx_value(chain[6], NULL), void) == NULL);
    for (size_t i = 0; i < 6; i++) /* ended, they still carry */
        keel_ctx_free(chain[i]);
    must(KEEL_ANY_AS(keel_ctx_value(chain[6], &key_a), void) == &a &&
         KEEL_ANY_AS(keel_ctx_value(chain[6], &key_b), void) == &b);
    keel_ctx_free(chain[6]);
    return NULL;
}

/* The nearest counts, also if what it carries is nothing; and no key is no key. */
CREW_TEST(a_value_of_nothing_hides_another)
{
    int a = 1;
    keel_ctx *high = keel_ctx_with_value(ctx, &key_a, KEEL_ANY_PTR(void, &a));
    keel_ctx *low = keel_ctx_with_value(high, &key_a, KEEL_ANY_PTR(void, NULL));
    keel_ctx *keyless = keel_ctx_with_value(low, NULL, KEEL_ANY_PTR(void, &a));

    (void)arg;
    must(KEEL_ANY_AS(keel_ctx_value(high, &key_a), void) == &a &&
         KEEL_ANY_AS(keel_ctx_value(low, &key_a), void) == NULL);
    must(KEEL_ANY_AS(keel_ctx_value(keyless, NULL), void) == NULL);
    keel_ctx_free(keyless);
    keel_ctx_free(low);
    keel_ctx_free(high);
    return NULL;
}

typedef struct user {
    int id;
} user;
typedef struct user stranger;
KEEL_ANY_TYPE_STATIC(user);
KEEL_ANY_TYPE_STATIC(stranger);

CREW_TEST(a_value_of_another_type_is_not_taken_for_it)
{
    user someone = { 42 };
    int64_t number;
    keel_ctx *typed = keel_ctx_with_value(ctx, &key_a, KEEL_ANY_PTR(user, &someone));
    keel_ctx *numbered = keel_ctx_with_value(typed, &key_b, keel_any_i64(7));

    (void)arg;
    must(KEEL_ANY_AS(keel_ctx_value(numbered, &key_a), user) == &someone);
    must(KEEL_ANY_AS(keel_ctx_value(numbered, &key_a), stranger) == NULL);
    must(KEEL_ANY_AS(keel_ctx_value(numbered, &key_b), user) == NULL);
    must(keel_any_get_i64(keel_ctx_value(numbered, &key_b), &number) && number == 7);
    must(!keel_any_get_i64(keel_ctx_value(numbered, &key_a), &number));
    must(keel_any_kind(keel_ctx_value(numbered, &key_c)) == KEEL_ANY_NONE);
    keel_ctx_free(numbered);
    keel_ctx_free(typed);
    return NULL;
}

CREW_TEST(texts_and_errors_are_copied_and_live_as_long_as_descendants)
{
    char name[] = "request 7";
    const char *text;
    const keel_err *found;
    keel_err *err = keel_err_new("the first try failed");
    keel_ctx *named = keel_ctx_with_value(ctx, &key_a, keel_any_text(name));
    keel_ctx *failed = keel_ctx_with_value(named, &key_b, keel_any_err(err));
    keel_ctx *low = keel_ctx_with_cancel(failed);

    (void)arg;
    name[0] = '?';
    keel_err_free(err);
    keel_ctx_free(named);
    keel_ctx_free(failed);
    must(keel_any_get_text(keel_ctx_value(low, &key_a), &text) && strcmp(text, "request 7") == 0);
    must(keel_any_get_err(keel_ctx_value(low, &key_b), &found) && found == err);
    keel_any borrowed = keel_ctx_value(low, &key_a);
    keel_any_deinit(&borrowed);
    must(keel_any_get_text(keel_ctx_value(low, &key_a), &text) && strcmp(text, "request 7") == 0);
    keel_ctx_free(low);
    return NULL;
}

static void without_memory_for_its_value_it_has_ended(void **state)
{
    (void)state;
    keel_ctx *parent = keel_ctx_with_cancel(NULL);

    for (size_t nth = 1; nth <= 2; nth++) {
        support_mem_fail(nth, false);
        keel_ctx *ctx = keel_ctx_with_value(parent, &key_a, keel_any_text("a text to copy"));
        support_mem_fail(0, false);
        assert_ptr_equal(keel_ctx_err(ctx), KEEL_ERR_NOMEM);
        assert_int_equal(keel_any_kind(keel_ctx_value(ctx, &key_a)), KEEL_ANY_NONE);
        keel_ctx_free(ctx);
    }
    assert_null(keel_ctx_err(parent));
    keel_ctx_free(parent);
}

CREW_TEST_ON_TIME(without_cancel_it_does_not_end_with_its_parent)
{
    int a = 1;
    int64_t deadline_ns;
    keel_ctx *top = keel_ctx_with_timeout(ctx, KEEL_S(1));
    keel_ctx *value = keel_ctx_with_value(top, &key_a, KEEL_ANY_PTR(void, &a));
    keel_ctx *detached = keel_ctx_without_cancel(value), *low = keel_ctx_with_cancel(detached);

    (void)arg;
    must(!keel_ctx_deadline(low, &deadline_ns));
    keel_ctx_cancel(top);
    must(keel_ctx_err(value) == KEEL_ERR_CANCELLED);
    must(keel_ctx_err(detached) == NULL && cause_is(detached, NULL) && keel_ctx_err(low) == NULL);
    keel_ctx *late = keel_ctx_without_cancel(top);
    must(keel_ctx_err(late) == NULL);
    keel_ctx_free(late);
    keel_ctx_free(value);
    keel_ctx_free(top);
    must(KEEL_ANY_AS(keel_ctx_value(low, &key_a), void) == &a);

    /* on its own it is a context like any other */
    keel_ctx_cancel(detached);
    must(keel_ctx_err(detached) == KEEL_ERR_CANCELLED && keel_ctx_err(low) == KEEL_ERR_CANCELLED);
    keel_ctx_free(detached);
    keel_ctx_free(low);
    return NULL;
}

/* ---- Waiting ---- */

typedef struct waiter {
    keel_ctx *ctx;
    keel_err *err;
} waiter;

static keel_err *wait_under(keel_ctx *ctx, void *arg)
{
    waiter *w = arg;

    (void)ctx;
    w->err = keel_sleep(w->ctx, KEEL_HOUR(1000));
    return NULL;
}

static size_t watchers_of(keel_ctx *ctx)
{
    size_t count = 0;

    keel__spin_lock(&ctx->lock);
    for (keel__link *link = ctx->watchers.first; link != NULL; link = link->next)
        count++;
    keel__spin_unlock(&ctx->lock);
    return count;
}

CREW_TEST_ON_TIME(cancelling_ends_every_wait_below)
{
    enum { WAITERS = 6 };
    keel_ctx *top = keel_ctx_with_cancel(ctx), *low = keel_ctx_with_cancel(top);
    waiter waiters[WAITERS];
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (waiter){ .ctx = i % 2 == 0 ? top : low };
        crew_go(&c, wait_under, &waiters[i]);
    }
    while (watchers_of(top) != WAITERS / 2 || watchers_of(low) != WAITERS / 2)
        keel_yield();
    keel_ctx_cancel(top);
    crew_join(&c);
    for (int i = 0; i < WAITERS; i++)
        must(waiters[i].err == KEEL_ERR_CANCELLED);
    must(watchers_of(top) == 0 && watchers_of(low) == 0);
    keel_ctx_free(low);
    keel_ctx_free(top);
    return NULL;
}

CREW_TEST(a_wait_that_ends_otherwise_leaves_its_context)
{
    keel_ctx *child = keel_ctx_with_cancel(ctx);

    (void)arg;
    for (int i = 0; i < 10; i++)
        must_ok(keel_sleep(child, 1));
    must(watchers_of(child) == 0);
    keel_ctx_free(child);
    return NULL;
}

/* ---- Without memory ---- */

static keel_ctx *make_kind(int kind, keel_ctx *parent, keel_err *cause)
{
    if (kind == 3 || kind == 4)
        keel_err_retain(cause);
    switch (kind) {
    case 0:
        return keel_ctx_with_cancel(parent);
    case 1:
        return keel_ctx_with_deadline(parent, INT64_MAX - 1);
    case 2:
        return keel_ctx_with_timeout(parent, 1);
    case 3:
        return keel_ctx_with_deadline_cause(parent, 1, cause);
    case 4:
        return keel_ctx_with_timeout_cause(parent, INT64_MAX, cause);
    case 5:
        return keel_ctx_with_value(parent, &key_a, KEEL_ANY_PTR(void, cause));
    case 6:
        return keel_ctx_without_cancel(parent);
    default:
        return NULL;
    }
}

static void without_memory_it_has_ended_for_that(void **state)
{
    (void)state;
    keel_err *cause = keel_err_new("cause"), *late = keel_err_new("late");
    keel_ctx *parent = keel_ctx_with_value(NULL, &key_a, KEEL_ANY_PTR(void, cause));
    int64_t deadline_ns;

    for (int kind = 0; kind < 7; kind++) {
        support_mem_fail(1, false);
        keel_ctx *ctx = make_kind(kind, parent, cause);
        support_mem_fail(0, false);
        for (int below = 0; below < 8; below++) { /* and so has whatever is made below */
            assert_non_null(ctx);
            assert_ptr_equal(keel_ctx_err(ctx), KEEL_ERR_NOMEM);
            keel_ctx_cancel_cause(ctx, keel_err_retain(late));
            assert_true(cause_is(ctx, KEEL_ERR_NOMEM));
            assert_err(keel_sleep(ctx, KEEL_HOUR(1)), KEEL_ERR_NOMEM);
            assert_null(KEEL_ANY_AS(keel_ctx_value(ctx, &key_a), void));
            assert_false(keel_ctx_deadline(ctx, &deadline_ns));
            keel_ctx_free(ctx);
            if (below < 7)
                ctx = make_kind(below, ctx, cause);
        }
    }
    assert_null(keel_ctx_err(parent));
    keel_ctx_free(parent);
    keel_err_free(cause);
    keel_err_free(late);
}

static keel_err *use_many(void *arg)
{
    keel_ctx *chain[8] = { NULL };
    keel_err *err = NULL;

    (void)arg;
    for (int i = 0; i < 7; i++)
        chain[i + 1] = make_kind(i, chain[i], KEEL_ERR_LIMIT);
    for (int i = 1; i < 8 && err == NULL; i++)
        err = keel_err_is(keel_ctx_err(chain[i]), KEEL_ERR_NOMEM) ? KEEL_ERR_NOMEM : NULL;
    for (int i = 1; i < 8; i++)
        keel_ctx_free(chain[i]);
    return err;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    support_mem_torture(use_many, NULL, NULL);
}

/* What cannot run tasks is not what has no memory. */
static void a_child_of_a_broken_context_is_broken_for_the_same_reason(void **state)
{
    (void)state;
    keel_ctx *broken = keel_group_ctx(keel_group_new(NULL, NULL));

    assert_ptr_equal(keel_ctx_err(broken), KEEL_ERR_NO_RUNTIME);
    for (int kind = 0; kind < 7; kind++) {
        keel_ctx *ctx = make_kind(kind, broken, KEEL_ERR_LIMIT);
        assert_ptr_equal(keel_ctx_err(ctx), KEEL_ERR_NO_RUNTIME);
        keel_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(the_background_never_ends),
        support_test(only_the_first_end_counts),
        support_test(descendants_end_with_it_and_for_its_cause),
        support_test(a_child_of_what_has_ended_has_ended),
        support_test(freeing_a_parent_ends_children_that_stay_valid),
        support_test(deadlines_end_contexts_at_their_moment),
        support_test(of_two_deadlines_the_earlier_wins),
        support_test(a_deadline_in_the_past_ends_it_at_once),
        support_test(a_far_deadline_does_not_overflow),
        support_test(values_are_found_through_all_kinds),
        support_test(a_value_of_nothing_hides_another),
        support_test(a_value_of_another_type_is_not_taken_for_it),
        support_test(texts_and_errors_are_copied_and_live_as_long_as_descendants),
        support_test(without_memory_for_its_value_it_has_ended),
        support_test(without_cancel_it_does_not_end_with_its_parent),
        support_test(cancelling_ends_every_wait_below),
        support_test(a_wait_that_ends_otherwise_leaves_its_context),
        support_test(without_memory_it_has_ended_for_that),
        support_test(each_allocation_may_fail),
        support_test(a_child_of_a_broken_context_is_broken_for_the_same_reason),
    };

    support_mem_install();
    return cmocka_run_group_tests_name("ctx", tests, NULL, NULL);
}
