/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_PLACES_H
#define KEEL_SRC_TASK_SIM_PLACES_H

/* From return addresses to "bank.c:31", for the few that a report shows: by addr2line, if that is installed,
 * all in one go. Without it, or without debug information, "transfer+0x1f". */

#include <stddef.h>

enum { SIM_PLACES = 256 };

typedef struct sim_places {
    const void *addresses[SIM_PLACES];
    char *names[SIM_PLACES];
    size_t count;
} sim_places;

void keel__sim_places_init(sim_places *places);
void keel__sim_places_add(sim_places *places, const void *address);
void keel__sim_places_resolve(sim_places *places);
/* "" if it is not known. */
const char *keel__sim_places_get(const sim_places *places, const void *address);
/* Of `count` calls, the last first, the one that is the first outside of the library; "" if none is known. */
const char *keel__sim_places_user(const sim_places *places, void *const *callers, size_t count);
void keel__sim_places_free(sim_places *places);

/* Who calls: up to SIM_CALLERS return addresses, the last call first. Takes longer than most runs. */
void keel__sim_callers(void **callers);

#endif /* KEEL_SRC_TASK_SIM_PLACES_H */
