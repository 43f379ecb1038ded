/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TESTS_POOL_RIG_H
#define KEEL_TESTS_POOL_RIG_H

#include "flow.h"

#include <keel/pool.h>

static KEEL_ERR_DEFINE(broken, "broken");

typedef struct result {
    int in, doubled;
} result;

/* What the functions of the pools here look at and count. */
typedef struct world {
    keel_pool *pool;
    int running, most, ran, told, failures;
    int64_t sum;
} world;

/* Doubles a number; negative ones fail; takes as many milliseconds as it has thousands. */
static inline keel_err *twice(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    const int n = *(const int *)in;
    world *w = arg;

    if (w != NULL) {
        w->ran++;
        w->most = ++w->running > w->most ? w->running : w->most;
    }
    keel_err *err = n >= 1000 ? keel_sleep(ctx, KEEL_MS(n / 1000)) : NULL;
    if (w != NULL)
        w->running--;
    KEEL_TRY(err);
    if (n < 0)
        return broken;
    *(result *)out = (result){ n, 2 * n };
    return NULL;
}

#define POOL(w, ...)                                                                               \
    keel_pool_new(ctx, &(w)->pool, KEEL_FN(twice, int, result),                                    \
                  (&(keel_pool_opts){ .arg = (w), __VA_ARGS__ }))

#endif /* KEEL_TESTS_POOL_RIG_H */
