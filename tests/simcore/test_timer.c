/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "task/ctx.h"
#include "task/group.h"
#include "task/worker.h"

/* Timers that a worker has armed without a lock, and others disarm. */

typedef struct scene {
    keel_runtime *rt;
    keel_ctx *timed, *other; /* with timers of worker 0 */
    keel_chan *never;
} scene;

static keel_err *make_timed(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    s->timed = keel_ctx_with_timeout(ctx, KEEL_MS(1));
    s->other = keel_ctx_with_timeout(ctx, KEEL_MS(70));
    sim_check(s->timed->timer.own && s->other->timer.own);
    return NULL;
}

static void fail_placed(void *arg, keel_err *err)
{
    (void)arg;
    sim_ok(err);
}

static keel_group *go_on(const scene *s, unsigned worker, keel_task_fn fn)
{
    keel_group *group = keel_group_new(keel_runtime_ctx(s->rt), NULL);

    sim_check(keel__group_go_on(
        group, worker,
        &(keel__placed){ .fn = fn, .failed = fail_placed, .arg = (void *)(uintptr_t)s }, "task",
        "here"));
    return group;
}

/* Contexts of the runtime's root, since those of a group end with it. */
static keel_err *make_under_root(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    return make_timed(keel_runtime_ctx(s->rt), scene_);
}

static void open_scene(scene *s, unsigned workers)
{
    *s = (scene){ .rt = simcore_runtime(workers, NULL) };
    keel__machine_quiet(true);
    sim_ok(keel_chan_new(&s->never, sizeof(int), NULL));
    sim_ok(keel_group_wait(go_on(s, 0, make_under_root)));
    keel__machine_quiet(false);
}

static keel_err *free_timed(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_free(s->timed);
    return NULL;
}

static keel_err *free_other(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_free(s->other);
    return NULL;
}

static keel_err *wait_under_other(keel_ctx *ctx, void *scene_)
{
    const scene *s = scene_;
    int got;

    (void)ctx;
    sim_err(keel_chan_recv(s->other, s->never, &got), KEEL_ERR_DEADLINE);
    return NULL;
}

static void free_it(void *ctx)
{
    keel_ctx_free(ctx);
}

/* Nothing is left armed once the worker has looked, and nothing of the contexts is left. */
static void close_scene(scene *s)
{
    const keel__timers *timers = &s->rt->workers[0].timers;

    keel__machine_settle();
    sim_check(!keel__timers_any_hurried(timers) && timers->wheel.count == 0 &&
              timers->awaited == 0 && keel__timers_next(timers) == INT64_MAX);
    sim_ok(keel_runtime_stop(NULL, s->rt));
    keel_chan_free(s->never);
}

static void a_timer_fires_while_another_worker_stops_it(void)
{
    scene s;

    open_scene(&s, 2);
    keel_group *group = go_on(&s, 1, free_timed);
    sim_ok(keel_group_wait(group));
    keel_ctx_free(s.other);
    close_scene(&s);
}

static void two_workers_stop_timers_of_a_third(void)
{
    scene s;

    open_scene(&s, 3);
    keel_group *a = go_on(&s, 1, free_timed), *b = go_on(&s, 2, free_other);
    sim_ok(keel_group_wait(a));
    sim_ok(keel_group_wait(b));
    close_scene(&s);
}

/* The owner sleeps until its timer, perhaps when it is told of another. */
static void a_sleeper_hears_of_a_stopped_timer_and_fires_the_next(void)
{
    scene s;

    open_scene(&s, 2);
    keel_group *waiting = go_on(&s, 1, wait_under_other);
    keel_ctx_free(s.timed);
    sim_ok(keel_group_wait(waiting));
    keel_ctx_free(s.other);
    close_scene(&s);
}

static void a_timer_is_stopped_while_its_runtime_ends(void)
{
    scene s;

    open_scene(&s, 1);
    simcore_thread *thread = simcore_go(free_it, s.timed);
    sim_ok(keel_runtime_stop(NULL, s.rt));
    simcore_join(thread);
    keel_ctx_free(s.other); /* its timer is gone with the runtime */
    keel_chan_free(s.never);
}

static keel_err *make_shared(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    s->timed = keel_ctx_with_timeout(keel_runtime_ctx(s->rt), KEEL_MS(1));
    sim_check(!s->timed->timer.own);
    return NULL;
}

/* On a manual clock, where timers are shared. */
static void a_context_outlives_its_runtime(void)
{
    keel_clock *clock;

    keel__machine_quiet(true);
    sim_ok(keel_clock_manual_new(&clock, NULL));
    keel__machine_quiet(false);
    scene s = { .rt = simcore_runtime(1, clock) };
    sim_ok(keel_group_wait(go_on(&s, 0, make_shared)));
    sim_ok(keel_runtime_stop(NULL, s.rt));
    sim_check(keel_ctx_err(s.timed) == KEEL_ERR_CANCELLED);
    keel_ctx_free(s.timed); /* must not look for the worker */
    keel_clock_free(clock);
}

simcore_test(a_timer_fires_while_another_worker_stops_it)
    simcore_test(two_workers_stop_timers_of_a_third)
        simcore_test(a_sleeper_hears_of_a_stopped_timer_and_fires_the_next)
            simcore_test(a_timer_is_stopped_while_its_runtime_ends)
                simcore_test(a_context_outlives_its_runtime)

                    int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_while_another_worker_stops_it_holds),
        cmocka_unit_test(two_workers_stop_timers_of_a_third_holds),
        cmocka_unit_test(a_sleeper_hears_of_a_stopped_timer_and_fires_the_next_holds),
        cmocka_unit_test(a_timer_is_stopped_while_its_runtime_ends_holds),
        cmocka_unit_test(a_context_outlives_its_runtime_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
