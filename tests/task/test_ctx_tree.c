/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include "task/clock.h"
#include "task/ctx.h"
#include "task/worker.h"

KEEL_ANY_TYPE_STATIC(void); /* a pointer to anything */

/* Contexts in large trees, at once from several threads, and where no runtime keeps their time. */

static const char key;

static bool cause_is(keel_ctx *ctx, const keel_err *cause)
{
    keel_err *got = keel_ctx_cause(ctx);
    bool same = got == cause;

    keel_err_free(got);
    return same;
}

static keel_runtime *new_runtime(keel_clock *clock, unsigned workers)
{
    keel_runtime *rt;

    must_ok(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = workers, .clock = clock }));
    return rt;
}

static keel_clock *new_clock(bool auto_advance)
{
    keel_clock *clock;

    must_ok(
        keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .auto_advance = auto_advance }));
    return clock;
}

static void until_armed(keel_runtime *rt, int64_t when_ns)
{
    while (keel__timers_next(&rt->workers[0].timers) != when_ns)
        keel_yield();
}

/* ---- Depth and breadth ---- */

enum { DEPTH = 100000 };

/* On a stack of 64 KiB: whatever walks the chain must not recurse. */
static keel_err *use_deep_chain(keel_ctx *ctx, void *arg)
{
    bool from_below = arg != NULL;
    keel_ctx **chain = keel_mem_calloc(DEPTH, sizeof(keel_ctx *));
    int64_t deadline_ns;
    int value;

    must(chain != NULL);
    chain[0] = keel_ctx_with_value(ctx, &key, KEEL_ANY_PTR(void, &value));
    chain[1] = keel_ctx_with_timeout(chain[0], KEEL_S(1));
    for (size_t i = 2; i < DEPTH; i++)
        chain[i] = keel_ctx_with_cancel(chain[i - 1]);
    keel_ctx *leaf = chain[DEPTH - 1];
    must(KEEL_ANY_AS(keel_ctx_value(leaf, &key), void) == &value &&
         keel_ctx_deadline(leaf, &deadline_ns));
    if (from_below) {
        must_err(keel_sleep(leaf, KEEL_S(2)), KEEL_ERR_DEADLINE); /* also without a runtime */
    } else {
        keel_ctx_cancel(chain[0]);
        must(keel_ctx_err(leaf) == KEEL_ERR_CANCELLED);
    }
    for (size_t i = 1; i < DEPTH; i++)
        must(keel_ctx_err(chain[i]) != NULL);

    /* the last reference is the leaf's: its end frees the whole chain */
    for (size_t i = 0; i < DEPTH; i++)
        keel_ctx_free(chain[from_below ? DEPTH - 1 - i : i]);
    keel_mem_free(chain);
    return NULL;
}

static void a_chain_of_a_hundred_thousand_fits_on_a_small_stack(void **state)
{
    (void)state;
    assert_ok(support_run(use_deep_chain, NULL));
    assert_ok(support_run(use_deep_chain, ""));
}

static keel_err *expire_without_runtime(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return use_deep_chain(NULL, arg); /* in a task, but under no runtime's context */
}

static void a_deep_chain_without_a_runtime_expires_on_a_small_stack(void **state)
{
    (void)state;
    assert_ok(support_run(expire_without_runtime, ""));
}

/* ---- At once from several threads ---- */

enum { NODES = 300, ROUNDS = 30, SIMULATED_NODES = 20 };

typedef struct forest {
    keel_ctx *nodes[NODES]; /* each the child of an earlier one */
    keel__a32 ready;
} forest;

/* Whoever cancels the top finds all ended, also if another was first and is still at it. */
static keel_err *fell(keel_ctx *ctx, void *arg)
{
    forest *f = arg;

    (void)ctx;
    keel__add(&f->ready, 1);
    while (keel__load(&f->ready) < 3)
        keel_yield();
    keel_ctx_cancel(f->nodes[0]);
    for (size_t i = 0; i < repeats(NODES, SIMULATED_NODES); i++)
        must(keel_ctx_err(f->nodes[i]) == KEEL_ERR_CANCELLED);
    return NULL;
}

CREW_TEST_ON_TIME(every_descendant_has_ended_when_cancel_returns)
{
    size_t count = repeats(NODES, SIMULATED_NODES);
    keel_rand rand;

    (void)arg;
    keel_rand_seed(&rand, 4);
    for (size_t round = 0; round < repeats(ROUNDS, 1); round++) {
        forest f = { .ready = { 0 } };
        crew c;

        f.nodes[0] = keel_ctx_with_cancel(ctx);
        for (uint64_t i = 1; i < count; i++) {
            keel_ctx *parent = f.nodes[keel_rand_below(&rand, i)];
            f.nodes[i] = i % 3 == 0 ? keel_ctx_with_timeout(parent, KEEL_HOUR((int64_t)i))
                                    : keel_ctx_with_value(parent, &key, KEEL_ANY_PTR(void, &f));
        }
        crew_open(&c, ctx);
        for (int i = 0; i < 3; i++)
            crew_go(&c, fell, &f);
        crew_join(&c);
        for (size_t i = 0; i < count; i++)
            keel_ctx_free(f.nodes[(i * 7) % count]);
    }
    return NULL;
}

typedef struct shared {
    keel_ctx *top;
    uint64_t seed;
    keel__a32 *over;
} shared;

/* Makes, cancels and frees children of what another thread ends meanwhile. */
static keel_err *grow(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    keel_ctx *kept[8] = { NULL };
    keel_rand rand;

    (void)ctx;
    keel_rand_seed(&rand, s->seed);
    while (!keel__load(s->over) || keel_ctx_err(s->top) == NULL) {
        size_t at = keel_rand_below(&rand, 8), from = keel_rand_below(&rand, 8);
        keel_ctx *parent = kept[from] != NULL ? kept[from] : s->top;

        keel_ctx *old = kept[at];
        kept[at] =
            at % 2 == 0 ? keel_ctx_with_cancel(parent) : keel_ctx_with_timeout(parent, KEEL_S(1));
        keel_ctx_free(old);
        if (at % 4 == 0)
            keel_ctx_cancel(kept[at]);
        keel_yield();
    }
    keel_ctx_cancel(
        s->top); /* back from here all below have ended, also if another is still at it */
    for (size_t i = 0; i < 8; i++) {
        must(kept[i] == NULL || keel_ctx_err(kept[i]) != NULL);
        keel_ctx_free(kept[i]);
    }
    return NULL;
}

static keel_err *end_it(keel_ctx *ctx, void *arg)
{
    shared *s = arg;

    (void)ctx;
    for (size_t i = 0; i < repeats(300, 10); i++)
        keel_yield();
    keel__store(s->over, 1);
    keel_ctx_cancel(s->top);
    return NULL;
}

CREW_TEST(trees_grow_while_they_end)
{
    (void)arg;
    for (size_t round = 0; round < repeats(5, 1); round++) {
        keel__a32 over = { 0 };
        keel_ctx *top = keel_ctx_with_cancel(ctx);
        shared all[4];
        crew c;

        crew_open(&c, ctx);
        for (size_t i = 0; i < 4; i++) {
            all[i] = (shared){ .top = top, .seed = i, .over = &over };
            crew_go(&c, i == 3 ? end_it : grow, &all[i]);
        }
        crew_join(&c);
        keel_ctx_free(top);
    }
    return NULL;
}

/* ---- Timers ---- */

static keel_err *leave_no_timer(keel_ctx *ctx, void *arg)
{
    keel_runtime *rt = keel__worker_self()->rt;
    size_t live = support_mem_live();

    (void)arg;
    for (size_t i = 0; i < repeats(1000, 4); i++) {
        keel_ctx *top = keel_ctx_with_timeout(ctx, KEEL_HOUR(1));
        keel_ctx *low = keel_ctx_with_deadline(top, keel_ctx_now(ctx) + 5);
        keel_ctx_free(i % 2 == 0 ? top : low);
        keel_ctx_free(i % 2 == 0 ? low : top);
    }
    must(support_mem_live() == live);
    for (unsigned i = 0; i < rt->worker_count; i++)
        must(keel__timers_next(&rt->workers[i].timers) == INT64_MAX);
    return NULL;
}

static void freed_before_its_deadline_it_leaves_no_timer(void **state)
{
    (void)state;
    run_and_explore(leave_no_timer, NULL);
}

typedef struct racer {
    keel_clock *clock;
    keel__a32 round, done;
} racer;

static void *race_the_clock(void *arg)
{
    racer *r = arg;

    for (uint32_t round = 1; round <= 500; round++) {
        while (keel__load(&r->round) < round)
            keel__pause();
        keel_clock_advance(r->clock, 1);
        keel__store(&r->done, round);
    }
    return NULL;
}

static void freeing_races_with_the_timer(void **state)
{
    (void)state;
    racer r = { .clock = new_clock(false) };
    keel_runtime *rt = new_runtime(r.clock, 2);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, race_the_clock, &r), 0);
    for (uint32_t round = 1; round <= 500; round++) {
        keel_ctx *ctx = keel_ctx_with_timeout(keel_runtime_ctx(rt), 1);
        keel_ctx *low = keel_ctx_with_timeout(ctx, 1);

        keel__store(&r.round, round);
        for (uint32_t i = 0; i < round % 60; i++)
            keel__pause();
        keel_ctx_free(ctx);
        keel_ctx_free(low);
        while (keel__load(&r.done) < round)
            keel__pause();
    }
    pthread_join(thread, NULL);
    assert_ok(keel_runtime_stop(NULL, rt));
    keel_clock_free(r.clock);
}

/* The timer cannot fire while the task does not wait; keel_ctx_err looks at the clock instead. */
static keel_err *poll_busily(keel_ctx *ctx, void *arg)
{
    keel_ctx *child = keel_ctx_with_timeout(ctx, KEEL_US(100));
    int64_t deadline_ns;
    int polls = 0;

    (void)arg;
    keel_ctx_deadline(child, &deadline_ns);
    while (keel_ctx_now(child) < deadline_ns)
        must(keel_ctx_err(child) == NULL || keel_ctx_now(child) >= deadline_ns);
    while (keel_ctx_err(child) == NULL)
        polls++;
    must(keel_ctx_err(child) == KEEL_ERR_DEADLINE);
    keel_ctx_free(child);
    check(polls <= 256);
    return NULL;
}

static void a_busy_loop_sees_its_deadline(void **state)
{
    (void)state;
    assert_ok(support_run_on(NULL, 1, poll_busily, NULL));
}

/* ---- Without a runtime ---- */

typedef struct waiter {
    keel_ctx *ctx;
    keel_err *err;
    int64_t woke_ns;
} waiter;

static keel_err *wait_under(keel_ctx *ctx, void *arg)
{
    waiter *w = arg;

    (void)ctx;
    w->err = keel_sleep(w->ctx, KEEL_HOUR(1));
    w->woke_ns = keel_ctx_now(w->ctx);
    return NULL;
}

static void threads_time_out_by_themselves(void **state)
{
    (void)state;
    enum { WAITERS = 4 };
    keel_err *slow = keel_err_new("too slow");
    keel_ctx *top = keel_ctx_with_timeout_cause(NULL, KEEL_MS(2), keel_err_retain(slow));
    keel_ctx *low = keel_ctx_with_cancel(top),
             *other = keel_ctx_with_value(top, &key, KEEL_ANY_PTR(void, top));
    waiter waiters[WAITERS];
    int64_t deadline_ns;
    crew c;

    crew_open(&c, NULL);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (waiter){ .ctx = i % 2 == 0 ? top : low };
        crew_go(&c, wait_under, &waiters[i]);
    }
    crew_join(&c);
    assert_true(keel_ctx_deadline(low, &deadline_ns));
    for (int i = 0; i < WAITERS; i++) {
        assert_ptr_equal(waiters[i].err, KEEL_ERR_DEADLINE);
        assert_true(waiters[i].woke_ns >= deadline_ns);
    }
    /* who found it ended all that had that deadline, with its cause */
    assert_int_equal(keel__ctx_reason(other), KEEL__CTX_DEADLINE);
    assert_true(cause_is(other, slow) && cause_is(low, slow) && cause_is(top, slow));
    keel_ctx_free(other);
    keel_ctx_free(low);
    keel_ctx_free(top);
    keel_err_free(slow);
}

static void every_look_at_it_sees_the_deadline(void **state)
{
    (void)state;
    keel_ctx *top = keel_ctx_with_timeout(NULL, KEEL_HOUR(1));
    keel_ctx *mid = keel_ctx_with_timeout(top, KEEL_US(50)), *low = keel_ctx_with_cancel(mid);
    int64_t deadline_ns;

    assert_true(keel_ctx_deadline(low, &deadline_ns));
    while (keel_ctx_now(low) < deadline_ns)
        keel_yield();
    assert_ptr_equal(keel_ctx_err(low), KEEL_ERR_DEADLINE);
    assert_int_equal(keel__ctx_reason(mid), KEEL__CTX_DEADLINE);
    assert_null(keel_ctx_err(top));
    keel_ctx_free(low);
    keel_ctx_free(mid);
    keel_ctx_free(top);
}

/* The deadline came first, even if nobody has looked. */
static void cancelling_comes_too_late_after_an_unseen_deadline(void **state)
{
    (void)state;
    keel_err *slow = keel_err_new("too slow");
    keel_ctx *ctx = keel_ctx_with_timeout_cause(NULL, KEEL_US(50), keel_err_retain(slow));
    int64_t deadline_ns;

    assert_true(keel_ctx_deadline(ctx, &deadline_ns));
    while (keel_ctx_now(ctx) < deadline_ns)
        keel_yield();
    keel_ctx_cancel_cause(ctx, keel_err_new("late"));
    assert_ptr_equal(keel_ctx_err(ctx), KEEL_ERR_DEADLINE);
    assert_true(cause_is(ctx, slow));
    keel_ctx_free(ctx);

    ctx = keel_ctx_with_timeout_cause(NULL, KEEL_US(50), keel_err_retain(slow));
    assert_true(keel_ctx_deadline(ctx, &deadline_ns));
    while (keel_ctx_now(ctx) < deadline_ns)
        keel_yield();
    keel_ctx_cancel(ctx);
    assert_ptr_equal(keel_ctx_err(ctx), KEEL_ERR_DEADLINE);
    keel_ctx_free(ctx);
    keel_err_free(slow);
}

/* ---- After a runtime ---- */

enum { KEPT = 200 };

typedef struct kept {
    keel_ctx *all[KEPT];
} kept;

static keel_err *keep_contexts(keel_ctx *ctx, void *arg)
{
    kept *k = arg;

    ctx = keel_runtime_ctx(keel_ctx_runtime(ctx));
    k->all[0] = keel_ctx_with_value(ctx, &key, keel_any_text("a text that is copied"));
    for (size_t i = 1; i < KEPT; i++) {
        keel_ctx *parent = i % 5 == 0 ? ctx : k->all[i - 1];

        k->all[i] = i % 3 == 0   ? keel_ctx_with_timeout(parent, KEEL_HOUR(1))
                    : i % 7 == 0 ? keel_ctx_without_cancel(parent)
                                 : keel_ctx_with_cancel(parent);
    }
    return NULL;
}

/* More than the runtime's first memory for contexts has room for, so that all of it is seen to go. */
static void contexts_outlive_their_runtime(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        keel_clock *clock = manual ? new_clock(false) : NULL;
        keel_runtime *rt = new_runtime(clock, 2);
        kept k;

        assert_ok(keel_runtime_run(rt, keep_contexts, &k));
        assert_ok(keel_runtime_stop(NULL, rt));
        assert_ptr_equal(keel_ctx_err(k.all[4]), KEEL_ERR_CANCELLED);
        for (size_t i = 0; i < KEPT; i++) {
            keel_str text;

            if (i == 4)
                continue;
            keel_ctx_free(k.all[i]);
            assert_true(keel_any_get_str(keel_ctx_value(k.all[4], &key), &text));
            assert_int_equal(text.len, 21);
        }
        keel_ctx_free(k.all[4]);
        keel_clock_free(clock);
    }
}

/* ---- On two runtimes ---- */

static keel_err *look_at_group(keel_ctx *ctx, void *arg)
{
    int64_t *deadline_ns = arg;

    keel_ctx_deadline(ctx, deadline_ns);
    return keel_sleep(ctx, KEEL_HOUR(1));
}

/* A thread's context, handed to a group: the same deadline to the nanosecond, and the same cause. */
static void a_group_has_its_parents_deadline_and_cause(void **state)
{
    (void)state;
    keel_err *slow = keel_err_new("too slow");
    keel_runtime *rt = new_runtime(NULL, 1);
    int64_t deadline_ns, group_ns = 0;

    keel_ctx *ctx = keel_ctx_with_timeout_cause(NULL, KEEL_MS(2), keel_err_retain(slow));
    keel_ctx *mid = keel_ctx_with_cancel(ctx);
    keel_group *group = keel_group_new(mid, &(keel_group_opts){ .runtime = rt });
    keel_ctx *low = keel_ctx_with_value(keel_group_ctx(group), &key, KEEL_ANY_PTR(void, rt));
    keel_group_go(group, look_at_group, &group_ns);
    assert_err(keel_group_wait(group), KEEL_ERR_DEADLINE);
    assert_true(keel_ctx_deadline(ctx, &deadline_ns));
    assert_true(group_ns == deadline_ns);
    assert_ptr_equal(keel_ctx_err(low), KEEL_ERR_DEADLINE);
    assert_true(cause_is(low, slow));
    keel_ctx_free(low);
    keel_ctx_free(mid);
    keel_ctx_free(ctx);
    keel_err_free(slow);
    assert_ok(keel_runtime_stop(NULL, rt));
}

static void a_group_goes_by_its_own_clock(void **state)
{
    (void)state;
    keel_clock *clocks[2] = { new_clock(false), new_clock(false) };
    keel_runtime *rts[2] = { new_runtime(clocks[0], 1), new_runtime(clocks[1], 1) };
    int64_t deadline_ns;

    keel_ctx *ctx = keel_ctx_with_timeout(keel_runtime_ctx(rts[0]), 100);
    keel_group *group = keel_group_new(ctx, &(keel_group_opts){ .runtime = rts[1] });
    keel_ctx *theirs = keel_group_ctx(group);
    assert_true(keel_ctx_deadline(theirs, &deadline_ns) && deadline_ns == 100);
    until_armed(rts[1], 100);
    keel_clock_advance(clocks[1], 100);
    for (int polls = 0; polls < 300; polls++)
        keel_ctx_err(theirs);
    assert_ptr_equal(keel_ctx_err(theirs), KEEL_ERR_DEADLINE);
    assert_null(keel_ctx_err(ctx)); /* whose clock has not moved, though it has the same number */
    assert_ok(keel_group_wait(group));
    keel_ctx_free(ctx);

    /* and the time that is left counts, not the number */
    ctx = keel_ctx_with_timeout(keel_runtime_ctx(rts[0]), 30);
    group = keel_group_new(ctx, &(keel_group_opts){ .runtime = rts[1] });
    assert_true(keel_ctx_deadline(keel_group_ctx(group), &deadline_ns) && deadline_ns == 130);
    keel_ctx_cancel(ctx);
    assert_ptr_equal(keel_ctx_err(keel_group_ctx(group)), KEEL_ERR_CANCELLED);
    assert_ok(keel_group_wait(group));
    keel_ctx_free(ctx);
    for (int i = 0; i < 2; i++) {
        assert_ok(keel_runtime_stop(NULL, rts[i]));
        keel_clock_free(clocks[i]);
    }
}

static void a_context_of_one_runtime_ends_waits_on_another(void **state)
{
    (void)state;
    keel_clock *clock = new_clock(false);
    keel_runtime *keeper = new_runtime(clock, 1), *user = new_runtime(NULL, 1);
    keel_group *group = keel_group_new(keel_runtime_ctx(user), NULL);
    waiter timed = { .ctx = keel_ctx_with_timeout(keel_runtime_ctx(keeper), 10) };
    waiter cancelled = { .ctx = keel_ctx_with_cancel(keel_runtime_ctx(keeper)) };

    keel_group_go(group, wait_under, &timed);
    keel_group_go(group, wait_under, &cancelled);
    until_armed(keeper, 10);
    keel_clock_advance(clock, 10);
    keel_ctx_cancel(cancelled.ctx);
    assert_ok(keel_group_wait(group));
    assert_ptr_equal(timed.err, KEEL_ERR_DEADLINE);
    assert_true(timed.woke_ns == 10);
    assert_ptr_equal(cancelled.err, KEEL_ERR_CANCELLED);
    keel_ctx_free(timed.ctx);
    keel_ctx_free(cancelled.ctx);
    assert_ok(keel_runtime_stop(NULL, user));
    assert_ok(keel_runtime_stop(NULL, keeper));
    keel_clock_free(clock);
}

/* ---- The slow, obvious model of a tree ---- */

enum { MODEL_NODES = 60, MODEL_OPS = 20000, CAUSES = 5 };

typedef struct node {
    keel_ctx *ctx;               /* NULL: this place is free */
    int parent;                  /* for its end and deadline; -1: none */
    int values;                  /* the place to go on looking for values; -1: none */
    const keel_err *err, *cause; /* once it has ended */
    uint64_t serial;
    int64_t own_ns;      /* its own deadline; INT64_MAX: none */
    int64_t deadline_ns; /* the earliest */
    const keel_err *own_cause;
    const char *key;
    void *value;
} node;

typedef struct model {
    keel_rand rand;
    node nodes[MODEL_NODES];
    keel_err *causes[CAUSES];
    keel_ctx *root;
    uint64_t made, ends; /* contexts ever; ended by their own deadline */
} model;

static const char model_keys[3];

static void model_end(model *m, int at, const keel_err *err, const keel_err *cause)
{
    if (m->nodes[at].err != NULL)
        return;
    m->nodes[at].err = err;
    m->nodes[at].cause = cause != NULL ? cause : err;
    for (int i = 0; i < MODEL_NODES; i++) {
        if (m->nodes[i].ctx != NULL && m->nodes[i].parent == at)
            model_end(m, i, err, cause);
    }
}

static bool has_children(const model *m, int at)
{
    for (int i = 0; i < MODEL_NODES; i++) {
        if (m->nodes[i].ctx != NULL && (m->nodes[i].parent == at || m->nodes[i].values == at))
            return true;
    }
    return false;
}

static void model_make(model *m, int at, int64_t now_ns)
{
    int parent = (int)keel_rand_between(&m->rand, -1, MODEL_NODES - 1);
    keel_err *cause = m->causes[keel_rand_below(&m->rand, CAUSES)];
    node *n = &m->nodes[at];

    if (parent >= 0 && m->nodes[parent].ctx == NULL)
        parent = -1;
    keel_ctx *above = parent >= 0 ? m->nodes[parent].ctx : m->root;
    *n = (node){ .serial = m->made++,
                 .parent = parent,
                 .values = parent,
                 .own_ns = INT64_MAX,
                 .deadline_ns = INT64_MAX };
    switch (keel_rand_below(&m->rand, 6)) {
    case 0:
        n->ctx = keel_ctx_with_cancel(above);
        break;
    case 1:
        n->ctx = keel_ctx_without_cancel(above);
        n->parent = -1;
        break;
    case 2:
        n->key = &model_keys[keel_rand_below(&m->rand, 3)];
        n->value = n;
        n->ctx = keel_ctx_with_value(above, n->key, KEEL_ANY_PTR(void, n->value));
        break;
    case 3:
        n->own_ns = now_ns + keel_rand_between(&m->rand, -2, 40);
        n->ctx = keel_ctx_with_deadline(above, n->own_ns);
        break;
    default:
        n->own_ns = now_ns + keel_rand_between(&m->rand, 0, 40);
        n->own_cause = cause;
        n->ctx = keel_ctx_with_timeout_cause(above, n->own_ns - now_ns, keel_err_retain(cause));
        break;
    }
    n->deadline_ns = n->own_ns;
    if (n->parent >= 0) {
        const node *p = &m->nodes[n->parent];
        if (p->deadline_ns < n->own_ns) {
            n->deadline_ns = p->deadline_ns;
            n->own_ns = INT64_MAX;
        }
        n->err = p->err;
        n->cause = p->cause;
    }
    if (n->err == NULL && n->own_ns <= now_ns)
        model_end(m, at, KEEL_ERR_DEADLINE, n->own_cause);
}

/* All deadlines up to now, the earliest first; of equal ones that which was set first. */
static void model_pass(model *m, int64_t now_ns)
{
    for (;;) {
        int first = -1;

        for (int i = 0; i < MODEL_NODES; i++) {
            const node *n = &m->nodes[i], *f = first >= 0 ? &m->nodes[first] : NULL;

            if (n->ctx == NULL || n->err != NULL || n->own_ns > now_ns)
                continue;
            if (f == NULL || n->own_ns < f->own_ns ||
                (n->own_ns == f->own_ns && n->serial < f->serial))
                first = i;
        }
        if (first < 0)
            return;
        m->ends++;
        model_end(m, first, KEEL_ERR_DEADLINE, m->nodes[first].own_cause);
    }
}

static bool same_as_model(const model *m, int at)
{
    const node *n = &m->nodes[at];
    int64_t deadline_ns;

    if (keel_ctx_err(n->ctx) != n->err || !cause_is(n->ctx, n->cause))
        return false;
    if (keel_ctx_deadline(n->ctx, &deadline_ns) != (n->deadline_ns != INT64_MAX) ||
        (n->deadline_ns != INT64_MAX && deadline_ns != n->deadline_ns))
        return false;
    for (int k = 0; k < 3; k++) {
        int holder = at;
        while (holder >= 0 && m->nodes[holder].key != &model_keys[k])
            holder = m->nodes[holder].values;
        if (KEEL_ANY_AS(keel_ctx_value(n->ctx, &model_keys[k]), void) !=
            (holder >= 0 ? m->nodes[holder].value : NULL))
            return false;
    }
    return true;
}

static keel_err *compare_with_model(keel_ctx *ctx, void *arg)
{
    model *m = arg;

    m->root = ctx;
    for (int op = 0; op < MODEL_OPS; op++) {
        int at = (int)keel_rand_below(&m->rand, MODEL_NODES);
        node *n = &m->nodes[at];
        keel_err *cause = m->causes[keel_rand_below(&m->rand, CAUSES)];

        if (n->ctx == NULL) {
            model_make(m, at, keel_ctx_now(ctx));
        } else if (op % 23 == 0) {
            keel_ctx_cancel_cause(n->ctx, op % 2 == 0 ? keel_err_retain(cause) : NULL);
            model_end(m, at, KEEL_ERR_CANCELLED, op % 2 == 0 ? cause : NULL);
        } else if (n->err != NULL && !has_children(m, at)) {
            keel_ctx_free(n->ctx);
            n->ctx = NULL;
        } else if (op % 5 == 0) {
            int64_t start_ns = keel_ctx_now(ctx), ns = keel_rand_between(&m->rand, 1, 3);
            KEEL_TRY(keel_sleep(ctx, ns));
            must(keel_ctx_now(ctx) == start_ns + ns);
            model_pass(m, start_ns + ns);
        }
        for (int i = 0; i < MODEL_NODES; i++) {
            if (m->nodes[i].ctx != NULL)
                must(same_as_model(m, i));
        }
    }
    for (int i = 0; i < MODEL_NODES; i++)
        keel_ctx_free(m->nodes[i].ctx);
    return NULL;
}

/* One worker: whoever waits until a moment is woken behind all timers that were armed before. */
static void random_trees_agree_with_an_array(void **state)
{
    (void)state;
    model *m = calloc(1, sizeof *m);
    keel_clock *clock = new_clock(true);

    assert_non_null(m);
    keel_rand_seed(&m->rand, 77);
    for (int i = 0; i < CAUSES; i++)
        m->causes[i] = keel_err_new("cause %d", i);
    assert_ok(support_run_on(clock, 1, compare_with_model, m));
    assert_true(m->made > 1000 && m->ends > 200);
    for (int i = 0; i < CAUSES; i++)
        keel_err_free(m->causes[i]);
    keel_clock_free(clock);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_chain_of_a_hundred_thousand_fits_on_a_small_stack),
        support_test(a_deep_chain_without_a_runtime_expires_on_a_small_stack),
        support_test(every_descendant_has_ended_when_cancel_returns),
        support_test(trees_grow_while_they_end),
        support_test(freed_before_its_deadline_it_leaves_no_timer),
        support_test(freeing_races_with_the_timer),
        support_test(a_busy_loop_sees_its_deadline),
        support_test(threads_time_out_by_themselves),
        support_test(every_look_at_it_sees_the_deadline),
        support_test(cancelling_comes_too_late_after_an_unseen_deadline),
        support_test(contexts_outlive_their_runtime),
        support_test(a_group_has_its_parents_deadline_and_cause),
        support_test(a_group_goes_by_its_own_clock),
        support_test(a_context_of_one_runtime_ends_waits_on_another),
        support_test(random_trees_agree_with_an_array),
    };

    support_mem_install();
    return cmocka_run_group_tests_name("ctx_tree", tests, NULL, NULL);
}
