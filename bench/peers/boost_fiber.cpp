/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <atomic>
#include <boost/fiber/all.hpp>
#include <thread>
#include <vector>

// Boost.Fiber: fibers and their channels, on one thread (round_robin) or on two (shared_work). Its
// buffered_channel holds one item fewer than it says.

namespace
{

namespace bf = boost::fibers;
using unbuffered = bf::unbuffered_channel<int64_t>;
using buffered = bf::buffered_channel<int64_t>;

template <class F> bf::fiber go(F f)
{
    return bf::fiber(bf::launch::post, std::move(f));
}

// Calls body in a fiber's scheduler with `procs` threads.
void inside(unsigned procs, void (*body)(void *), void *arg)
{
    if (procs < 2) {
        std::thread([&] { body(arg); }).join();
        return;
    }
    bf::mutex lock;
    bf::condition_variable wake;
    bool done = false;
    std::atomic<int> ready{ 0 };
    auto schedule = [&] {
        bf::use_scheduling_algorithm<bf::algo::shared_work>();
        for (ready++; ready < 2;)
            std::this_thread::yield();
    };
    std::thread helper([&] {
        schedule();
        std::unique_lock<bf::mutex> hold(lock);
        wake.wait(hold, [&] { return done; });
    });
    std::thread main_thread([&] {
        schedule();
        body(arg);
        {
            std::unique_lock<bf::mutex> hold(lock);
            done = true;
        }
        wake.notify_all();
    });
    main_thread.join();
    helper.join();
}

template <class Stack> void spawn_on(bench *b, Stack stack)
{
    constexpr size_t width = 1000;
    std::vector<bf::fiber> wave;
    std::atomic<size_t> ran{ 0 };

    bench_start(b);
    for (size_t left = b->n; left > 0;) {
        size_t count = left < width ? left : width;

        for (size_t i = 0; i < count; i++)
            wave.emplace_back(bf::launch::post, std::allocator_arg, stack, [&] { ran++; });
        for (auto &f : wave)
            f.join();
        wave.clear();
        left -= count;
    }
    bench_stop(b);
    BENCH_CHECK(ran == b->n);
}

void spawn_join(bench *b)
{
    spawn_on(b, bf::fixedsize_stack());
}

void spawn_join_pooled(bench *b)
{
    spawn_on(b, bf::pooled_fixedsize_stack(16384));
}

void yield(bench *b)
{
    size_t done = 0;
    auto turns = [&] {
        for (size_t i = 0; i < b->n / 2; i++) {
            done++;
            boost::this_fiber::yield();
        }
    };

    bench_start(b);
    bf::fiber one = go(turns), two = go(turns);
    one.join();
    two.join();
    bench_stop(b);
    BENCH_CHECK(done == b->n);
}

void pingpong(bench *b)
{
    unbuffered ping, pong;
    int64_t v = 0;
    auto echo = go([&] {
        for (int64_t x : ping)
            pong.push(x + 1);
    });

    bench_start(b);
    go([&] {
        for (size_t i = 0; i < b->n / 2; i++) {
            ping.push(v);
            pong.pop(v);
        }
        ping.close();
    }).join();
    bench_stop(b);
    echo.join();
    BENCH_CHECK(v == (int64_t)(b->n / 2));
}

void transfer(bench *b, size_t fibers)
{
    buffered ch(128);
    std::vector<bf::fiber> in, out;
    std::vector<int64_t> sums(fibers);
    int64_t each = (int64_t)(b->n / fibers), sum = 0;

    bench_start(b);
    for (size_t p = 0; p < fibers; p++)
        in.push_back(go([&] {
            for (int64_t i = 0; i < each; i++)
                ch.push(i);
        }));
    for (size_t c = 0; c < fibers; c++)
        out.push_back(go([&, c] {
            for (int64_t v : ch)
                sums[c] += v;
        }));
    for (auto &f : in)
        f.join();
    ch.close();
    for (auto &f : out)
        f.join();
    bench_stop(b);
    for (int64_t s : sums)
        sum += s;
    BENCH_CHECK(sum == (int64_t)fibers * (each * (each - 1) / 2));
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
    unbuffered generated, squared;
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    auto generate = go([&] {
        for (int64_t i = 0; i < n; i++)
            generated.push(i);
        generated.close();
    });
    auto square = go([&] {
        for (int64_t v : generated)
            squared.push(v * v);
        squared.close();
    });
    go([&] {
        for (int64_t v : squared)
            sum += v;
    }).join();
    generate.join();
    square.join();
    bench_stop(b);
    BENCH_CHECK(sum == (n - 1) * n * (2 * n - 1) / 6);
}

void pipeline10(bench *b)
{
    constexpr size_t stages = 10;
    std::vector<unbuffered> link(stages + 1);
    std::vector<bf::fiber> all;
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    all.push_back(go([&] {
        for (int64_t i = 0; i < n; i++)
            link[0].push(i);
        link[0].close();
    }));
    for (size_t s = 0; s < stages; s++)
        all.push_back(go([&, s] {
            for (int64_t v : link[s])
                link[s + 1].push(v + 1);
            link[s + 1].close();
        }));
    go([&] {
        for (int64_t v : link[stages])
            sum += v;
    }).join();
    for (auto &f : all)
        f.join();
    bench_stop(b);
    BENCH_CHECK(sum == n * (n - 1) / 2 + 10 * n);
}

void worker_pool(bench *b)
{
    buffered jobs(128), results(128);
    std::vector<bf::fiber> all;
    int64_t n = (int64_t)b->n, sum = 0;

    bench_start(b);
    for (int w = 0; w < 5; w++)
        all.push_back(go([&] {
            for (int64_t v : jobs)
                results.push(v * 2);
        }));
    all.push_back(go([&] {
        for (int64_t i = 0; i < n; i++)
            jobs.push(i);
        jobs.close();
    }));
    go([&] {
        for (int64_t i = 0, v = 0; i < n; i++) {
            results.pop(v);
            sum += v;
        }
    }).join();
    bench_stop(b);
    for (auto &f : all)
        f.join();
    BENCH_CHECK(sum == n * (n - 1));
}

// Closing a channel under a blocked push crashes Boost 1.74, so the sieve ends by closing each channel
// from its only sender and draining the last one.
void sieve(bench *b)
{
    constexpr size_t primes = 2000;
    std::vector<unbuffered> chain(primes + 1);
    std::vector<bf::fiber> all;
    std::atomic<bool> stop{ false };
    int64_t prime = 0;

    bench_start(b);
    all.push_back(go([&] {
        for (int64_t i = 2; !stop; i++)
            chain[0].push(i);
        chain[0].close();
    }));
    go([&] {
        for (size_t i = 0; i < primes; i++) {
            chain[i].pop(prime);
            all.push_back(go([&, i, p = prime] {
                for (int64_t v : chain[i])
                    if (v % p != 0)
                        chain[i + 1].push(v);
                chain[i + 1].close();
            }));
        }
        bench_stop(b);
        b->value = b->value * (double)b->n / 1e6;
        stop = true;
        for (int64_t v : chain[primes])
            BENCH_KEEP(v);
    }).join();
    for (auto &f : all)
        f.join();
    BENCH_CHECK(prime == 17389);
}

void mutex_by(bench *b, size_t fibers)
{
    bf::mutex m;
    size_t count = 0;
    std::vector<bf::fiber> all;

    bench_start(b);
    for (size_t w = 0; w < fibers; w++)
        all.push_back(go([&] {
            for (size_t i = 0; i < b->n / fibers; i++) {
                m.lock();
                count++;
                m.unlock();
            }
        }));
    for (auto &f : all)
        f.join();
    bench_stop(b);
    BENCH_CHECK(count == b->n);
}

void mutex_uncontended(bench *b)
{
    mutex_by(b, 1);
}

void mutex_contended(bench *b)
{
    mutex_by(b, 4);
}

void sleep_percentile(bench *b, unsigned percent)
{
    constexpr size_t sleeps = 200;
    double us[sleeps];

    bench_start(b);
    for (double &u : us) {
        double start = bench_now_ns();

        boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
        u = (bench_now_ns() - start) / 1e3;
    }
    bench_stop(b);
    b->value = bench_percentile(us, sleeps, percent);
}

void sleep_p50(bench *b)
{
    sleep_percentile(b, 50);
}

void sleep_p99(bench *b)
{
    sleep_percentile(b, 99);
}

const char peer[] = "boost.fiber";

const bench_workload workloads[] = {
    { "spawn", "spawn_join", "boost.fiber 128K stack", spawn_join, 50000, BENCH_BOTH, NULL, false },
    { "spawn", "spawn_join", "boost.fiber pooled 16K stack", spawn_join_pooled, 50000, BENCH_P1,
      NULL, false },
    { "yield", "yield", peer, yield, 1000000, BENCH_P1, NULL, false },
    { "chan", "chan_unbuf_pingpong", peer, pingpong, 200000, BENCH_BOTH, NULL, false },
    { "chan", "chan_buf_spsc", peer, spsc, 1000000, BENCH_BOTH, NULL, false },
    { "chan", "chan_buf_mpmc", peer, mpmc, 512000, BENCH_BOTH, NULL, false },
    { "pipeline", "pipeline3", peer, pipeline3, 100000, BENCH_BOTH, "ns/item", false },
    { "pipeline10", "pipeline10", peer, pipeline10, 20000, BENCH_BOTH, "ns/item", false },
    { "pool", "worker_pool", peer, worker_pool, 300000, BENCH_BOTH, "ns/job", false },
    { "sieve", "sieve2000", peer, sieve, 1, BENCH_P1, "ms", true }, /* on two: 20 s */
    { "mutex", "mutex_uncontended", peer, mutex_uncontended, 2000000, BENCH_ANY, NULL, false },
    { "mutex", "mutex_contended4", peer, mutex_contended, 256000, BENCH_P2, NULL, false },
    { "sleep", "sleep_1ms_p50", peer, sleep_p50, 1, BENCH_ANY, "us", true },
    { "sleep", "sleep_1ms_p99", peer, sleep_p99, 1, BENCH_ANY, "us", true },
};

} // namespace

int main(int argc, char **argv)
{
    const bench_program program = { workloads, sizeof workloads / sizeof workloads[0], inside,
                                    false };

    return bench_main(argc, argv, &program);
}
