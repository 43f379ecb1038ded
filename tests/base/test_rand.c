/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In place of the C library's: says no when told to. */
static bool no_getrandom;

ssize_t getrandom(void *buf, size_t size, unsigned flags)
{
    if (no_getrandom) {
        errno = ENOSYS;
        return -1;
    }
    return (ssize_t)syscall(SYS_getrandom, buf, size, flags);
}

/* ---- The sequence ---- */

static void a_seed_gives_the_published_sequence(void **state)
{
    (void)state;
    /* from an implementation in another language */
    const struct {
        uint64_t seed, numbers[6];
    } rows[] = {
        { 0x0u,
          { 0x99EC5F36CB75F2B4u, 0xBF6E1F784956452Au, 0x1A5F849D4933E6E0u, 0x6AA594F1262D2D2Cu,
            0xBBA5AD4A1F842E59u, 0xFFEF8375D9EBCACAu } },
        { 0x1u,
          { 0xB3F2AF6D0FC710C5u, 0x853B559647364CEAu, 0x92F89756082A4514u, 0x642E1C7BC266A3A7u,
            0xB27A48E29A233673u, 0x24C123126FFDA722u } },
        { 0x2Au,
          { 0x15780B2E0C2EC716u, 0x6104D9866D113A7Eu, 0xAE17533239E499A1u, 0xECB8AD4703B360A1u,
            0xFDE6DC7FE2EC5E64u, 0xC50DA53101795238u } },
        { 0x123456789ABCDEF0u,
          { 0xE01D6FAFC557F1B9u, 0xBD627EBE4406B404u, 0x2C23132B578B57DBu, 0x2E8B319D4D1F276Au,
            0x608D57ACF53888E4u, 0x9F44D4FE68BDC399u } },
        { 0xFFFFFFFFFFFFFFFFu,
          { 0x8F5520D52A7EAD08u, 0xC476A018CAA1802Du, 0x81DE31C0D260469Eu, 0xBF658D7E065F3C2Fu,
            0x913593FDA1BCA32Au, 0xBB535E93941BA525u } },
    };
    keel_rand rand;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        keel_rand_seed(&rand, rows[i].seed);
        for (int k = 0; k < 6; k++)
            assert_true(keel_rand_u64(&rand) == rows[i].numbers[k]);
    }
}

static void a_given_state_gives_the_numbers_of_the_paper(void **state)
{
    (void)state;
    keel_rand rand = { { 1, 2, 3, 4 } };
    const uint64_t numbers[] = { 11520u, 0u, 1509978240u, 1215971899390074240u };

    for (int i = 0; i < 4; i++)
        assert_true(keel_rand_u64(&rand) == numbers[i]);
}

static void all_zero_is_seeded_with_zero(void **state)
{
    (void)state;
    keel_rand zero = { { 0 } }, seeded;

    keel_rand_seed(&seeded, 0);
    for (int i = 0; i < 5; i++)
        assert_true(keel_rand_u64(&zero) == keel_rand_u64(&seeded));
}

/* ---- Ranges ---- */

static void below_stays_below(void **state)
{
    (void)state;
    const uint64_t limits[] = { 1,
                                2,
                                3,
                                10,
                                255,
                                UINT32_MAX,
                                (uint64_t)1 << 32,
                                INT64_MAX,
                                (uint64_t)1 << 63,
                                ((uint64_t)1 << 63) + 1,
                                UINT64_MAX };
    keel_rand rand;

    keel_rand_seed(&rand, 1);
    assert_true(keel_rand_below(&rand, 0) == 0);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int k = 0; k < 1000; k++)
            assert_true(keel_rand_below(&rand, limits[i]) < limits[i]);
    }
}

/* 3/4 of 2^64: taking remainders, or products without throwing any away, would make a third of the
 * results twice as likely. */
static void below_favours_nobody(void **state)
{
    (void)state;
    const uint64_t limit = ((uint64_t)1 << 63) / 2 * 3;
    enum { ROUNDS = 30000 };
    int thirds[3] = { 0 }, sevens[7] = { 0 }, parity[2] = { 0 }, residues[3] = { 0 };
    keel_rand rand;

    keel_rand_seed(&rand, 3);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t x = keel_rand_below(&rand, limit);
        thirds[x / (limit / 3)]++;
        residues[x % 3]++;
        sevens[keel_rand_below(&rand, 7)]++;
        parity[keel_rand_below(&rand, 2)]++;
    }
    /* Six standard deviations: the seed is fixed, so this passes always or never. */
    for (int i = 0; i < 3; i++) {
        assert_in_range(thirds[i], 10000 - 490, 10000 + 490);
        assert_in_range(residues[i], 10000 - 490, 10000 + 490);
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(sevens[i], ROUNDS / 7 - 364, ROUNDS / 7 + 364);
    assert_in_range(parity[0], 15000 - 520, 15000 + 520);
}

/* The upper half of the product, in 128 bits, as the definition says. */
static void below_takes_the_upper_half_of_the_product(void **state)
{
    (void)state;
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    keel_rand rand, model;

    keel_rand_seed(&rand, 9);
    for (int i = 0; i < 20000; i++) {
        uint64_t limit = keel_rand_u64(&rand) >> keel_rand_below(&rand, 64);
        if (limit == 0)
            continue;
        model = rand;
        uint64_t got = keel_rand_below(&rand, limit);
        wide product;
        do
            product = (wide)keel_rand_u64(&model) * limit;
        while ((uint64_t)product < -limit % limit);
        assert_true(got == (uint64_t)(product >> 64));
        assert_true(rand.state[0] == model.state[0]);
    }
#else
    skip();
#endif
}

static void between_includes_both_ends(void **state)
{
    (void)state;
    keel_rand rand;
    bool seen[7] = { false };

    keel_rand_seed(&rand, 4);
    for (int i = 0; i < 500; i++) {
        int64_t x = keel_rand_between(&rand, -3, 3);
        assert_true(x >= -3 && x <= 3);
        seen[x + 3] = true;
    }
    for (int i = 0; i < 7; i++)
        assert_true(seen[i]);
}

static void between_takes_any_bounds(void **state)
{
    (void)state;
    keel_rand rand;
    bool negative = false, positive = false;

    keel_rand_seed(&rand, 4);
    assert_true(keel_rand_between(&rand, 5, 5) == 5);
    assert_true(keel_rand_between(&rand, 5, 4) == 5);
    assert_true(keel_rand_between(&rand, INT64_MAX, INT64_MIN) == INT64_MAX);
    for (int i = 0; i < 100; i++) {
        int64_t all = keel_rand_between(&rand, INT64_MIN, INT64_MAX);
        negative = negative || all < 0;
        positive = positive || all > 0;
        assert_true(keel_rand_between(&rand, INT64_MIN, INT64_MIN + 1) < INT64_MIN + 2);
        assert_true(keel_rand_between(&rand, INT64_MAX - 1, INT64_MAX) > INT64_MAX - 2);
        assert_true(keel_rand_between(&rand, INT64_MIN, INT64_MAX - 1) < INT64_MAX);
    }
    assert_true(negative && positive);
}

static void doubles_fill_the_unit_interval_evenly(void **state)
{
    (void)state;
    keel_rand rand;
    int tenths[10] = { 0 };

    keel_rand_seed(&rand, 6);
    for (int i = 0; i < 20000; i++) {
        double x = keel_rand_double(&rand);
        assert_true(x >= 0 && x < 1);
        double steps = x * 0x1p53;
        assert_true(steps == (double)(uint64_t)steps);
        tenths[(int)(x * 10)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 2000 - 255, 2000 + 255);
}

static void the_largest_double_is_below_one(void **state)
{
    (void)state;
    /* a state whose next number is all ones: rotl(s1 * 5, 7) * 9 == 2^64 - 1 */
    keel_rand rand = { { 1, 0x4FC71C71C71C71C7u, 0, 0 } };
    keel_rand copy = rand;

    assert_true(keel_rand_u64(&copy) == UINT64_MAX);
    assert_true(keel_rand_double(&rand) == 1 - 0x1p-53);
}

/* ---- Seeds ---- */

static void seeds_differ_wherever_they_come_from(void **state)
{
    (void)state;

    for (int system = 0; system < 2; system++) {
        no_getrandom = system == 0;
        uint64_t a = keel_rand_system_seed(), b = keel_rand_system_seed();
        assert_true(a != b);
    }
    no_getrandom = false;
}

/* No file can be opened. */
static void seed_without_anything(void *arg)
{
    (void)arg;
    no_getrandom = true;
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 64, 64 });
    while (dup(STDERR_FILENO) >= 0)
        continue;
    uint64_t a = keel_rand_system_seed(), b = keel_rand_system_seed();
    if (a != b && open("/dev/urandom", O_RDONLY) < 0)
        fputs("they differ", stderr);
}

static void seeds_differ_even_without_the_system(void **state)
{
    (void)state;
    int status;

    assert_string_equal(support_child(seed_without_anything, NULL, &status), "they differ");
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_seed_gives_the_published_sequence),
        support_test(a_given_state_gives_the_numbers_of_the_paper),
        support_test(all_zero_is_seeded_with_zero),
        support_test(below_stays_below),
        support_test(below_favours_nobody),
        support_test(below_takes_the_upper_half_of_the_product),
        support_test(between_includes_both_ends),
        support_test(between_takes_any_bounds),
        support_test(doubles_fill_the_unit_interval_evenly),
        support_test(the_largest_double_is_below_one),
        support_test(seeds_differ_wherever_they_come_from),
        support_test(seeds_differ_even_without_the_system),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
