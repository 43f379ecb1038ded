/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TASK_H
#define KEEL_TASK_H

#include <stdint.h>

#include <keel/ctx.h>
#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * A task is a function with a stack of its own that runs on one worker thread of a runtime, until
 * it waits: then the worker runs another. Tasks are started in a group (keel/group.h).
 *
 * Others run only where a task has to wait, and in keel_yield: a send that finds room, a lock that is
 * free, a sleep of nothing go on at once.
 *
 * A task never changes its thread, so thread-local variables keep their addresses, and a wait keeps
 * errno. Their values, and the floating-point modes, are shared by all tasks of a worker. A task
 * that computes without waiting holds up the others of its worker: keel_yield lets them run. What
 * blocks the thread (a read from disk, a library that waits) belongs into keel_offload.
 *
 * Stacks are small, 64 KiB by default. Overflowing one ends the program with a message.
 */

/** What a task runs. Its context ends when the task should; its error goes to its group. */
typedef keel_err *(*keel_task_fn)(keel_ctx *ctx, void *arg);

/**
 * Waits until `ns` nanoseconds have passed, never less; zero and less return at once, after a look at
 * the context. Works on plain threads too.
 *
 * Errors: the context's, if it has ended or ends first. Source: Go's time.Sleep.
 */
KEEL_NODISCARD keel_err *keel_sleep(keel_ctx *ctx, int64_t ns);

/** Lets the worker's other tasks run; on a plain thread, other threads. */
void keel_yield(void);

/** A call that blocks its thread. */
typedef keel_err *(*keel_offload_fn)(void *arg);

/**
 * Runs `fn(arg)` on one of the runtime's threads for blocking calls, and waits for it without
 * blocking the worker. It returns when fn has returned, because `arg` may be on the caller's stack;
 * the context can only prevent a call that has not started. On a plain thread fn runs in place.
 *
 * Runs on: an offload thread, with its usual stack; keel's waits work there as on any thread.
 * Errors:  what fn returned; the context's, if it ended before fn started; KEEL_ERR_LIMIT, with the
 *          name of the limit, if there is no thread at all and none can be made.
 * Limits:  runtime option offload_threads; further calls wait for their turn, first come, first served.
 */
KEEL_NODISCARD keel_err *keel_offload(keel_ctx *ctx, keel_offload_fn fn, void *arg);

/**
 * The same, but returns as soon as the context ends: fn goes on alone, its error is dropped. `arg`
 * is given to the call, also when it fails: `arg_free(arg)` (if not NULL) is called once, when the
 * call is over or will never start.
 *
 * Errors: also KEEL_ERR_NOMEM.
 */
KEEL_NODISCARD keel_err *keel_offload_abandon(keel_ctx *ctx, keel_offload_fn fn, void *arg,
                                              void (*arg_free)(void *arg));

KEEL_END_DECLS

#endif /* KEEL_TASK_H */
