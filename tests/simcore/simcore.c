/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "task/os.h"
#include "task/worker.h"

enum {
    DECISIONS_MAX = 20000,
    DEVIATIONS_MAX = 20000,
    DEPTH_MAX = 4, /* deviations of a schedule that is not random, and one */
    STRIDE = 61,
    TWO_MS = 20000, /* a scenario must not need more for all schedules with two deviations */
    ARENA_BYTES = 8 << 20,
    ALIGN = 16,
    RANDOM_RUNS_MIN = 200,
    PCT_DECISIONS = 1000, /* then the default: priorities are not fair */
    SHOWN = 30,           /* stretches of a failing run, at most */
    CHECK_EVERY = 256     /* runs: the same again must do the same */
};

/* ---- Memory: a heap that starts anew in every run, and where what is freed is not used again ---- */

typedef struct block {
    size_t size;
    bool live;
    _Alignas(ALIGN) unsigned char bytes[];
} block;

static _Alignas(ALIGN) unsigned char arena[ARENA_BYTES];
static size_t arena_used, arena_live;

static void *arena_alloc(void *self, size_t size)
{
    (void)self;
    size_t whole = (sizeof(block) + size + ALIGN - 1) / ALIGN * ALIGN;
    if (whole > ARENA_BYTES - arena_used)
        return NULL;
    block *made = (block *)(void *)(arena + arena_used);
    arena_used += whole;
    arena_live++;
    made->size = size;
    made->live = true;
    memset(made->bytes, 0xA5, size);
    return made->bytes;
}

static block *block_of(void *ptr)
{
    return (block *)(void *)((unsigned char *)ptr - offsetof(block, bytes));
}

static void arena_free(void *self, void *ptr)
{
    (void)self;
    block *old = block_of(ptr);
    if (!old->live)
        keel__core_fail("freed twice: a block of %zu bytes", old->size);
    old->live = false;
    arena_live--;
    memset(old->bytes, 0xDD, old->size);
}

static void *arena_realloc(void *self, void *ptr, size_t size)
{
    void *made = arena_alloc(self, size);

    if (made != NULL && ptr != NULL) {
        size_t before = block_of(ptr)->size;
        memcpy(made, ptr, before < size ? before : size);
        arena_free(self, ptr);
    }
    return made;
}

/* What is wrong with the heap at the end of a run, or NULL. */
static const char *arena_fault(void)
{
    static char text[128];

    for (size_t at = 0; at < arena_used;) {
        block *some = (block *)(void *)(arena + at);

        if (some->live) {
            snprintf(text, sizeof text, "memory is left: %zu blocks, the first of %zu bytes",
                     arena_live, some->size);
            return text;
        }
        for (size_t i = 0; i < some->size; i++) {
            if (some->bytes[i] != 0xDD) {
                snprintf(text, sizeof text,
                         "written after it was freed: byte %zu of a block of %zu bytes", i,
                         some->size);
                return text;
            }
        }
        at += (sizeof(block) + some->size + ALIGN - 1) / ALIGN * ALIGN;
    }
    return NULL;
}

/* ---- Runs ---- */

typedef struct deviation {
    uint32_t decision; /* which, from 0 */
    uint32_t choice;
} deviation;

typedef enum strategy { LISTED, RANDOM, PCT } strategy;

typedef struct stretch { /* what a core did without interruption */
    unsigned core, points;
    const char *task, *what, *func;
    int line;
    bool deviates;
} stretch;

typedef struct explorer {
    const char *name;
    simcore_fn scenario;
    keel__machine machine;
    strategy strategy;
    keel_rand rand;
    double preempt; /* RANDOM: how probable */
    uint32_t priority[KEEL__CORES_MAX];
    uint32_t changes[4]; /* PCT: decisions where the running core falls behind all */

    deviation listed[DEVIATIONS_MAX];
    unsigned listed_count, listed_at;

    uint8_t counts[DECISIONS_MAX]; /* choices at each decision of the run */
    deviation taken[DEVIATIONS_MAX];
    unsigned decisions, taken_count;

    const char *fault;
    keel__core_verdict verdict;
    unsigned long runs;
    uint64_t steps;

    int64_t start_ns, computed_ns; /* when it began, by the two clocks */

    bool tracing, deviated;
    stretch stretches[4096];
    unsigned stretch_count;
} explorer;

static explorer ex;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What the program has computed: a machine that is busy with other things does not shorten the
 * exploration, up to a point. */
static int64_t spent_ns(void)
{
    int64_t computed_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t third_ns = (clock_ns(CLOCK_MONOTONIC) - ex.start_ns) / 3;

    return computed_ns - ex.computed_ns > third_ns ? computed_ns : ex.computed_ns + third_ns;
}

static unsigned choose_pct(const uint8_t *cores, unsigned count)
{
    unsigned best = 0;

    for (unsigned i = 0; i < 4; i++)
        if (ex.changes[i] == ex.decisions)
            ex.priority[cores[0]] = i; /* below all others */
    for (unsigned i = 1; i < count; i++)
        if (ex.priority[cores[i]] > ex.priority[cores[best]])
            best = i;
    return best;
}

static unsigned choose(void *user, const uint8_t *cores, unsigned count)
{
    unsigned choice = 0;

    (void)user;
    if (ex.decisions == DECISIONS_MAX)
        keel__core_fail("too many decisions");
    if (ex.strategy == RANDOM) {
        if (keel_rand_double(&ex.rand) < ex.preempt)
            choice = (unsigned)keel_rand_below(&ex.rand, count);
    } else if (ex.strategy == PCT && ex.decisions < PCT_DECISIONS) {
        choice = choose_pct(cores, count);
    } else if (ex.listed_at < ex.listed_count && ex.listed[ex.listed_at].decision == ex.decisions) {
        choice = ex.listed[ex.listed_at++].choice;
        if (choice >= count)
            choice = 0; /* an older run's: does not fit */
    }
    if (choice != 0 && ex.taken_count < DEVIATIONS_MAX)
        ex.taken[ex.taken_count++] = (deviation){ ex.decisions, choice };
    ex.deviated = choice != 0;
    ex.counts[ex.decisions++] = (uint8_t)count;
    return choice;
}

static void trace(void *user, unsigned core, const char *task, const char *what, const char *func,
                  int line)
{
    stretch *last = ex.stretch_count > 0 ? &ex.stretches[ex.stretch_count - 1] : NULL;

    (void)user;
    if (last == NULL || last->core != core || ex.deviated) {
        if (ex.stretch_count == sizeof ex.stretches / sizeof *ex.stretches)
            return;
        last = &ex.stretches[ex.stretch_count++];
        *last = (stretch){ .core = core, .deviates = ex.deviated };
    }
    ex.deviated = false;
    last->points++;
    last->task = task;
    last->what = what;
    last->func = func;
    last->line = line;
}

static void call_scenario(void *arg)
{
    (void)arg;
    ex.scenario();
}

/* One run; true if it passes. */
static bool run_once(void)
{
    arena_used = arena_live = 0;
    ex.decisions = ex.taken_count = ex.listed_at = 0;
    ex.stretch_count = 0;
    ex.deviated = false;
    ex.machine.choose = choose;
    ex.machine.trace = ex.tracing ? trace : NULL;
    ex.machine.seed = 1;
    ex.verdict = keel__machine_run(&ex.machine, call_scenario, NULL);
    ex.runs++;
    ex.steps += ex.machine.steps;
    ex.fault = ex.verdict == KEEL__CORE_PASS ? arena_fault() : ex.machine.text;
    return ex.fault == NULL;
}

static void list(const deviation *deviations, unsigned count)
{
    ex.strategy = LISTED;
    memmove(ex.listed, deviations, count * sizeof *deviations);
    ex.listed_count = count;
}

/* The same schedule twice does the same twice. */
static void check_determinism(void)
{
    uint64_t hash = ex.machine.hash;
    unsigned steps = ex.machine.steps, count = ex.taken_count;
    static deviation taken[DEVIATIONS_MAX];

    memcpy(taken, ex.taken, count * sizeof *taken);
    list(taken, count);
    run_once();
    if (ex.machine.hash != hash || ex.machine.steps != steps)
        fail_msg("%s: a schedule does not do the same twice: %u and %u steps", ex.name, steps,
                 ex.machine.steps);
}

/* ---- Failures ---- */

/* The same kind of failure, as far as that can be told. */
static bool fails_alike(keel__core_verdict verdict)
{
    return !run_once() && ex.verdict == verdict;
}

/* Drops deviations from ex.taken as long as the run goes on failing. */
static void reduce(keel__core_verdict verdict)
{
    static deviation best[DEVIATIONS_MAX], trial[DEVIATIONS_MAX];
    unsigned count = ex.taken_count;

    memcpy(best, ex.taken, count * sizeof *best);
    for (unsigned chunk = count; chunk > 0; chunk /= 2) {
        for (unsigned at = 0; at < count;) {
            unsigned dropped = at + chunk <= count ? chunk : count - at;

            memcpy(trial, best, at * sizeof *trial);
            memcpy(trial + at, best + at + dropped, (count - at - dropped) * sizeof *trial);
            list(trial, count - dropped);
            if (fails_alike(verdict)) {
                count -= dropped;
                memcpy(best, trial, count * sizeof *best);
            } else {
                at += chunk;
            }
        }
    }
    list(best, count);
}

static void print_schedule(void)
{
    printf("    replay: KEEL_SIMCORE_REPLAY='%s:%c", ex.name, ex.machine.dense ? 'd' : 's');
    for (unsigned i = 0; i < ex.listed_count; i++)
        printf("%s%u>%u", i > 0 ? "," : "", ex.listed[i].decision, ex.listed[i].choice);
    printf("'\n");
}

static void print_run(void)
{
    unsigned first = ex.stretch_count > SHOWN ? ex.stretch_count - SHOWN : 0;

    for (unsigned i = first; i < ex.stretch_count; i++) {
        const stretch *s = &ex.stretches[i];
        printf("    %c core %u %-20s %4u points, up to: %s in %s:%d\n", s->deviates ? '>' : ' ',
               s->core, s->task != NULL ? s->task : "", s->points, s->what, s->func, s->line);
    }
}

static void report(void)
{
    static const char *const names[] = { "FAILED",  "DEADLOCK", "CORE LEFT",
                                         "ENDLESS", "MISUSE",   "FAILED" };
    unsigned long runs = ex.runs;

    reduce(ex.verdict);
    ex.tracing = true;
    run_once();
    ex.tracing = false;
    printf("%s: %s after %lu runs: %s\n", ex.name, names[ex.verdict], runs,
           ex.fault != NULL ? ex.fault : "passes when it is run again");
    print_schedule();
    print_run();
    fflush(stdout);
}

/* Nothing can be tried after a crash: the schedule as it was. */
static void on_crash(int number)
{
    printf("%s: CRASH, signal %d, after %lu runs\n", ex.name, number, ex.runs + 1);
    memcpy(ex.listed, ex.taken, ex.taken_count * sizeof *ex.taken);
    ex.listed_count = ex.taken_count;
    print_schedule();
    fflush(stdout);
    _exit(3);
}

/* In each test anew: cmocka has handlers of its own, which would go on with the next test. */
static void catch_crashes(void)
{
    static unsigned char stack[64 << 10];
    const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &(struct sigaction){ .sa_handler = on_crash, .sa_flags = SA_ONSTACK },
                  NULL);
}

/* ---- Exploration ---- */

static int64_t budget_ns(void)
{
    const char *text = getenv("KEEL_SIMCORE_MS");

    return (text != NULL ? strtol(text, NULL, 10) : 700) * (int64_t)1000000;
}

/* Runs the schedule of the first `have` of `prefix`, then all that add up to `more` later deviations. */
static bool extend(deviation *prefix, unsigned have, unsigned more, int64_t end_ns, bool *over)
{
    static uint8_t counts[DEPTH_MAX][DECISIONS_MAX]; /* too large for the stack */

    list(prefix, have);
    if (!run_once())
        return false;
    if (ex.runs % CHECK_EVERY == 0)
        check_determinism();
    if (more == 0)
        return true;
    unsigned decisions = ex.decisions;
    memcpy(counts[have], ex.counts, decisions);
    for (unsigned at = prefix[have - 1].decision + 1; at < decisions; at++) {
        for (unsigned choice = 1; choice < counts[have][at]; choice++) {
            *over = spent_ns() > end_ns;
            if (*over)
                return true;
            prefix[have] = (deviation){ at, choice };
            if (!extend(prefix, have + 1, more - 1, end_ns, over))
                return false;
            if (*over)
                return true;
        }
    }
    return true;
}

typedef struct coverage {
    unsigned long runs;
    double percent; /* of the schedules */
} coverage;

/* All schedules with up to so many deviations, or as many as fit the time: first deviations are visited in
 * strides, so that they are spread evenly. */
static bool every(unsigned deviations, bool dense, int64_t end_ns, coverage *covered)
{
    static deviation firsts[DEVIATIONS_MAX];
    unsigned count = 0, done = 0;
    unsigned long before = ex.runs;
    bool over = false;

    ex.machine.dense = dense;
    list(NULL, 0);
    if (!run_once())
        return false;
    check_determinism();
    for (unsigned at = 0; at < ex.decisions; at++)
        for (unsigned choice = 1; choice < ex.counts[at] && count < DEVIATIONS_MAX; choice++)
            firsts[count++] = (deviation){ at, choice };
    for (unsigned start = 0; start < STRIDE && !over; start++) {
        for (unsigned i = start; i < count && !over; i += STRIDE) {
            deviation prefix[DEPTH_MAX] = { firsts[i] };

            if (!extend(prefix, 1, deviations - 1, end_ns, &over))
                return false;
            done += !over;
        }
    }
    covered->runs = ex.runs - before;
    covered->percent = over ? 100.0 * done / count : 100;
    return true;
}

static bool at_random(unsigned long *count)
{
    int64_t end_ns = spent_ns() + budget_ns() / 4;
    static const double preempt[] = { .02, .1, .3, .02 };

    for (*count = 0; *count < RANDOM_RUNS_MIN || spent_ns() < end_ns; ++*count) {
        keel_rand_seed(&ex.rand, *count);
        ex.machine.dense = *count % 2 == 0;
        ex.strategy = *count % 4 == 3 ? PCT : RANDOM;
        ex.preempt = preempt[*count / 2 % 4];
        for (unsigned i = 0; i < KEEL__CORES_MAX; i++)
            ex.priority[i] = 4 + (uint32_t)keel_rand_below(&ex.rand, 1000);
        for (unsigned i = 0; i < 4; i++)
            ex.changes[i] =
                (uint32_t)keel_rand_below(&ex.rand, ex.decisions > 0 ? ex.decisions : 1);
        if (!run_once())
            return false;
        if (*count % CHECK_EVERY == 0)
            check_determinism();
    }
    return true;
}

/* True if it has run a schedule from the environment. */
static bool replay(bool *passed)
{
    const char *text = getenv("KEEL_SIMCORE_REPLAY");
    size_t length = strlen(ex.name);
    static deviation deviations[DEVIATIONS_MAX];
    unsigned count = 0;

    if (text == NULL || strncmp(text, ex.name, length) != 0 || text[length] != ':')
        return false;
    ex.machine.dense = text[length + 1] == 'd';
    for (const char *at = text + length + 2; *at != '\0' && count < DEVIATIONS_MAX;) {
        char *end;
        deviations[count].decision = (uint32_t)strtoul(at, &end, 10);
        if (*end == '>')
            deviations[count++].choice = (uint32_t)strtoul(end + 1, &end, 10);
        at = *end == ',' ? end + 1 : "";
    }
    list(deviations, count);
    *passed = run_once();
    return true;
}

static bool explore(const char *name, simcore_fn scenario)
{
    unsigned long random = 0;
    coverage one_dense, two, two_dense, three;
    bool passed = false;

    memset(&ex, 0, sizeof ex);
    ex.name = name;
    ex.scenario = scenario;
    catch_crashes();
    ex.start_ns = clock_ns(CLOCK_MONOTONIC);
    ex.computed_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (replay(&passed))
        return passed;
    if (!every(1, true, INT64_MAX, &one_dense))
        return false;
    if (!every(2, false, spent_ns() + TWO_MS * (int64_t)1000000, &two))
        return false;
    if (two.percent < 100)
        fail_msg("%s is too large: only %.0f %% of the schedules with two deviations in its time",
                 name, two.percent);
    int64_t end_ns = spent_ns() + budget_ns();
    if (!every(2, true, end_ns, &two_dense) || !every(3, false, end_ns, &three) ||
        !at_random(&random))
        return false;
    printf("%-36s 1 dense: %lu, 2: %lu (all), 2 dense: %lu (%.0f %%), 3: %lu (%.0f %%), "
           "random: %lu; %lu points a run, %.1f s\n",
           name, one_dense.runs, two.runs, two_dense.runs, two_dense.percent, three.runs,
           three.percent, random, (unsigned long)(ex.steps / ex.runs),
           (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - ex.computed_ns) / 1e9);
    fflush(stdout);
    return true;
}

void simcore_explore(const char *name, simcore_fn scenario)
{
    if (explore(name, scenario))
        return;
    report();
    fail_msg("%s fails under the schedule above", name);
}

keel__core_verdict simcore_fails(const char *name, simcore_fn scenario, unsigned *deviations)
{
    *deviations = 0;
    if (explore(name, scenario))
        return KEEL__CORE_PASS;
    unsigned long runs = ex.runs;
    keel__core_verdict verdict = ex.verdict;
    reduce(verdict);
    run_once();
    if (ex.verdict != verdict || ex.fault == NULL)
        fail_msg("%s: reduced, it does not fail any more", name);
    *deviations = ex.listed_count;
    printf("%-36s fails as it must after %lu runs, %u deviations: %.*s\n", name, runs, *deviations,
           (int)strcspn(ex.fault, "\n"), ex.fault);
    return verdict == KEEL__CORE_PASS ? KEEL__CORE_FAILED : verdict; /* found in its memory */
}

/* ---- What scenarios share ---- */

void simcore_expect(keel_err *err, const keel_err *target, const char *call, int line)
{
    if (target == NULL && err != NULL)
        keel__core_fail("line %d: %s: %s", line, call, KEEL_ERR_STR(err));
    if (target != NULL && !keel_err_is(err, target))
        keel__core_fail("line %d: %s: not that error but: %s", line, call,
                        err != NULL ? KEEL_ERR_STR(err) : "none");
    keel_err_free(err);
}

keel_runtime *simcore_runtime(unsigned workers, keel_clock *clock)
{
    keel_runtime *rt;

    keel__machine_quiet(true);
    sim_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers, .clock = clock }));
    keel__machine_settle();
    keel__machine_quiet(false);
    return rt;
}

/* When all workers sleep, what they are counted as fits what they say. */
static void check_counts(keel_runtime *rt)
{
    uint32_t counted = 0, searching = 0;

    for (unsigned i = 0; i < rt->worker_count; i++) {
        counted += rt->workers[i].counted;
        searching += rt->workers[i].searching;
    }
    sim_check(keel__load(&rt->sleepers) == counted);
    sim_check(keel__load(&rt->searchers) == searching);
}

void simcore_stop(keel_runtime *rt)
{
    keel__machine_quiet(true);
    keel__machine_settle();
    check_counts(rt);
    sim_ok(keel_runtime_stop(NULL, rt));
}

struct simcore_thread {
    keel__thread thread;
    void (*fn)(void *arg);
    void *arg;
};

static void *call_thread(void *thread_)
{
    simcore_thread *thread = thread_;

    thread->fn(thread->arg);
    return NULL;
}

simcore_thread *simcore_go(void (*fn)(void *arg), void *arg)
{
    simcore_thread *thread = keel_mem_alloc(sizeof *thread);

    thread->fn = fn;
    thread->arg = arg;
    sim_ok(keel__thread_start(&thread->thread, call_thread, thread));
    return thread;
}

void simcore_join(simcore_thread *thread)
{
    keel__thread_join(thread->thread);
    keel_mem_free(thread);
}

void simcore_install(void)
{
    assert_ok(keel_mem_set(&(keel_allocator){ arena_alloc, arena_realloc, arena_free, NULL }));
}
