/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_OUTPUT_H
#define DATA_PIPELINE_OUTPUT_H

#include <keel/ctx.h>
#include <keel/io.h>

/* A file that is there as a whole or not at all: it is written beside the old one under another name, and
 * takes its place when it is complete and on the disk. What is no file (a device, a pipe, standard output)
 * is written as it is. All zero is none. */
typedef struct output {
    const char *path;
    char *target;    /* what is replaced; NULL: it is written as it is */
    char *temporary; /* what is written instead */
    keel_file file;
} output;

/* `path` is borrowed; NULL is standard output. Errors: the system's; KEEL_ERR_NOMEM. */
keel_err *output_open(keel_ctx *ctx, output *out, const char *path);

/* Has all of it on the disk; then output_replace cannot fail for want of room. */
keel_err *output_sync(keel_ctx *ctx, output *out);
keel_err *output_replace(keel_ctx *ctx, output *out);

/* Frees it, and removes what did not take its place. */
void output_close(output *out);

#endif /* DATA_PIPELINE_OUTPUT_H */
