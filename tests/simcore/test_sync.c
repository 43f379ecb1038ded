/* SPDX-License-Identifier: MIT */
#include "simcore.h"

/* Channels, select and locks between tasks of two workers, and between tasks and plain threads. */

enum { WORKERS = 2 };

static keel_chan *new_chan(size_t capacity)
{
    keel_chan *chan;

    sim_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = capacity }));
    return chan;
}

/* What several tasks share, each scenario in its own way. */
typedef struct shared {
    keel_runtime *rt;
    keel_group *group;
    keel_chan *chan, *other;
    keel_ctx *ctx;
    keel_mutex mutex;
    keel_waitgroup wg;
    keel_semaphore sem;
    keel_once once;
    int sent, received, refused, ended, sum, inside;
} shared;

static void begin(shared *s, size_t capacity)
{
    s->rt = simcore_runtime(WORKERS, NULL);
    s->group = keel_group_new(keel_runtime_ctx(s->rt), NULL);
    s->chan = new_chan(capacity);
    s->other = new_chan(capacity);
    s->ctx = keel_ctx_with_cancel(keel_runtime_ctx(s->rt));
}

static void end(shared *s)
{
    sim_ok(keel_group_wait(s->group));
    simcore_stop(s->rt);
    keel_chan_free(s->chan);
    keel_chan_free(s->other);
    keel_ctx_free(s->ctx);
}

/* ---- Channels ---- */

static keel_err *send_two(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    for (int i = 1; i <= 2; i++)
        KEEL_TRY(keel_chan_send(ctx, s->chan, &i));
    return NULL;
}

static keel_err *receive_two(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    int got = 0;

    for (int i = 1; i <= 2; i++) {
        KEEL_TRY(keel_chan_recv(ctx, s->chan, &got));
        sim_check(got == i);
    }
    s->received = 2;
    return NULL;
}

static void tasks_meet(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_group_go(s.group, send_two, &s);
    keel_group_go(s.group, receive_two, &s);
    end(&s);
    sim_check(s.received == 2);
}

static void a_buffer_of_one_passes_all(void)
{
    shared s = { 0 };

    begin(&s, 1);
    keel_group_go(s.group, send_two, &s);
    keel_group_go(s.group, receive_two, &s);
    end(&s);
    sim_check(s.received == 2);
}

static void a_thread_meets_a_task(void)
{
    shared s = { 0 };
    int got = 0;

    begin(&s, 0);
    keel_group_go(s.group, send_two, &s);
    for (int i = 1; i <= 2; i++) {
        sim_ok(keel_chan_recv(NULL, s.chan, &got));
        sim_check(got == i);
    }
    end(&s);
}

static keel_err *receive_one(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    int got = 0;

    (void)ctx;
    keel_err *err = keel_chan_recv(s->ctx, s->chan, &got);
    if (err == NULL) {
        sim_check(got == 1);
        s->received++;
    } else {
        sim_check(keel_err_is(err, KEEL_ERR_CLOSED) || keel_err_is(err, KEEL_ERR_CANCELLED));
        s->refused++;
        keel_err_free(err);
    }
    return NULL;
}

static keel_err *send_one(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_err *err = keel_chan_send(s->ctx, s->chan, &(int){ 1 });
    if (err == NULL)
        s->sent++;
    else
        sim_check(keel_err_is(err, KEEL_ERR_CLOSED) || keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    return NULL;
}

/* Closing wakes whoever waits; what was sent was received, or is left. */
static void closing_meets_sender_and_receiver(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_group_go(s.group, receive_one, &s);
    keel_group_go(s.group, send_one, &s);
    keel_chan_close(s.chan);
    end(&s);
    sim_check(s.received + s.refused == 1 && s.sent == s.received);
}

/* A cancelled exchange happened on both sides, or on neither. */
static void cancel_meets_delivery(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_group_go(s.group, receive_one, &s);
    keel_group_go(s.group, send_one, &s);
    keel_ctx_cancel(s.ctx);
    end(&s);
    sim_check(s.received + s.refused == 1 && s.sent == s.received);
}

/* ---- Select ---- */

static keel_err *send_other(keel_ctx *ctx, void *arg)
{
    return keel_chan_send(ctx, ((shared *)arg)->other, &(int){ 2 });
}

static keel_err *send_here(keel_ctx *ctx, void *arg)
{
    return keel_chan_send(ctx, ((shared *)arg)->chan, &(int){ 1 });
}

/* Each of two senders is received once, whichever comes first. */
static void a_select_takes_one_of_two(void)
{
    shared s = { 0 };
    int a = 0, b = 0;

    begin(&s, 0);
    keel_group_go(s.group, send_here, &s);
    keel_group_go(s.group, send_other, &s);
    for (int i = 0; i < 2; i++) {
        int which = keel_select(NULL, KEEL_RECV(s.chan, &a), KEEL_RECV(s.other, &b));
        sim_check(which == 0 ? a == 1 : b == 2);
        s.sum += which + 1;
    }
    sim_check(s.sum == 3);
    end(&s);
}

static keel_err *select_to_send(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    sim_check(keel_select(ctx, KEEL_SEND(s->chan, &(int){ 1 }), KEEL_SEND(s->other, &(int){ 2 })) >=
              0);
    return NULL;
}

static keel_err *select_to_receive(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    int a = 0, b = 0;
    int which = keel_select(ctx, KEEL_RECV(s->other, &b), KEEL_RECV(s->chan, &a));

    sim_check(which == 0 ? b == 2 : a == 1);
    s->received++;
    return NULL;
}

static void a_select_meets_a_select(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_group_go(s.group, select_to_send, &s);
    keel_group_go(s.group, select_to_receive, &s);
    end(&s);
    sim_check(s.received == 1);
}

static keel_err *receive_in_time(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    int got = 0, which = keel_select(ctx, KEEL_RECV(s->chan, &got), KEEL_AFTER(KEEL_MS(1)));

    sim_check(which == 0 || which == 1);
    s->received = which == 0;
    sim_check(which != 0 || got == 1);
    keel_chan_close(s->chan); /* the sender does not wait for ever */
    return NULL;
}

static void a_timer_meets_a_value(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_group_go(s.group, receive_in_time, &s);
    keel_group_go(s.group, send_one, &s);
    end(&s);
    sim_check(s.sent == s.received);
}

/* The same with a context's deadline, and a plain thread that waits. */
static void a_deadline_meets_a_value(void)
{
    shared s = { 0 };
    int got = 0;

    begin(&s, 0);
    keel_group_go(s.group, send_one, &s);
    keel_ctx *ctx = keel_ctx_with_timeout(keel_runtime_ctx(s.rt), KEEL_MS(1));
    keel_err *err = keel_chan_recv(ctx, s.chan, &got);
    keel_chan_close(s.chan);
    int received = err == NULL;
    if (err != NULL)
        sim_err(err, KEEL_ERR_DEADLINE);
    keel_ctx_free(ctx);
    end(&s);
    sim_check(s.sent == received);
}

/* A context without a runtime has no timer: the thread keeps its deadline. */
static void a_thread_keeps_its_own_deadline(void)
{
    shared s = { 0 };
    int got = 0;

    begin(&s, 0);
    keel_group_go(s.group, send_one, &s);
    keel_ctx *ctx = keel_ctx_with_timeout(NULL, KEEL_MS(1));
    keel_err *err = keel_chan_recv(ctx, s.chan, &got);
    keel_chan_close(s.chan);
    int received = err == NULL;
    if (err != NULL)
        sim_err(err, KEEL_ERR_DEADLINE);
    keel_ctx_free(ctx);
    end(&s);
    sim_check(s.sent == received);
}

/* ---- Locks ---- */

static keel_err *add_twice(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    for (int i = 0; i < 2; i++) {
        keel_mutex_lock(&s->mutex);
        sim_check(s->inside++ == 0);
        keel_yield();
        s->sum++;
        s->inside--;
        keel_mutex_unlock(&s->mutex);
    }
    return NULL;
}

static void a_mutex_goes_from_hand_to_hand(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_mutex_init(&s.mutex);
    keel_group_go(s.group, add_twice, &s);
    keel_group_go(s.group, add_twice, &s);
    end(&s);
    sim_check(s.sum == 4);
    keel_mutex_deinit(&s.mutex);
}

static void a_thread_and_a_task_share_a_mutex(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_mutex_init(&s.mutex);
    keel_group_go(s.group, add_twice, &s);
    sim_ok(add_twice(NULL, &s));
    end(&s);
    sim_check(s.sum == 4);
    keel_mutex_deinit(&s.mutex);
}

static keel_err *lock_while_live(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_err *err = keel_mutex_lock_ctx(s->ctx, &s->mutex);
    if (err == NULL) {
        sim_check(s->inside++ == 0);
        s->sum++;
        s->inside--;
        keel_mutex_unlock(&s->mutex);
    } else {
        s->refused++;
        sim_check(keel_err_is(err, KEEL_ERR_CANCELLED));
        keel_err_free(err);
    }
    return NULL;
}

/* A waiter that is cancelled while it is handed the mutex passes it on. */
static void cancel_meets_a_mutex(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_mutex_init(&s.mutex);
    keel_mutex_lock(&s.mutex);
    keel_group_go(s.group, lock_while_live, &s);
    keel_group_go(s.group, lock_while_live, &s);
    simcore_thread *thread = simcore_go((void (*)(void *))keel_ctx_cancel, s.ctx);
    keel_mutex_unlock(&s.mutex);
    simcore_join(thread);
    end(&s);
    sim_check(s.sum + s.refused == 2);
    sim_check(keel_mutex_try_lock(&s.mutex));
    keel_mutex_unlock(&s.mutex);
    keel_mutex_deinit(&s.mutex);
}

static keel_err *acquire_two(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    KEEL_TRY(keel_semaphore_acquire(ctx, &s->sem, 2));
    s->sum += 2;
    keel_semaphore_release(&s->sem, 2);
    return NULL;
}

static keel_err *acquire_while_live(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_err *err = keel_semaphore_acquire(s->ctx, &s->sem, 1);
    if (err == NULL)
        keel_semaphore_release(&s->sem, 1);
    keel_err_free(err);
    return NULL;
}

static void a_cancelled_waiter_loses_no_permits(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_semaphore_init(&s.sem, 2);
    sim_check(keel_semaphore_try_acquire(&s.sem, 1));
    keel_group_go(s.group, acquire_two, &s);
    keel_group_go(s.group, acquire_while_live, &s);
    keel_ctx_cancel(s.ctx);
    keel_semaphore_release(&s.sem, 1);
    end(&s);
    sim_check(s.sum == 2 && keel_semaphore_try_acquire(&s.sem, 2));
    keel_semaphore_release(&s.sem, 2);
    keel_semaphore_deinit(&s.sem);
}

static keel_err *acquire_two_while_live(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    sim_err(keel_semaphore_acquire(s->ctx, &s->sem, 2), KEEL_ERR_CANCELLED);
    return NULL;
}

static keel_err *acquire_one(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    KEEL_TRY(keel_semaphore_acquire(ctx, &s->sem, 1));
    keel_semaphore_release(&s->sem, 1);
    return NULL;
}

/* One permit is out for ever: the first in the queue gives up, and held up the second. */
static void who_gives_up_lets_others_pass(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_semaphore_init(&s.sem, 2);
    sim_check(keel_semaphore_try_acquire(&s.sem, 1));
    keel_group_go(s.group, acquire_two_while_live, &s);
    keel_group_go(s.group, acquire_one, &s);
    keel_ctx_cancel(s.ctx);
    end(&s);
    keel_semaphore_release(&s.sem, 1);
    keel_semaphore_deinit(&s.sem);
}

static keel_err *be_done(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_waitgroup_done(&s->wg);
    return NULL;
}

/* The waiter may be gone with the waitgroup as soon as the last is done. */
static void a_waitgroup_ends_with_its_last(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_waitgroup_init(&s.wg);
    keel_waitgroup_add(&s.wg, 2);
    keel_group_go(s.group, be_done, &s);
    keel_group_go(s.group, be_done, &s);
    sim_ok(keel_waitgroup_wait(NULL, &s.wg));
    end(&s);
    keel_waitgroup_deinit(&s.wg);
}

static keel_err *count_up(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_yield();
    ((shared *)arg)->sum++;
    return NULL;
}

static keel_err *do_once(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    KEEL_TRY(keel_once_do(ctx, &s->once, count_up, s));
    sim_check(s->sum == 1);
    return NULL;
}

static void once_is_once(void)
{
    shared s = { 0 };

    begin(&s, 0);
    keel_once_init(&s.once);
    keel_group_go(s.group, do_once, &s);
    keel_group_go(s.group, do_once, &s);
    end(&s);
    sim_check(s.sum == 1);
    keel_once_deinit(&s.once);
}

simcore_test(tasks_meet) simcore_test(a_buffer_of_one_passes_all)
    simcore_test(a_thread_meets_a_task) simcore_test(closing_meets_sender_and_receiver)
        simcore_test(cancel_meets_delivery) simcore_test(a_select_takes_one_of_two)
            simcore_test(a_select_meets_a_select) simcore_test(a_timer_meets_a_value)
                simcore_test(a_deadline_meets_a_value) simcore_test(a_thread_keeps_its_own_deadline)
                    simcore_test(a_mutex_goes_from_hand_to_hand)
                        simcore_test(a_thread_and_a_task_share_a_mutex)
                            simcore_test(cancel_meets_a_mutex)
                                simcore_test(a_cancelled_waiter_loses_no_permits)
                                    simcore_test(who_gives_up_lets_others_pass)
                                        simcore_test(a_waitgroup_ends_with_its_last)
                                            simcore_test(once_is_once)

                                                int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_meet_holds),
        cmocka_unit_test(a_buffer_of_one_passes_all_holds),
        cmocka_unit_test(a_thread_meets_a_task_holds),
        cmocka_unit_test(closing_meets_sender_and_receiver_holds),
        cmocka_unit_test(cancel_meets_delivery_holds),
        cmocka_unit_test(a_select_takes_one_of_two_holds),
        cmocka_unit_test(a_select_meets_a_select_holds),
        cmocka_unit_test(a_timer_meets_a_value_holds),
        cmocka_unit_test(a_deadline_meets_a_value_holds),
        cmocka_unit_test(a_thread_keeps_its_own_deadline_holds),
        cmocka_unit_test(a_mutex_goes_from_hand_to_hand_holds),
        cmocka_unit_test(a_thread_and_a_task_share_a_mutex_holds),
        cmocka_unit_test(cancel_meets_a_mutex_holds),
        cmocka_unit_test(a_cancelled_waiter_loses_no_permits_holds),
        cmocka_unit_test(who_gives_up_lets_others_pass_holds),
        cmocka_unit_test(a_waitgroup_ends_with_its_last_holds),
        cmocka_unit_test(once_is_once_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
