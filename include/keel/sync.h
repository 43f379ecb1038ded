/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SYNC_H
#define KEEL_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * Mutex, rwmutex, cond, waitgroup, semaphore and once, for tasks and threads alike: whoever has to wait
 * parks, and its worker runs other tasks. Each is a struct in storage of yours; all zero is ready for use
 * (but a semaphore needs keel_semaphore_init), nothing is allocated. It must not be copied or moved while in
 * use. Waiters are served first come, first served (at a mutex others may come between, but only once).
 *
 * Threads: any, all functions, at once.
 * Source:  Go's package sync, and golang.org/x/sync/semaphore.
 */

/* ---- Mutex ---- */

/**
 * One owner at a time, a task or a thread. Locking it again as the owner, unlocking it as another,
 * and dropping it while locked are misuse, and abort. It may be held across waits.
 */
typedef struct keel_mutex {
    keel__address keel__state;
    keel__address keel__place;
    keel__word keel__lock;
    uint32_t keel__woken;
    keel__waitq keel__waiters;
} keel_mutex;

/** Ready for use, as all zero is too; and the check that nobody holds it any more. */
void keel_mutex_init(keel_mutex *mutex);
void keel_mutex_deinit(keel_mutex *mutex);

/** Waits until the mutex is the caller's. */
void keel_mutex_lock(keel_mutex *mutex);

/** The same; if the context ends first, returns its error without the mutex. */
KEEL_NODISCARD keel_err *keel_mutex_lock_ctx(keel_ctx *ctx, keel_mutex *mutex);

/** Locks it if it is free. Says whether it did. */
KEEL_NODISCARD bool keel_mutex_try_lock(keel_mutex *mutex);

/** Frees it, and wakes who waits longest; one who was woken and came too late is handed it. */
void keel_mutex_unlock(keel_mutex *mutex);

/* ---- Rwmutex ---- */

/**
 * Many readers, or one writer. A writer that waits lets no more readers in, so it waits for those
 * only that were there before; when it unlocks, all readers that came meanwhile are let in before
 * the next writer. So neither keeps the other out for ever.
 *
 * Therefore who has it to read must not ask for it once more, to read or to write: a writer may be waiting
 * in between, and the caller would wait for itself. To ask for it while having it to write, to unlock what
 * another writes or nobody reads, and to drop it while it is locked are misuse, and abort.
 *
 * It pays where readers hold it for long, or wait while they do. To read a few words, use a mutex.
 *
 * Source: Go's sync.RWMutex.
 */
typedef struct keel_rwmutex {
    keel__address keel__state;
    keel__address keel__owner;
    keel__address keel__place;
    keel__word keel__lock;
    keel__waitq keel__readers;
    keel__waitq keel__writers;
} keel_rwmutex;

void keel_rwmutex_init(keel_rwmutex *rw);
void keel_rwmutex_deinit(keel_rwmutex *rw);

/** Waits until it is the caller's alone. */
void keel_rwmutex_lock(keel_rwmutex *rw);

/** The same; if the context ends first, returns its error without it. */
KEEL_NODISCARD keel_err *keel_rwmutex_lock_ctx(keel_ctx *ctx, keel_rwmutex *rw);

/** Locks it if nobody has it. Says whether it did. */
KEEL_NODISCARD bool keel_rwmutex_try_lock(keel_rwmutex *rw);

/** The writer frees it: to all readers that wait, else to the writer that waits longest. */
void keel_rwmutex_unlock(keel_rwmutex *rw);

/** Waits until no writer has it, and none waits for it. */
void keel_rwmutex_rlock(keel_rwmutex *rw);

/** The same; if the context ends first, returns its error without it. */
KEEL_NODISCARD keel_err *keel_rwmutex_rlock_ctx(keel_ctx *ctx, keel_rwmutex *rw);

/** Locks it to read if no writer has it or waits for it. Says whether it did. */
KEEL_NODISCARD bool keel_rwmutex_try_rlock(keel_rwmutex *rw);

/** A reader leaves; the last one lets in the writer that waits longest. By any task or thread, as in Go. */
void keel_rwmutex_runlock(keel_rwmutex *rw);

/* ---- Cond ---- */

/**
 * A place to wait until what a mutex guards has changed. Wait in a loop that looks at the condition:
 * others may have changed it again before the waiter has the mutex.
 *
 *     keel_mutex_lock(&mutex);
 *     while (!ready)
 *         keel_cond_wait(&cond, &mutex);
 *
 * Who waits returns when it was signalled, and for no other reason (but its context). Waiting without
 * the mutex, waiting at once with another mutex than the others, and dropping it while somebody
 * waits are misuse, and abort. A channel is often simpler.
 *
 * Source: Go's sync.Cond, with contexts.
 */
typedef struct keel_cond {
    keel_mutex *keel__mutex;
    keel__waitq keel__waiters;
    keel__word keel__lock;
} keel_cond;

void keel_cond_init(keel_cond *cond);
void keel_cond_deinit(keel_cond *cond);

/** Frees the mutex and waits, as one step; has it again when it returns. */
void keel_cond_wait(keel_cond *cond, keel_mutex *mutex);

/**
 * The same, no longer than the context lives. The mutex is the caller's again when this returns, also with an
 * error; that may take longer than the context.
 *
 * Errors: the context's, if it ends first; no signal is then used up.
 */
KEEL_NODISCARD keel_err *keel_cond_wait_ctx(keel_ctx *ctx, keel_cond *cond, keel_mutex *mutex);

/** Lets the one go on that waits longest, if any. The mutex need not be held. */
void keel_cond_signal(keel_cond *cond);

/** Lets all go on that wait. The mutex need not be held. */
void keel_cond_broadcast(keel_cond *cond);

/* ---- Waitgroup ---- */

/**
 * Counts work that is under way, and lets others wait until there is none. Reaching below zero is
 * misuse, and aborts. Add before the work starts, not in the task that does it.
 */
typedef struct keel_waitgroup {
    keel__word keel__lock;
    keel__waitq keel__waiters;
    uint64_t keel__count;
} keel_waitgroup;

void keel_waitgroup_init(keel_waitgroup *wg);
void keel_waitgroup_deinit(keel_waitgroup *wg);

/** `count` more are under way. */
void keel_waitgroup_add(keel_waitgroup *wg, size_t count);

/** One has finished. */
void keel_waitgroup_done(keel_waitgroup *wg);

/** Waits until none is under way. Errors: the context's, if it ends first. */
KEEL_NODISCARD keel_err *keel_waitgroup_wait(keel_ctx *ctx, keel_waitgroup *wg);

/* ---- Semaphore ---- */

/**
 * A number of permits. Who asks for many is not overtaken by those who ask for few. Releasing
 * more than was taken is misuse, and aborts.
 */
typedef struct keel_semaphore {
    keel__word keel__lock;
    keel__waitq keel__waiters;
    size_t keel__permits;
    size_t keel__free;
} keel_semaphore;

void keel_semaphore_init(keel_semaphore *sem, size_t permits);
void keel_semaphore_deinit(keel_semaphore *sem);

/**
 * Waits for `count` permits. More than there are at all can only end with the context, as in Go.
 * Errors: the context's, if it ends first; no permit is then taken.
 */
KEEL_NODISCARD keel_err *keel_semaphore_acquire(keel_ctx *ctx, keel_semaphore *sem, size_t count);

/** Takes them if they are free and nobody waits. Says whether it did. */
KEEL_NODISCARD bool keel_semaphore_try_acquire(keel_semaphore *sem, size_t count);

/** Gives `count` permits back. */
void keel_semaphore_release(keel_semaphore *sem, size_t count);

/* ---- Once ---- */

/**
 * Runs a function once, whoever comes first; the others wait for it. Its error is kept, and every
 * caller gets it. A fn that calls keel_once_do on the same object is misuse, and aborts.
 */
typedef struct keel_once {
    keel__word keel__lock;
    keel__waitq keel__waiters;
    void *keel__runner;
    keel_err *keel__err;
    keel__word keel__done;
} keel_once;

void keel_once_init(keel_once *once);
/** Frees the kept error. Every keel_once_do on it must have returned. */
void keel_once_deinit(keel_once *once);

/**
 * Runs `fn(ctx, arg)` unless that was done, and returns what it returned.
 *
 * Errors: fn's (a reference of the caller's own), or the context's, if it has ended before, or ends
 *         while another runs fn.
 * Source: Go's sync.OnceValue.
 */
KEEL_NODISCARD keel_err *keel_once_do(keel_ctx *ctx, keel_once *once, keel_task_fn fn, void *arg);

KEEL_END_DECLS

#endif /* KEEL_SYNC_H */
