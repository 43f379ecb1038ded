/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <string.h>

#include <keel/mem.h>
#include <keel/task.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "flow/options.h"
#include "task/ctx.h"
#include "task/group.h"
#include "task/worker.h"

/* The first items of a task are all measured, then one of so many, for all of them. There a task lets others run
 * too, though it never has to wait. More often costs much: 2 ns an item for one of 64. */
enum { MEASURED_AT_FIRST = 16, MEASURED_THEN = 256 };

/* ---- Ending early ---- */

void keel__plan_cut(keel__plan *plan)
{
    keel__spin_lock(&plan->lock);
    plan->cut = true;
    keel__spin_unlock(&plan->lock);
}

static bool feeds(const keel__segment *segment, const keel__queue *queue)
{
    for (size_t i = 0; i < segment->out_count; i++) {
        if (segment->outs[i] == queue)
            return true;
    }
    return false;
}

void keel__plan_cancel(keel__plan *plan, keel__segment *segment)
{
    keel__spin_lock(&plan->lock);
    const bool told = segment->told; /* there may be many ways to it */
    segment->told = true;
    keel__spin_unlock(&plan->lock);
    if (told)
        return;
    keel_ctx_cancel(segment->ctx);
    if (segment->in == NULL)
        return;
    for (size_t i = 0; i < plan->segment_count; i++) {
        if (feeds(&plan->segments[i], segment->in))
            keel__plan_cancel(plan, &plan->segments[i]);
    }
}

/* A task of a segment has ended. The last closes the queues that no other segment feeds. */
static void leave(keel__segment *segment)
{
    keel__plan *plan = segment->plan;
    bool last = false;

    keel__spin_lock(&plan->lock);
    last = --segment->live == 0;
    keel__spin_unlock(&plan->lock);
    for (size_t i = 0; last && i < segment->out_count; i++) {
        keel__spin_lock(&plan->lock);
        const bool end = --segment->outs[i]->feeders == 0;
        keel__spin_unlock(&plan->lock);
        if (end)
            keel_chan_close(segment->outs[i]->chan);
    }
}

/* ---- Where items come from ---- */

/* Begins an item that is measured. */
static void begin_measured(keel__carrier *c)
{
    const bool first = c->measured++ < MEASURED_AT_FIRST;

    c->weight = first ? 1 : MEASURED_THEN;
    c->unmeasured = c->measured < MEASURED_AT_FIRST ? 0 : MEASURED_THEN - 1;
    if (!first)
        keel_yield();
}

/* Begins the next item. */
static inline void begin(keel__carrier *c)
{
    if (c->unmeasured > 0) {
        c->unmeasured--;
        c->weight = 0;
    } else {
        begin_measured(c);
    }
}

/* A source has made an item. */
static inline void carry_made(keel__carrier *c, void *item)
{
    const uint64_t number = keel__load_relaxed(&c->counts->made) + 1;

    keel__store_relaxed(&c->counts->made, number);
    c->number = number;
    begin(c);
    keel__carry(c, 1, item);
}

/* Whether a task at a source shall go on. */
static inline bool going_on(keel__carrier *c)
{
    const keel_ctx *ctx = c->ctx;

    keel__point(KEEL__OP_CTX_ERR, ctx);
    if (keel__ctx_runs(ctx) || keel__ctx_err(c->ctx) == NULL)
        return true;
    keel__plan_cut(c->segment->plan);
    return false;
}

static void run_array(keel__carrier *c, const keel__stage *source)
{
    const size_t bytes = source->out.bytes;
    /* what may be sent as it is needs the room before it that an array does not have */
    const bool copied = c->segment->count == 1 || c->segment->stages[1].fn.fn == NULL;

    for (size_t i = 0; i < source->count && going_on(c); i++) {
        void *item = (char *)source->items + i * bytes;

        carry_made(c, copied ? memcpy(keel__slot_item(c->in), item, bytes) : item);
    }
}

static void run_chan(keel__carrier *c, const keel__stage *source)
{
    void *item = keel__slot_item(c->in);
    keel_err *err;

    while ((err = keel_chan_recv(c->ctx, source->chan, item)) == NULL)
        carry_made(c, item);
    if (!keel_err_is(err, KEEL_ERR_CLOSED))
        keel__plan_cut(c->segment->plan);
    keel_err_free(err);
}

/* A source has ended: with an error, if it is one. */
static void end_source(keel__carrier *c, const keel__stage *source, keel_err *err)
{
    if (err == NULL)
        return;
    if (keel_ctx_err(c->ctx) != NULL) {
        keel_err_free(err);
        keel__plan_cut(c->segment->plan);
    } else {
        keel__flush(c, 0); /* as a stage apart would do with what it has */
        c->number = keel__load_relaxed(&c->counts->made) + 1;
        keel__bump(&c->counts->failed, 1);
        keel__fail(c, source, err);
    }
}

static keel_err *make_line(keel__carrier *c, keel_str text)
{
    keel_line *line = keel__slot_item(c->in);
    char *copy = keel_mem_alloc(text.len + 1);

    if (copy == NULL)
        return KEEL_ERR_NOMEM;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *line = (keel_line){ copy, text.len, keel__load_relaxed(&c->counts->made) + 1 };
    return NULL;
}

static void run_lines(keel__carrier *c, const keel__stage *source)
{
    keel_lines lines = { .from = source->reader, .max_bytes = source->count };
    keel_err *err = NULL;
    keel_str text;

    while (err == NULL && going_on(c) && keel_lines_next(c->ctx, &lines, &text)) {
        err = make_line(c, text);
        if (err == NULL)
            carry_made(c, keel__slot_item(c->in));
    }
    if (err == NULL)
        err = keel_lines_err(&lines);
    end_source(c, source, err);
    keel_lines_deinit(&lines);
}

/* Whether the next items are made and carried by make_plain: those that are not measured, while nobody can
 * end the context but by its state, and no simulation wants to see each. */
static inline bool are_plain(const keel__carrier *c)
{
    return c->unmeasured > 0 && keel__ctx_runs(c->ctx) && keel__sim() == NULL;
}

/* Makes items up to the next that is measured. Returns false when there are no more. Not inlined, so that it has
 * the registers. */
__attribute__((noinline)) static bool make_plain(keel__carrier *c, const keel__stage *source,
                                                 keel_err **err)
{
    const keel__step *const first = c->steps + 1, *const end = c->steps + c->sunk;
    void *const room = keel__slot_item(c->in);
    uint64_t number = keel__load_relaxed(&c->counts->made);
    unsigned left = c->unmeasured;
    bool more = true;

    c->weight = 0;
    for (; left > 0 && keel__ctx_runs(c->ctx); left--) {
        *err = source->next(c->ctx, room, &more, source->opts.arg);
        if (*err != NULL || !more)
            break;
        keel__store_relaxed(&c->counts->made, ++number);
        void *item = room;
        keel_err *failed = NULL;
        const keel__step *step = keel__stride(c, first, &item, &failed);
        if (step != end || failed != NULL) {
            c->number = number;
            keel__carry_on(c, (size_t)(step - c->steps), item, failed);
        }
    }
    c->unmeasured = left;
    return more;
}

static void run_fn(keel__carrier *c, const keel__stage *source)
{
    void *item = keel__slot_item(c->in);
    keel_err *err = NULL;
    bool more = true;

    while (err == NULL && more && going_on(c)) {
        if (are_plain(c)) {
            more = make_plain(c, source, &err);
            continue;
        }
        err = source->next(c->ctx, item, &more, source->opts.arg);
        if (err == NULL && more)
            carry_made(c, item);
    }
    end_source(c, source, err);
}

/* ---- Between ---- */

/* Receives a slot, and counts how long that takes if it must wait. With a batch under way it waits only until
 * that must go on. */
static keel_err *receive(keel__carrier *c)
{
    keel_chan *chan = c->segment->in->chan;
    keel_ctx *until = c->held != NULL && c->held[0].ctx != NULL ? c->held[0].ctx : c->ctx;

    KEEL_TRY(keel_ctx_err(c->ctx));
    switch (keel_chan_try_recv(chan, c->in)) {
    case KEEL_CHAN_DONE:
        return NULL;
    case KEEL_CHAN_CLOSED:
        return KEEL_ERR_CLOSED;
    case KEEL_CHAN_WOULD_BLOCK:
        break;
    }
    const int64_t start_ns = keel_ctx_now(c->ctx);
    keel_err *err = keel_chan_recv(until, chan, c->in);
    keel__bump(&c->counts->waiting_ns, (uint64_t)(keel_ctx_now(c->ctx) - start_ns));
    return err;
}

/* The same for one task of several that keep the order. */
static keel_err *receive_in_order(keel__carrier *c)
{
    keel__order *order = c->segment->order;

    KEEL_TRY(keel__order_enter(c->ctx, order));
    keel_err *err = keel__order_lock(c->ctx, order);
    if (err == NULL) {
        err = receive(c);
        if (err == NULL)
            c->order = keel__order_next(order);
        keel__order_unlock(order);
    }
    if (err != NULL)
        keel__order_leave(order);
    return err;
}

/* The time of the batch at the head of the segment has come. */
static void carry_batch(keel__carrier *c)
{
    void *batch = keel__take_batch(c, 0);

    if (batch != NULL && keel_ctx_err(c->ctx) == NULL)
        keel__carry(c, 1, batch);
    else if (batch != NULL)
        keel__item_drop(&c->segment->stages[0].out, batch);
}

/* Whether a task that computes should make way for what feeds it, which may be one of the same worker: a
 * parallel one, that else would take item after item until there are none. */
static bool runs_dry(const keel__segment *segment)
{
    return segment->parallel > 1 &&
           keel_chan_len(segment->in->chan) < segment->plan->p->opts.queue / 2;
}

static void run_queue(keel__carrier *c)
{
    for (;;) {
        keel_err *err = c->segment->ordered ? receive_in_order(c) : receive(c);

        if (err == NULL) {
            const keel__slot *slot = (const keel__slot *)(const void *)c->in;
            c->number = slot->number;
            keel__bump(&c->counts->in, 1);
            begin(c);
            keel__carry(c, 0, keel__slot_item(c->in));
            if (runs_dry(c->segment))
                keel_yield();
            if (c->held != NULL && keel_ctx_err(c->held[0].ctx) != NULL)
                carry_batch(c);
        } else if (c->held != NULL && c->held[0].ctx != NULL && keel_ctx_err(c->ctx) == NULL &&
                   keel_err_is(err, KEEL_ERR_DEADLINE)) {
            keel_err_free(err);
            carry_batch(c);
        } else {
            if (!keel_err_is(err, KEEL_ERR_CLOSED))
                keel__plan_cut(c->segment->plan);
            keel_err_free(err);
            return;
        }
    }
}

/* ---- Tasks ---- */

/* Whether a stage makes something of an item. */
static bool makes(const keel__stage *stage)
{
    return stage->kind == KEEL__STAGE_MAP || stage->kind == KEEL__STAGE_BATCH;
}

static void free_carrier(keel__carrier *c)
{
    for (size_t i = 0; i < c->segment->count; i++) {
        if (c->steps != NULL && c->steps[i].out != NULL && makes(&c->segment->stages[i]))
            keel_mem_free(keel__slot_of(c->steps[i].out));
        if (c->held == NULL)
            continue;
        if (c->held[i].batch.count > 0) { /* cut off */
            keel__plan_cut(c->segment->plan);
            keel__item_drop(&c->segment->stages[i].out, &c->held[i].batch);
        }
        keel_ctx_free(c->held[i].ctx);
    }
    keel_mem_free(c->steps);
    keel_mem_free(c->held);
    keel_mem_free(c->in);
    keel_mem_free(c);
}

/* What a task does at a stage. */
static keel_err *make_step(const keel__stage *stage, keel__step *step)
{
    const keel_stage_opts *opts = &stage->opts;

    if (makes(stage)) {
        void *room = keel_mem_calloc(1, keel__slot_room(stage->out.bytes));
        if (room == NULL)
            return KEEL_ERR_NOMEM;
        step->out = keel__slot_item(room);
    } else {
        step->out = stage->items;
    }
    step->stage = stage;
    step->arg = opts->arg;
    if (opts->timeout_ns == 0 && opts->retry == NULL && stage->in.kind == KEEL__ITEM_PLAIN)
        step->fn = stage->fn.fn;
    return NULL;
}

static keel_err *make_carrier(keel__segment *segment, unsigned index, keel__carrier **out)
{
    keel__carrier *c = keel_mem_calloc(1, sizeof *c);

    *out = c;
    if (c == NULL)
        return KEEL_ERR_NOMEM;
    c->segment = segment;
    c->index = index;
    c->ctx = segment->ctx;
    c->counts = keel__counts_of(segment, index, 0);
    c->sunk = segment->count + (segment->out_count > 0);
    const keel__stage *first = &segment->stages[0];
    const size_t in_bytes = keel__is_source(first) ? first->out.bytes : first->in.bytes;
    c->in = keel_mem_calloc(1, keel__slot_room(in_bytes));
    c->steps = keel_mem_calloc(segment->count + 1, sizeof *c->steps);
    bool batches = false, fine = c->in != NULL && c->steps != NULL;
    for (size_t i = 0; fine && i < segment->count; i++) {
        fine = make_step(&segment->stages[i], &c->steps[i]) == NULL;
        batches |= segment->stages[i].kind == KEEL__STAGE_BATCH;
    }
    if (fine && batches) {
        c->held = keel_mem_calloc(segment->count, sizeof *c->held);
        fine = c->held != NULL;
    }
    if (fine)
        return NULL;
    free_carrier(c);
    return KEEL_ERR_NOMEM;
}

static keel_err *carry_all(keel_ctx *ctx, void *arg)
{
    keel__carrier *c = arg;
    const keel__stage *first = &c->segment->stages[0];

    (void)ctx;
    switch (first->kind) {
    case KEEL__SOURCE_ARRAY:
        run_array(c, first);
        break;
    case KEEL__SOURCE_CHAN:
        run_chan(c, first);
        break;
    case KEEL__SOURCE_LINES:
        run_lines(c, first);
        break;
    case KEEL__SOURCE_FN:
        run_fn(c, first);
        break;
    default:
        run_queue(c);
    }
    if (keel_ctx_err(c->ctx) !=
        NULL) /* whoever ended it: what feeds the segment must not wait for it */
        keel__plan_cancel(c->segment->plan, c->segment);
    else if (c->held != NULL)
        keel__flush(c, 0);
    leave(c->segment);
    free_carrier(c);
    return NULL;
}

/* There is no stack for it: the pipeline fails. */
static void fail_to_carry(void *arg, keel_err *err)
{
    keel__carrier *c = arg;

    keel__fail(c, &c->segment->stages[0], err);
    leave(c->segment);
    free_carrier(c);
}

/* ---- Starting ---- */

static void drop_slot(void *slot)
{
    keel__item_drop(((keel__slot *)slot)->type, keel__slot_item(slot));
}

static keel_err *open_queue(keel__plan *plan, keel__queue *queue)
{
    size_t bytes = 0;

    for (size_t i = 0; i < plan->segment_count; i++) {
        const keel__segment *segment = &plan->segments[i];
        if (segment->in == queue)
            bytes = segment->stages[0].in.bytes;
    }
    return keel_chan_new(
        &queue->chan, keel__slot_room(bytes),
        &(keel_chan_opts){ .capacity = plan->p->opts.queue, .item_free = drop_slot });
}

static keel_err *open_segment(keel__plan *plan, keel__segment *segment)
{
    segment->ctx = keel_ctx_with_cancel(keel_group_ctx(plan->group));
    segment->counts =
        keel_mem_calloc((size_t)segment->parallel * segment->count, sizeof *segment->counts);
    if (segment->counts == NULL)
        return KEEL_ERR_NOMEM;
    KEEL_TRY(keel_ctx_err(segment->ctx));
    if (!segment->ordered)
        return NULL;
    return keel__order_new(&segment->order, segment->parallel + keel__order_room(segment),
                           keel__slot_room(segment->stages[segment->count - 1].out.bytes));
}

/* Starts the tasks of a segment; those of a parallel one apart. */
static keel_err *start(keel__plan *plan, keel__segment *segment)
{
    const bool apart = segment->parallel > 1 || segment->stages[0].opts.apart;
    const unsigned home = plan->home + (apart ? (unsigned)(segment - plan->segments) : 0);
    keel_err *err = NULL;

    segment->live = segment->parallel;
    for (unsigned i = 0; i < segment->parallel; i++) {
        keel__carrier *c = NULL;

        if (err == NULL)
            err = make_carrier(segment, i, &c);
        if (err == NULL) {
            const keel__placed what = { carry_all, fail_to_carry, c };
            if (keel__group_go_on(plan->group, home + i, &what, segment->stages[0].name,
                                  plan->p->opts.name))
                continue;
            free_carrier(c);
            err = KEEL_ERR_NOMEM;
        }
        leave(segment);
    }
    return err;
}

static keel_err *open_all(keel__plan *plan)
{
    for (size_t i = 0; i < plan->queue_count; i++)
        KEEL_TRY(open_queue(plan, &plan->queues[i]));
    for (size_t i = 0; i < plan->segment_count; i++)
        KEEL_TRY(open_segment(plan, &plan->segments[i]));
    return NULL;
}

/* Frees what a run needs, and keeps its numbers. */
static void close_all(keel__plan *plan)
{
    for (size_t i = 0; i < plan->segment_count; i++) {
        keel_ctx_free(plan->segments[i].ctx);
        plan->segments[i].ctx = NULL;
    }
    for (size_t i = 0; i < plan->queue_count; i++) {
        keel__spin_lock(&plan->p->lock); /* somebody may be looking */
        keel_chan *chan = plan->queues[i].chan;
        plan->queues[i].chan = NULL;
        keel__spin_unlock(&plan->p->lock);
        keel_chan_free(chan);
    }
}

/* Puts the plan where others see it, for its numbers; the one before goes. */
static void publish(keel_pipeline *p, keel__plan *plan)
{
    keel__spin_lock(&p->lock);
    keel__plan *before = p->plan;
    p->plan = plan;
    keel__spin_unlock(&p->lock);
    keel__plan_free(before);
}

keel_err *keel_pipeline_run(keel_ctx *ctx, keel_pipeline *p)
{
    keel__plan *plan;

    keel__need(p != NULL, "keel_pipeline_run", "the pipeline");
    KEEL_TRY(keel_ctx_err(ctx));
    KEEL_TRY(keel__plan_make(p, &plan));
    for (size_t i = 0; i < p->stages.len; i++) {
        if (p->stages.items[i].counted != NULL)
            *p->stages.items[i].counted = 0;
    }
    plan->group = keel_group_new(
        ctx, &(keel_group_opts){ .limit = KEEL_UNLIMITED, .stack_bytes = p->opts.stack_bytes });
    if (keel_ctx_runtime(keel_group_ctx(plan->group)) == NULL) {
        keel_err *err = keel_group_wait(plan->group);
        keel__plan_free(plan);
        return keel_err_is(err, KEEL_ERR_INVAL)
                   ? keel__bad_option_of("pipeline", p->opts.name, "stack_bytes", "is out of range")
                   : err;
    }
    const keel__worker *worker = keel__process_worker();
    plan->home = worker != NULL ? worker->index : 0;
    keel_err *err = open_all(plan);
    if (err != NULL) {
        close_all(plan);
        keel_err_free(keel_group_wait(plan->group));
        keel__plan_free(plan);
        return err;
    }
    publish(p, plan);
    for (size_t i = plan->segment_count; err == NULL && i-- > 0;)
        err = start(plan, &plan->segments[i]);
    if (err != NULL)
        keel_group_cancel(plan->group);
    keel_err_free(keel_group_wait(plan->group)); /* its tasks return none */
    close_all(plan);
    if (err == NULL)
        err = plan->err;
    else
        keel_err_free(plan->err);
    plan->err = NULL;
    if (err == NULL && plan->cut) {
        err = keel_ctx_err(ctx);
        if (err == NULL) /* a stage has ended the context it was given */
            err = KEEL_ERR_CANCELLED;
    }
    return err;
}
