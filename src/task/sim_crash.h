/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_CRASH_H
#define KEEL_SRC_TASK_SIM_CRASH_H

#include "task/sim.h"

/* Between the two, a crash of a simulated task is a failure of the run. Not in builds with sanitizers,
 * which tell more about it. */
void keel__sim_crash_guard(sim_engine *engine);
void keel__sim_crash_unguard(sim_engine *engine);

#endif /* KEEL_SRC_TASK_SIM_CRASH_H */
