/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <keel/group.h>
#include <keel/io.h>

enum { MAX_STAGES = 16 };

#define EVERY_NS KEEL_MS(250)

static size_t get_stats(keel_pipeline *p, keel_stage_stats *stats)
{
    const size_t count = keel_pipeline_get_stats(p, stats, MAX_STAGES);

    return count < MAX_STAGES ? count : MAX_STAGES;
}

/* How many records had been read at some time. */
typedef struct seen {
    uint64_t records;
    int64_t at_ns;
} seen;

/* "12345 records, 4567/s, 3 errors; queued: decode 128, aggregate 2" */
static keel_err *format_line(keel_buf *line, keel_pipeline *p, int64_t now_ns, seen *before)
{
    keel_stage_stats stats[MAX_STAGES];
    const size_t count = get_stats(p, stats);
    const char *separator = "; queued: ";
    uint64_t failed = 0;

    if (count == 0)
        return NULL; /* it has not begun */
    for (size_t i = 0; i < count; i++)
        failed += stats[i].failed;
    const seen now = { stats[0].out, now_ns };
    const double seconds = (double)(now.at_ns - before->at_ns) / 1e9;
    const double rate = (double)(now.records - before->records) / seconds;
    *before = now;
    KEEL_TRY(keel_buf_printf(line, "\r\033[K%" PRIu64 " records, %.0f/s, %" PRIu64 " errors",
                             now.records, rate, failed));
    for (size_t i = 0; i < count; i++) {
        if (stats[i].queued == 0)
            continue;
        KEEL_TRY(keel_buf_printf(line, "%s%s %zu", separator, stats[i].name, stats[i].queued));
        separator = ", ";
    }
    return NULL;
}

static keel_err *show_progress(keel_ctx *ctx, void *arg)
{
    keel_file terminal;
    keel_buf line = { 0 };
    seen before = { .at_ns = keel_ctx_now(ctx) };

    keel_err *err = keel_file_borrow_fd(&terminal, STDERR_FILENO, "the terminal");
    while (err == NULL && (err = keel_sleep(ctx, EVERY_NS)) == NULL) {
        keel_buf_clear(&line);
        err = format_line(&line, arg, keel_ctx_now(ctx), &before);
        if (err == NULL && line.len > 0)
            err = keel_io_write_str(ctx, keel_file_writer(&terminal), keel_buf_str(&line));
    }
    keel_buf_deinit(&line);
    keel_err_free(keel_io_write_str(NULL, keel_file_writer(&terminal), KEEL_STR("\r\033[K")));
    keel_err_free(keel_file_close(ctx, &terminal));
    return err;
}

keel_err *progress_run(keel_ctx *ctx, keel_pipeline *p)
{
    if (!isatty(STDERR_FILENO))
        return keel_pipeline_run(ctx, p);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, show_progress, p);
    keel_err *err = keel_pipeline_run(ctx, p);
    keel_group_cancel(group);
    keel_err_free(keel_group_wait(group)); /* cancelled; and to show nothing is no failure */
    return err;
}

void progress_print_stages(keel_pipeline *p)
{
    keel_stage_stats stats[MAX_STAGES];
    const size_t count = get_stats(p, stats);

    fprintf(stderr, "%-10s %10s %10s %8s %8s %9s %9s %9s\n", "stage", "in", "out", "failed",
            "retried", "busy", "waiting", "blocked");
    for (size_t i = 0; i < count; i++) {
        const keel_stage_stats *s = &stats[i];
        fprintf(stderr,
                "%-10s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %8" PRIu64
                " %7.2f s %7.2f s %7.2f s\n",
                s->name, s->in, s->out, s->failed, s->retried, (double)s->busy_ns / 1e9,
                (double)s->waiting_ns / 1e9, (double)s->blocked_ns / 1e9);
    }
}
