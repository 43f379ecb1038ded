/* SPDX-License-Identifier: MIT */
#include <keel/limiter.h>

#include <keel/mem.h>
#include <keel/sync.h>

#include "base/atomic.h"
#include "base/process.h"
#include "base/spin.h"
#include "flow/options.h"
#include "flow/parts.h"

KEEL_ERR_DEFINE(keel_err_bulkhead_full, "bulkhead is full");

struct keel_bulkhead {
    keel_bulkhead_opts opts;
    keel_semaphore places;
    keel__spin lock; /* guards the numbers */
    keel_bulkhead_stats stats;
};

keel_err *keel_bulkhead_new(keel_bulkhead **out, const keel_bulkhead_opts *given)
{
    keel_bulkhead_opts opts = given != NULL ? *given : (keel_bulkhead_opts){ 0 };

    keel__need(out != NULL, "keel_bulkhead_new", "out");
    *out = NULL;
    if (opts.max_running == 0)
        opts.max_running = 25;
    KEEL_TRY(keel__option_ns("bulkhead", "max_wait_ns", &opts.max_wait_ns, 0));
    keel_bulkhead *bulkhead = keel_mem_calloc(1, sizeof *bulkhead);
    if (bulkhead == NULL)
        return KEEL_ERR_NOMEM;
    bulkhead->opts = opts;
    keel_semaphore_init(&bulkhead->places, opts.max_running);
    *out = bulkhead;
    return NULL;
}

void keel_bulkhead_free(keel_bulkhead *bulkhead)
{
    if (bulkhead == NULL)
        return;
    keel_semaphore_deinit(&bulkhead->places);
    keel_mem_free(bulkhead);
}

const keel_bulkhead_opts *keel__bulkhead_opts(const keel_bulkhead *bulkhead)
{
    return &bulkhead->opts;
}

/* One more waits, if it may. */
static bool begin_wait(keel_bulkhead *bulkhead)
{
    keel__spin_lock(&bulkhead->lock);
    const bool may = bulkhead->stats.waiting < bulkhead->opts.max_waiting;
    bulkhead->stats.waiting += may;
    bulkhead->stats.refused += !may;
    keel__spin_unlock(&bulkhead->lock);
    return may;
}

static void entered(keel_bulkhead *bulkhead, bool waited, const keel_err *err)
{
    keel__spin_lock(&bulkhead->lock);
    bulkhead->stats.waiting -= waited;
    bulkhead->stats.running += err == NULL;
    bulkhead->stats.entered += err == NULL;
    bulkhead->stats.refused += err == KEEL_ERR_BULKHEAD_FULL;
    keel__spin_unlock(&bulkhead->lock);
}

/* Waits for a place no longer than max_wait_ns. */
static keel_err *wait(keel_ctx *ctx, keel_bulkhead *bulkhead)
{
    if (bulkhead->opts.max_wait_ns == 0)
        return keel_semaphore_acquire(ctx, &bulkhead->places, 1);
    keel_ctx *limited = keel_ctx_with_timeout(ctx, bulkhead->opts.max_wait_ns);
    keel_err *err = keel_semaphore_acquire(limited, &bulkhead->places, 1);
    if (keel_err_is(err, KEEL_ERR_DEADLINE) && keel_ctx_err(ctx) == NULL)
        err = KEEL_ERR_BULKHEAD_FULL; /* its own wait was over, not the context's time */
    keel_ctx_free(limited);
    return err;
}

keel_err *keel_bulkhead_acquire(keel_ctx *ctx, keel_bulkhead *bulkhead)
{
    keel__need(bulkhead != NULL, "keel_bulkhead_acquire", "bulkhead");
    KEEL_TRY(keel_ctx_err(ctx));
    if (keel_semaphore_try_acquire(&bulkhead->places, 1)) {
        entered(bulkhead, false, NULL);
        return NULL;
    }
    if (!begin_wait(bulkhead))
        return KEEL_ERR_BULKHEAD_FULL;
    keel_err *err = wait(ctx, bulkhead);
    entered(bulkhead, true, err);
    return err;
}

void keel_bulkhead_release(keel_bulkhead *bulkhead)
{
    keel__need(bulkhead != NULL, "keel_bulkhead_release", "bulkhead");
    keel__spin_lock(&bulkhead->lock);
    const bool taken = bulkhead->stats.running > 0;
    bulkhead->stats.running -= taken;
    keel__spin_unlock(&bulkhead->lock);
    if (!taken)
        keel__misuse("keel_bulkhead_release: no place of bulkhead %p is taken", (void *)bulkhead);
    keel_semaphore_release(&bulkhead->places, 1);
}

keel_err *keel_bulkhead_run(keel_ctx *ctx, keel_bulkhead *bulkhead, keel_task_fn fn, void *arg)
{
    keel__need(fn != NULL, "keel_bulkhead_run", "fn");
    KEEL_TRY(keel_bulkhead_acquire(ctx, bulkhead));
    keel_err *err = fn(ctx, arg);
    keel_bulkhead_release(bulkhead);
    return err;
}

void keel_bulkhead_get_stats(keel_bulkhead *bulkhead, keel_bulkhead_stats *out)
{
    keel__need(bulkhead != NULL, "keel_bulkhead_get_stats", "bulkhead");
    keel__spin_lock(&bulkhead->lock);
    *out = bulkhead->stats;
    keel__spin_unlock(&bulkhead->lock);
}
