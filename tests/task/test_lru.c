/* SPDX-License-Identifier: MIT */
#define KEEL_CHECKED 1 /* in every build */
#include "support.h"

#include <keel/hash.h>

#include "sized.h"

#define KEEL_LRU_NAME cache
#define KEEL_LRU_KEY int
#define KEEL_LRU_VALUE int
#define KEEL_LRU_HASH keel_hash_i32
#define KEEL_LRU_EQ keel_eq_i32
#define KEEL_LRU_DECLARE
#include <keel/lru.h>
#define KEEL_LRU_NAME cache
#define KEEL_LRU_KEY int
#define KEEL_LRU_VALUE int
#define KEEL_LRU_HASH keel_hash_i32
#define KEEL_LRU_EQ keel_eq_i32
#define KEEL_LRU_IMPLEMENT
#include <keel/lru.h>

/* ---- Beside a plain array ---- */

enum { MODEL_TTL_NS = 60 };

/* What was dropped in one operation. */
typedef struct drops {
    size_t count;
    struct {
        uint32_t key, value;
        int why;
    } items[100];
} drops;

/* The items in the order of their use, that used last at the end. */
typedef struct model {
    size_t capacity, len, weight;
    struct {
        uint32_t key, value, weight;
        int64_t expires_ns;
        uint64_t put; /* the how manieth put */
    } items[100];
    uint64_t puts;
    keel_lru_stats stats;
    drops expected, really;
} model;

static void note_drop(void *arg, uint32_t key, uint32_t value, keel_lru_why why)
{
    drops *of = arg;

    assert_true(of->count < sizeof of->items / sizeof of->items[0]);
    of->items[of->count].key = key;
    of->items[of->count].value = value;
    of->items[of->count].why = (int)why;
    of->count++;
}

static void assert_drops(model *of)
{
    assert_int_equal(of->really.count, of->expected.count);
    assert_memory_equal(of->really.items, of->expected.items,
                        of->really.count * sizeof of->really.items[0]);
    of->really.count = of->expected.count = 0;
}

/* Some weigh nothing, which counts 1, and some more than all may. */
static uint32_t model_weight(uint32_t number)
{
    return number % 50 == 0 ? 41 : number % 6;
}

static size_t model_find(const model *of, uint32_t key)
{
    size_t at = 0;

    while (at < of->len && of->items[at].key != key)
        at++;
    return at;
}

static void model_take(model *of, size_t at)
{
    of->weight -= of->items[at].weight;
    of->len--;
    memmove(&of->items[at], &of->items[at + 1], (of->len - at) * sizeof of->items[0]);
}

static void model_drop(model *of, size_t at, keel_lru_why why)
{
    ++*(why == KEEL_LRU_FULL ? &of->stats.evictions : &of->stats.expirations);
    note_drop(&of->expected, of->items[at].key, of->items[at].value, why);
    model_take(of, at);
}

static void model_get(model *of, size_t at, int64_t now_ns)
{
    if (at < of->len && of->items[at].expires_ns > now_ns) {
        of->items[of->len] = of->items[at];
        of->stats.hits++;
        memmove(&of->items[at], &of->items[at + 1], (of->len - at) * sizeof of->items[0]);
        return;
    }
    of->stats.misses++;
    if (at < of->len)
        model_drop(of, at, KEEL_LRU_EXPIRED);
}

/* What was put first of what is held. */
static size_t model_oldest(const model *of)
{
    size_t oldest = 0;

    for (size_t i = 1; i < of->len; i++)
        oldest = of->items[i].put < of->items[oldest].put ? i : oldest;
    return oldest;
}

static size_t model_purge(model *of, int64_t now_ns)
{
    size_t count = 0;

    for (; of->len > 0 && of->items[model_oldest(of)].expires_ns <= now_ns; count++)
        model_drop(of, model_oldest(of), KEEL_LRU_EXPIRED);
    return count;
}

static void model_put(model *of, uint32_t key, uint32_t value, uint32_t weight, int64_t now_ns)
{
    const size_t at = model_find(of, key);

    if (at < of->len)
        model_take(of, at);
    if (weight == 0)
        weight = 1;
    if (weight > of->capacity) {
        of->stats.evictions++;
        note_drop(&of->expected, key, value, KEEL_LRU_FULL);
        return;
    }
    while (of->weight + weight > of->capacity) {
        const size_t oldest = model_oldest(of);
        if (of->items[oldest].expires_ns <= now_ns)
            model_drop(of, oldest, KEEL_LRU_EXPIRED);
        else
            model_drop(of, 0, KEEL_LRU_FULL);
    }
    of->items[of->len].key = key;
    of->items[of->len].value = value;
    of->items[of->len].weight = weight;
    of->items[of->len].expires_ns = now_ns + MODEL_TTL_NS;
    of->items[of->len].put = of->puts++;
    of->len++;
    of->weight += weight;
}

#define MODEL_ITEM sized_1
#define MODEL_WEIGHT
#include "lru_model.h"
#define MODEL_ITEM sized_3
#include "lru_model.h"
#define MODEL_ITEM sized_8
#define MODEL_STR_KEYS
#include "lru_model.h"
#define MODEL_ITEM sized_16
#define MODEL_STR_KEYS
#define MODEL_WEIGHT
#include "lru_model.h"
#define MODEL_ITEM sized_200
#include "lru_model.h"

/* ---- Order and room ---- */

static cache cache_of(size_t capacity)
{
    cache lru;

    assert_ok(cache_init(&lru, &(cache_opts){ .capacity = capacity }));
    return lru;
}

static void assert_has(const cache *lru, int key)
{
    const int *value = cache_peek(lru, key);

    assert_non_null(value);
    assert_int_equal(*value, 10 * key);
}

static void put(cache *lru, int first, int last)
{
    for (int key = first; key <= last; key++)
        assert_ok(cache_put(lru, key, 10 * key));
}

static void what_was_not_used_for_the_longest_time_goes_first(void **state)
{
    (void)state;
    cache lru = cache_of(3);

    put(&lru, 1, 3);
    assert_int_equal(*cache_get(&lru, 1), 10);
    put(&lru, 4, 4);
    assert_null(cache_peek(&lru, 2));
    assert_has(&lru, 3); /* which is no use of it */
    put(&lru, 5, 5);
    assert_null(cache_peek(&lru, 3));
    put(&lru, 1, 1);
    put(&lru, 6, 6);
    assert_null(cache_peek(&lru, 4));
    assert_has(&lru, 1);
    assert_has(&lru, 5);
    assert_has(&lru, 6);
    assert_int_equal(lru.stats.evictions, 3);
    assert_int_equal(lru.stats.hits, 1);
    assert_int_equal(lru.stats.misses, 0);
    cache_deinit(&lru);
}

static void a_cache_of_one_holds_the_last(void **state)
{
    (void)state;
    cache lru = cache_of(1);

    put(&lru, 1, 100);
    assert_int_equal(lru.len, 1);
    assert_has(&lru, 100);
    cache_deinit(&lru);
}

static void a_zeroed_one_has_room_for_the_default(void **state)
{
    (void)state;
    cache lru = { 0 }, same;

    put(&lru, 1, 3000);
    assert_int_equal(lru.len, KEEL_LRU_CAPACITY);
    assert_int_equal(lru.weight, KEEL_LRU_CAPACITY);
    assert_null(cache_peek(&lru, 3000 - KEEL_LRU_CAPACITY));
    for (int key = 3001 - KEEL_LRU_CAPACITY; key <= 3000; key++)
        assert_has(&lru, key);
    cache_deinit(&lru);

    assert_ok(cache_init(&same, NULL));
    put(&same, 1, 3000);
    assert_int_equal(same.len, KEEL_LRU_CAPACITY);
    cache_deinit(&same);
}

static void every_capacity_is_kept_to(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity < 70; capacity++) {
        cache lru = cache_of(capacity);
        for (int key = 0; key < 200; key++) {
            put(&lru, key, key);
            assert_int_equal(lru.len, (size_t)key + 1 < capacity ? (size_t)key + 1 : capacity);
        }
        for (int key = 0; key < 200; key++)
            assert_int_equal(cache_peek(&lru, key) != NULL, key >= 200 - (int)capacity);
        cache_deinit(&lru);
    }
}

static void a_great_cache_takes_memory_for_what_it_holds_only(void **state)
{
    (void)state;
    cache lru = cache_of(KEEL_UNLIMITED);

    put(&lru, 1, 200000);
    assert_int_equal(lru.len, 200000);
    assert_in_range(lru.keel__cap, 200000, 400000);
    assert_int_equal(*cache_get(&lru, 1), 10);
    cache_deinit(&lru);
}

static void a_full_one_has_nodes_for_its_capacity(void **state)
{
    (void)state;
    cache lru = cache_of(1000);

    put(&lru, 1, 1000);
    assert_int_equal(lru.keel__cap, 1001);
    const size_t made = keel_test_made();
    put(&lru, 1001, 1500);
    assert_in_range(keel_test_made(), made, made + 1); /* the map may be rearranged */
    assert_int_equal(lru.keel__cap, 1001);
    cache_deinit(&lru);
}

static void clearing_keeps_memory_and_options(void **state)
{
    (void)state;
    cache lru = cache_of(100);

    put(&lru, 1, 100);
    cache_clear(&lru);
    assert_int_equal(lru.len, 0);
    assert_int_equal(lru.weight, 0);
    assert_null(cache_get(&lru, 1));
    const size_t made = keel_test_made();
    put(&lru, 1, 100);
    assert_int_equal(keel_test_made(), made);
    put(&lru, 101, 101);
    assert_int_equal(lru.len, 100);
    assert_null(cache_peek(&lru, 1));
    cache_deinit(&lru);
    put(&lru, 1, 101); /* after deinit too */
    assert_int_equal(lru.len, 100);
    cache_deinit(&lru);
}

static void an_empty_one_has_nothing_to_give(void **state)
{
    (void)state;
    cache lru = { 0 };
    int untouched = 42;

    for (int i = 0; i < 2; i++) {
        cache_iter it = cache_each(&lru);
        assert_false(cache_next(&it));
        assert_null(cache_get(&lru, 0));
        assert_null(cache_peek(&lru, 0));
        assert_false(cache_remove(&lru, 0, &untouched));
        assert_int_equal(cache_purge(&lru), 0);
        cache_clear(&lru);
        put(&lru, 7, 7);
        assert_true(cache_remove(&lru, 7, NULL));
    }
    assert_int_equal(untouched, 42);
    cache_deinit(&lru);
    cache_deinit(&lru);
    cache_deinit(NULL);
}

static void a_value_may_be_changed_in_place(void **state)
{
    (void)state;
    cache lru = { 0 };

    put(&lru, 1, 2);
    *cache_get(&lru, 1) = 11;
    *cache_peek(&lru, 2) = 22;
    for (cache_iter it = cache_each(&lru); cache_next(&it);)
        ++*it.value;
    assert_int_equal(*cache_peek(&lru, 1), 12);
    assert_int_equal(*cache_peek(&lru, 2), 23);
    cache_deinit(&lru);
}

/* ---- Time ---- */

typedef struct timed {
    keel_clock *clock;
    cache lru;
    drops dropped;
} timed;

static void note(int key, int *value, keel_lru_why why, void *arg)
{
    note_drop(&((timed *)arg)->dropped, (uint32_t)key, (uint32_t)*value, why);
}

static void timed_init(timed *t, size_t capacity, int64_t ttl_ns, int64_t start_ns)
{
    *t = (timed){ 0 };
    assert_ok(keel_clock_manual_new(&t->clock, &(keel_clock_manual_opts){ .start_ns = start_ns }));
    assert_ok(cache_init(&t->lru, &(cache_opts){ .capacity = capacity,
                                                 .clock = t->clock,
                                                 .ttl_ns = ttl_ns,
                                                 .dropped = note,
                                                 .arg = t }));
}

static void timed_deinit(timed *t)
{
    cache_deinit(&t->lru);
    keel_clock_free(t->clock);
}

static void an_item_lives_to_the_nanosecond(void **state)
{
    (void)state;
    const int64_t ttl_ns = KEEL_S(60);
    timed t;

    for (int how = 0; how < 5; how++) {
        timed_init(&t, 10, ttl_ns, KEEL_HOUR(1));
        put(&t.lru, 1, 1);
        keel_clock_advance(t.clock, ttl_ns - 1);
        assert_has(&t.lru, 1);
        assert_int_equal(*cache_get(&t.lru, 1), 10); /* which does not make it younger */
        assert_int_equal(cache_purge(&t.lru), 0);
        cache_iter it = cache_each(&t.lru);
        assert_true(cache_next(&it));
        assert_int_equal(it.key, 1);

        keel_clock_advance(t.clock, 1);
        assert_null(cache_peek(&t.lru, 1));
        it = cache_each(&t.lru);
        assert_false(cache_next(&it));
        assert_int_equal(t.lru.len, 1);
        switch (how) {
        case 0:
            assert_null(cache_get(&t.lru, 1));
            break;
        case 1:
            assert_false(cache_remove(&t.lru, 1, NULL));
            break;
        case 2:
            assert_int_equal(cache_purge(&t.lru), 1);
            break;
        case 3:
            put(&t.lru, 2, 11);
            break;
        default:
            put(&t.lru, 1, 1);
            break; /* replaced, which is no dropping */
        }
        assert_int_equal(t.dropped.count, how < 4);
        assert_int_equal(t.lru.stats.expirations, how < 4);
        if (how < 4) {
            assert_int_equal(t.dropped.items[0].key, 1);
            assert_int_equal(t.dropped.items[0].value, 10);
            assert_int_equal(t.dropped.items[0].why, KEEL_LRU_EXPIRED);
        }
        assert_int_equal(t.lru.stats.evictions, 0);
        assert_int_equal(t.lru.stats.hits, 1);
        assert_int_equal(t.lru.stats.misses, how == 0);
        assert_int_equal(t.lru.len, how < 3 ? 0 : how == 3 ? 10 : 1);
        timed_deinit(&t);
    }
}

static void a_put_starts_the_time_anew(void **state)
{
    (void)state;
    timed t;

    timed_init(&t, 10, 100, 0);
    put(&t.lru, 1, 2);
    keel_clock_advance(t.clock, 60);
    put(&t.lru, 1, 1);
    keel_clock_advance(t.clock, 99);
    assert_has(&t.lru, 1);
    assert_null(cache_peek(&t.lru, 2));
    assert_int_equal(cache_purge(&t.lru), 1);
    assert_int_equal(t.dropped.items[0].key, 2);
    keel_clock_advance(t.clock, 1);
    assert_null(cache_peek(&t.lru, 1));
    timed_deinit(&t);
}

static void the_expired_make_room_before_the_unused(void **state)
{
    (void)state;
    timed t;

    timed_init(&t, 3, 100, 0);
    put(&t.lru, 1, 1);
    keel_clock_advance(t.clock, 50);
    put(&t.lru, 2, 3);
    keel_clock_advance(t.clock, 49);
    assert_int_equal(*cache_get(&t.lru, 1), 10); /* now 2 is the longest unused */
    keel_clock_advance(t.clock, 1);
    put(&t.lru, 4, 5);
    assert_int_equal(t.dropped.count, 2);
    assert_int_equal(t.dropped.items[0].key, 1);
    assert_int_equal(t.dropped.items[0].why, KEEL_LRU_EXPIRED);
    assert_int_equal(t.dropped.items[1].key, 2);
    assert_int_equal(t.dropped.items[1].why, KEEL_LRU_FULL);
    timed_deinit(&t);
}

static void a_time_beyond_all_clocks_is_never(void **state)
{
    (void)state;
    timed t;

    timed_init(&t, 3, INT64_MAX, KEEL_HOUR(1));
    put(&t.lru, 1, 1);
    keel_clock_advance(t.clock, INT64_MAX - KEEL_HOUR(2));
    assert_has(&t.lru, 1);
    timed_deinit(&t);
}

static void the_systems_clock_will_do(void **state)
{
    (void)state;
    cache lru;

    assert_ok(
        cache_init(&lru, &(cache_opts){ .clock = keel_clock_system(), .ttl_ns = KEEL_HOUR(9) }));
    put(&lru, 1, 1);
    assert_int_equal(*cache_get(&lru, 1), 10);
    cache_deinit(&lru);
    assert_ok(cache_init(&lru, &(cache_opts){ .clock = keel_clock_system(), .ttl_ns = 1 }));
    put(&lru, 1, 1);
    for (int64_t start_ns = keel_clock_now(keel_clock_system());
         keel_clock_now(keel_clock_system()) <= start_ns;)
        continue;
    assert_null(cache_get(&lru, 1));
    cache_deinit(&lru);
}

static void a_clock_and_a_time_go_together(void **state)
{
    (void)state;
    cache lru;
    const struct {
        keel_clock *clock;
        int64_t ttl_ns;
        const char *text;
    } rows[] = {
        { NULL, 1, "cache_init: ttl_ns without a clock" },
        { NULL, -1, "cache_init: ttl_ns without a clock" },
        { keel_clock_system(), 0, "cache_init: ttl_ns is not positive" },
        { keel_clock_system(), -1, "cache_init: ttl_ns is not positive" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&lru, 0xFF, sizeof lru);
        keel_err *err = cache_init(
            &lru, &(cache_opts){ .clock = rows[i].clock, .ttl_ns = rows[i].ttl_ns, .capacity = 5 });
        assert_non_null(strstr(KEEL_ERR_STR(err), rows[i].text));
        assert_err(err, KEEL_ERR_INVAL);
        put(&lru, 1, 10); /* it is a zeroed one */
        assert_int_equal(lru.len, 10);
        cache_deinit(&lru);
    }
}

/* ---- Iterators ---- */

/* Changes the cache under an iterator, in the way of row `*arg`, and goes on. */
static void iterate_over_a_change(void *arg)
{
    cache lru = { 0 };

    for (int i = 0; i < 5; i++)
        keel_err_free(cache_put(&lru, i, i));
    cache_iter it = cache_each(&lru);
    cache_next(&it);
    switch (*(int *)arg) {
    case 0:
        keel_err_free(cache_put(&lru, 5, 5));
        break;
    case 1:
        keel_err_free(cache_put(&lru, 3, 3));
        break;
    case 2:
        cache_get(&lru, 3);
        break;
    case 3:
        cache_remove(&lru, 3, NULL);
        break;
    case 4:
        cache_clear(&lru);
        break;
    default:
        cache_deinit(&lru);
        break;
    }
    cache_next(&it);
}

static void an_iterator_notices_every_change(void **state)
{
    (void)state;
    for (int change = 0; change < 6; change++)
        support_assert_aborts(iterate_over_a_change, &change,
                              "cache: changed while it was iterated over");
}

static void reading_without_a_trace_is_no_change(void **state)
{
    (void)state;
    cache lru = { 0 };
    int count = 0;

    put(&lru, 1, 5);
    for (cache_iter it = cache_each(&lru); cache_next(&it); count++) {
        assert_int_equal(it.key, 5 - count);
        assert_has(&lru, it.key);
        assert_null(cache_get(&lru, 6)); /* a miss moves nothing */
        assert_false(cache_remove(&lru, 6, NULL));
        assert_int_equal(cache_purge(&lru), 0);
    }
    assert_int_equal(count, 5);
    cache_deinit(&lru);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(it_does_what_an_array_does_sized_1),
        keel_test(it_does_what_an_array_does_sized_3),
        keel_test(it_does_what_an_array_does_sized_8),
        keel_test(it_does_what_an_array_does_sized_16),
        keel_test(it_does_what_an_array_does_sized_200),
        keel_test(what_was_not_used_for_the_longest_time_goes_first),
        keel_test(a_cache_of_one_holds_the_last),
        keel_test(a_zeroed_one_has_room_for_the_default),
        keel_test(every_capacity_is_kept_to),
        keel_test(a_great_cache_takes_memory_for_what_it_holds_only),
        keel_test(a_full_one_has_nodes_for_its_capacity),
        keel_test(clearing_keeps_memory_and_options),
        keel_test(an_empty_one_has_nothing_to_give),
        keel_test(a_value_may_be_changed_in_place),
        keel_test(an_item_lives_to_the_nanosecond),
        keel_test(a_put_starts_the_time_anew),
        keel_test(the_expired_make_room_before_the_unused),
        keel_test(a_time_beyond_all_clocks_is_never),
        keel_test(the_systems_clock_will_do),
        keel_test(a_clock_and_a_time_go_together),
        keel_test(an_iterator_notices_every_change),
        keel_test(reading_without_a_trace_is_no_change),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
