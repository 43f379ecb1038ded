/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/spin.h"

/* Ends of things: groups, contexts, after-functions, offloaded calls, while others still hold them. */

enum { WORKERS = 2 };

static keel_err *count_up(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel__add((keel__a32 *)arg, 1);
    return NULL;
}

static keel_err *wait_for_end(keel_ctx *ctx, void *chan)
{
    int got;

    return keel_chan_recv(ctx, chan, &got);
}

/* ---- Groups ---- */

/* The last task may still be in the group when its end is noticed. */
static void a_group_is_freed_under_its_last_task(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel__a32 count = { 0 };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, count_up, &count);
    keel_group_go(group, count_up, &count);
    sim_ok(keel_group_wait(group));
    sim_check(keel__load(&count) == 2);
    simcore_stop(rt);
}

static void a_full_group_hands_over_places(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel__a32 count = { 0 };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .limit = 1 });
    for (int i = 0; i < 3; i++)
        keel_group_go(group, count_up, &count);
    sim_ok(keel_group_wait(group));
    sim_check(keel__load(&count) == 3);
    simcore_stop(rt);
}

static keel_err *fail_at_once(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return KEEL_ERR_CLOSED;
}

/* The first error is kept, and cancels the others. */
static void an_error_ends_the_others(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_chan *never;

    sim_ok(keel_chan_new(&never, sizeof(int), NULL));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, wait_for_end, never);
    keel_group_go(group, fail_at_once, NULL);
    sim_err(keel_group_wait(group), KEEL_ERR_CLOSED);
    keel_chan_free(never);
    simcore_stop(rt);
}

/* ---- Contexts ---- */

static keel_err *make_and_free_a_child(keel_ctx *ctx, void *arg)
{
    keel_ctx *child = keel_ctx_with_timeout(arg, KEEL_S(1));
    keel_ctx *grandchild = keel_ctx_with_cancel(child);

    (void)ctx;
    keel_ctx_free(grandchild);
    keel_ctx_free(child);
    return NULL;
}

/* The cascade walks the tree while another takes leaves out of it. */
static void a_cascade_meets_the_free_of_a_child(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_ctx *top = keel_ctx_with_cancel(keel_runtime_ctx(rt));

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, make_and_free_a_child, top);
    keel_ctx_cancel(top);
    sim_ok(keel_group_wait(group));
    sim_err(keel_ctx_err(top), KEEL_ERR_CANCELLED);
    keel_ctx_free(top);
    simcore_stop(rt);
}

/* The timer of a context fires while it is cancelled and freed elsewhere. */
static void a_deadline_meets_the_free(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_chan *never;

    sim_ok(keel_chan_new(&never, sizeof(int), NULL));
    keel_ctx *ctx = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_MS(1));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, wait_for_end, never);
    keel_ctx_cancel(ctx);
    keel_err *err = keel_group_wait(group);
    sim_check(keel_err_is(err, KEEL_ERR_CANCELLED) || keel_err_is(err, KEEL_ERR_DEADLINE));
    keel_err_free(err);
    keel_ctx_free(ctx);
    keel_chan_free(never);
    simcore_stop(rt);
}

static keel_err *wait_and_see(keel_ctx *ctx, void *chan)
{
    int got;
    keel_err *err = keel_chan_recv(ctx, chan, &got);

    sim_check(keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    return NULL;
}

/* Cancelled just before, while and after its waits are entered. */
static void a_cancel_meets_two_waits(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_chan *never;

    sim_ok(keel_chan_new(&never, sizeof(int), NULL));
    keel_ctx *ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, wait_and_see, never);
    keel_group_go(group, wait_and_see, never);
    keel_ctx_cancel(ctx);
    sim_ok(keel_group_wait(group));
    keel_ctx_free(ctx);
    keel_chan_free(never);
    simcore_stop(rt);
}

static void cancel_for_a_reason(void *ctx)
{
    keel_ctx_cancel_cause(ctx, keel_err_new("a reason"));
}

/* The first cause is kept, and the other not lost. */
static void a_cancel_meets_a_cancel(void)
{
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    keel_ctx *child = keel_ctx_with_cancel(ctx);

    simcore_thread *thread = simcore_go(cancel_for_a_reason, ctx);
    keel_ctx_cancel_cause(child, keel_err_retain(KEEL_ERR_CLOSED));
    keel_err *first = keel_ctx_cause(child);
    simcore_join(thread);
    keel_err *last = keel_ctx_cause(child);
    sim_check(first == last && first != NULL);
    keel_err_free(first);
    keel_err_free(last);
    keel_ctx_free(child);
    keel_ctx_free(ctx);
}

/* ---- After-functions ---- */

typedef struct after_state {
    keel__a32 runs;
    keel__a32 inside;
    keel_after *after;
} after_state;

static void run_after(void *arg)
{
    after_state *s = arg;

    keel__add(&s->inside, 1);
    keel__add(&s->runs, 1);
    keel__sub(&s->inside, 1);
}

static void cancel(void *ctx)
{
    keel_ctx_cancel(ctx);
}

/* It was stopped in time, or has run to its end. */
static void an_after_function_is_stopped_or_awaited(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_ctx *ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));
    after_state *s = keel_mem_calloc(1, sizeof *s);

    sim_ok(keel_ctx_after(&s->after, ctx, run_after, s));
    simcore_thread *thread = simcore_go(cancel, ctx);
    bool stopped = keel_after_stop_and_wait(s->after);
    sim_check(keel__load(&s->inside) == 0);
    sim_check(keel__load(&s->runs) == (stopped ? 0u : 1u));
    keel_after_free(s->after);
    keel_mem_free(s); /* nobody uses it any more */
    simcore_join(thread);
    keel_ctx_free(ctx);
    simcore_stop(rt);
}

/* Without a runtime it runs on the thread that cancels. */
static void an_after_function_runs_on_a_thread(void)
{
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);
    after_state *s = keel_mem_calloc(1, sizeof *s);

    sim_ok(keel_ctx_after(&s->after, ctx, run_after, s));
    simcore_thread *a = simcore_go(cancel, ctx), *b = simcore_go(cancel, ctx);
    keel_after_free(s->after);
    sim_check(keel__load(&s->inside) == 0 && keel__load(&s->runs) <= 1);
    keel_mem_free(s);
    simcore_join(a);
    simcore_join(b);
    keel_ctx_free(ctx);
}

/* ---- Offload ---- */

static keel_err *work(void *arg)
{
    keel__add((keel__a32 *)arg, 1);
    return NULL;
}

static keel_err *offload_twice(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(keel_offload(ctx, work, arg));
    return keel_offload(ctx, work, arg);
}

/* The second call finds the thread idle, about to be, or not yet. */
static void an_idle_thread_gets_the_next_call(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel__a32 count = { 0 };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, offload_twice, &count);
    sim_ok(keel_group_wait(group));
    sim_check(keel__load(&count) == 2);
    sim_ok(keel_runtime_stop(NULL, rt));
}

static keel_err *offload_once(keel_ctx *ctx, void *arg)
{
    return keel_offload(ctx, work, arg);
}

static void two_callers_share_a_thread(void)
{
    keel_runtime *rt;
    keel__a32 count = { 0 };

    keel__machine_quiet(true);
    sim_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2, .offload_threads = 1 }));
    keel__machine_settle();
    keel__machine_quiet(false);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, offload_once, &count);
    keel_group_go(group, offload_once, &count);
    sim_ok(keel_group_wait(group));
    sim_check(keel__load(&count) == 2);
    simcore_stop(rt);
}

/* What is cancelled before it begins never runs; what runs is waited for. */
static keel_err *offload_on_stack(keel_ctx *ctx, void *arg)
{
    keel__a32 count = { 0 };

    (void)arg;
    keel_err *err = keel_offload(ctx, work, &count);
    sim_check(keel__load(&count) == (err == NULL ? 1u : 0u));
    keel_err_free(err);
    return NULL;
}

static void cancel_meets_an_offloaded_call(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_ctx *ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));

    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, offload_on_stack, NULL);
    keel_ctx_cancel(ctx);
    sim_ok(keel_group_wait(group));
    keel_ctx_free(ctx);
    simcore_stop(rt);
}

static keel_err *abandon(keel_ctx *ctx, void *arg)
{
    keel__a32 *count = keel_mem_calloc(1, sizeof *count);

    (void)arg;
    keel_err_free(keel_offload_abandon(ctx, work, count, keel_mem_free));
    return NULL;
}

/* Abandoned, withdrawn or done: its argument is freed once. */
static void cancel_meets_an_abandoned_call(void)
{
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);
    keel_ctx *ctx = keel_ctx_with_cancel(keel_runtime_ctx(rt));

    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, abandon, NULL);
    keel_ctx_cancel(ctx);
    sim_ok(keel_group_wait(group));
    keel_ctx_free(ctx);
    simcore_stop(rt);
}

simcore_test(a_group_is_freed_under_its_last_task) simcore_test(a_full_group_hands_over_places)
    simcore_test(an_error_ends_the_others) simcore_test(a_cascade_meets_the_free_of_a_child)
        simcore_test(a_deadline_meets_the_free) simcore_test(a_cancel_meets_two_waits)
            simcore_test(a_cancel_meets_a_cancel)
                simcore_test(an_after_function_is_stopped_or_awaited)
                    simcore_test(an_after_function_runs_on_a_thread)
                        simcore_test(an_idle_thread_gets_the_next_call)
                            simcore_test(two_callers_share_a_thread)
                                simcore_test(cancel_meets_an_offloaded_call)
                                    simcore_test(cancel_meets_an_abandoned_call)

                                        int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_freed_under_its_last_task_holds),
        cmocka_unit_test(a_full_group_hands_over_places_holds),
        cmocka_unit_test(an_error_ends_the_others_holds),
        cmocka_unit_test(a_cascade_meets_the_free_of_a_child_holds),
        cmocka_unit_test(a_deadline_meets_the_free_holds),
        cmocka_unit_test(a_cancel_meets_two_waits_holds),
        cmocka_unit_test(a_cancel_meets_a_cancel_holds),
        cmocka_unit_test(an_after_function_is_stopped_or_awaited_holds),
        cmocka_unit_test(an_after_function_runs_on_a_thread_holds),
        cmocka_unit_test(an_idle_thread_gets_the_next_call_holds),
        cmocka_unit_test(two_callers_share_a_thread_holds),
        cmocka_unit_test(cancel_meets_an_offloaded_call_holds),
        cmocka_unit_test(cancel_meets_an_abandoned_call_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
