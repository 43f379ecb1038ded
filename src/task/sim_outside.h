/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_OUTSIDE_H
#define KEEL_SRC_TASK_SIM_OUTSIDE_H

/* keel_sim_outside for a function that stands before another: `place` is where that was called from. */
void keel__sim_outside(const char *function, const char *instead, const void *place);

#endif /* KEEL_SRC_TASK_SIM_OUTSIDE_H */
