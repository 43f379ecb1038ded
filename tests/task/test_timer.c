/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "task/clock.h"
#include "task/timer.h"

/* ---- The slow, obvious model: an array that is searched from end to end ---- */

enum { TIMERS = 300, OPS = 100000, TIMES = 40 };

typedef struct model {
    keel__timer timers[TIMERS];
    int64_t when_ns[TIMERS];
    uint64_t order[TIMERS];
    bool armed[TIMERS];
    uint64_t armings;
} model;

/* The one that must fire first, or TIMERS. */
static size_t first_of(const model *m)
{
    size_t first = TIMERS;

    for (size_t i = 0; i < TIMERS; i++) {
        if (!m->armed[i])
            continue;
        if (first == TIMERS || m->when_ns[i] < m->when_ns[first] ||
            (m->when_ns[i] == m->when_ns[first] && m->order[i] < m->order[first]))
            first = i;
    }
    return first;
}

static void compare_next(const keel__timers *timers, const model *m)
{
    size_t first = first_of(m);

    assert_true(keel__timers_next(timers) == (first < TIMERS ? m->when_ns[first] : INT64_MAX));
}

static void arm_one(keel__timers *timers, model *m, keel_rand *rand, int64_t now_ns)
{
    size_t i = (size_t)keel_rand_below(rand, TIMERS);

    if (m->armed[i])
        return;
    /* few different times, so that ties are common; some have passed already */
    m->when_ns[i] = now_ns - 5 + (int64_t)keel_rand_below(rand, TIMES);
    m->order[i] = m->armings++;
    m->armed[i] = true;
    m->timers[i].when_ns = m->when_ns[i];
    assert_int_equal(keel__timers_add(timers, &m->timers[i]), first_of(m) == i);
}

static void disarm_one(keel__timers *timers, model *m, keel_rand *rand)
{
    size_t i = (size_t)keel_rand_below(rand, TIMERS);

    assert_int_equal(keel__timers_remove(timers, &m->timers[i]), m->armed[i]);
    m->armed[i] = false;
}

static void fire_due(keel__timers *timers, model *m, int64_t now_ns, uint64_t most)
{
    for (; most > 0; most--) {
        size_t first = first_of(m);
        keel__timer *timer = keel__timers_pop(timers, now_ns);

        if (first == TIMERS || m->when_ns[first] > now_ns) {
            assert_null(timer);
            return;
        }
        assert_ptr_equal(timer, &m->timers[first]);
        m->armed[first] = false;
    }
}

static void random_operations_agree_with_a_search_of_an_array(void **state)
{
    (void)state;
    model *m = calloc(1, sizeof *m);
    keel__timers timers;
    keel_rand rand;
    int64_t now_ns = 0;

    assert_non_null(m);
    keel_rand_seed(&rand, 20);
    keel__timers_init(&timers);
    for (int op = 0; op < OPS; op++) {
        /* the mix changes slowly, so that the heap is now nearly empty, now nearly full */
        uint64_t arming = op / 5000 % 2 == 0 ? 70 : 30;
        uint64_t what = keel_rand_below(&rand, 100);

        if (what < arming) {
            arm_one(&timers, m, &rand, now_ns);
        } else if (what < 90) {
            disarm_one(&timers, m, &rand);
        } else {
            now_ns += (int64_t)keel_rand_below(&rand, 4);
            fire_due(&timers, m, now_ns, keel_rand_below(&rand, 10));
        }
        compare_next(&timers, m);
    }
    fire_due(&timers, m, INT64_MAX, TIMERS + 1);
    assert_null(timers.heap.root);
    free(m);
}

/* ---- The same for the wheel, beside some shared timers ---- */

/* A moment near or far, one that has passed, or that of another timer. */
static int64_t some_moment(const model *m, keel_rand *rand, int64_t now_ns)
{
    int64_t other_ns = m->when_ns[keel_rand_below(rand, TIMERS)];
    unsigned digits = (unsigned)keel_rand_below(rand, 63);

    switch (keel_rand_below(rand, 8)) {
    case 0:
        return INT64_MAX - (int64_t)keel_rand_below(rand, 2);
    case 1:
        return (int64_t)keel_rand_below(rand, (uint64_t)now_ns + 1);
    case 2:
        return now_ns;
    case 3:
    case 4:
        return other_ns;
    default:
        return keel__clock_after(now_ns, (int64_t)keel_rand_below(rand, (uint64_t)1 << digits));
    }
}

/* Of the same moment a shared one goes first. */
static size_t first_of_both(const model *m)
{
    size_t first = TIMERS;

    for (size_t i = 0; i < TIMERS; i++) {
        if (!m->armed[i])
            continue;
        const keel__timer *t = &m->timers[i], *f = first < TIMERS ? &m->timers[first] : NULL;
        if (f == NULL || t->when_ns < f->when_ns ||
            (t->when_ns == f->when_ns &&
             (t->own != f->own ? f->own : m->order[i] < m->order[first])))
            first = i;
    }
    return first;
}

/* What a worker does that goes to sleep. */
static void compare_sleep(keel__timers *timers, const model *m, int64_t now_ns)
{
    size_t first = first_of_both(m);
    int64_t when_ns = first < TIMERS ? m->when_ns[first] : INT64_MAX;

    assert_true(keel__timers_next(timers) <= when_ns);
    assert_true(timers->wheel.count != 0 || timers->heap.root != NULL ||
                keel__timers_next(timers) == INT64_MAX);
    keel__timers_settle(timers, now_ns);
    assert_true(keel__timers_next(timers) <= when_ns);
    if (when_ns >= now_ns && when_ns >> 26 == now_ns >> 26)
        assert_true(keel__timers_next(timers) == when_ns);
}

static void fire_all_due(keel__timers *timers, model *m, int64_t now_ns)
{
    keel__timer *timer;

    while ((timer = keel__timers_pop(timers, now_ns)) != NULL) {
        size_t first = first_of_both(m);

        assert_true(first < TIMERS && timer == &m->timers[first] && timer->when_ns <= now_ns);
        m->armed[first] = false;
        assert_false(timer->own ? keel__timers_remove_own(timers, timer)
                                : keel__timers_remove(timers, timer));
    }
    size_t first = first_of_both(m);
    assert_true(first == TIMERS || m->when_ns[first] > now_ns);
    /* nothing is to be done again at once */
    assert_true(keel__timers_next(timers) > now_ns);
}

/* Some time passes: a little, a lot, or just until the first timer, or short of it. */
static int64_t later(const keel__timers *timers, const model *m, keel_rand *rand, int64_t now_ns)
{
    unsigned digits = (unsigned)keel_rand_below(rand, 36);
    size_t first = first_of_both(m);
    int64_t next_ns = keel__timers_next(timers);

    if (digits < 12 && first < TIMERS && m->when_ns[first] < INT64_MAX / 2)
        next_ns = m->when_ns[first] - (digits < 4);
    else if (digits >= 18 || next_ns > INT64_MAX / 2)
        next_ns = now_ns + (int64_t)keel_rand_below(rand, (uint64_t)1 << digits);
    return next_ns > now_ns ? next_ns : now_ns;
}

static void the_wheel_agrees_with_a_search_of_an_array(void **state)
{
    (void)state;
    model *m = calloc(1, sizeof *m);
    keel__timers timers;
    keel_rand rand;
    int64_t now_ns = KEEL_HOUR(1);
    uint64_t fired_before = 0;

    assert_non_null(m);
    keel_rand_seed(&rand, 21);
    keel__timers_init(&timers);
    keel__timers_use_wheel(&timers, now_ns);
    for (int op = 0; op < 3 * OPS; op++) {
        uint64_t arming = op / 5000 % 2 == 0 ? 70 : 30, what = keel_rand_below(&rand, 100);
        size_t i = (size_t)keel_rand_below(&rand, TIMERS);
        keel__timer *timer = &m->timers[i];

        if (what >= 90) {
            now_ns = later(&timers, m, &rand, now_ns);
            fire_all_due(&timers, m, now_ns);
        } else if (what >= arming && timer->own) {
            assert_int_equal(keel__timers_remove_own(&timers, timer), m->armed[i]);
            m->armed[i] = false;
        } else if (what >= arming) {
            assert_int_equal(keel__timers_remove(&timers, timer), m->armed[i]);
            m->armed[i] = false;
        } else if (!m->armed[i]) {
            m->when_ns[i] = timer->when_ns = some_moment(m, &rand, now_ns);
            m->order[i] = m->armings++;
            m->armed[i] = true;
            if (what % 8 == 0)
                keel__timers_add(&timers, timer);
            else
                keel__timers_add_own(&timers, timer);
        }
        if (what % 4 == 0)
            compare_sleep(&timers, m, now_ns);
    }
    for (size_t i = 0; i < TIMERS; i++)
        fired_before += m->armed[i];
    assert_true(m->armings > 50000 && fired_before < TIMERS);
    while (keel__timers_pop_any(&timers) != NULL)
        fired_before--;
    assert_true(fired_before == 0 && timers.wheel.count == 0);
    free(m);
}

/* Those of an hour and more, as servers have them: all in the order of their moments, in two ways of getting
 * there. */
static void a_million_timers_leave_the_wheel_in_order(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    keel__timer *all = calloc(COUNT, sizeof *all);
    keel__timers timers;

    assert_non_null(all);
    keel__timers_init(&timers);
    keel__timers_use_wheel(&timers, 0);
    for (int64_t i = 0; i < COUNT; i++) {
        all[i].when_ns = KEEL_HOUR(1) + KEEL_US(i % 1000 * 1000 + i / 1000);
        keel__timers_add_own(&timers, &all[i]);
    }
    for (int64_t i = 0; i < COUNT; i += 2)
        assert_true(keel__timers_remove_own(&timers, &all[i]));
    int64_t last_ns = 0;
    for (int64_t i = 0; i < COUNT / 2; i++) {
        keel__timer *timer = keel__timers_pop(&timers, KEEL_HOUR(2));
        assert_true(timer != NULL && timer->when_ns >= last_ns && (timer - all) % 2 == 1);
        last_ns = timer->when_ns;
    }
    assert_null(keel__timers_pop(&timers, INT64_MAX));
    assert_true(keel__timers_next(&timers) == INT64_MAX);
    free(all);
}

/* ---- Own timers that others hurry ---- */

static void a_hurried_timer_comes_at_once_and_only_once(void **state)
{
    (void)state;
    keel__timers timers;
    keel__timer due = { .when_ns = 5 }, far = { .when_ns = KEEL_HOUR(9) }, last = { .when_ns = 6 };

    keel__timers_init(&timers);
    keel__timers_use_wheel(&timers, 0);
    keel__timers_add_own(&timers, &due);
    keel__timers_add_own(&timers, &far);
    keel__timers_add_own(&timers, &last);
    assert_false(keel__timers_any_hurried(&timers));
    assert_true(keel__timers_claim(&far) && !keel__timers_claim(&far));
    assert_true(keel__timers_hurry(&timers, &far));
    assert_true(keel__timers_claim(&due)); /* and is not in the list yet */
    assert_true(keel__timers_any_hurried(&timers));

    assert_ptr_equal(keel__timers_pop(&timers, 10), &last);
    assert_null(keel__timers_pop(&timers, 10));
    assert_false(keel__timers_claim(&last));
    assert_false(keel__timers_hurry(&timers, &due));
    keel__timer *a = keel__timers_pop_hurried(&timers), *b = keel__timers_pop_hurried(&timers);
    assert_true((a == &due && b == &far) || (a == &far && b == &due));
    assert_null(keel__timers_pop_hurried(&timers));
    assert_false(keel__timers_any_hurried(&timers));
    assert_null(keel__timers_pop_any(&timers));
    assert_true(keel__timers_next(&timers) == INT64_MAX && timers.awaited == 0);
}

/* ---- One thing at a time ---- */

static void an_empty_heap_has_no_next(void **state)
{
    (void)state;
    keel__timers timers;

    keel__timers_init(&timers);
    assert_true(keel__timers_next(&timers) == INT64_MAX);
    assert_null(keel__timers_pop(&timers, INT64_MAX));
}

static void a_timer_never_fires_a_nanosecond_early(void **state)
{
    (void)state;
    keel__timers timers;
    keel__timer timer = { .when_ns = 1000 };

    keel__timers_init(&timers);
    assert_true(keel__timers_add(&timers, &timer));
    assert_null(keel__timers_pop(&timers, 999));
    assert_ptr_equal(keel__timers_pop(&timers, 1000), &timer);
    assert_true(keel__timers_next(&timers) == INT64_MAX);
}

static void only_the_first_of_all_is_said_to_be_first(void **state)
{
    (void)state;
    keel__timers timers;
    keel__timer late = { .when_ns = 9 }, early = { .when_ns = 3 }, tie = { .when_ns = 3 };

    keel__timers_init(&timers);
    assert_true(keel__timers_add(&timers, &late));
    assert_true(keel__timers_add(&timers, &early));
    assert_false(keel__timers_add(&timers, &tie));
    assert_ptr_equal(keel__timers_pop(&timers, 3), &early);
    assert_ptr_equal(keel__timers_pop(&timers, 3), &tie);
    assert_null(keel__timers_pop(&timers, 3));
    assert_true(keel__timers_remove(&timers, &late));
}

static void what_has_fired_or_was_disarmed_cannot_be_disarmed(void **state)
{
    (void)state;
    keel__timers timers;
    keel__timer fired = { .when_ns = 1 }, disarmed = { .when_ns = 2 }, never = { .when_ns = 3 };

    keel__timers_init(&timers);
    keel__timers_add(&timers, &fired);
    keel__timers_add(&timers, &disarmed);
    assert_ptr_equal(keel__timers_pop(&timers, 1), &fired);
    assert_false(keel__timers_remove(&timers, &fired));
    assert_true(keel__timers_remove(&timers, &disarmed));
    assert_false(keel__timers_remove(&timers, &disarmed));
    assert_false(keel__timers_remove(&timers, &never));
    assert_null(timers.heap.root);
}

static void a_timer_armed_again_goes_behind_its_equals(void **state)
{
    (void)state;
    keel__timers timers;
    keel__timer a = { .when_ns = 5 }, b = { .when_ns = 5 };

    keel__timers_init(&timers);
    keel__timers_add(&timers, &a);
    keel__timers_add(&timers, &b);
    keel__timers_remove(&timers, &a);
    keel__timers_add(&timers, &a);
    assert_ptr_equal(keel__timers_pop(&timers, 5), &b);
    assert_ptr_equal(keel__timers_pop(&timers, 5), &a);
}

/* Descending, all are children in one chain; ascending, all are siblings: neither may recurse. */
static void a_hundred_thousand_timers_fire_in_order(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    keel__timer *all = calloc(COUNT, sizeof *all);
    keel__timers timers;

    assert_non_null(all);
    keel__timers_init(&timers);
    for (int descending = 0; descending < 2; descending++) {
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t at = descending ? COUNT - 1 - i : i;
            all[at].when_ns = at / 2;
            keel__timers_add(&timers, &all[at]);
        }
        for (int64_t i = 0; i < COUNT; i++) {
            /* armed backwards, equals come out backwards */
            int64_t at = descending ? i ^ 1 : i;
            assert_ptr_equal(keel__timers_pop(&timers, INT64_MAX - 1), &all[at]);
        }
    }
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(random_operations_agree_with_a_search_of_an_array),
        support_test(the_wheel_agrees_with_a_search_of_an_array),
        support_test(a_million_timers_leave_the_wheel_in_order),
        support_test(a_hurried_timer_comes_at_once_and_only_once),
        support_test(an_empty_heap_has_no_next),
        support_test(a_timer_never_fires_a_nanosecond_early),
        support_test(only_the_first_of_all_is_said_to_be_first),
        support_test(what_has_fired_or_was_disarmed_cannot_be_disarmed),
        support_test(a_timer_armed_again_goes_behind_its_equals),
        support_test(a_hundred_thousand_timers_fire_in_order),
    };

    support_mem_install();
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
