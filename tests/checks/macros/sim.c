/* SPDX-License-Identifier: MIT */
#include <keel/sim.h>

int keel_check_sim(int *shared);
int keel_check_sim(int *shared)
{
    KEEL_WRITE(*shared) = KEEL_READ(*shared) + 1;
    KEEL_CHECK(*shared > 0);
    return *shared;
}
