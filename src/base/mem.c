/* SPDX-License-Identifier: MIT */
#include <keel/mem.h>

#include <stdint.h>
#include <string.h>

#include "base/tsan.h"

void *keel_mem_calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;

    void *ptr = keel_mem_alloc(count * size);
    if (ptr != NULL) {
        memset(ptr, 0, count * size);
        keel__tsan_release(ptr); /* as in keel_mem_alloc, after this write */
    }
    return ptr;
}
