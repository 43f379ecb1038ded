/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/atomic.h"

/* Mutex, rwmutex and cond between tasks of two workers and plain threads, and how they may be dropped. */

enum { WORKERS = 2 };

typedef struct shared {
    keel_runtime *rt;
    keel_group *group;
    keel_ctx *ctx;
    keel_mutex mutex;
    keel_rwmutex rw;
    keel_cond cond;
    keel_mutex *box; /* on the heap: freed by who needs it last */
    keel_rwmutex *rw_box;
    int left, writing, reading, sum, refused, ready, taken;
    bool read;
} shared;

static void begin(shared *s)
{
    s->rt = simcore_runtime(WORKERS, NULL);
    s->group = keel_group_new(keel_runtime_ctx(s->rt), NULL);
    s->ctx = keel_ctx_with_cancel(keel_runtime_ctx(s->rt));
}

static void end(shared *s)
{
    sim_ok(keel_group_wait(s->group));
    simcore_stop(s->rt);
    keel_ctx_free(s->ctx);
    keel_rwmutex_deinit(&s->rw);
    keel_cond_deinit(&s->cond);
    keel_mutex_deinit(&s->mutex);
}

/* ---- Mutex ---- */

static keel_err *drop_as_last(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_mutex_lock(s->box);
    bool last = --s->left == 0;
    keel_yield();
    keel_mutex_unlock(s->box);
    if (last) {
        keel_mutex_deinit(s->box);
        keel_mem_free(s->box);
    }
    return NULL;
}

/* Who unlocks it must not touch it when the next owner can have it. */
static void a_mutex_is_dropped_by_its_last_owner(void)
{
    shared s = { .left = 3, .box = keel_mem_calloc(1, sizeof *s.box) };

    begin(&s);
    keel_group_go(s.group, drop_as_last, &s);
    keel_group_go(s.group, drop_as_last, &s);
    sim_ok(drop_as_last(NULL, &s));
    end(&s);
}

static keel_err *add_one(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_mutex_lock(&s->mutex);
    int before = s->sum;
    keel_yield();
    s->sum = before + 1;
    keel_mutex_unlock(&s->mutex);
    return NULL;
}

/* One more than two: somebody is in the queue while another is on its way. */
static void three_share_a_mutex(void)
{
    shared s = { 0 };

    begin(&s);
    keel_group_go(s.group, add_one, &s);
    keel_group_go(s.group, add_one, &s);
    sim_ok(add_one(NULL, &s));
    end(&s);
    sim_check(s.sum == 3);
}

/* ---- Rwmutex ---- */

static keel_err *write_it(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_rwmutex_lock(&s->rw);
    sim_check(s->writing++ == 0 && s->reading == 0);
    keel_yield();
    s->sum++;
    s->writing--;
    keel_rwmutex_unlock(&s->rw);
    return NULL;
}

static keel_err *read_it(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_rwmutex_rlock(&s->rw);
    s->reading++; /* one core runs at a time */
    sim_check(s->writing == 0);
    keel_yield();
    sim_check(s->writing == 0);
    s->reading--;
    keel_rwmutex_runlock(&s->rw);
    return NULL;
}

static void readers_meet_a_writer(void)
{
    shared s = { 0 };

    begin(&s);
    keel_group_go(s.group, read_it, &s);
    keel_group_go(s.group, write_it, &s);
    sim_ok(read_it(NULL, &s));
    end(&s);
    sim_check(s.sum == 1 && s.rw.keel__state.v == 0);
}

static void writers_meet_a_reader(void)
{
    shared s = { 0 };

    begin(&s);
    keel_group_go(s.group, write_it, &s);
    keel_group_go(s.group, read_it, &s);
    sim_ok(write_it(NULL, &s));
    end(&s);
    sim_check(s.sum == 2 && s.rw.keel__state.v == 0);
}

static keel_err *write_while_live(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_err *err = keel_rwmutex_lock_ctx(s->ctx, &s->rw);
    if (err != NULL) {
        sim_err(err, KEEL_ERR_CANCELLED);
        s->refused++;
        return NULL;
    }
    sim_check(s->writing == 0 && s->reading == 0);
    s->sum++;
    keel_rwmutex_unlock(&s->rw);
    return NULL;
}

/* The thread reads; a writer waits for it, and a reader for the writer, who gives up: while the thread
 * goes on reading, the reader comes in. */
static void a_writer_that_gives_up_holds_up_nobody(void)
{
    shared s = { 0 };

    begin(&s);
    keel_rwmutex_rlock(&s.rw);
    keel_group_go(s.group, write_while_live, &s);
    keel_group_go(s.group, read_it, &s);
    keel_ctx_cancel(s.ctx);
    sim_ok(keel_group_wait(s.group));
    keel_rwmutex_runlock(&s.rw);
    s.group = keel_group_new(keel_runtime_ctx(s.rt), NULL);
    end(&s);
    sim_check(s.refused == 1 && s.sum == 0 && s.rw.keel__state.v == 0);
}

/* The same against the thread's leaving: the writer gets it or not, and the reader in any case. */
static void cancel_meets_a_rwmutex(void)
{
    shared s = { 0 };

    begin(&s);
    keel_rwmutex_rlock(&s.rw);
    keel_group_go(s.group, write_while_live, &s);
    keel_group_go(s.group, read_it, &s);
    simcore_thread *thread = simcore_go((void (*)(void *))keel_ctx_cancel, s.ctx);
    keel_rwmutex_runlock(&s.rw);
    simcore_join(thread);
    end(&s);
    sim_check(s.refused + s.sum == 1 && s.rw.keel__state.v == 0);
}

static keel_err *read_box(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_rwmutex_rlock(s->rw_box);
    s->read = true;
    keel_rwmutex_runlock(s->rw_box);
    return NULL;
}

/* The writer knows that the reader has left, and drops it: the reader's call must be done with it. */
static void a_rwmutex_is_dropped_after_its_last_reader(void)
{
    shared s = { .rw_box = keel_mem_calloc(1, sizeof *s.rw_box) };

    begin(&s);
    keel_group_go(s.group, read_box, &s);
    for (bool read = false; !read;) {
        keel_rwmutex_lock(s.rw_box);
        read = s.read;
        keel_rwmutex_unlock(s.rw_box);
        keel_yield();
    }
    keel_rwmutex_deinit(s.rw_box);
    keel_mem_free(s.rw_box);
    end(&s);
}

static keel_err *write_box(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_rwmutex_lock(s->rw_box);
    bool last = --s->left == 0;
    keel_rwmutex_unlock(s->rw_box);
    if (last) {
        keel_rwmutex_deinit(s->rw_box);
        keel_mem_free(s->rw_box);
    }
    return NULL;
}

static void a_rwmutex_is_dropped_by_its_last_writer(void)
{
    shared s = { .left = 3, .rw_box = keel_mem_calloc(1, sizeof *s.rw_box) };

    begin(&s);
    keel_group_go(s.group, write_box, &s);
    keel_group_go(s.group, write_box, &s);
    sim_ok(write_box(NULL, &s));
    end(&s);
}

/* ---- Cond ---- */

static keel_err *take_ready(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    keel_mutex_lock(&s->mutex);
    while (s->ready == 0)
        keel_cond_wait(&s->cond, &s->mutex);
    s->ready--;
    s->taken++;
    keel_mutex_unlock(&s->mutex);
    return NULL;
}

static void make_ready(shared *s, int count)
{
    keel_mutex_lock(&s->mutex);
    s->ready += count;
    keel_mutex_unlock(&s->mutex);
}

static void a_signal_meets_a_wait(void)
{
    shared s = { 0 };

    begin(&s);
    keel_group_go(s.group, take_ready, &s);
    make_ready(&s, 1);
    keel_cond_signal(&s.cond);
    end(&s);
    sim_check(s.taken == 1);
}

static void a_broadcast_meets_two_waits(void)
{
    shared s = { 0 };

    begin(&s);
    keel_group_go(s.group, take_ready, &s);
    keel_group_go(s.group, take_ready, &s);
    make_ready(&s, 2);
    keel_cond_broadcast(&s.cond);
    end(&s);
    sim_check(s.taken == 2);
}

static keel_err *take_while_live(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    keel_err *err = NULL;

    (void)ctx;
    keel_mutex_lock(&s->mutex);
    while (s->ready == 0 && err == NULL)
        err = keel_cond_wait_ctx(s->ctx, &s->cond, &s->mutex);
    sim_check(keel__load(&s->mutex.keel__state) != 0);
    if (err == NULL) {
        s->ready--;
        s->refused = 1; /* the other one still waits */
    } else {
        sim_err(err, KEEL_ERR_CANCELLED);
    }
    keel_mutex_unlock(&s->mutex);
    return NULL;
}

/* One signal, one of two waiters leaves: the signal is for who takes what is ready. */
static void a_signal_is_not_lost_on_who_leaves(void)
{
    shared s = { 0 };
    keel_group *leaving;

    begin(&s);
    leaving = keel_group_new(keel_runtime_ctx(s.rt), NULL);
    keel_group_go(leaving, take_while_live, &s);
    keel_group_go(s.group, take_ready, &s);
    make_ready(&s, 1);
    keel_cond_signal(&s.cond);
    keel_ctx_cancel(s.ctx);
    sim_ok(keel_group_wait(leaving));
    if (s.refused == 1) {
        make_ready(&s, 1);
        keel_cond_signal(&s.cond);
    }
    end(&s);
    sim_check(s.taken == 1 && s.ready == 0);
}

/* clang-format off */
simcore_test(a_mutex_is_dropped_by_its_last_owner)
simcore_test(three_share_a_mutex)
simcore_test(readers_meet_a_writer)
simcore_test(writers_meet_a_reader)
simcore_test(a_writer_that_gives_up_holds_up_nobody)
simcore_test(cancel_meets_a_rwmutex)
simcore_test(a_rwmutex_is_dropped_after_its_last_reader)
simcore_test(a_rwmutex_is_dropped_by_its_last_writer)
simcore_test(a_signal_meets_a_wait)
simcore_test(a_broadcast_meets_two_waits)
simcore_test(a_signal_is_not_lost_on_who_leaves)
    // clang-format on

    int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_is_dropped_by_its_last_owner_holds),
        cmocka_unit_test(three_share_a_mutex_holds),
        cmocka_unit_test(readers_meet_a_writer_holds),
        cmocka_unit_test(writers_meet_a_reader_holds),
        cmocka_unit_test(a_writer_that_gives_up_holds_up_nobody_holds),
        cmocka_unit_test(cancel_meets_a_rwmutex_holds),
        cmocka_unit_test(a_rwmutex_is_dropped_after_its_last_reader_holds),
        cmocka_unit_test(a_rwmutex_is_dropped_by_its_last_writer_holds),
        cmocka_unit_test(a_signal_meets_a_wait_holds),
        cmocka_unit_test(a_broadcast_meets_two_waits_holds),
        cmocka_unit_test(a_signal_is_not_lost_on_who_leaves_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
