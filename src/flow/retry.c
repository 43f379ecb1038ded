/* SPDX-License-Identifier: MIT */
#include "flow/retry.h"

#include <keel/any.h>
#include <keel/breaker.h>
#include <keel/duration.h>
#include <keel/limiter.h>
#include <keel/mem.h>
#include <keel/rand.h>

#include "base/process.h"
#include "flow/options.h"
#include "flow/parts.h"
#include "task/random.h"

#define FIELD_PERMANENT "permanent"
#define FIELD_AFTER "retry_after_ns"

struct keel_retry {
    keel_retry_opts opts; /* complete */
};

static const keel_retry defaults = { {
    .max_attempts = 3,
    .base_delay_ns = KEEL_MS(100),
    .max_delay_ns = KEEL_S(10),
    .multiplier = 2,
    .max_retry_after_ns = KEEL_S(60),
} };

/* Puts defaults where nothing was said. */
static keel_err *complete(keel_retry_opts *opts)
{
    const char *object = "retry";
    const keel_retry_opts *normal = &defaults.opts;

    if (opts->max_attempts < 0)
        return keel__bad_option(object, "max_attempts", "is negative");
    if (opts->max_attempts == 0)
        opts->max_attempts = normal->max_attempts;
    KEEL_TRY(keel__option_ns(object, "base_delay_ns", &opts->base_delay_ns, normal->base_delay_ns));
    KEEL_TRY(keel__option_ns(object, "max_delay_ns", &opts->max_delay_ns,
                             opts->base_delay_ns > normal->max_delay_ns ? opts->base_delay_ns
                                                                        : normal->max_delay_ns));
    if (opts->max_delay_ns < opts->base_delay_ns)
        return keel__bad_option(object, "max_delay_ns", "is less than base_delay_ns");
    KEEL_TRY(
        keel__option_number(object, "multiplier", &opts->multiplier, normal->multiplier, 1, 1e18));
    if ((unsigned)opts->jitter > KEEL_JITTER_NONE)
        return keel__bad_option(object, "jitter", "is none of keel_jitter");
    KEEL_TRY(keel__option_ns(object, "max_elapsed_ns", &opts->max_elapsed_ns, 0));
    return keel__option_ns(object, "max_retry_after_ns", &opts->max_retry_after_ns,
                           normal->max_retry_after_ns);
}

keel_err *keel_retry_new(keel_retry **out, const keel_retry_opts *given)
{
    keel_retry_opts opts = given != NULL ? *given : (keel_retry_opts){ 0 };

    keel__need(out != NULL, "keel_retry_new", "out");
    *out = NULL;
    KEEL_TRY(complete(&opts));
    keel_retry *retry = keel_mem_alloc(sizeof *retry);
    if (retry == NULL)
        return KEEL_ERR_NOMEM;
    retry->opts = opts;
    *out = retry;
    return NULL;
}

void keel_retry_free(keel_retry *retry)
{
    keel_mem_free(retry);
}

const keel_retry_opts *keel__retry_opts(const keel_retry *retry)
{
    return &retry->opts;
}

/* ---- What errors say ---- */

keel_err *keel_permanent(keel_err *err)
{
    return keel_err_with(err, FIELD_PERMANENT, keel_any_bool(true));
}

keel_err *keel_retry_after(keel_err *err, int64_t delay_ns)
{
    return keel_err_with(err, FIELD_AFTER, keel_any_i64(delay_ns > 0 ? delay_ns : 0));
}

/* Whether the call was not made at all: that costs no budget, and there is no sense in another try
 * before the time that the refusal names. */
static bool is_refusal(const keel_err *err)
{
    return keel_err_is(err, KEEL_ERR_BREAKER_OPEN) || keel_err_is(err, KEEL_ERR_RATE_LIMITED) ||
           keel_err_is(err, KEEL_ERR_BULKHEAD_FULL);
}

static bool wants_retry(const keel_retry_opts *opts, const keel_err *err)
{
    keel_any said;

    if (keel_err_field(err, FIELD_PERMANENT, &said))
        return false;
    if (is_refusal(err))
        return keel_err_field(err, FIELD_AFTER, &said);
    if (opts->retryable != NULL)
        return opts->retryable(err, opts->arg);
    return !keel_err_is(err, KEEL_ERR_CANCELLED) && !keel_err_is(err, KEEL_ERR_INVAL) &&
           !keel_err_is(err, KEEL_ERR_UNSUPPORTED) && !keel_err_is(err, KEEL_ERR_PERMISSION);
}

/* ---- Delays ---- */

/* factor^n, or more than any delay. */
static double power(double factor, uint32_t n)
{
    double result = 1;

    for (; n > 0 && result < 1e30; n >>= 1) {
        if (n & 1)
            result *= factor;
        factor = factor < 1e30 ? factor * factor : factor;
    }
    return result;
}

int64_t keel_retry_delay(const keel_retry *retry, int32_t attempt)
{
    const keel_retry_opts *opts = &(retry != NULL ? retry : &defaults)->opts;
    const double ns = (double)opts->base_delay_ns *
                      power(opts->multiplier, attempt > 1 ? (uint32_t)attempt - 1 : 0);

    return ns < (double)opts->max_delay_ns ? (int64_t)ns : opts->max_delay_ns;
}

/* a + b, or the most there is. */
static int64_t add(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* The wait after an attempt: `last_ns` is the one before it. */
static int64_t jittered(const keel_retry *retry, int32_t attempt, int64_t last_ns)
{
    const keel_retry_opts *opts = &retry->opts;
    const int64_t delay_ns = keel_retry_delay(retry, attempt);
    int64_t least_ns = 0, most_ns = delay_ns;
    keel_rand rand;

    switch (opts->jitter) {
    case KEEL_JITTER_NONE:
        return delay_ns;
    case KEEL_JITTER_EQUAL:
        least_ns = delay_ns - delay_ns / 2;
        break;
    case KEEL_JITTER_DECORRELATED:
        least_ns = opts->base_delay_ns;
        most_ns = last_ns > INT64_MAX / 3 ? INT64_MAX : 3 * last_ns;
        break;
    case KEEL_JITTER_ADD:
        least_ns = delay_ns;
        most_ns = add(delay_ns, delay_ns);
        break;
    case KEEL_JITTER_FULL:
        break;
    }
    keel_rand_seed(&rand, keel__rand_u64());
    const int64_t ns = keel_rand_between(&rand, least_ns, most_ns);
    return ns < opts->max_delay_ns ? ns : opts->max_delay_ns;
}

/* ---- Running ---- */

/* What a run keeps between attempts. */
typedef struct run {
    const keel_retry *retry;
    keel_ctx *ctx;
    int64_t start_ns; /* with max_elapsed_ns */
    int32_t attempt;
    int64_t delay_ns;
} run;

/* Why there will be no further attempt after `err`; or NULL, and the wait before it in delay_ns. */
static const char *stops(run *r, const keel_err *err)
{
    const keel_retry_opts *opts = &r->retry->opts;
    keel_any after;
    int64_t asked_ns, deadline_ns;

    if (keel_ctx_err(r->ctx) != NULL)
        return "context";
    if (!wants_retry(opts, err))
        return "permanent";
    if (r->attempt >= opts->max_attempts && opts->max_attempts != KEEL_ATTEMPTS_UNLIMITED)
        return "attempts";
    if (keel_err_field(err, FIELD_AFTER, &after) && keel_any_get_i64(after, &asked_ns)) {
        if (asked_ns > opts->max_retry_after_ns)
            return "retry_after";
        r->delay_ns = asked_ns;
    } else {
        r->delay_ns =
            jittered(r->retry, r->attempt, r->attempt > 1 ? r->delay_ns : opts->base_delay_ns);
    }
    const int64_t next_ns = add(keel_ctx_now(r->ctx), r->delay_ns);
    if (keel_ctx_deadline(r->ctx, &deadline_ns) && next_ns >= deadline_ns)
        return "deadline";
    if (opts->max_elapsed_ns > 0 && next_ns - r->start_ns > opts->max_elapsed_ns)
        return "elapsed";
    if (opts->budget != NULL && !is_refusal(err) && !keel__retry_budget_withdraw(opts->budget))
        return "budget";
    return NULL;
}

/* The error that a run ends with. Takes `err`. */
static keel_err *give_up(const run *r, keel_err *err, const char *stopped)
{
    if (r->attempt > 1)
        err = keel_err_wrap(err, "failed after %d attempts", (int)r->attempt);
    err = keel_err_with(err, "attempts", keel_any_i64(r->attempt));
    return keel_err_with(err, "stopped", keel_any_str(keel_str_from(stopped)));
}

static keel_err *wait(const run *r, const keel_err *err)
{
    const keel_retry_opts *opts = &r->retry->opts;
    const keel_retry_event event = { r->attempt, err, r->delay_ns };

    if (opts->before_wait != NULL)
        opts->before_wait(&event, opts->arg);
    KEEL_TRY(keel_sleep(r->ctx, r->delay_ns));
    if (opts->after_wait != NULL)
        opts->after_wait(&event, opts->arg);
    return NULL;
}

keel_err *keel_retry_run(keel_ctx *ctx, const keel_retry *retry, keel_task_fn fn, void *arg)
{
    run r = { .retry = retry != NULL ? retry : &defaults, .ctx = ctx };
    const keel_retry_opts *opts = &r.retry->opts;

    keel__need(fn != NULL, "keel_retry_run", "fn");
    KEEL_TRY(keel_ctx_err(ctx));
    if (opts->max_elapsed_ns > 0)
        r.start_ns = keel_ctx_now(ctx);
    if (opts->budget != NULL)
        keel__retry_budget_deposit(opts->budget);
    for (;;) {
        if (r.attempt < INT32_MAX)
            r.attempt++;
        keel_err *err = fn(ctx, arg);
        if (err == NULL)
            return NULL;
        const char *stopped = stops(&r, err);
        if (stopped != NULL)
            return give_up(&r, err, stopped);
        keel_err *ended = wait(&r, err);
        if (ended != NULL)
            return give_up(&r, keel_err_join(err, ended), "context");
        keel_err_free(err);
    }
}
