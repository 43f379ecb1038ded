/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TEST_H
#define KEEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <keel/err.h>
#include <keel/sim.h>

KEEL_BEGIN_DECLS

/**
 * For tests written with cmocka: assertions on errors and simulations, and a check around each test
 * that it leaves nothing behind. In an archive of its own, keel::test; not part of keel/keel.h.
 *
 *     static void a_closed_channel_refuses(void **state) { ... assert_err(call, KEEL_ERR_CLOSED); }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = { keel_test(a_closed_channel_refuses) };
 *         keel_test_init();
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 *
 * The assertions here work in the test's own thread and in simulated tasks, where they end the run like
 * a KEEL_CHECK: the failure is minimised and can be replayed. cmocka's own (assert_int_equal, fail, ...)
 * do so in a program that also links keel::test_redirect. In other tasks and threads use neither, because
 * cmocka leaves by longjmp: return an error there.
 *
 * Threads: any for memory; assertions as above.
 */

/* ---- Assertions ---- */

/** The call returns NULL. A failure prints the chain with the place of each link, and frees it. */
#define assert_ok(call) keel_test_ok((call), #call, __FILE__, __LINE__)
void keel_test_ok(keel_err *err, const char *call, const char *file, int line);

/** The call returns an error that has `target` in its chain; frees it. */
#define assert_err(call, target) keel_test_err((call), (target), #call, #target, __FILE__, __LINE__)
void keel_test_err(keel_err *err, const keel_err *target, const char *call, const char *name,
                   const char *file, int line);

/** The simulation passed. A failure prints the report's text. Frees the report. */
#define assert_sim_ok(report) keel_test_sim_ok((report), __FILE__, __LINE__)
void keel_test_sim_ok(keel_sim_report *report, const char *file, int line);

/* ---- Memory ---- */

/**
 * Sets an allocator that counts, fails when told, and fills new and freed memory with rubbish: the first
 * line of main. Aborts if memory was used before.
 */
void keel_test_init(void);

/** How many allocations live, errors among them; and how many were ever made. */
size_t keel_test_live(void);
size_t keel_test_made(void);

/** From now on the nth allocation fails (1: the next), with `and_after` those after it too. 0: none. */
void keel_test_fail_alloc(size_t nth, bool and_after);

/** Whether an allocation has failed since. */
bool keel_test_alloc_failed(void);

/**
 * Makes a CMUnitTest of a function: after it as many allocations live as before, or it fails and the
 * first of those left are named, errors by their texts. It also ends keel_test_fail_alloc.
 */
#define keel_test(function)                                                                        \
    cmocka_unit_test_setup_teardown(function, keel_test_setup, keel_test_teardown)
int keel_test_setup(void **state);
int keel_test_teardown(void **state);

/* ---- Fuzzing ---- */

/**
 * Makes a program of a function that must hold for any bytes:
 *
 *     KEEL_FUZZ_SEEDS("123", "0", "-456");
 *     KEEL_FUZZ(parse_int)
 *     {
 *         keel_str text = { (const char *)data, size };
 *         ...
 *     }
 *
 * `data` are `size` bytes in a block of their own, so that a sanitizer sees a look beyond. The function fails
 * by an assertion, cmocka's too, by abort, by what a sanitizer finds, and by leaving memory of keel's behind.
 *
 * The program replays inputs: the seeds, and the files on the command line, or in directories there, in the
 * order of their names. It prints a line for each, so that the last is the one that failed. Compiled with
 * -fsanitize=fuzzer and KEEL_FUZZING defined it is a fuzzer of libFuzzer, which begins with the seeds.
 * The CMake function keel_fuzz of keel's package does either, and makes a test of it.
 *
 * Source: Go's testing.F.
 */
#define KEEL_FUZZ(name)                                                                            \
    static void keel_fuzz_##name(const uint8_t *data, size_t size);                                \
    KEEL__FUZZ_PROGRAM(name)                                                                       \
    static void keel_fuzz_##name(const uint8_t *data, size_t size)

/** C strings to begin with, at file level, once in a program. Others are files. */
#define KEEL_FUZZ_SEEDS(...) const char *const keel__fuzz_seeds[] = { __VA_ARGS__, NULL }

typedef void (*keel__fuzz_fn)(const uint8_t *data, size_t size);
extern const char *const keel__fuzz_seeds[];
int keel__fuzz_replay(int argc, char **argv, const char *name, keel__fuzz_fn fn);
int keel__fuzz_start(int *argc, char ***argv);
int keel__fuzz_one(keel__fuzz_fn fn, const uint8_t *data, size_t size);

#ifdef __cplusplus
#define KEEL__EXTERN_C extern "C"
#else
#define KEEL__EXTERN_C extern
#endif
#ifdef KEEL_FUZZING
#define KEEL__FUZZ_PROGRAM(name)                                                                   \
    KEEL__EXTERN_C int LLVMFuzzerInitialize(int *argc, char ***argv);                              \
    KEEL__EXTERN_C int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                   \
    int LLVMFuzzerInitialize(int *argc, char ***argv)                                              \
    {                                                                                              \
        return keel__fuzz_start(argc, argv);                                                       \
    }                                                                                              \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        return keel__fuzz_one(keel_fuzz_##name, data, size);                                       \
    }
#else
#define KEEL__FUZZ_PROGRAM(name)                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return keel__fuzz_replay(argc, argv, #name, keel_fuzz_##name);                             \
    }
#endif

KEEL_END_DECLS

#endif /* KEEL_TEST_H */
