/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_OS_H
#define KEEL_SRC_TASK_OS_H

/* All that the scheduler and the waits have of the operating system: threads, the place where a plain
 * thread waits, the event loop where a worker sleeps, the clock. It is one layer so that a build
 * can put something else under it, as base/atomic.h does for memory. */

#include <stdint.h>

#ifdef KEEL_SIM_CORE

#include "task/core_os.h"

#else

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include <uv.h>

#include <keel/err.h>

#ifdef KEEL_TSAN
void __tsan_acquire(void *address);
#endif

/* The system's clock. */
static inline int64_t keel__os_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- Threads ---- */

typedef pthread_t keel__thread;

/* Starts a thread of keel's own: SIGPIPE blocked, failures named by the limit that was hit. */
keel_err *keel__thread_start(keel__thread *thread, void *(*run)(void *arg), void *arg);

void keel__thread_join(keel__thread thread);

static inline keel__thread keel__thread_self(void)
{
    return pthread_self();
}

/* Lets others run: a turn of a loop that waits for another thread. */
void keel__thread_yield(void);

/* ---- Gates: where one thread waits, and others signal it ---- */

typedef struct keel__gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} keel__gate;

void keel__gate_init(keel__gate *gate);

static inline void keel__gate_lock(keel__gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
}

static inline void keel__gate_unlock(keel__gate *gate)
{
    pthread_mutex_unlock(&gate->mutex);
}

/* Under the lock, like the next. */
static inline void keel__gate_signal(keel__gate *gate)
{
    pthread_cond_signal(&gate->changed);
}

/* Waits for a signal, or until a moment of the system's clock (INT64_MAX: no limit); may also return for
 * no reason. */
void keel__gate_wait(keel__gate *gate, int64_t deadline_ns);

/* ---- Bells: one thread waits, and others ring, from signal handlers too ---- */

typedef struct keel__bell {
    sem_t rings;
} keel__bell;

void keel__bell_init(keel__bell *bell);
void keel__bell_deinit(keel__bell *bell);

/* Waits until it rings or has rung since the last wait, or until a moment of the system's clock (INT64_MAX: no
 * limit); may also return for no reason. */
void keel__bell_wait(keel__bell *bell, int64_t deadline_ns);

static inline void keel__bell_ring(keel__bell *bell)
{
    sem_post(&bell->rings);
}

/* ---- Event loops ---- */

typedef struct keel__loop {
    uv_loop_t uv;
    uv_async_t async; /* wakes it */
} keel__loop;

keel_err *keel__loop_init(keel__loop *loop);

/* Nothing but its own handle is left in it, or what is closing. */
void keel__loop_deinit(keel__loop *loop);

/* Does what is ready, without waiting. Takes in a wake-up, if there is one. */
static inline void keel__loop_poll(keel__loop *loop)
{
#ifdef KEEL_TSAN
    __tsan_acquire(loop); /* descriptors that tasks have made for it */
#endif
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

/* Waits until something is ready, or for limit_ns (INT64_MAX: no limit), and does it. A wake-up that came
 * before and that no poll has taken in ends it at once. */
void keel__loop_sleep(keel__loop *loop, int64_t limit_ns);

/* Wakes it, from any thread. */
static inline void keel__loop_wake(keel__loop *loop)
{
    uv_async_send(&loop->async);
}

#endif /* KEEL_SIM_CORE */

#endif /* KEEL_SRC_TASK_OS_H */
