/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <sys/resource.h>
#include <unistd.h>

#include "task/ctx.h"
#include "task/switch.h"
#include "task/worker.h"

KEEL_ANY_TYPE_STATIC(void); /* a pointer to anything */

/* ---- What the after-functions of these tests do ---- */

static void count_run(void *arg)
{
    keel__add((keel__a32 *)arg, 1);
}

static keel_after *new_after(keel_ctx *ctx, keel_after_fn fn, void *arg)
{
    keel_after *after;

    must_ok(keel_ctx_after(&after, ctx, fn, arg));
    must(after != NULL);
    return after;
}

static void until_set(keel__a32 *flag)
{
    while (keel__load(flag) == 0)
        keel_yield();
}

/* A function that stays within itself until it is let go. */
typedef struct stay {
    keel__a32 started, go, ended;
    keel_after *after;
} stay;

static void run_stay(void *arg)
{
    stay *s = arg;

    keel__store(&s->started, 1);
    until_set(&s->go);
    keel__store(&s->ended, 1);
}

/* ---- Running ---- */

/* With and without a runtime: `ctx` is NULL in the second run. */
CREW_TEST(it_runs_once_after_the_end)
{
    keel__a32 runs = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    keel_after *after = new_after(child, count_run, &runs);

    (void)arg;
    keel_yield();
    must(keel__load(&runs) == 0);
    keel_ctx_cancel(child);
    until_set(&runs);
    keel_ctx_cancel(child);
    must(!keel_after_stop_and_wait(after));
    keel_after_free(after);
    keel_ctx_free(child);
    must(keel__load(&runs) == 1);
    return NULL;
}

CREW_TEST(it_runs_at_once_under_what_has_ended)
{
    keel__a32 runs = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel(child);
    keel_after *after = new_after(child, count_run, &runs);
    must(!keel_after_stop(after));
    until_set(&runs);
    keel_after_free(after);
    keel_ctx_free(child);
    must(keel__load(&runs) == 1);
    return NULL;
}

CREW_TEST(it_runs_when_an_ancestor_ends)
{
    keel__a32 runs = { 0 };
    keel_ctx *top = keel_ctx_with_cancel(ctx);
    keel_ctx *middle = keel_ctx_with_value(top, "key", KEEL_ANY_PTR(void, &runs));
    keel_ctx *low = keel_ctx_with_timeout(middle, KEEL_HOUR(1));
    keel_after *after = new_after(low, count_run, &runs);

    (void)arg;
    keel_ctx_cancel(top);
    until_set(&runs);
    keel_after_free(after);
    keel_ctx_free(low);
    keel_ctx_free(middle);
    keel_ctx_free(top);
    must(keel__load(&runs) == 1);
    return NULL;
}

CREW_TEST(freeing_the_context_runs_it_as_well)
{
    keel__a32 runs = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    keel_after *after = new_after(child, count_run, &runs);

    (void)arg;
    keel_ctx_free(child);
    until_set(&runs);
    must(!keel_after_stop(after));
    keel_after_free(after);
    return NULL;
}

CREW_TEST(ten_thousand_run_once_each)
{
    size_t count = repeats(10000, 10);
    keel__a32 *runs = keel_mem_calloc(count, sizeof *runs);
    keel_after **afters = keel_mem_calloc(count, sizeof(keel_after *));
    keel_ctx *top = keel_ctx_with_cancel(ctx), *low = keel_ctx_with_cancel(top);

    (void)arg;
    must(runs != NULL && afters != NULL);
    for (size_t i = 0; i < count; i++)
        afters[i] = new_after(i % 2 == 0 ? top : low, count_run, &runs[i]);
    for (size_t i = 0; i < count; i += 5)
        must(keel_after_stop(afters[i]));
    keel_ctx_cancel(top);
    for (size_t i = 0; i < count; i++)
        keel_after_free(afters[i]);
    for (size_t i = 0; i < count; i++)
        must(keel__load(&runs[i]) == (i % 5 != 0));
    keel_ctx_free(low);
    keel_ctx_free(top);
    keel_mem_free(afters);
    keel_mem_free(runs);
    return NULL;
}

static void what_never_ends_has_no_after(void **state)
{
    (void)state;
    keel__a32 runs = { 0 };
    keel_after *after = (keel_after *)&runs;

    assert_err(keel_ctx_after(&after, NULL, count_run, &runs), KEEL_ERR_INVAL);
    assert_null(after);
    after = (keel_after *)&runs;
    assert_err(keel_ctx_after(&after, keel_ctx_background(), count_run, &runs), KEEL_ERR_INVAL);
    assert_null(after);
    keel_after_free(NULL);
}

/* ---- Where it runs ---- */

typedef struct place {
    pthread_t thread;
    keel__task *task;
    keel_runtime *rt;
    int64_t now_ns;
    keel__a32 known;
} place;

static void note_place(void *arg)
{
    place *p = arg;
    keel__worker *worker = keel__worker_self();

    p->thread = pthread_self();
    p->task = keel__task_self();
    p->rt = worker != NULL ? worker->rt : NULL;
    p->now_ns = keel_ctx_now(NULL);
    keel__store(&p->known, 1);
}

static void without_a_runtime_it_runs_in_the_thread_that_ends_the_context(void **state)
{
    (void)state;
    place p = { 0 };
    keel_ctx *top = keel_ctx_with_cancel(NULL), *low = keel_ctx_with_cancel(top);
    keel_after *after = new_after(low, note_place, &p);

    keel_ctx_cancel(top);
    assert_true(keel__load(&p.known) && pthread_equal(p.thread, pthread_self()));
    assert_null(p.rt);
    keel_after_free(after);
    keel_ctx_free(low);
    keel_ctx_free(top);
}

static void without_a_runtime_it_runs_in_who_finds_the_deadline_passed(void **state)
{
    (void)state;
    place polled = { 0 }, slept = { 0 };
    keel_ctx *a = keel_ctx_with_timeout(NULL, KEEL_MS(1));
    keel_after *after_a = new_after(a, note_place, &polled);

    while (keel_ctx_err(a) == NULL)
        assert_false(keel__load(&polled.known));
    assert_true(keel__load(&polled.known));

    keel_ctx *b = keel_ctx_with_timeout(NULL, KEEL_MS(1)), *under = keel_ctx_with_cancel(b);
    keel_after *after_b = new_after(b, note_place, &slept);
    assert_err(keel_sleep(under, KEEL_HOUR(1)), KEEL_ERR_DEADLINE);
    assert_true(keel__load(&slept.known));

    keel_after_free(after_a);
    keel_after_free(after_b);
    keel_ctx_free(a);
    keel_ctx_free(under);
    keel_ctx_free(b);
}

/* It has passed, but nobody has looked since. */
static void it_runs_at_once_when_the_deadline_has_passed_unseen(void **state)
{
    (void)state;
    keel__a32 runs = { 0 };
    int64_t deadline_ns = keel_ctx_now(NULL) + KEEL_MS(1);
    keel_ctx *ctx = keel_ctx_with_deadline(NULL, deadline_ns);

    while (keel_ctx_now(NULL) <= deadline_ns)
        keel_yield();
    keel_after *after = new_after(ctx, count_run, &runs);
    assert_int_equal(keel__load(&runs), 1);
    keel_after_free(after);
    keel_ctx_free(ctx);
}

static keel_err *runs_in_a_task(keel_ctx *ctx, void *arg)
{
    place p = { 0 };
    int64_t start_ns = keel_ctx_now(ctx);
    keel_ctx *child = keel_ctx_with_timeout(ctx, KEEL_S(30));
    keel_after *after = new_after(child, note_place, &p);

    (void)arg;
    KEEL_TRY(keel_sleep(ctx, KEEL_S(60)));
    must(keel__load(&p.known));
    must(p.task != NULL && p.task != keel__task_self());
    must(p.rt == keel__worker_self()->rt);
    must(p.now_ns == start_ns + KEEL_S(30));
    keel_after_free(after);
    keel_ctx_free(child);
    return NULL;
}

static void with_a_runtime_it_runs_as_a_task_at_the_deadline(void **state)
{
    (void)state;
    run_and_explore_on_time(runs_in_a_task, NULL);
}

/* A plain thread ends a context of a runtime: fn is none of the thread's business. */
static void ended_by_a_thread_it_runs_on_the_contexts_runtime(void **state)
{
    (void)state;
    place p = { 0 };
    keel_runtime *rt;

    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_ctx *ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));
    keel_after *after = new_after(ctx, note_place, &p);
    keel_ctx_cancel(ctx);
    until_set(&p.known);
    assert_false(keel_after_stop_and_wait(after));
    assert_ptr_equal(p.rt, rt);
    assert_non_null(p.task);
    keel_after_free(after);
    keel_ctx_free(ctx);
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Stopping ---- */

CREW_TEST(what_was_stopped_does_not_run)
{
    keel__a32 runs = { 0 }, other = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    keel_after *first = new_after(child, count_run, &runs);
    keel_after *second = new_after(child, count_run, &runs);
    keel_after *third = new_after(child, count_run, &other);

    (void)arg;
    must(keel_after_stop(first));
    must(!keel_after_stop(first));
    must(!keel_after_stop_and_wait(first));
    must(keel_after_stop_and_wait(second));
    keel_ctx_cancel(child);
    until_set(&other);
    must(!keel_after_stop(second));
    keel_after_free(first);
    keel_after_free(second);
    keel_after_free(third);
    keel_ctx_free(child);
    must(keel__load(&runs) == 0);
    return NULL;
}

CREW_TEST(freeing_it_before_the_end_stops_it)
{
    keel__a32 runs = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_after_free(new_after(child, count_run, &runs));
    keel_ctx_cancel(child);
    keel_ctx_free(child);
    must(keel__load(&runs) == 0);
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(arg);
    return NULL;
}

static keel_err *stop_and_wait_for(keel_ctx *ctx, void *arg)
{
    stay *s = arg;

    (void)ctx;
    must(!keel_after_stop_and_wait(s->after));
    must(keel__load(&s->ended));
    return NULL;
}

static keel_err *let_go(keel_ctx *ctx, void *arg)
{
    stay *s = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(100, 5); i++)
        keel_yield();
    keel__store(&s->go, 1);
    return NULL;
}

CREW_TEST(stop_and_wait_waits_until_it_has_ended)
{
    stay s = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    crew c;

    (void)arg;
    s.after = new_after(child, run_stay, &s);
    crew_open(&c, ctx);
    crew_go(&c, cancel_it, child);
    until_set(&s.started);
    for (int i = 0; i < 3; i++)
        crew_go(&c, stop_and_wait_for, &s);
    must(!keel_after_stop(s.after)); /* this one does not wait */
    must(!keel__load(&s.ended));
    crew_go(&c, let_go, &s);
    crew_join(&c);
    must(!keel_after_stop_and_wait(s.after));
    keel_after_free(s.after);
    keel_ctx_free(child);
    return NULL;
}

CREW_TEST(freeing_it_while_it_runs_waits_until_it_has_ended)
{
    stay s = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx), *holder = keel_ctx_with_cancel(child);
    crew c;

    (void)arg;
    s.after = new_after(holder, run_stay, &s);
    crew_open(&c, ctx);
    crew_go(&c, cancel_it, child);
    until_set(&s.started);
    keel_ctx_free(holder); /* it keeps what it needs */
    crew_go(&c, let_go, &s);
    keel_after_free(s.after);
    must(keel__load(&s.ended));
    crew_join(&c);
    keel_ctx_free(child);
    return NULL;
}

/* ---- From within ---- */

typedef struct inside {
    keel_ctx *ctx;
    keel_after *after, *other;
    keel__a32 known, runs, others;
} inside;

static void stop_myself(void *arg)
{
    inside *in = arg;

    until_set(&in->known);
    must(!keel_after_stop(in->after));
    must(!keel_after_stop_and_wait(in->after));
    keel_ctx_cancel(in->ctx);
    must(keel_ctx_err(in->ctx) == KEEL_ERR_CANCELLED);
    keel__add(&in->runs, 1);
}

CREW_TEST(from_within_it_does_not_wait_for_itself)
{
    inside in = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    in.after = new_after(in.ctx, stop_myself, &in);
    keel__store(&in.known, 1);
    keel_ctx_cancel(in.ctx);
    until_set(&in.runs);
    keel_after_free(in.after);
    keel_ctx_free(in.ctx);
    must(keel__load(&in.runs) == 1);
    return NULL;
}

/* Whether the other has run by now is not determined; but it does not run afterwards. */
static void count_other(void *arg)
{
    keel__add(&((inside *)arg)->others, 1);
}

static void free_the_other(void *arg)
{
    inside *in = arg;

    keel_after_free(in->other);
    keel__store(&in->runs, 1 + keel__load(&in->others));
}

/* Without a runtime, the thread that ends the context has both to run: the one that it runs
 * first must not wait for the other. */
CREW_TEST(one_can_free_another_of_the_same_context)
{
    (void)arg;
    for (int first = 0; first < 2; first++) {
        inside in = { .ctx = keel_ctx_with_cancel(ctx) };

        if (first)
            in.after = new_after(in.ctx, free_the_other, &in);
        in.other = new_after(in.ctx, count_other, &in);
        if (!first)
            in.after = new_after(in.ctx, free_the_other, &in);
        keel_ctx_cancel(in.ctx);
        until_set(&in.runs);
        keel_after_free(in.after);
        keel_ctx_free(in.ctx);
        must(keel__load(&in.runs) == 1 + keel__load(&in.others));
    }
    return NULL;
}

static void add_another(void *arg)
{
    inside *in = arg;

    in->other = new_after(in->ctx, count_other, in);
    keel__store(&in->runs, 1);
}

CREW_TEST(one_can_add_another_to_the_same_context)
{
    inside in = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    in.after = new_after(in.ctx, add_another, &in);
    keel_ctx_cancel(in.ctx);
    until_set(&in.runs);
    until_set(&in.others);
    keel_after_free(in.other);
    keel_after_free(in.after);
    keel_ctx_free(in.ctx);
    return NULL;
}

/* ---- Races ---- */

typedef struct race {
    keel_ctx *ctx;
    keel_after *after;
    keel__a32 ready, runs, stopped;
} race;

static void meet(race *r)
{
    keel__add(&r->ready, 1);
    while (keel__load(&r->ready) < 3)
        keel_yield();
}

static keel_err *race_cancel(keel_ctx *ctx, void *arg)
{
    race *r = arg;

    (void)ctx;
    meet(r);
    keel_ctx_cancel(r->ctx);
    return NULL;
}

static keel_err *race_stop(keel_ctx *ctx, void *arg)
{
    race *r = arg;

    (void)ctx;
    meet(r);
    if (keel_after_stop(r->after))
        keel__add(&r->stopped, 1);
    return NULL;
}

static keel_err *race_wait(keel_ctx *ctx, void *arg)
{
    race *r = arg;

    (void)ctx;
    meet(r);
    if (keel_after_stop_and_wait(r->after))
        keel__add(&r->stopped, 1);
    return NULL;
}

CREW_TEST(either_one_stops_it_or_it_runs)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 2); round++) {
        race r = { .ctx = keel_ctx_with_cancel(ctx) };
        crew c;

        r.after = new_after(r.ctx, count_run, &r.runs);
        crew_open(&c, ctx);
        crew_go(&c, race_cancel, &r);
        crew_go(&c, race_stop, &r);
        crew_go(&c, race_wait, &r);
        crew_join(&c);
        keel_after_free(r.after);
        keel_ctx_free(r.ctx);
        must(keel__load(&r.runs) + keel__load(&r.stopped) == 1);
    }
    return NULL;
}

static keel_err *race_free(keel_ctx *ctx, void *arg)
{
    race *r = arg;

    (void)ctx;
    meet(r);
    keel_after_free(r->after);
    keel__store(&r->stopped, keel__load(&r->runs) + 1); /* whatever it is, it stays so */
    return NULL;
}

CREW_TEST(it_does_not_run_after_it_was_freed)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 2); round++) {
        race r = { .ctx = keel_ctx_with_cancel(ctx) };
        crew c;

        r.after = new_after(r.ctx, count_run, &r.runs);
        crew_open(&c, ctx);
        crew_go(&c, race_cancel, &r);
        crew_go(&c, race_free, &r);
        crew_go(&c, race_cancel, &r);
        crew_join(&c);
        keel_ctx_free(r.ctx);
        must(keel__load(&r.stopped) == keel__load(&r.runs) + 1);
    }
    return NULL;
}

/* ---- Without memory ---- */

static void without_memory_it_will_not_run(void **state)
{
    (void)state;
    keel__a32 runs = { 0 };
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    keel_after *after = (keel_after *)&runs;

    support_mem_fail(1, false);
    assert_err(keel_ctx_after(&after, ctx, count_run, &runs), KEEL_ERR_NOMEM);
    assert_null(after);
    keel_ctx_free(ctx);

    support_mem_fail(1, false);
    ctx = keel_ctx_with_cancel(NULL);
    support_mem_fail(0, false);
    after = (keel_after *)&runs;
    assert_err(keel_ctx_after(&after, ctx, count_run, &runs), KEEL_ERR_NOMEM);
    assert_null(after);
    keel_ctx_free(ctx);
    assert_int_equal(keel__load(&runs), 0);
}

#if defined(__linux__) && !KEEL__ASAN && !KEEL__TSAN && !defined(KEEL_VALGRIND)

static void set_address_space(rlim_t bytes)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) != 0)
        _exit(2);
    limit.rlim_cur = bytes;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(3);
}

/* The first function with a large stack needs new address space, of which there is none. */
static keel_err *end_without_stacks(keel_ctx *ctx, void *arg)
{
    keel__a32 runs = { 0 };
    keel_ctx *child = keel_ctx_with_cancel(ctx);
    keel_after *after = new_after(child, count_run, &runs);
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    set_address_space(1);
    keel_ctx_cancel(child);
    must_ok(keel_sleep(ctx, KEEL_MS(10)));
    must(keel__load(&runs) == 0);
    set_address_space(RLIM_INFINITY);
    must(!keel_after_stop_and_wait(after));
    must(keel__load(&runs) == 1);
    must(keel_ctx_now(ctx) - start_ns <= KEEL_MS(20));
    keel_after_free(after);
    keel_ctx_free(child);
    return NULL;
}

static void run_without_stacks(void *arg)
{
    (void)arg;
    if (support_run(end_without_stacks, NULL) != NULL)
        _exit(4);
}

static void without_a_stack_it_is_tried_again(void **state)
{
    (void)state;
    int status;
    const char *text = support_child(run_without_stacks, NULL, &status);

    assert_string_equal(text, "");
    assert_int_equal(status, 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(it_runs_once_after_the_end),
        support_test(it_runs_at_once_under_what_has_ended),
        support_test(it_runs_when_an_ancestor_ends),
        support_test(freeing_the_context_runs_it_as_well),
        support_test(ten_thousand_run_once_each),
        support_test(what_never_ends_has_no_after),
        support_test(without_a_runtime_it_runs_in_the_thread_that_ends_the_context),
        support_test(without_a_runtime_it_runs_in_who_finds_the_deadline_passed),
        support_test(it_runs_at_once_when_the_deadline_has_passed_unseen),
        support_test(with_a_runtime_it_runs_as_a_task_at_the_deadline),
        support_test(ended_by_a_thread_it_runs_on_the_contexts_runtime),
        support_test(what_was_stopped_does_not_run),
        support_test(freeing_it_before_the_end_stops_it),
        support_test(stop_and_wait_waits_until_it_has_ended),
        support_test(freeing_it_while_it_runs_waits_until_it_has_ended),
        support_test(from_within_it_does_not_wait_for_itself),
        support_test(one_can_free_another_of_the_same_context),
        support_test(one_can_add_another_to_the_same_context),
        support_test(either_one_stops_it_or_it_runs),
        support_test(it_does_not_run_after_it_was_freed),
        support_test(without_memory_it_will_not_run),
#if defined(__linux__) && !KEEL__ASAN && !KEEL__TSAN && !defined(KEEL_VALGRIND)
        support_test(without_a_stack_it_is_tried_again),
#endif
    };

    support_mem_install();
    return cmocka_run_group_tests_name("after", tests, NULL, NULL);
}
