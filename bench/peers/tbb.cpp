/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "inputs.h"

#include <atomic>
#include <oneapi/tbb/mutex.h>
#include <tbb/concurrent_queue.h>
#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/spin_mutex.h>
#include <tbb/task_group.h>
#include <thread>
#include <vector>

// oneTBB: bounded queues between threads, task_group, parallel_pipeline, locks, task_group_context.

namespace
{

using queue = tbb::concurrent_bounded_queue<int64_t>;
constexpr int64_t end = -1;

void inside(unsigned procs, void (*body)(void *), void *arg)
{
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, procs == 0 ? 2 : procs);

    body(arg);
}

void spawn_join(bench *b)
{
    constexpr size_t width = 1000;
    tbb::task_group group;
    static unsigned ran[width];
    size_t total = 0;

    for (unsigned &r : ran)
        r = 0;
    bench_start(b);
    for (size_t left = b->n; left > 0;) {
        size_t wave = left < width ? left : width;

        for (size_t i = 0; i < wave; i++)
            group.run([i] { ran[i]++; });
        group.wait();
        left -= wave;
    }
    bench_stop(b);
    for (unsigned r : ran)
        total += r;
    BENCH_CHECK(total == b->n);
}

void pingpong(bench *b)
{
    queue ping, pong;
    int64_t v = 0;

    ping.set_capacity(1);
    pong.set_capacity(1);
    std::thread echo([&] {
        for (int64_t x; ping.pop(x), x != end;)
            pong.push(x + 1);
    });
    bench_start(b);
    for (size_t i = 0; i < b->n / 2; i++) {
        ping.push(v);
        pong.pop(v);
    }
    bench_stop(b);
    ping.push(end);
    echo.join();
    BENCH_CHECK(v == (int64_t)(b->n / 2));
}

void transfer(bench *b, size_t threads)
{
    queue q;
    std::vector<std::thread> in, out;
    std::vector<int64_t> sums(threads);
    int64_t each = (int64_t)(b->n / threads), sum = 0;

    q.set_capacity(128);
    bench_start(b);
    for (size_t p = 0; p < threads; p++)
        in.emplace_back([&] {
            for (int64_t i = 0; i < each; i++)
                q.push(i);
        });
    for (size_t c = 0; c < threads; c++)
        out.emplace_back([&, c] {
            int64_t s = 0;
            for (int64_t v; q.pop(v), v != end;)
                s += v;
            sums[c] = s;
        });
    for (auto &t : in)
        t.join();
    for (size_t c = 0; c < threads; c++)
        q.push(end);
    for (auto &t : out)
        t.join();
    bench_stop(b);
    for (int64_t s : sums)
        sum += s;
    BENCH_CHECK(sum == (int64_t)threads * (each * (each - 1) / 2));
}

void spsc(bench *b)
{
    transfer(b, 1);
}

void mpmc(bench *b)
{
    transfer(b, 4);
}

void pipeline3(bench *b)
{
    using tbb::filter_mode;
    int64_t n = (int64_t)b->n, next = 0, sum = 0;

    bench_start(b);
    tbb::parallel_pipeline(
        16,
        tbb::make_filter<void, int64_t>(filter_mode::serial_in_order, [&](tbb::flow_control &fc) {
            if (next == n)
                fc.stop();
            return next++;
        }) & tbb::make_filter<int64_t, int64_t>(filter_mode::serial_in_order, [](int64_t v) {
            return v * v;
        }) & tbb::make_filter<int64_t, void>(filter_mode::serial_in_order, [&](int64_t v) {
            sum += v;
        }));
    bench_stop(b);
    BENCH_CHECK(sum == (n - 1) * n * (2 * n - 1) / 6);
}

void pipeline10(bench *b)
{
    using tbb::filter_mode;
    int64_t n = (int64_t)b->n, next = 0, sum = 0;
    auto chain =
        tbb::make_filter<void, int64_t>(filter_mode::serial_in_order, [&](tbb::flow_control &fc) {
            if (next == n)
                fc.stop();
            return next++;
        });

    for (int i = 0; i < 10; i++)
        chain = chain & tbb::make_filter<int64_t, int64_t>(filter_mode::serial_in_order,
                                                           [](int64_t v) { return v + 1; });
    auto all = chain & tbb::make_filter<int64_t, void>(filter_mode::serial_in_order,
                                                       [&](int64_t v) { sum += v; });
    bench_start(b);
    tbb::parallel_pipeline(16, all);
    bench_stop(b);
    BENCH_CHECK(sum == n * (n - 1) / 2 + 10 * n);
}

// The second of its four stages works hard, in two threads; the others keep the order.
void pipeline4_heavy(bench *b)
{
    using tbb::filter_mode;
    uint64_t n = b->n, next = 0, wrong = 0, seen = 0;

    bench_start(b);
    tbb::parallel_pipeline(
        64,
        tbb::make_filter<void, uint64_t>(filter_mode::serial_in_order, [&](tbb::flow_control &fc) {
            if (next == n)
                fc.stop();
            return next++;
        }) & tbb::make_filter<uint64_t, uint64_t>(filter_mode::serial_in_order, [](uint64_t v) {
            return v + 1;
        }) & tbb::make_filter<uint64_t, uint64_t>(filter_mode::parallel, [](uint64_t v) {
            return bench_work(v);
        }) & tbb::make_filter<uint64_t, void>(filter_mode::serial_in_order, [&](uint64_t v) {
            wrong += bench_work_input(v) != ++seen;
        }));
    bench_stop(b);
    BENCH_CHECK(seen == n && wrong == 0);
}

void worker_pool(bench *b)
{
    queue jobs, results;
    int64_t n = (int64_t)b->n, sum = 0;
    std::vector<std::thread> workers;

    jobs.set_capacity(100);
    results.set_capacity(100);
    bench_start(b);
    for (int w = 0; w < 5; w++)
        workers.emplace_back([&] {
            for (int64_t v; jobs.pop(v), v != end;)
                results.push(v * 2);
        });
    std::thread submit([&] {
        for (int64_t i = 0; i < n; i++)
            jobs.push(i);
        for (int w = 0; w < 5; w++)
            jobs.push(end);
    });
    for (int64_t i = 0, v; i < n; i++) {
        results.pop(v);
        sum += v;
    }
    bench_stop(b);
    submit.join();
    for (auto &t : workers)
        t.join();
    BENCH_CHECK(sum == n * (n - 1));
}

// The form with tasks: one for each job, each result in its place.
void worker_tasks(bench *b)
{
    std::vector<int64_t> results(b->n);
    tbb::task_group group;
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    for (int64_t i = 0; i < n; i++)
        group.run([&results, i] { results[(size_t)i] = i * 2; });
    group.wait();
    for (int64_t v : results)
        sum += v;
    bench_stop(b);
    BENCH_CHECK(sum == n * (n - 1));
}

template <class M> void lock_by(bench *b, size_t threads)
{
    M mutex;
    size_t count = 0;
    std::vector<std::thread> all;

    bench_start(b);
    for (size_t t = 0; t < threads; t++)
        all.emplace_back([&] {
            for (size_t i = 0; i < b->n / threads; i++) {
                typename M::scoped_lock hold(mutex);
                BENCH_KEEP(&count);
                count++;
            }
        });
    for (auto &t : all)
        t.join();
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

void mutex_uncontended(bench *b)
{
    lock_by<tbb::mutex>(b, 1);
}

void mutex_contended(bench *b)
{
    lock_by<tbb::mutex>(b, 4);
}

void spin_uncontended(bench *b)
{
    lock_by<tbb::spin_mutex>(b, 1);
}

void spin_contended(bench *b)
{
    lock_by<tbb::spin_mutex>(b, 4);
}

void context_root(bench *b)
{
    size_t ended = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++) {
        tbb::task_group_context c(tbb::task_group_context::isolated);

        ended += c.cancel_group_execution();
    }
    bench_stop(b);
    BENCH_CHECK(ended == b->n);
}

void context_check(bench *b)
{
    tbb::task_group_context c(tbb::task_group_context::isolated);
    size_t going = 0;

    bench_start(b);
    for (size_t i = 0; i < b->n; i++)
        going += !c.is_group_execution_cancelled();
    bench_stop(b);
    BENCH_CHECK(going == b->n);
}

const char bounded[] = "tbb bounded_queue";

const bench_workload workloads[] = {
    { "spawn", "spawn_join", "tbb::task_group", spawn_join, 500000, BENCH_BOTH, NULL, false },
    { "chan", "chan_unbuf_pingpong", "tbb bounded_queue(1)", pingpong, 6400, BENCH_BOTH, NULL,
      false },
    { "chan", "chan_buf_spsc", bounded, spsc, 500000, BENCH_BOTH, NULL, false },
    { "chan", "chan_buf_mpmc", bounded, mpmc, 256000, BENCH_BOTH, NULL, false },
    { "pipeline", "pipeline3", "tbb::parallel_pipeline", pipeline3, 500000, BENCH_BOTH, "ns/item",
      false },
    { "pipeline10", "pipeline10", "tbb::parallel_pipeline", pipeline10, 200000, BENCH_BOTH,
      "ns/item", false },
    { "heavy", "pipeline4_heavy", "tbb::parallel_pipeline", pipeline4_heavy, 20000, BENCH_P2,
      "ns/item", false },
    { "pool", "worker_pool", bounded, worker_pool, 100000, BENCH_BOTH, "ns/job", false },
    { "pool", "worker_pool", "tbb::task_group", worker_tasks, 1000000, BENCH_BOTH, "ns/job",
      false },
    { "mutex", "mutex_uncontended", "tbb::mutex", mutex_uncontended, 5000000, BENCH_ANY, NULL,
      false },
    { "mutex", "mutex_uncontended", "tbb::spin_mutex", spin_uncontended, 5000000, BENCH_ANY, NULL,
      false },
    { "mutex", "mutex_contended4", "tbb::mutex", mutex_contended, 1000000, BENCH_P2, NULL, false },
    { "mutex", "mutex_contended4", "tbb::spin_mutex", spin_contended, 1000000, BENCH_P2, NULL,
      false },
    { "ctx", "ctx_create_cancel_root", "tbb::task_group_context", context_root, 1000000, BENCH_ANY,
      NULL, false },
    { "ctx", "ctx_err_check", "tbb::task_group_context", context_check, 10000000, BENCH_ANY, NULL,
      false },
};

} // namespace

int main(int argc, char **argv)
{
    const bench_program program = { workloads, sizeof workloads / sizeof workloads[0], inside,
                                    false };

    return bench_main(argc, argv, &program);
}
