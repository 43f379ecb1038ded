/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "task/sim.h"

/* Which option a run takes where it could go on in several ways. */

/* ---- Schedules ---- */

bool keel__sim_schedule_add(sim_schedule *schedule, sim_deviation deviation)
{
    if (schedule->count == schedule->room) {
        size_t room = schedule->room != 0 ? schedule->room * 2 : 16;
        sim_deviation *items = realloc(schedule->items, room * sizeof *items);

        if (items == NULL)
            return false;
        schedule->items = items;
        schedule->room = room;
    }
    schedule->items[schedule->count++] = deviation;
    return true;
}

bool keel__sim_schedule_copy(sim_schedule *to, const sim_schedule *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        if (!keel__sim_schedule_add(to, from->items[i]))
            return false;
    return true;
}

void keel__sim_schedule_free(sim_schedule *schedule)
{
    free(schedule->items);
    *schedule = (sim_schedule){ 0 };
}

enum { FEW = 8 }; /* deviations that are found as fast one by one */

static size_t plan_slot(const sim_engine *engine, uint32_t task, uint32_t op)
{
    uint64_t key = ((uint64_t)task << 32) | op;

    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (engine->plan_room - 1);
}

/* Makes a long plan quick to look up: a table of its places plus one, with linear probing. */
void keel__sim_index_plan(sim_engine *engine)
{
    size_t room = 2 * FEW;

    if (engine->mode != SIM_PLANNED || engine->plan->count <= FEW)
        return;
    while (room < engine->plan->count * 2)
        room *= 2;
    free(engine->plan_index);
    engine->plan_index = calloc(room, sizeof *engine->plan_index);
    engine->plan_room = room;
    if (engine->plan_index == NULL) {
        engine->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < engine->plan->count; i++) {
        size_t at = plan_slot(engine, engine->plan->items[i].task, engine->plan->items[i].op);

        while (engine->plan_index[at] != 0)
            at = (at + 1) & (room - 1);
        engine->plan_index[at] = (uint32_t)i + 1;
    }
}

static bool is_at(const sim_deviation *deviation, uint32_t task, uint32_t op)
{
    return deviation->task == task && deviation->op == op;
}

/* What the plan says at a decision; NULL: nothing. */
static const sim_deviation *planned(const sim_engine *engine, uint32_t task, uint32_t op)
{
    const sim_schedule *plan = engine->plan;

    if (plan->count <= FEW) {
        for (size_t i = 0; i < plan->count; i++)
            if (is_at(&plan->items[i], task, op))
                return &plan->items[i];
        return NULL;
    }
    for (size_t at = plan_slot(engine, task, op); engine->plan_index[at] != 0;
         at = (at + 1) & (engine->plan_room - 1))
        if (is_at(&plan->items[engine->plan_index[at] - 1], task, op))
            return &plan->items[engine->plan_index[at] - 1];
    return NULL;
}

static uint64_t priority_of(sim_engine *engine, uint32_t id)
{
    return id == SIM_CLOCK ? engine->clock_priority : engine->tasks[id - 1].priority;
}

/* PCT: falls behind all others. */
void keel__sim_demote(sim_engine *engine, uint32_t id)
{
    if (id == SIM_CLOCK)
        engine->clock_priority = --engine->lowest_priority;
    else
        engine->tasks[id - 1].priority = --engine->lowest_priority;
}

/* That happens to the task that would go on at a few steps, drawn before the run. */
static void change_priorities(sim_engine *engine, uint32_t id)
{
    for (unsigned i = 0; i + 1 < engine->pct_depth; i++)
        if (engine->pct_changes[i] == engine->decisions)
            keel__sim_demote(engine, id);
}

static size_t most_urgent(sim_engine *engine, const uint32_t *options, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (priority_of(engine, options[i]) > priority_of(engine, options[best]))
            best = i;
    return best;
}

/* Decides among `count` options at an operation of `task`: tasks, or, with `options` NULL, numbers.
 * Returns an index. Keeps what else could have been decided, if that is asked for. */
size_t keel__sim_decide(sim_engine *engine, uint32_t task, uint32_t op, const uint32_t *options,
                        size_t count)
{
    size_t index = 0;
    bool choice = options == NULL;

    switch (engine->mode) {
    case SIM_PLANNED: {
        const sim_deviation *deviation = planned(engine, task, op);

        if (deviation == NULL || deviation->choice != choice)
            break;
        for (size_t i = 0; i < count; i++)
            if ((choice ? i : options[i]) == deviation->value)
                index = i;
        engine->last_planned = engine->decisions + 1;
        break;
    }
    case SIM_RANDOM:
        index = keel_rand_below(&engine->rand, count);
        break;
    case SIM_PCT:
        if (choice) {
            index = keel_rand_below(&engine->rand, count);
        } else {
            change_priorities(engine, options[most_urgent(engine, options, count)]);
            index = most_urgent(engine, options, count);
            /* or whoever waits for others by yielding or sleeping would keep them from running */
            if (options[index] == SIM_CLOCK)
                keel__sim_demote(engine, SIM_CLOCK);
        }
        break;
    case SIM_ROBIN:
        if (keel_rand_double(&engine->rand) < engine->preemption)
            index = keel_rand_below(&engine->rand, count);
        break;
    }
    engine->decisions++;
    engine->hash = keel__sim_mix(engine->hash, choice ? index : options[index]);

    sim_deviation deviation = { .task = task, .op = op, .choice = choice };
    for (size_t i = 1; engine->keep_alternatives && i < count; i++) {
        deviation.value = choice ? (uint32_t)i : options[i];
        if (!keel__sim_grow(engine, (void **)&engine->alternatives, &engine->alternative_room,
                            engine->alternative_count, sizeof *engine->alternatives))
            break;
        engine->alternatives[engine->alternative_count++] =
            (struct sim_alternative){ .deviation = deviation, .decision = engine->decisions };
    }
    if (index != 0) {
        deviation.value = choice ? (uint32_t)index : options[index];
        if (!keel__sim_schedule_add(&engine->taken, deviation))
            engine->out_of_memory = true;
    }
    return index;
}

/* Most runs ask for no such number, and it takes a while to seed. */
keel_rand *keel__sim_user_rand(sim_engine *engine)
{
    if (!engine->user_seeded)
        keel_rand_seed(&engine->user_rand, engine->seed ^ 0x5851F42D4C957F2Du);
    engine->user_seeded = true;
    return &engine->user_rand;
}

uint64_t keel__sim_choose(sim_engine *engine, uint64_t count, const char *what)
{
    sim_task *task = keel__sim_task_get(engine, keel__sim_running(engine));
    char line[128];

    if (task == NULL || count < 2)
        return 0;
    /* numbers that are too many to list are drawn from the run's own sequence */
    if (count > 64)
        return keel_rand_below(keel__sim_user_rand(engine), count);
    size_t index =
        keel__sim_decide(engine, keel__sim_running(engine), ++task->ops, NULL, (size_t)count);
    if (index != 0 && engine->keep_events) {
        if (what != NULL)
            snprintf(line, sizeof line, "(%s)", what);
        else
            snprintf(line, sizeof line, "(chooses %zu, of 0 to %llu)", index,
                     (unsigned long long)count - 1);
        keel__sim_tell(engine, line);
    }
    return index;
}
