/* SPDX-License-Identifier: MIT */
#include <keel/io.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <keel/mem.h>
#include <keel/task.h>

#include "base/process.h"

/* How long a call waits for a pipe before it looks at its context. */
enum { LOOK_MS = 20 };

/* The most for one call: others want the thread as well. What is ready takes 4 KiB, the least that PIPE_BUF
 * may be, without waiting, and perhaps no more. */
enum { CALL_BYTES = 1 << 20, READY_BYTES = 4096 };

/* One blocking call, as keel_offload passes it on. */
typedef struct call {
    keel_file *file;
    const char *path;
    int flags;
    void *in;
    const void *out;
    size_t size;
    size_t done;
    bool again; /* nothing was ready: look at the context, and try again */
} call;

static int fd_of(const keel_file *file)
{
    return file->keel__fd - 1;
}

static bool is_open(const keel_file *file)
{
    return file->keel__fd != 0;
}

static keel_err *closed(const char *what)
{
    return keel_err_wrap(KEEL_ERR_CLOSED, "%s a file that is not open", what);
}

/* ---- Opening ---- */

static keel_err *adopt(keel_file *file, int fd, const char *name, bool borrowed)
{
    struct stat about;

    *file = (keel_file){ 0 };
    keel_err *err = keel_str_dup(&file->keel__name, keel_str_from(name));
    if (err != NULL)
        return err;
    file->keel__fd = fd + 1;
    file->keel__borrowed = borrowed;
    file->keel__waits =
        fstat(fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISBLK(about.st_mode));
    return NULL;
}

static keel_err *open_it(void *arg)
{
    call *c = arg;
    struct stat about;
    int fd;

    /* a pipe with a name would wait here for its other end, whatever the context */
    do
        fd = open(c->path, c->flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    while (fd < 0 && errno == EINTR);
    c->again = fd < 0 && errno == ENXIO && stat(c->path, &about) == 0 && S_ISFIFO(about.st_mode);
    if (c->again) { /* nobody reads it yet */
        poll(NULL, 0, LOOK_MS);
        return NULL;
    }
    if (fd < 0)
        return keel_err_from_errno(errno, "open %s", c->path);
    fcntl(fd, F_SETFL, c->flags & O_APPEND); /* from now on is_ready waits */
    keel_err *err = adopt(c->file, fd, c->path, false);
    if (err != NULL)
        close(fd);
    return err;
}

static keel_err *open_file(keel_ctx *ctx, keel_file *file, const char *path, int flags,
                           const char *function)
{
    call c = { .file = file, .path = path, .flags = flags };

    keel__need(file != NULL, function, "file");
    keel__need(path != NULL, function, "path");
    keel_err *err;

    *file = (keel_file){ 0 };
    do
        err = keel_offload(ctx, open_it, &c);
    while (err == NULL && c.again);
    return err;
}

keel_err *keel_file_open(keel_ctx *ctx, keel_file *file, const char *path)
{
    return open_file(ctx, file, path, O_RDONLY, "keel_file_open");
}

keel_err *keel_file_create(keel_ctx *ctx, keel_file *file, const char *path)
{
    return open_file(ctx, file, path, O_WRONLY | O_CREAT | O_TRUNC, "keel_file_create");
}

keel_err *keel_file_append(keel_ctx *ctx, keel_file *file, const char *path)
{
    return open_file(ctx, file, path, O_WRONLY | O_CREAT | O_APPEND, "keel_file_append");
}

keel_err *keel_file_from_fd(keel_file *file, int fd, const char *name)
{
    keel__need(file != NULL, "keel_file_from_fd", "file");
    keel_err *err = adopt(file, fd, name, false);
    if (err != NULL)
        close(fd);
    return err;
}

keel_err *keel_file_borrow_fd(keel_file *file, int fd, const char *name)
{
    keel__need(file != NULL, "keel_file_borrow_fd", "file");
    return adopt(file, fd, name, true);
}

/* ---- Reading and writing ---- */

/* Waits for what may keep one waiting, but not for long. */
static bool is_ready(const keel_file *file, short events)
{
    struct pollfd wanted = { .fd = fd_of(file), .events = events };

    if (!file->keel__waits)
        return true;
    int count = poll(&wanted, 1, LOOK_MS);
    /* an error of poll itself is left to the call, which names it; but a signal is none, and the call would
     * wait then without looking at the context */
    return count > 0 || (count < 0 && errno != EINTR);
}

/* Takes what read or write gave. */
static keel_err *judge(call *c, ssize_t result, const char *what)
{
    c->again = result < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK);
    c->done = result > 0 ? (size_t)result : 0;
    if (result >= 0 || c->again)
        return NULL;
    return keel_err_from_errno(errno, "%s %s", what, c->file->keel__name);
}

static keel_err *read_it(void *arg)
{
    call *c = arg;

    c->again = !is_ready(c->file, POLLIN);
    return c->again ? NULL : judge(c, read(fd_of(c->file), c->in, c->size), "read");
}

static keel_err *write_it(void *arg)
{
    call *c = arg;

    c->again = !is_ready(c->file, POLLOUT);
    return c->again ? NULL : judge(c, write(fd_of(c->file), c->out, c->size), "write");
}

/* keel_offload looks at the context each time. */
static keel_err *perform(keel_ctx *ctx, call *c, keel_offload_fn fn, const char *what)
{
    keel_err *err;

    if (!is_open(c->file))
        return closed(what);
    if (c->size > CALL_BYTES)
        c->size = CALL_BYTES;
    do
        err = keel_offload(ctx, fn, c);
    while (err == NULL && c->again);
    return err;
}

static keel_err *read_file(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    call c = { .file = self, .in = buf, .size = size };

    KEEL_TRY(perform(ctx, &c, read_it, "read"));
    *got = c.done;
    return c.done > 0 ? NULL : KEEL_ERR_EOF;
}

static keel_err *write_file(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                            size_t *written)
{
    call c = { .file = self, .out = bytes, .size = size };

    if (c.file->keel__waits && size > READY_BYTES)
        c.size = READY_BYTES;
    KEEL_TRY(perform(ctx, &c, write_it, "write"));
    *written = c.done;
    return NULL;
}

static keel_err *sync_it(void *arg)
{
    const call *c = arg;
    int result;

    do
        result = fsync(fd_of(c->file));
    while (result != 0 && errno == EINTR);
    return result == 0 ? NULL : keel_err_from_errno(errno, "sync %s", c->file->keel__name);
}

keel_err *keel_file_sync(keel_ctx *ctx, keel_file *file)
{
    keel__need(file != NULL, "keel_file_sync", "file");
    call c = { .file = file };
    return is_open(file) ? keel_offload(ctx, sync_it, &c) : closed("sync");
}

/* ---- Closing ---- */

/* Not tried again when a signal interrupts it: on Linux the descriptor is gone. */
static keel_err *close_it(void *arg)
{
    call *c = arg;

    c->done = 1;
    if (close(fd_of(c->file)) == 0 || errno == EINTR)
        return NULL;
    return keel_err_from_errno(errno, "close %s", c->file->keel__name);
}

keel_err *keel_file_close(keel_ctx *ctx, keel_file *file)
{
    call c = { .file = file };
    keel_err *err = NULL;

    (void)ctx; /* whose end would leave the file open */
    if (file == NULL)
        return NULL;
    if (is_open(file) && !file->keel__borrowed)
        err = keel_offload(NULL, close_it, &c);
    if (err != NULL && c.done == 0) { /* there was no thread for it */
        keel_err_free(err);
        err = close_it(&c);
    }
    keel_mem_free(file->keel__name);
    *file = (keel_file){ 0 };
    return err;
}

static keel_err *close_file(keel_ctx *ctx, void *self)
{
    return keel_file_close(ctx, self);
}

/* ---- Interfaces ---- */

keel_reader keel_file_reader(keel_file *file)
{
    return (keel_reader){ read_file, file };
}

keel_writer keel_file_writer(keel_file *file)
{
    return (keel_writer){ write_file, file };
}

keel_closer keel_file_closer(keel_file *file)
{
    return (keel_closer){ close_file, file };
}

keel_read_write_closer keel_file_all(keel_file *file)
{
    return (keel_read_write_closer){ keel_file_reader(file), keel_file_writer(file),
                                     keel_file_closer(file) };
}

/* ---- Whole files ---- */

keel_err *keel_io_read_file(keel_ctx *ctx, const char *path, keel_buf *to, size_t max_bytes)
{
    keel_file file;

    KEEL_TRY(keel_file_open(ctx, &file, path));
    keel_err *err = keel_io_read_all(ctx, keel_file_reader(&file), to, max_bytes);
    if (keel_err_is(err, KEEL_ERR_LIMIT))
        err = keel_err_wrap(err, "read %s", path);
    keel_err_free(keel_file_close(ctx, &file)); /* it was only read */
    return err;
}

keel_err *keel_io_write_file(keel_ctx *ctx, const char *path, const void *bytes, size_t size)
{
    keel_file file;

    KEEL_TRY(keel_file_create(ctx, &file, path));
    keel_err *err = keel_io_write(ctx, keel_file_writer(&file), bytes, size);
    return keel_err_join(err, keel_file_close(ctx, &file));
}
