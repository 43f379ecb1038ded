/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_SIM_NAMES_H
#define KEEL_SRC_TASK_SIM_NAMES_H

/* What reports call operations and objects: "lock mutex 2". Objects are numbered by kind, as they come up. */

#include <stddef.h>

enum { SIM_NAMES = 128 };

typedef struct sim_names {
    struct {
        const void *object;
        const char *kind;
        unsigned number;
    } items[SIM_NAMES];
    size_t count;
} sim_names;

/* "lock mutex 2"; the operation alone if its object is not known by number. */
const char *keel__sim_names_describe(sim_names *names, unsigned op, const void *object, char *buf,
                                     size_t size);

/* "mutex 2", or "" if it never came up. */
const char *keel__sim_names_get(const sim_names *names, const void *object, char *buf, size_t size);

#endif /* KEEL_SRC_TASK_SIM_NAMES_H */
