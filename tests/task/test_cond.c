/* SPDX-License-Identifier: MIT */
#include "crew.h"

static void until_waiters(keel_cond *cond, size_t count)
{
    crew_until(&cond->keel__lock, &cond->keel__waiters, count);
}

typedef struct place {
    keel_mutex *mutex;
    keel_cond *cond;
    keel_ctx *ctx;
    int *ready, *order; /* under the mutex */
    int got;
    keel_err *err;
} place;

/* Takes one of what is ready. */
static keel_err *take_ready(keel_ctx *ctx, void *arg)
{
    place *p = arg;

    (void)ctx;
    keel_mutex_lock(p->mutex);
    while (*p->ready == 0)
        keel_cond_wait(p->cond, p->mutex);
    --*p->ready;
    p->got = ++*p->order;
    keel_mutex_unlock(p->mutex);
    return NULL;
}

static keel_err *wait_once(keel_ctx *ctx, void *arg)
{
    place *p = arg;

    (void)ctx;
    keel_mutex_lock(p->mutex);
    p->err = keel_cond_wait_ctx(p->ctx, p->cond, p->mutex);
    p->got = ++*p->order; /* it is this one's again */
    keel_mutex_unlock(p->mutex);
    return NULL;
}

CREW_TEST(each_signal_lets_the_one_go_on_that_waits_longest)
{
    keel_mutex mutex = { 0 };
    keel_cond cond;
    int ready = 0, order = 0;
    place places[3];
    crew c;

    (void)arg;
    keel_cond_init(&cond);
    crew_open(&c, ctx);
    for (int i = 0; i < 3; i++) {
        places[i] = (place){ .mutex = &mutex, .cond = &cond, .ready = &ready, .order = &order };
        crew_go(&c, take_ready, &places[i]);
        until_waiters(&cond, (size_t)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        keel_mutex_lock(&mutex);
        ready++;
        keel_mutex_unlock(&mutex);
        keel_cond_signal(&cond);
        for (bool taken = false; !taken; keel_yield()) {
            keel_mutex_lock(&mutex);
            taken = order == i + 1;
            keel_mutex_unlock(&mutex);
        }
        must(crew_waiting(&cond.keel__lock, &cond.keel__waiters) == (size_t)(2 - i));
    }
    crew_join(&c);
    for (int i = 0; i < 3; i++)
        must(places[i].got == i + 1);
    keel_cond_deinit(&cond);
    keel_mutex_deinit(&mutex);
    return NULL;
}

CREW_TEST(a_broadcast_lets_all_go_on)
{
    keel_mutex mutex = { 0 };
    keel_cond cond = { 0 };
    int ready = 0, order = 0;
    place p = { .mutex = &mutex, .cond = &cond, .ready = &ready, .order = &order };
    place places[4];
    crew c;

    (void)arg;
    keel_cond_signal(&cond); /* nobody waits: nothing is kept */
    keel_cond_broadcast(&cond);
    crew_open(&c, ctx);
    for (int i = 0; i < 4; i++) {
        places[i] = p;
        crew_go(&c, take_ready, &places[i]);
    }
    until_waiters(&cond, 4);
    keel_mutex_lock(&mutex);
    ready = 4;
    keel_cond_broadcast(&cond);
    keel_mutex_unlock(&mutex);
    crew_join(&c);
    must(ready == 0 && order == 4);
    keel_cond_deinit(&cond);
    keel_mutex_deinit(&mutex);
    return NULL;
}

/* A queue of one, several who put in and take out. */
typedef struct cell {
    keel_mutex mutex;
    keel_cond filled, emptied;
    int item; /* 0: none */
    int sum, left;
} cell;

static keel_err *put(keel_ctx *ctx, void *arg)
{
    cell *c = arg;

    (void)ctx;
    for (int i = 1; i <= (int)repeats(200, 2); i++) {
        keel_mutex_lock(&c->mutex);
        while (c->item != 0)
            keel_cond_wait(&c->emptied, &c->mutex);
        c->item = i;
        keel_cond_signal(&c->filled);
        keel_mutex_unlock(&c->mutex);
    }
    return NULL;
}

static keel_err *take_out(keel_ctx *ctx, void *arg)
{
    cell *c = arg;

    (void)ctx;
    for (int i = 1; i <= (int)repeats(200, 2); i++) {
        keel_mutex_lock(&c->mutex);
        while (c->item == 0)
            keel_cond_wait(&c->filled, &c->mutex);
        c->sum += c->item;
        c->item = 0;
        keel_mutex_unlock(&c->mutex);
        keel_cond_signal(&c->emptied); /* without the mutex */
    }
    return NULL;
}

CREW_TEST(no_signal_is_lost)
{
    cell shared = { .sum = 0 };
    int count = (int)repeats(200, 2);
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (int i = 0; i < 2; i++) {
        crew_go(&c, put, &shared);
        crew_go(&c, take_out, &shared);
    }
    crew_join(&c);
    must(shared.sum == count * (count + 1));
    keel_cond_deinit(&shared.filled);
    keel_cond_deinit(&shared.emptied);
    keel_mutex_deinit(&shared.mutex);
    return NULL;
}

CREW_TEST(a_wait_that_ends_with_its_context_has_the_mutex_again)
{
    keel_mutex mutex = { 0 };
    keel_cond cond = { 0 };
    int order = 0;
    place p = { .mutex = &mutex, .cond = &cond, .ctx = keel_ctx_with_cancel(ctx), .order = &order };
    place leaving = p, staying = p;
    crew c;

    (void)arg;
    staying.ctx = NULL;
    crew_open(&c, ctx);
    crew_go(&c, wait_once, &leaving);
    until_waiters(&cond, 1);
    crew_go(&c, wait_once, &staying);
    until_waiters(&cond, 2);
    keel_mutex_lock(&mutex); /* it has to wait for this one, though its context has ended */
    keel_ctx_cancel(p.ctx);
    until_waiters(&cond, 1);
    crew_until(&mutex.keel__lock, &mutex.keel__waiters, 1);
    must(order == 0);
    keel_mutex_unlock(&mutex);
    keel_cond_signal(&cond); /* for who stays, not for who has left */
    crew_join(&c);
    must_err(leaving.err, KEEL_ERR_CANCELLED);
    must_ok(staying.err);
    must(order == 2);
    keel_mutex_lock(&mutex);
    must_err(keel_cond_wait_ctx(p.ctx, &cond, &mutex), KEEL_ERR_CANCELLED);
    keel_mutex_unlock(&mutex);
    keel_ctx_free(p.ctx);
    keel_cond_deinit(&cond);
    keel_mutex_deinit(&mutex);
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_deadline)
{
    keel_mutex mutex = { 0 };
    keel_cond cond = { 0 };
    int order = 0;
    place p = { .mutex = &mutex,
                .cond = &cond,
                .ctx = keel_ctx_with_timeout(ctx, KEEL_MS(1)),
                .order = &order };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, wait_once, &p);
    crew_join(&c);
    must_err(p.err, KEEL_ERR_DEADLINE);
    must(order == 1);
    keel_ctx_free(p.ctx);
    keel_cond_deinit(&cond);
    keel_cond_deinit(NULL);
    keel_mutex_deinit(&mutex);
    return NULL;
}

/* Signals and the end of a context at once: the signal is used by one of the two, or by nobody that left. */
CREW_TEST(a_signal_is_not_lost_on_who_leaves)
{
    keel_mutex mutex = { 0 };
    keel_cond cond = { 0 };
    int ready = 0, order = 0;
    place leaving = { .mutex = &mutex,
                      .cond = &cond,
                      .ctx = keel_ctx_with_cancel(ctx),
                      .ready = &ready,
                      .order = &order };
    place staying = leaving;
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, wait_once, &leaving);
    until_waiters(&cond, 1);
    crew_go(&c, take_ready, &staying);
    until_waiters(&cond, 2);
    keel_ctx_cancel(leaving.ctx);
    keel_mutex_lock(&mutex);
    ready = 1;
    keel_cond_signal(&cond); /* not claimed by who was cancelled before */
    keel_mutex_unlock(&mutex);
    crew_join(&c);
    must_err(leaving.err, KEEL_ERR_CANCELLED);
    must(ready == 0 && order == 2);
    keel_ctx_free(leaving.ctx);
    keel_cond_deinit(&cond);
    keel_mutex_deinit(&mutex);
    return NULL;
}

/* ---- Misuse ---- */

static keel_mutex mutex_a, mutex_b;
static keel_cond shared_cond;

static void wait_without_the_mutex(void *arg)
{
    (void)arg;
    keel_cond_wait(&shared_cond, &mutex_a);
}

static void wait_without_the_mutex_under_ctx(void *arg)
{
    (void)arg;
    keel_err_free(keel_cond_wait_ctx(NULL, &shared_cond, &mutex_a));
}

static keel_err *wait_with_a(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_mutex_lock(&mutex_a);
    keel_cond_wait(&shared_cond, &mutex_a);
    return NULL;
}

static keel_err *wait_with_b(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, wait_with_a, NULL);
    until_waiters(&shared_cond, 1);
    keel_mutex_lock(&mutex_b);
    keel_cond_wait(&shared_cond, &mutex_b);
    return keel_group_wait(group);
}

static void wait_with_two(void *arg)
{
    (void)arg;
    keel_err_free(support_run(wait_with_b, NULL));
}

static keel_err *drop_it(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, wait_with_a, NULL);
    until_waiters(&shared_cond, 1);
    keel_cond_deinit(&shared_cond);
    return keel_group_wait(group);
}

static void drop_while_waited(void *arg)
{
    (void)arg;
    keel_err_free(support_run(drop_it, NULL));
}

static void misuse_aborts_and_names_the_cond(void **state)
{
    char text[96];

    (void)state;
    snprintf(text, sizeof text, "keel_cond_wait: mutex %p is not the caller's", (void *)&mutex_a);
    support_assert_aborts(wait_without_the_mutex, NULL, text);
    support_assert_aborts(wait_without_the_mutex_under_ctx, NULL, "keel_cond_wait_ctx: mutex");
    snprintf(text, sizeof text, "others wait on cond %p with another mutex", (void *)&shared_cond);
    support_assert_aborts(wait_with_two, NULL, text);
    snprintf(text, sizeof text, "somebody waits on cond %p", (void *)&shared_cond);
    support_assert_aborts(drop_while_waited, NULL, text);
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(each_signal_lets_the_one_go_on_that_waits_longest),
        support_test(a_broadcast_lets_all_go_on),
        support_test(no_signal_is_lost),
        support_test(a_wait_that_ends_with_its_context_has_the_mutex_again),
        support_test(a_wait_ends_with_its_deadline),
        support_test(a_signal_is_not_lost_on_who_leaves),
        support_test(misuse_aborts_and_names_the_cond),
    };
    return cmocka_run_group_tests_name("cond", tests, NULL, NULL);
}
