/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_PARTS_H
#define KEEL_SRC_FLOW_PARTS_H

/* What parts of this floor are to one another. */

#include <keel/breaker.h>
#include <keel/limiter.h>
#include <keel/retry.h>

/* What a call under `limited`, a child of `ctx` with `ns` of time, has failed with (or not: NULL), once it is
 * known whether that was for the time: then KEEL_ERR_TIMEOUT. Takes `err`. */
keel_err *keel__timed_out(keel_ctx *ctx, keel_ctx *limited, int64_t ns, keel_err *err);

/* The options with all defaults put in. */

const keel_breaker_opts *keel__breaker_opts(const keel_breaker *breaker);
const keel_bulkhead_opts *keel__bulkhead_opts(const keel_bulkhead *bulkhead);
const keel_retry_opts *keel__retry_opts(const keel_retry *retry);

/* As they are now. */
void keel__limiter_get(keel_limiter *limiter, double *per_second, double *burst);

#endif /* KEEL_SRC_FLOW_PARTS_H */
