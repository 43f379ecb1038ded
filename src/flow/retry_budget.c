/* SPDX-License-Identifier: MIT */
#include "flow/retry.h"

#include <keel/duration.h>
#include <keel/mem.h>

#include "base/process.h"
#include "base/spin.h"
#include "flow/options.h"
#include "flow/window.h"

/* The window counts each call as one that succeeded, and each retry as one that failed. */
struct keel_retry_budget {
    keel_retry_budget_opts opts;
    keel__spin lock; /* guards the window */
    keel__window window;
};

keel_err *keel_retry_budget_new(keel_retry_budget **out, const keel_retry_budget_opts *given)
{
    const char *object = "retry budget";
    keel_retry_budget_opts opts = given != NULL ? *given : (keel_retry_budget_opts){ 0 };

    keel__need(out != NULL, "keel_retry_budget_new", "out");
    *out = NULL;
    KEEL_TRY(keel__option_number(object, "share", &opts.share, 0.2, 0, 1000));
    KEEL_TRY(keel__option_number(object, "per_second", &opts.per_second, 10, 0, 1e9));
    KEEL_TRY(keel__option_ns(object, "window_ns", &opts.window_ns, KEEL_S(10)));
    keel_retry_budget *budget = keel_mem_calloc(1, sizeof *budget);
    if (budget == NULL)
        return KEEL_ERR_NOMEM;
    if (opts.clock == NULL)
        opts.clock = keel_clock_system();
    budget->opts = opts;
    keel__window_init(&budget->window, opts.window_ns, 0, NULL);
    *out = budget;
    return NULL;
}

void keel_retry_budget_free(keel_retry_budget *budget)
{
    keel_mem_free(budget);
}

/* Under the lock: how many more retries the window allows. */
static uint64_t left(const keel_retry_budget *budget)
{
    const unsigned retries = budget->window.total.failures;
    const unsigned calls = budget->window.total.calls - retries;
    const double allowed = budget->opts.per_second * (double)budget->opts.window_ns * 1e-9 +
                           budget->opts.share * calls + 1e-9; /* ten times 0.1 is 1 */

    return allowed >= retries ? (uint64_t)(allowed - retries) : 0;
}

/* The window as it is now, locked. */
static int64_t enter(keel_retry_budget *budget)
{
    const int64_t now_ns = keel_clock_now(budget->opts.clock);

    keel__spin_lock(&budget->lock);
    keel__window_pass(&budget->window, now_ns);
    return now_ns;
}

void keel__retry_budget_deposit(keel_retry_budget *budget)
{
    const int64_t now_ns = enter(budget);
    keel__window_add(&budget->window, now_ns, false, false);
    keel__spin_unlock(&budget->lock);
}

bool keel__retry_budget_withdraw(keel_retry_budget *budget)
{
    const int64_t now_ns = enter(budget);
    const bool allowed = left(budget) > 0;
    if (allowed)
        keel__window_add(&budget->window, now_ns, true, false);
    keel__spin_unlock(&budget->lock);
    return allowed;
}

uint64_t keel_retry_budget_left(keel_retry_budget *budget)
{
    keel__need(budget != NULL, "keel_retry_budget_left", "budget");
    enter(budget);
    const uint64_t count = left(budget);
    keel__spin_unlock(&budget->lock);
    return count;
}
