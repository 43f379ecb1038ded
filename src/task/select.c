/* SPDX-License-Identifier: MIT */
#include <keel/select.h>

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/process.h"
#include "base/sim_hook.h"
#include "task/chan.h"
#include "task/random.h"

/* A select locks all its channels, each once and in the order of their addresses, so that two selects
 * cannot hold what the other needs. Under all the locks it looks at its cases in an order of chance.
 * If one is ready, that happens; if none is, it leaves a waiter with every channel and lets go.
 * All its waiters share one wait, so that only one peer can claim it. Since it never looks at a
 * channel while it waits there, it cannot meet itself. */

enum { OP_NONE, OP_RECV, OP_SEND, OP_AFTER, OP_DEFAULT };

/* In a case's room. Two lists of case numbers are kept there as well, element i in the room of
 * case i: the order of looking, and that of locking. */
typedef struct room {
    keel__waiter waiter;
    uint16_t look;
    uint16_t lock;
    bool as_owner; /* how the channel at this place of the order was locked */
} room;

static_assert(sizeof(room) <= sizeof(((keel_case *)NULL)->keel__room), "a room is too small");
static_assert(_Alignof(room) <= _Alignof(void *), "a room is not aligned");

typedef struct selection {
    keel_case *cases;
    size_t count;
    size_t locks;    /* cases that have a channel: the length of the order of locking */
    size_t fallback; /* the KEEL_DEFAULT, or `count` */
    size_t after;    /* the earliest KEEL_AFTER, or `count` */
} selection;

static room *room_of(const selection *s, size_t index)
{
    return (room *)(void *)s->cases[index].keel__room;
}

static keel_case *looked_at(const selection *s, size_t turn)
{
    return &s->cases[room_of(s, turn)->look];
}

static bool has_channel(const keel_case *c)
{
    return (c->keel__op == OP_RECV || c->keel__op == OP_SEND) && c->keel__chan != NULL;
}

/* ---- Orders ---- */

static void order_looks(const selection *s, bool ordered)
{
    if (keel__sim() != NULL && keel__sim()->active()) {
        /* any case may be the first to be looked at, by a single choice */
        size_t first = ordered || s->count == 0 ? 0 : (size_t)keel__sim()->choose(s->count);

        for (size_t i = 0; i < s->count; i++)
            room_of(s, i)->look = (uint16_t)((first + i) % s->count);
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        /* a shuffle that grows: element i changes places with one of 0 to i */
        size_t other = ordered ? i : (size_t)(((keel__rand_u64() >> 32) * (i + 1)) >> 32);

        room_of(s, i)->look = room_of(s, other)->look;
        room_of(s, other)->look = (uint16_t)i;
    }
}

static keel_chan *lock_at(const selection *s, size_t place)
{
    return s->cases[room_of(s, place)->lock].keel__chan;
}

static void swap_locks(const selection *s, size_t a, size_t b)
{
    uint16_t lock = room_of(s, a)->lock;

    room_of(s, a)->lock = room_of(s, b)->lock;
    room_of(s, b)->lock = lock;
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
    for (size_t i = s->locks / 2; i-- > 0;)
        sink(s, i, s->locks);
    for (size_t end = s->locks; end-- > 1;) {
        swap_locks(s, 0, end);
        sink(s, 0, end);
    }
}

/* Equal channels are neighbours now. */
static void lock_all(const selection *s)
{
    for (size_t i = 0; i < s->locks; i++)
        if (i == 0 || lock_at(s, i) != lock_at(s, i - 1))
            room_of(s, i)->as_owner = keel__biased_lock(&lock_at(s, i)->lock);
}

static void unlock_all(const selection *s)
{
    for (size_t i = s->locks; i-- > 0;)
        if (i == 0 || lock_at(s, i) != lock_at(s, i - 1))
            keel__biased_unlock(&lock_at(s, i)->lock, room_of(s, i)->as_owner);
}

/* ---- Cases ---- */

/* Aborts on a case that makes no sense. */
static void check_case(const selection *s, size_t index)
{
    const keel_case *c = &s->cases[index];

    if (c->keel__op <= OP_NONE || c->keel__op > OP_DEFAULT)
        keel__misuse("keel_select: case %zu was not made by a KEEL_... case macro", index);
    if (!has_channel(c))
        return;
    if (c->keel__item == NULL)
        keel__misuse("keel_select: case %zu has no place for the item (channel %p)", index,
                     (void *)c->keel__chan);
    if (c->keel__size != 0 && c->keel__size != c->keel__chan->item_size)
        keel__misuse(
            "keel_select: case %zu has an item of %zu bytes, channel %p (capacity %zu) has "
            "items of %zu bytes",
            index, c->keel__size, (void *)c->keel__chan, c->keel__chan->capacity,
            c->keel__chan->item_size);
}

/* Needs the order of looking, so that of equal times any may be the earliest. */
static void prepare(selection *s)
{
    for (size_t turn = 0; turn < s->count; turn++) {
        keel_case *c = looked_at(s, turn);
        size_t index = (size_t)(c - s->cases);

        check_case(s, index);
        if (has_channel(c))
            room_of(s, s->locks++)->lock = (uint16_t)index;
        if (c->keel__op == OP_DEFAULT)
            s->fallback = index;
        if (c->keel__op == OP_AFTER &&
            (s->after == s->count || c->keel__ns < s->cases[s->after].keel__ns))
            s->after = index;
    }
}

/* Does the case if that needs no waiting, and says whether. `happened` is then false if it found its
 * channel closed. */
static bool try_case(keel_case *c, bool *happened, keel__waitq *served)
{
    keel_chan *chan = c->keel__chan;

    if (c->keel__op == OP_AFTER)
        return c->keel__ns <= 0;
    if (!has_channel(c))
        return false;
    if (c->keel__op == OP_RECV)
        *happened = keel__chan_get(chan, c->keel__item, 1, served) == 1;
    else
        *happened = !chan->closed && keel__chan_put(chan, c->keel__item, 1, served) == 1;
    return *happened || chan->closed;
}

/* The case is the one: tells its outcome. */
static int finish(const selection *s, size_t index, bool happened)
{
    keel_case *c = &s->cases[index];

    if (!has_channel(c))
        return (int)index;
    if (c->keel__op == OP_RECV)
        keel__order_acquire(c->keel__chan);
    if (c->keel__op == OP_RECV && !happened)
        memset(c->keel__item, 0, c->keel__chan->item_size);
    if (c->keel__ok != NULL)
        *c->keel__ok = happened;
    else if (c->keel__op == OP_SEND && !happened)
        return KEEL_SELECT_CLOSED;
    return (int)index;
}

/* ---- Waiting ---- */

static void enqueue(const selection *s, keel__wait *wait)
{
    for (size_t i = 0; i < s->count; i++) {
        keel_case *c = &s->cases[i];

        if (!has_channel(c))
            continue;
        room_of(s, i)->waiter = (keel__waiter){ .wait = wait,
                                                .number = KEEL__FIRED_USER + (uint32_t)i,
                                                .item = c->keel__item,
                                                .count = 1 };
        keel__waitq_push(c->keel__op == OP_RECV ? &c->keel__chan->receivers
                                                : &c->keel__chan->senders,
                         &room_of(s, i)->waiter);
    }
}

static void dequeue(const selection *s)
{
    for (size_t i = 0; i < s->count; i++) {
        keel_case *c = &s->cases[i];

        if (!has_channel(c))
            continue;
        bool as_owner = keel__biased_lock(&c->keel__chan->lock);
        keel__waitq_remove(c->keel__op == OP_RECV ? &c->keel__chan->receivers
                                                  : &c->keel__chan->senders,
                           &room_of(s, i)->waiter);
        keel__biased_unlock(&c->keel__chan->lock, as_owner);
    }
}

/* Waits for a peer, after enqueue. */
static int wait_for_any(keel_ctx *ctx, const selection *s, keel__wait *wait)
{
    int64_t timeout_ns = s->after < s->count ? s->cases[s->after].keel__ns : KEEL__NO_TIMEOUT;
    uint32_t fired = keel__wait_end(wait, ctx, timeout_ns);

    dequeue(s);
    if (fired == KEEL__FIRED_CTX)
        return KEEL_SELECT_CTX;
    if (fired == KEEL__FIRED_TIMER)
        return finish(s, s->after, true);
    size_t index = fired - KEEL__FIRED_USER;
    return finish(s, index, room_of(s, index)->waiter.count > 0);
}

int keel_select_cases(keel_ctx *ctx, keel_case *cases, size_t count, bool ordered)
{
    selection s = { .cases = cases, .count = count, .fallback = count, .after = count };
    keel__waitq served = { 0 };
    bool happened = true;
    size_t turn;

    keel__need(cases != NULL || count == 0, "keel_select_cases", "cases");
    if (count > UINT16_MAX)
        keel__misuse("keel_select: %zu cases at %p, the most are %d", count, (void *)cases,
                     UINT16_MAX);
    keel__point(KEEL__OP_SELECT, cases);
    if (keel__ctx_err(ctx) != NULL)
        return KEEL_SELECT_CTX;
    for (size_t i = 0; keel__sim() != NULL && i < count; i++)
        if (cases[i].keel__op == OP_SEND)
            keel__order_release(cases[i].keel__chan);
    order_looks(&s, ordered);
    prepare(&s);
    order_locks(&s);

    keel__wait wait = keel__wait_begin_on(KEEL__OP_SELECT, cases);
    lock_all(&s);
    for (turn = 0; turn < count && !try_case(looked_at(&s, turn), &happened, &served);)
        turn++;
    if (turn == count && s.fallback == count)
        enqueue(&s, &wait);
    unlock_all(&s);
    keel__unpark_all(served.first);

    if (turn < count)
        return finish(&s, (size_t)(looked_at(&s, turn) - cases), happened);
    if (s.fallback < count)
        return (int)s.fallback;
    return wait_for_any(ctx, &s, &wait);
}

/* ---- Making cases ---- */

keel_case keel__case_recv(keel_chan *chan, void *item, size_t size, bool *ok)
{
    return (keel_case){ .keel__op = OP_RECV,
                        .keel__chan = chan,
                        .keel__item = item,
                        .keel__ok = ok,
                        .keel__size = size };
}

keel_case keel__case_send(keel_chan *chan, const void *item, size_t size, bool *ok)
{
    return (keel_case){ .keel__op = OP_SEND,
                        .keel__chan = chan,
                        .keel__item = (void *)(uintptr_t)item, /* only read */
                        .keel__ok = ok,
                        .keel__size = size };
}

keel_case keel__case_after(int64_t ns)
{
    return (keel_case){ .keel__op = OP_AFTER, .keel__ns = ns };
}

keel_case keel__case_default(void)
{
    return (keel_case){ .keel__op = OP_DEFAULT };
}
