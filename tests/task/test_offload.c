/* SPDX-License-Identifier: MIT */
#include "explored.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/atomic.h"
#include "task/worker.h"

static KEEL_ERR_DEFINE(err_of_call, "the call's own");

/* ---- The call ---- */

typedef struct call {
    pthread_t thread;
    bool on_worker;
    keel_err *result;
} call;

static keel_err *note_thread(void *arg)
{
    call *c = arg;

    c->thread = pthread_self();
    c->on_worker = keel__worker_self() != NULL;
    return c->result;
}

static keel_err *call_once(keel_ctx *ctx, void *arg)
{
    call fine = { .on_worker = true }, fails = { .result = err_of_call };

    (void)arg;
    KEEL_TRY(keel_offload(ctx, note_thread, &fine));
    check(!fine.on_worker && !pthread_equal(fine.thread, pthread_self()));
    check_err(keel_offload(ctx, note_thread, &fails), err_of_call);
    check(!fails.on_worker && keel__worker_self() != NULL);
    return NULL;
}

static void a_call_runs_on_another_thread_and_returns_its_error(void **state)
{
    (void)state;
    assert_ok(support_run(call_once, NULL));
}

static keel_err *see_mask(void *arg)
{
    sigset_t mask;

    (void)arg;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    check(sigismember(&mask, SIGPIPE) == 1);
    check(sigismember(&mask, SIGTERM) == 0);
    return NULL;
}

static keel_err *see_masks(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(see_mask(arg));
    return keel_offload(ctx, see_mask, arg);
}

static void the_librarys_threads_alone_block_sigpipe(void **state)
{
    sigset_t mask;

    (void)state;
    assert_ok(support_run(see_masks, NULL));
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
}

static void count_free(void *count)
{
    ++*(int *)count;
}

static keel_err *count_call(void *count)
{
    ++*(int *)count;
    return err_of_call;
}

static void on_a_plain_thread_it_runs_in_place(void **state)
{
    call c = { .result = err_of_call };
    int count = 0;

    (void)state;
    assert_err(keel_offload(NULL, note_thread, &c), err_of_call);
    assert_true(pthread_equal(c.thread, pthread_self()));
    assert_err(keel_offload_abandon(NULL, count_call, &count, count_free), err_of_call);
    assert_int_equal(count, 2);
}

static keel_err *call_under(keel_ctx *ctx)
{
    int count = 0;

    check_err(keel_offload(ctx, count_call, &count), KEEL_ERR_CANCELLED);
    check(count == 0);
    check_err(keel_offload_abandon(ctx, count_call, &count, count_free), KEEL_ERR_CANCELLED);
    check(count == 1);
    return NULL;
}

static keel_err *call_too_late(keel_ctx *ctx, void *arg)
{
    keel_ctx *over = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel(over);
    keel_err *err = call_under(over);
    keel_ctx_free(over);
    return err;
}

static void under_an_ended_context_nothing_runs(void **state)
{
    (void)state;
    run_and_explore(call_too_late, NULL);
    assert_ok(call_too_late(NULL, NULL));
}

/* ---- Calls that block until they are told ---- */

/* A gate for offloaded calls. It is opened by a channel, which works on any thread. */
typedef struct gate {
    keel_chan *begun, *open;
    keel__a32 inside, most, passed, freed;
} gate;

static keel_err *gate_new(gate *g)
{
    *g = (gate){ 0 };
    KEEL_TRY(keel_chan_new(&g->begun, sizeof(int), &(keel_chan_opts){ .capacity = 100 }));
    return keel_chan_new(&g->open, sizeof(int), NULL);
}

static void gate_free(gate *g)
{
    keel_chan_free(g->begun);
    keel_chan_free(g->open);
}

static keel_err *pass(void *arg)
{
    gate *g = arg;
    int item = 0;
    uint32_t here = keel__add(&g->inside, 1) + 1, most = keel__load(&g->most);

    while (here > most && !keel__cas(&g->most, &most, here))
        ;
    keel_err *err = keel_chan_send(NULL, g->begun, &item);
    if (keel_chan_next(NULL, g->open, &item))
        keel__add(&g->passed, 1);
    keel__sub(&g->inside, 1);
    return err;
}

static void forget_gate(void *arg)
{
    keel__add(&((gate *)arg)->freed, 1);
}

static keel_err *pass_offloaded(keel_ctx *ctx, void *g)
{
    return keel_offload(ctx, pass, g);
}

static keel_err *pass_or_abandon(keel_ctx *ctx, void *g)
{
    return keel_offload_abandon(ctx, pass, g, forget_gate);
}

enum { CALLS = 20 };

/* `limit` calls begin, the others wait for their turn. */
static keel_err *crowd_in(keel_ctx *ctx, void *limit)
{
    gate g;
    int item = 0;

    KEEL_TRY(gate_new(&g));
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < CALLS; i++)
        keel_group_go(group, pass_offloaded, &g);
    keel_err *err = NULL;
    for (int i = 0; i < *(int *)limit; i++)
        err = keel_err_join(err, keel_chan_recv(ctx, g.begun, &item));
    bool full = keel__load(&g.inside) == *(uint32_t *)limit;
    for (int i = 0; i < CALLS; i++)
        err = keel_err_join(err, keel_chan_send(ctx, g.open, &item));
    err = keel_err_join(err, keel_group_wait(group));
    gate_free(&g);
    KEEL_TRY(err);
    check(full);
    check(keel__load(&g.passed) == CALLS && keel__load(&g.most) == *(uint32_t *)limit);
    return NULL;
}

static void no_more_calls_run_at_once_than_the_option_says(void **state)
{
    (void)state;
    for (int limit = 1; limit <= 16; limit += 5) {
        keel_runtime *rt;

        assert_ok(keel_runtime_start(
            &rt, &(keel_runtime_opts){ .workers = 2, .offload_threads = (unsigned)limit }));
        assert_ok(keel_runtime_run(rt, crowd_in, &limit));
        assert_ok(keel_runtime_stop(NULL, rt));
    }
    int limit = 16; /* the default */
    assert_ok(support_run(crowd_in, &limit));
}

/* ---- Cancelling ---- */

/* Runs `scenario` with a single thread for calls. */
static void run_with_one_thread(keel_task_fn scenario)
{
    keel_runtime *rt;

    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2, .offload_threads = 1 }));
    keel_err *err = keel_runtime_run(rt, scenario, NULL);
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_ok(err);
}

/* The only thread is taken: the second call waits, and is cancelled before it began. */
static keel_err *cancel_before(keel_ctx *ctx, void *arg)
{
    gate g;
    int item = 0;

    (void)arg;
    KEEL_TRY(gate_new(&g));
    keel_group *first = keel_group_new(ctx, NULL), *second = keel_group_new(ctx, NULL);
    keel_group_go(first, pass_offloaded, &g);
    keel_err *err = keel_chan_recv(ctx, g.begun, &item);
    keel_group_go(second, pass_offloaded, &g);
    keel_group_go(second, pass_or_abandon, &g);
    keel_group_cancel(second);
    keel_err *cancelled = keel_group_wait(second); /* although the first call still runs */
    bool untouched = keel__load(&g.inside) == 1 && keel__load(&g.freed) == 1;
    keel_chan_close(g.open);
    err = keel_err_join(err, keel_group_wait(first));
    gate_free(&g);
    check_err(cancelled, KEEL_ERR_CANCELLED);
    KEEL_TRY(err);
    check(untouched && keel__load(&g.most) == 1);
    return NULL;
}

static void a_call_that_has_not_begun_can_be_cancelled(void **state)
{
    (void)state;
    run_with_one_thread(cancel_before);
}

static keel_err *count_only(void *count)
{
    ++*(int *)count;
    return NULL;
}

static keel_err *cancel_meanwhile(keel_ctx *ctx, void *victim)
{
    (void)ctx;
    if (keel__load(&keel__worker_self()->rt->offloads) != 0)
        keel_ctx_cancel(victim);
    return NULL;
}

/* Whatever the order, the call has run or the caller is told that it has not. */
static keel_err *call_and_cancel(keel_ctx *ctx, void *always)
{
    int count = 0;
    keel_ctx *ends = keel_ctx_with_cancel(ctx);
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, cancel_meanwhile, ends);
    keel_err *err = keel_offload(ends, count_only, &count);
    bool ran = err == NULL, told = ran == (count == 1) && (ran || err == KEEL_ERR_CANCELLED);
    keel_err_free(err);
    err = keel_group_wait(group);
    keel_ctx_free(ends);
    check(told);
    check(always == NULL || ran);
    return err;
}

/* The simulator must know both ends, or it could not find what goes wrong in one of them. */
static void a_simulated_call_can_be_cancelled_before_it_begins(void **state)
{
    (void)state;
    run_and_explore(call_and_cancel, NULL);
#if !defined KEEL_TSAN && !defined KEEL_TSAN_CORE
    int always;
    keel_sim_report *report = keel_sim_explore("always_called", call_and_cancel, &always,
                                               &(keel_sim_opts){ .max_runs = 1000 });
    assert_int_equal(report->kind, KEEL_SIM_ERROR);
    keel_sim_report_free(report);
#endif
}

typedef struct waiter {
    keel_ctx *ctx;
    gate *g;
    bool returned;
    keel_err *err;
} waiter;

static keel_err *pass_and_tell(keel_ctx *ctx, void *arg)
{
    waiter *w = arg;

    (void)ctx;
    w->err = keel_offload(w->ctx, pass, w->g);
    w->returned = true;
    return NULL;
}

/* On one worker, so that yields let the cancelled task run if it could. */
static keel_err *cancel_during(keel_ctx *ctx, void *arg)
{
    gate g;
    int item = 0;

    (void)arg;
    KEEL_TRY(gate_new(&g));
    waiter w = { .ctx = keel_ctx_with_cancel(ctx), .g = &g };
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, pass_and_tell, &w);
    keel_err *err = keel_chan_recv(ctx, g.begun, &item);
    keel_ctx_cancel(w.ctx);
    for (size_t i = 0; i < repeats(1000, 3); i++)
        keel_yield();
    bool early = w.returned;
    keel_chan_close(g.open);
    err = keel_err_join(err, keel_group_wait(group));
    keel_ctx_free(w.ctx);
    gate_free(&g);
    KEEL_TRY(err);
    check(!early);
    KEEL_TRY(w.err); /* the call has succeeded */
    return NULL;
}

static void a_call_that_has_begun_is_waited_for(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, cancel_during, NULL));
    explored(cancel_during, NULL);
}

static keel_err *abandon(keel_ctx *ctx, void *arg)
{
    gate *g = arg;
    int item = 0;
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, pass_or_abandon, g);
    KEEL_TRY(keel_chan_recv(ctx, g->begun, &item));
    keel_group_cancel(group);
    check_err(keel_group_wait(group), KEEL_ERR_CANCELLED);
    check(keel__load(&g->inside) == 1 && keel__load(&g->freed) == 0);
    return NULL;
}

static void an_abandoned_call_goes_on_and_frees_its_argument(void **state)
{
    gate g;
    keel_runtime *rt;

    (void)state;
    assert_ok(gate_new(&g));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    assert_ok(keel_runtime_run(rt, abandon, &g));
    assert_int_equal(keel__load(&g.freed), 0);
    keel_chan_close(g.open);
    assert_ok(keel_runtime_stop(NULL, rt)); /* waits for it */
    assert_int_equal(keel__load(&g.inside), 0);
    assert_int_equal(keel__load(&g.freed), 1);
    gate_free(&g);
}

/* The end of the call and of the context race; the argument is freed once, whoever wins. */
static keel_err *fail_wrapped(void *arg)
{
    (void)arg;
    return keel_err_wrap(err_of_call, "wrapped");
}

static keel_err *race(keel_ctx *ctx, void *arg)
{
    for (int i = 1; i <= (int)repeats(1000, 2); i++) {
        gate g = { 0 };
        keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_US(i % 50));
        keel_err *err = keel_offload_abandon(limited, fail_wrapped, &g, forget_gate);

        keel_ctx_free(limited);
        bool fine = keel_err_is(err, err_of_call) || keel_err_is(err, KEEL_ERR_DEADLINE);
        bool done = keel_err_is(err, err_of_call);
        keel_err_free(err);
        check(fine);
        check(!done || keel__load(&g.freed) == 1);
        while (keel__load(&g.freed) == 0)
            keel_yield();
    }
    (void)arg;
    return NULL;
}

static void a_call_and_its_context_may_end_at_once(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 0, race, NULL));
    explored(race, NULL);
}

/* The same in slow motion. The context has ended the wait, but the waiter has not run yet when the call
 * ends: its error is nobody's. */
static keel_err *pass_and_fail(void *g)
{
    return keel_err_join(pass(g), keel_err_new("too late"));
}

static keel_err *abandon_failing(keel_ctx *ctx, void *g)
{
    return keel_offload_abandon(ctx, pass_and_fail, g, forget_gate);
}

static keel_err *cancel_then_end(keel_ctx *ctx, void *arg)
{
    gate g;
    int item = 0;
    keel__offload *offload = &keel__worker_self()->rt->offload;

    (void)arg;
    KEEL_TRY(gate_new(&g));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, abandon_failing, &g);
    keel_err *err = keel_chan_recv(ctx, g.begun, &item);
    keel_group_cancel(group); /* the waiter is ready; this task keeps the only worker */
    keel_chan_close(g.open);
    for (bool idle = false; !idle;) {
        keel__spin_lock(&offload->lock);
        idle = offload->idle.first != NULL;
        keel__spin_unlock(&offload->lock);
        sched_yield();
    }
    keel_err *cancelled = keel_group_wait(group);
    bool freed = keel__load(&g.freed) == 1;
    gate_free(&g);
    KEEL_TRY(err);
    check_err(cancelled, KEEL_ERR_CANCELLED);
    check(freed);
    return NULL;
}

static void the_error_of_a_call_that_ends_too_late_is_dropped(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, cancel_then_end, NULL));
}

/* ---- Time stands still during a call ---- */

static keel_err *sleep_beside(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_sleep(ctx, KEEL_S(1));
}

static keel_err *hold_the_clock(keel_ctx *ctx, void *arg)
{
    gate g;
    int item = 0;
    int64_t start_ns = keel_ctx_now(ctx);

    (void)arg;
    KEEL_TRY(gate_new(&g));
    keel_group *group = keel_group_new(ctx, NULL), *sleeper = keel_group_new(ctx, NULL);
    keel_group_go(group, pass_offloaded, &g);
    keel_err *err = keel_chan_recv(ctx, g.begun, &item);
    keel_group_go(sleeper, sleep_beside, NULL);
    for (size_t i = 0; i < repeats(100, 3); i++)
        keel_yield();
    bool still = keel_ctx_now(ctx) == start_ns;
    keel_chan_close(g.open);
    err = keel_err_join(err, keel_group_wait(group));
    err = keel_err_join(err, keel_group_wait(sleeper));
    gate_free(&g);
    KEEL_TRY(err);
    check(still && keel_ctx_now(ctx) == start_ns + KEEL_S(1));
    return NULL;
}

static void a_manual_clock_stands_still_during_a_call(void **state)
{
    (void)state;
    run_and_explore_on_time(hold_the_clock, NULL);
}

/* ---- Without threads ---- */

static keel_err *nothing(void *arg)
{
    (void)arg;
    return NULL;
}

static keel_err *call_hopelessly(keel_ctx *ctx, void *arg)
{
    for (int i = 0; i < 200; i++) {
        keel_err *err = keel_offload(ctx, nothing, NULL);
        const char *text = KEEL_ERR_STR(err);
        bool named = strstr(text, "RLIMIT_NPROC") != NULL;

        if (!keel_err_is(err, KEEL_ERR_LIMIT) || !named)
            return keel_err_wrap(err != NULL ? err : keel_err_new("no error"), "not the limit");
        keel_err_free(err);
        check_err(keel_offload_abandon(ctx, nothing, NULL, NULL), KEEL_ERR_LIMIT);
    }
    (void)arg;
    return NULL;
}

/* Several at once: who fails to make the last thread must not leave the others' calls behind. */
static keel_err *call_hopelessly_at_once(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });

    for (int i = 0; i < 64; i++)
        keel_group_go(group, call_hopelessly, arg);
    return keel_group_wait(group);
}

/* From now on this process can make no thread. Root is under no such limit: become nobody. */
static bool deny_threads(void)
{
    enum { NOBODY = 65534 };

    return setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 }) == 0 &&
           (geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void offload_without_threads(void *arg)
{
    keel_runtime *rt;
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 4 });

    (void)arg;
    if (err == NULL && deny_threads())
        err = keel_runtime_run(rt, call_hopelessly_at_once, NULL);
    fprintf(stderr, "err: %s\n", err != NULL ? KEEL_ERR_STR(err) : "none");
}

static void without_any_thread_a_call_fails_with_the_limit(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(offload_without_threads, NULL, &status);
    assert_string_equal(text, "err: none\n");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_call_runs_on_another_thread_and_returns_its_error),
        support_test(the_librarys_threads_alone_block_sigpipe),
        support_test(on_a_plain_thread_it_runs_in_place),
        support_test(under_an_ended_context_nothing_runs),
        support_test(no_more_calls_run_at_once_than_the_option_says),
        support_test(a_call_that_has_not_begun_can_be_cancelled),
        support_test(a_simulated_call_can_be_cancelled_before_it_begins),
        support_test(a_call_that_has_begun_is_waited_for),
        support_test(an_abandoned_call_goes_on_and_frees_its_argument),
        support_test(a_call_and_its_context_may_end_at_once),
        support_test(the_error_of_a_call_that_ends_too_late_is_dropped),
        support_test(a_manual_clock_stands_still_during_a_call),
        support_test(without_any_thread_a_call_fails_with_the_limit),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
