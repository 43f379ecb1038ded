/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>

/* The text of chains, cut to any size, and as JSON. */

typedef struct payload {
    size_t length; /* of its text */
    char fill;
    bool broken;
} payload;

static int format_payload(char *buf, size_t size, const void *arg)
{
    const payload *p = arg;
    static char text[5000];

    if (p->broken)
        return -1;
    memset(text, p->fill, p->length);
    return snprintf(buf, size, "%.*s", (int)p->length, text);
}
KEEL_ERR_TYPE(payload, format_payload);

/* Every size of buffer gives the beginning that fits, a NUL, the whole length, and touches nothing
 * else. The sizes are those of blocks, so that a sanitizer sees one byte too many. */
static void assert_like_snprintf(size_t (*write)(const keel_err *, char *, size_t),
                                 const keel_err *err, const char *want)
{
    size_t length = strlen(want);

    assert_int_equal(write(err, NULL, 0), length);
    for (size_t size = 1; size <= length + 2; size++) {
        char *buf = malloc(size + 1);
        assert_non_null(buf);
        memset(buf, '#', size + 1);
        assert_int_equal(write(err, buf, size), length);
        size_t fits = length < size ? length : size - 1;
        assert_memory_equal(buf, want, fits);
        assert_int_equal(buf[fits], '\0');
        assert_int_equal(buf[size], '#');
        free(buf);
    }
}

static keel_err *all_kinds(void)
{
    keel_err *err = keel_err_wrap(keel_err_new("text %d", 1), "wrap");

    err = keel_err_join(err, KEEL_ERR_NEW(payload, { .length = 7, .fill = 'p' }));
    err = keel_err_join(err, keel_err_from_errno(ENOENT, "open"));
    return keel_err_wrap(err, "outer");
}

static void a_text_is_cut_as_snprintf_does(void **state)
{
    (void)state;
    keel_err *err = all_kinds();

    assert_like_snprintf(keel_err_format, err,
                         "outer: wrap: text 1\nppppppp\nopen: no such file or directory");
    assert_like_snprintf(keel_err_format, NULL, "no error");
    keel_err_free(err);
}

static void a_json_is_cut_as_snprintf_does(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap_at(
        "c.c:3",
        keel_err_join(keel_err_new_at("a.c:1", "a"), keel_err_from_errno_at("b.c:2", ENOENT, "b")),
        "outer");

    assert_like_snprintf(
        keel_err_json, err,
        "{\"error\":\"outer: a\\nb: no such file or directory\",\"chain\":["
        "{\"text\":\"outer\",\"at\":\"c.c:3\"},"
        "{\"errors\":["
        "{\"error\":\"a\",\"chain\":[{\"text\":\"a\",\"at\":\"a.c:1\"}]},"
        "{\"error\":\"b: no such file or directory\",\"chain\":["
        "{\"text\":\"b: no such file or directory\",\"errno\":2,\"at\":\"b.c:2\"}]}]}]}");
    keel_err_free(err);
}

static void assert_json(keel_err *err, const char *want)
{
    char buf[16384];

    assert_int_equal(keel_err_json(err, buf, sizeof buf), strlen(want));
    assert_string_equal(buf, want);
    keel_err_free(err);
}

static void each_kind_is_an_object(void **state)
{
    (void)state;

    assert_json(NULL, "null");
    assert_json(KEEL_ERR_CLOSED, "{\"error\":\"closed\",\"chain\":[{\"text\":\"closed\"}]}");
    assert_json(keel_err_wrap_at("a.c:7", keel_err_wrap_at(NULL, KEEL_ERR_IO, "mid"), "outer"),
                "{\"error\":\"outer: mid: input/output error\",\"chain\":["
                "{\"text\":\"outer\",\"at\":\"a.c:7\"},{\"text\":\"mid\"},"
                "{\"text\":\"input/output error\"}]}");

    const payload p = { .length = 2, .fill = '"' };
    assert_json(keel_err_new_typed("p.c:1", &keel_err_type_payload, &p),
                "{\"error\":\"\\\"\\\"\",\"chain\":["
                "{\"text\":\"\\\"\\\"\",\"type\":\"payload\",\"at\":\"p.c:1\"}]}");
}

static void a_join_says_how_many_more_there_were(void **state)
{
    (void)state;
    char buf[8192];
    keel_err *err = NULL;

    for (int i = 0; i < KEEL_ERR_JOIN_MAX + 12; i++)
        err = keel_err_join(err, KEEL_ERR_IO);
    keel_err_format(err, buf, sizeof buf);
    assert_non_null(strstr(buf, "input/output error\nand 12 more"));
    keel_err_json(err, buf, sizeof buf);
    assert_non_null(strstr(buf, "input/output error\\nand 12 more\",\"chain\":[{\"errors\":["));
    assert_non_null(strstr(buf, "}],\"more\":12}]}"));
    keel_err_free(err);
}

static void what_json_forbids_is_escaped(void **state)
{
    (void)state;
    const struct {
        const char *text, *want;
    } rows[] = {
        { "", "" },
        { "plain", "plain" },
        { "a\"b\\c/d", "a\\\"b\\\\c/d" },
        { "\n\r\t", "\\n\\r\\t" },
        { "\x01\x08\x0B\x0C\x1F \x7F", "\\u0001\\u0008\\u000b\\u000c\\u001f \x7F" },
        /* valid: the first and last of each length */
        { "\xC2\x80\xDF\xBF", "\xC2\x80\xDF\xBF" },
        { "\xE0\xA0\x80\xEF\xBF\xBF", "\xE0\xA0\x80\xEF\xBF\xBF" },
        { "\xED\x9F\xBF\xEE\x80\x80", "\xED\x9F\xBF\xEE\x80\x80" },
        { "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF" },
/* Invalid: one replacement for each byte. */
#define R "\xEF\xBF\xBD"
        { "a\x80z", "a" R "z" },                 /* a continuation alone */
        { "\xC0\xAF", R R },                     /* overlong */
        { "\xC1\xBF", R R },                     /* overlong */
        { "\xE0\x9F\xBF", R R R },               /* overlong */
        { "\xF0\x8F\xBF\xBF", R R R R },         /* overlong */
        { "\xED\xA0\x80", R R R },               /* a surrogate */
        { "\xF4\x90\x80\x80", R R R R },         /* beyond U+10FFFF */
        { "\xF5\x80", R R },                     /* no such first byte */
        { "\xFF", R },                           /* nor this one */
        { "\xC3", R },                           /* cut off */
        { "\xE2\x82", R R },                     /* cut off */
        { "\xF0\x9F\x98", R R R },               /* cut off */
        { "\xC3\"", R "\\\"" },                  /* the quote is not swallowed */
        { "\xE2\x82\x41", R R "A" },             /* nor is this */
        { "\xF0\x9F\x98\x0A", R R R "\\n" },     /* nor that */
        { "\xE2\x82\xAC\xE2", "\xE2\x82\xAC" R } /* a good one first */
#undef R
    };
    char want[256];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(want, sizeof want, "{\"error\":\"%s\",\"chain\":[{\"text\":\"%s\"}]}",
                 rows[i].want, rows[i].want);
        assert_json(keel_err_new_at(NULL, "%s", rows[i].text), want);
    }
}

static void the_place_is_escaped_too(void **state)
{
    (void)state;

    assert_json(keel_err_new_at("C:\\a.c:1", "x"),
                "{\"error\":\"x\",\"chain\":[{\"text\":\"x\",\"at\":\"C:\\\\a.c:1\"}]}");
}

static void payload_texts_of_every_length_are_whole(void **state)
{
    (void)state;
    const size_t lengths[] = { 0, 1, 255, 256, 257, 4999 };
    static char buf[16384], fill[5001];

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        keel_err *err = KEEL_ERR_NEW(payload, { .length = lengths[i], .fill = 'p' });
        memset(fill, 'p', lengths[i]);
        fill[lengths[i]] = '\0';
        assert_int_equal(keel_err_format(err, buf, sizeof buf), lengths[i]);
        assert_string_equal(buf, fill);
        size_t length = keel_err_json(err, buf, sizeof buf);
        assert_int_equal(length, strlen(buf));
        assert_memory_equal(buf + strlen("{\"error\":\""), fill, lengths[i]);
        assert_int_equal(buf[strlen("{\"error\":\"") + lengths[i]], '"');
        keel_err_free(err);
    }
}

static void a_long_payload_without_memory_is_its_beginning(void **state)
{
    (void)state;
    static char buf[2048], fill[256];
    keel_err *err = KEEL_ERR_NEW(payload, { .length = 1000, .fill = 'p' });

    memset(fill, 'p', 255);
    support_mem_fail(1, true);
    size_t length = keel_err_json(err, buf, sizeof buf);
    support_mem_fail(0, false);
    assert_int_equal(length, strlen(buf));
    assert_memory_equal(buf + strlen("{\"error\":\""), fill, 255);
    assert_memory_equal(buf + strlen("{\"error\":\"") + 255, "\",\"chain\":[", 11);
    keel_err_free(err);
}

static void a_payload_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(KEEL_ERR_NEW(payload, { .broken = true }), "w");
    char buf[256];

    keel_err_format(err, buf, sizeof buf);
    assert_string_equal(buf, "w: payload");
    keel_err_json(err, buf, sizeof buf);
    assert_non_null(strstr(buf, "{\"error\":\"w: payload\""));
    assert_non_null(strstr(buf, "{\"text\":\"payload\",\"type\":\"payload\""));
    keel_err_free(err);
}

static void a_string_that_does_not_fit_ends_in_dots(void **state)
{
    (void)state;
    keel_err *err = keel_err_new("abc\xE2\x82\xAC");
    const char *want[] = { "", ".", "..", "...", "a...", "ab...", "abc\xE2\x82\xAC" };
    char buf[16];

    /* size 5 keeps one byte before the dots, and so on; at 7 all of it fits */
    for (size_t size = 1; size <= 7; size++) {
        memset(buf, '#', sizeof buf);
        assert_ptr_equal(keel_err_str(err, buf, size), buf);
        assert_string_equal(buf, want[size - 1]);
        assert_int_equal(buf[size], '#');
    }
    assert_string_equal(keel_err_str(err, NULL, 0), "");
    keel_err_free(err);
}

static void dots_replace_whole_characters(void **state)
{
    (void)state;
    keel_err *err = keel_err_new("a\xE2\x82\xAC\xE2\x82\xAC");
    char buf[16];

    assert_string_equal(keel_err_str(err, buf, 5), "a...");
    assert_string_equal(keel_err_str(err, buf, 6), "a...");
    assert_string_equal(keel_err_str(err, buf, 7), "a...");
    assert_string_equal(keel_err_str(err, buf, 8), "a\xE2\x82\xAC\xE2\x82\xAC");
    keel_err_free(err);
}

static void the_string_macro_takes_any_error(void **state)
{
    (void)state;
    static char text[600];
    keel_err *err;

    assert_string_equal(KEEL_ERR_STR(NULL), "no error");
    assert_string_equal(KEEL_ERR_STR(KEEL_ERR_IO), "input/output error");
    memset(text, 'x', 511);
    err = keel_err_new("%s", text);
    assert_string_equal(KEEL_ERR_STR(err), text);
    keel_err_free(err);
    text[511] = 'x';
    err = keel_err_new("%s", text);
    memcpy(text + 508, "...", 4);
    assert_string_equal(KEEL_ERR_STR(err), text);
    keel_err_free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_text_is_cut_as_snprintf_does),
        support_test(a_json_is_cut_as_snprintf_does),
        support_test(each_kind_is_an_object),
        support_test(a_join_says_how_many_more_there_were),
        support_test(what_json_forbids_is_escaped),
        support_test(the_place_is_escaped_too),
        support_test(payload_texts_of_every_length_are_whole),
        support_test(a_long_payload_without_memory_is_its_beginning),
        support_test(a_payload_that_cannot_be_written_is_named),
        support_test(a_string_that_does_not_fit_ends_in_dots),
        support_test(dots_replace_whole_characters),
        support_test(the_string_macro_takes_any_error),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
