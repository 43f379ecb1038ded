/* SPDX-License-Identifier: MIT */
#include <keel/sync.h>

#include <inttypes.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "task/park.h"

static void need(const keel_waitgroup *wg, const char *function)
{
    if (wg == NULL)
        keel__misuse("%s: the waitgroup is NULL", function);
}

void keel_waitgroup_init(keel_waitgroup *wg)
{
    need(wg, "keel_waitgroup_init");
    *wg = (keel_waitgroup){ 0 };
}

void keel_waitgroup_deinit(keel_waitgroup *wg)
{
    if (wg != NULL && wg->keel__waiters.first != NULL)
        keel__misuse("keel_waitgroup_deinit: somebody waits on waitgroup %p (%" PRIu64
                     " under way)",
                     (void *)wg, wg->keel__count);
}

void keel_waitgroup_add(keel_waitgroup *wg, size_t count)
{
    need(wg, "keel_waitgroup_add");
    keel__point(KEEL__OP_WAITGROUP_ADD, wg);
    keel__spin_lock(&wg->keel__lock);
    bool fits = count <= UINT64_MAX - wg->keel__count;
    if (fits)
        wg->keel__count += count;
    keel__spin_unlock(&wg->keel__lock);
    if (!fits)
        keel__misuse("keel_waitgroup_add: %zu more are too many for waitgroup %p", count,
                     (void *)wg);
}

/* The last touch of the waitgroup is the unlocking: it may live on the stack of who waits. */
void keel_waitgroup_done(keel_waitgroup *wg)
{
    keel__waiter *waiters = NULL;

    need(wg, "keel_waitgroup_done");
    keel__point(KEEL__OP_WAITGROUP_DONE, wg);
    keel__order_release(wg);
    keel__spin_lock(&wg->keel__lock);
    bool under_way = wg->keel__count > 0;
    if (under_way && --wg->keel__count == 0)
        waiters = keel__waitq_claim_all(&wg->keel__waiters);
    keel__spin_unlock(&wg->keel__lock);
    if (!under_way)
        keel__misuse("keel_waitgroup_done: nothing is under way in waitgroup %p", (void *)wg);
    keel__unpark_all(waiters);
}

keel_err *keel_waitgroup_wait(keel_ctx *ctx, keel_waitgroup *wg)
{
    need(wg, "keel_waitgroup_wait");
    keel__point(KEEL__OP_WAITGROUP_WAIT, wg);
    KEEL_TRY(keel__ctx_err(ctx));

    keel__wait wait = keel__wait_begin_on(KEEL__OP_WAITGROUP_WAIT, wg);
    keel__waiter waiter = { .wait = &wait, .number = KEEL__FIRED_USER };

    keel__spin_lock(&wg->keel__lock);
    bool none = wg->keel__count == 0;
    if (!none)
        keel__waitq_push(&wg->keel__waiters, &waiter);
    keel__spin_unlock(&wg->keel__lock);
    if (none || keel__wait_end(&wait, ctx, KEEL__NO_TIMEOUT) == KEEL__FIRED_USER) {
        keel__order_acquire(wg);
        return NULL;
    }

    keel__spin_lock(&wg->keel__lock);
    keel__waitq_remove(&wg->keel__waiters, &waiter);
    keel__spin_unlock(&wg->keel__lock);
    return keel__ctx_err(ctx);
}
