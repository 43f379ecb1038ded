/* SPDX-License-Identifier: MIT */

/* Random operations on a cache and on an array beside it, with a clock: included for each MODEL_ITEM, which
 * keys and values are of, and by which it names the cache's type and the test. MODEL_STR_KEYS: keys are
 * texts. MODEL_WEIGHT: a value of number n weighs model_weight(n). */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define LRU JOIN(lru, MODEL_ITEM)
#define LRU_(verb) JOIN(LRU, verb)
#define SIZE sizeof(MODEL_ITEM)

#define KEEL_LRU_NAME LRU
#define KEEL_LRU_VALUE MODEL_ITEM
#ifdef MODEL_STR_KEYS
#define KEEL_LRU_STR_KEYS
#define KEY keel_str
#else
#define KEEL_LRU_KEY MODEL_ITEM
#define KEEL_LRU_HASH(key) keel_hash_bytes(&(key), SIZE)
#define KEEL_LRU_EQ(a, b) (memcmp(&(a), &(b), SIZE) == 0)
#define KEY MODEL_ITEM
#endif
#ifdef MODEL_WEIGHT
#define KEEL_LRU_WEIGHT(key, value) model_weight(sized_number(&(value), SIZE))
#define WEIGHT(number) model_weight(number)
#else
#define WEIGHT(number) 1u
#endif
#include <keel/lru.h>

static KEY JOIN(make_key, MODEL_ITEM)(uint32_t number)
{
#ifdef MODEL_STR_KEYS
    static char text[16];
    snprintf(text, sizeof text, "key %u", (unsigned)number);
    return keel_str_from(text);
#else
    MODEL_ITEM key;
    sized_make(&key, SIZE, number);
    return key;
#endif
}

static uint32_t JOIN(key_number, MODEL_ITEM)(KEY key)
{
#ifdef MODEL_STR_KEYS
    return (uint32_t)strtoul(key.ptr + 4, NULL, 10);
#else
    const uint32_t number = sized_number(&key, SIZE);
    assert_true(sized_is(&key, SIZE, number));
    return number;
#endif
}

static void JOIN(dropped, MODEL_ITEM)(KEY key, MODEL_ITEM *value, keel_lru_why why, void *arg)
{
    const uint32_t number = sized_number(value, SIZE);

    assert_true(sized_is(value, SIZE, number));
    note_drop(arg, JOIN(key_number, MODEL_ITEM)(key), number, why);
}

/* The same items in the same order, but for what has expired. */
static void JOIN(compare, MODEL_ITEM)(const LRU *lru, const model *of, int64_t now_ns)
{
    LRU_(iter) it = LRU_(each)(lru);

    for (size_t i = of->len; i-- > 0;) {
        if (of->items[i].expires_ns <= now_ns)
            continue;
        assert_true(LRU_(next)(&it));
        assert_int_equal(JOIN(key_number, MODEL_ITEM)(it.key), of->items[i].key);
        assert_true(sized_is(it.value, SIZE, of->items[i].value));
    }
    assert_false(LRU_(next)(&it));
    assert_false(LRU_(next)(&it));
}

static void JOIN(it_does_what_an_array_does, MODEL_ITEM)(void **state)
{
    (void)state;
    static model of;
    keel_clock *clock;
    LRU lru;
    MODEL_ITEM item;
    keel_rand rand;
    int64_t now_ns = 1000;

    of = (model){ .capacity = 40 };
    keel_rand_seed(&rand, SIZE);
    assert_ok(keel_clock_manual_new(&clock, &(keel_clock_manual_opts){ .start_ns = now_ns }));
    assert_ok(LRU_(init)(&lru, &(LRU_(opts)){ .capacity = of.capacity,
                                              .clock = clock,
                                              .ttl_ns = MODEL_TTL_NS,
                                              .dropped = JOIN(dropped, MODEL_ITEM),
                                              .arg = &of.really }));
    for (size_t n = sized_operations(); n > 0; n--) {
        if (n / 20000 % 2 && keel_rand_below(&rand, 2) == 0) {
            const int64_t step_ns = (int64_t)keel_rand_below(&rand, 8); /* with spells without */
            keel_clock_advance(clock, step_ns);
            now_ns += step_ns;
        }
        const uint32_t number = (uint32_t)keel_rand_below(&rand, 80);
        const KEY key = JOIN(make_key, MODEL_ITEM)(number);
        const uint32_t value = (uint32_t)keel_rand_below(&rand, sized_limit(SIZE));
        const size_t at = model_find(&of, number);
        const bool alive = at < of.len && of.items[at].expires_ns > now_ns;
        const MODEL_ITEM *got;
        switch (keel_rand_below(&rand, 8)) {
        case 0:
        case 1:
        case 2:
            sized_make(&item, SIZE, value);
            assert_ok(LRU_(put)(&lru, key, item));
            model_put(&of, number, value, WEIGHT(value), now_ns);
            break;
        case 3:
        case 4:
        case 5:
            got = LRU_(get)(&lru, key);
            assert_true(alive ? got != NULL && sized_is(got, SIZE, of.items[at].value)
                              : got == NULL);
            model_get(&of, at, now_ns);
            break;
        case 6:
            got = LRU_(peek)(&lru, key);
            assert_true(alive ? got != NULL && sized_is(got, SIZE, of.items[at].value)
                              : got == NULL);
            break;
        default:
            if (value % 4 == 0)
                break;
            assert_int_equal(LRU_(remove)(&lru, key, value % 2 ? &item : NULL), alive);
            if (alive && value % 2)
                assert_true(sized_is(&item, SIZE, of.items[at].value));
            if (alive)
                model_take(&of, at);
            else if (at < of.len)
                model_drop(&of, at, KEEL_LRU_EXPIRED);
            break;
        }
        switch (keel_rand_below(&rand, 400)) {
        case 0:
            assert_int_equal(LRU_(purge)(&lru), model_purge(&of, now_ns));
            break;
        case 1:
            JOIN(compare, MODEL_ITEM)(&lru, &of, now_ns);
            break;
        case 2:
            if (value % 10 == 0) {
                LRU_(clear)(&lru);
                of.len = of.weight = 0;
            } else if (value % 10 == 1) {
                LRU_(deinit)(&lru);
                of.len = of.weight = 0;
            }
            break;
        default:
            break;
        }
        assert_int_equal(lru.len, of.len);
        assert_int_equal(lru.weight, of.weight);
        assert_true(lru.weight <= of.capacity);
        assert_drops(&of);
        assert_memory_equal(&lru.stats, &of.stats, sizeof lru.stats);
    }
    JOIN(compare, MODEL_ITEM)(&lru, &of, now_ns);
    assert_in_range(lru.stats.evictions, 100, SIZE_MAX);
    assert_in_range(lru.stats.expirations, 100, SIZE_MAX);
    LRU_(deinit)(&lru);
    keel_clock_free(clock);
}

#undef JOIN_
#undef JOIN
#undef LRU
#undef LRU_
#undef SIZE
#undef KEY
#undef WEIGHT
#undef MODEL_ITEM
#undef MODEL_STR_KEYS
#undef MODEL_WEIGHT
