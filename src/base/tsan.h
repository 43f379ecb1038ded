/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_TSAN_H
#define KEEL_SRC_BASE_TSAN_H

/* What a race detector is told. There are two builds for it:
 *
 * `tsan`: the library is not instrumented, its task switch does not synchronise, and it announces
 * by these what orders the user's memory accesses: locks, atomics, park and unpark, spawn and join.
 * So races between two tasks of one worker are seen as well. The scheduler's own locks order
 * nothing for users: its files define KEEL__QUIET before they include anything.
 *
 * `tsan-core`: the library is instrumented itself and nothing is announced. */

#if defined(KEEL_TSAN) && !defined(KEEL__QUIET)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define keel__tsan_acquire(address) __tsan_acquire((void *)(address))
#define keel__tsan_release(address) __tsan_release((void *)(address))
/* `value`, after announcing that what was released at `address` is now visible */
#define keel__acquired(value, address)                                                             \
    __extension__({                                                                                \
        __typeof__(value) keel__value = (value);                                                   \
        __tsan_acquire((void *)(address));                                                         \
        keel__value;                                                                               \
    })
#else
#define keel__tsan_acquire(address) ((void)0)
#define keel__tsan_release(address) ((void)0)
#define keel__acquired(value, address) (value)
#endif

#endif /* KEEL_SRC_BASE_TSAN_H */
