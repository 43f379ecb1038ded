/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CORE_OS_H
#define KEEL_SRC_TASK_CORE_OS_H

/* task/os.h on the simulated machine (task/core.h): a thread is a core, and all that waits does so for
 * a word to change. An event loop is its wake-up alone. That is a level, which a poll takes in like
 * libuv's. There is nothing else in the loop, and no libuv. */

#include <stdint.h>

#include <keel/err.h>

#include "base/core.h"

int64_t keel__os_now(void);

/* ---- Threads ---- */

typedef struct keel__core *keel__thread;

keel_err *keel__thread_start(keel__thread *thread, void *(*run)(void *arg), void *arg);
void keel__thread_join(keel__thread thread);

static inline keel__thread keel__thread_self(void)
{
    return NULL; /* nobody asks for it here */
}

#define keel__thread_yield() keel__core_spin(__func__, __LINE__)

/* ---- Gates ---- */

typedef struct keel__gate {
    uint32_t locked;
    uint32_t signals; /* ever */
} keel__gate;

static inline void keel__gate_init(keel__gate *gate)
{
    *gate = (keel__gate){ 0 };
}

#define keel__gate_lock(gate) keel__core_lock(&(gate)->locked, __func__, __LINE__)
#define keel__gate_unlock(gate) keel__core_unlock(&(gate)->locked, __func__, __LINE__)

static inline void keel__gate_signal(keel__gate *gate)
{
    gate->signals++;
}

static inline void keel__gate_wait(keel__gate *gate, int64_t deadline_ns)
{
    uint32_t seen = gate->signals;

    keel__gate_unlock(gate);
    keel__core_wait(&gate->signals, seen, deadline_ns, "wait for signal", __func__, __LINE__);
    keel__gate_lock(gate);
}

/* ---- Bells ---- */

typedef struct keel__bell {
    uint32_t rings;
} keel__bell;

static inline void keel__bell_init(keel__bell *bell)
{
    *bell = (keel__bell){ 0 };
}

static inline void keel__bell_deinit(keel__bell *bell)
{
    (void)bell;
}

static inline void keel__bell_wait(keel__bell *bell, int64_t deadline_ns)
{
    keel__core_wait(&bell->rings, 0, deadline_ns, "wait for bell", __func__, __LINE__);
    bell->rings = 0;
}

static inline void keel__bell_ring(keel__bell *bell)
{
    keel__step("ring");
    bell->rings = 1;
    keel__after_step("ring");
}

/* ---- Event loops ---- */

typedef struct keel__loop {
    uint32_t woken;
} keel__loop;

static inline keel_err *keel__loop_init(keel__loop *loop)
{
    *loop = (keel__loop){ 0 };
    return NULL;
}

static inline void keel__loop_deinit(keel__loop *loop)
{
    (void)loop;
}

static inline void keel__loop_poll(keel__loop *loop)
{
    keel__step("poll");
    loop->woken = 0;
}

static inline void keel__loop_sleep(keel__loop *loop, int64_t limit_ns)
{
    int64_t now_ns = keel__os_now();

    if (keel__core_wait(&loop->woken, 0,
                        limit_ns < INT64_MAX - now_ns ? now_ns + limit_ns : INT64_MAX,
                        "sleep in loop", __func__, __LINE__))
        keel__loop_poll(loop);
}

static inline void keel__loop_wake(keel__loop *loop)
{
    keel__step("wake loop");
    loop->woken = 1;
    keel__after_step("wake loop");
}

#endif /* KEEL_SRC_TASK_CORE_OS_H */
