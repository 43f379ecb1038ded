/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task/worker.h"

static keel_err *do_nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

/* Forks, and does something in the child; says how that ended. What the child writes to standard error is
 * part of what this process writes. */
static int fork_and(void (*fn)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        abort();
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        abort();
    return status;
}

static void must_abort(int status)
{
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        abort();
}

static keel_runtime *start(void)
{
    keel_runtime *rt;

    if (keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }) != NULL)
        abort();
    return rt;
}

static void stop(keel_runtime *rt)
{
    if (keel_runtime_stop(NULL, rt) != NULL)
        abort();
}

/* ---- What the child of a process with a runtime may not ---- */

static void wait_(void *arg)
{
    (void)arg;
    keel_err_free(keel_sleep(NULL, KEEL_MS(1)));
}

static void spawn(void *rt)
{
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);

    keel_group_go(group, do_nothing, NULL);
}

static void wait_in_child(void *arg)
{
    (void)arg;
    keel_runtime *rt = start();
    must_abort(fork_and(wait_, NULL));
    stop(rt);
}

static void spawn_in_child(void *arg)
{
    (void)arg;
    keel_runtime *rt = start();
    must_abort(fork_and(spawn, rt));
    stop(rt);
}

static void the_first_wait_or_start_in_the_child_aborts(void **state)
{
    const char *why = " in the child of a fork: its parent has a runtime";
    char text[128];
    int status;

    (void)state;
    snprintf(text, sizeof text, "keel: misuse: a wait%s", why);
    assert_non_null(strstr(support_child(wait_in_child, NULL, &status), text));
    assert_int_equal(status, 0);
    snprintf(text, sizeof text, "keel: misuse: a start of a task%s", why);
    assert_non_null(strstr(support_child(spawn_in_child, NULL, &status), text));
    assert_int_equal(status, 0);
}

/* A task that forks, and returns in the child. */
static keel_err *fork_here(keel_ctx *ctx, void *status)
{
    (void)ctx;
    pid_t pid = fork();

    if (pid == 0)
        return NULL;
    check(pid > 0 && waitpid(pid, status, 0) == pid);
    return NULL;
}

static keel_err *say(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    fprintf(stderr, "another task\n");
    return NULL;
}

static keel_err *fork_beside_others(keel_ctx *ctx, void *status)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, say, NULL);
    keel_err *err = fork_here(ctx, status);
    if (*(int *)status == 0)
        return err; /* in the child: nothing is waited for */
    return keel_err_join(err, keel_group_wait(group));
}

static void return_in_child(void *yields)
{
    int status = 0;

    (void)yields;
    keel_runtime *rt;
    if (keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }) != NULL ||
        keel_runtime_run(rt, fork_beside_others, &status) != NULL)
        abort();
    must_abort(status);
    stop(rt);
}

static void a_task_that_returns_in_the_child_ends_it_before_other_tasks_run_twice(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(return_in_child, NULL, &status);
    assert_non_null(strstr(text, "keel: misuse: a task that ends in the child of a fork"));
    const char *first = strstr(text, "another task\n");
    assert_non_null(first);
    assert_null(strstr(first + 1, "another task\n"));
    assert_int_equal(status, 0);
}

/* ---- What it may ---- */

static void exec(void *arg)
{
    (void)arg;
    execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
}

static void exec_in_child(void *arg)
{
    (void)arg;
    keel_runtime *rt = start();
    int status = fork_and(exec, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
        abort();
    if (keel_runtime_run(rt, do_nothing, NULL) != NULL) /* the parent goes on */
        abort();
    stop(rt);
}

static keel_err *exec_from_task(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    int status = fork_and(exec, NULL);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return keel_sleep(ctx, KEEL_US(1));
}

static void use_runtime(void *arg)
{
    (void)arg;
    keel_runtime *rt = start();
    if (keel_runtime_run(rt, do_nothing, NULL) != NULL)
        abort();
    wait_(NULL);
    stop(rt);
}

static void start_in_child(void *arg)
{
    (void)arg;
    if (fork_and(use_runtime, NULL) != 0) /* before any runtime */
        abort();
    use_runtime(NULL);
    if (fork_and(use_runtime, NULL) != 0) /* and after the last one */
        abort();
}

static void fork_to_exec_is_fine_and_so_is_fork_without_a_runtime(void **state)
{
    int status;

    (void)state;
    assert_string_equal(support_child(exec_in_child, NULL, &status), "");
    assert_int_equal(status, 0);
    assert_string_equal(support_child(start_in_child, NULL, &status), "");
    assert_int_equal(status, 0);
    assert_ok(support_run(exec_from_task, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(the_first_wait_or_start_in_the_child_aborts),
        support_test(a_task_that_returns_in_the_child_ends_it_before_other_tasks_run_twice),
        support_test(fork_to_exec_is_fine_and_so_is_fork_without_a_runtime),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
