/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_REPORT_H
#define DATA_PIPELINE_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <keel/ctx.h>
#include <keel/err.h>

#include "words.h"

typedef struct report {
    size_t files; /* counted */
    size_t refused;
    const words *words;
    bool checked;
} report;

/*
 * Writes the report as JSON: to a file, which has its old content or the new one at any time, or,
 * where `path` is NULL, to standard output.
 */
keel_err *report_write(keel_ctx *ctx, const report *r, const char *path);

#endif /* DATA_PIPELINE_REPORT_H */
