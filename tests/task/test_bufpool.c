/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <keel/bufpool.h>
#include <keel/template.h> /* KEEL_CHECKED */

#include "task/bufpool.h"
#include "task/worker.h"

static keel_bufpool *new_pool(size_t max_bytes, size_t retain_bytes)
{
    keel_bufpool *pool;

    must_ok(keel_bufpool_new(
        &pool, &(keel_bufpool_opts){ .max_bytes = max_bytes, .retain_bytes = retain_bytes }));
    return pool;
}

static keel_bufpool_stats stats_of(keel_bufpool *pool)
{
    keel_bufpool_stats stats;

    keel_bufpool_get_stats(pool, &stats);
    return stats;
}

/* ---- Sizes ---- */

static keel_err *ask_for_sizes(keel_ctx *ctx, void *arg)
{
    const struct {
        size_t asked, size;
    } rows[] = { { 0, 64 },      { 1, 64 },      { 64, 64 },         { 65, 128 },
                 { 128, 128 },   { 1000, 1024 }, { 1024, 1024 },     { 1025, 2048 },
                 { 4096, 4096 }, { 4097, 4097 }, { 100000, 100000 }, { 3000, 4096 } };
    keel_bufpool *pool = new_pool(3000, 0); /* rounded up */

    (void)ctx, (void)arg;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char *buffer = keel_bufpool_get(pool, rows[i].asked);

            must(buffer != NULL && keel_bufpool_size(buffer) == rows[i].size);
            must((uintptr_t)buffer % _Alignof(max_align_t) == 0);
            memset(buffer, 0x11, rows[i].size);
            keel_bufpool_put(pool, buffer);
        }
    }
    /* five classes; the two sizes above them were allocated each time, and freed */
    must(stats_of(pool).gets == 24 && stats_of(pool).made == 5 + 4);
    must(stats_of(pool).dropped == 4 && stats_of(pool).out == 0);
    must(keel_bufpool_get(pool, SIZE_MAX) == NULL && keel_bufpool_get(pool, PTRDIFF_MAX) == NULL);
    keel_bufpool_free(pool);
    return NULL;
}

static void a_buffer_has_the_size_of_its_class(void **state)
{
    (void)state;

    assert_ok(ask_for_sizes(NULL, NULL));
    assert_ok(support_run_on(NULL, 1, ask_for_sizes, NULL));
}

static void sizes_known_when_compiled_are_the_same(void **state)
{
    (void)state;
    keel_bufpool *pool = new_pool(0, 0);

#define GET(asked, size)                                                                           \
    do {                                                                                           \
        char *buffer = keel_bufpool_get(pool, asked);                                              \
        assert_int_equal(keel_bufpool_size(buffer), size);                                         \
        keel_bufpool_put(pool, buffer);                                                            \
    } while (0)
    GET(0, 64);
    GET(1, 64);
    GET(64, 64);
    GET(65, 128);
    GET(1024, 1024);
    GET(1025, 2048);
    GET(65536, 65536);
    GET(65537, 65537);
#undef GET
    keel_bufpool_put(pool, NULL);
    keel_bufpool_free(pool);
    keel_bufpool_free(NULL);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    keel_bufpool *pool = (keel_bufpool *)&pool;

    assert_err(keel_bufpool_new(&pool, &(keel_bufpool_opts){ .max_bytes = ((size_t)1 << 30) + 1 }),
               KEEL_ERR_INVAL);
    assert_null(pool);
    assert_ok(keel_bufpool_new(&pool, &(keel_bufpool_opts){ .max_bytes = (size_t)1 << 30 }));
    keel_bufpool_free(pool);
    assert_ok(keel_bufpool_new(&pool, NULL));
    keel_bufpool_free(pool);
}

/* ---- What is kept ---- */

static keel_err *get_again(keel_ctx *ctx, void *arg)
{
    keel_bufpool *pool = new_pool(0, 0);
    void *held[300];
    size_t count = arg != NULL ? 300 : 64;

    (void)ctx;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < count; i++) {
            held[i] = keel_bufpool_get(pool, 1024);
            must(held[i] != NULL);
            memset(held[i], (int)i, 1024);
        }
        must(stats_of(pool).out == count);
        for (size_t i = 0; i < count; i++) { /* each its own */
            must(((unsigned char *)held[i])[1023] == (unsigned char)i);
            keel_bufpool_put(pool, held[i]);
        }
    }
    keel_bufpool_stats stats = stats_of(pool);
    must(stats.made == count && stats.gets == 5 * count && stats.dropped == 0 && stats.out == 0);
    must(stats.cached_bytes + stats.retained_bytes == count * 1024);
    /* a worker keeps up to 128 of this size itself */
    bool worker = keel__worker_self() != NULL && !keel_sim_active();
    must(stats.cached_bytes == (!worker ? 0 : count == 64 ? 64 * 1024 : stats.cached_bytes));
    must(stats.cached_bytes <= 128 * 1024);
    keel_bufpool_trim(pool);
    must(stats_of(pool).retained_bytes == 0);
    must(stats_of(pool).dropped * 1024 == stats.retained_bytes);
    keel_bufpool_free(pool);
    return NULL;
}

static void what_was_put_is_got_again(void **state)
{
    (void)state;

    for (uintptr_t many = 0; many < 2; many++) {
        assert_ok(get_again(NULL, (void *)many));
        assert_ok(support_run_on(NULL, 1, get_again, (void *)many));
        explored(get_again, (void *)many);
    }
}

static keel_err *fill_up(keel_ctx *ctx, void *arg)
{
    keel_bufpool *pool = new_pool(0, 10 * 1024 + 512);
    void *held[1000];

    (void)ctx, (void)arg;
    for (size_t i = 0; i < 1000; i++)
        held[i] = keel_bufpool_get(pool, 1024);
    for (size_t i = 0; i < 1000; i++) {
        keel_bufpool_put(pool, held[i]);
        keel_bufpool_stats stats = stats_of(pool);
        must(stats.retained_bytes <= 10 * 1024 && stats.cached_bytes <= 128 * 1024);
        must(stats.out == 999 - i && stats.gets == 1000 && stats.made == 1000);
        must((stats.made - stats.dropped - stats.out) * 1024 ==
             stats.retained_bytes + stats.cached_bytes);
    }
    bool worker = keel__worker_self() != NULL;
    must(worker || stats_of(pool).retained_bytes == 10 * 1024);
    must(!worker || stats_of(pool).cached_bytes >= 64 * 1024);
    keel_bufpool_free(pool);
    return NULL;
}

static void no_more_is_kept_than_the_options_say(void **state)
{
    (void)state;

    assert_ok(fill_up(NULL, NULL));
    assert_ok(support_run_on(NULL, 1, fill_up, NULL));
}

/* Large buffers: a worker keeps two, and trades one. */
static keel_err *use_large(keel_ctx *ctx, void *arg)
{
    keel_bufpool *pool = new_pool((size_t)1 << 20, KEEL_UNLIMITED);
    void *held[5];

    (void)ctx, (void)arg;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) {
            held[i] = keel_bufpool_get(pool, (size_t)1 << 20);
            must(held[i] != NULL);
        }
        for (int i = 0; i < 5; i++)
            keel_bufpool_put(pool, held[i]);
        must(stats_of(pool).made == 5);
        must(stats_of(pool).cached_bytes <= (size_t)2 << 20);
    }
    keel_bufpool_free(pool);
    return NULL;
}

static void a_class_of_two_works_too(void **state)
{
    (void)state;

    assert_ok(use_large(NULL, NULL));
    assert_ok(support_run_on(NULL, 1, use_large, NULL));
}

/* ---- Against a model ---- */

enum { HELD = 200 };

/* Gets and puts at random; nobody else's bytes appear in a buffer, and the numbers agree. */
static keel_err *use_randomly(keel_ctx *ctx, void *arg)
{
    keel_bufpool *pool = new_pool(4096, 64 * 1024);
    struct {
        unsigned char *buffer;
        size_t size;
        unsigned char mark;
    } held[HELD] = { { 0 } };
    keel_rand rand;
    size_t out = 0, gets = 0, ops = *(const size_t *)arg;

    (void)ctx;
    keel_rand_seed(&rand, 7);
    for (size_t op = 0; op < ops; op++) {
        /* waves: now nearly all are put, now nearly all are got */
        bool getting = keel_rand_below(&rand, 10) < (op / 500 % 2 == 0 ? 8u : 2u);
        size_t i = keel_rand_below(&rand, HELD);

        if (getting && held[i].buffer == NULL) {
            held[i].size = keel_rand_below(&rand, 3) == 0 ? keel_rand_below(&rand, 6000) : 700;
            held[i].buffer = keel_bufpool_get(pool, held[i].size);
            must(held[i].buffer != NULL && keel_bufpool_size(held[i].buffer) >= held[i].size);
            held[i].mark = (unsigned char)op;
            memset(held[i].buffer, held[i].mark, held[i].size);
            out++;
            gets++;
        } else if (!getting && held[i].buffer != NULL) {
            for (size_t k = 0; k < held[i].size; k++)
                must(held[i].buffer[k] == held[i].mark);
            keel_bufpool_put(pool, held[i].buffer);
            held[i].buffer = NULL;
            out--;
        }
        if (op % 1000 == 999)
            keel_bufpool_trim(pool);
        if (op % 100 == 0) {
            keel_bufpool_stats stats = stats_of(pool);
            must(stats.out == out && stats.gets == gets && stats.retained_bytes <= 64 * 1024);
        }
    }
    for (size_t i = 0; i < HELD; i++)
        keel_bufpool_put(pool, held[i].buffer);
    must(stats_of(pool).out == 0);
    keel_bufpool_free(pool);
    return NULL;
}

static void random_use_agrees_with_a_model(void **state)
{
    (void)state;
    size_t ops = getenv("KEEL_TEST_LONG") != NULL ? 10000000 : 100000;

    assert_ok(use_randomly(NULL, &ops));
    assert_ok(support_run_on(NULL, 1, use_randomly, &ops));
}

/* ---- Several tasks and threads ---- */

typedef struct line {
    keel_bufpool *pool;
    keel_chan *chan;
    size_t count;
} line;

/* What one gets another puts, on another worker perhaps; both also use the pool for themselves. */
static keel_err *get_and_send(keel_ctx *ctx, void *arg)
{
    line *l = arg;

    for (size_t i = 0; i < l->count; i++) {
        unsigned char *buffer = keel_bufpool_get(l->pool, 256),
                      *own = keel_bufpool_get(l->pool, 256);

        must(buffer != NULL && own != NULL && buffer != own);
        memset(own, 0xAA, 256);
        memset(buffer, (int)(i % 100), 256);
        keel_bufpool_put(l->pool, own);
        must_ok(keel_chan_send(ctx, l->chan, &buffer));
    }
    return NULL;
}

static keel_err *receive_and_put(keel_ctx *ctx, void *arg)
{
    line *l = arg;
    unsigned char *buffer;

    for (size_t i = 0; i < l->count; i++) {
        must_ok(keel_chan_recv(ctx, l->chan, &buffer));
        for (int k = 1; k < 256; k++)
            must(buffer[k] == buffer[0]);
        keel_bufpool_put(l->pool, buffer);
    }
    return NULL;
}

CREW_TEST(one_may_get_and_another_put)
{
    line l = { .pool = new_pool(0, 0), .count = repeats(3000, 3) };
    crew c;

    (void)arg;
    must_ok(keel_chan_new(&l.chan, sizeof(void *), &(keel_chan_opts){ .capacity = 4 }));
    crew_open(&c, ctx);
    for (size_t i = 0; i < repeats(3, 1); i++) {
        crew_go(&c, get_and_send, &l);
        crew_go(&c, receive_and_put, &l);
    }
    crew_join(&c);
    keel_bufpool_stats stats = stats_of(l.pool);
    must(stats.out == 0 && stats.gets == 2 * l.count * repeats(3, 1));
    must(stats.made <= stats.gets);
    keel_bufpool_free(l.pool);
    keel_chan_free(l.chan);
    return NULL;
}

static keel_err *use_some(keel_ctx *ctx, void *arg)
{
    line *l = arg;
    unsigned char *held[40], mark = (unsigned char)(uintptr_t)&held;

    (void)ctx;
    for (size_t round = 0; round < l->count; round++) {
        for (size_t i = 0; i < repeats(40, 2); i++) {
            held[i] = keel_bufpool_get(l->pool, 4096);
            must(held[i] != NULL);
            memset(held[i], mark, 64);
        }
        keel_yield();
        if (round % 7 == 0)
            keel_bufpool_trim(l->pool);
        for (size_t i = 0; i < repeats(40, 2); i++) {
            must(held[i][0] == mark && held[i][63] == mark);
            keel_bufpool_put(l->pool, held[i]);
        }
    }
    return NULL;
}

CREW_TEST(many_use_a_pool_at_once)
{
    line l = { .pool = new_pool(0, 20 * 4096), .count = repeats(100, 2) };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    for (size_t i = 0; i < repeats(6, 2); i++)
        crew_go(&c, use_some, &l);
    crew_join(&c);
    must(stats_of(l.pool).out == 0 && stats_of(l.pool).retained_bytes <= 20 * 4096);
    keel_bufpool_free(l.pool);
    return NULL;
}

static keel_err *write_and_put(keel_ctx *ctx, void *arg)
{
    line *l = arg;

    (void)ctx;
    for (size_t i = 0; i < l->count; i++) {
        int *buffer = keel_bufpool_get(l->pool, 64);

        must(buffer != NULL);
        KEEL_WRITE(buffer[0]) = (int)i;
        keel_bufpool_put(l->pool, buffer);
    }
    return NULL;
}

/* To the simulator's race detector, who gets a buffer comes after who put it. */
CREW_TEST(a_buffer_passed_on_is_no_race)
{
    line l = { .pool = new_pool(0, 0), .count = repeats(100, 2) };
    crew c;

    (void)arg;
    crew_open(&c, ctx);
    crew_go(&c, write_and_put, &l);
    crew_go(&c, write_and_put, &l);
    crew_join(&c);
    keel_bufpool_free(l.pool);
    return NULL;
}

/* ---- Runtimes and simulations that come and go ---- */

static keel_err *get_one(keel_ctx *ctx, void *arg)
{
    void *buffer = keel_bufpool_get(arg, 100);

    (void)ctx;
    must(buffer != NULL);
    keel_bufpool_put(arg, buffer);
    return NULL;
}

static void the_next_runtime_uses_what_one_left(void **state)
{
    (void)state;
    keel_bufpool *pool = new_pool(0, 0);

    for (int i = 0; i < 5; i++)
        assert_ok(support_run_on(NULL, 1, get_one, pool));
    assert_int_equal(stats_of(pool).gets, 5);
    assert_int_equal(stats_of(pool).made, 1);
    assert_int_equal(stats_of(pool).cached_bytes, 128);
    keel_bufpool_free(pool);
}

/* A run of a simulation must not depend on what was before it. */
static void a_simulation_leaves_nothing_in_a_pool_of_before(void **state)
{
    (void)state;
    keel_bufpool *pool = new_pool(0, 0);

    for (int i = 0; i < 3; i++)
        assert_sim_ok(keel_sim_run("get one", get_one, pool, &(keel_sim_opts){ .seed = 1 }));
    keel_bufpool_stats stats = stats_of(pool);
    assert_true(stats.gets >= 3 && stats.made == stats.gets && stats.dropped == stats.gets);
    assert_ok(support_run_on(NULL, 1, get_one, pool));
    assert_sim_ok(keel_sim_run("get one", get_one, pool, &(keel_sim_opts){ .seed = 1 }));
    stats = stats_of(pool);
    assert_true(stats.made == stats.gets && stats.dropped == stats.gets - 1);
    assert_int_equal(stats.cached_bytes, 128);
    keel_bufpool_free(pool);
}

#if KEEL__BUFPOOL_INLINE
/* Numbers of workers: each has its own, and who finds none left uses the shared part. */
static void workers_without_a_number_use_the_shared_part(void **state)
{
    (void)state;
    bool taken[KEEL__BUFPOOL_SLOTS] = { false };
    keel__worker worker = { .index = 0 };
    keel_bufpool *pool = new_pool(0, 0);

    for (int i = 1; i < KEEL__BUFPOOL_SLOTS; i++) {
        keel__bufpool_enter(&worker);
        assert_false(keel__bufpool_slot == 0 || taken[keel__bufpool_slot]);
        taken[keel__bufpool_slot] = true;
        assert_ok(get_one(NULL, pool));
    }
    assert_int_equal(stats_of(pool).made, KEEL__BUFPOOL_SLOTS - 1);
    keel__bufpool_enter(&worker);
    assert_int_equal(keel__bufpool_slot, 0);
    assert_ok(get_one(NULL, pool));
    assert_ok(get_one(NULL, pool));
    assert_int_equal(stats_of(pool).made, KEEL__BUFPOOL_SLOTS);
    assert_int_equal(stats_of(pool).retained_bytes, 128);
    keel__bufpool_leave(&worker);
    for (unsigned i = 1; i < KEEL__BUFPOOL_SLOTS; i++) {
        keel__bufpool_slot = i;
        keel__bufpool_leave(&worker);
    }
    worker.index = 254;
    keel__bufpool_enter(&worker);
    assert_int_equal(keel__bufpool_slot, 255);
    keel__bufpool_leave(&worker);
    assert_int_equal(keel__bufpool_slot, 0);
    keel_bufpool_free(pool);
}
#endif

/* ---- Memory ---- */

static keel_err *use_all(void *arg)
{
    keel_bufpool *pool;
    void *held[4];
    size_t got = 0;

    (void)arg;
    KEEL_TRY(keel_bufpool_new(&pool, NULL));
    while (got < 4 && (held[got] = keel_bufpool_get(pool, got == 2 ? 100000 : 1000)) != NULL)
        got++;
    for (size_t i = 0; i < got; i++)
        keel_bufpool_put(pool, held[i]);
    keel_bufpool_free(pool);
    return got == 4 ? NULL : KEEL_ERR_NOMEM;
}

static keel_err *use_all_in_task(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    return use_all(arg);
}

static keel_err *run_all(void *arg)
{
    keel_runtime *rt;

    KEEL_TRY(keel_runtime_start(&rt, &(keel_runtime_opts){ .workers = 1 }));
    keel_err *err = keel_runtime_run(rt, use_all_in_task, arg);
    return keel_err_join(err, keel_runtime_stop(NULL, rt));
}

static void each_allocation_may_fail(void **state)
{
    (void)state;

    support_mem_torture(use_all, NULL, NULL);
    support_mem_torture(run_all, NULL, NULL);
}

/* ---- Misuse ---- */

static void put_twice(void *arg)
{
    keel_bufpool *pool = new_pool(0, 0);
    char *buffer = keel_bufpool_get(pool, 100);

    (void)arg;
    keel_bufpool_put(pool, buffer);
    keel_bufpool_put(pool, buffer);
}

static keel_err *put_twice_in_task(keel_ctx *ctx, void *arg)
{
    (void)ctx;
    put_twice(arg);
    return NULL;
}

static void put_twice_on_a_worker(void *arg)
{
    (void)arg;
    keel_err_free(support_run_on(NULL, 1, put_twice_in_task, NULL));
}

static void put_into_another(void *arg)
{
    keel_bufpool *pool = new_pool(0, 0), *other = new_pool(0, 0);

    (void)arg;
    keel_bufpool_put(other, keel_bufpool_get(pool, 100));
}

static void put_what_is_none(void *arg)
{
    static long long bytes[64];

    (void)arg;
    keel_bufpool_put(new_pool(0, 0), bytes + 32);
}

static void write_after_put(void *arg)
{
    keel_bufpool *pool = new_pool(0, 0);
    char *buffer = keel_bufpool_get(pool, 1024);

    (void)arg;
    keel_bufpool_put(pool, buffer);
    buffer[50] = 1;
    keel_bufpool_put(pool, keel_bufpool_get(pool, 1024));
}

static void free_too_early(void *arg)
{
    keel_bufpool *pool = new_pool(0, 0);

    (void)arg;
    if (keel_bufpool_get(pool, 100) != NULL && keel_bufpool_get(pool, 100) != NULL)
        keel_bufpool_free(pool);
}

static void make_without_out(void *arg)
{
    (void)arg;
    keel_err_free(keel_bufpool_new(NULL, NULL));
}

static void put_into_none(void *arg)
{
    keel_bufpool_put(arg, new_pool(0, 0)); /* anything */
}

static void size_of_none(void *arg)
{
    must(keel_bufpool_size(arg) == 0);
}

static void trim_none(void *arg)
{
    keel_bufpool_trim(arg);
}

static void stats_of_none(void *arg)
{
    keel_bufpool_stats stats;

    keel_bufpool_get_stats(arg, &stats);
}

static void stats_nowhere(void *arg)
{
    (void)arg;
    keel_bufpool_get_stats(new_pool(0, 0), NULL);
}

static void get_from_none(void *arg)
{
    keel_bufpool *none = arg;
    volatile size_t size = 100;

    keel_bufpool_put(none, keel_bufpool_get(none, size));
}

static void misuse_ends_the_program(void **state)
{
    (void)state;

    support_assert_aborts(free_too_early, NULL, "2 buffers were not put back");
    support_assert_aborts(make_without_out, NULL, "keel_bufpool_new: out is NULL");
    support_assert_aborts(size_of_none, NULL, "keel_bufpool_size: buffer is NULL");
    support_assert_aborts(trim_none, NULL, "keel_bufpool_trim: pool is NULL");
    support_assert_aborts(stats_of_none, NULL, "keel_bufpool_get_stats: pool is NULL");
    support_assert_aborts(stats_nowhere, NULL, "keel_bufpool_get_stats: out is NULL");
    if (!KEEL__BUFPOOL_INLINE) /* inlined, a NULL faults */
        support_assert_aborts(put_into_none, NULL, "keel_bufpool_put: pool is NULL");
    support_assert_aborts(get_from_none, NULL, "keel_bufpool_get: pool is NULL");
    if (KEEL_CHECKED) {
        support_assert_aborts(put_twice, NULL, "was put before");
        support_assert_aborts(put_twice_on_a_worker, NULL, "was put before");
        support_assert_aborts(put_into_another, NULL, "is another pool's");
        support_assert_aborts(put_what_is_none, NULL, "is no buffer");
        support_assert_aborts(write_after_put, NULL, "was written to after it was put");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(a_buffer_has_the_size_of_its_class),
        support_test(sizes_known_when_compiled_are_the_same),
        support_test(options_that_make_no_sense_are_refused),
        support_test(what_was_put_is_got_again),
        support_test(no_more_is_kept_than_the_options_say),
        support_test(a_class_of_two_works_too),
        support_test(random_use_agrees_with_a_model),
        support_test(one_may_get_and_another_put),
        support_test(many_use_a_pool_at_once),
        support_test(a_buffer_passed_on_is_no_race),
        support_test(the_next_runtime_uses_what_one_left),
        support_test(a_simulation_leaves_nothing_in_a_pool_of_before),
#if KEEL__BUFPOOL_INLINE
        support_test(workers_without_a_number_use_the_shared_part),
#endif
        support_test(each_allocation_may_fail),
        support_test(misuse_ends_the_program),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
