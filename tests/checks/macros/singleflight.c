/* SPDX-License-Identifier: MIT */
#include <keel/singleflight.h>

keel_err *keel_check_flights(keel_ctx *ctx, keel_flights **out)
{
    return keel_flights_new(ctx, out, sizeof(int), NULL);
}
