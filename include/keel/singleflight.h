/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SINGLEFLIGHT_H
#define KEEL_SINGLEFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/runtime.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * One call at a time for each key: who asks while it is under way waits for it, and gets a copy of what
 * it comes to, value or error. So a thousand requests that miss the cache at once make one query.
 *
 *     keel_flights *flights;
 *     KEEL_TRY(keel_flights_new(ctx, &flights, sizeof(price), NULL));
 *     ...
 *     KEEL_TRY(keel_flights_do(ctx, flights, symbol, fetch, request, &found, NULL));
 *
 * The call runs in a task of its own, so that it belongs to none of those who wait: any of them may leave,
 * also the one that caused it. When the last has left, its context ends; a caller that comes then causes
 * a new call. Nothing is kept when the call has ended: the next to ask causes another.
 *
 * A call must not ask for its own key: it would wait for itself.
 *
 * Threads: any, all functions, at once; only keel_flights_free needs the others finished.
 * Source:  golang.org/x/sync/singleflight, which lets the first caller's context end the call for all.
 */
typedef struct keel_flights keel_flights;

/**
 * What is called. It fills `out`, which is all zero and aligned for any type (NULL if values have no
 * bytes); where it fails, what is there is not freed. Its context has the values of keel_flights_new's, not
 * those of any caller, and no deadline but that one's.
 *
 * Runs on: a task; it may wait.
 */
typedef keel_err *(*keel_flight_fn)(keel_ctx *ctx, void *out, void *arg);

typedef struct keel_flights_opts {
    /** Makes the copy for one of those who wait, for instance by another reference. Copies for several may be
     * made at once. Without it the bytes are copied. */
    keel_err *(*value_copy)(void *to, const void *from);
    void (*value_free)(void *value); /**< For the call's own, after the copies. NULL: nothing. */
    /** For each `arg` of keel_flights_do; by whoever is done with it; must not wait. NULL: nothing. */
    void (*arg_free)(void *arg);
    const char *name;   /**< Of the tasks, for messages; a literal. NULL: "flight". */
    size_t stack_bytes; /**< Of each task. 0: the runtime's. */
} keel_flights_opts;

/**
 * Makes one for values of so many bytes, on the context's runtime, or that of the calling task. When `ctx`
 * ends, so do the calls under way, and no others begin. `opts` may be NULL.
 *
 * Errors: KEEL_ERR_INVAL for a stack size out of range; KEEL_ERR_NO_RUNTIME; the context's, if it has
 *         ended; KEEL_ERR_NOMEM.
 * Owns:   *out is yours, to be freed with keel_flights_free, before its runtime stops.
 */
#define keel_flights_new(ctx, out, value_bytes, ...)                                               \
    keel_flights_new_at(KEEL_HERE, (ctx), (out), (value_bytes), __VA_ARGS__)
KEEL_NODISCARD keel_err *keel_flights_new_at(const char *where, keel_ctx *ctx, keel_flights **out,
                                             size_t value_bytes, const keel_flights_opts *opts);

/** Waits until the calls that were told to end have returned, and frees it. Accepts NULL. */
void keel_flights_free(keel_flights *flights);

/**
 * Calls `fn(ctx, value, arg)`, or waits for the call of that key that is under way, and copies its value to
 * `out` (may be NULL). *shared (may be NULL) says whether another's call was waited for.
 *
 * Errors: the call's (a reference of the caller's own); the caller's context's, if it ends first; that of
 *         keel_flights_new's context, if it has ended; value_copy's; KEEL_ERR_NOMEM; KEEL_ERR_LIMIT. `out`
 *         is then all zero.
 * Owns:   gives `arg`, also where it fails or another's call is waited for: arg_free is called for it.
 *         The key is copied.
 * Cost:   a task and its context; of who joins a call, no allocation.
 */
KEEL_NODISCARD keel_err *keel_flights_do(keel_ctx *ctx, keel_flights *flights, keel_str key,
                                         keel_flight_fn fn, void *arg, void *out, bool *shared);

/** Has the next to ask for the key cause a new call, though one may be under way; those who wait for that one
 * go on waiting. For when what it reads has changed. */
void keel_flights_forget(keel_flights *flights, keel_str key);

typedef struct keel_flights_stats {
    size_t flying;      /**< Calls under way, forgotten and abandoned ones among them. */
    uint64_t started;   /**< Calls in all. */
    uint64_t joined;    /**< How often another's call was waited for. */
    uint64_t abandoned; /**< Calls that nobody waited for to the end. */
} keel_flights_stats;

void keel_flights_get_stats(keel_flights *flights, keel_flights_stats *out);

KEEL_END_DECLS

#endif /* KEEL_SINGLEFLIGHT_H */
