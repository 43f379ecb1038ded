/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_SIM_HOOK_H
#define KEEL_SRC_BASE_SIM_HOOK_H

/* What the library asks a simulation, if there is one. A program without simulations pays a branch on a
 * word that is NULL, and does not link the simulator. Every function may be called on any thread, and
 * does nothing on threads that are not simulated. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

typedef struct keel__sim_hook {
    /* Before an operation of the library on an object: another task may go on here. */
    void (*point)(unsigned op, const void *object, const void *place);
    /* A choice among `count`: 0 unless the schedule says otherwise. */
    uint64_t (*choose)(uint64_t count);
    /* Random bits of the run's. False: not simulated. */
    bool (*random)(uint64_t *bits);
    /* The virtual time. False: not simulated. */
    bool (*now)(int64_t *now_ns);
    /* A task was queued for the first time. */
    void (*spawned)(void *task);
    /* What the caller did until now comes before what others do after they acquire the same object. */
    void (*released)(const void *object);
    void (*acquired)(const void *object);
    /* Whether things may go wrong by themselves; and a line that says what did. */
    bool (*faults)(void);
    void (*note)(const char *text);
    /* Memory. */
    bool (*refuse_memory)(void);
    /* A block, of which the first `kept` bytes have contents; and how many one had that is gone. */
    void (*allocated)(void *ptr, size_t size, size_t kept);
    size_t (*freed)(void *ptr);
    /* What is allocated from now on (true), until it says false, outlives the run. */
    void (*lasting)(bool on);
    /* A contract was broken: does not return if the caller is simulated. */
    void (*misuse)(const char *text);
    bool (*active)(void);
} keel__sim_hook;

extern keel__aptr keel__sim_word;

static inline const keel__sim_hook *keel__sim(void)
{
    return keel__load_constant(&keel__sim_word);
}

/* What an operation is, for reports. */
enum {
    KEEL__OP_NONE,
    KEEL__OP_CHAN_SEND,
    KEEL__OP_CHAN_RECV,
    KEEL__OP_CHAN_CLOSE,
    KEEL__OP_SELECT,
    KEEL__OP_MUTEX_LOCK,
    KEEL__OP_MUTEX_UNLOCK,
    KEEL__OP_WAITGROUP_ADD,
    KEEL__OP_WAITGROUP_DONE,
    KEEL__OP_WAITGROUP_WAIT,
    KEEL__OP_SEMAPHORE_ACQUIRE,
    KEEL__OP_SEMAPHORE_RELEASE,
    KEEL__OP_ONCE,
    KEEL__OP_RWMUTEX_LOCK,
    KEEL__OP_RWMUTEX_UNLOCK,
    KEEL__OP_RWMUTEX_RLOCK,
    KEEL__OP_RWMUTEX_RUNLOCK,
    KEEL__OP_COND_WAIT,
    KEEL__OP_COND_SIGNAL,
    KEEL__OP_COND_BROADCAST,
    KEEL__OP_CTX_NEW,
    KEEL__OP_CTX_ERR,
    KEEL__OP_CTX_CANCEL,
    KEEL__OP_AFTER,
    KEEL__OP_AFTER_STOP,
    KEEL__OP_GROUP_GO,
    KEEL__OP_GROUP_WAIT,
    KEEL__OP_SLEEP,
    KEEL__OP_YIELD,
    KEEL__OP_OFFLOAD,
    KEEL__OP_NET_LISTEN,
    KEEL__OP_NET_CONNECT,
    KEEL__OP_NET_ACCEPT,
    KEEL__OP_NET_READ,
    KEEL__OP_NET_WRITE,
    KEEL__OP_NET_CLOSE,
    KEEL__OP_NET_LINK,
    KEEL__OP_NET_CUT,
    KEEL__OP_NET_HEAL,
    KEEL__OP_HOST_GO,
    KEEL__OP_HOST_KILL,
    KEEL__OP_HOST_RESTART,
    KEEL__OP_HOST_WAIT,
    KEEL__OP_READ,
    KEEL__OP_WRITE,
    KEEL__OP_BREAKER_BEGIN,
    KEEL__OP_BREAKER_END,
    KEEL__OP_LIMITER,
    KEEL__OP_FLIGHT,
    KEEL__OP_POOL_SUBMIT,
    KEEL__OP_POOL_TAKE,
    KEEL__OP_POOL_DONE,
    KEEL__OP_POOL_CLOSE,
    KEEL__OP_SETTLE,
    KEEL__OP_NOTE,
    KEEL__OP_PARK,
    KEEL__OP_END,
    KEEL__OP_COUNT
};

/* To stand first in a public function: reports name its caller. */
#define keel__point(op, object)                                                                    \
    do {                                                                                           \
        if (__builtin_expect(keel__sim() != NULL, 0))                                              \
            keel__sim()->point((op), (object), __builtin_return_address(0));                       \
    } while (0)

static inline void keel__order_release(const void *object)
{
    if (__builtin_expect(keel__sim() != NULL, 0))
        keel__sim()->released(object);
}

static inline void keel__order_acquire(const void *object)
{
    if (__builtin_expect(keel__sim() != NULL, 0))
        keel__sim()->acquired(object);
}

#endif /* KEEL_SRC_BASE_SIM_HOOK_H */
