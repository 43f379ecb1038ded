/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_POLICY_H
#define KEEL_SRC_FLOW_POLICY_H

/* A policy inside. What stands before the numbers is never changed. */

#include <keel/policy.h>

#include "base/atomic.h"

struct keel_policy {
    const char *name;
    int64_t total_timeout_ns, attempt_timeout_ns; /* 0: none */
    keel_fallback_fn fallback;
    keel_retry *retry; /* this and the next three: NULL, if it has none */
    keel_breaker *breaker;
    keel_limiter *limiter;
    keel_bulkhead *bulkhead;
    bool limiter_waits;
    keel__a64 succeeded, fell_back, failed, timed_out;
    keel__a64 retried, attempts_timed_out;
    keel__a64 refused_by_breaker, refused_by_limiter, refused_by_bulkhead;
};

#endif /* KEEL_SRC_FLOW_POLICY_H */
