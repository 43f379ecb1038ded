/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CTX_H
#define KEEL_SRC_TASK_CTX_H

/* Contexts, for the rest of the task floor.
 *
 * A context that can end belongs to a tree, whose top holds the tree's lock: it guards who is whose
 * child, and ending. Each context's own lock guards what waits for its end. The order is tree,
 * then context. A child holds a reference on its parent, so memory goes from the leaves up. */

#include <keel/ctx.h>
#include <keel/runtime.h>

#include "base/list.h"
#include "base/spin.h"
#include "task/park.h"
#include "task/timer.h"

enum { KEEL__CTX_LIVE, KEEL__CTX_CANCELLED, KEEL__CTX_DEADLINE, KEEL__CTX_BROKEN };

struct keel_ctx {
    keel__a32 refs;
    keel__a32 state;  /* KEEL__CTX_...; leaves LIVE once, under both locks */
    keel__a32 polls;  /* calls of keel_ctx_err, to look at the clock now and then */
    keel_ctx *parent; /* NULL: none, or the background */
    keel_ctx *top;    /* of the tree; NULL: never ends */
    keel_runtime *rt; /* has the timers and the tasks of after-functions; may be NULL */
    keel_clock *clock;
    int64_t deadline_ns; /* the earliest of its own and the ancestors'; INT64_MAX: none */
    const void *key;
    keel_any value; /* its own */

    keel__spin tree_lock; /* if this is a top; guards, in the whole tree, the next two */
    keel__link sibling;
    keel__list children;

    keel__spin lock; /* guards what follows */
    keel__list watchers;
    keel__list afters;
    keel_err *cause; /* set when it ends; NULL: what keel_ctx_err says */

    keel__timer timer;       /* armed: holds a reference */
    keel_err *timeout_cause; /* `cause`, if the timer ends it */
    keel_err *broken;        /* of a static context that ended before it began: why */
};

/* A wait that ends with a context. */
typedef struct keel__watcher {
    keel__link link;
    keel__wait *wait;
    bool linked;
} keel__watcher;

/* Has the wait claimed (KEEL__FIRED_CTX) and unparked when the context ends. False if it never
 * will, or has already: then nothing is to be undone. */
bool keel__ctx_watch(keel_ctx *ctx, keel__watcher *watcher);
void keel__ctx_unwatch(keel_ctx *ctx, keel__watcher *watcher);

/* Whether keel__ctx_err needs no asking: the context has not ended, and has no deadline that may have passed
 * unseen. */
static inline bool keel__ctx_runs(const keel_ctx *ctx)
{
    return ctx == NULL ||
           (keel__load(&ctx->state) == KEEL__CTX_LIVE && ctx->deadline_ns == INT64_MAX);
}

/* How long until the deadline of a context that has no runtime to keep it; INT64_MAX: none. */
int64_t keel__ctx_unattended(keel_ctx *ctx);

/* The deadline of such a context has passed. */
void keel__ctx_expire(keel_ctx *ctx);

/* The clock of its deadlines; for NULL, that of the calling task, else the system's. */
keel_clock *keel__ctx_clock(keel_ctx *ctx);

/* A child on a runtime that may be another than the parent's, and not NULL. NULL without memory. */
keel_ctx *keel__ctx_child(keel_ctx *parent, keel_runtime *rt, keel_clock *clock);

/* The static context of a group that could not be made, for KEEL_ERR_NOMEM or another reason. */
keel_ctx *keel__ctx_broken(const keel_err *why);

/* keel_ctx_cancel_cause and keel_ctx_free for the library itself: no operations of the user's. */
void keel__ctx_cancel(keel_ctx *ctx, keel_err *cause);
void keel__ctx_free(keel_ctx *ctx);

keel_ctx *keel__ctx_retain(keel_ctx *ctx);
void keel__ctx_release(keel_ctx *ctx);

/* After-functions (after.c): under the context's lock, says that one has left its list; then, without
 * the lock, starts that, unless it was stopped in between. */
void keel__after_claim(keel_after *after);
void keel__after_start(keel_after *after);
keel_after *keel__after_of(keel__link *link);

#endif /* KEEL_SRC_TASK_CTX_H */
