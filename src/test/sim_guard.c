/* SPDX-License-Identifier: MIT */
#undef _FORTIFY_SOURCE /* with it, headers define some of these functions themselves */
#include <keel/sim.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "task/sim_outside.h"

/* Functions of the C library that a simulation cannot answer. A program that defines them itself is
 * asked first, also by shared libraries. In a simulated task they end the run; elsewhere they do what
 * they always did. They are weak: a program that has its own `time`, say, keeps it. */

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

#define WEAK __attribute__((weak))

/* dlsym may allocate, and an allocator may ask for the time. */
WEAK int clock_gettime(clockid_t clock, struct timespec *now)
{
    static keel__aptr known;
    int (*real)(clockid_t, struct timespec *);

    keel__sim_outside("clock_gettime", "keel_ctx_now", __builtin_return_address(0));
    if (!finding && find_original(&known, "clock_gettime", &real))
        return real(clock, now);
    return (int)syscall(SYS_clock_gettime, clock, now);
}

/* Whether it concerns what a simulation has nothing to say about: files and pipes are the program's own. */
static bool is_outside(int fd)
{
    struct stat about;
    int saved_errno = errno;
    bool known = keel_sim_active() && fstat(fd, &about) == 0;

    errno = saved_errno;
    /* descriptors of events, signals and timers are of no type */
    return known && (S_ISSOCK(about.st_mode) || (about.st_mode & S_IFMT) == 0);
}

static bool is_random(const char *path)
{
    return path != NULL && (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0 ||
                            strcmp(path, "/dev/hwrng") == 0);
}

/* The others differ in name and parameters only. `symbol` is what a compiler that checks sizes calls
 * instead of `name`; `when` says when it matters. `__extension__`: glibc declares addresses as unions of
 * pointers. */
#define GUARD_AS(result, symbol, name, instead, when, parameters, arguments)                       \
    __extension__ WEAK result symbol parameters                                                    \
    {                                                                                              \
        static keel__aptr known;                                                                   \
        result(*real) parameters;                                                                  \
                                                                                                   \
        if (when)                                                                                  \
            keel__sim_outside(name, instead, __builtin_return_address(0));                         \
        need_original(&known, #symbol, &real);                                                     \
        return real arguments;                                                                     \
    }
#define GUARD(result, name, instead, parameters, arguments)                                        \
    GUARD_AS(result, name, #name, instead, true, parameters, arguments)

#define TIME "keel_ctx_now"
#define SLEEP "keel_sleep"
#define TIMER "keel_after"
#define RANDOM "keel/rand.h"
#define SEED "keel_rand_system_seed"
#define TASK "keel_group_go"
#define NET "keel/sim_net.h"
#define SELECT "keel_select"

/* musl's have these as unsigned. */
#ifdef __GLIBC__
typedef int message_flags;
#else
typedef unsigned message_flags;
#endif

/* ---- Time ---- */

GUARD(int, gettimeofday, TIME, (struct timeval *restrict now, void *restrict zone), (now, zone))
GUARD(time_t, time, TIME, (time_t * now), (now))
GUARD(int, timespec_get, TIME, (struct timespec * now, int base), (now, base))
GUARD(clock_t, clock, TIME, (void), ())
GUARD(int, nanosleep, SLEEP, (const struct timespec *length, struct timespec *left), (length, left))
GUARD(int, clock_nanosleep, SLEEP,
      (clockid_t clock, int flags, const struct timespec *length, struct timespec *left),
      (clock, flags, length, left))
GUARD(int, usleep, SLEEP, (useconds_t length_us), (length_us))
GUARD(unsigned, sleep, SLEEP, (unsigned length_s), (length_s))
GUARD(int, thrd_sleep, SLEEP, (const struct timespec *length, struct timespec *left),
      (length, left))
GUARD(unsigned, alarm, TIMER, (unsigned length_s), (length_s))
GUARD(int, timer_create, TIMER,
      (clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer),
      (clock, event, timer))
GUARD(int, timerfd_create, TIMER, (int clock, int flags), (clock, flags))
GUARD(int, sigwait, SELECT, (const sigset_t *restrict set, int *restrict number), (set, number))
GUARD(int, sigwaitinfo, SELECT, (const sigset_t *restrict set, siginfo_t *restrict info),
      (set, info))
GUARD(int, sigtimedwait, SELECT,
      (const sigset_t *restrict set, siginfo_t *restrict info,
       const struct timespec *restrict limit),
      (set, info, limit))

/* ---- Random numbers ---- */

GUARD(ssize_t, getrandom, SEED, (void *to, size_t size, unsigned flags), (to, size, flags))
GUARD(int, getentropy, SEED, (void *to, size_t size), (to, size))
GUARD(int, rand, RANDOM, (void), ())
GUARD(long, random, RANDOM, (void), ())
GUARD(double, drand48, RANDOM, (void), ())
GUARD(long, lrand48, RANDOM, (void), ())
GUARD(long, mrand48, RANDOM, (void), ())
#ifdef __GLIBC__
GUARD(uint32_t, arc4random, SEED, (void), ())
GUARD(uint32_t, arc4random_uniform, SEED, (uint32_t limit), (limit))
#endif

/* ---- Threads and processes ---- */

GUARD(int, pthread_create, TASK,
      (pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
       void *restrict arg),
      (thread, attributes, run, arg))
GUARD(int, thrd_create, TASK, (thrd_t * thread, thrd_start_t run, void *arg), (thread, run, arg))
GUARD(pid_t, fork, NULL, (void), ())
GUARD(int, posix_spawn, NULL,
      (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
       char *const environment[restrict]),
      (pid, path, actions, attributes, argv, environment))
GUARD(int, posix_spawnp, NULL,
      (pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *actions,
       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
       char *const environment[restrict]),
      (pid, file, actions, attributes, argv, environment))
GUARD(int, system, NULL, (const char *command), (command))
GUARD(FILE *, popen, NULL, (const char *command, const char *mode), (command, mode))
GUARD(pid_t, waitpid, NULL, (pid_t pid, int *status, int flags), (pid, status, flags))

/* ---- Sockets ---- */

GUARD(int, socket, NET, (int domain, int type, int protocol), (domain, type, protocol))
GUARD(int, socketpair, NET, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds))
GUARD(int, connect, NET, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
GUARD(int, accept, NET, (int fd, struct sockaddr *restrict from, socklen_t *restrict size),
      (fd, from, size))
GUARD(int, accept4, NET,
      (int fd, struct sockaddr *restrict from, socklen_t *restrict size, int flags),
      (fd, from, size, flags))
GUARD(int, bind, NET, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
GUARD(int, listen, NET, (int fd, int backlog), (fd, backlog))
GUARD(int, shutdown, NET, (int fd, int how), (fd, how))
GUARD(ssize_t, send, NET, (int fd, const void *from, size_t size, int flags),
      (fd, from, size, flags))
GUARD(ssize_t, sendto, NET,
      (int fd, const void *from, size_t size, int flags, const struct sockaddr *to,
       socklen_t to_size),
      (fd, from, size, flags, to, to_size))
GUARD(ssize_t, sendmsg, NET, (int fd, const struct msghdr *message, int flags),
      (fd, message, flags))
GUARD(int, sendmmsg, NET, (int fd, struct mmsghdr *messages, unsigned count, message_flags flags),
      (fd, messages, count, flags))
GUARD(ssize_t, recv, NET, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
GUARD(ssize_t, recvfrom, NET,
      (int fd, void *restrict to, size_t size, int flags, struct sockaddr *restrict from,
       socklen_t *restrict from_size),
      (fd, to, size, flags, from, from_size))
GUARD(ssize_t, recvmsg, NET, (int fd, struct msghdr *message, int flags), (fd, message, flags))
GUARD(int, recvmmsg, NET,
      (int fd, struct mmsghdr *messages, unsigned count, message_flags flags,
       struct timespec *limit),
      (fd, messages, count, flags, limit))
GUARD(int, getaddrinfo, NET,
      (const char *restrict host, const char *restrict service,
       const struct addrinfo *restrict hints, struct addrinfo **restrict found),
      (host, service, hints, found))

/* ---- Descriptors ---- */

GUARD(int, poll, SELECT, (struct pollfd * fds, nfds_t count, int limit_ms), (fds, count, limit_ms))
GUARD(int, ppoll, SELECT,
      (struct pollfd * fds, nfds_t count, const struct timespec *limit, const sigset_t *mask),
      (fds, count, limit, mask))
GUARD(int, select, SELECT,
      (int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
       struct timeval *restrict limit),
      (count, read, write, except, limit))
GUARD(int, pselect, SELECT,
      (int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
       const struct timespec *restrict limit, const sigset_t *restrict mask),
      (count, read, write, except, limit, mask))
GUARD(int, epoll_create, SELECT, (int size), (size))
GUARD(int, epoll_create1, SELECT, (int flags), (flags))
GUARD(int, epoll_wait, SELECT, (int fd, struct epoll_event *events, int room, int limit_ms),
      (fd, events, room, limit_ms))
GUARD(int, epoll_pwait, SELECT,
      (int fd, struct epoll_event *events, int room, int limit_ms, const sigset_t *mask),
      (fd, events, room, limit_ms, mask))
GUARD(int, eventfd, SELECT, (unsigned count, int flags), (count, flags))
GUARD(int, eventfd_read, SELECT, (int fd, eventfd_t *count), (fd, count))
GUARD(int, eventfd_write, SELECT, (int fd, eventfd_t count), (fd, count))
GUARD(int, signalfd, SELECT, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
GUARD_AS(ssize_t, read, "read", NET, is_outside(fd), (int fd, void *to, size_t size),
         (fd, to, size))
GUARD_AS(ssize_t, readv, "readv", NET, is_outside(fd),
         (int fd, const struct iovec *parts, int count), (fd, parts, count))
GUARD_AS(ssize_t, write, "write", NET, is_outside(fd), (int fd, const void *from, size_t size),
         (fd, from, size))
GUARD_AS(ssize_t, writev, "writev", NET, is_outside(fd),
         (int fd, const struct iovec *parts, int count), (fd, parts, count))

/* ---- What programs call that are compiled with checks of sizes (_FORTIFY_SOURCE) ---- */

#ifdef __GLIBC__
GUARD_AS(int, __poll_chk, "poll", SELECT, true,
         (struct pollfd * fds, nfds_t count, int limit_ms, size_t room),
         (fds, count, limit_ms, room))
GUARD_AS(int, __ppoll_chk, "ppoll", SELECT, true,
         (struct pollfd * fds, nfds_t count, const struct timespec *limit, const sigset_t *mask,
          size_t room),
         (fds, count, limit, mask, room))
GUARD_AS(ssize_t, __read_chk, "read", NET, is_outside(fd),
         (int fd, void *to, size_t size, size_t room), (fd, to, size, room))
GUARD_AS(ssize_t, __recv_chk, "recv", NET, true,
         (int fd, void *to, size_t size, size_t room, int flags), (fd, to, size, room, flags))
GUARD_AS(ssize_t, __recvfrom_chk, "recvfrom", NET, true,
         (int fd, void *restrict to, size_t size, size_t room, int flags,
          struct sockaddr *restrict from, socklen_t *restrict from_size),
         (fd, to, size, room, flags, from, from_size))
#endif

/* ---- Devices of random numbers ---- */

GUARD_AS(FILE *, fopen, "fopen of random numbers", SEED, is_random(path),
         (const char *restrict path, const char *restrict mode), (path, mode))
#ifdef __GLIBC__
GUARD_AS(FILE *, fopen64, "fopen of random numbers", SEED, is_random(path),
         (const char *restrict path, const char *restrict mode), (path, mode))
#endif

/* A mode follows only if they are to make a file. */
#define GUARD_OPEN(symbol)                                                                         \
    WEAK int symbol(const char *path, int flags, ...)                                              \
    {                                                                                              \
        static keel__aptr known;                                                                   \
        int (*real)(const char *, int, ...);                                                       \
        mode_t mode = 0;                                                                           \
                                                                                                   \
        if (is_random(path))                                                                       \
            keel__sim_outside("open of random numbers", SEED, __builtin_return_address(0));        \
        if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {                          \
            va_list args;                                                                          \
                                                                                                   \
            va_start(args, flags);                                                                 \
            mode = va_arg(args, mode_t);                                                           \
            va_end(args);                                                                          \
        }                                                                                          \
        need_original(&known, #symbol, &real);                                                     \
        return real(path, flags, mode);                                                            \
    }

GUARD_OPEN(open)
#ifdef __GLIBC__
GUARD_OPEN(open64)
#endif
