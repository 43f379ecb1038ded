/* SPDX-License-Identifier: MIT */
/*
 * Money goes both ways between two accounts: one program loses some, one hangs, one is right.
 *
 * Shows:  a scenario, run with its tasks in every order until one fails; the report; the same run again.
 * Run:    ./sim_bank
 * Prints: how an update is lost and how tasks lock crosswise, both replayed; and the right one `passed`
 */
#include <stdio.h>

#include <keel/keel.h>

typedef struct bank {
    void (*move)(struct bank *bank, int from, int to);
    bool ordered; /* all take the same lock first */
    keel_mutex mutexes[2];
    int euros[2];
} bank;

static void hasty(bank *b, int from, int to)
{
    keel_mutex_lock(&b->mutexes[0]);
    int from_euros = b->euros[from], to_euros = b->euros[to];
    keel_mutex_unlock(&b->mutexes[0]); /* another task may change both now */
    keel_mutex_lock(&b->mutexes[0]);
    b->euros[from] = from_euros - 10;
    b->euros[to] = to_euros + 10;
    keel_mutex_unlock(&b->mutexes[0]);
}

static void careful(bank *b, int from, int to)
{
    int first = b->ordered ? 0 : from, second = 1 - first;

    keel_mutex_lock(&b->mutexes[first]);
    keel_mutex_lock(&b->mutexes[second]);
    b->euros[from] -= 10;
    b->euros[to] += 10;
    keel_mutex_unlock(&b->mutexes[second]);
    keel_mutex_unlock(&b->mutexes[first]);
}

static keel_err *there(keel_ctx *ctx, void *b)
{
    ((bank *)b)->move(b, 0, 1);
    return keel_ctx_err(ctx);
}

static keel_err *back(keel_ctx *ctx, void *b)
{
    ((bank *)b)->move(b, 1, 0);
    return keel_ctx_err(ctx);
}

static keel_err *scenario(keel_ctx *ctx, void *arg)
{
    bank b = *(const bank *)arg; /* every run has its own */
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, there, &b);
    keel_group_go(group, back, &b);
    KEEL_TRY(keel_group_wait(group));
    KEEL_CHECK(b.euros[0] == 0 && b.euros[1] == 0);
    return NULL;
}

int main(void)
{
    bank banks[] = { { .move = hasty }, { .move = careful }, { .move = careful, .ordered = true } };

    for (int i = 0; i < 3; i++) {
        keel_sim_report *report = keel_sim_explore("bank", scenario, &banks[i], NULL);
        keel_sim_report *again = keel_sim_replay(report->replay, scenario, &banks[i], NULL);

        printf("%sreplayed: %s\n\n", report->text, keel_sim_kind_name(again->kind));
        keel_sim_report_free(again);
        keel_sim_report_free(report);
    }
    return 0;
}
