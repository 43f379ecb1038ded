/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include <keel/bufpool.h>

/* Buffers that go from worker to worker, through caches and the shared part. Of 64 KiB a cache holds two,
 * and trades one: so few operations reach every path. */

enum { WORKERS = 2, BYTES = 65536 };

typedef struct shared {
    keel_bufpool *pool;
    keel_group *group;
    int rounds;
} shared;

static keel_err *use(keel_ctx *ctx, void *arg)
{
    shared *s = arg;
    int *held[3];

    (void)ctx;
    for (int round = 0; round < s->rounds; round++) {
        for (int i = 0; i < 3; i++) {
            held[i] = keel_bufpool_get(s->pool, BYTES);
            sim_check(held[i] != NULL);
            held[i][100] = (int)(intptr_t)&held[i];
        }
        for (int i = 0; i < 3; i++) { /* nobody else has it */
            sim_check(held[i][100] == (int)(intptr_t)&held[i]);
            keel_bufpool_put(s->pool, held[i]);
        }
    }
    return NULL;
}

static void run(size_t retain_bytes, bool trims, void (*thread)(void *arg))
{
    shared s = { .rounds = 1 };
    keel_bufpool_stats stats;
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);

    sim_ok(keel_bufpool_new(&s.pool, &(keel_bufpool_opts){ .retain_bytes = retain_bytes }));
    s.group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(s.group, use, &s);
    keel_group_go(s.group, use, &s);
    simcore_thread *plain = thread != NULL ? simcore_go(thread, &s) : NULL;
    if (trims)
        keel_bufpool_trim(s.pool);
    sim_ok(keel_group_wait(s.group));
    if (plain != NULL)
        simcore_join(plain);
    keel_bufpool_get_stats(s.pool, &stats);
    sim_check(stats.out == 0);
    sim_check(stats.retained_bytes <= (retain_bytes != 0 ? retain_bytes : SIZE_MAX));
    sim_check((stats.made - stats.dropped) * BYTES == stats.cached_bytes + stats.retained_bytes);
    simcore_stop(rt);
    keel_bufpool_free(s.pool);
}

static void use_on_thread(void *arg)
{
    sim_ok(use(NULL, arg));
}

static void two_workers_trade_buffers(void)
{
    run(0, false, NULL);
}
simcore_test(two_workers_trade_buffers)

    static void a_thread_takes_from_the_shared_part(void)
{
    run(0, true, use_on_thread);
}
simcore_test(a_thread_takes_from_the_shared_part)

    static void only_one_buffer_is_retained(void)
{
    run(BYTES, false, use_on_thread);
}
simcore_test(only_one_buffer_is_retained)

    int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_workers_trade_buffers_holds),
        cmocka_unit_test(a_thread_takes_from_the_shared_part_holds),
        cmocka_unit_test(only_one_buffer_is_retained_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
