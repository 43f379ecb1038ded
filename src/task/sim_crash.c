/* SPDX-License-Identifier: MIT */
#include "task/sim_crash.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "task/sim_places.h"

enum { SIGNAL_STACK_BYTES = 64 * 1024 };

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
enum { SIGNALS = sizeof signals / sizeof *signals };

static struct {
    bool installed;
    struct sigaction previous[SIGNALS];
    stack_t previous_stack;
    void *stack;
} guard;

/* Where the program was when the signal came, as if that were a call's return; NULL: not known here. */
static const void *interrupted_at(const void *context)
{
    const ucontext_t *c = context;

#if defined(__linux__) && defined(__x86_64__)
    return (const char *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP] + 1;
#elif defined(__linux__) && defined(__aarch64__)
    return (const char *)(uintptr_t)c->uc_mcontext.pc + 1;
#else
    (void)c;
    return NULL;
#endif
}

static bool unwinding;

/* The handler does not return: the engine goes on, and never comes back to the task that crashed. */
static void on_crash(int number, siginfo_t *info, void *context)
{
    sim_engine *engine = keel__sim_current();
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (engine != NULL && engine->worker->current != NULL) {
        const keel__stack *stack = engine->worker->current->stack;
        bool overflow = number != SIGABRT && stack != NULL &&
                        keel__stack_guards(&engine->rt->stacks, stack, info->si_addr);

        if (!unwinding) /* or it crashed once more in there, the stack being spoilt */
            engine->failure.place = interrupted_at(context);
        if (engine->keep_events && !overflow && !unwinding) {
            unwinding = true;
            keel__sim_callers(engine->failure.callers);
        }
        unwinding = false;
        keel__sim_fail(engine, KEEL_SIM_CRASH, NULL, "%s%s", strsignal(number),
                       overflow ? ": the task's stack is used up" : "");
    }
    /* not a task's: die of it, as without the guard */
    sigaction(number, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    raise(number);
}

/* ---- A task that computes for ever ---- */

enum { TICK_US = 100000, TICKS = 5 }; /* of the process's own time */

static struct {
    struct sigaction previous;
    uint64_t run, steps, decisions; /* as they were at the last tick */
    unsigned ticks;                 /* since which they have not changed */
} watchdog;

static void on_tick(int number, siginfo_t *info, void *context)
{
    sim_engine *engine = keel__sim_current();
    sigset_t set;

    (void)info;
    if (engine == NULL || engine->worker->current == NULL || engine->run_number != watchdog.run ||
        engine->steps != watchdog.steps || engine->decisions != watchdog.decisions) {
        watchdog.ticks = 0;
        watchdog.run = engine != NULL ? engine->run_number : 0;
        watchdog.steps = engine != NULL ? engine->steps : 0;
        watchdog.decisions = engine != NULL ? engine->decisions : 0;
        return;
    }
    if (++watchdog.ticks < TICKS)
        return;
    watchdog.ticks = 0;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    char name[128];
    engine->failure.place = interrupted_at(context);
    keel__sim_fail(
        engine, KEEL_SIM_LIVELOCK, NULL,
        "%s runs for half a second without an operation of the library",
        keel__sim_task_describe(engine, engine->worker->current->sim_id, name, sizeof name));
}

static void set_watchdog(bool on)
{
    struct itimerval tick = { .it_interval.tv_usec = on ? TICK_US : 0,
                              .it_value.tv_usec = on ? TICK_US : 0 };
    struct sigaction action = { .sa_sigaction = on_tick,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

    sigemptyset(&action.sa_mask);
    if (on)
        sigaction(SIGVTALRM, &action, &watchdog.previous);
    setitimer(ITIMER_VIRTUAL, &tick, NULL);
    if (on)
        return;
    /* A last tick may still be on its way, and would end a program that does nothing about it: so where there
     * was no handler this one stays, which then does nothing, and not on a stack that is gone. */
    bool none =
        (watchdog.previous.sa_flags & SA_SIGINFO) == 0 && watchdog.previous.sa_handler == SIG_DFL;
    action.sa_flags &= ~SA_ONSTACK;
    sigaction(SIGVTALRM, none ? &action : &watchdog.previous, NULL);
}

/* Installed once and kept while an exploration runs: system calls for every run would cost more than
 * most runs. */
void keel__sim_crash_guard(sim_engine *engine)
{
    (void)engine;
    if (keel__asan() || KEEL__TSAN || guard.installed)
        return;
    void *stack =
        mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return; /* a crash then ends the program, as usual */
    guard.stack = stack;
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = SIGNAL_STACK_BYTES }, &guard.previous_stack);
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, &guard.previous[i]);
    }
    set_watchdog(true);
    guard.installed = true;
}

void keel__sim_crash_unguard(sim_engine *engine)
{
    (void)engine;
    if (!guard.installed)
        return;
    set_watchdog(false);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &guard.previous[i], NULL);
    sigaltstack(&guard.previous_stack, NULL);
    munmap(guard.stack, SIGNAL_STACK_BYTES);
    guard.installed = false;
}
