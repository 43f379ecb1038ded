/* SPDX-License-Identifier: MIT */
#include "explore.h"

/* Groups, offloaded calls and the end of a program under every schedule with three deviations. */

typedef struct world {
    keel_group *group;
    keel_ctx *ctx;
    keel_chan *chan;
    int running, most, ended, cancelled, failed, freed;
} world;

static keel_err *be_busy(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    if (++w->running > w->most)
        w->most = w->running;
    keel_yield();
    w->running--;
    w->ended++;
    return NULL;
}

/* ---- The first error ends the others ---- */

static keel_err *fail_late(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_yield();
    w->failed++;
    return keel_err_wrap(KEEL_ERR_RANGE, "failure %d", w->failed);
}

static keel_err *wait_for_end(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = wait_for_end_of(ctx);

    KEEL_CHECK(err == KEEL_ERR_CANCELLED && w->failed > 0);
    w->cancelled++;
    return err;
}

static keel_err *the_first_error_ends_the_others(keel_ctx *ctx, void *arg)
{
    world w = { .ended = 0 };
    char text[256];
    keel_err *err = together(ctx, &w, wait_for_end, fail_late, wait_for_end, fail_late);

    (void)arg;
    KEEL_CHECK(keel_err_is(err, KEEL_ERR_RANGE));
    KEEL_CHECK(strstr(keel_err_str(err, text, sizeof text), "failure 1") != NULL);
    KEEL_CHECK(w.cancelled == 2 && w.failed == 2);
    keel_err_free(err);
    return NULL;
}

static keel_err *all_errors_are_collected(keel_ctx *ctx, void *arg)
{
    world w = { .ended = 0 };
    char text[1024];
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .collect_all = true });

    (void)arg;
    keel_group_go(group, fail_late, &w);
    keel_group_go(group, be_busy, &w);
    keel_group_go(group, fail_late, &w);
    keel_err *err = keel_group_wait(group);
    keel_err_str(err, text, sizeof text);
    KEEL_CHECK(strstr(text, "failure 1") != NULL && strstr(text, "failure 2") != NULL);
    KEEL_CHECK(w.ended == 1);
    keel_err_free(err);
    return NULL;
}

/* ---- Limits ---- */

static keel_err *start_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_group_go(w->group, be_busy, w);
    keel_group_go(w->group, be_busy, w);
    return NULL;
}

static keel_err *a_limit_is_kept(keel_ctx *ctx, void *arg)
{
    world w = { .group = keel_group_new(ctx, &(keel_group_opts){ .limit = 2 }) };

    (void)arg;
    KEEL_TRY(together(ctx, &w, start_two, start_two));
    KEEL_TRY(keel_group_wait(w.group));
    KEEL_CHECK(w.ended == 4 && w.most <= 2);
    return NULL;
}

static keel_err *try_start_two(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    for (int i = 0; i < 2; i++)
        w->failed += !keel_group_try_go(w->group, be_busy, w);
    return NULL;
}

static keel_err *try_go_does_not_wait(keel_ctx *ctx, void *arg)
{
    world w = { .group = keel_group_new(ctx, &(keel_group_opts){ .limit = 1 }) };

    (void)arg;
    KEEL_TRY(together(ctx, &w, try_start_two, start_two));
    KEEL_TRY(keel_group_wait(w.group));
    KEEL_CHECK(w.ended + w.failed == 4 && w.most == 1);
    return NULL;
}

/* A task of a group starts another: the wait is for that, too. */
static keel_err *start_more(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    keel_group_go(w->group, be_busy, w);
    keel_yield();
    keel_group_go(w->group, be_busy, w);
    return NULL;
}

static keel_err *a_wait_is_for_all(keel_ctx *ctx, void *arg)
{
    world w = { .group = keel_group_new(ctx, NULL) };

    (void)arg;
    keel_group_go(w.group, start_more, &w);
    keel_group_go(w.group, be_busy, &w);
    KEEL_TRY(keel_group_wait(w.group));
    KEEL_CHECK(w.ended == 3 && w.running == 0);
    return NULL;
}

static keel_err *cancel_group(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    (void)ctx;
    w->failed = 1;
    keel_group_cancel(w->group);
    return NULL;
}

static keel_err *a_group_can_be_cancelled(keel_ctx *ctx, void *arg)
{
    world w = { .group = keel_group_new(ctx, NULL) };

    (void)arg;
    keel_group_go(w.group, wait_for_end, &w);
    keel_group_go(w.group, cancel_group, &w);
    keel_group_go(w.group, wait_for_end, &w);
    KEEL_CHECK(keel_group_wait(w.group) == KEEL_ERR_CANCELLED && w.cancelled == 2);
    return NULL;
}

/* ---- Offloaded calls ---- */

static keel_err *call(void *arg)
{
    world *w = arg;

    w->ended++;
    return KEEL_ERR_IO;
}

static void freed(void *arg)
{
    ((world *)arg)->freed++;
}

static keel_err *offload(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int before = w->ended;
    keel_err *err = keel_offload(w->ctx, call, w);

    (void)ctx;
    KEEL_CHECK(err == KEEL_ERR_IO ? w->ended > before : err == KEEL_ERR_CANCELLED);
    w->running += err == KEEL_ERR_IO;
    return NULL;
}

static keel_err *abandon(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    keel_err *err = keel_offload_abandon(w->ctx, call, w, freed);

    (void)ctx;
    KEEL_CHECK(err == KEEL_ERR_IO || err == KEEL_ERR_CANCELLED);
    return NULL;
}

static keel_err *cancel_it(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(((world *)arg)->ctx);
    return NULL;
}

static keel_err *an_offloaded_call_is_made_or_not(keel_ctx *ctx, void *arg)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    KEEL_TRY(together(ctx, &w, offload, cancel_it, offload));
    KEEL_CHECK(w.ended == w.running);
    keel_ctx_free(w.ctx);
    return NULL;
}

static keel_err *an_abandoned_call_frees_its_argument(keel_ctx *ctx, void *arg)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };

    (void)arg;
    KEEL_TRY(together(ctx, &w, abandon, cancel_it, abandon));
    keel_sim_settle(); /* the calls go on alone */
    KEEL_CHECK(w.freed == 2);
    keel_ctx_free(w.ctx);
    return NULL;
}

/* ---- The end of a program: cancel, then wait for all, as keel_main does ---- */

static keel_err *serve(keel_ctx *ctx, void *arg)
{
    world *w = arg;
    int item;

    while (keel_chan_next(ctx, w->chan, &item))
        w->ended++;
    w->cancelled++;
    return NULL;
}

static keel_err *ask(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    for (int i = 0; i < 3; i++) {
        keel_err *err = keel_chan_send(ctx, w->chan, &i);
        if (err != NULL) {
            KEEL_CHECK(err == KEEL_ERR_CANCELLED);
            return NULL;
        }
        w->running++;
    }
    return NULL;
}

static keel_err *a_program_can_be_shut_down(keel_ctx *ctx, void *arg)
{
    world w = { .group = keel_group_new(ctx, NULL) };

    (void)arg;
    KEEL_TRY(keel_chan_new(&w.chan, sizeof(int), &(keel_chan_opts){ .capacity = 1 }));
    keel_group_go(w.group, serve, &w);
    keel_group_go(w.group, ask, &w);
    keel_group_go(w.group, serve, &w);
    keel_yield();
    keel_group_cancel(w.group);
    keel_err *err = keel_group_wait(w.group);
    KEEL_CHECK(w.cancelled == 2);
    KEEL_CHECK(w.running == w.ended + (int)keel_chan_len(w.chan));
    keel_chan_free(w.chan);
    return err;
}

/* ---- The end of the context ends the wait for a place ---- */

static keel_err *linger(keel_ctx *ctx, void *arg)
{
    world *w = arg;

    keel_err_free(wait_for_end_of(ctx)); /* as it must */
    keel_yield();
    keel_yield();
    w->ended++;
    return NULL;
}

static keel_err *end_early(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    keel_ctx_cancel(((world *)arg)->ctx);
    return NULL;
}

/* The task that starts without a place is waited for too, and takes none away. */
static keel_err *who_waits_for_a_place_goes_on_at_the_end(keel_ctx *ctx, void *arg)
{
    world w = { .ctx = keel_ctx_with_cancel(ctx) };
    keel_group *other = keel_group_new(ctx, NULL);

    (void)arg;
    w.group = keel_group_new(w.ctx, &(keel_group_opts){ .limit = 1 });
    keel_group_go(w.group, linger, &w);
    keel_group_go(other, end_early, &w);
    keel_group_go(w.group, be_busy, &w);
    keel_err *err = keel_group_wait(w.group);
    KEEL_CHECK(w.ended == 2);
    err = keel_err_join(err, keel_group_wait(other));
    keel_ctx_free(w.ctx);
    return err;
}

static const scenario scenarios[] = {
    { "the first error ends the others", the_first_error_ends_the_others, false },
    { "all errors are collected", all_errors_are_collected, false },
    { "a limit is kept", a_limit_is_kept, false },
    { "try_go does not wait", try_go_does_not_wait, false },
    { "a wait is for all", a_wait_is_for_all, false },
    { "a group can be cancelled", a_group_can_be_cancelled, false },
    { "an offloaded call is made or not", an_offloaded_call_is_made_or_not, false },
    { "an abandoned call frees", an_abandoned_call_frees_its_argument, false },
    { "a place at the end", who_waits_for_a_place_goes_on_at_the_end, false },
    { "a program can be shut down", a_program_can_be_shut_down, false },
};

EXPLORE_MAIN()
