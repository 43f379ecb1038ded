/* SPDX-License-Identifier: MIT */
/*
 * Requests of some clients against a limit for each of them, and one for all.
 *
 * Shows:  keel_keyed_limiter, which refuses and says when to come back; keel_limiter, under which a worker
 *         waits for its turn; a virtual clock.
 * Run:    ./rate_limit
 * Prints: what came of each request, then the times at which five jobs began
 */
#include <inttypes.h>
#include <stdio.h>

#include <keel/keel.h>

typedef struct request {
    int at_ms;
    const char *client;
} request;

/* Two at once for each client, and then five a second. */
static keel_err *serve(keel_ctx *ctx, keel_clock *clock)
{
    const request requests[] = { { 0, "ann" },   { 10, "ann" },  { 20, "ann" },  { 30, "bob" },
                                 { 150, "ann" }, { 220, "ann" }, { 230, "ann" }, { 240, "bob" } };
    keel_keyed_limiter *limiter;

    KEEL_TRY(keel_keyed_limiter_new(
        &limiter, &(keel_keyed_limiter_opts){
                      .per_second = 5, .burst = 2, .max_keys = 1000, .clock = clock }));
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const request *r = &requests[i];
        const keel_str client = keel_str_from(r->client);

        KEEL_TRY(keel_sleep(ctx, KEEL_MS(r->at_ms) - keel_ctx_now(ctx)));
        if (keel_keyed_limiter_allow(limiter, client, 1))
            printf("%3d ms  %s: 200 OK\n", r->at_ms, r->client);
        else
            printf("%3d ms  %s: 429 Too Many Requests, retry after %s\n", r->at_ms, r->client,
                   KEEL_DURATION_STR(keel_keyed_limiter_delay(limiter, client, 1)));
    }
    keel_keyed_limiter_free(limiter);
    return NULL;
}

/* Ten a second, evenly. */
static keel_err *work(keel_ctx *ctx, keel_clock *clock)
{
    const int64_t start_ns = keel_ctx_now(ctx);
    keel_limiter *limiter;

    KEEL_TRY(keel_limiter_new(
        &limiter, &(keel_limiter_opts){ .per_second = 10, .burst = 1, .clock = clock }));
    for (int job = 1; job <= 5; job++) {
        KEEL_TRY(keel_limiter_wait(ctx, limiter, 1));
        printf("job %d began after %" PRId64 " ms\n", job,
               (keel_ctx_now(ctx) - start_ns) / KEEL_MS(1));
    }
    keel_limiter_free(limiter);
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    KEEL_TRY(serve(ctx, arg));
    return work(ctx, arg);
}

int main(void)
{
    keel_clock *clock; /* it moves to the next moment that somebody waits for */
    keel_err *err =
        keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = true });
    int status =
        err != NULL ? 1 : keel_main_opts(run, clock, &(keel_runtime_opts){ .clock = clock });

    keel_clock_free(clock);
    return status;
}
