/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <algorithm>
#include <vector>

/* The sorts of C++'s and C's libraries. */

namespace
{

bool operator<(const bench_record &a, const bench_record &b)
{
    return a.key < b.key;
}

void fill(std::vector<int32_t> &v, bench_pattern pattern)
{
    bench_fill_i32(v.data(), v.size(), pattern);
}

void fill(std::vector<bench_record> &v, bench_pattern pattern)
{
    bench_fill_records(v.data(), v.size(), pattern);
}

template <class T> struct Less {
    bool operator()(const T &a, const T &b) const
    {
        return a < b;
    }
};

template <class T> int compare(const void *a, const void *b)
{
    const T &x = *static_cast<const T *>(a), &y = *static_cast<const T *>(b);

    return (y < x) - (x < y);
}

struct Unstable {
    template <class T> static void sort(std::vector<T> &v)
    {
        std::sort(v.begin(), v.end(), Less<T>());
    }
};

struct Stable {
    template <class T> static void sort(std::vector<T> &v)
    {
        std::stable_sort(v.begin(), v.end(), Less<T>());
    }
};

struct Qsort {
    template <class T> static void sort(std::vector<T> &v)
    {
        qsort(v.data(), v.size(), sizeof(T), compare<T>);
    }
};

template <class How, class T, bench_pattern pattern> void run(bench *b)
{
    std::vector<T> v(b->n);

    fill(v, pattern);
    bench_start(b);
    How::sort(v);
    bench_stop(b);
    BENCH_CHECK(std::is_sorted(v.begin(), v.end(), Less<T>()));
}

#define ROW(kind, T, how, How, pattern, PATTERN)                                                   \
    {                                                                                              \
        "sort", "sort_" kind "_" pattern, how, run<How, T, PATTERN>, 1000000, BENCH_ANY,           \
            "ns/elem", false                                                                       \
    }
#define ROWS(kind, T, how, How)                                                                    \
    ROW(kind, T, how, How, "random", BENCH_RANDOM),                                                \
        ROW(kind, T, how, How, "sorted", BENCH_SORTED),                                            \
        ROW(kind, T, how, How, "reversed", BENCH_REVERSED),                                        \
        ROW(kind, T, how, How, "few", BENCH_FEW)

const bench_workload workloads[] = {
    ROWS("i32", int32_t, "std::sort", Unstable),
    ROWS("i32", int32_t, "std::stable_sort", Stable),
    ROWS("i32", int32_t, "qsort", Qsort),
    ROWS("rec16", bench_record, "std::sort", Unstable),
    ROWS("rec16", bench_record, "std::stable_sort", Stable),
    ROWS("rec16", bench_record, "qsort", Qsort),
};

} // namespace

int main(int argc, char **argv)
{
    const bench_program program = { workloads, sizeof workloads / sizeof workloads[0], NULL,
                                    false };

    return bench_main(argc, argv, &program);
}
