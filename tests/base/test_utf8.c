/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "text_rig.h"

/* The model: what encodes to these bytes, tried for each length. */
static size_t model_encode(uint32_t character, char out[4])
{
    size_t count = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };

    for (size_t i = count - 1; i > 0; i--) {
        out[i] = (char)(0x80 | character % 64);
        character /= 64;
    }
    out[0] = (char)(lead[count] | character);
    return count;
}

static bool is_scalar(uint32_t character)
{
    return character < 0xD800 || (character > 0xDFFF && character <= 0x10FFFF);
}

/* Bytes of the first character, 0 if there is none that encodes to them. */
static size_t model_decode(keel_str str, uint32_t *character)
{
    static const unsigned char masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };

    for (size_t count = 1; count <= 4 && count <= str.len; count++) {
        char back[4];
        uint32_t value = (unsigned char)str.ptr[0] & masks[count];
        for (size_t i = 1; i < count; i++)
            value = value << 6 | ((unsigned char)str.ptr[i] & 0x3F);
        if (is_scalar(value) && model_encode(value, back) == count &&
            memcmp(back, str.ptr, count) == 0) {
            *character = value;
            return count;
        }
    }
    return 0;
}

static size_t model_bad(keel_str str)
{
    size_t at = 0, count;
    uint32_t character;

    while (at < str.len && (count = model_decode(keel_str_slice(str, at, 4), &character)) != 0)
        at += count;
    return at;
}

static void every_character_is_read_and_written(void **state)
{
    (void)state;
    keel_buf buf = { 0 };

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[4];
        uint32_t got = 0;
        size_t bad, count = model_encode(is_scalar(c) ? c : 0xFFFD, bytes);

        keel_buf_clear(&buf);
        assert_ok(keel_buf_append_utf8(&buf, c));
        if (buf.len != count || memcmp(buf.ptr, bytes, count) != 0)
            fail_msg("U+%04X is written as another character", (unsigned)c);
        if (keel_str_decode(keel_buf_str(&buf), &got) != count ||
            got != (is_scalar(c) ? c : 0xFFFD))
            fail_msg("U+%04X is read as U+%04X", (unsigned)c, (unsigned)got);
        if (!keel_str_is_utf8(keel_buf_str(&buf), &bad) || bad != count)
            fail_msg("U+%04X is not well-formed", (unsigned)c);
    }
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_utf8(&buf, 0x110000));
    assert_string_equal(keel_buf_text(&buf), "\xEF\xBF\xBD");
    keel_buf_deinit(&buf);
}

/* All of two bytes; of three and four those at the borders of table 3-7. */
static void what_encodes_no_character_is_refused(void **state)
{
    static const unsigned char edges[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                           0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                           0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF };
    const size_t n = sizeof edges;

    (void)state;
    for (size_t i = 0; i < n * n * n * n; i++) {
        char bytes[4] = { (char)edges[i % n], (char)edges[i / n % n], (char)edges[i / n / n % n],
                          (char)edges[i / n / n / n] };
        for (size_t len = 1; len <= 4; len++) {
            keel_str str = { bytes + 4 - len, len };
            uint32_t want = 0, got = 0;
            size_t count = model_decode(str, &want), bad;

            if (count == 0)
                want = 0xFFFD;
            if (keel_str_decode(str, &got) != (count > 0 ? count : 1) || got != want)
                fail_msg("decode of case %zu with %zu bytes", i, len);
            bool valid = keel_str_is_utf8(str, &bad);
            if (bad != model_bad(str) || valid != (bad == len))
                fail_msg("check of case %zu with %zu bytes", i, len);
        }
    }
}

static void the_empty_string_has_no_character(void **state)
{
    (void)state;
    uint32_t character = 7;
    size_t bad = 7;

    assert_int_equal(keel_str_decode((keel_str){ NULL, 0 }, &character), 0);
    assert_int_equal(character, 0);
    assert_true(keel_str_is_utf8((keel_str){ NULL, 0 }, &bad));
    assert_int_equal(bad, 0);
    assert_true(keel_str_is_utf8(KEEL_STR("a\0b"), NULL));
    assert_false(keel_str_is_utf8(KEEL_STR("a\xFF"), NULL));
}

static void random_bytes_are_checked_as_the_model_does(void **state)
{
    (void)state;
    keel_rand rand;
    char bytes[200];

    keel_rand_seed(&rand, 21);
    for (size_t round = rig_rounds(); round > 0; round--) {
        size_t len = rig_bytes(&rand, bytes, sizeof bytes), bad;
        keel_str str = { rig_at_page_end(bytes, len), len };
        bool valid = keel_str_is_utf8(str, &bad);

        if (bad != model_bad(str) || valid != (bad == len))
            fail_msg("round %zu", round);
    }
}

/* One bad byte at each place of ASCII of each length, so that each step of the fast path sees one. */
static void a_bad_byte_is_found_wherever_it_is(void **state)
{
    char bytes[100];

    (void)state;
    for (size_t len = 1; len <= sizeof bytes; len++) {
        for (size_t place = 0; place < len; place++) {
            size_t bad;
            memset(bytes, 'a', len);
            bytes[place] = (char)0x80;
            assert_false(keel_str_is_utf8((keel_str){ rig_at_page_end(bytes, len), len }, &bad));
            assert_int_equal(bad, place);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(every_character_is_read_and_written),
        support_test(what_encodes_no_character_is_refused),
        support_test(the_empty_string_has_no_character),
        support_test(random_bytes_are_checked_as_the_model_does),
        support_test(a_bad_byte_is_found_wherever_it_is),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
