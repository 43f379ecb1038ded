/* SPDX-License-Identifier: MIT */
/*
 * Counts the words of many files at once, and writes the twenty most frequent ones as JSON.
 *
 *   files -> readers (4 at once) -> bounded channel of 64 KiB chunks -> counters -> merge -> JSON
 *
 * Shows:  stages under one group and one deadline, a counter per core, blocking reads on offload
 *         threads, memory that does not grow with the input, errors of single files beside those that
 *         end the run.
 * Run:    ./data_pipeline [--timeout 30s] [-o FILE] [--no-check] [FILE...]
 *         Without files: the regular files in /usr/share/common-licenses. Links there are left out,
 *         because they lead to the same files; a file that is named twice counts twice.
 * Prints: {"files": ..., "refused": ..., "words": ..., "distinct": ..., "checked": true, "top": [...]}
 *
 * What a word is stands in data_pipeline/words.h. A file that cannot be read, or is no text (a NUL
 * byte), is refused with an error; the others are counted, and the exit status is 1. When the time
 * is up, or at SIGINT, nothing is written. The check counts everything a second time, in one thread.
 */
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <keel/keel.h>

#include "data_pipeline/report.h"
#include "data_pipeline/text_file.h"
#include "data_pipeline/words.h"

#define LICENSES "/usr/share/common-licenses"
#define READERS 4
#define CHUNKS 16 /* under way between readers and counters */

typedef struct pipeline {
    int64_t timeout_ns;
    const char *output;
    bool no_check;
    struct source *sources;
    size_t count;
    keel_chan *chunks; /* of chunk *, each owned by whoever holds the pointer */
    words total;
} pipeline;

typedef struct source {
    const char *path;
    keel_err *refused; /* why it is not counted, if it is not */
    keel_chan *chunks;
    /* For the calls that run on offload threads: */
    keel_ctx *ctx;
    text_file file;
    chunk *into;
    bool at_end;
} source;

/* ---- Readers ---- */

static keel_err *open_source(void *arg)
{
    source *s = arg;
    return text_file_open(s->ctx, &s->file, s->path);
}

static keel_err *fill_chunk(void *arg)
{
    source *s = arg;
    return text_file_fill(&s->file, s->into, &s->at_end);
}

static void free_item(void *item)
{
    keel_mem_free(*(chunk **)item);
}

static keel_err *new_chunk(chunk **out)
{
    *out = keel_mem_alloc(sizeof **out);
    if (*out == NULL)
        return KEEL_ERR_NOMEM;
    (*out)->len = 0;
    return NULL;
}

/* Moves the word that the chunk may end within to the next chunk, unless it is too long: then the
 * pieces that count as words stay, and the rest moves. */
static void move_unfinished_word(chunk *from, chunk *to)
{
    size_t len = 0;

    while (len < from->len && is_letter(from->bytes[from->len - 1 - len]))
        len++;
    len %= MAX_WORD_BYTES;
    from->len -= len;
    memcpy(to->bytes, from->bytes + from->len, len);
    to->len = len;
}

/* Sends all of an open file in chunks. What is sent is the counters'; the rest is freed here. */
static keel_err *send_chunks(keel_ctx *ctx, source *s)
{
    KEEL_TRY(new_chunk(&s->into));
    while (s->into != NULL) {
        chunk *next = NULL;
        keel_err *err = keel_offload(ctx, fill_chunk, s);
        if (err == NULL && !s->at_end)
            err = new_chunk(&next);
        if (err == NULL && next != NULL)
            move_unfinished_word(s->into, next);
        if (err == NULL)
            err = keel_chan_send(ctx, s->chunks, &s->into);
        if (err != NULL) {
            keel_mem_free(next);
            keel_mem_free(s->into);
            return err;
        }
        s->into = next; /* NULL: that was all */
    }
    return NULL;
}

static keel_err *read_source(keel_ctx *ctx, void *arg)
{
    source *s = arg;

    s->ctx = ctx;
    keel_err *err = keel_offload(ctx, open_source, s);
    if (err != NULL) {
        if (keel_ctx_err(ctx) != NULL)
            return err;   /* everything ends */
        s->refused = err; /* the other files go on */
        return NULL;
    }
    err = send_chunks(ctx, s);
    text_file_close(&s->file);
    return err;
}

static keel_err *read_all(keel_ctx *ctx, void *arg)
{
    pipeline *p = arg;

    keel_group *readers = keel_group_new(ctx, &(keel_group_opts){ .limit = READERS });
    for (size_t i = 0; i < p->count; i++) {
        p->sources[i].chunks = p->chunks;
        keel_group_go(readers, read_source, &p->sources[i]);
    }
    keel_err *err = keel_group_wait(readers);
    if (err == NULL)
        keel_chan_close(p->chunks); /* that was all: the counters finish */
    return err;
}

/* ---- Counters ---- */

typedef struct counter {
    keel_chan *chunks;
    words words; /* its own: no lock */
} counter;

static keel_err *count_chunks(keel_ctx *ctx, void *arg)
{
    counter *c = arg;
    chunk *got;
    keel_err *err = NULL;

    while (err == NULL && keel_chan_next(ctx, c->chunks, &got)) {
        err = words_add_text(&c->words, got->bytes, got->len);
        keel_mem_free(got);
        keel_yield(); /* while chunks keep coming nothing above waits: let others have a turn */
    }
    return err != NULL ? err : keel_ctx_err(ctx);
}

/* As many counters as there are workers: they compute. */
static keel_err *count_with(keel_ctx *ctx, pipeline *p, counter *counters, unsigned count)
{
    KEEL_TRY(keel_chan_new(&p->chunks, sizeof(chunk *),
                           &(keel_chan_opts){ .capacity = CHUNKS, .item_free = free_item }));
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .name = "data_pipeline" });
    keel_group_go(group, read_all, p);
    for (unsigned i = 0; i < count; i++) {
        counters[i] = (counter){ .chunks = p->chunks };
        keel_group_go(group, count_chunks, &counters[i]);
    }
    keel_err *err = keel_group_wait(group);

    for (unsigned i = 0; i < count; i++) {
        if (err == NULL)
            err = keel_ctx_err(ctx);
        if (err == NULL)
            err = words_merge(&p->total, &counters[i].words);
        words_deinit(&counters[i].words);
    }
    keel_chan_free(p->chunks);
    return err;
}

static keel_err *count_all(keel_ctx *ctx, pipeline *p)
{
    unsigned count = keel_runtime_workers(keel_ctx_runtime(ctx));
    counter *counters = keel_mem_calloc(count, sizeof *counters);

    if (counters == NULL)
        return KEEL_ERR_NOMEM;
    keel_err *err = count_with(ctx, p, counters, count);
    keel_mem_free(counters);
    return err;
}

/* ---- The check ---- */

typedef struct check {
    keel_ctx *ctx;
    const pipeline *p;
    words plain;
} check;

static keel_err *count_plainly(void *arg)
{
    check *c = arg;

    for (size_t i = 0; i < c->p->count; i++)
        if (c->p->sources[i].refused == NULL)
            KEEL_TRY(text_file_count_plainly(c->ctx, c->p->sources[i].path, &c->plain));
    return NULL;
}

static keel_err *check_total(keel_ctx *ctx, const pipeline *p)
{
    check c = { .ctx = ctx, .p = p };

    keel_err *err = keel_offload(ctx, count_plainly, &c);
    if (err == NULL && !words_equal(&c.plain, &p->total))
        err = keel_err_new("the check failed: a plain count gives something else");
    else if (err == NULL)
        fprintf(stderr, "checked: equal to a plain count\n");
    words_deinit(&c.plain);
    return err;
}

/* ---- The program ---- */

static keel_err *count_and_report(keel_ctx *ctx, pipeline *p)
{
    size_t refused = 0;

    KEEL_TRY(count_all(ctx, p));
    for (size_t i = 0; i < p->count; i++)
        refused += p->sources[i].refused != NULL;
    if (refused == p->count)
        return NULL; /* nothing to report but the errors */
    if (!p->no_check)
        KEEL_TRY(check_total(ctx, p));
    return report_write(ctx, &(report){ p->count - refused, refused, &p->total, !p->no_check },
                        p->output);
}

static keel_err *run(keel_ctx *parent, void *arg)
{
    pipeline *p = arg;

    keel_ctx *ctx = keel_ctx_with_timeout_cause(
        parent, p->timeout_ns,
        keel_err_wrap(KEEL_ERR_DEADLINE, "no result within %s", KEEL_DURATION_STR(p->timeout_ns)));
    keel_err *err = count_and_report(ctx, p);
    if (err != NULL && err == keel_ctx_err(ctx))
        err = keel_ctx_cause(ctx); /* says why: the deadline or a signal */
    keel_ctx_free(ctx);
    words_deinit(&p->total);
    for (size_t i = 0; i < p->count; i++)
        err = keel_err_join(err, p->sources[i].refused);
    return err;
}

/* A link is not: those in LICENSES lead to other files there, which would count twice. */
static bool is_regular(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Runs the pipeline over these files. Returns the exit status. */
static int count_paths(pipeline *p, char **paths, size_t count, bool only_regular)
{
    p->sources = keel_mem_calloc(count, sizeof *p->sources);
    if (p->sources == NULL) {
        fprintf(stderr, "data_pipeline: out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        if (!only_regular || is_regular(paths[i]))
            p->sources[p->count++].path = paths[i];
    int status = keel_main(run, p);
    keel_mem_free(p->sources);
    return status;
}

/* Reads the options. Returns false, after saying why, if they make no sense. */
static bool parse_options(pipeline *p, int argc, char **argv)
{
    const struct option options[] = { { "timeout", required_argument, NULL, 't' },
                                      { "output", required_argument, NULL, 'o' },
                                      { "check", no_argument, NULL, 'c' },
                                      { "no-check", no_argument, NULL, 'n' },
                                      { NULL, 0, NULL, 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option == 't') {
            keel_err *err = keel_duration_parse(&p->timeout_ns, optarg);
            if (err != NULL || p->timeout_ns <= 0) {
                fprintf(stderr, "data_pipeline: --timeout needs a time such as 1m30s\n");
                keel_err_free(err);
                return false;
            }
        } else if (option == 'o') {
            p->output = optarg;
        } else if (option == 'c' || option == 'n') {
            p->no_check = option == 'n';
        } else {
            fprintf(stderr, "usage: data_pipeline [--timeout 30s] [-o FILE] [--no-check] "
                            "[FILE...]\n");
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    pipeline p = { .timeout_ns = KEEL_S(30) };
    glob_t licenses;

    if (!parse_options(&p, argc, argv))
        return 2;
    if (optind < argc)
        return count_paths(&p, argv + optind, (size_t)(argc - optind), false);

    if (glob(LICENSES "/*", 0, NULL, &licenses) != 0) {
        fprintf(stderr, "data_pipeline: no files in " LICENSES ": name some\n");
        return 1;
    }
    int status = count_paths(&p, licenses.gl_pathv, licenses.gl_pathc, true);
    globfree(&licenses);
    return status;
}
