/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_LETTERS_H
#define DATA_PIPELINE_LETTERS_H

#include <stdint.h>

#include <keel/ctx.h>
#include <keel/pipeline.h>

#include "output.h"

/* The dead letters: what could not be counted, and why, a JSON object a line:
 *
 *     {"file":"a.csv","line":7,"stage":"validate","record":"7,...","failure":{"error":...,"chain":[...]}}
 *
 * "line" is where the record begins, 0 if it is the file that could not be read. A record that was too long
 * ends early and has "cut":true. Bytes that are no UTF-8 become U+FFFD. */
typedef enum letter_stage { READ, DECODE, VALIDATE, ENRICH, AGGREGATE, LETTER_STAGES } letter_stage;
extern const char *const letter_stage_names[LETTER_STAGES];

typedef struct letters letters;

/* What a stage hands to letters_put as the argument. */
typedef struct letter_box {
    letters *letters;
    letter_stage stage;
    uint64_t count;
} letter_box;

struct letters {
    letter_box boxes[LETTER_STAGES];
    keel_ctx *ctx;  /* of the run: cancelled when they cannot be written */
    keel_err *err;  /* why they cannot */
    bool kept;      /* there is a file for them */
    unsigned shown; /* on stderr */
    output out;
    keel_io_buffered buffered;
};

/* `path` may be NULL: then the first few are shown on stderr. It is borrowed. */
keel_err *letters_open(keel_ctx *ctx, letters *l, const char *path);

/* A dead_letter function, for items that are order *. */
void letters_put(keel_ctx *ctx, const char *stage, const void *item, const keel_err *err,
                 void *arg);

/* Has all of them on the disk. Errors: also what letters_put could not return. */
keel_err *letters_sync(keel_ctx *ctx, letters *l);
void letters_close(letters *l);

uint64_t letters_count(const letters *l);

#endif /* DATA_PIPELINE_LETTERS_H */
