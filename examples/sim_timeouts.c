/* SPDX-License-Identifier: MIT */
/*
 * A request is tried three times, 30 seconds each, and a test knows the instant of every step.
 *
 * Shows:  virtual time: timeouts and pauses take none of ours; their exact times, checked with two
 *         clients in every order; what a run cost.
 * Run:    ./sim_timeouts
 * Prints: when each try began and ended, and that a schedule of 65 seconds takes microseconds
 */
#include <inttypes.h>
#include <stdio.h>

#include <keel/keel.h>

enum { TRIES = 3 };

typedef struct schedule {
    int64_t began_ns[TRIES], ended_ns[TRIES];
} schedule;

/* Stands for a server that takes 40 seconds, and from the third request on 2. */
static keel_err *request(keel_ctx *ctx, int tries)
{
    return keel_sleep(ctx, tries < 2 ? KEEL_S(40) : KEEL_S(2));
}

static keel_err *request_with_retries(keel_ctx *ctx, void *arg)
{
    schedule *s = arg;
    keel_err *err = NULL;

    for (int i = 0; i < TRIES; i++) {
        keel_err_free(err); /* only that of the last try counts */
        keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(30));
        s->began_ns[i] = keel_ctx_now(ctx);
        err = request(limited, i);
        s->ended_ns[i] = keel_ctx_now(ctx);
        keel_ctx_free(limited);
        if (!keel_err_is(err, KEEL_ERR_DEADLINE))
            return err;
        KEEL_TRY(keel_sleep(ctx, KEEL_S(1) << i));
    }
    return err;
}

static keel_err *scenario(keel_ctx *ctx, void *arg)
{
    schedule *clients = arg;
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, request_with_retries, &clients[0]);
    keel_group_go(group, request_with_retries, &clients[1]);
    KEEL_TRY(keel_group_wait(group));
    for (int i = 0; i < 2; i++) {
        KEEL_CHECK(clients[i].ended_ns[0] == KEEL_S(30));
        KEEL_CHECK(clients[i].began_ns[1] == KEEL_S(31) && clients[i].ended_ns[1] == KEEL_S(61));
        KEEL_CHECK(clients[i].began_ns[2] == KEEL_S(63) && clients[i].ended_ns[2] == KEEL_S(65));
    }
    return NULL;
}

int main(void)
{
    schedule clients[2] = { 0 };
    /* Without fixed_time a timer may also fire while a task still computes, as on a busy machine. */
    keel_sim_opts opts = { .fixed_time = true, .max_runs = 2000 };
    keel_sim_report *report = keel_sim_explore("timeouts", scenario, clients, &opts);

    for (int i = 0; i < TRIES; i++)
        printf("try %d: %g s to %g s\n", i + 1, (double)clients[0].began_ns[i] / 1e9,
               (double)clients[0].ended_ns[i] / 1e9);
    printf("%s: %g s in %.1f us\n", keel_sim_kind_name(report->kind),
           (double)report->virtual_ns / 1e9, (double)report->real_ns / 1e3 / (double)report->runs);
    keel_sim_report_free(report);
    return 0;
}
