/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_TABLE_RIG_H
#define KEEL_TESTS_TABLE_RIG_H

/* How maps and sets are looked into by their tests: how many groups a search visits. */

#include <keel/table.h>

/* The groups that a search for this hash looks at if the key is not there. */
static inline size_t rig_groups(const unsigned char *control, size_t mask, uint64_t hash)
{
    const unsigned char *overflow = control + mask + 16;
    size_t at = (size_t)hash & mask, groups = 1;

    for (size_t step = 16; (overflow[at / 16] >> (hash & 7) & 1) != 0 && step <= mask; step += 16) {
        at = (at + step) & mask;
        groups++;
    }
    return groups;
}

/* The groups that a search finds the key of slot `index` in. */
static inline size_t rig_groups_to(size_t mask, uint64_t hash, size_t index)
{
    size_t at = (size_t)hash & mask, groups = 1;

    for (size_t step = 16; at / 16 != index / 16; step += 16) {
        at = (at + step) & mask;
        groups++;
    }
    return groups;
}

#endif /* KEEL_TESTS_TABLE_RIG_H */
