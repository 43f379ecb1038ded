/* SPDX-License-Identifier: MIT */
#include <keel/breaker.h>

#include <keel/duration.h>
#include <keel/mem.h>
#include <keel/rand.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "base/spin.h"
#include "flow/options.h"
#include "flow/parts.h"
#include "flow/window.h"
#include "task/random.h"

KEEL_ERR_DEFINE(keel_err_breaker_open, "circuit breaker is open");

enum { MAX_CALLS = 100000, MAX_PROBES = 1000 };

/* `lock` guards all that follows it. A call carries the generation that it began in, which grows with
 * every change of state: what began before a change is not counted after it. */
struct keel_breaker {
    keel_breaker_opts opts; /* complete, and never changed */
    keel__spin lock;
    keel_breaker_state state;
    uint64_t generation;
    int64_t open_until_ns; /* open */
    double open_ns;        /* how long it opens next time */
    /* half open: probes that may still begin, those under way, those that succeeded, and since when
     * one has been under way: the first to begin, and when that has ended, the last */
    unsigned probes_left, probing, probed;
    int64_t probing_since_ns, last_probe_ns;
    keel__window window;
    keel_breaker_stats stats; /* but for state and window */
    unsigned char ring[];
};

/* A change of state, to be told when the lock is free. */
typedef struct change {
    bool happened;
    keel_breaker_state from, to;
} change;

const char *keel_breaker_state_name(keel_breaker_state state)
{
    switch (state) {
    case KEEL_BREAKER_CLOSED:
        return "closed";
    case KEEL_BREAKER_OPEN:
        return "open";
    case KEEL_BREAKER_HALF_OPEN:
        return "half open";
    case KEEL_BREAKER_FORCED_OPEN:
        return "forced open";
    case KEEL_BREAKER_DISABLED:
        return "disabled";
    }
    return "?";
}

/* Puts defaults where nothing was said. */
static keel_err *complete(keel_breaker_opts *opts)
{
    const char *object = opts->name = opts->name != NULL ? opts->name : "breaker";
    const double longest = (double)(INT64_MAX / 4);

    KEEL_TRY(keel__option_ns(object, "window_ns", &opts->window_ns, KEEL_S(10)));
    KEEL_TRY(keel__option_ns(object, "slow_call_ns", &opts->slow_call_ns, 0));
    KEEL_TRY(keel__option_ns(object, "open_ns", &opts->open_ns, KEEL_S(5)));
    KEEL_TRY(keel__option_ns(object, "max_open_ns", &opts->max_open_ns,
                             opts->open_ns > KEEL_S(60) ? opts->open_ns : KEEL_S(60)));
    KEEL_TRY(keel__option_ns(object, "probe_time_ns", &opts->probe_time_ns, KEEL_S(30)));
    KEEL_TRY(keel__option_number(object, "failure_rate", &opts->failure_rate, 0.5, 0, 1));
    KEEL_TRY(keel__option_number(object, "slow_rate", &opts->slow_rate, 0.8, 0, 1));
    KEEL_TRY(keel__option_number(object, "open_multiplier", &opts->open_multiplier, 2, 1, longest));
    if (opts->max_open_ns < opts->open_ns)
        return keel__bad_option(object, "max_open_ns", "is less than open_ns");
    if (opts->window_calls > MAX_CALLS)
        return keel__bad_option(object, "window_calls", "is more than 100,000");
    if (opts->probes > MAX_PROBES)
        return keel__bad_option(object, "probes", "is more than 1000");
    if (opts->window_calls > 0 && opts->min_calls > opts->window_calls)
        return keel__bad_option(object, "min_calls", "is more than window_calls");
    if (opts->min_calls == 0)
        opts->min_calls =
            opts->window_calls > 0 && opts->window_calls < 20 ? opts->window_calls : 20;
    if (opts->probes == 0)
        opts->probes = 3;
    if (opts->clock == NULL)
        opts->clock = keel_clock_system();
    return NULL;
}

keel_err *keel_breaker_new(keel_breaker **out, const keel_breaker_opts *given)
{
    keel_breaker_opts opts = given != NULL ? *given : (keel_breaker_opts){ 0 };

    keel__need(out != NULL, "keel_breaker_new", "out");
    *out = NULL;
    KEEL_TRY(complete(&opts));
    keel_breaker *breaker = keel_mem_calloc(1, sizeof *breaker + opts.window_calls);
    if (breaker == NULL)
        return KEEL_ERR_NOMEM;
    breaker->opts = opts;
    breaker->open_ns = (double)opts.open_ns;
    keel__window_init(&breaker->window, opts.window_ns, opts.window_calls, breaker->ring);
    *out = breaker;
    return NULL;
}

void keel_breaker_free(keel_breaker *breaker)
{
    keel_mem_free(breaker);
}

const keel_breaker_opts *keel__breaker_opts(const keel_breaker *breaker)
{
    return &breaker->opts;
}

/* ---- Changes of state, all under the lock ---- */

static change set_state(keel_breaker *breaker, keel_breaker_state to)
{
    const change made = { breaker->state != to, breaker->state, to };

    breaker->state = to;
    breaker->generation++;
    return made;
}

static change close_it(keel_breaker *breaker)
{
    breaker->open_ns = (double)breaker->opts.open_ns;
    keel__window_clear(&breaker->window);
    return set_state(breaker, KEEL_BREAKER_CLOSED);
}

static change open_it(keel_breaker *breaker, int64_t now_ns)
{
    const keel_breaker_opts *opts = &breaker->opts;
    const double most = (double)opts->max_open_ns;
    double open_ns = breaker->open_ns;

    breaker->open_ns =
        open_ns * opts->open_multiplier < most ? open_ns * opts->open_multiplier : most;
    if (!opts->no_jitter) {
        keel_rand rand;
        keel_rand_seed(&rand, keel__rand_u64());
        open_ns *= 0.9 + 0.2 * keel_rand_double(&rand);
    }
    const int64_t time_ns = open_ns < most ? (int64_t)open_ns : opts->max_open_ns;
    breaker->open_until_ns = now_ns > INT64_MAX - time_ns ? INT64_MAX : now_ns + time_ns;
    breaker->stats.opened++;
    return set_state(breaker, KEEL_BREAKER_OPEN);
}

static change half_open(keel_breaker *breaker)
{
    breaker->probes_left = breaker->opts.probes;
    breaker->probing = breaker->probed = 0;
    return set_state(breaker, KEEL_BREAKER_HALF_OPEN);
}

/* What time alone changes; noticed when somebody looks. */
static change pass_time(keel_breaker *breaker, int64_t now_ns)
{
    if (breaker->state == KEEL_BREAKER_OPEN && now_ns >= breaker->open_until_ns)
        return half_open(breaker);
    if (breaker->state == KEEL_BREAKER_HALF_OPEN && breaker->probing > 0 &&
        now_ns - breaker->probing_since_ns >= breaker->opts.probe_time_ns)
        return open_it(breaker, now_ns);
    return (change){ 0 };
}

/* Whether the window says that it must open. */
static bool too_bad(const keel_breaker *breaker)
{
    const keel__outcomes *seen = &breaker->window.total;
    const double calls = seen->calls;

    return seen->calls >= breaker->opts.min_calls &&
           (seen->failures >= breaker->opts.failure_rate * calls ||
            (breaker->opts.slow_call_ns > 0 && seen->slow >= breaker->opts.slow_rate * calls));
}

static int64_t enter(keel_breaker *breaker)
{
    const int64_t now_ns = keel_clock_now(breaker->opts.clock);

    keel__spin_lock(&breaker->lock);
    return now_ns;
}

/* Lets the lock go, then tells what has changed, in this order. */
static void leave(keel_breaker *breaker, change first, change second)
{
    keel__spin_unlock(&breaker->lock);
    if (breaker->opts.on_change == NULL)
        return;
    if (first.happened)
        breaker->opts.on_change(breaker, first.from, first.to, breaker->opts.arg);
    if (second.happened)
        breaker->opts.on_change(breaker, second.from, second.to, breaker->opts.arg);
}

/* ---- Calls ---- */

/* Lets a call through a closed breaker, where nothing depends on the time, without a look at the clock: that
 * costs more than all the rest. */
static bool begin_closed(keel_breaker *breaker, keel_breaker_call *call)
{
    if (breaker->opts.slow_call_ns > 0)
        return false;
    keel__spin_lock(&breaker->lock);
    const bool closed = breaker->state == KEEL_BREAKER_CLOSED;
    *call = (keel_breaker_call){ breaker->generation, 0 };
    keel__spin_unlock(&breaker->lock);
    return closed;
}

keel_err *keel_breaker_begin(keel_breaker *breaker, keel_breaker_call *call)
{
    keel__need(breaker != NULL, "keel_breaker_begin", "breaker");
    keel__point(KEEL__OP_BREAKER_BEGIN, breaker);
    if (begin_closed(breaker, call))
        return NULL;
    const int64_t now_ns = enter(breaker);
    const change passed = pass_time(breaker, now_ns);
    bool refused =
        breaker->state == KEEL_BREAKER_OPEN || breaker->state == KEEL_BREAKER_FORCED_OPEN;

    if (breaker->state == KEEL_BREAKER_HALF_OPEN) {
        refused = breaker->probes_left == 0;
        if (!refused) {
            breaker->probes_left--;
            breaker->last_probe_ns = now_ns;
            if (breaker->probing++ == 0)
                breaker->probing_since_ns = now_ns;
        }
    }
    breaker->stats.refused += refused;
    *call = (keel_breaker_call){ breaker->generation, now_ns };
    leave(breaker, passed, (change){ 0 });
    return refused ? KEEL_ERR_BREAKER_OPEN : NULL;
}

/* A probe has ended: the first that is bad opens, the last that is good closes. */
static change judge(keel_breaker *breaker, int64_t now_ns, bool bad)
{
    breaker->probing--;
    breaker->probing_since_ns = breaker->last_probe_ns; /* of those left: the last to begin */
    if (bad)
        return open_it(breaker, now_ns);
    if (++breaker->probed == breaker->opts.probes)
        return close_it(breaker);
    return (change){ 0 };
}

/* Whether what becomes of a call counts: it began in this state, and has not been ended before. */
static bool ends_now(const keel_breaker *breaker, keel_breaker_call *call)
{
    const bool counts = call->keel__generation == breaker->generation;

    call->keel__generation = UINT64_MAX;
    return counts;
}

void keel_breaker_end(keel_breaker *breaker, keel_breaker_call *call, const keel_err *err)
{
    keel__need(breaker != NULL, "keel_breaker_end", "breaker");
    keel__point(KEEL__OP_BREAKER_END, breaker);
    const keel_breaker_opts *opts = &breaker->opts;
    const bool failed =
        err != NULL && (opts->is_failure == NULL || opts->is_failure(err, opts->arg));
    const int64_t now_ns = enter(breaker);
    const bool slow = opts->slow_call_ns > 0 && now_ns - call->keel__start_ns > opts->slow_call_ns;
    const change passed = pass_time(breaker, now_ns);
    change judged = { 0 };

    if (ends_now(breaker, call)) {
        breaker->stats.calls++;
        breaker->stats.failures += failed;
        breaker->stats.slow += slow;
        if (breaker->state == KEEL_BREAKER_HALF_OPEN) {
            judged = judge(breaker, now_ns, failed || slow);
        } else {
            keel__window_add(&breaker->window, now_ns, failed, slow);
            if (breaker->state == KEEL_BREAKER_CLOSED && too_bad(breaker))
                judged = open_it(breaker, now_ns);
        }
    }
    leave(breaker, passed, judged);
}

void keel_breaker_forget(keel_breaker *breaker, keel_breaker_call *call)
{
    keel__need(breaker != NULL, "keel_breaker_forget", "breaker");
    keel__point(KEEL__OP_BREAKER_END, breaker);
    const change passed = pass_time(breaker, enter(breaker));

    if (ends_now(breaker, call) && breaker->state == KEEL_BREAKER_HALF_OPEN) {
        breaker->probing--;
        breaker->probing_since_ns = breaker->last_probe_ns;
        breaker->probes_left++;
    }
    leave(breaker, passed, (change){ 0 });
}

keel_err *keel_breaker_run(keel_ctx *ctx, keel_breaker *breaker, keel_task_fn fn, void *arg)
{
    keel_breaker_call call;

    keel__need(fn != NULL, "keel_breaker_run", "fn");
    KEEL_TRY(keel_ctx_err(ctx));
    KEEL_TRY(keel_breaker_begin(breaker, &call));
    keel_err *err = fn(ctx, arg);
    const keel_err *ended = err != NULL ? keel_ctx_err(ctx) : NULL;
    if (ended != NULL && ended != KEEL_ERR_DEADLINE)
        keel_breaker_forget(breaker, &call);
    else
        keel_breaker_end(breaker, &call, err);
    return err;
}

/* ---- Looking and steering ---- */

keel_breaker_state keel_breaker_get(keel_breaker *breaker)
{
    keel__need(breaker != NULL, "keel_breaker_get", "breaker");
    keel__point(KEEL__OP_BREAKER_BEGIN, breaker);
    const change passed = pass_time(breaker, enter(breaker));
    const keel_breaker_state state = breaker->state;
    leave(breaker, passed, (change){ 0 });
    return state;
}

int64_t keel_breaker_remaining(keel_breaker *breaker)
{
    keel__need(breaker != NULL, "keel_breaker_remaining", "breaker");
    keel__point(KEEL__OP_BREAKER_BEGIN, breaker);
    const int64_t now_ns = enter(breaker);
    const change passed = pass_time(breaker, now_ns);
    const int64_t remaining_ns =
        breaker->state == KEEL_BREAKER_OPEN ? breaker->open_until_ns - now_ns : 0;
    leave(breaker, passed, (change){ 0 });
    return remaining_ns;
}

void keel_breaker_force(keel_breaker *breaker, keel_breaker_state state)
{
    keel__need(breaker != NULL, "keel_breaker_force", "breaker");
    keel__point(KEEL__OP_BREAKER_END, breaker);
    const int64_t now_ns = enter(breaker);
    change made;

    breaker->open_ns = (double)breaker->opts.open_ns;
    switch (state) {
    case KEEL_BREAKER_CLOSED:
        made = close_it(breaker);
        break;
    case KEEL_BREAKER_OPEN:
        made = open_it(breaker, now_ns);
        break;
    case KEEL_BREAKER_HALF_OPEN:
        made = half_open(breaker);
        break;
    default:
        made = set_state(breaker, state);
    }
    leave(breaker, made, (change){ 0 });
}

void keel_breaker_get_stats(keel_breaker *breaker, keel_breaker_stats *out)
{
    keel__need(breaker != NULL, "keel_breaker_get_stats", "breaker");
    const int64_t now_ns = enter(breaker);
    const change passed = pass_time(breaker, now_ns);

    keel__window_pass(&breaker->window, now_ns);
    *out = breaker->stats;
    out->state = breaker->state;
    out->window_calls = breaker->window.total.calls;
    out->window_failures = breaker->window.total.failures;
    out->window_slow = breaker->window.total.slow;
    leave(breaker, passed, (change){ 0 });
}
