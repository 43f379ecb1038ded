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

/* The call succeeds; a failure prints the error chain. */
#define assert_ok(call) support_ok((call), #call, __FILE__, __LINE__)
/* The call fails with that sentinel somewhere in the chain; frees the error. */
#define assert_err(call, target) support_err((call), (target), #call, __FILE__, __LINE__)

void support_ok(keel_err *err, const char *call, const char *file, int line);
void support_err(keel_err *err, const keel_err *target, const char *call, const char *file,
                 int line);

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

/* ---- Memory: the counting, failing allocator that every test program runs with ---- */

/* Installs it: the first line of main. */
void support_mem_install(void);

/* Allocations alive now, and made ever. */
size_t support_mem_live(void);
size_t support_mem_made(void);

/* From now on the nth allocation (1 is the next) fails; with `all_after`, those after it as well.
 * 0: none fails. */
void support_mem_fail(size_t nth, bool all_after);
/* Whether the failure that was set has happened. */
bool support_mem_failed(void);

/* Runs `scenario` with allocation 1, 2, ... failing, once and from there on, until a run needs so
 * few that none failed. Each run must return NULL, or an error that is KEEL_ERR_NOMEM or what
 * `accept` (may be NULL) says, and leave no allocation behind. */
void support_mem_torture(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err));

/* ---- Programs ---- */

/* Fixtures around each test: after it, as many allocations live as before. */
int support_setup(void **state);
int support_teardown(void **state);
#define support_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, support_setup, support_teardown)

/* Runs `fn(arg)` in a child process, and returns what it wrote to stderr (static storage, up to
 * 16 KiB) with the status of waitpid in *status: for what must abort. */
const char *support_child(void (*fn)(void *arg), void *arg, int *status);
/* fn aborts with a message that contains `message`. */
void support_assert_aborts(void (*fn)(void *arg), void *arg, const char *message);

#endif /* KEEL_TESTS_SUPPORT_H */
