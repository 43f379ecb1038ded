/* SPDX-License-Identifier: MIT */
#include "crew.h"

static void until_askers(keel_semaphore *sem, size_t count)
{
    crew_until(&sem->keel__lock, &sem->keel__waiters, count);
}

typedef struct asker {
    keel_semaphore *sem;
    keel_ctx *ctx;
    size_t count;
    keel__asize *inside; /* permits that all hold together */
    keel_err *err;
    keel__a32 done;
} asker;

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    asker *a = arg;

    (void)ctx;
    a->err = keel_semaphore_acquire(a->ctx, a->sem, a->count);
    keel__store(&a->done, 1);
    return NULL;
}

static void until_done(asker *a)
{
    while (!keel__load(&a->done))
        keel_yield();
}

static keel_err *come_and_go(keel_ctx *ctx, void *arg)
{
    asker *a = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(300, 4); i++) {
        must_ok(keel_semaphore_acquire(NULL, a->sem, a->count));
        must(keel__add(a->inside, a->count) + a->count <= 5);
        if (i % 5 == 0)
            keel_yield();
        keel__sub(a->inside, a->count);
        keel_semaphore_release(a->sem, a->count);
    }
    return NULL;
}

CREW_TEST(no_more_permits_are_out_than_there_are)
{
    keel_semaphore sem;
    keel__asize inside = { 0 };
    asker askers[6];
    crew c;

    (void)arg;
    keel_semaphore_init(&sem, 5);
    crew_open(&c, ctx);
    for (size_t i = 0; i < 6; i++) {
        askers[i] = (asker){ .sem = &sem, .count = i % 5 + 1, .inside = &inside };
        crew_go(&c, come_and_go, &askers[i]);
    }
    crew_join(&c);
    must(keel_semaphore_try_acquire(&sem, 5));
    keel_semaphore_release(&sem, 5);
    keel_semaphore_deinit(&sem);
    return NULL;
}

CREW_TEST(who_asks_for_many_is_not_overtaken)
{
    keel_semaphore sem;
    asker many = { .sem = &sem, .count = 3 }, few = { .sem = &sem, .count = 1 };
    crew c;

    (void)arg;
    keel_semaphore_init(&sem, 4);
    must_ok(keel_semaphore_acquire(NULL, &sem, 2));
    crew_open(&c, ctx);
    crew_go(&c, ask, &many);
    until_askers(&sem, 1);
    must(!keel_semaphore_try_acquire(&sem, 1));
    must(keel_semaphore_try_acquire(&sem, 0));
    crew_go(&c, ask, &few);
    until_askers(&sem, 2);
    keel_semaphore_release(&sem, 1);
    until_done(&many);
    must(crew_waiting(&sem.keel__lock, &sem.keel__waiters) == 1);
    keel_semaphore_release(&sem, 1);
    crew_join(&c);
    must_ok(many.err);
    must_ok(few.err);
    must(!keel_semaphore_try_acquire(&sem, 1));
    keel_semaphore_release(&sem, 4);
    keel_semaphore_deinit(&sem);
    return NULL;
}

CREW_TEST(when_the_first_gives_up_those_behind_are_served)
{
    keel_semaphore sem;
    asker many = { .sem = &sem, .count = 4, .ctx = keel_ctx_with_cancel(ctx) };
    asker few[2] = { { .sem = &sem, .count = 1 }, { .sem = &sem, .count = 1 } };
    crew c;

    (void)arg;
    keel_semaphore_init(&sem, 4);
    must_ok(keel_semaphore_acquire(NULL, &sem, 2));
    crew_open(&c, ctx);
    crew_go(&c, ask, &many);
    until_askers(&sem, 1);
    crew_go(&c, ask, &few[0]);
    until_askers(&sem, 2);
    crew_go(&c, ask, &few[1]);
    until_askers(&sem, 3);
    keel_ctx_cancel(many.ctx);
    crew_join(&c);
    must_err(many.err, KEEL_ERR_CANCELLED);
    must_ok(few[0].err);
    must_ok(few[1].err);
    keel_semaphore_release(&sem, 4);
    keel_ctx_free(many.ctx);
    keel_semaphore_deinit(&sem);
    return NULL;
}

CREW_TEST(who_asks_for_more_than_there_are_holds_up_nobody)
{
    keel_semaphore sem;
    asker never = { .sem = &sem, .count = 3, .ctx = keel_ctx_with_cancel(ctx) };
    asker few = { .sem = &sem, .count = 1 };
    crew c;

    (void)arg;
    keel_semaphore_init(&sem, 2);
    crew_open(&c, ctx);
    crew_go(&c, ask, &never);
    must_ok(keel_semaphore_acquire(NULL, &sem, 2));
    crew_go(&c, ask, &few);
    until_askers(&sem, 1);
    for (int i = 0; i < 20; i++)
        keel_yield();
    keel_semaphore_release(&sem, 1);
    until_done(&few);
    must_ok(few.err);
    must(!keel__load(&never.done));
    keel_semaphore_release(&sem, 2);
    keel_ctx_cancel(never.ctx);
    crew_join(&c);
    must_err(never.err, KEEL_ERR_CANCELLED);
    must(keel_semaphore_try_acquire(&sem, 2));
    keel_semaphore_release(&sem, 2);
    keel_ctx_free(never.ctx);
    keel_semaphore_deinit(&sem);
    return NULL;
}

/* Permits are conserved, whoever wins. */
static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    asker *a = arg;

    (void)ctx;
    keel_yield();
    keel_ctx_cancel(a->ctx);
    return NULL;
}

CREW_TEST(a_cancelled_asker_has_its_permits_or_none)
{
    (void)arg;
    for (size_t round = 0; round < repeats(200, 4); round++) {
        keel_semaphore sem;
        asker a = { .sem = &sem, .count = 2, .ctx = keel_ctx_with_cancel(ctx) };
        asker b = { .sem = &sem, .count = 1 };
        crew c;
        keel_semaphore_init(&sem, 2);
        must_ok(keel_semaphore_acquire(NULL, &sem, 1));
        crew_open(&c, ctx);
        crew_go(&c, ask, &a);
        crew_go(&c, ask, &b);
        crew_go(&c, cancel_it, &a);
        for (size_t i = 0; i < round % 6; i++)
            keel_yield();
        keel_semaphore_release(&sem, 1);
        until_done(&a);
        if (a.err == NULL)
            keel_semaphore_release(&sem, 2);
        else
            must_err(a.err, KEEL_ERR_CANCELLED);
        crew_join(&c);
        must_ok(b.err);
        keel_semaphore_release(&sem, 1);
        must(keel_semaphore_try_acquire(&sem, 2));
        keel_semaphore_release(&sem, 2);
        keel_ctx_free(a.ctx);
        keel_semaphore_deinit(&sem);
    }
    return NULL;
}

static void one_caller_takes_and_gives_back(void **state)
{
    (void)state;
    keel_semaphore sem;
    keel_ctx *ctx = keel_ctx_with_cancel(NULL);

    keel_semaphore_init(&sem, 3);
    assert_ok(keel_semaphore_acquire(ctx, &sem, 0));
    assert_ok(keel_semaphore_acquire(ctx, &sem, 2));
    assert_false(keel_semaphore_try_acquire(&sem, 2));
    assert_true(keel_semaphore_try_acquire(&sem, 1));
    assert_true(keel_semaphore_try_acquire(&sem, 0));
    assert_false(keel_semaphore_try_acquire(&sem, SIZE_MAX));
    keel_semaphore_release(&sem, 0);
    keel_semaphore_release(&sem, 3);
    keel_ctx_cancel(ctx);
    assert_err(keel_semaphore_acquire(ctx, &sem, 1), KEEL_ERR_CANCELLED);
    assert_true(keel_semaphore_try_acquire(&sem, 3));
    keel_ctx_free(ctx);
    keel_semaphore_deinit(&sem);
    keel_semaphore_deinit(NULL);
}

/* ---- Misuse ---- */

static void give_back_too_many(void *arg)
{
    keel_semaphore sem;

    (void)arg;
    keel_semaphore_init(&sem, 3);
    keel_err_free(keel_semaphore_acquire(NULL, &sem, 2));
    keel_semaphore_release(&sem, 3);
}

static void drop_while_waited_on(void *arg)
{
    keel_semaphore sem;
    crew c;

    (void)arg;
    keel_semaphore_init(&sem, 1);
    keel_err_free(keel_semaphore_acquire(NULL, &sem, 1));
    crew_open(&c, NULL);
    crew_go(&c, ask, &(asker){ .sem = &sem, .count = 1 });
    until_askers(&sem, 1);
    keel_semaphore_deinit(&sem);
}

static void misuse_aborts_with_a_message(void **state)
{
    (void)state;
    support_assert_aborts(give_back_too_many, NULL, "3 permits given back to semaphore");
    support_assert_aborts(drop_while_waited_on, NULL, "(0 of 1 permits free)");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(one_caller_takes_and_gives_back),
        support_test(no_more_permits_are_out_than_there_are),
        support_test(who_asks_for_many_is_not_overtaken),
        support_test(when_the_first_gives_up_those_behind_are_served),
        support_test(who_asks_for_more_than_there_are_holds_up_nobody),
        support_test(a_cancelled_asker_has_its_permits_or_none),
        support_test(misuse_aborts_with_a_message),
    };
    return cmocka_run_group_tests_name("semaphore", tests, NULL, NULL);
}
