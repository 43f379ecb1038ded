/* SPDX-License-Identifier: MIT */
#ifndef KEEL_IO_H
#define KEEL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/buf.h>
#include <keel/ctx.h>
#include <keel/err.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * Interfaces: what can be read from, written to and closed, whatever it is.
 *
 * An interface is a struct of functions and the object they are for, passed by value. An object of yours
 * becomes one by a function that fills it in:
 *
 *     static keel_err *read_zeros(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
 *     {
 *         memset(buf, 0, size);
 *         *got = size;
 *         return NULL;
 *     }
 *     keel_reader zeros = { read_zeros, NULL };
 *
 * Small ones compose larger ones: a keel_read_closer has a keel_reader and a keel_closer. A function asks
 * for the smallest that does: what only reads takes a keel_reader, and can be tested with bytes in memory.
 *
 * They borrow the object. Everything works in tasks and on plain threads alike.
 *
 * Threads: one at a time for each object, if it does not say otherwise.
 * Source:  Go's io.Reader, io.Writer, io.Closer.
 */
typedef struct keel_reader {
    /** Waits until there is something, and reads at most `size` bytes, which is not 0: *got is how many,
     * at least 1. At the end KEEL_ERR_EOF; with any error *got is 0. */
    keel_err *(*read)(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got);
    void *self;
} keel_reader;

typedef struct keel_writer {
    /** Writes from 1 to `size` bytes, and `size` is not 0: *written is how many; with an error, 0. */
    keel_err *(*write)(keel_ctx *ctx, void *self, const void *bytes, size_t size, size_t *written);
    void *self;
} keel_writer;

typedef struct keel_closer {
    /** Ends the use of the object, which is closed even if this fails. Closing twice does nothing. */
    keel_err *(*close)(keel_ctx *ctx, void *self);
    void *self;
} keel_closer;

typedef struct keel_read_writer {
    keel_reader reader;
    keel_writer writer;
} keel_read_writer;

typedef struct keel_read_closer {
    keel_reader reader;
    keel_closer closer;
} keel_read_closer;

typedef struct keel_write_closer {
    keel_writer writer;
    keel_closer closer;
} keel_write_closer;

typedef struct keel_read_write_closer {
    keel_reader reader;
    keel_writer writer;
    keel_closer closer;
} keel_read_write_closer;

/* ---- Using them ---- */

/** Reads some bytes: see keel_reader. With a size of 0 it succeeds at once. */
KEEL_NODISCARD keel_err *keel_io_read(keel_ctx *ctx, keel_reader from, void *buf, size_t size,
                                      size_t *got);

/**
 * Reads exactly `size` bytes.
 *
 * Errors: KEEL_ERR_EOF if the end comes before the first, KEEL_ERR_UNEXPECTED_EOF after that; the
 *         reader's. *got (may be NULL) is how many there were.
 * Source: Go's io.ReadFull.
 */
KEEL_NODISCARD keel_err *keel_io_read_full(keel_ctx *ctx, keel_reader from, void *buf, size_t size,
                                           size_t *got);

/**
 * Appends all there is to a buffer, at most max_bytes (KEEL_UNLIMITED: any).
 *
 * Errors: KEEL_ERR_LIMIT if there is more; the reader's and the buffer's. What was read stays appended.
 * Source: Go's io.ReadAll, with a limit.
 */
KEEL_NODISCARD keel_err *keel_io_read_all(keel_ctx *ctx, keel_reader from, keel_buf *to,
                                          size_t max_bytes);

/** Writes all bytes, however many calls that takes. Errors: the writer's; KEEL_ERR_IO if it takes none. */
KEEL_NODISCARD keel_err *keel_io_write(keel_ctx *ctx, keel_writer to, const void *bytes,
                                       size_t size);
KEEL_NODISCARD keel_err *keel_io_write_str(keel_ctx *ctx, keel_writer to, keel_str str);
KEEL_NODISCARD keel_err *keel_io_printf(keel_ctx *ctx, keel_writer to, const char *format, ...)
    KEEL_PRINTF(3, 4);

/** Closes. */
KEEL_NODISCARD keel_err *keel_io_close(keel_ctx *ctx, keel_closer closer);

/**
 * Copies until the end, at most max_bytes (KEEL_UNLIMITED: any). *copied (may be NULL) is how many were.
 *
 * Errors: KEEL_ERR_LIMIT if there is more; the reader's and the writer's; KEEL_ERR_NOMEM.
 * Source: Go's io.Copy, with a limit.
 */
KEEL_NODISCARD keel_err *keel_io_copy(keel_ctx *ctx, keel_writer to, keel_reader from,
                                      size_t max_bytes, size_t *copied);

/** Copies exactly `count` bytes. Errors: KEEL_ERR_UNEXPECTED_EOF if there are fewer; as keel_io_copy.
 * Source: Go's io.CopyN. */
KEEL_NODISCARD keel_err *keel_io_copy_n(keel_ctx *ctx, keel_writer to, keel_reader from,
                                        size_t count, size_t *copied);

/* ---- In memory ---- */

/** Reads a view, which gets shorter: *rest is what is left. */
keel_reader keel_io_from_str(keel_str *rest);

/** Appends to a buffer. */
keel_writer keel_io_to_buf(keel_buf *buf);

/** Writes into memory of a fixed size, as much as there is room for, then fails with KEEL_ERR_NO_SPACE. */
typedef struct keel_io_bytes {
    char *ptr;
    size_t size;
    size_t len; /**< So many are written. */
} keel_io_bytes;
keel_writer keel_io_to_bytes(keel_io_bytes *bytes);

/* ---- In between ---- */

/** Reads from another reader, at most `left` bytes; then is at its end. Source: Go's io.LimitReader. */
typedef struct keel_io_limit {
    keel_reader from;
    size_t left;
} keel_io_limit;
keel_reader keel_io_limited(keel_io_limit *limit);

/** Reads from a reader, and writes what it read to a writer. Source: Go's io.TeeReader. */
typedef struct keel_io_tee {
    keel_reader from;
    keel_writer to;
} keel_io_tee;
keel_reader keel_io_teed(keel_io_tee *tee);

/** Writes everything to each of several; the first error is the answer. Source: Go's io.MultiWriter. */
typedef struct keel_io_multi {
    const keel_writer *to;
    size_t count;
} keel_io_multi;
keel_writer keel_io_to_all(keel_io_multi *multi);

/**
 * Collects what is written, for fewer and larger writes: those that are as large as the buffer pass by.
 *
 *     keel_io_buffered out;
 *     KEEL_TRY(keel_io_buffered_init(&out, keel_file_writer(&file), 0));
 *     err = keel_io_printf(ctx, keel_io_to_buffered(&out), "%d\n", n);
 *     if (err == NULL)
 *         err = keel_io_flush(ctx, &out);
 *     keel_io_buffered_deinit(&out);
 *
 * Source: Go's bufio.Writer; an error leaves what was not written in the buffer, for another flush.
 */
typedef struct keel_io_buffered {
    keel_writer keel__to;
    char *keel__ptr;
    size_t keel__size, keel__len;
} keel_io_buffered;

/** `size` bytes of buffer; 0: 16 KiB. Errors: KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_io_buffered_init(keel_io_buffered *buffered, keel_writer to,
                                               size_t size);
/** Drops what was not flushed. Accepts NULL, and a zeroed struct. */
void keel_io_buffered_deinit(keel_io_buffered *buffered);
keel_writer keel_io_to_buffered(keel_io_buffered *buffered);
KEEL_NODISCARD keel_err *keel_io_flush(keel_ctx *ctx, keel_io_buffered *buffered);

/**
 * The lines of what a reader reads, without "\n" or "\r\n" at their ends:
 *
 *     keel_lines lines = { .from = reader };
 *     for (keel_str line; keel_lines_next(ctx, &lines, &line);)
 *         ...
 *     err = keel_lines_err(&lines);
 *     keel_lines_deinit(&lines);
 *
 * Source: Go's bufio.Scanner.
 */
typedef struct keel_lines {
    keel_reader from;
    size_t max_bytes;   /**< Of a line. 0: 64 KiB. */
    keel_buf keel__buf; /* read, and not yet given from keel__at on */
    size_t keel__at;
    bool keel__ended;
    keel_err *keel__err;
} keel_lines;

/** Says whether there is another line: *line is borrowed until the next call. */
bool keel_lines_next(keel_ctx *ctx, keel_lines *lines, keel_str *line);

/** Why there was none: NULL at the end; KEEL_ERR_LIMIT for a line that is too long; KEEL_ERR_NOMEM; the
 * reader's. Yours; it is told once. */
KEEL_NODISCARD keel_err *keel_lines_err(keel_lines *lines);
void keel_lines_deinit(keel_lines *lines);

/* ---- Files ---- */

/**
 * A file, or anything with a descriptor. In a task its calls run on the runtime's threads for blocking
 * calls (keel_offload), one at a time: read and write in large pieces, or through keel_io_buffered and
 * keel_lines. What may keep one waiting (a pipe, a terminal) is given up when the context ends; each that
 * waits looks again every 20 ms, on such a thread: many idle pipes want more of them, or threads of their own.
 * A pipe with a name opens for reading before anybody writes to it; the first read waits.
 *
 * Errors carry the file's name. A zeroed struct is a closed file. Writing to a pipe that nobody reads
 * is an error in a task, KEEL_ERR_CLOSED or what the system says; on a plain thread it raises SIGPIPE, unless
 * that is ignored.
 *
 * Threads: one at a time.
 */
typedef struct keel_file {
    char *keel__name;
    int keel__fd; /* and one */
    bool keel__waits, keel__borrowed;
} keel_file;

/** Opens a file for reading; creates one, or makes it empty, for writing; or to write at its end, creating
 * it if there is none. New files have mode 0666 less the umask; programs that are started do not inherit
 * them. Errors: those of the system, KEEL_ERR_NOT_FOUND say; KEEL_ERR_NOMEM; the context's. */
KEEL_NODISCARD keel_err *keel_file_open(keel_ctx *ctx, keel_file *file, const char *path);
KEEL_NODISCARD keel_err *keel_file_create(keel_ctx *ctx, keel_file *file, const char *path);
KEEL_NODISCARD keel_err *keel_file_append(keel_ctx *ctx, keel_file *file, const char *path);

/** Takes a descriptor of yours, to be closed with the file, also when it fails; keel_file_borrow_fd leaves
 * it open. `name` is for errors. Errors: KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_file_from_fd(keel_file *file, int fd, const char *name);
KEEL_NODISCARD keel_err *keel_file_borrow_fd(keel_file *file, int fd, const char *name);

/** Closes the file; it is closed even if this fails, which may mean that not all was written. A closed
 * file does nothing. The end of the context does not keep it from closing. */
KEEL_NODISCARD keel_err *keel_file_close(keel_ctx *ctx, keel_file *file);

/** Waits until what was written is on the disk. */
KEEL_NODISCARD keel_err *keel_file_sync(keel_ctx *ctx, keel_file *file);

/** Interfaces to the file. */
keel_reader keel_file_reader(keel_file *file);
keel_writer keel_file_writer(keel_file *file);
keel_closer keel_file_closer(keel_file *file);
keel_read_write_closer keel_file_all(keel_file *file);

/** Appends a whole file to a buffer: opens, keel_io_read_all, closes. Source: Go's os.ReadFile. */
KEEL_NODISCARD keel_err *keel_io_read_file(keel_ctx *ctx, const char *path, keel_buf *to,
                                           size_t max_bytes);

/** Makes a file of these bytes, replacing what was in it. Source: Go's os.WriteFile. */
KEEL_NODISCARD keel_err *keel_io_write_file(keel_ctx *ctx, const char *path, const void *bytes,
                                            size_t size);

KEEL_END_DECLS

#endif /* KEEL_IO_H */
