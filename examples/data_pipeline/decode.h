/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_DECODE_H
#define DATA_PIPELINE_DECODE_H

#include <keel/ctx.h>

#include "order.h"

/* Reads the header of a CSV file: which column is what. Others than the order's are ignored. */
keel_err *decode_header(keel_str record, source_file *file);

/* The stage: an order * whose record becomes fields, as texts. */
keel_err *decode_order(keel_ctx *ctx, const void *in, void *out, void *arg);

#endif /* DATA_PIPELINE_DECODE_H */
