/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "task/ctx.h"
#include "task/group.h"
#include "task/worker.h"

/* Trees of contexts: what is made, ended, watched and freed at once, in memory that is used again. */

/* top - mid - low, and `other` beside them; and what tasks do to them. */
typedef struct scene {
    keel_runtime *rt;
    keel_ctx *top, *mid, *low, *other;
    keel_ctx *made;
    keel_chan *never;
    keel_after *after;
    keel__a32 runs;
} scene;

static scene open_scene(unsigned workers)
{
    scene s = { .rt = simcore_runtime(workers, NULL) };

    keel__machine_quiet(true);
    s.top = keel_ctx_with_cancel(keel_runtime_ctx(s.rt));
    s.mid = keel_ctx_with_cancel(s.top);
    s.low = keel_ctx_with_cancel(s.mid);
    s.other = keel_ctx_with_cancel(keel_runtime_ctx(s.rt));
    sim_ok(keel_chan_new(&s.never, sizeof(int), NULL));
    keel__machine_quiet(false);
    return s;
}

static void fail_placed(void *arg, keel_err *err)
{
    (void)arg;
    sim_ok(err);
}

/* Runs tasks at once, on a worker each, until all have ended. */
static void run(scene *s, const keel_task_fn *fns, unsigned count)
{
    keel__machine_quiet(true);
    keel_group *group = keel_group_new(keel_runtime_ctx(s->rt), NULL);
    for (unsigned i = 0; i < count; i++)
        sim_check(keel__group_go_on(
            group, i, &(keel__placed){ .fn = fns[i], .failed = fail_placed, .arg = s }, "task",
            "here"));
    keel__machine_quiet(false);
    sim_ok(keel_group_wait(group));
}

static void close_scene(scene *s)
{
    keel__machine_quiet(true);
    sim_check(keel__list_empty(&s->other->children));
    sim_check(s->top == NULL || keel__list_empty(&s->top->children));
    keel_ctx_free(s->made);
    keel_ctx_free(s->low);
    keel_ctx_free(s->mid);
    keel_ctx_free(s->top);
    keel_ctx_free(s->other);
    keel_chan_free(s->never);
    simcore_stop(s->rt);
}

static bool ended(keel_ctx *ctx)
{
    return keel_ctx_err(ctx) == KEEL_ERR_CANCELLED;
}

/* ---- What the tasks do ---- */

static keel_err *end_top(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_cancel(s->top);
    sim_check(ended(s->top));
    return NULL;
}

static keel_err *end_top_and_look(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_cancel(s->top);
    sim_check(ended(s->top) && ended(s->mid) && ended(s->low));
    return NULL;
}

static keel_err *end_mid_and_look(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_cancel(s->mid);
    sim_check(ended(s->mid) && ended(s->low));
    return NULL;
}

static keel_err *make_below_low(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    s->made = keel_ctx_with_cancel(s->low);
    return NULL;
}

/* What is made in the memory of one that was freed is not what others still take it for. */
static keel_err *free_mid_and_make_another(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_free(s->mid);
    keel_ctx *fresh = keel_ctx_with_cancel(s->other), *below = keel_ctx_with_cancel(fresh);
    sim_check(fresh == s->mid);
    sim_check(keel_ctx_err(fresh) == NULL && keel_ctx_err(below) == NULL);
    keel_ctx_cancel(fresh);
    sim_check(ended(below) && keel__list_empty(&fresh->children));
    keel_ctx_free(below);
    keel_ctx_free(fresh);
    s->mid = NULL;
    return NULL;
}

static keel_err *free_low(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    keel_ctx_free(s->low);
    s->low = NULL;
    return NULL;
}

static keel_err *wait_under_low(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;
    int got;

    (void)ctx;
    sim_err(keel_chan_recv(s->low, s->never, &got), KEEL_ERR_CANCELLED);
    return NULL;
}

static void count_run(void *scene_)
{
    keel__add(&((scene *)scene_)->runs, 1);
}

static keel_err *have_run_after_low(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    sim_ok(keel_ctx_after(&s->after, s->low, count_run, s));
    return NULL;
}

/* ---- Scenarios ---- */

#define RUN(scene, ...)                                                                            \
    run((scene), (const keel_task_fn[]){ __VA_ARGS__ },                                            \
        sizeof((const keel_task_fn[]){ __VA_ARGS__ }) / sizeof(keel_task_fn))

static void a_cascade_meets_a_new_child(void)
{
    scene s = open_scene(2);

    RUN(&s, end_top, make_below_low);
    sim_check(ended(s.made) && ended(s.low));
    close_scene(&s);
}

/* Whoever has cancelled finds all below ended, also where another was first and is still at it. */
static void two_cascades_meet(void)
{
    scene s = open_scene(2);

    RUN(&s, end_top_and_look, end_mid_and_look);
    close_scene(&s);
}

static void three_cascades_meet(void)
{
    scene s = open_scene(3);

    RUN(&s, end_top_and_look, end_mid_and_look, end_top_and_look);
    close_scene(&s);
}

static void a_cascade_meets_a_wait(void)
{
    scene s = open_scene(2);

    RUN(&s, end_top, wait_under_low);
    close_scene(&s);
}

static void a_cascade_meets_a_free(void)
{
    scene s = open_scene(2);

    RUN(&s, end_top, free_mid_and_make_another);
    close_scene(&s);
}

static void a_leaf_outlives_its_parents_memory(void)
{
    scene s = open_scene(2);

    RUN(&s, free_low, free_mid_and_make_another);
    close_scene(&s);
}

static void a_cascade_meets_two_frees(void)
{
    scene s = open_scene(3);

    RUN(&s, end_top, free_low, free_mid_and_make_another);
    close_scene(&s);
}

static void end_it(void *ctx)
{
    keel_ctx_cancel(ctx);
}

static void free_it(void *ctx)
{
    keel_ctx_free(ctx);
}

/* Here memory is not used again, so that whoever touches it too late is seen. */
static void threads_free_what_a_thread_ends(void)
{
    keel_ctx *top = keel_ctx_with_cancel(NULL);
    keel_ctx *mid = keel_ctx_with_cancel(top), *low = keel_ctx_with_cancel(mid);

    simcore_thread *canceller = simcore_go(end_it, top), *other = simcore_go(free_it, mid);
    keel_ctx_free(low);
    simcore_join(other);
    simcore_join(canceller);
    sim_check(ended(top) && keel__list_empty(&top->children));
    keel_ctx_free(top);
}

static void a_cascade_meets_a_new_after_function(void)
{
    scene s = open_scene(2);

    RUN(&s, end_top, have_run_after_low);
    keel_after_stop_and_wait(s.after);
    sim_check(keel__load(&s.runs) == 1 || !ended(s.low));
    keel_after_free(s.after);
    close_scene(&s);
}

static keel_err *stop_after(keel_ctx *ctx, void *scene_)
{
    scene *s = scene_;

    (void)ctx;
    bool stopped = keel_after_stop_and_wait(s->after);
    sim_check(keel__load(&s->runs) == (stopped ? 0u : 1u));
    return NULL;
}

/* It is claimed by the cascade, and its context freed, while it is stopped. */
static void an_after_function_meets_both(void)
{
    scene s = open_scene(3);

    keel__machine_quiet(true);
    sim_ok(keel_ctx_after(&s.after, s.low, count_run, &s));
    keel__machine_quiet(false);
    RUN(&s, end_top, stop_after, free_low);
    keel_after_free(s.after);
    close_scene(&s);
}

simcore_test(a_cascade_meets_a_new_child) simcore_test(two_cascades_meet)
    simcore_test(three_cascades_meet) simcore_test(a_cascade_meets_a_wait)
        simcore_test(a_cascade_meets_a_free) simcore_test(a_leaf_outlives_its_parents_memory)
            simcore_test(a_cascade_meets_two_frees) simcore_test(threads_free_what_a_thread_ends)
                simcore_test(a_cascade_meets_a_new_after_function)
                    simcore_test(an_after_function_meets_both)

                        int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cascade_meets_a_new_child_holds),
        cmocka_unit_test(two_cascades_meet_holds),
        cmocka_unit_test(three_cascades_meet_holds),
        cmocka_unit_test(a_cascade_meets_a_wait_holds),
        cmocka_unit_test(a_cascade_meets_a_free_holds),
        cmocka_unit_test(a_leaf_outlives_its_parents_memory_holds),
        cmocka_unit_test(a_cascade_meets_two_frees_holds),
        cmocka_unit_test(threads_free_what_a_thread_ends_holds),
        cmocka_unit_test(a_cascade_meets_a_new_after_function_holds),
        cmocka_unit_test(an_after_function_meets_both_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
