/* SPDX-License-Identifier: MIT */
#include <keel/task.h>

#include "base/sim_hook.h"
#include "task/park.h"

keel_err *keel_sleep(keel_ctx *ctx, int64_t ns)
{
    keel__point(KEEL__OP_SLEEP, NULL);
    keel_err *err = keel__ctx_err(ctx);
    if (err != NULL || ns <= 0)
        return err;
    keel__wait wait = keel__wait_begin_on(KEEL__OP_SLEEP, NULL);
    return keel__wait_end(&wait, ctx, ns) == KEEL__FIRED_CTX ? keel__ctx_err(ctx) : NULL;
}
