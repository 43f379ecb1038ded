/* SPDX-License-Identifier: MIT */
#include <keel/io.h>

#include <stdarg.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"

enum { COPY_BYTES = 32 * 1024, BUFFERED_BYTES = 16 * 1024, LINE_BYTES = 64 * 1024 };
enum { READ_BYTES = 4096 /* at least, at a time */ };

/* ---- Using interfaces ---- */

keel_err *keel_io_read(keel_ctx *ctx, keel_reader from, void *buf, size_t size, size_t *got)
{
    keel__need(from.read != NULL, "keel_io_read", "reader");
    keel__need(got != NULL, "keel_io_read", "got");
    *got = 0;
    if (size == 0)
        return NULL;
    keel_err *err = from.read(ctx, from.self, buf, size, got);
    if (err != NULL) {
        *got = 0;
        return err;
    }
    if (*got > size)
        keel__misuse("keel_io_read: the reader says that it read %zu bytes of %zu", *got, size);
    if (*got == 0)
        return keel_err_wrap(KEEL_ERR_IO, "a reader read nothing");
    return NULL;
}

/* Writes some, at least a byte of more than none. */
static keel_err *write_some(keel_ctx *ctx, keel_writer to, const void *bytes, size_t size,
                            size_t *written)
{
    keel__need(to.write != NULL, "keel_io_write", "writer");
    *written = 0;
    keel_err *err = to.write(ctx, to.self, bytes, size, written);
    if (err != NULL) {
        *written = 0;
        return err;
    }
    if (*written > size)
        keel__misuse("keel_io_write: the writer says that it wrote %zu bytes of %zu", *written,
                     size);
    if (*written == 0)
        return keel_err_wrap(KEEL_ERR_IO, "a writer wrote nothing");
    return NULL;
}

static keel_err *write_all(keel_ctx *ctx, keel_writer to, const void *bytes, size_t size,
                           size_t *written)
{
    size_t some;

    *written = 0;
    while (*written < size) {
        KEEL_TRY(write_some(ctx, to, (const char *)bytes + *written, size - *written, &some));
        *written += some;
    }
    return NULL;
}

keel_err *keel_io_write(keel_ctx *ctx, keel_writer to, const void *bytes, size_t size)
{
    size_t written;

    return write_all(ctx, to, bytes, size, &written);
}

keel_err *keel_io_write_str(keel_ctx *ctx, keel_writer to, keel_str str)
{
    return keel_io_write(ctx, to, str.ptr, str.len);
}

keel_err *keel_io_printf(keel_ctx *ctx, keel_writer to, const char *format, ...)
{
    keel_buf text = { 0 };
    va_list args;

    va_start(args, format);
    keel_err *err = keel_buf_vprintf(&text, format, args);
    va_end(args);
    if (err == NULL)
        err = keel_io_write(ctx, to, text.ptr, text.len);
    keel_buf_deinit(&text);
    return err;
}

keel_err *keel_io_close(keel_ctx *ctx, keel_closer closer)
{
    keel__need(closer.close != NULL, "keel_io_close", "closer");
    return closer.close(ctx, closer.self);
}

keel_err *keel_io_read_full(keel_ctx *ctx, keel_reader from, void *buf, size_t size, size_t *got)
{
    size_t total = 0, some;
    keel_err *err = NULL;

    while (err == NULL && total < size) {
        err = keel_io_read(ctx, from, (char *)buf + total, size - total, &some);
        total += some;
    }
    if (got != NULL)
        *got = total;
    if (total > 0 && keel_err_is(err, KEEL_ERR_EOF)) {
        keel_err_free(err); /* says no more than that */
        err = keel_err_wrap(KEEL_ERR_UNEXPECTED_EOF, "after %zu of %zu bytes", total, size);
    }
    return err;
}

/* Whether the reader is at its end; else a byte of it is lost. */
static keel_err *expect_end(keel_ctx *ctx, keel_reader from, size_t max_bytes)
{
    char byte;
    size_t got;
    keel_err *err = keel_io_read(ctx, from, &byte, 1, &got);

    if (err == NULL)
        return keel_err_wrap(KEEL_ERR_LIMIT, "more than %zu bytes", max_bytes);
    if (!keel_err_is(err, KEEL_ERR_EOF))
        return err;
    keel_err_free(err); /* which is what should be there */
    return NULL;
}

/* Makes room for so many bytes, or for as many as the buffer may still have. */
static keel_err *make_room(keel_buf *to, size_t more)
{
    const size_t most = to->max_bytes != 0 ? to->max_bytes : KEEL_BUF_DEFAULT_MAX_BYTES;
    const size_t left = most > to->len ? most - to->len : 0;

    return keel_buf_reserve(to, more < left ? more : left);
}

keel_err *keel_io_read_all(keel_ctx *ctx, keel_reader from, keel_buf *to, size_t max_bytes)
{
    size_t total = 0;

    keel__need(to != NULL, "keel_io_read_all", "to");
    while (total < max_bytes) {
        size_t room, got;

        KEEL_TRY(make_room(to, max_bytes - total < READ_BYTES ? max_bytes - total : READ_BYTES));
        char *at = keel_buf_room(to, &room);
        if (room == 0) /* the buffer has all it may: that is too little only if there is more */
            return expect_end(ctx, from, total);
        if (room > max_bytes - total)
            room = max_bytes - total;
        keel_err *err = keel_io_read(ctx, from, at, room, &got);
        keel_buf_advance(to, got);
        total += got;
        if (keel_err_is(err, KEEL_ERR_EOF)) {
            keel_err_free(err); /* the end is where it should be */
            return NULL;
        }
        if (err != NULL)
            return err;
    }
    return max_bytes == KEEL_UNLIMITED ? NULL : expect_end(ctx, from, max_bytes);
}

/* ---- Copying ---- */

/* Until the end, or `limit` bytes. *ended says which. */
static keel_err *copy(keel_ctx *ctx, keel_writer to, keel_reader from, size_t limit, size_t *copied,
                      bool *ended)
{
    size_t size = limit < COPY_BYTES ? limit : COPY_BYTES;
    keel_err *err = NULL;

    *copied = 0;
    *ended = false;
    if (limit == 0)
        return NULL;
    char *buf = keel_mem_alloc(size);
    if (buf == NULL)
        return KEEL_ERR_NOMEM;
    while (err == NULL && *copied < limit) {
        size_t got, written;

        err = keel_io_read(ctx, from, buf, limit - *copied < size ? limit - *copied : size, &got);
        if (err == NULL) {
            err = write_all(ctx, to, buf, got, &written);
            *copied += written;
        } else if (keel_err_is(err, KEEL_ERR_EOF)) {
            keel_err_free(err); /* the end is no failure here */
            err = NULL;
            *ended = true;
            break;
        }
    }
    keel_mem_free(buf);
    return err;
}

keel_err *keel_io_copy(keel_ctx *ctx, keel_writer to, keel_reader from, size_t max_bytes,
                       size_t *copied)
{
    size_t count;
    bool ended;
    keel_err *err = copy(ctx, to, from, max_bytes, &count, &ended);

    if (copied != NULL)
        *copied = count;
    if (err != NULL || ended)
        return err;
    return expect_end(ctx, from, max_bytes);
}

keel_err *keel_io_copy_n(keel_ctx *ctx, keel_writer to, keel_reader from, size_t count,
                         size_t *copied)
{
    size_t done;
    bool ended;
    keel_err *err = copy(ctx, to, from, count, &done, &ended);

    if (copied != NULL)
        *copied = done;
    if (err == NULL && ended)
        return keel_err_wrap(KEEL_ERR_UNEXPECTED_EOF, "after %zu of %zu bytes", done, count);
    return err;
}

/* ---- In memory ---- */

static keel_err *read_str(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    keel_str *rest = self;

    (void)ctx;
    *got = rest->len < size ? rest->len : size;
    if (*got == 0)
        return KEEL_ERR_EOF;
    memcpy(buf, rest->ptr, *got);
    rest->ptr += *got;
    rest->len -= *got;
    return NULL;
}

keel_reader keel_io_from_str(keel_str *rest)
{
    return (keel_reader){ read_str, rest };
}

static keel_err *write_buf(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                           size_t *written)
{
    (void)ctx;
    KEEL_TRY(keel_buf_append(self, bytes, size));
    *written = size;
    return NULL;
}

keel_writer keel_io_to_buf(keel_buf *buf)
{
    return (keel_writer){ write_buf, buf };
}

static keel_err *write_bytes(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                             size_t *written)
{
    keel_io_bytes *to = self;
    size_t room = to->size - to->len;

    (void)ctx;
    if (room == 0)
        return KEEL_ERR_NO_SPACE;
    *written = size < room ? size : room;
    memcpy(to->ptr + to->len, bytes, *written);
    to->len += *written;
    return NULL;
}

keel_writer keel_io_to_bytes(keel_io_bytes *bytes)
{
    return (keel_writer){ write_bytes, bytes };
}

/* ---- In between ---- */

static keel_err *read_limited(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    keel_io_limit *limit = self;

    if (limit->left == 0)
        return KEEL_ERR_EOF;
    KEEL_TRY(keel_io_read(ctx, limit->from, buf, size < limit->left ? size : limit->left, got));
    limit->left -= *got;
    return NULL;
}

keel_reader keel_io_limited(keel_io_limit *limit)
{
    return (keel_reader){ read_limited, limit };
}

static keel_err *read_teed(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    const keel_io_tee *tee = self;

    KEEL_TRY(keel_io_read(ctx, tee->from, buf, size, got));
    return keel_io_write(ctx, tee->to, buf, *got);
}

keel_reader keel_io_teed(keel_io_tee *tee)
{
    return (keel_reader){ read_teed, tee };
}

static keel_err *write_multi(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                             size_t *written)
{
    const keel_io_multi *multi = self;

    for (size_t i = 0; i < multi->count; i++)
        KEEL_TRY(keel_io_write(ctx, multi->to[i], bytes, size));
    *written = size;
    return NULL;
}

keel_writer keel_io_to_all(keel_io_multi *multi)
{
    return (keel_writer){ write_multi, multi };
}

/* ---- Buffered ---- */

keel_err *keel_io_buffered_init(keel_io_buffered *buffered, keel_writer to, size_t size)
{
    keel__need(buffered != NULL, "keel_io_buffered_init", "buffered");
    *buffered =
        (keel_io_buffered){ .keel__to = to, .keel__size = size != 0 ? size : BUFFERED_BYTES };
    buffered->keel__ptr = keel_mem_alloc(buffered->keel__size);
    return buffered->keel__ptr != NULL ? NULL : KEEL_ERR_NOMEM;
}

void keel_io_buffered_deinit(keel_io_buffered *buffered)
{
    if (buffered == NULL)
        return;
    keel_mem_free(buffered->keel__ptr);
    *buffered = (keel_io_buffered){ 0 };
}

keel_err *keel_io_flush(keel_ctx *ctx, keel_io_buffered *buffered)
{
    size_t written;

    keel__need(buffered != NULL, "keel_io_flush", "buffered");
    keel_err *err =
        write_all(ctx, buffered->keel__to, buffered->keel__ptr, buffered->keel__len, &written);
    buffered->keel__len -= written;
    if (written > 0)
        memmove(buffered->keel__ptr, buffered->keel__ptr + written, buffered->keel__len);
    return err;
}

static keel_err *write_buffered(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                                size_t *written)
{
    keel_io_buffered *b = self;

    if (b->keel__len == b->keel__size)
        KEEL_TRY(keel_io_flush(ctx, b));
    if (b->keel__len == 0 && size >= b->keel__size)
        return write_some(ctx, b->keel__to, bytes, size, written);
    size_t room = b->keel__size - b->keel__len;
    *written = size < room ? size : room;
    memcpy(b->keel__ptr + b->keel__len, bytes, *written);
    b->keel__len += *written;
    return NULL;
}

keel_writer keel_io_to_buffered(keel_io_buffered *buffered)
{
    return (keel_writer){ write_buffered, buffered };
}

/* ---- Lines ---- */

/* Reads some more behind what is left of the last line. An error, or the end, is noted. */
static bool read_more(keel_ctx *ctx, keel_lines *lines)
{
    size_t room, got;

    keel_buf_drop(&lines->keel__buf, lines->keel__at);
    lines->keel__at = 0;
    keel_err *err = keel_buf_reserve(&lines->keel__buf, READ_BYTES);
    if (err == NULL) {
        char *at = keel_buf_room(&lines->keel__buf, &room);
        err = keel_io_read(ctx, lines->from, at, room, &got);
        keel_buf_advance(&lines->keel__buf, got);
    }
    if (err == NULL)
        return true;
    lines->keel__ended = true;
    if (keel_err_is(err, KEEL_ERR_EOF))
        keel_err_free(err); /* the end is no failure here */
    else
        lines->keel__err = err;
    return false;
}

bool keel_lines_next(keel_ctx *ctx, keel_lines *lines, keel_str *line)
{
    size_t seen = 0; /* bytes of the line that were searched */

    keel__need(lines != NULL, "keel_lines_next", "lines");
    keel__need(line != NULL, "keel_lines_next", "line");
    size_t max = lines->max_bytes != 0 ? lines->max_bytes : LINE_BYTES;
    *line = (keel_str){ 0 };
    while (lines->keel__err == NULL) {
        keel_str rest = keel_str_slice(keel_buf_str(&lines->keel__buf), lines->keel__at, SIZE_MAX);
        size_t at = rest.len;
        bool found = keel_str_find_byte(keel_str_slice(rest, seen, SIZE_MAX), '\n', &at);
        size_t len = found ? seen + at : rest.len;
        bool complete = found || (lines->keel__ended && len > 0);

        /* a "\r" at the end need not be the line's */
        if (len > max && !(len == max + 1 && rest.ptr[max] == '\r')) {
            lines->keel__err = keel_err_wrap(KEEL_ERR_LIMIT, "a line of more than %zu bytes", max);
            lines->keel__ended = true;
            return false;
        }
        if (complete) {
            lines->keel__at += found ? len + 1 : len;
            if (len > 0 && rest.ptr[len - 1] == '\r')
                len--;
            *line = keel_str_slice(rest, 0, len);
            return true;
        }
        if (lines->keel__ended)
            return false;
        seen = len;
        read_more(ctx, lines);
    }
    return false;
}

keel_err *keel_lines_err(keel_lines *lines)
{
    keel__need(lines != NULL, "keel_lines_err", "lines");
    keel_err *err = lines->keel__err;
    lines->keel__err = NULL;
    if (err != NULL) { /* nothing comes after it */
        keel_buf_clear(&lines->keel__buf);
        lines->keel__at = 0;
    }
    return err;
}

void keel_lines_deinit(keel_lines *lines)
{
    if (lines == NULL)
        return;
    keel_buf_deinit(&lines->keel__buf);
    keel_err_free(lines->keel__err);
    *lines = (keel_lines){ 0 };
}
