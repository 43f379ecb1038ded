/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/mem.h>

#include "base/err.h"
#include "task/ops.h"
#include "task/sim.h"
#include "task/sim_names.h"
#include "task/sim_places.h"

/* What a run has allocated and not freed. */

typedef struct allocation {
    size_t size;
    uint32_t task;
    unsigned op;
    const void *place;
    size_t origin; /* 0: not known; else one more than its place among them */
} allocation;

/* Who asked for a block: taken down while events are kept only, for it takes longer than the run. */
typedef struct origin {
    void *callers[SIM_CALLERS];
} origin;

static void free_block(void *ptr)
{
    keel_mem_free(ptr); /* the run's, not the engine's */
}

#include "task/sim_own.h"

#define KEEL_MAP_NAME blocks
#define KEEL_MAP_KEY void *
#define KEEL_MAP_VALUE allocation
#define KEEL_MAP_HASH keel_hash_ptr
#define KEEL_MAP_EQ keel_eq_ptr
#include <keel/map.h>

#define KEEL_VEC_NAME origins
#define KEEL_VEC_ITEM origin
#include <keel/vec.h>

struct sim_memory {
    blocks blocks;
    size_t bytes;
    origins origins;
};

bool keel__sim_memory_init(sim_engine *engine)
{
    engine->memory = calloc(1, sizeof *engine->memory);
    return engine->memory != NULL;
}

void keel__sim_memory_deinit(sim_engine *engine)
{
    blocks_deinit(&engine->memory->blocks);
    origins_deinit(&engine->memory->origins);
    free(engine->memory);
}

/* Takes down who asks for memory now; says where. */
static size_t take_origin(sim_engine *engine)
{
    struct sim_memory *memory = engine->memory;
    origin now;

    keel__sim_callers(now.callers);
    if (origins_push(&memory->origins, now) != NULL) {
        engine->out_of_memory = true;
        return 0;
    }
    return memory->origins.len;
}

size_t keel__sim_memory_origin(const sim_engine *engine, const void *ptr)
{
    const allocation *at = blocks_get(&engine->memory->blocks, (void *)(uintptr_t)ptr);

    return at != NULL ? at->origin : 0;
}

void *const *keel__sim_memory_callers(const sim_engine *engine, size_t number)
{
    return engine->memory->origins.items[number - 1].callers;
}

void keel__sim_memory_begin(sim_engine *engine)
{
    origins_clear(&engine->memory->origins);
}

void keel__sim_memory_allocated(sim_engine *engine, void *ptr, size_t size, size_t kept)
{
    struct sim_memory *memory = engine->memory;
    uint32_t id = engine->worker->current != NULL ? engine->worker->current->sim_id : 0;
    const sim_task *task = keel__sim_task_get(engine, id);

    if (engine->perturbation != 0)
        memset((char *)ptr + kept, 0x5A + (int)engine->perturbation, size - kept);
    const allocation made = { .size = size,
                              .task = id,
                              .op = task != NULL ? task->op : KEEL__OP_NONE,
                              .place = task != NULL ? task->place : NULL,
                              .origin = engine->keep_events ? take_origin(engine) : 0 };
    if (blocks_put(&memory->blocks, ptr, made) != NULL) {
        engine->out_of_memory = true;
        return;
    }
    memory->bytes += size;
}

size_t keel__sim_memory_freed(sim_engine *engine, void *ptr)
{
    struct sim_memory *memory = engine->memory;
    allocation freed;

    if (!blocks_remove(&memory->blocks, ptr, &freed))
        return SIZE_MAX; /* from before the run */
    if (engine->races)
        keel__sim_races_forget(engine, ptr, freed.size);
    memory->bytes -= freed.size;
    return freed.size;
}

/* "is the error "lost", made at a.c:7", or "was made by T1 'main' at a.c:7", as far as it can be told. */
static void describe_origin(sim_engine *engine, const void *ptr, const allocation *left, char *buf,
                            size_t size)
{
    const keel_err *err = keel__err_at(ptr, left->size);
    char name[128];
    sim_places places;

    if (err != NULL) {
        snprintf(buf, size, "is the error \"%.200s\", made at %s", err->keel__text,
                 err->keel__where);
        return;
    }
    keel__sim_task_describe(engine, left->task, name, sizeof name);
    if (left->op != KEEL__OP_NONE)
        snprintf(buf, size, "was made by %s during or after its %s", name, keel__op_name(left->op));
    else
        snprintf(buf, size, "was made by %s%s", name,
                 left->task != 0 ? " before its first operation" : "");
    if (left->origin == 0)
        return;
    void *const *callers = keel__sim_memory_callers(engine, left->origin);
    keel__sim_places_init(&places);
    for (size_t i = 0; i < SIM_CALLERS; i++)
        keel__sim_places_add(&places, callers[i]);
    keel__sim_places_resolve(&places);
    const char *place = keel__sim_places_user(&places, callers, SIM_CALLERS);
    if (place[0] != '\0')
        snprintf(buf, size, "was made by %s at %s", name, place);
    keel__sim_places_free(&places);
}

/* An iterator at the block that tells most: an error, or else what a task made first. */
static blocks_iter most_telling(const blocks *left)
{
    blocks_iter best = { 0 };

    for (blocks_iter it = blocks_each(left); blocks_next(&it);) {
        if (keel__err_at(it.key, it.value->size) != NULL)
            return it;
        if (best.value == NULL || (best.value->task == 0 && it.value->task != 0) ||
            ((best.value->task != 0) == (it.value->task != 0) &&
             it.value->origin < best.value->origin))
            best = it;
    }
    return best;
}

void keel__sim_memory_end(sim_engine *engine, bool leak)
{
    struct sim_memory *memory = engine->memory;
    const size_t count = memory->blocks.len;

    if (count == 0)
        return;
    if (leak) {
        const blocks_iter at = most_telling(&memory->blocks);
        const allocation *first = at.value;
        char made[512];

        if (first->task > 0 && first->task <= 64)
            engine->failure.involved |= (uint64_t)1 << (first->task - 1);
        describe_origin(engine, at.key, first, made, sizeof made);
        keel__sim_fail(engine, KEEL_SIM_MEMORY_LEAK, first->place,
                       "%zu allocation%s (%zu bytes) %s not freed; one of %zu bytes %s", count,
                       count == 1 ? "" : "s", memory->bytes, count == 1 ? "was" : "were",
                       first->size, made);
    }
    keel__sim_set_running(engine, false); /* the frees are not the run's */
    for (blocks_iter it = blocks_each(&memory->blocks); blocks_next(&it);)
        free_block(it.key);
    blocks_clear(&memory->blocks);
    memory->bytes = 0;
}
