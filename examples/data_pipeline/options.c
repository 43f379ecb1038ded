/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <keel/duration.h>
#include <keel/str.h>

static bool usage(const char *why)
{
    if (why != NULL)
        fprintf(stderr, "data_pipeline: %s\n", why);
    fprintf(stderr,
            "usage: data_pipeline [-o FILE] [-d FILE] [-w WORKERS] [-q | -v] [--timeout TIME]\n"
            "                     [--faults N] [--explain] [FILE...]\n");
    return false;
}

static bool parse_count(const char *text, uint64_t max, unsigned *out)
{
    uint64_t value;
    keel_err *err = keel_str_to_u64(keel_str_from(text), 1, max, &value);

    *out = (unsigned)value;
    keel_err_free(err);
    return err == NULL;
}

static bool parse_time(const char *text, int64_t *out)
{
    keel_err *err = keel_duration_parse(out, text);

    keel_err_free(err);
    return err == NULL && *out > 0;
}

bool options_parse(options *o, int argc, char **argv)
{
    static const struct option known[] = { { "output", required_argument, NULL, 'o' },
                                           { "dead-letters", required_argument, NULL, 'd' },
                                           { "workers", required_argument, NULL, 'w' },
                                           { "quiet", no_argument, NULL, 'q' },
                                           { "verbose", no_argument, NULL, 'v' },
                                           { "timeout", required_argument, NULL, 't' },
                                           { "faults", required_argument, NULL, 'f' },
                                           { "explain", no_argument, NULL, 'e' },
                                           { NULL, 0, NULL, 0 } };
    int option;

    *o = (options){ 0 };
    while ((option = getopt_long(argc, argv, "o:d:w:qv", known, NULL)) != -1) {
        switch (option) {
        case 'o':
            o->output = optarg;
            break;
        case 'd':
            o->letters = optarg;
            break;
        case 'w':
            if (!parse_count(optarg, 1000, &o->workers))
                return usage("--workers needs a number from 1 to 1000");
            break;
        case 't':
            if (!parse_time(optarg, &o->timeout_ns))
                return usage("--timeout needs a time such as 1m30s");
            break;
        case 'f':
            if (!parse_count(optarg, UINT32_MAX, &o->fault_every))
                return usage("--faults needs a number from 1 on");
            break;
        case 'e':
        case 'q':
        case 'v':
            *(option == 'e' ? &o->explain : option == 'q' ? &o->quiet : &o->verbose) = true;
            break;
        default:
            return usage(NULL);
        }
    }
    if (o->output != NULL && o->letters != NULL && strcmp(o->output, o->letters) == 0)
        return usage("the result and the dead letters need two files");
    o->files = (const char *const *)argv + optind;
    o->file_count = (size_t)(argc - optind);
    return true;
}
