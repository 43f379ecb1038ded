/* SPDX-License-Identifier: MIT */
#include <keel/runtime.h>

#include <signal.h>
#include <stdio.h>

#include "base/process.h"
#include "task/ctx.h"
#include "task/fault.h"
#include "task/group.h"
#include "task/uverr.h"
#include "task/worker.h"

/* The program's first task, on worker 0, which is the main thread. When it has ended the workers are
 * told to end, and so the main thread comes back from its loop. */

#define MAIN_STACK_BYTES ((size_t)8 << 20)

/* How long tasks have to end: after main's function, and after a signal until they are named. */
enum { PATIENCE_S = 5 };

static const int end_signals[] = { SIGINT, SIGTERM };
enum { END_SIGNALS = sizeof end_signals / sizeof *end_signals };

typedef struct program {
    keel__task task;
    keel_task_fn fn;
    void *arg;
    keel_err *err;
    keel_err *cause; /* why the context ended, if it did while fn ran */
    bool abandoned;  /* some tasks did not end, or some groups: nothing is freed */
    const char *signal;
    unsigned handles;    /* of these, how many are in the loop */
    uv_timer_t patience; /* runs from the first signal to fn's end */
    uv_signal_t signals[END_SIGNALS];
} program;

/* Real seconds, whatever the runtime's clock: somebody sits at the keyboard. */
static void on_late(uv_timer_t *handle)
{
    program *prog = handle->data;
    char live[1024];

    keel__runtime_describe_live(prog->task.rt, NULL, live, sizeof live);
    fprintf(stderr, "keel: %d seconds after %s %s; a second signal ends the process\n", PATIENCE_S,
            prog->signal, live);
}

/* The first signal asks the program to end; with the handlers gone, the next one ends it. */
static void on_signal(uv_signal_t *handle, int number)
{
    program *prog = handle->data;

    for (int i = 0; i < END_SIGNALS; i++)
        uv_signal_stop(&prog->signals[i]);
    keel__publish(prog->task.rt->alone, false); /* a second one may come */
    prog->signal = number == SIGINT ? "SIGINT" : "SIGTERM";
    uv_timer_start(&prog->patience, on_late, PATIENCE_S * 1000, 0);
    keel__ctx_cancel(prog->task.rt->root, keel_err_wrap(KEEL_ERR_INTERRUPTED, "%s", prog->signal));
}

static keel_err *watch_signals(program *prog, keel__worker *worker)
{
    int status = uv_timer_init(&worker->loop.uv, &prog->patience);

    if (status != 0)
        return keel__err_from_uv(status, "uv_timer_init");
    worker->handles++;
    prog->handles++;
    prog->patience.data = prog;
    for (int i = 0; i < END_SIGNALS; i++) {
        status = uv_signal_init(&worker->loop.uv, &prog->signals[i]);
        if (status != 0)
            return keel__err_from_uv(status, "uv_signal_init");
        worker->handles++;
        prog->handles++;
        prog->signals[i].data = prog;
        status = uv_signal_start(&prog->signals[i], on_signal, end_signals[i]);
        if (status != 0)
            return keel__err_from_uv(status, "uv_signal_start");
    }
    return NULL;
}

/* In the reverse order: the timer was the first. */
static void unwatch_signals(program *prog, keel__worker *worker)
{
    worker->handles -= prog->handles;
    while (prog->handles > 1)
        uv_close((uv_handle_t *)&prog->signals[--prog->handles - 1], NULL);
    if (prog->handles > 0)
        uv_close((uv_handle_t *)&prog->patience, NULL);
}

static void run_program(keel__task *task)
{
    program *prog = keel__container(task, program, task);
    keel_runtime *rt = task->rt;
    char text[1024];

    keel__tsan_acquire(task);
    prog->err = prog->fn(rt->root, prog->arg);
    keel__publish(rt->alone, false); /* there is a time limit from here on */
    uv_timer_stop(&prog->patience);
    prog->cause = keel_ctx_cause(rt->root);
    keel__ctx_cancel(rt->root, NULL);
    keel_err *late = keel__runtime_join(NULL, rt, 1, KEEL_S(PATIENCE_S)); /* 1: this one */
    if (late != NULL) {
        keel_err_free(late);
        keel__runtime_describe_live(rt, task, text, sizeof text);
        fprintf(stderr, "keel: %d seconds after their context has ended %s\n", PATIENCE_S, text);
        prog->abandoned = true;
    } else if (keel__groups_forgotten(rt, text, sizeof text) > 0) {
        fprintf(stderr, "keel: %s\n", text);
        prog->abandoned = true;
    }
    for (int i = 0; prog->abandoned && i < END_SIGNALS; i++)
        uv_signal_stop(&prog->signals[i]);
}

static bool fail_program(keel__task *task, keel_err *err)
{
    keel__container(task, program, task)->err = err;
    return true;
}

static void end_program(keel__task *task)
{
    keel__runtime_end_workers(task->rt);
}

static keel_err *run(program *prog, const keel_runtime_opts *given)
{
    keel_runtime_opts opts = given != NULL ? *given : (keel_runtime_opts){ 0 };
    keel_runtime *rt;

    opts.handle_faults = true;
    KEEL_TRY(keel__runtime_new(&rt, &opts, false));
    prog->err = watch_signals(prog, &rt->workers[0]);
    if (prog->err == NULL)
        prog->err = keel__fault_dump_on_quit(rt);
    if (prog->err == NULL) {
        prog->task = (keel__task){ .rt = rt,
                                   .name = "main",
                                   .where = "keel_main",
                                   .stack_bytes = MAIN_STACK_BYTES,
                                   .run = run_program,
                                   .failed = fail_program,
                                   .free = end_program };
        keel__tsan_release(&prog->task);
        keel__task_spawn_on(&prog->task, &rt->workers[0]);
        rt->own_handles = rt->workers[0].handles;
        keel__publish(rt->alone, !opts.waits_for_signals);
        keel__worker_loop(&rt->workers[0]);
    }
    keel__fault_forget_quit(rt);
    if (!prog->abandoned) { /* else it may be in use until the process ends */
        unwatch_signals(prog, &rt->workers[0]);
        keel__runtime_free(rt, false);
    }
    return prog->err;
}

int keel_main_opts(keel_task_fn fn, void *arg, const keel_runtime_opts *opts)
{
    program prog = { .fn = fn, .arg = arg };

    keel__need(fn != NULL, "keel_main", "fn");
    keel_err *err = run(&prog, opts);

    if (err != NULL && keel_err_is(err, KEEL_ERR_CANCELLED) &&
        keel_err_is(prog.cause, KEEL_ERR_INTERRUPTED) && !keel_err_is(err, KEEL_ERR_INTERRUPTED))
        fprintf(stderr, "error: %s (%s)\n", KEEL_ERR_STR(err), KEEL_ERR_STR(prog.cause));
    else if (err != NULL)
        fprintf(stderr, "error: %s\n", KEEL_ERR_STR(err));
    int status = err != NULL || prog.abandoned;
    keel_err_free(err);
    keel_err_free(prog.cause);
    return status;
}

int keel_main(keel_task_fn fn, void *arg)
{
    return keel_main_opts(fn, arg, NULL);
}
