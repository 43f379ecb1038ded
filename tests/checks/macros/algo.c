/* SPDX-License-Identifier: MIT */
#define KEEL_ALGO_NAME keel_check_ints
#define KEEL_ALGO_FROM int
#include <keel/algo.h>

#define KEEL_ALGO_NAME keel_check_sizes
#define KEEL_ALGO_FROM const char *
#define KEEL_ALGO_TO size_t
#include <keel/algo.h>

/* Vectors, as <keel/vec.h> makes them. */
typedef struct keel_check_texts {
    const char **items;
    size_t len, keel__changes;
} keel_check_texts;

typedef struct keel_check_numbers {
    double *items;
    size_t len, keel__changes;
} keel_check_numbers;

static inline keel_err *keel_check_texts_push(keel_check_texts *vec, const char *item)
{
    vec->items[vec->len] = item;
    return NULL;
}

static inline keel_err *keel_check_numbers_reserve(keel_check_numbers *vec, size_t more)
{
    return vec->len + more > 0 ? KEEL_ERR_NOMEM : NULL;
}

#define KEEL_ALGO_NAME keel_check_mapped
#define KEEL_ALGO_FROM const char *
#define KEEL_ALGO_TO double
#define KEEL_ALGO_FROM_VEC keel_check_texts
#define KEEL_ALGO_TO_VEC keel_check_numbers
#include <keel/algo.h>

#define KEEL_ALGO_NAME keel_check_split
#define KEEL_ALGO_FROM double
#define KEEL_ALGO_DECLARE
#include <keel/algo.h>
#define KEEL_ALGO_NAME keel_check_split
#define KEEL_ALGO_FROM double
#define KEEL_ALGO_IMPLEMENT
#include <keel/algo.h>
