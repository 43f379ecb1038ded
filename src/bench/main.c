/* SPDX-License-Identifier: MIT */
#include <keel/bench.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <keel/duration.h>

#include "bench/bench.h"

/* What the command line asked for. */
typedef struct request {
    const keel__bench_host *host;
    keel_bench_opts opts;
    const char *peer;
    bool tsv, list;
    char **names; /* parts of names, any of which will do */
    int name_count;
} request;

/* ---- The command line ---- */

static int usage(const request *r, const char *program)
{
    fprintf(r->host->err,
            "usage: %s [--time DURATION] [--runs N] [--count N] [--tsv] [--peer NAME] [--list] "
            "[NAME...]\n",
            program);
    return 2;
}

/* Reads a whole number from 1 to `most`. */
static bool read_number(const char *text, uintmax_t most, uintmax_t *number)
{
    char *end;

    errno = 0;
    *number = strtoumax(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number > 0 &&
           *number <= most;
}

static bool read_time(const char *text, int64_t *time_ns)
{
    keel_err *err = keel_duration_parse(time_ns, text);

    keel_err_free(err); /* the usage says it too */
    return err == NULL && *time_ns > 0;
}

/* An option that has a value. */
static bool read_option(request *r, const char *option, const char *value)
{
    uintmax_t number;

    if (strcmp(option, "--time") == 0)
        return read_time(value, &r->opts.min_run_ns);
    if (strcmp(option, "--peer") == 0) {
        r->peer = value;
        return true;
    }
    if (strcmp(option, "--runs") == 0 && read_number(value, KEEL_BENCH_RUNS_MAX, &number)) {
        r->opts.runs = (unsigned)number;
        return true;
    }
    if (strcmp(option, "--count") == 0 && read_number(value, SIZE_MAX, &number)) {
        r->opts.count = (size_t)number;
        return true;
    }
    return false;
}

static bool read_command_line(request *r, int argc, char **argv)
{
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--tsv") == 0)
            r->tsv = true;
        else if (strcmp(argv[i], "--list") == 0)
            r->list = true;
        else if (i + 1 < argc && read_option(r, argv[i], argv[i + 1]))
            i++;
        else
            return false;
    }
    r->names = argv + i;
    r->name_count = i < argc ? argc - i : 0;
    return true;
}

static bool chosen(const request *r, const keel_bench_entry *entry)
{
    for (int i = 0; i < r->name_count; i++)
        if (strstr(entry->name, r->names[i]) != NULL)
            return true;
    return r->name_count == 0;
}

/* ---- The output ---- */

/* Four digits or more, in 14 columns with the point always in the same. */
static void print_value(FILE *out, double x)
{
    if (x >= 999.95)
        fprintf(out, "%10.0f    ", x);
    else if (x >= 99.995)
        fprintf(out, "%12.1f  ", x);
    else if (x >= 9.9995)
        fprintf(out, "%13.2f ", x);
    else
        fprintf(out, "%14.3f", x);
}

/* Whole where it is whole, as nearly all are; a count that is amortised shows that it is. */
static int decimals(double count)
{
    return count < 100 && count != (double)(size_t)count ? 2 : 0;
}

/* How far from the median the farthest run is, in per cent. */
static double spread(const keel_bench_result *result)
{
    double below = result->median - result->least, above = result->most - result->median;

    return result->median > 0 ? 100 * (below > above ? below : above) / result->median : 0;
}

static void print_line(FILE *out, int width, const keel_bench_entry *entry,
                       const keel_bench_result *result)
{
    fprintf(out, "%-*s %11zu ", width, entry->name, result->n);
    print_value(out, result->median);
    fprintf(out, " %s  \xC2\xB1%5.1f%%", result->unit, spread(result)); /* ± */
    if (result->mb_per_s > 0)
        fprintf(out, "  %10.2f MB/s", result->mb_per_s);
    if (result->counted)
        fprintf(out, "  %9.*f B/op  %7.*f allocs/op", decimals(result->alloc_bytes),
                result->alloc_bytes, decimals(result->allocs), result->allocs);
    fputc('\n', out);
}

static void print_tsv(FILE *out, const char *peer, const keel_bench_entry *entry,
                      const keel_bench_result *result)
{
    const char *whose = entry->peer != NULL ? entry->peer : peer;
    const char *name = entry->name;

    fprintf(out, "%s\t%s\t%.6g\t%s\n", name, whose, result->median, result->unit);
    if (result->mb_per_s > 0)
        fprintf(out, "%s\t%s\t%.6g\tMB/s\n", name, whose, result->mb_per_s);
    if (result->counted) {
        fprintf(out, "%s\t%s\t%.6g\tB/op\n", name, whose, result->alloc_bytes);
        fprintf(out, "%s\t%s\t%.6g\tallocs/op\n", name, whose, result->allocs);
    }
}

static int widest(const keel_bench_entry *table, size_t count)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) > width)
            width = strlen(table[i].name);
    return width < 60 ? (int)width : 60;
}

static void run_entry(const request *r, const keel_bench_entry *entry, int width)
{
    FILE *out = r->host->out;
    keel_bench_result result;

    if (r->list) {
        fprintf(out, "%s\n", entry->name);
        return;
    }
    keel__bench_measure(r->host, &result, entry, &r->opts);
    if (r->tsv)
        print_tsv(out, r->peer, entry, &result);
    else
        print_line(out, width, entry, &result);
    fflush(out); /* the next may take a while */
}

int keel__bench_main(const keel__bench_host *host, int argc, char **argv,
                     const keel_bench_entry *table, size_t count)
{
    const char *program = argc > 0 && argv[0] != NULL ? argv[0] : "benchmark";
    const char *slash = strrchr(program, '/');
    request r = { .host = host, .peer = slash != NULL ? slash + 1 : program };
    size_t matched = 0;

    if (!read_command_line(&r, argc, argv))
        return usage(&r, program);
    for (size_t i = 0; i < count; i++) {
        if (!chosen(&r, &table[i]))
            continue;
        run_entry(&r, &table[i], widest(table, count));
        matched++;
    }
    if (matched == 0) {
        fprintf(host->err, "%s: no benchmark of that name; --list shows what there is\n", program);
        return 2;
    }
    return 0;
}

int keel_bench_main_with(int argc, char **argv, const keel_bench_entry *table, size_t count)
{
    keel__bench_host host = keel__bench_real_host();

    keel_err_free(keel_bench_init()); /* without it, allocations are not shown */
    return keel__bench_main(&host, argc, argv, table, count);
}
