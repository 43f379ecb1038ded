/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_PARK_H
#define KEEL_SRC_TASK_PARK_H

/* How everything in keel waits. One wait goes like this:
 *
 *     keel__wait wait = keel__wait_begin_on(KEEL__OP_MUTEX_LOCK, mutex);
 *     keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
 *     lock the object; if there is nothing to wait for, done;
 *     keel__waitq_push(&queue, &waiter); unlock;
 *     fired = keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT);
 *     if (fired != KEEL__FIRED_USER) { lock; keel__waitq_remove(&queue, &waiter); unlock; }
 *
 * and waking like this, under the object's lock:
 *
 *     waiter = keel__waitq_claim(&queue);       a waiter whose wait this call has decided
 *     hand over what it waited for;
 *     unlock; keel__unpark(waiter->wait->actor);
 *
 * A wait is decided once: by the first to *claim* it, be it a peer, the context, the timer or the
 * waiter itself. Whoever claims a wait of another must unpark its actor, exactly once, and the waiter
 * does not go on before that. So a waiter that was claimed stays where it is until it is unparked; a
 * peer that fails to claim must not touch it after letting go of the lock. */

#include <stdbool.h>
#include <stdint.h>

#include <keel/ctx.h>

#include "base/atomic.h"
#include "base/sim_hook.h"

/* Who can wait: a task, or a plain thread. */
typedef struct keel__actor {
    bool is_thread;
} keel__actor;

/* The caller's. Also an identity, for owners: it stays the same as long as the task or thread lives. */
keel__actor *keel__actor_self(void);

/* "task 'fetch' (started at main.c:12)" or "a thread", for messages. Returns `buf`. */
const char *keel__actor_describe(keel__actor *actor, char *buf, size_t size);

/* What decided a wait. */
enum {
    KEEL__FIRED_NONE,  /* nothing yet */
    KEEL__FIRED_CTX,   /* the context ended */
    KEEL__FIRED_TIMER, /* the time was up */
    KEEL__FIRED_SELF,  /* the waiter changed its mind */
    KEEL__FIRED_USER   /* this and above: a peer; the number of its keel__waiter */
};

/* One wait of one actor. Lives on the waiter's stack. */
typedef struct keel__wait {
    keel__actor *actor;
    keel__a32 fired;
    uint32_t op;        /* for dumps: what it waits to do, KEEL__OP_..., */
    const void *object; /* and with what */
} keel__wait;

/* The place of a wait in a queue; a wait may stand in several. */
typedef struct keel__waiter {
    struct keel__waiter *next, *prev;
    keel__wait *wait;
    uint32_t number; /* what the wait's `fired` becomes when it is claimed here */
    bool queued;
    void *item; /* for the queue's owner: where the item is, or how many permits are asked for */
    size_t count;
} keel__waiter;

static inline keel__wait keel__wait_begin_on(uint32_t op, const void *object)
{
    return (keel__wait){ .actor = keel__actor_self(), .op = op, .object = object };
}

static inline keel__wait keel__wait_begin(void)
{
    return keel__wait_begin_on(KEEL__OP_PARK, NULL);
}

/* Decides the wait, if nobody has. */
static inline bool keel__wait_claim(keel__wait *wait, uint32_t number)
{
    uint32_t none = KEEL__FIRED_NONE;

    return keel__cas(&wait->fired, &none, number);
}

#define KEEL__NO_TIMEOUT INT64_MAX

/* Waits until the wait is decided, and says by what. Ends it when the context ends, or when
 * timeout_ns have passed. The caller holds no lock. */
uint32_t keel__wait_end(keel__wait *wait, keel_ctx *ctx, int64_t timeout_ns);

/* For a waiter that finds, before keel__wait_end, that it need not wait: true if that was in time;
 * false if somebody claimed it first, and then keel__wait_end must be called. */
static inline bool keel__wait_cancel(keel__wait *wait)
{
    return keel__wait_claim(wait, KEEL__FIRED_SELF);
}

/* Lets an actor go on whose wait the caller has claimed. The wait is gone when this returns. */
void keel__unpark(keel__actor *actor);

/* keel_ctx_err for the library itself: no operation of the user's. */
keel_err *keel__ctx_err(keel_ctx *ctx);

/* ---- Queues of waiters, under their owner's lock ---- */

void keel__waitq_push(keel__waitq *queue, keel__waiter *waiter);

/* The same at the front. */
void keel__waitq_push_front(keel__waitq *queue, keel__waiter *waiter);

/* Nothing happens if it is not in the queue (any more). */
void keel__waitq_remove(keel__waitq *queue, keel__waiter *waiter);

/* Takes out waiters from the front until one can be claimed, and returns that; NULL if none. */
keel__waiter *keel__waitq_claim(keel__waitq *queue);

/* The same for one waiter of the queue: takes it out, and says whether it could be claimed. */
bool keel__waitq_claim_one(keel__waitq *queue, keel__waiter *waiter);

/* Claims all and makes them a list by `next`, to be given to keel__unpark_all without the lock. */
keel__waiter *keel__waitq_claim_all(keel__waitq *queue);
void keel__unpark_all(keel__waiter *list);

/* Appends one that was claimed to such a list, which begins as all zero and is list->first then. */
void keel__waitq_collect(keel__waitq *list, keel__waiter *waiter);

#endif /* KEEL_SRC_TASK_PARK_H */
