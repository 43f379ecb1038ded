/* SPDX-License-Identifier: MIT */
#ifndef KEEL_CTX_H
#define KEEL_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include <keel/any.h>
#include <keel/clock.h>
#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * A context: when work should stop, and what travels with it. It is the first parameter of
 * everything that may wait; when it ends, the wait ends with its error. NULL never ends.
 *
 * Contexts form a tree. One ends when it is cancelled, when its deadline passes, or when its
 * parent ends, whichever comes first, and does not change any more. Before keel_ctx_cancel
 * returns, every descendant has ended.
 *
 * Each of the keel_ctx_with_... functions makes a child that is yours, to be freed with
 * keel_ctx_free. They never return NULL: without memory they return a static context that has
 * already ended with KEEL_ERR_NOMEM, so that whatever is done under it fails with that.
 *
 * Threads: any, all functions, at once; a context must only outlive the calls it was passed to.
 * Source:  Go's package context.
 */
typedef struct keel_ctx keel_ctx;

/** The root for programs without a runtime: never ends, has no values. The same as passing NULL. */
keel_ctx *keel_ctx_background(void);

/** A child that can be cancelled on its own. Source: Go's context.WithCancel. */
KEEL_NODISCARD keel_ctx *keel_ctx_with_cancel(keel_ctx *parent);

/**
 * A child that ends by itself, with KEEL_ERR_DEADLINE: at a time of the context's clock
 * (keel_ctx_now), or `timeout_ns` from now. A deadline of the parent's that is earlier wins; one
 * that has passed gives a context that has ended. Source: Go's context.WithDeadline, WithTimeout.
 */
KEEL_NODISCARD keel_ctx *keel_ctx_with_deadline(keel_ctx *parent, int64_t deadline_ns);
KEEL_NODISCARD keel_ctx *keel_ctx_with_timeout(keel_ctx *parent, int64_t timeout_ns);

/** The same, with what keel_ctx_cause is to say if the time runs out. Takes `cause`. */
KEEL_NODISCARD keel_ctx *keel_ctx_with_deadline_cause(keel_ctx *parent, int64_t deadline_ns,
                                                      keel_err *cause);
KEEL_NODISCARD keel_ctx *keel_ctx_with_timeout_cause(keel_ctx *parent, int64_t timeout_ns,
                                                     keel_err *cause);

/**
 * A child that carries a value. The key is compared by address: give each kind of value a `static const
 * char` of its own, and pass its address.
 *
 *     static const char user_key;
 *     keel_ctx *inner = keel_ctx_with_value(ctx, &user_key, KEEL_ANY_PTR(user, &someone));
 *     ...
 *     const user *u = KEEL_ANY_AS(keel_ctx_value(ctx, &user_key), user);
 *
 * The value is copied (keel_any_dup), and goes when the context and its descendants have: a text and an
 * error need not outlive the call, a pointer whose type has no `dup` must outlive them all.
 *
 * Source: Go's context.WithValue.
 */
KEEL_NODISCARD keel_ctx *keel_ctx_with_value(keel_ctx *parent, const void *key, keel_any value);

/** A context with the parent's values that does not end with it. Source: context.WithoutCancel. */
KEEL_NODISCARD keel_ctx *keel_ctx_without_cancel(keel_ctx *parent);

/**
 * Ends the context and all its descendants, with KEEL_ERR_CANCELLED, and wakes all that waits under
 * them; does not wait for it. Only the first end counts. NULL and the background cannot be cancelled.
 */
void keel_ctx_cancel(keel_ctx *ctx);

/** The same, with what keel_ctx_cause is to say. Takes `cause`, also when it came too late. */
void keel_ctx_cancel_cause(keel_ctx *ctx, keel_err *cause);

/**
 * Cancels the context and gives it up. Descendants that are still in use stay valid, ended.
 * Never fails, accepts NULL, and may be called from anywhere.
 */
void keel_ctx_free(keel_ctx *ctx);

/**
 * NULL while the context goes on, then KEEL_ERR_CANCELLED or KEEL_ERR_DEADLINE; for what could not be
 * made, KEEL_ERR_NOMEM, or what else keel_group_new says was wrong. These are static errors, which may
 * be returned as they are and need not be freed. Cheap enough for a loop.
 */
static inline keel_err *keel_ctx_err(keel_ctx *ctx);

/** Why the context ended: the cause of the first to end, or else what keel_ctx_err says. Yours. */
KEEL_NODISCARD keel_err *keel_ctx_cause(keel_ctx *ctx);

/** Says whether there is a deadline, and stores it (0 if there is none). */
bool keel_ctx_deadline(keel_ctx *ctx, int64_t *deadline_ns);

/** The value of the nearest ancestor that carries one for this key, or "none". Borrowed from the context. */
keel_any keel_ctx_value(keel_ctx *ctx, const void *key);

/** The time on the clock that this context's deadlines go by. */
int64_t keel_ctx_now(keel_ctx *ctx);

/* ---- After the end ---- */

/** A function that runs once, after a context has ended. */
typedef struct keel_after keel_after;
typedef void (*keel_after_fn)(void *arg);

/**
 * Has `fn(arg)` run once `ctx` has ended, at once if it has. It runs for sure once the context has ended,
 * and keel_after_free waits for it; freed before the context ends, it never runs. fn may use `ctx`: free
 * the after-function first, then the context.
 *
 * Runs on: a task of its own on the context's runtime, or, if the context has none, the thread that
 *          ended it or found its deadline passed.
 * Errors:  KEEL_ERR_NOMEM; fn will then not run. KEEL_ERR_INVAL if ctx is NULL or the background,
 *          which never end.
 * Owns:    *out is yours, to be freed with keel_after_free.
 * Source:  Go's context.AfterFunc.
 */
KEEL_NODISCARD keel_err *keel_ctx_after(keel_after **out, keel_ctx *ctx, keel_after_fn fn,
                                        void *arg);

/** Says true if this call prevented fn from running; false if fn had started, or was stopped before. */
bool keel_after_stop(keel_after *after);

/** The same, and returns only when fn is not running. From within fn itself it does not wait. */
bool keel_after_stop_and_wait(keel_after *after);

/**
 * keel_after_stop_and_wait, then frees it: what `arg` points to can be freed next. It must not
 * be called from within fn. Accepts NULL.
 */
void keel_after_free(keel_after *after);

/* ---- What keel_ctx_err is made of; none of it is for users ---- */

/* A context begins with a word that is 0 while it goes on and there is nothing else to look at, such as a
 * deadline; and this one is NULL while there is no simulation. */
extern keel__pointer keel__sim_word;

keel_err *keel__ctx_ask(keel_ctx *ctx);

static inline keel_err *keel_ctx_err(keel_ctx *ctx)
{
/* the simulated machine has to see every access */
#if defined(__GNUC__) && !defined(KEEL_SIM_CORE)
    if (ctx != NULL && __atomic_load_n(&keel__sim_word.v, __ATOMIC_RELAXED) == NULL &&
        __atomic_load_n(&((const keel__word *)(const void *)ctx)->v, __ATOMIC_ACQUIRE) == 0)
        return NULL;
#endif
    return keel__ctx_ask(ctx);
}

KEEL_END_DECLS

#endif /* KEEL_CTX_H */
