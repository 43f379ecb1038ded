/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/test.h"

/* cmocka's assertions, wherever they fail, end in its functions _fail and _skip, which leave
 * by longjmp, and say why by print_error and cm_print_error. A program that defines these itself is asked
 * first, also by cmocka's shared library. In a simulated task they end the run; elsewhere they do what
 * they always did. */

void cm_print_error(const char *format, ...) KEEL_PRINTF(1, 2); /* not in every version's header */

/* Names that a linker asked for (-u) takes from this archive, which nothing else would. */
extern const char keel__test_redirect;
const char keel__test_redirect = 1;

/* The last that was printed: why it fails. All simulated tasks are on one thread. */
static char message[1000];

/* Stores cmocka's own function of that name in a function pointer. */
static void find_original(const char *name, void *pointer)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (function == NULL) {
        fprintf(stderr, "keel_test_redirect: no %s in a shared library of cmocka's\n", name);
        abort();
    }
    memcpy(pointer, &function, sizeof function);
}

static void fail_run(const char *otherwise, const char *file, int line)
{
    char text[sizeof message];

    message[strcspn(message, "\n")] = '\0';
    snprintf(text, sizeof text, "%s", message[0] != '\0' ? message : otherwise);
    message[0] = '\0';
    keel__test_fail_run(text, file, line);
}

void print_error(const char *const format, ...)
{
    va_list args;

    va_start(args, format);
    if (keel_sim_active())
        vsnprintf(message, sizeof message, format, args);
    else
        vprint_error(format, args);
    va_end(args);
}

void cm_print_error(const char *format, ...)
{
    void (*real)(const char *, ...);
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (keel_sim_active()) {
        vsnprintf(message, sizeof message, format, args);
    } else if (vasprintf(&text, format, args) >= 0) {
        find_original("cm_print_error", &real);
        real("%s", text);
        free(text);
    }
    va_end(args);
}

void _fail(const char *const file, const int line)
{
    void (*real)(const char *, int);

    if (keel_sim_active())
        fail_run("a cmocka assertion", file, line);
    find_original("_fail", &real);
    real(file, line);
    abort(); /* it does not return */
}

void _skip(const char *const file, const int line)
{
    void (*real)(const char *, int);

    if (keel_sim_active())
        fail_run("a test is skipped by the test, not by a simulated task", file, line);
    find_original("_skip", &real);
    real(file, line);
    abort();
}
