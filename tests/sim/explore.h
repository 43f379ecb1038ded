/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_SIM_EXPLORE_H
#define KEEL_TESTS_SIM_EXPLORE_H

/* A table of scenarios, each explored: every schedule with up to three deviations, or, if that would
 * take too long, what the default finds in its time. Then many seeds of each are run twice. */

#include "support.h"

#include <inttypes.h>

#include <keel/sim.h>

typedef struct scenario {
    const char *name;
    keel_task_fn fn;
    bool large; /* too large for every schedule */
} scenario;

enum { EXPLORE_MS = 400, SEEDS = 100, SEEDS_LONG = 10000 };

static void explore_all(const scenario *scenarios, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const scenario *s = &scenarios[i];
        keel_sim_opts every = {
            .strategy = KEEL_SIM_EXHAUSTIVE, .bound = 3, .max_runs = KEEL_UNLIMITED, .max_ms = 60000
        };
        keel_sim_report *report = keel_sim_explore(
            s->name, s->fn, NULL, s->large ? &(keel_sim_opts){ .max_ms = EXPLORE_MS } : &every);

        if (report->kind == KEEL_SIM_PASS)
            print_message("%-34s %8" PRIu64 " runs %8.1f ms%s\n", s->name, report->runs,
                          (double)report->real_ns / 1e6, report->exhausted ? ", exhausted" : "");
        else
            print_message("%s", report->text);
        assert_int_equal(report->kind, KEEL_SIM_PASS);
        assert_true(report->exhausted || s->large || getenv("KEEL_SIM_RUNS") != NULL);
        keel_sim_report_free(report);
    }
}

static uint64_t hash_of(const scenario *s, uint64_t seed)
{
    keel_sim_report *report = keel_sim_run(s->name, s->fn, NULL, &(keel_sim_opts){ .seed = seed });

    if (report->kind != KEEL_SIM_PASS)
        print_message("%s", report->text);
    assert_int_equal(report->kind, KEEL_SIM_PASS);
    uint64_t hash = report->trace_hash;
    keel_sim_report_free(report);
    return hash;
}

/* KEEL_TEST_LONG in the environment: many more. */
static void repeat_all(const scenario *scenarios, size_t count)
{
    uint64_t seeds = getenv("KEEL_TEST_LONG") != NULL ? SEEDS_LONG : SEEDS, sum = 0;

    for (size_t i = 0; i < count; i++)
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            uint64_t hash = hash_of(&scenarios[i], seed);

            assert_int_equal(hash, hash_of(&scenarios[i], seed));
            sum = sum * 31 + hash;
        }
    print_message("%" PRIu64 " seeds of %zu scenarios: %016" PRIx64 "\n", seeds, count, sum);
}

/* ---- For scenarios ---- */

/* Starts a task for each function, and waits for all. */
#define together(ctx, arg, ...)                                                                    \
    run_together((ctx), (arg), (keel_task_fn[]){ __VA_ARGS__ },                                    \
                 sizeof((keel_task_fn[]){ __VA_ARGS__ }) / sizeof(keel_task_fn))

static inline keel_err *run_together(keel_ctx *ctx, void *arg, const keel_task_fn *fns,
                                     size_t count)
{
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .name = "task" });

    for (size_t i = 0; i < count; i++)
        keel_group_go(group, fns[i], arg);
    return keel_group_wait(group);
}

/* Waits until the context ends, for no time: a timer would be one that may fire. */
static inline keel_err *wait_for_end_of(keel_ctx *ctx)
{
    keel_chan *nobody;
    int none;

    KEEL_TRY(keel_chan_new(&nobody, sizeof(int), NULL));
    keel_err *err = keel_chan_recv(ctx, nobody, &none);
    keel_chan_free(nobody);
    return err;
}

/* A program of two tests over a table `scenarios`. */
#define EXPLORE_MAIN()                                                                             \
    static void explored_schedules_pass(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        explore_all(scenarios, sizeof scenarios / sizeof *scenarios);                              \
    }                                                                                              \
    static void equal_seeds_give_equal_runs(void **state)                                          \
    {                                                                                              \
        (void)state;                                                                               \
        repeat_all(scenarios, sizeof scenarios / sizeof *scenarios);                               \
    }                                                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { support_test(explored_schedules_pass),                 \
                                            support_test(equal_seeds_give_equal_runs) };           \
                                                                                                   \
        support_mem_install();                                                                     \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#endif /* KEEL_TESTS_SIM_EXPLORE_H */
