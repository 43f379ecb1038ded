/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_SIZED_H
#define KEEL_TESTS_SIZED_H

/* Items of several sizes for the tests of containers. Each is made of a number, in order of which they
 * compare, and every byte of it depends on that, so that a torn or misplaced copy shows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct sized_1 {
    uint8_t byte;
} sized_1;
typedef struct sized_3 {
    uint8_t bytes[3];
} sized_3;
typedef struct sized_8 {
    uint64_t word;
} sized_8;
typedef struct sized_16 {
    uint64_t words[2];
} sized_16;
typedef struct sized_200 {
    uint64_t words[25];
} sized_200;

/* How many numbers an item of that size can hold, up to 2^24. */
static inline uint32_t sized_limit(size_t size)
{
    return size >= 3 ? 1u << 24 : 1u << 8 * size;
}

/* The number first, the greatest byte first, then what follows from it. */
static inline void sized_make(void *item, size_t size, uint32_t number)
{
    uint8_t *bytes = item;
    const size_t head = size < 3 ? size : 3;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i < head ? number >> 8 * (head - 1 - i) : number * 31 + i);
}

static inline uint32_t sized_number(const void *item, size_t size)
{
    const uint8_t *bytes = item;
    uint32_t number = 0;

    for (size_t i = 0; i < size && i < 3; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* It was made of `number` and is whole. */
static inline bool sized_is(const void *item, size_t size, uint32_t number)
{
    const uint8_t *bytes = item;

    if (sized_number(item, size) != number)
        return false;
    for (size_t i = 3; i < size; i++) {
        if (bytes[i] != (uint8_t)(number * 31 + i))
            return false;
    }
    return true;
}

/* How many random operations a comparison with a model does. */
static inline size_t sized_operations(void)
{
    return getenv("KEEL_TEST_LONG") != NULL ? 10000000 : 100000;
}

#endif /* KEEL_TESTS_SIZED_H */
