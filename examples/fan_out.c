/* SPDX-License-Identifier: MIT */
/*
 * One producer, three workers, one sum.
 *
 * Shows:  a source that is a function, a stage with three tasks (fan-out), and a fold where their results
 *         come together again (fan-in); no channel, lock or wait in sight.
 * Run:    ./fan_out 6
 * Prints: 91, the sum of the squares of 1 ... 6
 */
#include <inttypes.h>
#include <stdio.h>

#include <keel/keel.h>

typedef struct numbers {
    int64_t next, last;
} numbers;

static keel_err *produce(keel_ctx *ctx, void *out, bool *more, void *arg)
{
    numbers *n = arg;

    (void)ctx;
    *more = n->next <= n->last;
    *(int64_t *)out = n->next++;
    return NULL;
}

/* Hard work, in its place. It may wait: the others go on. */
static keel_err *square(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const int64_t n = *(const int64_t *)in;

    (void)arg;
    *(int64_t *)out = n * n;
    return keel_sleep(ctx, KEEL_MS(1));
}

/* One at a time, so it needs no lock. */
static keel_err *add(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int64_t *)out += *(const int64_t *)in;
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    numbers n = { .next = 1 };
    int64_t total = 0;

    KEEL_TRY(keel_str_to_i64(keel_str_from(arg), 0, 10000, &n.last));
    keel_pipeline *p = keel_pipeline_new(NULL);
    keel_pipeline_from_fn(p, "produce", produce, sizeof(int64_t), NULL, &n);
    keel_pipeline_map(p, "square", KEEL_FN(square, int64_t, int64_t),
                      &(keel_stage_opts){ .parallel = 3 });
    keel_pipeline_fold(p, "add", KEEL_FN(add, int64_t, int64_t), &total, NULL);
    keel_err *err = keel_pipeline_run(ctx, p);
    if (err == NULL)
        printf("%" PRId64 "\n", total);
    keel_pipeline_free(p);
    return err;
}

int main(int argc, char **argv)
{
    return keel_main(run, argc > 1 ? argv[1] : "6");
}
