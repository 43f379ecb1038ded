/* SPDX-License-Identifier: MIT */
#include "letters.h"

#include <inttypes.h>
#include <stdio.h>

#include "order.h"

enum { SHOWN = 5 };

const char *const letter_stage_names[LETTER_STAGES] = { "read", "decode", "validate", "enrich",
                                                        "aggregate" };

keel_err *letters_open(keel_ctx *ctx, letters *l, const char *path)
{
    *l = (letters){ .ctx = ctx, .kept = path != NULL };
    for (letter_stage s = READ; s < LETTER_STAGES; s++)
        l->boxes[s] = (letter_box){ .letters = l, .stage = s };
    if (!l->kept)
        return NULL;
    KEEL_TRY(output_open(ctx, &l->out, path));
    return keel_io_buffered_init(&l->buffered, keel_file_writer(&l->out.file), 64 << 10);
}

/* ---- One letter ---- */

static keel_err *append_failure(keel_buf *line, const keel_err *err)
{
    const size_t need = keel_err_json(err, NULL, 0);
    size_t room;

    KEEL_TRY(keel_buf_reserve(line, need + 1));
    char *into = keel_buf_room(line, &room);
    keel_err_json(err, into, room + 1); /* behind the room there is always one for the NUL */
    keel_buf_advance(line, need);
    return NULL;
}

static keel_err *format_letter(keel_buf *line, const order *o, letter_stage stage,
                               const keel_err *err)
{
    KEEL_TRY(keel_buf_append_text(line, "{\"file\":"));
    KEEL_TRY(keel_buf_append_json(line, keel_str_from(o->file->name)));
    KEEL_TRY(keel_buf_printf(line, ",\"line\":%" PRIu64 ",\"stage\":\"%s\"", o->line,
                             letter_stage_names[stage]));
    if (o->line > 0) {
        KEEL_TRY(keel_buf_append_text(line, ",\"record\":"));
        KEEL_TRY(keel_buf_append_json(line, (keel_str){ o->text, o->len }));
    }
    if (o->cut)
        KEEL_TRY(keel_buf_append_text(line, ",\"cut\":true"));
    KEEL_TRY(keel_buf_append_text(line, ",\"failure\":"));
    KEEL_TRY(append_failure(line, err));
    return keel_buf_append_text(line, "}\n");
}

static keel_err *write_letter(letters *l, const order *o, letter_stage stage, const keel_err *err)
{
    keel_buf line = { 0 };

    keel_err *failed = format_letter(&line, o, stage, err);
    if (failed == NULL)
        failed = keel_io_write_str(l->ctx, keel_io_to_buffered(&l->buffered), keel_buf_str(&line));
    keel_buf_deinit(&line);
    return failed;
}

/* A file that cannot be read is always shown, of the others the first few where nothing keeps them. */
static void show(letters *l, const order *o, letter_stage stage, const keel_err *err)
{
    if (o->line == 0)
        fprintf(stderr, "data_pipeline: %s: %s\n", o->file->name, KEEL_ERR_STR(err));
    else if (!l->kept && l->shown++ < SHOWN)
        fprintf(stderr, "data_pipeline: %s:%" PRIu64 ": %s: %s\n", o->file->name, o->line,
                letter_stage_names[stage], KEEL_ERR_STR(err));
}

void letters_put(keel_ctx *ctx, const char *name, const void *item, const keel_err *err, void *arg)
{
    const order *o = *(order *const *)item;
    letters *l = ((letter_box *)arg)->letters;
    const letter_stage stage = o->problem != NULL ? READ : ((letter_box *)arg)->stage;

    (void)ctx, (void)name;
    l->boxes[stage].count++;
    show(l, o, stage, err);
    if (!l->kept || l->err != NULL)
        return;
    l->err = write_letter(l, o, stage, err);
    if (l->err != NULL) /* without its dead letters the result would be a lie */
        keel_ctx_cancel(l->ctx);
}

/* ---- The end ---- */

keel_err *letters_sync(keel_ctx *ctx, letters *l)
{
    keel_err *err = l->err;

    l->err = NULL;
    if (err == NULL && l->kept)
        err = keel_io_flush(ctx, &l->buffered);
    if (err == NULL && l->kept)
        err = output_sync(ctx, &l->out);
    return keel_err_wrap(err, "dead letters");
}

void letters_close(letters *l)
{
    keel_io_buffered_deinit(&l->buffered);
    output_close(&l->out);
    keel_err_free(l->err);
    l->err = NULL;
}

uint64_t letters_count(const letters *l)
{
    uint64_t count = 0;

    for (letter_stage s = READ; s < LETTER_STAGES; s++)
        count += l->boxes[s].count;
    return count;
}
