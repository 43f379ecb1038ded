/* SPDX-License-Identifier: MIT */
#include "text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Like read, but goes on after a signal. */
static keel_err *read_some(const text_file *file, char *into, size_t size, size_t *got)
{
    ssize_t n;

    do
        n = read(file->fd, into, size);
    while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? keel_err_from_errno(errno, "read %s", file->path) : NULL;
}

static keel_err *open_regular(text_file *file, const char *path)
{
    struct stat st;
    keel_err *err = NULL;

    /* O_NONBLOCK: opening a FIFO does not wait for a writer. Regular files do not care. */
    *file = (text_file){ path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
    if (file->fd < 0)
        return keel_err_from_errno(errno, "open %s", path);
    if (fstat(file->fd, &st) != 0)
        err = keel_err_from_errno(errno, "stat %s", path);
    else if (S_ISDIR(st.st_mode))
        err = keel_err_from_errno(EISDIR, "open %s", path);
    else if (!S_ISREG(st.st_mode))
        err = keel_err_new("%s is not a regular file", path);
    if (err != NULL)
        text_file_close(file);
    return err;
}

/* Reads the file to its end, to see that it can be read and is a text. */
static keel_err *examine(keel_ctx *ctx, text_file *file)
{
    char bytes[16 << 10];
    uint64_t offset = 0;
    size_t got = 0;

    do {
        KEEL_TRY(keel_ctx_err(ctx));
        KEEL_TRY(read_some(file, bytes, sizeof bytes, &got));
        const char *nul = memchr(bytes, '\0', got);
        if (nul != NULL)
            return keel_err_new("%s is not a text: NUL byte at offset %" PRIu64, file->path,
                                offset + (uint64_t)(nul - bytes));
        offset += got;
    } while (got > 0);
    if (lseek(file->fd, 0, SEEK_SET) != 0)
        return keel_err_from_errno(errno, "seek in %s", file->path);
    return NULL;
}

keel_err *text_file_open(keel_ctx *ctx, text_file *file, const char *path)
{
    KEEL_TRY(open_regular(file, path));
    keel_err *err = examine(ctx, file);
    if (err != NULL)
        text_file_close(file);
    return err;
}

keel_err *text_file_fill(text_file *file, chunk *into, bool *at_end)
{
    *at_end = false;
    while (!*at_end && into->len < CHUNK_BYTES) {
        char *end = into->bytes + into->len;
        size_t got;
        KEEL_TRY(read_some(file, end, CHUNK_BYTES - into->len, &got));
        if (memchr(end, '\0', got) != NULL)
            return keel_err_new("%s changed while it was read: a NUL byte is there now",
                                file->path);
        into->len += got;
        *at_end = got == 0;
    }
    return NULL;
}

void text_file_close(text_file *file)
{
    if (file->fd >= 0)
        close(file->fd); /* it was only read */
    file->fd = -1;
}

/* Shares with the pipeline only the table: one byte after the other, from the first to the last. */
keel_err *text_file_count_plainly(keel_ctx *ctx, const char *path, words *table)
{
    text_file file;
    char word[MAX_WORD_BYTES];
    size_t n = 0;
    keel_err *err = NULL;

    KEEL_TRY(open_regular(&file, path));
    FILE *in = fdopen(file.fd, "r");
    if (in == NULL) {
        err = keel_err_from_errno(errno, "open %s", path);
        text_file_close(&file);
        return err;
    }
    for (uint64_t read_bytes = 0; err == NULL; read_bytes++) {
        errno = 0;
        int c = getc_unlocked(in);
        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (c >= 'a' && c <= 'z')
            word[n++] = (char)c;
        if (n == sizeof word || (n > 0 && (c < 'a' || c > 'z'))) {
            err = words_add(table, word, n, 1);
            n = 0;
        }
        if (c == EOF)
            break;
        if (err == NULL && read_bytes % CHUNK_BYTES == 0)
            err = keel_ctx_err(ctx);
    }
    if (err == NULL && ferror(in))
        err = keel_err_from_errno(errno, "read %s", path);
    fclose(in);
    return err;
}
