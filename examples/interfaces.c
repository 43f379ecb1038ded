/* SPDX-License-Identifier: MIT */
/*
 * Small interfaces, composed: a function that reads and writes knows nothing of files.
 *
 * Shows:  keel_reader, keel_writer and keel_closer over a file and over memory, a reader of one's own
 *         in front of another, and a keel_read_write_closer made of parts.
 * Run:    ./interfaces
 * Prints: `HELLO, INTERFACES` twice: from memory, and from a file
 */
#include <ctype.h>
#include <stdio.h>

#include <keel/keel.h>

/* A reader that changes what another one reads. */
static keel_err *read_upper(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    const keel_reader *from = self;
    char *bytes = buf;

    KEEL_TRY(keel_io_read(ctx, *from, buf, size, got));
    for (size_t i = 0; i < *got; i++)
        bytes[i] = (char)toupper((unsigned char)bytes[i]);
    return NULL;
}

/* Asks for no more than it needs, so that memory does as well as a file. */
static keel_err *shout(keel_ctx *ctx, keel_reader from, keel_writer to)
{
    keel_reader upper = { read_upper, &from };

    return keel_io_copy(ctx, to, upper, KEEL_UNLIMITED, NULL);
}

static keel_err *shout_and_close(keel_ctx *ctx, keel_read_write_closer all)
{
    keel_err *err = shout(ctx, all.reader, all.writer);

    return keel_err_join(err, keel_io_close(ctx, all.closer));
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_str text = KEEL_STR("hello, interfaces\n");
    keel_buf out = { 0 };
    FILE *scratch = arg; /* a file that is gone when it is closed */
    keel_file file;

    keel_err *err = shout(ctx, keel_io_from_str(&text), keel_io_to_buf(&out));
    if (err == NULL)
        printf("%s", keel_buf_text(&out));
    keel_buf_deinit(&out);
    KEEL_TRY(err);

    fputs("hello, interfaces\n", scratch);
    rewind(scratch);
    KEEL_TRY(keel_file_borrow_fd(&file, fileno(scratch), "scratch"));
    keel_read_write_closer all = { .reader = keel_file_reader(&file),
                                   .writer = keel_io_to_buf(&out),
                                   .closer = keel_file_closer(&file) };
    err = shout_and_close(ctx, all);
    if (err == NULL)
        printf("%s", keel_buf_text(&out));
    keel_buf_deinit(&out);
    return err;
}

int main(void)
{
    FILE *scratch = tmpfile();

    if (scratch == NULL)
        return 1;
    int status = keel_main(run, scratch);
    fclose(scratch);
    return status;
}
