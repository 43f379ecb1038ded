/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <keel/duration.h>
#include <keel/mem.h>

#include "base/process.h"
#include "task/ops.h"
#include "task/sim.h"
#include "task/sim_names.h"
#include "task/sim_places.h"

enum {
    RUNS = 50000,
    MS = 1000,
    CHECKED = 64,          /* of so many passing runs, one is made twice */
    SPARSE_MS = 100,       /* looking for a failure with fewer deviations */
    SPARSE = 8,            /* if it has more than these */
    MINIMISE_RUNS = 20000, /* leaving out deviations */
    MINIMISE_MS = 2000,    /* that */
    TAKEN = 3 * 64,        /* blocks of memory that a run's are not to be */
    BOUND_MAX = 8
};

typedef struct explorer {
    sim_engine engine;
    uint64_t runs, max_runs;
    int64_t start_ns, end_ns;
    bool exhausted;
    uint64_t seed; /* of the run that failed; 0: it was planned */
} explorer;

/* The machine's time, which is not simulated. */
static int64_t real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool spent(const explorer *x)
{
    return x->runs >= x->max_runs || real_ns() >= x->end_ns || x->engine.out_of_memory;
}

/* ---- Runs ---- */

static bool run(explorer *x)
{
    x->runs++;
    keel__sim_engine_run(&x->engine);
    return x->engine.failure.kind != KEEL_SIM_PASS;
}

/* These say whether the run failed. */
static bool run_planned(explorer *x, const sim_schedule *plan)
{
    x->engine.mode = SIM_PLANNED;
    x->engine.seed = 0;
    x->engine.plan = plan;
    return run(x);
}

/* What a seed stands for: half of them random walks, a quarter PCT, a quarter the plain order with
 * rare pre-emptions. */
static bool run_seeded(explorer *x, uint64_t seed)
{
    static const double preemptions[] = { 0.02, 0.1, 0.3 };
    keel_rand rand;
    keel_sim_strategy strategy = x->engine.opts.strategy;

    keel_rand_seed(&rand, seed);
    uint64_t kind = keel_rand_below(&rand, 4);
    x->engine.seed = seed;
    x->engine.pct_depth = 2 + (unsigned)keel_rand_below(&rand, 4);
    x->engine.preemption = preemptions[keel_rand_below(&rand, 3)];
    if (strategy == KEEL_SIM_RANDOM || (strategy != KEEL_SIM_PCT && kind < 2))
        x->engine.mode = SIM_RANDOM;
    else if (strategy == KEEL_SIM_PCT || kind == 2)
        x->engine.mode = SIM_PCT;
    else
        x->engine.mode = SIM_ROBIN;
    return run(x);
}

/* "T2: lock at src/bank.c:31, 5ms", or that there is nothing. */
static const char *describe_event(const sim_places *places, const sim_event *event, char *buf,
                                  size_t size)
{
    char time[KEEL_DURATION_TEXT_BYTES];

    if (event == NULL) {
        snprintf(buf, size, "the end");
        return buf;
    }
    const char *place = keel__sim_places_get(places, event->place);
    int length = event->task != 0 ? snprintf(buf, size, "T%u: ", event->task) : 0;
    snprintf(buf + length, size - (size_t)length, "%s%s%s, %s", keel__op_name(event->op),
             strchr(place, ':') != NULL ? " at " : "", strchr(place, ':') != NULL ? place : "",
             keel_duration_format(event->now_ns, time));
    return buf;
}

/* Makes a run that is not repeatable twice more, to find out where the two part. */
static void find_difference(explorer *x, unsigned perturbation, char *buf, size_t size)
{
    sim_engine *engine = &x->engine;
    char one_text[512], two_text[512];
    sim_places places;
    size_t at = 0;

    engine->keep_events = true;
    run(x);
    sim_event *events = engine->events;
    size_t count = engine->event_count;
    engine->events = NULL;
    engine->event_room = engine->event_count = 0;
    engine->perturbation = perturbation;
    run(x);
    engine->perturbation = 0;
    engine->keep_events = false;

    while (at < count && at < engine->event_count && events[at].hash == engine->events[at].hash)
        at++;
    const sim_event *one = at < count ? &events[at] : NULL;
    const sim_event *two = at < engine->event_count ? &engine->events[at] : NULL;
    keel__sim_places_init(&places);
    keel__sim_places_add(&places, one != NULL ? one->place : NULL);
    keel__sim_places_add(&places, two != NULL ? two->place : NULL);
    keel__sim_places_resolve(&places);
    if (one != NULL || two != NULL)
        snprintf(buf, size, "\n  first difference, at event %zu: %s\n  in the other run: %s",
                 at + 1, describe_event(&places, one, one_text, sizeof one_text),
                 describe_event(&places, two, two_text, sizeof two_text));
    keel__sim_places_free(&places);
    engine->event_count = 0;
    free(events);
}

/* Makes the last run again, in the same way but with other addresses and other garbage in memory; false
 * if it came out differently. */
static bool repeatable(explorer *x)
{
    sim_engine *engine = &x->engine;
    uint64_t hash = engine->hash;
    keel_sim_kind kind = engine->failure.kind;
    void *taken[TAKEN];
    char difference[1200] = "";

    /* blocks of all small sizes: the run gets others than it got before (a failure shifts nothing) */
    for (size_t i = 0; i < TAKEN; i++)
        taken[i] = keel_mem_alloc(16 + i / 3 * 16);
    engine->perturbation = 1 + (unsigned)(x->runs % 7);
    run(x);
    engine->perturbation = 0;
    for (size_t i = 0; i < TAKEN; i++)
        keel_mem_free(taken[i]);
    if (engine->hash == hash && engine->failure.kind == kind)
        return true;
    uint64_t other_hash = engine->hash;
    find_difference(x, 1 + (unsigned)(x->runs % 7), difference, sizeof difference);
    engine->failure = (sim_failure){ .kind = KEEL_SIM_NONDETERMINISM };
    snprintf(
        engine->failure.text, sizeof engine->failure.text,
        "the same choices led to another run (trace %016llx, then %016llx): something decides by "
        "an address, by uninitialised memory, by a static that is not reset, or by the real "
        "world%s",
        (unsigned long long)hash, (unsigned long long)other_hash, difference);
    return false;
}

/* A run passed: now and then make sure that it is repeatable. True if it is not. */
static bool failed_check(explorer *x)
{
    return x->runs % CHECKED == 1 && !repeatable(x);
}

/* ---- Strategies: each true if a run failed ---- */

/* A copy of what the last run could have done otherwise, from a decision on. */
static struct sim_alternative *copy_alternatives(explorer *x, size_t after, size_t *count)
{
    const sim_engine *engine = &x->engine;
    size_t first = 0;

    while (first < engine->alternative_count && engine->alternatives[first].decision <= after)
        first++;
    *count = engine->alternative_count - first;
    struct sim_alternative *copy = malloc((*count + 1) * sizeof *copy);
    if (copy == NULL)
        x->engine.out_of_memory = true;
    else if (*count > 0)
        memcpy(copy, engine->alternatives + first, *count * sizeof *copy);
    return copy;
}

/* Every schedule that has up to `more` deviations after those of `plan`. *complete becomes false if
 * the budget ended it. */
static bool explore_beyond(explorer *x, sim_schedule *plan, unsigned more, bool *complete)
{
    size_t count;
    bool failed;

    x->engine.keep_alternatives = more > 0;
    failed = run_planned(x, plan) || failed_check(x);
    x->engine.keep_alternatives = false;
    if (failed || more == 0)
        return failed;

    struct sim_alternative *alternatives = copy_alternatives(x, x->engine.last_planned, &count);
    for (size_t i = 0; alternatives != NULL && !failed && i < count; i++) {
        if (spent(x)) {
            *complete = false;
            break;
        }
        if (!keel__sim_schedule_add(plan, alternatives[i].deviation)) {
            x->engine.out_of_memory = true;
            break;
        }
        failed = explore_beyond(x, plan, more - 1, complete);
        if (!failed)
            plan->count--;
    }
    free(alternatives);
    return failed;
}

static bool explore_seeds(explorer *x)
{
    uint64_t first = x->engine.opts.seed != 0 ? x->engine.opts.seed : 1;

    for (uint64_t seed = first; !spent(x); seed++) {
        if (run_seeded(x, seed)) {
            x->seed = seed;
            return true;
        }
        if (failed_check(x)) {
            x->seed = seed;
            return true;
        }
    }
    return false;
}

/* The plain run; and the same with race detection, if the scenario announces what it accesses. */
static bool explore_plain(explorer *x, size_t *decisions, size_t *alternatives)
{
    sim_schedule none = { 0 };

    x->engine.keep_alternatives = true;
    bool failed = run_planned(x, &none);
    if (x->engine.saw_access && !x->engine.races && keel__sim_races_init(&x->engine))
        failed = run_planned(x, &none);
    x->engine.keep_alternatives = false;
    *decisions = x->engine.decisions;
    *alternatives = x->engine.alternative_count;
    return failed || !repeatable(x);
}

static bool explore(explorer *x)
{
    sim_schedule plan = { 0 };
    size_t decisions, alternatives;
    keel_sim_strategy strategy = x->engine.opts.strategy;
    unsigned bound = x->engine.opts.bound != 0 ? x->engine.opts.bound : 2;
    bool failed = explore_plain(x, &decisions, &alternatives);

    x->engine.expected_steps = decisions;
    if (!failed && strategy == KEEL_SIM_EXHAUSTIVE) {
        x->exhausted = true;
        failed = explore_beyond(x, &plan, bound < BOUND_MAX ? bound : BOUND_MAX, &x->exhausted);
    } else if (!failed && strategy == KEEL_SIM_AUTO && alternatives <= x->max_runs / 2) {
        int64_t end_ns = x->end_ns;

        x->end_ns = x->start_ns + (end_ns - x->start_ns) / 2;
        x->exhausted = true;
        failed = explore_beyond(x, &plan, 1, &x->exhausted);
        x->end_ns = end_ns;
    }
    if (!failed && strategy != KEEL_SIM_EXHAUSTIVE)
        failed = explore_seeds(x);
    keel__sim_schedule_free(&plan);
    return failed;
}

/* ---- Minimising ---- */

/* Whether a schedule fails in the same way. */
static bool still_fails(explorer *x, const sim_schedule *schedule, keel_sim_kind kind)
{
    return run_planned(x, schedule) && x->engine.failure.kind == kind;
}

/* Random schedules with few pre-emptions may find the same failure by a shorter way. */
static void search_sparse(explorer *x, sim_schedule *best, keel_sim_kind kind)
{
    int64_t end_ns = real_ns() + (int64_t)SPARSE_MS * 1000000;

    for (uint64_t seed = 1; best->count > SPARSE && real_ns() < end_ns; seed++) {
        x->engine.mode = SIM_ROBIN;
        x->engine.seed = seed;
        x->engine.preemption = 0.02;
        if (run(x) && x->engine.failure.kind == kind && x->engine.taken.count < best->count)
            keel__sim_schedule_copy(best, &x->engine.taken);
    }
}

/* Delta debugging (Zeller and Hildebrandt, 2002): leaves out parts, ever smaller ones. */
static void minimise(explorer *x, sim_schedule *best, keel_sim_kind kind)
{
    sim_schedule without = { 0 };

    search_sparse(x, best, kind);
    x->max_runs = x->runs + MINIMISE_RUNS;
    x->end_ns = real_ns() + (int64_t)MINIMISE_MS * 1000000;
    for (size_t part = (best->count + 1) / 2; part > 0 && !spent(x);) {
        bool shorter = false;

        for (size_t from = 0; from < best->count && !spent(x);) {
            without.count = 0;
            for (size_t i = 0; i < best->count; i++)
                if ((i < from || i >= from + part) &&
                    !keel__sim_schedule_add(&without, best->items[i])) {
                    keel__sim_schedule_free(&without);
                    return;
                }
            if (still_fails(x, &without, kind)) {
                keel__sim_schedule_copy(best, &without);
                shorter = true;
            } else {
                from += part;
            }
        }
        if (!shorter || part > best->count)
            part = part == 1 ? 0 : (part + 1) / 2;
    }
    keel__sim_schedule_free(&without);
}

/* ---- Reports ---- */

/* The last run failed: has it made again by its deviations alone, as few as can be, with its events. */
static void retell(explorer *x)
{
    sim_engine *engine = &x->engine;
    sim_schedule schedule = { 0 };
    sim_failure found = engine->failure;

    if (engine->saw_access && !engine->races)
        keel__sim_races_init(engine);
    if (found.kind == KEEL_SIM_NONDETERMINISM ||
        !keel__sim_schedule_copy(&schedule, &engine->taken)) {
        keel__sim_schedule_free(&schedule);
        return;
    }
    if (!still_fails(x, &schedule, found.kind)) {
        /* not by its deviations: the random numbers of the seed matter */
        engine->failure = found;
        keel__sim_schedule_free(&schedule);
        return;
    }
    if (!engine->opts.no_minimise)
        minimise(x, &schedule, found.kind);
    engine->keep_events = true;
    run_planned(x, &schedule);
    engine->keep_events = false;
    keel__sim_schedule_free(&schedule);
}

static keel_sim_report *finish(explorer *x, bool failed)
{
    keel_sim_report *report;
    uint64_t runs = x->runs;

    if (x->engine.out_of_memory) {
        keel__sim_engine_deinit(&x->engine);
        return keel__sim_report_error("the simulator has no memory");
    }
    if (failed)
        retell(x);
    report =
        keel__sim_report_make(&x->engine, x->seed, runs, real_ns() - x->start_ns, x->exhausted);
    keel__sim_engine_deinit(&x->engine);
    return report;
}

/* A number from the environment; what is none is told of, and counts as not there. */
static bool number_asked_for(const char *variable, uint64_t *number)
{
    const char *text = getenv(variable);
    char *end;

    if (text == NULL)
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && strchr(text, '-') == NULL)
        return true;
    fprintf(stderr, "keel_sim: %s='%s' is not a number\n", variable, text);
    return false;
}

static bool begin(explorer *x, const char *name, keel_task_fn fn, void *arg,
                  const keel_sim_opts *opts)
{
    uint64_t runs;

    memset(x, 0, sizeof *x);
    if (!keel__sim_engine_init(&x->engine, name, fn, arg, opts))
        return false;
    int64_t max_ms = x->engine.opts.max_ms != 0 ? x->engine.opts.max_ms : MS;
    x->max_runs = x->engine.opts.max_runs != 0 ? x->engine.opts.max_runs : RUNS;
    x->start_ns = real_ns();
    x->end_ns =
        max_ms < (INT64_MAX - x->start_ns) / 1000000 ? x->start_ns + max_ms * 1000000 : INT64_MAX;
    if (number_asked_for("KEEL_SIM_RUNS", &runs)) {
        x->max_runs = runs;
        x->end_ns = INT64_MAX;
    }
    return true;
}

/* ---- Public ---- */

/* What KEEL_SIM_REPLAY asks for may be a name that no scenario has: the user is told when all are done. */
static struct {
    bool watched, found;
    char explored[256]; /* the names there were */
} asked;

static void tell_of_unfound(void)
{
    const char *replay = getenv("KEEL_SIM_REPLAY");

    if (replay == NULL || asked.found)
        return;
    const char *colon = strrchr(replay, ':');
    fprintf(stderr, "keel_sim: KEEL_SIM_REPLAY='%s' replayed nothing: %s '%.*s'. Explored:%s\n",
            replay, colon != NULL ? "no scenario is called" : "no colon ends a name in",
            (int)(colon != NULL ? (size_t)(colon - replay) : strlen(replay)), replay,
            asked.explored);
}

/* Whether KEEL_SIM_REPLAY is for the scenario of that name. */
static bool is_asked_for(const char *replay, const char *name)
{
    size_t length = strlen(name), used = strlen(asked.explored);

    if (replay == NULL)
        return false;
    if (!asked.watched)
        atexit(tell_of_unfound);
    asked.watched = true;
    if (strncmp(replay, name, length) == 0 && strrchr(replay, ':') == replay + length) {
        asked.found = true;
        return true;
    }
    if (used + length + 4 < sizeof asked.explored)
        snprintf(asked.explored + used, sizeof asked.explored - used, " '%s'", name);
    else if (used + 5 < sizeof asked.explored)
        strcpy(asked.explored + used, " ...");
    return false;
}

keel_sim_report *keel_sim_explore(const char *name, keel_task_fn fn, void *arg,
                                  const keel_sim_opts *opts)
{
    const char *replay = getenv("KEEL_SIM_REPLAY");
    keel_sim_opts one = opts != NULL ? *opts : (keel_sim_opts){ 0 };
    explorer x;

    if (is_asked_for(replay, name))
        return keel_sim_replay(replay, fn, arg, opts);
    if (number_asked_for("KEEL_SIM_SEED", &one.seed))
        return keel_sim_run(name, fn, arg, &one);
    if (!begin(&x, name, fn, arg, opts))
        return keel__sim_report_error("the simulator has no memory");
    return finish(&x, explore(&x));
}

keel_sim_report *keel_sim_run(const char *name, keel_task_fn fn, void *arg,
                              const keel_sim_opts *opts)
{
    sim_schedule none = { 0 };
    size_t decisions, alternatives;
    explorer x;

    if (!begin(&x, name, fn, arg, opts))
        return keel__sim_report_error("the simulator has no memory");
    bool failed = explore_plain(&x, &decisions, &alternatives);
    x.engine.expected_steps = decisions;
    if (x.engine.opts.seed != 0) {
        x.seed = x.engine.opts.seed;
        failed = run_seeded(&x, x.seed);
    } else if (!failed) {
        failed = run_planned(&x, &none);
    }
    x.runs = 1;
    return finish(&x, failed);
}

/* Reads "2@4>3,3@7=1,1@2>t", from after the name. False if it is something else. */
static bool parse(sim_schedule *plan, const char *text)
{
    while (*text != '\0') {
        sim_deviation deviation = { 0 };
        char *end;

        errno = 0;
        deviation.task = (uint32_t)strtoul(text, &end, 10);
        if (end == text || *end != '@')
            return false;
        text = end + 1;
        deviation.op = (uint32_t)strtoul(text, &end, 10);
        if (end == text || (*end != '>' && *end != '='))
            return false;
        deviation.choice = *end == '=';
        text = end + 1;
        if (*text == 't' && !deviation.choice) {
            deviation.value = SIM_CLOCK;
            end = (char *)(uintptr_t)(text + 1);
        } else {
            deviation.value = (uint32_t)strtoul(text, &end, 10);
        }
        if (end == text || errno != 0 || (*end != ',' && *end != '\0') ||
            !keel__sim_schedule_add(plan, deviation))
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

keel_sim_report *keel_sim_replay(const char *replay, keel_task_fn fn, void *arg,
                                 const keel_sim_opts *opts)
{
    const char *colon = strrchr(replay, ':');
    sim_schedule plan = { 0 }, none = { 0 };
    char name[256];
    explorer x;

    if (colon == NULL || !parse(&plan, colon + 1) || (size_t)(colon - replay) >= sizeof name) {
        keel__sim_schedule_free(&plan);
        return keel__sim_report_error(
            "a replay is NAME:TASK@OPERATION>TASK,..., as a report prints it");
    }
    snprintf(name, sizeof name, "%.*s", (int)(colon - replay), replay);
    if (!begin(&x, name, fn, arg, opts)) {
        keel__sim_schedule_free(&plan);
        return keel__sim_report_error("the simulator has no memory");
    }
    x.engine.opts.no_minimise = true;
    run_planned(&x, &none); /* to see whether it announces accesses */
    if (x.engine.saw_access)
        keel__sim_races_init(&x.engine);
    bool failed = run_planned(&x, &plan);
    x.runs = 1;
    keel_sim_report *report = finish(&x, failed);
    keel__sim_schedule_free(&plan);
    return report;
}
