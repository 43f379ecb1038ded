/* SPDX-License-Identifier: MIT */
#include "explored.h"

#include <keel/mem.h>

#include "base/atomic.h"

KEEL_ANY_TYPE_STATIC(void); /* a pointer to anything */

/* Every allocation of a scenario fails in turn, once and from there on. The scenarios may fail, with
 * KEEL_ERR_NOMEM; they may not crash, hang, or lose memory. support_mem_torture counts it all. */

static keel_err *count(keel_ctx *ctx, void *counter)
{
    (void)ctx;
    keel__add((keel__a32 *)counter, 1);
    return NULL;
}

static keel_err *scenario_runtime(void *arg)
{
    keel_runtime *rt = (keel_runtime *)&rt;
    keel_err *err =
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 3, .handle_faults = true });

    (void)arg;
    if (err != NULL) {
        if (rt != NULL)
            return keel_err_join(err, keel_err_new("the runtime is not NULL"));
        return err;
    }
    return keel_runtime_stop(NULL, rt);
}

static void runtimes_start_and_stop(void **state)
{
    (void)state;
    support_mem_torture(scenario_runtime, NULL, NULL);
}

/* On a runtime of its own, under a manual clock. */
static keel_err *run_scenario(void *fn)
{
    return support_run(*(keel_task_fn *)fn, NULL);
}

/* The same among simulated tasks, where any of its allocations may fail, in any order. */
static keel_err *run_or_fail(keel_ctx *ctx, void *fn)
{
    keel_err *err = (*(keel_task_fn *)fn)(ctx, NULL);

    if (!keel_err_is(err, KEEL_ERR_NOMEM))
        return err;
    keel_err_free(err);
    return NULL;
}

static void torture_as(const char *name, keel_task_fn fn)
{
    support_mem_torture(run_scenario, &fn, NULL);
    explored_as(name, run_or_fail, &fn, (keel_sim_opts){ .faults = true, .fixed_time = true });
}

#define torture(fn) torture_as(#fn, (fn))

/* ---- Groups ---- */

/* A group that says success has run every task. */
static keel_err *use_groups(keel_ctx *ctx, void *arg)
{
    keel__a32 started = { 0 }, tried = { 0 };
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .limit = 2 });
    uint32_t yes = 0;

    (void)arg;
    for (int i = 0; i < 4; i++)
        keel_group_go(group, count, &started);
    keel_err *err = keel_group_wait(group);
    check(err != NULL || keel__load(&started) == 4);

    group = keel_group_new(ctx, &(keel_group_opts){ .stack_bytes = 128 << 10 });
    for (int i = 0; i < 3; i++)
        yes += keel_group_try_go(group, count, &tried);
    keel_err *err_tried = keel_group_wait(group);
    bool kept = err_tried != NULL || (yes == 3 && keel__load(&tried) == 3);
    err = keel_err_join(err, err_tried);
    if (!kept)
        return keel_err_join(keel_err_new("tasks were lost"), err);
    return err;
}

static void groups_run_their_tasks_or_say_why_not(void **state)
{
    (void)state;
    torture(use_groups);
}

static keel_err *free_arg(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_mem_free(arg);
    return NULL;
}

/* One of task, caller and arg_free frees each argument: the torture counts. A small stack is made for each. */
static keel_err *give_arguments(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(
        ctx, &(keel_group_opts){ .stack_bytes = 16 << 10, .arg_free = keel_mem_free });

    (void)arg;
    for (int i = 0; i < 3; i++) {
        void *given = keel_mem_alloc(8);

        if (given == NULL)
            keel_group_fail(group, KEEL_ERR_NOMEM);
        else if (!keel_group_go(group, free_arg, given))
            keel_mem_free(given);
    }
    return keel_group_wait(group);
}

static void arguments_are_freed_whether_the_task_starts_or_not(void **state)
{
    (void)state;
    torture_as("give_arguments", give_arguments);
}

static keel_err *fail_with_text(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return keel_err_new("number %d", *(int *)arg);
}

static keel_err *collect(keel_ctx *ctx, void *arg)
{
    int numbers[4] = { 0, 1, 2, 3 };
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });

    (void)arg;
    for (int i = 0; i < 4; i++)
        keel_group_go(group, fail_with_text, &numbers[i]);
    keel_err *err = keel_group_wait(group);
    if (err == NULL)
        return keel_err_new("four failures, and no error");
    if (strstr(KEEL_ERR_STR(err), "number") == NULL)
        return err;
    keel_err_free(err); /* as it should be; joining it may have failed */
    return NULL;
}

static void collected_errors_may_get_fewer_but_not_vanish(void **state)
{
    (void)state;
    torture(collect);
}

static keel_err *go_down(keel_ctx *ctx, void *depth)
{
    int next = *(int *)depth - 1;

    if (next == 0)
        return keel_sleep(ctx, KEEL_MS(1));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, go_down, &next);
    keel_group_go(group, go_down, &next);
    return keel_group_wait(group);
}

static keel_err *nest_groups(keel_ctx *ctx, void *arg)
{
    int depth = 4;

    (void)arg;
    return go_down(ctx, &depth);
}

static void groups_in_groups_hand_the_error_up(void **state)
{
    (void)state;
    torture(nest_groups);
}

/* ---- Channels and select ---- */

typedef struct pair {
    keel_chan *a, *b;
} pair;

static keel_err *produce(keel_ctx *ctx, void *chan)
{
    keel_err *err = NULL;

    for (int i = 0; i < 5 && err == NULL; i++)
        err = keel_chan_send(ctx, chan, &i);
    keel_chan_close(chan);
    return err;
}

static keel_err *consume(keel_ctx *ctx, void *arg)
{
    pair *chans = arg;
    int a = 0, b = 0, closed = 0;
    bool a_ok = true, b_ok = true;

    while (closed < 2) {
        int at =
            keel_select(ctx, a_ok ? KEEL_RECV_OK(chans->a, &a, &a_ok) : KEEL_AFTER(KEEL_HOUR(1)),
                        b_ok ? KEEL_RECV_OK(chans->b, &b, &b_ok) : KEEL_AFTER(KEEL_HOUR(1)));
        if (at == KEEL_SELECT_CTX)
            return keel_ctx_err(ctx);
        closed = !a_ok + !b_ok;
    }
    return NULL;
}

static keel_err *use_channels(keel_ctx *ctx, void *arg)
{
    pair chans = { 0 };
    keel_err *err = keel_chan_new(&chans.a, sizeof(int), NULL);

    (void)arg;
    if (err == NULL)
        err = keel_chan_new(&chans.b, sizeof(int), &(keel_chan_opts){ .capacity = 3 });
    if (err == NULL) {
        keel_group *group = keel_group_new(ctx, NULL);
        keel_group_go(group, produce, chans.a);
        keel_group_go(group, produce, chans.b);
        keel_group_go(group, consume, &chans);
        err = keel_group_wait(group);
    }
    keel_chan_free(chans.a);
    keel_chan_free(chans.b);
    /* whoever was cancelled by the failure of another */
    if (keel_err_is(err, KEEL_ERR_CANCELLED))
        return keel_err_wrap(err, "instead of the failure");
    return err;
}

static void channels_and_select_work_or_fail(void **state)
{
    (void)state;
    torture(use_channels);
}

/* ---- Contexts ---- */

static void set_flag(void *flag)
{
    keel__store((keel__a32 *)flag, 1);
}

static keel_err *use_contexts(keel_ctx *ctx, void *arg)
{
    static const char key;
    keel_ctx *valued = keel_ctx_with_value(ctx, &key, KEEL_ANY_PTR(void, arg));
    keel_ctx *free_one = keel_ctx_with_cancel(valued);
    keel_ctx *limited = keel_ctx_with_timeout_cause(free_one, KEEL_S(1), keel_err_new("a cause"));
    keel_ctx *detached = keel_ctx_without_cancel(limited);
    keel_ctx *below = keel_ctx_with_timeout(limited, KEEL_S(2));

    keel_err *err = keel_sleep(below, KEEL_S(3));
    bool ended = keel_err_is(err, KEEL_ERR_DEADLINE) || keel_err_is(err, KEEL_ERR_NOMEM);
    bool nomem = keel_err_is(err, KEEL_ERR_NOMEM);
    keel_err_free(err);
    keel_ctx_cancel_cause(detached, keel_err_new("another"));
    keel_err_free(keel_ctx_cause(detached));
    keel_err_free(keel_ctx_cause(below));
    keel_ctx_free(below);
    keel_ctx_free(detached);
    keel_ctx_free(limited);
    keel_ctx_free(free_one);
    keel_ctx_free(valued);
    check(ended);
    return nomem ? KEEL_ERR_NOMEM : NULL;
}

static void contexts_end_in_time_or_have_ended_before(void **state)
{
    (void)state;
    torture(use_contexts);
}

static keel_err *use_afters(keel_ctx *ctx, void *arg)
{
    keel__a32 first = { 0 }, second = { 0 }, never = { 0 };
    keel_after *afters[3] = { NULL };
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(1));

    (void)arg;
    keel_err *err = keel_ctx_after(&afters[0], limited, set_flag, &first);
    if (err == NULL)
        err = keel_ctx_after(&afters[1], limited, set_flag, &never);
    bool stopped = afters[1] == NULL || keel_after_stop(afters[1]);
    keel_ctx_cancel(limited);
    if (err == NULL)
        err = keel_ctx_after(&afters[2], limited, set_flag, &second);
    for (int i = 0; i < 3; i++)
        keel_after_free(afters[i]); /* which waits */
    keel_ctx_free(limited);
    if (!stopped || keel__load(&never) != 0 || keel__load(&first) != (afters[0] != NULL) ||
        keel__load(&second) != (afters[2] != NULL))
        return keel_err_join(keel_err_new("an after-function ran or not, and should not have"),
                             err);
    return err;
}

/* It cannot fail any more once it is there, not even without a stack: it waits for one. That it does
 * under a manual clock, which the join of the failing runtime must not hold up. */
static keel_err *run_afters(void *arg)
{
    return support_run(use_afters, arg);
}

static void after_functions_run_once_or_never(void **state)
{
    size_t nth = 1;
    bool failed = true;

    (void)state;
    /* "from there on" would be never: only a later allocation can bring a stack */
    while (failed) {
        size_t before = support_mem_live();
        support_mem_fail(nth++, false);
        keel_err *err = run_afters(NULL);
        failed = support_mem_failed();
        support_mem_fail(0, false);
        bool fine = err == NULL || (failed && keel_err_is(err, KEEL_ERR_NOMEM));
        if (!fine)
            print_error("allocation %zu: %s\n", nth - 1, KEEL_ERR_STR(err));
        keel_err_free(err);
        assert_true(fine);
        assert_int_equal(support_mem_live(), before);
    }
}

/* ---- Offload ---- */

static keel_err *work(void *arg)
{
    keel__add((keel__a32 *)arg, 1);
    return NULL;
}

static keel_err *work_in_vain(void *arg)
{
    return keel_err_new("in vain: %p", arg);
}

static void count_free(void *arg)
{
    keel__add((keel__a32 *)arg, 1);
}

static keel_err *use_offload(keel_ctx *ctx, void *arg)
{
    keel__a32 worked = { 0 }, freed = { 0 };
    keel_err *err = keel_offload(ctx, work, &worked);

    (void)arg;
    check(err != NULL || keel__load(&worked) == 1);
    err = keel_err_join(err, keel_offload_abandon(ctx, work, &freed, count_free));
    keel_err *vain = keel_offload_abandon(ctx, work_in_vain, &worked, NULL);
    bool refused = vain != NULL;
    keel_err_free(vain);
    if (!refused || keel__load(&freed) == 0)
        return keel_err_join(keel_err_new("an argument was not freed, or a failure lost"), err);
    return err;
}

static void offloaded_calls_are_made_or_fail(void **state)
{
    (void)state;
    torture(use_offload);
}

/* ---- Everything ---- */

static keel_err *use_offload_too(keel_ctx *ctx, void *arg)
{
    return use_offload(ctx, arg);
}

static keel_err *use_everything(keel_ctx *ctx, void *arg)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_HOUR(10));
    keel_group *group = keel_group_new(limited, &(keel_group_opts){ .collect_all = true });

    keel_group_go(group, use_groups, arg);
    keel_group_go(group, use_contexts, arg);
    keel_group_go(group, use_channels, arg);
    keel_group_go(group, use_offload_too, arg);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(limited);
    return err;
}

static void everything_at_once_works_or_fails(void **state)
{
    (void)state;
    torture(use_everything);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(runtimes_start_and_stop),
        support_test(groups_run_their_tasks_or_say_why_not),
        support_test(arguments_are_freed_whether_the_task_starts_or_not),
        support_test(collected_errors_may_get_fewer_but_not_vanish),
        support_test(groups_in_groups_hand_the_error_up),
        support_test(channels_and_select_work_or_fail),
        support_test(contexts_end_in_time_or_have_ended_before),
        support_test(after_functions_run_once_or_never),
        support_test(offloaded_calls_are_made_or_fail),
        support_test(everything_at_once_works_or_fails),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
