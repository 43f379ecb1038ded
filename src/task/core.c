/* SPDX-License-Identifier: MIT */
#include "task/core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/core.h"
#include "task/cores.h"
#include "task/os.h"
#include "task/worker.h"

enum {
    STACK_BYTES = 256 << 10,
    STORAGE_BYTES = 512,
    MAPPINGS = 16,       /* of stacks, kept for the next run */
    SPIN_NS = 25 * 1000, /* what a turn of a spin takes: few turns, for short runs */
    SPINS_IDLE = 8,      /* turns of a spin while all others wait, before time jumps */
    STEPS_MAX = 20000
};

typedef struct keel__core {
    keel__fiber context; /* while it does not run: wherever it was, in a task perhaps */
    void *stack;         /* kept from run to run */
    bool used;
    uint32_t done;
    void *(*run)(void *arg);
    void *arg;
    struct keel__worker *worker;
    int saved_errno;
    _Alignas(16) unsigned char storage[STORAGE_BYTES];

    bool spinning;
    const uint32_t *word; /* it waits while that is `value`; NULL: it does not */
    uint32_t value;
    int64_t deadline_ns;

    const char *what, *func; /* its last point */
    int line;
} keel__core;

static keel__core cores[KEEL__CORES_MAX];
static unsigned core_count;
static keel__machine *machine; /* NULL: no run */
static keel__core *current;
static keel__core outside; /* stands for the thread that runs the machine, outside of runs */
static keel__fiber home;
static keel__core_verdict verdict;
static int64_t now_ns;
static bool quiet;
static unsigned idle_spins;

/* ---- The end of a run ---- */

_Noreturn static void leave(keel__core_verdict result)
{
    keel__core *from = current;

    verdict = result;
    machine->choose = NULL;
    current = NULL;
    keel__fiber_switch(&from->context, &home, false);
    abort(); /* nobody comes back */
}

static size_t describe(char *buf, size_t size)
{
    size_t at = 0;

    for (unsigned i = 0; i < core_count && at < size; i++) {
        const keel__core *core = &cores[i];
        const keel__worker *worker = core->worker;
        char who[32] = "";

        if (worker != NULL)
            snprintf(who, sizeof who, " (worker %u)", worker->index);
        int length = snprintf(buf + at, size - at, "\n  core %u%s%s%s%s: %s%s in %s:%d", i, who,
                              worker != NULL && worker->current != NULL ? " in task " : "",
                              worker != NULL && worker->current != NULL && worker->current->name
                                  ? worker->current->name
                                  : "",
                              core->done ? " has ended" : "", core->word != NULL ? "waits: " : "",
                              core->what, core->func, core->line);
        at += length > 0 ? (size_t)length : 0;
    }
    return at < size ? at : size - 1;
}

/* Ends the run, saying where each core is. */
_Noreturn static void stop(keel__core_verdict result, const char *text)
{
    int length = snprintf(machine->text, sizeof machine->text, "%s", text);
    size_t at = (size_t)length < sizeof machine->text ? (size_t)length : sizeof machine->text - 1;

    describe(machine->text + at, sizeof machine->text - at);
    leave(result);
}

void keel__core_fail(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (current == NULL) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
    stop(KEEL__CORE_FAILED, text);
}

void keel__core_misuse(const char *text)
{
    if (current != NULL)
        stop(KEEL__CORE_MISUSE, text);
}

bool keel__core_active(void)
{
    return current != NULL;
}

/* ---- Who goes on ---- */

static bool enabled(const keel__core *core)
{
    return core->used && core->done == 0 && !core->spinning &&
           (core->word == NULL || *core->word != core->value || core->deadline_ns <= now_ns);
}

/* The core whose time limit is over first, of those that wait with one. */
static keel__core *first_timed(void)
{
    keel__core *first = NULL;

    for (unsigned i = 0; i < core_count; i++) {
        keel__core *core = &cores[i];

        if (core->done == 0 && core->word != NULL && core->deadline_ns != INT64_MAX &&
            !enabled(core) && (first == NULL || core->deadline_ns < first->deadline_ns))
            first = core;
    }
    return first;
}

static keel__core *first_spinning(void)
{
    unsigned self = (unsigned)(current - cores);

    for (unsigned i = 1; i <= core_count; i++) {
        keel__core *core = &cores[(self + i) % core_count];
        if (core->done == 0 && core->spinning)
            return core;
    }
    return NULL;
}

/* Nobody can run now. */
static keel__core *nobody(void)
{
    keel__core *spinning = first_spinning(), *timed = first_timed();

    if (spinning != NULL && (timed == NULL || ++idle_spins < SPINS_IDLE))
        return spinning;
    idle_spins = 0;
    if (timed == NULL)
        stop(KEEL__CORE_DEADLOCK, "every core waits");
    now_ns = timed->deadline_ns;
    return timed;
}

static keel__core *next(void)
{
    uint8_t found[KEEL__CORES_MAX + 1];
    unsigned count = 0, self = (unsigned)(current - cores);

    for (unsigned i = 0; i < core_count; i++) {
        unsigned index = (self + i) % core_count;
        if (enabled(&cores[index]))
            found[count++] = (uint8_t)index;
    }
    if (count == 0)
        return nobody();

    /* time may pass, too, while others could run */
    keel__core *timed = quiet ? NULL : first_timed();
    if (timed != NULL)
        found[count++] = (uint8_t)(timed - cores);
    unsigned chosen = count > 1 && !quiet ? machine->choose(machine->user, found, count) : 0;
    keel__core *core = &cores[found[chosen]];
    if (core == timed && !enabled(core))
        now_ns = core->deadline_ns;
    return core;
}

static void go(keel__core *to)
{
    keel__core *from = current;

    to->spinning = false;
    if (to == from)
        return;
    from->saved_errno = errno;
    current = to;
    keel__fiber_switch(&from->context, &to->context, false);
    errno = from->saved_errno;
}

static void arrive(const char *what, const char *func, int line)
{
    keel__core *core = current;

    core->what = what;
    core->func = func;
    core->line = line;
    machine->hash = (machine->hash ^ (uint64_t)(core - cores) ^ ((uint64_t)line << 8) ^
                     ((uint64_t)what[0] << 32)) *
                    0x100000001B3u;
    if (machine->trace != NULL) {
        const keel__task *task = core->worker != NULL ? core->worker->current : NULL;
        machine->trace(machine->user, (unsigned)(core - cores), task != NULL ? task->name : NULL,
                       what, func, line);
    }
    if (++machine->steps > machine->steps_max)
        stop(KEEL__CORE_ENDLESS, "too many steps");
}

/* Whatever a core does lets the spinning ones look again. */
static void disturb(void)
{
    for (unsigned i = 0; i < core_count; i++)
        if (&cores[i] != current)
            cores[i].spinning = false;
}

void keel__core_step(const char *what, const char *func, int line)
{
    if (current == NULL)
        return;
    arrive(what, func, line);
    disturb();
    go(next());
}

void keel__core_after(const char *what, const char *func, int line)
{
    if (current != NULL && machine->dense)
        keel__core_step(what, func, line);
}

bool keel__core_wait(const uint32_t *word, uint32_t value, int64_t deadline_ns, const char *what,
                     const char *func, int line)
{
    keel__core *self = current;

    if (self == NULL)
        abort(); /* nobody could end the wait */
    self->word = word;
    self->value = value;
    self->deadline_ns = deadline_ns;
    arrive(what, func, line);
    disturb();
    idle_spins = 0;
    go(next());
    self->word = NULL;
    return *word != value;
}

void keel__core_spin(const char *func, int line)
{
    if (current == NULL)
        return;
    arrive("spin", func, line);
    current->spinning = true;
    now_ns += SPIN_NS;
    go(next());
}

void keel__core_lock(uint32_t *word, const char *func, int line)
{
    if (current == NULL)
        return;
    keel__core_step("lock", func, line);
    while (*word != 0)
        keel__core_wait(word, 1, INT64_MAX, "lock", func, line);
    *word = 1;
}

void keel__core_unlock(uint32_t *word, const char *func, int line)
{
    if (current == NULL)
        return;
    keel__core_after("unlock", func, line);
    if (*word != 1)
        keel__core_fail("%s:%d unlocks what is not locked: %#x", func, line, *word);
    *word = 0;
    keel__core_step("unlocked", func, line);
}

/* ---- What a core has of its own ---- */

static keel__core *self_or_outside(void)
{
    return current != NULL ? current : &outside;
}

struct keel__worker **keel__core_worker(void)
{
    return &self_or_outside()->worker;
}

void *keel__core_storage(size_t size)
{
    if (size > STORAGE_BYTES)
        abort();
    return self_or_outside()->storage;
}

/* Those that a run has given back; one that fails never does, and its are lost. */
static struct mapping {
    void *base; /* NULL: none */
    size_t bytes;
} spare[MAPPINGS];

void *keel__core_map(size_t bytes)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        void *base = spare[i].base;

        if (base != NULL && spare[i].bytes == bytes) {
            spare[i].base = NULL;
            return base;
        }
    }
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void keel__core_unmap(void *base, size_t bytes)
{
    for (size_t i = 0; i < MAPPINGS; i++) {
        if (spare[i].base == NULL) {
            spare[i] = (struct mapping){ base, bytes };
            return;
        }
    }
    munmap(base, bytes);
}

uint64_t keel__core_seed(void)
{
    return machine != NULL ? machine->seed : 1;
}

unsigned keel__cores(void)
{
    return 1; /* a worker that finds nothing sleeps at once: its spin would only make runs longer */
}

int64_t keel__os_now(void)
{
    return now_ns;
}

/* ---- Threads ---- */

static void core_main(void *core_)
{
    keel__core *core = core_;

    core->run(core->arg);
    if (core == &cores[0]) {
        for (unsigned i = 1; i < core_count; i++)
            if (cores[i].done == 0)
                stop(KEEL__CORE_LEFT, "a core is left");
        leave(KEEL__CORE_PASS);
    }
    core->what = "end";
    core->done = 1;
    disturb();
    go(next());
    abort(); /* nobody chooses it */
}

static keel__core *start_core(void *(*run)(void *arg), void *arg)
{
    if (core_count == KEEL__CORES_MAX)
        return NULL;
    keel__core *core = &cores[core_count++];
    void *stack = core->stack;

    if (stack == NULL) {
        stack = keel__core_map(STACK_BYTES);
        if (stack == MAP_FAILED)
            abort();
    }
    memset(core, 0, sizeof *core);
    core->stack = stack;
    core->used = true;
    core->run = run;
    core->arg = arg;
    core->what = "start";
    core->func = "";
    keel__fiber_init(&core->context, stack, STACK_BYTES, core_main, core);
    return core;
}

keel_err *keel__thread_start(keel__thread *thread, void *(*run)(void *arg), void *arg)
{
    keel__step("start thread");
    *thread = start_core(run, arg);
    if (*thread == NULL)
        return KEEL_ERR_LIMIT;
    keel__after_step("start thread");
    return NULL;
}

void keel__thread_join(keel__thread thread)
{
    keel__core_wait(&thread->done, 0, INT64_MAX, "join", __func__, __LINE__);
}

/* ---- Runs ---- */

typedef struct first {
    void (*fn)(void *arg);
    void *arg;
} first;

static void *run_first(void *first_)
{
    const first *call = first_;

    call->fn(call->arg);
    return NULL;
}

keel__core_verdict keel__machine_run(keel__machine *given, void (*fn)(void *arg), void *arg)
{
    first call = { fn, arg };
    unsigned (*choose)(void *, const uint8_t *, unsigned) = given->choose;

    machine = given;
    machine->steps = 0;
    machine->hash = 0xCBF29CE484222325u;
    machine->text[0] = '\0';
    if (machine->steps_max == 0)
        machine->steps_max = STEPS_MAX;
    core_count = 0;
    now_ns = 1000000000;
    quiet = false;
    idle_spins = 0;
    memset(&outside, 0, sizeof outside);
    keel__fiber_init_native(&home);
    current = start_core(run_first, &call);
    keel__fiber_switch(&home, &current->context, false);
    machine->choose = choose;
    machine = NULL;
    return verdict;
}

void keel__machine_quiet(bool on)
{
    quiet = on;
}

void keel__machine_settle(void)
{
    bool before = quiet;

    quiet = true;
    for (;;) {
        bool busy = false;

        for (unsigned i = 0; i < core_count; i++)
            busy |= &cores[i] != current && enabled(&cores[i]);
        if (!busy)
            break;
        keel__core_spin(__func__, __LINE__);
    }
    quiet = before;
}
