/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <wchar.h>

KEEL_ERR_DEFINE(err_public, "public");
static KEEL_ERR_DEFINE(err_private, "private");

typedef struct point {
    long double x; /* the most alignment there is, nearly everywhere */
    int y;
} point;

static int format_point(char *buf, size_t size, const void *payload)
{
    const point *p = payload;

    return snprintf(buf, size, "(%d, %d)", (int)p->x, p->y);
}
KEEL_ERR_TYPE(point, format_point);

/* A payload that owns a block, stands for a sentinel, and counts how often it is freed. */
typedef struct owner {
    char *block;
    const keel_err *stands_for;
} owner;

static int owners_freed;

static int format_owner(char *buf, size_t size, const void *payload)
{
    return snprintf(buf, size, "owner of %s", ((const owner *)payload)->block);
}

static bool owner_is(const void *payload, const keel_err *target)
{
    return ((const owner *)payload)->stands_for == target;
}

static void free_owner(void *payload)
{
    keel_mem_free(((owner *)payload)->block);
    owners_freed++;
}
KEEL_ERR_TYPE_FULL(owner, format_owner, owner_is, free_owner);

/* A type of the same shape: found by address, not by what it looks like. */
typedef struct point other;
KEEL_ERR_TYPE(other, format_point);

static void assert_text(const keel_err *err, const char *text)
{
    char buf[8192];

    keel_err_format(err, buf, sizeof buf);
    assert_string_equal(buf, text);
}

/* ---- Making ---- */

static void a_sentinel_costs_no_memory_and_any_number_of_frees_is_fine(void **state)
{
    (void)state;
    size_t made = support_mem_made();

    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(keel_err_retain(KEEL_ERR_CLOSED), KEEL_ERR_CLOSED);
        keel_err_free(KEEL_ERR_CLOSED);
        keel_err_free(KEEL_ERR_CLOSED);
    }
    assert_text(KEEL_ERR_CLOSED, "closed");
    assert_text(err_public, "public");
    assert_text(err_private, "private");
    assert_null(keel_err_where(KEEL_ERR_CLOSED));
    assert_int_equal(support_mem_made(), made);
}

static void each_sentinel_has_its_text_and_is_only_itself(void **state)
{
    (void)state;
    const struct {
        keel_err *err;
        const char *text;
    } rows[] = {
        { KEEL_ERR_NOMEM, "out of memory" },
        { KEEL_ERR_INVAL, "invalid argument" },
        { KEEL_ERR_RANGE, "out of range" },
        { KEEL_ERR_SYNTAX, "syntax error" },
        { KEEL_ERR_CLOSED, "closed" },
        { KEEL_ERR_CANCELLED, "context canceled" },
        { KEEL_ERR_DEADLINE, "context deadline exceeded" },
        { KEEL_ERR_NO_RUNTIME, "no runtime" },
        { KEEL_ERR_LIMIT, "limit reached" },
        { KEEL_ERR_BUSY, "busy" },
        { KEEL_ERR_NOT_FOUND, "not found" },
        { KEEL_ERR_EXISTS, "already exists" },
        { KEEL_ERR_PERMISSION, "permission denied" },
        { KEEL_ERR_UNSUPPORTED, "not supported" },
        { KEEL_ERR_INTERRUPTED, "interrupted by a signal" },
        { KEEL_ERR_TIMEOUT, "timed out" },
        { KEEL_ERR_REFUSED, "connection refused" },
        { KEEL_ERR_RESET, "connection reset" },
        { KEEL_ERR_UNREACHABLE, "unreachable" },
        { KEEL_ERR_NO_SPACE, "no space left" },
        { KEEL_ERR_IO, "input/output error" },
        { KEEL_ERR_EOF, "end of file" },
        { KEEL_ERR_UNEXPECTED_EOF, "unexpected end of file" },
    };
    size_t count = sizeof rows / sizeof rows[0];

    for (size_t i = 0; i < count; i++) {
        assert_text(rows[i].err, rows[i].text);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(keel_err_is(rows[i].err, rows[k].err), i == k);
    }
}

static void a_new_error_has_its_text_and_the_place_of_the_call(void **state)
{
    (void)state;
    const int line = __LINE__ + 1;
    keel_err *err = keel_err_new("user %d of %s", 42, "table");

    assert_text(err, "user 42 of table");
    assert_memory_equal(keel_err_where(err), __FILE__ ":", strlen(__FILE__) + 1);
    assert_int_equal(atoi(keel_err_where(err) + strlen(__FILE__) + 1), line);
    assert_null(keel_err_unwrap(err));
    assert_false(keel_err_is(err, KEEL_ERR_NOMEM));
    keel_err_free(err);
}

/* Around the sizes where the text is formatted a second time, and where it is cut off. */
static void texts_of_every_length_are_kept_up_to_a_limit(void **state)
{
    (void)state;
    static char long_text[6000];
    char buf[8192];
    const size_t lengths[] = { 0, 1, 254, 255, 256, 257, 511, 4094, 4095, 4096, 4097, 5000, 5999 };

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(long_text, 'x', lengths[i]);
        long_text[lengths[i]] = '\0';
        keel_err *err = keel_err_new("%s", long_text);
        size_t length = keel_err_format(err, buf, sizeof buf);
        if (lengths[i] <= 4095) {
            assert_string_equal(buf, long_text);
        } else {
            assert_int_equal(length, 4095);
            assert_memory_equal(buf, long_text, 4092);
            assert_string_equal(buf + 4092, "...");
        }
        keel_err_free(err);
    }
}

/* keel formats the simplest itself: the same texts come out. */
static void formats_mean_what_they_mean_to_printf(void **state)
{
    (void)state;
    const int numbers[] = { 0, 1, -1, 9, 10, -10, 1000000, INT_MAX, INT_MIN };
    const char *volatile nothing = NULL;
    char want[64];
    keel_err *err;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(want, sizeof want, "<%d|%s>", numbers[i], "");
        err = keel_err_new("<%d|%s>", numbers[i], "");
        assert_text(err, want);
        keel_err_free(err);
    }
    err = keel_err_new("%s%d", nothing, 5);
    assert_text(err, "(null)5");
    keel_err_free(err);
    err = keel_err_new("%s: 100%% of %5d, %-4s|%zu", "a", 42, "b", (size_t)7);
    assert_text(err, "a: 100% of    42, b   |7");
    keel_err_free(err);
}

static void a_cut_text_ends_with_a_whole_character(void **state)
{
    (void)state;
    static char text[6001];
    char buf[8192];

    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4); /* the euro sign */
        keel_err *err = keel_err_new("%s", text);
        size_t length = keel_err_format(err, buf, sizeof buf);
        assert_in_range(length, 4093, 4095);
        assert_int_equal((length - 3 - shift) % 3, 0);
        assert_memory_equal(buf, text, length - 3);
        assert_string_equal(buf + length - 3, "...");
        keel_err_free(err);
    }
}

static void a_format_that_fails_gives_its_own_text(void **state)
{
    (void)state;
    /* no character: vsnprintf returns -1 */
    keel_err *err = keel_err_new("bad %lc", (wint_t)0x7FFFFFFF);

    assert_text(err, "bad %lc");
    keel_err_free(err);
}

/* ---- Wrapping ---- */

static void a_wrap_keeps_identity_and_adds_text_and_place(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(KEEL_ERR_NOT_FOUND, "load user %d", 7);
    err = keel_err_wrap(err, "serve %s", "/users/7");

    assert_text(err, "serve /users/7: load user 7: not found");
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    assert_true(keel_err_is(err, err));
    assert_true(keel_err_is(err, keel_err_unwrap(err)));
    assert_false(keel_err_is(err, KEEL_ERR_CLOSED));
    assert_false(keel_err_is(keel_err_unwrap(err), err));
    assert_ptr_equal(keel_err_unwrap(keel_err_unwrap(err)), KEEL_ERR_NOT_FOUND);
    assert_null(keel_err_unwrap(KEEL_ERR_NOT_FOUND));
    assert_string_not_equal(keel_err_where(err), keel_err_where(keel_err_unwrap(err)));
    keel_err_free(err);
}

static void wrapping_nothing_gives_nothing_but_evaluates_the_arguments(void **state)
{
    (void)state;
    int calls = 0;

    assert_null(keel_err_wrap(NULL, "call %d", ++calls));
    assert_int_equal(calls, 1);
}

static void nothing_is_answered_for_null(void **state)
{
    (void)state;

    assert_true(keel_err_is(NULL, NULL));
    assert_false(keel_err_is(NULL, KEEL_ERR_IO));
    assert_false(keel_err_is(KEEL_ERR_IO, NULL));
    assert_null(KEEL_ERR_AS(NULL, point));
    assert_null(keel_err_unwrap(NULL));
    assert_null(keel_err_where(NULL));
    assert_int_equal(keel_err_errno(NULL), 0);
    assert_int_equal(keel_err_join_count(NULL), 0);
    assert_null(keel_err_join_get(NULL, 0));
    assert_null(keel_err_retain(NULL));
    keel_err_free(NULL);
}

static keel_err *fails_when(bool fail, int *reached)
{
    KEEL_TRY(fail ? KEEL_ERR_BUSY : NULL);
    ++*reached;
    return NULL;
}

static void try_returns_the_error_at_once(void **state)
{
    (void)state;
    int reached = 0;

    assert_err(fails_when(true, &reached), KEEL_ERR_BUSY);
    assert_int_equal(reached, 0);
    assert_ok(fails_when(false, &reached));
    assert_int_equal(reached, 1);
}

/* ---- errno ---- */

static void an_errno_is_its_sentinel_with_the_systems_words(void **state)
{
    (void)state;
    const struct {
        int code;
        const keel_err *sentinel;
        const char *text;
    } rows[] = {
        { ENOENT, KEEL_ERR_NOT_FOUND, "no such file or directory" },
        { ESRCH, KEEL_ERR_NOT_FOUND, "no such process" },
        { EACCES, KEEL_ERR_PERMISSION, "permission denied" },
        { EPERM, KEEL_ERR_PERMISSION, "operation not permitted" },
        { EROFS, KEEL_ERR_PERMISSION, "read-only file system" },
        { ECONNREFUSED, KEEL_ERR_REFUSED, "connection refused" },
        { ECONNRESET, KEEL_ERR_RESET, "connection reset by peer" },
        { EPIPE, KEEL_ERR_RESET, "broken pipe" },
        { ETIMEDOUT, KEEL_ERR_TIMEOUT, "connection timed out" },
        { EEXIST, KEEL_ERR_EXISTS, "file exists" },
        { ENOTEMPTY, KEEL_ERR_EXISTS, "directory not empty" },
        { EAGAIN, KEEL_ERR_BUSY, "resource temporarily unavailable" },
        { EADDRINUSE, KEEL_ERR_BUSY, "address already in use" },
        { ENOTCONN, KEEL_ERR_CLOSED, "not connected" },
        { ECANCELED, KEEL_ERR_CANCELLED, "operation canceled" },
        { EINTR, KEEL_ERR_INTERRUPTED, "interrupted system call" },
        { EINVAL, KEEL_ERR_INVAL, "invalid argument" },
        { ENOMEM, KEEL_ERR_NOMEM, "cannot allocate memory" },
        { EMFILE, KEEL_ERR_LIMIT, "too many open files" },
        { ENAMETOOLONG, KEEL_ERR_LIMIT, "file name too long" },
        { ENOSPC, KEEL_ERR_NO_SPACE, "no space left on device" },
        { EDQUOT, KEEL_ERR_NO_SPACE, "disk quota exceeded" },
        { EHOSTUNREACH, KEEL_ERR_UNREACHABLE, "no route to host" },
        { ENETUNREACH, KEEL_ERR_UNREACHABLE, "network is unreachable" },
        { ENOSYS, KEEL_ERR_UNSUPPORTED, "function not implemented" },
        { EOPNOTSUPP, KEEL_ERR_UNSUPPORTED, "operation not supported" },
        { ERANGE, KEEL_ERR_RANGE, "result out of range" },
        { EILSEQ, KEEL_ERR_SYNTAX, "invalid multibyte character" },
        { EIO, KEEL_ERR_IO, "input/output error" },
        { ENOTTY, KEEL_ERR_IO, "inappropriate ioctl for device" }, /* not in keel's table */
        { 3999, KEEL_ERR_IO, "unknown error 3999" },               /* not in the system's */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        for (int sign = -1; sign <= 1; sign += 2) {
            keel_err *err = keel_err_from_errno(sign * rows[i].code, "open %s", "a.conf");
            snprintf(text, sizeof text, "open a.conf: %s", rows[i].text);
            assert_text(err, text);
            assert_true(keel_err_is(err, rows[i].sentinel));
            assert_int_equal(keel_err_errno(err), rows[i].code);
            assert_false(keel_err_is(err, KEEL_ERR_DEADLINE));
            assert_memory_equal(keel_err_where(err), __FILE__, strlen(__FILE__));
            assert_null(keel_err_unwrap(err));
            keel_err_free(err);
        }
    }
}

static void an_errno_is_found_through_wraps_and_joins(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(keel_err_from_errno(ENOENT, "open"), "read");

    assert_int_equal(keel_err_errno(err), ENOENT);
    err = keel_err_join(keel_err_new("first"), err);
    err = keel_err_join(err, keel_err_from_errno(EIO, "later"));
    assert_int_equal(keel_err_errno(err), ENOENT);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    assert_true(keel_err_is(err, KEEL_ERR_IO));
    keel_err_free(err);
    assert_int_equal(keel_err_errno(KEEL_ERR_NOT_FOUND), 0);
}

static void an_errno_of_any_value_and_text_is_taken(void **state)
{
    (void)state;
    const char *none = "";

    keel_err *err = keel_err_from_errno(INT_MIN, "odd");
    assert_true(keel_err_is(err, KEEL_ERR_IO));
    assert_int_equal(keel_err_errno(err), INT_MAX);
    keel_err_free(err);

    err = keel_err_from_errno(ENOENT, "%s", none);
    assert_text(err, ": no such file or directory");
    keel_err_free(err);
    err = keel_err_from_errno_at(KEEL_HERE, ENOENT, none, 0);
    assert_text(err, "no such file or directory");
    keel_err_free(err);
}

/* At 0 to 2 bytes before it, the last character that fits ends elsewhere. */
static void a_long_text_is_cut_off_but_the_systems_words_are_not(void **state)
{
    (void)state;
    static char name[5001];
    char buf[8192];

    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'n', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xE2\x82\xAC", 4);
        keel_err *err = keel_err_from_errno(ENOENT, "%s", name);
        assert_in_range(keel_err_format(err, buf, sizeof buf), 4093, 4095);
        assert_non_null(strstr(buf, "\xE2\x82\xAC...: no such file or directory"));
        keel_err_free(err);
    }
}

/* ---- Payloads ---- */

static void a_payload_is_found_by_its_type(void **state)
{
    (void)state;
    keel_err *err = KEEL_ERR_NEW(point, { .x = 3, .y = 4 });

    assert_text(err, "(3, 4)");
    assert_memory_equal(keel_err_where(err), __FILE__, strlen(__FILE__));
    err = keel_err_wrap(keel_err_wrap(err, "inner"), "outer");
    assert_text(err, "outer: inner: (3, 4)");

    const point *found = KEEL_ERR_AS(err, point);
    assert_non_null(found);
    assert_int_equal((uintptr_t)found % _Alignof(max_align_t), 0);
    assert_int_equal(found->y, 4);
    assert_null(KEEL_ERR_AS(err, other));
    assert_null(KEEL_ERR_AS(err, owner));
    assert_null(KEEL_ERR_AS(KEEL_ERR_IO, point));
    assert_false(keel_err_is(err, KEEL_ERR_IO)); /* a type without `is` */
    keel_err_free(err);
}

static keel_err *new_owner(const keel_err *stands_for)
{
    char *block = keel_mem_alloc(4);

    if (block == NULL)
        return KEEL_ERR_NOMEM;
    memcpy(block, "tea", 4);
    return KEEL_ERR_NEW(owner, { .block = block, .stands_for = stands_for });
}

static void a_payload_may_stand_for_a_sentinel(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(new_owner(KEEL_ERR_LIMIT), "pour");

    assert_text(err, "pour: owner of tea");
    assert_true(keel_err_is(err, KEEL_ERR_LIMIT));
    assert_false(keel_err_is(err, KEEL_ERR_IO));
    keel_err_free(err);
}

static void a_payload_is_freed_once_with_the_last_reference(void **state)
{
    (void)state;
    keel_err *err = new_owner(NULL);

    owners_freed = 0;
    keel_err_retain(err);
    keel_err_free(err);
    assert_int_equal(owners_freed, 0);
    assert_text(err, "owner of tea");
    keel_err_free(err);
    assert_int_equal(owners_freed, 1);
}

static void the_first_payload_in_the_order_of_a_join_is_found(void **state)
{
    (void)state;
    keel_err *err = keel_err_wrap(KEEL_ERR_NEW(point, { .y = 1 }), "first");

    err = keel_err_join(KEEL_ERR_IO, err);
    err = keel_err_join(err, KEEL_ERR_NEW(point, { .y = 2 }));
    err = keel_err_wrap(err, "both");
    assert_int_equal(KEEL_ERR_AS(err, point)->y, 1);
    assert_null(KEEL_ERR_AS(err, owner));
    keel_err_free(err);
}

/* ---- Owning ---- */

static void a_chain_of_a_million_is_used_and_freed_without_recursion(void **state)
{
    (void)state;
    keel_err *err = KEEL_ERR_NOT_FOUND;
    size_t live = support_mem_live();

    for (int i = 0; i < 1000000; i++)
        err = keel_err_wrap(err, "w");
    assert_int_equal(support_mem_live(), live + 1000000);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    assert_false(keel_err_is(err, KEEL_ERR_CLOSED));
    assert_null(KEEL_ERR_AS(err, point));
    assert_int_equal(keel_err_errno(err), 0);
    assert_int_equal(keel_err_format(err, NULL, 0), 3000000 + strlen("not found"));
    keel_err_free(err);
    assert_int_equal(support_mem_live(), live);
}

static void shared_causes_live_as_long_as_their_last_owner(void **state)
{
    (void)state;
    keel_err *cause = keel_err_wrap(KEEL_ERR_IO, "cause");
    keel_err *one = keel_err_wrap(keel_err_retain(cause), "one");
    keel_err *two = keel_err_wrap(cause, "two");

    assert_ptr_equal(keel_err_unwrap(one), keel_err_unwrap(two));
    keel_err_free(one);
    assert_text(two, "two: cause: input/output error");
    keel_err_free(two);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *retain_and_free(void *arg)
{
    keel_err *err = arg;
    bool fine = true;

    for (int i = 0; i < ROUNDS; i++) {
        keel_err *mine = keel_err_retain(err);
        fine = fine && keel_err_is(mine, KEEL_ERR_LIMIT);
        keel_err_free(keel_err_wrap(mine, "mine"));
    }
    keel_err_free(err); /* the reference that the thread was given */
    return fine ? NULL : err;
}

static void any_number_of_threads_share_an_error(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    keel_err *err = keel_err_join(new_owner(KEEL_ERR_LIMIT), keel_err_new("more"));
    void *result;

    owners_freed = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, retain_and_free, keel_err_retain(err)),
                         0);
    keel_err_free(err);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(owners_freed, 1);
}

/* ---- Out of memory ---- */

static void without_memory_an_error_is_what_still_says_the_most(void **state)
{
    (void)state;
    keel_err *cause = keel_err_new("cause");

    support_mem_fail(1, true);
    assert_ptr_equal(keel_err_new("text %d", 1), KEEL_ERR_NOMEM);
    assert_ptr_equal(keel_err_wrap(cause, "text"), cause);
    assert_ptr_equal(keel_err_wrap(KEEL_ERR_IO, "text"), KEEL_ERR_IO);
    assert_ptr_equal(keel_err_from_errno(ENOENT, "text"), KEEL_ERR_NOT_FOUND);
    assert_ptr_equal(keel_err_from_errno(3999, "text"), KEEL_ERR_IO);
    assert_ptr_equal(KEEL_ERR_NEW(point, { .y = 1 }), KEEL_ERR_NOMEM);
    assert_ptr_equal(keel_err_join(cause, KEEL_ERR_IO), cause);
    assert_ptr_equal(keel_err_join(KEEL_ERR_IO, cause), KEEL_ERR_IO); /* frees cause */
    support_mem_fail(0, false);
}

static void without_memory_a_payload_is_freed(void **state)
{
    (void)state;
    owner payload = { .block = keel_mem_alloc(4) };

    owners_freed = 0;
    support_mem_fail(1, false);
    assert_ptr_equal(keel_err_new_typed(KEEL_HERE, &keel_err_type_owner, &payload), KEEL_ERR_NOMEM);
    assert_int_equal(owners_freed, 1);
}

static keel_err *make_all_kinds(void *arg)
{
    (void)arg;
    keel_err *err = keel_err_wrap(keel_err_new("text"), "wrap");
    err = keel_err_join(err, keel_err_from_errno(ENOMEM, "errno"));
    keel_err *shared = keel_err_retain(err);
    err = keel_err_join(err, new_owner(NULL));
    err = keel_err_join(keel_err_wrap(shared, "again"), err);

    char buf[1024];
    keel_err_format(err, buf, sizeof buf);
    keel_err_json(err, buf, sizeof buf);
    keel_err_free(err);
    return NULL;
}

static void no_failing_allocation_loses_an_error(void **state)
{
    (void)state;
    support_mem_torture(make_all_kinds, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_sentinel_costs_no_memory_and_any_number_of_frees_is_fine),
        support_test(each_sentinel_has_its_text_and_is_only_itself),
        support_test(a_new_error_has_its_text_and_the_place_of_the_call),
        support_test(texts_of_every_length_are_kept_up_to_a_limit),
        support_test(formats_mean_what_they_mean_to_printf),
        support_test(a_cut_text_ends_with_a_whole_character),
        support_test(a_format_that_fails_gives_its_own_text),
        support_test(a_wrap_keeps_identity_and_adds_text_and_place),
        support_test(wrapping_nothing_gives_nothing_but_evaluates_the_arguments),
        support_test(nothing_is_answered_for_null),
        support_test(try_returns_the_error_at_once),
        support_test(an_errno_is_its_sentinel_with_the_systems_words),
        support_test(an_errno_is_found_through_wraps_and_joins),
        support_test(an_errno_of_any_value_and_text_is_taken),
        support_test(a_long_text_is_cut_off_but_the_systems_words_are_not),
        support_test(a_payload_is_found_by_its_type),
        support_test(a_payload_may_stand_for_a_sentinel),
        support_test(a_payload_is_freed_once_with_the_last_reference),
        support_test(the_first_payload_in_the_order_of_a_join_is_found),
        support_test(a_chain_of_a_million_is_used_and_freed_without_recursion),
        support_test(shared_causes_live_as_long_as_their_last_owner),
        support_test(any_number_of_threads_share_an_error),
        support_test(without_memory_an_error_is_what_still_says_the_most),
        support_test(without_memory_a_payload_is_freed),
        support_test(no_failing_allocation_loses_an_error),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
