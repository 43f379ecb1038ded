/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_SIMCORE_H
#define KEEL_TESTS_SIMCORE_H

/* Explores what the task floor does on several simulated cores (task/core.h).
 *
 * A scenario is a function that runs on the first core, starts a runtime and threads, and checks what comes
 * out. It is run again and again, each time with other answers to "which core goes on?". A schedule is a
 * list of deviations from the default, which is to let the running core go on, else the next in turn:
 *     every schedule with one deviation, dense: with a point after each access too, not only before;
 *     every schedule with two: a scenario too large for that has failed;
 *     every schedule with two and dense, with three: as far as the budget goes, spread evenly;
 *     then random ones (a core may lose its turn at any point) and PCT ones (Burckhardt et al., 2010: random
 *     priorities and some points where they change).
 * A run fails by a check, a deadlock, a core or memory that is left, a write to freed memory, misuse, a
 * crash or too many steps. Then its schedule is reduced, and shown with the line that replays it.
 *
 * Environment: KEEL_SIMCORE_MS, the computing time of a scenario for what has a budget, and a quarter of it
 * for random schedules; KEEL_SIMCORE_REPLAY, a schedule to run instead. */

#include "support.h"

#include "task/core.h"

typedef void (*simcore_fn)(void);

/* Explores a scenario; fails the cmocka test that calls it if a schedule fails. */
void simcore_explore(const char *name, simcore_fn scenario);

/* For scenarios that must fail: the kind of failure, and how many deviations are left when it is reduced.
 * KEEL__CORE_PASS: no schedule fails. */
keel__core_verdict simcore_fails(const char *name, simcore_fn scenario, unsigned *deviations);

#define simcore_test(scenario)                                                                     \
    static void scenario##_holds(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        simcore_explore(#scenario, scenario);                                                      \
    }

/* In a scenario, on any core or task: ends the run. */
#define sim_check(condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            keel__core_fail("check failed: %s (%s:%d)", #condition, __FILE__, __LINE__);           \
    } while (0)
/* The same for a call that must succeed, or fail with a sentinel. */
#define sim_ok(call) simcore_expect((call), NULL, #call, __LINE__)
#define sim_err(call, target) simcore_expect((call), (target), #call, __LINE__)

void simcore_expect(keel_err *err, const keel_err *target, const char *call, int line);

/* ---- What scenarios share ---- */

/* A runtime with so many workers, started and asleep while nothing is explored; what follows is. */
keel_runtime *simcore_runtime(unsigned workers, keel_clock *clock);

/* Stops it; that is not explored either. */
void simcore_stop(keel_runtime *rt);

/* A plain thread. */
typedef struct simcore_thread simcore_thread;
simcore_thread *simcore_go(void (*fn)(void *arg), void *arg);
void simcore_join(simcore_thread *thread);

/* The first thing in main. */
void simcore_install(void);

#endif /* KEEL_TESTS_SIMCORE_H */
