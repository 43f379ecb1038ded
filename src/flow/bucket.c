/* SPDX-License-Identifier: MIT */
#include "flow/bucket.h"

/* Without a limit the rate is infinite: 0 seconds of it would be no number, so it is told apart. */
static bool unlimited(const keel__bucket *bucket)
{
    return bucket->per_second > 1e300;
}

void keel__bucket_init(keel__bucket *bucket, double per_second, double burst, int64_t now_ns)
{
    *bucket = (keel__bucket){ per_second, burst, burst, now_ns, now_ns };
}

void keel__bucket_fill(keel__bucket *bucket, int64_t now_ns)
{
    if (now_ns <= bucket->filled_ns)
        return; /* another thread was here with a later time */
    const double came = (double)(now_ns - bucket->filled_ns) * 1e-9 * bucket->per_second;
    bucket->filled_ns = now_ns;
    bucket->tokens += came;
    if (bucket->tokens > bucket->burst)
        bucket->tokens = bucket->burst;
}

bool keel__bucket_possible(const keel__bucket *bucket, double count)
{
    return count >= 0 && (count <= bucket->burst || unlimited(bucket));
}

int64_t keel__bucket_delay(const keel__bucket *bucket, double count)
{
    if (count <= bucket->tokens || unlimited(bucket))
        return 0;
    if (count > bucket->burst)
        return INT64_MAX; /* there can never be as many */
    const double ns = (count - bucket->tokens) / bucket->per_second * 1e9;
    if (!(ns < (double)INT64_MAX)) /* or no number */
        return INT64_MAX;
    const int64_t whole_ns = (int64_t)ns;
    return whole_ns + ((double)whole_ns < ns); /* never too early */
}

bool keel__bucket_take(keel__bucket *bucket, double count)
{
    if (count >= 0 && unlimited(bucket))
        return true;
    if (!(count >= 0 && count <= bucket->tokens))
        return false;
    bucket->tokens -= count;
    return true;
}

bool keel__bucket_reserve(keel__bucket *bucket, double count, int64_t now_ns, int64_t most_ns,
                          keel_reservation *out)
{
    const int64_t delay_ns = keel__bucket_delay(bucket, count);

    if (delay_ns > most_ns)
        return false;
    const int64_t act_ns = delay_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + delay_ns;
    *out = (keel_reservation){ delay_ns, act_ns, count };
    if (!unlimited(bucket)) {
        bucket->tokens -= count;
        bucket->last_act_ns = act_ns;
    }
    return true;
}

void keel__bucket_give_back(keel__bucket *bucket, const keel_reservation *reservation,
                            int64_t now_ns)
{
    if (unlimited(bucket) || reservation->keel__act_ns <= now_ns)
        return; /* its time has come, and been used or lost */
    const double later = (double)(bucket->last_act_ns - reservation->keel__act_ns) * 1e-9;
    const double back = reservation->keel__count - later * bucket->per_second;
    if (back <= 0)
        return; /* those that came after it wait for its tokens */
    bucket->tokens += back;
    if (bucket->tokens > bucket->burst)
        bucket->tokens = bucket->burst;
    if (reservation->keel__act_ns == bucket->last_act_ns) {
        /* the last one: the next may have its turn */
        const double before = reservation->keel__count / bucket->per_second * 1e9;
        const double most = (double)(reservation->keel__act_ns - now_ns);
        bucket->last_act_ns = before < most ? reservation->keel__act_ns - (int64_t)before : now_ns;
    }
}

void keel__bucket_set_burst(keel__bucket *bucket, double burst)
{
    bucket->burst = burst;
    if (bucket->tokens > burst)
        bucket->tokens = burst;
}
