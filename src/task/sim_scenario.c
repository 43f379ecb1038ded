/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/sim.h"

/* What a scenario calls. */

bool keel_sim_active(void)
{
    return keel__sim() != NULL && keel__sim_current() != NULL;
}

void keel_sim_check_failed(const char *condition, const char *where)
{
    sim_engine *engine = keel__sim_current();

    if (engine == NULL) {
        fprintf(stderr, "keel: check failed: %s (%s)\n", condition, where);
        abort();
    }
    keel__sim_fail(engine, KEEL_SIM_CHECK, NULL, "check failed: %s (%s)", condition, where);
}

void keel_sim_access(const volatile void *address, bool write, const char *name, const char *where)
{
    sim_engine *engine = keel__sim_current();

    if (engine == NULL || engine->worker->current == NULL)
        return;
    engine->saw_access = true;
    if (engine->opts.points == KEEL_SIM_ACCESSES)
        keel__sim_point(write ? KEEL__OP_WRITE : KEEL__OP_READ, (const void *)address, NULL);
    else
        keel__sim_trace(engine, write ? KEEL__OP_WRITE : KEEL__OP_READ, (const void *)address, NULL,
                        NULL);
    if (engine->keep_events && engine->event_count > 0) {
        engine->events[engine->event_count - 1].text = where;
        engine->events[engine->event_count - 1].place = name;
    }
    if (engine->races)
        keel__sim_races_access(engine, keel__sim_running(engine), (const void *)address, write,
                               name, where);
}

bool keel_sim_buggify(const char *site)
{
    sim_engine *engine = keel__sim() != NULL ? keel__sim_current() : NULL;
    char what[96] = "";

    if (engine == NULL || !engine->opts.faults)
        return false;
    if (engine->keep_events)
        snprintf(what, sizeof what, "buggify: %s", site);
    return keel__sim_choose(engine, 2, what) == 1;
}

void keel_sim_settle(void)
{
    sim_engine *engine = keel__sim_current();

    if (engine == NULL || engine->worker->current == NULL)
        return;
    if (engine->settling != NULL)
        keel__sim_fail(engine, KEEL_SIM_MISUSE, NULL,
                       "keel_sim_settle: another task is in it already");
    keel__sim_point(KEEL__OP_SETTLE, NULL, __builtin_return_address(0));
    engine->settling = engine->worker->current;
    keel__task_park();
}

uint64_t keel_sim_rand(uint64_t below)
{
    sim_engine *engine = keel__sim_current();

    return engine != NULL ? keel__sim_choose(engine, below, NULL) : 0;
}

/* Texts are kept as offsets, because their buffer grows. */
static void keep_text(sim_engine *engine, const char *text)
{
    size_t size = strlen(text) + 1;

    while (engine->note_length + size > engine->note_room)
        if (!keel__sim_grow(engine, (void **)&engine->notes, &engine->note_room, engine->note_room,
                            1))
            return;
    memcpy(engine->notes + engine->note_length, text, size);
    engine->events[engine->event_count - 1].object =
        (const void *)(uintptr_t)(engine->note_length + 1);
    engine->note_length += size;
}

void keel__sim_tell(sim_engine *engine, const char *text)
{
    if (!engine->keep_events)
        return;
    uint64_t hash = engine->hash; /* what is told only does not change the run */

    keel__sim_trace(engine, KEEL__OP_NOTE, NULL, NULL, NULL);
    engine->hash = hash;
    if (!engine->out_of_memory)
        keep_text(engine, text);
}

void keel_sim_note(const char *format, ...)
{
    sim_engine *engine = keel__sim_current();
    char text[256];
    va_list args;

    if (engine == NULL || engine->worker->current == NULL)
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    keel__sim_trace(engine, KEEL__OP_NOTE, NULL, NULL, NULL);
    if (engine->keep_events && length >= 0 && !engine->out_of_memory)
        keep_text(engine, text);
}
