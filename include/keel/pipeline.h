/* SPDX-License-Identifier: MIT */
#ifndef KEEL_PIPELINE_H
#define KEEL_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/buf.h>
#include <keel/chan.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/fn.h>
#include <keel/io.h>
#include <keel/retry.h>

KEEL_BEGIN_DECLS

/**
 * Items flow from a source through stages into a sink:
 *
 *     keel_pipeline *p = keel_pipeline_new(NULL);
 *     keel_pipeline_from_array(p, numbers, 5, sizeof *numbers);
 *     keel_pipeline_map(p, "square", KEEL_FN(square, int, int), NULL);
 *     keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int), &total, NULL);
 *     err = keel_pipeline_run(ctx, p);
 *     keel_pipeline_free(p);
 *
 * Neighbouring stages with the same number of tasks are *fused*: one task carries an item through all of
 * them. A queue stands only where that number changes (keel_pipeline_explain shows the plan). Queues are
 * bounded, and a full one holds up what feeds it, to the source: so the number of items under way is
 * bounded too.
 *
 * What cannot be built is remembered, the first of such errors, and returned by keel_pipeline_run: building
 * needs no check on every line.
 *
 * Every item ends in the sink, is filtered, dropped or sent to the dead letters as its stage says, or it is
 * given up because the pipeline fails: once, and never otherwise. When a stage fails the pipeline, what feeds
 * it is cancelled, what is behind it finishes the items it has, and keel_pipeline_run returns the error with
 * the stage and the number of the item: "stage parse, item 17: ...".
 *
 * Items are bytes of a fixed size, copied from stage to stage, to where they are aligned for any type, to 16
 * bytes; KEEL_FN refuses a type that is declared with more, and a filter, a route or a source that is a
 * function must not take it to be. What an item points to belongs to whoever
 * has the item: a stage that succeeds has taken over its input; one that fails has not. The option item_free
 * of a stage frees those items that it has put out, and that no later stage takes over.
 *
 * Threads: one at a time, but keel_pipeline_get_stats, which any may call while it runs.
 */
typedef struct keel_pipeline keel_pipeline;

typedef struct keel_pipeline_opts {
    const char *name;   /**< For messages; borrowed. NULL: "pipeline". */
    size_t queue;       /**< Items that each queue holds. 0: 256. */
    size_t stack_bytes; /**< Of each task. 0: 256 KiB. */
} keel_pipeline_opts;

/** Makes one, empty. Never NULL: without memory, a static one whose run returns KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_pipeline *keel_pipeline_new(const keel_pipeline_opts *opts);
void keel_pipeline_free(keel_pipeline *p);

/* ---- Sources: one, and first ---- */

/** The items of an array, which is borrowed until the run has ended. */
void keel_pipeline_from_array(keel_pipeline *p, const void *items, size_t count, size_t item_bytes);

/** What a channel yields until it is closed. `item_free` as in keel_stage_opts. */
void keel_pipeline_from_chan(keel_pipeline *p, keel_chan *chan, size_t item_bytes,
                             void (*item_free)(void *item));

/** A line of a text, without its end; it lives until the stage it is given to has returned. */
typedef struct keel_line {
    const char *text; /**< Ends in a NUL that `len` does not count. */
    size_t len;
    uint64_t number; /**< 1 is the first. */
} keel_line;

/** The lines of what a reader reads, of up to max_bytes each (0: 64 KiB), as keel_line. */
void keel_pipeline_from_lines(keel_pipeline *p, keel_reader reader, size_t max_bytes);

/** Puts the next item at `out`, or says that there is none: *more is true before. */
typedef keel_err *(*keel_source_fn)(keel_ctx *ctx, void *out, bool *more, void *arg);
void keel_pipeline_from_fn(keel_pipeline *p, const char *name, keel_source_fn fn, size_t item_bytes,
                           void (*item_free)(void *item), void *arg);

/* ---- Stages ---- */

/** What becomes of an item on which a stage has failed, after all its attempts. */
typedef enum keel_stage_error {
    KEEL_STAGE_FAIL,       /**< The pipeline fails. */
    KEEL_STAGE_DROP,       /**< It is counted, and gone. */
    KEEL_STAGE_DEAD_LETTER /**< It goes to dead_letter. */
} keel_stage_error;

typedef struct keel_stage_opts {
    unsigned
        parallel; /**< Tasks that do this at once, spread over the workers; at most 1000. 0: 1. */
    bool keep_order; /**< With parallel: items leave in the order in which they came. */
    bool apart;      /**< Do not fuse it with the stage before: it is to run beside that one. */
    int64_t
        timeout_ns; /**< For each attempt, as with keel_timeout_run: KEEL_ERR_TIMEOUT. 0: none. */
    const keel_retry *retry; /**< How to try again. Borrowed. NULL: one attempt. */
    keel_stage_error on_error;
    /** Gets the item, the stage that gave it up and why, all borrowed for the call, under the context of the
     * stage. It may wait; one call at a time in a pipeline. */
    void (*dead_letter)(keel_ctx *ctx, const char *stage, const void *item, const keel_err *err,
                        void *arg);
    void *dead_letter_arg;
    void (*item_free)(void *item); /**< Frees what an item that this stage put out points to. */
    void *arg;                     /**< For the stage's function. */
} keel_stage_opts;

/** Makes another item of each. `opts` may be NULL, here and below. */
void keel_pipeline_map(keel_pipeline *p, const char *name, keel_fn fn, const keel_stage_opts *opts);

/** Lets those items pass for which `keep` says yes. Of the options it takes parallel, keep_order, apart, arg. */
typedef bool (*keel_filter_fn)(const void *item, void *arg);
void keel_pipeline_filter(keel_pipeline *p, const char *name, keel_filter_fn keep,
                          const keel_stage_opts *opts);

/** Items in a row; the array lives until the stage it is given to has returned. */
typedef struct keel_batch {
    void *items;
    size_t count;
} keel_batch;

/**
 * Puts up to max_items, at most 1,000,000, together as a keel_batch: when there are so many, when the first of them has waited
 * for max_wait_ns (0: as long as it takes), and at the end.
 */
void keel_pipeline_batch(keel_pipeline *p, const char *name, size_t max_items, int64_t max_wait_ns);

/** The stages of another pipeline, which has no source and no sink; it can be appended to several. */
void keel_pipeline_append(keel_pipeline *p, const keel_pipeline *fragment);

/**
 * Sends each item into one of `count` branches, fragments each with tasks of its own, as `route` says, which
 * returns its index; what comes out of all of them goes on as one stream, as it comes. It must be of one type, with
 * the same item_free.
 */
typedef size_t (*keel_route_fn)(const void *item, void *arg);
void keel_pipeline_split(keel_pipeline *p, const char *name, keel_route_fn route, void *arg,
                         const keel_pipeline *const *branches, size_t count);

/* ---- Sinks: one, and last ---- */

/** Folds each item into *result: `fn(ctx, item, result, arg)`. */
void keel_pipeline_fold(keel_pipeline *p, const char *name, keel_fn fn, void *result,
                        const keel_stage_opts *opts);

/** Calls a function without output (KEEL_FN_SINK) for each item. */
void keel_pipeline_each(keel_pipeline *p, const char *name, keel_fn fn,
                        const keel_stage_opts *opts);

/** Puts the items into an array that has room for `room`; one more fails with KEEL_ERR_LIMIT. Neither this nor the
 * next takes keel_line or keel_batch, which live only until the stage has returned. */
void keel_pipeline_to_array(keel_pipeline *p, void *items, size_t room, size_t item_bytes,
                            size_t *count);

/** Sends the items into a channel, and does not close it. */
void keel_pipeline_to_chan(keel_pipeline *p, keel_chan *chan, size_t item_bytes);

/* ---- Running ---- */

/**
 * Runs it to the end, or to the first failure. It can be run again.
 *
 * Errors: what was wrong in building: KEEL_ERR_INVAL, naming the stage and the option, or the types that do
 *         not fit, KEEL_ERR_NOMEM; KEEL_ERR_NO_RUNTIME; the context's, if it ends first; what a stage fails
 *         with, with its name and the item's number.
 */
KEEL_NODISCARD keel_err *keel_pipeline_run(keel_ctx *ctx, keel_pipeline *p);

/** Writes what runs as one task and what stands between. Errors: as running, if it cannot be built. */
KEEL_NODISCARD keel_err *keel_pipeline_explain(const keel_pipeline *p, keel_buf *out);

typedef struct keel_stage_stats {
    const char *name;
    uint64_t in, out; /**< Items that came, and that it put out. */
    uint64_t
        failed; /**< Items that it gave up: dropped, dead letters, the one that failed it all. */
    uint64_t retried;  /**< Further attempts. */
    uint64_t filtered; /**< Items that it let go, as it should. */
    int64_t busy_ns;   /**< In its function, all its tasks together: measured of some, for all. */
    /** Of the whole task, at its first stage: waiting for input, and at its last: for room to put output. */
    int64_t waiting_ns, blocked_ns;
    size_t queued;       /**< Items in the queue before it. */
    size_t most_ordered; /**< keep_order: the most that ever waited for one before them. */
} keel_stage_stats;

/**
 * The numbers of the source, each stage and the sink, of the run that goes on, or the last one. Returns how many
 * there are, and writes up to `max`. The slow stage is the one whose tasks never wait.
 */
size_t keel_pipeline_get_stats(keel_pipeline *p, keel_stage_stats *out, size_t max);

KEEL_END_DECLS

#endif /* KEEL_PIPELINE_H */
