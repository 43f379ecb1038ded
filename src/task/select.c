/* SPDX-License-Identifier: MIT */
#include <keel/select.h>

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/chan.h"
#include "task/ctx.h"
#include "task/random.h"

/* A select goes as far as it must:
 *
 *   1. It peeks at its channels without their locks, chooses among those that seem ready, and does that case under
 *      the channel's lock. Mostly that is all.
 *   2. If nothing seemed ready, it goes to one channel after the other: under the channel's lock it looks once
 *      more, and else leaves a waiter there. Then it waits. All its waiters share one wait, so that only one
 *      peer can claim it, even while it is still on its way. Finding a case ready on the way, it claims the
 *      wait itself before it does the case; no case before it is ready in that moment, or a peer had
 *      claimed the wait. So the first listed wins where it must.
 *   3. If there is a KEEL_DEFAULT, which says that nothing was ready in one moment, it locks all its channels,
 *      each once and in the order of their addresses, so that two selects cannot hold what the other needs. So
 *      it does too when 2 was in vain: it had claimed its wait for a waiter that was one of its own, or another
 *      select's, which had just done the same.
 *
 * With one of its own waiters it cannot trade: in 2 they cannot be claimed any more when it does a case, and in 3
 * there are none while it looks. */

/* In a case's room. Two lists of case numbers are kept there as well, element i in the room of case i. */
typedef struct room {
    keel__waiter waiter;
    uint16_t ready; /* those that seem ready */
    uint16_t lock;  /* the order of locking */
    bool as_owner;  /* how the channel of that case was locked */
} room;

static_assert(sizeof(room) <= sizeof(((keel_case *)NULL)->keel__waiting), "a room is too small");
static_assert(_Alignof(room) <= _Alignof(void *), "a room is not aligned");

typedef struct selection {
    keel_case *cases;
    size_t count;
    bool first_wins; /* the first that is ready, from `start` on, instead of any */
    size_t start;
    size_t channels; /* cases that have one */
    size_t fallback; /* the KEEL_DEFAULT, or `count` */
    size_t after;    /* the earliest KEEL_AFTER, or `count` */
} selection;

static inline room *room_of(keel_case *c)
{
    return (room *)(void *)&c->keel__waiting;
}

static inline bool has_channel(const keel_case *c)
{
    return (c->keel__op == KEEL__CASE_RECV || c->keel__op == KEEL__CASE_SEND) &&
           c->keel__chan != NULL;
}

static keel__waitq *queue_of(const keel_case *c)
{
    return c->keel__op == KEEL__CASE_RECV ? &c->keel__chan->receivers : &c->keel__chan->senders;
}

/* ---- Looking ---- */

/* On the simulated machine others may come in between two looks. */
#ifdef KEEL_SIM_CORE
#define looking() keel__step("peek")
#else
#define looking() ((void)0)
#endif

/* A peek, or, under the channel's lock, nearly the truth: whoever waits at the other end may have been claimed.
 * Nobody can predict what it finds, so there are no branches on that. */
static inline bool channel_seems_ready(const keel_case *c)
{
    const keel_chan *chan = c->keel__chan;

    looking();
    if (c->keel__op == KEEL__CASE_RECV)
        return (keel__peek(chan->len) > 0) + (keel__peek(chan->senders.first) != NULL) +
                   keel__peek(chan->closed) >
               0;
    return (keel__peek(chan->len) < chan->capacity) + (keel__peek(chan->receivers.first) != NULL) +
               keel__peek(chan->closed) >
           0;
}

static bool seems_ready(const keel_case *c)
{
    if (has_channel(c))
        return channel_seems_ready(c);
    return c->keel__op == KEEL__CASE_AFTER && c->keel__number <= 0;
}

/* Lists those that seem ready, and says how many they are. */
static size_t gather(const selection *s)
{
    size_t ready = 0, index = s->start;

    for (size_t left = s->count; left > 0; left--) {
        room_of(&s->cases[ready])->ready = (uint16_t)index;
        ready += seems_ready(&s->cases[index]);
        index = index + 1 == s->count ? 0 : index + 1;
    }
    return ready;
}

static size_t random_below(size_t count)
{
    return (size_t)(((keel__rand_u64() >> 32) * count) >> 32);
}

/* One of the list; each is as likely. */
static size_t pick(const selection *s, size_t ready)
{
    return room_of(&s->cases[ready > 1 && !s->first_wins ? random_below(ready) : 0])->ready;
}

/* ---- Cases ---- */

/* Of a case that makes no sense. */
__attribute__((cold, noinline)) static void reject_case(const keel_case *c, size_t index)
{
    const keel_chan *chan = c->keel__chan;

    if (c->keel__op <= KEEL__CASE_NONE || c->keel__op > KEEL__CASE_DEFAULT)
        keel__misuse("keel_select: case %zu was not made by a KEEL_... case macro", index);
    if (c->keel__item == NULL)
        keel__misuse("keel_select: case %zu has no place for the item (channel %p)", index,
                     (const void *)chan);
    keel__misuse("keel_select: case %zu has an item of %zu bytes, channel %p (capacity %zu) has "
                 "items of %zu bytes",
                 index, (size_t)c->keel__number, (const void *)chan, chan->capacity,
                 chan->item_size);
}

/* Notes a case without a channel; says whether it is ready. */
static bool note_other(selection *s, size_t index)
{
    const keel_case *c = &s->cases[index];

    if (c->keel__op <= KEEL__CASE_NONE || c->keel__op > KEEL__CASE_DEFAULT)
        reject_case(c, index);
    if (c->keel__op == KEEL__CASE_DEFAULT)
        s->fallback = index;
    if (c->keel__op != KEEL__CASE_AFTER)
        return false;

    bool first = s->after == s->count;
    int64_t best_ns = first ? 0 : s->cases[s->after].keel__number;
    /* of equal times either may be the earliest */
    if (first || c->keel__number < best_ns ||
        (c->keel__number == best_ns && !s->first_wins && random_below(2) == 0))
        s->after = index;
    return c->keel__number <= 0;
}

/* Checks all cases, notes what there is, and gathers what seems ready. */
static size_t prepare(selection *s)
{
    keel_case *const cases = s->cases;
    const size_t count = s->count;
    size_t ready = 0, channels = 0, index = s->start;

    for (size_t left = count; left > 0; left--) {
        const keel_case *c = &cases[index];

        room_of(&cases[ready])->ready = (uint16_t)index;
        if (__builtin_expect(has_channel(c), 1)) {
            if (__builtin_expect(c->keel__item == NULL, 0))
                reject_case(c, index);
            if (__builtin_expect((size_t)c->keel__number != c->keel__chan->item_size, 0) &&
                c->keel__number != 0)
                reject_case(c, index);
            ready += channel_seems_ready(c);
            channels++;
        } else {
            ready += note_other(s, index);
        }
        if (__builtin_expect(++index == count, 0))
            index = 0;
    }
    s->channels = channels;
    return ready;
}

/* Does the case if that needs no waiting, and says whether; under its channel's lock. `happened` is then false if it
 * found its channel closed. */
static bool try_case(const keel_case *c, bool *happened, keel__waitq *served)
{
    keel_chan *chan = c->keel__chan;

    *happened = true;
    if (c->keel__op == KEEL__CASE_AFTER)
        return c->keel__number <= 0;
    if (c->keel__op == KEEL__CASE_RECV)
        *happened = keel__chan_get(chan, (void *)(uintptr_t)c->keel__item, 1, served) == 1;
    else
        *happened = !chan->closed && keel__chan_put(chan, c->keel__item, 1, served) == 1;
    return *happened || chan->closed;
}

/* The case is the one: tells its outcome. */
static int finish(const selection *s, size_t index, bool happened)
{
    const keel_case *c = &s->cases[index];

    if (!has_channel(c))
        return (int)index;
    if (c->keel__op == KEEL__CASE_RECV)
        keel__order_acquire(c->keel__chan);
    if (c->keel__op == KEEL__CASE_RECV && !happened)
        memset((void *)(uintptr_t)c->keel__item, 0, c->keel__chan->item_size);
    if (c->keel__ok != NULL)
        *c->keel__ok = happened;
    else if (c->keel__op == KEEL__CASE_SEND && !happened)
        return KEEL_SELECT_CLOSED;
    return (int)index;
}

/* ---- Waiting ---- */

/* Leaves a waiter; under the channel's lock. */
static void enqueue(const selection *s, size_t index, keel__wait *wait)
{
    const keel_case *c = &s->cases[index];

    room_of(&s->cases[index])->waiter =
        (keel__waiter){ .wait = wait,
                        .number = KEEL__FIRED_USER + (uint32_t)index,
                        .item = (void *)(uintptr_t)c->keel__item,
                        .count = 1 };
    keel__waitq_push(queue_of(c), &room_of(&s->cases[index])->waiter);
}

/* Takes back the waiters of the first `end` cases, but that of `claimed`, which is out of its queue. */
static void dequeue(const selection *s, size_t end, size_t claimed)
{
    for (size_t i = 0; i < end; i++) {
        const keel_case *c = &s->cases[i];

        if (i == claimed || !has_channel(c))
            continue;
        bool as_owner = keel__biased_lock(&c->keel__chan->lock);
        keel__waitq_remove(queue_of(c), &room_of(&s->cases[i])->waiter);
        keel__biased_unlock(&c->keel__chan->lock, as_owner);
    }
}

/* Waits for a peer, with waiters at the first `end` cases. */
static int wait_for_any(keel_ctx *ctx, const selection *s, keel__wait *wait, size_t end)
{
    int64_t timeout_ns = s->after < s->count ? s->cases[s->after].keel__number : KEEL__NO_TIMEOUT;
    uint32_t fired = keel__wait_end(wait, ctx, timeout_ns);
    size_t index = fired >= KEEL__FIRED_USER ? fired - KEEL__FIRED_USER : s->count;

    dequeue(s, end, index);
    if (fired == KEEL__FIRED_CTX)
        return KEEL_SELECT_CTX;
    if (fired == KEEL__FIRED_TIMER)
        return finish(s, s->after, true);
    return finish(s, index, room_of(&s->cases[index])->waiter.count > 0);
}

/* ---- All at once ---- */

static keel_chan *lock_at(const selection *s, size_t place)
{
    return s->cases[room_of(&s->cases[place])->lock].keel__chan;
}

static void swap_locks(const selection *s, size_t a, size_t b)
{
    uint16_t lock = room_of(&s->cases[a])->lock;

    room_of(&s->cases[a])->lock = room_of(&s->cases[b])->lock;
    room_of(&s->cases[b])->lock = lock;
}

/* Heap sort: `place` of the heap [0, end) may be less than its children; makes it sink. */
static void sink(const selection *s, size_t place, size_t end)
{
    for (size_t child; (child = 2 * place + 1) < end; place = child) {
        if (child + 1 < end && (uintptr_t)lock_at(s, child) < (uintptr_t)lock_at(s, child + 1))
            child++;
        if ((uintptr_t)lock_at(s, place) >= (uintptr_t)lock_at(s, child))
            return;
        swap_locks(s, place, child);
    }
}

static void order_locks(const selection *s)
{
    for (size_t i = 0, place = 0; i < s->count; i++)
        if (has_channel(&s->cases[i]))
            room_of(&s->cases[place++])->lock = (uint16_t)i;
    for (size_t i = s->channels / 2; i-- > 0;)
        sink(s, i, s->channels);
    for (size_t end = s->channels; end-- > 1;) {
        swap_locks(s, 0, end);
        sink(s, 0, end);
    }
}

/* Equal channels are neighbours now. */
static void lock_all(const selection *s)
{
    for (size_t i = 0; i < s->channels; i++)
        if (i == 0 || lock_at(s, i) != lock_at(s, i - 1))
            room_of(&s->cases[i])->as_owner = keel__biased_lock(&lock_at(s, i)->lock);
}

static void unlock_all(const selection *s)
{
    for (size_t i = s->channels; i-- > 0;)
        if (i == 0 || lock_at(s, i) != lock_at(s, i - 1))
            keel__biased_unlock(&lock_at(s, i)->lock, room_of(&s->cases[i])->as_owner);
}

static int all_at_once(keel_ctx *ctx, const selection *s)
{
    keel__wait wait = keel__wait_begin_on(KEEL__OP_SELECT, s->cases);
    keel__waitq served = { 0 };
    size_t ready, index = s->count;
    bool happened = false;

    order_locks(s);
    lock_all(s);
    /* what seemed ready and is not has left its queue then */
    while ((ready = gather(s)) > 0) {
        index = pick(s, ready);
        if (try_case(&s->cases[index], &happened, &served))
            break;
    }
    for (size_t i = 0; ready == 0 && s->fallback == s->count && i < s->count; i++)
        if (has_channel(&s->cases[i]))
            enqueue(s, i, &wait);
    unlock_all(s);
    keel__unpark_all(served.first);

    if (ready > 0)
        return finish(s, index, happened);
    if (s->fallback < s->count)
        return (int)s->fallback;
    return wait_for_any(ctx, s, &wait, s->count);
}

/* ---- One after the other ---- */

/* For dumps: NULL says that only the context or the time can end the wait. */
static const void *waited_for(const selection *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (has_channel(&s->cases[i]))
            return s->cases;
    return NULL;
}

static int one_by_one(keel_ctx *ctx, const selection *s)
{
    keel__wait wait = keel__wait_begin_on(KEEL__OP_SELECT, waited_for(s));
    size_t i;

    for (i = 0; i < s->count; i++) {
        const keel_case *c = &s->cases[i];
        keel__waitq served = { 0 };
        bool happened;

        if (!has_channel(c))
            continue;
        bool as_owner = keel__biased_lock(&c->keel__chan->lock);
        if (!channel_seems_ready(c)) {
            enqueue(s, i, &wait);
            keel__biased_unlock(&c->keel__chan->lock, as_owner);
            continue;
        }
        bool mine = keel__wait_cancel(&wait);
        bool done = mine && try_case(c, &happened, &served);
        keel__biased_unlock(&c->keel__chan->lock, as_owner);
        if (!mine)
            break; /* a peer was faster, and has done one of the cases before */
        keel__unpark_all(served.first);
        dequeue(s, i, s->count);
        return done ? finish(s, i, happened) : all_at_once(ctx, s);
    }
    return wait_for_any(ctx, s, &wait, i);
}

/* ---- Public ---- */

/* Does the case, which seemed ready, if it is. */
static bool do_case(const selection *s, size_t index, bool *happened)
{
    const keel_case *c = &s->cases[index];
    keel__waitq served = { 0 };

    if (!has_channel(c))
        return try_case(c, happened, &served);
    bool as_owner = keel__biased_lock(&c->keel__chan->lock);
    bool done = try_case(c, happened, &served);
    keel__biased_unlock(&c->keel__chan->lock, as_owner);
    keel__unpark_all(served.first);
    return done;
}

int keel_select_cases(keel_ctx *ctx, keel_case *cases, size_t count, bool ordered)
{
    selection s = {
        .cases = cases, .count = count, .first_wins = ordered, .fallback = count, .after = count
    };
    bool happened;

    keel__need(cases != NULL || count == 0, "keel_select_cases", "cases");
    if (count > UINT16_MAX)
        keel__misuse("keel_select: %zu cases at %p, the most are %d", count, (void *)cases,
                     UINT16_MAX);
    keel__point(KEEL__OP_SELECT, cases);
    if (!keel__ctx_runs(ctx) && keel__ctx_err(ctx) != NULL)
        return KEEL_SELECT_CTX;
    if (__builtin_expect(keel__sim() != NULL, 0)) {
        for (size_t i = 0; i < count; i++)
            if (cases[i].keel__op == KEEL__CASE_SEND)
                keel__order_release(cases[i].keel__chan);
        /* any case may be the first to be looked at, by a single choice */
        if (keel__sim()->active() && !ordered && count > 0) {
            s.first_wins = true;
            s.start = (size_t)keel__sim()->choose(count);
        }
    }

    size_t ready = prepare(&s);
    if (ready > 0) {
        size_t index = pick(&s, ready);

        /* whether one is the first that is ready, peeking cannot tell */
        if ((!ordered || index == 0) && do_case(&s, index, &happened))
            return finish(&s, index, happened);
    }
    return s.fallback < count ? all_at_once(ctx, &s) : one_by_one(ctx, &s);
}
