/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
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

/* The others are asked about a descriptor that cannot be one: the kernel says so. */
static bool connect_works(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    errno = 0;
    return connect(-1, (struct sockaddr *)&to, sizeof to) == -1 && errno == EBADF;
}

static bool accept_works(void)
{
    errno = 0;
    return accept(-1, NULL, NULL) == -1 && errno == EBADF;
}

static bool bind_works(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    errno = 0;
    return bind(-1, (struct sockaddr *)&to, sizeof to) == -1 && errno == EBADF;
}

static bool listen_works(void)
{
    errno = 0;
    return listen(-1, 1) == -1 && errno == EBADF;
}

static bool poll_works(void)
{
    return poll(NULL, 0, 0) == 0;
}

static bool select_works(void)
{
    return select(0, NULL, NULL, NULL, &(struct timeval){ 0 }) == 0;
}

typedef struct use {
    bool (*works)(void);
    const char *says;
} use;

static use uses[] = {
    { clock_gettime_works,
      "clock_gettime: a simulated task asked the real world; use keel_ctx_now" },
    { gettimeofday_works, "gettimeofday: a simulated task asked the real world; use keel_ctx_now" },
    { time_works, "time: a simulated task asked the real world; use keel_ctx_now" },
    { nanosleep_works, "nanosleep: a simulated task asked the real world; use keel_sleep" },
    { usleep_works, "usleep: a simulated task asked the real world; use keel_sleep" },
    { sleep_works, "sleep: a simulated task asked the real world; use keel_sleep" },
    { getrandom_works,
      "getrandom: a simulated task asked the real world; use keel_rand_system_seed" },
    { rand_works, "rand: a simulated task asked the real world; use keel/rand.h" },
    { random_works, "random: a simulated task asked the real world; use keel/rand.h" },
    { pthread_create_works,
      "pthread_create: a simulated task asked the real world; use keel_group_go" },
    { fork_works, "fork: a simulated task asked the real world\n" },
    { socket_works, "socket: a simulated task asked the real world; use keel/sim_net.h" },
    { connect_works, "connect: a simulated task asked the real world; use keel/sim_net.h" },
    { accept_works, "accept: a simulated task asked the real world; use keel/sim_net.h" },
    { bind_works, "bind: a simulated task asked the real world; use keel/sim_net.h" },
    { listen_works, "listen: a simulated task asked the real world; use keel/sim_net.h" },
    { poll_works, "poll: a simulated task asked the real world; use keel_select" },
    { select_works, "select: a simulated task asked the real world; use keel_select" },
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

static void expect_outside(keel_sim_report *report, const char *says)
{
    if (report->kind != KEEL_SIM_OUTSIDE || strstr(report->text, says) == NULL)
        fail_msg("no \"%s\" in: %s", says, report->text);
    keel_sim_report_free(report);
}

static void each_function_is_named_when_a_task_uses_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < USES; i++) {
        keel_sim_report *report = keel_sim_explore("asks", let_a_task_ask, &uses[i], NULL);

        assert_int_equal(report->deviations, 0);
        assert_string_equal(report->replay, "asks:");
        expect_outside(keel_sim_replay(report->replay, let_a_task_ask, &uses[i], NULL),
                       uses[i].says);
        expect_outside(report, uses[i].says);
        expect_outside(keel_sim_run("asks", ask, &uses[i], NULL), uses[i].says);
    }
}

static keel_err *call_own_function(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_sim_outside("read_sensor", arg);
    return NULL;
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
            fail_msg("it does not work: %.*s", (int)strcspn(uses[i].says, ":"), uses[i].says);
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
    expect_outside(report, uses[0].says);
    expect_all_work();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(each_function_is_named_when_a_task_uses_it),
        support_test(a_function_of_the_users_can_be_guarded),
        support_test(a_scenario_that_uses_keel_only_passes),
        support_test(outside_of_a_simulation_all_work),
        support_test(between_the_runs_of_a_simulation_all_work),
        support_test(between_the_tasks_of_a_run_all_work),
        support_test(in_tasks_that_are_not_simulated_all_work),
        support_test(after_a_run_that_failed_all_work),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
