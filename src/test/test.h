/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TEST_TEST_H
#define KEEL_SRC_TEST_TEST_H

/* Fails the run of the simulation that the caller is in; does not return from a simulated task. */
void keel__test_fail_run(const char *text, const char *file, int line);

#endif /* KEEL_SRC_TEST_TEST_H */
