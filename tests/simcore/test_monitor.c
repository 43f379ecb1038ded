/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/spin.h"
#include "task/worker.h"

/* The monitor sleeps when all workers do: a worker that wakes up meanwhile wakes it, or is seen by it. */

typedef struct seen {
    keel__a32 reports;
} seen;

static void take(void *seen_, const char *report)
{
    seen *s = seen_;

    (void)report;
    keel__add(&s->reports, 1);
}

/* Keeps its worker until that was noticed. */
static keel_err *keep_worker(keel_ctx *ctx, void *seen_)
{
    seen *s = seen_;

    (void)ctx;
    while (keel__load(&s->reports) == 0)
        keel__pause();
    return NULL;
}

/* The start is explored too: there the monitor comes to rest while the worker begins its work. */
static void explore(unsigned workers, bool settled)
{
    seen s = { 0 };
    keel_runtime *rt;

    keel__machine_quiet(true);
    sim_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers,
                                                         .stall_ns = KEEL_US(400),
                                                         .on_stall = take,
                                                         .on_stall_arg = &s }));
    if (settled)
        keel__machine_settle();
    keel__machine_quiet(false);
    sim_ok(keel_runtime_run(rt, keep_worker, &s));
    keel__machine_quiet(true);
    sim_ok(keel_runtime_stop(NULL, rt));
    keel__machine_quiet(false);
}

static void a_worker_wakes_the_monitor(void)
{
    explore(1, true);
}

static void the_monitor_sees_a_worker_that_begins_as_it_goes_to_sleep(void)
{
    explore(1, false);
}

simcore_test(a_worker_wakes_the_monitor)
    simcore_test(the_monitor_sees_a_worker_that_begins_as_it_goes_to_sleep)

        int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_wakes_the_monitor_holds),
        cmocka_unit_test(the_monitor_sees_a_worker_that_begins_as_it_goes_to_sleep_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
