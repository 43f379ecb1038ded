/* SPDX-License-Identifier: MIT */

/* A program of somebody else's that finds out who asks for the real time in a simulated task. */

#include <stdio.h>
#include <time.h>

#include <keel/keel.h>

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    *(time_t *)arg = time(NULL);
    return NULL;
}

int main(void)
{
    time_t now;
    keel_sim_report *report = keel_sim_run("ask", ask, &now, NULL);

    puts(report->kind == KEEL_SIM_OUTSIDE ? "42" : report->text);
    keel_sim_report_free(report);
    return 0;
}
