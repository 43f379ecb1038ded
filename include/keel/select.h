/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SELECT_H
#define KEEL_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/chan.h>
#include <keel/ctx.h>

KEEL_BEGIN_DECLS

/**
 * Waits for the first of several things, and does exactly one:
 *
 *     switch (keel_select(ctx, KEEL_RECV(results, &r), KEEL_SEND(jobs, &j), KEEL_AFTER(KEEL_S(2)))) {
 *     case 0: ...                   received
 *     case 1: ...                   sent
 *     case 2: ...                   two seconds passed
 *     case KEEL_SELECT_CTX: return keel_ctx_err(ctx);
 *     }
 *
 * Among cases that are ready, each is as likely; keel_select_ordered takes the first listed.
 * A channel of NULL is never ready, which switches a case off. The same channel may stand in
 * several cases. Nothing is allocated, however many cases (65,535 at most).
 *
 * Source: Go's select.
 */
typedef struct keel_case {
    int keel__op;
    keel_chan *keel__chan;
    const void *keel__item;
    bool *keel__ok;
    int64_t keel__number; /* the item's size, or 0 if not known; a time */
    union {
        uint32_t keel__none;
        void *keel__room[7]; /* the library's, while it waits; made without being set */
    } keel__waiting;
} keel_case;

#define KEEL_SELECT_CTX (-1)    /**< The context ended first, and no case happened. */
#define KEEL_SELECT_CLOSED (-2) /**< A KEEL_SEND found its channel closed; the item was not sent. */

/**
 * Receives into *item. A channel that is closed and empty is ready too: *item is then zero. `item`
 * must be a pointer to the channel's type of item (not a void pointer), or at least to one of its size:
 * anything else aborts.
 */
#define KEEL_RECV(chan, item) KEEL_RECV_OK(chan, item, NULL)
/** The same, and says in *ok whether there was an item (true) or the channel is closed (false). */
#define KEEL_RECV_OK(chan, item, ok) keel__case_recv((chan), (item), (int64_t)sizeof *(item), (ok))

/** Sends *item. If the channel is closed, select returns KEEL_SELECT_CLOSED. */
#define KEEL_SEND(chan, item) KEEL_SEND_OK(chan, item, NULL)
/** The same, but if the channel is closed the case counts as ready, with *ok false; else it is true. */
#define KEEL_SEND_OK(chan, item, ok) keel__case_send((chan), (item), (int64_t)sizeof *(item), (ok))

/** Ready after `ns` nanoseconds; zero and less at once. */
#define KEEL_AFTER(ns) keel__case_after((ns))

/** Ready if nothing else is: the select does not wait. */
#define KEEL_DEFAULT keel__case_default()

/**
 * Waits for one of the cases and does it. Returns its index, or KEEL_SELECT_CTX, or
 * KEEL_SELECT_CLOSED. A context that has already ended comes before every case. In C++, where there are
 * no compound literals: keel_select_cases with an array.
 */
#ifndef __cplusplus
#define keel_select(ctx, ...)                                                                      \
    keel_select_cases((ctx), (keel_case[]){ __VA_ARGS__ }, KEEL__CASES(__VA_ARGS__), false)
#define keel_select_ordered(ctx, ...)                                                              \
    keel_select_cases((ctx), (keel_case[]){ __VA_ARGS__ }, KEEL__CASES(__VA_ARGS__), true)
#define KEEL__CASES(...) (sizeof((keel_case[]){ __VA_ARGS__ }) / sizeof(keel_case))
#endif

/** The same for an array made at run time; `ordered` prefers the first listed. */
int keel_select_cases(keel_ctx *ctx, keel_case *cases, size_t count, bool ordered);

/* Inline, and member by member: the room is left as it is. */
enum { KEEL__CASE_NONE, KEEL__CASE_RECV, KEEL__CASE_SEND, KEEL__CASE_AFTER, KEEL__CASE_DEFAULT };

static inline keel_case keel__case_make(int op, keel_chan *chan, const void *item, bool *ok,
                                        int64_t number)
{
    keel_case made;

    made.keel__op = op;
    made.keel__chan = chan;
    made.keel__item = item;
    made.keel__ok = ok;
    made.keel__number = number;
    made.keel__waiting.keel__none = 0;
    return made;
}

static inline keel_case keel__case_recv(keel_chan *chan, void *item, int64_t size, bool *ok)
{
    return keel__case_make(KEEL__CASE_RECV, chan, item, ok, size);
}

static inline keel_case keel__case_send(keel_chan *chan, const void *item, int64_t size, bool *ok)
{
    return keel__case_make(KEEL__CASE_SEND, chan, item, ok, size);
}

static inline keel_case keel__case_after(int64_t ns)
{
    return keel__case_make(KEEL__CASE_AFTER, NULL, NULL, NULL, ns);
}

static inline keel_case keel__case_default(void)
{
    return keel__case_make(KEEL__CASE_DEFAULT, NULL, NULL, NULL, 0);
}

KEEL_END_DECLS

#endif /* KEEL_SELECT_H */
