/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <inttypes.h>

#include <keel/sim.h>

/* Programs with one planted bug each, of the kinds that concurrent programs have. The simulator must find
 * every one with its default budget, alone and among six busy tasks, and leave the corrected one alone. */

typedef struct world {
    bool fixed;
    keel_ctx *ctx;
    keel_mutex a, b;
    keel_semaphore sem;
    keel_chan *chan, *other;
    int number, seen;
    bool flag, want[2];
} world;

typedef struct bug {
    const char *name;
    keel_err *(*program)(keel_ctx *ctx, world *w);
    keel_sim_kind kind;
} bug;

/* What a run is to do; the same for all runs of an exploration. */
typedef struct plan {
    const bug *bug;
    bool fixed, large;
} plan;

/* ---- Helpers ---- */

static keel_err *both(keel_ctx *ctx, world *w, keel_task_fn first, keel_task_fn second)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, first, w);
    keel_group_go(group, second, w);
    return keel_group_wait(group);
}

/* An operation that never waits. */
static void operation(keel_ctx *ctx)
{
    keel_err_free(keel_ctx_err(ctx)); /* static, and not of interest */
}

/* ---- Two locks in two orders ---- */

static keel_err *a_then_b(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_mutex_lock(&w->a);
    keel_mutex_lock(&w->b);
    keel_mutex_unlock(&w->b);
    keel_mutex_unlock(&w->a);
    return NULL;
}

static keel_err *b_then_a(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    if (w->fixed)
        return a_then_b(ctx, arg);
    keel_mutex_lock(&w->b);
    keel_mutex_lock(&w->a);
    keel_mutex_unlock(&w->a);
    keel_mutex_unlock(&w->b);
    return NULL;
}

static keel_err *abba(keel_ctx *ctx, world *w)
{
    return both(ctx, w, a_then_b, b_then_a);
}

/* ---- A value read, and written later ---- */

static keel_err *increment(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    if (w->fixed)
        keel_mutex_lock(&w->a);
    int number = w->number;
    operation(ctx);
    w->number = number + 1;
    if (w->fixed)
        keel_mutex_unlock(&w->a);
    return NULL;
}

static keel_err *lost_update(keel_ctx *ctx, world *w)
{
    KEEL_TRY(both(ctx, w, increment, increment));
    KEEL_CHECK(w->number == 2);
    return NULL;
}

/* ---- One change in two critical sections ---- */

static keel_err *increment_in_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_mutex_lock(&w->a);
    int number = w->number;
    if (!w->fixed) {
        keel_mutex_unlock(&w->a);
        keel_mutex_lock(&w->a);
    }
    w->number = number + 1;
    keel_mutex_unlock(&w->a);
    return NULL;
}

static keel_err *two_sections(keel_ctx *ctx, world *w)
{
    KEEL_TRY(both(ctx, w, increment_in_two, increment_in_two));
    KEEL_CHECK(w->number == 2);
    return NULL;
}

/* ---- A flag is looked at, then waited for ---- */

static keel_err *await_flag(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int got;

    keel_mutex_lock(&w->a);
    bool ready = w->flag;
    keel_mutex_unlock(&w->a);
    return ready ? NULL : keel_chan_recv(ctx, w->chan, &got);
}

static keel_err *set_flag(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_mutex_lock(&w->a);
    w->flag = true;
    keel_mutex_unlock(&w->a);
    /* nobody waits? then nobody need be told */
    return keel_chan_try_send(w->chan, &(int){ 1 }) == KEEL_CHAN_CLOSED ? KEEL_ERR_CLOSED : NULL;
}

static keel_err *lost_wakeup(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), &(keel_chan_opts){ .capacity = w->fixed }));
    keel_err *err = both(ctx, w, await_flag, set_flag);
    keel_chan_free(w->chan);
    return err;
}

/* ---- Two who close ---- */

static keel_err *finish(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    if (w->fixed)
        keel_mutex_lock(&w->a);
    bool closed = w->flag;
    operation(ctx);
    if (!closed) {
        w->flag = true;
        keel_chan_close(w->chan);
    }
    if (w->fixed)
        keel_mutex_unlock(&w->a);
    return NULL;
}

static keel_err *double_close(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), NULL));
    keel_err *err = both(ctx, w, finish, finish);
    keel_chan_free(w->chan);
    return err;
}

/* ---- A receiver that leaves early, and a sender that waits for it ---- */

static keel_err *send_three(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 3; i++)
        KEEL_TRY(keel_chan_send(NULL, w->chan, &i));
    keel_chan_close(w->chan);
    return NULL;
}

static keel_err *cancel_later(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 3; i++) /* all should have come by then */
        keel_yield();
    keel_ctx_cancel(w->ctx);
    return NULL;
}

static keel_err *missing_drain(keel_ctx *ctx, world *w)
{
    int got;

    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), NULL));
    KEEL_TRY(keel_chan_new(&w->other, sizeof(int), &(keel_chan_opts){ .capacity = 3 }));
    w->ctx = keel_ctx_with_cancel(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, send_three, w);
    keel_group_go(group, cancel_later, w);
    keel_err *err = NULL;
    for (int i = 0; i < 3 && err == NULL; i++) {
        err = keel_chan_recv(w->ctx, w->chan, &got);
        KEEL_CHECK(keel_chan_try_send(w->other, &i) == KEEL_CHAN_DONE);
    }
    if (err != NULL && !w->fixed)
        return NULL; /* the sender still waits */
    while (keel_chan_next(NULL, w->chan, &got))
        ;
    keel_ctx_cancel(keel_group_ctx(group));
    err = keel_group_wait(group);
    keel_chan_free(w->chan);
    keel_chan_free(w->other);
    keel_ctx_free(w->ctx);
    return err;
}

/* ---- A time limit that is not expected to pass ---- */

static keel_err *answer(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    operation(ctx);
    return keel_chan_send(NULL, w->chan, &(int){ 42 });
}

static keel_err *timeout(keel_ctx *ctx, world *w)
{
    int got;

    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, answer, w);
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(30));
    keel_err *err = keel_chan_recv(limited, w->chan, &got);
    KEEL_CHECK(w->fixed || err == NULL); /* it has half a minute, and does nothing */
    keel_ctx_free(limited);
    KEEL_TRY(keel_group_wait(group));
    keel_chan_free(w->chan);
    return NULL;
}

/* ---- Two cases are ready, and one is expected ---- */

static keel_err *send_then_say_so(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    KEEL_TRY(keel_chan_send(ctx, w->chan, &(int){ 1 }));
    keel_chan_close(w->other);
    return NULL;
}

static keel_err *wrong_case(keel_ctx *ctx, world *w)
{
    int got = 0, none, sum = 0;

    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    KEEL_TRY(keel_chan_new(&w->other, sizeof(int), NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, send_then_say_so, w);
    keel_yield();
    while (keel_select(ctx, KEEL_RECV(w->chan, &got), KEEL_RECV(w->other, &none)) == 0)
        sum += got;
    while (w->fixed && keel_chan_try_recv(w->chan, &got) == KEEL_CHAN_DONE)
        sum += got;
    KEEL_CHECK(sum == 1);
    KEEL_TRY(keel_group_wait(group));
    keel_chan_free(w->chan);
    keel_chan_free(w->other);
    return NULL;
}

/* ---- An item between two channels when the context ends ---- */

static keel_err *forward(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    (void)ctx;
    while (keel_chan_next(w->ctx, w->chan, &item)) {
        keel_err *err = keel_chan_send(w->ctx, w->other, &item);
        if (err != NULL && w->fixed)
            w->seen++;
        keel_err_free(err); /* the next turn sees it, too */
    }
    return NULL;
}

static keel_err *cancel(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_ctx_cancel(w->ctx);
    return NULL;
}

static keel_err *lost_item(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), &(keel_chan_opts){ .capacity = 2 }));
    KEEL_TRY(keel_chan_new(&w->other, sizeof(int), &(keel_chan_opts){ .capacity = 2 }));
    w->ctx = keel_ctx_with_cancel(ctx);
    for (int i = 0; i < 2; i++)
        KEEL_TRY(keel_chan_send(ctx, w->chan, &i));
    KEEL_TRY(both(ctx, w, forward, cancel));
    w->seen += (int)keel_chan_len(w->chan) + (int)keel_chan_len(w->other);
    KEEL_CHECK(w->seen == 2);
    keel_ctx_free(w->ctx);
    keel_chan_free(w->chan);
    keel_chan_free(w->other);
    return NULL;
}

/* ---- A way out that forgets the group ---- */

static keel_err *receive_one(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int got;

    (void)ctx;
    (void)keel_chan_next(NULL, w->chan, &got);
    return NULL;
}

static keel_err *forgotten_wait(keel_ctx *ctx, world *w)
{
    KEEL_TRY(keel_chan_new(&w->chan, sizeof(int), NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, receive_one, w);
    keel_yield();
    if (keel_chan_try_send(w->chan, &(int){ 1 }) != KEEL_CHAN_DONE) {
        if (!w->fixed)
            return NULL;
        keel_chan_close(w->chan);
    }
    KEEL_TRY(keel_group_wait(group));
    keel_chan_free(w->chan);
    return NULL;
}

/* ---- A way out that forgets memory ---- */

static keel_err *work_with_memory(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    void *buffer = keel_mem_alloc(100);

    (void)ctx;
    if (keel_ctx_err(w->ctx) != NULL) {
        if (w->fixed)
            keel_mem_free(buffer);
        return NULL;
    }
    keel_mem_free(buffer);
    return NULL;
}

static keel_err *memory_leak(keel_ctx *ctx, world *w)
{
    w->ctx = keel_ctx_with_cancel(ctx);
    KEEL_TRY(both(ctx, w, work_with_memory, cancel));
    keel_ctx_free(w->ctx);
    return NULL;
}

/* ---- A counter that nothing guards ---- */

static keel_err *count(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (w->fixed)
        keel_mutex_lock(&w->a);
    KEEL_WRITE(w->number) = KEEL_READ(w->number) + 1;
    if (w->fixed)
        keel_mutex_unlock(&w->a);
    return NULL;
}

static keel_err *race(keel_ctx *ctx, world *w)
{
    return both(ctx, w, count, count);
}

/* ---- A permit given back that was not taken ---- */

static keel_err *use_permit(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    bool taken = keel_semaphore_try_acquire(&w->sem, 1);

    operation(ctx);
    if (taken || !w->fixed)
        keel_semaphore_release(&w->sem, 1);
    return NULL;
}

static keel_err *over_release(keel_ctx *ctx, world *w)
{
    keel_semaphore_init(&w->sem, 1);
    return both(ctx, w, use_permit, use_permit);
}

/* ---- After you. No, after you ---- */

static keel_err *be_polite(keel_ctx *ctx, world *w, int me)
{
    w->want[me] = true;
    operation(ctx);
    bool clash = w->want[1 - me];
    while (clash) {
        keel_yield();
        clash = w->want[1 - me];
        keel_yield();
        if (clash)
            w->want[me] = false;
        keel_yield();
        w->want[me] = true;
        if (w->fixed && clash && me == 1) /* one has to insist */
            KEEL_TRY(keel_sleep(ctx, KEEL_MS(1)));
        if (w->fixed && me == 0)
            clash = false;
    }
    w->want[me] = false;
    return NULL;
}

static keel_err *polite_first(keel_ctx *ctx, void *arg)
{
    return be_polite(ctx, arg, 0);
}

static keel_err *polite_second(keel_ctx *ctx, void *arg)
{
    return be_polite(ctx, arg, 1);
}

static keel_err *livelock(keel_ctx *ctx, world *w)
{
    return both(ctx, w, polite_first, polite_second);
}

/* ---- What chance and the allocator left in memory, and where ---- */

static keel_err *by_garbage(keel_ctx *ctx, world *w)
{
    unsigned char *bytes = w->fixed ? keel_mem_calloc(1, 64) : keel_mem_alloc(64);
    unsigned sum = 0;

    if (bytes == NULL)
        return KEEL_ERR_NOMEM;
    for (int i = 0; i < 64; i++)
        sum = sum * 31 + *(volatile unsigned char *)(bytes + i);
    for (unsigned i = 0; i < sum % 61; i++)
        operation(ctx);
    keel_mem_free(bytes);
    return NULL;
}

static keel_err *by_address(keel_ctx *ctx, world *w)
{
    void *ptr = keel_mem_alloc(64);
    uintptr_t key = w->fixed ? 7 : (uintptr_t)ptr >> 4;

    for (uintptr_t i = 0; i < key % 61; i++)
        operation(ctx);
    keel_mem_free(ptr);
    return NULL;
}

/* ---- Three switches, at the right places ---- */

static keel_err *step_odd(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    w->number = 1;
    operation(ctx);
    if (w->number == 2) {
        w->number = 3;
        operation(ctx);
        KEEL_CHECK(w->fixed || w->number != 4);
    }
    return NULL;
}

static keel_err *step_even(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    if (w->number == 1) {
        w->number = 2;
        operation(ctx);
        if (w->number == 3)
            w->number = 4;
    }
    return NULL;
}

static keel_err *three_switches(keel_ctx *ctx, world *w)
{
    return both(ctx, w, step_odd, step_even);
}

/* ---- All of them ---- */

static const bug bugs[] = {
    { "abba", abba, KEEL_SIM_DEADLOCK },
    { "lost_update", lost_update, KEEL_SIM_CHECK },
    { "two_sections", two_sections, KEEL_SIM_CHECK },
    { "lost_wakeup", lost_wakeup, KEEL_SIM_DEADLOCK },
    { "double_close", double_close, KEEL_SIM_MISUSE },
    { "missing_drain", missing_drain, KEEL_SIM_TASK_LEAK },
    { "timeout", timeout, KEEL_SIM_CHECK },
    { "wrong_case", wrong_case, KEEL_SIM_CHECK },
    { "lost_item", lost_item, KEEL_SIM_CHECK },
    { "forgotten_wait", forgotten_wait, KEEL_SIM_TASK_LEAK },
    { "memory_leak", memory_leak, KEEL_SIM_MEMORY_LEAK },
    { "race", race, KEEL_SIM_RACE },
    { "over_release", over_release, KEEL_SIM_MISUSE },
    { "livelock", livelock, KEEL_SIM_LIVELOCK },
    { "by_garbage", by_garbage, KEEL_SIM_NONDETERMINISM },
    { "by_address", by_address, KEEL_SIM_NONDETERMINISM },
    { "three_switches", three_switches, KEEL_SIM_CHECK },
};
enum { BUGS = sizeof bugs / sizeof *bugs };

enum { NOISE_TASKS = 6, NOISE_LAPS = 24 };

static keel_err *noise(keel_ctx *ctx, void *arg)
{
    keel_mutex own = { 0 };

    (void)ctx;
    (void)arg;
    for (int i = 0; i < NOISE_LAPS; i++) {
        keel_mutex_lock(&own);
        keel_mutex_unlock(&own);
        if (i % 6 == 5)
            keel_yield();
    }
    return NULL;
}

static keel_err *run_plan(keel_ctx *ctx, void *arg)
{
    static world w; /* for tasks that outlive the scenario */
    const plan *p = arg;

    w = (world){ .fixed = p->fixed };

    if (!p->large)
        return p->bug->program(ctx, &w);
    keel_group *group = keel_group_new(ctx, NULL);
    for (int i = 0; i < NOISE_TASKS; i++)
        keel_group_go(group, noise, NULL);
    keel_err *err = p->bug->program(ctx, &w);
    return keel_err_join(err, keel_group_wait(group));
}

/* ---- Tests ---- */

static void find(const bug *b, bool large)
{
    plan p = { .bug = b, .large = large };
    keel_sim_report *report = keel_sim_explore(b->name, run_plan, &p, NULL);

    print_message("%-15s %-5s %-16s %7" PRIu64 " runs %9.2f ms %5" PRIu64 " steps %zu deviations\n",
                  b->name, large ? "large" : "small", keel_sim_kind_name(report->kind),
                  report->runs, (double)report->real_ns / 1e6, report->steps, report->deviations);
    if (report->kind != b->kind || report->deviations > 4)
        print_message("%s", report->text);
    assert_int_equal(report->kind, b->kind);
    assert_in_range(report->deviations, 0, 4);
    for (int i = 0; i < 2 && b->kind != KEEL_SIM_NONDETERMINISM; i++) {
        keel_sim_report *again = keel_sim_replay(report->replay, run_plan, &p, NULL);

        assert_int_equal(again->kind, b->kind);
        assert_int_equal(again->trace_hash, report->trace_hash);
        keel_sim_report_free(again);
    }
    keel_sim_report_free(report);
}

static void every_bug_is_found_and_shown_in_few_deviations(void **state)
{
    (void)state;
    for (int i = 0; i < BUGS; i++)
        find(&bugs[i], false);
}

static void every_bug_is_found_among_six_busy_tasks(void **state)
{
    (void)state;
    for (int i = 0; i < BUGS; i++)
        find(&bugs[i], true);
}

static void pass(const bug *b, bool large, const keel_sim_opts *opts)
{
    plan p = { .bug = b, .fixed = true, .large = large };
    keel_sim_report *report = keel_sim_explore(b->name, run_plan, &p, opts);

    if (report->kind != KEEL_SIM_PASS)
        print_message("%s", report->text);
    assert_int_equal(report->kind, KEEL_SIM_PASS);
    if (opts->max_ms == INT64_MAX / 1000000) {
        print_message("%s", report->text);
        assert_in_range(report->runs, 200000, 200100);
    }
    keel_sim_report_free(report);
}

static void a_corrected_program_passes(void **state)
{
    (void)state;
    for (int i = 0; i < BUGS; i++) {
        pass(&bugs[i], false, &(keel_sim_opts){ .max_ms = 150 });
        pass(&bugs[i], true, &(keel_sim_opts){ .max_ms = 150 });
    }
}

static void a_correct_program_passes_200000_runs(void **state)
{
    (void)state;
    pass(&bugs[0], false, &(keel_sim_opts){ .max_runs = 200000, .max_ms = INT64_MAX / 1000000 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(every_bug_is_found_and_shown_in_few_deviations),
        support_test(every_bug_is_found_among_six_busy_tasks),
        support_test(a_corrected_program_passes),
        support_test(a_correct_program_passes_200000_runs),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
