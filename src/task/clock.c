/* SPDX-License-Identifier: MIT */
#include "task/clock.h"

#include <keel/mem.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/os.h"

static keel_clock system_clock;

keel_clock *keel_clock_system(void)
{
    return &system_clock;
}

keel_err *keel_clock_manual_new(keel_clock **out, const keel_clock_manual_opts *opts)
{
    keel_clock_manual_opts given = opts != NULL ? *opts : (keel_clock_manual_opts){ 0 };

    keel__need(out != NULL, "keel_clock_manual_new", "out");
    *out = NULL;
    if (given.start_ns < 0)
        return keel_err_wrap(KEEL_ERR_INVAL, "keel_clock_manual_new: start_ns is negative");
    keel_clock *clock = keel_mem_calloc(1, sizeof *clock);
    if (clock == NULL)
        return KEEL_ERR_NOMEM;
    clock->manual = true;
    clock->auto_advance = given.auto_advance;
    keel__store_relaxed(&clock->now_ns, (uint64_t)given.start_ns);
    *out = clock;
    return NULL;
}

void keel_clock_free(keel_clock *clock)
{
    if (clock == NULL || !clock->manual)
        return;
    if (!keel__list_empty(&clock->sleepers))
        keel__misuse("keel_clock_free: clock %p is in use", (void *)clock);
    keel_mem_free(clock);
}

int64_t keel_clock_now(keel_clock *clock)
{
    keel__need(clock != NULL, "keel_clock_now", "clock");
    if (clock->manual)
        return (int64_t)keel__load(&clock->now_ns);

    int64_t simulated_ns;
    if (__builtin_expect(keel__sim() != NULL, 0) && keel__sim()->now(&simulated_ns))
        return simulated_ns;
    return keel__os_now();
}

/* Under the lock, so that the clock never goes back when two move it. */
static void move_to(keel_clock *clock, int64_t now_ns)
{
    if (now_ns > (int64_t)keel__load(&clock->now_ns))
        keel__store(&clock->now_ns, (uint64_t)now_ns);
    for (keel__link *link = clock->sleepers.first; link != NULL; link = link->next) {
        keel__clock_sleeper *sleeper = keel__container(link, keel__clock_sleeper, link);
        sleeper->wake(sleeper);
    }
}

void keel_clock_advance(keel_clock *clock, int64_t ns)
{
    keel__need(clock != NULL, "keel_clock_advance", "clock");
    if (!clock->manual)
        keel__misuse("keel_clock_advance: the system's clock cannot be moved");
    if (ns < 0)
        keel__misuse("keel_clock_advance: clock %p cannot go back", (void *)clock);
    keel__spin_lock(&clock->lock);
    move_to(clock, keel__clock_after((int64_t)keel__load(&clock->now_ns), ns));
    keel__spin_unlock(&clock->lock);
}

void keel__clock_skip(keel_clock *clock, int64_t next_ns)
{
    keel__spin_lock(&clock->lock);
    for (keel__link *link = clock->sleepers.first; link != NULL; link = link->next) {
        keel__clock_sleeper *sleeper = keel__container(link, keel__clock_sleeper, link);
        int64_t deadline_ns = (int64_t)keel__load(&sleeper->deadline_ns);
        if (deadline_ns < next_ns)
            next_ns = deadline_ns;
    }
    if (next_ns != INT64_MAX)
        move_to(clock, next_ns);
    keel__spin_unlock(&clock->lock);
}

void keel__clock_attach(keel_clock *clock, keel__clock_sleeper *sleeper)
{
    if (!clock->manual)
        return;
    keel__spin_lock(&clock->lock);
    keel__list_push(&clock->sleepers, &sleeper->link);
    keel__spin_unlock(&clock->lock);
}

void keel__clock_detach(keel_clock *clock, keel__clock_sleeper *sleeper)
{
    if (!clock->manual)
        return;
    keel__spin_lock(&clock->lock);
    keel__list_remove(&clock->sleepers, &sleeper->link);
    keel__spin_unlock(&clock->lock);
}

int64_t keel__clock_after(int64_t now_ns, int64_t ns)
{
    if (ns <= 0)
        return now_ns;
    return ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + ns;
}
