/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_BUCKET_H
#define KEEL_SRC_FLOW_BUCKET_H

/* A token bucket, without a lock and without a clock. Threads: one at a time. */

#include <keel/limiter.h>

typedef struct keel__bucket {
    double per_second, burst;
    double tokens; /* at `filled_ns`; less than 0: taken ahead of time */
    int64_t filled_ns;
    int64_t last_act_ns; /* when the last reservation may be used */
} keel__bucket;

void keel__bucket_init(keel__bucket *bucket, double per_second, double burst, int64_t now_ns);

/* Puts in what has come since the last time: before any of the others. */
void keel__bucket_fill(keel__bucket *bucket, int64_t now_ns);

/* Whether there can ever be as many at once. */
bool keel__bucket_possible(const keel__bucket *bucket, double count);

/* How long until there are as many. */
int64_t keel__bucket_delay(const keel__bucket *bucket, double count);

/* Takes them if they are there. */
bool keel__bucket_take(keel__bucket *bucket, double count);

/* Takes them ahead of time, if that is at most `most_ns` from now. */
bool keel__bucket_reserve(keel__bucket *bucket, double count, int64_t now_ns, int64_t most_ns,
                          keel_reservation *out);
void keel__bucket_give_back(keel__bucket *bucket, const keel_reservation *reservation,
                            int64_t now_ns);

void keel__bucket_set_burst(keel__bucket *bucket, double burst);

#endif /* KEEL_SRC_FLOW_BUCKET_H */
