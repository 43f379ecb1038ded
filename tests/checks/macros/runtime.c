/* SPDX-License-Identifier: MIT */
#include <keel/runtime.h>

keel_err *keel_check_runtime(keel_runtime *rt, keel_task_fn fn);
keel_err *keel_check_runtime(keel_runtime *rt, keel_task_fn fn)
{
    return keel_runtime_run(rt, fn, NULL);
}

int64_t keel_check_stall(void);
int64_t keel_check_stall(void)
{
    return KEEL_STALL_OFF;
}
