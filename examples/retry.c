/* SPDX-License-Identifier: MIT */
/*
 * An operation that fails now and then is tried again, after a delay that grows.
 *
 * Shows:  keel_retry_run with the hook that tells of each failed attempt, and what is left of the error
 *         when it gives up.
 * Run:    ./retry [FAILURES]   the operation fails that often before it succeeds; 2 if not said
 * Prints: each failed attempt with the wait that follows (jitter makes it differ), then `Success!`, or
 *         `Final error: failed after 3 attempts: temporary failure`
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <keel/keel.h>

typedef struct service {
    int failures; /* still to come */
} service;

static keel_err *unreliable_operation(keel_ctx *ctx, void *arg)
{
    service *s = arg;

    (void)ctx;
    if (s->failures == 0)
        return NULL;
    s->failures--;
    return keel_err_new("temporary failure");
}

static void tell(const keel_retry_event *event, void *arg)
{
    (void)arg;
    printf("Attempt %d failed, retrying after %" PRId64 " ms\n", (int)event->attempt,
           event->delay_ns / KEEL_MS(1));
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_retry *retry;

    KEEL_TRY(keel_retry_new(&retry, &(keel_retry_opts){
                                        .max_attempts = 3,
                                        .base_delay_ns = KEEL_MS(100),
                                        .max_delay_ns = KEEL_S(2),
                                        .multiplier = 2,
                                        .jitter = KEEL_JITTER_ADD,
                                        .before_wait = tell,
                                    }));
    keel_err *err = keel_retry_run(ctx, retry, unreliable_operation, arg);
    keel_retry_free(retry);
    if (keel_err_is(err, KEEL_ERR_INTERRUPTED))
        return err;
    if (err != NULL)
        printf("Final error: %s\n", KEEL_ERR_STR(err));
    else
        printf("Success!\n");
    keel_err_free(err);
    return NULL;
}

int main(int argc, char **argv)
{
    service s = { .failures = argc > 1 ? atoi(argv[1]) : 2 };

    return keel_main(run, &s);
}
