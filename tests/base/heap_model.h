/* SPDX-License-Identifier: MIT */

/* Random operations on a heap and on a sorted array beside it: included for each MODEL_ITEM, by which it
 * names the heap's type and the test. */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define HEAP JOIN(heap, MODEL_ITEM)
#define HEAP_(verb) JOIN(HEAP, verb)
#define SIZE sizeof(MODEL_ITEM)

#define KEEL_HEAP_NAME HEAP
#define KEEL_HEAP_ITEM MODEL_ITEM
#define KEEL_HEAP_LESS(a, b) (sized_number(&(a), SIZE) < sized_number(&(b), SIZE))
#include <keel/heap.h>

/* The same items, and every one not less than its parent, so that each may be changed from outside. */
static void JOIN(compare, MODEL_ITEM)(const HEAP *heap, const uint32_t *model, size_t len)
{
    static uint32_t numbers[MODEL_MOST];
    size_t i = 0;

    assert_int_equal(heap->len, len);
    for (JOIN(HEAP, iter) it = HEAP_(each)(heap); HEAP_(next)(&it); i++) {
        numbers[i] = sized_number(it.item, SIZE);
        assert_true(sized_is(it.item, SIZE, numbers[i]));
        assert_true(i == 0 || numbers[(i - 1) / 4] <= numbers[i]);
    }
    assert_int_equal(i, len);
    sort_numbers(numbers, len);
    assert_memory_equal(numbers, model, len * sizeof *model);
}

static void JOIN(it_does_what_a_sorted_array_does, MODEL_ITEM)(void **state)
{
    (void)state;
    static uint32_t model[MODEL_MOST];
    static MODEL_ITEM many[MODEL_MOST];
    HEAP heap = { 0 }, copy;
    MODEL_ITEM item, out = { 0 };
    keel_rand rand;
    size_t len = 0;

    keel_rand_seed(&rand, SIZE);
    for (size_t n = sized_operations(); n > 0; n--) {
        /* it grows and shrinks by turns, with numbers from a narrow range and a wide one */
        const bool grow = keel_rand_below(&rand, 16) < (n / (2 * MODEL_MOST) % 2 ? 10u : 6u);
        const uint32_t limit = n / 10000 % 2 ? sized_limit(SIZE) : 16;
        const uint32_t number = (uint32_t)keel_rand_below(&rand, limit);
        const size_t index = keel_rand_below(&rand, len + 1);
        uint32_t old;
        sized_make(&item, SIZE, number);
        if (grow && len < MODEL_MOST) {
            assert_ok(HEAP_(push)(&heap, item));
            put_number(model, &len, number);
        } else {
            switch (keel_rand_below(&rand, 4)) {
            case 0: /* take any */
                assert_int_equal(HEAP_(remove)(&heap, index, &out), index < len);
                if (index < len)
                    take_number(model, &len, sized_number(&out, SIZE));
                break;
            case 1: /* change any */
                HEAP_(fix)(&heap, len);
                if (index < len) {
                    old = sized_number(&heap.items[index], SIZE);
                    heap.items[index] = item;
                    HEAP_(fix)(&heap, index);
                    take_number(model, &len, old);
                    put_number(model, &len, number);
                }
                break;
            case 2:
                assert_int_equal(HEAP_(replace_top)(&heap, item, &out), len > 0);
                if (len > 0) {
                    assert_true(sized_is(&out, SIZE, model[0]));
                    take_number(model, &len, model[0]);
                    put_number(model, &len, number);
                }
                break;
            default:
                assert_int_equal(HEAP_(pop)(&heap, &out), len > 0);
                if (len > 0) {
                    assert_true(sized_is(&out, SIZE, model[0]));
                    take_number(model, &len, model[0]);
                }
                break;
            }
        }
        assert_int_equal(heap.len, len);
        if (len > 0)
            assert_true(sized_is(HEAP_(peek)(&heap), SIZE, model[0]));
        else
            assert_null(HEAP_(peek)(&heap));
        switch (keel_rand_below(&rand, 300)) {
        case 0:
            HEAP_(shrink)(&heap);
            break;
        case 1:
            assert_ok(HEAP_(reserve)(&heap, keel_rand_below(&rand, 20)));
            break;
        case 2:
            JOIN(compare, MODEL_ITEM)(&heap, model, len);
            break;
        case 3:
            assert_ok(HEAP_(clone)(&copy, &heap));
            JOIN(compare, MODEL_ITEM)(&copy, model, len);
            HEAP_(deinit)(&copy);
            break;
        case 4: { /* more than it holds, or less */
            const size_t count = keel_rand_below(&rand, MODEL_MOST - len + 1);
            for (size_t i = 0; i < count; i++) {
                const uint32_t one = (uint32_t)keel_rand_below(&rand, limit);
                sized_make(&many[i], SIZE, one);
                put_number(model, &len, one);
            }
            assert_ok(HEAP_(append)(&heap, many, count));
            JOIN(compare, MODEL_ITEM)(&heap, model, len);
            break;
        }
        case 5: /* change all */
            for (size_t i = 0; i < len; i++) {
                model[i] = (uint32_t)keel_rand_below(&rand, limit);
                sized_make(&heap.items[i], SIZE, model[i]);
            }
            HEAP_(heapify)(&heap);
            sort_numbers(model, len);
            JOIN(compare, MODEL_ITEM)(&heap, model, len);
            break;
        case 6:
            if (keel_rand_below(&rand, 10) == 0) {
                HEAP_(clear)(&heap);
                len = 0;
            }
            break;
        default:
            break;
        }
    }
    JOIN(compare, MODEL_ITEM)(&heap, model, len);
    HEAP_(deinit)(&heap);
}

#undef JOIN_
#undef JOIN
#undef HEAP
#undef HEAP_
#undef SIZE
#undef MODEL_ITEM
