/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <wchar.h>

#include "text_rig.h"

/* ---- A model: bytes that are moved by hand ---- */

#define MODEL_MAX 5000

typedef struct model {
    char bytes[MODEL_MAX + 200];
    size_t len;
} model;

static void model_add(model *m, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        m->bytes[m->len++] = bytes[i];
}

/* A string of JSON, character by character; what is a character is another test's. */
static size_t model_json(char *out, keel_str str)
{
    size_t len = 0;

    while (str.len > 0) {
        uint32_t character;
        size_t count = keel_str_decode(str, &character);
        unsigned char c = (unsigned char)*str.ptr;
        if (character == 0xFFFD && count == 1)
            len += (size_t)sprintf(out + len, "\xEF\xBF\xBD");
        else if (strchr("\"\\", c) != NULL && c != '\0')
            len += (size_t)sprintf(out + len, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            len += (size_t)sprintf(out + len, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20)
            len += (size_t)sprintf(out + len, "\\u%04x", c);
        else
            len += (size_t)sprintf(out + len, "%.*s", (int)count, str.ptr);
        str = keel_str_slice(str, count, str.len);
    }
    out[len] = '\0';
    return len;
}

static void check_same(const keel_buf *buf, const model *m)
{
    assert_int_equal(buf->len, m->len);
    if (m->len > 0)
        assert_memory_equal(buf->ptr, m->bytes, m->len);
    assert_int_equal(keel_buf_text(buf)[m->len], '\0');
    assert_true(buf->ptr == NULL || buf->cap > buf->len);
}

/* ---- Random operations ---- */

/* One operation on both; what would be longer than MODEL_MAX empties them instead. */
static void some_operation(keel_buf *buf, model *m, keel_rand *rand)
{
    char bytes[120], text[800];
    size_t count = rig_bytes(rand, bytes, sizeof bytes), room;
    char *edge = rig_at_page_end(bytes, count), *taken;
    keel_str str = { edge, count };

    if (m->len + 800 > MODEL_MAX) {
        if (keel_rand_below(rand, 2) == 0)
            keel_buf_clear(buf);
        else
            keel_buf_deinit(buf);
        m->len = 0;
    }
    size_t part = (size_t)keel_rand_below(rand, m->len + 1);
    switch (keel_rand_below(rand, 18)) {
    case 0:
        assert_ok(keel_buf_append(buf, edge, count));
        model_add(m, bytes, count);
        break;
    case 1:
        assert_ok(keel_buf_append_str(buf, str));
        model_add(m, bytes, count);
        break;
    case 2:
        if (count > 0)
            edge[count - 1] = '\0';
        assert_ok(keel_buf_append_text(buf, count > 0 ? edge : ""));
        model_add(m, bytes, count > 0 ? strlen(edge) : 0);
        break;
    case 3:
        for (size_t i = 0; i < count; i++)
            assert_ok(keel_buf_append_char(buf, bytes[i]));
        model_add(m, bytes, count);
        break;
    case 4:
        assert_ok(keel_buf_append_fill(buf, '-', count));
        memset(bytes, '-', count);
        model_add(m, bytes, count);
        break;
    case 5:
        assert_ok(keel_buf_printf(buf, "%zu:%.*s", count, (int)count, edge));
        model_add(m, text, (size_t)sprintf(text, "%zu:%.*s", count, (int)count, edge));
        break;
    case 6:
    case 7:
        assert_ok(keel_buf_append_json(buf, str));
        model_add(m, "\"", 1);
        model_add(m, text, model_json(text, str));
        model_add(m, "\"", 1);
        break;
    case 8:
        assert_ok(keel_buf_append_json_inside(buf, str));
        model_add(m, text, model_json(text, str));
        break;
    case 9:
        assert_ok(keel_buf_reserve(buf, count));
        taken = keel_buf_room(buf, &room);
        assert_true(room >= count);
        if (count > 0)
            memcpy(taken, bytes, count);
        keel_buf_advance(buf, count);
        model_add(m, bytes, count);
        break;
    case 10:
        keel_buf_truncate(buf, part);
        m->len = part;
        break;
    case 11:
        keel_buf_drop(buf, part);
        m->len -= part;
        memmove(m->bytes, m->bytes + part, m->len);
        break;
    case 12: /* a part of itself */
        str = keel_str_slice(keel_buf_str(buf), part, count);
        memcpy(bytes, m->bytes + part, str.len);
        assert_ok(keel_buf_append_str(buf, str));
        model_add(m, bytes, str.len);
        break;
    case 13:
        str = keel_str_slice(keel_buf_str(buf), part, count);
        memcpy(bytes, m->bytes + part, str.len);
        assert_ok(keel_buf_append_json(buf, str));
        model_add(m, "\"", 1);
        model_add(m, text, model_json(text, (keel_str){ bytes, str.len }));
        model_add(m, "\"", 1);
        break;
    case 14:
        if (keel_rand_below(rand, 8) != 0)
            break;
        assert_ok(keel_buf_take(buf, &taken, &room));
        assert_int_equal(room, m->len);
        assert_memory_equal(taken, m->bytes, m->len);
        assert_int_equal(taken[m->len], '\0');
        assert_null(buf->ptr);
        assert_int_equal(buf->cap, 0);
        keel_mem_free(taken);
        m->len = 0;
        break;
    case 15:
        keel_buf_truncate(buf, m->len + count);
        break;
    case 16:
        keel_buf_drop(buf, m->len + count);
        m->len = 0;
        break;
    default:
        assert_ok(keel_buf_append_hex(buf, count, 2));
        model_add(m, text, (size_t)sprintf(text, "%02zx", count));
        break;
    }
}

static void random_operations_do_what_the_model_does(void **state)
{
    (void)state;
    static model m;
    keel_buf buf = { 0 };
    keel_rand rand;

    keel_rand_seed(&rand, 31);
    m.len = 0;
    for (size_t round = rig_rounds(); round > 0; round--) {
        some_operation(&buf, &m, &rand);
        check_same(&buf, &m);
    }
    keel_buf_deinit(&buf);
}

/* ---- JSON ---- */

/* Each byte, at each place of texts of each length: blocks, words and what is left of them. */
static void every_byte_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    char bytes[50], want[400];

    for (size_t len = 1; len <= sizeof bytes; len++) {
        for (size_t place = 0; place < len; place++) {
            for (int c = 0; c < 256; c++) {
                memset(bytes, 'a', len);
                bytes[place] = (char)c;
                keel_str str = { rig_at_page_end(bytes, len), len };
                keel_buf_clear(&buf);
                assert_ok(keel_buf_append_json_inside(&buf, str));
                if (buf.len != model_json(want, str) || memcmp(buf.ptr, want, buf.len) != 0)
                    fail_msg("byte %d at %zu of %zu", c, place, len);
            }
        }
    }
    keel_buf_deinit(&buf);
}

static void json_is_as_in_the_rfc(void **state)
{
    (void)state;
    static const struct {
        keel_str text;
        const char *json;
    } rows[] = {
        { KEEL_STR_INIT(""), "\"\"" },
        { KEEL_STR_INIT("plain"), "\"plain\"" },
        { KEEL_STR_INIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"" },
        { KEEL_STR_INIT("\b\f\n\r\t"), "\"\\u0008\\u000c\\n\\r\\t\"" },
        { KEEL_STR_INIT("\0\x1F\x7F"), "\"\\u0000\\u001f\x7F\"" },
        { KEEL_STR_INIT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
          "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
        { KEEL_STR_INIT("\xC3(\xFF"), "\"\xEF\xBF\xBD(\xEF\xBF\xBD\"" },
        { KEEL_STR_INIT("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { KEEL_STR_INIT("\xEF\xBF\xBD"), "\"\xEF\xBF\xBD\"" },
    };
    keel_buf buf = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        keel_buf_clear(&buf);
        assert_ok(keel_buf_append_json(&buf, rows[i].text));
        assert_string_equal(keel_buf_text(&buf), rows[i].json);
    }
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_json_inside(&buf, (keel_str){ NULL, 0 }));
    assert_ok(keel_buf_append_json(&buf, (keel_str){ NULL, 0 }));
    assert_string_equal(keel_buf_text(&buf), "\"\"");
    keel_buf_deinit(&buf);
}

/* ---- Limits ---- */

typedef keel_err *(*append_fn)(keel_buf *buf);

static keel_err *append_bytes(keel_buf *buf)
{
    return keel_buf_append(buf, "0123456789", 10);
}

static keel_err *append_fill(keel_buf *buf)
{
    return keel_buf_append_fill(buf, 'x', 10);
}

static keel_err *append_printf(keel_buf *buf)
{
    return keel_buf_printf(buf, "%s%d", "0123456", 789);
}

static keel_err *append_json(keel_buf *buf)
{
    return keel_buf_append_json(buf, KEEL_STR("a\n\x01"));
}

static keel_err *append_inside(keel_buf *buf)
{
    return keel_buf_append_json_inside(buf, KEEL_STR("ab\n\x01"));
}

static keel_err *append_reserve(keel_buf *buf)
{
    KEEL_TRY(keel_buf_reserve(buf, 10));
    memset(buf->ptr + buf->len, '-', 10);
    keel_buf_advance(buf, 10);
    return NULL;
}

static keel_err *append_number(keel_buf *buf)
{
    return keel_buf_append_i64(buf, -123456789);
}

static keel_err *append_chars(keel_buf *buf)
{
    size_t len = buf->len;
    keel_err *err = NULL;

    for (int i = 0; i < 10 && err == NULL; i++)
        err = keel_buf_append_char(buf, 'c');
    if (err != NULL)
        keel_buf_truncate(buf, len);
    return err;
}

/* Each of ten bytes but the JSON string, of 11. */
static const append_fn appends[] = { append_bytes,   append_fill,   append_printf, append_inside,
                                     append_reserve, append_number, append_chars,  append_json };
#define APPENDS (sizeof appends / sizeof appends[0])

static size_t bytes_of(append_fn append)
{
    return append == append_json ? 11 : 10;
}

static void what_fits_exactly_fits_and_one_more_does_not(void **state)
{
    (void)state;

    for (size_t i = 0; i < APPENDS; i++) {
        for (size_t before = 0; before < 200; before++) {
            size_t bytes = before + bytes_of(appends[i]);
            keel_buf buf = { .max_bytes = bytes };
            assert_ok(keel_buf_append_fill(&buf, '.', before));
            assert_ok(appends[i](&buf));
            assert_int_equal(buf.len, bytes);
            assert_true(buf.cap <= bytes + 1 || before == 0);
            keel_buf_deinit(&buf);
            assert_int_equal(buf.max_bytes, bytes);

            buf.max_bytes = bytes - 1;
            assert_ok(keel_buf_append_fill(&buf, '.', before));
            assert_err(appends[i](&buf), KEEL_ERR_LIMIT);
            assert_int_equal(buf.len, before);
            assert_int_equal(keel_buf_text(&buf)[before], '\0');
            keel_buf_deinit(&buf);
        }
    }
}

static void sizes_do_not_overflow(void **state)
{
    (void)state;
    keel_buf buf = { 0 };

    assert_err(keel_buf_reserve(&buf, KEEL_BUF_DEFAULT_MAX_BYTES + 1), KEEL_ERR_LIMIT);
    buf.max_bytes = KEEL_UNLIMITED;
    assert_err(keel_buf_reserve(&buf, SIZE_MAX), KEEL_ERR_NOMEM);
    assert_ok(keel_buf_append_text(&buf, "abc"));
    assert_err(keel_buf_reserve(&buf, SIZE_MAX - 2), KEEL_ERR_NOMEM);
    assert_err(keel_buf_reserve(&buf, SIZE_MAX - 3), KEEL_ERR_NOMEM);
    assert_err(keel_buf_append_fill(&buf, 'x', SIZE_MAX - 4), KEEL_ERR_NOMEM);
    assert_err(keel_buf_append_json(&buf, (keel_str){ "x", SIZE_MAX - 1 }), KEEL_ERR_NOMEM);
    buf.max_bytes = 2; /* less than there is */
    assert_err(keel_buf_append_fill(&buf, 'x', 100), KEEL_ERR_LIMIT);
    assert_string_equal(keel_buf_text(&buf), "abc");
    keel_buf_deinit(&buf);
}

/* ---- Memory ---- */

static void without_memory_the_buffer_stays_as_it_was(void **state)
{
    (void)state;

    for (size_t i = 0; i < APPENDS; i++) {
        keel_buf buf = { 0 };
        assert_ok(keel_buf_append_fill(&buf, '.', 60)); /* of 63 */
        support_mem_fail(1, true);
        assert_err(appends[i](&buf), KEEL_ERR_NOMEM);
        support_mem_fail(0, false);
        assert_int_equal(buf.len, 60);
        assert_int_equal(strlen(buf.ptr), 60);
        assert_ok(appends[i](&buf));
        assert_int_equal(buf.len, 60 + bytes_of(appends[i]));
        keel_buf_deinit(&buf);

        buf = (keel_buf){ 0 };
        support_mem_fail(1, true);
        assert_err(appends[i](&buf), KEEL_ERR_NOMEM);
        support_mem_fail(0, false);
        assert_null(buf.ptr);
        assert_string_equal(keel_buf_text(&buf), "");
    }
}

static keel_err *build(void *arg)
{
    keel_buf buf = { 0 };
    keel_err *err = NULL;
    char *text;

    (void)arg;
    for (int round = 0; round < 20 && err == NULL; round++) {
        for (size_t i = 0; i < APPENDS && err == NULL; i++)
            err = appends[i](&buf);
    }
    if (err == NULL)
        err = keel_buf_take(&buf, &text, NULL);
    if (err == NULL) {
        keel_mem_free(text);
        err = keel_buf_take(&buf, &text, NULL); /* of nothing, which is a text as well */
    }
    if (err == NULL) {
        assert_non_null(text);
        keel_mem_free(text);
    }
    keel_buf_deinit(&buf);
    return err;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;

    support_mem_torture(build, NULL, NULL);
}

static void growing_is_amortised(void **state)
{
    (void)state;
    keel_buf buf = { 0 };
    size_t made = support_mem_made();

    for (int i = 0; i < 1000000; i++)
        assert_ok(keel_buf_append_char(&buf, 'x'));
    assert_true(support_mem_made() - made < 20);
    made = support_mem_made();
    keel_buf_clear(&buf);
    assert_ok(keel_buf_append_fill(&buf, 'y', 1000000));
    assert_int_equal(support_mem_made(), made);
    keel_buf_deinit(&buf);
}

static void an_empty_buffer_has_texts_too(void **state)
{
    (void)state;
    keel_buf buf = { .max_bytes = 7 };
    size_t size = 1;
    char *text;

    assert_string_equal(keel_buf_text(&buf), "");
    assert_int_equal(keel_buf_str(&buf).len, 0);
    assert_null(keel_buf_room(&buf, &size));
    assert_int_equal(size, 0);
    keel_buf_advance(&buf, 0);
    keel_buf_clear(&buf);
    keel_buf_truncate(&buf, 3);
    keel_buf_drop(&buf, 3);
    assert_ok(keel_buf_append(&buf, NULL, 0));
    assert_ok(keel_buf_append_str(&buf, (keel_str){ NULL, 0 }));
    assert_ok(keel_buf_append_text(&buf, ""));
    assert_ok(keel_buf_append_fill(&buf, 'x', 0));
    assert_ok(keel_buf_reserve(&buf, 0));
    assert_ok(keel_buf_printf(&buf, "%s", ""));
    assert_null(buf.ptr);
    keel_buf_deinit(&buf);
    keel_buf_deinit(NULL);
    size = 1;
    assert_ok(keel_buf_take(&buf, &text, &size));
    assert_string_equal(text, "");
    assert_int_equal(size, 0);
    assert_int_equal(buf.max_bytes, 7);
    keel_mem_free(text);
    assert_ok(keel_buf_reserve(&buf, 3)); /* has room, and still no bytes */
    assert_string_equal(keel_buf_text(&buf), "");
    keel_buf_deinit(&buf);
}

static void printf_that_fails_changes_nothing(void **state)
{
    (void)state;
    keel_buf buf = { 0 };

    assert_ok(keel_buf_append_text(&buf, "abc"));
    assert_err(keel_buf_printf(&buf, "%lc", (wint_t)0x7FFFFFFF), KEEL_ERR_INVAL);
    assert_string_equal(keel_buf_text(&buf), "abc");
    keel_buf_deinit(&buf);
}

/* ---- Misuse ---- */

static void advance_too_far(void *arg)
{
    keel_buf_advance(arg, 64);
}

static void with_null(void *arg)
{
    keel_buf buf = { 0 };
    size_t size;
    char *text;

    switch (*(int *)arg) {
    case 0:
        keel_err_free(keel_buf_append(&buf, NULL, 1));
        break;
    case 1:
        keel_err_free(keel_buf_append_json(&buf, (keel_str){ NULL, 1 }));
        break;
    case 2:
        keel_err_free(keel_buf_append(NULL, "x", 1));
        break;
    case 3:
        keel_err_free(keel_buf_printf(NULL, "%d", 1));
        break;
    case 4: {
        const char *volatile format = NULL;
        va_list none;
        memset(&none, 0, sizeof none);
        keel_err_free(keel_buf_vprintf(&buf, format, none));
        break;
    }
    case 5:
        keel_err_free(keel_buf_take(NULL, &text, NULL));
        break;
    case 6:
        keel_err_free(keel_buf_take(&buf, NULL, NULL));
        break;
    case 7:
        keel_err_free(keel_buf_reserve(NULL, 1));
        break;
    case 8:
        (void)keel_buf_room(NULL, &size);
        break;
    case 9:
        (void)keel_buf_room(&buf, NULL);
        break;
    case 10:
        keel_buf_truncate(NULL, 1);
        break;
    case 11:
        keel_buf_drop(NULL, 1);
        break;
    case 12:
        keel_err_free(keel_buf_append_text(&buf, NULL));
        break;
    case 13:
        keel_err_free(keel_buf_append_fill(NULL, 'x', 1));
        break;
    case 14:
        keel_err_free(keel_buf_append_json(NULL, KEEL_STR("x")));
        break;
    default:
        keel_err_free(keel_buf_append_json_inside(NULL, KEEL_STR("x")));
        break;
    }
}

static void null_is_misuse(void **state)
{
    static const char *const messages[] = {
        "keel_buf_append: bytes",     "keel_buf_append_json: str",
        "keel_buf_append: buf",       "keel_buf_vprintf: buf",
        "keel_buf_vprintf: format",   "keel_buf_take: buf",
        "keel_buf_take: out",         "keel_buf_reserve: buf",
        "keel_buf_room: buf",         "keel_buf_room: size",
        "keel_buf_truncate: buf",     "keel_buf_drop: buf",
        "keel_buf_append_text: text", "keel_buf_append_fill: buf",
        "keel_buf_append_json: buf",  "keel_buf_append_json_inside: buf",
    };

    (void)state;
    for (int i = 0; i < (int)(sizeof messages / sizeof messages[0]); i++)
        support_assert_aborts(with_null, &i, messages[i]);
}

static void advancing_beyond_the_room_is_misuse(void **state)
{
    (void)state;
    keel_buf buf = { 0 };

    assert_ok(keel_buf_append_char(&buf, 'x'));
    support_assert_aborts(advance_too_far, &buf, "64 bytes, where there is room for 62");
    keel_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(random_operations_do_what_the_model_does),
        support_test(every_byte_is_escaped_wherever_it_stands),
        support_test(json_is_as_in_the_rfc),
        support_test(what_fits_exactly_fits_and_one_more_does_not),
        support_test(sizes_do_not_overflow),
        support_test(without_memory_the_buffer_stays_as_it_was),
        support_test(any_allocation_may_fail),
        support_test(growing_is_amortised),
        support_test(an_empty_buffer_has_texts_too),
        support_test(printf_that_fails_changes_nothing),
        support_test(null_is_misuse),
        support_test(advancing_beyond_the_room_is_misuse),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
