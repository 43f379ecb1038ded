/* SPDX-License-Identifier: MIT */
#include "flow/times.h"

#include <string.h>

/* Its owner alone writes: plain additions, which others may see late. */
static void bump(keel__a64 *number, uint64_t by)
{
    keel__store_relaxed(number, keel__load_relaxed(number) + by);
}

void keel__times_add(keel__times *times, int64_t ns)
{
    const uint64_t length = ns > 0 ? (uint64_t)ns : 0;
    /* the number of its bits: 0 for 0, 63 for the longest */
    const unsigned bucket = length > 0 ? 64 - (unsigned)__builtin_clzll(length) : 0;

    bump(&times->count, 1);
    bump(&times->sum_ns, length);
    bump(&times->buckets[bucket], 1);
    if (length > keel__load_relaxed(&times->max_ns))
        keel__store_relaxed(&times->max_ns, length);
}

void keel__times_read(const keel__times *times, keel_pool_times *out)
{
    keel_pool_times now = { .count = keel__load_relaxed(&times->count),
                            .sum_ns = (int64_t)keel__load_relaxed(&times->sum_ns),
                            .max_ns = (int64_t)keel__load_relaxed(&times->max_ns) };

    for (unsigned i = 0; i < 64; i++)
        now.buckets[i] = keel__load_relaxed(&times->buckets[i]);
    keel__times_merge(out, &now);
}

void keel__times_merge(keel_pool_times *times, const keel_pool_times *more)
{
    times->count += more->count;
    times->sum_ns += more->sum_ns;
    if (more->max_ns > times->max_ns)
        times->max_ns = more->max_ns;
    for (unsigned i = 0; i < 64; i++)
        times->buckets[i] += more->buckets[i];
}

int64_t keel_pool_percentile(const keel_pool_times *times, double percent)
{
    const double wanted = (double)times->count * percent / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; i < 64; i++) {
        seen += times->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            const int64_t upper = i < 63 ? ((int64_t)1 << i) - 1 : INT64_MAX;
            return upper < times->max_ns ? upper : times->max_ns;
        }
    }
    return times->max_ns;
}
