/* SPDX-License-Identifier: MIT */
#include "task/dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/ops.h"
#include "task/worker.h"

enum { TASKS_DEFAULT = 1000 };

static bool waits(const keel__seen *seen)
{
    return seen->op != 0 && seen->op != KEEL__PHASE_RUNS && !seen->ready;
}

static const char *state_of(const keel__seen *seen)
{
    if (seen->op == 0)
        return "unstarted";
    if (seen->ready)
        return "ready";
    if (seen->op == KEEL__PHASE_RUNS)
        return "running";
    return seen->op == KEEL__OP_OFFLOAD ? "offloaded" : "parked";
}

/* How long it has waited; the worker may have looked at the clock after the dump did. */
static int64_t waited_ns(const keel__snapshot *snapshot, const keel__seen *seen)
{
    return snapshot->now_ns > seen->since_ns ? snapshot->now_ns - seen->since_ns : 0;
}

static int64_t left_ns(const keel__snapshot *snapshot, const keel__seen *seen)
{
    return seen->until_ns > snapshot->runtime_ns ? seen->until_ns - snapshot->runtime_ns : 0;
}

/* The labels: a key and a value at a time. */
static const char *after(const char *text)
{
    return text + strlen(text) + 1;
}

/* ---- Text ---- */

/* A name that goes over several lines, or writes to the terminal, would be somebody else's words. */
static keel_err *add_plain(keel_buf *out, const char *text)
{
    return keel_buf_append_json_inside(out, keel_str_from(text));
}

keel_err *keel__dump_name(keel_buf *out, const keel__seen *seen, size_t number)
{
    if (number != 0)
        KEEL_TRY(keel_buf_printf(out, "T%zu '", number));
    else
        KEEL_TRY(keel_buf_append_text(out, "task '"));
    KEEL_TRY(add_plain(out, seen->name));
    KEEL_TRY(keel_buf_append_text(out, "' (started at "));
    KEEL_TRY(add_plain(out, seen->where));
    if (seen->function != NULL) {
        KEEL_TRY(keel_buf_append_text(out, " in "));
        KEEL_TRY(add_plain(out, seen->function));
    }
    return keel_buf_append_char(out, ')');
}

static keel_err *add_wait(keel_buf *out, keel__snapshot *snapshot, const keel__seen *seen)
{
    const char *verb = keel__op_verb(seen->op);
    const keel__seen *owner = keel__snapshot_find(snapshot, seen->owner);

    if (seen->op == KEEL__OP_PARK)
        return NULL;
    KEEL_TRY(keel_buf_append_text(out, ": "));
    if (verb != NULL && seen->object != NULL)
        KEEL_TRY(keel_buf_printf(out, "%s %s %p", verb, keel__op_kind(seen->op), seen->object));
    else
        KEEL_TRY(keel_buf_append_text(out, keel__op_name(seen->op)));
    if (owner != NULL)
        KEEL_TRY(keel_buf_printf(out, ", which T%zu holds", keel__seen_number(snapshot, owner)));
    return NULL;
}

/* "has waited 1.5s: lock mutex 0x7ffd51c8, which T5 holds, at most 3s more" */
static keel_err *add_doing(keel_buf *out, keel__snapshot *snapshot, const keel__seen *seen)
{
    if (seen->op == 0)
        return keel_buf_append_text(out, "has not started");
    if (!waits(seen))
        return keel_buf_append_text(out, seen->ready ? "is ready to run" : "runs");
    KEEL_TRY(keel_buf_printf(out, "has waited %s", KEEL_DURATION_STR(waited_ns(snapshot, seen))));
    KEEL_TRY(add_wait(out, snapshot, seen));
    if (seen->until_ns != INT64_MAX)
        KEEL_TRY(
            keel_buf_printf(out, ", at most %s more", KEEL_DURATION_STR(left_ns(snapshot, seen))));
    return NULL;
}

static keel_err *add_task(keel_buf *out, keel__snapshot *snapshot, const keel__seen *seen)
{
    KEEL_TRY(keel__dump_name(out, seen, keel__seen_number(snapshot, seen)));
    KEEL_TRY(keel_buf_append_char(out, ' '));
    KEEL_TRY(add_doing(out, snapshot, seen));
    if (seen->op != 0)
        KEEL_TRY(keel_buf_printf(out, "; worker %u, stack %zu of %zu KiB", seen->worker,
                                 keel__seen_stack_used(seen) >> 10, seen->stack_bytes >> 10));
    for (const char *key = seen->labels; *key != '\0'; key = after(after(key))) {
        KEEL_TRY(keel_buf_append_text(out, key == seen->labels ? "; " : ", "));
        KEEL_TRY(add_plain(out, key));
        KEEL_TRY(keel_buf_append_char(out, '='));
        KEEL_TRY(add_plain(out, after(key)));
    }
    return keel_buf_append_char(out, '\n');
}

keel_err *keel__dump_text(keel_buf *out, keel__snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        KEEL_TRY(add_task(out, snapshot, &snapshot->tasks[i]));
    if (snapshot->count < snapshot->total)
        KEEL_TRY(keel_buf_printf(out, "and %zu more\n", snapshot->total - snapshot->count));
    return NULL;
}

static keel_err *add_text(keel_buf *out, keel__snapshot *snapshot, const keel_runtime *rt)
{
    KEEL_TRY(keel_buf_printf(out, "keel: %zu task%s, %u worker%s\n", snapshot->total,
                             snapshot->total == 1 ? "" : "s", rt->worker_count,
                             rt->worker_count == 1 ? "" : "s"));
    return keel__dump_text(out, snapshot);
}

/* ---- JSON ---- */

static keel_err *add_member(keel_buf *out, const char *key, const char *value)
{
    KEEL_TRY(keel_buf_printf(out, ",\"%s\":", key));
    return keel_buf_append_json(out, keel_str_from(value));
}

/* "file" and "line" of `main.c:12`; of what has another form, all as the file. */
static keel_err *add_place(keel_buf *out, const char *where)
{
    const char *colon = strrchr(where, ':');
    char *end = NULL;
    const long line = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    const bool has_line = line > 0 && *end == '\0';

    KEEL_TRY(keel_buf_append_text(out, ",\"file\":"));
    KEEL_TRY(keel_buf_append_json(
        out, (keel_str){ where, has_line ? (size_t)(colon - where) : strlen(where) }));
    return has_line ? keel_buf_printf(out, ",\"line\":%ld", line) : NULL;
}

static keel_err *add_json_wait(keel_buf *out, keel__snapshot *snapshot, const keel__seen *seen)
{
    const char *kind = keel__op_kind(seen->op);
    const keel__seen *owner = keel__snapshot_find(snapshot, seen->owner);

    KEEL_TRY(keel_buf_append_text(out, ",\"waits_for\":{\"operation\":"));
    KEEL_TRY(keel_buf_append_json(out, keel_str_from(keel__op_name(seen->op))));
    if (kind != NULL)
        KEEL_TRY(add_member(out, "kind", kind));
    if (seen->object != NULL)
        KEEL_TRY(keel_buf_printf(out, ",\"object\":\"%p\"", seen->object));
    if (owner != NULL)
        KEEL_TRY(keel_buf_printf(out, ",\"held_by\":%zu", keel__seen_number(snapshot, owner)));
    KEEL_TRY(keel_buf_printf(out, ",\"for_ns\":%" PRId64, waited_ns(snapshot, seen)));
    if (seen->until_ns != INT64_MAX)
        KEEL_TRY(keel_buf_printf(out, ",\"left_ns\":%" PRId64, left_ns(snapshot, seen)));
    return keel_buf_append_char(out, '}');
}

static keel_err *add_json_labels(keel_buf *out, const char *labels)
{
    KEEL_TRY(keel_buf_append_text(out, ",\"labels\":{"));
    for (const char *key = labels; *key != '\0'; key = after(after(key))) {
        if (key != labels)
            KEEL_TRY(keel_buf_append_char(out, ','));
        KEEL_TRY(keel_buf_append_json(out, keel_str_from(key)));
        KEEL_TRY(keel_buf_append_char(out, ':'));
        KEEL_TRY(keel_buf_append_json(out, keel_str_from(after(key))));
    }
    return keel_buf_append_char(out, '}');
}

static keel_err *add_json_task(keel_buf *out, keel__snapshot *snapshot, const keel__seen *seen)
{
    KEEL_TRY(keel_buf_printf(out, "{\"id\":%zu", keel__seen_number(snapshot, seen)));
    KEEL_TRY(add_member(out, "name", seen->name));
    KEEL_TRY(add_place(out, seen->where));
    if (seen->function != NULL)
        KEEL_TRY(add_member(out, "function", seen->function));
    KEEL_TRY(add_member(out, "state", state_of(seen)));
    if (seen->op != 0)
        KEEL_TRY(keel_buf_printf(out, ",\"worker\":%u,\"stack\":{\"bytes\":%zu,\"used_bytes\":%zu}",
                                 seen->worker, seen->stack_bytes, keel__seen_stack_used(seen)));
    if (waits(seen))
        KEEL_TRY(add_json_wait(out, snapshot, seen));
    if (seen->labels[0] != '\0')
        KEEL_TRY(add_json_labels(out, seen->labels));
    return keel_buf_append_char(out, '}');
}

static keel_err *add_json(keel_buf *out, keel__snapshot *snapshot, const keel_runtime *rt)
{
    KEEL_TRY(keel_buf_printf(out, "{\"workers\":%u,\"task_count\":%zu,\"tasks\":[",
                             rt->worker_count, snapshot->total));
    for (size_t i = 0; i < snapshot->count; i++) {
        if (i > 0)
            KEEL_TRY(keel_buf_append_char(out, ','));
        KEEL_TRY(add_json_task(out, snapshot, &snapshot->tasks[i]));
    }
    return keel_buf_append_text(out, "]}");
}

keel_err *keel_runtime_dump(keel_runtime *rt, keel_buf *out, const keel_dump_opts *opts_)
{
    keel_dump_opts opts = opts_ != NULL ? *opts_ : (keel_dump_opts){ 0 };
    keel__snapshot snapshot;

    keel__need(rt != NULL, "keel_runtime_dump", "rt");
    keel__need(out != NULL, "keel_runtime_dump", "out");
    KEEL_TRY(keel__snapshot_take(&snapshot, rt,
                                 opts.max_tasks != 0 ? opts.max_tasks : TASKS_DEFAULT, NULL));
    keel_err *err = opts.json ? add_json(out, &snapshot, rt) : add_text(out, &snapshot, rt);
    keel__snapshot_free(&snapshot);
    return err;
}
