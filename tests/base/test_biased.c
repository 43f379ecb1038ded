/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <pthread.h>
#include <sched.h>

#include "base/biased.h"

/* With real threads and real memory; every order of the steps is tried on the simulated machine. */

enum { ROUNDS = 300, EARNED = 100, TURNS = 20 };

/* Two plain numbers that are the same whenever nobody is in. */
typedef struct pair {
    keel__biased lock;
    uint32_t first, second;
    unsigned broken;
    keel__a32 entered, over;
} pair;

static bool enter(pair *p)
{
    bool as_owner = keel__biased_lock(&p->lock);

    p->broken += p->first != p->second;
    p->first++;
    keel__pause(); /* what comes in here finds them different */
    p->second++;
    keel__biased_unlock(&p->lock, as_owner);
    return as_owner;
}

static void *enter_all_the_time(void *arg)
{
    pair *p = arg;

    for (uint32_t count = 1; keel__load(&p->over) == 0; count++) {
        (void)enter(p);
        keel__store_relaxed(&p->entered, count);
    }
    return NULL;
}

static void who_comes_always_is_the_owner(void **state)
{
    (void)state;
    pair p = { 0 };

    for (int i = 0; i < EARNED; i++)
        (void)enter(&p);
#ifdef __linux__
    assert_true(enter(&p));
#endif
    assert_int_equal(p.broken, 0);
}

/* Each round with a lock that another thread owns, and is in as likely as not when its time is over. */
static void no_two_are_in_when_the_bias_ends(void **state)
{
    (void)state;

    for (int i = 0; i < ROUNDS; i++) {
        pair p = { 0 };
        pthread_t owner;

        assert_int_equal(pthread_create(&owner, NULL, enter_all_the_time, &p), 0);
        while (keel__load_relaxed(&p.entered) < EARNED)
            sched_yield();
        for (int k = 0; k < TURNS; k++)
            (void)enter(&p);
        keel__store(&p.over, 1);
        pthread_join(owner, NULL);
        assert_int_equal(p.broken, 0);
        assert_int_equal(p.first, p.second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_always_is_the_owner),
        cmocka_unit_test(no_two_are_in_when_the_bias_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
