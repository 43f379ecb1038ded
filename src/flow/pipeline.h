/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_PIPELINE_H
#define KEEL_SRC_FLOW_PIPELINE_H

/* A pipeline inside. pipeline.c builds a list of stages, source and sink among them; pipeline_plan.c cuts it
 * into *segments*, each a run of stages that one task carries an item through, and the queues between them; pipeline_run.c runs the tasks of the segments; pipeline_item.c takes an item through a segment;
 * pipeline_order.c puts the items of a parallel segment back into their order; pipeline_text.c tells of it. */

#include <keel/group.h>
#include <keel/pipeline.h>
#include <keel/sync.h>

#include "base/atomic.h"
#include "base/spin.h"

/* ---- Items ---- */

/* What flows between two stages, and what frees it. */
typedef struct keel__item_type {
    enum { KEEL__ITEM_PLAIN, KEEL__ITEM_LINE, KEEL__ITEM_BATCH } kind;
    size_t bytes;
    const char *name; /* "": not known, and not checked */
    void (*free)(void *item);
    const struct keel__item_type *of; /* of a batch: its items */
} keel__item_type;

/* In a queue, and wherever an item may come to be sent from, this stands before it. */
typedef struct keel__slot {
    uint64_t number; /* of the item, counted at the source from 1; of a batch, its first's */
    const keel__item_type *type;
} keel__slot;

_Static_assert(sizeof(keel__slot) <= 16, "items behind it are aligned to 16");
enum { KEEL__SLOT_BYTES = 16 };

/* A slot and an item of that size behind it, so that the next slot is aligned too. */
static inline size_t keel__slot_room(size_t item_bytes)
{
    return KEEL__SLOT_BYTES + (item_bytes + 15) / 16 * 16;
}

static inline keel__slot *keel__slot_of(void *item)
{
    return (keel__slot *)(void *)((char *)item - KEEL__SLOT_BYTES);
}

static inline void *keel__slot_item(void *slot)
{
    return (char *)slot + KEEL__SLOT_BYTES;
}

/* Frees an item that nobody takes over; and what the pipeline itself owns of one that a stage has. */
void keel__item_drop(const keel__item_type *type, void *item);
void keel__item_used(const keel__item_type *type, void *item);

/* ---- Stages ---- */

typedef enum keel__stage_kind {
    KEEL__SOURCE_ARRAY,
    KEEL__SOURCE_CHAN,
    KEEL__SOURCE_LINES,
    KEEL__SOURCE_FN,
    KEEL__STAGE_MAP,
    KEEL__STAGE_FILTER,
    KEEL__STAGE_BATCH,
    KEEL__STAGE_SPLIT,
    KEEL__SINK_FOLD,
    KEEL__SINK_EACH,
    KEEL__SINK_ARRAY,
    KEEL__SINK_CHAN
} keel__stage_kind;

typedef struct keel__stage {
    keel__stage_kind kind;
    const char *name;
    keel_stage_opts opts;
    keel_fn fn;
    keel__item_type in, out; /* resolved by the plan */
    keel_source_fn next;
    keel_filter_fn keep;
    keel_route_fn route;
    keel_reader reader;
    keel_chan *chan;
    void *items;  /* of an array, or what is folded into */
    size_t count; /* of an array's items; its room; of a batch */
    size_t *counted;
    int64_t max_wait_ns;
    struct keel__stages *branches; /* of a split: `count` lists of its own */
} keel__stage;

#define KEEL_VEC_NAME keel__stages
#define KEEL_VEC_ITEM keel__stage
#include <keel/vec.h>

static inline bool keel__is_source(const keel__stage *stage)
{
    return stage->kind <= KEEL__SOURCE_FN;
}

static inline bool keel__is_sink(const keel__stage *stage)
{
    return stage->kind >= KEEL__SINK_FOLD;
}

struct keel_pipeline {
    keel_pipeline_opts opts;
    keel__stages stages;
    keel_err *err;           /* the first in building */
    bool fixed;              /* the static one */
    keel__spin lock;         /* guards the next */
    struct keel__plan *plan; /* of the last run, for its numbers */
};

/* ---- The plan ---- */

typedef struct keel__order keel__order;

/* What one task counts at one stage; written by it alone. What comes to a stage is counted where it comes into
 * the segment, what leaves one at sources and batches: the rest follows from what is lost on the way. */
typedef struct keel__counts {
    keel__a64 in, made, failed, cut /* given up, not by its own fault */, retried, filtered,
        busy_ns, waiting_ns, blocked_ns;
} keel__counts;

/* A queue between segments: closed by the last that feeds it. */
typedef struct keel__queue {
    keel_chan *chan;
    unsigned feeders; /* segments that have not ended; guarded by the plan's lock */
} keel__queue;

typedef struct keel__segment {
    struct keel__plan *plan;
    keel__stage *stages; /* of the pipeline's list, or a branch's */
    size_t count;
    unsigned parallel;
    bool ordered;
    bool told;          /* to end, with all that feeds it; guarded by the plan's lock */
    keel__queue *in;    /* NULL: it begins with the source */
    keel__queue **outs; /* `out_count`: none after a sink, several after a split */
    size_t out_count;
    keel_ctx *ctx;
    unsigned live;        /* tasks; guarded by the plan's lock */
    keel__counts *counts; /* of each stage, for each task */
    keel__order *order;   /* if it is ordered */
} keel__segment;

typedef struct keel__plan {
    keel_pipeline *p;
    keel__segment *segments;
    size_t segment_count;
    keel__queue *queues;
    keel__queue **outs; /* of all segments */
    size_t queue_count;
    keel_group *group;
    unsigned home;      /* the worker where what is not parallel runs */
    keel_mutex letters; /* one dead letter at a time */
    keel__spin lock;
    keel_err *err; /* the first failure */
    bool cut;      /* a task has stopped because a context ended */
} keel__plan;

/* Resolves the types of the stages and makes the plan of a run: segments and queues, without channels. */
KEEL_NODISCARD keel_err *keel__plan_make(const keel_pipeline *p, keel__plan **out);
void keel__plan_free(keel__plan *plan);

static inline keel__counts *keel__counts_of(const keel__segment *segment, unsigned task,
                                            size_t stage)
{
    return &segment->counts[task * segment->count + stage];
}

/* ---- Running ---- */

/* A batch that is being filled. */
typedef struct keel__held {
    _Alignas(16) keel__slot slot; /* before `batch`, as before any item */
    keel_batch batch;
    keel_ctx *ctx; /* ends when it must go on */
} keel__held;

/* What a task does at a stage. */
typedef struct keel__step {
    keel_map_fn fn; /* NULL: more than calling a function */
    void *out;      /* room for what it makes, behind a slot; or what is folded into */
    void *arg;
    const keel__stage *stage;
} keel__step;

/* One task of a segment. */
typedef struct keel__carrier {
    keel__segment *segment;
    unsigned index;
    keel_ctx *ctx;        /* the segment's */
    keel__step *steps;    /* for each stage, and one more */
    keel__counts *counts; /* the same */
    size_t sunk; /* past the sink, where nothing is left to do; past all steps: there is none */
    keel__held *held;    /* for each stage that is a batch */
    unsigned char *in;   /* room for an item from the queue or the source, with its slot */
    uint64_t number;     /* of the item that is under way */
    uint64_t order;      /* its place, in an ordered segment */
    uint64_t measured;   /* items */
    unsigned unmeasured; /* that are to come before the next */
    uint64_t weight;     /* items that the measured one stands for; 0: this one is not measured */
} keel__carrier;

/* Takes an item through the stages of the segment from `stage` on, and sends what comes out. If it has failed at
 * that stage, with `err`, it is given up. */
void keel__carry_on(keel__carrier *c, size_t stage, void *item, keel_err *err);

/* Calls the functions of the stages that ask for no more. Returns the first that does, or that failed. */
static inline const keel__step *keel__stride(const keel__carrier *c, const keel__step *step,
                                             void **item, keel_err **err)
{
    keel_ctx *const ctx = c->ctx;
    void *at = *item;

    for (keel_map_fn fn; (fn = step->fn) != NULL; step++) {
        void *const out = step->out;
        *err = fn(ctx, at, out, step->arg);
        if (*err != NULL)
            break;
        at = out;
    }
    *item = at;
    return step;
}

static inline void keel__carry(keel__carrier *c, size_t stage, void *item)
{
    keel_err *err = NULL;

    if (c->weight == 0)
        stage = (size_t)(keel__stride(c, c->steps + stage, &item, &err) - c->steps);
    if (err != NULL || stage != c->sunk)
        keel__carry_on(c, stage, item, err);
}

/* The batch that a stage has begun, to be carried on; NULL: there is none. */
void *keel__take_batch(keel__carrier *c, size_t stage);

/* Sends the batches that are not full, of the stages from `stage` on. */
void keel__flush(keel__carrier *c, size_t stage);

/* Sends an item to one of the segment's queues. The item is gone, also if it cannot be sent. */
void keel__send(keel__carrier *c, keel__queue *queue, const keel__item_type *type, void *item);

/* The pipeline fails at this item, with `err`, which is taken: what feeds the segment is cancelled. */
void keel__fail(keel__carrier *c, const keel__stage *stage, keel_err *err);

/* Cancels a segment and all that feed it. */
void keel__plan_cancel(keel__plan *plan, keel__segment *segment);

/* Items were given up because a context has ended. */
void keel__plan_cut(keel__plan *plan);

static inline void keel__bump(keel__a64 *number, uint64_t by)
{
    keel__store_relaxed(number, keel__load_relaxed(number) + by);
}

/* ---- Order ---- */

/* How many items a segment that keeps the order has under way beyond its tasks. */
size_t keel__order_room(const keel__segment *segment);

/* The order of a parallel segment with `room` items under way at most, of up to `bytes` with their slot. */
KEEL_NODISCARD keel_err *keel__order_new(keel__order **out, size_t room, size_t bytes);
void keel__order_free(keel__order *order);

/* Waits until one more item may be under way. */
KEEL_NODISCARD keel_err *keel__order_enter(keel_ctx *ctx, keel__order *order);
/* Nothing came, after all. */
void keel__order_leave(keel__order *order);

/* Around taking an item from the queue, by one task at a time: its place. */
KEEL_NODISCARD keel_err *keel__order_lock(keel_ctx *ctx, keel__order *order);
uint64_t keel__order_next(keel__order *order);
void keel__order_unlock(keel__order *order);

/* The item with that place is done, and came to what is in `slot` (NULL: to nothing). Sends it and those that
 * waited for it, in order, or leaves it to whoever does. */
void keel__order_put(keel__carrier *c, uint64_t place, const void *slot);

size_t keel__order_most(keel__order *order);

#endif /* KEEL_SRC_FLOW_PIPELINE_H */
