/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

/* Errors: making, wrapping and freeing them, and asking what they are. */

static KEEL_ERR_DEFINE(err_missing, "not found");
static KEEL_ERR_DEFINE(err_other, "other");

typedef struct code_error {
    int code;
} code_error;

static int format_code(char *buf, size_t size, const void *payload)
{
    const code_error *e = payload;

    return snprintf(buf, size, "code %d", e->code);
}

KEEL_ERR_TYPE(code_error, format_code);

BENCH_NOINLINE static keel_err *fail(void)
{
    return err_missing;
}

static void create_static(bench *b)
{
    size_t failed = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_err *err = fail();

        failed += err != NULL;
        keel_err_free(err);
    }
    bench_stop(b);
    BENCH_CHECK(failed == b->n);
}

static void create_fmt(bench *b)
{
    size_t failed = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_err *err = keel_err_new("file %s: code %d", "app.conf", 42);

        BENCH_KEEP(err);
        failed += err != KEEL_ERR_NOMEM;
        keel_err_free(err);
    }
    bench_stop(b);
    BENCH_CHECK(failed == b->n);
}

BENCH_NOINLINE static keel_err *failing(keel_err *base)
{
    return keel_err_wrap(base, "open config");
}

BENCH_NOINLINE static keel_err *failing2(keel_err *base)
{
    return keel_err_wrap(failing(base), "load settings");
}

BENCH_NOINLINE static keel_err *failing3(keel_err *base)
{
    return keel_err_wrap(failing2(base), "start server");
}

static void wrap3(bench *b)
{
    size_t wrapped = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        keel_err *err = failing3(err_missing);

        wrapped += err != err_missing;
        keel_err_free(err);
    }
    bench_stop(b);
    BENCH_CHECK(wrapped == b->n);
}

/* How often `target` is found under three wraps of err_missing. */
static size_t count_is(bench *b, const keel_err *target)
{
    keel_err *err = failing3(err_missing);
    size_t hits = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        BENCH_KEEP(err);
        hits += keel_err_is(err, target);
    }
    bench_stop(b);
    keel_err_free(err);
    return hits;
}

static void is3(bench *b)
{
    BENCH_CHECK(count_is(b, err_missing) == b->n);
}

static void is3_miss(bench *b)
{
    BENCH_CHECK(count_is(b, err_other) == 0);
}

static void as3(bench *b)
{
    keel_err *err = failing3(KEEL_ERR_NEW(code_error, { .code = 7 }));
    size_t sum = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        const code_error *e;

        BENCH_KEEP(err);
        e = KEEL_ERR_AS(err, code_error);
        if (e != NULL)
            sum += (size_t)e->code;
    }
    bench_stop(b);
    BENCH_CHECK(sum == 7 * b->n);
    keel_err_free(err);
}

static const bench_workload workloads[] = {
    { .section = "err", .name = "err_create", .peer = "keel", .run = create_static, .n = 20000000 },
    { .section = "err", .name = "err_create_fmt", .peer = "keel", .run = create_fmt, .n = 1000000 },
    { .section = "err", .name = "err_wrap3", .peer = "keel", .run = wrap3, .n = 1000000 },
    { .section = "err", .name = "err_is3", .peer = "keel", .run = is3, .n = 10000000 },
    { .section = "err", .name = "err_is3_miss", .peer = "keel", .run = is3_miss, .n = 10000000 },
    { .section = "err", .name = "err_as3", .peer = "keel", .run = as3, .n = 10000000 },
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), false);
}
