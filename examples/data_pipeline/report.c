/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include <keel/task.h>

#define TOP 20

static json_t *top_words(const words *table)
{
    word_count top[TOP];
    size_t n = words_top(table, top, TOP);

    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_pack("{s:s%, s:I}", "word", top[i].word.ptr, top[i].word.len, "count",
                                 (json_int_t)top[i].count);
        if (json_array_append_new(list, item) != 0) { /* which includes that either is NULL */
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* The report as text, to be freed with free; NULL without memory. */
static char *report_text(const report *r)
{
    char *text = NULL;
    json_t *list = top_words(r->words);
    if (list == NULL)
        return NULL;

    /* o takes the list, even when packing fails */
    json_t *json =
        json_pack("{s:I, s:I, s:I, s:I, s:b, s:o}", "files", (json_int_t)r->files, "refused",
                  (json_int_t)r->refused, "words", (json_int_t)r->words->total, "distinct",
                  (json_int_t)r->words->counts.len, "checked", r->checked, "top", list);
    if (json != NULL)
        text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}

typedef struct output {
    const char *text;
    const char *path;
} output;

static keel_err *write_all(int fd, const char *text, const char *name)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return keel_err_from_errno(errno, "write %s", name);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return NULL;
}

/* Only a file that is complete and on the disk takes the place of the old one. */
static keel_err *replace_file(const char *path, const char *text)
{
    char temporary[4096];
    struct stat st;
    int fd;
    keel_err *err;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return keel_err_new("%s is not a regular file", path);
    int len = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof temporary)
        return keel_err_from_errno(ENAMETOOLONG, "create %s", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return keel_err_from_errno(errno, "create %s", temporary);

    err = write_all(fd, text, temporary);
    if (err == NULL && fsync(fd) != 0)
        err = keel_err_from_errno(errno, "sync %s", temporary);
    if (close(fd) != 0 && err == NULL)
        err = keel_err_from_errno(errno, "close %s", temporary);
    if (err == NULL && rename(temporary, path) != 0)
        err = keel_err_from_errno(errno, "rename %s to %s", temporary, path);
    if (err != NULL)
        unlink(temporary);
    return err;
}

static keel_err *write_output(void *arg)
{
    const output *out = arg;

    if (out->path != NULL)
        return replace_file(out->path, out->text);
    return write_all(STDOUT_FILENO, out->text, "standard output");
}

keel_err *report_write(keel_ctx *ctx, const report *r, const char *path)
{
    char *text = report_text(r);
    char *line = NULL;
    if (text == NULL || asprintf(&line, "%s\n", text) < 0) {
        free(text);
        return KEEL_ERR_NOMEM;
    }
    keel_err *err = keel_offload(ctx, write_output, &(output){ line, path });
    free(line);
    free(text);
    return err;
}
