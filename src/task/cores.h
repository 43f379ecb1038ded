/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CORES_H
#define KEEL_SRC_TASK_CORES_H

/* How many cores this process may use: its CPU affinity, and the quota of its cgroup and those above
 * it, rounded up. At least 1. */
unsigned keel__cores(void);

/* The same quota from a given root of the cgroup file system and the text of /proc/self/cgroup, for
 * tests; 0: none. */
unsigned keel__cores_of_cgroup(const char *root, const char *self);

#endif /* KEEL_SRC_TASK_CORES_H */
