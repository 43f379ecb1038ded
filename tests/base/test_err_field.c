/* SPDX-License-Identifier: MIT */
#include "support.h"

typedef struct code {
    int code;
} code;

static int format_code(char *buf, size_t size, const void *payload)
{
    return snprintf(buf, size, "code %d", ((const code *)payload)->code);
}
KEEL_ERR_TYPE(code, format_code);

typedef struct counted {
    int refs;
    bool refuses;
} counted;

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
KEEL_ANY_TYPE_FULL(counted, NULL, dup_counted, free_counted);

/* Its JSON is `want`, and it is freed. */
static void assert_json(keel_err *err, const char *want)
{
    char buf[1024], part[1024];
    size_t length = keel_err_json(err, buf, sizeof buf);

    assert_string_equal(buf, want);
    assert_int_equal(length, strlen(want));
    for (size_t size = 1; size <= length; size += 7) {
        assert_int_equal(keel_err_json(err, part, size), length);
        assert_memory_equal(part, want, size - 1);
        assert_int_equal(part[size - 1], '\0');
    }
    keel_err_free(err);
}

static int64_t number(const keel_err *err, const char *key)
{
    keel_any v = keel_any_i64(99);
    int64_t n = -1;
    bool found = keel_err_field(err, key, &v);

    assert_int_equal(found, keel_any_kind(v) != KEEL_ANY_NONE);
    if (found)
        assert_true(keel_any_get_i64(v, &n));
    return n;
}

static void a_field_is_found_through_wraps(void **state)
{
    (void)state;
    keel_err *err = keel_err_with(keel_err_new("no such user"), "user_id", keel_any_i64(42));

    assert_int_equal(number(err, "user_id"), 42);
    assert_int_equal(number(err, "user"), -1);
    err = keel_err_wrap(err, "load");
    err = keel_err_with(err, "try", keel_any_i64(3));
    err = keel_err_wrap(err, "serve");
    assert_int_equal(number(err, "user_id"), 42);
    assert_int_equal(number(err, "try"), 3);
    assert_int_equal(number(NULL, "try"), -1);
    assert_int_equal(number(KEEL_ERR_IO, "try"), -1);
    keel_err_free(err);
}

static void the_outermost_field_of_a_key_wins(void **state)
{
    (void)state;
    keel_err *err = keel_err_with(keel_err_new("x"), "n", keel_any_i64(1));

    err = keel_err_with(err, "n", keel_any_i64(2));
    assert_int_equal(number(err, "n"), 2);
    err = keel_err_with(keel_err_wrap(err, "w"), "n", keel_any_i64(3));
    assert_int_equal(number(err, "n"), 3);
    keel_err_free(err);
}

static void in_a_join_the_first_that_has_the_field_is_asked(void **state)
{
    (void)state;
    keel_err *a = keel_err_new("a");
    keel_err *b = keel_err_with(keel_err_new("b"), "n", keel_any_i64(2));
    keel_err *c = keel_err_with(keel_err_new("c"), "n", keel_any_i64(3));
    keel_err *err = keel_err_join(keel_err_join(a, b), c);

    assert_int_equal(number(err, "n"), 2);
    err = keel_err_with(err, "m", keel_any_i64(7));
    assert_int_equal(number(err, "n"), 2);
    assert_int_equal(number(err, "m"), 7);
    assert_int_equal(keel_err_join_count(err), 3);
    assert_ptr_equal(keel_err_join_get(err, 2), c);
    keel_err_free(err);
}

/* What is asked of an error is answered the same when it has fields. */
static void fields_change_nothing_else(void **state)
{
    (void)state;
    keel_err *inner = KEEL_ERR_NEW(code, { 5 });
    keel_err *wrap = keel_err_wrap(inner, "outer");
    const char *where = keel_err_where(wrap);
    keel_err *err = keel_err_with(wrap, "a", keel_any_i64(1));
    char buf[64];

    err = keel_err_with(err, "b", keel_any_text("two"));
    assert_true(keel_err_is(err, err));
    assert_true(keel_err_is(err, wrap));
    assert_true(keel_err_is(err, inner));
    assert_false(keel_err_is(err, KEEL_ERR_IO));
    assert_int_equal(KEEL_ERR_AS(err, code)->code, 5);
    assert_ptr_equal(keel_err_unwrap(err), inner);
    assert_ptr_equal(keel_err_where(err), where);
    assert_int_equal(keel_err_format(err, buf, sizeof buf), 13);
    assert_string_equal(buf, "outer: code 5");
    keel_err_free(err);

    err = keel_err_with(keel_err_from_errno(2, "open"), "path", keel_any_text("/x"));
    assert_int_equal(keel_err_errno(err), 2);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    assert_null(keel_err_unwrap(err));
    keel_err_free(err);
}

static void a_sentinel_stays_as_it_is(void **state)
{
    (void)state;
    const int line = __LINE__ + 1;
    keel_err *err = keel_err_with(KEEL_ERR_NOT_FOUND, "user_id", keel_any_i64(42));

    err = keel_err_with(err, "table", keel_any_text("users"));
    assert_ptr_not_equal(err, KEEL_ERR_NOT_FOUND);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    assert_int_equal(number(err, "user_id"), 42);
    assert_int_equal(number(KEEL_ERR_NOT_FOUND, "user_id"), -1);
    assert_null(keel_err_where(KEEL_ERR_NOT_FOUND));
    assert_int_equal(atoi(strrchr(keel_err_where(err), ':') + 1), line);
    keel_err_free(err);
    assert_null(keel_err_with(NULL, "user_id", keel_any_i64(42)));
}

static void texts_errors_and_pointers_are_the_errors_own(void **state)
{
    (void)state;
    char key[] = "name", name[] = "Ann";
    counted c = { .refs = 1 };
    keel_err *reason = keel_err_new("reason");
    keel_any v;
    keel_str str;
    const char *text;
    const keel_err *found = NULL;

    keel_err *err = keel_err_with(keel_err_new("x"), key, keel_any_str((keel_str){ name, 2 }));
    memset(name, '?', 3);
    key[0] = '?';
    assert_true(keel_err_field(err, "name", &v));
    assert_true(keel_any_get_str(v, &str) && keel_str_equal(str, KEEL_STR("An")));
    assert_true(keel_any_get_text(v, &text));
    assert_string_equal(text, "An");

    keel_any owned;
    assert_ok(keel_any_dup(&owned, keel_any_text("a copy of a copy")));
    err = keel_err_with(err, "owned", owned);
    keel_any_deinit(&owned);
    assert_true(keel_err_field(err, "owned", &v));
    assert_true(keel_any_eq(v, keel_any_text("a copy of a copy")));

    err = keel_err_with(err, "bytes", keel_any_bytes(NULL, 0));
    assert_true(keel_err_field(err, "bytes", &v));
    assert_true(keel_any_eq(v, keel_any_bytes("", 0)));

    err = keel_err_with(err, "reason", keel_any_err(reason));
    keel_err_free(reason);
    assert_true(keel_err_field(err, "reason", &v) && keel_any_get_err(v, &found));
    assert_ptr_equal(found, reason);
    assert_false(keel_err_is(err, reason)); /* a field is no cause */

    err = keel_err_with(err, "counted", KEEL_ANY_PTR(counted, &c));
    assert_int_equal(c.refs, 2);
    assert_true(keel_err_field(err, "counted", &v));
    assert_ptr_equal(KEEL_ANY_AS(v, counted), &c);
    keel_any_deinit(&v); /* borrowed */
    assert_int_equal(c.refs, 2);
    keel_err_free(err);
    assert_int_equal(c.refs, 1);
}

static void each_link_shows_its_fields_in_the_order_they_came(void **state)
{
    (void)state;
    keel_err *err = keel_err_new_at("a.c:1", "inner");

    err = keel_err_with_at("a.c:2", err, "id", keel_any_i64(42));
    err = keel_err_with_at("a.c:3", err, "na\"me", keel_any_text("A\n"));
    err = keel_err_wrap_at("a.c:4", err, "outer");
    err = keel_err_with_at("a.c:5", err, "ok", keel_any_bool(true));
    assert_json(err, "{\"error\":\"outer: inner\",\"chain\":["
                     "{\"text\":\"outer\",\"at\":\"a.c:4\",\"fields\":{\"ok\":true}},"
                     "{\"text\":\"inner\",\"at\":\"a.c:1\",\"fields\":"
                     "{\"id\":42,\"na\\\"me\":\"A\\n\"}}]}");

    err = keel_err_with_at("a.c:1", KEEL_ERR_IO, "n", keel_any_i64(1));
    err = keel_err_with_at("a.c:2", err, "m", keel_any_none());
    err = keel_err_with_at("a.c:3", err, "n", keel_any_i64(2));
    assert_json(err,
                "{\"error\":\"input/output error\",\"chain\":[{\"text\":\"input/output error\","
                "\"at\":\"a.c:1\",\"fields\":{\"m\":null,\"n\":2}}]}");

    err = keel_err_with_at("a.c:1", keel_err_join(KEEL_ERR_IO, KEEL_ERR_CLOSED), "n",
                           keel_any_err(KEEL_ERR_EOF));
    assert_json(err,
                "{\"error\":\"input/output error\\nclosed\",\"chain\":[{\"errors\":["
                "{\"error\":\"input/output error\",\"chain\":[{\"text\":\"input/output error\"}]},"
                "{\"error\":\"closed\",\"chain\":[{\"text\":\"closed\"}]}],\"at\":\"a.c:1\","
                "\"fields\":{\"n\":\"end of file\"}}]}");
}

/* ---- Joins ---- */

static void joins_under_fields_nest_no_deeper_than_others(void **state)
{
    (void)state;
    keel_err *err = keel_err_new("0");
    char buf[8192];

    for (int i = 1; i < 40; i++) {
        err = keel_err_join(err, keel_err_new("%d", i));
        err = keel_err_with(err, "n", keel_any_i64(i));
    }
    keel_err_json(err, buf, sizeof buf);
    size_t depth = 0;
    for (const char *at = buf; (at = strstr(at, "\"errors\"")) != NULL; at++)
        depth++;
    assert_int_equal(depth, KEEL_ERR_JOIN_DEPTH);
    keel_err_free(err);
}

/* ---- Memory ---- */

static void without_memory_the_error_is_as_it_was(void **state)
{
    (void)state;
    counted c = { .refs = 1, .refuses = true };
    keel_err *err = keel_err_new("x");

    support_mem_fail(1, true);
    keel_err *same = keel_err_with(err, "name", keel_any_text("Ann"));
    keel_err *sentinel = keel_err_with(KEEL_ERR_IO, "name", keel_any_text("Ann"));
    support_mem_fail(0, false);
    assert_ptr_equal(same, err);
    assert_ptr_equal(sentinel, KEEL_ERR_IO);
    assert_ptr_equal(keel_err_with(err, "c", KEEL_ANY_PTR(counted, &c)), err);
    assert_int_equal(number(err, "name"), -1);

    /* a length that cannot be */
    assert_ptr_equal(keel_err_with(err, "n", keel_any_str((keel_str){ "x", SIZE_MAX - 100 })), err);
    assert_ptr_equal(keel_err_with(err, "n", keel_any_str((keel_str){ "x", SIZE_MAX })), err);
    keel_err_free(err);
}

static void a_field_is_one_allocation_and_others_grow_by_nothing(void **state)
{
    (void)state;
    size_t made = support_mem_made();
    keel_err *err = keel_err_new("x");

    assert_int_equal(support_mem_made(), made + 1);
    err = keel_err_with(err, "name", keel_any_text("Ann"));
    assert_int_equal(support_mem_made(), made + 2);
    assert_true(sizeof(keel_err) <= 24);
    keel_err_free(err);
}

/* Fields whose values are errors that have fields whose values are errors, and so on. */
static void long_chains_through_fields_are_freed_without_recursion(void **state)
{
    (void)state;
    keel_err *err = keel_err_new("0");

    for (int i = 0; i < 200000; i++) {
        keel_err *outer = keel_err_with(KEEL_ERR_IO, "cause", keel_any_err(err));
        keel_err_free(err);
        err = outer;
    }
    keel_err_free(err);
    err = keel_err_new("0");
    for (int i = 0; i < 200000; i++)
        err = keel_err_with(err, "n", keel_any_i64(i));
    assert_int_equal(number(err, "n"), 199999);
    assert_int_equal(number(err, "m"), -1);
    keel_err_free(err);
}

static void misuse_no_key(void *arg)
{
    (void)arg;
    keel_err_free(keel_err_with(KEEL_ERR_IO, NULL, keel_any_i64(1)));
}

static void a_field_needs_a_key(void **state)
{
    (void)state;

    support_assert_aborts(misuse_no_key, NULL, "keel_err_with: key is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_field_is_found_through_wraps),
        support_test(the_outermost_field_of_a_key_wins),
        support_test(in_a_join_the_first_that_has_the_field_is_asked),
        support_test(fields_change_nothing_else),
        support_test(a_sentinel_stays_as_it_is),
        support_test(texts_errors_and_pointers_are_the_errors_own),
        support_test(each_link_shows_its_fields_in_the_order_they_came),
        support_test(joins_under_fields_nest_no_deeper_than_others),
        support_test(without_memory_the_error_is_as_it_was),
        support_test(a_field_is_one_allocation_and_others_grow_by_nothing),
        support_test(long_chains_through_fields_are_freed_without_recursion),
        support_test(a_field_needs_a_key),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
