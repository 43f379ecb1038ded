/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_FLOW_EXPLORED_H
#define KEEL_TESTS_FLOW_EXPLORED_H

/* A table of scenarios, each under every schedule within the bound. That must not end for want of time: it
 * would depend on the machine what was tested. */

#include "support.h"

#include <inttypes.h>

#include <keel/sim.h>

typedef struct scenario {
    const char *name;
    keel_task_fn fn;
    void *arg;
    bool fixed_time; /* timers fire only when no task can run */
} scenario;

/* What `opts` says beside the strategy is for all of them. */
static inline void explore_all(const scenario *scenarios, size_t count, keel_sim_opts opts)
{
    opts.strategy = KEEL_SIM_EXHAUSTIVE;
    opts.max_runs = KEEL_UNLIMITED;
    opts.max_ms = 120000;
    for (size_t i = 0; i < count; i++) {
        const scenario *s = &scenarios[i];

        opts.fixed_time = s->fixed_time;
        keel_sim_report *report = keel_sim_explore(s->name, s->fn, s->arg, &opts);
        if (getenv("KEEL_TEST_LONG") != NULL)
            print_message("%s: %" PRIu64 " runs, %" PRId64 " ms\n", s->name, report->runs,
                          report->real_ns / 1000000);
        assert_true(report->kind != KEEL_SIM_PASS || report->exhausted);
        assert_sim_ok(report);
    }
}

/* One, named as its function. */
#define explore_one(function, fixed)                                                               \
    explore_all(&(const scenario){ #function, (function), NULL, (fixed) }, 1,                      \
                (keel_sim_opts){ .seed = 0 })

#endif /* KEEL_TESTS_FLOW_EXPLORED_H */
