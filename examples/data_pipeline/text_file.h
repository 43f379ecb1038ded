/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_TEXT_FILE_H
#define DATA_PIPELINE_TEXT_FILE_H

#include <stdbool.h>

#include <keel/ctx.h>
#include <keel/err.h>

#include "words.h"

#define CHUNK_BYTES (64 << 10)

/* A piece of a text that neither begins nor ends within a word. */
typedef struct chunk {
    size_t len;
    char bytes[CHUNK_BYTES];
} chunk;

typedef struct text_file {
    const char *path; /* borrowed */
    int fd;
} text_file;

/* All of these block the thread. */

/*
 * Opens a file after reading it once: what is not a text is refused before any word of it counts.
 * Errors: for what is no regular file, or holds a NUL byte; the system's; the context's.
 */
keel_err *text_file_open(keel_ctx *ctx, text_file *file, const char *path);

/* Appends to the chunk until it is full or the file ends; then *at_end. */
keel_err *text_file_fill(text_file *file, chunk *into, bool *at_end);

void text_file_close(text_file *file);

/* Counts a file's words the plain way, byte by byte. */
keel_err *text_file_count_plainly(keel_ctx *ctx, const char *path, words *table);

#endif /* DATA_PIPELINE_TEXT_FILE_H */
