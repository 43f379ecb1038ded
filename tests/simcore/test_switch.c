/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/spin.h"
#include "task/group.h"

/* Tasks that leave to each other without the worker's loop: what comes from elsewhere gets its turn. */

enum {
    TURNS = 4,
    FRESH_TURNS = 16
}; /* after which two tasks that yield have let in what was due */

typedef struct talk {
    keel_chan *chan;
    keel__a32 sent;   /* the message was: what it wakes is made ready */
    keel__a32 over;   /* and has run */
    unsigned yielded; /* in between, by both: */
    unsigned limit;   /* no more than that */
} talk;

static keel_err *yield_until_over(keel_ctx *ctx, void *arg)
{
    talk *t = arg;

    (void)ctx;
    while (keel__load(&t->over) == 0) {
        if (keel__load(&t->sent) != 0)
            sim_check(t->yielded++ < t->limit);
        keel__pause();
        keel_yield();
    }
    return NULL;
}

static keel_err *receive_one(keel_ctx *ctx, void *arg)
{
    talk *t = arg;
    int got;

    KEEL_TRY(keel_chan_recv(ctx, t->chan, &got));
    keel__store(&t->over, 1);
    return NULL;
}

/* The inbox: tasks that never stop yielding do not keep out what a thread has woken. */
static void yielding_tasks_let_in_who_was_woken(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    talk t = { .limit = TURNS };

    sim_ok(keel_chan_new(&t.chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, receive_one, &t);
    keel_group_go(group, yield_until_over, &t);
    keel_group_go(group, yield_until_over, &t);
    sim_ok(keel_chan_send(NULL, t.chan, &(int){ 1 }));
    keel__store(&t.sent, 1);
    sim_ok(keel_group_wait(group));
    keel_chan_free(t.chan);
    simcore_stop(rt);
}

static keel_err *say_over(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel__store(&((talk *)arg)->over, 1);
    return NULL;
}

/* A task that was placed on the worker has no stack yet when it is found among the ready ones. */
static void yielding_tasks_let_start_who_was_placed(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    talk t = { .limit = TURNS };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, yield_until_over, &t);
    keel_group_go(group, yield_until_over, &t);
    sim_check(keel__group_go_on(group, 0, &(keel__placed){ .fn = say_over, .arg = &t }, "say_over",
                                __FILE__));
    sim_ok(keel_group_wait(group));
    simcore_stop(rt);
}

/* A task that has not started waits behind started ones for a few turns at most. */
static void yielding_tasks_let_start_who_is_new(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    talk t = { .limit = FRESH_TURNS };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, yield_until_over, &t);
    keel_group_go(group, yield_until_over, &t);
    keel_group_go(group, say_over, &t);
    keel__store(&t.sent, 1);
    sim_ok(keel_group_wait(group));
    simcore_stop(rt);
}

/* ---- Tasks that begin on the stack of one that has ended ---- */

typedef struct heirs {
    keel_chan *chan;
    keel__a32 ran;
} heirs;

static keel_err *run_once(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel__add(&((heirs *)arg)->ran, 1);
    return NULL;
}

/* Parks on the stack that it may have inherited, and is woken there. */
static keel_err *run_and_receive(keel_ctx *ctx, void *arg)
{
    heirs *h = arg;
    int got;

    KEEL_TRY(keel_chan_recv(ctx, h->chan, &got));
    keel__add(&h->ran, 1);
    return NULL;
}

static keel_err *run_and_send(keel_ctx *ctx, void *arg)
{
    heirs *h = arg;

    keel__add(&h->ran, 1);
    return keel_chan_send(ctx, h->chan, &(int){ 1 });
}

/* The heirs of one stack, some of which park on it, while thieves take their share. */
static void tasks_begin_where_others_ended(unsigned workers)
{
    keel_runtime *rt = simcore_runtime(workers, NULL);
    heirs h = { 0 };

    sim_ok(keel_chan_new(&h.chan, sizeof(int), NULL));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, run_once, &h);
    keel_group_go(group, run_and_receive, &h);
    keel_group_go(group, run_once, &h);
    keel_group_go(group, run_and_send, &h);
    sim_ok(keel_group_wait(group));
    sim_check(keel__load(&h.ran) == 4);
    keel_chan_free(h.chan);
    simcore_stop(rt);
}

static void tasks_begin_where_others_ended_on_one_worker(void)
{
    tasks_begin_where_others_ended(1);
}

static void tasks_begin_where_others_ended_on_two_workers(void)
{
    tasks_begin_where_others_ended(2);
}

/* Stacks of another size: what was picked is begun by the loop. */
static void a_task_of_another_size_begins_elsewhere(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    heirs h = { 0 };

    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group *large =
        keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .stack_bytes = 256 << 10 });
    keel_group_go(group, run_once, &h);
    keel_group_go(large, run_once, &h);
    keel_group_go(group, run_once, &h);
    sim_ok(keel_group_wait(group));
    sim_ok(keel_group_wait(large));
    sim_check(keel__load(&h.ran) == 3);
    simcore_stop(rt);
}

/* ---- A group's places, taken and left by swaps ---- */

typedef struct room {
    keel_group *group;
    keel__a32 ran, inside;
} room;

static keel_err *be_inside(keel_ctx *ctx, void *arg)
{
    room *r = arg;

    (void)ctx;
    sim_check(keel__add(&r->inside, 1) < 2);
    keel__sub(&r->inside, 1);
    keel__add(&r->ran, 1);
    return NULL;
}

static void go_twice(void *arg)
{
    room *r = arg;

    for (int i = 0; i < 2; i++)
        keel_group_go(r->group, be_inside, r);
}

/* Two threads want more places than there are, while tasks leave theirs. */
static void waiters_for_places_all_get_one(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    room r = { .group = keel_group_new(keel_runtime_ctx(rt), &(keel_group_opts){ .limit = 1 }) };

    simcore_thread *thread = simcore_go(go_twice, &r);
    keel_group_go(r.group, be_inside, &r);
    simcore_join(thread);
    sim_ok(keel_group_wait(r.group));
    sim_check(keel__load(&r.ran) == 3);
    simcore_stop(rt);
}

simcore_test(tasks_begin_where_others_ended_on_one_worker)
    simcore_test(tasks_begin_where_others_ended_on_two_workers)
        simcore_test(a_task_of_another_size_begins_elsewhere)
            simcore_test(waiters_for_places_all_get_one)
                simcore_test(yielding_tasks_let_in_who_was_woken)
                    simcore_test(yielding_tasks_let_start_who_was_placed)
                        simcore_test(yielding_tasks_let_start_who_is_new)

                            int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yielding_tasks_let_in_who_was_woken_holds),
        cmocka_unit_test(yielding_tasks_let_start_who_was_placed_holds),
        cmocka_unit_test(yielding_tasks_let_start_who_is_new_holds),
        cmocka_unit_test(tasks_begin_where_others_ended_on_one_worker_holds),
        cmocka_unit_test(tasks_begin_where_others_ended_on_two_workers_holds),
        cmocka_unit_test(a_task_of_another_size_begins_elsewhere_holds),
        cmocka_unit_test(waiters_for_places_all_get_one_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
