/* SPDX-License-Identifier: MIT */
#ifndef KEEL_LIMITER_H
#define KEEL_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/clock.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/str.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/* ---- How often: a token bucket ---- */

/**
 * Limits how often something happens: a bucket of `burst` tokens, full at first, that fills at a steady
 * rate. What happens takes a token; when there are none it is refused, or waits.
 *
 * Threads: any, all functions, at once; only keel_limiter_free needs the others finished.
 * Source:  golang.org/x/time/rate, except that a limiter without options is not closed but an error.
 */
typedef struct keel_limiter keel_limiter;

typedef struct keel_limiter_opts {
    double per_second; /**< Tokens that come back in a second; more than 0. HUGE_VAL: no limit. */
    double burst;      /**< Tokens it holds, at least 1. 0: per_second, but at least 1. */
    keel_clock *clock; /**< For allow and reserve; borrowed. NULL: keel_clock_system(). */
} keel_limiter_opts;

/** What a wait ends with at once if it could only end too late: allocates nothing. */
KEEL_ERR_DECLARE(keel_err_rate_limited);
#define KEEL_ERR_RATE_LIMITED keel_err_rate_limited /**< The rate limit allows it only too late. */

/**
 * Makes a limiter, full.
 *
 * Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_limiter_free.
 */
KEEL_NODISCARD keel_err *keel_limiter_new(keel_limiter **out, const keel_limiter_opts *opts);
void keel_limiter_free(keel_limiter *limiter);

/** Takes `count` tokens if they are there. Says whether it did. Source: AllowN. */
KEEL_NODISCARD bool keel_limiter_allow(keel_limiter *limiter, double count);

/** Tokens taken ahead of time, to be used when delay_ns has passed. */
typedef struct keel_reservation {
    int64_t delay_ns; /**< How long to wait before doing it. */
    int64_t keel__act_ns;
    double keel__count;
} keel_reservation;

/**
 * Takes `count` tokens even if they have yet to come, and says when that will be. False: there can never
 * be as many at once. Source: ReserveN.
 */
KEEL_NODISCARD bool keel_limiter_reserve(keel_limiter *limiter, double count,
                                         keel_reservation *out);

/**
 * Gives a reservation back that will not be used, if its time has not come: its tokens, but for those
 * that reservations made after it already count on. Doing so again does nothing. Source: Reservation.Cancel.
 */
void keel_limiter_cancel(keel_limiter *limiter, keel_reservation *reservation);

/**
 * Waits for `count` tokens, first come, first served.
 *
 * Errors: KEEL_ERR_RATE_LIMITED at once, with nothing taken, if they do not come before the context's deadline;
 *         KEEL_ERR_LIMIT if there can never be as many at once; the context's, if it ends meanwhile, and
 *         the tokens are given back.
 * Source: WaitN.
 */
KEEL_NODISCARD keel_err *keel_limiter_wait(keel_ctx *ctx, keel_limiter *limiter, double count);

/** Changes the rate, or the burst, from now on. Errors: KEEL_ERR_INVAL. */
KEEL_NODISCARD keel_err *keel_limiter_set_rate(keel_limiter *limiter, double per_second);
KEEL_NODISCARD keel_err *keel_limiter_set_burst(keel_limiter *limiter, double burst);

/** How many tokens there are now; less than 0 when reservations wait for some. */
double keel_limiter_tokens(keel_limiter *limiter);

/** How long until `count` tokens are there, if nobody takes any: for a Retry-After. */
int64_t keel_limiter_delay(keel_limiter *limiter, double count);

/* ---- How often, for each key ---- */

/**
 * A token bucket for each key, such as a client's address: all with the same rate and burst.
 *
 * Memory is bounded: there is room for max_keys buckets. A bucket that has become full again is as good as a
 * new one, so its room goes to the next key that comes. A new key that finds no room shares one bucket with
 * all others that find none, as it does when there is no memory.
 *
 * Who floods it with ever new keys
 *     can take `burst` tokens for each of max_keys keys, and what comes back in their buckets; and as long as
 *     that goes on, can have new clients refused, because they share one bucket with the flood;
 *     cannot have a bucket forgotten before it is full again, its own or another's; nor make it use more
 *     memory, or more time for a call; nor find a key that shares a bucket with a given one: keys are told
 *     apart by 64 bits of a hash under a secret of the process.
 * So take for a key what a stranger does not have many of (an account, the /64 of an IPv6 address), and for
 * max_keys more than there are clients in the time in which a bucket fills.
 *
 * Threads: any, all functions, at once; only keel_keyed_limiter_free needs the others finished.
 * Cost:    O(1): of eight buckets at most it is asked whether they are full again. Some 100 bytes a key.
 */
typedef struct keel_keyed_limiter keel_keyed_limiter;

typedef struct keel_keyed_limiter_opts {
    double per_second; /**< As in keel_limiter_opts, like the next. */
    double burst;
    size_t max_keys;   /**< At most 100,000,000. 0: 10,000. */
    keel_clock *clock; /**< For allow and delay; borrowed. NULL: keel_clock_system(). */
} keel_keyed_limiter_opts;

/**
 * Makes one. Memory for buckets comes when it is needed.
 *
 * Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_keyed_limiter_free.
 */
KEEL_NODISCARD keel_err *keel_keyed_limiter_new(keel_keyed_limiter **out,
                                                const keel_keyed_limiter_opts *opts);
void keel_keyed_limiter_free(keel_keyed_limiter *limiter);

/** Takes `count` tokens of that key if they are there. Says whether it did. The bytes of a number are a key
 * too: `(keel_str){ (const char *)&id, sizeof id }`. */
KEEL_NODISCARD bool keel_keyed_limiter_allow(keel_keyed_limiter *limiter, keel_str key,
                                             double count);

/** As keel_limiter_wait, for that key. */
KEEL_NODISCARD keel_err *keel_keyed_limiter_wait(keel_ctx *ctx, keel_keyed_limiter *limiter,
                                                 keel_str key, double count);

/** How long until `count` tokens are there for that key, if nobody takes any: for a Retry-After. */
int64_t keel_keyed_limiter_delay(keel_keyed_limiter *limiter, keel_str key, double count);

typedef struct keel_keyed_limiter_stats {
    size_t keys;        /**< That have a bucket now. */
    uint64_t taken;     /**< How often tokens were taken, or waited for. */
    uint64_t refused;   /**< How often there were none. */
    uint64_t forgotten; /**< Full buckets that went to another key. */
    uint64_t shared;    /**< How often a key found no room. */
} keel_keyed_limiter_stats;

void keel_keyed_limiter_get_stats(keel_keyed_limiter *limiter, keel_keyed_limiter_stats *out);

/* ---- How many at once: a bulkhead ---- */

/**
 * Limits how many calls run at once, and how many wait for their turn and how long, first come, first
 * served; what does not fit is refused, so that one slow service does not take all tasks with it.
 *
 * Threads: any, all functions, at once; only keel_bulkhead_free needs the others finished.
 */
typedef struct keel_bulkhead keel_bulkhead;

typedef struct keel_bulkhead_opts {
    size_t max_running;  /**< 0: 25. */
    size_t max_waiting;  /**< KEEL_UNLIMITED: all may wait. 0: none waits. */
    int64_t max_wait_ns; /**< How long each waits at most. 0: as long as its context goes on. */
} keel_bulkhead_opts;

/** What a call is refused with, at once or after its wait: allocates nothing. */
KEEL_ERR_DECLARE(keel_err_bulkhead_full);
#define KEEL_ERR_BULKHEAD_FULL keel_err_bulkhead_full /**< Too many calls run and wait. */

/** Makes a bulkhead. `opts` may be NULL. Errors: KEEL_ERR_INVAL, naming the field; KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_bulkhead_new(keel_bulkhead **out, const keel_bulkhead_opts *opts);
void keel_bulkhead_free(keel_bulkhead *bulkhead);

/**
 * Takes a place, to be given back with keel_bulkhead_release.
 *
 * Errors: KEEL_ERR_BULKHEAD_FULL; the context's, if it ends first; KEEL_ERR_NOMEM, if it would wait for
 *         max_wait_ns: only that allocates.
 */
KEEL_NODISCARD keel_err *keel_bulkhead_acquire(keel_ctx *ctx, keel_bulkhead *bulkhead);
void keel_bulkhead_release(keel_bulkhead *bulkhead);

/** Runs `fn(ctx, arg)` in a place of its own. Errors: as acquire; else fn's. */
KEEL_NODISCARD keel_err *keel_bulkhead_run(keel_ctx *ctx, keel_bulkhead *bulkhead, keel_task_fn fn,
                                           void *arg);

typedef struct keel_bulkhead_stats {
    size_t running, waiting; /**< Now. */
    uint64_t entered, refused;
} keel_bulkhead_stats;

void keel_bulkhead_get_stats(keel_bulkhead *bulkhead, keel_bulkhead_stats *out);

KEEL_END_DECLS

#endif /* KEEL_LIMITER_H */
