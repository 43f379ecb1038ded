/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <string.h>

#include <keel/mem.h>

#include "flow/options.h"

/* ---- Types ---- */

/* Whether what flows fits a stage that wants `wanted`. */
static keel_err *fits(const keel__stage *stage, const keel__item_type *flows,
                      const keel__item_type *wanted)
{
    if (flows->bytes == wanted->bytes && (flows->name[0] == '\0' || wanted->name[0] == '\0' ||
                                          strcmp(flows->name, wanted->name) == 0))
        return NULL;
    return keel_err_wrap(KEEL_ERR_INVAL, "stage %s takes %s of %zu bytes, and gets %s of %zu",
                         stage->name, wanted->name[0] != '\0' ? wanted->name : "items",
                         wanted->bytes, flows->name[0] != '\0' ? flows->name : "items",
                         flows->bytes);
}

static keel_err *resolve(keel__stages *stages, keel__item_type *flows);

/* Whether items of the one type end as those of the other do. */
static bool ends_alike(const keel__item_type *a, const keel__item_type *b)
{
    return a->kind == b->kind && a->free == b->free &&
           (a->kind != KEEL__ITEM_BATCH ||
            (a->of->bytes == b->of->bytes && ends_alike(a->of, b->of)));
}

/* What comes out of all branches must be the same. */
static keel_err *resolve_split(keel__stage *split, keel__item_type *flows)
{
    const keel__item_type comes = *flows;

    for (size_t b = 0; b < split->count; b++) {
        keel__item_type goes = comes;

        KEEL_TRY(resolve(&split->branches[b], &goes));
        if (b == 0)
            *flows = goes;
        KEEL_TRY(
            keel_err_wrap(fits(split, &goes, flows), "branch %zu of split %s", b, split->name));
        if (!ends_alike(&goes, flows))
            return keel_err_wrap(KEEL_ERR_INVAL,
                                 "branch %zu of split %s puts out items with another item_free", b,
                                 split->name);
    }
    return NULL;
}

/* Gives each stage what flows into it and out of it; `flows` is what comes to the first, then what leaves the
 * last. */
static keel_err *resolve(keel__stages *stages, keel__item_type *flows)
{
    for (size_t i = 0; i < stages->len; i++) {
        keel__stage *stage = &stages->items[i];

        if (!keel__is_source(stage)) {
            if (stage->fn.fn != NULL || keel__is_sink(stage))
                KEEL_TRY(fits(stage, flows, &stage->in));
            stage->in = *flows;
        }
        if ((stage->kind == KEEL__SINK_ARRAY || stage->kind == KEEL__SINK_CHAN) &&
            flows->kind != KEEL__ITEM_PLAIN)
            return keel_err_wrap(KEEL_ERR_INVAL, "stage %s would keep a %s, which ends with it",
                                 stage->name, flows->name);
        switch (stage->kind) {
        case KEEL__STAGE_FILTER:
            stage->out = stage->in;
            break;
        case KEEL__STAGE_BATCH:
            stage->out = (keel__item_type){ KEEL__ITEM_BATCH, sizeof(keel_batch), "keel_batch",
                                            NULL, &stage->in };
            break;
        case KEEL__STAGE_SPLIT:
            KEEL_TRY(resolve_split(stage, flows));
            stage->out = *flows;
            break;
        default:
            break;
        }
        *flows = stage->out;
    }
    return NULL;
}

/* ---- Segments ---- */

/* What is being cut: first to count, then to fill what was counted. */
typedef struct cutter {
    keel__plan *plan;
    size_t segments, queues, outs;
    keel__queue *queue_room;
    keel__queue **out_room;
} cutter;

static unsigned tasks_of(const keel__stage *stage)
{
    return stage->opts.parallel > 1 ? stage->opts.parallel : 1;
}

/* Whether a stage can be carried by the tasks of the one before it. */
static bool fuses(const keel__stage *before, const keel__stage *stage)
{
    if (stage->opts.apart || before->kind == KEEL__STAGE_SPLIT)
        return false;
    if (stage->kind == KEEL__STAGE_BATCH && stage->max_wait_ns > 0)
        return false; /* while the source makes it wait it must look at the time */
    return tasks_of(before) == tasks_of(stage) &&
           (tasks_of(stage) == 1 || before->opts.keep_order == stage->opts.keep_order);
}

static keel__queue *add_queue(cutter *cut)
{
    const size_t index = cut->queues++;

    return cut->queue_room != NULL ? &cut->queue_room[index] : NULL;
}

static keel__segment *add_segment(cutter *cut, keel__stage *stages, size_t count, keel__queue *in,
                                  size_t out_count)
{
    const size_t index = cut->segments++, out = cut->outs;

    cut->outs += out_count;
    if (cut->plan->segments == NULL)
        return NULL;
    keel__segment *segment = &cut->plan->segments[index];
    *segment = (keel__segment){ .plan = cut->plan,
                                .stages = stages,
                                .count = count,
                                .parallel = tasks_of(stages),
                                .ordered = tasks_of(stages) > 1 && stages->opts.keep_order,
                                .in = in,
                                .outs = out_count > 0 ? &cut->out_room[out] : NULL,
                                .out_count = out_count };
    return segment;
}

static void feed(keel__segment *segment, size_t out, keel__queue *queue)
{
    if (segment == NULL)
        return;
    segment->outs[out] = queue;
    queue->feeders++;
}

static void cut_list(cutter *cut, keel__stages *stages, keel__queue *in, keel__queue *out);

/* The branches of a split at the end of `segment`, each from a queue of its own into `out`. */
static void cut_branches(cutter *cut, keel__stage *split, keel__segment *segment, keel__queue *out)
{
    for (size_t b = 0; b < split->count; b++) {
        if (split->branches[b].len == 0) { /* straight on */
            feed(segment, b, out);
            continue;
        }
        keel__queue *in = add_queue(cut);
        feed(segment, b, in);
        cut_list(cut, &split->branches[b], in, out);
    }
}

/* Cuts a list that begins at `in` (NULL: with its source) and ends at `out` (NULL: with its sink). */
static void cut_list(cutter *cut, keel__stages *stages, keel__queue *in, keel__queue *out)
{
    for (size_t first = 0, next; first < stages->len; first = next) {
        for (next = first + 1; next < stages->len; next++) {
            if (!fuses(&stages->items[next - 1], &stages->items[next]))
                break;
        }
        keel__stage *last = &stages->items[next - 1];
        const bool split = last->kind == KEEL__STAGE_SPLIT, end = next == stages->len;
        const bool sink = keel__is_sink(last);
        keel__queue *after = end ? out : add_queue(cut);
        keel__segment *segment = add_segment(cut, &stages->items[first], next - first, in,
                                             split  ? last->count
                                             : sink ? 0
                                                    : 1);
        if (split)
            cut_branches(cut, last, segment, after);
        else if (!sink)
            feed(segment, 0, after);
        in = after;
    }
}

static keel_err *check_whole(const keel_pipeline *p)
{
    const keel__stages *stages = &p->stages;

    if (p->fixed)
        return KEEL_ERR_NOMEM;
    if (p->err != NULL)
        return keel_err_retain(p->err);
    if (stages->len == 0 || !keel__is_source(&stages->items[0]))
        return keel__bad_option_of("pipeline", p->opts.name, "source", "is missing");
    if (!keel__is_sink(keel__stages_last(stages)))
        return keel__bad_option_of("pipeline", p->opts.name, "sink", "is missing");
    return NULL;
}

keel_err *keel__plan_make(const keel_pipeline *p, keel__plan **out)
{
    keel__item_type flows = { .name = "" };
    keel_pipeline *own = (keel_pipeline *)(uintptr_t)p; /* its stages' types are the plan's */

    *out = NULL;
    KEEL_TRY(check_whole(p));
    KEEL_TRY(resolve(&own->stages, &flows));
    keel__plan *plan = keel_mem_calloc(1, sizeof *plan);
    if (plan == NULL)
        return KEEL_ERR_NOMEM;
    cutter count = { .plan = plan };
    cut_list(&count, &own->stages, NULL, NULL);
    plan->p = own;
    plan->segments = keel_mem_calloc(count.segments, sizeof *plan->segments);
    plan->queues = keel_mem_calloc(count.queues + 1, sizeof *plan->queues);
    plan->outs = keel_mem_calloc(count.outs + 1, sizeof *plan->outs);
    if (plan->segments == NULL || plan->queues == NULL || plan->outs == NULL) {
        keel__plan_free(plan);
        return KEEL_ERR_NOMEM;
    }
    cutter fill = { .plan = plan, .queue_room = plan->queues, .out_room = plan->outs };
    cut_list(&fill, &own->stages, NULL, NULL);
    plan->segment_count = fill.segments;
    plan->queue_count = fill.queues;
    *out = plan;
    return NULL;
}

void keel__plan_free(keel__plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->segment_count; i++) {
        keel_ctx_free(plan->segments[i].ctx);
        keel_mem_free(plan->segments[i].counts);
        keel__order_free(plan->segments[i].order);
    }
    for (size_t i = 0; i < plan->queue_count; i++)
        keel_chan_free(plan->queues[i].chan);
    keel_mem_free(plan->segments);
    keel_mem_free(plan->queues);
    keel_mem_free(plan->outs);
    keel_mem_free(plan);
}
