/* SPDX-License-Identifier: MIT */
#include <keel/sort.h>

#include <string.h>

#define KEEL_SORT_NAME i32
#define KEEL_SORT_ITEM int32_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME u32
#define KEEL_SORT_ITEM uint32_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME i64
#define KEEL_SORT_ITEM int64_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME u64
#define KEEL_SORT_ITEM uint64_t
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME number
#define KEEL_SORT_ITEM double
#define KEEL_SORT_KEY(item) (item)
#include <keel/sort.h>

#define KEEL_SORT_NAME str
#define KEEL_SORT_ITEM const char *
#define KEEL_SORT_LESS(a, b) (strcmp(a, b) < 0)
#include <keel/sort.h>

void keel_sort_i32(int32_t *items, size_t count)
{
    i32_sort(items, count);
}

void keel_sort_u32(uint32_t *items, size_t count)
{
    u32_sort(items, count);
}

void keel_sort_i64(int64_t *items, size_t count)
{
    i64_sort(items, count);
}

void keel_sort_u64(uint64_t *items, size_t count)
{
    u64_sort(items, count);
}

void keel_sort_double(double *items, size_t count)
{
    size_t numbers = count;

    for (size_t i = count; i > 0; i--) {
        const double item = items[i - 1];

        if (item != item) { /* no comparison would place it */
            items[i - 1] = items[--numbers];
            items[numbers] = item;
        }
    }
    number_sort(items, numbers);
}

void keel_sort_str(const char **items, size_t count)
{
    str_sort(items, count);
}
