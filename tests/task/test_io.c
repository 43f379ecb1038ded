/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <keel/io.h>

KEEL_ERR_DEFINE(err_broken, "broken");

/* ---- A reader and a writer that give and take little ---- */

typedef struct slow {
    keel_str text;   /* what there is to read */
    size_t at_most;  /* at a time; 0: nothing at all */
    size_t fails_at; /* after so many bytes; 0: never */
    size_t done;
    char taken[256]; /* what was written */
} slow;

static keel_err *read_slow(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    slow *s = self;

    (void)ctx;
    *got = 77; /* which an error makes 0 */
    if (s->fails_at != 0 && s->done >= s->fails_at)
        return err_broken;
    if (s->done == s->text.len)
        return KEEL_ERR_EOF;
    *got = s->text.len - s->done < s->at_most ? s->text.len - s->done : s->at_most;
    *got = *got < size ? *got : size;
    memcpy(buf, s->text.ptr + s->done, *got);
    s->done += *got;
    return NULL;
}

static keel_err *write_slow(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                            size_t *written)
{
    slow *s = self;

    (void)ctx;
    *written = 77;
    if (s->fails_at != 0 && s->done >= s->fails_at)
        return err_broken;
    *written = size < s->at_most ? size : s->at_most;
    must(s->done + *written <= sizeof s->taken);
    memcpy(s->taken + s->done, bytes, *written);
    s->done += *written;
    return NULL;
}

static keel_reader from_slow(slow *s)
{
    return (keel_reader){ read_slow, s };
}

static keel_writer to_slow(slow *s)
{
    return (keel_writer){ write_slow, s };
}

#define assert_bytes(ptr, len, text)                                                               \
    assert_true(keel_str_equal((keel_str){ (ptr), (len) }, KEEL_STR(text)))

/* ---- Reading and writing ---- */

static void reading_gives_what_there_is(void **state)
{
    (void)state;
    char buf[8];
    size_t got = 99;
    keel_str rest = KEEL_STR("abcdefghij");
    keel_reader from = keel_io_from_str(&rest);

    assert_ok(keel_io_read(NULL, from, buf, 0, &got));
    assert_int_equal(got, 0);
    assert_ok(keel_io_read(NULL, from, buf, 8, &got));
    assert_bytes(buf, got, "abcdefgh");
    assert_ok(keel_io_read(NULL, from, buf, 8, &got));
    assert_bytes(buf, got, "ij");
    assert_err(keel_io_read(NULL, from, buf, 8, &got), KEEL_ERR_EOF);
    assert_int_equal(got, 0);
    assert_int_equal(rest.len, 0);

    slow s = { .text = KEEL_STR("x"), .fails_at = 1, .at_most = 1 };
    assert_ok(keel_io_read(NULL, from_slow(&s), buf, 8, &got));
    assert_err(keel_io_read(NULL, from_slow(&s), buf, 8, &got), err_broken);
    assert_int_equal(got, 0);
    s = (slow){ .text = KEEL_STR("x") };
    assert_err(keel_io_read(NULL, from_slow(&s), buf, 8, &got), KEEL_ERR_IO);
}

static void reading_in_full_needs_every_byte(void **state)
{
    (void)state;
    char buf[8];
    size_t got = 99;

    for (size_t at_most = 1; at_most <= 9; at_most++) {
        slow s = { .text = KEEL_STR("abcdefghij"), .at_most = at_most };
        assert_ok(keel_io_read_full(NULL, from_slow(&s), buf, 8, &got));
        assert_bytes(buf, got, "abcdefgh");
        assert_err(keel_io_read_full(NULL, from_slow(&s), buf, 8, &got), KEEL_ERR_UNEXPECTED_EOF);
        assert_bytes(buf, got, "ij");
        assert_err(keel_io_read_full(NULL, from_slow(&s), buf, 8, NULL), KEEL_ERR_EOF);
        assert_ok(keel_io_read_full(NULL, from_slow(&s), buf, 0, &got));
    }
    slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 3, .fails_at = 4 };
    assert_err(keel_io_read_full(NULL, from_slow(&s), buf, 8, &got), err_broken);
    assert_int_equal(got, 6);
}

static void reading_all_stops_at_the_limit(void **state)
{
    (void)state;
    const size_t limits[] = { 0, 1, 9, 10, 11, 5000, KEEL_UNLIMITED };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (size_t at_most = 1; at_most < 12; at_most += 3) {
            slow s = { .text = KEEL_STR("abcdefghij"), .at_most = at_most };
            keel_buf buf = { 0 };
            size_t want = limits[i] < 10 ? limits[i] : 10;

            assert_ok(keel_buf_append_text(&buf, ">"));
            assert_err(keel_io_read_all(NULL, from_slow(&s), &buf, limits[i]),
                       limits[i] < 10 ? KEEL_ERR_LIMIT : NULL);
            assert_int_equal(buf.len, 1 + want);
            assert_memory_equal(buf.ptr, ">abcdefghij", 1 + want);
            keel_buf_deinit(&buf);
        }
    }
    slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 3, .fails_at = 4 };
    keel_buf buf = { 0 };
    assert_err(keel_io_read_all(NULL, from_slow(&s), &buf, 100), err_broken);
    assert_bytes(buf.ptr, buf.len, "abcdef");
    s = (slow){ .text = KEEL_STR("abc"), .at_most = 3, .fails_at = 3 };
    assert_err(keel_io_read_all(NULL, from_slow(&s), &buf, 3), err_broken);
    keel_buf_deinit(&buf);
}

static void writing_goes_on_until_all_is_written(void **state)
{
    (void)state;

    for (size_t at_most = 1; at_most <= 11; at_most++) {
        slow s = { .at_most = at_most };
        assert_ok(keel_io_write(NULL, to_slow(&s), "abcdefghij", 10));
        assert_ok(keel_io_write(NULL, to_slow(&s), NULL, 0));
        assert_ok(keel_io_write_str(NULL, to_slow(&s), KEEL_STR("kl")));
        assert_ok(keel_io_printf(NULL, to_slow(&s), "%d-%s", 42, "m"));
        assert_bytes(s.taken, s.done, "abcdefghijkl42-m");
    }
    slow s = { .at_most = 3, .fails_at = 4 };
    assert_err(keel_io_write(NULL, to_slow(&s), "abcdefghij", 10), err_broken);
    assert_int_equal(s.done, 6);
    s = (slow){ 0 };
    assert_err(keel_io_write(NULL, to_slow(&s), "a", 1), KEEL_ERR_IO);
}

static void memory_of_fixed_size_fills_up(void **state)
{
    (void)state;
    char place[4] = "....";
    keel_io_bytes bytes = { .ptr = place, .size = 3 };
    keel_buf buf = { .max_bytes = 3 };

    assert_err(keel_io_write(NULL, keel_io_to_bytes(&bytes), "abcde", 5), KEEL_ERR_NO_SPACE);
    assert_bytes(place, 4, "abc.");
    assert_int_equal(bytes.len, 3);
    assert_err(keel_io_write(NULL, keel_io_to_buf(&buf), "abcde", 5), KEEL_ERR_LIMIT);
    assert_ok(keel_io_write(NULL, keel_io_to_buf(&buf), "abc", 3));
    assert_string_equal(keel_buf_text(&buf), "abc");
    keel_buf_deinit(&buf);
}

/* ---- Copying ---- */

static void copying_stops_at_the_end_or_the_limit(void **state)
{
    (void)state;
    size_t copied;

    for (size_t limit = 0; limit <= 12; limit++) {
        slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 3 }, to = { .at_most = 2 };
        size_t want = limit < 10 ? limit : 10;

        assert_err(keel_io_copy(NULL, to_slow(&to), from_slow(&s), limit, &copied),
                   limit < 10 ? KEEL_ERR_LIMIT : NULL);
        assert_int_equal(copied, want);
        assert_int_equal(to.done, want);
        assert_memory_equal(to.taken, "abcdefghij", want);

        s.done = to.done = 0;
        assert_err(keel_io_copy_n(NULL, to_slow(&to), from_slow(&s), limit, &copied),
                   limit > 10 ? KEEL_ERR_UNEXPECTED_EOF : NULL);
        assert_int_equal(copied, want);
        assert_int_equal(to.done, want);
        assert_int_equal(s.done, want); /* and no byte more was read */
    }
    slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 100 },
         to = { .at_most = 2, .fails_at = 4 };
    assert_err(keel_io_copy(NULL, to_slow(&to), from_slow(&s), KEEL_UNLIMITED, &copied),
               err_broken);
    assert_int_equal(copied, 4);
    s = (slow){ .text = KEEL_STR("abcdefghij"), .at_most = 5, .fails_at = 5 };
    to = (slow){ .at_most = 100 };
    assert_err(keel_io_copy(NULL, to_slow(&to), from_slow(&s), KEEL_UNLIMITED, NULL), err_broken);
    assert_int_equal(to.done, 5);
}

static void a_limited_reader_ends_early(void **state)
{
    (void)state;
    slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 3 };
    keel_io_limit limit = { from_slow(&s), 4 };
    keel_buf buf = { 0 };

    assert_ok(keel_io_read_all(NULL, keel_io_limited(&limit), &buf, KEEL_UNLIMITED));
    assert_string_equal(keel_buf_text(&buf), "abcd");
    assert_int_equal(s.done, 4);
    limit.left = 100;
    assert_ok(keel_io_read_all(NULL, keel_io_limited(&limit), &buf, KEEL_UNLIMITED));
    assert_string_equal(keel_buf_text(&buf), "abcdefghij");
    assert_int_equal(limit.left, 94);
    keel_buf_deinit(&buf);
}

static void a_tee_and_a_multiwriter_pass_everything_on(void **state)
{
    (void)state;
    slow s = { .text = KEEL_STR("abcdefghij"), .at_most = 3 };
    slow a = { .at_most = 2 }, b = { .at_most = 5 }, broken = { .at_most = 1, .fails_at = 2 };
    keel_writer both[] = { to_slow(&a), to_slow(&b) };
    keel_writer with_broken[] = { to_slow(&a), to_slow(&broken) };
    keel_io_multi multi = { both, 2 };
    keel_io_tee tee = { from_slow(&s), keel_io_to_all(&multi) };
    keel_buf buf = { 0 };

    assert_ok(keel_io_read_all(NULL, keel_io_teed(&tee), &buf, 100));
    assert_string_equal(keel_buf_text(&buf), "abcdefghij");
    assert_bytes(a.taken, a.done, "abcdefghij");
    assert_bytes(b.taken, b.done, "abcdefghij");

    multi = (keel_io_multi){ with_broken, 2 };
    assert_err(keel_io_write(NULL, keel_io_to_all(&multi), "klm", 3), err_broken);
    s.done = 0;
    assert_err(keel_io_read_all(NULL, keel_io_teed(&tee), &buf, 100), err_broken);
    keel_buf_deinit(&buf);
}

/* ---- Buffered ---- */

static void buffered_writes_come_out_in_order_and_in_pieces(void **state)
{
    (void)state;
    char want[256];
    size_t total = 0;
    slow s = { .at_most = 256 };
    keel_io_buffered out;
    const size_t sizes[] = { 3, 5, 1, 8, 0, 9, 30, 7, 2, 6 };

    assert_ok(keel_io_buffered_init(&out, to_slow(&s), 8));
    keel_writer to = keel_io_to_buffered(&out);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            want[total + k] = (char)('a' + (total + k) % 26);
        assert_ok(keel_io_write(NULL, to, want + total, sizes[i]));
        total += sizes[i];
        assert_true(s.done <= total && total - s.done <= 8);
        assert_memory_equal(s.taken, want, s.done);
    }
    assert_ok(keel_io_flush(NULL, &out));
    assert_ok(keel_io_flush(NULL, &out));
    assert_int_equal(s.done, total);
    assert_memory_equal(s.taken, want, total);
    keel_io_buffered_deinit(&out);
    keel_io_buffered_deinit(&out);
    keel_io_buffered_deinit(NULL);
}

static void what_could_not_be_flushed_is_kept(void **state)
{
    (void)state;
    slow s = { .at_most = 2, .fails_at = 4 };
    keel_io_buffered out;

    assert_ok(keel_io_buffered_init(&out, to_slow(&s), 0));
    assert_ok(keel_io_write(NULL, keel_io_to_buffered(&out), "abcdefghij", 10));
    assert_int_equal(s.done, 0);
    assert_err(keel_io_flush(NULL, &out), err_broken);
    assert_int_equal(s.done, 4);
    s.fails_at = 0;
    assert_ok(keel_io_flush(NULL, &out));
    assert_bytes(s.taken, s.done, "abcdefghij");
    keel_io_buffered_deinit(&out);
}

/* ---- Lines ---- */

static void lines_end_as_they_should(void **state)
{
    (void)state;
    const struct {
        keel_str text;
        const char *want; /* each line in brackets */
        keel_err *err;
    } rows[] = {
        { KEEL_STR(""), "", NULL },
        { KEEL_STR("a"), "[a]", NULL },
        { KEEL_STR("a\n"), "[a]", NULL },
        { KEEL_STR("\n"), "[]", NULL },
        { KEEL_STR("\r\n"), "[]", NULL },
        { KEEL_STR("a\r\nb\r\n"), "[a][b]", NULL },
        { KEEL_STR("a\n\n\nb"), "[a][][][b]", NULL },
        { KEEL_STR("a\rb\n\r\r\n"), "[a\rb][\r]", NULL },
        { KEEL_STR("a\r"), "[a]", NULL },
        { KEEL_STR("12345\n12345\r\n12345"), "[12345][12345][12345]", NULL },
        { KEEL_STR("12345\n123456\n1\n"), "[12345]", KEEL_ERR_LIMIT },
        { KEEL_STR("123456"), "", KEEL_ERR_LIMIT },
        { KEEL_STR("12345\rx\n"), "", KEEL_ERR_LIMIT },
        { KEEL_STR("12345\r"), "[12345]", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t at_most = 1; at_most < 20; at_most += 6) {
            slow s = { .text = rows[i].text, .at_most = at_most };
            keel_lines lines = { .from = from_slow(&s), .max_bytes = 5 };
            keel_buf got = { 0 };

            for (keel_str line; keel_lines_next(NULL, &lines, &line);)
                assert_ok(keel_buf_printf(&got, "[" KEEL_STR_FMT "]", KEEL_STR_ARG(line)));
            assert_string_equal(keel_buf_text(&got), rows[i].want);
            assert_err(keel_lines_err(&lines), rows[i].err);
            assert_ok(keel_lines_err(&lines));
            keel_str line = KEEL_STR("left over");
            assert_false(keel_lines_next(NULL, &lines, &line));
            assert_int_equal(line.len, 0);
            keel_lines_deinit(&lines);
            keel_buf_deinit(&got);
        }
    }
}

static void lines_tell_of_the_readers_error(void **state)
{
    (void)state;
    slow s = { .text = KEEL_STR("a\nbcd\n"), .at_most = 1, .fails_at = 3 };
    keel_lines lines = { .from = from_slow(&s) };
    keel_str line;

    assert_true(keel_lines_next(NULL, &lines, &line));
    assert_bytes(line.ptr, line.len, "a");
    assert_false(keel_lines_next(NULL, &lines, &line));
    assert_err(keel_lines_err(&lines), err_broken);
    keel_lines_deinit(&lines);

    /* an error that nobody asked for is freed */
    s = (slow){ .text = KEEL_STR("abc"), .at_most = 3 };
    lines = (keel_lines){ .from = from_slow(&s), .max_bytes = 1 };
    assert_false(keel_lines_next(NULL, &lines, &line));
    keel_lines_deinit(&lines);
    keel_lines_deinit(NULL);
}

/* Bytes from outside, in pieces of any size: the lines are those of a simple loop over all of it. */
static void random_bytes_split_into_the_same_lines(void **state)
{
    (void)state;
    keel_rand rand;
    char text[200];

    keel_rand_seed(&rand, 5);
    for (int round = 0; round < 5000; round++) {
        size_t len = keel_rand_below(&rand, sizeof text), from = 0;
        for (size_t i = 0; i < len; i++)
            text[i] = "ab\n\r\0"[keel_rand_below(&rand, 5)];
        slow s = { .text = { text, len }, .at_most = 1 + keel_rand_below(&rand, 30) };
        keel_lines lines = { .from = from_slow(&s), .max_bytes = 200 };
        for (keel_str line; keel_lines_next(NULL, &lines, &line);) {
            size_t to = from;
            while (to < len && text[to] != '\n')
                to++;
            size_t end = to > from && text[to - 1] == '\r' ? to - 1 : to;
            assert_true(from < len);
            assert_true(keel_str_equal(line, (keel_str){ text + from, end - from }));
            from = to + 1;
        }
        assert_true(from >= len);
        assert_ok(keel_lines_err(&lines));
        keel_lines_deinit(&lines);
    }
}

/* ---- Misuse ---- */

static keel_err *read_too_much(keel_ctx *ctx, void *self, void *buf, size_t size, size_t *got)
{
    (void)ctx, (void)self, (void)buf;
    *got = size + 1;
    return NULL;
}

static keel_err *write_too_much(keel_ctx *ctx, void *self, const void *bytes, size_t size,
                                size_t *written)
{
    (void)ctx, (void)self, (void)bytes;
    *written = size + 1;
    return NULL;
}

static void misuse_reader(void *arg)
{
    char buf[4];
    size_t got;
    keel_reader reader = { arg != NULL ? read_too_much : NULL, NULL };

    keel_err_free(keel_io_read(NULL, reader, buf, 3, &got));
}

static void misuse_writer(void *arg)
{
    keel_err_free(
        keel_io_write(NULL, (keel_writer){ arg != NULL ? write_too_much : NULL, NULL }, "a", 1));
}

/* Calls without what they need. */
static void misuse_null(void *arg)
{
    keel_str rest = KEEL_STR("a"), line;
    keel_reader from = keel_io_from_str(&rest);
    keel_lines lines = { .from = from };
    keel_err *err = NULL;
    keel_file file;
    char buf[4];

    switch (*(const int *)arg) {
    case 0:
        err = keel_io_read(NULL, from, buf, 1, NULL);
        break;
    case 1:
        err = keel_io_read_all(NULL, from, NULL, 1);
        break;
    case 2:
        err = keel_io_close(NULL, (keel_closer){ 0 });
        break;
    case 3:
        err = keel_io_buffered_init(NULL, (keel_writer){ 0 }, 1);
        break;
    case 4:
        err = keel_io_flush(NULL, NULL);
        break;
    case 5:
        keel_lines_next(NULL, NULL, &line);
        break;
    case 6:
        keel_lines_next(NULL, &lines, NULL);
        break;
    case 7:
        err = keel_lines_err(NULL);
        break;
    case 8:
        err = keel_file_open(NULL, NULL, "a");
        break;
    case 9:
        err = keel_file_append(NULL, &file, NULL);
        break;
    case 10:
        err = keel_file_from_fd(NULL, 0, "a");
        break;
    case 11:
        err = keel_file_borrow_fd(NULL, 0, "a");
        break;
    default:
        err = keel_file_sync(NULL, NULL);
        break;
    }
    keel_err_free(err);
}

static void all_that_fits_a_limited_buffer_is_read(void **state)
{
    (void)state;
    keel_str text = KEEL_STR("nineteen characters");
    keel_buf buf = { .max_bytes = 19 };

    assert_ok(keel_io_read_all(NULL, keel_io_from_str(&text), &buf, KEEL_UNLIMITED));
    assert_string_equal(keel_buf_text(&buf), "nineteen characters");
    keel_buf_clear(&buf);
    text = KEEL_STR("of twenty characters");
    assert_err(keel_io_read_all(NULL, keel_io_from_str(&text), &buf, KEEL_UNLIMITED),
               KEEL_ERR_LIMIT);
    keel_buf_deinit(&buf);
}

static void what_is_needed_must_be_there(void **state)
{
    (void)state;
    const char *messages[] = { "keel_io_read: got",           "keel_io_read_all: to",
                               "keel_io_close: closer",       "keel_io_buffered_init: buffered",
                               "keel_io_flush: buffered",     "keel_lines_next: lines",
                               "keel_lines_next: line is",    "keel_lines_err: lines",
                               "keel_file_open: file",        "keel_file_append: path",
                               "keel_file_from_fd: file",     "keel_file_borrow_fd: file",
                               "keel_file_sync: file is NULL" };

    for (int i = 0; i < (int)(sizeof messages / sizeof messages[0]); i++)
        support_assert_aborts(misuse_null, &i, messages[i]);
}

static void interfaces_that_break_their_contract_end_the_program(void **state)
{
    (void)state;

    support_assert_aborts(misuse_reader, state, "it read 4 bytes of 3");
    support_assert_aborts(misuse_reader, NULL, "keel_io_read: reader is NULL");
    support_assert_aborts(misuse_writer, state, "it wrote 2 bytes of 1");
    support_assert_aborts(misuse_writer, NULL, "keel_io_write: writer is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(reading_gives_what_there_is),
        support_test(reading_in_full_needs_every_byte),
        support_test(reading_all_stops_at_the_limit),
        support_test(writing_goes_on_until_all_is_written),
        support_test(memory_of_fixed_size_fills_up),
        support_test(copying_stops_at_the_end_or_the_limit),
        support_test(a_limited_reader_ends_early),
        support_test(a_tee_and_a_multiwriter_pass_everything_on),
        support_test(buffered_writes_come_out_in_order_and_in_pieces),
        support_test(what_could_not_be_flushed_is_kept),
        support_test(lines_end_as_they_should),
        support_test(lines_tell_of_the_readers_error),
        support_test(random_bytes_split_into_the_same_lines),
        support_test(all_that_fits_a_limited_buffer_is_read),
        support_test(what_is_needed_must_be_there),
        support_test(interfaces_that_break_their_contract_end_the_program),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
