/* SPDX-License-Identifier: MIT */
#include "task/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "task/worker.h"

enum { FAULT_STACK_BYTES = 64 * 1024 };

static const int signals[] = { SIGSEGV, SIGBUS };
enum { SIGNALS = sizeof signals / sizeof *signals };

/* What the process had before; guarded by the lock but for the handler, which runs between the two. */
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

keel_err *keel__fault_install(void)
{
    keel_err *err = NULL;

    pthread_mutex_lock(&lock);
    for (int i = 0; users == 0 && err == NULL && i < SIGNALS; i++) {
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

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
