/* SPDX-License-Identifier: MIT */
#ifndef KEEL_GROUP_H
#define KEEL_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/runtime.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * Tasks that belong together: started here, and joined by keel_group_wait. The first error ends the
 * group's context, which every task of the group gets.
 *
 *     keel_group *group = keel_group_new(ctx, NULL);
 *     keel_group_go(group, fetch, &a);
 *     keel_group_go(group, fetch, &b);
 *     return keel_group_wait(group);
 *
 * keel_group_new never returns NULL: what went wrong there, or in keel_group_go, is the error that
 * keel_group_wait returns, so that starting needs no check on every line. The context of a group
 * that could not be made has already ended.
 *
 * Whoever waits for what the group's tasks send waits under keel_group_ctx: that ends when one of
 * them fails, or could not be started, and what it was to send will never come.
 *
 * Threads: any. keel_group_go from any thread, and from the group's own tasks; keel_group_wait once.
 * Source:  golang.org/x/sync/errgroup.
 */
typedef struct keel_group keel_group;

typedef struct keel_group_opts {
    /** Tasks that run at once; keel_group_go waits for a place. 0: 1,000,000. KEEL_UNLIMITED: none. */
    size_t limit;
    /** Run all to the end and return all errors, joined, instead of cancelling at the first. Of more
     * than KEEL_ERR_JOIN_MAX the number is kept. */
    bool collect_all;
    /** Where the tasks run. NULL: the context's runtime, else that of the calling task. */
    keel_runtime *runtime;
    /** For messages: what these tasks are; a literal, as it must outlive them and their end. NULL: the
     * name of fn. */
    const char *name;
    /** Stack of each task, in bytes. 0: the runtime's. */
    size_t stack_bytes;
    /** For the argument of a task that was made and then could not start, for lack of a stack: fn will not
     * run. NULL: nothing is done with it. Runs on: a worker's own stack; must not wait. */
    void (*arg_free)(void *arg);
} keel_group_opts;

/**
 * Makes a group whose context is a child of `ctx`, and notes the place of the call. Never NULL.
 * `opts` may be NULL.
 *
 * Errors: from keel_group_wait: KEEL_ERR_NOMEM; KEEL_ERR_NO_RUNTIME if there is none to be found;
 *         KEEL_ERR_INVAL for a stack size out of range. The group's context has then ended.
 * Owns:   yours, until keel_group_wait. To forget that is misuse: keel_runtime_stop aborts, naming
 *         the place; keel_main prints it and returns 1.
 */
#define keel_group_new(ctx, ...) keel_group_new_at(KEEL_HERE, (ctx), __VA_ARGS__)
KEEL_NODISCARD keel_group *keel_group_new_at(const char *where, keel_ctx *ctx,
                                             const keel_group_opts *opts);

/** The context of the group's tasks. Borrowed. */
keel_ctx *keel_group_ctx(keel_group *group);

/** Ends the group's context; its tasks go on until they notice. */
void keel_group_cancel(keel_group *group);

/**
 * Takes `err` as if a task of the group had returned it: for what fails beside the tasks, such as a
 * channel that cannot be made. NULL is nothing.
 */
void keel_group_fail(keel_group *group, keel_err *err);

/**
 * Starts `fn(ctx, arg)` as a task. Waits, if the group is at its limit, until a task of it ends, or the
 * group's context does: then the task starts all the same. If all tasks of a full group wait here
 * for places in it, only the end of the context helps them: tasks that find more work use
 * keel_group_try_go and do themselves what it refuses.
 * fn runs even if the context has ended, so that it can release what `arg` holds.
 *
 * Says whether the task was made. If not, the group fails with KEEL_ERR_NOMEM, unless it could not be
 * made itself. A task that then gets no stack makes it fail with KEEL_ERR_LIMIT, and fn does not run.
 *
 * Owns: what `arg` points to is best kept in the frame that calls keel_group_wait; then nothing need be
 *       looked at, and nothing is lost. If fn is to free it, it is still the caller's if this is false,
 *       and opts.arg_free gets it if the task cannot start.
 * Source: errgroup's Go.
 */
#define keel_group_go(group, fn, ...) /* arg: may be a compound literal */                         \
    keel_group_go_at((group), (fn), (__VA_ARGS__), #fn, KEEL_HERE, __func__)
bool keel_group_go_at(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                      const char *where, const char *function);

/**
 * Starts it only if that needs no waiting. Says whether it did; if not, `arg` is still the caller's. False
 * at the limit, and also, with the group failing, if the task cannot be made. Source: errgroup's TryGo.
 */
#define keel_group_try_go(group, fn, ...)                                                          \
    keel_group_try_go_at((group), (fn), (__VA_ARGS__), #fn, KEEL_HERE, __func__)
bool keel_group_try_go_at(keel_group *group, keel_task_fn fn, void *arg, const char *name,
                          const char *where, const char *function);

/**
 * Waits until all tasks have ended, frees the group, and returns the first error, or all of them
 * joined (collect_all). It takes no context, because tasks may use what is on the caller's stack:
 * cancel the group's context to hurry them. A second call is a use after free. Accepts NULL.
 */
KEEL_NODISCARD keel_err *keel_group_wait(keel_group *group);

KEEL_END_DECLS

#endif /* KEEL_GROUP_H */
