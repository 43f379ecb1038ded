/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_CHECK_H
#define DATA_PIPELINE_CHECK_H

#include <keel/ctx.h>

#include "order.h"

/* The stage: an order * whose texts become values that make sense. The first that does not is the error,
 * with its name and value as the fields "field" and "value". */
keel_err *validate_order(keel_ctx *ctx, const void *in, void *out, void *arg);

#endif /* DATA_PIPELINE_CHECK_H */
