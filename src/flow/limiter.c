/* SPDX-License-Identifier: MIT */
#include <keel/limiter.h>

#include <math.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "flow/bucket.h"
#include "flow/options.h"
#include "flow/parts.h"

KEEL_ERR_DEFINE(keel_err_rate_limited, "rate limited");

struct keel_limiter {
    keel_clock *clock;
    keel__spin lock; /* guards the bucket */
    keel__bucket bucket;
};

static keel_err *check_rate(double per_second)
{
    return per_second > 0 ? NULL : keel__bad_option("limiter", "per_second", "is not above 0");
}

static keel_err *check_burst(double burst)
{
    return burst >= 1 ? NULL : keel__bad_option("limiter", "burst", "is less than 1");
}

keel_err *keel_limiter_new(keel_limiter **out, const keel_limiter_opts *given)
{
    keel_limiter_opts opts = given != NULL ? *given : (keel_limiter_opts){ 0 };

    keel__need(out != NULL, "keel_limiter_new", "out");
    *out = NULL;
    KEEL_TRY(check_rate(opts.per_second));
    const bool limited = opts.per_second < HUGE_VAL;
    KEEL_TRY(keel__option_number("limiter", "burst", &opts.burst,
                                 limited && opts.per_second > 1 ? opts.per_second : 1, 1,
                                 HUGE_VAL));
    keel_limiter *limiter = keel_mem_calloc(1, sizeof *limiter);
    if (limiter == NULL)
        return KEEL_ERR_NOMEM;
    limiter->clock = opts.clock != NULL ? opts.clock : keel_clock_system();
    keel__bucket_init(&limiter->bucket, opts.per_second, opts.burst,
                      keel_clock_now(limiter->clock));
    *out = limiter;
    return NULL;
}

void keel_limiter_free(keel_limiter *limiter)
{
    keel_mem_free(limiter);
}

/* The bucket as it is now, locked. */
static keel__bucket *enter(keel_limiter *limiter, const char *function, int64_t now_ns)
{
    keel__need(limiter != NULL, function, "limiter");
    keel__spin_lock(&limiter->lock);
    keel__bucket_fill(&limiter->bucket, now_ns);
    return &limiter->bucket;
}

static void leave(keel_limiter *limiter)
{
    keel__spin_unlock(&limiter->lock);
}

static int64_t now(keel_limiter *limiter, const char *function)
{
    keel__need(limiter != NULL, function, "limiter");
    keel__point(KEEL__OP_LIMITER, limiter);
    return keel_clock_now(limiter->clock);
}

bool keel_limiter_allow(keel_limiter *limiter, double count)
{
    keel__bucket *bucket = enter(limiter, __func__, now(limiter, __func__));
    const bool allowed = keel__bucket_take(bucket, count);
    leave(limiter);
    return allowed;
}

bool keel_limiter_reserve(keel_limiter *limiter, double count, keel_reservation *out)
{
    const int64_t now_ns = now(limiter, __func__);
    keel__bucket *bucket = enter(limiter, __func__, now_ns);
    const bool possible = keel__bucket_possible(bucket, count);

    *out = (keel_reservation){ 0 };
    if (possible)
        keel__bucket_reserve(bucket, count, now_ns, INT64_MAX, out);
    leave(limiter);
    return possible;
}

void keel_limiter_cancel(keel_limiter *limiter, keel_reservation *reservation)
{
    const int64_t now_ns = now(limiter, __func__);
    keel__bucket_give_back(enter(limiter, __func__, now_ns), reservation, now_ns);
    leave(limiter);
    *reservation = (keel_reservation){ 0 }; /* of no tokens, at a time that has come */
}

keel_err *keel_limiter_wait(keel_ctx *ctx, keel_limiter *limiter, double count)
{
    keel_reservation taken;
    int64_t deadline_ns;

    keel__need(limiter != NULL, __func__, "limiter");
    keel__point(KEEL__OP_LIMITER, limiter);
    KEEL_TRY(keel_ctx_err(ctx));
    const int64_t now_ns = keel_clock_now(limiter->clock);
    /* how long it may take is asked of the context's own clock, which need not be the limiter's; what
     * comes in the moment of the deadline comes too late */
    const int64_t most_ns =
        keel_ctx_deadline(ctx, &deadline_ns) ? deadline_ns - keel_ctx_now(ctx) - 1 : INT64_MAX;
    keel__bucket *bucket = enter(limiter, __func__, now_ns);
    const bool possible = keel__bucket_possible(bucket, count);
    const bool in_time = possible && keel__bucket_reserve(bucket, count, now_ns, most_ns, &taken);
    leave(limiter);
    if (!possible)
        return keel_err_wrap(KEEL_ERR_LIMIT, "limiter: %g tokens at once are more than its burst",
                             count);
    if (!in_time)
        return KEEL_ERR_RATE_LIMITED;
    if (taken.delay_ns == 0)
        return NULL;
    keel_err *err = keel_sleep(ctx, taken.delay_ns);
    if (err != NULL)
        keel_limiter_cancel(limiter, &taken);
    return err;
}

keel_err *keel_limiter_set_rate(keel_limiter *limiter, double per_second)
{
    KEEL_TRY(check_rate(per_second));
    enter(limiter, __func__, now(limiter, __func__))->per_second = per_second;
    leave(limiter);
    return NULL;
}

keel_err *keel_limiter_set_burst(keel_limiter *limiter, double burst)
{
    KEEL_TRY(check_burst(burst));
    keel__bucket_set_burst(enter(limiter, __func__, now(limiter, __func__)), burst);
    leave(limiter);
    return NULL;
}

void keel__limiter_get(keel_limiter *limiter, double *per_second, double *burst)
{
    const keel__bucket *bucket = enter(limiter, __func__, now(limiter, __func__));
    *per_second = bucket->per_second;
    *burst = bucket->burst;
    leave(limiter);
}

double keel_limiter_tokens(keel_limiter *limiter)
{
    const double tokens = enter(limiter, __func__, now(limiter, __func__))->tokens;
    leave(limiter);
    return tokens;
}

int64_t keel_limiter_delay(keel_limiter *limiter, double count)
{
    keel__bucket *bucket = enter(limiter, __func__, now(limiter, __func__));
    const int64_t delay_ns = keel__bucket_delay(bucket, count);
    leave(limiter);
    return delay_ns;
}
