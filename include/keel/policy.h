/* SPDX-License-Identifier: MIT */
#ifndef KEEL_POLICY_H
#define KEEL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include <keel/breaker.h>
#include <keel/buf.h>
#include <keel/clock.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/limiter.h>
#include <keel/retry.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/* ---- Timeout and fallback by themselves ---- */

/**
 * Runs `fn(ctx, arg)` under a context that ends after `ns`. It returns when fn does: a function that does not
 * look at its context is not cut short.
 *
 * Errors: where fn fails because that time was over, KEEL_ERR_TIMEOUT with the text of fn's error, and not
 *         KEEL_ERR_DEADLINE, which is left to the caller's own deadline; else fn's; the context's, if it
 *         has ended before; KEEL_ERR_NOMEM.
 */
KEEL_NODISCARD keel_err *keel_timeout_run(keel_ctx *ctx, int64_t ns, keel_task_fn fn, void *arg);

/**
 * What is done in place of a call that failed with `err` (borrowed): for instance it fills in what `arg` says
 * from a cache. NULL: the call has succeeded after all. Another error is joined behind the call's; to leave
 * that as it is, return keel_err_retain(err).
 */
typedef keel_err *(*keel_fallback_fn)(keel_ctx *ctx, const keel_err *err, void *arg);

/**
 * Runs `fn(ctx, arg)`, and `fallback(ctx, its error, arg)` if it fails, unless the context has ended: then
 * nobody waits for the answer. Errors: fn's, with fallback's behind it.
 */
KEEL_NODISCARD keel_err *keel_fallback_run(keel_ctx *ctx, keel_task_fn fn,
                                           keel_fallback_fn fallback, void *arg);

/* ---- All in one ---- */

/**
 * How calls to something unreliable are made: timeouts, retries, a circuit breaker, limits and a fallback,
 * in the one order that makes sense:
 *
 *     fallback(total timeout(retry(breaker(rate limit(bulkhead(attempt timeout(call)))))))
 *
 * So the breaker sees each attempt; a call that the breaker or a limit refuses is none to the breaker, costs
 * nothing of the retry budget, and is tried again only if the refusal says when (an open breaker and a
 * rate limit do) and that moment lies within max_retry_after_ns and before the deadline. It counts as an
 * attempt of max_attempts.
 *
 *     keel_policy *policy;
 *     KEEL_TRY(keel_policy_new(&policy, &(keel_policy_opts){
 *         .total_timeout_ns = KEEL_S(10),
 *         .attempt_timeout_ns = KEEL_S(2),
 *         .retry = &(keel_retry_opts){ .max_attempts = 4 },
 *         .breaker = &(keel_breaker_opts){ 0 } }));
 *     err = keel_policy_run(ctx, policy, fetch, &request);
 *
 * Make one for each service that is called, and share it: breaker, limits and statistics are those of all
 * calls through it.
 *
 * Threads: any, all functions, at once; only keel_policy_free needs the others finished.
 * Cost:    of a call that succeeds: no allocation, unless there is a timeout (its context), or it waits
 *          in the bulkhead for max_wait_ns. Less than 50 ns for each part, while nobody else holds its lock.
 */
typedef struct keel_policy keel_policy;

/** A part that is not named is not there. The options of parts are borrowed for keel_policy_new. */
typedef struct keel_policy_opts {
    const char *name; /**< For messages; borrowed for good. NULL: "policy". */
    int64_t
        total_timeout_ns; /**< For all attempts, and the waits between. 0: the context's alone. */
    const keel_retry_opts *retry;
    const keel_breaker_opts *breaker;
    const keel_limiter_opts *limiter;
    bool
        limiter_waits; /**< Wait for the limiter's token, while that can be there before the deadline. Else
                             refuse at once. */
    const keel_bulkhead_opts *bulkhead;
    int64_t attempt_timeout_ns; /**< For each attempt, without waits. 0: none. */
    keel_fallback_fn fallback;  /**< As in keel_fallback_run, with the call's `arg`. */
    keel_clock *clock; /**< For breaker and limiter, if they do not name one. Borrowed. NULL:
                            keel_clock_system(). */
} keel_policy_opts;

/**
 * Makes a policy. `opts` may be NULL: then calls are only counted.
 *
 * Errors: KEEL_ERR_INVAL, naming the part and the field; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_policy_free. What the parts' options borrow (a retry budget,
 *         clocks) must outlive it.
 */
KEEL_NODISCARD keel_err *keel_policy_new(keel_policy **out, const keel_policy_opts *opts);
void keel_policy_free(keel_policy *policy);

/**
 * Runs `fn(ctx, arg)` as the policy says.
 *
 * Errors: fn's last; with retries as keel_retry_run says. KEEL_ERR_TIMEOUT in place of KEEL_ERR_DEADLINE
 *         where a timeout of the policy's ended it, and not the caller's deadline. KEEL_ERR_BREAKER_OPEN,
 *         KEEL_ERR_RATE_LIMITED and KEEL_ERR_BULKHEAD_FULL: refused; the first two with the field
 *         "retry_after_ns", if it is known how long. KEEL_ERR_NOMEM. A fallback's joined behind these.
 */
KEEL_NODISCARD keel_err *keel_policy_run(keel_ctx *ctx, keel_policy *policy, keel_task_fn fn,
                                         void *arg);

/* ---- Looking and steering ---- */

/** Its parts, to be steered and looked at; borrowed, NULL where it has none. */
keel_breaker *keel_policy_breaker(const keel_policy *policy);
keel_limiter *keel_policy_limiter(const keel_policy *policy);
keel_bulkhead *keel_policy_bulkhead(const keel_policy *policy);
const keel_retry *keel_policy_retry(const keel_policy *policy);

typedef struct keel_policy_stats {
    uint64_t calls; /**< That have ended: the sum of the next three. */
    uint64_t succeeded;
    uint64_t fell_back; /**< The fallback has succeeded. */
    uint64_t failed;
    uint64_t timed_out; /**< Calls whose total_timeout_ns was over. */
    /* attempts */
    uint64_t retried;            /**< After the first. */
    uint64_t attempts_timed_out; /**< By attempt_timeout_ns. */
    uint64_t refused_by_breaker, refused_by_limiter, refused_by_bulkhead;
} keel_policy_stats;

/** A view of a moment; the numbers may be of slightly different ones. */
void keel_policy_get_stats(const keel_policy *policy, keel_policy_stats *out);

/**
 * Appends what it does: the order of its parts, then a line for each with every value, also where it is a
 * default. For people; the form may change.
 *
 * Errors: the buffer's, which is then as it was.
 */
KEEL_NODISCARD keel_err *keel_policy_explain(const keel_policy *policy, keel_buf *buf);

KEEL_END_DECLS

#endif /* KEEL_POLICY_H */
