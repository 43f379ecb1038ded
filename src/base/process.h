/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_PROCESS_H
#define KEEL_SRC_BASE_PROCESS_H

/* What there is once in a process; process.c lists all of it. */

#include <stdbool.h>

#include <keel/defs.h>

#include "base/atomic.h"

/* The worker that the calling thread is, or NULL. Read and written through these only, and never
 * inlined: a compiler may keep the address of a thread-local in a register across a switch of stacks. */
struct keel__worker *keel__process_worker(void);
void keel__process_set_worker(struct keel__worker *worker);

/* Whether this is the child of a process that had a runtime when it forked (task/fork.h). */
extern keel__a32 keel__process_forked;

/* What hashes of strings and bytes are keyed with (hash.c). Drawn when first asked for; the same from then
 * on. */
enum { KEEL__SECRETS = 6 };
extern uint64_t keel__process_secret[KEEL__SECRETS];
extern keel__a32 keel__process_secret_there;
void keel__process_draw_secrets(void);

static inline const uint64_t *keel__process_secrets(void)
{
    if (__builtin_expect(keel__load(&keel__process_secret_there) == 0, 0))
        keel__process_draw_secrets();
    return keel__process_secret;
}

/* Whether the kernel makes all threads pass a memory barrier when it is asked (biased.c); 0: not known yet. */
extern keel__a32 keel__process_barrier;

/* Ends the program because its caller broke the contract of a function: a message that names the
 * function and the object, then abort. In every build. */
_Noreturn void keel__misuse(const char *format, ...) KEEL_PRINTF(1, 2);

/* For arguments that must not be NULL: `given` says that this one is not. */
static inline void keel__need(bool given, const char *function, const char *argument)
{
    if (__builtin_expect(!given, 0))
        keel__misuse("%s: %s is NULL", function, argument);
}

/* Whether memory comes from the C library itself: nobody has put anything in its place, that would like to
 * see what is allocated and freed. */
bool keel__process_allocator_is_libc(void);

#endif /* KEEL_SRC_BASE_PROCESS_H */
