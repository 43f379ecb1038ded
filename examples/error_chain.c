/* SPDX-License-Identifier: MIT */
/*
 * Reading a configuration fails, and the error says all there is to know about it.
 *
 * Shows:  errors from errno, wrapped with what was being done; a payload of one's own; asking an
 *         error what it is (is), what it holds (as) and what is under it (unwrap).
 * Run:    ./error_chain
 * Prints: a missing file, told by `File not found`, and an empty one, told by its validation error
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <keel/keel.h>

typedef struct validation_error {
    const char *field;
    const char *value;
} validation_error;

static int format_validation_error(char *buf, size_t size, const void *payload)
{
    const validation_error *e = payload;
    return snprintf(buf, size, "validation error on field %s: invalid value %s", e->field,
                    e->value);
}
KEEL_ERR_TYPE(validation_error, format_validation_error);

/* Reads at most size - 1 bytes of a file. */
static keel_err *read_file(const char *filename, char *content, size_t size)
{
    keel_err *err = NULL;

    content[0] = '\0';
    FILE *file = fopen(filename, "r");
    if (file == NULL)
        return keel_err_from_errno(errno, "open %s", filename);
    errno = 0;
    content[fread(content, 1, size - 1, file)] = '\0';
    if (ferror(file)) {
        err = keel_err_from_errno(errno, "read %s", filename);
        content[0] = '\0';
    }
    fclose(file); /* it was only read */
    return err;
}

static keel_err *read_config(const char *filename, char *content, size_t size)
{
    keel_err *err = read_file(filename, content, size);
    if (err != NULL)
        return keel_err_wrap(err, "failed to read config file %s", filename);
    if (content[0] == '\0')
        return KEEL_ERR_NEW(validation_error, { .field = "content", .value = "empty file" });
    return NULL;
}

/* Prints what an error can be asked, and frees it. */
static void report(keel_err *err)
{
    if (err == NULL)
        return;
    printf("Error: %s\n", KEEL_ERR_STR(err));

    const validation_error *invalid = KEEL_ERR_AS(err, validation_error);
    if (invalid != NULL)
        printf("Validation failed on %s\n", invalid->field);
    if (keel_err_is(err, KEEL_ERR_NOT_FOUND))
        printf("File not found\n");
    if (keel_err_unwrap(err) != NULL)
        printf("Original error: %s\n", KEEL_ERR_STR(keel_err_unwrap(err)));
    keel_err_free(err);
}

int main(void)
{
    char content[4096];

    report(read_config("nonexistent.conf", content, sizeof content));

    char empty[] = "/tmp/error_chain.XXXXXX";
    int fd = mkstemp(empty);
    if (fd < 0) {
        perror("mkstemp");
        return 1;
    }
    close(fd);
    report(read_config(empty, content, sizeof content));
    unlink(empty);
    return 0;
}
