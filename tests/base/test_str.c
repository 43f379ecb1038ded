/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <ctype.h>

#include "text_rig.h"

#define NOTHING ((keel_str){ NULL, 0 })

/* ---- Views ---- */

static void views_are_made_of_literals_and_c_strings(void **state)
{
    (void)state;
    static const keel_str fixed = KEEL_STR_INIT("fixed");
    char text[32];

    rig_assert_str(fixed, "fixed");
    rig_assert_str(KEEL_STR("a b"), "a b");
    assert_int_equal(KEEL_STR("a\0b").len, 3);
    rig_assert_str(keel_str_from("text"), "text");
    assert_int_equal(keel_str_from(NULL).len, 0);
    snprintf(text, sizeof text, "<" KEEL_STR_FMT "|" KEEL_STR_FMT ">", KEEL_STR_ARG(fixed),
             KEEL_STR_ARG(NOTHING));
    assert_string_equal(text, "<fixed|>");
}

static void a_copy_ends_in_nul(void **state)
{
    (void)state;
    char *copy;

    assert_ok(keel_str_dup(&copy, keel_str_slice(KEEL_STR("prefix"), 0, 3)));
    assert_string_equal(copy, "pre");
    keel_mem_free(copy);
    assert_ok(keel_str_dup(&copy, NOTHING));
    assert_string_equal(copy, "");
    keel_mem_free(copy);
    support_mem_fail(1, false);
    assert_err(keel_str_dup(&copy, KEEL_STR("x")), KEEL_ERR_NOMEM);
    assert_null(copy);
    assert_err(keel_str_dup(&copy, (keel_str){ "x", SIZE_MAX }), KEEL_ERR_NOMEM);
}

/* ---- Against slow models ---- */

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static int model_compare(keel_str a, keel_str b, bool ignore_case)
{
    for (size_t i = 0;; i++) {
        if (i == a.len || i == b.len)
            return (i < a.len) - (i < b.len);
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        if (ignore_case && x < 0x80)
            x = (unsigned char)tolower(x);
        if (ignore_case && y < 0x80)
            y = (unsigned char)tolower(y);
        if (x != y)
            return x < y ? -1 : 1;
    }
}

static bool model_is_at(keel_str str, size_t at, keel_str what)
{
    for (size_t i = 0; i < what.len; i++) {
        if (at + i >= str.len || str.ptr[at + i] != what.ptr[i])
            return false;
    }
    return true;
}

static size_t model_find(keel_str str, keel_str what)
{
    for (size_t at = 0; at + what.len <= str.len; at++) {
        if (model_is_at(str, at, what))
            return at;
    }
    return str.len;
}

static void check_comparisons(keel_str a, keel_str b)
{
    assert_int_equal(sign(keel_str_compare(a, b)), model_compare(a, b, false));
    assert_int_equal(sign(keel_str_compare_ignore_case(a, b)), model_compare(a, b, true));
    assert_int_equal(keel_str_equal(a, b), model_compare(a, b, false) == 0);
    assert_int_equal(keel_str_equal_ignore_case(a, b), model_compare(a, b, true) == 0);
    assert_int_equal(keel_str_starts_with(a, b), model_is_at(a, 0, b));
    assert_int_equal(keel_str_ends_with(a, b), a.len >= b.len && model_is_at(a, a.len - b.len, b));
}

static void check_searches(keel_str str, keel_str what)
{
    size_t at = 7777, want = model_find(str, what);
    bool is = want < str.len || what.len == 0;
    char byte = what.len > 0 ? what.ptr[0] : ',';
    keel_str before, after, one = { &byte, 1 };

    assert_int_equal(keel_str_find(str, what, &at), is);
    assert_int_equal(at, want);
    assert_int_equal(keel_str_find(str, what, NULL), is);
    assert_int_equal(keel_str_cut(str, what, &before, &after), is);
    assert_int_equal(before.len, want);
    assert_int_equal(after.len, is ? str.len - want - what.len : 0);
    assert_true(model_is_at(str, 0, before) && (!is || model_is_at(str, want + what.len, after)));

    want = model_find(str, one);
    assert_int_equal(keel_str_find_byte(str, byte, &at), want < str.len);
    assert_int_equal(at, want);
    while (want < str.len &&
           model_find(keel_str_slice(str, want + 1, str.len), one) < str.len - want - 1)
        want += 1 + model_find(keel_str_slice(str, want + 1, str.len), one);
    assert_int_equal(keel_str_find_last_byte(str, byte, &at), want < str.len);
    assert_int_equal(at, want);
}

/* Put together again with the separators, the fields are the string; words are what isspace leaves. */
static void check_fields(keel_str str)
{
    keel_str_split split = { .rest = str, .separator = ',' };
    keel_str rest = str, field, word;
    size_t at = 0, fields = 0, separators = 0;

    while (keel_str_split_next(&split, &field)) {
        if (fields++ > 0)
            assert_int_equal(str.ptr[at++], ',');
        assert_true(model_is_at(str, at, field) && !keel_str_find_byte(field, ',', NULL));
        at += field.len;
    }
    assert_int_equal(at, str.len);
    assert_int_equal(field.len, 0);
    assert_false(keel_str_split_next(&split, &field));
    for (size_t i = 0; i < str.len; i++)
        separators += str.ptr[i] == ',';
    assert_int_equal(fields, separators + 1);

    for (at = 0; keel_str_next_word(&rest, &word); at += word.len) {
        while (isspace((unsigned char)str.ptr[at]))
            at++;
        assert_true(word.len > 0 && model_is_at(str, at, word));
        for (size_t i = 0; i < word.len; i++)
            assert_false(isspace((unsigned char)word.ptr[i]));
        assert_true(at + word.len == str.len || isspace((unsigned char)str.ptr[at + word.len]));
    }
    while (at < str.len)
        assert_true(isspace((unsigned char)str.ptr[at++]));
    assert_int_equal(word.len, 0);
}

static void check_trims(keel_str str)
{
    size_t from = 0, to = str.len;

    while (from < to && isspace((unsigned char)str.ptr[from]))
        from++;
    while (to > from && isspace((unsigned char)str.ptr[to - 1]))
        to--;
    assert_int_equal(keel_str_trim(str).len, to - from);
    assert_true(model_is_at(str, from, keel_str_trim(str)));
    assert_int_equal(keel_str_trim_start(str).len, str.len - from);
    assert_true(model_is_at(str, from, keel_str_trim_start(str)));
    assert_true(model_is_at(str, 0, keel_str_trim_end(str)));
    assert_int_equal(keel_str_trim_end(str).len, from < to ? to : 0);
}

static void random_strings_are_taken_as_the_models_take_them(void **state)
{
    (void)state;
    keel_rand rand;
    char bytes[60], other[60];

    keel_rand_seed(&rand, 1);
    for (size_t round = rig_rounds(); round > 0; round--) {
        size_t len = rig_bytes(&rand, bytes, sizeof bytes);
        keel_str str = { rig_at_page_end(bytes, len), len };
        /* often a part of it, or of it with one byte changed */
        size_t from = (size_t)keel_rand_below(&rand, len + 1);
        size_t part = (size_t)keel_rand_below(&rand, keel_rand_below(&rand, 2) == 0 ? 4 : len + 1);
        keel_str what = keel_str_slice(str, from, part);
        if (what.len > 0 && keel_rand_below(&rand, 3) == 0) {
            memcpy(other, what.ptr, what.len);
            other[keel_rand_below(&rand, what.len)] ^= (char)(1 << keel_rand_below(&rand, 7));
            what.ptr = other;
        }
        check_comparisons(str, what);
        check_comparisons(what, str);
        check_searches(str, what);
        check_fields(str);
        check_trims(str);
    }
}

static void empty_strings_are_empty_without_a_pointer_too(void **state)
{
    (void)state;
    keel_str before, after;
    size_t at = 7;

    check_comparisons(NOTHING, NOTHING);
    check_comparisons(NOTHING, KEEL_STR("a"));
    check_comparisons(KEEL_STR("a"), NOTHING);
    check_searches(NOTHING, KEEL_STR("a"));
    check_searches(KEEL_STR("a"), NOTHING);
    check_searches(NOTHING, NOTHING);
    check_fields(NOTHING);
    check_fields(KEEL_STR(""));
    check_trims(NOTHING);
    assert_true(keel_str_find(KEEL_STR("abc"), NOTHING, &at));
    assert_int_equal(at, 0);
    assert_false(keel_str_cut(NOTHING, KEEL_STR("="), &before, &after));
    assert_int_equal(before.len + after.len, 0);
}

static void slices_stay_inside(void **state)
{
    (void)state;
    const keel_str str = KEEL_STR("abcdef");

    rig_assert_str(keel_str_slice(str, 2, 3), "cde");
    rig_assert_str(keel_str_slice(str, 4, 3), "ef");
    rig_assert_str(keel_str_slice(str, 0, SIZE_MAX), "abcdef");
    rig_assert_str(keel_str_slice(str, 5, SIZE_MAX), "f");
    rig_assert_str(keel_str_slice(str, 6, 1), "");
    rig_assert_str(keel_str_slice(str, SIZE_MAX, SIZE_MAX), "");
}

static void fields_come_as_from_go(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fields[5];
    } rows[] = {
        { "a,b,c", { "a", "b", "c" } },
        { "", { "" } },
        { ",", { "", "" } },
        { "a,", { "a", "" } },
        { ",a", { "", "a" } },
        { "a,,b", { "a", "", "b" } },
        { "abc", { "abc" } },
        { " a ,b", { " a ", "b" } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        keel_str_split split = { .rest = keel_str_from(rows[i].text), .separator = ',' };
        keel_str field;
        size_t n = 0;
        for (; keel_str_split_next(&split, &field); n++)
            rig_assert_str(field, rows[i].fields[n]);
        assert_null(rows[i].fields[n]);
    }
}

/* A plain search compares 10^10 bytes, and the test times out. */
static void a_search_is_not_quadratic(void **state)
{
    (void)state;
    static char text[200000], what[100001];
    const keel_str all = { text, sizeof text }, part = { what, sizeof what };
    size_t at;

    memset(text, 'a', sizeof text);
    memset(what, 'a', sizeof what);
    what[sizeof what - 1] = 'b';
    assert_false(keel_str_find(all, part, &at));
    text[sizeof text - 1] = 'b';
    assert_true(keel_str_find(all, part, &at));
    assert_int_equal(at, sizeof text - sizeof what);
}

/* One call with a NULL where none may be. */
static void with_null(void *arg)
{
    keel_str out = NOTHING;
    keel_str_split split = { 0 };

    switch (*(int *)arg) {
    case 0:
        keel_err_free(keel_str_dup(NULL, out));
        break;
    case 1:
        (void)keel_str_cut(out, out, NULL, &out);
        break;
    case 2:
        (void)keel_str_cut(out, out, &out, NULL);
        break;
    case 3:
        (void)keel_str_split_next(NULL, &out);
        break;
    case 4:
        (void)keel_str_split_next(&split, NULL);
        break;
    case 5:
        (void)keel_str_next_word(NULL, &out);
        break;
    case 6:
        (void)keel_str_next_word(&out, NULL);
        break;
    default:
        (void)keel_str_decode(out, NULL);
        break;
    }
}

static void null_is_misuse(void **state)
{
    static const char *const messages[] = {
        "keel_str_dup: out",          "keel_str_cut: before",       "keel_str_cut: after",
        "keel_str_split_next: split", "keel_str_split_next: field", "keel_str_next_word: rest",
        "keel_str_next_word: word",   "keel_str_decode: character",
    };

    (void)state;
    for (int i = 0; i < (int)(sizeof messages / sizeof messages[0]); i++)
        support_assert_aborts(with_null, &i, messages[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(views_are_made_of_literals_and_c_strings),
        support_test(a_copy_ends_in_nul),
        support_test(random_strings_are_taken_as_the_models_take_them),
        support_test(empty_strings_are_empty_without_a_pointer_too),
        support_test(slices_stay_inside),
        support_test(fields_come_as_from_go),
        support_test(a_search_is_not_quadratic),
        support_test(null_is_misuse),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
