/* SPDX-License-Identifier: MIT */
#include <keel/group.h>

static keel_err *work(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_ctx_err(ctx);
}

bool keel_check_group(keel_group *group, int *n);
bool keel_check_group(keel_group *group, int *n)
{
    keel_group_go(group, work, n);
    return keel_group_try_go(group, work, NULL);
}
