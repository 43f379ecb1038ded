/* SPDX-License-Identifier: MIT */
#include "simcore.h"

/* More than two at a time: three cores at one object, two runtimes, a stop that is called twice. */

static keel_chan *new_chan(size_t capacity)
{
    keel_chan *chan;

    sim_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = capacity }));
    return chan;
}

static keel_err *send_one(keel_ctx *ctx, void *chan)
{
    return keel_chan_send(ctx, chan, &(int){ 1 });
}

static keel_err *receive_one(keel_ctx *ctx, void *chan)
{
    int got = 0;

    KEEL_TRY(keel_chan_recv(ctx, chan, &got));
    sim_check(got == 1);
    return NULL;
}

/* ---- Two runtimes ---- */

/* A task of one runtime wakes one of the other, which is then stopped. */
static void runtimes_wake_each_other(void)
{
    keel_runtime *here = simcore_runtime(1, NULL), *there = simcore_runtime(1, NULL);
    keel_chan *chan = new_chan(0);
    keel_group *senders = keel_group_new(keel_runtime_ctx(here), NULL);
    keel_group *receivers = keel_group_new(keel_runtime_ctx(there), NULL);

    keel_group_go(receivers, receive_one, chan);
    keel_group_go(senders, send_one, chan);
    sim_ok(keel_group_wait(receivers));
    sim_ok(keel_runtime_stop(NULL, there)); /* perhaps while the sender's worker still wakes it */
    sim_ok(keel_group_wait(senders));
    simcore_stop(here);
    keel_chan_free(chan);
}

/* ---- Stopping twice ---- */

static keel_err *hold_on(keel_ctx *ctx, void *chan)
{
    int got;

    (void)ctx;
    return keel_chan_recv(NULL, chan, &got); /* whatever its context says */
}

static void let_go(void *group)
{
    sim_ok(keel_group_wait(group));
}

/* A stop that runs out of time frees nothing, and can be called again. */
static void a_stop_that_expires_is_repeated(void)
{
    keel_runtime *rt = simcore_runtime(2, NULL);
    keel_chan *chan = new_chan(0);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);

    keel_group_go(group, hold_on, chan);
    simcore_thread *thread = simcore_go(let_go, group);
    keel__machine_settle();
    keel_ctx *limit = keel_ctx_with_timeout(NULL, KEEL_MS(1));
    sim_err(keel_runtime_stop(limit, rt), KEEL_ERR_DEADLINE);
    keel_ctx_free(limit);
    sim_ok(keel_chan_send(NULL, chan, &(int){ 1 }));
    sim_ok(keel_runtime_stop(NULL, rt));
    simcore_join(thread);
    keel_chan_free(chan);
}

/* ---- Three at one object ---- */

typedef struct crowd {
    keel_mutex mutex;
    keel_waitgroup wg;
    keel_semaphore sem;
    keel_chan *chan;
    keel_ctx *ctx;
    int inside, sum;
} crowd;

static void add_one(void *arg)
{
    crowd *c = arg;

    keel_mutex_lock(&c->mutex);
    sim_check(c->inside++ == 0);
    c->sum++;
    c->inside--;
    keel_mutex_unlock(&c->mutex);
}

/* Plain threads only: no runtime at all. */
static void three_threads_share_a_mutex(void)
{
    crowd c = { 0 };
    simcore_thread *threads[2];

    for (int i = 0; i < 2; i++)
        threads[i] = simcore_go(add_one, &c);
    add_one(&c);
    for (int i = 0; i < 2; i++)
        simcore_join(threads[i]);
    sim_check(c.sum == 3);
    keel_mutex_deinit(&c.mutex);
}

static void take_and_give(void *arg)
{
    crowd *c = arg;

    sim_ok(keel_semaphore_acquire(NULL, &c->sem, 1));
    keel_semaphore_release(&c->sem, 1);
}

static void three_threads_share_two_permits(void)
{
    crowd c = { 0 };
    simcore_thread *threads[2];

    keel_semaphore_init(&c.sem, 2);
    for (int i = 0; i < 2; i++)
        threads[i] = simcore_go(take_and_give, &c);
    sim_ok(keel_semaphore_acquire(NULL, &c.sem, 2));
    keel_semaphore_release(&c.sem, 2);
    for (int i = 0; i < 2; i++)
        simcore_join(threads[i]);
    keel_semaphore_deinit(&c.sem);
}

static void send_in_vain(void *arg)
{
    crowd *c = arg;
    keel_err *err = keel_chan_send(NULL, c->chan, &(int){ 1 });

    if (err != NULL)
        sim_err(err, KEEL_ERR_CLOSED);
    else
        c->sum++;
}

static void close_it(void *chan)
{
    keel_chan_close(chan);
}

/* Who selects learns of a value or of the close, and a value that was sent is not lost. */
static void a_close_meets_a_select(void)
{
    crowd c = { .chan = new_chan(0) };
    keel_chan *silent = new_chan(0);
    int got = 0, unused = 0;
    bool some = false;

    simcore_thread *sender = simcore_go(send_in_vain, &c);
    simcore_thread *closer = simcore_go(close_it, c.chan);
    int which = keel_select(NULL, KEEL_RECV(silent, &unused), KEEL_RECV_OK(c.chan, &got, &some));
    sim_check(which == 1 && got == (some ? 1 : 0));
    simcore_join(sender);
    simcore_join(closer);
    sim_check(c.sum == (some ? 1 : 0));
    keel_chan_free(c.chan);
    keel_chan_free(silent);
}

static void cancel(void *ctx)
{
    keel_ctx_cancel(ctx);
}

static void be_done(void *arg)
{
    keel_waitgroup_done(&((crowd *)arg)->wg);
}

static void a_cancel_meets_a_waitgroup(void)
{
    crowd c = { .ctx = keel_ctx_with_cancel(NULL) };

    keel_waitgroup_add(&c.wg, 1);
    simcore_thread *canceller = simcore_go(cancel, c.ctx), *worker = simcore_go(be_done, &c);
    keel_err *err = keel_waitgroup_wait(c.ctx, &c.wg);
    if (err != NULL)
        sim_err(err, KEEL_ERR_CANCELLED);
    simcore_join(canceller);
    simcore_join(worker);
    sim_ok(keel_waitgroup_wait(NULL, &c.wg));
    keel_waitgroup_deinit(&c.wg);
    keel_ctx_free(c.ctx);
}

/* The buffer is full while a sender waits, empty while a receiver does; nobody is overlooked. */
static void three_tasks_share_a_buffer(void)
{
    keel_runtime *rt = simcore_runtime(3, NULL);
    keel_chan *chan = new_chan(1);
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);

    keel_group_go(group, send_one, chan);
    keel_group_go(group, send_one, chan);
    keel_group_go(group, receive_one, chan);
    sim_ok(receive_one(NULL, chan));
    sim_ok(keel_group_wait(group));
    sim_check(keel_chan_len(chan) == 0);
    simcore_stop(rt);
    keel_chan_free(chan);
}

/* A deadline that nobody's timer keeps, because there is no runtime: the waiters keep it. */
static void two_threads_keep_a_deadline(void)
{
    crowd c = { .chan = new_chan(0), .ctx = keel_ctx_with_timeout(NULL, KEEL_MS(1)) };
    keel_ctx *child = keel_ctx_with_cancel(c.ctx);
    int got;

    simcore_thread *other = simcore_go(cancel, child);
    keel_err *err = keel_chan_recv(child, c.chan, &got);
    sim_check(keel_err_is(err, KEEL_ERR_DEADLINE) || keel_err_is(err, KEEL_ERR_CANCELLED));
    keel_err_free(err);
    sim_err(keel_chan_recv(c.ctx, c.chan, &got), KEEL_ERR_DEADLINE);
    simcore_join(other);
    keel_ctx_free(child);
    keel_ctx_free(c.ctx);
    keel_chan_free(c.chan);
}

simcore_test(runtimes_wake_each_other) simcore_test(a_stop_that_expires_is_repeated)
    simcore_test(three_threads_share_a_mutex) simcore_test(three_threads_share_two_permits)
        simcore_test(a_close_meets_a_select) simcore_test(a_cancel_meets_a_waitgroup)
            simcore_test(three_tasks_share_a_buffer) simcore_test(two_threads_keep_a_deadline)

                int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtimes_wake_each_other_holds),
        cmocka_unit_test(a_stop_that_expires_is_repeated_holds),
        cmocka_unit_test(three_threads_share_a_mutex_holds),
        cmocka_unit_test(three_threads_share_two_permits_holds),
        cmocka_unit_test(a_close_meets_a_select_holds),
        cmocka_unit_test(a_cancel_meets_a_waitgroup_holds),
        cmocka_unit_test(three_tasks_share_a_buffer_holds),
        cmocka_unit_test(two_threads_keep_a_deadline_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
