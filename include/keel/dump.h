/* SPDX-License-Identifier: MIT */
#ifndef KEEL_DUMP_H
#define KEEL_DUMP_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/buf.h>
#include <keel/err.h>
#include <keel/runtime.h>

KEEL_BEGIN_DECLS

/** How a dump is written. */
typedef struct keel_dump_opts {
    bool json; /**< One JSON object in one line, instead of text. */
    /** Tasks that are told of, at most; all are counted. 0: 1,000. KEEL_UNLIMITED: all. */
    size_t max_tasks;
} keel_dump_opts;

/**
 * Appends to `out` what every live task of a runtime is doing: its name and labels (keel_task_label), where it
 * was started, whether it runs, is ready to, waits or has not started, what it waits for and how long it
 * has, and how much of its stack has ever been touched. `opts` may be NULL. As text a task is a line:
 *
 *     T2 'fetch' (started at shop.c:31 in serve) has waited 1.5s: lock mutex 0x7ffd51c8, which T5 holds; ...
 *
 * and in JSON an object of `tasks`, with `id`, `name`, `file`, `line`, `function`, `state` (`running`,
 * `ready`, `parked`, `offloaded` or `unstarted`), `worker`, `waits_for` (`operation`, `kind`, `object`,
 * `held_by`, `for_ns`, `left_ns`), `stack` (`bytes`, `used_bytes`) and `labels`; what does not apply is left out.
 * It is valid JSON whatever names and labels hold; they are cut off after 200 bytes.
 *
 * The program goes on meanwhile, and nobody is waited for, so it also tells of tasks that are stuck. Each task
 * is seen at one moment, but not all of them at the same one. Since when a task waits is as exact as its
 * worker's last look at the clock, some 0.1 ms unless a task keeps the worker.
 *
 * Threads: any, tasks of the runtime too. Errors: KEEL_ERR_NOMEM, KEEL_ERR_LIMIT of the buffer; `out` may then
 * end in the middle.
 * Cost: a million tasks take some seconds; a park costs a few plain stores for it, always.
 */
KEEL_NODISCARD keel_err *keel_runtime_dump(keel_runtime *rt, keel_buf *out,
                                           const keel_dump_opts *opts);

/**
 * Labels the calling task, for dumps: what it is working on. Both are copied. A key that it has already gets the
 * new value; NULL takes the label away. On a plain thread nothing happens. Labels go with the task.
 *
 * Errors: KEEL_ERR_NOMEM; KEEL_ERR_INVAL for an empty key.
 */
KEEL_NODISCARD keel_err *keel_task_label(const char *key, const char *value);

KEEL_END_DECLS

#endif /* KEEL_DUMP_H */
