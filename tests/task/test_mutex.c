/* SPDX-License-Identifier: MIT */
#include "crew.h"

static void until_lockers(keel_mutex *mutex, size_t count)
{
    crew_until(&mutex->keel__lock, &mutex->keel__waiters, count);
}

typedef struct locker {
    keel_mutex *mutex;
    keel_ctx *ctx;
    int *shared; /* changed under the mutex only */
    int number;
    keel_err *err;
} locker;

static keel_err *count_up(keel_ctx *ctx, void *arg)
{
    locker *l = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(500, 5); i++) {
        keel_mutex_lock(l->mutex);
        int before = *l->shared;
        if (i % 10 == 0 || keel_sim_active())
            keel_yield(); /* others come while it is held */
        *l->shared = before + 1;
        keel_mutex_unlock(l->mutex);
    }
    return NULL;
}

CREW_TEST(one_at_a_time_holds_it)
{
    keel_mutex mutex = { 0 };
    int shared = 0;
    locker l = { .mutex = &mutex, .shared = &shared };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (int i = 0; i < 6; i++)
        crew_go(&c, count_up, &l);
    crew_join(&c);
    must(shared == 6 * (int)repeats(500, 5));
    keel_mutex_deinit(&mutex);
    return NULL;
}

static keel_err *take_turn(keel_ctx *ctx, void *arg)
{
    locker *l = arg;

    (void)ctx;
    keel_mutex_lock(l->mutex);
    must(*l->shared == l->number);
    ++*l->shared;
    keel_mutex_unlock(l->mutex);
    return NULL;
}

CREW_TEST(who_waits_longest_is_next)
{
    keel_mutex mutex;
    locker lockers[5];
    int shared = 0;
    crew c;

    (void)arg;
    keel_mutex_init(&mutex);
    keel_mutex_lock(&mutex);
    crew_open(&c, ctx);
    for (int i = 0; i < 5; i++) {
        lockers[i] = (locker){ .mutex = &mutex, .shared = &shared, .number = i };
        crew_go(&c, take_turn, &lockers[i]);
        until_lockers(&mutex, (size_t)i + 1);
    }
    keel_mutex_unlock(&mutex);
    crew_join(&c);
    must(shared == 5);
    keel_mutex_deinit(&mutex);
    return NULL;
}

CREW_TEST(others_come_between_only_once)
{
    keel_mutex mutex = { 0 };
    int shared = 0;
    locker waiter = { .mutex = &mutex, .shared = &shared };
    crew c;

    (void)arg;
    keel_mutex_lock(&mutex);
    crew_open(&c, ctx);
    crew_go(&c, take_turn, &waiter);
    until_lockers(&mutex, 1);
    keel_mutex_unlock(&mutex);
    keel_mutex_lock(&mutex); /* perhaps before the waiter, which then waits again */
    if (shared == 0) {
        until_lockers(&mutex, 1);
        keel_mutex_unlock(&mutex);
        keel_mutex_lock(&mutex);
    }
    must(shared == 1);
    keel_mutex_unlock(&mutex);
    crew_join(&c);
    return NULL;
}

static keel_err *lock_and_wait(keel_ctx *ctx, void *arg)
{
    locker *l = arg;

    (void)ctx;
    l->err = keel_mutex_lock_ctx(l->ctx, l->mutex);
    if (l->err == NULL) {
        *l->shared = 1;
        keel_mutex_unlock(l->mutex);
    }
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_context)
{
    keel_mutex mutex = { 0 };
    int shared = 0;
    locker cancelled = { .mutex = &mutex, .ctx = keel_ctx_with_cancel(ctx), .shared = &shared };
    locker served = { .mutex = &mutex, .ctx = keel_ctx_with_cancel(ctx), .shared = &shared };
    crew first, second;

    (void)arg;
    keel_mutex_lock(&mutex);
    crew_open(&first, ctx);
    crew_open(&second, ctx);
    crew_go(&first, lock_and_wait, &cancelled);
    until_lockers(&mutex, 1);
    crew_go(&second, lock_and_wait, &served);
    until_lockers(&mutex, 2);
    keel_ctx_cancel(cancelled.ctx);
    crew_join(&first);
    must_err(cancelled.err, KEEL_ERR_CANCELLED);
    must(shared == 0);
    must(crew_waiting(&mutex.keel__lock, &mutex.keel__waiters) == 1);

    keel_mutex_unlock(&mutex);
    keel_ctx_cancel(served.ctx); /* too late: it was handed over */
    crew_join(&second);
    must_ok(served.err);
    must(shared == 1);
    keel_ctx_free(cancelled.ctx);
    keel_ctx_free(served.ctx);
    keel_mutex_deinit(&mutex);
    return NULL;
}

static keel_err *try_once(keel_ctx *ctx, void *arg)
{
    locker *l = arg;

    (void)ctx;
    *l->shared = keel_mutex_try_lock(l->mutex);
    if (*l->shared)
        keel_mutex_unlock(l->mutex);
    return NULL;
}

CREW_TEST(try_lock_takes_it_only_if_it_is_free)
{
    keel_mutex mutex = { 0 };
    int locked = 9;
    locker l = { .mutex = &mutex, .shared = &locked };

    (void)arg;
    for (int free = 0; free <= 1; free++) {
        crew c;
        crew_open(&c, ctx);
        if (!free)
            must(keel_mutex_try_lock(&mutex));
        must(free || !keel_mutex_try_lock(&mutex));
        crew_go(&c, try_once, &l);
        crew_join(&c);
        must(locked == free);
        if (!free)
            keel_mutex_unlock(&mutex);
    }
    keel_mutex_deinit(&mutex);
    return NULL;
}

static void an_ended_context_does_not_take_it(void **state)
{
    (void)state;
    keel_mutex mutex = { 0 };
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);

    assert_ok(keel_mutex_lock_ctx(ctx, &mutex));
    keel_mutex_unlock(&mutex);
    keel_ctx_cancel(ctx);
    assert_err(keel_mutex_lock_ctx(ctx, &mutex), KEEL_ERR_CANCELLED);
    assert_true(keel_mutex_try_lock(&mutex));
    keel_mutex_unlock(&mutex);
    keel_ctx_free(ctx);
    keel_mutex_deinit(&mutex);
    keel_mutex_deinit(NULL);
}

/* ---- Misuse ---- */

static keel_mutex shared_mutex;

static keel_err *lock_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_mutex_lock(&shared_mutex);
    return NULL;
}

static void lock_twice(void *arg)
{
    (void)arg;
    keel_mutex_lock(&shared_mutex);
    keel_mutex_lock(&shared_mutex);
}

static void lock_twice_with_context(void *arg)
{
    (void)arg;
    keel_mutex_lock(&shared_mutex);
    keel_err_free(keel_mutex_lock_ctx(NULL, &shared_mutex));
}

static void unlock_what_is_free(void *arg)
{
    (void)arg;
    keel_mutex_unlock(&shared_mutex);
}

/* The owner is a thread of its own, and lives as long as the caller. */
static keel_err *lock_it_for_ever(keel_ctx *ctx, void *arg)
{
    int nothing;

    keel_mutex_lock(&shared_mutex);
    must_ok(keel_chan_send(ctx, arg, &(int){ 1 }));
    return keel_chan_recv(NULL, arg, &nothing);
}

static keel_err *unlock_a_tasks_own(keel_ctx *ctx, void *arg)
{
    keel_chan *chan = new_chan(sizeof(int), 0);
    keel_group *group = keel_group_new(ctx, NULL);
    int got;

    (void)arg;
    keel_group_go(group, lock_it_for_ever, chan);
    must_ok(keel_chan_recv(NULL, chan, &got));
    keel_mutex_unlock(&shared_mutex);
    return keel_group_wait(group);
}

static void unlock_anothers(void *arg)
{
    (void)arg;
    keel_err_free(support_run(unlock_a_tasks_own, NULL));
}

static void drop_while_locked(void *arg)
{
    (void)arg;
    keel_err_free(lock_it(NULL, NULL));
    keel_mutex_deinit(&shared_mutex);
}

static void misuse_aborts_and_names_the_mutex(void **state)
{
    (void)state;
    char name[64];

    snprintf(name, sizeof name, "mutex %p is the caller's already", (void *)&shared_mutex);
    support_assert_aborts(lock_twice, NULL, name);
    support_assert_aborts(lock_twice_with_context, NULL, name);
    snprintf(name, sizeof name, "mutex %p is not the caller's (owner: nobody",
             (void *)&shared_mutex);
    support_assert_aborts(unlock_what_is_free, NULL, name);
    support_assert_aborts(unlock_anothers, NULL, "lock_it_for_ever");
    snprintf(name, sizeof name, "mutex %p is locked (owner: ", (void *)&shared_mutex);
    support_assert_aborts(drop_while_locked, NULL, name);
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(one_at_a_time_holds_it),
        support_test(who_waits_longest_is_next),
        support_test(others_come_between_only_once),
        support_test(a_wait_ends_with_its_context),
        support_test(try_lock_takes_it_only_if_it_is_free),
        support_test(an_ended_context_does_not_take_it),
        support_test(misuse_aborts_and_names_the_mutex),
    };
    return cmocka_run_group_tests_name("mutex", tests, NULL, NULL);
}
