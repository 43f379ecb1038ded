/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_ATOMIC_H
#define KEEL_SRC_BASE_ATOMIC_H

/* Every atomic access of the library goes through these, so that a build can put something else in
 * their place: annotations for a race detector that does not see into the library (KEEL_TSAN), or a
 * simulated machine. The types wrap a plain word, so that no access is atomic by accident or plain
 * by accident; a plain word in a public struct needs no _Atomic that C++ could not read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/defs.h>

#include "base/core.h"
#include "base/tsan.h"

typedef keel__word keel__a32;
typedef struct {
    uint64_t v;
} keel__a64;
typedef struct {
    size_t v;
} keel__asize;
typedef keel__pointer keel__aptr;

/* Of plain members that one thread writes and others only look at, to tell somebody about them: whoever sees a
 * value sees what was written before it. Nothing of the library depends on what they say, so they are no
 * points of the simulated machine, and order nothing for users. */
#define keel__publish(lvalue, x) __atomic_store_n(&(lvalue), (x), __ATOMIC_RELEASE)
#define keel__peek(lvalue) __atomic_load_n(&(lvalue), __ATOMIC_ACQUIRE)

/* Of a word that practically never changes, for instance whether there is a simulation: not worth a
 * point of the simulated machine. */
#define keel__load_constant(a) __atomic_load_n(&(a)->v, __ATOMIC_RELAXED)

#ifdef KEEL_SIM_CORE

/* One core runs at a time, and every access is a point where another may go on: the order is one that
 * sequential consistency allows. Weaker orders are not simulated. */
#define keel__load(a) (keel__step("load"), (a)->v)
#define keel__load_relaxed(a) keel__load(a)
#define keel__load_seq(a) keel__load(a)
#define keel__store(a, x) (keel__step("store"), (void)((a)->v = (x)), keel__after_step("store"))
#define keel__store_relaxed(a, x) keel__store(a, x)
#define keel__store_seq(a, x) keel__store(a, x)
#define keel__rmw(what, change)                                                                    \
    __extension__({                                                                                \
        keel__step(what);                                                                          \
        __auto_type keel__old = (change);                                                          \
        keel__after_step(what);                                                                    \
        keel__old;                                                                                 \
    })
#define keel__add(a, n) keel__rmw("add", __atomic_fetch_add(&(a)->v, (n), __ATOMIC_RELAXED))
#define keel__sub(a, n) keel__rmw("sub", __atomic_fetch_sub(&(a)->v, (n), __ATOMIC_RELAXED))
#define keel__add_seq(a, n) keel__add(a, n)
#define keel__sub_seq(a, n) keel__sub(a, n)
#define keel__add_relaxed(a, n) keel__add(a, n)
#define keel__exchange(a, x)                                                                       \
    keel__rmw("exchange", __atomic_exchange_n(&(a)->v, (x), __ATOMIC_RELAXED))
#define keel__cas(a, expected, desired)                                                            \
    keel__rmw("cas", __atomic_compare_exchange_n(&(a)->v, (expected), (desired), false,            \
                                                 __ATOMIC_RELAXED, __ATOMIC_RELAXED))

#else

/* acquire, release; the rest says its order in the name */
#define keel__load(a) keel__acquired(__atomic_load_n(&(a)->v, __ATOMIC_ACQUIRE), a)
#define keel__load_relaxed(a) __atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
#define keel__load_seq(a) keel__acquired(__atomic_load_n(&(a)->v, __ATOMIC_SEQ_CST), a)
#define keel__store(a, x) (keel__tsan_release(a), __atomic_store_n(&(a)->v, (x), __ATOMIC_RELEASE))
#define keel__store_relaxed(a, x) __atomic_store_n(&(a)->v, (x), __ATOMIC_RELAXED)
#define keel__store_seq(a, x)                                                                      \
    (keel__tsan_release(a), __atomic_store_n(&(a)->v, (x), __ATOMIC_SEQ_CST))

/* These return the old value. Acquire and release at once; _relaxed: neither. */
#define keel__add(a, n)                                                                            \
    (keel__tsan_release(a), keel__acquired(__atomic_fetch_add(&(a)->v, (n), __ATOMIC_ACQ_REL), a))
#define keel__sub(a, n)                                                                            \
    (keel__tsan_release(a), keel__acquired(__atomic_fetch_sub(&(a)->v, (n), __ATOMIC_ACQ_REL), a))
#define keel__add_seq(a, n)                                                                        \
    (keel__tsan_release(a), keel__acquired(__atomic_fetch_add(&(a)->v, (n), __ATOMIC_SEQ_CST), a))
#define keel__sub_seq(a, n)                                                                        \
    (keel__tsan_release(a), keel__acquired(__atomic_fetch_sub(&(a)->v, (n), __ATOMIC_SEQ_CST), a))
#define keel__add_relaxed(a, n) __atomic_fetch_add(&(a)->v, (n), __ATOMIC_RELAXED)
#define keel__exchange(a, x)                                                                       \
    (keel__tsan_release(a), keel__acquired(__atomic_exchange_n(&(a)->v, (x), __ATOMIC_ACQ_REL), a))

/* Stores `desired` if the word is *expected; else stores the word there. Says whether it did. */
#define keel__cas(a, expected, desired)                                                            \
    (keel__tsan_release(a),                                                                        \
     keel__acquired(__atomic_compare_exchange_n(&(a)->v, (expected), (desired), false,             \
                                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE),               \
                    a))

#endif /* KEEL_SIM_CORE */
#endif /* KEEL_SRC_BASE_ATOMIC_H */
