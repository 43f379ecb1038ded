/* SPDX-License-Identifier: MIT */
#include "task/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/mem.h>
#include <keel/sync.h>

#include "base/process.h"
#include "task/ctx.h"
#include "task/group.h"
#include "task/monitor.h"
#include "task/mutex.h"
#include "task/sim_crash.h"
#include "task/sim_places.h"

enum { MAX_STEPS = 100000 };
#define DAY_NS KEEL_HOUR(24)

/* ---- Which engine ---- */

static sim_engine *current; /* that of the process */

/* Not NULL while a run is under way on this thread: other threads must not look at the engine, which
 * to them may be gone. */
static _Thread_local sim_engine *running_here;

sim_engine *keel__sim_current(void)
{
    return running_here;
}

void keel__sim_set_running(sim_engine *engine, bool running)
{
    running_here = running ? engine : NULL;
}

/* The number of the task that runs, or 0 on the engine's own stack. */
uint32_t keel__sim_running(const sim_engine *engine)
{
    return engine->worker->current != NULL ? engine->worker->current->sim_id : 0;
}

sim_task *keel__sim_task_get(sim_engine *engine, uint32_t id)
{
    return id > 0 && id <= engine->task_count ? &engine->tasks[id - 1] : NULL;
}

const char *keel__sim_task_describe(sim_engine *engine, uint32_t id, char *buf, size_t size)
{
    const sim_task *task = keel__sim_task_get(engine, id);

    if (task == NULL)
        snprintf(buf, size, "the scheduler");
    else
        snprintf(buf, size, "T%u '%s'", id, task->name);
    return buf;
}

/* Makes room for one more element of an array of the engine's. */
bool keel__sim_grow(sim_engine *engine, void **items, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return true;
    size_t more = *room != 0 ? *room * 2 : 64;
    void *grown = realloc(*items, more * size);
    if (grown == NULL) {
        engine->out_of_memory = true;
        return false;
    }
    *items = grown;
    *room = more;
    return true;
}

/* ---- Trace ---- */

static void trace(sim_engine *engine, uint32_t id, unsigned op, const void *object,
                  const void *place, const char *text)
{
    int64_t now_ns = keel__sim_now(engine);

    engine->hash =
        keel__sim_mix(keel__sim_mix(engine->hash, ((uint64_t)id << 32) | op), (uint64_t)now_ns);
    if (!engine->keep_events ||
        !keel__sim_grow(engine, (void **)&engine->events, &engine->event_room, engine->event_count,
                        sizeof *engine->events))
        return;
    engine->events[engine->event_count++] = (sim_event){ .task = id,
                                                         .op = op,
                                                         .object = object,
                                                         .place = place,
                                                         .text = text,
                                                         .now_ns = now_ns,
                                                         .step = engine->steps,
                                                         .hash = engine->hash };
}

void keel__sim_trace(sim_engine *engine, unsigned op, const void *object, const void *place,
                     const char *text)
{
    trace(engine, keel__sim_running(engine), op, object, place, text);
}

/* ---- Failing ---- */

void keel__sim_fail(sim_engine *engine, keel_sim_kind kind, const void *object, const char *format,
                    ...)
{
    if (engine->failure.kind == KEEL_SIM_PASS) {
        va_list args;

        engine->failure.kind = kind;
        engine->failure.task = keel__sim_running(engine);
        engine->failure.object = object;
        if (engine->failure.task > 0 && engine->failure.task <= 64)
            engine->failure.involved |= (uint64_t)1 << (engine->failure.task - 1);
        va_start(args, format);
        vsnprintf(engine->failure.text, sizeof engine->failure.text, format, args);
        va_end(args);
    }
    if (engine->worker->current != NULL)
        for (;;)
            keel__task_park(); /* the engine never comes back to it */
}

/* ---- Operations ---- */

/* Puts the tasks that can run, and the clock if a timer could fire, behind `used` options. */
static size_t add_ready(sim_engine *engine, uint32_t *options, size_t used, size_t room)
{
    for (keel__link *link = engine->worker->ready.first; link != NULL && used + 1 < room;
         link = link->next)
        options[used++] = keel__container(link, keel__task, link)->sim_id;
    if (used > 0 && !engine->opts.fixed_time &&
        keel__timers_next(&engine->worker->timers) != INT64_MAX)
        options[used++] = SIM_CLOCK;
    return used;
}

enum { OPTIONS = 128 };

/* Has the engine go on with an option: a task, or a timer. */
static void go_on_with(sim_engine *engine, uint32_t option)
{
    if (option == SIM_CLOCK)
        engine->tick = true;
    else
        engine->next = engine->tasks[option - 1].task;
}

/* Another may go on at an operation of the running task, and then this one waits until it is decided for. */
static void offer(sim_engine *engine, keel__task *self, uint32_t op)
{
    uint32_t options[OPTIONS];

    options[0] = self->sim_id;
    size_t count = add_ready(engine, options, 1, OPTIONS);
    if (count == 1)
        return;
    uint32_t option = options[keel__sim_decide(engine, self->sim_id, op, options, count)];
    if (option == self->sim_id)
        return;
    go_on_with(engine, option);
    if (option == SIM_CLOCK)
        keel__list_push_front(&engine->worker->ready, &self->link); /* then on with this one */
    else
        keel__list_push(&engine->worker->ready, &self->link);
    keel__task_park();
}

/* The hook: an operation of a task is about to be made. */
void keel__sim_point(unsigned op, const void *object, const void *place)
{
    sim_engine *engine = keel__sim_current();
    keel__task *self = engine != NULL ? engine->worker->current : NULL;

    if (self == NULL)
        return;
    sim_task *task = &engine->tasks[self->sim_id - 1];
    uint32_t number = ++task->ops;
    task->op = op;
    task->object = object;
    task->place = place;
    engine->steps++;
    trace(engine, self->sim_id, op, object, place, NULL);
    if (engine->steps > engine->opts.max_steps)
        keel__sim_fail(engine, KEEL_SIM_LIVELOCK, NULL, "no end after %llu operations",
                       (unsigned long long)engine->steps - 1);
    if (op == KEEL__OP_YIELD)
        keel__sim_demote(engine, self->sim_id);
    if (engine->opts.points != KEEL_SIM_PARKS)
        offer(engine, self, number);
}

/* ---- The other hooks ---- */

/* For PCT alone: higher than what those get who fall behind. */
static uint64_t draw_priority(sim_engine *engine)
{
    return engine->mode == SIM_PCT ? keel_rand_u64(&engine->rand) | ((uint64_t)1 << 32) : 0;
}

static void spawned(void *task_)
{
    sim_engine *engine = keel__sim_current();
    keel__task *task = task_;

    if (engine == NULL || !keel__sim_grow(engine, (void **)&engine->tasks, &engine->task_room,
                                          engine->task_count, sizeof *engine->tasks))
        return;
    engine->tasks[engine->task_count++] = (sim_task){
        .task = task, .name = task->name, .where = task->where, .priority = draw_priority(engine)
    };
    task->sim_id = (unsigned)engine->task_count;
    if (engine->races)
        keel__sim_races_spawned(engine, task->sim_id);
}

static uint64_t choose(uint64_t count)
{
    sim_engine *engine = keel__sim_current();

    return engine != NULL ? keel__sim_choose(engine, count, NULL) : 0;
}

static bool random_bits(uint64_t *bits)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL)
        *bits = keel_rand_u64(keel__sim_user_rand(engine));
    return engine != NULL;
}

static bool virtual_now(int64_t *now_ns)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL)
        *now_ns = keel__sim_now(engine);
    return engine != NULL;
}

static void released(const void *object)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL && engine->races)
        keel__sim_races_released(engine, keel__sim_running(engine), object);
}

static void acquired(const void *object)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL && engine->races)
        keel__sim_races_acquired(engine, keel__sim_running(engine), object);
}

static bool faults(void)
{
    sim_engine *engine = keel__sim_current();

    return engine != NULL && engine->opts.faults;
}

static void note(const char *text)
{
    keel_sim_note("%s", text);
}

static bool refuse_memory(void)
{
    sim_engine *engine = keel__sim_current();

    return engine != NULL && engine->opts.faults && !engine->lasting &&
           keel__sim_choose(engine, 2, "no memory") == 1;
}

static void lasting(bool on)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL)
        engine->lasting = on;
}

static void allocated(void *ptr, size_t size, size_t kept)
{
    sim_engine *engine = keel__sim_current();

    if (engine != NULL && !engine->lasting)
        keel__sim_memory_allocated(engine, ptr, size, kept);
}

static size_t freed(void *ptr)
{
    sim_engine *engine = keel__sim_current();

    return engine != NULL && ptr != NULL ? keel__sim_memory_freed(engine, ptr) : SIZE_MAX;
}

static void misuse(const char *text)
{
    sim_engine *engine = keel__sim_current();

    if (engine == NULL || engine->worker->current == NULL)
        return;
    if (engine->keep_events)
        keel__sim_callers(engine->failure.callers);
    keel__sim_fail(engine, KEEL_SIM_MISUSE, NULL, "%s", text);
}

static bool active(void)
{
    return keel__sim_current() != NULL;
}

static const keel__sim_hook hook = { .point = keel__sim_point,
                                     .choose = choose,
                                     .random = random_bits,
                                     .now = virtual_now,
                                     .spawned = spawned,
                                     .released = released,
                                     .acquired = acquired,
                                     .faults = faults,
                                     .note = note,
                                     .refuse_memory = refuse_memory,
                                     .allocated = allocated,
                                     .freed = freed,
                                     .lasting = lasting,
                                     .misuse = misuse,
                                     .active = active };

/* ---- The main task ---- */

/* The error's text, and the place of each of its links. */
static const char *describe_error(const keel_err *err, char *text, size_t size)
{
    size_t length = keel_err_format(err, text, size);

    for (; err != NULL && length < size; err = keel_err_unwrap(err))
        if (keel_err_where(err) != NULL)
            length +=
                (size_t)snprintf(text + length, size - length, "\n  at %s", keel_err_where(err));
    return text;
}

static void run_main(keel__task *task)
{
    sim_engine *engine = current;
    char text[1024];

    keel_err *err = engine->fn(task->rt->root, engine->arg);
    if (err != NULL)
        keel__sim_fail(engine, KEEL_SIM_ERROR, NULL, "the scenario returned: %s",
                       describe_error(err, text, sizeof text));
    engine->main_ended = true;
    keel__ctx_cancel(task->rt->root, NULL); /* as keel_main does: what is left should end now */
}

static bool fail_main(keel__task *task, keel_err *err)
{
    char text[512];

    (void)task;
    keel__sim_fail(current, KEEL_SIM_ERROR, NULL, "%s", keel_err_str(err, text, sizeof text));
    keel_err_free(err);
    return true;
}

static void free_main(keel__task *task)
{
    (void)task; /* it is part of the engine */
}

/* ---- Running ---- */

static void fire_next_timer(sim_engine *engine)
{
    int64_t when_ns = keel__timers_next(&engine->worker->timers);

    if (when_ns > keel__sim_now(engine))
        keel__store_relaxed(&engine->clock.now_ns, (uint64_t)when_ns);
    if (when_ns > DAY_NS) {
        keel__sim_fail(engine, KEEL_SIM_LIVELOCK, NULL, "no end after a virtual day");
        return;
    }
    keel__sim_trace(engine, KEEL__OP_NONE, NULL, NULL, NULL);
    keel__timer *timer = keel__timers_pop(&engine->worker->timers, when_ns);
    timer->fire(timer);
}

static bool is_ready(const sim_engine *engine, const keel__task *task)
{
    for (keel__link *link = engine->worker->ready.first; link != NULL; link = link->next)
        if (link == &task->link)
            return true;
    return engine->next == task;
}

/* Which task goes on when the last one waits, or has ended; NULL: none can, or a timer fires. */
static keel__task *pick(sim_engine *engine)
{
    uint32_t options[OPTIONS];
    sim_task *last = keel__sim_task_get(engine, engine->last);
    size_t count = add_ready(engine, options, 0, OPTIONS);

    if (count == 0)
        return NULL;
    size_t index = 0;
    if (count > 1 && last != NULL)
        index = keel__sim_decide(engine, engine->last, ++last->ops, options, count);
    go_on_with(engine, options[index]);
    keel__task *next = engine->next;
    engine->next = NULL;
    return next;
}

/* Who owns the mutex that a task waits for, or has the rwmutex to write, or 0. */
static uint32_t waits_for(sim_engine *engine, uint32_t id)
{
    const sim_task *task = &engine->tasks[id - 1];

    const void *owner = NULL;

    if (task->task != NULL && task->op == KEEL__OP_MUTEX_LOCK)
        owner = keel__mutex_owner(task->object);
    else if (task->task != NULL &&
             (task->op == KEEL__OP_RWMUTEX_LOCK || task->op == KEEL__OP_RWMUTEX_RLOCK))
        owner = keel__rwmutex_owner(task->object);
    if (owner == NULL)
        return 0;
    for (uint32_t other = 1; other <= engine->task_count; other++)
        if (engine->tasks[other - 1].task != NULL && owner == &engine->tasks[other - 1].task->actor)
            return other;
    return 0;
}

/* All wait. Who waits for what is kept with the tasks, for the report. */
static void fail_stuck(sim_engine *engine)
{
    for (uint32_t id = 1; id <= engine->task_count; id++) {
        sim_task *task = &engine->tasks[id - 1];

        if (task->task == NULL)
            continue;
        if (id <= 64)
            engine->failure.involved |= (uint64_t)1 << (id - 1);
        task->blocker = waits_for(engine, id);
        task->origin = keel__sim_memory_origin(engine, task->object);
    }
    engine->failure.stuck = true;
    keel__sim_fail(engine, engine->main_ended ? KEEL_SIM_TASK_LEAK : KEEL_SIM_DEADLOCK, NULL, "%s",
                   engine->main_ended ? "the scenario returned, and these wait for ever:"
                                      : "every task waits:");
}

/* One step of the engine; false when the run is over. */
static bool step(sim_engine *engine)
{
    if (engine->failure.kind != KEEL_SIM_PASS || engine->out_of_memory)
        return false;
    if (engine->tick) {
        engine->tick = false;
        fire_next_timer(engine);
        return true;
    }
    keel__task *next = engine->next != NULL ? engine->next : pick(engine);
    engine->next = NULL;
    if (next != NULL) {
        uint32_t id = next->sim_id;

        keel__list_remove(&engine->worker->ready, &next->link);
        engine->last = id;
        if (keel__worker_run(engine->worker, next)) {
            engine->tasks[id - 1].task = NULL;
            trace(engine, id, KEEL__OP_END, NULL, NULL, NULL);
        } else if (engine->keep_events && !is_ready(engine, next)) {
            trace(engine, id, KEEL__OP_PARK, NULL, NULL, NULL);
        }
        return true;
    }
    if (engine->tick)
        return true;
    if (engine->settling != NULL) {
        keel__task *settling = engine->settling;

        engine->settling = NULL;
        keel__task_ready(settling);
        return true;
    }
    if (keel__timers_next(&engine->worker->timers) != INT64_MAX) {
        fire_next_timer(engine);
        return true;
    }
    if (keel__load_relaxed(&engine->rt->live) > 0)
        fail_stuck(engine);
    return false;
}

static void begin(sim_engine *engine)
{
    keel_runtime *rt = engine->rt;

    keel_rand_seed(&engine->rand, engine->seed);
    engine->user_seeded = false;
    for (unsigned i = 0; engine->mode == SIM_PCT && i + 1 < engine->pct_depth; i++)
        engine->pct_changes[i] = keel_rand_below(&engine->rand, engine->expected_steps + 1);
    engine->clock_priority = draw_priority(engine);
    engine->lowest_priority = UINT32_MAX;
    engine->run_number++;
    engine->steps = 0;
    engine->hash = 0;
    engine->task_count = 0;
    engine->last = 0;
    engine->next = NULL;
    engine->tick = false;
    engine->settling = NULL;
    engine->main_ended = false;
    engine->taken.count = 0;
    engine->decisions = engine->last_planned = 0;
    engine->failure.kind = KEEL_SIM_PASS;
    engine->failure.involved = 0;
    engine->failure.place = NULL;
    engine->failure.stuck = false;
    memset(engine->failure.callers, 0, sizeof engine->failure.callers);
    engine->alternative_count = engine->event_count = engine->note_length = 0;
    keel__sim_index_plan(engine);
    keel__sim_memory_begin(engine);
    keel__store_relaxed(&engine->clock.now_ns, 0);
    keel__timers_init(&engine->worker->timers);
    if (engine->opts.reset != NULL)
        engine->opts.reset(engine->opts.reset_arg);
    if (engine->races)
        keel__sim_races_begin(engine);

    keel__sim_set_running(engine, true);
    rt->root = keel__ctx_child(NULL, rt, &engine->clock);
    engine->main = (keel__task){ .rt = rt,
                                 .name = "main",
                                 .where = engine->name,
                                 .stack_bytes = KEEL__STACK_LARGE_BYTES,
                                 .run = run_main,
                                 .failed = fail_main,
                                 .free = free_main };
    keel__task_spawn(&engine->main);
}

/* Takes away what the tasks of an abandoned run have left. Their stacks are not unwound. */
static void abandon(sim_engine *engine)
{
    keel__worker *worker = engine->worker;

    for (keel__link *link = worker->live.first; link != NULL; link = link->next) {
        keel__task *task = keel__container(link, keel__task, live);

        if (task->stack != NULL) {
            keel__fiber_deinit(&task->fiber);
            keel__stack_give(&engine->rt->stacks, &worker->stacks, task->stack);
        }
    }
    worker->current = NULL;
    worker->live = worker->ready = worker->fresh = (keel__list){ 0 };
    keel__store_relaxed(&engine->rt->live, 0);
    keel__store_relaxed(&engine->rt->joining, 0);
    keel__store_relaxed(&engine->rt->offloads, 0);
    engine->rt->joiners = (keel__waitq){ 0 };
    engine->rt->lock = (keel__spin){ 0 };
    worker->lock = (keel__spin){ 0 };
}

void keel__sim_engine_run(sim_engine *engine)
{
    begin(engine);
    if (engine->rt->root == NULL)
        engine->out_of_memory = true;
    while (step(engine))
        ;

    bool passed = engine->failure.kind == KEEL_SIM_PASS && !engine->out_of_memory;
    if (passed && !keel__list_empty(&engine->worker->groups)) {
        char text[512];

        keel__groups_forgotten(engine->rt, text, sizeof text);
        keel__sim_fail(engine, KEEL_SIM_MEMORY_LEAK, NULL, "%s", text);
    }
    if (passed)
        keel__ctx_free(engine->rt->root);
    else
        abandon(engine);
    engine->rt->root = NULL;
    engine->worker->groups = (keel__list){ 0 }; /* forgotten ones go with the run's memory */
    keel__sim_memory_end(engine, passed);
    keel__sim_set_running(engine, false);
}

/* ---- Making and freeing ---- */

bool keel__sim_engine_init(sim_engine *engine, const char *name, keel_task_fn fn, void *arg,
                           const keel_sim_opts *opts)
{
    memset(engine, 0, sizeof *engine);
    engine->name = name;
    engine->fn = fn;
    engine->arg = arg;
    if (opts != NULL)
        engine->opts = *opts;
    if (engine->opts.max_steps == 0)
        engine->opts.max_steps = MAX_STEPS;
    engine->clock.manual = true;
    engine->expected_steps = 100;
    if (keel__process_worker() != NULL)
        keel__misuse("keel_sim: '%s': a simulation is run by a plain thread, not by a task", name);
    if (current != NULL)
        keel__misuse("keel_sim: '%s': there is one simulation at a time, and '%s' runs", name,
                     current->name);
    if (!keel__sim_memory_init(engine))
        return false;
    keel_err *err = keel__runtime_new(
        &engine->rt, &(keel_runtime_opts){ .workers = 1, .clock = &engine->clock, .seed = 1 },
        false);
    if (err != NULL) {
        keel_err_free(err);
        keel__sim_memory_deinit(engine);
        return false;
    }
    keel__monitor_end(engine->rt); /* another thread, which looks at the worker */
    keel__monitor_deinit(engine->rt);
    engine->rt->monitor.there = false;
    engine->rt->simulated = true;
    engine->worker = &engine->rt->workers[0];
    engine->worker->spare_max = 0;    /* a run takes its memory with it */
    keel__ctx_free(engine->rt->root); /* every run has its own */
    engine->rt->root = NULL;
    keel__process_set_worker(engine->worker);
    keel__fiber_init_native(&engine->worker->native);
    current = engine;
    keel__sim_crash_guard(engine);
    keel__store(&keel__sim_word, (void *)(uintptr_t)&hook);
    return true;
}

void keel__sim_engine_deinit(sim_engine *engine)
{
    keel__store(&keel__sim_word, NULL);
    keel__sim_crash_unguard(engine);
    current = NULL;
    keel__process_set_worker(NULL);
    keel__timers_init(&engine->worker->timers);
    keel__runtime_free(engine->rt, false);
    keel__sim_memory_deinit(engine);
    keel__sim_races_deinit(engine);
    keel__sim_schedule_free(&engine->taken);
    free(engine->plan_index);
    free(engine->tasks);
    free(engine->alternatives);
    free(engine->events);
    free(engine->notes);
}
