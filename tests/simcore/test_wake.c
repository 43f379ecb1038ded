/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/spin.h"
#include "task/worker.h"

/* Waking workers: nothing is lost between the last look of a worker and its sleep. */

/* A flag between cores that is not the library's: its accesses are points as well. */
typedef struct flag {
    keel__a32 up;
} flag;

static void raise_flag(flag *f)
{
    keel__store(&f->up, 1);
}

/* Waits without giving the worker away. */
static void spin_until(flag *f)
{
    while (keel__load(&f->up) == 0)
        keel__pause();
}

/* ---- Park and unpark ---- */

typedef struct pair {
    keel_semaphore ping, pong;
    int turns;
} pair;

static keel_err *ping(keel_ctx *ctx, void *arg)
{
    pair *p = arg;

    for (int i = 0; i < 2; i++) {
        keel_semaphore_release(&p->ping, 1);
        KEEL_TRY(keel_semaphore_acquire(ctx, &p->pong, 1));
    }
    return NULL;
}

static keel_err *pong(keel_ctx *ctx, void *arg)
{
    pair *p = arg;

    for (int i = 0; i < 2; i++) {
        KEEL_TRY(keel_semaphore_acquire(ctx, &p->ping, 1));
        p->turns++;
        keel_semaphore_release(&p->pong, 1);
    }
    return NULL;
}

static void ping_pong(unsigned handles)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    pair p = { 0 };

    for (unsigned i = 0; i < 2; i++)
        rt->workers[i].handles = handles;
    keel_semaphore_init(&p.ping, 2);
    keel_semaphore_init(&p.pong, 2);
    sim_check(keel_semaphore_try_acquire(&p.ping, 2) && keel_semaphore_try_acquire(&p.pong, 2));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, ping, &p);
    keel_group_go(group, pong, &p);
    sim_ok(keel_group_wait(group));
    sim_check(p.turns == 2);
    simcore_stop(rt);
}

static void two_workers_wake_each_other(void)
{
    ping_pong(0);
}

/* With other handles in its loop a worker polls, which takes in a wake-up. */
static void a_polling_worker_misses_no_wake_up(void)
{
    ping_pong(1);
}

/* ---- A plain thread wakes a worker ---- */

static keel_err *receive_two(keel_ctx *ctx, void *chan)
{
    int got;

    for (int i = 1; i <= 2; i++) {
        KEEL_TRY(keel_chan_recv(ctx, chan, &got));
        sim_check(got == i);
    }
    return NULL;
}

static void a_thread_feeds_a_sleeping_worker(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    keel_chan *chan;

    sim_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, receive_two, chan);
    for (int i = 1; i <= 2; i++)
        sim_ok(keel_chan_send(NULL, chan, &i));
    sim_ok(keel_group_wait(group));
    keel_chan_free(chan);
    simcore_stop(rt);
}

/* ---- Spawn and steal ---- */

typedef struct crew {
    keel_group *group;
    flag done[2];
} crew;

static keel_err *second(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    raise_flag(&((crew *)arg)->done[1]);
    return NULL;
}

static keel_err *first(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    raise_flag(&((crew *)arg)->done[0]);
    return NULL;
}

static keel_err *spawn_and_spin(keel_ctx *ctx, void *arg)
{
    crew *c = arg;

    (void)ctx;
    keel_group_go(c->group, first, c);
    spin_until(&c->done[0]);
    return NULL;
}

/* The spawner's worker is busy: only a thief can run the new task. */
static void a_sleeping_thief_is_called(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    crew c = { .group = keel_group_new(keel_runtime_ctx(rt), NULL) };

    keel_group_go(c.group, spawn_and_spin, &c);
    sim_ok(keel_group_wait(c.group));
    simcore_stop(rt);
}

static keel_err *first_spins(keel_ctx *ctx, void *arg)
{
    crew *c = arg;

    raise_flag(&c->done[0]);
    (void)ctx;
    spin_until(&c->done[1]);
    return NULL;
}

static keel_err *spawn_two_and_spin(keel_ctx *ctx, void *arg)
{
    crew *c = arg;

    (void)ctx;
    keel_group_go(c->group, first_spins, c);
    keel_group_go(c->group, second, c);
    spin_until(&c->done[0]);
    spin_until(&c->done[1]);
    return NULL;
}

/* Both new tasks need a thief of their own. */
static void two_sleeping_thieves_are_called(void)
{
    keel_runtime *rt = simcore_runtime(3, NULL);
    crew c = { .group = keel_group_new(keel_runtime_ctx(rt), NULL) };

    keel_group_go(c.group, spawn_two_and_spin, &c);
    sim_ok(keel_group_wait(c.group));
    simcore_stop(rt);
}

static keel_err *spawn_now_and_later(keel_ctx *ctx, void *arg)
{
    crew *c = arg;

    (void)ctx;
    keel_group_go(c->group, first, c);
    for (int i = 0; i < 2; i++)
        keel__pause(); /* it grows old meanwhile */
    keel_group_go(c->group, second, c);
    keel_group_go(c->group, second, c);
    return NULL;
}

/* When the thief has made up its mind, all that it saw has been taken, and more. */
static void a_thief_comes_too_late(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    crew c = { .group = keel_group_new(keel_runtime_ctx(rt), NULL) };

    keel_group_go(c.group, spawn_now_and_later, &c);
    sim_ok(keel_group_wait(c.group));
    sim_check(keel__load(&c.done[0].up) == 1 && keel__load(&c.done[1].up) == 1);
    simcore_stop(rt);
}

typedef struct spawner {
    crew crew;
    flag here, *go;
} spawner;

static keel_err *spawn_when_told(keel_ctx *ctx, void *arg)
{
    spawner *s = arg;

    raise_flag(&s->here);
    spin_until(s->go);
    return spawn_and_spin(ctx, &s->crew);
}

/* Two workers spawn at once while the third may sleep. How they came to run is not explored. */
static void two_spawners_share_a_thief(void)
{
    keel_runtime *rt = simcore_runtime(3, NULL);
    spawner spawners[2];
    flag go = { 0 };

    keel__machine_quiet(true);
    for (int i = 0; i < 2; i++) {
        spawners[i] =
            (spawner){ .crew.group = keel_group_new(keel_runtime_ctx(rt), NULL), .go = &go };
        keel_group_go(spawners[i].crew.group, spawn_when_told, &spawners[i]);
    }
    for (int i = 0; i < 2; i++)
        spin_until(&spawners[i].here);
    keel__machine_quiet(false);
    raise_flag(&go);
    for (int i = 0; i < 2; i++)
        sim_ok(keel_group_wait(spawners[i].crew.group));
    simcore_stop(rt);
}

/* ---- Timers ---- */

static keel_err *wait_for_end(keel_ctx *ctx, void *arg)
{
    keel_chan *never = arg;
    int got;

    return keel_chan_recv(ctx, never, &got);
}

/* Armed from outside on a worker that may be about to sleep until a later moment, or for ever. */
static void a_timer_armed_from_outside_fires(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    keel_chan *never;

    sim_ok(keel_chan_new(&never, sizeof(int), NULL));
    keel_ctx *ctx = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_MS(5));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, wait_for_end, never);
    sim_err(keel_group_wait(group), KEEL_ERR_DEADLINE);
    keel_ctx_free(ctx);
    keel_chan_free(never);
    simcore_stop(rt);
}

typedef struct nap {
    int64_t woke_ns;
} nap;

static keel_err *sleep_shortly(keel_ctx *ctx, void *arg)
{
    nap *n = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(2)));
    n->woke_ns = keel_ctx_now(ctx);
    return NULL;
}

static keel_err *sleep_longer(keel_ctx *ctx, void *arg)
{
    nap *n = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_MS(3)));
    n->woke_ns = keel_ctx_now(ctx);
    return NULL;
}

/* A runtime on a clock that moves by itself, where a task starts the others: it can run until it waits,
 * which a plain thread's next step would not count as. */
static void run_on_auto_clock(keel_task_fn fn, void *arg)
{
    keel_clock *clock;

    sim_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    keel_runtime *rt = simcore_runtime(2, clock);
    sim_ok(keel_runtime_run(rt, fn, arg));
    simcore_stop(rt);
    keel_clock_free(clock);
}

static keel_err *two_sleepers(keel_ctx *ctx, void *arg)
{
    nap a = { 0 }, b = { 0 };

    (void)arg;
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, sleep_shortly, &a);
    keel_group_go(group, sleep_longer, &b);
    KEEL_TRY(keel_group_wait(group));
    sim_check(a.woke_ns == KEEL_MS(2) && b.woke_ns == KEEL_MS(3));
    return NULL;
}

/* Every worker sleeps, and the last one moves the clock: to each moment in turn. */
static void an_auto_clock_wakes_all_in_order(void)
{
    run_on_auto_clock(two_sleepers, NULL);
}

static keel_err *sleep_then_tell(keel_ctx *ctx, void *chan)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(2)));
    return keel_chan_send(ctx, chan, &(int){ 1 });
}

static keel_err *listen_then_sleep(keel_ctx *ctx, void *chan)
{
    int got;

    KEEL_TRY(keel_chan_recv(ctx, chan, &got));
    sim_check(keel_ctx_now(ctx) == KEEL_MS(2));
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
    sim_check(keel_ctx_now(ctx) == KEEL_MS(3));
    return NULL;
}

static keel_err *tell_while_others_sleep(keel_ctx *ctx, void *chan)
{
    keel_ctx *limit = keel_ctx_with_timeout(ctx, KEEL_MS(9));
    keel_group *group = keel_group_new(limit, NULL);

    keel_group_go(group, sleep_then_tell, chan);
    keel_group_go(group, listen_then_sleep, chan);
    keel_err *err = keel_group_wait(group);
    keel_ctx_free(limit);
    return err;
}

/* While a task is in the inbox of a worker that is waking up, somebody can run. */
static void an_auto_clock_stands_still_meanwhile(void)
{
    keel_chan *chan;

    sim_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    run_on_auto_clock(tell_while_others_sleep, chan);
    keel_chan_free(chan);
}

/* A plain thread sleeps by the clock of a runtime whose workers all sleep. */
static void an_auto_clock_moves_for_a_thread(void)
{
    keel_clock *clock;

    sim_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    keel_runtime *rt = simcore_runtime(2, clock);
    sim_ok(keel_sleep(keel_runtime_ctx(rt), KEEL_MS(2)));
    sim_check(keel_clock_now(clock) == KEEL_MS(2));
    simcore_stop(rt);
    keel_clock_free(clock);
}

static keel_err *nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

/* The timer that is due goes away before it is taken: the next in the heap is not due. */
static void a_timer_gone_does_not_fire_the_next(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    int64_t deadline_ns;

    keel__machine_quiet(true);
    keel_ctx *soon = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_MS(1));
    keel_ctx *late = keel_ctx_with_timeout(keel_runtime_ctx(rt), KEEL_HOUR(1));
    keel__machine_settle();
    keel__machine_quiet(false);
    keel_ctx_free(soon);
    sim_ok(keel_runtime_run(rt, nothing, NULL)); /* the worker has been there */
    sim_check(keel_ctx_deadline(late, &deadline_ns));
    sim_check(keel_ctx_err(late) == NULL || keel_ctx_now(late) >= deadline_ns);
    keel_ctx_free(late);
    simcore_stop(rt);
}

/* ---- Stopping ---- */

static void a_runtime_stops_while_workers_start(void)
{
    keel_runtime *rt;

    sim_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    sim_ok(keel_runtime_stop(NULL, rt));
}

static void a_runtime_stops_after_its_last_task(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);

    sim_ok(keel_runtime_run(rt, nothing, NULL));
    sim_ok(keel_runtime_stop(NULL, rt));
}

static void await_cancelled(void *group)
{
    sim_err(keel_group_wait(group), KEEL_ERR_CANCELLED);
}

/* Stopping ends the task; another thread waits for its group, which may be the last to go. */
static void a_runtime_stops_under_waiting_tasks(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    keel_chan *never;

    sim_ok(keel_chan_new(&never, sizeof(int), NULL));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, wait_for_end, never);
    simcore_thread *thread = simcore_go(await_cancelled, group);
    keel__machine_settle(); /* stopping is misuse before the wait has begun */
    sim_ok(keel_runtime_stop(NULL, rt));
    simcore_join(thread);
    keel_chan_free(never);
}

static void release_one(void *sem)
{
    keel_semaphore_release(sem, 1);
}

static keel_err *acquire_one(keel_ctx *ctx, void *sem)
{
    return keel_semaphore_acquire(ctx, sem, 1);
}

/* What is made ready while the worker takes in what was made ready before. */
static void a_worker_takes_in_two_wake_ups(void)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_semaphore sems[2];

    keel__machine_quiet(true);
    for (int i = 0; i < 2; i++) {
        keel_semaphore_init(&sems[i], 1);
        sim_check(keel_semaphore_try_acquire(&sems[i], 1));
        keel_group_go(group, acquire_one, &sems[i]);
    }
    keel__machine_settle();
    keel__machine_quiet(false);
    for (int i = 0; i < 2; i++)
        keel_semaphore_release(&sems[i], 1);
    sim_ok(keel_group_wait(group));
    simcore_stop(rt);
}

static void visit(unsigned handles)
{
    keel_runtime *rt = simcore_runtime(1, NULL);
    keel_semaphore sem;

    rt->workers[0].handles = handles;
    keel_semaphore_init(&sem, 1);
    sim_check(keel_semaphore_try_acquire(&sem, 1));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, acquire_one, &sem);
    simcore_thread *thread = simcore_go(release_one, &sem);
    sim_ok(keel_group_wait(group));
    sim_ok(keel_runtime_stop(NULL, rt));
    simcore_join(thread);
}

/* Another thread wakes the last task, and the runtime is freed meanwhile. */
static void a_visitor_is_waited_for(void)
{
    visit(0);
}

/* The same with a worker that may find the task before it is told. */
static void a_visitor_comes_late(void)
{
    visit(1);
}

simcore_test(two_workers_wake_each_other) simcore_test(a_polling_worker_misses_no_wake_up)
    simcore_test(a_thread_feeds_a_sleeping_worker) simcore_test(a_sleeping_thief_is_called)
        simcore_test(two_sleeping_thieves_are_called) simcore_test(two_spawners_share_a_thief)
            simcore_test(a_thief_comes_too_late) simcore_test(a_timer_armed_from_outside_fires)
                simcore_test(an_auto_clock_wakes_all_in_order)
                    simcore_test(an_auto_clock_stands_still_meanwhile)
                        simcore_test(an_auto_clock_moves_for_a_thread)
                            simcore_test(a_runtime_stops_while_workers_start)
                                simcore_test(a_runtime_stops_after_its_last_task)
                                    simcore_test(a_runtime_stops_under_waiting_tasks) simcore_test(
                                        a_visitor_is_waited_for) simcore_test(a_visitor_comes_late)
                                        simcore_test(a_worker_takes_in_two_wake_ups)
                                            simcore_test(a_timer_gone_does_not_fire_the_next)

                                                int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_workers_wake_each_other_holds),
        cmocka_unit_test(a_polling_worker_misses_no_wake_up_holds),
        cmocka_unit_test(a_thread_feeds_a_sleeping_worker_holds),
        cmocka_unit_test(a_sleeping_thief_is_called_holds),
        cmocka_unit_test(two_sleeping_thieves_are_called_holds),
        cmocka_unit_test(two_spawners_share_a_thief_holds),
        cmocka_unit_test(a_thief_comes_too_late_holds),
        cmocka_unit_test(a_timer_armed_from_outside_fires_holds),
        cmocka_unit_test(an_auto_clock_wakes_all_in_order_holds),
        cmocka_unit_test(an_auto_clock_stands_still_meanwhile_holds),
        cmocka_unit_test(an_auto_clock_moves_for_a_thread_holds),
        cmocka_unit_test(a_runtime_stops_while_workers_start_holds),
        cmocka_unit_test(a_runtime_stops_after_its_last_task_holds),
        cmocka_unit_test(a_runtime_stops_under_waiting_tasks_holds),
        cmocka_unit_test(a_visitor_is_waited_for_holds),
        cmocka_unit_test(a_visitor_comes_late_holds),
        cmocka_unit_test(a_worker_takes_in_two_wake_ups_holds),
        cmocka_unit_test(a_timer_gone_does_not_fire_the_next_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
