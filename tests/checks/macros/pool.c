/* SPDX-License-Identifier: MIT */
#include <keel/pool.h>

keel_err *keel_check_copy(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int *)out = *(const int *)in;
    return NULL;
}

keel_err *keel_check_new(keel_pool **pool)
{
    return keel_pool_new(NULL, pool, KEEL_FN(keel_check_copy, int, int), NULL);
}

bool keel_check_refused(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_POOL_FULL) || keel_err_is(err, KEEL_ERR_POOL_DROPPED);
}
