/* SPDX-License-Identifier: MIT */
#include "support.h"

/* Joins: what they keep, in which order, and where they stop. */

static void assert_text(const keel_err *err, const char *text)
{
    char buf[8192];

    keel_err_format(err, buf, sizeof buf);
    assert_string_equal(buf, text);
}

static keel_err *numbered(int n)
{
    return keel_err_new("e%d", n);
}

/* A join of the errors numbered from `from` to `to` - 1. */
static keel_err *join_of(int from, int to)
{
    keel_err *err = NULL;

    for (int i = from; i < to; i++)
        err = keel_err_join(err, numbered(i));
    return err;
}

/* It holds the errors numbered from `from` on, as many as `count`, and knows of `more`. */
static void assert_joins(const keel_err *err, int from, size_t count, int more)
{
    char want[1024];
    int length = 0;

    assert_int_equal(keel_err_join_count(err), count);
    for (size_t i = 0; i < count; i++) {
        length += snprintf(want + length, sizeof want - (size_t)length, "%se%d", i > 0 ? "\n" : "",
                           from + (int)i);
        char one[16];
        snprintf(one, sizeof one, "e%d", from + (int)i);
        assert_text(keel_err_join_get(err, i), one);
    }
    if (more > 0)
        snprintf(want + length, sizeof want - (size_t)length, "\nand %d more", more);
    assert_text(err, want);
    assert_null(keel_err_join_get(err, count));
}

static void joining_with_nothing_gives_the_other(void **state)
{
    (void)state;
    size_t made = support_mem_made();

    assert_null(keel_err_join(NULL, NULL));
    assert_ptr_equal(keel_err_join(KEEL_ERR_IO, NULL), KEEL_ERR_IO);
    assert_ptr_equal(keel_err_join(NULL, KEEL_ERR_IO), KEEL_ERR_IO);
    assert_int_equal(support_mem_made(), made);
}

static void a_join_is_each_of_its_errors(void **state)
{
    (void)state;
    keel_err *err = keel_err_join(keel_err_wrap(KEEL_ERR_CLOSED, "read"), KEEL_ERR_BUSY);

    assert_true(keel_err_is(err, KEEL_ERR_CLOSED));
    assert_true(keel_err_is(err, KEEL_ERR_BUSY));
    assert_true(keel_err_is(err, err));
    assert_false(keel_err_is(err, KEEL_ERR_IO));
    assert_null(keel_err_unwrap(err));
    assert_null(keel_err_where(err));
    assert_text(err, "read: closed\nbusy");
    keel_err_free(err);
}

static void others_join_nothing(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(join_of(0, 2), "w");

    assert_int_equal(keel_err_join_count(err), 0);
    assert_null(keel_err_join_get(err, 0));
    assert_int_equal(keel_err_join_count(KEEL_ERR_IO), 0);
    assert_text(err, "w: e0\ne1");
    keel_err_free(err);
}

static void joins_keep_the_first_and_count_the_rest(void **state)
{
    (void)state;

    for (int n = 2; n < 40; n++) {
        int kept = n < KEEL_ERR_JOIN_MAX ? n : KEEL_ERR_JOIN_MAX;
        keel_err *err = join_of(0, n);
        assert_joins(err, 0, (size_t)kept, n - kept);
        keel_err_free(err);
    }
}

/* Every way to add two: each a join or not, each the caller's alone or shared. */
static void joins_flatten_in_order_whoever_owns_them(void **state)
{
    (void)state;

    for (int sizes = 0; sizes < 20 * 20; sizes++) {
        for (int shared = 0; shared < 4; shared++) {
            int na = 1 + sizes / 20, nb = 1 + sizes % 20;
            keel_err *a = join_of(0, na);
            keel_err *b = join_of(na, na + nb);
            keel_err *other_a = (shared & 1) != 0 ? keel_err_retain(a) : NULL;
            keel_err *other_b = (shared & 2) != 0 ? keel_err_retain(b) : NULL;

            keel_err *err = keel_err_join(a, b);
            int kept = na + nb < KEEL_ERR_JOIN_MAX ? na + nb : KEEL_ERR_JOIN_MAX;
            assert_joins(err, 0, (size_t)kept, na + nb - kept);
            /* an error that somebody else holds has not changed */
            if (other_a != NULL && na > 1 && na <= KEEL_ERR_JOIN_MAX)
                assert_joins(other_a, 0, (size_t)na, 0);
            if (other_b != NULL && nb > 1 && nb <= KEEL_ERR_JOIN_MAX)
                assert_joins(other_b, na, (size_t)nb, 0);
            keel_err_free(err);
            keel_err_free(other_a);
            keel_err_free(other_b);
        }
    }
}

static void an_error_joined_with_itself_is_held_twice(void **state)
{
    (void)state;
    keel_err *err = join_of(0, 2);

    err = keel_err_join(err, keel_err_retain(err));
    assert_text(err, "e0\ne1\ne0\ne1");
    keel_err_free(err);
}

static void joining_into_a_join_of_ones_own_allocates_nothing(void **state)
{
    (void)state;
    keel_err *err = join_of(0, 2);
    size_t made = support_mem_made();

    err = keel_err_join(err, KEEL_ERR_IO);
    err = keel_err_join(KEEL_ERR_BUSY, err);
    assert_int_equal(support_mem_made(), made);
    assert_text(err, "busy\ne0\ne1\ninput/output error");
    keel_err_free(err);
}

/* A join in a wrap in a join ..., `depth` joins deep, with KEEL_ERR_NOT_FOUND at the bottom. */
static keel_err *nested(int depth)
{
    keel_err *err = KEEL_ERR_NOT_FOUND;

    for (int i = 0; i < depth; i++)
        err = keel_err_join(keel_err_wrap(err, "w"), KEEL_ERR_BUSY);
    return err;
}

static void joins_nest_so_deep_and_no_deeper(void **state)
{
    (void)state;
    keel_err *deep = keel_err_wrap(nested(KEEL_ERR_JOIN_DEPTH), "deep");
    keel_err *nearly = keel_err_wrap(nested(KEEL_ERR_JOIN_DEPTH - 1), "nearly");

    assert_true(keel_err_is(deep, KEEL_ERR_NOT_FOUND));

    /* `a` is so deep that no join can hold it */
    assert_ptr_equal(keel_err_join(keel_err_retain(deep), numbered(1)), deep);
    keel_err_free(deep);

    /* `b` is: `a` is kept, and `b` counted */
    keel_err *err = keel_err_join(numbered(0), keel_err_retain(deep));
    assert_int_equal(keel_err_join_count(err), 1);
    assert_text(err, "e0\nand 1 more");
    assert_false(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    err = keel_err_join(err, keel_err_retain(deep));
    assert_text(err, "e0\nand 2 more");
    err = keel_err_join(err, keel_err_retain(nearly));
    assert_int_equal(keel_err_join_count(err), 2);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    keel_err_free(err);

    keel_err_free(deep);
    keel_err_free(nearly);
}

/* A join of depth 8 flattens into another: that is no deeper. */
static void the_deepest_join_can_still_be_joined(void **state)
{
    (void)state;
    keel_err *a = nested(KEEL_ERR_JOIN_DEPTH);
    keel_err *b = keel_err_retain(a);
    keel_err *err = keel_err_join(a, b);

    assert_int_equal(keel_err_join_count(err), 4);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    /* and its depth is remembered */
    err = keel_err_join(keel_err_wrap(err, "w"), KEEL_ERR_IO);
    assert_false(keel_err_is(err, KEEL_ERR_IO));
    keel_err_free(err);
}

/* However errors are joined and wrapped, nothing nests deeper, is lost, or leaks. */
static void random_joins_stay_in_their_bounds(void **state)
{
    (void)state;
    keel_rand rand;
    keel_err *pool[8] = { NULL };

    keel_rand_seed(&rand, 5);
    for (int i = 0; i < 20000; i++) {
        keel_err **slot = &pool[keel_rand_below(&rand, 8)];
        keel_err *other = pool[keel_rand_below(&rand, 8)];
        switch (keel_rand_below(&rand, 8)) {
        case 0:
            keel_err_free(*slot);
            *slot = numbered(i);
            break;
        case 1:
        case 2:
        case 3:
            *slot = keel_err_wrap(*slot, "w");
            break;
        default:
            /* not too many: what is held twice is visited twice */
            if (keel_err_format(other, NULL, 0) < 4000 && keel_err_format(*slot, NULL, 0) < 4000)
                *slot = keel_err_join(*slot, keel_err_retain(other));
        }
        assert_false(keel_err_is(*slot, KEEL_ERR_IO));
        assert_true(keel_err_join_count(*slot) <= KEEL_ERR_JOIN_MAX);
        if (keel_err_format(*slot, NULL, 0) > 4000) {
            keel_err_free(*slot);
            *slot = NULL;
        }
    }
    for (int i = 0; i < 8; i++)
        keel_err_free(pool[i]);
}

static void nested_joins_of_long_chains_are_freed_without_recursion(void **state)
{
    (void)state;
    keel_err *err = KEEL_ERR_IO;

    for (int depth = 0; depth < KEEL_ERR_JOIN_DEPTH; depth++) {
        for (int i = 0; i < 20000; i++)
            err = keel_err_wrap(err, "w");
        err = keel_err_join(err, numbered(depth));
    }
    assert_int_equal(keel_err_join_count(err), 2);
    assert_true(keel_err_is(err, KEEL_ERR_IO));
    keel_err_free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(joining_with_nothing_gives_the_other),
        support_test(a_join_is_each_of_its_errors),
        support_test(others_join_nothing),
        support_test(joins_keep_the_first_and_count_the_rest),
        support_test(joins_flatten_in_order_whoever_owns_them),
        support_test(an_error_joined_with_itself_is_held_twice),
        support_test(joining_into_a_join_of_ones_own_allocates_nothing),
        support_test(joins_nest_so_deep_and_no_deeper),
        support_test(the_deepest_join_can_still_be_joined),
        support_test(random_joins_stay_in_their_bounds),
        support_test(nested_joins_of_long_chains_are_freed_without_recursion),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
