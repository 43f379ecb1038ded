/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <keel/io.h>

static char directory[64];

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static keel_err *use_files(keel_ctx *ctx, void *arg)
{
    keel_file file;
    keel_buf buf = { 0 };
    char large[10000];

    (void)arg;
    memset(large, 'x', sizeof large);
    must_ok(keel_file_create(ctx, &file, path_of("a")));
    must_ok(keel_io_write(ctx, keel_file_writer(&file), large, sizeof large));
    must_ok(keel_io_printf(ctx, keel_file_all(&file).writer, "%s\n", "end"));
    must_ok(keel_file_sync(ctx, &file));
    must_ok(keel_io_close(ctx, keel_file_closer(&file)));
    must_ok(keel_io_close(ctx, keel_file_all(&file).closer)); /* does nothing */
    must_ok(keel_file_append(ctx, &file, path_of("a")));
    must_ok(keel_io_write(ctx, keel_file_writer(&file), "more\n", 5));
    must_ok(keel_file_close(ctx, &file));

    must_ok(keel_file_open(ctx, &file, path_of("a")));
    must_ok(keel_io_read_all(ctx, keel_file_reader(&file), &buf, KEEL_UNLIMITED));
    must(buf.len == sizeof large + 9 && memcmp(buf.ptr, large, sizeof large) == 0);
    must(strcmp(buf.ptr + sizeof large, "end\nmore\n") == 0);
    keel_err *err = keel_io_write(ctx, keel_file_writer(&file), "x", 1);
    must(keel_err_errno(err) == EBADF); /* it is open for reading */
    keel_err_free(err);
    must_ok(keel_file_close(ctx, &file));

    keel_buf_clear(&buf);
    must_ok(keel_io_write_file(ctx, path_of("a"), "short", 5)); /* replaces what was there */
    must_ok(keel_io_read_file(ctx, path_of("a"), &buf, 5));
    must(strcmp(keel_buf_text(&buf), "short") == 0);
    must_err(keel_io_read_file(ctx, path_of("a"), &buf, 4), KEEL_ERR_LIMIT);
    keel_buf_deinit(&buf);
    return NULL;
}

static void files_are_written_and_read(void **state)
{
    (void)state;
    struct stat about;

    assert_ok(use_files(NULL, NULL));
    assert_ok(support_run(use_files, NULL));
    assert_int_equal(stat(path_of("a"), &about), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(about.st_mode & 0777, 0666 & ~mask);
}

static void errors_say_which_file(void **state)
{
    (void)state;
    keel_file file;
    char text[200];
    size_t got;

    keel_err *err = keel_file_open(NULL, &file, path_of("none"));
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    snprintf(text, sizeof text, "open %s: no such file or directory", path_of("none"));
    assert_int_equal(strcasecmp(KEEL_ERR_STR(err), text), 0);
    keel_err_free(err);
    assert_ok(keel_file_close(NULL, &file)); /* was never open */
    assert_ok(keel_file_close(NULL, NULL));

    assert_err(keel_io_read(NULL, keel_file_reader(&file), text, 1, &got), KEEL_ERR_CLOSED);
    assert_err(keel_io_write(NULL, keel_file_writer(&file), text, 1), KEEL_ERR_CLOSED);
    assert_err(keel_file_sync(NULL, &file), KEEL_ERR_CLOSED);

    assert_ok(keel_file_open(NULL, &file, directory));
    err = keel_io_read(NULL, keel_file_reader(&file), text, sizeof text, &got);
    assert_int_equal(keel_err_errno(err), EISDIR);
    assert_non_null(strstr(KEEL_ERR_STR(err), directory));
    keel_err_free(err);
    assert_ok(keel_file_close(NULL, &file));

    err = keel_io_read_file(NULL, path_of("none"), NULL, 1);
    assert_true(keel_err_is(err, KEEL_ERR_NOT_FOUND));
    keel_err_free(err);
    assert_err(keel_io_write_file(NULL, path_of("no/file"), "", 0), KEEL_ERR_NOT_FOUND);
}

static void descriptors_are_not_inherited_and_closed_once(void **state)
{
    (void)state;
    keel_file file;
    int fds[2];

    assert_ok(keel_io_write_file(NULL, path_of("b"), "b", 1));
    assert_ok(keel_file_open(NULL, &file, path_of("b")));
    assert_true((fcntl(file.keel__fd - 1, F_GETFD) & FD_CLOEXEC) != 0);
    int fd = file.keel__fd - 1;
    assert_ok(keel_file_close(NULL, &file));
    assert_int_equal(fcntl(fd, F_GETFD), -1);

    assert_int_equal(pipe(fds), 0);
    assert_ok(keel_file_borrow_fd(&file, fds[0], "pipe"));
    assert_ok(keel_file_close(NULL, &file));
    assert_int_equal(fcntl(fds[0], F_GETFD), 0);
    assert_ok(keel_file_from_fd(&file, fds[0], "pipe"));
    assert_ok(keel_file_close(NULL, &file));
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}

/* ---- Pipes ---- */

typedef struct ends {
    keel_file in, out;
    size_t bytes;
} ends;

static ends open_pipe(void)
{
    ends p = { .bytes = 300000 };
    int fds[2];

    must(pipe(fds) == 0);
    must_ok(keel_file_from_fd(&p.in, fds[0], "pipe, to read"));
    must_ok(keel_file_from_fd(&p.out, fds[1], "pipe, to write"));
    return p;
}

static keel_err *write_pipe(keel_ctx *ctx, void *arg)
{
    ends *p = arg;
    char *bytes = keel_mem_calloc(1, p->bytes);

    must(bytes != NULL);
    for (size_t i = 0; i < p->bytes; i++)
        bytes[i] = (char)(i % 251);
    must_ok(keel_io_write(ctx, keel_file_writer(&p->out), bytes, p->bytes));
    must_ok(keel_file_close(ctx, &p->out));
    keel_mem_free(bytes);
    return NULL;
}

static keel_err *read_pipe(keel_ctx *ctx, void *arg)
{
    ends *p = arg;
    keel_buf buf = { 0 };

    must_ok(keel_io_read_all(ctx, keel_file_reader(&p->in), &buf, KEEL_UNLIMITED));
    must(buf.len == p->bytes);
    for (size_t i = 0; i < buf.len; i++)
        must(buf.ptr[i] == (char)(i % 251));
    keel_buf_deinit(&buf);
    return keel_file_close(ctx, &p->in);
}

static keel_err *through_a_pipe(keel_ctx *ctx, void *arg)
{
    ends p = open_pipe();
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, write_pipe, &p);
    crew_go(&c, read_pipe, &p);
    crew_join(&c);
    return NULL;
}

static void a_pipe_carries_more_than_it_holds(void **state)
{
    (void)state;

    assert_ok(through_a_pipe(NULL, NULL));
    assert_ok(support_run(through_a_pipe, NULL));
}

/* A descriptor that does not block is waited for as well. */
static void a_descriptor_may_be_non_blocking(void **state)
{
    (void)state;
    ends p = open_pipe();
    crew c;

    assert_int_equal(fcntl(p.in.keel__fd - 1, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(p.out.keel__fd - 1, F_SETFL, O_NONBLOCK), 0);
    crew_open(&c, NULL);
    crew_go(&c, read_pipe, &p);
    crew_go(&c, write_pipe, &p);
    crew_join(&c);
}

static keel_err *wait_in_vain(keel_ctx *ctx, void *arg)
{
    ends p = open_pipe();
    char byte;
    size_t got;
    static char much[300000];
    keel_ctx *limited = keel_ctx_with_timeout(ctx, KEEL_MS(30));

    (void)arg;
    must_err(keel_io_read(limited, keel_file_reader(&p.in), &byte, 1, &got), KEEL_ERR_DEADLINE);
    keel_ctx_free(limited);
    limited = keel_ctx_with_timeout(ctx, KEEL_MS(30)); /* a full pipe */
    must_err(keel_io_write(limited, keel_file_writer(&p.out), much, sizeof much),
             KEEL_ERR_DEADLINE);
    must_ok(keel_file_close(limited, &p.in)); /* closing does not ask */
    must_ok(keel_file_close(limited, &p.out));
    keel_ctx_free(limited);
    return NULL;
}

static void a_pipe_is_not_waited_for_longer_than_the_context_lives(void **state)
{
    (void)state;

    assert_ok(wait_in_vain(NULL, NULL));
    assert_ok(support_run_on(NULL, 0, wait_in_vain, NULL));
}

static keel__a32 signals;

static void count_signal(int number)
{
    (void)number;
    keel__add_relaxed(&signals, 1);
}

/* Signals that interrupt every call: nothing is lost, nothing fails. */
static void signals_interrupt_nothing(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = count_signal }, before; /* without SA_RESTART */
    struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };

    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    keel__store_relaxed(&signals, 0);
    while (keel__load_relaxed(&signals) < 100) {
        assert_ok(through_a_pipe(NULL, NULL));
        assert_ok(use_files(NULL, NULL));
    }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

static int fd_to_fill;

/* The first signal comes while the pipe is empty; should the reader be stuck, the next one frees it. */
static void interrupt_then_fill(int number)
{
    (void)number;
    if (keel__add_relaxed(&signals, 1) > 0 && write(fd_to_fill, "x", 1) != 1)
        abort();
}

/* A call that a signal keeps from waiting must not wait in the read: that would not end with the context. */
static void a_read_that_a_signal_interrupts_still_ends_with_the_context(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = interrupt_then_fill, .sa_flags = SA_RESTART }, before;
    struct itimerval soon = { { 10, 0 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
    ends p = open_pipe();
    char byte;
    size_t got;
    keel_ctx *ctx = keel_ctx_with_timeout(NULL, KEEL_MS(100));

    fd_to_fill = p.out.keel__fd - 1;
    keel__store_relaxed(&signals, 0);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    keel_err *err = keel_io_read(ctx, keel_file_reader(&p.in), &byte, 1, &got);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_err(err, KEEL_ERR_DEADLINE);
    assert_int_equal(keel__load_relaxed(&signals), 1);
    keel_ctx_free(ctx);
    assert_ok(keel_file_close(NULL, &p.in));
    assert_ok(keel_file_close(NULL, &p.out));
}

/* ---- Without threads ---- */

static keel_err *close_hopelessly(keel_ctx *ctx, void *arg)
{
    ends *p = arg;
    const int fds[] = { p->in.keel__fd - 1, p->out.keel__fd - 1 };
    keel_ctx *ended = keel_ctx_with_cancel(ctx);
    char byte;
    size_t got;

    keel_ctx_cancel(ended);
    check_err(keel_io_read(ctx, keel_file_reader(&p->in), &byte, 1, &got), KEEL_ERR_LIMIT);
    KEEL_TRY(keel_file_close(ctx, &p->in));
    KEEL_TRY(keel_file_close(ended, &p->out));
    keel_ctx_free(ended);
    check(fcntl(fds[0], F_GETFD) == -1 && fcntl(fds[1], F_GETFD) == -1);
    return NULL;
}

/* In a process that can make no thread; root is under no such limit, and becomes nobody. */
static void close_without_threads(void *arg)
{
    enum { NOBODY = 65534 };
    keel_runtime *rt;
    ends p = open_pipe();
    keel_err *err = keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 });

    (void)arg;
    if (err == NULL && setrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 }) == 0 &&
        (geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0))
        err = keel_runtime_run(rt, close_hopelessly, &p);
    else if (err == NULL)
        err = keel_err_new("threads are not denied");
    fprintf(stderr, "err: %s\n", err != NULL ? KEEL_ERR_STR(err) : "none");
}

static void without_any_thread_a_file_is_closed_all_the_same(void **state)
{
    int status;

    (void)state;
    const char *text = support_child(close_without_threads, NULL, &status);
    assert_string_equal(text, "err: none\n");
    assert_int_equal(status, 0);
}

/* ---- Memory ---- */

static keel_err *use_all(void *arg)
{
    keel_file file;
    keel_buf buf = { 0 };
    keel_str rest = KEEL_STR("one\ntwo\nthree");
    size_t count = 0;

    (void)arg;
    KEEL_TRY(keel_file_create(NULL, &file, path_of("c")));
    keel_io_buffered out;
    keel_err *err = keel_io_buffered_init(&out, keel_file_writer(&file), 0);
    if (err == NULL)
        err = keel_io_copy(NULL, keel_io_to_buffered(&out), keel_io_from_str(&rest), 100, NULL);
    if (err == NULL)
        err = keel_io_printf(NULL, keel_io_to_buffered(&out), "\n%d", 4);
    if (err == NULL)
        err = keel_io_flush(NULL, &out);
    keel_io_buffered_deinit(&out);
    keel_err_free(keel_file_close(NULL, &file));
    if (err != NULL)
        return err;

    KEEL_TRY(keel_file_open(NULL, &file, path_of("c")));
    keel_lines lines = { .from = keel_file_reader(&file) };
    for (keel_str line; keel_lines_next(NULL, &lines, &line);)
        count++;
    err = keel_lines_err(&lines);
    must(err != NULL || count == 4);
    keel_lines_deinit(&lines);
    keel_err_free(keel_file_close(NULL, &file));
    if (err == NULL)
        err = keel_io_read_file(NULL, path_of("c"), &buf, 100);
    keel_buf_deinit(&buf);
    return err;
}

/* The lowest descriptor that is free. */
static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY);

    close(fd);
    return fd;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    int fd = next_fd();

    support_mem_torture(use_all, NULL, NULL);
    assert_int_equal(next_fd(), fd); /* nothing was left open */
}

static void a_descriptor_is_closed_if_it_cannot_be_kept(void **state)
{
    (void)state;
    keel_file file;
    int fds[2];

    memset(&file, 0xFF, sizeof file);
    assert_int_equal(pipe(fds), 0);
    support_mem_fail(1, true);
    keel_err *err = keel_file_borrow_fd(&file, fds[0], "pipe");
    keel_err *other = keel_file_from_fd(&file, fds[1], "pipe");
    support_mem_fail(0, false);
    assert_err(err, KEEL_ERR_NOMEM);
    assert_err(other, KEEL_ERR_NOMEM);
    assert_ok(keel_file_close(NULL, &file)); /* it is none */
    assert_int_equal(fcntl(fds[0], F_GETFD), 0);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    close(fds[0]);
}

static void opening_a_pipe_that_nobody_reads_ends_with_the_context(void **state)
{
    (void)state;
    keel_file file;
    keel_ctx *ctx = keel_ctx_with_timeout(NULL, KEEL_MS(1));

    unlink(path_of("c"));
    assert_int_equal(mkfifo(path_of("c"), 0600), 0);
    assert_err(keel_file_append(ctx, &file, path_of("c")), KEEL_ERR_DEADLINE);
    keel_ctx_free(ctx);
    assert_ok(keel_file_open(NULL, &file, path_of("c"))); /* nobody writes to it yet */
    assert_ok(keel_file_close(NULL, &file));
    unlink(path_of("c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(files_are_written_and_read),
        support_test(errors_say_which_file),
        support_test(descriptors_are_not_inherited_and_closed_once),
        support_test(a_pipe_carries_more_than_it_holds),
        support_test(a_descriptor_may_be_non_blocking),
        support_test(a_pipe_is_not_waited_for_longer_than_the_context_lives),
        support_test(signals_interrupt_nothing),
        support_test(a_read_that_a_signal_interrupts_still_ends_with_the_context),
        support_test(without_any_thread_a_file_is_closed_all_the_same),
        support_test(each_allocation_may_fail),
        support_test(a_descriptor_is_closed_if_it_cannot_be_kept),
        support_test(opening_a_pipe_that_nobody_reads_ends_with_the_context),
    };

    support_mem_install();
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.40s/keel_io_XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path_of("a"));
    unlink(path_of("b"));
    unlink(path_of("c"));
    rmdir(directory);
    return failed;
}
