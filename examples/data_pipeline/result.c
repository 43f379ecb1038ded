/* SPDX-License-Identifier: MIT */
#include "result.h"

#include <inttypes.h>
#include <string.h>

#include <keel/mem.h>
#include <keel/pipeline.h>

enum { LOT = 512 };

/* The lines of a lot, and how much of them is written: an attempt goes on where the one before ended. */
typedef struct lot {
    output *out;
    keel_buf lines;
    size_t written;
} lot;

static keel_err *append_row(keel_buf *lines, const total_row *row)
{
    keel_str month, product;

    keel_str_cut(row->key, KEEL_STR(" "), &month, &product);
    KEEL_TRY(keel_buf_printf(lines,
                             "{\"month\":\"" KEEL_STR_FMT "\",\"product\":", KEEL_STR_ARG(month)));
    KEEL_TRY(keel_buf_append_json(lines, product));
    return keel_buf_printf(lines, ",\"orders\":%" PRId64 ",\"euros\":%" PRId64 ".%02" PRId64 "}\n",
                           row->total.orders, row->total.euro_cents / 100,
                           row->total.euro_cents % 100);
}

static keel_err *write_lot(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const keel_batch *rows = in;
    lot *l = arg;
    const keel_writer to = keel_file_writer(&l->out->file);

    (void)out;
    if (l->lines.len == 0) { /* the first attempt */
        for (size_t i = 0; i < rows->count; i++)
            KEEL_TRY(append_row(&l->lines, &((const total_row *)rows->items)[i]));
    }
    while (l->written < l->lines.len) {
        size_t written;
        KEEL_TRY(
            to.write(ctx, to.self, l->lines.ptr + l->written, l->lines.len - l->written, &written));
        l->written += written;
    }
    keel_buf_clear(&l->lines);
    l->written = 0;
    return NULL;
}

keel_err *result_write(keel_ctx *ctx, output *out, const totals *t, const keel_retry *retry,
                       size_t *rows)
{
    lot l = { .out = out };
    total_row *items;

    KEEL_TRY(totals_rows(t, &items, rows));
    keel_pipeline *p = keel_pipeline_new(&(keel_pipeline_opts){ .name = "result" });
    keel_pipeline_from_array(p, items, *rows, sizeof *items);
    keel_pipeline_batch(p, "lots", LOT, 0);
    keel_pipeline_each(p, "write", KEEL_FN_SINK(write_lot, keel_batch),
                       &(keel_stage_opts){ .retry = retry, .arg = &l });
    keel_err *err = keel_pipeline_run(ctx, p);
    keel_pipeline_free(p);
    keel_buf_deinit(&l.lines);
    keel_mem_free(items);
    return err;
}
