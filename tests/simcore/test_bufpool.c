/* SPDX-License-Identifier: MIT */
#include "simcore.h"

#include <keel/bufpool.h>

/* Buffers that go from worker to worker, through caches and the shared part. Of 64 KiB a cache holds two,
 * and trades one: so few operations reach every path. */

enum { WORKERS = 2, BYTES = 65536 };

static keel_err *use(keel_bufpool *pool, int count)
{
    int *held[3];

    for (int i = 0; i < count; i++) {
        held[i] = keel_bufpool_get(pool, BYTES);
        sim_check(held[i] != NULL);
        held[i][100] = (int)(intptr_t)&held[i];
    }
    for (int i = 0; i < count; i++) { /* nobody else has it */
        sim_check(held[i][100] == (int)(intptr_t)&held[i]);
        keel_bufpool_put(pool, held[i]);
    }
    return NULL;
}

static keel_err *use_three(keel_ctx *ctx, void *pool)
{
    (void)ctx;
    return use(pool, 3);
}

static keel_err *use_one(keel_ctx *ctx, void *pool)
{
    (void)ctx;
    return use(pool, 1);
}

static void use_on_thread(void *pool)
{
    sim_ok(use(pool, 1));
}

static void trim_on_thread(void *pool)
{
    keel_bufpool_trim(pool);
}

static void run(size_t retain_bytes, keel_task_fn other, void (*thread)(void *arg))
{
    keel_bufpool *pool;
    keel_bufpool_stats stats;
    keel_runtime *rt = simcore_runtime(WORKERS, NULL);

    sim_ok(keel_bufpool_new(
        &pool, &(keel_bufpool_opts){ .max_bytes = BYTES, .retain_bytes = retain_bytes }));
    keel_group *group = keel_group_new(keel_runtime_ctx(rt), NULL);
    keel_group_go(group, use_three, pool);
    if (other != NULL)
        keel_group_go(group, other, pool);
    simcore_thread *plain = thread != NULL ? simcore_go(thread, pool) : NULL;
    sim_ok(keel_group_wait(group));
    if (plain != NULL)
        simcore_join(plain);
    simcore_stop(rt); /* what follows looks at every cache there may be */
    keel_bufpool_get_stats(pool, &stats);
    sim_check(stats.out == 0);
    sim_check(stats.retained_bytes <= (retain_bytes != 0 ? retain_bytes : SIZE_MAX));
    sim_check((stats.made - stats.dropped) * BYTES == stats.cached_bytes + stats.retained_bytes);
    keel_bufpool_free(pool);
}

static void two_workers_trade_buffers(void)
{
    run(0, use_one, NULL);
}
simcore_test(two_workers_trade_buffers)

    static void a_thread_takes_from_the_shared_part(void)
{
    run(0, NULL, use_on_thread);
}
simcore_test(a_thread_takes_from_the_shared_part)

    static void only_one_buffer_is_retained(void)
{
    run(BYTES, NULL, use_on_thread);
}
simcore_test(only_one_buffer_is_retained)

    static void the_shared_part_is_trimmed_meanwhile(void)
{
    run(0, NULL, trim_on_thread);
}
simcore_test(the_shared_part_is_trimmed_meanwhile)

    int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_workers_trade_buffers_holds),
        cmocka_unit_test(a_thread_takes_from_the_shared_part_holds),
        cmocka_unit_test(only_one_buffer_is_retained_holds),
        cmocka_unit_test(the_shared_part_is_trimmed_meanwhile_holds),
    };

    simcore_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
