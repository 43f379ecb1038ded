/* SPDX-License-Identifier: MIT */
#include "support.h"

static unsigned default_workers(void)
{
    const char *text = getenv("KEEL_TEST_WORKERS");
    long workers = text != NULL ? strtol(text, NULL, 10) : 0;

    return workers > 0 ? (unsigned)workers : 2;
}

keel_err *support_run_on(keel_clock *clock, unsigned workers, keel_task_fn fn, void *arg)
{
    keel_runtime *rt;

    KEEL_TRY(keel_runtime_start(
        &rt, &(keel_runtime_opts){ .workers = workers != 0 ? workers : default_workers(),
                                   .clock = clock }));
    keel_err *err = keel_runtime_run(rt, fn, arg);
    return keel_err_join(err, keel_runtime_stop(NULL, rt));
}

keel_err *support_run(keel_task_fn fn, void *arg)
{
    keel_clock *clock;

    KEEL_TRY(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true }));
    keel_err *err = support_run_on(clock, 0, fn, arg);
    keel_clock_free(clock);
    return err;
}
