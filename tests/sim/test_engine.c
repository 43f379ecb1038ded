/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <keel/sim.h>

/* What keel/sim.h says of runs, explorations, replays and reports. */

static int statics; /* of scenarios, put back by `reset` */

static void reset(void *arg)
{
    statics = arg != NULL ? *(int *)arg : 0;
}

/* ---- Scenarios ---- */

static keel_err *nothing(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return NULL;
}

static keel_err *sleep_three(keel_ctx *ctx, void *arg)
{
    (void)arg;
    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    KEEL_TRY(keel_sleep(ctx, KEEL_MS(500)));
    return keel_sleep(ctx, 7);
}

static keel_err *two_points(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_err_free(keel_ctx_err(ctx));
    keel_err_free(keel_ctx_err(ctx));
    return NULL;
}

static keel_err *two_tasks(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, two_points, arg);
    keel_group_go(group, two_points, arg);
    return keel_group_wait(group);
}

static keel_err *add_one(keel_ctx *ctx, void *arg)
{
    int before = statics;

    (void)arg;
    keel_err_free(keel_ctx_err(ctx));
    statics = before + 1;
    return NULL;
}

/* Fails if the two are interleaved. */
static keel_err *add_two(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, add_one, arg);
    keel_group_go(group, add_one, arg);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(statics == 2);
    return NULL;
}

static const keel_sim_opts with_reset = { .reset = reset };

/* ---- Runs ---- */

static void expect(keel_sim_report *report, keel_sim_kind kind)
{
    if (report->kind != kind)
        print_message("%s", report->text);
    assert_int_equal(report->kind, kind);
    keel_sim_report_free(report);
}

static void a_run_says_how_long_it_was(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_run("sleep", sleep_three, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_PASS);
    assert_int_equal(report->virtual_ns, KEEL_S(1) + KEEL_MS(500) + 7);
    assert_int_equal(report->runs, 1);
    assert_int_equal(report->seed, 0);
    assert_int_equal(report->deviations, 0);
    assert_int_equal(report->steps, 3);
    assert_true(report->real_ns > 0 && report->real_ns < KEEL_S(60));
    assert_string_equal(report->replay, "sleep:");
    assert_non_null(strstr(report->text, "sleep: passed"));
    keel_sim_report_free(report);
}

static void equal_seeds_give_equal_runs_and_others_do_not(void **state)
{
    uint64_t hashes[4];

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        keel_sim_report *report =
            keel_sim_run("two", two_tasks, NULL, &(keel_sim_opts){ .seed = 1 + i % 2 * 7 });
        hashes[i] = report->trace_hash;
        keel_sim_report_free(report);
    }
    assert_int_equal(hashes[0], hashes[2]);
    assert_int_equal(hashes[1], hashes[3]);
    assert_int_not_equal(hashes[0], hashes[1]);
}

static void a_seed_that_failed_fails_again(void **state)
{
    (void)state;
    keel_sim_report *found = keel_sim_explore(
        "add", add_two, NULL,
        &(keel_sim_opts){ .reset = reset, .strategy = KEEL_SIM_RANDOM, .seed = 5 });
    assert_int_equal(found->kind, KEEL_SIM_CHECK);
    assert_true(found->seed >= 5);
    expect(keel_sim_run("add", add_two, NULL,
                        &(keel_sim_opts){
                            .reset = reset, .strategy = KEEL_SIM_RANDOM, .seed = found->seed }),
           KEEL_SIM_CHECK);
    keel_sim_report_free(found);
}

/* ---- Explorations ---- */

/* By hand. One deviation: at `main`'s second start the first task may go on (1), at its wait either (2),
 * when it waits the second (1), at each of the first task's two operations the second (2); with the
 * plain run 7. Two: after each of those six there are 3, 7, 7, 2, 2 and 2 more; with the others 30. The
 * plain run is made twice more, to see whether it announces accesses and whether it is repeatable. */
static void every_schedule_within_a_bound_is_counted(void **state)
{
    (void)state;
    keel_sim_opts opts = { .strategy = KEEL_SIM_EXHAUSTIVE, .bound = 1, .fixed_time = true };
    keel_sim_report *one = keel_sim_explore("two", two_tasks, NULL, &opts);
    opts.bound = 2;
    keel_sim_report *two = keel_sim_explore("two", two_tasks, NULL, &opts);

    assert_int_equal(one->runs, 7 + 2);
    assert_int_equal(two->runs, 30 + 2);
    assert_true(one->exhausted && two->exhausted);
    assert_int_equal(one->kind, KEEL_SIM_PASS);
    keel_sim_report_free(one);
    keel_sim_report_free(two);
}

static void the_default_runs_all_single_deviations(void **state)
{
    (void)state;
    keel_sim_report *report =
        keel_sim_explore("two", two_tasks, NULL, &(keel_sim_opts){ .max_runs = 500 });

    assert_int_equal(report->kind, KEEL_SIM_PASS);
    assert_true(report->exhausted);
    assert_in_range(report->runs, 500, 502);
    keel_sim_report_free(report);
}

static void a_budget_that_is_too_small_exhausts_nothing(void **state)
{
    (void)state;
    keel_sim_report *report =
        keel_sim_explore("two", two_tasks, NULL, &(keel_sim_opts){ .max_runs = 4 });

    assert_int_equal(report->kind, KEEL_SIM_PASS);
    assert_false(report->exhausted);
    keel_sim_report_free(report);
}

static void every_strategy_finds_a_simple_bug(void **state)
{
    (void)state;
    for (keel_sim_strategy strategy = KEEL_SIM_AUTO; strategy <= KEEL_SIM_EXHAUSTIVE; strategy++)
        expect(keel_sim_explore("add", add_two, NULL,
                                &(keel_sim_opts){ .reset = reset, .strategy = strategy }),
               KEEL_SIM_CHECK);
}

static void parks_only_is_blind_to_what_never_waits(void **state)
{
    (void)state;
    expect(keel_sim_explore(
               "add", add_two, NULL,
               &(keel_sim_opts){ .reset = reset, .points = KEEL_SIM_PARKS, .max_runs = 2000 }),
           KEEL_SIM_PASS);
}

static keel_err *add_quietly(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    int before = KEEL_READ(statics);
    KEEL_WRITE(statics) = before + 1;
    return NULL;
}

static keel_err *add_two_quietly(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, add_quietly, arg);
    keel_group_go(group, add_quietly, arg);
    return keel_group_wait(group);
}

static void a_race_names_both_places(void **state)
{
    (void)state;
    for (keel_sim_points points = KEEL_SIM_OPERATIONS; points <= KEEL_SIM_ACCESSES; points++) {
        keel_sim_report *report = keel_sim_explore(
            "quiet", add_two_quietly, NULL, &(keel_sim_opts){ .reset = reset, .points = points });

        assert_int_equal(report->kind, KEEL_SIM_RACE);
        assert_non_null(strstr(report->text, "T2 'add_quietly'"));
        assert_non_null(strstr(report->text, "T3 'add_quietly'"));
        assert_non_null(strstr(report->text, "test_engine.c"));
        keel_sim_report_free(report);
    }
}

/* ---- Time ---- */

static keel_err *sleep_beside_work(keel_ctx *ctx, void *arg)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_HOUR(1));

    (void)arg;
    for (int i = 0; i < 3; i++)
        keel_yield();
    KEEL_CHECK(keel_ctx_err(limited) == NULL);
    keel_ctx_free(limited);
    return NULL;
}

static void timers_may_fire_early_unless_time_is_fixed(void **state)
{
    (void)state;
    expect(keel_sim_explore("early", sleep_beside_work, NULL, NULL), KEEL_SIM_CHECK);
    expect(keel_sim_explore("early", sleep_beside_work, NULL,
                            &(keel_sim_opts){ .fixed_time = true, .max_runs = 1000 }),
           KEEL_SIM_PASS);
}

static keel_err *free_limit(keel_ctx *ctx, void *arg)
{
    (void)arg;
    keel_ctx_free(keel_ctx_with_timeout(ctx, KEEL_HOUR(1)));
    keel_chan *chan;
    int item;
    KEEL_TRY(keel_chan_new(&chan, sizeof item, NULL));
    KEEL_CHECK(keel_select(ctx, KEEL_RECV(chan, &item), KEEL_AFTER(KEEL_MS(1))) == 1);
    keel_chan_free(chan);
    return NULL;
}

static void a_limit_that_is_gone_leaves_no_timer(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_run("limit", free_limit, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_PASS);
    assert_int_equal(report->virtual_ns, KEEL_MS(1));
    keel_sim_report_free(report);
}

static keel_err *sleep_for_ever(keel_ctx *ctx, void *arg)
{
    (void)arg;
    for (;;)
        KEEL_TRY(keel_sleep(ctx, KEEL_HOUR(1)));
}

static keel_err *yield_for_ever(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    while (keel_sim_active())
        keel_yield();
    return NULL;
}

static void what_has_no_end_is_a_livelock(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_run("hours", sleep_for_ever, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_LIVELOCK);
    assert_non_null(strstr(report->text, "virtual day"));
    keel_sim_report_free(report);
    report = keel_sim_run("yields", yield_for_ever, NULL, &(keel_sim_opts){ .max_steps = 50 });
    assert_int_equal(report->kind, KEEL_SIM_LIVELOCK);
    assert_non_null(strstr(report->text, "50 operations"));
    keel_sim_report_free(report);
}

static keel_err *grow(keel_ctx *ctx, void *arg)
{
    char *text = keel_mem_alloc(4);

    (void)ctx;
    (void)arg;
    memcpy(text, "abc", 4);
    text = keel_mem_realloc(text, 4000);
    KEEL_CHECK(strcmp(text, "abc") == 0);
    text = keel_mem_realloc(text, 2);
    KEEL_CHECK(memcmp(text, "ab", 2) == 0);
    keel_mem_free(text);
    return NULL;
}

static void memory_that_grows_keeps_its_contents(void **state)
{
    (void)state;
    assert_sim_ok(
        keel_sim_run("grow", grow, NULL, NULL)); /* also where the rest is filled with rubbish */
}

/* ---- Faults ---- */

static keel_err *needs_memory(keel_ctx *ctx, void *arg)
{
    void *first = keel_mem_alloc(10);
    void *second = keel_mem_alloc(10);

    (void)ctx;
    (void)arg;
    KEEL_CHECK(first != NULL);
    if (second == NULL)
        return NULL; /* and forgets the first */
    keel_mem_free(first);
    keel_mem_free(second);
    return NULL;
}

static void a_failing_allocation_is_found_by_itself(void **state)
{
    (void)state;
    keel_sim_report *report =
        keel_sim_explore("memory", needs_memory, NULL, &(keel_sim_opts){ .faults = true });

    assert_true(report->kind == KEEL_SIM_CHECK || report->kind == KEEL_SIM_MEMORY_LEAK);
    assert_int_equal(report->deviations, 1);
    keel_sim_report_free(report);
    expect(keel_sim_explore("memory", needs_memory, NULL, &(keel_sim_opts){ .max_runs = 200 }),
           KEEL_SIM_PASS);
}

static keel_err *bugged(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    bool first = keel_sim_buggify("first"), second = keel_sim_buggify("second");
    KEEL_CHECK(!first || !second);
    return NULL;
}

static void rare_branches_are_taken_with_faults_only(void **state)
{
    (void)state;
    keel_sim_report *report =
        keel_sim_explore("bugged", bugged, NULL, &(keel_sim_opts){ .faults = true });

    assert_int_equal(report->kind, KEEL_SIM_CHECK);
    assert_int_equal(report->deviations, 2);
    keel_sim_report_free(report);
    expect(keel_sim_explore("bugged", bugged, NULL, &(keel_sim_opts){ .max_runs = 200 }),
           KEEL_SIM_PASS);
    assert_false(keel_sim_buggify("outside"));
}

/* ---- For scenarios ---- */

static keel_err *throw_dice(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    uint64_t die = keel_sim_rand(6);
    keel_sim_note("a %d", (int)die + 1);
    KEEL_CHECK(die < 6 && keel_sim_rand(1) == 0 && keel_sim_active());
    KEEL_CHECK(die != 4);
    return NULL;
}

static void a_number_is_a_choice_of_the_schedule(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_explore(
        "dice", throw_dice, NULL, &(keel_sim_opts){ .strategy = KEEL_SIM_EXHAUSTIVE, .bound = 1 });

    assert_int_equal(report->kind, KEEL_SIM_CHECK);
    assert_int_equal(report->deviations, 1);
    assert_non_null(strstr(report->text, "die != 4"));
    assert_non_null(strstr(report->text, "a 5"));
    assert_non_null(strstr(report->replay, "=4"));
    keel_sim_report_free(report);
    assert_int_equal(keel_sim_rand(6), 0);
    assert_false(keel_sim_active());
    keel_sim_note("outside of a simulation");
    keel_sim_settle();
}

static keel_err *settled(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    for (int i = 0; i < 3; i++)
        keel_group_go(group, add_one, arg);
    keel_group_go(group, sleep_three, arg);
    keel_sim_settle();
    KEEL_CHECK(statics > 0);
    statics = 100;
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(statics == 100); /* all had ended but who sleeps */
    return NULL;
}

static void settle_lets_all_others_go_first(void **state)
{
    (void)state;
    expect(keel_sim_explore("settle", settled, NULL,
                            &(keel_sim_opts){ .reset = reset, .max_runs = 3000 }),
           KEEL_SIM_PASS);
}

static keel_err *statics_are_three(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    KEEL_CHECK(statics++ == 3);
    return NULL;
}

static void reset_runs_before_every_run(void **state)
{
    int three = 3;

    (void)state;
    expect(
        keel_sim_explore("reset", statics_are_three, NULL,
                         &(keel_sim_opts){ .reset = reset, .reset_arg = &three, .max_runs = 200 }),
        KEEL_SIM_PASS);
}

static int count_calls(void *arg)
{
    return ++*(int *)arg;
}

static keel_err *keep_count(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0, calls = count_calls(arg); i < calls % 5; i++)
        keel_yield();
    return NULL;
}

static void a_static_that_is_not_reset_is_no_determinism(void **state)
{
    int calls = 0;

    (void)state;
    expect(keel_sim_explore("static", keep_count, &calls, NULL), KEEL_SIM_NONDETERMINISM);
}

/* ---- Offload ---- */

static keel_err *blocking(void *arg)
{
    int before = *(int *)arg;

    keel_yield(); /* on a thread this would let another go on, and so it does here */
    *(int *)arg = before + 1;
    return NULL;
}

static keel_err *offload_one(keel_ctx *ctx, void *arg)
{
    return keel_offload(ctx, blocking, arg);
}

static keel_err *offload_two(keel_ctx *ctx, void *arg)
{
    int number = 0;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    keel_group_go(group, offload_one, &number);
    keel_group_go(group, offload_one, &number);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(number == 2);
    return NULL;
}

static void offloaded_calls_run_as_tasks(void **state)
{
    (void)state;
    expect(keel_sim_explore("offload", offload_two, NULL, NULL), KEEL_SIM_CHECK);
}

/* ---- Failures ---- */

static keel_err *return_error(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return keel_err_new("it was not to be");
}

static void an_error_is_told_by_its_text(void **state)
{
    (void)state;
    keel_sim_report *report = keel_sim_run("error", return_error, NULL, NULL);

    assert_int_equal(report->kind, KEEL_SIM_ERROR);
    assert_non_null(strstr(report->text, "it was not to be"));
    keel_sim_report_free(report);
}

static keel_err *leak_error(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    *(keel_err **)arg = keel_err_new("nobody frees this");
    return NULL;
}

static void an_error_that_is_not_freed_is_a_leak(void **state)
{
    keel_err *left;

    (void)state;
    expect(keel_sim_run("leak", leak_error, &left, NULL), KEEL_SIM_MEMORY_LEAK);
}

static keel_err *deadlock(keel_ctx *ctx, void *arg)
{
    int item;

    (void)ctx;
    return keel_chan_recv(NULL, arg, &item);
}

static keel_err *deadlock_with_much_in_hand(keel_ctx *ctx, void *arg)
{
    keel_chan *chan;
    keel_group *group = keel_group_new(ctx, NULL);

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof(int), NULL));
    keel_ctx *limited = keel_ctx_with_timeout(ctx, 5);
    KEEL_CHECK(keel_mem_alloc(100) != NULL && limited != NULL);
    for (int i = 0; i < 5; i++)
        keel_group_go(group, deadlock, chan);
    return keel_group_wait(group);
}

/* The fixture sees what is left; and the next simulation must not notice. */
static void a_failed_run_leaves_nothing_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        size_t before = support_mem_live();
        expect(keel_sim_explore("stuck", deadlock_with_much_in_hand, NULL, NULL),
               KEEL_SIM_DEADLOCK);
        assert_int_equal(support_mem_live(), before);
        expect(keel_sim_explore("two", two_tasks, NULL, &(keel_sim_opts){ .max_runs = 20 }),
               KEEL_SIM_PASS);
    }
}

static void ten_thousand_explorations_in_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++)
        expect(keel_sim_explore("tiny", nothing, NULL, &(keel_sim_opts){ .max_runs = 3 }),
               KEEL_SIM_PASS);
}

/* ---- Misuse ---- */

static keel_err *simulate_in_simulation(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    keel_sim_report_free(keel_sim_run("inner", nothing, NULL, NULL));
    return NULL;
}

static keel_err *start_a_runtime(keel_ctx *ctx, void *arg)
{
    keel_runtime *rt;

    (void)ctx;
    (void)arg;
    keel_err *err = keel_runtime_start(&rt, NULL);
    KEEL_CHECK(err != NULL);
    keel_err_free(err);
    return NULL;
}

static void what_cannot_be_simulated_is_refused(void **state)
{
    (void)state;
    expect(keel_sim_run("outer", simulate_in_simulation, NULL, NULL), KEEL_SIM_MISUSE);
    expect(keel_sim_run("runtime", start_a_runtime, NULL, NULL), KEEL_SIM_PASS);
}

/* ---- Replays ---- */

static void a_replay_in_another_form_is_an_error(void **state)
{
    static const char *const texts[] = { "",          "two",        "two:1",       "two:1@",
                                         "two:1@2",   "two:1@2>",   "two:1@2>x",   "two:@2>1",
                                         "two:1@2=t", "two:1@2>1;", "two:1@2>1,x", "two:a@2>1" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        keel_sim_report *report = keel_sim_replay(texts[i], two_tasks, NULL, NULL);

        assert_int_equal(report->kind, KEEL_SIM_ERROR);
        assert_non_null(strstr(report->text, "a replay is"));
        keel_sim_report_free(report);
    }
    /* what fits nothing is passed over */
    expect(keel_sim_replay("two:", two_tasks, NULL, NULL), KEEL_SIM_PASS);
    expect(keel_sim_replay("two:9@9>9,1@1>77,4294967295@1>t", two_tasks, NULL, NULL),
           KEEL_SIM_PASS);
}

static void a_replay_is_the_run_that_was_reported(void **state)
{
    (void)state;
    keel_sim_report *found = keel_sim_explore("add", add_two, NULL, &with_reset);
    keel_sim_report *again = keel_sim_replay(found->replay, add_two, NULL, &with_reset);

    assert_int_equal(again->kind, KEEL_SIM_CHECK);
    assert_int_equal(again->trace_hash, found->trace_hash);
    assert_int_equal(again->steps, found->steps);
    assert_int_equal(again->deviations, found->deviations);
    assert_string_equal(again->replay, found->replay);
    assert_int_equal(again->runs, 1);
    keel_sim_report_free(found);
    keel_sim_report_free(again);
}

static void what_is_not_minimised_fails_too(void **state)
{
    (void)state;
    keel_sim_opts opts = { .reset = reset, .strategy = KEEL_SIM_RANDOM, .no_minimise = true };
    expect(keel_sim_explore("add", add_two, NULL, &opts), KEEL_SIM_CHECK);
}

/* ---- The environment ---- */

static void the_environment_directs_an_exploration(void **state)
{
    (void)state;
    keel_sim_report *found = keel_sim_explore("add", add_two, NULL, &with_reset);

    setenv("KEEL_SIM_REPLAY", found->replay, 1);
    keel_sim_report *again = keel_sim_explore("add", add_two, NULL, &with_reset);
    assert_int_equal(again->runs, 1);
    assert_int_equal(again->trace_hash, found->trace_hash);
    keel_sim_report_free(again);
    keel_sim_report *other =
        keel_sim_explore("ad", nothing, NULL, &(keel_sim_opts){ .max_runs = 10 });
    assert_true(other->runs >= 10); /* that replay is for another name */
    keel_sim_report_free(other);
    unsetenv("KEEL_SIM_REPLAY");

    setenv("KEEL_SIM_SEED", "77", 1);
    keel_sim_report *seeded = keel_sim_explore("two", two_tasks, NULL, NULL);
    assert_int_equal(seeded->runs, 1);
    unsetenv("KEEL_SIM_SEED");
    keel_sim_report *run = keel_sim_run("two", two_tasks, NULL, &(keel_sim_opts){ .seed = 77 });
    assert_int_equal(run->trace_hash, seeded->trace_hash);
    keel_sim_report_free(run);
    keel_sim_report_free(seeded);

    setenv("KEEL_SIM_RUNS", "123", 1);
    keel_sim_report *many = keel_sim_explore("two", two_tasks, NULL, NULL);
    assert_in_range(many->runs, 123, 125);
    keel_sim_report_free(many);
    unsetenv("KEEL_SIM_RUNS");
    keel_sim_report_free(found);
}

static void kinds_have_names(void **state)
{
    (void)state;
    for (keel_sim_kind kind = KEEL_SIM_PASS; kind <= KEEL_SIM_OUTSIDE; kind++)
        assert_string_not_equal(keel_sim_kind_name(kind), "unknown");
    assert_string_equal(keel_sim_kind_name(KEEL_SIM_DEADLOCK), "deadlock");
    keel_sim_report_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_run_says_how_long_it_was),
        support_test(memory_that_grows_keeps_its_contents),
        support_test(equal_seeds_give_equal_runs_and_others_do_not),
        support_test(a_seed_that_failed_fails_again),
        support_test(every_schedule_within_a_bound_is_counted),
        support_test(the_default_runs_all_single_deviations),
        support_test(a_budget_that_is_too_small_exhausts_nothing),
        support_test(every_strategy_finds_a_simple_bug),
        support_test(parks_only_is_blind_to_what_never_waits),
        support_test(a_race_names_both_places),
        support_test(timers_may_fire_early_unless_time_is_fixed),
        support_test(a_limit_that_is_gone_leaves_no_timer),
        support_test(what_has_no_end_is_a_livelock),
        support_test(a_failing_allocation_is_found_by_itself),
        support_test(rare_branches_are_taken_with_faults_only),
        support_test(a_number_is_a_choice_of_the_schedule),
        support_test(settle_lets_all_others_go_first),
        support_test(reset_runs_before_every_run),
        support_test(a_static_that_is_not_reset_is_no_determinism),
        support_test(offloaded_calls_run_as_tasks),
        support_test(an_error_is_told_by_its_text),
        support_test(an_error_that_is_not_freed_is_a_leak),
        support_test(a_failed_run_leaves_nothing_behind),
        support_test(ten_thousand_explorations_in_a_row),
        support_test(what_cannot_be_simulated_is_refused),
        support_test(a_replay_in_another_form_is_an_error),
        support_test(a_replay_is_the_run_that_was_reported),
        support_test(what_is_not_minimised_fails_too),
        support_test(the_environment_directs_an_exploration),
        support_test(kinds_have_names),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
