/* SPDX-License-Identifier: MIT */
#include "flow/policy.h"

#include <keel/duration.h>

#include "base/process.h"
#include "flow/parts.h"

/* ---- Values, as "name value", with ", " before all but the first of a line ---- */

static keel_err *put_text(keel_buf *buf, const char *name, const char *value)
{
    if (buf->ptr[buf->len - 1] != ' ')
        KEEL_TRY(keel_buf_append_text(buf, ", "));
    return keel_buf_printf(buf, "%s %s", name, value);
}

/* A duration, where 0 stands for a word. */
static keel_err *put_ns(keel_buf *buf, const char *name, int64_t ns, const char *zero)
{
    char text[KEEL_DURATION_TEXT_BYTES];

    return put_text(buf, name, ns == 0 ? zero : keel_duration_format(ns, text));
}

static keel_err *put_number(keel_buf *buf, const char *name, double value)
{
    KEEL_TRY(put_text(buf, name, ""));
    return keel_buf_append_double(buf, value);
}

/* How many, where KEEL_UNLIMITED is a word. */
static keel_err *put_count(keel_buf *buf, const char *name, size_t count)
{
    return count == KEEL_UNLIMITED ? put_text(buf, name, "unlimited")
                                   : put_number(buf, name, (double)count);
}

static keel_err *put_line(keel_buf *buf, const char *part)
{
    return keel_buf_printf(buf, "\n  %s: ", part);
}

/* ---- Parts ---- */

static keel_err *put_retry(keel_buf *buf, const keel_retry *retry)
{
    const char *const jitters[] = { "full", "equal", "decorrelated", "add", "none" };

    KEEL_TRY(put_line(buf, "retry"));
    if (retry == NULL)
        return keel_buf_append_text(buf, "none");
    const keel_retry_opts *opts = keel__retry_opts(retry);
    KEEL_TRY(put_count(buf, "attempts",
                       opts->max_attempts == KEEL_ATTEMPTS_UNLIMITED ? KEEL_UNLIMITED
                                                                     : (size_t)opts->max_attempts));
    KEEL_TRY(put_ns(buf, "base delay", opts->base_delay_ns, "0s"));
    KEEL_TRY(put_number(buf, "multiplier", opts->multiplier));
    KEEL_TRY(put_ns(buf, "max delay", opts->max_delay_ns, "0s"));
    KEEL_TRY(put_text(buf, "jitter", jitters[opts->jitter]));
    KEEL_TRY(put_ns(buf, "max elapsed", opts->max_elapsed_ns, "unlimited"));
    KEEL_TRY(put_ns(buf, "max retry after", opts->max_retry_after_ns, "0s"));
    KEEL_TRY(put_text(buf, "errors", opts->retryable != NULL ? "by function" : "default"));
    return put_text(buf, "budget", opts->budget != NULL ? "shared" : "none");
}

static keel_err *put_breaker(keel_buf *buf, const keel_breaker *breaker)
{
    KEEL_TRY(put_line(buf, "breaker"));
    if (breaker == NULL)
        return keel_buf_append_text(buf, "none");
    const keel_breaker_opts *opts = keel__breaker_opts(breaker);
    KEEL_TRY(put_text(buf, "name", opts->name));
    KEEL_TRY(opts->window_calls > 0 ? put_count(buf, "window calls", opts->window_calls)
                                    : put_ns(buf, "window", opts->window_ns, "0s"));
    KEEL_TRY(put_count(buf, "min calls", opts->min_calls));
    KEEL_TRY(put_number(buf, "failure rate", opts->failure_rate));
    KEEL_TRY(put_ns(buf, "slow call", opts->slow_call_ns, "none"));
    KEEL_TRY(put_number(buf, "slow rate", opts->slow_rate));
    KEEL_TRY(put_ns(buf, "open", opts->open_ns, "0s"));
    KEEL_TRY(put_number(buf, "open multiplier", opts->open_multiplier));
    KEEL_TRY(put_ns(buf, "max open", opts->max_open_ns, "0s"));
    KEEL_TRY(put_text(buf, "jitter", opts->no_jitter ? "none" : "10 %"));
    KEEL_TRY(put_count(buf, "probes", opts->probes));
    KEEL_TRY(put_ns(buf, "probe time", opts->probe_time_ns, "0s"));
    return put_text(buf, "failures", opts->is_failure != NULL ? "by function" : "all errors");
}

static keel_err *put_limiter(keel_buf *buf, keel_limiter *limiter, bool waits)
{
    double per_second, burst;

    KEEL_TRY(put_line(buf, "rate limit"));
    if (limiter == NULL)
        return keel_buf_append_text(buf, "none");
    keel__limiter_get(limiter, &per_second, &burst);
    KEEL_TRY(put_number(buf, "per second", per_second));
    KEEL_TRY(put_number(buf, "burst", burst));
    return put_text(buf, "without a token", waits ? "wait" : "refuse");
}

static keel_err *put_bulkhead(keel_buf *buf, const keel_bulkhead *bulkhead)
{
    KEEL_TRY(put_line(buf, "bulkhead"));
    if (bulkhead == NULL)
        return keel_buf_append_text(buf, "none");
    const keel_bulkhead_opts *opts = keel__bulkhead_opts(bulkhead);
    KEEL_TRY(put_count(buf, "max running", opts->max_running));
    KEEL_TRY(put_count(buf, "max waiting", opts->max_waiting));
    return put_ns(buf, "max wait", opts->max_wait_ns, "unlimited");
}

/* The order of those parts that there are: "retry(breaker(call))". */
static keel_err *put_order(keel_buf *buf, const keel_policy *policy)
{
    const struct {
        const char *name;
        bool there;
    } parts[] = {
        { "fallback", policy->fallback != NULL },
        { "total timeout", policy->total_timeout_ns > 0 },
        { "retry", policy->retry != NULL },
        { "breaker", policy->breaker != NULL },
        { "rate limit", policy->limiter != NULL },
        { "bulkhead", policy->bulkhead != NULL },
        { "attempt timeout", policy->attempt_timeout_ns > 0 },
    };
    size_t depth = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].there) {
            KEEL_TRY(keel_buf_printf(buf, "%s(", parts[i].name));
            depth++;
        }
    }
    KEEL_TRY(keel_buf_append_text(buf, "call"));
    return keel_buf_append_fill(buf, ')', depth);
}

static keel_err *put_policy(keel_buf *buf, const keel_policy *policy)
{
    char text[KEEL_DURATION_TEXT_BYTES];
    const int64_t total_ns = policy->total_timeout_ns, attempt_ns = policy->attempt_timeout_ns;

    KEEL_TRY(keel_buf_printf(buf, "%s: ", policy->name));
    KEEL_TRY(put_order(buf, policy));
    KEEL_TRY(put_line(buf, "fallback"));
    KEEL_TRY(keel_buf_append_text(buf, policy->fallback != NULL ? "by function" : "none"));
    KEEL_TRY(put_line(buf, "total timeout"));
    KEEL_TRY(
        keel_buf_append_text(buf, total_ns > 0 ? keel_duration_format(total_ns, text) : "none"));
    KEEL_TRY(put_retry(buf, policy->retry));
    KEEL_TRY(put_breaker(buf, policy->breaker));
    KEEL_TRY(put_limiter(buf, policy->limiter, policy->limiter_waits));
    KEEL_TRY(put_bulkhead(buf, policy->bulkhead));
    KEEL_TRY(put_line(buf, "attempt timeout"));
    return keel_buf_printf(buf, "%s\n",
                           attempt_ns > 0 ? keel_duration_format(attempt_ns, text) : "none");
}

keel_err *keel_policy_explain(const keel_policy *policy, keel_buf *buf)
{
    keel__need(policy != NULL, "keel_policy_explain", "policy");
    keel__need(buf != NULL, "keel_policy_explain", "buf");
    const size_t len = buf->len;
    keel_err *err = put_policy(buf, policy);
    if (err != NULL)
        keel_buf_truncate(buf, len);
    return err;
}
