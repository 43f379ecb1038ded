/* SPDX-License-Identifier: MIT */
#include <keel/runtime.h>

#include <signal.h>
#include <stdio.h>

#include "task/ctx.h"
#include "task/uverr.h"
#include "task/worker.h"

/* The program's first task, on worker 0, which is the main thread. When it has ended the workers are
 * told to end, and so the main thread comes back from its loop. */

#define MAIN_STACK_BYTES ((size_t)8 << 20)
#define STOP_TIMEOUT_NS KEEL_S(5)

static const int end_signals[] = { SIGINT, SIGTERM };
enum { END_SIGNALS = sizeof end_signals / sizeof *end_signals };

typedef struct program {
    keel__task task;
    keel_task_fn fn;
    void *arg;
    keel_err *err;
    bool abandoned; /* some tasks did not end */
    uv_signal_t signals[END_SIGNALS];
} program;

/* The first signal asks the program to end; with the handlers gone, the next one ends it. */
static void on_signal(uv_signal_t *handle, int number)
{
    program *prog = handle->data;

    for (int i = 0; i < END_SIGNALS; i++)
        uv_signal_stop(&prog->signals[i]);
    keel__ctx_cancel(prog->task.rt->root, keel_err_wrap(KEEL_ERR_INTERRUPTED, "%s",
                                                        number == SIGINT ? "SIGINT" : "SIGTERM"));
}

static keel_err *watch_signals(program *prog, keel__worker *worker)
{
    for (int i = 0; i < END_SIGNALS; i++) {
        int status = uv_signal_init(&worker->loop.uv, &prog->signals[i]);

        if (status != 0)
            return keel__err_from_uv(status, "uv_signal_init");
        worker->handles++;
        prog->signals[i].data = prog;
        status = uv_signal_start(&prog->signals[i], on_signal, end_signals[i]);
        if (status != 0)
            return keel__err_from_uv(status, "uv_signal_start");
    }
    return NULL;
}

static void unwatch_signals(program *prog, keel__worker *worker)
{
    while (worker->handles > 0)
        uv_close((uv_handle_t *)&prog->signals[--worker->handles], NULL);
}

static void run_program(keel__task *task)
{
    program *prog = keel__container(task, program, task);
    keel_runtime *rt = task->rt;

    keel__tsan_acquire(task);
    prog->err = prog->fn(rt->root, prog->arg);
    keel__ctx_cancel(rt->root, NULL);
    keel_err *late = keel__runtime_join(NULL, rt, 1, STOP_TIMEOUT_NS); /* 1: this one */
    if (late != NULL) {
        char live[1024];
        size_t count = keel__runtime_describe_live(rt, task, live, sizeof live);

        fprintf(stderr, "keel: %zu tasks still run after their context has ended: %s\n", count,
                live);
        keel_err_free(late);
        prog->abandoned = true;
        for (int i = 0; i < END_SIGNALS; i++)
            uv_signal_stop(&prog->signals[i]);
    }
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
        keel__worker_loop(&rt->workers[0]);
    }
    if (!prog->abandoned) { /* else its tasks use it until the process ends */
        unwatch_signals(prog, &rt->workers[0]);
        keel__runtime_free(rt, false);
    }
    return prog->err;
}

int keel_main_opts(keel_task_fn fn, void *arg, const keel_runtime_opts *opts)
{
    program prog = { .fn = fn, .arg = arg };
    keel_err *err = run(&prog, opts);

    if (err != NULL)
        fprintf(stderr, "error: %s\n", KEEL_ERR_STR(err));
    int status = err != NULL || prog.abandoned;
    keel_err_free(err);
    return status;
}

int keel_main(keel_task_fn fn, void *arg)
{
    return keel_main_opts(fn, arg, NULL);
}
