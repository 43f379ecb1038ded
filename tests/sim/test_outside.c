/* SPDX-License-Identifier: MIT */
#undef _FORTIFY_SOURCE /* its functions are called by name */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <keel/sim.h>

#include "task/worker.h"

/* With keel::sim_guard, whoever asks the real world in a simulated task is named; elsewhere each of
 * these functions does what it always did. */

/* ---- Each function, with a question that is answered at once ---- */

static bool clock_gettime_works(void)
{
    struct timespec now = { 0 };

    return clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 0;
}

static bool gettimeofday_works(void)
{
    struct timeval now = { 0 };

    return gettimeofday(&now, NULL) == 0 && now.tv_sec > 0;
}

static bool time_works(void)
{
    time_t now = 0;

    return time(&now) > 0 && now > 0;
}

static bool nanosleep_works(void)
{
    return nanosleep(&(struct timespec){ .tv_nsec = 1 }, NULL) == 0;
}

static bool usleep_works(void)
{
    return usleep(1) == 0;
}

static bool sleep_works(void)
{
    return sleep(0) == 0;
}

static bool getrandom_works(void)
{
    char bytes[8];

    return getrandom(bytes, sizeof bytes, GRND_NONBLOCK) == (ssize_t)sizeof bytes;
}

static bool rand_works(void)
{
    srand(1);
    int first = rand();
    srand(1);
    return rand() == first;
}

static bool random_works(void)
{
    srandom(1);
    long first = random();
    srandom(1);
    return random() == first;
}

static void *return_arg(void *arg)
{
    return arg;
}

static bool pthread_create_works(void)
{
    int one = 0;
    void *result = NULL;
    pthread_t thread;

    return pthread_create(&thread, NULL, return_arg, &one) == 0 &&
           pthread_join(thread, &result) == 0 && result == &one;
}

static bool fork_works(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(7);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 7;
}

static bool socket_works(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    return fd >= 0 && close(fd) == 0;
}

/* Many are asked about a descriptor that cannot be one: the kernel says so. */
#define REFUSED(call) (errno = 0, (call) == -1 && errno == EBADF)

static struct sockaddr_in nobody = { .sin_family = AF_INET };
#define NOBODY (struct sockaddr *)&nobody, sizeof nobody

static int event_fd; /* made in main: what counts up and down without waiting */
static char bytes[8];
static struct iovec one_part[] = { { .iov_base = bytes, .iov_len = sizeof bytes } };

#define WORKS(name, ...)                                                                           \
    static bool name##_works(void)                                                                 \
    {                                                                                              \
        return __VA_ARGS__;                                                                        \
    }

/* clang-format off */
WORKS(connect, REFUSED(connect(-1, NOBODY)))
WORKS(accept, REFUSED(accept(-1, NULL, NULL)))
WORKS(accept4, REFUSED(accept4(-1, NULL, NULL, 0)))
WORKS(bind, REFUSED(bind(-1, NOBODY)))
WORKS(listen, REFUSED(listen(-1, 1)))
WORKS(shutdown, REFUSED(shutdown(-1, SHUT_RD)))
WORKS(send, REFUSED(send(-1, bytes, 1, 0)))
WORKS(sendto, REFUSED(sendto(-1, bytes, 1, 0, NOBODY)))
WORKS(sendmsg, REFUSED(sendmsg(-1, &(struct msghdr){ 0 }, 0)))
WORKS(sendmmsg, REFUSED(sendmmsg(-1, &(struct mmsghdr){ 0 }, 1, 0)))
WORKS(recv, REFUSED(recv(-1, bytes, 1, 0)))
WORKS(recvfrom, REFUSED(recvfrom(-1, bytes, 1, 0, NULL, NULL)))
WORKS(recvmsg, REFUSED(recvmsg(-1, &(struct msghdr){ 0 }, 0)))
WORKS(recvmmsg, REFUSED(recvmmsg(-1, &(struct mmsghdr){ 0 }, 1, 0, NULL)))
WORKS(epoll_wait, REFUSED(epoll_wait(-1, &(struct epoll_event){ 0 }, 1, 0)))
WORKS(epoll_pwait, REFUSED(epoll_pwait(-1, &(struct epoll_event){ 0 }, 1, 0, NULL)))
WORKS(eventfd_read, eventfd_read(event_fd, (eventfd_t *)bytes) == 0)
WORKS(eventfd_write, eventfd_write(event_fd, 1) == 0)
WORKS(epoll_create, close(epoll_create(1)) == 0)
WORKS(epoll_create1, close(epoll_create1(0)) == 0)
WORKS(eventfd, close(eventfd(0, 0)) == 0)
WORKS(timerfd_create, close(timerfd_create(CLOCK_MONOTONIC, 0)) == 0)
WORKS(read, read(event_fd, bytes, sizeof bytes) == sizeof bytes)
WORKS(readv, readv(event_fd, one_part, 1) == sizeof bytes)
WORKS(write, write(event_fd, &(uint64_t){ 1 }, 8) == 8)
WORKS(writev, writev(event_fd, &(struct iovec){ &(uint64_t){ 1 }, 8 }, 1) == 8)
WORKS(poll, poll(NULL, 0, 0) == 0)
WORKS(ppoll, ppoll(NULL, 0, &(struct timespec){ 0 }, NULL) == 0)
WORKS(select, select(0, NULL, NULL, NULL, &(struct timeval){ 0 }) == 0)
WORKS(pselect, pselect(0, NULL, NULL, NULL, &(struct timespec){ 0 }, NULL) == 0)
WORKS(clock, clock() != (clock_t)-1)
WORKS(timespec_get, timespec_get(&(struct timespec){ 0 }, TIME_UTC) == TIME_UTC)
WORKS(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1 }, NULL) == 0)
WORKS(thrd_sleep, thrd_sleep(&(struct timespec){ .tv_nsec = 1 }, NULL) == 0)
WORKS(alarm, alarm(0) == 0)
WORKS(getentropy, getentropy(bytes, sizeof bytes) == 0)
WORKS(drand48, (srand48(1), drand48() < 1.0))
WORKS(lrand48, (srand48(1), lrand48() > 0))
WORKS(mrand48, (srand48(1), mrand48() != 0))
WORKS(waitpid, waitpid(1, NULL, 0) == -1 && errno == ECHILD)
WORKS(system, WEXITSTATUS(system("exit 7")) == 7)
WORKS(popen, WEXITSTATUS(pclose(popen("exit 7", "r"))) == 7)
WORKS(open, close(open("/dev/urandom", O_RDONLY)) == 0)
WORKS(fopen, fclose(fopen("/dev/urandom", "r")) == 0)
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 36)
WORKS(arc4random, (arc4random() | 1) != 0)
WORKS(arc4random_uniform, arc4random_uniform(3) < 3)
#endif
WORKS(open64, close(open64("/dev/random", O_RDONLY)) == 0)
WORKS(fopen64, fclose(fopen64("/dev/random", "r")) == 0)

/* What a program calls that is compiled with _FORTIFY_SOURCE. */
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
WORKS(poll_chk, __poll_chk(NULL, 0, 0, 0) == 0)
WORKS(ppoll_chk, __ppoll_chk(NULL, 0, &(struct timespec){ 0 }, NULL, 0) == 0)
WORKS(read_chk, __read_chk(event_fd, bytes, sizeof bytes, sizeof bytes) == sizeof bytes)
WORKS(recv_chk, REFUSED(__recv_chk(-1, bytes, 1, 1, 0)))
WORKS(recvfrom_chk, REFUSED(__recvfrom_chk(-1, bytes, 1, 1, 0, NULL, NULL)))
#endif
/* clang-format on */

static bool socketpair_works(void)
{
    int fds[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && close(fds[0]) == 0 &&
           close(fds[1]) == 0;
}

static bool getaddrinfo_works(void)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;
    int status = getaddrinfo("127.0.0.1", NULL, &hints, &found);

    if (status == 0)
        freeaddrinfo(found);
    return status == 0;
}

static bool signalfd_works(void)
{
    sigset_t none;

    sigemptyset(&none);
    return close(signalfd(-1, &none, 0)) == 0;
}

static bool timer_create_works(void)
{
    struct sigevent nothing = { .sigev_notify = SIGEV_NONE };
    timer_t timer;

    return timer_create(CLOCK_MONOTONIC, &nothing, &timer) == 0 && timer_delete(timer) == 0;
}

/* With a signal that is there already. */
static bool takes_signal(int (*take)(const sigset_t *set))
{
    sigset_t one, before;

    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    raise(SIGUSR1);
    int taken = take(&one);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return taken == SIGUSR1;
}

static int take_by_sigwait(const sigset_t *set)
{
    int number = 0;

    return sigwait(set, &number) == 0 ? number : 0;
}

static int take_by_sigwaitinfo(const sigset_t *set)
{
    return sigwaitinfo(set, NULL);
}

static int take_by_sigtimedwait(const sigset_t *set)
{
    return sigtimedwait(set, NULL, &(struct timespec){ 0 });
}

WORKS(sigwait, takes_signal(take_by_sigwait))
WORKS(sigwaitinfo, takes_signal(take_by_sigwaitinfo))
WORKS(sigtimedwait, takes_signal(take_by_sigtimedwait))

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

static bool thrd_create_works(void)
{
    thrd_t thread;
    int result = 0;

    return thrd_create(&thread, return_seven, NULL) == thrd_success &&
           thrd_join(thread, &result) == thrd_success && result == 7;
}

static bool spawns(bool by_path)
{
    char *argv[] = { "sh", "-c", "exit 7", NULL };
    pid_t child;
    int status = 0;

    if ((by_path ? posix_spawnp(&child, "sh", NULL, NULL, argv, NULL)
                 : posix_spawn(&child, "/bin/sh", NULL, NULL, argv, NULL)) != 0)
        return false;
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7;
}

WORKS(posix_spawn, spawns(false))
WORKS(posix_spawnp, spawns(true))

typedef struct use {
    bool (*works)(void);
    const char *name, *instead;
} use;

#define USE(name, instead)                                                                         \
    {                                                                                              \
        name##_works, #name, instead                                                               \
    }

static use uses[] = {
    USE(clock_gettime, "keel_ctx_now"),
    USE(gettimeofday, "keel_ctx_now"),
    USE(time, "keel_ctx_now"),
    USE(timespec_get, "keel_ctx_now"),
    USE(clock, "keel_ctx_now"),
    USE(nanosleep, "keel_sleep"),
    USE(clock_nanosleep, "keel_sleep"),
    USE(usleep, "keel_sleep"),
    USE(sleep, "keel_sleep"),
    USE(thrd_sleep, "keel_sleep"),
    USE(alarm, "keel_after"),
    USE(timer_create, "keel_after"),
    USE(timerfd_create, "keel_after"),
    USE(getrandom, "keel_rand_system_seed"),
    USE(getentropy, "keel_rand_system_seed"),
    USE(rand, "keel/rand.h"),
    USE(random, "keel/rand.h"),
    USE(drand48, "keel/rand.h"),
    USE(lrand48, "keel/rand.h"),
    USE(mrand48, "keel/rand.h"),
    USE(pthread_create, "keel_group_go"),
    USE(thrd_create, "keel_group_go"),
    USE(fork, NULL),
    USE(posix_spawn, NULL),
    USE(posix_spawnp, NULL),
    USE(system, NULL),
    USE(popen, NULL),
    USE(waitpid, NULL),
    USE(socket, "keel/sim_net.h"),
    USE(socketpair, "keel/sim_net.h"),
    USE(connect, "keel/sim_net.h"),
    USE(accept, "keel/sim_net.h"),
    USE(accept4, "keel/sim_net.h"),
    USE(bind, "keel/sim_net.h"),
    USE(listen, "keel/sim_net.h"),
    USE(shutdown, "keel/sim_net.h"),
    USE(send, "keel/sim_net.h"),
    USE(sendto, "keel/sim_net.h"),
    USE(sendmsg, "keel/sim_net.h"),
    USE(sendmmsg, "keel/sim_net.h"),
    USE(recv, "keel/sim_net.h"),
    USE(recvfrom, "keel/sim_net.h"),
    USE(recvmsg, "keel/sim_net.h"),
    USE(recvmmsg, "keel/sim_net.h"),
    USE(getaddrinfo, "keel/sim_net.h"),
    USE(read, "keel/sim_net.h"),
    USE(readv, "keel/sim_net.h"),
    USE(write, "keel/sim_net.h"),
    USE(writev, "keel/sim_net.h"),
    USE(poll, "keel_select"),
    USE(ppoll, "keel_select"),
    USE(select, "keel_select"),
    USE(pselect, "keel_select"),
    USE(epoll_create, "keel_select"),
    USE(epoll_create1, "keel_select"),
    USE(epoll_wait, "keel_select"),
    USE(epoll_pwait, "keel_select"),
    USE(eventfd, "keel_select"),
    USE(eventfd_read, "keel_select"),
    USE(eventfd_write, "keel_select"),
    USE(signalfd, "keel_select"),
    USE(sigwait, "keel_select"),
    USE(sigwaitinfo, "keel_select"),
    USE(sigtimedwait, "keel_select"),
    { open_works, "open of random numbers", "keel_rand_system_seed" },
    { fopen_works, "fopen of random numbers", "keel_rand_system_seed" },
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 36)
    USE(arc4random, "keel_rand_system_seed"),
    USE(arc4random_uniform, "keel_rand_system_seed"),
#endif
    { open64_works, "open of random numbers", "keel_rand_system_seed" },
    { fopen64_works, "fopen of random numbers", "keel_rand_system_seed" },
    { poll_chk_works, "poll", "keel_select" },
    { ppoll_chk_works, "ppoll", "keel_select" },
    { read_chk_works, "read", "keel/sim_net.h" },
    { recv_chk_works, "recv", "keel/sim_net.h" },
    { recvfrom_chk_works, "recvfrom", "keel/sim_net.h" },
#endif
};
enum { USES = sizeof uses / sizeof *uses };

/* ---- In a simulation ---- */

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    const use *u = arg;

    (void)ctx;
    KEEL_CHECK(u->works());
    return NULL;
}

static keel_err *let_a_task_ask(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, ask, arg);
    return keel_group_wait(group);
}

static const char *says(const use *u)
{
    static char text[200];

    snprintf(text, sizeof text, "%s: a simulated task asked the real world%s%s\n", u->name,
             u->instead != NULL ? "; use " : "", u->instead != NULL ? u->instead : "");
    return text;
}

static void expect_outside(keel_sim_report *report, const char *text)
{
    if (report->kind != KEEL_SIM_OUTSIDE || strstr(report->text, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, report->text);
    keel_sim_report_free(report);
}

static void each_function_is_named_when_a_task_uses_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < USES; i++) {
        keel_sim_report *report = keel_sim_explore("asks", let_a_task_ask, &uses[i], NULL);

        assert_int_equal(report->deviations, 0);
        assert_string_equal(report->replay, "asks:");
        if (system("command -v addr2line >/dev/null") == 0 &&
            strstr(report->text, "/tests/sim/test_outside.c:") == NULL)
            fail_msg("no place in: %s", report->text);
        expect_outside(keel_sim_replay(report->replay, let_a_task_ask, &uses[i], NULL),
                       says(&uses[i]));
        expect_outside(report, says(&uses[i]));
        expect_outside(keel_sim_run("asks", ask, &uses[i], NULL), says(&uses[i]));
    }
}

static keel_err *call_own_function(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_sim_outside("read_sensor", arg);
    return NULL;
}

/* They are the program's own, and give the same answers in every run. */
static keel_err *use_files_and_pipes(keel_ctx *ctx, void *arg)
{
    int fds[2], *status = arg;
    char got[2];

    (void)ctx;
    KEEL_CHECK(pipe(fds) == 0);
    KEEL_CHECK(write(fds[1], "ab", 2) == 2 && read(fds[0], got, 2) == 2 && got[1] == 'b');
    KEEL_CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    int file = open("/dev/null", O_RDWR);
    KEEL_CHECK(write(file, got, 2) == 2 && read(file, got, 2) == 0 && close(file) == 0);
    errno = 5;
    KEEL_CHECK(read(-1, got, 2) == -1 && errno == EBADF);
    *status = fclose(fopen("/dev/null", "r"));
    return NULL;
}

static void files_and_pipes_are_not_the_outside_world(void **state)
{
    int status = -1;

    (void)state;
    assert_sim_ok(keel_sim_explore("files", use_files_and_pipes, &status, NULL));
    assert_int_equal(status, 0);
}

static void a_function_of_the_users_can_be_guarded(void **state)
{
    (void)state;
    expect_outside(keel_sim_run("own", call_own_function, "a model of it", NULL),
                   "read_sensor: a simulated task asked the real world; use a model of it");
    expect_outside(keel_sim_run("own", call_own_function, NULL, NULL),
                   "read_sensor: a simulated task asked the real world\n");
    assert_null(call_own_function(NULL, NULL));
}

static keel_err *wait_a_little(void *arg)
{
    (void)arg;
    keel_rand rand;

    keel_rand_seed(&rand, keel_rand_system_seed());
    return NULL;
}

static keel_err *send_one(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(keel_sleep(ctx, KEEL_S(3600)));
    return keel_chan_send(ctx, arg, &(int){ 1 });
}

/* Clocks, deadlines, random seeds, tasks, offloaded calls: all that the library asks is simulated. */
static keel_err *use_keel_only(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);
    keel_chan *chan;
    int got = 0;

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof(int), NULL));
    keel_group_go(group, send_one, chan);
    keel_err *err = keel_chan_recv(ctx, chan, &got);
    err = keel_err_join(err, keel_group_wait(group));
    keel_chan_free(chan);
    KEEL_CHECK(got == 1);
    KEEL_CHECK(keel_ctx_now(ctx) >= KEEL_S(3600));
    KEEL_CHECK(keel_clock_now(keel_clock_system()) == keel_ctx_now(ctx));
    return keel_err_join(err, keel_offload(ctx, wait_a_little, NULL));
}

static void a_scenario_that_uses_keel_only_passes(void **state)
{
    (void)state;
    assert_sim_ok(keel_sim_explore("keel only", use_keel_only, NULL, NULL));
}

/* ---- Elsewhere ---- */

static void expect_all_work(void)
{
    for (size_t i = 0; i < USES; i++)
        if (!uses[i].works())
            fail_msg("it does not work: %s", uses[i].name);
}

static void outside_of_a_simulation_all_work(void **state)
{
    (void)state;
    expect_all_work();
}

static size_t resets;

static void ask_all(void *arg)
{
    (void)arg;
    expect_all_work();
    resets++;
}

static void between_the_runs_of_a_simulation_all_work(void **state)
{
    (void)state;
    resets = 0;
    assert_sim_ok(keel_sim_explore("keel only", use_keel_only, NULL,
                                   &(keel_sim_opts){ .reset = ask_all, .max_runs = 3 }));
    assert_true(resets >= 3);
}

static size_t answered; /* on the engine's own stack */

static void ask_on_fire(keel__timer *timer)
{
    (void)timer;
    for (size_t i = 0; i < USES; i++)
        answered += uses[i].works();
}

static keel_err *let_the_engine_ask(keel_ctx *ctx, void *arg)
{
    keel__timer timer = { .when_ns = KEEL_MS(1), .fire = ask_on_fire };

    (void)arg;
    keel__worker_arm(keel__worker_self()->rt, &timer);
    return keel_sleep(ctx, KEEL_MS(2));
}

/* What a timer of the library's does, or an allocator that is called between tasks. */
static void between_the_tasks_of_a_run_all_work(void **state)
{
    (void)state;
    answered = 0;
    assert_sim_ok(keel_sim_run("engine asks", let_the_engine_ask, NULL, NULL));
    assert_true(answered >= USES && answered % USES == 0); /* in each of the runs made to compare */
}

static keel_err *ask_all_in_a_task(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (size_t i = 0; i < USES; i++)
        check(uses[i].works());
    return NULL;
}

static void in_tasks_that_are_not_simulated_all_work(void **state)
{
    (void)state;
    assert_ok(support_run(ask_all_in_a_task, NULL));
}

static void *explore_on_this_thread(void *arg)
{
    (void)arg;
    return keel_sim_explore("asks", let_a_task_ask, &uses[0], NULL);
}

/* A simulation concerns its own thread. */
static void after_a_run_that_failed_all_work(void **state)
{
    pthread_t thread;
    void *report;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, explore_on_this_thread, NULL), 0);
    expect_all_work();
    assert_int_equal(pthread_join(thread, &report), 0);
    expect_outside(report, says(&uses[0]));
    expect_all_work();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(each_function_is_named_when_a_task_uses_it),
        support_test(files_and_pipes_are_not_the_outside_world),
        support_test(a_function_of_the_users_can_be_guarded),
        support_test(a_scenario_that_uses_keel_only_passes),
        support_test(outside_of_a_simulation_all_work),
        support_test(between_the_runs_of_a_simulation_all_work),
        support_test(between_the_tasks_of_a_run_all_work),
        support_test(in_tasks_that_are_not_simulated_all_work),
        support_test(after_a_run_that_failed_all_work),
    };

    /* of a task that is reported before it takes its signal that stays pending, for every stack */
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    event_fd = eventfd(1000000, EFD_SEMAPHORE);
    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
