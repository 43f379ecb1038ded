/* SPDX-License-Identifier: MIT */
#include "explore.h"

/* Mutex, waitgroup, semaphore and once under every schedule with three deviations. */

typedef struct world {
    keel_ctx *ctx;
    keel_mutex mutex;
    keel_waitgroup wg;
    keel_semaphore sem;
    keel_once once;
    int inside, entered, refused, runs, in_use;
    bool finished, held;
} world;

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx_cancel(w->ctx);
    return NULL;
}

static keel_err *in_world(keel_ctx *ctx, keel_err *(*body)(keel_ctx *ctx, world *w))
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    keel_semaphore_init(&w.sem, 2);
    keel_err *err = body(ctx, &w);
    keel_mutex_deinit(&w.mutex);
    keel_waitgroup_deinit(&w.wg);
    keel_semaphore_deinit(&w.sem);
    keel_once_deinit(&w.once);
    keel_ctx_free(w.ctx);
    return err;
}

/* ---- Mutex ---- */

/* What the owner does. Nobody else is there meanwhile, though it waits. */
static void stay(world *w)
{
    KEEL_CHECK(w->inside++ == 0);
    KEEL_WRITE(w->entered) = KEEL_READ(w->entered) + 1;
    keel_yield();
    KEEL_CHECK(--w->inside == 0);
}

static keel_err *enter(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_mutex_lock(&w->mutex);
    stay(w);
    keel_mutex_unlock(&w->mutex);
    return NULL;
}

static keel_err *enter_twice(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(enter(ctx, arg));
    return enter(ctx, arg);
}

static keel_err *three_enter(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, enter, enter_twice, enter));
    KEEL_CHECK(w->entered == 4);
    return NULL;
}

static keel_err *one_owner_at_a_time(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, three_enter);
}

static keel_err *enter_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_mutex_lock_ctx(w->ctx, &w->mutex);

    (void)ctx;
    if (err != NULL) {
        KEEL_CHECK(err == KEEL_ERR_CANCELLED);
        w->refused++;
        return NULL;
    }
    stay(w);
    keel_mutex_unlock(&w->mutex);
    return NULL;
}

static keel_err *some_are_cancelled(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, enter, enter_under_ctx, enter_under_ctx, enter, cancel_it));
    KEEL_CHECK(w->entered + w->refused == 4);
    return NULL;
}

static keel_err *cancel_against_lock(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, some_are_cancelled);
}

static keel_err *try_enter(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (!keel_mutex_try_lock(&w->mutex)) {
        w->refused++;
        return NULL;
    }
    stay(w);
    keel_mutex_unlock(&w->mutex);
    return NULL;
}

static keel_err *some_try(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, enter, try_enter, enter, try_enter));
    KEEL_CHECK(w->entered + w->refused == 4 && w->entered >= 2);
    return NULL;
}

static keel_err *try_lock_never_waits(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, some_try);
}

/* Who keeps taking the mutex lets others in: who was passed over once is handed it. */
static keel_err *hog(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 8 && !w->finished; i++) {
        keel_mutex_lock(&w->mutex);
        w->entered++;
        if (i == 0)
            w->held = true;
        keel_yield();
        keel_mutex_unlock(&w->mutex);
    }
    return NULL;
}

static keel_err *wait_behind_hog(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (!w->held)
        return NULL;
    int before = w->entered;
    keel_mutex_lock(&w->mutex);
    KEEL_CHECK(w->entered <= before + 4);
    w->finished = true;
    keel_mutex_unlock(&w->mutex);
    return NULL;
}

static keel_err *one_waits_behind(keel_ctx *ctx, world *w)
{
    return together(ctx, w, hog, wait_behind_hog);
}

static keel_err *a_hog_lets_others_in(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, one_waits_behind);
}

/* ---- Waitgroup ---- */

static keel_err *work(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_yield();
    w->runs++;
    keel_waitgroup_done(&w->wg);
    return NULL;
}

static keel_err *await_work(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_waitgroup_wait(ctx, &w->wg));
    KEEL_CHECK(w->runs == 2);
    return NULL;
}

static keel_err *await_work_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_waitgroup_wait(w->ctx, &w->wg);

    (void)ctx;
    KEEL_CHECK(err == NULL ? w->runs == 2 : err == KEEL_ERR_CANCELLED);
    return NULL;
}

static keel_err *two_work(keel_ctx *ctx, world *w)
{
    keel_waitgroup_add(&w->wg, 2);
    return together(ctx, w, await_work, work, await_work_under_ctx, work, cancel_it);
}

static keel_err *a_waitgroup_waits_for_all(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, two_work);
}

/* It may be gone as soon as the wait is over. */
static keel_err *short_lived(keel_ctx *ctx, world *w)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_waitgroup_add(&w->wg, 2);
    keel_group_go(group, work, w);
    keel_group_go(group, work, w);
    keel_err *err = keel_waitgroup_wait(ctx, &w->wg);
    memset(&w->wg, 0xFF, sizeof w->wg);
    err = keel_err_join(err, keel_group_wait(group));
    w->wg = (keel_waitgroup){ 0 };
    return err;
}

static keel_err *a_waitgroup_may_go_after_the_wait(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, short_lived);
}

/* ---- Semaphore ---- */

static void use(world *w, int permits)
{
    w->in_use += permits;
    KEEL_CHECK(w->in_use <= 2);
    keel_yield();
    w->in_use -= permits;
    w->runs++;
    keel_semaphore_release(&w->sem, (size_t)permits);
}

static keel_err *take_one(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_semaphore_acquire(ctx, &w->sem, 1));
    use(w, 1);
    return NULL;
}

static keel_err *take_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_semaphore_acquire(ctx, &w->sem, 2));
    use(w, 2);
    return NULL;
}

static keel_err *try_take_one(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (keel_semaphore_try_acquire(&w->sem, 1))
        use(w, 1);
    else
        w->runs++;
    return NULL;
}

static keel_err *take_two_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_semaphore_acquire(w->ctx, &w->sem, 2);

    (void)ctx;
    KEEL_CHECK(err == NULL || err == KEEL_ERR_CANCELLED);
    if (err == NULL)
        use(w, 2);
    else
        w->runs++;
    return NULL;
}

static keel_err *four_take(keel_ctx *ctx, world *w)
{
    KEEL_TRY(together(ctx, w, take_one, take_two, take_one, try_take_one));
    KEEL_CHECK(w->runs == 4 && w->in_use == 0);
    return NULL;
}

static keel_err *permits_are_never_exceeded(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, four_take);
}

/* The first of the queue leaves: those behind it must not wait for nothing. */
static keel_err *one_leaves(keel_ctx *ctx, world *w)
{
    keel_group *group = keel_group_new(ctx, NULL);

    KEEL_TRY(keel_semaphore_acquire(ctx, &w->sem, 1));
    keel_group_go(group, take_two_under_ctx, w);
    keel_group_go(group, take_one, w);
    keel_group_go(group, cancel_it, w);
    keel_err *err = keel_group_wait(group); /* with one permit still taken */
    keel_semaphore_release(&w->sem, 1);
    KEEL_CHECK(w->runs == 2);
    return err;
}

static keel_err *who_leaves_the_queue_holds_up_nobody(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, one_leaves);
}

static keel_err *some_leave(keel_ctx *ctx, world *w)
{
    KEEL_TRY(
        together(ctx, w, take_one, take_two_under_ctx, take_two_under_ctx, take_two, cancel_it));
    KEEL_CHECK(w->runs == 4 && keel_semaphore_try_acquire(&w->sem, 2));
    keel_semaphore_release(&w->sem, 2);
    return NULL;
}

static keel_err *cancel_against_acquire(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, some_leave);
}

/* ---- Once ---- */

static keel_err *slowly(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    w->runs++;
    keel_yield();
    keel_yield();
    w->finished = true;
    return keel_err_new("made once");
}

static keel_err *do_once(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_once_do(ctx, &w->once, slowly, w);

    KEEL_CHECK(err != NULL && w->finished && w->runs == 1);
    keel_err_free(err);
    return NULL;
}

static keel_err *do_once_under_ctx(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_once_do(w->ctx, &w->once, slowly, w);

    (void)ctx;
    KEEL_CHECK(err == KEEL_ERR_CANCELLED || (err != NULL && w->finished && w->runs == 1));
    keel_err_free(err);
    return NULL;
}

static keel_err *three_do(keel_ctx *ctx, world *w)
{
    return together(ctx, w, do_once, do_once_under_ctx, do_once, cancel_it);
}

static keel_err *once_is_once(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return in_world(ctx, three_do);
}

/* ---- Semaphore: nobody overtakes who asks for many ---- */

static keel_err *ask_for_both(keel_ctx *ctx, void *sem)
{
    KEEL_TRY(keel_semaphore_acquire(ctx, sem, 2));
    keel_semaphore_release(sem, 2);
    return NULL;
}

static keel_err *many_are_not_overtaken(keel_ctx *ctx, void *arg)
{
    keel_semaphore sem;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_semaphore_init(&sem, 2);
    KEEL_TRY(keel_semaphore_acquire(ctx, &sem, 1));
    keel_group_go(group, ask_for_both, &sem);
    keel_sim_settle();
    KEEL_CHECK(!keel_semaphore_try_acquire(&sem, 1));
    keel_semaphore_release(&sem, 1);
    keel_err *err = keel_group_wait(group);
    keel_semaphore_deinit(&sem);
    return err;
}

static const scenario scenarios[] = {
    { "many are not overtaken", many_are_not_overtaken, false },
    { "one owner at a time", one_owner_at_a_time, false },
    { "cancel against lock", cancel_against_lock, false },
    { "try_lock never waits", try_lock_never_waits, false },
    { "a hog lets others in", a_hog_lets_others_in, false },
    { "a waitgroup waits for all", a_waitgroup_waits_for_all, false },
    { "a waitgroup may go after the wait", a_waitgroup_may_go_after_the_wait, false },
    { "permits are never exceeded", permits_are_never_exceeded, false },
    { "who leaves holds up nobody", who_leaves_the_queue_holds_up_nobody, false },
    { "cancel against acquire", cancel_against_acquire, false },
    { "once is once", once_is_once, false },
};

EXPLORE_MAIN()
