/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "task/sim.h"
#include "task/sim_own.h"

/* Vector clocks, for the first RACE_TASKS tasks of a run: clock t of a task counts how much of task t
 * comes before it. A release stores the task's clock at the object, an acquire takes the maximum.
 * Of each variable the last write and the last read of each task are kept. */

enum { RACE_TASKS = 32 };

typedef struct clocks {
    uint32_t of[RACE_TASKS];
} clocks;

typedef struct variable {
    uint32_t writer, write_at; /* writer 0: none */
    const char *write_where;
    uint32_t read_at[RACE_TASKS]; /* 0: not read */
    const char *read_where[RACE_TASKS];
} variable;

#define KEEL_MAP_NAME objects
#define KEEL_MAP_KEY const void *
#define KEEL_MAP_VALUE clocks
#define KEEL_MAP_HASH keel_hash_ptr
#define KEEL_MAP_EQ keel_eq_ptr
#include <keel/map.h>

#define KEEL_MAP_NAME variables
#define KEEL_MAP_KEY const void *
#define KEEL_MAP_VALUE variable
#define KEEL_MAP_HASH keel_hash_ptr
#define KEEL_MAP_EQ keel_eq_ptr
#include <keel/map.h>

struct sim_races {
    clocks tasks[RACE_TASKS];
    objects objects;
    variables variables;
};

bool keel__sim_races_init(sim_engine *engine)
{
    if (engine->race_state == NULL)
        engine->race_state = calloc(1, sizeof *engine->race_state);
    engine->races = engine->race_state != NULL;
    return engine->races;
}

void keel__sim_races_deinit(sim_engine *engine)
{
    if (engine->race_state != NULL) {
        objects_deinit(&engine->race_state->objects);
        variables_deinit(&engine->race_state->variables);
    }
    free(engine->race_state);
}

void keel__sim_races_begin(sim_engine *engine)
{
    objects_clear(&engine->race_state->objects);
    variables_clear(&engine->race_state->variables);
    memset(engine->race_state->tasks, 0, sizeof engine->race_state->tasks);
}

static void take_maximum(clocks *to, const clocks *from)
{
    for (size_t i = 0; i < RACE_TASKS; i++)
        if (from->of[i] > to->of[i])
            to->of[i] = from->of[i];
}

void keel__sim_races_spawned(sim_engine *engine, uint32_t id)
{
    if (id <= RACE_TASKS)
        engine->race_state->tasks[id - 1].of[id - 1] = 1;
}

void keel__sim_races_released(sim_engine *engine, uint32_t id, const void *address)
{
    struct sim_races *races = engine->race_state;
    clocks *at;

    if (id == 0 || id > RACE_TASKS)
        return;
    if (objects_entry(&races->objects, address, &at, NULL) != NULL) {
        engine->out_of_memory = true;
        return;
    }
    take_maximum(at, &races->tasks[id - 1]);
    races->tasks[id - 1].of[id - 1]++; /* what comes now is later */
}

void keel__sim_races_acquired(sim_engine *engine, uint32_t id, const void *address)
{
    if (id == 0 || id > RACE_TASKS)
        return;
    const clocks *at = objects_get(&engine->race_state->objects, address);
    if (at != NULL)
        take_maximum(&engine->race_state->tasks[id - 1], at);
}

static void report(sim_engine *engine, uint32_t id, const void *address, const char *name,
                   const char *what, const char *where, uint32_t other, const char *other_what,
                   const char *other_where)
{
    char self_name[96], other_name[96];

    if (other <= 64)
        engine->failure.involved |= (uint64_t)1 << (other - 1);
    keel__sim_fail(engine, KEEL_SIM_RACE, address,
                   "%s %s %s (%s), %s %s it (%s), and nothing orders the two",
                   keel__sim_task_describe(engine, id, self_name, sizeof self_name), what, name,
                   where, keel__sim_task_describe(engine, other, other_name, sizeof other_name),
                   other_what, other_where);
}

void keel__sim_races_access(sim_engine *engine, uint32_t id, const void *address, bool write,
                            const char *name, const char *where)
{
    if (id == 0 || id > RACE_TASKS)
        return;
    variable *at;
    if (variables_entry(&engine->race_state->variables, address, &at, NULL) != NULL) {
        engine->out_of_memory = true;
        return;
    }
    const clocks *now = &engine->race_state->tasks[id - 1];

    if (at->writer != 0 && at->writer != id && now->of[at->writer - 1] < at->write_at)
        report(engine, id, address, name, write ? "writes" : "reads", where, at->writer, "wrote",
               at->write_where);
    for (uint32_t other = 1; write && other <= RACE_TASKS; other++)
        if (other != id && at->read_at[other - 1] != 0 &&
            now->of[other - 1] < at->read_at[other - 1])
            report(engine, id, address, name, "writes", where, other, "read",
                   at->read_where[other - 1]);
    if (write) {
        at->writer = id;
        at->write_at = now->of[id - 1];
        at->write_where = where;
    } else {
        at->read_at[id - 1] = now->of[id - 1];
        at->read_where[id - 1] = where;
    }
}

/* Freed memory: what is made there next is something else. */
void keel__sim_races_forget(sim_engine *engine, const void *from, size_t size)
{
    uintptr_t low = (uintptr_t)from, high = low + size;
    variables *of = &engine->race_state->variables;

    for (variables_iter it = variables_each(of); variables_next(&it);)
        if ((uintptr_t)it.key >= low && (uintptr_t)it.key < high)
            variables_it_remove(of, &it, NULL);
}
