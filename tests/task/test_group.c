/* SPDX-License-Identifier: MIT */
#include "explored.h"

#include <pthread.h>

#include "base/atomic.h"
#include "task/worker.h"

enum { MANY = 64 };

/* A system clock's runtime with as many workers as the environment says. */
static keel_err *run_really(keel_task_fn fn, void *arg)
{
    return support_run_on(NULL, 0, fn, arg);
}

static keel_err *count(keel_ctx *ctx, void *counter)
{
    (void)ctx;
    keel__add((keel__a32 *)counter, 1);
    return NULL;
}

static keel_err *yield_and_count(keel_ctx *ctx, void *counter)
{
    keel_yield();
    return count(ctx, counter);
}

static keel_err *fail_with(keel_ctx *ctx, void *err)
{
    (void)ctx;
    return err;
}

/* Waits for the end of its context. */
static keel_err *wait_for_end(keel_ctx *ctx, void *ended)
{
    keel_err *err = keel_sleep(ctx, KEEL_HOUR(1));

    if (err != NULL && ended != NULL)
        keel__add((keel__a32 *)ended, 1);
    return err;
}

/* ---- Failing from outside ---- */

/* The first error counts, whoever it comes from. */
static keel_err *fail_beside_the_tasks(keel_ctx *ctx, void *arg)
{
    keel__a32 ended = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, wait_for_end, &ended);
    keel_group_fail(group, NULL);
    check(keel_ctx_err(keel_group_ctx(group)) == NULL);
    keel_group_fail(group, keel_err_new("no channel"));
    check(keel_ctx_err(keel_group_ctx(group)) == KEEL_ERR_CANCELLED);
    keel_group_fail(group, keel_err_new("too late"));
    keel_err *err = keel_group_wait(group);
    bool first = strcmp(KEEL_ERR_STR(err), "no channel") == 0;
    keel_err_free(err);
    check(first && keel__load(&ended) == 1);
    check(keel_ctx_err(ctx) == NULL);
    return NULL;
}

static keel_err *collect_from_everywhere(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });

    (void)arg;
    keel_group_fail(group, keel_err_new("no channel"));
    check(keel_ctx_err(keel_group_ctx(group)) == NULL);
    keel_group_go(group, fail_with, keel_err_new("a task's"));
    keel_err *err = keel_group_wait(group);
    size_t kept = keel_err_join_count(err);
    keel_err_free(err);
    check(kept == 2);
    return NULL;
}

static void fail_counts_like_the_error_of_a_task(void **state)
{
    (void)state;
    run_and_explore_on_time(fail_beside_the_tasks, NULL);
    run_and_explore(collect_from_everywhere, NULL);
    keel_group *broken = keel_group_new(NULL, NULL);
    keel_group_fail(broken, keel_err_new("dropped"));
    assert_err(keel_group_wait(broken), KEEL_ERR_NO_RUNTIME);
}

/* ---- Joining ---- */

static keel_err *sleep_and_count(keel_ctx *ctx, void *counter)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(10)));
    return count(ctx, counter);
}

static keel_err *join_sleepers(keel_ctx *ctx, void *arg)
{
    keel__a32 counter = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (size_t i = 0; i < repeats(MANY, 4); i++)
        keel_group_go(group, sleep_and_count, &counter);
    KEEL_TRY(keel_group_wait(group));
    check(keel__load(&counter) == repeats(MANY, 4));
    return NULL;
}

static void wait_returns_when_all_tasks_have_ended(void **state)
{
    (void)state;
    run_and_explore(join_sleepers, NULL);
}

static keel_err *join_nothing(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_group_wait(keel_group_new(ctx, NULL));
}

static void wait_for_an_empty_group_returns_at_once(void **state)
{
    (void)state;
    run_and_explore(join_nothing, NULL);
    assert_ok(keel_group_wait(NULL));
}

/* The last task may end before, while or after the waiter goes to sleep. */
static keel_err *join_in_a_hurry(keel_ctx *ctx, void *arg)
{
    keel__a32 counter = { 0 };

    for (uint32_t i = 1; i <= repeats(3000, 4); i++) {
        keel_group *group = keel_group_new(ctx, NULL);

        keel_group_go(group, i % 2 == 0 ? count : yield_and_count, &counter);
        keel_group_go(group, count, &counter);
        KEEL_TRY(keel_group_wait(group));
        check(keel__load(&counter) == 2 * i);
    }
    (void)arg;
    return NULL;
}

static void wait_never_misses_the_last_task(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(run_really(join_in_a_hurry, NULL));
    explored(join_in_a_hurry, NULL);
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    keel_err *err = join_in_a_hurry(keel_runtime_ctx(rt), NULL);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_ok(err);
}

typedef struct tree {
    keel_group *group;
    keel__a32 grown;
} tree;

typedef struct branch {
    tree *of;
    int height;
} branch;

static keel_err *grow(keel_ctx *ctx, void *arg)
{
    branch self = *(branch *)arg;

    (void)ctx;
    keel_mem_free(arg);
    keel__add(&self.of->grown, 1);
    for (int i = 0; i < 2 && self.height > 1; i++) {
        branch *twig = keel_mem_alloc(sizeof *twig);
        if (twig == NULL)
            return KEEL_ERR_NOMEM;
        *twig = (branch){ self.of, self.height - 1 };
        keel_group_go(self.of->group, grow, twig);
    }
    return NULL;
}

static keel_err *grow_a_tree(keel_ctx *ctx, void *arg)
{
    tree oak = { .group = keel_group_new(ctx, NULL) };
    branch *trunk = keel_mem_alloc(sizeof *trunk);

    (void)arg;
    if (trunk == NULL)
        return KEEL_ERR_NOMEM;
    *trunk = (branch){ &oak, (int)repeats(10, 4) };
    keel_group_go(oak.group, grow, trunk);
    KEEL_TRY(keel_group_wait(oak.group));
    check(keel__load(&oak.grown) == repeats(1023, 15));
    return NULL;
}

static void wait_joins_tasks_that_tasks_have_started(void **state)
{
    (void)state;
    run_and_explore(grow_a_tree, NULL);
    assert_ok(run_really(grow_a_tree, NULL));
}

/* ---- Errors ---- */

static KEEL_ERR_DEFINE(err_first, "first");
static KEEL_ERR_DEFINE(err_second, "second");

static keel_err *fail_soon(keel_ctx *ctx, void *err)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    return keel_err_wrap(err, "soon");
}

/* Returns what its context's cause is not: the group must not take this for its error. */
static keel_err *see_cause(keel_ctx *ctx, void *seen)
{
    keel_err *err = keel_sleep(ctx, KEEL_HOUR(1));
    keel_err *cause = keel_ctx_cause(ctx);

    if (keel_err_is(err, KEEL_ERR_CANCELLED) && keel_err_is(cause, err_first))
        keel__add((keel__a32 *)seen, 1);
    keel_err_free(cause);
    return keel_err_new("too late");
}

static keel_err *fail_one(keel_ctx *ctx, void *arg)
{
    keel__a32 seen = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, see_cause, &seen);
    keel_group_go(group, fail_soon, err_first);
    keel_group_go(group, see_cause, &seen);
    check_err(keel_group_wait(group), err_first);
    check(keel__load(&seen) == 2);
    check(keel_ctx_err(ctx) == NULL);
    return NULL;
}

static void the_first_error_ends_the_groups_context_and_is_returned(void **state)
{
    (void)state;
    run_and_explore_on_time(fail_one, NULL);
}

static keel_err *sleep_a_little(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_MS(5));
}

static keel_err *collect(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });

    (void)arg;
    keel_group_go(group, fail_with, err_first);
    keel_group_go(group, sleep_a_little, NULL);
    keel_group_go(group, fail_soon, err_second);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(2)));
    bool goes_on = keel_ctx_err(keel_group_ctx(group)) == NULL;
    keel_err *err = keel_group_wait(group);
    bool right = keel_err_is(err, err_first) && keel_err_is(err, err_second) &&
                 !keel_err_is(err, KEEL_ERR_CANCELLED);
    keel_err_free(err);
    check(goes_on);
    check(right);
    return NULL;
}

static void collect_all_joins_all_errors_and_cancels_nothing(void **state)
{
    (void)state;
    run_and_explore_on_time(collect, NULL);
}

/* Each error has a text of its own, and none gets lost when many tasks fail at once. */
static keel_err *fail_by_number(keel_ctx *ctx, void *number)
{
    (void)ctx;
    keel_yield();
    return keel_err_new("number %d.", *(int *)number);
}

static keel_err *collect_many(keel_ctx *ctx, void *arg)
{
    int numbers[KEEL_ERR_JOIN_MAX];

    (void)arg;
    for (int round = 0; round < (int)repeats(200, 1); round++) {
        keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });
        bool all = true;

        for (int i = 0; i < KEEL_ERR_JOIN_MAX; i++) {
            numbers[i] = i;
            keel_group_go(group, fail_by_number, &numbers[i]);
        }
        keel_err *err = keel_group_wait(group);
        const char *text = KEEL_ERR_STR(err);
        for (int i = 0; i < KEEL_ERR_JOIN_MAX; i++) {
            char one[32];
            snprintf(one, sizeof one, "number %d.", i);
            all = all && strstr(text, one) != NULL;
        }
        keel_err_free(err);
        check(all);
    }
    return NULL;
}

static void collect_all_loses_no_error_of_tasks_that_fail_at_once(void **state)
{
    (void)state;
    assert_ok(run_really(collect_many, NULL));
    explored(collect_many, NULL);
}

/* ---- Contexts ---- */

static const char colour_key;

static keel_err *see_colour(keel_ctx *ctx, void *expected)
{
    check(keel_any_eq(keel_ctx_value(ctx, &colour_key), keel_any_text(expected)));
    return NULL;
}

static keel_err *inherit(keel_ctx *ctx, void *arg)
{
    char red[] = "red";
    keel_ctx *coloured = keel_ctx_with_value(ctx, &colour_key, keel_any_text(red));
    keel_group *group = keel_group_new(coloured, NULL);

    (void)arg;
    keel_group_go(group, see_colour, red);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(coloured);
    return err;
}

static void tasks_see_the_values_of_the_parents_context(void **state)
{
    (void)state;
    run_and_explore(inherit, NULL);
}

static keel_err *time_out(keel_ctx *ctx, void *arg)
{
    keel__a32 ended = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(30));
    keel_group *group = keel_group_new(limited, NULL);

    (void)arg;
    for (int i = 0; i < 5; i++)
        keel_group_go(group, wait_for_end, &ended);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(limited);
    check_err(err, KEEL_ERR_DEADLINE);
    check(keel__load(&ended) == 5);
    return NULL;
}

static void the_parents_deadline_ends_the_tasks(void **state)
{
    (void)state;
    run_and_explore_on_time(time_out, NULL);
}

static keel_err *cancel(keel_ctx *ctx, void *arg)
{
    keel__a32 ended = { 0 };
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    for (int i = 0; i < 5; i++)
        keel_group_go(group, wait_for_end, &ended);
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    keel_group_cancel(group);
    check_err(keel_group_wait(group), KEEL_ERR_CANCELLED);
    check(keel__load(&ended) == 5);
    check(keel_ctx_err(ctx) == NULL);
    return NULL;
}

static void cancelling_a_group_ends_its_tasks_and_not_its_parent(void **state)
{
    (void)state;
    run_and_explore_on_time(cancel, NULL);
}

static keel_err *start_too_late(keel_ctx *ctx, void *arg)
{
    keel__a32 counter = { 0 };
    keel_ctx *over = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel(over);
    keel_group *group = keel_group_new(over, NULL);
    keel_group_go(group, count, &counter);
    bool started = keel_group_try_go(group, count, &counter);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(over);
    KEEL_TRY(err);
    check(started);
    check(keel__load(&counter) == 2);
    return NULL;
}

static void tasks_run_even_if_the_context_has_ended(void **state)
{
    (void)state;
    run_and_explore(start_too_late, NULL);
}

static void set_flag(void *flag)
{
    keel__store((keel__a32 *)flag, 1);
}

static keel_err *end_with_the_wait(keel_ctx *ctx, void *arg)
{
    keel__a32 flag = { 0 };
    keel_after *after = NULL;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_err *err = keel_ctx_after(&after, keel_group_ctx(group), set_flag, &flag);
    err = keel_err_join(err, keel_group_wait(group));
    if (after != NULL)
        keel_after_stop_and_wait(after);
    keel_after_free(after);
    KEEL_TRY(err);
    check(keel__load(&flag) == 1);
    return NULL;
}

static void the_groups_context_ends_with_the_wait(void **state)
{
    (void)state;
    run_and_explore(end_with_the_wait, NULL);
}

/* ---- Limits ---- */

typedef struct crowd {
    keel_group *group;
    keel__a32 now, most, total;
} crowd;

static keel_err *visit(keel_ctx *ctx, void *arg)
{
    crowd *c = arg;
    uint32_t here = keel__add(&c->now, 1) + 1, most = keel__load(&c->most);

    while (here > most && !keel__cas(&c->most, &most, here))
        ;
    keel_err *err = keel_sleep(ctx, KEEL_US(10));
    keel__sub(&c->now, 1);
    keel__add(&c->total, 1);
    return err;
}

static keel_err *crowd_in(keel_ctx *ctx, void *limit)
{
    crowd c = { 0 };

    c.group = keel_group_new(ctx, &(keel_group_opts){ .limit = *(size_t *)limit });
    for (size_t i = 0; i < repeats(MANY, 6); i++)
        keel_group_go(c.group, visit, &c);
    KEEL_TRY(keel_group_wait(c.group));
    check(keel__load(&c.total) == repeats(MANY, 6));
    check(keel__load(&c.most) == *(size_t *)limit);
    return NULL;
}

static void never_more_tasks_run_than_the_limit_says(void **state)
{
    (void)state;
    for (size_t limit = 1; limit <= 4; limit++)
        run_and_explore_on_time(crowd_in, &limit);
}

enum { THREADS = 4, VISITS = 100 };

static void *send_visitors(void *c)
{
    for (int i = 0; i < VISITS; i++)
        keel_group_go(((crowd *)c)->group, visit, c);
    return NULL;
}

static void plain_threads_start_tasks_and_wait_at_the_limit(void **state)
{
    keel_runtime *rt;
    pthread_t threads[THREADS];
    crowd c = { 0 };

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    c.group = keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .limit = 2 });
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_visitors, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_ok(keel_group_wait(c.group));
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(keel__load(&c.total), THREADS * VISITS);
    assert_true(keel__load(&c.most) <= 2);
}

static keel_err *try_at_the_limit(keel_ctx *ctx, void *arg)
{
    keel__a32 ended = { 0 };
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .limit = 1 });

    (void)arg;
    bool first = keel_group_try_go(group, sleep_and_count, &ended);
    bool second = keel_group_try_go(group, sleep_and_count, &ended);
    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    bool third = keel_group_try_go(group, sleep_and_count, &ended);
    KEEL_TRY(keel_group_wait(group));
    check(first && !second && third);
    check(keel__load(&ended) == 2);
    return NULL;
}

static void try_go_refuses_at_the_limit_and_succeeds_after(void **state)
{
    (void)state;
    run_and_explore_on_time(try_at_the_limit, NULL);
}

static keel_err *go_on_without_limit(keel_ctx *ctx, void *arg)
{
    keel__a32 counter = { 0 };
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .limit = KEEL_UNLIMITED });
    bool all = true;

    (void)arg;
    for (size_t i = 0; i < repeats(1000, 8); i++)
        all = keel_group_try_go(group, count, &counter) && all;
    KEEL_TRY(keel_group_wait(group));
    check(all && keel__load(&counter) == repeats(1000, 8));
    return NULL;
}

static void without_a_limit_try_go_always_starts(void **state)
{
    (void)state;
    run_and_explore(go_on_without_limit, NULL);
}

/* ---- Which runtime ---- */

static keel_err *runs_on(keel_ctx *ctx, void *rt)
{
    (void)ctx;
    check(keel__worker_self()->rt == rt);
    return NULL;
}

typedef struct two {
    keel_runtime *a, *b;
} two;

/* A task of `a` has tasks run on `b`: by the option, and by the context. */
static keel_err *work_abroad(keel_ctx *ctx, void *arg)
{
    two *rts = arg;

    check(keel__worker_self()->rt == rts->a);
    for (int i = 0; i < 200; i++) {
        keel_group *by_option = keel_group_new(ctx, &(keel_group_opts){ .runtime = rts->b });
        keel_group *by_ctx = keel_group_new(keel_runtime_ctx(rts->b), NULL);
        keel_group *by_caller = keel_group_new(NULL, NULL);

        keel_group_go(by_option, runs_on, rts->b);
        keel_group_go(by_ctx, runs_on, rts->b);
        keel_group_go(by_caller, runs_on, rts->a);
        KEEL_TRY(keel_err_join(keel_group_wait(by_option), keel_group_wait(by_ctx)));
        KEEL_TRY(keel_group_wait(by_caller));
    }
    return NULL;
}

static void a_group_runs_where_the_option_the_context_or_the_caller_says(void **state)
{
    two rts;

    (void)state;
    assert_ok(keel_runtime_start(&rts.a, &(keel_runtime_opts){ .workers = 2 }));
    assert_ok(keel_runtime_start(&rts.b, &(keel_runtime_opts){ .workers = 2 }));
    keel_err *err = keel_runtime_run(rts.a, work_abroad, &rts);
    assert_ok(keel_runtime_stop(NULL, rts.b));
    assert_ok(keel_runtime_stop(NULL, rts.a));
    assert_ok(err);
}

static keel_err *time_out_abroad(keel_ctx *ctx, void *rt)
{
    keel__a32 ended = { 0 };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    keel_group *group = keel_group_new(limited, &(keel_group_opts){ .runtime = rt });

    keel_group_go(group, wait_for_end, &ended);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(limited);
    check_err(err, KEEL_ERR_DEADLINE);
    check(keel__load(&ended) == 1);
    return NULL;
}

static void a_deadline_holds_for_a_group_on_another_runtime(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_err *err = run_really(time_out_abroad, rt);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_ok(err);
}

/* What a group that could not be made does with every call. */
static void use_broken(keel_group *group, const keel_err *why)
{
    keel__a32 counter = { 0 };

    assert_non_null(keel_ctx_err(keel_group_ctx(group)));
    keel_group_go(group, count, &counter);
    assert_false(keel_group_try_go(group, count, &counter));
    keel_group_cancel(group);
    assert_err(keel_group_wait(group), why);
    assert_int_equal(keel__load(&counter), 0);
}

static void without_a_runtime_wait_says_so(void **state)
{
    (void)state;
    keel_group *group = keel_group_new(NULL, NULL);
    assert_true(keel_err_is(keel_ctx_err(keel_group_ctx(group)), KEEL_ERR_NO_RUNTIME));
    use_broken(group, KEEL_ERR_NO_RUNTIME);

    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    use_broken(keel_group_new(ctx, NULL), KEEL_ERR_NO_RUNTIME);
    keel_ctx_free(ctx);
}

static void a_stack_size_out_of_range_is_refused(void **state)
{
    static const struct {
        size_t bytes;
        bool fits;
    } sizes[] = {
        { 1, false },
        { (16 << 10) - 1, false },
        { 16 << 10, true },
        { (64 << 10) + 1, true },
        { 256 << 10, true },
        { (size_t)1 << 30, true },
        { ((size_t)1 << 30) + 1, false },
    };
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        keel__a32 counter = { 0 };
        keel_group *group = keel_group_new(keel_runtime_ctx(rt),
                                           &(keel_group_opts){ .stack_bytes = sizes[i].bytes });

        if (!sizes[i].fits) {
            assert_true(keel_err_is(keel_ctx_err(keel_group_ctx(group)), KEEL_ERR_INVAL));
            use_broken(group, KEEL_ERR_INVAL);
            continue;
        }
        keel_group_go(group, yield_and_count, &counter);
        assert_ok(keel_group_wait(group));
        assert_int_equal(keel__load(&counter), 1);
    }
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Places that only the end of the context gives ---- */

typedef struct nest {
    keel_group *group;
    keel__a32 started;
} nest;

static keel_err *count_start(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel__add_relaxed(&((nest *)arg)->started, 1);
    return NULL;
}

static keel_err *start_one_more(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_group_go(((nest *)arg)->group, count_start, arg);
    return NULL;
}

static keel_err *fill_from_inside(keel_ctx *parent, void *arg)
{
    nest *n = arg;
    int64_t start_ns = keel_ctx_now(parent);
    keel_ctx *ctx = keel_ctx_with_timeout(parent, KEEL_S(1));

    *n = (nest){ 0 };
    n->group = keel_group_new(ctx, &(keel_group_opts){ .limit = 2 });
    keel_group_go(n->group, start_one_more, n);
    keel_group_go(n->group, start_one_more, n);
    keel_err *err = keel_group_wait(n->group);
    keel_ctx_free(ctx);
    KEEL_TRY(err);
    check(keel__load(&n->started) == 2);
    /* one of the inner tasks may have found a place, had the other not begun yet */
    check(keel_ctx_now(parent) == start_ns + KEEL_S(1) || keel_sim_active());
    return NULL;
}

static void the_end_of_the_context_ends_the_wait_for_a_place(void **state)
{
    (void)state;
    nest n = { 0 };
    keel_clock *clock;

    assert_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    assert_ok(support_run_on(clock, 1, fill_from_inside, &n));
    keel_clock_free(clock);
    explored_on_time(fill_from_inside, &n);
}

/* ---- Storage ---- */

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static keel_err *run_waves(keel_ctx *ctx, void *rt_)
{
    keel__worker *worker = &((keel_runtime *)rt_)->workers[0];

    for (int wave = 0; wave < 3; wave++) {
        keel_group *group = keel_group_new(ctx, NULL);

        for (int i = 0; i < 5; i++)
            keel_group_go(group, do_nothing, NULL);
        KEEL_TRY(keel_group_wait(group));
    }
    keel_yield(); /* what is left of the tasks is freed by the worker's loop */
    check(worker->spare != NULL && worker->spare_count == 2);
    return NULL;
}

static keel_err *use_much_stack(keel_ctx *ctx, void *arg)
{
    volatile char much[200 << 10];

    (void)ctx;
    (void)arg;
    for (size_t i = 0; i < sizeof much; i += 1024)
        much[i] = 1;
    return NULL;
}

static keel_err *mix_sizes(keel_ctx *ctx, void *arg)
{
    keel_group *small = keel_group_new(ctx, NULL);
    keel_group *large = keel_group_new(ctx, &(keel_group_opts){ .stack_bytes = 256 << 10 });

    (void)arg;
    for (int i = 0; i < 3; i++) {
        keel_group_go(small, do_nothing, NULL);
        keel_group_go(large, use_much_stack, NULL);
    }
    keel_err *err = keel_group_wait(small);
    return keel_err_join(err, keel_group_wait(large));
}

/* A task begins where another has ended only if that stack is of its size. */
static void a_task_has_a_stack_of_the_size_asked_for(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, mix_sizes, NULL));
}

/* The tests' allocator, which counts, keeps runtimes from that otherwise. */
static void a_worker_keeps_the_storage_of_some_tasks(void **state)
{
    keel_runtime *rt;

    (void)state;
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    assert_int_equal(rt->workers[0].spare_max, 0);
    rt->workers[0].spare_max = KEEL__TSAN ? 0 : 2;
    if (!KEEL__TSAN)
        assert_ok(keel_runtime_run(rt, run_waves, rt));
    assert_ok(keel_runtime_stop(NULL, rt));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(fail_counts_like_the_error_of_a_task),
        support_test(wait_returns_when_all_tasks_have_ended),
        support_test(wait_for_an_empty_group_returns_at_once),
        support_test(wait_never_misses_the_last_task),
        support_test(wait_joins_tasks_that_tasks_have_started),
        support_test(the_first_error_ends_the_groups_context_and_is_returned),
        support_test(collect_all_joins_all_errors_and_cancels_nothing),
        support_test(collect_all_loses_no_error_of_tasks_that_fail_at_once),
        support_test(tasks_see_the_values_of_the_parents_context),
        support_test(the_parents_deadline_ends_the_tasks),
        support_test(cancelling_a_group_ends_its_tasks_and_not_its_parent),
        support_test(tasks_run_even_if_the_context_has_ended),
        support_test(the_groups_context_ends_with_the_wait),
        support_test(never_more_tasks_run_than_the_limit_says),
        support_test(plain_threads_start_tasks_and_wait_at_the_limit),
        support_test(try_go_refuses_at_the_limit_and_succeeds_after),
        support_test(without_a_limit_try_go_always_starts),
        support_test(a_group_runs_where_the_option_the_context_or_the_caller_says),
        support_test(a_deadline_holds_for_a_group_on_another_runtime),
        support_test(without_a_runtime_wait_says_so),
        support_test(a_stack_size_out_of_range_is_refused),
        support_test(the_end_of_the_context_ends_the_wait_for_a_place),
        support_test(a_task_has_a_stack_of_the_size_asked_for),
        support_test(a_worker_keeps_the_storage_of_some_tasks),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
