/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

#include "task/ops.h"
#include "task/sim.h"
#include "task/sim_names.h"
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

/* Ends a line, without the blanks before. */
static void add_end(text *out)
{
    while (out->length > 0 && out->chars[out->length - 1] == ' ')
        out->chars[--out->length] = '\0';
    add(out, "\n");
}

/* ---- Events ---- */

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

/* ---- What is told ---- */

typedef struct story {
    const sim_engine *engine;
    uint32_t columns[COLUMNS]; /* the tasks that have one */
    size_t column_count;
    sim_event *events; /* as they took effect */
    size_t count;
    sim_names names;
    sim_places places;
} story;

static void event_text(story *told, const sim_event *event, char *buf, size_t size)
{
    char what[64];

    if (event->op == KEEL__OP_NOTE)
        snprintf(buf, size, "%s", told->engine->notes + ((uintptr_t)event->object - 1));
    else if (event->op == KEEL__OP_READ || event->op == KEEL__OP_WRITE)
        snprintf(buf, size, "%s %s %s", keel__op_name(event->op), (const char *)event->place,
                 short_place(event->text));
    else
        snprintf(
            buf, size, "%s %s",
            keel__sim_names_describe(&told->names, event->op, event->object, what, sizeof what),
            short_place(keel__sim_places_get(&told->places, event->place)));
}

static uint64_t bit_of(uint32_t id)
{
    return id > 0 && id <= 64 ? (uint64_t)1 << (id - 1) : 0;
}

/* Whether a task waits for it for ever. */
static bool is_waited_for(const sim_engine *engine, const void *object)
{
    for (uint32_t id = 1; engine->failure.stuck && object != NULL && id <= engine->task_count; id++)
        if (engine->tasks[id - 1].task != NULL && engine->tasks[id - 1].object == object)
            return true;
    return false;
}

/* Tasks that get a column: those with a part in the failure or in a deviation; then, if there is room, who
 * had to do with what others wait for; or else the first ones. */
static size_t choose_columns(const sim_engine *engine, uint32_t columns[COLUMNS])
{
    uint64_t wanted = engine->failure.involved;
    size_t count = 0;

    for (size_t i = 0; i < engine->taken.count; i++) {
        const sim_deviation *deviation = &engine->taken.items[i];

        wanted |= bit_of(deviation->task);
        if (!deviation->choice)
            wanted |= bit_of(deviation->value);
    }
    for (size_t i = 0; i < engine->event_count && __builtin_popcountll(wanted) < COLUMNS; i++)
        if (is_waited_for(engine, engine->events[i].object))
            wanted |= bit_of(engine->events[i].task);
    if ((wanted & (wanted - 1)) == 0)
        wanted = UINT64_MAX; /* one task alone tells nothing of the others' part in it */
    for (uint32_t id = 1; id <= engine->task_count && id <= 64 && count < COLUMNS; id++)
        if (wanted & bit_of(id))
            columns[count++] = id;
    for (uint32_t id = 1; count == 0 && id <= engine->task_count && id <= COLUMNS; id++)
        columns[count++] = id;
    return count;
}

static bool has_column(const story *told, uint32_t id)
{
    for (size_t i = 0; i < told->column_count; i++)
        if (told->columns[i] == id)
            return true;
    return id == 0;
}

/* Leaves out the events of other tasks, and questions whether a context has ended, but where a task went
 * on with one after others: most are asked out of habit. */
static void choose_rows(story *told)
{
    uint32_t last = 0;

    for (size_t i = 0; i < told->count; i++) {
        sim_event *event = &told->events[i];
        bool idle = event->op == KEEL__OP_CTX_ERR && event->task == last && i + 1 < told->count;

        event->row = !has_column(told, event->task) ? SIM_ROW_FOLDED
                     : idle                         ? SIM_ROW_NONE
                                                    : SIM_ROW_SHOWN;
        if (event->row == SIM_ROW_SHOWN)
            last = event->task;
    }
    size_t rows = 0;
    for (size_t i = told->count; i > 0; i--) { /* the end tells more than the beginning */
        rows += told->events[i - 1].row == SIM_ROW_SHOWN;
        if (rows > ROWS && told->events[i - 1].row == SIM_ROW_SHOWN)
            told->events[i - 1].row = SIM_ROW_FOLDED;
    }
}

/* Gives numbers to objects in the order of the rows, and finds the lines of all calls that are told of. */
static void find_names(story *told)
{
    const sim_engine *engine = told->engine;
    char unused[64];

    keel__sim_places_init(&told->places);
    keel__sim_places_add(&told->places, engine->failure.place);
    for (size_t i = 0; i < SIM_CALLERS; i++)
        keel__sim_places_add(&told->places, engine->failure.callers[i]);
    for (size_t i = 0; i < told->count; i++) {
        const sim_event *event = &told->events[i];

        if (event->row != SIM_ROW_SHOWN || event->op == KEEL__OP_READ ||
            event->op == KEEL__OP_WRITE || event->op == KEEL__OP_NOTE)
            continue;
        keel__sim_names_describe(&told->names, event->op, event->object, unused, sizeof unused);
        keel__sim_places_add(&told->places, event->place);
    }
    for (uint32_t id = 1; engine->failure.stuck && id <= engine->task_count; id++) {
        const sim_task *task = &engine->tasks[id - 1];

        if (task->task != NULL)
            keel__sim_places_add(&told->places, task->place);
        for (size_t i = 0; task->task != NULL && task->origin != 0 && i < SIM_CALLERS; i++)
            keel__sim_places_add(&told->places, keel__sim_memory_callers(engine, task->origin)[i]);
    }
    keel__sim_places_resolve(&told->places);
}

static void story_init(story *told, const sim_engine *engine, text *out)
{
    *told = (story){ .engine = engine };
    told->column_count = choose_columns(engine, told->columns);
    told->events = order_events(engine, &told->count);
    out->failed |= told->events == NULL;
    choose_rows(told);
    find_names(told);
}

static void story_deinit(story *told)
{
    keel__sim_places_free(&told->places);
    free(told->events);
}

/* ---- Who waits ---- */

/* ", which T3 locked at bank.c:35" */
static void add_owner(text *out, const story *told, const sim_task *waiting)
{
    const char *place = "";

    for (size_t i = told->count; i > 0 && place[0] == '\0'; i--) {
        const sim_event *event = &told->events[i - 1];

        if (event->task == waiting->blocker && event->object == waiting->object &&
            (event->op == KEEL__OP_MUTEX_LOCK || event->op == KEEL__OP_RWMUTEX_LOCK))
            place = short_place(keel__sim_places_get(&told->places, event->place));
    }
    add(out, ", which T%u locked%s%s", waiting->blocker, place[0] != '\0' ? " at " : "", place);
}

/* "  T2 'there' (started at bank.c:60) waits at bank.c:36: lock mutex 2, which T3 locked at bank.c:35" */
static void add_waiting(text *out, story *told, uint32_t id)
{
    const sim_engine *engine = told->engine;
    const sim_task *task = &engine->tasks[id - 1];
    const char *place = short_place(keel__sim_places_get(&told->places, task->place)), *made = "";
    char what[64];

    add(out, "  T%u '%s'", id, task->name);
    if (id != 1)
        add(out, " (started at %s)", task->where);
    add(out, " waits%s%s: %s", place[0] != '\0' ? " at " : "", place,
        keel__sim_names_describe(&told->names, task->op, task->object, what, sizeof what));
    if (task->blocker != 0)
        add_owner(out, told, task);
    else if (task->origin != 0)
        made = short_place(keel__sim_places_user(
            &told->places, keel__sim_memory_callers(engine, task->origin), SIM_CALLERS));
    if (made[0] != '\0')
        add(out, ", made at %s", made);
    add(out, "\n");
}

/* "  cycle: T2 --mutex 2--> T3 --mutex 1--> T2", if `id` is in one. */
static bool add_cycle(text *out, const story *told, uint32_t id)
{
    const sim_engine *engine = told->engine;
    uint32_t at = engine->tasks[id - 1].blocker;

    for (size_t i = 0; i < engine->task_count && at != 0 && at != id; i++)
        at = engine->tasks[at - 1].blocker;
    if (at != id)
        return false;
    add(out, "  cycle: T%u", id);
    do {
        const sim_task *task = &engine->tasks[at - 1];
        char name[64];

        at = task->blocker;
        add(out, " --%s--> T%u", keel__sim_names_get(&told->names, task->object, name, sizeof name),
            at);
    } while (at != id);
    add(out, "\n");
    return true;
}

static void add_stuck(text *out, story *told)
{
    const sim_engine *engine = told->engine;

    for (uint32_t id = 1; id <= engine->task_count; id++)
        if (engine->tasks[id - 1].task != NULL)
            add_waiting(out, told, id);
    for (uint32_t id = 1; id <= engine->task_count; id++)
        if (engine->tasks[id - 1].task != NULL && add_cycle(out, told, id))
            break;
}

/* The failure's text, with "mutex 2" where it has the address of one. */
static void add_failure(text *out, const story *told)
{
    const char *from = told->engine->failure.text, *hex;

    while ((hex = strstr(from, " 0x")) != NULL) {
        char *end, name[64];
        uintptr_t address = (uintptr_t)strtoull(hex + 1, &end, 16);
        const char *number,
            *known = keel__sim_names_get(&told->names, (const void *)address, name, sizeof name);

        number = strrchr(known, ' ');
        if (number == NULL) /* no object that came up */
            add(out, "%.*s", (int)(end - from), from);
        else
            add(out, "%.*s%s", (int)(hex - from), from, number);
        from = end;
    }
    add(out, "%s\n", from);
}

/* The call that a failure is about: "  at bank.c:31". */
static void add_place(text *out, const story *told)
{
    const sim_failure *failure = &told->engine->failure;
    const char *exact = keel__sim_places_get(&told->places, failure->place);
    const char *place = exact;

    if (strchr(exact, ':') == NULL) /* in the C library, perhaps: who called it? */
        place = keel__sim_places_user(&told->places, failure->callers, SIM_CALLERS);
    if (place[0] == '\0' && strncmp(exact, "0x", 2) != 0)
        place = exact;
    if (place[0] != '\0')
        add(out, "  at %s\n", place);
}

/* ---- Rows ---- */

static void add_heads(text *out, const story *told)
{
    add(out, " step     time");
    for (size_t c = 0; c < told->column_count; c++) {
        uint32_t id = told->columns[c];
        char head[64];

        snprintf(head, sizeof head, "T%u %s", id, told->engine->tasks[id - 1].name);
        add(out, "  %-*.*s", COLUMN_WIDTH, COLUMN_WIDTH, head);
    }
    add_end(out);
}

/* One event in the column of its task; those of no task stand in the first. */
static void add_row(text *out, const story *told, const sim_event *event, const char *line,
                    bool switched)
{
    char time[KEEL_DURATION_TEXT_BYTES];

    add(out, "%5llu %8s", (unsigned long long)event->step,
        keel_duration_format(event->now_ns, time));
    for (size_t c = 0; c < told->column_count && event->task != 0; c++) {
        if (told->columns[c] == event->task) {
            add(out, " %c%s", switched ? '>' : ' ', line);
            break;
        }
        add(out, "  %-*s", COLUMN_WIDTH, "");
    }
    if (event->task == 0)
        add(out, "  %s", line);
    add_end(out);
}

static void add_folded(text *out, size_t count)
{
    if (count > 0)
        add(out, "  ...           (%zu operation%s)\n", count, count == 1 ? "" : "s");
}

static void add_rows(text *out, story *told)
{
    uint32_t last = 0;
    size_t folded = 0;

    add_heads(out, told);
    for (size_t i = 0; i < told->count; i++) {
        const sim_event *event = &told->events[i];
        char line[160];

        folded += event->row == SIM_ROW_FOLDED;
        if (event->row != SIM_ROW_SHOWN)
            continue;
        add_folded(out, folded);
        folded = 0;
        /* a task that failed never went on from there */
        if (i + 1 == told->count && event->op == KEEL__OP_PARK &&
            event->task == told->engine->failure.task)
            snprintf(line, sizeof line, "(fails)");
        else
            event_text(told, event, line, sizeof line);
        add_row(out, told, event, line, event->task != last && last != 0);
        last = event->task;
    }
    add_folded(out, folded);
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
        story told;

        story_init(&told, engine, &out);
        add(&out, "%s: %s after %llu run%s (%llu step%s, %zu deviation%s from the plain run)\n",
            engine->name, keel_sim_kind_name(engine->failure.kind), (unsigned long long)runs,
            runs == 1 ? "" : "s", (unsigned long long)engine->steps, engine->steps == 1 ? "" : "s",
            engine->taken.count, engine->taken.count == 1 ? "" : "s");
        add_failure(&out, &told);
        add_place(&out, &told);
        if (engine->failure.stuck)
            add_stuck(&out, &told);
        if (engine->event_count > 0)
            add_rows(&out, &told);
        story_deinit(&told);
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
