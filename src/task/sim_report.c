/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

#include "task/sim.h"
#include "task/sim_places.h"

/* A report's text: what failed, who did what in columns, and how to see it again. */

enum { COLUMNS = 5, COLUMN_WIDTH = 26, ROWS = 60 };

typedef struct text {
    char *chars;
    size_t length, room;
    bool failed;
} text;

static void add(text *out, const char *format, ...) KEEL_PRINTF(2, 3);

static void add(text *out, const char *format, ...)
{
    char line[SIM_TEXT_BYTES + 256];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0 || out->failed)
        return;
    size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    if (out->length + size + 1 > out->room) {
        size_t room = (out->length + size + 1) * 2;
        char *chars = realloc(out->chars, room);

        if (chars == NULL) {
            out->failed = true;
            return;
        }
        out->chars = chars;
        out->room = room;
    }
    memcpy(out->chars + out->length, line, size + 1);
    out->length += size;
}

const char *keel_sim_kind_name(keel_sim_kind kind)
{
    static const char *const names[] = {
        "pass",   "error", "failed check", "deadlock", "task leak",       "memory leak",
        "misuse", "race",  "livelock",     "crash",    "non-determinism", "outside world"
    };

    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *keel__sim_op_name(unsigned op)
{
    static const char *const names[KEEL__OP_COUNT] = {
        [KEEL__OP_NONE] = "(time passes)",
        [KEEL__OP_CHAN_SEND] = "send",
        [KEEL__OP_CHAN_RECV] = "receive",
        [KEEL__OP_CHAN_CLOSE] = "close",
        [KEEL__OP_SELECT] = "select",
        [KEEL__OP_MUTEX_LOCK] = "lock",
        [KEEL__OP_MUTEX_UNLOCK] = "unlock",
        [KEEL__OP_WAITGROUP_ADD] = "waitgroup add",
        [KEEL__OP_WAITGROUP_DONE] = "waitgroup done",
        [KEEL__OP_WAITGROUP_WAIT] = "waitgroup wait",
        [KEEL__OP_SEMAPHORE_ACQUIRE] = "acquire",
        [KEEL__OP_SEMAPHORE_RELEASE] = "release",
        [KEEL__OP_ONCE] = "once",
        [KEEL__OP_CTX_NEW] = "new context",
        [KEEL__OP_CTX_ERR] = "context error?",
        [KEEL__OP_CTX_CANCEL] = "cancel",
        [KEEL__OP_AFTER] = "after",
        [KEEL__OP_AFTER_STOP] = "stop after",
        [KEEL__OP_GROUP_GO] = "go",
        [KEEL__OP_GROUP_WAIT] = "wait for group",
        [KEEL__OP_SLEEP] = "sleep",
        [KEEL__OP_YIELD] = "yield",
        [KEEL__OP_OFFLOAD] = "offload",
        [KEEL__OP_NET_LISTEN] = "listen",
        [KEEL__OP_NET_CONNECT] = "connect",
        [KEEL__OP_NET_ACCEPT] = "accept",
        [KEEL__OP_NET_READ] = "net read",
        [KEEL__OP_NET_WRITE] = "net write",
        [KEEL__OP_NET_CLOSE] = "net close",
        [KEEL__OP_NET_LINK] = "set link",
        [KEEL__OP_NET_CUT] = "partition",
        [KEEL__OP_NET_HEAL] = "heal",
        [KEEL__OP_HOST_KILL] = "kill host",
        [KEEL__OP_HOST_RESTART] = "restart host",
        [KEEL__OP_HOST_WAIT] = "wait for host",
        [KEEL__OP_READ] = "read",
        [KEEL__OP_WRITE] = "write",
        [KEEL__OP_BREAKER_BEGIN] = "breaker begin",
        [KEEL__OP_BREAKER_END] = "breaker end",
        [KEEL__OP_LIMITER] = "limiter",
        [KEEL__OP_FLIGHT] = "flight",
        [KEEL__OP_POOL_SUBMIT] = "submit",
        [KEEL__OP_POOL_TAKE] = "take job",
        [KEEL__OP_POOL_DONE] = "job done",
        [KEEL__OP_POOL_CLOSE] = "close pool",
        [KEEL__OP_SETTLE] = "settle",
        [KEEL__OP_NOTE] = "note",
        [KEEL__OP_PARK] = "(waits)",
        [KEEL__OP_END] = "(ends)",
    };

    return op < KEEL__OP_COUNT && names[op] != NULL ? names[op] : "?";
}

/* Ends a line, without the blanks before. */
static void add_end(text *out)
{
    while (out->length > 0 && out->chars[out->length - 1] == ' ')
        out->chars[--out->length] = '\0';
    add(out, "\n");
}

/* ---- Objects: numbered as they come up ---- */

typedef struct numbering {
    const void *objects[64];
    size_t count;
} numbering;

static const char *object_name(numbering *known, const sim_event *event, char *buf, size_t size)
{
    size_t i = 0;

    buf[0] = '\0';
    if (event->object == NULL || event->op == KEEL__OP_NOTE || event->op == KEEL__OP_SELECT)
        return buf;
    while (i < known->count && known->objects[i] != event->object)
        i++;
    if (i == known->count && i < sizeof known->objects / sizeof *known->objects)
        known->objects[known->count++] = event->object;
    snprintf(buf, size, " #%zu", i + 1);
    return buf;
}

/* ---- Rows ---- */

/* The file and line of "src/bank.c:31" without its folders. */
static const char *short_place(const char *place)
{
    const char *slash = place != NULL ? strrchr(place, '/') : NULL;

    return slash != NULL ? slash + 1 : place != NULL ? place : "";
}

/* Whether a task could be pre-empted before it: all operations, and no mark of the engine's. */
static bool is_operation(const sim_event *event)
{
    return event->task != 0 && event->op != KEEL__OP_NONE && event->op != KEEL__OP_NOTE &&
           event->op != KEEL__OP_PARK && event->op != KEEL__OP_END;
}

/* The events as they took effect: what a task was about to do when another went on instead stands where
 * it did it, and is left out if it never did. Yours to free; NULL without memory. */
static sim_event *order_events(const sim_engine *engine, size_t *count)
{
    sim_event *ordered = malloc((engine->event_count + 1) * sizeof *ordered);
    const sim_event **held = calloc(engine->task_count + 1, sizeof *held);

    *count = 0;
    for (size_t i = 0; ordered != NULL && held != NULL && i < engine->event_count; i++) {
        const sim_event *event = &engine->events[i];
        const sim_event **before = &held[event->task <= engine->task_count ? event->task : 0];

        if (*before != NULL) {
            ordered[*count] = **before;
            ordered[*count].step = engine->events[i - 1].step;
            ordered[(*count)++].now_ns = engine->events[i - 1].now_ns;
            *before = NULL;
        }
        if (is_operation(event) && i + 1 < engine->event_count && event[1].task != event->task)
            *before = event;
        else
            ordered[(*count)++] = *event;
    }
    if (held == NULL) {
        free(ordered);
        ordered = NULL;
    }
    free(held);
    return ordered;
}

static void event_text(const sim_engine *engine, numbering *known, const sim_event *event,
                       sim_places *places, char *buf, size_t size)
{
    char object[16];

    if (event->op == KEEL__OP_NOTE)
        snprintf(buf, size, "%s", engine->notes + ((uintptr_t)event->object - 1));
    else if (event->op == KEEL__OP_READ || event->op == KEEL__OP_WRITE)
        snprintf(buf, size, "%s %s %s", keel__sim_op_name(event->op), (const char *)event->place,
                 short_place(event->text));
    else
        snprintf(buf, size, "%s%s %s", keel__sim_op_name(event->op),
                 object_name(known, event, object, sizeof object),
                 short_place(keel__sim_places_get(places, event->place)));
}

/* Tasks that get a column: those with a part in the failure or in a deviation, then the first ones. */
static size_t choose_columns(const sim_engine *engine, uint32_t columns[COLUMNS])
{
    uint64_t wanted = engine->failure.involved;
    size_t count = 0;

    for (size_t i = 0; i < engine->taken.count; i++) {
        const sim_deviation *deviation = &engine->taken.items[i];

        if (deviation->task > 0 && deviation->task <= 64)
            wanted |= (uint64_t)1 << (deviation->task - 1);
        if (!deviation->choice && deviation->value > 0 && deviation->value <= 64)
            wanted |= (uint64_t)1 << (deviation->value - 1);
    }
    if ((wanted & (wanted - 1)) == 0)
        wanted = UINT64_MAX; /* one task alone tells nothing of the others' part in it */
    for (uint32_t id = 1; id <= engine->task_count && id <= 64 && count < COLUMNS; id++)
        if (wanted & ((uint64_t)1 << (id - 1)))
            columns[count++] = id;
    for (uint32_t id = 1; count == 0 && id <= engine->task_count && id <= COLUMNS; id++)
        columns[count++] = id;
    return count;
}

static bool shown(const sim_event *event, const uint32_t *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i] == event->task)
            return true;
    return event->task == 0;
}

static void add_heads(text *out, const sim_engine *engine, const uint32_t *columns, size_t count)
{
    add(out, " step     time");
    for (size_t c = 0; c < count; c++) {
        char head[64];

        snprintf(head, sizeof head, "T%u %s", columns[c], engine->tasks[columns[c] - 1].name);
        add(out, "  %-*.*s", COLUMN_WIDTH, COLUMN_WIDTH, head);
    }
    add_end(out);
}

/* One event in the column of its task; those of no task stand in the first. */
static void add_row(text *out, const sim_event *event, const uint32_t *columns, size_t count,
                    const char *line, bool switched)
{
    char time[KEEL_DURATION_TEXT_BYTES];

    add(out, "%5llu %8s", (unsigned long long)event->step,
        keel_duration_format(event->now_ns, time));
    for (size_t c = 0; c < count && event->task != 0; c++) {
        if (columns[c] == event->task) {
            add(out, " %c%s", switched ? '>' : ' ', line);
            break;
        }
        add(out, "  %-*s", COLUMN_WIDTH, "");
    }
    if (event->task == 0)
        add(out, "  %s", line);
    add_end(out);
}

static void add_rows(text *out, const sim_engine *engine)
{
    uint32_t columns[COLUMNS];
    size_t count = choose_columns(engine, columns), rows = 0, folded = 0, skip = 0;
    numbering known = { 0 };
    sim_places places;
    size_t event_count;
    sim_event *events = order_events(engine, &event_count);

    out->failed |= events == NULL;
    for (size_t i = 0; i < event_count; i++)
        rows += shown(&events[i], columns, count);
    skip = rows > ROWS ? rows - ROWS : 0; /* the end tells more than the beginning */

    keel__sim_places_init(&places);
    for (size_t i = 0; i < event_count; i++)
        if (shown(&events[i], columns, count) && events[i].op != KEEL__OP_READ &&
            events[i].op != KEEL__OP_WRITE)
            keel__sim_places_add(&places, events[i].place);
    keel__sim_places_resolve(&places);

    add_heads(out, engine, columns, count);
    uint32_t last = 0;
    for (size_t i = 0; i < event_count; i++) {
        const sim_event *event = &events[i];
        char line[128];

        if (!shown(event, columns, count) || skip > 0) {
            skip -= shown(event, columns, count) && skip > 0;
            folded++;
            continue;
        }
        if (folded > 0)
            add(out, "  ...           (%zu operations)\n", folded);
        folded = 0;
        /* a task that failed never went on from there */
        if (i + 1 == event_count && event->op == KEEL__OP_PARK &&
            event->task == engine->failure.task)
            snprintf(line, sizeof line, "(fails)");
        else
            event_text(engine, &known, event, &places, line, sizeof line);
        add_row(out, event, columns, count, line, event->task != last && last != 0);
        last = event->task;
    }
    if (folded > 0)
        add(out, "  ...           (%zu operations)\n", folded);
    keel__sim_places_free(&places);
    free(events);
}

/* ---- Reports ---- */

static void add_replay(text *out, const sim_engine *engine)
{
    add(out, "%s:", engine->name);
    for (size_t i = 0; i < engine->taken.count; i++) {
        const sim_deviation *deviation = &engine->taken.items[i];

        add(out, "%s%u@%u%c", i > 0 ? "," : "", deviation->task, deviation->op,
            deviation->choice ? '=' : '>');
        if (!deviation->choice && deviation->value == SIM_CLOCK)
            add(out, "t");
        else
            add(out, "%u", deviation->value);
    }
}

static keel_sim_report no_memory = { .kind = KEEL_SIM_ERROR,
                                     .text = "the simulator has no memory\n",
                                     .replay = "" };

keel_sim_report *keel__sim_report_make(sim_engine *engine, uint64_t seed, uint64_t runs,
                                       int64_t real_ns, bool exhausted)
{
    keel_sim_report *report = calloc(1, sizeof *report);
    text out = { 0 }, replay = { 0 };
    bool failed = engine->failure.kind != KEEL_SIM_PASS;

    add_replay(&replay, engine);
    if (!failed) {
        add(&out, "%s: passed (%llu runs, %lld ms%s)\n", engine->name, (unsigned long long)runs,
            (long long)(real_ns / 1000000),
            exhausted ? ", every schedule within the bound among them" : "");
    } else {
        char failure[SIM_TEXT_BYTES];

        memcpy(failure, engine->failure.text, sizeof failure);
        add(&out, "%s: %s after %llu run%s (%llu step%s, %zu deviation%s from the plain run)\n%s\n",
            engine->name, keel_sim_kind_name(engine->failure.kind), (unsigned long long)runs,
            runs == 1 ? "" : "s", (unsigned long long)engine->steps, engine->steps == 1 ? "" : "s",
            engine->taken.count, engine->taken.count == 1 ? "" : "s", failure);
        if (engine->event_count > 0)
            add_rows(&out, engine);
        if (replay.chars != NULL)
            add(&out, "replay: KEEL_SIM_REPLAY='%s'%s", replay.chars,
                engine->taken.count == 0 ? " (the plain run)" : "");
        if (seed != 0)
            add(&out, " (or KEEL_SIM_SEED=%llu)", (unsigned long long)seed);
        add(&out, "\n");
    }
    if (report == NULL || out.failed || replay.failed) {
        free(report);
        free(out.chars);
        free(replay.chars);
        return &no_memory;
    }
    *report = (keel_sim_report){ .kind = engine->failure.kind,
                                 .seed = failed ? seed : 0,
                                 .trace_hash = engine->hash,
                                 .virtual_ns = keel_clock_now(&engine->clock),
                                 .runs = runs,
                                 .real_ns = real_ns,
                                 .steps = engine->steps,
                                 .deviations = engine->taken.count,
                                 .exhausted = exhausted && !failed,
                                 .text = out.chars,
                                 .replay = replay.chars };
    return report;
}

keel_sim_report *keel__sim_report_error(const char *what)
{
    keel_sim_report *report = calloc(1, sizeof *report);
    char *copy = strdup(what), *empty = strdup("");

    if (report == NULL || copy == NULL || empty == NULL) {
        free(report);
        free(copy);
        free(empty);
        return &no_memory;
    }
    *report = (keel_sim_report){ .kind = KEEL_SIM_ERROR, .text = copy, .replay = empty };
    return report;
}

void keel_sim_report_free(keel_sim_report *report)
{
    if (report == NULL || report == &no_memory)
        return;
    free((void *)(uintptr_t)report->text);
    free((void *)(uintptr_t)report->replay);
    free(report);
}
