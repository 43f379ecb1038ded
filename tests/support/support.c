/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Results ---- */

keel_err *support_expect(keel_err *err, const keel_err *target, const char *call, const char *where)
{
    if (keel_err_is(err, target)) {
        keel_err_free(err);
        return NULL;
    }
    if (err == NULL)
        return keel_err_new_at(where, "check failed: %s succeeded (%s)", call, where);
    return keel_err_wrap_at(where, err, "check failed: %s (%s)", call, where);
}

/* ---- Child processes ---- */

/* A child that hangs ends after this many seconds, by SIGALRM. */
enum { CHILD_LIMIT_S = 60 };

static _Noreturn void be_child(int output, void (*fn)(void *arg), void *arg)
{
    dup2(output, STDERR_FILENO);
    close(output);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    alarm(CHILD_LIMIT_S);
    /* cmocka turns some signals into failed tests; here they must end the process */
    int caught[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
        signal(caught[i], SIG_DFL);
    fn(arg);
    fflush(stderr);
    _exit(0);
}

/* Reads to the end; what finds no room is dropped, so that the child is never held up. */
static void drain(int input, char *text, size_t size)
{
    char piece[1024];
    size_t length = 0;
    ssize_t got;

    while ((got = read(input, piece, sizeof piece)) > 0) {
        size_t room = size - 1 - length;
        size_t count = (size_t)got < room ? (size_t)got : room;
        memcpy(text + length, piece, count);
        length += count;
    }
    text[length] = '\0';
}

const char *support_child(void (*fn)(void *arg), void *arg, int *status)
{
    static char text[16 * 1024];
    int ends[2];

    fflush(NULL);
    if (pipe(ends) != 0)
        fail_msg("no pipe");
    pid_t child = fork();
    if (child < 0)
        fail_msg("no child process");
    if (child == 0) {
        close(ends[0]);
        be_child(ends[1], fn, arg);
    }
    close(ends[1]);
    drain(ends[0], text, sizeof text);
    close(ends[0]);
    if (waitpid(child, status, 0) != child)
        fail_msg("the child process is gone");
    return text;
}

void support_assert_aborts(void (*fn)(void *arg), void *arg, const char *message)
{
    int status;
    const char *text = support_child(fn, arg, &status);

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("no abort, but status %#x; it wrote: %s", (unsigned)status, text);
    if (strstr(text, message) == NULL)
        fail_msg("it aborted without \"%s\"; it wrote: %s", message, text);
}
