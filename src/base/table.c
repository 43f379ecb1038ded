/* SPDX-License-Identifier: MIT */
#include <keel/table.h>

size_t keel__table_bytes(size_t cap, size_t size)
{
    /* less than two bytes beyond the slot */
    return cap <= PTRDIFF_MAX / (size + 2) ? cap * size + cap + cap / 16 : 0;
}

size_t keel__table_cap(size_t count, size_t size)
{
    size_t cap = 16;

    while (cap - cap / 8 < count) {
        if (cap > SIZE_MAX / 4)
            return 0;
        cap *= 2;
    }
    return keel__table_bytes(cap, size) != 0 ? cap : 0;
}

bool keel__table_str_borrow(keel__table_str *out, keel_str key, uint64_t hash)
{
    if ((uint32_t)key.len != key.len)
        return false;
    out->ptr = key.ptr;
    out->len = (uint32_t)key.len;
    out->hash = (uint32_t)hash;
    return true;
}

bool keel__table_str_copy(keel__table_str *out, keel_str key, uint64_t hash)
{
    if (!keel__table_str_borrow(out, key, hash))
        return false;
    char *copy = keel_mem_alloc(key.len + 1);
    if (copy == NULL)
        return false;
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    out->ptr = copy;
    return true;
}
