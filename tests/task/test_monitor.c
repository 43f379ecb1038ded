/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "task/switch.h"
#include "task/worker.h"

/* Tasks that keep their worker do so until they were reported, however long that takes. */

typedef struct reports {
    keel__a32 of_hog, of_other, placed, with_frames;
} reports;

static void take(void *r_, const char *report)
{
    reports *r = r_;

    if (strstr(report, "keel: task 'hog' (started at ") == report)
        keel__add(&r->of_hog, 1);
    else
        keel__add(&r->of_other, 1);
    if (strstr(report, "/test_monitor.c:") != NULL && strstr(report, " has kept worker ") != NULL &&
        strstr(report, "ms from other tasks: ") != NULL)
        keel__add(&r->placed, 1);
    if (strstr(report, "\n  ") != NULL)
        keel__add(&r->with_frames, 1);
}

static keel_runtime *start(reports *r, unsigned workers, bool handle_faults)
{
    keel_runtime *rt;

    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers,
                                                            .stall_ns = KEEL_MS(1),
                                                            .on_stall = take,
                                                            .on_stall_arg = r,
                                                            .handle_faults = handle_faults }));
    return rt;
}

static keel_err *hog(keel_ctx *ctx, void *r_)
{
    reports *r = r_;

    (void)ctx;
    while (keel__load(&r->of_hog) == 0)
        keel__pause();
    return NULL;
}

static void a_task_that_keeps_its_worker_is_reported(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        reports r = { 0 };
        keel_runtime *rt = start(&r, workers, false);

        assert_ok(keel_runtime_run(rt, hog, &r));
        assert_ok(keel_runtime_stop(NULL, rt));
        assert_int_equal(keel__load(&r.of_hog), 1);
        assert_int_equal(keel__load(&r.placed), keel__load(&r.of_hog) + keel__load(&r.of_other));
        assert_int_equal(keel__load(&r.with_frames), 0); /* that needs a signal handler */
    }
}

/* While the one has one spell, the other has several. */
static keel_err *come_and_go(keel_ctx *ctx, void *r_)
{
    reports *r = r_;

    (void)ctx;
    for (uint32_t spell = 0; spell < 5; spell++) {
        while (keel__load(&r->of_other) <= spell)
            keel__pause();
        keel_yield();
    }
    return NULL;
}

static keel_err *keep_on(keel_ctx *ctx, void *r_)
{
    reports *r = r_;

    (void)ctx;
    while (keel__load(&r->of_hog) < 1 || keel__load(&r->of_other) < 5)
        keel__pause();
    return NULL;
}

static keel_err *keep_two_workers(keel_ctx *ctx, void *r_)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go_at(group, keep_on, r_, "hog", KEEL_HERE, __func__);
    keel_group_go(group, come_and_go, r_);
    return keel_group_wait(group);
}

static void a_spell_is_reported_once(void **state)
{
    reports r = { 0 };
    keel_runtime *rt = start(&r, 2, false);

    (void)state;
    assert_ok(keel_runtime_run(rt, keep_two_workers, &r));
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(keel__load(&r.of_hog), 1);
    assert_true(keel__load(&r.of_other) >= 5);
}

static void with_signal_handlers_the_report_says_where_the_task_is(void **state)
{
    reports r = { 0 };
    keel_runtime *rt = start(&r, 1, true);

    (void)state;
    assert_ok(keel_runtime_run(rt, hog, &r));
    assert_ok(keel_runtime_stop(NULL, rt));
#if KEEL__SWITCH_ASM && !KEEL__TSAN && defined(__linux__) && defined(__GLIBC__)
    assert_int_equal(keel__load(&r.with_frames), 1);
#endif
}

/* Tasks that come and go as fast as they can, under a detector that asks all the time where they are. */
static keel_err *flit(keel_ctx *ctx, void *chan)
{
    for (int i = 0; i < 20000; i++) {
        int item = i;

        keel_yield();
        KEEL_TRY(i % 2 == 0 ? keel_chan_send(ctx, chan, &item) : keel_chan_recv(ctx, chan, &item));
    }
    return NULL;
}

static keel_err *flit_about(keel_ctx *ctx, void *chan)
{
    keel_group *group = keel_group_new(ctx, NULL);

    for (int i = 0; i < 8; i++)
        keel_group_go(group, flit, chan);
    return keel_group_wait(group);
}

static void asking_where_tasks_are_in_the_middle_of_switches_does_no_harm(void **state)
{
    reports r = { 0 };
    keel_runtime *rt;
    keel_chan *chan;

    (void)state;
    assert_ok(keel_chan_new(&chan, sizeof(int), &(keel_chan_opts){ .capacity = 100 }));
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2,
                                                            .stall_ns = 1000,
                                                            .on_stall = take,
                                                            .on_stall_arg = &r,
                                                            .handle_faults = true }));
    assert_ok(keel_runtime_run(rt, flit_about, chan));
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_chan_free(chan);
}

static keel__a32 urgent;

static void on_urgent(int number)
{
    (void)number;
    keel__add(&urgent, 1);
}

static void sigurg_of_others_goes_to_the_handler_that_was_there(void **state)
{
    struct sigaction action = { .sa_handler = on_urgent }, before;
    reports r = { 0 };

    (void)state;
    sigaction(SIGURG, &action, &before);
    keel_runtime *rt = start(&r, 1, true);
    keel__store(&urgent, 0);
    raise(SIGURG);
    assert_int_equal(keel__load(&urgent), 1);
    assert_ok(keel_runtime_stop(NULL, rt));
    raise(SIGURG);
    assert_int_equal(keel__load(&urgent), 2);
    sigaction(SIGURG, &before, NULL);
    rt = start(&r, 1, true);
    raise(SIGURG); /* is ignored by default, and so it stays */
    assert_ok(keel_runtime_stop(NULL, rt));
}

/* ---- Sleep ---- */

static void it_sleeps_when_all_workers_do_and_is_woken_with_them(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        reports r = { 0 };
        keel_runtime *rt = start(&r, workers, false);

        for (int i = 0; i < 3; i++) {
            while (keel__load(&rt->monitor.asleep) == 0)
                sched_yield();
            keel__store(&r.of_hog, 0);
            assert_ok(keel_runtime_run(rt, hog, &r));
        }
        assert_ok(keel_runtime_stop(NULL, rt));
    }
}

static size_t threads(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void switched_off_there_is_no_thread_for_it(void **state)
{
    keel_runtime *rt;
    size_t before = threads(), during;

    (void)state;
    assert_ok(
        keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1, .stall_ns = KEEL_STALL_OFF }));
    during = threads();
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(during - before, 1);
    while (threads() > before) /* the kernel may show a joined thread for a moment yet */
        sched_yield();
    assert_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    during = threads();
    assert_ok(keel_runtime_stop(NULL, rt));
    assert_int_equal(during - before, 2);
    assert_err(keel_runtime_start(&rt, &(keel_runtime_opts){ .stall_ns = -1 }), KEEL_ERR_INVAL);
}

/* ---- In programs ---- */

/* Standard error goes where nobody reads, until something is there: that is handed on. */
typedef struct detour {
    int to, pipe[2];
} detour;

static void detour_begin(detour *d)
{
    d->to = dup(STDERR_FILENO);
    if (d->to < 0 || pipe(d->pipe) != 0 || dup2(d->pipe[1], STDERR_FILENO) < 0)
        abort();
}

static void detour_end(const detour *d)
{
    char words[8192];

    for (int waiting = 0; waiting == 0;)
        if (ioctl(d->pipe[0], FIONREAD, &waiting) != 0)
            abort();
    const ssize_t got = read(d->pipe[0], words, sizeof words);
    if (got <= 0 || write(d->to, words, (size_t)got) != got || dup2(d->to, STDERR_FILENO) < 0)
        abort();
}

static keel_err *be_slow(keel_ctx *ctx, void *arg)
{
    detour d;

    (void)ctx;
    (void)arg;
    detour_begin(&d);
    detour_end(&d);
    return NULL;
}

static void in_slow_child(void *arg)
{
    (void)arg;
    if (keel_main_opts(be_slow, NULL, &(keel_runtime_opts){ .workers = 1, .stall_ns = KEEL_MS(5) }))
        abort();
}

static void a_program_is_told_on_standard_error(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(in_slow_child, NULL, &status);
    const char *begin = "keel: task 'main' (started at keel_main) has kept worker 0 for ";
    assert_memory_equal(text, begin, strlen(begin));
    assert_int_equal(status, 0);
}

static keel_err *be_asked(keel_ctx *ctx, void *arg)
{
    detour d;

    (void)ctx;
    (void)arg;
    detour_begin(&d);
    kill(getpid(), SIGQUIT);
    detour_end(&d);
    return NULL;
}

static void on_old_quit(int number)
{
    (void)number;
    keel__add(&urgent, 1);
}

static void in_asked_child(void *old_handler)
{
    keel__store(&urgent, 0);
    signal(SIGQUIT, old_handler != NULL ? on_old_quit : SIG_DFL);
    if (keel_main_opts(be_asked, NULL,
                       &(keel_runtime_opts){ .workers = 1, .stall_ns = KEEL_STALL_OFF }))
        abort();
    if (old_handler != NULL && keel__load(&urgent) != 1)
        abort();
    raise(SIGQUIT);
}

/* The only worker is busy all the time. */
static void sigquit_dumps_the_tasks_even_if_they_keep_all_workers(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(in_asked_child, NULL, &status);
    assert_non_null(
        strstr(text, "keel: 1 task, 1 worker\nT1 'main' (started at keel_main) runs; "));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT); /* as before keel_main */
    text = support_child(in_asked_child, &status, &status);
    assert_non_null(strstr(text, "keel: 1 task, 1 worker\n"));
    assert_int_equal(status, 0);
}

static keel_err *start_another(void *arg)
{
    keel_runtime *rt;

    (void)arg;
    KEEL_TRY(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 2 }));
    return keel_runtime_stop(NULL, rt);
}

static void without_memory_it_does_not_start(void **state)
{
    (void)state;
    support_mem_torture(start_another, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_task_that_keeps_its_worker_is_reported),
        support_test(a_spell_is_reported_once),
        support_test(with_signal_handlers_the_report_says_where_the_task_is),
        support_test(asking_where_tasks_are_in_the_middle_of_switches_does_no_harm),
        support_test(sigurg_of_others_goes_to_the_handler_that_was_there),
        support_test(it_sleeps_when_all_workers_do_and_is_woken_with_them),
        support_test(switched_off_there_is_no_thread_for_it),
        support_test(a_program_is_told_on_standard_error),
        support_test(sigquit_dumps_the_tasks_even_if_they_keep_all_workers),
        support_test(without_memory_it_does_not_start),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
