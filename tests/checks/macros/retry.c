/* SPDX-License-Identifier: MIT */
#include <keel/retry.h>

bool keel_check_unlimited(const keel_retry_opts *opts)
{
    return opts->max_attempts == KEEL_ATTEMPTS_UNLIMITED;
}
