/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_SUPPORT_H
#define KEEL_TESTS_SUPPORT_H

/* What every test shares. Include it first: it brings cmocka and what cmocka needs before it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <keel/keel.h>
#include <keel/test.h> /* assert_ok, assert_err, assert_sim_ok */

/* Runs `fn` as a task of a fresh runtime on an auto-advancing manual clock, with as many workers as
 * KEEL_TEST_WORKERS says (2 without it), and stops it. Returns fn's error. Assert on what it
 * returns: a task itself must not use cmocka's asserts, whose longjmp may not leave its stack. */
keel_err *support_run(keel_task_fn fn, void *arg);

/* The same with a clock of the caller's (NULL: the system's) and a number of workers (0: as above). */
keel_err *support_run_on(keel_clock *clock, unsigned workers, keel_task_fn fn, void *arg);

/* In a task: returns an error that says what is false, and where. */
#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return keel_err_new("check failed: %s (%s)", #condition, KEEL_HERE);                   \
    } while (0)
/* In a task: the call must fail with that sentinel. */
#define check_err(call, target) KEEL_TRY(support_expect((call), (target), #call, KEEL_HERE))

keel_err *support_expect(keel_err *err, const keel_err *target, const char *call,
                         const char *where);

/* ---- Memory: the allocator of keel/test.h ---- */

#define support_mem_install keel_test_init /* the first line of main */
#define support_mem_live keel_test_live
#define support_mem_made keel_test_made
#define support_mem_fail keel_test_fail_alloc
#define support_mem_failed keel_test_alloc_failed

/* Runs `scenario` with allocation 1, 2, ... failing, once and from there on, until a run needs so
 * few that none failed. Each run must return NULL, or an error that is KEEL_ERR_NOMEM or what
 * `accept` (may be NULL) says, and leave no allocation behind. */
void support_mem_torture(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err));

/* ---- Programs ---- */

/* A test after which as many allocations live as before. */
#define support_test keel_test

/* Runs `fn(arg)` in a child process, and returns what it wrote to stderr (static storage, up to
 * 16 KiB) with the status of waitpid in *status: for what must abort. */
const char *support_child(void (*fn)(void *arg), void *arg, int *status);
/* fn aborts with a message that contains `message`. */
void support_assert_aborts(void (*fn)(void *arg), void *arg, const char *message);

#endif /* KEEL_TESTS_SUPPORT_H */
