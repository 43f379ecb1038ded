/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SWITCH_H
#define KEEL_SRC_TASK_SWITCH_H

/* Fibers: stacks that a thread can switch between. This is all that is left of them here: what runs
 * when is the worker's business. The sanitizers are told of every switch: AddressSanitizer in every
 * build, if the program has it, the race detector in the builds for it. */

#include <stdbool.h>
#include <stddef.h>

/* What switch_*.S is there for. */
#if defined(KEEL_UCONTEXT)
#define KEEL__SWITCH_ASM 0
#elif defined(__x86_64__) || (defined(__aarch64__) && defined(__LP64__) && defined(__ELF__))
#define KEEL__SWITCH_ASM 1
#else
#define KEEL__SWITCH_ASM 0
#endif
#if !KEEL__SWITCH_ASM
#include <ucontext.h>
#endif

/* Whether this code is instrumented itself. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEL__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEL__ASAN 1
#endif
#endif
#ifndef KEEL__ASAN
#define KEEL__ASAN 0
#endif

#if defined(KEEL_TSAN) || defined(KEEL_TSAN_CORE)
#define KEEL__TSAN 1
#else
#define KEEL__TSAN 0
#endif

typedef struct keel__fiber {
#if KEEL__SWITCH_ASM
    void *sp; /* while it does not run: its registers lie there */
#else
    ucontext_t context;
#endif
    void *stack_low;
    size_t stack_bytes;
    void (*entry)(void *arg);
    void *arg;
    void *fake_stack; /* AddressSanitizer's, while it does not run */
#if KEEL__TSAN
    void *tsan;
#endif
} keel__fiber;

/* Whether AddressSanitizer's runtime is in the program: a build of the library that is not instrumented
 * serves users that are. */
bool keel__asan(void);

/* Makes `fiber` the calling thread's own stack. */
void keel__fiber_init_native(keel__fiber *fiber);

/* Makes a fiber that runs entry(arg) on that stack; entry never returns. */
void keel__fiber_init(keel__fiber *fiber, void *stack_low, size_t stack_bytes,
                      void (*entry)(void *arg), void *arg);

/* Makes `fiber` what goes on where another is that runs now, and will not be left again: on its stack. */
static inline void keel__fiber_inherit(keel__fiber *fiber, const keel__fiber *from)
{
    fiber->stack_low = from->stack_low;
    fiber->stack_bytes = from->stack_bytes;
    fiber->fake_stack = NULL;
}

/* Goes on with `to`; returns when somebody switches back to `from`. With `last`, nobody will. */
void keel__fiber_switch(keel__fiber *from, keel__fiber *to, bool last);

/* Whether an instruction is in the middle of a switch, or may be: no place to look at the stack from. */
bool keel__fiber_switching(const void *instruction);

/* Frees what a fiber that runs no more has left with the sanitizers. Not on that fiber. */
void keel__fiber_deinit(keel__fiber *fiber);

#endif /* KEEL_SRC_TASK_SWITCH_H */
