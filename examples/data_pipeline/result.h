/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_RESULT_H
#define DATA_PIPELINE_RESULT_H

#include <keel/ctx.h>
#include <keel/retry.h>

#include "output.h"
#include "totals.h"

/* Writes the rows as JSON lines, some at a time, each lot tried again as `retry` says:
 *
 *     {"month":"2026-03","product":"tea","orders":3,"euros":41.50} */
keel_err *result_write(keel_ctx *ctx, output *out, const totals *t, const keel_retry *retry,
                       size_t *rows);

#endif /* DATA_PIPELINE_RESULT_H */
