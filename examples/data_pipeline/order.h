/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_ORDER_H
#define DATA_PIPELINE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>
#include <keel/str.h>

/* Limits, so that no input can use up the memory. */
enum {
    MAX_RECORD_BYTES = 16 << 10, /* of a longer one only the beginning is kept */
    MAX_FIELD_BYTES = 64,
    CUT_BYTES = 200
};

/* What an order has, in CSV by its header, in JSON by its keys. */
typedef enum order_field {
    ID,
    CUSTOMER,
    PRODUCT,
    AMOUNT,
    CURRENCY,
    TIME,
    ORDER_FIELDS
} order_field;
extern const char *const order_field_names[ORDER_FIELDS];

typedef enum record_format { FORMAT_CSV, FORMAT_JSON } record_format;

/* A file that records come from; it lives until the run has ended. */
typedef struct source_file {
    const char *name;
    record_format format;
    size_t columns;          /* CSV: how many a record must have */
    size_t at[ORDER_FIELDS]; /* CSV: in which column each field is */
} source_file;

/* The item that flows through the pipeline, as a pointer, and grows richer from stage to stage. Its text
 * stays as it was read, for the dead letters. */
typedef struct order {
    const source_file *file;
    uint64_t line;     /* on which it begins; 0: it stands for the whole file */
    keel_err *problem; /* what the reader found wrong; NULL: nothing */
    bool cut;          /* the record is longer than `text` */

    char fields[ORDER_FIELDS][MAX_FIELD_BYTES + 1]; /* decoded: texts without control characters */

    int64_t id; /* validated */
    int64_t cents;
    char month[8]; /* "2026-03" */

    unsigned lookups; /* enriched */
    int64_t euro_cents;

    size_t len;
    char text[]; /* ends in a NUL */
} order;

/* Makes one of a record's text; takes `problem`, also when it fails. Errors: KEEL_ERR_NOMEM. */
keel_err *order_new(order **out, const source_file *file, uint64_t line, keel_str text,
                    keel_err *problem);

/* Frees what *item, an order *, points to: the item_free of the stages. */
void order_free(void *item);

#endif /* DATA_PIPELINE_ORDER_H */
