/* SPDX-License-Identifier: MIT */
#include "task/switch.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/sim_hook.h"

/* In the builds for the race detector this file is never instrumented: a switch in the middle of an
 * instrumented function would unbalance the detector's call stack. */

/* Weak: NULL in a program without the runtime. Other formats than ELF have no such thing. */
#if defined(__ELF__)
#define ASAN_HOOKS 1
#define IF_PRESENT __attribute__((weak))
#else
#define ASAN_HOOKS KEEL__ASAN
#define IF_PRESENT
#endif

#if ASAN_HOOKS
void __sanitizer_start_switch_fiber(void **save, const void *low, size_t bytes) IF_PRESENT;
void __sanitizer_finish_switch_fiber(void *saved, const void **low, size_t *bytes) IF_PRESENT;
void __asan_unpoison_memory_region(const volatile void *low, size_t bytes) IF_PRESENT;
#else
#define __sanitizer_start_switch_fiber(save, low, bytes) ((void)0)
#define __sanitizer_finish_switch_fiber(saved, low, bytes) ((void)0)
#define __asan_unpoison_memory_region(low, bytes) ((void)0)
#endif

#if KEEL__TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
/* With the library announcing what orders memory (KEEL_TSAN), the switch itself orders nothing: but in a
 * simulation, where runs are abandoned and nobody announces that, and which finds races by itself. */
#ifdef KEEL_TSAN
enum { TSAN_NO_SYNC = 1 };
#else
enum { TSAN_NO_SYNC = 0 };
#endif
#endif

static bool has_asan(void)
{
#if ASAN_HOOKS && defined(__ELF__)
    return __asan_unpoison_memory_region != NULL;
#else
    return ASAN_HOOKS;
#endif
}

bool keel__asan(void)
{
    return has_asan();
}

/* The first thing a fiber does. Never inlined, and the same for both kinds of switch. */
static void fiber_main(void *fiber_)
{
    keel__fiber *fiber = fiber_;

    if (has_asan())
        __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    fiber->entry(fiber->arg);
    __builtin_trap(); /* an entry that returned */
}

#if KEEL__SWITCH_ASM

void keel__switch_stack(void **save_sp, void *load_sp);
void keel__switch_enter(void);
enum { SWITCH_BYTES = 256 /* at least, with keel__switch_enter, which is behind it */ };

/* What keel__switch_stack finds on a stack that never ran: the registers in the order of the .S file, among
 * them the two in which keel__switch_enter expects the argument and the function. */
#if defined(__x86_64__)
typedef struct first_frame {
    void *r15, *r14, *function, *argument, *rbx, *rbp;
    void *return_address;
} first_frame;
#else
typedef struct first_frame {
    void *argument, *function; /* x19, x20 */
    void *x21_to_x28[8];
    void *frame_pointer, *return_address;
    double d8_to_d15[8];
} first_frame;
_Static_assert(sizeof(first_frame) == 160, "as in switch_aarch64.S");
#endif

static void prepare(keel__fiber *fiber)
{
    /* keel__switch_enter must find the stack aligned to 16 */
    uintptr_t top = ((uintptr_t)fiber->stack_low + fiber->stack_bytes - 16) & ~(uintptr_t)15;
    first_frame *frame = (first_frame *)(top - sizeof *frame);

    memset(frame, 0, sizeof *frame);
    frame->argument = fiber;
    frame->function = (void *)(uintptr_t)fiber_main;
    frame->return_address = (void *)(uintptr_t)keel__switch_enter;
    fiber->sp = frame;
}

static void go(keel__fiber *from, keel__fiber *to)
{
    keel__switch_stack(&from->sp, to->sp);
}

#else

/* makecontext passes ints: a pointer in two halves. */
static void enter(unsigned high, unsigned low)
{
    fiber_main((void *)(((uintptr_t)high << 16 << 16) | low));
}

static void prepare(keel__fiber *fiber)
{
    uintptr_t address = (uintptr_t)fiber;

    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack_low;
    fiber->context.uc_stack.ss_size = fiber->stack_bytes;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, (void (*)(void))(uintptr_t)enter, 2,
                (unsigned)(address >> 16 >> 16), (unsigned)(address & 0xffffffffu));
}

static void go(keel__fiber *from, keel__fiber *to)
{
    swapcontext(&from->context, &to->context);
}

#endif

void keel__fiber_init_native(keel__fiber *fiber)
{
    memset(fiber, 0, sizeof *fiber);
#if ASAN_HOOKS && !defined(__APPLE__)
    pthread_attr_t attr;
    if (has_asan() && pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &fiber->stack_low, &fiber->stack_bytes);
        pthread_attr_destroy(&attr);
    }
#endif
#if KEEL__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

void keel__fiber_init(keel__fiber *fiber, void *stack_low, size_t stack_bytes,
                      void (*entry)(void *arg), void *arg)
{
    memset(fiber, 0, sizeof *fiber);
    fiber->stack_low = stack_low;
    fiber->stack_bytes = stack_bytes;
    fiber->entry = entry;
    fiber->arg = arg;
    /* frames of the stack's last user may have been left without being unwound */
    if (has_asan())
        __asan_unpoison_memory_region(stack_low, stack_bytes);
#if KEEL__TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    prepare(fiber);
}

/* Apart, so that other programs pay for a comparison and no more. */
__attribute__((noinline)) static void go_with_asan(keel__fiber *from, keel__fiber *to, bool last)
{
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack_low, to->stack_bytes);
    go(from, to);
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
}

void keel__fiber_switch(keel__fiber *from, keel__fiber *to, bool last)
{
#if KEEL__TSAN
    __tsan_switch_to_fiber(to->tsan, keel__sim() != NULL ? 0 : TSAN_NO_SYNC);
#endif
    if (__builtin_expect(has_asan(), 0))
        go_with_asan(from, to, last);
    else
        go(from, to);
}

bool keel__fiber_switching(const void *instruction)
{
#if KEEL__SWITCH_ASM
    return (uintptr_t)instruction - (uintptr_t)keel__switch_stack < SWITCH_BYTES;
#else
    (void)instruction;
    return true; /* the C library does it, somewhere */
#endif
}

void keel__fiber_deinit(keel__fiber *fiber)
{
    (void)fiber;
#if KEEL__TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
}
