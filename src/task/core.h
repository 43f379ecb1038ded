/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CORE_H
#define KEEL_SRC_TASK_CORE_H

/* The simulated machine of the sim-core build: several cores on one thread of the system.
 *
 * What is a thread elsewhere is a core here: a fiber, on whose stack a worker switches to its tasks as
 * ever. One core runs until a point: an access through base/atomic.h, a lock, a wait, a wake-up
 * (task/os.h). There the machine asks its user which core goes on, and that is the only source of
 * disorder: equal answers, equal run. A core that waits cannot be chosen before its word has
 * changed; a core that spins, not before another has done something, unless none can.
 *
 * Time stands still while cores run, but for a moment at each turn of a spin. It passes when all wait. That
 * a time limit may also be over while others could run is one more answer to the question.
 *
 * Not seen: weaker memory orders than sequential consistency; accesses that are neither atomic nor under a
 * lock, other than by what goes wrong later; libuv; signals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEEL__CORES_MAX = 12 };

typedef enum keel__core_verdict {
    KEEL__CORE_PASS,
    KEEL__CORE_DEADLOCK, /* every core waits, and none for a moment in time */
    KEEL__CORE_LEFT,     /* the first core has ended, and another has not */
    KEEL__CORE_ENDLESS,  /* too many steps */
    KEEL__CORE_MISUSE,   /* keel__misuse */
    KEEL__CORE_FAILED    /* keel__core_fail */
} keel__core_verdict;

typedef struct keel__machine {
    /* Chooses among `count` (two at least) cores, cores[0] being what happens by default: the core that runs
     * goes on, else the next one in turn that can. Returns an index. */
    unsigned (*choose)(void *user, const uint8_t *cores, unsigned count);
    void *user;
    /* For every point, if not NULL. `task`: the task that runs there, or NULL. */
    void (*trace)(void *user, unsigned core, const char *task, const char *what, const char *func,
                  int line);
    uint64_t seed;
    unsigned steps_max;
    bool dense; /* also a point after each access, not only before */

    /* filled in by the run */
    unsigned steps;
    uint64_t hash;   /* of the trace */
    char text[2048]; /* what is wrong */
} keel__machine;

/* Runs fn(arg) on the first core of a machine. */
keel__core_verdict keel__machine_run(keel__machine *machine, void (*fn)(void *arg), void *arg);

/* While quiet, every choice is the default: for what a scenario prepares. Called on a core. */
void keel__machine_quiet(bool on);

/* On a core: lets all others run until each of them waits. */
void keel__machine_settle(void);

/* Ends the run from any core. */
_Noreturn void keel__core_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether the caller runs on a core. */
bool keel__core_active(void);

#endif /* KEEL_SRC_TASK_CORE_H */
