/* SPDX-License-Identifier: MIT */
#include <keel/sim.h>

#include "base/process.h"
#include "task/sim.h"
#include "task/sim_outside.h"

/* The engine itself, between tasks and between runs, may ask what it likes. */
void keel__sim_outside(const char *function, const char *instead, const void *place)
{
    sim_engine *engine = keel__sim() != NULL ? keel__sim_current() : NULL;

    if (engine == NULL || engine->worker->current == NULL)
        return;
    engine->failure.place = place;
    keel__sim_fail(engine, KEEL_SIM_OUTSIDE, NULL, "%s: a simulated task asked the real world%s%s",
                   function, instead != NULL ? "; use " : "", instead != NULL ? instead : "");
}

void keel_sim_outside(const char *function, const char *instead)
{
    keel__need(function != NULL, "keel_sim_outside", "function");
    keel__sim_outside(function, instead, __builtin_return_address(0));
}
