/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_EXPLORED_H
#define KEEL_TESTS_EXPLORED_H

/* Scenarios that also run for real, under the schedules of the simulator: the plain one, those with one
 * deviation, then random ones, for so long that the whole suite stays quick, or, with KEEL_TEST_LONG in the
 * environment, a second each. A failure names the schedule that KEEL_SIM_REPLAY repeats. */

#include "support.h"

#include <inttypes.h>

#include <keel/sim.h>

enum { EXPLORED_MS = 25, EXPLORED_LONG_MS = 1000 };

/* The simulator's timers may fire while tasks are ready, so that time is never exact: */
#define explored(fn, arg) explored_as(#fn, (fn), (arg), (keel_sim_opts){ .seed = 0 })
/* for scenarios that say when something happens, they fire only when nothing is ready. */
#define explored_on_time(fn, arg)                                                                  \
    explored_as(#fn, (fn), (arg), (keel_sim_opts){ .fixed_time = true })

/* Runs a scenario as a task of a runtime, and explores it. */
#define run_and_explore(fn, arg)                                                                   \
    (assert_ok(support_run((fn), (arg))),                                                          \
     explored_as(#fn, (fn), (arg), (keel_sim_opts){ .seed = 0 }))
#define run_and_explore_on_time(fn, arg)                                                           \
    (assert_ok(support_run((fn), (arg))),                                                          \
     explored_as(#fn, (fn), (arg), (keel_sim_opts){ .fixed_time = true }))

static inline void explored_as(const char *name, keel_task_fn fn, void *arg, keel_sim_opts opts)
{
    /* one thread: a race detector could only make it slow */
#if !defined KEEL_TSAN && !defined KEEL_TSAN_CORE
    bool longer = getenv("KEEL_TEST_LONG") != NULL;

    opts.max_ms = longer ? EXPLORED_LONG_MS : EXPLORED_MS;
    opts.max_runs = longer ? KEEL_UNLIMITED : 0;
    keel_sim_report *report = keel_sim_explore(name, fn, arg, &opts);
    if (report->kind == KEEL_SIM_PASS)
        print_message("    %-55s %6" PRIu64 " runs, %5" PRIu64 " operations%s\n", name,
                      report->runs, report->steps, report->exhausted ? ", every deviation" : "");
    assert_sim_ok(report);
#else
    (void)name, (void)fn, (void)arg, (void)opts;
#endif
}

/* How often to repeat something: a simulated run is to be short, there will be many. */
static inline size_t repeats(size_t really, size_t simulated)
{
    return keel_sim_active() ? simulated : really;
}

#endif /* KEEL_TESTS_EXPLORED_H */
