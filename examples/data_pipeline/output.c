/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <keel/mem.h>
#include <keel/task.h>

/* The name of the file to be replaced: where a link leads. */
static keel_err *find_target(output *out, bool exists)
{
    char *resolved = NULL;

    if (exists && (resolved = realpath(out->path, NULL)) == NULL)
        return keel_err_from_errno(errno, "find %s", out->path);
    keel_err *err = keel_str_dup(&out->target, keel_str_from(exists ? resolved : out->path));
    free(resolved);
    return err;
}

static keel_err *create_temporary(output *out, int *fd)
{
    int attempt = 0;

    do { /* one of that name may be left from a run that was killed */
        keel_buf name = { 0 };

        keel_mem_free(out->temporary);
        out->temporary = NULL;
        KEEL_TRY(keel_buf_printf(&name, "%s.%ld-%d.tmp", out->target, (long)getpid(), attempt));
        KEEL_TRY(keel_buf_take(&name, &out->temporary, NULL));
        *fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (*fd < 0 && errno == EEXIST && ++attempt < 100);
    if (*fd >= 0)
        return NULL;
    keel_err *err = keel_err_from_errno(errno, "create %s", out->temporary);
    keel_mem_free(out->temporary); /* nothing to remove */
    out->temporary = NULL;
    return err;
}

static keel_err *open_path(output *out)
{
    struct stat about;
    int fd = -1;

    const bool exists = stat(out->path, &about) == 0;
    if (exists && S_ISDIR(about.st_mode))
        return keel_err_from_errno(EISDIR, "write %s", out->path);
    if (exists && !S_ISREG(about.st_mode)) {
        fd = open(out->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
            return keel_err_from_errno(errno, "open %s", out->path);
        return keel_file_from_fd(&out->file, fd, out->path);
    }
    if (exists && access(out->path, W_OK) != 0)
        return keel_err_from_errno(errno, "write %s", out->path);
    KEEL_TRY(find_target(out, exists));
    KEEL_TRY(create_temporary(out, &fd));
    KEEL_TRY(keel_file_from_fd(&out->file, fd, out->temporary));
    if (exists && fchmod(fd, about.st_mode & 0777) != 0)
        return keel_err_from_errno(errno, "set the mode of %s", out->temporary);
    return NULL;
}

static keel_err *open_blocking(void *arg)
{
    output *out = arg;

    if (out->path == NULL)
        return keel_file_borrow_fd(&out->file, STDOUT_FILENO, "standard output");
    return open_path(out);
}

keel_err *output_open(keel_ctx *ctx, output *out, const char *path)
{
    *out = (output){ .path = path };
    keel_err *err = keel_offload(ctx, open_blocking, out);
    if (err != NULL)
        output_close(out);
    return err;
}

keel_err *output_sync(keel_ctx *ctx, output *out)
{
    if (out->temporary != NULL)
        KEEL_TRY(keel_file_sync(ctx, &out->file));
    return keel_file_close(ctx, &out->file);
}

static keel_err *replace_blocking(void *arg)
{
    output *out = arg;

    if (rename(out->temporary, out->target) != 0)
        return keel_err_from_errno(errno, "rename %s to %s", out->temporary, out->target);
    keel_mem_free(out->temporary);
    out->temporary = NULL;
    return NULL;
}

keel_err *output_replace(keel_ctx *ctx, output *out)
{
    return out->temporary != NULL ? keel_offload(ctx, replace_blocking, out) : NULL;
}

void output_close(output *out)
{
    keel_err_free(keel_file_close(NULL, &out->file)); /* what counts was synced */
    if (out->temporary != NULL)
        unlink(out->temporary);
    keel_mem_free(out->temporary);
    keel_mem_free(out->target);
    *out = (output){ 0 };
}
