/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <stdexcept>
#include <string>

/* Errors of C++: absl::Status, if it is there, and exceptions. */

#if __has_include(<absl/status/status.h>)
#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#define HAVE_ABSL 1
#endif

namespace
{

/* ---- Exceptions ---- */

struct CodeError : std::runtime_error {
    int code;

    explicit CodeError(int c) : std::runtime_error("not found"), code(c)
    {
    }
};

BENCH_NOINLINE void throw_one()
{
    throw CodeError(7);
}

template <void (*inner)()> BENCH_NOINLINE void throw_around()
{
    try {
        inner();
    } catch (...) {
        std::throw_with_nested(std::runtime_error("wrapped"));
    }
}

void throw_and_catch(bench *b)
{
    size_t caught = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        try {
            throw_one();
        } catch (const CodeError &e) {
            caught += e.code == 7;
        }
    bench_stop(b);
    BENCH_CHECK(caught == b->n);
}

void throw_nested(bench *b)
{
    size_t caught = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        try {
            throw_around<throw_around<throw_around<throw_one>>>();
        } catch (const std::exception &e) {
            caught += e.what()[0] == 'w';
        }
    bench_stop(b);
    BENCH_CHECK(caught == b->n);
}

/* ---- absl::Status ---- */

#ifdef HAVE_ABSL
absl::Status annotate(const absl::Status &status, const char *text)
{
    return absl::Status(status.code(), absl::StrCat(text, ": ", status.message()));
}

BENCH_NOINLINE absl::Status fail()
{
    return absl::NotFoundError("not found");
}

BENCH_NOINLINE absl::Status failing()
{
    return annotate(fail(), "open config");
}

BENCH_NOINLINE absl::Status failing2()
{
    return annotate(failing(), "load settings");
}

BENCH_NOINLINE absl::Status failing3()
{
    return annotate(failing2(), "start server");
}

template <absl::Status (*make)()> void create(bench *b)
{
    size_t failed = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        failed += !make().ok();
    bench_stop(b);
    BENCH_CHECK(failed == b->n);
}

absl::Status formatted()
{
    return absl::NotFoundError(absl::StrCat("file ", "app.conf", ": code ", 42));
}

template <bool (*is)(const absl::Status &)> size_t count_is(bench *b)
{
    absl::Status status = failing3();
    size_t hits = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        BENCH_KEEP(&status);
        hits += is(status);
    }
    bench_stop(b);
    return hits;
}

void is3(bench *b)
{
    BENCH_CHECK(count_is<absl::IsNotFound>(b) == b->n);
}

void is3_miss(bench *b)
{
    BENCH_CHECK(count_is<absl::IsAborted>(b) == 0);
}
#endif

#define ROW(name, peer, run, n)                                                                    \
    {                                                                                              \
        "err", name, peer, run, n, BENCH_ANY, NULL, false                                          \
    }
const bench_workload workloads[] = {
    ROW("err_create", "c++ throw and catch", throw_and_catch, 50000),
    ROW("err_wrap3", "c++ throw_with_nested", throw_nested, 10000),
#ifdef HAVE_ABSL
    ROW("err_create", "absl::NotFoundError", create<fail>, 1000000),
    ROW("err_create_fmt", "absl::NotFoundError(StrCat)", create<formatted>, 500000),
    ROW("err_wrap3", "absl::Status(StrCat)", create<failing3>, 200000),
    ROW("err_is3", "absl::IsNotFound (no chain)", is3, 10000000),
    ROW("err_is3_miss", "absl::IsAborted (no chain)", is3_miss, 10000000),
#endif
};

} // namespace

int main(int argc, char **argv)
{
    const bench_program program = { workloads, sizeof workloads / sizeof workloads[0], NULL,
                                    false };

    return bench_main(argc, argv, &program);
}
