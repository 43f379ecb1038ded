/* SPDX-License-Identifier: MIT */
#include <keel/policy.h>

#include <keel/duration.h>
#include <keel/mem.h>

#include "base/atomic.h"
#include "base/process.h"
#include "flow/options.h"
#include "flow/policy.h"

/* ---- Timeouts ---- */

/* Whether `limited`, a child of `ctx`, has ended by a deadline of its own. That is asked of the deadlines and
 * not of what has ended by now, which can change while it is asked. */
static bool ended_itself(keel_ctx *ctx, keel_ctx *limited)
{
    int64_t outer_ns, own_ns;

    if (keel_ctx_err(limited) != KEEL_ERR_DEADLINE || !keel_ctx_deadline(limited, &own_ns))
        return false;
    return !keel_ctx_deadline(ctx, &outer_ns) || own_ns < outer_ns;
}

/* The error of a call that ran out of time. What it said is kept as a text, because as an error it would be
 * KEEL_ERR_DEADLINE. Takes `err`. */
static keel_err *too_late(keel_err *err, int64_t ns)
{
    char text[256], length[KEEL_DURATION_TEXT_BYTES];

    keel_duration_format(ns, length);
    keel_err *late = err == KEEL_ERR_DEADLINE
                         ? keel_err_wrap(KEEL_ERR_TIMEOUT, "not done within %s", length)
                         : keel_err_wrap(KEEL_ERR_TIMEOUT, "not done within %s (%s)", length,
                                         keel_err_str(err, text, sizeof text));
    keel_err_free(err);
    return late;
}

/* Whether an error is there because the time of `limited` was over. */
static bool is_late(keel_ctx *ctx, keel_ctx *limited, const keel_err *err)
{
    return err != NULL && ended_itself(ctx, limited) && keel_err_is(err, KEEL_ERR_DEADLINE);
}

keel_err *keel__timed_out(keel_ctx *ctx, keel_ctx *limited, int64_t ns, keel_err *err)
{
    return is_late(ctx, limited, err) ? too_late(err, ns) : err;
}

/* Runs it for at most `ns`, and counts it in *late (may be NULL) if that was not enough. */
static keel_err *run_limited(keel_ctx *ctx, int64_t ns, keel_task_fn fn, void *arg, keel__a64 *late)
{
    keel_ctx *limited = keel_ctx_with_timeout(ctx, ns);
    keel_err *err = keel_ctx_err(limited); /* also for want of memory */

    if (err == NULL)
        err = fn(limited, arg);
    if (is_late(ctx, limited, err)) {
        err = too_late(err, ns);
        if (late != NULL)
            keel__add_relaxed(late, 1);
    }
    keel_ctx_free(limited);
    return err;
}

keel_err *keel_timeout_run(keel_ctx *ctx, int64_t ns, keel_task_fn fn, void *arg)
{
    keel__need(fn != NULL, "keel_timeout_run", "fn");
    return run_limited(ctx, ns, fn, arg, NULL);
}

/* ---- Fallback ---- */

/* Takes `err`. */
static keel_err *fall_back(keel_ctx *ctx, keel_err *err, keel_fallback_fn fallback, void *arg)
{
    keel_err *worse = fallback(ctx, err, arg);

    if (worse == NULL || worse == err) { /* handled, or the same once more */
        keel_err_free(err);
        return worse;
    }
    return keel_err_join(err, worse);
}

keel_err *keel_fallback_run(keel_ctx *ctx, keel_task_fn fn, keel_fallback_fn fallback, void *arg)
{
    keel__need(fn != NULL, "keel_fallback_run", "fn");
    keel__need(fallback != NULL, "keel_fallback_run", "fallback");
    KEEL_TRY(keel_ctx_err(ctx));
    keel_err *err = fn(ctx, arg);
    if (err == NULL || keel_ctx_err(ctx) != NULL)
        return err;
    return fall_back(ctx, err, fallback, arg);
}

/* ---- Making one ---- */

static keel_err *complete(keel_policy_opts *opts)
{
    const char *object = opts->name = opts->name != NULL ? opts->name : "policy";

    KEEL_TRY(keel__option_ns(object, "total_timeout_ns", &opts->total_timeout_ns, 0));
    KEEL_TRY(keel__option_ns(object, "attempt_timeout_ns", &opts->attempt_timeout_ns, 0));
    if (opts->total_timeout_ns > 0 && opts->attempt_timeout_ns > opts->total_timeout_ns)
        return keel__bad_option(object, "attempt_timeout_ns", "is more than total_timeout_ns");
    if (opts->limiter_waits && opts->limiter == NULL)
        return keel__bad_option(object, "limiter_waits", "is set without a limiter");
    return NULL;
}

/* The parts that the options name. */
static keel_err *make_parts(keel_policy *policy, const keel_policy_opts *opts)
{
    if (opts->retry != NULL)
        KEEL_TRY(keel_retry_new(&policy->retry, opts->retry));
    if (opts->breaker != NULL) {
        keel_breaker_opts breaker = *opts->breaker;
        breaker.clock = breaker.clock != NULL ? breaker.clock : opts->clock;
        KEEL_TRY(keel_breaker_new(&policy->breaker, &breaker));
    }
    if (opts->limiter != NULL) {
        keel_limiter_opts limiter = *opts->limiter;
        limiter.clock = limiter.clock != NULL ? limiter.clock : opts->clock;
        KEEL_TRY(keel_limiter_new(&policy->limiter, &limiter));
    }
    if (opts->bulkhead != NULL)
        KEEL_TRY(keel_bulkhead_new(&policy->bulkhead, opts->bulkhead));
    return NULL;
}

keel_err *keel_policy_new(keel_policy **out, const keel_policy_opts *given)
{
    keel_policy_opts opts = given != NULL ? *given : (keel_policy_opts){ 0 };

    keel__need(out != NULL, "keel_policy_new", "out");
    *out = NULL;
    KEEL_TRY(complete(&opts));
    keel_policy *policy = keel_mem_calloc(1, sizeof *policy);
    if (policy == NULL)
        return KEEL_ERR_NOMEM;
    policy->name = opts.name;
    policy->total_timeout_ns = opts.total_timeout_ns;
    policy->attempt_timeout_ns = opts.attempt_timeout_ns;
    policy->limiter_waits = opts.limiter_waits;
    policy->fallback = opts.fallback;
    keel_err *err = make_parts(policy, &opts);
    if (err != NULL) {
        keel_policy_free(policy);
        return err == KEEL_ERR_NOMEM ? err : keel_err_wrap(err, "%s", opts.name);
    }
    *out = policy;
    return NULL;
}

void keel_policy_free(keel_policy *policy)
{
    if (policy == NULL)
        return;
    keel_retry_free(policy->retry);
    keel_breaker_free(policy->breaker);
    keel_limiter_free(policy->limiter);
    keel_bulkhead_free(policy->bulkhead);
    keel_mem_free(policy);
}

/* ---- Running, from the inside out ---- */

typedef struct run {
    keel_policy *policy;
    keel_task_fn fn;
    void *arg;
    bool again; /* there was an attempt before */
} run;

/* attempt timeout(call) */
static keel_err *call(keel_ctx *ctx, const run *r)
{
    keel_policy *policy = r->policy;

    if (policy->attempt_timeout_ns == 0)
        return r->fn(ctx, r->arg);
    return run_limited(ctx, policy->attempt_timeout_ns, r->fn, r->arg, &policy->attempts_timed_out);
}

/* A token of the limiter, if there is one. */
static keel_err *pass_limiter(keel_ctx *ctx, keel_policy *policy)
{
    keel_limiter *limiter = policy->limiter;

    if (policy->limiter_waits) {
        keel_err *err = keel_limiter_wait(ctx, limiter, 1);
        if (err != KEEL_ERR_RATE_LIMITED)
            return err;
    } else if (keel_limiter_allow(limiter, 1)) {
        return NULL;
    }
    keel__add_relaxed(&policy->refused_by_limiter, 1);
    return keel_retry_after(KEEL_ERR_RATE_LIMITED, keel_limiter_delay(limiter, 1));
}

/* rate limit(bulkhead(...)). *ran becomes true if the call was made. */
static keel_err *pass_limits(keel_ctx *ctx, const run *r, bool *ran)
{
    keel_policy *policy = r->policy;

    if (policy->limiter != NULL)
        KEEL_TRY(pass_limiter(ctx, policy));
    if (policy->bulkhead != NULL) {
        keel_err *err = keel_bulkhead_acquire(ctx, policy->bulkhead);
        if (err == KEEL_ERR_BULKHEAD_FULL)
            keel__add_relaxed(&policy->refused_by_bulkhead, 1);
        if (err != NULL)
            return err;
    }
    *ran = true;
    keel_err *err = call(ctx, r);
    if (policy->bulkhead != NULL)
        keel_bulkhead_release(policy->bulkhead);
    return err;
}

/* breaker(...): what a limit refused says nothing of the service, and neither does what the caller cancelled. */
static keel_err *attempt(keel_ctx *ctx, void *arg)
{
    run *r = arg;
    keel_policy *policy = r->policy;
    keel_breaker *breaker = policy->breaker;
    keel_breaker_call counted;
    bool ran = false;

    if (r->again)
        keel__add_relaxed(&policy->retried, 1);
    r->again = true;
    if (breaker == NULL)
        return pass_limits(ctx, r, &ran);
    keel_err *err = keel_breaker_begin(breaker, &counted);
    if (err != NULL) {
        const int64_t remaining_ns = keel_breaker_remaining(breaker);
        keel__add_relaxed(&policy->refused_by_breaker, 1);
        return remaining_ns > 0 ? keel_retry_after(err, remaining_ns) : err;
    }
    err = pass_limits(ctx, r, &ran);
    const keel_err *ended = err != NULL ? keel_ctx_err(ctx) : NULL;
    if (!ran || (ended != NULL && ended != KEEL_ERR_DEADLINE))
        keel_breaker_forget(breaker, &counted);
    else
        keel_breaker_end(breaker, &counted, err);
    return err;
}

/* retry(...) */
static keel_err *attempts(keel_ctx *ctx, void *arg)
{
    run *r = arg;

    if (r->policy->retry == NULL)
        return attempt(ctx, r);
    return keel_retry_run(ctx, r->policy->retry, attempt, r);
}

keel_err *keel_policy_run(keel_ctx *ctx, keel_policy *policy, keel_task_fn fn, void *arg)
{
    run r = { policy, fn, arg, false };

    keel__need(policy != NULL, "keel_policy_run", "policy");
    keel__need(fn != NULL, "keel_policy_run", "fn");
    keel_err *err = keel_ctx_err(ctx);
    if (err == NULL)
        err = policy->total_timeout_ns == 0
                  ? attempts(ctx, &r)
                  : run_limited(ctx, policy->total_timeout_ns, attempts, &r, &policy->timed_out);
    keel__a64 *counter = err == NULL ? &policy->succeeded : &policy->failed;
    if (err != NULL && policy->fallback != NULL && keel_ctx_err(ctx) == NULL) {
        err = fall_back(ctx, err, policy->fallback, arg);
        if (err == NULL)
            counter = &policy->fell_back;
    }
    keel__add_relaxed(counter, 1);
    return err;
}

/* ---- Looking and steering ---- */

keel_breaker *keel_policy_breaker(const keel_policy *policy)
{
    keel__need(policy != NULL, "keel_policy_breaker", "policy");
    return policy->breaker;
}

keel_limiter *keel_policy_limiter(const keel_policy *policy)
{
    keel__need(policy != NULL, "keel_policy_limiter", "policy");
    return policy->limiter;
}

keel_bulkhead *keel_policy_bulkhead(const keel_policy *policy)
{
    keel__need(policy != NULL, "keel_policy_bulkhead", "policy");
    return policy->bulkhead;
}

const keel_retry *keel_policy_retry(const keel_policy *policy)
{
    keel__need(policy != NULL, "keel_policy_retry", "policy");
    return policy->retry;
}

void keel_policy_get_stats(const keel_policy *policy, keel_policy_stats *out)
{
    keel__need(policy != NULL, "keel_policy_get_stats", "policy");
    *out = (keel_policy_stats){
        .succeeded = keel__load_relaxed(&policy->succeeded),
        .fell_back = keel__load_relaxed(&policy->fell_back),
        .failed = keel__load_relaxed(&policy->failed),
        .timed_out = keel__load_relaxed(&policy->timed_out),
        .retried = keel__load_relaxed(&policy->retried),
        .attempts_timed_out = keel__load_relaxed(&policy->attempts_timed_out),
        .refused_by_breaker = keel__load_relaxed(&policy->refused_by_breaker),
        .refused_by_limiter = keel__load_relaxed(&policy->refused_by_limiter),
        .refused_by_bulkhead = keel__load_relaxed(&policy->refused_by_bulkhead),
    };
    out->calls = out->succeeded + out->fell_back + out->failed;
}
