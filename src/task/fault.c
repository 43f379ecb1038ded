/* SPDX-License-Identifier: MIT */
#include "task/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#include "task/worker.h"

enum { FAULT_STACK_BYTES = 64 * 1024 };

/* The last asks a worker where it is: SIGURG, which nobody else uses much and which nothing ends of. */
enum { PROBE = 2, SIGNALS };
static const int signals[SIGNALS] = { SIGSEGV, SIGBUS, SIGURG };

/* What the process had before; guarded by the lock but for the handlers, which run between the two. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static struct sigaction previous[SIGNALS];

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* there is nobody left to tell */
}

/* Only what is safe in a signal handler. */
static void report_overflow(const keel__task *task)
{
    char digits[24], *at = digits + sizeof digits - 1;

    *at = '\0';
    for (size_t n = task->stack->bytes; n > 0 || *at == '\0'; n /= 10)
        *--at = (char)('0' + n % 10);
    say("keel: stack overflow: task '");
    say(task->name);
    say("' (started at ");
    say(task->where);
    say(") has used up its stack of ");
    say(at);
    say(" bytes; give it more with the stack_bytes option of its group or runtime\n");
}

/* Lets the handler that was there have the signal. The default is put back, and acts when the
 * faulting instruction runs again; a signal that was sent is sent again, to come when this returns. */
static void pass_on(const struct sigaction *action, int signal_number, siginfo_t *info,
                    void *context)
{
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(signal_number, info, context);
    } else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
        action->sa_handler(signal_number);
    } else if (action->sa_handler == SIG_DFL || info->si_code > 0) {
        sigaction(signal_number, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
        if (info->si_code <= 0)
            raise(signal_number);
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    keel__worker *worker = keel__worker_self();
    const keel__task *task = worker != NULL ? worker->current : NULL;
    const struct sigaction *action = &previous[signal_number == SIGSEGV ? 0 : 1];

    if (task != NULL && task->stack != NULL &&
        keel__stack_guards(&worker->rt->stacks, task->stack, info->si_addr)) {
        report_overflow(task);
        sigaction(signal_number, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
        return; /* and fault again, for the core dump */
    }
    pass_on(action, signal_number, info, context);
}

/* ---- Where a task is ---- */

enum { PROBE_NONE, PROBE_ASKED, PROBE_BUSY, PROBE_ANSWERED };

static int backtrace_here(void **frames, int max)
{
#ifdef __GLIBC__
    return backtrace(frames, max);
#else
    (void)frames;
    (void)max;
    return 0;
#endif
}

/* Where the signal came in between; NULL where that is not known. */
static const char *interrupted_at(const ucontext_t *context, const char **stack)
{
#if defined(__linux__) && defined(__x86_64__)
    *stack = (const char *)(uintptr_t)context->uc_mcontext.gregs[REG_RSP];
    return (const char *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__linux__) && defined(__aarch64__)
    *stack = (const char *)(uintptr_t)context->uc_mcontext.sp;
    return (const char *)(uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    *stack = NULL;
    return NULL;
#endif
}

/* The frames from the interrupted one on, if the worker is on the stack of that task, and not just leaving
 * or entering it: in the middle of a switch there is no telling what an unwinder would find. */
static void answer(keel__worker *worker, keel__probe *probe, const ucontext_t *context)
{
    void *all[KEEL__PROBE_FRAMES + 4]; /* with those of the handler */
    const keel__task *task = worker->current;
    const char *stack, *at = interrupted_at(context, &stack);
    int from = 0;

    probe->frame_count = 0;
    if (at == NULL || task == NULL || task != probe->task || keel__fiber_switching(at) ||
        (size_t)(stack - task->stack->low) >= task->stack->bytes)
        return;
    const int count = backtrace_here(all, KEEL__PROBE_FRAMES + 4);
    while (from < count && all[from] != at)
        from++;
    for (int i = from; i < count && probe->frame_count < KEEL__PROBE_FRAMES; i++)
        probe->frames[probe->frame_count++] = all[i];
}

static void on_probe(int signal_number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    keel__worker *worker = keel__worker_self();
    const struct sigaction *action = &previous[PROBE];
    uint32_t asked = PROBE_ASKED;

    if (worker != NULL && keel__cas(&worker->probe.state, &asked, PROBE_BUSY)) {
        answer(worker, &worker->probe, context);
        keel__store(&worker->probe.state, PROBE_ANSWERED);
        keel__bell_ring(&worker->rt->monitor.bell);
    } else if ((action->sa_flags & SA_SIGINFO) ||
               (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)) {
        pass_on(action, signal_number, info, context);
    }
    errno = saved_errno;
}

/* Asks, and waits a moment for the answer: the thread may have to wait for a processor. */
static bool ask(keel__worker *worker, const keel__task *task)
{
#ifdef KEEL_SIM_CORE
    (void)worker;
    (void)task;
    return false; /* there are no signals */
#else
    const int64_t end_ns = keel__os_now() + KEEL_MS(100);
    keel__probe *probe = &worker->probe;
    uint32_t asked = PROBE_ASKED;

    probe->task = task;
    keel__store(&probe->state, PROBE_ASKED);
    if (pthread_kill(worker->thread, signals[PROBE]) != 0)
        return false;
    bool answered;
    while (!(answered = keel__load(&probe->state) == PROBE_ANSWERED)) {
        asked = PROBE_ASKED;
        if (keel__os_now() >= end_ns && keel__cas(&probe->state, &asked, PROBE_NONE))
            break;
        keel__bell_wait(&worker->rt->monitor.bell, end_ns);
    }
    if (answered)
        keel__store(&probe->state, PROBE_NONE);
    keel__bell_ring(&worker->rt->monitor.bell); /* it may have rung for another reason meanwhile */
    return answered;
#endif
}

keel_err *keel__fault_backtrace(keel_buf *out, keel__worker *worker, const keel__task *task)
{
    if (!worker->rt->handles_faults || !ask(worker, task))
        return NULL;
    for (int i = 0; i < worker->probe.frame_count; i++) {
        const void *at = worker->probe.frames[i];
        Dl_info info = { 0 };

        if (dladdr(at, &info) == 0 || info.dli_fname == NULL)
            KEEL_TRY(keel_buf_printf(out, "  %p\n", at));
        else /* what addr2line -f -e takes */
            KEEL_TRY(keel_buf_printf(out, "  %s%s%s+0x%zx\n",
                                     info.dli_sname != NULL ? info.dli_sname : "",
                                     info.dli_sname != NULL ? " in " : "", info.dli_fname,
                                     (size_t)((const char *)at - (const char *)info.dli_fbase)));
    }
    return NULL;
}

/* ---- Dumps ---- */

/* Guarded by the lock but for the handler, which counts itself before it looks. */
static keel__aptr quit_runtime;
static keel__a32 quit_handlers;
static struct sigaction quit_previous;

static void on_quit(int signal_number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;

    keel__add_seq(&quit_handlers, 1);
    keel_runtime *rt = keel__load_seq(&quit_runtime);
    if (rt != NULL)
        keel__monitor_dump(rt);
    keel__sub_seq(&quit_handlers, 1);
    if ((quit_previous.sa_flags & SA_SIGINFO) ||
        (quit_previous.sa_handler != SIG_DFL && quit_previous.sa_handler != SIG_IGN))
        pass_on(&quit_previous, signal_number, info, context);
    errno = saved_errno;
}

keel_err *keel__fault_dump_on_quit(keel_runtime *rt)
{
    struct sigaction action = { .sa_sigaction = on_quit,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    keel_err *err = NULL;

    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&lock);
    if (keel__load_seq(&quit_runtime) == NULL) {
        if (sigaction(SIGQUIT, &action, &quit_previous) != 0)
            err = keel_err_from_errno(errno, "sigaction(SIGQUIT)");
        else
            keel__store_seq(&quit_runtime, rt);
    }
    pthread_mutex_unlock(&lock);
    return err;
}

void keel__fault_forget_quit(keel_runtime *rt)
{
    pthread_mutex_lock(&lock);
    if (keel__load_seq(&quit_runtime) == rt) {
        sigaction(SIGQUIT, &quit_previous, NULL);
        keel__store_seq(&quit_runtime, NULL);
        while (keel__load_seq(&quit_handlers) != 0)
            keel__thread_yield(); /* for the few instructions that it takes */
    }
    pthread_mutex_unlock(&lock);
}

/* ---- All of them ---- */

keel_err *keel__fault_install(void)
{
    void *unused[1];
    keel_err *err = NULL;

    (void)backtrace_here(unused, 1); /* the first loads a library, which no handler may */
    pthread_mutex_lock(&lock);
    for (int i = 0; users == 0 && err == NULL && i < SIGNALS; i++) {
        struct sigaction action = { .sa_sigaction = i == PROBE ? on_probe : on_fault,
                                    .sa_flags =
                                        SA_SIGINFO | SA_ONSTACK | (i == PROBE ? SA_RESTART : 0) };

        sigemptyset(&action.sa_mask);
        if (sigaction(signals[i], &action, &previous[i]) != 0)
            err = keel_err_from_errno(errno, "sigaction(%s)", strsignal(signals[i]));
    }
    if (err == NULL)
        users++;
    pthread_mutex_unlock(&lock);
    return err;
}

void keel__fault_remove(void)
{
    pthread_mutex_lock(&lock);
    if (--users == 0) {
        for (int i = 0; i < SIGNALS; i++)
            sigaction(signals[i], &previous[i], NULL);
    }
    pthread_mutex_unlock(&lock);
}

void keel__fault_enter(keel__worker *worker)
{
    void *stack =
        mmap(NULL, FAULT_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    /* Without one an overflow still ends the program, only without the message. */
    if (stack == MAP_FAILED)
        return;
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = FAULT_STACK_BYTES },
                &worker->fault_previous);
    worker->fault_stack = stack;
}

void keel__fault_leave(keel__worker *worker)
{
    if (worker->fault_stack == NULL)
        return;
    sigaltstack(&worker->fault_previous, NULL);
    munmap(worker->fault_stack, FAULT_STACK_BYTES);
    worker->fault_stack = NULL;
}
