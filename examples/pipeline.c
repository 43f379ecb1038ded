/* SPDX-License-Identifier: MIT */
/*
 * Numbers flow through stages: generate -> square -> sum.
 *
 * Shows:  keel's own pipeline: what a stage does is a plain function, and the three of them run as one task,
 *         because nothing asks for more. pipeline_by_hand.c has the same made of channels and tasks.
 * Run:    ./pipeline
 * Prints: 55
 */
#include <stdio.h>

#include <keel/keel.h>

static keel_err *square(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const int n = *(const int *)in;

    (void)ctx, (void)arg;
    *(int *)out = n * n;
    return NULL;
}

static keel_err *add(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    (void)ctx, (void)arg;
    *(int *)out += *(const int *)in;
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    const int numbers[] = { 1, 2, 3, 4, 5 };
    int total = 0;

    (void)arg;
    keel_pipeline *p = keel_pipeline_new(NULL);
    keel_pipeline_from_array(p, numbers, 5, sizeof *numbers);
    keel_pipeline_map(p, "square", KEEL_FN(square, int, int), NULL);
    keel_pipeline_fold(p, "sum", KEEL_FN(add, int, int), &total, NULL);
    keel_err *err = keel_pipeline_run(ctx, p); /* and what was wrong in building it */
    if (err == NULL)
        printf("%d\n", total);
    keel_pipeline_free(p);
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
