/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/mutex.h"
#include "task/self.h"

/* `keel__state` counts the readers that have it, above two bits: WRITER, a writer has it; WAITED, somebody
 * is in a queue. Without WAITED a compare-and-swap takes it and gives it back; with it everybody takes the
 * spinlock, which guards the queues. Who gives it back then hands it over, so that it is never free while
 * somebody waits: a writer to all readers that wait, so that they are not starved by other writers, and the
 * last reader to a writer, for which new readers wait, so that it is not starved by them. WAITED without
 * WRITER means that a writer waits; with WRITER it may be left behind by somebody who gave up.
 *
 * Readers in the queue wait for a writer: one that has it or one in the queue. So when the last writer of
 * the queue gives up, while readers have it, those in the queue are let in.
 *
 * Who gives it back touches it last when others can have it: by the compare-and-swap that frees it, or
 * before it unparks whom it has handed it to. */

enum { WRITER = 1, WAITED = 2, READER = 4, NAME_BYTES = 192 };

#ifdef KEEL_SIM_CORE
enum { LOOKS = 1, PAUSES = 1 };
#else
enum { LOOKS = 4, PAUSES = 30 }; /* as at a mutex: before it queues for a writer on another core */
#endif

/* For a simulation: what writers did comes before what others do, what readers did before what writers do. */
static inline const void *writers_order(const keel_rwmutex *rw)
{
    return &rw->keel__state;
}

static inline const void *readers_order(const keel_rwmutex *rw)
{
    return &rw->keel__owner;
}

static _Noreturn void misuse(const char *function, const keel_rwmutex *rw, const char *what)
{
    keel__actor *owner = keel__rwmutex_owner(rw);
    uintptr_t readers = keel__load_relaxed(&rw->keel__state) / READER;
    char owner_name[NAME_BYTES] = "nobody", caller_name[NAME_BYTES];

    if (owner != NULL)
        keel__actor_describe(owner, owner_name, sizeof owner_name);
    keel__actor_describe(keel__actor_self(), caller_name, sizeof caller_name);
    keel__misuse("%s: rwmutex %p %s (writer: %s, readers: %zu, caller: %s)", function,
                 (const void *)rw, what, owner_name, (size_t)readers, caller_name);
}

static void need(const keel_rwmutex *rw, const char *function)
{
    if (__builtin_expect(rw == NULL, 0))
        keel__misuse("%s: the rwmutex is NULL", function);
}

void keel_rwmutex_init(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_init");
    *rw = (keel_rwmutex){ 0 };
}

void keel_rwmutex_deinit(keel_rwmutex *rw)
{
    if (rw != NULL && (keel__load(&rw->keel__state) & ~(uintptr_t)WAITED) != 0)
        misuse("keel_rwmutex_deinit", rw, "is locked");
}

/* ---- Taking it ---- */

static inline void own(keel_rwmutex *rw, keel__self self)
{
    keel__store_relaxed(&rw->keel__owner, (uintptr_t)self.actor);
    keel__store_relaxed(&rw->keel__place, (uintptr_t)self.place);
}

static inline bool take_free(keel_rwmutex *rw, keel__self self)
{
    uintptr_t free = 0;

    if (!keel__cas(&rw->keel__state, &free, WRITER))
        return false;
    own(rw, self);
    return true;
}

/* Takes it for a reader, as long as there is neither a writer nor a queue. */
static inline bool join_readers(keel_rwmutex *rw)
{
    uintptr_t state = keel__load_relaxed(&rw->keel__state);

    while ((state & (WRITER | WAITED)) == 0)
        if (keel__cas(&rw->keel__state, &state, state + READER))
            return true;
    return false;
}

static bool nobody_waits(const keel_rwmutex *rw)
{
    return rw->keel__writers.first == NULL && rw->keel__readers.first == NULL;
}

/* Under the spinlock: takes it, if it can be had; else says in the state that somebody waits. */
static bool take_or_tell(keel_rwmutex *rw, bool write)
{
    uintptr_t state = keel__load_relaxed(&rw->keel__state), next;
    bool takes;

    do {
        takes = write ? state == 0 : (state & (WRITER | WAITED)) == 0;
        next = !takes ? state | WAITED : state + (write ? WRITER : READER);
    } while (!keel__cas(&rw->keel__state, &state, next));
    return takes;
}

/* Tries again for as long as a short writer on another core may take. */
static bool take_soon(keel_rwmutex *rw, keel__self self, bool write)
{
    for (int i = 0; i < LOOKS; i++) {
        if ((keel__load_relaxed(&rw->keel__state) & WRITER) == 0 ||
            keel__load_relaxed(&rw->keel__place) == (uintptr_t)self.place)
            return false;
        for (int j = 0; j < PAUSES; j++)
            keel__pause();
        if (write ? take_free(rw, self) : join_readers(rw))
            return true;
    }
    return false;
}

/* Under the spinlock, with no writer in the queue and none that has it: lets in the readers of the
 * queue, to be unparked without the spinlock. */
static keel__waiter *admit_readers(keel_rwmutex *rw)
{
    keel__waiter *readers = keel__waitq_claim_all(&rw->keel__readers);
    uintptr_t state = keel__load_relaxed(&rw->keel__state), more = 0;

    for (const keel__waiter *reader = readers; reader != NULL; reader = reader->next)
        more += READER;
    while (!keel__cas(&rw->keel__state, &state, (state & ~(uintptr_t)WAITED) + more)) {
    }
    return readers;
}

/* The context has ended: out of the queue, where others may have waited for this writer only. */
static void give_up(keel_rwmutex *rw, keel__waitq *queue, keel__waiter *waiter)
{
    keel__waiter *readers = NULL;

    keel__spin_lock(&rw->keel__lock);
    keel__waitq_remove(queue, waiter);
    if (rw->keel__writers.first == NULL && (keel__load_relaxed(&rw->keel__state) & WRITER) == 0)
        readers = admit_readers(rw);
    keel__spin_unlock(&rw->keel__lock);
    keel__unpark_all(readers);
}

/* Waits for it; false if the context ended first. */
__attribute__((noinline)) static bool wait_for(keel_ctx *ctx, keel_rwmutex *rw, keel__self self,
                                               bool write)
{
    if (keel__rwmutex_owner(rw) == self.actor)
        misuse(write ? "keel_rwmutex_lock" : "keel_rwmutex_rlock", rw, "is the caller's already");
    if (take_soon(rw, self, write))
        return true;

    keel__wait wait =
        keel__wait_begin_on(write ? KEEL__OP_RWMUTEX_LOCK : KEEL__OP_RWMUTEX_RLOCK, rw);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };
    keel__waitq *queue = write ? &rw->keel__writers : &rw->keel__readers;

    keel__spin_lock(&rw->keel__lock);
    bool taken = take_or_tell(rw, write);
    if (!taken)
        keel__waitq_push(queue, &waiter);
    keel__spin_unlock(&rw->keel__lock);
    if (!taken && keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) != KEEL__FIRED_USER) {
        give_up(rw, queue, &waiter);
        return false;
    }
    if (write)
        own(rw, self);
    return true;
}

/* ---- Writers ---- */

static inline bool lock(keel_ctx *ctx, keel_rwmutex *rw)
{
    keel__self self = keel__self_get();

    if (__builtin_expect(!take_free(rw, self), 0) && !wait_for(ctx, rw, self, true))
        return false;
    keel__order_acquire(writers_order(rw));
    keel__order_acquire(readers_order(rw));
    return true;
}

void keel_rwmutex_lock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_lock");
    keel__point(KEEL__OP_RWMUTEX_LOCK, rw);
    (void)lock(NULL, rw); /* without a context it succeeds */
}

keel_err *keel_rwmutex_lock_ctx(keel_ctx *ctx, keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_lock_ctx");
    keel__point(KEEL__OP_RWMUTEX_LOCK, rw);
    KEEL_TRY(keel__ctx_err(ctx));
    return lock(ctx, rw) ? NULL : keel__ctx_err(ctx);
}

bool keel_rwmutex_try_lock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_try_lock");
    keel__point(KEEL__OP_RWMUTEX_LOCK, rw);
    if (!take_free(rw, keel__self_get()))
        return false;
    keel__order_acquire(writers_order(rw));
    keel__order_acquire(readers_order(rw));
    return true;
}

/* Hands it to the first writer of the queue, if there is one. Under the spinlock, by who has it alone while
 * there is WAITED: nobody else changes the state then. */
static keel__waiter *hand_to_writer(keel_rwmutex *rw)
{
    keel__waiter *writer = keel__waitq_claim(&rw->keel__writers);

    if (writer != NULL) {
        keel__store_relaxed(&rw->keel__owner, (uintptr_t)writer->wait->actor);
        keel__store(&rw->keel__state, nobody_waits(rw) ? WRITER : WRITER | WAITED);
    }
    return writer;
}

/* Somebody waits, or has waited: to the readers that wait, else to a writer. False: nobody waits now. */
static bool hand_over(keel_rwmutex *rw)
{
    keel__waiter *writer = NULL;
    uintptr_t more = 0;

    keel__spin_lock(&rw->keel__lock);
    keel__waiter *readers = keel__waitq_claim_all(&rw->keel__readers);
    for (const keel__waiter *reader = readers; reader != NULL; reader = reader->next)
        more += READER;
    if (readers != NULL)
        keel__store(&rw->keel__state, nobody_waits(rw) ? more : more | WAITED);
    else if ((writer = hand_to_writer(rw)) == NULL)
        keel__store(&rw->keel__state, WRITER);
    keel__spin_unlock(&rw->keel__lock);
    keel__unpark_all(readers);
    if (writer != NULL)
        keel__unpark(writer->wait->actor);
    return readers != NULL || writer != NULL;
}

void keel_rwmutex_unlock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_unlock");
    keel__point(KEEL__OP_RWMUTEX_UNLOCK, rw);
    uintptr_t state = WRITER;

    if (keel__rwmutex_owner(rw) != keel__self_get().actor)
        misuse("keel_rwmutex_unlock", rw, "is not the caller's to write");
    keel__order_release(writers_order(rw));
    keel__store_relaxed(&rw->keel__owner, 0);
    while (__builtin_expect(!keel__cas(&rw->keel__state, &state, 0), 0)) {
        if (hand_over(rw))
            return;
        state = WRITER;
    }
}

/* ---- Readers ---- */

static inline bool rlock(keel_ctx *ctx, keel_rwmutex *rw)
{
    if (__builtin_expect(!join_readers(rw), 0) && !wait_for(ctx, rw, keel__self_get(), false))
        return false;
    keel__order_acquire(writers_order(rw));
    return true;
}

void keel_rwmutex_rlock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_rlock");
    keel__point(KEEL__OP_RWMUTEX_RLOCK, rw);
    (void)rlock(NULL, rw); /* without a context it succeeds */
}

keel_err *keel_rwmutex_rlock_ctx(keel_ctx *ctx, keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_rlock_ctx");
    keel__point(KEEL__OP_RWMUTEX_RLOCK, rw);
    KEEL_TRY(keel__ctx_err(ctx));
    return rlock(ctx, rw) ? NULL : keel__ctx_err(ctx);
}

bool keel_rwmutex_try_rlock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_try_rlock");
    keel__point(KEEL__OP_RWMUTEX_RLOCK, rw);
    if (!join_readers(rw))
        return false;
    keel__order_acquire(writers_order(rw));
    return true;
}

/* The last reader leaves, and somebody waits, or has waited: to a writer. False: look again. */
static bool leave_to_writer(keel_rwmutex *rw)
{
    keel__waiter *writer = NULL, *readers = NULL;

    keel__spin_lock(&rw->keel__lock);
    /* acquires what the readers did that left before: the writer gets it from this one */
    if (keel__load(&rw->keel__state) == (READER | WAITED)) {
        writer = hand_to_writer(rw);
        if (writer == NULL)
            readers = admit_readers(rw);
    }
    keel__spin_unlock(&rw->keel__lock);
    keel__unpark_all(readers);
    if (writer != NULL)
        keel__unpark(writer->wait->actor);
    return writer != NULL;
}

void keel_rwmutex_runlock(keel_rwmutex *rw)
{
    need(rw, "keel_rwmutex_runlock");
    keel__point(KEEL__OP_RWMUTEX_RUNLOCK, rw);
    keel__order_release(readers_order(rw));
    uintptr_t state = keel__load_relaxed(&rw->keel__state);

    for (;;) {
        if (__builtin_expect(state < READER, 0))
            misuse("keel_rwmutex_runlock", rw, "is read by nobody");
        if (__builtin_expect(state == (READER | WAITED), 0)) {
            if (leave_to_writer(rw))
                return;
            state = keel__load_relaxed(&rw->keel__state);
        } else if (keel__cas(&rw->keel__state, &state, state - READER)) {
            return;
        }
    }
}
