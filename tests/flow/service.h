/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_FLOW_SERVICE_H
#define KEEL_TESTS_FLOW_SERVICE_H

/* Something unreliable, to be called through a policy. */

#include "flow.h"

#include <keel/policy.h>

static KEEL_ERR_DEFINE(broken, "broken");

/* What is called, when it was, and what a fallback does. */
typedef struct service {
    int failures; /* left */
    int64_t takes_ns;
    bool deaf;         /* to its context */
    keel_ctx *cancels; /* when called */
    keel_err *error;   /* a sentinel. NULL: broken */
    int called, fell_back;
    int64_t start_ns, called_ns[16], told_ns; /* since the start */
    keel_err *fallback_error;                 /* a sentinel */
    bool keeps;                               /* the fallback leaves the error as it is */
} service;

static inline keel_err *serve(keel_ctx *ctx, void *arg)
{
    service *s = arg;

    if (s->called < 16)
        s->called_ns[s->called] = keel_ctx_now(ctx) - s->start_ns;
    s->called++;
    keel_ctx_cancel(s->cancels);
    if (s->takes_ns > 0) {
        keel_err *err = keel_sleep(s->deaf ? NULL : ctx, s->takes_ns);
        if (err != NULL) {
            s->told_ns = keel_ctx_now(ctx) - s->start_ns;
            return keel_err_wrap(err, "serve");
        }
    }
    if (s->failures == 0)
        return NULL;
    s->failures--;
    return s->error != NULL ? s->error : broken;
}

static inline keel_err *fall(keel_ctx *ctx, const keel_err *err, void *arg)
{
    service *s = arg;

    KEEL_CHECK(keel_ctx_err(ctx) == NULL && err != NULL);
    s->fell_back++;
    return s->keeps ? keel_err_retain(err) : s->fallback_error;
}

static inline keel_err *run(keel_ctx *ctx, keel_policy *policy, service *s)
{
    s->called = 0;
    s->start_ns = keel_ctx_now(ctx);
    return keel_policy_run(ctx, policy, serve, s);
}

static inline keel_policy_stats stats(const keel_policy *policy)
{
    keel_policy_stats now;

    keel_policy_get_stats(policy, &now);
    return now;
}

/* 100 ms, 200 ms, ... */
static const keel_retry_opts three_attempts = { .jitter = KEEL_JITTER_NONE };

/* For options of retries: counts in its argument. */
static inline bool never(const keel_err *err, void *arg)
{
    (void)err;
    *(int *)arg += 1;
    return false;
}

#endif /* KEEL_TESTS_FLOW_SERVICE_H */
