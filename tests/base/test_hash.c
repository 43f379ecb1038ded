/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <keel/hash.h>

#include "base/process.h"

/* ---- Integers ---- */

static void integers_have_the_hashes_they_always_had(void **state)
{
    (void)state;
    /* both ways to multiply give these; by an implementation in another language */
    const struct {
        uint64_t key, hash;
    } rows[] = {
        { 0x0u, 0x0000000000000000u },
        { 0x1u, 0x6DFE3F5B27D6563Bu },
        { 0x2u, 0xDBFC7EB64FACAC76u },
        { 0xFFu, 0x90411BCCAE7FE4A8u },
        { 0xFFFFFFFFu, 0xB9D816DFB5D7969Fu },
        { 0x100000000u, 0x27D6563B6DFE3F5Bu },
        { 0x123456789ABCDEF0u, 0x4A72BDB08B4F9503u },
        { 0x8000000000000000u, 0xB6FF1FAD93EB2B1Du },
        { 0xFFFFFFFFFFFFFFFFu, 0xFFFFFFFFFFFFFFFFu },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(keel_hash_u64(rows[i].key) == rows[i].hash);
    assert_true(keel_hash_combine(1, 2) == 0x1E38A87A47235B80u);
    assert_true(keel_hash_combine(0x123456789ABCDEF0u, 0xFEDCBA9876543210u) == 0x147A168E10782C08u);
}

static void integers_of_all_widths_agree_with_their_equality(void **state)
{
    (void)state;
    assert_true(keel_hash_i64(-1) == keel_hash_u64(UINT64_MAX));
    assert_true(keel_hash_u32(7) == keel_hash_u64(7));
    assert_true(keel_hash_i32(7) == keel_hash_u64(7));
    assert_true(keel_hash_i32(-7) == keel_hash_u64(UINT32_MAX - 6));
    assert_true(keel_hash_i32(-7) != keel_hash_i32(7));
    assert_true(keel_hash_ptr(&state) == keel_hash_u64((uintptr_t)&state));
    assert_true(keel_eq_u64(5, 5) && !keel_eq_u64(5, 5 + ((uint64_t)1 << 32)));
    assert_true(keel_eq_i64(-5, -5) && !keel_eq_i64(5, -5));
    assert_true(keel_eq_u32(5, 5) && !keel_eq_u32(5, 6));
    assert_true(keel_eq_i32(-5, -5) && !keel_eq_i32(5, -5));
    assert_true(keel_eq_ptr(state, state) && !keel_eq_ptr(state, &state));
}

static void combining_depends_on_the_order_and_on_both(void **state)
{
    (void)state;
    assert_true(keel_hash_combine(1, 2) != keel_hash_combine(2, 1));
    assert_true(keel_hash_combine(0, 1) != keel_hash_combine(0, 2));
    assert_true(keel_hash_combine(1, 0) != keel_hash_combine(2, 0));
    assert_true(keel_hash_combine(5, 5) != keel_hash_combine(6, 6));
}

/* ---- Bytes ---- */

enum { LONGEST = 300 };

static unsigned bits_of(uint64_t x)
{
    unsigned bits = 0;

    for (; x != 0; x &= x - 1)
        bits++;
    return bits;
}

/* Of 64 bits, 32 on average; hardly ever fewer than 10. */
static void every_bit_of_the_input_changes_half_the_hash(void **state)
{
    (void)state;
    unsigned char bytes[LONGEST] = { 0 };
    uint64_t sum = 0, flips = 0, upper = 0, lower = 0;

    for (size_t i = 0; i < LONGEST; i++)
        bytes[i] = (unsigned char)(i * 37);
    for (size_t len = 1; len <= LONGEST; len++) {
        const uint64_t before = keel_hash_bytes(bytes, len);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            const uint64_t changed = before ^ keel_hash_bytes(bytes, len);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_true(bits_of(changed) >= 5);
            sum += bits_of(changed);
            upper += changed >> 57 != 0;
            lower += (changed & 0xFF) != 0;
            flips++;
        }
    }
    assert_true(sum > flips * 315 / 10 && sum < flips * 325 / 10);
    assert_true(upper > flips * 98 / 100); /* 127 of 128 */
    assert_true(lower > flips * 99 / 100); /* 255 of 256 */
}

static void every_length_of_zeros_has_a_hash_of_its_own(void **state)
{
    (void)state;
    static uint64_t hashes[LONGEST + 1];
    const unsigned char bytes[LONGEST] = { 0 };

    for (size_t len = 0; len <= LONGEST; len++) {
        hashes[len] = keel_hash_bytes(bytes, len);
        assert_true(hashes[len] != 0);
        for (size_t i = 0; i < len; i++)
            assert_true(hashes[i] != hashes[len]);
    }
    assert_true(keel_hash_bytes(NULL, 0) == hashes[0]);
}

/* Words, and the pairs that are multiplied. */
static void blocks_in_another_order_have_another_hash(void **state)
{
    (void)state;
    unsigned char bytes[LONGEST] = { 0 }, swapped[LONGEST];

    for (size_t i = 0; i + 8 <= LONGEST; i += 8)
        bytes[i] = (unsigned char)(i / 8 + 1);
    for (size_t size = 8; size <= 16; size += 8) {
        for (size_t len = 16; len <= LONGEST; len += 8) {
            const uint64_t before = keel_hash_bytes(bytes, len);
            for (size_t a = 0; a + size <= len; a += size) {
                for (size_t b = a + size; b + size <= len; b += size) {
                    memcpy(swapped, bytes, len);
                    memcpy(swapped + a, bytes + b, size);
                    memcpy(swapped + b, bytes + a, size);
                    assert_true(keel_hash_bytes(swapped, len) != before);
                }
            }
        }
    }
}

static void strings_hash_as_their_bytes_wherever_they_lie(void **state)
{
    (void)state;
    const char text[] =
        "The quick brown fox jumps over the lazy dog, and over the next one, too, and back.";
    char copy[sizeof text + 16];

    for (size_t len = 0; len < sizeof text; len++) {
        const uint64_t hash = keel_hash_bytes(text, len);
        for (size_t offset = 0; offset < 16; offset++) {
            memset(copy, 'x', sizeof copy);
            memcpy(copy + offset, text, len);
            const keel_str view = { copy + offset, len };
            assert_true(keel_hash_str(view) == hash);
            assert_true(keel_eq_str(view, (keel_str){ text, len }));
            copy[offset + len] = '\0';
            assert_true(keel_hash_cstr(copy + offset) == hash);
        }
    }
    assert_true(keel_eq_cstr(text, text) && !keel_eq_cstr(text, text + 1));
}

static void equality_looks_at_every_byte_and_the_length(void **state)
{
    (void)state;
    char a[64] = { 0 }, b[64] = { 0 };

    for (size_t len = 0; len <= 64; len++) {
        assert_true(keel_eq_str((keel_str){ a, len }, (keel_str){ b, len }));
        if (len > 0)
            assert_false(keel_eq_str((keel_str){ a, len }, (keel_str){ b, len - 1 }));
        for (size_t i = 0; i < len; i++) {
            b[i] = 1;
            assert_false(keel_eq_str((keel_str){ a, len }, (keel_str){ b, len }));
            b[i] = 0;
        }
    }
    assert_true(keel_eq_str((keel_str){ 0 }, (keel_str){ a, 0 }));
}

/* Both sides of the bytes are pages that fault. */
static void nothing_outside_of_the_bytes_is_read(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char copy[LONGEST];

    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
    memset(pages + page, 'a', page);
    memset(copy, 'a', sizeof copy);
    for (size_t len = 0; len <= LONGEST; len++) {
        const uint64_t hash = keel_hash_bytes(copy, len);
        const char *end = pages + 2 * page - len, *start = pages + page;
        assert_true(keel_hash_bytes(end, len) == hash);
        assert_true(keel_hash_bytes(start, len) == hash);
        assert_true(keel_eq_str((keel_str){ end, len }, (keel_str){ copy, len }));
        assert_true(keel_eq_str((keel_str){ copy, len }, (keel_str){ start, len }));
    }
    munmap(pages, 3 * page);
}

/* ---- Against those who choose the keys ---- */

static size_t compared;

static bool counted_eq(keel_str a, keel_str b)
{
    compared++;
    return keel_eq_str(a, b);
}

#define KEEL_MAP_NAME chosen
#define KEEL_MAP_KEY keel_str
#define KEEL_MAP_VALUE size_t
#define KEEL_MAP_HASH keel_hash_str
#define KEEL_MAP_EQ counted_eq
#include <keel/map.h>

/* Words that would be 0 under a secret that is known: the constants of the sources, those of widespread
 * hashes of this kind, and the plain ones. */
static const uint64_t known[] = {
    0,
    1,
    UINT64_MAX,
    0x6DFE3F5B27D6563Bu,
    0xD1342543DE82EF95u,
    0x99EC5F36CB75F2B4u, /* of the generator seeded with 0: a simulation's */
    0xBF6E1F784956452Au,
    0x1A5F849D4933E6E0u,
    0x6AA594F1262D2D2Cu,
    0xBBA5AD4A1F842E59u,
    0xFFEF8375D9EBCACAu,
    0xA0761D6478BD642Fu,
    0xE7037ED1A0B428DBu,
    0x8EBC6AF09C88C6E3u,
    0x589965CC75374CC3u,
    0x9E3779B97F4A7C15u,
};

/* Keys of `len` bytes that are `constant` but for one word, at `varying`. */
static void assert_no_flood(size_t len, size_t varying, uint64_t constant)
{
    enum { COUNT = 1500 };
    static char bytes[COUNT][256];
    chosen map = { 0 };

    for (uint64_t i = 0; i < COUNT; i++) {
        const uint64_t word = i * 0x0123456789ABCDEFu;
        for (size_t at = 0; at + 8 <= len; at += 8)
            memcpy(&bytes[i][at], &constant, 8);
        memcpy(&bytes[i][varying], &word, 8);
        assert_ok(chosen_put(&map, (keel_str){ bytes[i], len }, i));
    }
    compared = 0;
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(*chosen_get(&map, (keel_str){ bytes[i], len }), i);
    assert_int_equal(map.len, COUNT);
    assert_true(compared < COUNT * 3 / 2);
    chosen_deinit(&map);
}

static void keys_made_to_collide_do_not(void **state)
{
    (void)state;
    const size_t lengths[] = { 8, 16, 24, 32, 64, 80, 96, 128, 144 };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            for (size_t varying = 0; varying < lengths[k]; varying += 8)
                assert_no_flood(lengths[k], varying, known[i]);
        }
    }
}

/* ---- The secrets ---- */

/* In a child process, that they may be drawn again. */
static void forget(void)
{
    keel__store(&keel__process_secret_there, 0);
}

static void print_hash(void)
{
    fprintf(stderr, "%016llx", (unsigned long long)keel_hash_cstr("a key"));
}

static keel_err *hash_in_task(keel_ctx *ctx, void *arg)
{
    *(uint64_t *)arg = keel_hash_cstr("a key");
    /* the secrets are no choices of the run that happens to draw them, which would make it another */
    KEEL_TRY(keel_sleep(ctx, (int64_t)(keel_rand_system_seed() % 1000)));
    return NULL;
}

typedef enum how {
    HOW_DRAWN,
    HOW_SEED_1,
    HOW_SEED_2,
    HOW_SIMULATED,
    HOW_SIMULATED_2,
    HOW_SEED_0,
    HOW_TOO_LATE
} how;

static void hash_in_child(void *arg)
{
    keel_sim_opts opts = { 0 };
    keel_sim_report *report;
    uint64_t simulated = 0;

    forget();
    switch (*(how *)arg) {
    case HOW_DRAWN:
        print_hash();
        break;
    case HOW_SEED_1:
    case HOW_SEED_2:
        assert_ok(keel_hash_seed(*(how *)arg));
        assert_err(keel_hash_seed(5), KEEL_ERR_BUSY);
        print_hash();
        break;
    case HOW_SIMULATED:
    case HOW_SIMULATED_2: /* another run */
        opts.seed = *(how *)arg;
        report = keel_sim_run("hash", hash_in_task, &simulated, &opts);
        if (report->kind != KEEL_SIM_PASS)
            fprintf(stderr, "%s", report->text);
        keel_sim_report_free(report);
        print_hash();
        if (keel_hash_cstr("a key") != simulated)
            fprintf(stderr, ", which was another in the simulation");
        break;
    case HOW_SEED_0:
        assert_ok(keel_hash_seed(0));
        print_hash();
        break;
    case HOW_TOO_LATE:
        (void)keel_hash_cstr("another");
        assert_err(keel_hash_seed(1), KEEL_ERR_BUSY);
        print_hash();
        break;
    }
}

/* The hash in a fresh process, as text. */
static const char *hash_of(how h, char *text)
{
    int status;

    strcpy(text, support_child(hash_in_child, &h, &status));
    assert_int_equal(strlen(text), 16);
    return text;
}

static void two_processes_hash_differently(void **state)
{
    (void)state;
    char a[16 * 1024], b[16 * 1024];

    assert_string_not_equal(hash_of(HOW_DRAWN, a), hash_of(HOW_DRAWN, b));
    assert_string_not_equal(hash_of(HOW_TOO_LATE, a), hash_of(HOW_SEED_1, b));
}

static void with_one_seed_they_hash_alike(void **state)
{
    (void)state;
    char a[16 * 1024], b[16 * 1024];

    assert_string_equal(hash_of(HOW_SEED_1, a), hash_of(HOW_SEED_1, b));
    assert_string_not_equal(hash_of(HOW_SEED_1, a), hash_of(HOW_SEED_2, b));
    assert_string_equal(hash_of(HOW_SIMULATED, a), hash_of(HOW_SIMULATED, b));
    assert_string_equal(hash_of(HOW_SIMULATED, a), hash_of(HOW_SIMULATED_2, b));
    assert_string_equal(hash_of(HOW_SIMULATED, a), hash_of(HOW_SEED_0, b));
}

static void *hash_on_thread(void *arg)
{
    *(uint64_t *)arg = keel_hash_cstr("a key");
    return NULL;
}

static void hash_on_threads(void *arg)
{
    pthread_t threads[4];
    uint64_t hashes[4];

    (void)arg;
    forget();
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, hash_on_thread, &hashes[i]) != 0)
            fprintf(stderr, "no thread\n");
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (hashes[i] != keel_hash_cstr("a key"))
            fprintf(stderr, "another hash on thread %d\n", i);
    }
}

static void threads_that_hash_first_at_once_agree(void **state)
{
    (void)state;
    int status;

    for (int i = 0; i < 20; i++)
        assert_string_equal(support_child(hash_on_threads, NULL, &status), "");
}

int main(void)
{
    keel_test_init();
    const struct CMUnitTest tests[] = {
        keel_test(integers_have_the_hashes_they_always_had),
        keel_test(integers_of_all_widths_agree_with_their_equality),
        keel_test(combining_depends_on_the_order_and_on_both),
        keel_test(every_bit_of_the_input_changes_half_the_hash),
        keel_test(every_length_of_zeros_has_a_hash_of_its_own),
        keel_test(blocks_in_another_order_have_another_hash),
        keel_test(strings_hash_as_their_bytes_wherever_they_lie),
        keel_test(equality_looks_at_every_byte_and_the_length),
        keel_test(nothing_outside_of_the_bytes_is_read),
        keel_test(keys_made_to_collide_do_not),
        keel_test(two_processes_hash_differently),
        keel_test(with_one_seed_they_hash_alike),
        keel_test(threads_that_hash_first_at_once_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
