/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <string.h>

#include <keel/mem.h>

#include "flow/parts.h"

/* ---- Failing ---- */

void keel__fail(keel__carrier *c, const keel__stage *stage, keel_err *err)
{
    keel__plan *plan = c->segment->plan;

    err = c->number > 0 ? keel_err_wrap(err, "stage %s, item %llu", stage->name,
                                        (unsigned long long)c->number)
                        : keel_err_wrap(err, "stage %s", stage->name);
    keel__spin_lock(&plan->lock);
    const bool first = plan->err == NULL;
    if (first)
        plan->err = err;
    keel__spin_unlock(&plan->lock);
    if (!first)
        keel_err_free(err);
    keel__plan_cancel(plan, c->segment);
}

/* A stage has failed for good on an item, which is dropped. Takes `err`. */
static void give_up(keel__carrier *c, const keel__stage *stage, keel__counts *counts, void *item,
                    keel_err *err)
{
    const keel_stage_opts *opts = &stage->opts;

    if (keel_ctx_err(c->ctx) != NULL) { /* told to stop: not the item's fault */
        keel_err_free(err);
        keel__bump(&counts->cut, 1);
        keel__plan_cut(c->segment->plan);
    } else {
        keel__bump(&counts->failed, 1);
        switch (opts->on_error) {
        case KEEL_STAGE_FAIL:
            keel__fail(c, stage, err);
            break;
        case KEEL_STAGE_DEAD_LETTER:
            keel_mutex_lock(&c->segment->plan->letters);
            opts->dead_letter(c->ctx, stage->name, item, err, opts->dead_letter_arg);
            keel_mutex_unlock(&c->segment->plan->letters);
            keel_err_free(err);
            break;
        case KEEL_STAGE_DROP:
            keel_err_free(err);
            break;
        }
    }
    keel__item_drop(&stage->in, item);
}

/* ---- Calling ---- */

/* A call of a stage's function, with its attempts. */
typedef struct attempt {
    const keel__stage *stage;
    const void *in;
    void *out;
    uint64_t made;
} attempt;

static keel_err *try_once(keel_ctx *ctx, void *arg)
{
    attempt *a = arg;
    const keel__stage *stage = a->stage;
    const int64_t timeout_ns = stage->opts.timeout_ns;

    a->made++;
    if (timeout_ns == 0)
        return stage->fn.fn(ctx, a->in, a->out, stage->opts.arg);
    keel_ctx *limited = keel_ctx_with_timeout(ctx, timeout_ns);
    keel_err *err = stage->fn.fn(limited, a->in, a->out, stage->opts.arg);
    err = keel__timed_out(ctx, limited, timeout_ns, err);
    keel_ctx_free(limited);
    return err;
}

static keel_err *call(keel__carrier *c, const keel__stage *stage, keel__counts *counts,
                      const void *in, void *out)
{
    attempt a = { stage, in, out, 0 };

    if (stage->opts.retry == NULL)
        return try_once(c->ctx, &a);
    keel_err *err = keel_retry_run(c->ctx, stage->opts.retry, try_once, &a);
    if (a.made > 1)
        keel__bump(&counts->retried, a.made - 1);
    return err;
}

/* Has the function of a stage work on an item. False: it failed, and the item is gone. */
static bool apply(keel__carrier *c, const keel__stage *stage, keel__counts *counts, void *in,
                  void *out)
{
    keel_err *err;

    if (c->weight == 0) {
        err = call(c, stage, counts, in, out);
    } else {
        const int64_t start_ns = keel_ctx_now(c->ctx);
        err = call(c, stage, counts, in, out);
        keel__bump(&counts->busy_ns, (uint64_t)(keel_ctx_now(c->ctx) - start_ns) * c->weight);
    }
    if (err == NULL) {
        keel__item_used(&stage->in, in);
        return true;
    }
    give_up(c, stage, counts, in, err);
    return false;
}

/* ---- Batches ---- */

/* Adds an item to the batch of a stage. Returns the batch when it is full. */
static void *hold(keel__carrier *c, size_t index, void *item)
{
    const keel__stage *stage = &c->segment->stages[index];
    keel__counts *counts = &c->counts[index];
    keel__held *held = &c->held[index];

    if (held->batch.count == 0) {
        held->batch.items = keel_mem_calloc(stage->count, stage->in.bytes);
        held->slot.number = c->number;
        if (held->batch.items != NULL && stage->max_wait_ns > 0)
            held->ctx = keel_ctx_with_timeout(c->ctx, stage->max_wait_ns);
        if (held->batch.items == NULL || keel_err_is(keel_ctx_err(held->ctx), KEEL_ERR_NOMEM)) {
            keel_mem_free(held->batch.items);
            held->batch.items = NULL;
            held->ctx = NULL;
            give_up(c, stage, counts, item, KEEL_ERR_NOMEM);
            return NULL;
        }
    }
    memcpy((char *)held->batch.items + held->batch.count * stage->in.bytes, item, stage->in.bytes);
    return ++held->batch.count == stage->count ? keel__take_batch(c, index) : NULL;
}

void *keel__take_batch(keel__carrier *c, size_t index)
{
    const keel__stage *stage = &c->segment->stages[index];
    keel__held *held = &c->held[index];
    keel_batch *out = c->steps[index].out;

    if (held->batch.count == 0)
        return NULL;
    *out = held->batch;
    *keel__slot_of(out) = (keel__slot){ held->slot.number, &stage->out };
    held->batch = (keel_batch){ 0 };
    keel_ctx_free(held->ctx);
    held->ctx = NULL;
    c->number = held->slot.number;
    keel__bump(&c->counts[index].made, 1);
    return out;
}

void keel__flush(keel__carrier *c, size_t stage)
{
    for (; stage < c->segment->count; stage++) {
        if (c->segment->stages[stage].kind != KEEL__STAGE_BATCH)
            continue;
        void *batch = keel__take_batch(c, stage);
        if (batch != NULL)
            keel__carry(c, stage + 1, batch);
    }
}

/* ---- Sending ---- */

void keel__send(keel__carrier *c, keel__queue *queue, const keel__item_type *type, void *item)
{
    keel__slot *slot = keel__slot_of(item);
    keel_err *err = NULL;

    *slot = (keel__slot){ c->number, type };
    switch (keel_chan_try_send(queue->chan, slot)) {
    case KEEL_CHAN_DONE:
        return;
    case KEEL_CHAN_CLOSED:
        err = KEEL_ERR_CLOSED;
        break;
    case KEEL_CHAN_WOULD_BLOCK: {
        const int64_t start_ns = keel_ctx_now(c->ctx);
        err = keel_chan_send(c->ctx, queue->chan, slot);
        keel__bump(&c->counts[c->segment->count - 1].blocked_ns,
                   (uint64_t)(keel_ctx_now(c->ctx) - start_ns));
        break;
    }
    }
    if (err == NULL)
        return;
    keel_err_free(err);
    keel__plan_cut(c->segment->plan);
    keel__item_drop(type, item);
}

/* What a split does with an item. */
static void route(keel__carrier *c, const keel__stage *stage, keel__counts *counts, void *item)
{
    const size_t branch = stage->route(item, stage->opts.arg);

    if (branch < stage->count)
        keel__send(c, c->segment->outs[branch], &stage->in, item);
    else
        give_up(c, stage, counts, item,
                keel_err_wrap(KEEL_ERR_RANGE, "there is no branch %zu", branch));
}

/* ---- Sinks ---- */

static bool sink(keel__carrier *c, keel__stage *stage, keel__counts *counts, void *item)
{
    switch (stage->kind) {
    case KEEL__SINK_FOLD:
    case KEEL__SINK_EACH:
        return apply(c, stage, counts, item, stage->items);
    case KEEL__SINK_ARRAY:
        if (*stage->counted == stage->count) {
            give_up(c, stage, counts, item,
                    keel_err_wrap(KEEL_ERR_LIMIT, "the array has room for %zu", stage->count));
            return false;
        }
        memcpy((char *)stage->items + (*stage->counted)++ * stage->in.bytes, item, stage->in.bytes);
        return true;
    default: {
        keel_err *err = keel_chan_send(c->ctx, stage->chan, item);
        if (err == NULL)
            return true;
        give_up(c, stage, counts, item, err);
        return false;
    }
    }
}

/* ---- Carrying ---- */

/* An item of a segment has come to its end: `item` is what it came to, or NULL. */
static void end_item(keel__carrier *c, void *item)
{
    keel__segment *segment = c->segment;

    if (segment->ordered) {
        if (item != NULL)
            *keel__slot_of(item) =
                (keel__slot){ c->number, &segment->stages[segment->count - 1].out };
        keel__order_put(c, c->order, item != NULL ? keel__slot_of(item) : NULL);
    } else if (item != NULL && segment->out_count > 0) {
        keel__send(c, segment->outs[0], &segment->stages[segment->count - 1].out, item);
    }
}

/* Takes an item through one stage. Returns what it came to; NULL: the item has ended here. */
static void *carry_through(keel__carrier *c, size_t index, void *item)
{
    keel__stage *stage = &c->segment->stages[index];
    keel__counts *counts = &c->counts[index];
    void *out = c->steps[index].out;

    switch (stage->kind) {
    case KEEL__STAGE_MAP:
        return apply(c, stage, counts, item, out) ? out : NULL;
    case KEEL__STAGE_FILTER:
        if (stage->keep(item, stage->opts.arg))
            return item;
        keel__bump(&counts->filtered, 1);
        keel__item_drop(&stage->in, item);
        return NULL;
    case KEEL__STAGE_BATCH:
        return hold(c, index, item);
    case KEEL__STAGE_SPLIT:
        route(c, stage, counts, item);
        return NULL;
    default:
        sink(c, stage, counts, item);
        return NULL;
    }
}

void keel__carry_on(keel__carrier *c, size_t index, void *item, keel_err *err)
{
    const keel__segment *segment = c->segment;

    for (;;) {
        if (err != NULL) {
            give_up(c, c->steps[index].stage, &c->counts[index], item, err);
            item = NULL;
        }
        if (item == NULL || index == segment->count)
            break;
        item = carry_through(c, index++, item);
        err = NULL;
        if (item != NULL && c->weight == 0)
            index = (size_t)(keel__stride(c, c->steps + index, &item, &err) - c->steps);
    }
    end_item(c, item);
}
