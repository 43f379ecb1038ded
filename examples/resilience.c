/* SPDX-License-Identifier: MIT */
/*
 * Calls to a service that is slow, then down, then well again, through one policy.
 *
 * Shows:  keel_policy: timeouts, retries, a circuit breaker and a fallback in one object; a virtual clock.
 * Run:    ./resilience
 * Prints: a timeline: each attempt that failed, why a call fell back, and what each came to
 */
#include <stdio.h>

#include <keel/keel.h>

static keel_clock *watch; /* auto-advancing: it moves to the next moment that somebody waits for */

#define TELL(...) (printf("%4.2f s  ", (double)keel_clock_now(watch) / 1e9), printf(__VA_ARGS__))

/* Too slow from 1 s on, down from 2 s on, well again from 6 s on. */
static keel_err *fetch(keel_ctx *ctx, void *arg)
{
    const int64_t now_ns = keel_ctx_now(ctx);

    if (now_ns >= KEEL_S(1) && now_ns < KEEL_S(2))
        KEEL_TRY(keel_sleep(ctx, KEEL_S(3)));
    if (now_ns >= KEEL_S(2) && now_ns < KEEL_S(6))
        return keel_err_wrap(KEEL_ERR_REFUSED, "fetch");
    *(const char **)arg = "fresh";
    return NULL;
}

static keel_err *from_cache(keel_ctx *ctx, const keel_err *err, void *arg)
{
    (void)ctx;
    TELL("  %s\n", KEEL_ERR_STR(err));
    *(const char **)arg = "cached";
    return NULL;
}

static void failed(const keel_retry_event *event, void *arg)
{
    (void)arg;
    TELL("  %s; again in %s\n", KEEL_ERR_STR(event->err), KEEL_DURATION_STR(event->delay_ns));
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    const keel_retry_opts retry = { .jitter = KEEL_JITTER_NONE, .before_wait = failed };
    const keel_breaker_opts breaker = { .min_calls = 5, .open_ns = KEEL_S(2), .no_jitter = true };
    const keel_policy_opts opts = { .total_timeout_ns = KEEL_S(1),
                                    .attempt_timeout_ns = KEEL_MS(300),
                                    .retry = &retry,
                                    .breaker = &breaker,
                                    .fallback = from_cache,
                                    .clock = watch };
    keel_policy *policy;

    (void)arg;
    KEEL_TRY(keel_policy_new(&policy, &opts));
    keel_err *err = NULL;
    for (int i = 0; err == NULL && i < 9; i++) {
        const char *price = NULL;
        err = keel_policy_run(ctx, policy, fetch, &price);
        if (err == NULL) {
            TELL("%s price\n", price);
            err = keel_sleep(ctx, KEEL_MS(750));
        }
    }
    keel_policy_free(policy);
    return err;
}

int main(void)
{
    keel_err *err =
        keel_clock_manual_new(&watch, &(keel_clock_manual_opts){ .auto_advance = true });
    int status =
        err != NULL ? 1 : keel_main_opts(run, NULL, &(keel_runtime_opts){ .clock = watch });

    keel_clock_free(watch);
    return status;
}
