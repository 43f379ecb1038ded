/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CTX_H
#define KEEL_SRC_TASK_CTX_H

/* Contexts, for the rest of the task floor.
 *
 * Ends are pushed down: whoever ends a context ends all below it, so that asking is one load. A context's lock
 * guards who its children are, what waits for it, and its end. The order is parent, then child.
 *
 * Make:     lock the parent; if it has ended so has the child, which is not linked; else link it.
 * End:      lock the context and say so; then go through its children, down to the leaves, holding the locks
 *           on the way from the top. What is done is unlinked and unlocked, and last its `parent` becomes
 *           NULL: from then on nobody else touches it. A context whose children are done is *settled*.
 *           Another who ends the same one meanwhile waits for its lock, and helps with what is left.
 * Register: lock; if it has ended say so, else link.
 * Free:     end it; `parent` NULL means that it is out of the tree; else lock the parent, look again, unlink.
 *           That may be a parent that is being made anew: see ctx_slab.h.
 *
 * So a child needs no reference on its parent, unless it is to outlive it: for the parent's values, or since
 * one of them is in memory that does not stay (`above`). */

#include <keel/ctx.h>
#include <keel/runtime.h>

#include "base/list.h"
#include "base/spin.h"
#include "task/ctx_slab.h"
#include "task/park.h"
#include "task/timer.h"

/* Why a context has ended, and what else `state` says. */
enum {
    KEEL__CTX_LIVE,
    KEEL__CTX_CANCELLED,
    KEEL__CTX_DEADLINE,
    KEEL__CTX_BROKEN,
    KEEL__CTX_REASON = 3, /* the bits of the above */
    KEEL__CTX_TIMED = 4,  /* live, with a deadline: look at it now and then */
    KEEL__CTX_SETTLED = 8 /* ended, and all below it too: no child is left in its list */
};

struct keel_ctx {
    /* one cache line: all that making, ending and freeing a leaf needs, but for what never changes */
    keel__a32 state; /* 0: goes on, and there is nothing else to look at */
    keel__spin lock; /* guards what is linked here, `cause`, `watched`, and leaving LIVE */
    keel__a32 refs;
    bool fixed;         /* static: never ends, or began so */
    bool watched;       /* something has stood in watchers or afters */
    bool timed;         /* has a timer */
    bool valued;        /* it or one above carries a value */
    keel__aptr parent;  /* in whose list it is, guarded by that one's lock; or NULL */
    keel__link sibling; /* there */
    keel__list children;
    keel_err *cause; /* set when it ends; NULL: what keel_ctx_err says. If `fixed`: that */

    keel_ctx *above; /* a reference, on what must not go before this one; or NULL */
    keel__ctx_pool *pool;
    keel_runtime *rt; /* has the timers and the tasks of after-functions; may be NULL */
    keel_clock *clock;
    int64_t deadline_ns;     /* the earliest of its own and the ancestors'; INT64_MAX: none */
    keel_err *timeout_cause; /* `cause`, if that ends it */
    const void *key;         /* NULL: it has no value itself */
    keel__a32 polls;         /* calls of keel_ctx_err, to look at the clock now and then */
    uint32_t unused;

    keel__list watchers, afters;
    union {
        keel__timer timer; /* if `timed`; holds a reference */
        keel_any value;    /* if there is a key */
        char room[96];
    };
};

/* Why it ended, or KEEL__CTX_LIVE. */
static inline uint32_t keel__ctx_reason(const keel_ctx *ctx)
{
    return keel__load(&ctx->state) & KEEL__CTX_REASON;
}

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
    return ctx == NULL || keel__load(&ctx->state) == KEEL__CTX_LIVE;
}

/* How long until the deadline of a context that has no runtime to keep it; INT64_MAX: none. */
int64_t keel__ctx_unattended(keel_ctx *ctx);

/* The deadline of such a context has passed. */
void keel__ctx_expire(keel_ctx *ctx);

/* The clock of its deadlines; for NULL, that of the calling task, else the system's. */
keel_clock *keel__ctx_clock(keel_ctx *ctx);

/* What keel_ctx_err says to a context whose state is that. */
keel_err *keel__ctx_end_of(const keel_ctx *ctx, uint32_t state);

/* Ends a context, and what is below it, for its deadline. */
void keel__ctx_end_timeout(keel_ctx *ctx);

/* The timer's function. */
void keel__ctx_fire(keel__timer *timer);

/* Instead of it, when the runtime ends before. */
void keel__ctx_forget_timer(keel__timer *timer);

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
