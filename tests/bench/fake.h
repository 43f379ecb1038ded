/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_BENCH_FAKE_H
#define KEEL_TESTS_BENCH_FAKE_H

/* A clock that benchmarks move on themselves, and a harness that prints into memory. */

#include "support.h"

#include <keel/bench.h>

#include "bench/bench.h"

enum { FAKE_CALLS = 200 };

typedef struct fake {
    int64_t now_ns;
    int64_t each_ns;      /* what an operation takes */
    int64_t later_ns[10]; /* what one takes in the first, second, ... call; 0: each_ns */
    size_t calls;
    size_t n[FAKE_CALLS]; /* of each call */
} fake;

static inline int64_t fake_now(void *arg)
{
    return ((const fake *)arg)->now_ns;
}

/* A benchmark that takes as long as its argument, a fake, says. */
static inline void fake_run(keel_bench *b)
{
    fake *f = b->arg;
    int64_t each_ns = f->calls < 10 ? f->later_ns[f->calls] : 0;

    f->now_ns += (int64_t)b->n * (each_ns != 0 ? each_ns : f->each_ns);
    f->n[f->calls++ % FAKE_CALLS] = b->n;
}

static inline void fake_measure(fake *f, keel_bench_result *out, keel_bench_fn run,
                                const keel_bench_opts *opts)
{
    const keel__bench_host host = { fake_now, f, stdout, stderr };
    const keel_bench_entry entry = { .run = run, .name = "faked", .arg = f };

    keel__bench_measure(&host, out, &entry, opts);
}

/* Runs a program whose clock is `f`, with a command line of words with single spaces. What it prints
 * stays until the next call; returns its status. */
typedef struct fake_output {
    char out[4000], err[1000];
} fake_output;

static inline int fake_main(fake *f, fake_output *o, const char *words,
                            const keel_bench_entry *table, size_t count)
{
    char line[200], *argv[20], *rest = line;
    int argc = 0;

    memset(o, 0, sizeof *o);
    const keel__bench_host host = { fake_now, f, fmemopen(o->out, sizeof o->out - 1, "w"),
                                    fmemopen(o->err, sizeof o->err - 1, "w") };
    assert_true(host.out != NULL && host.err != NULL);
    snprintf(line, sizeof line, "%s", words);
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL && argc < 19;)
        argv[argc++] = word;
    argv[argc] = NULL;
    int status = keel__bench_main(&host, argc, argv, table, count);
    fclose(host.out);
    fclose(host.err);
    return status;
}

#endif /* KEEL_TESTS_BENCH_FAKE_H */
