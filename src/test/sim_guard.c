/* SPDX-License-Identifier: MIT */
#include <keel/sim.h>

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

/* Functions of the C library that a simulation cannot answer. A program that defines them itself is
 * asked first, also by shared libraries. In a simulated task they end the run; elsewhere they do what
 * they always did. */

/* Names that a linker asked for (-u) takes from this archive, which nothing else would. */
extern const char keel__sim_guard;
const char keel__sim_guard = 1;

static _Thread_local bool finding;

/* Stores the C library's own function of that name in a function pointer, and in *known for the next
 * time. Threads that do so at once find the same. */
static bool find_original(keel__aptr *known, const char *name, void *pointer)
{
    void *function = keel__load_relaxed(known);

    if (function == NULL) {
        finding = true;
        function = dlsym(RTLD_NEXT, name);
        finding = false;
        keel__store_relaxed(known, function);
    }
    memcpy(pointer, &function, sizeof function);
    return function != NULL;
}

static void need_original(keel__aptr *known, const char *name, void *pointer)
{
    if (find_original(known, name, pointer))
        return;
    fprintf(stderr, "keel_sim_guard: no %s in a shared C library\n", name);
    abort();
}

/* dlsym may allocate, and an allocator may ask for the time. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static keel__aptr known;
    int (*real)(clockid_t, struct timespec *);

    keel_sim_outside("clock_gettime", "keel_ctx_now");
    if (!finding && find_original(&known, "clock_gettime", &real))
        return real(clock, now);
    return (int)syscall(SYS_clock_gettime, clock, now);
}

/* The others differ in name and parameters only. */
#define GUARD(result, name, instead, parameters, arguments)                                        \
    result name parameters                                                                         \
    {                                                                                              \
        static keel__aptr known;                                                                   \
        result(*real) parameters;                                                                  \
                                                                                                   \
        keel_sim_outside(#name, instead);                                                          \
        need_original(&known, #name, &real);                                                       \
        return real arguments;                                                                     \
    }

/* ---- Time ---- */

GUARD(int, gettimeofday, "keel_ctx_now", (struct timeval * now, void *zone), (now, zone))
GUARD(time_t, time, "keel_ctx_now", (time_t * now), (now))
GUARD(int, nanosleep, "keel_sleep", (const struct timespec *length, struct timespec *left),
      (length, left))
GUARD(int, usleep, "keel_sleep", (useconds_t length_us), (length_us))
GUARD(unsigned, sleep, "keel_sleep", (unsigned length_s), (length_s))

/* ---- Random numbers ---- */

GUARD(ssize_t, getrandom, "keel_rand_system_seed", (void *to, size_t size, unsigned flags),
      (to, size, flags))
GUARD(int, rand, "keel/rand.h", (void), ())
GUARD(long, random, "keel/rand.h", (void), ())

/* ---- Threads and processes ---- */

GUARD(int, pthread_create, "keel_group_go",
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),
      (thread, attributes, run, arg))
GUARD(pid_t, fork, NULL, (void), ())

/* ---- Sockets ---- */

/* `__extension__`: glibc declares addresses as unions of pointers. */

GUARD(int, socket, "keel/sim_net.h", (int domain, int type, int protocol), (domain, type, protocol))
__extension__ GUARD(
    int, connect, "keel/sim_net.h", (int fd, const struct sockaddr *to, socklen_t size),
    (fd, to, size)) __extension__ GUARD(int, accept, "keel/sim_net.h",
                                        (int fd, struct sockaddr *from, socklen_t *size),
                                        (fd, from,
                                         size)) __extension__ GUARD(int, bind, "keel/sim_net.h",
                                                                    (int fd,
                                                                     const struct sockaddr *to,
                                                                     socklen_t size),
                                                                    (fd, to, size))
    GUARD(int, listen, "keel/sim_net.h", (int fd, int backlog), (fd, backlog))
        GUARD(int, poll, "keel_select", (struct pollfd * fds, nfds_t count, int limit_ms),
              (fds, count, limit_ms))
            GUARD(int, select, "keel_select",
                  (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *limit),
                  (count, read, write, except, limit))
