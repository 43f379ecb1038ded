/* SPDX-License-Identifier: MIT */
#include "crew.h"

static void until_waiters(keel_waitgroup *wg, size_t count)
{
    crew_until(&wg->keel__lock, &wg->keel__waiters, count);
}

typedef struct worker {
    keel_waitgroup *wg;
    keel_ctx *ctx;
    keel__asize *finished; /* by all */
    size_t seen;           /* of them when this one's wait was over */
    keel_err *err;
} worker;

static keel_err *work(keel_ctx *ctx, void *arg)
{
    worker *w = arg;

    (void)ctx;
    keel_yield();
    keel__add(w->finished, 1);
    keel_waitgroup_done(w->wg);
    return NULL;
}

static keel_err *wait_for_it(keel_ctx *ctx, void *arg)
{
    worker *w = arg;

    (void)ctx;
    w->err = keel_waitgroup_wait(w->ctx, w->wg);
    w->seen = keel__load(w->finished);
    return NULL;
}

CREW_TEST(a_wait_is_over_when_all_work_is_done)
{
    (void)arg;
    for (size_t round = 0; round < repeats(50, 2); round++) {
        keel__asize finished = { 0 };
        keel_waitgroup wg = { 0 }; /* done() must not touch it once the wait is over */
        worker w = { .wg = &wg, .finished = &finished };
        worker waiters[3];
        crew c;
        crew_open(&c, ctx);
        keel_waitgroup_add(&wg, 5);
        for (size_t i = 0; i < 3; i++) {
            waiters[i] = w;
            crew_go(&c, wait_for_it, &waiters[i]);
        }
        if (round % 2 == 0)
            until_waiters(&wg, 3);
        for (size_t i = 0; i < 5; i++)
            crew_go(&c, work, &w);
        must_ok(keel_waitgroup_wait(NULL, &wg));
        must(keel__load(&finished) == 5);
        crew_join(&c);
        for (size_t i = 0; i < 3; i++) {
            must_ok(waiters[i].err);
            must(waiters[i].seen == 5);
        }
        keel_waitgroup_deinit(&wg);
    }
    return NULL;
}

CREW_TEST(a_wait_ends_with_its_context)
{
    keel__asize finished = { 0 };
    keel_waitgroup wg;
    worker w = { .wg = &wg, .finished = &finished, .ctx = keel_ctx_with_cancel(ctx) };
    crew c;

    (void)arg;
    keel_waitgroup_init(&wg);
    keel_waitgroup_add(&wg, 1);
    crew_open(&c, ctx);
    crew_go(&c, wait_for_it, &w);
    until_waiters(&wg, 1);
    keel_ctx_cancel(w.ctx);
    crew_join(&c);
    must_err(w.err, KEEL_ERR_CANCELLED);
    must(crew_waiting(&wg.keel__lock, &wg.keel__waiters) == 0);
    keel_waitgroup_done(&wg);
    must_err(keel_waitgroup_wait(w.ctx, &wg), KEEL_ERR_CANCELLED);
    must_ok(keel_waitgroup_wait(NULL, &wg));
    keel_ctx_free(w.ctx);
    keel_waitgroup_deinit(&wg);
    return NULL;
}

static void it_can_be_used_again(void **state)
{
    (void)state;
    keel_waitgroup wg = { 0 };

    for (int i = 0; i < 3; i++) {
        assert_ok(keel_waitgroup_wait(NULL, &wg));
        keel_waitgroup_add(&wg, 2);
        keel_waitgroup_add(&wg, 0);
        keel_waitgroup_done(&wg);
        keel_waitgroup_done(&wg);
    }
    keel_waitgroup_deinit(&wg);
    keel_waitgroup_deinit(NULL);
}

/* ---- Misuse ---- */

static void below_zero(void *arg)
{
    keel_waitgroup wg = { 0 };

    (void)arg;
    keel_waitgroup_add(&wg, 1);
    keel_waitgroup_done(&wg);
    keel_waitgroup_done(&wg);
}

static void beyond_all_numbers(void *arg)
{
    keel_waitgroup wg = { 0 };

    (void)arg;
    wg.keel__count = UINT64_MAX - 1;
    keel_waitgroup_add(&wg, 1);
    keel_waitgroup_add(&wg, 1);
}

static void drop_while_waited_on(void *arg)
{
    keel_waitgroup wg = { 0 };
    keel__asize finished = { 0 };
    crew c;

    (void)arg;
    keel_waitgroup_add(&wg, 4);
    crew_open(&c, NULL);
    crew_go(&c, wait_for_it, &(worker){ .wg = &wg, .finished = &finished });
    until_waiters(&wg, 1);
    keel_waitgroup_deinit(&wg);
}

static void misuse_aborts_with_a_message(void **state)
{
    (void)state;
    support_assert_aborts(below_zero, NULL,
                          "keel_waitgroup_done: nothing is under way in waitgroup");
    support_assert_aborts(beyond_all_numbers, NULL, "keel_waitgroup_add: 1 more are too many");
    support_assert_aborts(drop_while_waited_on, NULL, "(4 under way)");
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(a_wait_is_over_when_all_work_is_done),
        support_test(a_wait_ends_with_its_context),
        support_test(it_can_be_used_again),
        support_test(misuse_aborts_with_a_message),
    };
    return cmocka_run_group_tests_name("waitgroup", tests, NULL, NULL);
}
