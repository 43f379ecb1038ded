/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_PARTS_H
#define KEEL_SRC_FLOW_PARTS_H

/* What a policy tells of its parts: their options with all defaults put in. */

#include <keel/breaker.h>
#include <keel/limiter.h>
#include <keel/retry.h>

const keel_breaker_opts *keel__breaker_opts(const keel_breaker *breaker);
const keel_bulkhead_opts *keel__bulkhead_opts(const keel_bulkhead *bulkhead);
const keel_retry_opts *keel__retry_opts(const keel_retry *retry);

/* As they are now. */
void keel__limiter_get(keel_limiter *limiter, double *per_second, double *burst);

#endif /* KEEL_SRC_FLOW_PARTS_H */
