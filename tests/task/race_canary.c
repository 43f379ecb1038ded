/* SPDX-License-Identifier: MIT */

/* A planted race, to prove that the race detector sees one: two tasks of a group count in the same
 * int. `race_canary WORKERS race` does it without a lock, and must be reported, also when one worker
 * runs both tasks; `race_canary WORKERS mutex` takes one, and must not be. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/keel.h>

enum { ROUNDS = 100 };

typedef struct counter {
    bool locked;
    int count;
    int started;
    keel_mutex mutex;
} counter;

static keel_err *increment(keel_ctx *ctx, void *arg)
{
    counter *c = arg;

    (void)ctx;
    /* Both have to be under way: what a task does may be ordered before one that starts after its
     * end. Relaxed, so that this itself orders nothing. */
    __atomic_fetch_add(&c->started, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&c->started, __ATOMIC_RELAXED) < 2)
        keel_yield();
    for (int i = 0; i < ROUNDS; i++) {
        if (c->locked)
            keel_mutex_lock(&c->mutex);
        c->count++;
        if (c->locked)
            keel_mutex_unlock(&c->mutex);
        keel_yield();
    }
    return NULL;
}

static keel_err *run(keel_ctx *ctx, void *arg)
{
    keel_group *group = keel_group_new(ctx, NULL);

    keel_group_go(group, increment, arg);
    keel_group_go(group, increment, arg);
    return keel_group_wait(group);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: race_canary WORKERS race|mutex\n");
        return 2;
    }
    counter c = { .locked = strcmp(argv[2], "mutex") == 0 };
    keel_runtime_opts opts = { .workers = (unsigned)strtoul(argv[1], NULL, 10) };

    if (keel_main_opts(run, &c, &opts) != 0)
        return 1;
    printf("%d\n", c.count);
    return c.locked && c.count != 2 * ROUNDS;
}
