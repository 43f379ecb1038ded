/* SPDX-License-Identifier: MIT */
#ifndef DATA_PIPELINE_OPTIONS_H
#define DATA_PIPELINE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the command line says. */
typedef struct options {
    const char *output;  /* NULL: standard output */
    const char *letters; /* NULL: shown, not kept */
    const char *const *files;
    size_t file_count;
    unsigned workers;     /* 0: as many as there are cores */
    unsigned fault_every; /* 0: no faults */
    int64_t timeout_ns;   /* 0: none */
    bool explain, quiet, verbose;
} options;

/* Reads it. False, after saying why, if it makes no sense. */
bool options_parse(options *o, int argc, char **argv);

#endif /* DATA_PIPELINE_OPTIONS_H */
