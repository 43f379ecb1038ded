/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_CLOCK_H
#define KEEL_SRC_TASK_CLOCK_H

#include <stdbool.h>

#include <keel/clock.h>

#include "base/list.h"
#include "base/spin.h"

struct keel_clock {
    bool manual;
    bool auto_advance;
    keel__a64 now_ns; /* of a manual clock */
    keel__spin lock;  /* guards sleepers */
    keel__list sleepers;
};

/* Somebody who is to look at a manual clock whenever it has moved. */
typedef struct keel__clock_sleeper {
    keel__link link;
    void (*wake)(struct keel__clock_sleeper *sleeper);
    keel__a64 deadline_ns; /* the moment that a plain thread waits for; INT64_MAX: none */
} keel__clock_sleeper;

/* Nothing happens for the system's clock. */
void keel__clock_attach(keel_clock *clock, keel__clock_sleeper *sleeper);
void keel__clock_detach(keel_clock *clock, keel__clock_sleeper *sleeper);

/* Moves an auto-advancing clock to the earliest of `next_ns` and the sleepers' deadlines. */
void keel__clock_skip(keel_clock *clock, int64_t next_ns);

/* now + ns, without overflow: INT64_MAX is never. */
int64_t keel__clock_after(int64_t now_ns, int64_t ns);

#endif /* KEEL_SRC_TASK_CLOCK_H */
