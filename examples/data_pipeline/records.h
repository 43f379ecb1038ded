/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_RECORDS_H
#define DATA_PIPELINE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/io.h>
#include <keel/retry.h>

#include "order.h"

/* The source: the records of several files, one after the other, each with its place. */
typedef struct records {
    const char *const *names; /* "-" is standard input */
    size_t count;
    const keel_retry *retry; /* for opening and reading */
    size_t unreadable;       /* files that could not be read, or not to their end */

    source_file *files;
    size_t next; /* the first that was not opened yet */
    keel_file file;
    bool open, ended;
    bool skip;    /* the rest of a line that was too long */
    keel_buf buf; /* read, and not yet given from `at` on */
    size_t at;
    uint64_t line; /* on which `at` is */
} records;

/* Errors: KEEL_ERR_NOMEM. */
keel_err *records_init(records *r, const char *const *names, size_t count, const keel_retry *retry);
void records_deinit(records *r);

/* A keel_source_fn: puts out an order *. What is wrong with a record, or with a file, becomes the problem of
 * an order: the source itself fails only without memory, or when the context ends. */
keel_err *records_next(keel_ctx *ctx, void *out, bool *more, void *arg);

#endif /* DATA_PIPELINE_RECORDS_H */
