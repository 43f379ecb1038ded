/* SPDX-License-Identifier: MIT */
#include "flow/pipeline.h"

#include <inttypes.h>
#include <string.h>

#include <keel/duration.h>

#include "base/process.h"

/* ---- The plan in words ---- */

static keel_err *explain_options(keel_buf *out, const keel__stage *stage)
{
    const keel_stage_opts *opts = &stage->opts;
    char text[KEEL_DURATION_TEXT_BYTES];

    if (stage->kind == KEEL__STAGE_BATCH)
        KEEL_TRY(keel_buf_printf(out, " of up to %zu", stage->count));
    if (stage->max_wait_ns > 0)
        KEEL_TRY(
            keel_buf_printf(out, " or for %s", keel_duration_format(stage->max_wait_ns, text)));
    if (opts->timeout_ns > 0)
        KEEL_TRY(keel_buf_printf(out, ", %s each", keel_duration_format(opts->timeout_ns, text)));
    if (opts->retry != NULL)
        KEEL_TRY(keel_buf_append_text(out, ", retried"));
    if (opts->on_error == KEEL_STAGE_DROP)
        KEEL_TRY(keel_buf_append_text(out, ", errors dropped"));
    if (opts->on_error == KEEL_STAGE_DEAD_LETTER)
        KEEL_TRY(keel_buf_append_text(out, ", errors to dead letters"));
    return NULL;
}

static keel_err *explain_segment(keel_buf *out, const keel__segment *segment, size_t index)
{
    const keel__plan *plan = segment->plan;

    KEEL_TRY(keel_buf_printf(out, "%zu: ", index + 1));
    if (segment->parallel > 1)
        KEEL_TRY(keel_buf_printf(out, "%u tasks%s: ", segment->parallel,
                                 segment->ordered ? " in order" : ""));
    if (segment->in != NULL)
        KEEL_TRY(keel_buf_printf(out, "queue %td -> ", segment->in - plan->queues + 1));
    for (size_t i = 0; i < segment->count; i++) {
        static const char *const kinds[] = { "from ", "from ",   "from ",  "from ",
                                             "",      "filter ", "batch ", "split ",
                                             "fold ", "each ",   "into ",  "into " };
        const keel__stage *stage = &segment->stages[i];

        KEEL_TRY(
            keel_buf_printf(out, "%s%s%s", i > 0 ? " -> " : "", kinds[stage->kind], stage->name));
        KEEL_TRY(explain_options(out, stage));
    }
    for (size_t i = 0; i < segment->out_count; i++)
        KEEL_TRY(keel_buf_printf(out, "%s queue %td", i > 0 ? "," : " ->",
                                 segment->outs[i] - plan->queues + 1));
    return keel_buf_append_char(out, '\n');
}

/* How many items there can be between the source and the sink. */
static size_t under_way(const keel__plan *plan)
{
    size_t most = plan->queue_count * plan->p->opts.queue;

    for (size_t i = 0; i < plan->segment_count; i++)
        most += plan->segments[i].parallel + keel__order_room(&plan->segments[i]);
    return most;
}

keel_err *keel_pipeline_explain(const keel_pipeline *p, keel_buf *out)
{
    keel__plan *plan;

    keel__need(p != NULL, "keel_pipeline_explain", "the pipeline");
    keel__need(out != NULL, "keel_pipeline_explain", "out");
    KEEL_TRY(keel__plan_make(p, &plan));
    keel_err *err = keel_buf_printf(out, "%s: %zu item%s under way at most, a batch as one\n",
                                    p->opts.name, under_way(plan), under_way(plan) == 1 ? "" : "s");
    for (size_t i = 0; err == NULL && i < plan->segment_count; i++)
        err = explain_segment(out, &plan->segments[i], i);
    keel__plan_free(plan);
    return err;
}

/* ---- Numbers ---- */

/* `*flows` is what came out of the stage before it in the segment. */
static void add_counts(const keel__segment *segment, size_t index, uint64_t *flows,
                       keel_stage_stats *out)
{
    const keel__stage *stage = &segment->stages[index];
    uint64_t made = 0, cut = 0;

    for (unsigned task = 0; task < segment->parallel; task++) {
        const keel__counts *counts = keel__counts_of(segment, task, index);

        out->in += keel__load_relaxed(&counts->in);
        made += keel__load_relaxed(&counts->made);
        cut += keel__load_relaxed(&counts->cut);
        out->failed += keel__load_relaxed(&counts->failed);
        out->retried += keel__load_relaxed(&counts->retried);
        out->filtered += keel__load_relaxed(&counts->filtered);
        out->busy_ns += (int64_t)keel__load_relaxed(&counts->busy_ns);
        out->waiting_ns += (int64_t)keel__load_relaxed(&counts->waiting_ns);
        out->blocked_ns += (int64_t)keel__load_relaxed(&counts->blocked_ns);
    }
    if (index > 0)
        out->in = *flows;
    const uint64_t gone = out->failed + out->filtered + cut;
    if (keel__is_source(stage) || stage->kind == KEEL__STAGE_BATCH)
        out->out = made;
    else
        out->out = out->in > gone ? out->in - gone : 0;
    *flows = out->out;
    if (index == 0 && segment->in != NULL && segment->in->chan != NULL)
        out->queued = keel_chan_len(segment->in->chan);
    if (index == segment->count - 1 && segment->order != NULL)
        out->most_ordered = keel__order_most(segment->order);
}

size_t keel_pipeline_get_stats(keel_pipeline *p, keel_stage_stats *out, size_t max)
{
    size_t count = 0;

    keel__need(p != NULL, "keel_pipeline_get_stats", "the pipeline");
    keel__spin_lock(&p->lock);
    const keel__plan *plan = p->plan;
    for (size_t i = 0; plan != NULL && i < plan->segment_count; i++) {
        const keel__segment *segment = &plan->segments[i];
        uint64_t flows = 0;

        for (size_t s = 0; s < segment->count; s++, count++) {
            if (count >= max)
                continue;
            out[count] = (keel_stage_stats){ .name = segment->stages[s].name };
            add_counts(segment, s, &flows, &out[count]);
        }
    }
    keel__spin_unlock(&p->lock);
    return count;
}
