/* SPDX-License-Identifier: MIT */
#include "explored.h"

#include <pthread.h>

#include "base/spin.h"
#include "task/park.h"
#include "task/worker.h"

/* What every wait in keel is made of. Scenarios run as a task, explored, and on a plain thread (ctx NULL). */
#define everywhere(scenario)                                                                       \
    (run_and_explore_on_time(scenario, NULL), assert_ok((scenario)(NULL, NULL)))

/* ---- Deciding ---- */

static keel_err *claim_twice(keel_ctx *ctx, void *arg)
{
    keel__wait wait = keel__wait_begin();

    (void)ctx;
    (void)arg;
    check(keel__wait_claim(&wait, KEEL__FIRED_USER + 3));
    check(!keel__wait_claim(&wait, KEEL__FIRED_USER));
    check(!keel__wait_cancel(&wait));
    keel__unpark(wait.actor);
    check(keel__wait_end(&wait, NULL, 0) == KEEL__FIRED_USER + 3);
    return NULL;
}

static void a_wait_is_decided_by_the_first_claim(void **state)
{
    (void)state;
    assert_ok(claim_twice(NULL, NULL));
}

static keel_err *cancel_wait(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        keel__wait wait = keel__wait_begin();
        check(keel__wait_cancel(&wait));
        check(!keel__wait_claim(&wait, KEEL__FIRED_USER));
    }
    return NULL;
}

static void a_waiter_may_change_its_mind_before_it_waits(void **state)
{
    (void)state;
    everywhere(cancel_wait);
}

/* ---- Contexts and timers ---- */

static keel_err *wait_under_the_end(keel_ctx *ctx, void *arg)
{
    keel_ctx *over = keel_ctx_with_cancel(ctx);

    (void)arg;
    keel_ctx_cancel(over);
    for (int i = 0; i < 3; i++) {
        keel__wait wait = keel__wait_begin();
        uint32_t fired = keel__wait_end(&wait, over, i == 0 ? 0 : KEEL__NO_TIMEOUT);
        check(fired == KEEL__FIRED_CTX);
    }
    keel_ctx_free(over);
    return NULL;
}

static void an_ended_context_ends_the_wait_at_once(void **state)
{
    (void)state;
    everywhere(wait_under_the_end);
}

static keel_err *wait_for_time(keel_ctx *ctx, void *arg)
{
    static const int64_t times_ns[] = { -1, 0, 1, KEEL_US(50), KEEL_US(200) };

    (void)arg;
    for (size_t i = 0; i < sizeof times_ns / sizeof times_ns[0]; i++) {
        int64_t start_ns = keel_ctx_now(ctx);
        keel__wait wait = keel__wait_begin();
        check(keel__wait_end(&wait, ctx, times_ns[i]) == KEEL__FIRED_TIMER);
        check(keel_ctx_now(ctx) - start_ns >= times_ns[i]);
        check(!keel__wait_claim(&wait, KEEL__FIRED_USER));
    }
    return NULL;
}

static void the_timer_ends_the_wait_in_time(void **state)
{
    (void)state;
    everywhere(wait_for_time);
}

/* Whichever comes first; a deadline without a runtime is kept by the waiter itself. */
static keel_err *wait_for_either(keel_ctx *ctx, void *arg)
{
    keel_ctx *soon = keel_ctx_with_timeout(ctx, KEEL_US(100));
    keel__wait wait = keel__wait_begin();
    uint32_t by_ctx = keel__wait_end(&wait, soon, KEEL_HOUR(1));

    (void)arg;
    keel_ctx_free(soon);
    keel_ctx *late = keel_ctx_with_timeout(ctx, KEEL_HOUR(1));
    wait = keel__wait_begin();
    uint32_t by_timer = keel__wait_end(&wait, late, KEEL_US(100));
    bool goes_on = keel_ctx_err(late) == NULL;
    keel_ctx_free(late);
    check(by_ctx == KEEL__FIRED_CTX);
    check(by_timer == KEEL__FIRED_TIMER && goes_on);
    return NULL;
}

static void the_earlier_of_context_and_timer_ends_the_wait(void **state)
{
    (void)state;
    everywhere(wait_for_either);
}

/* A task under a context that has no runtime: nobody but itself keeps its deadline. */
static keel_err *wait_unattended(keel_ctx *ctx, void *arg)
{
    keel_ctx *homeless = keel_ctx_with_timeout(NULL, KEEL_US(100));
    keel__wait wait = keel__wait_begin();
    uint32_t fired = keel__wait_end(&wait, homeless, KEEL__NO_TIMEOUT);
    keel_err *err = keel_ctx_err(homeless);

    (void)ctx;
    (void)arg;
    keel_ctx_free(homeless);
    check(fired == KEEL__FIRED_CTX);
    check(keel_err_is(err, KEEL_ERR_DEADLINE));
    return NULL;
}

static void a_deadline_without_a_runtime_ends_a_tasks_wait(void **state)
{
    (void)state;
    run_and_explore(wait_unattended, NULL);
}

static void set_flag(void *flag)
{
    keel__store((keel__a32 *)flag, 1);
}

/* Nobody asks the context here: the waiter has ended it, with all that follows. */
static keel_err *end_unattended(keel_ctx *ctx, void *arg)
{
    keel__a32 flag = { 0 };
    keel_after *after;
    keel_ctx *homeless = keel_ctx_with_timeout(NULL, KEEL_US(100));
    keel_ctx *below = keel_ctx_with_cancel(homeless);

    (void)ctx;
    (void)arg;
    keel_err *err = keel_ctx_after(&after, homeless, set_flag, &flag);
    keel__wait wait = keel__wait_begin();
    uint32_t fired = keel__wait_end(&wait, below, KEEL__NO_TIMEOUT);
    bool ran = keel__load(&flag) == 1;
    keel_after_free(after);
    keel_ctx_free(below);
    keel_ctx_free(homeless);
    KEEL_TRY(err);
    check(fired == KEEL__FIRED_CTX && ran);
    return NULL;
}

static void a_deadline_without_a_runtime_is_carried_out_by_who_waits(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 0, end_unattended, NULL));
    explored(end_unattended, NULL);
    assert_ok(end_unattended(NULL, NULL));
}

/* ---- Unparking ---- */

/* The permit may come before the wait, and waits for it. */
static keel_err *unpark_early(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 0; i < 100; i++) {
        keel__wait wait = keel__wait_begin();
        check(keel__wait_claim(&wait, KEEL__FIRED_USER));
        keel__unpark(wait.actor);
        check(keel__wait_end(&wait, NULL, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER);
    }
    /* and no permit is left over */
    keel__wait wait = keel__wait_begin();
    check(keel__wait_end(&wait, NULL, KEEL_US(50)) == KEEL__FIRED_TIMER);
    return NULL;
}

static void a_thread_may_be_unparked_before_it_parks(void **state)
{
    (void)state;
    assert_ok(unpark_early(NULL, NULL));
}

/* ---- Exactly one winner ---- */

/* A referee decides wait after wait, against its time limit, its context and the waiter. */
typedef struct match {
    keel__spin lock; /* guards queue and over */
    keel__waitq queue;
    bool over;
    keel_ctx *ctx; /* of the current round; cancelled by the other referee */
    keel__a32 handed;
} match;

static void play_peer(match *m)
{
    for (;;) {
        keel__spin_lock(&m->lock);
        bool over = m->over;
        keel__waiter *waiter = keel__waitq_claim(&m->queue);
        if (waiter != NULL)
            keel__add(&m->handed, 1);
        keel__spin_unlock(&m->lock);
        if (waiter != NULL)
            keel__unpark(waiter->wait->actor);
        if (over)
            return;
        keel_yield();
    }
}

static void play_canceller(match *m)
{
    for (;;) {
        keel__spin_lock(&m->lock);
        bool over = m->over;
        keel_ctx *victim = m->ctx;
        m->ctx = NULL;
        keel__spin_unlock(&m->lock);
        if (victim != NULL)
            keel_ctx_free(victim); /* and so cancels the waiter's, its child */
        if (over)
            return;
        keel_yield();
    }
}

static keel_err *peer_task(keel_ctx *ctx, void *m)
{
    (void)ctx;
    play_peer(m);
    return NULL;
}

static void *peer_thread(void *m)
{
    play_peer(m);
    return NULL;
}

static void *canceller_thread(void *m)
{
    play_canceller(m);
    return NULL;
}

static keel_err *canceller_task(keel_ctx *ctx, void *m)
{
    (void)ctx;
    play_canceller(m);
    return NULL;
}

static uint32_t rounds(void)
{
    return (uint32_t)repeats(3000, 4);
}

/* Counts who won; a peer's hand-over must be seen by the waiter, each once. */
static keel_err *play(keel_ctx *ctx, match *m, uint32_t wins[KEEL__FIRED_USER + 1])
{
    for (uint32_t i = 0; i < rounds(); i++) {
        keel_ctx *root = keel_ctx_with_cancel(ctx), *mine = keel_ctx_with_cancel(root);
        keel__wait wait = keel__wait_begin();
        keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
        uint32_t fired = KEEL__FIRED_SELF;

        keel__spin_lock(&m->lock);
        keel__waitq_push(&m->queue, &waiter);
        if (i % 3 == 0)
            m->ctx = root;
        keel__spin_unlock(&m->lock);
        if (i % 7 != 0 || !keel__wait_cancel(&wait))
            fired = keel__wait_end(&wait, mine, KEEL_NS(i % 20) * 1000);

        keel__spin_lock(&m->lock);
        keel__waitq_remove(&m->queue, &waiter);
        bool kept = m->ctx == root || i % 3 != 0;
        m->ctx = NULL;
        keel__spin_unlock(&m->lock);
        if (kept)
            keel_ctx_free(root);
        keel_ctx_free(mine);
        check(fired >= KEEL__FIRED_CTX && fired <= KEEL__FIRED_USER);
        check(!keel__wait_claim(&wait, KEEL__FIRED_USER));
        wins[fired]++;
    }
    return NULL;
}

static keel_err *play_match(keel_ctx *ctx, void *arg)
{
    match m = { 0 };
    pthread_t peer, canceller;
    uint32_t wins[KEEL__FIRED_USER + 1] = { 0 };
    keel_group *group = ctx != NULL ? keel_group_new(ctx, NULL) : NULL;

    (void)arg;
    bool threads = !keel_sim_active();
    if (threads) {
        check(pthread_create(&canceller, NULL, canceller_thread, &m) == 0);
        check(pthread_create(&peer, NULL, peer_thread, &m) == 0);
    } else {
        keel_group_go(group, canceller_task, &m);
    }
    if (group != NULL)
        keel_group_go(group, peer_task, &m);
    keel_err *err = play(ctx, &m, wins);
    keel__spin_lock(&m.lock);
    m.over = true;
    keel__spin_unlock(&m.lock);
    err = keel_err_join(err, keel_group_wait(group));
    if (threads) {
        pthread_join(peer, NULL);
        pthread_join(canceller, NULL);
    }
    KEEL_TRY(err);
    check(wins[KEEL__FIRED_USER] == keel__load(&m.handed));
    check(wins[KEEL__FIRED_USER] + wins[KEEL__FIRED_CTX] + wins[KEEL__FIRED_TIMER] +
              wins[KEEL__FIRED_SELF] ==
          rounds());
    return NULL;
}

static void peers_context_timer_and_self_have_one_winner(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 0, play_match, NULL));
    explored(play_match, NULL);
    assert_ok(play_match(NULL, NULL));
}

/* ---- Queues ---- */

enum { WAITERS = 5 };

static void waiters_leave_a_queue_in_order_and_from_anywhere(void **state)
{
    keel__waitq queue = { 0 };
    keel__wait waits[WAITERS];
    keel__waiter waiters[WAITERS];

    (void)state;
    for (uint32_t i = 0; i < WAITERS; i++) {
        waits[i] = keel__wait_begin();
        waiters[i] = (keel__waiter){ .wait = &waits[i], .number = KEEL__FIRED_USER + i };
        keel__waitq_push(&queue, &waiters[i]);
    }
    keel__waitq_remove(&queue, &waiters[2]);
    keel__waitq_remove(&queue, &waiters[2]);
    assert_true(keel__wait_cancel(&waits[0])); /* decided, but still queued */
    assert_ptr_equal(keel__waitq_claim(&queue), &waiters[1]);
    assert_true(keel__waitq_claim_one(&queue, &waiters[4]));
    assert_ptr_equal(keel__waitq_claim(&queue), &waiters[3]);
    assert_null(keel__waitq_claim(&queue));
    assert_true(keel__wait_cancel(&waits[2]));
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_false(waiters[i].queued);
    assert_int_equal(keel__load(&waits[4].fired), KEEL__FIRED_USER + 4);
}

static void claim_all_leaves_out_what_is_decided(void **state)
{
    keel__waitq queue = { 0 };
    keel__wait waits[WAITERS];
    keel__waiter waiters[WAITERS];
    int count = 0;

    (void)state;
    for (int i = 0; i < WAITERS; i++) {
        waits[i] = keel__wait_begin();
        waiters[i] = (keel__waiter){ .wait = &waits[i], .number = KEEL__FIRED_USER };
        keel__waitq_push(&queue, &waiters[i]);
    }
    assert_true(keel__wait_cancel(&waits[1]));
    for (keel__waiter *w = keel__waitq_claim_all(&queue); w != NULL; w = w->next, count++)
        assert_ptr_not_equal(w, &waiters[1]);
    assert_int_equal(count, WAITERS - 1);
    assert_null(queue.first);
}

/* ---- Actors ---- */

static keel_err *describe(keel_ctx *ctx, void *arg)
{
    char text[128];
    keel__actor *self = keel__actor_self();

    (void)ctx;
    (void)arg;
    check(keel__actor_self() == self);
    keel__actor_describe(self, text, sizeof text);
    check(strncmp(text, "task 'describe' (started at tests/task/test_park.c:", 51) == 0);
    return NULL;
}

static keel_err *describe_task(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, describe, arg);
    return keel_group_wait(group);
}

static void actors_say_who_they_are(void **state)
{
    char text[128];

    (void)state;
    assert_ok(support_run(describe_task, NULL));
    assert_true(keel__actor_self()->is_thread);
    assert_string_equal(keel__actor_describe(keel__actor_self(), text, sizeof text),
                        "a plain thread");
}

/* ---- Misuse ---- */

static void sleep_in_callback(keel__timer *timer)
{
    (void)timer;
    keel_err_free(keel_sleep(NULL, 1));
}

static keel_err *misuse(keel_ctx *ctx, void *arg)
{
    keel__timer timer = { .when_ns = 0, .fire = sleep_in_callback };

    (void)arg;
    keel__worker_arm(keel__worker_self()->rt, &timer);
    return keel_sleep(ctx, KEEL_S(1));
}

static void run_misuse(void *arg)
{
    keel_err_free(support_run(misuse, arg));
}

static void a_callback_that_waits_aborts(void **state)
{
    (void)state;
    support_assert_aborts(run_misuse, NULL, "a callback on a worker's own stack must not wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_wait_is_decided_by_the_first_claim),
        support_test(a_waiter_may_change_its_mind_before_it_waits),
        support_test(an_ended_context_ends_the_wait_at_once),
        support_test(the_timer_ends_the_wait_in_time),
        support_test(the_earlier_of_context_and_timer_ends_the_wait),
        support_test(a_deadline_without_a_runtime_ends_a_tasks_wait),
        support_test(a_deadline_without_a_runtime_is_carried_out_by_who_waits),
        support_test(a_thread_may_be_unparked_before_it_parks),
        support_test(peers_context_timer_and_self_have_one_winner),
        support_test(waiters_leave_a_queue_in_order_and_from_anywhere),
        support_test(claim_all_leaves_out_what_is_decided),
        support_test(actors_say_who_they_are),
        support_test(a_callback_that_waits_aborts),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
