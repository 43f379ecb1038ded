/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_RATES_H
#define DATA_PIPELINE_RATES_H

#include <keel/ctx.h>

#include "order.h"

/* Where the rates of currencies come from. In a program with customers this is a service, which fails now
 * and then; here it is a table of made-up rates, which can be told to. */
typedef struct rates {
    unsigned fault_every; /* so many orders each, the first lookup fails; 0: none does */
} rates;

/* The stage: an order * that gets its amount in euros. `arg` is a rates. */
keel_err *enrich_order(keel_ctx *ctx, const void *in, void *out, void *arg);

#endif /* DATA_PIPELINE_RATES_H */
