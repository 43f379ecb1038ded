/* SPDX-License-Identifier: MIT */
#include "base/spin.h"

#include <sched.h>
#include <time.h>

#include "base/process.h"
#include "base/sim_hook.h"

enum { SPINS = 100, YIELDS = 50 };

/* Returns when the lock looks free: after some spinning, then yields, then short sleeps, so that a
 * holder that was preempted gets its core even from waiters of higher priority. */
void keel__spin_wait(keel__spin *spin)
{
    /* tasks of a simulation hold none when another goes on: this one is not a lock, or not any more */
    if (keel__sim() != NULL && keel__sim()->active())
        keel__misuse("an object at %p is used that was freed, overwritten or never initialised",
                     (void *)spin);
    for (int turn = 0; keel__load_relaxed(spin) != 0; turn++) {
        if (turn < SPINS)
            keel__pause();
        else if (turn < SPINS + YIELDS)
            sched_yield();
        else
            nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
}
