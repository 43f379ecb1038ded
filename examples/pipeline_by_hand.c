/* SPDX-License-Identifier: MIT */
/*
 * Numbers flow through stages: generate -> square -> sum.
 *
 * Shows:  a stage as a function that starts a task and returns the channel the task fills, and
 *         who owns what: tasks close what they fill, the caller keeps the stages in its own frame
 *         and frees their channels once the group has joined the tasks.
 * Run:    ./pipeline
 * Prints: 55
 */
#include <stdio.h>

#include <keel/keel.h>

/* What a stage's task works on. */
typedef struct stage {
    keel_chan *in;
    keel_chan *out;
    const int *numbers; /* for generate */
    int count;
} stage;

/* A channel, or NULL without memory: then this stage and those after it start no task. */
static keel_chan *new_output(void)
{
    keel_chan *out;
    keel_err_free(keel_chan_new(&out, sizeof(int), NULL)); /* run says "out of memory" */
    return out;
}

static keel_err *generate_task(keel_ctx *ctx, void *arg)
{
    stage *s = arg;

    for (int i = 0; i < s->count; i++)
        KEEL_TRY(keel_chan_send(ctx, s->out, &s->numbers[i]));
    keel_chan_close(s->out);
    return NULL;
}

static keel_chan *generate(keel_group *group, stage *s, const int *numbers, int count)
{
    *s = (stage){ .out = new_output(), .numbers = numbers, .count = count };
    if (s->out != NULL)
        keel_group_go(group, generate_task, s);
    return s->out;
}

static keel_err *square_task(keel_ctx *ctx, void *arg)
{
    stage *s = arg;
    int n;

    while (keel_chan_next(ctx, s->in, &n))
        KEEL_TRY(keel_chan_send(ctx, s->out, &(int){ n * n }));
    KEEL_TRY(keel_ctx_err(ctx)); /* the loop also ends when the context does */
    keel_chan_close(s->out);
    return NULL;
}

static keel_chan *square(keel_group *group, stage *s, keel_chan *in)
{
    *s = (stage){ .in = in, .out = in != NULL ? new_output() : NULL };
    if (s->out != NULL)
        keel_group_go(group, square_task, s);
    return s->out;
}

static keel_err *sum_task(keel_ctx *ctx, void *arg)
{
    stage *s = arg;
    int n, total = 0;

    while (keel_chan_next(ctx, s->in, &n))
        total += n;
    KEEL_TRY(keel_ctx_err(ctx));
    KEEL_TRY(keel_chan_send(ctx, s->out, &total));
    keel_chan_close(s->out);
    return NULL;
}

static keel_chan *sum(keel_group *group, stage *s, keel_chan *in)
{
    *s = (stage){ .in = in, .out = in != NULL ? new_output() : NULL };
    if (s->out != NULL)
        keel_group_go(group, sum_task, s);
    return s->out;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    (void)arg;
    const int values[] = { 1, 2, 3, 4, 5 };
    stage stages[3];
    int total;

    keel_group *group = keel_group_new(ctx, NULL);
    keel_chan *numbers = generate(group, &stages[0], values, 5);
    keel_chan *squared = square(group, &stages[1], numbers);
    keel_chan *result = sum(group, &stages[2], squared);

    if (result == NULL)
        keel_group_fail(group,
                        KEEL_ERR_NOMEM); /* stages before the missing one wait for a reader */
    else if (keel_chan_next(keel_group_ctx(group), result, &total))
        printf("%d\n", total);
    keel_err *err = keel_group_wait(group); /* if there was no total: why */

    keel_chan_free(result);
    keel_chan_free(squared);
    keel_chan_free(numbers);
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
