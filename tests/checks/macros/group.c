/* SPDX-License-Identifier: MIT */
#include <keel/group.h>

static keel_err *work(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_ctx_err(ctx);
}

keel_group *keel_check_new(keel_ctx *ctx);
keel_group *keel_check_new(keel_ctx *ctx)
{
    const keel_group_opts opts = { 1, true, NULL, "check", 0, NULL };
    keel_group *group = keel_group_new(ctx, &opts);

#ifndef __cplusplus /* a compound literal, with a comma */
    if (keel_group_wait(group) == NULL)
        group = keel_group_new(ctx, &(keel_group_opts){ .limit = 1, .name = "check" });
#endif
    return group;
}

bool keel_check_group(keel_group *group, int *n);
bool keel_check_group(keel_group *group, int *n)
{
#ifndef __cplusplus /* compound literals, with commas */
    if (!keel_group_go(group, work, &(int[]){ 1, 2 }))
        return keel_group_try_go(group, work, &(int[]){ 1, 2 });
#endif
    keel_group_go(group, work, n);
    return keel_group_try_go(group, work, NULL);
}
