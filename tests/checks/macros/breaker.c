/* SPDX-License-Identifier: MIT */
#include <keel/breaker.h>

bool keel_check_is_open(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_BREAKER_OPEN);
}
