/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_TOTALS_H
#define DATA_PIPELINE_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#include <keel/containers.h>
#include <keel/ctx.h>

#include "order.h"

enum {
    MAX_ROWS = 100000,       /* months times products */
    IDS_REMEMBERED = 1000000 /* the last ones, and up to as many before them */
};

typedef struct total {
    int64_t orders, euro_cents;
} total;

/* By "2026-03 product". */
#define KEEL_MAP_NAME total_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE total
#include <keel/map.h>

/* What the orders come to; all zero at first. */
typedef struct totals {
    total_map by_product;
    keel_i64_set ids, older_ids;
    uint64_t orders;
} totals;

/* The sink: adds an order * to a totals, and frees it. Refuses an id that was there before. */
keel_err *totals_add(keel_ctx *ctx, const void *in, void *out, void *arg);
void totals_deinit(totals *t);

/* A line of the result. */
typedef struct total_row {
    keel_str key; /* borrowed from the totals */
    total total;
} total_row;

/* The rows in order of month and product, in *rows: yours, to be freed with keel_mem_free. */
keel_err *totals_rows(const totals *t, total_row **rows, size_t *count);

#endif /* DATA_PIPELINE_TOTALS_H */
