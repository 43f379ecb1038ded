/* SPDX-License-Identifier: MIT */
#include "task/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <keel/clock.h>

#include "task/uverr.h"

/* ---- Threads ---- */

keel_err *keel__thread_start(keel__thread *thread, void *(*run)(void *arg), void *arg)
{
    sigset_t pipe_signal, before;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before); /* inherited by the new thread */
    int code = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return keel_err_wrap(
            KEEL_ERR_LIMIT,
            "pthread_create: %s: hit RLIMIT_NPROC (ulimit -u), kernel.threads-max, "
            "the cgroup's pids.max or the memory for a stack",
            strerror(code));
    return NULL;
}

void keel__thread_join(keel__thread thread)
{
    pthread_join(thread, NULL);
}

void keel__thread_yield(void)
{
    sched_yield();
}

/* ---- Gates ---- */

void keel__gate_init(keel__gate *gate)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&gate->mutex, NULL);
    pthread_condattr_init(&attr);
#ifndef __APPLE__
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&gate->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void keel__gate_wait(keel__gate *gate, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
        return;
    }
#ifdef __APPLE__
    int64_t left_ns = deadline_ns - keel_clock_now(keel_clock_system());
    if (left_ns <= 0)
        return;
    pthread_cond_timedwait_relative_np(
        &gate->changed, &gate->mutex,
        &(struct timespec){ .tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000 });
#else
    struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / 1000000000),
                                 .tv_nsec = (long)(deadline_ns % 1000000000) };
    pthread_cond_timedwait(&gate->changed, &gate->mutex, &deadline);
#endif
}

/* ---- Bells ---- */

void keel__bell_init(keel__bell *bell)
{
    sem_init(&bell->rings, 0, 0);
}

void keel__bell_deinit(keel__bell *bell)
{
    sem_destroy(&bell->rings);
}

void keel__bell_wait(keel__bell *bell, int64_t deadline_ns)
{
    struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / 1000000000),
                                 .tv_nsec = (long)(deadline_ns % 1000000000) };

    if (deadline_ns == INT64_MAX) {
        sem_wait(&bell->rings);
        return;
    }
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 30)
    sem_clockwait(&bell->rings, CLOCK_MONOTONIC, &deadline);
#else
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t at_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec + deadline_ns - keel__os_now();
    deadline.tv_sec = (time_t)(at_ns / 1000000000);
    deadline.tv_nsec = (long)(at_ns % 1000000000);
    sem_timedwait(&bell->rings, &deadline);
#endif
}

/* ---- Event loops ---- */

static void on_async(uv_async_t *async)
{
    (void)async; /* the loop has returned, and that was the purpose */
}

/* A file descriptor that is missing is a limit that was hit; say which. */
static keel_err *loop_error(int status)
{
    if (status == UV_EMFILE || status == UV_ENFILE)
        return keel_err_wrap(KEEL_ERR_LIMIT, "event loop of a worker: hit %s",
                             status == UV_EMFILE ? "RLIMIT_NOFILE (ulimit -n)" : "fs.file-max");
    return status == UV_ENOMEM ? KEEL_ERR_NOMEM
                               : keel__err_from_uv(status, "event loop of a worker");
}

/* A program that was started without standard input, output or error must not find the loop's descriptors in their
 * place: what it prints would go there, and libuv refuses to close them. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            return; /* then there will be no loop either */
    }
}

keel_err *keel__loop_init(keel__loop *loop)
{
    fill_standard_descriptors();
    int status = uv_loop_init(&loop->uv);

    if (status != 0)
        return loop_error(status);
    status = uv_async_init(&loop->uv, &loop->async, on_async);
    if (status != 0) {
        uv_loop_close(&loop->uv);
        return loop_error(status);
    }
    return NULL;
}

void keel__loop_deinit(keel__loop *loop)
{
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
}

void keel__loop_sleep(keel__loop *loop, int64_t limit_ns)
{
    int loop_ms = uv_backend_timeout(&loop->uv);

    if (loop_ms >= 0 && loop_ms * (int64_t)1000000 < limit_ns)
        limit_ns = loop_ms * (int64_t)1000000;

    struct pollfd ready = { .fd = uv_backend_fd(&loop->uv), .events = POLLIN };
#ifdef __linux__
    struct timespec limit = { .tv_sec = (time_t)(limit_ns / 1000000000),
                              .tv_nsec = (long)(limit_ns % 1000000000) };
    int events = ppoll(&ready, 1, limit_ns == INT64_MAX ? NULL : &limit, NULL);
#else
    int limit_ms = limit_ns == INT64_MAX      ? -1
                   : limit_ns > INT64_MAX / 4 ? INT32_MAX
                                              : (int)((limit_ns + 999999) / 1000000);
    int events = poll(&ready, 1, limit_ms);
#endif
    if (events > 0 || loop_ms >= 0)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}
