/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>

#include <keel/sim.h>

#include "task/switch.h"

/* Tasks that crash, or never give up the thread. */

static void expect(keel_sim_report *report, keel_sim_kind kind)
{
    if (report->kind != kind)
        print_message("%s", report->text);
    assert_int_equal(report->kind, kind);
    keel_sim_report_free(report);
}

static keel_err *use_null(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_yield();
    *(volatile int *)arg = 1;
    return NULL;
}

static keel_err *call_abort(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    abort();
}

static int overflow(volatile int depth)
{
    volatile char room[1000];

    room[depth % 1000] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + room[depth % 1000];
}

static keel_err *use_up_stack(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return overflow(0) == 0 ? KEEL_ERR_RANGE : NULL;
}

static void a_crash_is_a_report(void **state)
{
    (void)state;
    if (KEEL__ASAN || KEEL__TSAN)
        skip(); /* they report crashes themselves */
    for (int i = 0; i < 2; i++) {
        expect(keel_sim_explore("null", use_null, NULL, NULL), KEEL_SIM_CRASH);
        expect(keel_sim_explore("abort", call_abort, NULL, NULL), KEEL_SIM_CRASH);
        keel_sim_report *report = keel_sim_explore("stack", use_up_stack, NULL, NULL);
        assert_int_equal(report->kind, KEEL_SIM_CRASH);
        assert_non_null(strstr(report->text, "stack is used up"));
        keel_sim_report_free(report);
    }
}

static volatile bool never;

static keel_err *compute_for_ever(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    while (!never)
        ;
    return NULL;
}

static void a_loop_without_operations_is_a_livelock(void **state)
{
    (void)state;
    if (KEEL__ASAN || KEEL__TSAN)
        skip(); /* as for crashes: no leaving from a signal */
    keel_sim_report *report = keel_sim_run("loop", compute_for_ever, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_LIVELOCK);
    assert_non_null(strstr(report->text, "without an operation"));
    keel_sim_report_free(report);
}

/* ---- Afterwards ---- */

static keel_err *nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static volatile sig_atomic_t ticks;

static void count_tick(int number)
{
    (void)number;
    ticks++;
}

/* What looks for such loops is a signal that may come late, when the simulation is over. */
static void a_late_tick_of_the_watchdog_harms_nobody(void **state)
{
    (void)state;
    if (KEEL__ASAN || KEEL__TSAN)
        skip(); /* there is no watchdog */
    expect(keel_sim_run("nothing", nothing, NULL, NULL), KEEL_SIM_PASS);
    assert_int_equal(raise(SIGVTALRM), 0);
}

static void the_programs_own_handler_is_put_back(void **state)
{
    struct sigaction own = { .sa_handler = count_tick }, before;

    (void)state;
    assert_int_equal(sigaction(SIGVTALRM, &own, &before), 0);
    ticks = 0;
    expect(keel_sim_run("nothing", nothing, NULL, NULL), KEEL_SIM_PASS);
    raise(SIGVTALRM);
    assert_int_equal(ticks, 1);
    assert_int_equal(sigaction(SIGVTALRM, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_crash_is_a_report),
        support_test(a_loop_without_operations_is_a_livelock),
        support_test(a_late_tick_of_the_watchdog_harms_nobody),
        support_test(the_programs_own_handler_is_put_back),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
