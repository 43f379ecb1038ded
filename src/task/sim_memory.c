/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/mem.h>

#include "base/err.h"
#include "task/sim.h"
#include "task/sim_names.h"
#include "task/sim_places.h"

/* What a run has allocated and not freed: a table of pointers, open addressing, linear probing, with
 * backward shifts instead of tombstones. */

typedef struct block {
    void *ptr; /* NULL: free */
    size_t size;
    uint32_t task;
    unsigned op;
    const void *place;
    size_t origin; /* 0: not known; else one more than its place among them */
} block;

/* Who asked for a block: taken down while events are kept only, for it takes longer than the run. */
typedef struct origin {
    void *callers[SIM_CALLERS];
} origin;

struct sim_memory {
    block *blocks;
    size_t room; /* a power of two */
    size_t count;
    size_t bytes;
    origin *origins;
    size_t origin_count, origin_room;
};

enum { ROOM = 256 };

static size_t home(const struct sim_memory *memory, const void *ptr)
{
    return (size_t)(((uint64_t)(uintptr_t)ptr * 0x9E3779B97F4A7C15u) >> 20) & (memory->room - 1);
}

/* Where a block that is not in the table yet is to stand. */
static block *free_place(struct sim_memory *memory, const void *ptr)
{
    size_t i = home(memory, ptr);

    while (memory->blocks[i].ptr != NULL)
        i = (i + 1) & (memory->room - 1);
    return &memory->blocks[i];
}

static bool enlarge(struct sim_memory *memory)
{
    struct sim_memory larger = { .room = memory->room * 2 };

    larger.blocks = calloc(larger.room, sizeof *larger.blocks);
    if (larger.blocks == NULL)
        return false;
    for (size_t i = 0; i < memory->room; i++)
        if (memory->blocks[i].ptr != NULL)
            *free_place(&larger, memory->blocks[i].ptr) = memory->blocks[i];
    free(memory->blocks);
    memory->blocks = larger.blocks;
    memory->room = larger.room;
    return true;
}

bool keel__sim_memory_init(sim_engine *engine)
{
    engine->memory = calloc(1, sizeof *engine->memory);
    if (engine->memory == NULL)
        return false;
    engine->memory->room = ROOM;
    engine->memory->blocks = calloc(ROOM, sizeof *engine->memory->blocks);
    if (engine->memory->blocks == NULL) {
        free(engine->memory);
        return false;
    }
    return true;
}

void keel__sim_memory_deinit(sim_engine *engine)
{
    free(engine->memory->blocks);
    free(engine->memory->origins);
    free(engine->memory);
}

/* Takes down who asks for memory now; says where. */
static size_t take_origin(sim_engine *engine)
{
    struct sim_memory *memory = engine->memory;

    if (!keel__sim_grow(engine, (void **)&memory->origins, &memory->origin_room,
                        memory->origin_count, sizeof *memory->origins))
        return 0;
    keel__sim_callers(memory->origins[memory->origin_count].callers);
    return ++memory->origin_count;
}

size_t keel__sim_memory_origin(const sim_engine *engine, const void *ptr)
{
    const struct sim_memory *memory = engine->memory;
    size_t i = home(memory, ptr);

    while (memory->blocks[i].ptr != NULL && memory->blocks[i].ptr != ptr)
        i = (i + 1) & (memory->room - 1);
    return ptr != NULL && memory->blocks[i].ptr != NULL ? memory->blocks[i].origin : 0;
}

void *const *keel__sim_memory_callers(const sim_engine *engine, size_t number)
{
    return engine->memory->origins[number - 1].callers;
}

void keel__sim_memory_begin(sim_engine *engine)
{
    engine->memory->origin_count = 0;
}

void keel__sim_memory_allocated(sim_engine *engine, void *ptr, size_t size, size_t kept)
{
    struct sim_memory *memory = engine->memory;
    uint32_t id = engine->worker->current != NULL ? engine->worker->current->sim_id : 0;
    const sim_task *task = keel__sim_task_get(engine, id);

    if (engine->perturbation != 0)
        memset((char *)ptr + kept, 0x5A + (int)engine->perturbation, size - kept);
    if (memory->count * 4 >= memory->room * 3 && !enlarge(memory)) {
        engine->out_of_memory = true;
        return;
    }
    *free_place(memory, ptr) = (block){ .ptr = ptr,
                                        .size = size,
                                        .task = id,
                                        .op = task != NULL ? task->op : KEEL__OP_NONE,
                                        .place = task != NULL ? task->place : NULL,
                                        .origin = engine->keep_events ? take_origin(engine) : 0 };
    memory->count++;
    memory->bytes += size;
}

size_t keel__sim_memory_freed(sim_engine *engine, void *ptr)
{
    struct sim_memory *memory = engine->memory;
    size_t mask = memory->room - 1, i = home(memory, ptr);

    while (memory->blocks[i].ptr != ptr) {
        if (memory->blocks[i].ptr == NULL)
            return SIZE_MAX; /* from before the run */
        i = (i + 1) & mask;
    }
    if (engine->races)
        keel__sim_races_forget(engine, ptr, memory->blocks[i].size);
    const size_t size = memory->blocks[i].size;
    memory->count--;
    memory->bytes -= size;
    for (size_t next = (i + 1) & mask; memory->blocks[next].ptr != NULL; next = (next + 1) & mask) {
        /* what stands here may move up if its home is not between the gap and here */
        if (((next - home(memory, memory->blocks[next].ptr)) & mask) >= ((next - i) & mask)) {
            memory->blocks[i] = memory->blocks[next];
            i = next;
        }
    }
    memory->blocks[i].ptr = NULL;
    return size;
}

/* "is the error "lost", made at a.c:7", or "was made by T1 'main' at a.c:7", as far as it can be told. */
static void describe_origin(sim_engine *engine, const block *left, char *buf, size_t size)
{
    const keel_err *err = keel__err_at(left->ptr, left->size);
    char name[128];
    sim_places places;

    if (err != NULL) {
        snprintf(buf, size, "is the error \"%.200s\", made at %s", err->keel__text,
                 err->keel__where);
        return;
    }
    keel__sim_task_describe(engine, left->task, name, sizeof name);
    if (left->op != KEEL__OP_NONE)
        snprintf(buf, size, "was made by %s during or after its %s", name,
                 keel__sim_op_name(left->op));
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

/* The block that tells most: an error, or else what a task made first. */
static const block *most_telling(const struct sim_memory *memory)
{
    const block *best = NULL;

    for (size_t i = 0; i < memory->room; i++) {
        const block *at = &memory->blocks[i];

        if (at->ptr == NULL)
            continue;
        if (keel__err_at(at->ptr, at->size) != NULL)
            return at;
        if (best == NULL || (best->task == 0 && at->task != 0) ||
            ((best->task != 0) == (at->task != 0) && at->origin < best->origin))
            best = at;
    }
    return best;
}

void keel__sim_memory_end(sim_engine *engine, bool leak)
{
    struct sim_memory *memory = engine->memory;

    if (memory->count == 0)
        return;
    if (leak) {
        const block *first = most_telling(memory);
        char made[512];

        if (first->task > 0 && first->task <= 64)
            engine->failure.involved |= (uint64_t)1 << (first->task - 1);
        describe_origin(engine, first, made, sizeof made);
        keel__sim_fail(engine, KEEL_SIM_MEMORY_LEAK, first->place,
                       "%zu allocation%s (%zu bytes) %s not freed; one of %zu bytes %s",
                       memory->count, memory->count == 1 ? "" : "s", memory->bytes,
                       memory->count == 1 ? "was" : "were", first->size, made);
    }
    keel__sim_set_running(engine, false); /* the frees are not the run's */
    for (size_t i = 0; i < memory->room; i++) {
        if (memory->blocks[i].ptr != NULL)
            keel_mem_free(memory->blocks[i].ptr);
        memory->blocks[i].ptr = NULL;
    }
    memory->count = memory->bytes = 0;
}
