/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Weak: a program need not have any. */
extern const char *const keel__fuzz_seeds[] __attribute__((weak));

static const char *seed(size_t index)
{
    return keel__fuzz_seeds != NULL ? keel__fuzz_seeds[index] : NULL;
}

/* Outside of a test of cmocka's its assertions end the program; so that it is by abort: */
static void prepare(void)
{
    setenv("CMOCKA_TEST_ABORT", "1", 0);
    keel_test_init();
}

int keel__fuzz_one(keel__fuzz_fn fn, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    size_t live = keel_test_live();

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    fn(copy, size);
    free(copy);
    if (keel_test_live() != live) {
        fprintf(stderr, "%zu allocations are alive, %zu were before\n", keel_test_live(), live);
        abort();
    }
    return 0;
}

/* ---- Replaying ---- */

typedef struct replay {
    const char *name;
    keel__fuzz_fn fn;
    size_t inputs;
} replay;

/* The line comes before the input is tried: who dies of it says no more. */
static void try_input(replay *r, const char *label, const uint8_t *data, size_t size)
{
    printf("%s: %s\n", r->name, label);
    fflush(stdout);
    keel__fuzz_one(r->fn, data, size);
    r->inputs++;
}

static bool complain(const char *path)
{
    perror(path);
    return false;
}

/* The bytes of a file, to be freed; NULL if it cannot be read. */
static uint8_t *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t room = 0, got = 1;

    *size = 0;
    if (file == NULL)
        return NULL;
    while (got > 0) {
        if (room - *size < 4096) {
            room = 2 * room + 4096;
            uint8_t *more = realloc(bytes, room);
            if (more == NULL)
                abort();
            bytes = more;
        }
        got = fread(bytes + *size, 1, room - *size, file);
        *size += got;
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (!failed)
        return bytes;
    free(bytes);
    return NULL;
}

static bool try_file(replay *r, const char *path)
{
    const char *base = strrchr(path, '/');
    size_t size;
    uint8_t *bytes = read_all(path, &size);

    if (bytes == NULL)
        return complain(path);
    try_input(r, base != NULL ? base + 1 : path, bytes, size);
    free(bytes);
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool try_directory(replay *r, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    bool fine = count >= 0;

    if (!fine)
        return complain(path);
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        fine = fine && try_file(r, file);
        free(entries[i]);
    }
    free(entries);
    return fine;
}

int keel__fuzz_replay(int argc, char **argv, const char *name, keel__fuzz_fn fn)
{
    replay r = { .name = name, .fn = fn };
    bool fine = true;

    prepare();
    for (size_t i = 0; seed(i) != NULL; i++) {
        char label[32];
        snprintf(label, sizeof label, "seed %zu", i + 1);
        try_input(&r, label, (const uint8_t *)seed(i), strlen(seed(i)));
    }
    for (int i = 1; i < argc && fine; i++) {
        struct stat status;
        if (stat(argv[i], &status) != 0)
            fine = complain(argv[i]);
        else
            fine = S_ISDIR(status.st_mode) ? try_directory(&r, argv[i]) : try_file(&r, argv[i]);
    }
    if (fine && r.inputs > 0) {
        printf("%s: %zu inputs passed\n", name, r.inputs);
        return 0;
    }
    if (fine)
        fprintf(stderr, "%s: no inputs; give files or directories\n", name);
    return 2;
}

/* ---- For libFuzzer ---- */

/* Appends a path by which libFuzzer can read the seed: of a file without a name, which is gone with the
 * program, however that ends. */
static size_t add_seed(char *list, size_t length, size_t size, const char *text)
{
    FILE *file = tmpfile();

    if (file == NULL || fputs(text, file) < 0 || fflush(file) != 0)
        return length; /* one seed fewer */
    return length + (size_t)snprintf(list + length, size - length, "%s/dev/fd/%d",
                                     length > 0 ? "," : "-seed_inputs=", fileno(file));
}

int keel__fuzz_start(int *argc, char ***argv)
{
    size_t seeds = 0, length = 0;

    prepare();
    while (seed(seeds) != NULL)
        seeds++;
    size_t size = 32 * (seeds + 1);
    char *list = calloc(1, size);                          /* both for good: */
    char **args = calloc((size_t)*argc + 2, sizeof *args); /* libFuzzer keeps them */
    if (list == NULL || args == NULL)
        abort();
    for (size_t i = 0; i < seeds; i++)
        length = add_seed(list, length, size, seed(i));
    if (length > 0) {
        memcpy(args, *argv, (size_t)*argc * sizeof *args);
        args[(*argc)++] = list;
        *argv = args;
    }
    return 0;
}
