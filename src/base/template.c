/* SPDX-License-Identifier: MIT */
#include <keel/template.h>

#include "base/process.h"

void keel__container_changed(const char *type)
{
    keel__misuse("%s: changed while it was iterated over", type);
}

/* Doubling while an array is small, so that a vector of pointers is copied few times; by half beyond
 * 64 KiB, where the copy is cheap (often the kernel's) and the slack is not. */
size_t keel__grown(size_t cap, size_t needed, size_t size)
{
    const size_t most = PTRDIFF_MAX / size;
    const size_t first = size <= 8 ? 8 : size <= 256 ? 4 : 1;

    if (needed > most)
        return 0;
    size_t grown = cap < 65536 / size ? 2 * cap : cap + cap / 2;
    if (grown < first)
        grown = first;
    if (grown > most)
        grown = most;
    return grown < needed ? needed : grown;
}
