/* SPDX-License-Identifier: MIT */
#include "task/sim_places.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#include "task/sim.h"

void keel__sim_callers(void **callers)
{
    memset(callers, 0, SIM_CALLERS * sizeof *callers);
#ifdef __GLIBC__
    void *all[SIM_CALLERS + 1];
    int count = backtrace(all, SIM_CALLERS + 1);

    for (int i = 1; i < count; i++) /* without this one */
        callers[i - 1] = all[i];
#endif
}

/* In this file: what stands in the folder above this one's is the library itself. */
static const void *own_address(void)
{
    return (const char *)(uintptr_t)own_address + 1;
}

void keel__sim_places_init(sim_places *places)
{
    memset(places, 0, sizeof *places);
    keel__sim_places_add(places, own_address());
}

void keel__sim_places_add(sim_places *places, const void *address)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->addresses[i] == address)
            return;
    if (address != NULL && places->count < SIM_PLACES)
        places->addresses[places->count++] = address;
}

static void resolve_by_symbol(sim_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        char name[256];
        Dl_info info;

        if (places->names[i] != NULL)
            continue;
        if (dladdr(places->addresses[i], &info) != 0 && info.dli_sname != NULL)
            snprintf(name, sizeof name, "%s+%#zx", info.dli_sname,
                     (size_t)((uintptr_t)places->addresses[i] - (uintptr_t)info.dli_saddr));
        else
            snprintf(name, sizeof name, "%p", places->addresses[i]);
        places->names[i] = strdup(name);
    }
}

/* The program itself only: that is where scenarios are. A return address is after its call. */
void keel__sim_places_resolve(sim_places *places)
{
    char command[64 + SIM_PLACES * 20], line[1024];
    Dl_info info;
    size_t at;

    if (places->count == 0)
        return;
    at = (size_t)snprintf(command, sizeof command, "addr2line -e /proc/%ld/exe", (long)getpid());
    for (size_t i = 0; i < places->count; i++) {
        uintptr_t base = 0;

        /* a program at a fixed address has its addresses as they are */
        if (dladdr(places->addresses[i], &info) != 0 && (uintptr_t)info.dli_fbase > 0x10000000)
            base = (uintptr_t)info.dli_fbase;
        at += (size_t)snprintf(command + at, sizeof command - at, " %zx",
                               (size_t)((uintptr_t)places->addresses[i] - base - 1));
    }
    snprintf(command + at, sizeof command - at, " 2>/dev/null");
    FILE *lines = popen(command, "r");
    for (size_t i = 0; lines != NULL && i < places->count; i++) {
        if (fgets(line, sizeof line, lines) == NULL)
            break;
        line[strcspn(line, " \n")] = '\0'; /* " (discriminator 3)" may follow */
        if (strchr(line, '?') == NULL)
            places->names[i] = strdup(line);
    }
    if (lines != NULL)
        pclose(lines);
    resolve_by_symbol(places);
}

const char *keel__sim_places_get(const sim_places *places, const void *address)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->addresses[i] == address && places->names[i] != NULL)
            return places->names[i];
    return "";
}

static bool is_own(const sim_places *places, const char *place)
{
    const char *own = keel__sim_places_get(places, own_address());
    const char *tail = strstr(own, "task/sim_places.c:");

    return tail != NULL && strncmp(place, own, (size_t)(tail - own)) == 0;
}

const char *keel__sim_places_user(const sim_places *places, void *const *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *place = keel__sim_places_get(places, callers[i]);

        if (strchr(place, ':') != NULL && !is_own(places, place))
            return place;
    }
    return "";
}

void keel__sim_places_free(sim_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->names[i]);
}
