/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BREAKER_H
#define KEEL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include <keel/clock.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * A circuit breaker: stops calling what keeps failing, and tries again after a while.
 *
 * Closed, it lets calls through and counts how they end, over the last window of time or of calls. With
 * enough calls in the window, and a rate of failures or of slow calls at or above its threshold, it opens:
 * calls are refused at once. After the open time the next calls are let through as probes (half open):
 * when all of them succeed it closes, at the first that fails or is slow it opens again, for longer.
 *
 * How a call ended counts only if the breaker has not changed its state since the call began. A call
 * that ended because its context was cancelled is not counted.
 *
 * Threads: any, all functions, at once; only keel_breaker_free needs the others finished.
 * Cost:    a short lock at the beginning of a call and at its end; no allocation.
 * Source:  resilience4j (windows, rates, `>=`), gobreaker (results from before a change are ignored).
 */
typedef struct keel_breaker keel_breaker;

typedef enum keel_breaker_state {
    KEEL_BREAKER_CLOSED,      /**< Calls go through. */
    KEEL_BREAKER_OPEN,        /**< Calls are refused, until the open time is over. */
    KEEL_BREAKER_HALF_OPEN,   /**< A few calls go through, to see. */
    KEEL_BREAKER_FORCED_OPEN, /**< Calls are refused, until keel_breaker_force says otherwise. */
    KEEL_BREAKER_DISABLED     /**< Calls go through and are counted, whatever comes of them. */
} keel_breaker_state;

/** "half open" */
const char *keel_breaker_state_name(keel_breaker_state state);

typedef struct keel_breaker_opts {
    const char *name;       /**< For messages; borrowed. NULL: "breaker". */
    int64_t window_ns;      /**< Counts the calls of this time, in ten parts. 0: 10 s. */
    unsigned window_calls;  /**< Instead, the last calls in this number, at most 100,000. */
    unsigned min_calls;     /**< With fewer in the window it stays closed. 0: 20, or window_calls if
                                that is less. */
    double failure_rate;    /**< Opens at this rate or above, up to 1. 0: 0.5. */
    int64_t slow_call_ns;   /**< A call that takes longer is slow. 0: none is. */
    double slow_rate;       /**< Opens at this rate of slow calls or above, up to 1. 0: 0.8. */
    int64_t open_ns;        /**< How long it stays open at first. 0: 5 s. */
    double open_multiplier; /**< Of that time, each time it opens again without having closed; at
                                 least 1. 0: 2. */
    int64_t max_open_ns;    /**< 0: 60 s, or open_ns if that is more. */
    bool no_jitter;  /**< Else the open time is up to 10 % longer or shorter, by chance, so that
                                many do not return at once; never longer than max_open_ns. */
    unsigned probes; /**< Calls that must succeed, half open, at most 1000. 0: 3. */
    /** A probe that runs longer counts as failed; of several, when one has ended, the time of the others goes
     * from when the last began. 0: 30 s. */
    int64_t probe_time_ns;
    /** Whether the error counts as a failure. NULL: every error does. Cancelled calls do not come here. */
    bool (*is_failure)(const keel_err *err, void *arg);
    /** Called after each change of state, by whoever caused it. It may use the breaker. */
    void (*on_change)(keel_breaker *breaker, keel_breaker_state from, keel_breaker_state to,
                      void *arg);
    void *arg;         /**< For both. */
    keel_clock *clock; /**< Borrowed. NULL: keel_clock_system(). */
} keel_breaker_opts;

/** What a call is refused with: compared by address, allocates nothing. */
KEEL_ERR_DECLARE(keel_err_breaker_open);
#define KEEL_ERR_BREAKER_OPEN keel_err_breaker_open /**< The circuit breaker is open. */

/**
 * Makes a breaker, closed. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_breaker_free.
 */
KEEL_NODISCARD keel_err *keel_breaker_new(keel_breaker **out, const keel_breaker_opts *opts);
void keel_breaker_free(keel_breaker *breaker);

/**
 * Runs `fn(ctx, arg)` if the breaker lets it, and counts how it ends. An error counts as cancelled, and
 * so not at all, when `ctx` has ended by then for another reason than its deadline.
 *
 * Errors: KEEL_ERR_BREAKER_OPEN; else fn's.
 */
KEEL_NODISCARD keel_err *keel_breaker_run(keel_ctx *ctx, keel_breaker *breaker, keel_task_fn fn,
                                          void *arg);

/* ---- The same by hand, where a call is not one function ---- */

/** A call that is under way. */
typedef struct keel_breaker_call {
    uint64_t keel__generation;
    int64_t keel__start_ns;
} keel_breaker_call;

/** Begins a call, which must be ended by one of the two below. Ending it once more does nothing. Errors:
 * KEEL_ERR_BREAKER_OPEN. */
KEEL_NODISCARD keel_err *keel_breaker_begin(keel_breaker *breaker, keel_breaker_call *call);

/** Ends a call that failed with `err`, or succeeded (NULL). */
void keel_breaker_end(keel_breaker *breaker, keel_breaker_call *call, const keel_err *err);

/** Ends a call that says nothing about what was called: it is not counted. */
void keel_breaker_forget(keel_breaker *breaker, keel_breaker_call *call);

/* ---- Looking and steering ---- */

keel_breaker_state keel_breaker_get(keel_breaker *breaker);

/** How long it will stay open, for a Retry-After; 0 if it is not open. */
int64_t keel_breaker_remaining(keel_breaker *breaker);

/**
 * Puts it into a state: KEEL_BREAKER_FORCED_OPEN or _DISABLED until the next call of this, _CLOSED with
 * an empty window, _OPEN for the first open time, _HALF_OPEN.
 */
void keel_breaker_force(keel_breaker *breaker, keel_breaker_state state);

typedef struct keel_breaker_stats {
    keel_breaker_state state;
    unsigned window_calls, window_failures, window_slow; /**< Now in the window. */
    uint64_t calls;                                      /**< Counted since it was made. */
    uint64_t failures, slow;                             /**< Of those. */
    uint64_t refused;                                    /**< Calls it did not let through. */
    uint64_t opened;                                     /**< How often it opened. */
} keel_breaker_stats;

void keel_breaker_get_stats(keel_breaker *breaker, keel_breaker_stats *out);

KEEL_END_DECLS

#endif /* KEEL_BREAKER_H */
