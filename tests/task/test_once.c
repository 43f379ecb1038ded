/* SPDX-License-Identifier: MIT */
#include "crew.h"

KEEL_ERR_DEFINE(static_failure, "it failed");

typedef struct caller {
    keel_once *once;
    keel_ctx *ctx;
    keel_chan *gate; /* fn passes it; NULL: there is none */
    keel__asize runs;
    keel_err *result; /* what fn returns */
    keel_err *err;
} caller;

static keel_err *run_it(keel_ctx *ctx, void *arg)
{
    caller *shared = arg;
    int token;

    must(ctx == shared->ctx);
    keel__add(&shared->runs, 1);
    if (shared->gate != NULL)
        must_ok(keel_chan_recv(NULL, shared->gate, &token));
    return shared->result;
}

/* A caller among several: `shared` is what fn gets. */
typedef struct one_of {
    caller *shared;
    keel_ctx *ctx;
    keel_err *err;
} one_of;

static keel_err *call(keel_ctx *ctx, void *arg)
{
    one_of *o = arg;

    (void)ctx;
    o->err = keel_once_do(o->ctx, o->shared->once, run_it, o->shared);
    return NULL;
}

static void until_callers(keel_once *once, size_t count)
{
    crew_until(&once->keel__lock, &once->keel__waiters, count);
}

CREW_TEST(one_runs_it_and_the_others_wait)
{
    keel_once once;
    keel_chan *gate = new_chan(sizeof(int), 0);
    caller shared = { .once = &once, .gate = gate, .result = keel_err_new("no luck") };
    one_of callers[5];
    crew c;

    (void)arg;
    keel_once_init(&once);
    crew_open(&c, ctx);
    for (size_t i = 0; i < 5; i++) {
        callers[i] = (one_of){ .shared = &shared };
        crew_go(&c, call, &callers[i]);
    }
    until_callers(&once, 4);
    until_receivers(gate, 1);
    must_ok(keel_chan_send(NULL, gate, &(int){ 1 }));
    crew_join(&c);
    must(keel__load(&shared.runs) == 1);
    for (size_t i = 0; i < 5; i++) {
        must(callers[i].err == callers[0].err && callers[i].err != NULL);
        keel_err_free(callers[i].err);
    }
    keel_err *again = keel_once_do(NULL, &once, run_it, &shared);
    must(again == callers[0].err);
    must(strcmp(KEEL_ERR_STR(again), "no luck") == 0);
    keel_err_free(again);
    must(keel__load(&shared.runs) == 1);
    keel_once_deinit(&once);
    keel_chan_free(gate);
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_context_and_fn_goes_on)
{
    keel_once once = { 0 };
    keel_chan *gate = new_chan(sizeof(int), 0);
    caller shared = { .once = &once, .gate = gate };
    one_of runner = { .shared = &shared };
    one_of waiter = { .shared = &shared, .ctx = keel_ctx_with_cancel(ctx) };
    crew first, second;

    (void)arg;
    crew_open(&first, ctx);
    crew_open(&second, ctx);
    crew_go(&first, call, &runner);
    until_receivers(gate, 1);
    crew_go(&second, call, &waiter);
    until_callers(&once, 1);
    keel_ctx_cancel(waiter.ctx);
    crew_join(&second);
    must_err(waiter.err, KEEL_ERR_CANCELLED);
    must(crew_waiting(&once.keel__lock, &once.keel__waiters) == 0);
    must_ok(keel_chan_send(NULL, gate, &(int){ 1 }));
    crew_join(&first);
    must_ok(runner.err);
    must(keel__load(&shared.runs) == 1);
    keel_ctx_free(waiter.ctx);
    keel_once_deinit(&once);
    keel_chan_free(gate);
    return NULL;
}

static void success_and_failure_are_kept(void **state)
{
    (void)state;
    keel_err *results[] = { NULL, static_failure, keel_err_new("made") };

    for (size_t i = 0; i < 3; i++) {
        keel_once once = { 0 };
        caller shared = { .once = &once, .result = results[i] };
        for (int call_number = 0; call_number < 3; call_number++)
            assert_err(keel_once_do(NULL, &once, run_it, &shared), results[i]);
        assert_int_equal(shared.runs.v, 1);
        keel_once_deinit(&once);
    }
    keel_once_deinit(NULL);
}

static void a_context_that_has_ended_runs_nothing(void **state)
{
    (void)state;
    keel_once once = { 0 };
    caller shared = { .once = &once, .ctx = keel_ctx_with_cancel(NULL) };

    keel_ctx_cancel(shared.ctx);
    assert_err(keel_once_do(shared.ctx, &once, run_it, &shared), KEEL_ERR_CANCELLED);
    assert_int_equal(shared.runs.v, 0);
    keel_ctx_free(shared.ctx);
    shared.ctx = keel_ctx_with_cancel(NULL);
    assert_ok(keel_once_do(shared.ctx, &once, run_it, &shared));
    assert_int_equal(shared.runs.v, 1);
    keel_ctx_free(shared.ctx);
    keel_once_deinit(&once);
}

/* ---- Misuse ---- */

static keel_err *call_again(keel_ctx *ctx, void *arg)
{
    return keel_once_do(ctx, arg, call_again, arg);
}

static void call_within_itself(void *arg)
{
    keel_once once = { 0 };

    (void)arg;
    keel_err_free(keel_once_do(NULL, &once, call_again, &once));
}

static keel_err *drop(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_once_deinit(arg);
    return NULL;
}

static void drop_within_itself(void *arg)
{
    keel_once once = { 0 };

    (void)arg;
    keel_err_free(keel_once_do(NULL, &once, drop, &once));
}

static void misuse_aborts_with_a_message(void **state)
{
    (void)state;
    support_assert_aborts(call_within_itself, NULL, "calls keel_once_do on it");
    support_assert_aborts(drop_within_itself, NULL, "still runs");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(one_runs_it_and_the_others_wait),
        support_test(a_wait_ends_with_its_context_and_fn_goes_on),
        support_test(success_and_failure_are_kept),
        support_test(a_context_that_has_ended_runs_nothing),
        support_test(misuse_aborts_with_a_message),
    };
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
