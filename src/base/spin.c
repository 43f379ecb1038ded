/* SPDX-License-Identifier: MIT */
#include "base/spin.h"

#include <sched.h>
#include <time.h>

enum { SPINS = 100, YIELDS = 50 };

/* Returns when the lock looks free: after some spinning, then yields, then short sleeps, so that a
 * holder that was preempted gets its core even from waiters of higher priority. */
void keel__spin_wait(keel__spin *spin)
{
    for (int turn = 0; keel__load_relaxed(spin) != 0; turn++) {
        if (turn < SPINS)
            keel__pause();
        else if (turn < SPINS + YIELDS)
            sched_yield();
        else
            nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
}
