/* SPDX-License-Identifier: MIT */
#include <keel/sim_net.h>

static keel_err *idle(keel_ctx *ctx, void *arg)
{
    (void)arg;
    return keel_ctx_err(ctx);
}

keel_err *keel_check_sim_net(keel_sim_host *host);
keel_err *keel_check_sim_net(keel_sim_host *host)
{
    return keel_sim_host_go(host, idle, host);
}
