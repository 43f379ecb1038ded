/* SPDX-License-Identifier: MIT */

/* A program of somebody else's, that knows only what is installed. */

#include <stdio.h>

#include <keel/keel.h>

static keel_err *answer(keel_ctx *ctx, void *arg)
{
    return keel_chan_send(ctx, arg, &(int){ 42 });
}

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    keel_chan *chan;
    int got = 0;

    (void)arg;
    KEEL_TRY(keel_chan_new(&chan, sizeof(int), NULL));
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, answer, chan);
    keel_err *err = keel_chan_recv(ctx, chan, &got);
    if (err != NULL)
        keel_group_cancel(group);
    err = keel_err_join(err, keel_group_wait(group));
    keel_chan_free(chan);
    printf("%d\n", got);
    return err;
}

int main(void)
{
    return keel_main(ask, NULL);
}
