/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <keel/mem.h>
#include <keel/task.h>

#include "csv.h"
#include "decode.h"

enum { READ_BYTES = 256 << 10 };

keel_err *records_init(records *r, const char *const *names, size_t count, const keel_retry *retry)
{
    *r = (records){ .names = names, .count = count, .retry = retry };
    r->files = keel_mem_calloc(count, sizeof *r->files);
    return r->files != NULL ? NULL : KEEL_ERR_NOMEM;
}

/* ---- Files ---- */

static source_file *current(const records *r)
{
    return &r->files[r->next - 1];
}

static keel_err *open_blocking(void *arg)
{
    records *r = arg;
    const char *name = r->names[r->next - 1];
    struct stat about;

    /* O_NONBLOCK: opening a FIFO that nobody writes to would wait, and could not be stopped */
    const int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return keel_err_from_errno(errno, "open %s", name);
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        close(fd);
        return keel_err_from_errno(EISDIR, "open %s", name);
    }
    return keel_file_from_fd(&r->file, fd, name);
}

static keel_err *open_once(keel_ctx *ctx, void *arg)
{
    records *r = arg;

    if (strcmp(r->names[r->next - 1], "-") == 0)
        return keel_file_borrow_fd(&r->file, STDIN_FILENO, "standard input");
    return keel_offload(ctx, open_blocking, r);
}

static void close_file(keel_ctx *ctx, records *r)
{
    keel_err_free(keel_file_close(ctx, &r->file)); /* it was only read */
    keel_buf_clear(&r->buf);
    r->at = 0;
    r->open = r->skip = false;
}

void records_deinit(records *r)
{
    close_file(NULL, r);
    keel_buf_deinit(&r->buf);
    keel_mem_free(r->files);
}

/* ---- Reading ---- */

static keel_err *read_once(keel_ctx *ctx, void *arg)
{
    records *r = arg;
    size_t room, got;

    char *into = keel_buf_room(&r->buf, &room);
    keel_err *err = keel_io_read(ctx, keel_file_reader(&r->file), into, room, &got);
    keel_buf_advance(&r->buf, got);
    if (err == KEEL_ERR_EOF) {
        r->ended = true;
        return NULL;
    }
    return err;
}

/* Reads more, and drops what was given: what is held is one record and one piece at most. */
static keel_err *fill(keel_ctx *ctx, records *r)
{
    keel_buf_drop(&r->buf, r->at);
    r->at = 0;
    KEEL_TRY(keel_buf_reserve(&r->buf, READ_BYTES));
    return keel_retry_run(ctx, r->retry, read_once, r);
}

static keel_str ahead(const records *r)
{
    return keel_str_slice(keel_buf_str(&r->buf), r->at, r->buf.len);
}

/* Steps over bytes, and the line ends among them. */
static void step(records *r, size_t count)
{
    keel_str over = keel_str_slice(ahead(r), 0, count);

    for (size_t at; keel_str_find_byte(over, '\n', &at); r->line++)
        over = keel_str_slice(over, at + 1, over.len);
    r->at += count;
}

/* Steps over the rest of a line, however long. */
static keel_err *skip_line(keel_ctx *ctx, records *r)
{
    size_t end;

    r->skip = false;

    while (!keel_str_find_byte(ahead(r), '\n', &end)) {
        r->at = r->buf.len;
        if (r->ended)
            return NULL;
        KEEL_TRY(fill(ctx, r));
    }
    step(r, end + 1);
    return NULL;
}

/* A record as it lies in the buffer, until more is read. */
typedef struct raw_record {
    keel_str text;
    uint64_t line;
    keel_err *problem; /* owned */
    bool cut;
} raw_record;

/* What has no end within MAX_RECORD_BYTES. A quote that is not closed costs one line, not the rest of the
 * file: so the next record begins on the line after it. */
static void take_broken(records *r, keel_str rest, bool open, raw_record *out)
{
    size_t line;
    const bool ends = keel_str_find_byte(rest, '\n', &line);

    out->text = keel_str_slice(rest, 0, ends ? line : rest.len);
    if (open)
        out->problem = keel_err_wrap(KEEL_ERR_SYNTAX, "a quote is not closed");
    else if (rest.len > MAX_RECORD_BYTES)
        out->problem = keel_err_wrap(KEEL_ERR_LIMIT, "more than %d bytes", MAX_RECORD_BYTES);
    if (out->text.len > MAX_RECORD_BYTES) {
        out->text.len = CUT_BYTES;
        out->cut = true;
        r->at += out->text.len;
        r->skip = true; /* what is left of the line */
    } else {
        step(r, out->text.len + (ends ? 1 : 0));
    }
}

/* Takes the next record that is not empty. False: that was the last; *err may say why. */
static bool take(keel_ctx *ctx, records *r, raw_record *out, keel_err **err)
{
    const bool csv = current(r)->format == FORMAT_CSV;

    *err = r->skip ? skip_line(ctx, r) : NULL;
    while (*err == NULL) {
        const keel_str rest = ahead(r), part = keel_str_slice(rest, 0, MAX_RECORD_BYTES + 1);
        size_t end = 0;
        bool open = false;

        *out = (raw_record){ .line = r->line };
        if (csv ? csv_find_end(part, &end, &open) : keel_str_find_byte(part, '\n', &end)) {
            out->text = keel_str_slice(rest, 0, end);
            step(r, end + 1);
        } else if (!r->ended && part.len <= MAX_RECORD_BYTES) {
            *err = fill(ctx, r);
            continue;
        } else if (rest.len == 0) {
            return false;
        } else {
            take_broken(r, part, open, out);
        }
        if (out->text.len > 0 && out->text.ptr[out->text.len - 1] == '\r')
            out->text.len--;
        if (out->text.len > 0 || out->problem != NULL)
            return true;
    }
    return false;
}

/* ---- The beginning of a file ---- */

/* Tells the format by the name, or by the first character. */
static record_format guess_format(const char *name, keel_str text)
{
    static const char *const json[] = { ".json", ".jsonl", ".ndjson" };
    const keel_str path = keel_str_from(name);

    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        if (keel_str_ends_with(path, keel_str_from(json[i])))
            return FORMAT_JSON;
    }
    if (keel_str_ends_with(path, KEEL_STR(".csv")))
        return FORMAT_CSV;
    text = keel_str_trim_start(text);
    return text.len > 0 && text.ptr[0] == '{' ? FORMAT_JSON : FORMAT_CSV;
}

static keel_err *read_header(keel_ctx *ctx, records *r)
{
    raw_record header;
    keel_err *err;

    if (!take(ctx, r, &header, &err))
        return err;
    err = header.problem != NULL ? header.problem : decode_header(header.text, current(r));
    return keel_err_wrap(err, "header in line %llu", (unsigned long long)header.line);
}

/* Opens the next file and reads what stands before its records. */
static keel_err *open_next(keel_ctx *ctx, records *r)
{
    source_file *file = &r->files[r->next];

    file->name = r->names[r->next++];
    r->ended = false;
    r->line = 1;
    KEEL_TRY(keel_retry_run(ctx, r->retry, open_once, r));
    r->open = true;
    KEEL_TRY(fill(ctx, r));
    if (keel_str_starts_with(ahead(r), KEEL_STR("\xEF\xBB\xBF")))
        r->at += 3; /* a byte order mark */
    file->format = guess_format(file->name, ahead(r));
    return file->format == FORMAT_CSV ? read_header(ctx, r) : NULL;
}

/* ---- The source ---- */

/* A file is over before its end. It becomes an order that stands for it. */
static keel_err *give_up_file(keel_ctx *ctx, records *r, order **out, keel_err *err)
{
    if (keel_ctx_err(ctx) != NULL || err == KEEL_ERR_NOMEM)
        return err;
    close_file(ctx, r);
    r->unreadable++;
    return order_new(out, current(r), 0, (keel_str){ 0 }, err);
}

keel_err *records_next(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    records *r = arg;
    order **made = out;
    raw_record raw;
    keel_err *err;

    for (;;) {
        if (!r->open) {
            *more = r->next < r->count;
            if (!*more)
                return NULL;
            if ((err = open_next(ctx, r)) != NULL)
                return give_up_file(ctx, r, made, err);
        }
        if (take(ctx, r, &raw, &err))
            break;
        if (err != NULL)
            return give_up_file(ctx, r, made, err);
        close_file(ctx, r);
    }
    KEEL_TRY(order_new(made, current(r), raw.line, raw.text, raw.problem));
    (*made)->cut = raw.cut;
    return NULL;
}
