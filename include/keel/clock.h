/* SPDX-License-Identifier: MIT */
#ifndef KEEL_CLOCK_H
#define KEEL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <keel/duration.h>
#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * What time it is, and when waits with a time limit end. Every runtime has one: the system's
 * monotonic clock, or, in a test, a manual one that only moves when told.
 *
 * Threads: any, all functions, at once.
 */
typedef struct keel_clock keel_clock;

/** The system's monotonic clock: nanoseconds since some fixed moment. Static; nobody frees it. */
keel_clock *keel_clock_system(void);

typedef struct keel_clock_manual_opts {
    int64_t start_ns; /**< What it shows at first; not negative. */
    /**
     * Also moves by itself, to the next moment somebody waits for, whenever every worker of its
     * runtime has nothing to do and no offloaded call is under way. A test of a 30-second timeout
     * then takes microseconds. The clock must then serve one runtime only.
     */
    bool auto_advance;
} keel_clock_manual_opts;

/**
 * Makes a clock for tests.
 *
 * Errors: KEEL_ERR_INVAL if start_ns is negative; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_clock_free after every runtime and context on it.
 */
KEEL_NODISCARD keel_err *keel_clock_manual_new(keel_clock **out,
                                               const keel_clock_manual_opts *opts);
void keel_clock_free(keel_clock *clock);

/** The time it shows. */
int64_t keel_clock_now(keel_clock *clock);

/** Moves a manual clock forward, and wakes whoever waited for a moment that has now come. */
void keel_clock_advance(keel_clock *clock, int64_t ns);

KEEL_END_DECLS

#endif /* KEEL_CLOCK_H */
