/* SPDX-License-Identifier: MIT */
#ifndef KEEL_RUNTIME_H
#define KEEL_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/clock.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/task.h>

KEEL_BEGIN_DECLS

/**
 * What runs tasks: a worker thread per core, each with an event loop, its tasks and its timers. An
 * idle runtime uses no CPU. A program that lives in tasks calls keel_main; one that embeds keel
 * starts and stops runtimes as it likes, several at once too.
 *
 * A process that has a runtime may fork only to exec, or to call what is safe in signal handlers: the first
 * wait or start of a task in the child aborts with a message.
 *
 * Threads: any, all functions; keel_runtime_stop is not for a task of the same runtime.
 */
typedef struct keel_runtime keel_runtime;

typedef struct keel_runtime_opts {
    /** Worker threads, at most 1024. 0: as many as the process may use cores, by CPU affinity and
     * the cgroup's cpu.max. */
    unsigned workers;
    /** Stack of a task, in bytes, rounded up to pages; at least 16 KiB, at most 1 GiB. 0: 64 KiB.
     * Four times as much in a program with AddressSanitizer, which need not be in keel's own build, and
     * in keel's builds for ThreadSanitizer. */
    size_t stack_bytes;
    /** Threads for blocking calls (keel_offload), made when needed; at most 1024. 0: 16. */
    unsigned offload_threads;
    /** What time it is. Borrowed. NULL: keel_clock_system(). */
    keel_clock *clock;
    /** Seed of random choices, such as select's between ready cases. 0: one from the system. */
    uint64_t seed;
    /** Report a stack overflow by name before the process dies: handles SIGSEGV and SIGBUS, calling
     * the handlers that were there for everything else. keel_main always does. */
    bool handle_faults;
    /** How long a task may keep its worker from the other tasks there before that is reported, once, with its
     * name, where it was started and, with handle_faults, where it is. 0: 100 ms. KEEL_STALL_OFF: never.
     * It may be reported some 25 % later; not at all where the kernel denies a process to look at its own
     * memory (process_vm_readv).
     *
     * To learn where the task is, its thread is sent SIGURG: a call that blocks it then, and that is not started
     * again after signals (nanosleep, poll), returns EINTR. SIGURG of others goes to the handler that was there. */
    int64_t stall_ns;
    /** Instead of standard error. `report` is lines of text, lent. Runs on: a thread of the runtime's own, which
     * sees nothing meanwhile. */
    void (*on_stall)(void *arg, const char *report);
    void *on_stall_arg;
    /** For keel_main_opts: this program may wait for a signal and nothing else, which is no deadlock. */
    bool waits_for_signals;
} keel_runtime_opts;

/** For keel_runtime_opts.stall_ns: no reports. */
#define KEEL_STALL_OFF INT64_MAX

/**
 * Starts a runtime. The calling thread stays a plain thread. Of the descriptors 0 to 2, those that are closed
 * are opened on /dev/null first.
 *
 * Errors: KEEL_ERR_INVAL; KEEL_ERR_NOMEM; KEEL_ERR_LIMIT with the name of the limit that was hit
 *         (threads, file descriptors, memory).
 * Owns:   *out is yours, until keel_runtime_stop succeeds.
 */
KEEL_NODISCARD keel_err *keel_runtime_start(keel_runtime **out, const keel_runtime_opts *opts);

/**
 * Stops a runtime: cancels its context, waits until every task has ended, joins all threads and
 * frees everything. Then `rt` is gone. Contexts made on it must be freed before, and groups waited
 * for: one that was forgotten is misuse, and aborts with the place that made it.
 *
 * Errors: the error of `ctx` if that ends first, with the tasks that still run, by name and place
 *         of start, in the text, and the number of calls that keel_offload_abandon left behind and that
 *         still run; nothing is freed then, and it can be called again. `ctx` may be NULL, and must not
 *         be one of this runtime's. keel_runtime_dump tells what hangs there.
 */
KEEL_NODISCARD keel_err *keel_runtime_stop(keel_ctx *ctx, keel_runtime *rt);

/** The runtime's own context, the ancestor of all on it: give it to keel_group_new. Borrowed. */
keel_ctx *keel_runtime_ctx(keel_runtime *rt);

/** The runtime that a context belongs to, or NULL if it belongs to none. Borrowed. */
keel_runtime *keel_ctx_runtime(keel_ctx *ctx);

/** Runs `fn` as a task and waits for it, from a plain thread or a task. Returns its error. */
#define keel_runtime_run(rt, fn, ...) /* arg: may be a compound literal */                         \
    keel_runtime_run_at((rt), (fn), (__VA_ARGS__), #fn, KEEL_HERE, __func__)
KEEL_NODISCARD keel_err *keel_runtime_run_at(keel_runtime *rt, keel_task_fn fn, void *arg,
                                             const char *name, const char *where,
                                             const char *function);

/** The number of worker threads. */
unsigned keel_runtime_workers(const keel_runtime *rt);

/**
 * Runs a program: starts a runtime whose first worker is the calling thread, runs `fn` as a task
 * with a stack of 8 MiB, stops the runtime. SIGINT and SIGTERM cancel fn's context, with
 * KEEL_ERR_INTERRUPTED as the cause; a second one ends the process as usual.
 *
 * If every task waits and nothing is left that could wake one, that is a deadlock: it is reported on stderr, with
 * what each task waits for and the cycle if there is one, and ends the process with status 2. That is noticed only
 * in a program whose threads are all keel's own. A task that waits only for its context to end, in a keel_select
 * without cases of channels, waits for a signal: that is no deadlock, nor is it with the option
 * waits_for_signals.
 *
 * SIGQUIT writes what all tasks are doing to stderr (keel_runtime_dump), also while they keep all workers; the
 * program goes on.
 *
 * Returns 0; or 1 after printing fn's error chain to stderr, and with a `context canceled` the signal
 * that caused it. Nothing else: another exit status, like argc and argv, travels in what `arg` points
 * to. `opts` may be NULL.
 *
 * Five seconds after a signal, if fn still runs, the live tasks are named on stderr, by name and place
 * of start. So are those that live five seconds after fn has returned, although their contexts have
 * ended; the result is then 1, and also where keel_group_wait was never called for a group.
 */
int keel_main(keel_task_fn fn, void *arg);
int keel_main_opts(keel_task_fn fn, void *arg, const keel_runtime_opts *opts);

KEEL_END_DECLS

#endif /* KEEL_RUNTIME_H */
