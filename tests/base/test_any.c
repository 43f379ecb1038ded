/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <float.h>
#include <math.h>

#include <keel/any.h>

typedef struct user {
    const char *name;
} user;

typedef struct counted {
    int refs;
    bool refuses;
} counted;

static int format_counted(char *buf, size_t size, const void *object)
{
    return snprintf(buf, size, "%d \"refs\"", ((const counted *)object)->refs);
}

static void *dup_counted(void *object)
{
    counted *c = object;

    if (c->refuses)
        return NULL;
    c->refs++;
    return c;
}

static void free_counted(void *object)
{
    ((counted *)object)->refs--;
}

static int format_fails(char *buf, size_t size, const void *object)
{
    (void)buf, (void)size, (void)object;
    return -1;
}

typedef int broken;
KEEL_ANY_TYPE(user);
KEEL_ANY_TYPE_FULL(counted, format_counted, dup_counted, free_counted);
KEEL_ANY_TYPE_FULL(broken, format_fails, NULL, NULL);
typedef struct user stranger;
KEEL_ANY_TYPE_STATIC(stranger);

static user someone = { "Ann" };

/* One value of each kind, in the order of the kinds. */
static void one_of_each(keel_any values[9])
{
    values[KEEL_ANY_NONE] = keel_any_none();
    values[KEEL_ANY_BOOL] = keel_any_bool(true);
    values[KEEL_ANY_I64] = keel_any_i64(-7);
    values[KEEL_ANY_U64] = keel_any_u64(UINT64_MAX);
    values[KEEL_ANY_DOUBLE] = keel_any_double(0.5);
    values[KEEL_ANY_STR] = keel_any_text("text");
    values[KEEL_ANY_BYTES] = keel_any_bytes("\x00\xFF", 2);
    values[KEEL_ANY_ERR] = keel_any_err(KEEL_ERR_CLOSED);
    values[KEEL_ANY_PTR] = KEEL_ANY_PTR(user, &someone);
}

static void a_zeroed_struct_is_none(void **state)
{
    (void)state;
    keel_any v = { 0 };

    assert_int_equal(keel_any_kind(v), KEEL_ANY_NONE);
    assert_true(keel_any_eq(v, keel_any_none()));
    keel_any_deinit(&v);
    keel_any_deinit(NULL);
}

static void what_is_null_makes_none(void **state)
{
    (void)state;

    assert_int_equal(keel_any_kind(keel_any_text(NULL)), KEEL_ANY_NONE);
    assert_int_equal(keel_any_kind(keel_any_err(NULL)), KEEL_ANY_NONE);
    assert_int_equal(keel_any_kind(KEEL_ANY_PTR(user, NULL)), KEEL_ANY_NONE);
}

static void every_kind_has_its_name_and_no_other_getter_takes_it(void **state)
{
    (void)state;
    const char *names[] = { "none",   "bool",  "int64", "uint64", "double",
                            "string", "bytes", "error", "user" };
    keel_any values[9];

    one_of_each(values);
    for (unsigned i = 0; i < 9; i++) {
        bool b = true;
        int64_t i64 = 9;
        uint64_t u64 = 9;
        double real = 9;
        keel_str str = KEEL_STR("9");
        const char *text = "9";
        const void *bytes = "9";
        size_t count = 9;
        const keel_err *err = KEEL_ERR_IO;
        keel_any v = values[i];

        assert_int_equal(keel_any_kind(v), i);
        assert_string_equal(keel_any_name(v), names[i]);
        assert_int_equal(keel_any_get_bool(v, &b), i == KEEL_ANY_BOOL);
        assert_int_equal(b, i == KEEL_ANY_BOOL);
        assert_int_equal(keel_any_get_i64(v, &i64), i == KEEL_ANY_I64);
        assert_int_equal(i64, i == KEEL_ANY_I64 ? -7 : 0);
        assert_int_equal(keel_any_get_u64(v, &u64), i == KEEL_ANY_U64);
        assert_true(u64 == (i == KEEL_ANY_U64 ? UINT64_MAX : 0));
        assert_int_equal(keel_any_get_double(v, &real), i == KEEL_ANY_DOUBLE || i == KEEL_ANY_I64);
        assert_true(real == (i == KEEL_ANY_DOUBLE ? 0.5 : i == KEEL_ANY_I64 ? -7 : 0));
        assert_int_equal(keel_any_get_str(v, &str), i == KEEL_ANY_STR);
        assert_true(keel_str_equal(str, i == KEEL_ANY_STR ? KEEL_STR("text") : KEEL_STR("")));
        assert_int_equal(keel_any_get_text(v, &text), i == KEEL_ANY_STR);
        assert_true(i == KEEL_ANY_STR ? strcmp(text, "text") == 0 : text == NULL);
        bool is_bytes = i == KEEL_ANY_STR || i == KEEL_ANY_BYTES;
        assert_int_equal(keel_any_get_bytes(v, &bytes, &count), is_bytes);
        assert_int_equal(count, i == KEEL_ANY_STR ? 4 : i == KEEL_ANY_BYTES ? 2 : 0);
        assert_int_equal(bytes != NULL, is_bytes);
        assert_int_equal(keel_any_get_err(v, &err), i == KEEL_ANY_ERR);
        assert_ptr_equal(err, i == KEEL_ANY_ERR ? KEEL_ERR_CLOSED : NULL);
        assert_ptr_equal(KEEL_ANY_AS(v, user), i == KEEL_ANY_PTR ? &someone : NULL);
        assert_null(KEEL_ANY_AS(v, stranger));
    }
}

static void numbers_convert_where_nothing_is_lost(void **state)
{
    (void)state;
    const double two63 = 9223372036854775808.0, two64 = 18446744073709551616.0;
    const struct {
        const char *name;
        keel_any v;
        bool i64, u64, real;
    } rows[] = {
        { "0", keel_any_i64(0), true, true, true },
        { "-1", keel_any_i64(-1), true, false, true },
        { "the least int64", keel_any_i64(INT64_MIN), true, false, true },
        { "the largest int64", keel_any_i64(INT64_MAX), true, true, false },
        { "2^53 + 1", keel_any_i64((INT64_C(1) << 53) + 1), true, true, false },
        { "-2^53", keel_any_i64(-(INT64_C(1) << 53)), true, false, true },
        { "unsigned 7", keel_any_u64(7), true, true, true },
        { "2^63 unsigned", keel_any_u64(UINT64_C(1) << 63), false, true, true },
        { "the largest int64, unsigned", keel_any_u64(INT64_MAX), true, true, false },
        { "the largest uint64", keel_any_u64(UINT64_MAX), false, true, false },
        { "3.0", keel_any_double(3), true, true, true },
        { "-3.0", keel_any_double(-3), true, false, true },
        { "0.5", keel_any_double(0.5), false, false, true },
        { "-0.5", keel_any_double(-0.5), false, false, true },
        { "0.0", keel_any_double(0.0), true, true, true },
        { "-0.0", keel_any_double(-0.0), false, false, true },
        { "2^63", keel_any_double(two63), false, true, true },
        { "-2^63", keel_any_double(-two63), true, false, true },
        { "below -2^63", keel_any_double(-two63 * 1.5), false, false, true },
        { "the double before 2^63", keel_any_double(two63 * (1 - DBL_EPSILON / 2)), true, true,
          true },
        { "2^64", keel_any_double(two64), false, false, true },
        { "the double before 2^64", keel_any_double(two64 * (1 - DBL_EPSILON / 2)), false, true,
          true },
        { "infinity", keel_any_double(INFINITY), false, false, true },
        { "NaN", keel_any_double(NAN), false, false, true },
        { "true", keel_any_bool(true), false, false, false },
        { "a text of digits", keel_any_text("1"), false, false, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t i64 = 99;
        uint64_t u64 = 99;
        double real = 99;
        bool ok = keel_any_get_i64(rows[i].v, &i64) == rows[i].i64 &&
                  keel_any_get_u64(rows[i].v, &u64) == rows[i].u64 &&
                  keel_any_get_double(rows[i].v, &real) == rows[i].real;

        if (!ok)
            print_error("%s\n", rows[i].name);
        assert_true(ok);
        /* those that convert are equal, those that do not are zero */
        if (rows[i].i64 && rows[i].u64)
            assert_true((uint64_t)i64 == u64);
        if (rows[i].i64 && rows[i].real)
            assert_true((int64_t)real == i64 && (double)i64 == real);
        if (rows[i].u64 && rows[i].real)
            assert_true((double)u64 == real);
        assert_true((rows[i].i64 || i64 == 0) && (rows[i].u64 || u64 == 0) &&
                    (rows[i].real || real == 0));
    }
}

static void only_a_text_with_its_nul_behind_it_is_a_c_string(void **state)
{
    (void)state;
    const char *text;
    keel_str str;
    keel_any copy;

    assert_true(keel_any_get_text(keel_any_text(""), &text));
    assert_string_equal(text, "");
    assert_false(keel_any_get_text(keel_any_str(KEEL_STR("abc")), &text));
    assert_true(keel_any_get_str(keel_any_str(KEEL_STR("abc")), &str));
    assert_ok(keel_any_dup(&copy, keel_any_str(keel_str_slice(KEEL_STR("abcdef"), 1, 3))));
    assert_true(keel_any_get_text(copy, &text));
    assert_string_equal(text, "bcd");
    keel_any_deinit(&copy);
    assert_ok(keel_any_dup(&copy, keel_any_str(KEEL_STR("a\0b"))));
    assert_false(keel_any_get_text(copy, &text));
    assert_null(text);
    keel_any_deinit(&copy);
}

static void values_are_equal_in_kind_and_content(void **state)
{
    (void)state;
    char ann[] = "Ann";
    user other = { "Ann" };
    keel_any values[9], again[9];

    one_of_each(values);
    one_of_each(again);
    for (int i = 0; i < 9; i++)
        for (int k = 0; k < 9; k++)
            assert_int_equal(keel_any_eq(values[i], again[k]), i == k);

    assert_true(keel_any_eq(keel_any_text("Ann"), keel_any_text(ann)));
    assert_true(keel_any_eq(keel_any_text(""), keel_any_str((keel_str){ 0 })));
    assert_false(keel_any_eq(keel_any_text("Ann"), keel_any_text("Anna")));
    assert_false(keel_any_eq(keel_any_text("Ann"), keel_any_text("Amy")));
    assert_false(keel_any_eq(keel_any_bytes("a", 1), keel_any_text("a")));
    assert_false(keel_any_eq(keel_any_bool(true), keel_any_bool(false)));
    assert_false(keel_any_eq(keel_any_i64(1), keel_any_i64(2)));
    assert_false(keel_any_eq(keel_any_u64(1), keel_any_u64(2)));
    assert_false(keel_any_eq(keel_any_i64(1), keel_any_u64(1)));
    assert_false(keel_any_eq(keel_any_double(NAN), keel_any_double(NAN)));
    assert_true(keel_any_eq(keel_any_double(0.0), keel_any_double(-0.0)));
    assert_false(keel_any_eq(keel_any_err(KEEL_ERR_IO), keel_any_err(KEEL_ERR_CLOSED)));
    assert_false(keel_any_eq(KEEL_ANY_PTR(user, &someone), KEEL_ANY_PTR(user, &other)));
    assert_false(
        keel_any_eq(KEEL_ANY_PTR(user, &someone), keel_any_ptr(&someone, &keel_any_type_stranger)));
}

/* ---- Text ---- */

static void values_have_a_text_and_a_json(void **state)
{
    (void)state;
    counted c = { .refs = 3 };
    broken b = 0;
    keel_err *err = keel_err_join(keel_err_new("a \"b\""), keel_err_new("c"));
    const struct {
        keel_any v;
        const char *text, *json;
    } rows[] = {
        { keel_any_none(), "none", "null" },
        { keel_any_bool(true), "true", "true" },
        { keel_any_bool(false), "false", "false" },
        { keel_any_i64(INT64_MIN), "-9223372036854775808", "-9223372036854775808" },
        { keel_any_i64(0), "0", "0" },
        { keel_any_u64(UINT64_MAX), "18446744073709551615", "18446744073709551615" },
        { keel_any_double(0.1), "0.1", "0.1" },
        { keel_any_double(-DBL_MIN), "-2.2250738585072014e-308", "-2.2250738585072014e-308" },
        { keel_any_double(NAN), "nan", "null" },
        { keel_any_double(INFINITY), "inf", "null" },
        { keel_any_double(-INFINITY), "-inf", "null" },
        { keel_any_text("a\"b\n"), "a\"b\n", "\"a\\\"b\\n\"" },
        { keel_any_str((keel_str){ 0 }), "", "\"\"" },
        { keel_any_text("\xC3\xA9\xFF"), "\xC3\xA9\xFF", "\"\xC3\xA9\xEF\xBF\xBD\"" },
        { keel_any_bytes("", 0), "", "\"\"" },
        { keel_any_bytes(NULL, 0), "", "\"\"" },
        { keel_any_bytes("f", 1), "66", "\"Zg==\"" },
        { keel_any_bytes("fo", 2), "666f", "\"Zm8=\"" },
        { keel_any_bytes("foo", 3), "666f6f", "\"Zm9v\"" },
        { keel_any_bytes("foob", 4), "666f6f62", "\"Zm9vYg==\"" },
        { keel_any_bytes("\xFB\xFF\xBE\x00", 4), "fbffbe00", "\"+/++AA==\"" },
        { keel_any_err(KEEL_ERR_IO), "input/output error", "\"input/output error\"" },
        { keel_any_err(err), "a \"b\"\nc", "\"a \\\"b\\\"\\nc\"" },
        { KEEL_ANY_PTR(user, &someone), "<user>", "\"<user>\"" },
        { KEEL_ANY_PTR(counted, &c), "3 \"refs\"", "\"3 \\\"refs\\\"\"" },
        { KEEL_ANY_PTR(broken, &b), "broken", "\"broken\"" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char buf[64];
        keel_buf text = { 0 }, json = { 0 };

        memset(buf, '#', sizeof buf);
        assert_int_equal(keel_any_format(rows[i].v, buf, sizeof buf), strlen(rows[i].text));
        assert_string_equal(buf, rows[i].text);
        assert_int_equal(keel_any_json(rows[i].v, buf, sizeof buf), strlen(rows[i].json));
        assert_string_equal(buf, rows[i].json);

        assert_ok(keel_buf_append_text(&text, "v="));
        assert_ok(keel_any_append(rows[i].v, &text));
        assert_memory_equal(keel_buf_text(&text), "v=", 2);
        assert_string_equal(keel_buf_text(&text) + 2, rows[i].text);
        assert_int_equal(text.len, 2 + strlen(rows[i].text));
        assert_ok(keel_any_append_json(rows[i].v, &json));
        assert_string_equal(keel_buf_text(&json), rows[i].json);
        keel_buf_deinit(&text);
        keel_buf_deinit(&json);
    }
    keel_err_free(err);
}

static void a_text_is_cut_as_snprintf_does(void **state)
{
    (void)state;
    keel_any values[9];
    char whole[64], part[64];

    one_of_each(values);
    for (int i = 0; i < 9; i++) {
        size_t length = keel_any_json(values[i], whole, sizeof whole);

        assert_int_equal(keel_any_json(values[i], NULL, 0), length);
        for (size_t size = 1; size <= length + 1; size++) {
            memset(part, '#', sizeof part);
            assert_int_equal(keel_any_json(values[i], part, size), length);
            assert_memory_equal(part, whole, size - 1);
            assert_int_equal(part[size - 1], '\0');
            assert_int_equal(part[size], '#');
        }
    }
}

static void a_buffer_that_cannot_grow_stays_as_it_was(void **state)
{
    (void)state;
    keel_buf buf = { .max_bytes = 8 };

    assert_ok(keel_buf_append_text(&buf, "1234"));
    assert_err(keel_any_append(keel_any_text("56789"), &buf), KEEL_ERR_LIMIT);
    assert_string_equal(keel_buf_text(&buf), "1234");
    assert_ok(keel_any_append(keel_any_text("5678"), &buf));
    assert_err(keel_any_append_json(keel_any_none(), &buf), KEEL_ERR_LIMIT);
    assert_string_equal(keel_buf_text(&buf), "12345678");
    keel_buf_deinit(&buf);
}

/* ---- Owning ---- */

static void a_dup_owns_what_it_refers_to(void **state)
{
    (void)state;
    char text[] = "text";
    counted c = { .refs = 1 };
    keel_err *err = keel_err_new("mine");
    keel_any copy;

    assert_ok(keel_any_dup(&copy, keel_any_text(text)));
    text[0] = '?';
    assert_true(keel_any_eq(copy, keel_any_text("text")));
    keel_any_deinit(&copy);
    assert_int_equal(keel_any_kind(copy), KEEL_ANY_NONE);
    keel_any_deinit(&copy);

    assert_ok(keel_any_dup(&copy, keel_any_err(err)));
    keel_err_free(err);
    assert_true(keel_any_eq(copy, keel_any_err(err)));
    assert_int_equal(keel_any_format(copy, NULL, 0), 4);
    keel_any_deinit(&copy);

    assert_ok(keel_any_dup(&copy, KEEL_ANY_PTR(counted, &c)));
    assert_int_equal(c.refs, 2);
    assert_ptr_equal(KEEL_ANY_AS(copy, counted), &c);
    keel_any_deinit(&copy);
    assert_int_equal(c.refs, 1);
}

static void what_is_borrowed_is_left_alone(void **state)
{
    (void)state;
    counted c = { .refs = 1 };
    keel_any v = KEEL_ANY_PTR(counted, &c), copy;

    keel_any_deinit(&v);
    assert_int_equal(c.refs, 1);
    assert_ok(keel_any_dup(&copy, KEEL_ANY_PTR(counted, &c)));
    v = keel_any_borrow(copy);
    assert_ptr_equal(KEEL_ANY_AS(v, counted), &c);
    keel_any_deinit(&v);
    assert_int_equal(c.refs, 2);
    keel_any_deinit(&copy);

    /* numbers, and a pointer without a dup, own nothing to begin with */
    size_t made = support_mem_made();
    assert_ok(keel_any_dup(&copy, KEEL_ANY_PTR(user, &someone)));
    assert_ptr_equal(KEEL_ANY_AS(copy, user), &someone);
    keel_any_deinit(&copy);
    assert_ok(keel_any_dup(&copy, keel_any_i64(3)));
    keel_any_deinit(&copy);
    assert_int_equal(support_mem_made(), made);
}

static void a_text_may_be_part_of_the_buffer(void **state)
{
    (void)state;
    keel_buf buf = { 0 };

    for (int i = 0; i < 6; i++)
        assert_ok(keel_buf_append_text(&buf, "0123456789"));
    assert_ok(keel_any_append(keel_any_str((keel_str){ buf.ptr, 60 }), &buf)); /* it moves */
    assert_ok(keel_any_append(keel_any_str((keel_str){ buf.ptr, 120 }), &buf));
    assert_int_equal(buf.len, 240);
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], '0' + i % 10);
    keel_buf_deinit(&buf);
}

static void without_memory_there_is_no_dup(void **state)
{
    (void)state;
    counted c = { .refs = 1, .refuses = true };
    keel_any copy = keel_any_i64(1);

    support_mem_fail(1, true);
    keel_err *err = keel_any_dup(&copy, keel_any_text("text"));
    support_mem_fail(0, false);
    assert_err(err, KEEL_ERR_NOMEM);
    assert_int_equal(keel_any_kind(copy), KEEL_ANY_NONE);
    keel_any_deinit(&copy);

    copy = keel_any_i64(1);
    assert_err(keel_any_dup(&copy, KEEL_ANY_PTR(counted, &c)), KEEL_ERR_NOMEM);
    assert_int_equal(keel_any_kind(copy), KEEL_ANY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_zeroed_struct_is_none),
        support_test(what_is_null_makes_none),
        support_test(every_kind_has_its_name_and_no_other_getter_takes_it),
        support_test(numbers_convert_where_nothing_is_lost),
        support_test(only_a_text_with_its_nul_behind_it_is_a_c_string),
        support_test(values_are_equal_in_kind_and_content),
        support_test(values_have_a_text_and_a_json),
        support_test(a_text_is_cut_as_snprintf_does),
        support_test(a_buffer_that_cannot_grow_stays_as_it_was),
        support_test(a_dup_owns_what_it_refers_to),
        support_test(what_is_borrowed_is_left_alone),
        support_test(a_text_may_be_part_of_the_buffer),
        support_test(without_memory_there_is_no_dup),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
