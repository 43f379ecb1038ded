/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_CSV_H
#define DATA_PIPELINE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/err.h>
#include <keel/str.h>

/* CSV as RFC 4180 has it: a field in quotes may hold commas, line ends and, doubled, quotes. */

/* Finds the line end that ends the record at the front of `text`. False: there is none, perhaps because a
 * quote is still open, as *open says. */
bool csv_find_end(keel_str text, size_t *end, bool *open);

/* The fields of a record: `{ .rest = record }`. */
typedef struct csv_fields {
    keel_str rest;
    size_t number; /* of the field that was read last, from 1 */
    bool done;
} csv_fields;

/* Reads the next field into `field`, or only steps over it where that is NULL. False: that was the last, or
 * something is wrong: *err says what. */
bool csv_next(csv_fields *fields, char *field, size_t max_bytes, keel_err **err);

#endif /* DATA_PIPELINE_CSV_H */
