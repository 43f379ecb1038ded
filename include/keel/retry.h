/* SPDX-License-Identifier: MIT */
#ifndef KEEL_RETRY_H
#define KEEL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <keel/clock.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/* ---- A budget that callers share ---- */

/**
 * Bounds the retries of many callers together, so that a service in trouble is not buried under them: over
 * the last window, a share of the calls may be retried, and a few a second in any case.
 *
 * Threads: any, all functions, at once; only keel_retry_budget_free needs the others finished.
 * Source:  Finagle's RetryBudget.
 */
typedef struct keel_retry_budget keel_retry_budget;

typedef struct keel_retry_budget_opts {
    double share;      /**< Retries for each call, from 0 to 1000. 0: 0.2. */
    double per_second; /**< And these in any case. 0: 10. */
    int64_t window_ns; /**< Of the last this long, in ten parts. 0: 10 s. */
    keel_clock *clock; /**< Borrowed. NULL: keel_clock_system(). */
} keel_retry_budget_opts;

/** Makes a budget. `opts` may be NULL. Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_retry_budget_new(keel_retry_budget **out,
                                               const keel_retry_budget_opts *opts);
void keel_retry_budget_free(keel_retry_budget *budget);

/** How many retries it would allow now. */
uint64_t keel_retry_budget_left(keel_retry_budget *budget);

/* ---- How to retry ---- */

/** What chance does to a delay, so that many callers do not come back at the same moments. */
typedef enum keel_jitter {
    KEEL_JITTER_FULL,         /**< From nothing to the delay: the least work in all. */
    KEEL_JITTER_EQUAL,        /**< From half the delay to the delay. */
    KEEL_JITTER_DECORRELATED, /**< From base_delay_ns to three times the wait before this one. */
    KEEL_JITTER_ADD,          /**< From the delay to twice the delay. */
    KEEL_JITTER_NONE          /**< The delay itself. */
} keel_jitter;

/** As max_attempts: until the time is over. */
#define KEEL_ATTEMPTS_UNLIMITED INT32_MAX

/** An attempt that failed, and the wait that follows. */
typedef struct keel_retry_event {
    int32_t attempt;     /**< 1 is the first. */
    const keel_err *err; /**< Its error. Borrowed for the call. */
    int64_t delay_ns;    /**< The wait before the next. */
} keel_retry_event;

typedef struct keel_retry_opts {
    int32_t max_attempts;  /**< Calls in all, the first included. 0: 3. */
    int64_t base_delay_ns; /**< Before the second call, but for jitter. 0: 100 ms. */
    int64_t
        max_delay_ns;  /**< No wait is longer, jitter included. 0: 10 s, or base_delay_ns if that is
                                more. */
    double multiplier; /**< Of the delay, from each to the next; at least 1. 0: 2. */
    keel_jitter jitter;
    int64_t
        max_elapsed_ns; /**< From the beginning of the first call to that of the last one at most.
                                 0: no limit but the context's deadline. */
    int64_t max_retry_after_ns; /**< The longest wait that keel_retry_after may ask for. 0: 60 s. */
    /** Whether to try again after this error. NULL: after any but KEEL_ERR_CANCELLED, KEEL_ERR_INVAL,
     * KEEL_ERR_UNSUPPORTED and KEEL_ERR_PERMISSION. Not asked for keel_permanent ones, nor for the
     * refusal of a breaker, limiter or bulkhead, which is retried only after a keel_retry_after. */
    bool (*retryable)(const keel_err *err, void *arg);
    keel_retry_budget *budget; /**< Shared with others. Borrowed. NULL: none. */
    void (*before_wait)(const keel_retry_event *event, void *arg); /**< NULL: nothing. */
    void (*after_wait)(const keel_retry_event *event, void *arg);  /**< NULL: nothing. */
    void *arg;                                                     /**< For all three. */
} keel_retry_opts;

/**
 * How to call again what failed, after a delay that grows: delay n is base_delay_ns * multiplier^(n-1).
 *
 *     keel_retry *retry;
 *     KEEL_TRY(keel_retry_new(&retry, &(keel_retry_opts){ .max_attempts = 5 }));
 *     err = keel_retry_run(ctx, retry, fetch, &request);
 *
 * Threads: immutable after it was made; any thread may run with it.
 * Source:  the jitters of Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
 */
typedef struct keel_retry keel_retry;

/**
 * Makes one. `opts` may be NULL: three attempts, 100 ms, twice that each time, full jitter.
 *
 * Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_retry_free.
 */
KEEL_NODISCARD keel_err *keel_retry_new(keel_retry **out, const keel_retry_opts *opts);
void keel_retry_free(keel_retry *retry);

/**
 * Calls `fn(ctx, arg)` until it succeeds, or it makes no sense to try again: the attempts are used up, the
 * error is not one to retry, the context has ended, the budget is empty, or the next wait would not end
 * before the deadline, or within max_elapsed_ns: then it does not wait at all. `retry` may be NULL: the
 * defaults.
 *
 * Errors: the last of fn's, as "failed after 3 attempts: ..." with the fields "attempts" and "stopped":
 *         "attempts", "permanent" (not one to retry), "context", "deadline", "elapsed", "budget" or
 *         "retry_after"; out of memory, without that. The context's, if it has ended before the first
 *         call, or ends in a wait: joined behind fn's last.
 * Cost:   a first call that succeeds: no allocation, and no look at a clock without max_elapsed_ns.
 */
KEEL_NODISCARD keel_err *keel_retry_run(keel_ctx *ctx, const keel_retry *retry, keel_task_fn fn,
                                        void *arg);

/** The delay after that attempt (1: the first), without jitter. `retry` may be NULL. */
int64_t keel_retry_delay(const keel_retry *retry, int32_t attempt);

/* ---- What a function says about its error; each takes `err`, and returns it ---- */

/** Never try again after this, whatever the options say. */
KEEL_NODISCARD keel_err *keel_permanent(keel_err *err);

/**
 * Try again, but not before `delay_ns` has passed: what a server said in Retry-After. It replaces the delay
 * of that attempt; where it is longer than max_retry_after_ns allows, the attempts end.
 */
KEEL_NODISCARD keel_err *keel_retry_after(keel_err *err, int64_t delay_ns);

KEEL_END_DECLS

#endif /* KEEL_RETRY_H */
