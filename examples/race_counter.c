/* SPDX-License-Identifier: MIT */
/*
 * Tasks count in one variable: without a lock that is a race, and it is found before it loses counts.
 *
 * Shows:  KEEL_READ and KEEL_WRITE, by which a simulation sees races; the same with a mutex, which is
 *         clean; the same program run plainly, for the thread sanitizer (./tests/run --tsan).
 * Run:    ./race_counter, or ./race_counter unsafe and ./race_counter safe to run it plainly
 * Prints: the race, with both lines; that the counter with the mutex passes
 */
#include <stdio.h>
#include <string.h>

#include <keel/keel.h>

#define TASKS 4

typedef struct counter {
    bool safe;
    keel_mutex mutex;
    int value;
} counter;

static keel_err *increment(keel_ctx *ctx, void *arg)
{
    counter *c = arg;

    if (c->safe)
        keel_mutex_lock(&c->mutex);
    int value = KEEL_READ(c->value);
    KEEL_WRITE(c->value) = value + 1;
    if (c->safe)
        keel_mutex_unlock(&c->mutex);
    return keel_ctx_err(ctx);
}

static keel_err *count(keel_ctx *ctx, void *arg)
{
    counter c = { .safe = *(const bool *)arg };
    keel_group *group = keel_group_new(ctx, NULL);

    for (int i = 0; i < TASKS; i++)
        keel_group_go(group, increment, &c);
    KEEL_TRY(keel_group_wait(group));
    if (!keel_sim_active())
        printf("%d\n", c.value);
    KEEL_CHECK(!c.safe || c.value == TASKS);
    return NULL;
}

static void simulate(const char *name, bool safe)
{
    keel_sim_report *report =
        keel_sim_explore(name, count, &safe, &(keel_sim_opts){ .max_ms = 200 });

    if (report->kind == KEEL_SIM_PASS)
        printf("%s: passed\n", name);
    else
        printf("%s", report->text);
    keel_sim_report_free(report);
}

int main(int argc, char **argv)
{
    bool safe = argc > 1 && strcmp(argv[1], "safe") == 0;

    if (argc > 1)
        return keel_main(count, &safe);
    simulate("unsafe", false);
    simulate("safe", true);
    return 0;
}
