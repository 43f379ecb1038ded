/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SIM_H
#define KEEL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * Deterministic simulation: a program runs unchanged, on the calling thread alone, under a virtual
 * clock and a scheduler whose every choice is recorded and comes from a seed. The same seed gives the
 * same run, to the last switch, so that a failure found once can be shown and debugged at will.
 *
 * A *scenario* is a task function whose outside world is keel's own calls. It is run many times, each
 * time with other choices: which task goes on before each operation of the library, which ready case a
 * select takes, whether a timer fires before a task that could run does. A wait for an hour takes no time.
 * A scenario with up to about a thousand operations can be explored well.
 *
 * With keel::sim_guard linked too, direct uses of the outside world are reported by name and place: the C
 * library's clocks, timers and sleeps, random numbers and their devices, threads and processes, sockets, and
 * waiting for descriptors or signals (KEEL_SIM_OUTSIDE). Files and pipes are left alone.
 *
 * Threads: the calling thread, which must be a plain one; one exploration at a time in a process.
 */

/** How a run ended. */
typedef enum keel_sim_kind {
    KEEL_SIM_PASS,
    KEEL_SIM_ERROR,       /**< The scenario returned an error. */
    KEEL_SIM_CHECK,       /**< A KEEL_CHECK was false. */
    KEEL_SIM_DEADLOCK,    /**< All tasks wait for each other, and for no time. */
    KEEL_SIM_TASK_LEAK,   /**< The scenario returned, and tasks it started wait for ever. */
    KEEL_SIM_MEMORY_LEAK, /**< The scenario left memory of keel_mem_alloc's, or an error, behind. */
    KEEL_SIM_MISUSE,      /**< A contract of the library was broken. */
    KEEL_SIM_RACE,        /**< A KEEL_READ or KEEL_WRITE that nothing orders after another's. */
    KEEL_SIM_LIVELOCK,    /**< It went on for max_steps operations, or a virtual day. */
    KEEL_SIM_CRASH,       /**< A signal such as SIGSEGV, or abort. */
    KEEL_SIM_NONDETERMINISM, /**< The same choices led to another run. */
    KEEL_SIM_OUTSIDE         /**< It used something that cannot be simulated. */
} keel_sim_kind;

/** The name of a kind: "deadlock". */
const char *keel_sim_kind_name(keel_sim_kind kind);

typedef enum keel_sim_strategy {
    /** A plain run; every schedule with one deviation from it; then a mix of random ones. */
    KEEL_SIM_AUTO,
    /** At each step any choice, all equally likely. */
    KEEL_SIM_RANDOM,
    /** Priorities of chance that change at few points: Burckhardt et al., ASPLOS 2010. */
    KEEL_SIM_PCT,
    /** Every schedule with up to `bound` deviations from the plain run. */
    KEEL_SIM_EXHAUSTIVE
} keel_sim_strategy;

/** Where another task may go on. */
typedef enum keel_sim_points {
    KEEL_SIM_OPERATIONS, /**< Before every operation of the library. */
    KEEL_SIM_PARKS,      /**< Only where a task waits: fast, and blind to much. */
    KEEL_SIM_ACCESSES    /**< Also at each KEEL_READ and KEEL_WRITE. */
} keel_sim_points;

typedef struct keel_sim_opts {
    uint64_t seed;      /**< Where the random schedules start. 0: 1. */
    uint64_t max_runs;  /**< 0: 50,000. KEEL_UNLIMITED: as many as max_ms allows. */
    int64_t max_ms;     /**< Real milliseconds for exploring. 0: 1,000. */
    uint64_t max_steps; /**< Operations in a run before it counts as a livelock. 0: 100,000. */
    keel_sim_strategy strategy;
    keel_sim_points points;
    unsigned bound;   /**< Deviations, for KEEL_SIM_EXHAUSTIVE. 0: 2. */
    bool fixed_time;  /**< Timers fire only when no task can run. */
    bool no_minimise; /**< Report a failure as it was found. */
    bool faults;      /**< keel_sim_buggify may say yes, and allocations may fail. */
    /** Puts statics of the scenario back, before every run. NULL: there are none. */
    void (*reset)(void *arg);
    void *reset_arg;
} keel_sim_opts;

/**
 * What came of it. Owned by the caller: keel_sim_report_free.
 *
 * How to read `text`: a row is an operation that is about to be made, in the column of the task that makes it;
 * what is in parentheses is what happens to a task. T1 is the scenario itself, T2 the first task that was started.
 * `step` counts operations, `time` is virtual. A `>` stands where another task goes on than in the row above.
 *
 * How to read `replay`: "tickets:2@3>3,1@5=2,4@2>t" is the name, and the choices in which the run differs from
 * the plain one; nothing behind the colon is the plain run itself. Before the `@` stands the task, as in
 * its column: T2; behind it, which of its decisions, the first being 1: each operation that it is about to make,
 * each time it stops (waits, yields, ends) and several could go on, and each number it draws. Then what was
 * decided:
 *
 *     2@3>3    before what T2's third would have been, T3 goes on
 *     1@5=2    T1's fifth draws the number 2: of keel_sim_rand, say, or the case where a select begins
 *     4@2>t    at T4's second, time passes: the next timer fires, though a task could run
 */
typedef struct keel_sim_report {
    keel_sim_kind kind;  /**< KEEL_SIM_PASS if every run passed. */
    uint64_t seed;       /**< Of the run that failed; 0: it was not a random one. */
    uint64_t trace_hash; /**< Of the run that is reported: equal runs have equal ones. */
    int64_t virtual_ns;  /**< Its length. */
    uint64_t runs;       /**< How many were made. */
    int64_t real_ns;     /**< And how long they took. */
    uint64_t steps;      /**< Operations in the run that is reported. */
    size_t deviations;   /**< Choices by which it differs from the plain run. */
    bool exhausted;   /**< It passed every schedule within the bound (AUTO: with one deviation). */
    const char *text; /**< For people: what failed, and who did what. */
    const char *replay; /**< For keel_sim_replay, and KEEL_SIM_REPLAY in the environment. */
} keel_sim_report;

void keel_sim_report_free(keel_sim_report *report);

/**
 * Runs the scenario once, with the schedule that `opts->seed` gives (0: the plain one).
 *
 * Never NULL: without memory, a static report of kind KEEL_SIM_ERROR.
 */
KEEL_NODISCARD keel_sim_report *keel_sim_run(const char *name, keel_task_fn fn, void *arg,
                                             const keel_sim_opts *opts);

/**
 * Runs the scenario until a run fails or the budget is used up. A failure is minimised: choices that it
 * does not need are left out.
 *
 * The environment can direct it, without another build: KEEL_SIM_REPLAY replays what a report says, if
 * it is for this name (if it was for none that was explored, standard error says so at the end of the
 * program); KEEL_SIM_SEED runs one seed; KEEL_SIM_RUNS changes max_runs, and lifts max_ms.
 */
KEEL_NODISCARD keel_sim_report *keel_sim_explore(const char *name, keel_task_fn fn, void *arg,
                                                 const keel_sim_opts *opts);

/**
 * Runs the schedule of a report's `replay` again. What does not fit the program any more is passed over.
 * A text in another form gives a report of kind KEEL_SIM_ERROR.
 */
KEEL_NODISCARD keel_sim_report *keel_sim_replay(const char *replay, keel_task_fn fn, void *arg,
                                                const keel_sim_opts *opts);

/* ---- In a scenario; outside of a simulation these do nothing, but for KEEL_CHECK ---- */

/** Ends the run as failed if `condition` is false; outside of a simulation, aborts with a message. */
#define KEEL_CHECK(condition) ((condition) ? (void)0 : keel_sim_check_failed(#condition, KEEL_HERE))
void keel_sim_check_failed(const char *condition, const char *where);

/**
 * Says that the caller reads, or writes, a variable that others may use too, and returns it as an
 * lvalue: `KEEL_WRITE(counter) = KEEL_READ(counter) + 1`. Two of them in different tasks, one a write,
 * with no operation of the library that orders them, are a race.
 */
#define KEEL_READ(variable)                                                                        \
    (*(keel_sim_access(&(variable), false, #variable, KEEL_HERE), &(variable)))
#define KEEL_WRITE(variable)                                                                       \
    (*(keel_sim_access(&(variable), true, #variable, KEEL_HERE), &(variable)))
void keel_sim_access(const volatile void *address, bool write, const char *name, const char *where);

/** Says yes in some runs, with `faults`: a rare branch that a test should take. Always no outside. */
bool keel_sim_buggify(const char *site);

/** Waits until every other task waits for something else than time. */
void keel_sim_settle(void);

/** A number below `below` (at least 1), a choice of the schedule like any other; 0 outside. */
uint64_t keel_sim_rand(uint64_t below);

/** A line for the report, in the column of the calling task. */
void keel_sim_note(const char *format, ...) KEEL_PRINTF(1, 2);

/**
 * Ends the run as failed, with KEEL_SIM_OUTSIDE: for a function that asks the real world, of the name
 * `function`. `instead` says what a scenario should use; NULL: there is nothing. Does nothing where the
 * caller is not a simulated task.
 */
void keel_sim_outside(const char *function, const char *instead);

/** Whether the caller is being simulated. */
bool keel_sim_active(void);

KEEL_END_DECLS

#endif /* KEEL_SIM_H */
