/* SPDX-License-Identifier: MIT */
#include "support.h"

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
