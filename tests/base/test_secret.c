/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "text_rig.h"

static void a_difference_anywhere_is_seen(void **state)
{
    (void)state;
    unsigned char a[40], b[40];

    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (unsigned char)(i * 37);
    for (size_t size = 0; size <= sizeof a; size++) {
        memcpy(b, a, sizeof b);
        const char *edge = rig_at_page_end(a, size);
        assert_true(keel_secret_equal(edge, b, size));
        for (size_t place = 0; place < sizeof b; place++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                b[place] ^= (unsigned char)(1u << bit);
                assert_int_equal(keel_secret_equal(edge, b, size), place >= size);
                b[place] = a[place];
            }
        }
    }
    assert_true(keel_secret_equal(NULL, NULL, 0));
}

static void two_differences_do_not_cancel(void **state)
{
    (void)state;

    assert_false(keel_secret_equal("abcdefgh12345678",
                                   "Abcdefgh\x11"
                                   "2345678",
                                   16));
    assert_false(keel_secret_equal("aa", "bb", 2));
}

static void strings_of_other_lengths_differ(void **state)
{
    (void)state;

    assert_true(keel_secret_str_equal(KEEL_STR("token"), KEEL_STR("token")));
    assert_false(keel_secret_str_equal(KEEL_STR("token"), KEEL_STR("tokeN")));
    assert_false(keel_secret_str_equal(KEEL_STR("token"), KEEL_STR("toke")));
    assert_true(keel_secret_str_equal((keel_str){ NULL, 0 }, KEEL_STR("")));
}

static void wiping_zeroes_all_of_it_and_no_more(void **state)
{
    (void)state;
    char bytes[64];

    for (size_t size = 0; size < sizeof bytes - 1; size++) {
        memset(bytes, 'x', sizeof bytes);
        keel_secret_wipe(bytes + 1, size);
        assert_int_equal(bytes[0], 'x');
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[1 + i], 0);
        assert_int_equal(bytes[1 + size], 'x');
    }
    keel_secret_wipe(NULL, 0);
}

/* ---- An allocator that looks at what it is given back ---- */

static void *given;
static size_t left_in_freed;

static void *plain_alloc(void *self, size_t size)
{
    (void)self;
    given = malloc(size);
    return given;
}

static void *plain_realloc(void *self, void *ptr, size_t size)
{
    (void)self;
    return realloc(ptr, size);
}

static void looking_free(void *self, void *ptr)
{
    (void)self;
    if (ptr == given) {
        given = NULL;
        for (size_t i = 0; i < 32; i++)
            left_in_freed += ((char *)ptr)[i] != '\0';
    }
    free(ptr);
}

static void freeing_wipes_first(void **state)
{
    (void)state;
    char *secret = keel_mem_alloc(32);

    assert_non_null(secret);
    memset(secret, 's', 32);
    keel_secret_free(secret, 32);
    assert_null(given);
    assert_int_equal(left_in_freed, 0);
    keel_secret_free(NULL, 32);
}

static void abort_without_memory_to_wipe(void *arg)
{
    (void)arg;
    keel_secret_wipe(NULL, 1);
}

static void abort_without_memory_to_compare(void *arg)
{
    (void)keel_secret_equal(arg, NULL, 1);
}

static void null_is_misuse(void **state)
{
    (void)state;

    support_assert_aborts(abort_without_memory_to_wipe, NULL, "keel_secret_wipe");
    support_assert_aborts(abort_without_memory_to_compare, "x", "keel_secret_equal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_anywhere_is_seen),
        cmocka_unit_test(two_differences_do_not_cancel),
        cmocka_unit_test(strings_of_other_lengths_differ),
        cmocka_unit_test(wiping_zeroes_all_of_it_and_no_more),
        cmocka_unit_test(freeing_wipes_first),
        cmocka_unit_test(null_is_misuse),
    };

    assert_ok(keel_mem_set(&(keel_allocator){ plain_alloc, plain_realloc, looking_free, NULL }));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
