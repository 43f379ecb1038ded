/* SPDX-License-Identifier: MIT */
#include <keel/limiter.h>

bool keel_check_is_limited(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_RATE_LIMITED) || keel_err_is(err, KEEL_ERR_BULKHEAD_FULL);
}
