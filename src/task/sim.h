/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_H
#define KEEL_SRC_TASK_SIM_H

/* The simulator's parts: the engine (sim_engine.c) makes one run after another, the explorer
 * (sim_explore.c) decides which, sim_memory.c and sim_race.c watch a run, sim_report.c tells of it.
 *
 * A *decision* is where a run could go on in several ways. Option 0 is what the plain run does: go on with
 * the same task, or with the one that waits longest. A *deviation* is a decision for another option; a run
 * is given by its deviations. A decision is known by its task and by how many operations that task had
 * made: so a deviation keeps its meaning when others before it are left out.
 *
 * The engine's own memory is the C library's: what passes through keel_mem_alloc belongs to the run. */

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <keel/rand.h>
#include <keel/sim.h>

#include "base/sim_hook.h"
#include "task/clock.h"
#include "task/worker.h"

/* ---- Schedules ---- */

#define SIM_CLOCK UINT32_MAX /* stands for a task: the next timer fires */

typedef struct sim_deviation {
    uint32_t task, op; /* the decision */
    bool choice;       /* a choice among numbers, not among tasks */
    uint32_t value;    /* the number, or which task goes on */
} sim_deviation;

typedef struct sim_schedule {
    sim_deviation *items;
    size_t count, room;
} sim_schedule;

/* Both say false without memory. */
bool keel__sim_schedule_add(sim_schedule *schedule, sim_deviation deviation);
bool keel__sim_schedule_copy(sim_schedule *to, const sim_schedule *from);
void keel__sim_schedule_free(sim_schedule *schedule);

/* How a run decides. */
typedef enum sim_mode { SIM_PLANNED, SIM_RANDOM, SIM_PCT, SIM_ROBIN } sim_mode;

/* ---- A run ---- */

typedef struct sim_task {
    keel__task *task; /* NULL once it has ended */
    const char *name, *where;
    uint32_t ops;
    unsigned op; /* its last operation, or the one it waits in */
    const void *object;
    const void *place;
    uint64_t priority;
    uint32_t blocker; /* when all wait: who has the mutex that it waits for, or 0 */
    size_t origin;    /* and who made what it waits for: keel__sim_memory_callers */
} sim_task;

enum { SIM_CALLERS = 8 }; /* how many calls up a place is looked for */

typedef enum sim_row { SIM_ROW_SHOWN, SIM_ROW_FOLDED, SIM_ROW_NONE } sim_row;

typedef struct sim_event {
    uint32_t task;
    unsigned op;
    const void *object;
    const void *place;
    const char *text; /* of notes and accesses */
    int64_t now_ns;
    uint64_t step;
    uint64_t hash; /* of the trace up to here */
    sim_row row;   /* for the report */
} sim_event;

enum { SIM_TEXT_BYTES = 2048 };

typedef struct sim_failure {
    keel_sim_kind kind;
    uint32_t task;              /* whose step it was, or 0 */
    const void *object;         /* what it is about, or NULL */
    const void *place;          /* the call that it is about: where it returns to; or NULL */
    void *callers[SIM_CALLERS]; /* or who called whom, the last first; NULL: not known */
    bool stuck;                 /* all tasks wait */
    uint64_t involved;          /* a bit for each task with a part in it, of the first 64 */
    char text[SIM_TEXT_BYTES];
} sim_failure;

typedef struct sim_engine {
    const char *name;
    keel_task_fn fn;
    void *arg;
    keel_sim_opts opts;
    keel_runtime *rt;
    keel__worker *worker;
    keel_clock clock;
    bool out_of_memory; /* of the engine's own */

    /* how the next run is made */
    sim_mode mode;
    uint64_t seed;
    unsigned pct_depth;
    double preemption;
    const sim_schedule *plan;
    uint32_t *plan_index; /* of a long plan, to find a decision's place in it */
    size_t plan_room;
    uint64_t expected_steps; /* how long runs are, for PCT */
    bool keep_alternatives, keep_events, races;
    unsigned perturbation; /* other addresses, other garbage: must not change the run */

    /* the run */
    uint64_t run_number;
    bool lasting;        /* what is allocated now does not belong to the run */
    keel_rand rand;      /* of the schedule */
    keel_rand user_rand; /* of keel's own random choices */
    bool user_seeded;
    uint64_t pct_changes[8];
    uint64_t steps, hash;
    sim_task *tasks; /* task i is tasks[i - 1] */
    size_t task_count, task_room;
    uint32_t last;        /* the task that ran last */
    keel__task *next;     /* decided to go on now */
    bool tick;            /* a timer is to fire now */
    keel__task *settling; /* waits in keel_sim_settle */
    keel__task main;
    bool main_ended;
    uint64_t clock_priority;
    uint64_t lowest_priority; /* the last one given to who fell behind */
    sim_schedule taken;       /* the deviations it made */
    size_t decisions,
        last_planned; /* how many; and the number of the last that the plan asked for */
    sim_failure failure;

    /* what was kept of it: deviations that it could have made, and its events */
    struct sim_alternative {
        sim_deviation deviation;
        size_t decision;
    } * alternatives;
    size_t alternative_count, alternative_room;
    sim_event *events;
    size_t event_count, event_room;
    bool saw_access;
    char *notes; /* texts of events, one after the other */
    size_t note_length, note_room;

    struct sim_memory *memory;
    struct sim_races *race_state;
} sim_engine;

/* The engine whose run the calling thread is in, or NULL. */
sim_engine *keel__sim_current(void);
void keel__sim_set_running(sim_engine *engine, bool running);

static inline int64_t keel__sim_now(const sim_engine *engine)
{
    return (int64_t)keel__load_relaxed(&engine->clock.now_ns);
}

bool keel__sim_engine_init(sim_engine *engine, const char *name, keel_task_fn fn, void *arg,
                           const keel_sim_opts *opts);
void keel__sim_engine_deinit(sim_engine *engine);

/* Makes one run; what came of it is in the engine. */
void keel__sim_engine_run(sim_engine *engine);

/* Ends the run as failed, if it has not failed before. From a task it does not return. */
void keel__sim_fail(sim_engine *engine, keel_sim_kind kind, const void *object, const char *format,
                    ...) KEEL_PRINTF(4, 5);

/* Adds to an event log, if one is kept, and to the hash. */
void keel__sim_trace(sim_engine *engine, unsigned op, const void *object, const void *place,
                     const char *text);

/* Puts a line into the event log, if one is kept, in the column of the running task. */
void keel__sim_tell(sim_engine *engine, const char *text);

/* The number of the task that runs, or 0 on the engine's own stack. */
uint32_t keel__sim_running(const sim_engine *engine);

/* Makes room for one more element of an array of the engine's; false without memory. */
bool keel__sim_grow(sim_engine *engine, void **items, size_t *room, size_t count, size_t size);

static inline uint64_t keel__sim_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

/* An operation of the running task is about to be made: another may go on first. */
void keel__sim_point(unsigned op, const void *object, const void *place);

/* ---- Decisions (sim_decide.c) ---- */

/* Makes a long plan quick to look up. */
void keel__sim_index_plan(sim_engine *engine);

/* Decides among `count` options at an operation of `task`: tasks, or, with `options` NULL, numbers. Returns
 * an index. */
size_t keel__sim_decide(sim_engine *engine, uint32_t task, uint32_t op, const uint32_t *options,
                        size_t count);

/* PCT: falls behind all others. */
void keel__sim_demote(sim_engine *engine, uint32_t id);

/* The run's own sequence, for numbers that are no decisions. */
keel_rand *keel__sim_user_rand(sim_engine *engine);

/* A number below `count`, as the schedule decides; not 0 means `what`, to the report (NULL: a number). */
uint64_t keel__sim_choose(sim_engine *engine, uint64_t count, const char *what);

sim_task *keel__sim_task_get(sim_engine *engine, uint32_t id);
/* "T2 'fetch'" */
const char *keel__sim_task_describe(sim_engine *engine, uint32_t id, char *buf, size_t size);

/* ---- Memory of a run (sim_memory.c) ---- */

bool keel__sim_memory_init(sim_engine *engine);
void keel__sim_memory_begin(sim_engine *engine);
void keel__sim_memory_deinit(sim_engine *engine);
void keel__sim_memory_allocated(sim_engine *engine, void *ptr, size_t size, size_t kept);
size_t keel__sim_memory_freed(sim_engine *engine, void *ptr);
/* What is left: fails the run, if `leak`; frees it. */
void keel__sim_memory_end(sim_engine *engine, bool leak);

/* Who made the block at `ptr`; 0 if that is not known. Valid until the next run. */
size_t keel__sim_memory_origin(const sim_engine *engine, const void *ptr);
void *const *keel__sim_memory_callers(const sim_engine *engine, size_t number);

/* ---- Races (sim_race.c) ---- */

bool keel__sim_races_init(sim_engine *engine);
void keel__sim_races_deinit(sim_engine *engine);
void keel__sim_races_begin(sim_engine *engine);
void keel__sim_races_spawned(sim_engine *engine, uint32_t id);
void keel__sim_races_released(sim_engine *engine, uint32_t id, const void *object);
void keel__sim_races_acquired(sim_engine *engine, uint32_t id, const void *object);
void keel__sim_races_access(sim_engine *engine, uint32_t id, const void *address, bool write,
                            const char *name, const char *where);
void keel__sim_races_forget(sim_engine *engine, const void *from, size_t size);

/* ---- Reports (sim_report.c) ---- */

/* Of what the explorer found; the engine has made the run to be told of last, with its events. */
keel_sim_report *keel__sim_report_make(sim_engine *engine, uint64_t seed, uint64_t runs,
                                       int64_t real_ns, bool exhausted);
keel_sim_report *keel__sim_report_error(const char *text);

#endif /* KEEL_SRC_TASK_SIM_H */
