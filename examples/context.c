/* SPDX-License-Identifier: MIT */
/*
 * A slow operation is given up: first by a timeout, then because somebody cancels it.
 *
 * Shows:  contexts with a timeout and with cancel, select between a timer and the context's end.
 * Run:    ./context
 * Prints: `Operation cancelled: context deadline exceeded` after two seconds, and
 *         `Another Operation cancelled: context canceled` one second later, each with its error
 */
#include <stdio.h>

#include <keel/keel.h>

static keel_err *slow_operation(keel_ctx *ctx, const char *name, int64_t duration_ns)
{
    switch (keel_select(ctx, KEEL_AFTER(duration_ns))) {
    case KEEL_SELECT_CTX:
        printf("%s cancelled: %s\n", name, KEEL_ERR_STR(keel_ctx_err(ctx)));
        return keel_ctx_err(ctx);
    default: /* the only case: the time has passed */
        printf("%s completed\n", name);
        return NULL;
    }
}

static void report(keel_err *err)
{
    if (err != NULL)
        printf("Failed: %s\n", KEEL_ERR_STR(err));
    keel_err_free(err);
}

static keel_err *cancel_after_a_second(keel_ctx *ctx, void *arg)
{
    keel_ctx *victim = arg;

    KEEL_TRY(keel_sleep(ctx, KEEL_S(1)));
    keel_ctx_cancel(victim);
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    (void)arg;

    printf("Example 1: Timeout\n");
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_S(2));
    report(slow_operation(limited, "Operation", KEEL_S(3)));
    keel_ctx_free(limited);

    printf("\nExample 2: Cancellation\n");
    keel_ctx *cancellable = keel_ctx_with_cancel(ctx);
    keel_group *group = keel_group_new(ctx, NULL);
    keel_group_go(group, cancel_after_a_second, cancellable);
    report(slow_operation(cancellable, "Another Operation", KEEL_S(5)));

    keel_err *err = keel_group_wait(group);
    keel_ctx_free(cancellable); /* not before the task that cancels it has ended */
    return err;
}

int main(void)
{
    return keel_main(run, NULL);
}
