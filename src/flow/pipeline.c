/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "flow/options.h"
#include "task/stack.h"

enum { MAX_PARALLEL = 1000, MAX_ITEM_BYTES = 65536, MAX_BATCH = 1000000 };

static keel_pipeline without_memory = { .fixed = true };

/* ---- Items ---- */

void keel__item_used(const keel__item_type *type, void *item)
{
    if (type->kind == KEEL__ITEM_BATCH) {
        const keel_batch *batch = item;
        for (size_t i = 0; type->of->kind != KEEL__ITEM_PLAIN && i < batch->count; i++)
            keel__item_used(type->of, (char *)batch->items + i * type->of->bytes);
        keel_mem_free(batch->items);
    } else if (type->kind == KEEL__ITEM_LINE) {
        keel_mem_free((void *)(uintptr_t)((keel_line *)item)->text);
    }
}

void keel__item_drop(const keel__item_type *type, void *item)
{
    if (type->kind == KEEL__ITEM_BATCH) {
        const keel_batch *batch = item;
        for (size_t i = 0; i < batch->count; i++)
            keel__item_drop(type->of, (char *)batch->items + i * type->of->bytes);
        keel_mem_free(batch->items);
    } else if (type->free != NULL) {
        type->free(item);
    } else {
        keel__item_used(type, item);
    }
}

/* ---- Making and freeing ---- */

static void free_stages(keel__stages *stages)
{
    for (size_t i = 0; i < stages->len; i++) {
        keel__stage *stage = &stages->items[i];
        for (size_t b = 0; stage->branches != NULL && b < stage->count; b++)
            free_stages(&stage->branches[b]);
        keel_mem_free(stage->branches);
    }
    keel__stages_deinit(stages);
}

keel_pipeline *keel_pipeline_new(const keel_pipeline_opts *opts)
{
    keel_pipeline *p = keel_mem_calloc(1, sizeof *p);

    if (p == NULL)
        return &without_memory;
    if (opts != NULL)
        p->opts = *opts;
    if (p->opts.name == NULL)
        p->opts.name = "pipeline";
    if (p->opts.queue == 0)
        p->opts.queue = 256;
    if (p->opts.stack_bytes == 0)
        p->opts.stack_bytes = KEEL__STACK_LARGE_BYTES;
    return p;
}

void keel_pipeline_free(keel_pipeline *p)
{
    if (p == NULL || p->fixed)
        return;
    keel__plan_free(p->plan);
    free_stages(&p->stages);
    keel_err_free(p->err);
    keel_mem_free(p);
}

/* ---- Building ---- */

/* Remembers the first error. Takes it. */
static void spoil(keel_pipeline *p, keel_err *err)
{
    if (p->err == NULL && !p->fixed)
        p->err = err;
    else
        keel_err_free(err);
}

/* What a stage calls, or puts items into, must be there, and fit. */
static keel_err *check_calls(const keel__stage *stage)
{
    const bool calls = stage->kind == KEEL__STAGE_MAP || stage->kind == KEEL__SINK_FOLD ||
                       stage->kind == KEEL__SINK_EACH;
    const size_t bytes = keel__is_source(stage) ? stage->out.bytes : stage->in.bytes;

    if ((calls && stage->fn.fn == NULL) ||
        (stage->kind == KEEL__STAGE_FILTER && stage->keep == NULL) ||
        (stage->kind == KEEL__SOURCE_FN && stage->next == NULL))
        return keel__bad_option_of("stage", stage->name, "fn", "is missing");
    if (stage->kind == KEEL__SINK_ARRAY && stage->counted == NULL)
        return keel__bad_option_of("stage", stage->name, "count", "is missing");
    if (stage->kind == KEEL__SOURCE_CHAN || stage->kind == KEEL__SINK_CHAN) {
        if (stage->chan == NULL)
            return keel__bad_option_of("stage", stage->name, "chan", "is missing");
        if (keel_chan_item_bytes(stage->chan) != bytes)
            return keel__bad_option_of("stage", stage->name, "item_bytes",
                                       "is not that of the channel");
    }
    return NULL;
}

static keel_err *check(const keel_pipeline *p, const keel__stage *stage)
{
    const keel__stage *last = keel__stages_last(&p->stages);
    const keel_stage_opts *opts = &stage->opts;
    const char *name = stage->name;

    if (keel__is_source(stage) && last != NULL)
        return keel__bad_option_of("pipeline", p->opts.name, name,
                                   "is a source that does not come first");
    if (last != NULL && keel__is_sink(last))
        return keel__bad_option_of("pipeline", p->opts.name, name, "comes after the sink");
    if (opts->parallel > MAX_PARALLEL)
        return keel__bad_option_of("stage", name, "parallel", "is more than 1000");
    if (opts->parallel > 1 && keel__is_sink(stage) && stage->kind != KEEL__SINK_EACH)
        return keel__bad_option_of("stage", name, "parallel", "is more than 1 for what is shared");
    if (opts->keep_order && opts->parallel > 1 && keel__is_sink(stage))
        return keel__bad_option_of("stage", name, "keep_order", "is set for a parallel sink");
    if (opts->timeout_ns < 0)
        return keel__bad_option_of("stage", name, "timeout_ns", "is negative");
    if ((unsigned)opts->on_error > KEEL_STAGE_DEAD_LETTER)
        return keel__bad_option_of("stage", name, "on_error", "is none of keel_stage_error");
    if (opts->on_error == KEEL_STAGE_DEAD_LETTER && opts->dead_letter == NULL)
        return keel__bad_option_of("stage", name, "dead_letter", "is missing");
    if (stage->kind == KEEL__STAGE_FILTER &&
        (opts->timeout_ns > 0 || opts->retry != NULL || opts->on_error != KEEL_STAGE_FAIL))
        return keel__bad_option_of("stage", name, "timeout_ns, retry or on_error",
                                   "is set for a filter");
    if (stage->kind == KEEL__STAGE_BATCH && stage->count > MAX_BATCH)
        return keel__bad_option_of("stage", name, "max_items", "is more than 1,000,000");
    KEEL_TRY(check_calls(stage));
    if (stage->in.bytes > MAX_ITEM_BYTES || stage->out.bytes > MAX_ITEM_BYTES)
        return keel__bad_option_of("stage", name, "item", "has more than 65,536 bytes");
    return NULL;
}

/* Adds a stage; what it owns goes with it. */
static void add(keel_pipeline *p, keel__stage stage, const keel_stage_opts *opts)
{
    keel__need(p != NULL, "keel_pipeline", "the pipeline");
    if (opts != NULL)
        stage.opts = *opts;
    if (stage.name == NULL)
        stage.name = "?";
    keel_err *err = check(p, &stage);
    if (err == NULL && !p->fixed)
        err = keel__stages_push(&p->stages, stage);
    if (err != NULL)
        spoil(p, err);
}

static keel__item_type plain(size_t bytes, const char *name, void (*item_free)(void *item))
{
    return (keel__item_type){ .bytes = bytes, .name = name != NULL ? name : "", .free = item_free };
}

void keel_pipeline_from_array(keel_pipeline *p, const void *items, size_t count, size_t item_bytes)
{
    add(p,
        (keel__stage){ .kind = KEEL__SOURCE_ARRAY,
                       .name = "array",
                       .items = (void *)(uintptr_t)items,
                       .count = count,
                       .out = plain(item_bytes, NULL, NULL) },
        NULL);
}

void keel_pipeline_from_chan(keel_pipeline *p, keel_chan *chan, size_t item_bytes,
                             void (*item_free)(void *item))
{
    add(p,
        (keel__stage){ .kind = KEEL__SOURCE_CHAN,
                       .name = "channel",
                       .chan = chan,
                       .out = plain(item_bytes, NULL, item_free) },
        NULL);
}

void keel_pipeline_from_lines(keel_pipeline *p, keel_reader reader, size_t max_bytes)
{
    keel__stage stage = { .kind = KEEL__SOURCE_LINES,
                          .name = "lines",
                          .reader = reader,
                          .count = max_bytes,
                          .out = plain(sizeof(keel_line), "keel_line", NULL) };

    stage.out.kind = KEEL__ITEM_LINE;
    add(p, stage, NULL);
}

void keel_pipeline_from_fn(keel_pipeline *p, const char *name, keel_source_fn fn, size_t item_bytes,
                           void (*item_free)(void *item), void *arg)
{
    add(p,
        (keel__stage){ .kind = KEEL__SOURCE_FN,
                       .name = name,
                       .next = fn,
                       .out = plain(item_bytes, NULL, item_free) },
        &(keel_stage_opts){ .arg = arg });
}

void keel_pipeline_map(keel_pipeline *p, const char *name, keel_fn fn, const keel_stage_opts *opts)
{
    if (p != NULL && fn.out_bytes == 0)
        spoil(p, keel__bad_option_of("stage", name, "fn", "has no output: that is for a sink"));
    add(p,
        (keel__stage){
            .kind = KEEL__STAGE_MAP,
            .name = name,
            .fn = fn,
            .in = plain(fn.in_bytes, fn.in_type, NULL),
            .out = plain(fn.out_bytes, fn.out_type, opts != NULL ? opts->item_free : NULL) },
        opts);
}

void keel_pipeline_filter(keel_pipeline *p, const char *name, keel_filter_fn keep,
                          const keel_stage_opts *opts)
{
    add(p, (keel__stage){ .kind = KEEL__STAGE_FILTER, .name = name, .keep = keep }, opts);
}

void keel_pipeline_batch(keel_pipeline *p, const char *name, size_t max_items, int64_t max_wait_ns)
{
    if (p != NULL && max_items == 0)
        spoil(p, keel__bad_option_of("stage", name, "max_items", "is 0"));
    if (p != NULL && max_wait_ns < 0)
        spoil(p, keel__bad_option_of("stage", name, "max_wait_ns", "is negative"));
    add(p,
        (keel__stage){ .kind = KEEL__STAGE_BATCH,
                       .name = name,
                       .count = max_items,
                       .max_wait_ns = max_wait_ns },
        NULL);
}

/* Copies stages, with the lists of their branches. */
static keel_err *copy_stages(keel__stages *to, const keel__stages *from)
{
    for (size_t i = 0; i < from->len; i++) {
        keel__stage copy = from->items[i];

        copy.branches = NULL;
        KEEL_TRY(keel__stages_push(to, copy));
        if (from->items[i].branches == NULL)
            continue;
        keel__stage *split = keel__stages_last(to);
        split->branches = keel_mem_calloc(copy.count, sizeof *split->branches);
        if (split->branches == NULL)
            return KEEL_ERR_NOMEM;
        for (size_t b = 0; b < copy.count; b++)
            KEEL_TRY(copy_stages(&split->branches[b], &from->items[i].branches[b]));
    }
    return NULL;
}

/* Whether it can stand in the middle of another. */
static keel_err *check_fragment(const keel_pipeline *p, const keel_pipeline *fragment)
{
    if (fragment->fixed)
        return KEEL_ERR_NOMEM;
    if (fragment->err != NULL)
        return keel_err_retain(fragment->err);
    const keel__stages *stages = &fragment->stages;
    if (stages->len > 0 &&
        (keel__is_source(&stages->items[0]) || keel__is_sink(keel__stages_last(stages))))
        return keel__bad_option_of("pipeline", p->opts.name, fragment->opts.name,
                                   "has a source or a sink");
    return NULL;
}

void keel_pipeline_append(keel_pipeline *p, const keel_pipeline *fragment)
{
    keel__need(p != NULL, "keel_pipeline_append", "the pipeline");
    keel__need(fragment != NULL && fragment != p, "keel_pipeline_append", "another pipeline");
    if (p->fixed)
        return;
    keel_err *err = check_fragment(p, fragment);
    if (err == NULL && fragment->stages.len > 0)
        err = check(p, &fragment->stages.items[0]);
    if (err == NULL)
        err = copy_stages(&p->stages, &fragment->stages);
    if (err != NULL)
        spoil(p, err);
}

void keel_pipeline_split(keel_pipeline *p, const char *name, keel_route_fn route, void *arg,
                         const keel_pipeline *const *branches, size_t count)
{
    keel__stage stage = { .kind = KEEL__STAGE_SPLIT, .name = name, .route = route, .count = count };
    keel_err *err = NULL;

    keel__need(p != NULL, "keel_pipeline_split", "the pipeline");
    keel__need(route != NULL, "keel_pipeline_split", "route");
    if (p->fixed)
        return;
    for (size_t i = 0; i < count; i++)
        keel__need(branches[i] != NULL && branches[i] != p, "keel_pipeline_split",
                   "a branch, another pipeline,");
    if (count == 0 || count > MAX_PARALLEL)
        err = keel__bad_option_of("stage", name, "count", "is not in 1 ... 1000");
    for (size_t i = 0; err == NULL && i < count; i++)
        err = check_fragment(p, branches[i]);
    if (err == NULL) {
        const size_t before = p->stages.len;
        add(p, stage, &(keel_stage_opts){ .arg = arg });
        if (p->stages.len == before)
            return;
        keel__stage *split = keel__stages_last(&p->stages);
        split->branches = keel_mem_calloc(count, sizeof *split->branches);
        if (split->branches == NULL)
            err = KEEL_ERR_NOMEM;
        for (size_t i = 0; err == NULL && i < count; i++)
            err = copy_stages(&split->branches[i], &branches[i]->stages);
    }
    if (err != NULL)
        spoil(p, err);
}

void keel_pipeline_fold(keel_pipeline *p, const char *name, keel_fn fn, void *result,
                        const keel_stage_opts *opts)
{
    add(p,
        (keel__stage){ .kind = KEEL__SINK_FOLD,
                       .name = name,
                       .fn = fn,
                       .items = result,
                       .in = plain(fn.in_bytes, fn.in_type, NULL) },
        opts);
}

void keel_pipeline_each(keel_pipeline *p, const char *name, keel_fn fn, const keel_stage_opts *opts)
{
    if (p != NULL && fn.out_bytes != 0)
        spoil(p, keel__bad_option_of("stage", name, "fn", "has an output: that is for a stage"));
    add(p,
        (keel__stage){ .kind = KEEL__SINK_EACH,
                       .name = name,
                       .fn = fn,
                       .in = plain(fn.in_bytes, fn.in_type, NULL) },
        opts);
}

void keel_pipeline_to_array(keel_pipeline *p, void *items, size_t room, size_t item_bytes,
                            size_t *count)
{
    add(p,
        (keel__stage){ .kind = KEEL__SINK_ARRAY,
                       .name = "array",
                       .items = items,
                       .count = room,
                       .counted = count,
                       .in = plain(item_bytes, NULL, NULL) },
        NULL);
}

void keel_pipeline_to_chan(keel_pipeline *p, keel_chan *chan, size_t item_bytes)
{
    add(p,
        (keel__stage){ .kind = KEEL__SINK_CHAN,
                       .name = "channel",
                       .chan = chan,
                       .in = plain(item_bytes, NULL, NULL) },
        NULL);
}
