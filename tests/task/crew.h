/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_CREW_H
#define KEEL_TESTS_CREW_H

/* For what tasks and plain threads do alike: a scenario is written once, and its helpers, the crew, are
 * tasks of one group in one run and threads in another; then it is explored, among simulated tasks. A false
 * `must` ends the program, or the simulated run: the others still use the scenario's stack, so it cannot be
 * left by a return or a longjmp. */

#include "explored.h"

#include <pthread.h>

#include "base/spin.h"
#include "task/chan.h"
#include "task/park.h"

#define must(condition) crew_must((condition), #condition, KEEL_HERE)
#define must_ok(call) crew_must_err((call), NULL, #call, KEEL_HERE)
#define must_err(call, target) crew_must_err((call), (target), #call, KEEL_HERE)

static inline void crew_must(bool condition, const char *text, const char *where)
{
    if (!condition)
        keel_sim_check_failed(text, where);
}

static inline void crew_must_err(keel_err *err, const keel_err *target, const char *call,
                                 const char *where)
{
    if (!keel_err_is(err, target)) {
        char text[512];
        snprintf(text, sizeof text, "%s gave: %s", call, KEEL_ERR_STR(err));
        keel_sim_check_failed(text, where);
    }
    keel_err_free(err);
}

enum { CREW_MAX = 32 };

typedef struct crew {
    keel_group *group; /* NULL: threads */
    size_t count;
    struct crew_member {
        pthread_t thread;
        keel_task_fn fn;
        void *arg;
    } members[CREW_MAX];
} crew;

/* `ctx` is the scenario's: NULL when threads are wanted. */
static inline void crew_open(crew *c, keel_ctx *ctx)
{
    c->group = ctx != NULL ? keel_group_new(ctx, NULL) : NULL;
    c->count = 0;
}

static inline void *crew_thread(void *arg)
{
    struct crew_member *member = arg;

    return member->fn(NULL, member->arg);
}

static inline void crew_go(crew *c, keel_task_fn fn, void *arg)
{
    if (c->group != NULL) {
        keel_group_go(c->group, fn, arg);
        return;
    }
    must(c->count < CREW_MAX);
    struct crew_member *member = &c->members[c->count++];
    member->fn = fn;
    member->arg = arg;
    must(pthread_create(&member->thread, NULL, crew_thread, member) == 0);
}

static inline void crew_join(crew *c)
{
    if (c->group != NULL)
        must_ok(keel_group_wait(c->group));
    for (size_t i = 0; i < c->count; i++) {
        void *err;
        must(pthread_join(c->members[i].thread, &err) == 0);
        must_ok(err);
    }
}

/* Runs a scenario among tasks, then among threads, then among simulated tasks. */
static inline void crew_all(const char *name, keel_task_fn scenario, bool on_time)
{
    assert_ok(support_run(scenario, NULL));
    assert_ok(scenario(NULL, NULL));
    explored_as(name, scenario, NULL, (keel_sim_opts){ .fixed_time = on_time });
}

/* Defines the test `name`, and opens the definition of its scenario, a function of `ctx`. Where a time limit
 * is so far away that it must not be reached, it is CREW_TEST_ON_TIME (see explored_on_time). */
#define CREW_TEST(name) CREW_TEST_DEFINE(name, false)
#define CREW_TEST_ON_TIME(name) CREW_TEST_DEFINE(name, true)
#define CREW_TEST_DEFINE(name, on_time)                                                            \
    static keel_err *name##_scenario(keel_ctx *ctx, void *arg);                                    \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        crew_all(#name, name##_scenario, on_time);                                                 \
    }                                                                                              \
    static keel_err *name##_scenario(keel_ctx *ctx, void *arg)

/* ---- Who waits: how a scenario knows that others have got so far ---- */

static inline size_t crew_count(const keel__waitq *queue)
{
    size_t count = 0;

    for (const keel__waiter *waiter = queue->first; waiter != NULL; waiter = waiter->next)
        count++;
    return count;
}

static inline size_t crew_waiting(keel__spin *lock, const keel__waitq *queue)
{
    keel__spin_lock(lock);
    size_t count = crew_count(queue);
    keel__spin_unlock(lock);
    return count;
}

static inline void crew_until(keel__spin *lock, const keel__waitq *queue, size_t count)
{
    while (crew_waiting(lock, queue) != count)
        keel_yield();
}

/* The same for a channel's queue. */
static inline size_t chan_waiting(keel_chan *chan, const keel__waitq *queue)
{
    bool as_owner = keel__biased_lock(&chan->lock);
    size_t count = crew_count(queue);
    keel__biased_unlock(&chan->lock, as_owner);
    return count;
}

static inline void until_senders(keel_chan *chan, size_t count)
{
    while (chan_waiting(chan, &chan->senders) != count)
        keel_yield();
}

static inline void until_receivers(keel_chan *chan, size_t count)
{
    while (chan_waiting(chan, &chan->receivers) != count)
        keel_yield();
}

static inline keel_chan *new_chan(size_t item_size, size_t capacity)
{
    keel_chan *chan;

    must_ok(keel_chan_new(&chan, item_size, &(keel_chan_opts){ .capacity = capacity }));
    return chan;
}

/* ---- Channel users ---- */

typedef struct job {
    keel_chan *chan;
    keel_ctx *ctx;
    int item; /* sent, or received */
    int last; /* of a sequence from `item` on */
    size_t batch;
    size_t count;
    int64_t sum;
    keel_err *err;
} job;

static inline keel_err *send_one(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    j->err = keel_chan_send(j->ctx, j->chan, &j->item);
    return NULL;
}

static inline keel_err *receive_one(keel_ctx *ctx, void *arg)
{
    job *j = arg;

    (void)ctx;
    j->err = keel_chan_recv(j->ctx, j->chan, &j->item);
    return NULL;
}

#endif /* KEEL_TESTS_CREW_H */
