/* SPDX-License-Identifier: MIT */
/*
 * Orders from CSV and JSON files are checked, converted to euros and added up by month and product.
 *
 *   read -> (queue) -> decode -> validate -> enrich, on all cores, in order -> (queue) -> aggregate
 *   then the rows, in lots -> write
 *
 * Shows:  a pipeline with a source of one's own, parallel stages that keep the order, retries, and dead
 *         letters from each stage; progress from its statistics; a result that is there whole or not at all.
 * Run:    ./data_pipeline [-o FILE] [-d FILE] [-w WORKERS] [-q | -v] [--timeout TIME] [--faults N]
 *                         [--explain] [FILE...]
 *         Orders have an id, customer, product, amount, currency and time: in CSV by a header, in JSON an
 *         object a line; "-" is standard input. Without files: two samples. The result goes to -o, what
 *         could not be counted to -d, with the reason (data_pipeline/letters.h); -v prints what each stage
 *         did. With --faults the lookup of a rate fails at first for one line in N, and is tried again.
 *         Try: ./data_pipeline -d dead.jsonl examples/data_pipeline/odd.csv
 * Prints: {"month":"2026-01","product":"coffee","orders":3,"euros":71.46} ...
 *
 * Exit status: 0 all was counted; 3 the result lacks what the dead letters tell of, or a file; 1 it failed
 * or was interrupted, and no file has changed; 2 the command line makes no sense.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include <keel/keel.h>

#include "data_pipeline/check.h"
#include "data_pipeline/decode.h"
#include "data_pipeline/letters.h"
#include "data_pipeline/options.h"
#include "data_pipeline/output.h"
#include "data_pipeline/progress.h"
#include "data_pipeline/rates.h"
#include "data_pipeline/records.h"
#include "data_pipeline/result.h"
#include "data_pipeline/totals.h"

enum { QUEUE = 1024 };

typedef struct program {
    options opts;
    keel_retry *reading, *asking, *writing;
    records records;
    rates rates;
    totals totals;
    letters letters;
    output output;
    size_t rows;
    int64_t started_ns;
    bool incomplete;
} program;

/* ---- The plan ---- */

/* What the stages on all cores have in common. */
static keel_stage_opts on_all_cores(keel_ctx *ctx, program *p, letter_stage stage)
{
    return (keel_stage_opts){ .parallel = keel_runtime_workers(keel_ctx_runtime(ctx)),
                              .keep_order = true,
                              .on_error = KEEL_STAGE_DEAD_LETTER,
                              .dead_letter = letters_put,
                              .dead_letter_arg = &p->letters.boxes[stage],
                              .item_free = order_free };
}

static keel_pipeline *plan(keel_ctx *ctx, program *p)
{
    keel_stage_opts decode = on_all_cores(ctx, p, DECODE);
    keel_stage_opts validate = on_all_cores(ctx, p, VALIDATE);
    keel_stage_opts enrich = on_all_cores(ctx, p, ENRICH);
    keel_stage_opts aggregate = { .on_error = KEEL_STAGE_DEAD_LETTER,
                                  .dead_letter = letters_put,
                                  .dead_letter_arg = &p->letters.boxes[AGGREGATE] };
    enrich.retry = p->asking;
    enrich.arg = &p->rates;

    /* long queues: a record takes a microsecond, and the shorter they are the more often a task sleeps */
    keel_pipeline *orders =
        keel_pipeline_new(&(keel_pipeline_opts){ .name = "orders", .queue = QUEUE });
    keel_pipeline_from_fn(orders, "read", records_next, sizeof(order *), order_free, &p->records);
    keel_pipeline_map(orders, "decode", KEEL_FN(decode_order, order *, order *), &decode);
    keel_pipeline_map(orders, "validate", KEEL_FN(validate_order, order *, order *), &validate);
    keel_pipeline_map(orders, "enrich", KEEL_FN(enrich_order, order *, order *), &enrich);
    keel_pipeline_fold(orders, "aggregate", KEEL_FN(totals_add, order *, totals), &p->totals,
                       &aggregate);
    return orders;
}

/* ---- Retries ---- */

/* A full disk may be cleared, and a server of files may come back; a reader that is gone will not. */
static bool may_pass(const keel_err *err, void *arg)
{
    (void)arg;
    return keel_err_is(err, KEEL_ERR_IO) || keel_err_is(err, KEEL_ERR_NO_SPACE) ||
           keel_err_is(err, KEEL_ERR_LIMIT) || keel_err_is(err, KEEL_ERR_BUSY) ||
           keel_err_is(err, KEEL_ERR_TIMEOUT);
}

static keel_err *make_retries(program *p)
{
    const keel_retry_opts files = { .max_attempts = 3,
                                    .base_delay_ns = KEEL_MS(50),
                                    .retryable = may_pass };
    const keel_retry_opts lookups = { .max_attempts = 4,
                                      .base_delay_ns = KEEL_US(200),
                                      .max_delay_ns = KEEL_MS(100) };

    KEEL_TRY(keel_retry_new(&p->reading, &files));
    KEEL_TRY(keel_retry_new(&p->writing, &files));
    return keel_retry_new(&p->asking, &lookups);
}

/* ---- The run ---- */

static void print_summary(keel_ctx *ctx, program *p, keel_pipeline *orders)
{
    const double seconds = (double)(keel_ctx_now(ctx) - p->started_ns) / 1e9;
    keel_stage_stats read;
    struct rusage used;

    if (p->opts.quiet || keel_pipeline_get_stats(orders, &read, 1) == 0)
        return;
    getrusage(RUSAGE_SELF, &used);
    fprintf(stderr,
            "%" PRIu64 " records of %zu file%s in %.2f s, %.0f/s; %" PRIu64
            " orders counted in %zu "
            "rows; at most %ld MiB\n",
            read.out, p->records.count, p->records.count == 1 ? "" : "s", seconds,
            (double)read.out / seconds, p->totals.orders, p->rows, used.ru_maxrss / 1024);
    if (letters_count(&p->letters) > 0) {
        fprintf(stderr, "not counted: %" PRIu64, letters_count(&p->letters));
        for (letter_stage s = READ; s < LETTER_STAGES; s++)
            fprintf(stderr, "%s %s %" PRIu64, s == READ ? ":" : ",", letter_stage_names[s],
                    p->letters.boxes[s].count);
        fprintf(stderr, "\n");
    }
    if (p->opts.verbose)
        progress_print_stages(orders);
}

/* What was written takes the place of what was there, when all of it is on the disk. */
static keel_err *finish(keel_ctx *ctx, program *p)
{
    KEEL_TRY(result_write(ctx, &p->output, &p->totals, p->writing, &p->rows));
    KEEL_TRY(output_sync(ctx, &p->output));
    KEEL_TRY(letters_sync(ctx, &p->letters));
    KEEL_TRY(output_replace(ctx, &p->letters.out));
    return output_replace(ctx, &p->output);
}

static keel_err *process(keel_ctx *ctx, program *p, keel_pipeline *orders)
{
    KEEL_TRY(output_open(ctx, &p->output, p->opts.output));
    keel_err *err = progress_run(ctx, orders);
    if (p->letters.err != NULL) { /* the reason why the context ended */
        keel_err_free(err);
        return letters_sync(ctx, &p->letters);
    }
    if (err == NULL && p->records.unreadable == p->records.count)
        err = keel_err_new("no file could be read to its end");
    if (err == NULL)
        err = finish(ctx, p);
    p->incomplete = letters_count(&p->letters) > 0;
    return err;
}

static keel_err *explain(keel_pipeline *orders)
{
    keel_buf text = { 0 };

    keel_err *err = keel_pipeline_explain(orders, &text);
    if (err == NULL)
        fputs(keel_buf_text(&text), stdout);
    keel_buf_deinit(&text);
    return err;
}

static keel_err *run_under(keel_ctx *ctx, program *p)
{
    keel_pipeline *orders = NULL;

    p->started_ns = keel_ctx_now(ctx);
    keel_err *err = make_retries(p);
    if (err == NULL)
        err = records_init(&p->records, p->opts.files, p->opts.file_count, p->reading);
    if (err == NULL)
        err = letters_open(ctx, &p->letters, p->opts.explain ? NULL : p->opts.letters);
    if (err == NULL) {
        orders = plan(ctx, p);
        err = p->opts.explain ? explain(orders) : process(ctx, p, orders);
    }
    if (err == NULL && !p->opts.explain)
        print_summary(ctx, p, orders);
    keel_pipeline_free(orders);
    letters_close(&p->letters);
    output_close(&p->output);
    totals_deinit(&p->totals);
    records_deinit(&p->records);
    keel_retry_free(p->asking);
    keel_retry_free(p->writing);
    keel_retry_free(p->reading);
    return err;
}

static keel_err *run(keel_ctx *parent, void *arg)
{
    program *p = arg;
    const int64_t time_ns = p->opts.timeout_ns;

    keel_ctx *ctx =
        time_ns > 0
            ? keel_ctx_with_timeout_cause(parent, time_ns,
                                          keel_err_wrap(KEEL_ERR_DEADLINE, "no result within %s",
                                                        KEEL_DURATION_STR(time_ns)))
            : keel_ctx_with_cancel(parent);
    keel_err *err = run_under(ctx, p);
    if (err != NULL && err == keel_ctx_err(ctx))
        err = keel_ctx_cause(ctx); /* says why: the time, or a signal */
    keel_ctx_free(ctx);
    return err;
}

int main(int argc, char **argv)
{
    static const char *const samples[] = { DATA_PIPELINE_SAMPLES "/orders.csv",
                                           DATA_PIPELINE_SAMPLES "/orders.jsonl" };
    program p = { .records = { 0 } };

    if (!options_parse(&p.opts, argc, argv))
        return 2;
    if (p.opts.file_count == 0) {
        p.opts.files = samples;
        p.opts.file_count = 2;
    }
    p.rates.fault_every = p.opts.fault_every;
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is an error like another */
    const int status = keel_main_opts(run, &p, &(keel_runtime_opts){ .workers = p.opts.workers });
    return status == 0 && p.incomplete ? 3 : status;
}
