/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include "base/spin.h"
#include "task/os.h"

/* The machine and its explorer themselves: what is wrong is found, what is right is not. */

static keel__a32 word, other;
static keel__spin lock_a, lock_b;
static keel__gate gate;
static bool ready;
static int *heap;

static void reset(void)
{
    word = other = (keel__a32){ 0 };
    lock_a = lock_b = (keel__spin){ 0 };
    keel__gate_init(&gate);
    ready = false;
    heap = NULL;
}

/* Runs two functions on cores of their own. */
static void both(void (*a)(void *arg), void (*b)(void *arg))
{
    simcore_thread *first = simcore_go(a, NULL), *second = simcore_go(b, NULL);

    simcore_join(first);
    simcore_join(second);
}

static void assert_fails(const char *name, simcore_fn scenario, keel__core_verdict verdict,
                         unsigned most)
{
    unsigned deviations;

    assert_int_equal(simcore_fails(name, scenario, &deviations), verdict);
    assert_in_range(deviations, 0, most);
}

/* ---- Planted ---- */

static void add_in_two_steps(void *arg)
{
    (void)arg;
    uint32_t seen = keel__load(&word);
    keel__store(&word, seen + 1);
}

static void lost_update(void)
{
    reset();
    both(add_in_two_steps, add_in_two_steps);
    sim_check(keel__load(&word) == 2);
}

static void a_lost_update_is_found(void **state)
{
    (void)state;
    assert_fails("lost_update", lost_update, KEEL__CORE_FAILED, 1);
}

static void lock_ab(void *arg)
{
    (void)arg;
    keel__spin_lock(&lock_a);
    keel__spin_lock(&lock_b);
    keel__spin_unlock(&lock_b);
    keel__spin_unlock(&lock_a);
}

static void lock_ba(void *arg)
{
    (void)arg;
    keel__spin_lock(&lock_b);
    keel__spin_lock(&lock_a);
    keel__spin_unlock(&lock_a);
    keel__spin_unlock(&lock_b);
}

static void crossed_locks(void)
{
    reset();
    both(lock_ab, lock_ba);
}

static void crossed_locks_are_found(void **state)
{
    (void)state;
    assert_fails("crossed_locks", crossed_locks, KEEL__CORE_DEADLOCK, 1);
}

static void wait_without_looking(void *arg)
{
    (void)arg;
    keel__gate_lock(&gate);
    bool seen = ready;
    keel__gate_unlock(&gate);
    keel__gate_lock(&gate);
    if (!seen)
        keel__gate_wait(&gate, INT64_MAX);
    keel__gate_unlock(&gate);
}

static void signal_once(void *arg)
{
    (void)arg;
    keel__gate_lock(&gate);
    ready = true;
    keel__gate_signal(&gate);
    keel__gate_unlock(&gate);
}

static void lost_wake_up(void)
{
    reset();
    both(wait_without_looking, signal_once);
}

static void a_lost_wake_up_is_found(void **state)
{
    (void)state;
    assert_fails("lost_wake_up", lost_wake_up, KEEL__CORE_DEADLOCK, 2);
}

/* The first to be done frees what the other may still write to. */
static void write_then_leave(void *arg)
{
    (void)arg;
    *heap = 1;
    (void)keel__load(&other);
    *heap = 2;
}

static void free_early(void *arg)
{
    (void)arg;
    (void)keel__load(&other);
    keel_mem_free(heap);
}

static void late_write(void)
{
    reset();
    heap = keel_mem_alloc(sizeof *heap);
    both(write_then_leave, free_early);
}

static void a_late_write_is_found(void **state)
{
    (void)state;
    assert_fails("late_write", late_write, KEEL__CORE_FAILED, 2);
}

static void leak(void)
{
    reset();
    heap = keel_mem_alloc(sizeof *heap);
}

static void a_leak_is_found(void **state)
{
    (void)state;
    assert_fails("leak", leak, KEEL__CORE_FAILED, 0);
}

static void wait_for_ever(void *arg)
{
    (void)arg;
    while (keel__load(&word) == 0)
        keel__pause();
}

static void left_behind(void)
{
    reset();
    simcore_go(wait_for_ever, NULL);
}

static void a_core_left_behind_is_found(void **state)
{
    (void)state;
    assert_fails("left_behind", left_behind, KEEL__CORE_LEFT, 0);
}

static void spin_in_vain(void)
{
    reset();
    wait_for_ever(NULL);
}

static void an_endless_spin_is_found(void **state)
{
    (void)state;
    assert_fails("spin_in_vain", spin_in_vain, KEEL__CORE_ENDLESS, 0);
}

/* ---- Time ---- */

static void raise_word(void *arg)
{
    (void)arg;
    keel__store(&word, 1);
}

/* A time limit may be over before what others could have done at once. */
static void hasty_limit(void)
{
    reset();
    simcore_thread *thread = simcore_go(raise_word, NULL);
    bool raised =
        keel__core_wait(&word.v, 0, keel__os_now() + KEEL_MS(1), "wait", __func__, __LINE__);
    simcore_join(thread);
    sim_check(raised);
}

static void a_time_limit_may_come_first(void **state)
{
    (void)state;
    assert_fails("hasty_limit", hasty_limit, KEEL__CORE_FAILED, 1);
}

static void limits_end_in_order(void)
{
    reset();
    int64_t start_ns = keel__os_now();
    sim_check(!keel__core_wait(&word.v, 0, start_ns + 5, "wait", __func__, __LINE__));
    sim_check(keel__os_now() == start_ns + 5);
    sim_check(!keel__core_wait(&word.v, 0, start_ns + 9, "wait", __func__, __LINE__));
    sim_check(keel__os_now() == start_ns + 9);
}

/* ---- Right ---- */

static void add_at_once(void *arg)
{
    (void)arg;
    keel__add(&word, 1);
    keel__spin_lock(&lock_a);
    other.v++;
    keel__spin_unlock(&lock_a);
}

static void additions_are_whole(void)
{
    reset();
    both(add_at_once, add_at_once);
    sim_check(keel__load(&word) == 2 && other.v == 2);
}

static void wait_properly(void *arg)
{
    (void)arg;
    keel__gate_lock(&gate);
    while (!ready)
        keel__gate_wait(&gate, INT64_MAX);
    keel__gate_unlock(&gate);
}

static void gates_lose_nothing(void)
{
    reset();
    both(wait_properly, signal_once);
}

simcore_test(limits_end_in_order) simcore_test(additions_are_whole) simcore_test(gates_lose_nothing)

    int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_update_is_found),    cmocka_unit_test(crossed_locks_are_found),
        cmocka_unit_test(a_lost_wake_up_is_found),   cmocka_unit_test(a_late_write_is_found),
        cmocka_unit_test(a_leak_is_found),           cmocka_unit_test(a_core_left_behind_is_found),
        cmocka_unit_test(an_endless_spin_is_found),  cmocka_unit_test(a_time_limit_may_come_first),
        cmocka_unit_test(limits_end_in_order_holds), cmocka_unit_test(additions_are_whole_holds),
        cmocka_unit_test(gates_lose_nothing_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
