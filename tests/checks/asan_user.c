/* SPDX-License-Identifier: MIT */

/* A program of a user's, with AddressSanitizer, on a library without. Its tasks do what the sanitizer
 * watches stacks for: they wait, use much stack, and leave frames by longjmp. */

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

static char *volatile lost;

static void jump(jmp_buf *back, volatile char *frame)
{
    char own[100];

    memset(own, frame[0], sizeof own);
    frame[1] = own[99];
    longjmp(*back, 1);
}

/* About 1 KiB at each level, and more in the sanitizer's frames. */
static int descend(keel_ctx *ctx, int levels)
{
    volatile char frame[1024] = { (char)levels };
    jmp_buf back;

    if (levels == 0) {
        if (setjmp(back) == 0)
            jump(&back, frame);
        return keel_sleep(ctx, KEEL_US(10)) == NULL;
    }
    int result = descend(ctx, levels - 1);
    return result + (frame[0] != (char)levels);
}

static keel_err *work(keel_ctx *ctx, void *arg)
{
    (void)arg;
    lost = malloc(77); /* 20 times */
    if (lost != NULL)
        strcpy(lost, "text");
    if (descend(ctx, 40) != 1)
        return keel_err_new("a frame was overwritten");
#ifdef LEAK
    lost = NULL;
#else
    free(lost);
#endif
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_err *err = NULL;

    /* one after the other, so that stacks are used again */
    for (int i = 0; i < 20 && err == NULL; i++) {
        keel_group *group = keel_group_new(ctx, NULL);

        keel_group_go(group, work, arg);
        err = keel_group_wait(group);
    }
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
