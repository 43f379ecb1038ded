/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_CONTAINERS_H
#define KEEL_SRC_BASE_CONTAINERS_H

/* The instances of <keel/containers.h> are compiled in two files, so that a program with nothing but a
 * vector need not carry the tables. What both use: */

#include <keel/mem.h>
#include <keel/str.h>

static inline void keel__cstr_free(char **item)
{
    keel_mem_free(*item);
}

static inline keel_err *keel__cstr_copy(char **to, char *const *from)
{
    return keel_str_dup(to, keel_str_from(*from));
}

#endif /* KEEL_SRC_BASE_CONTAINERS_H */
