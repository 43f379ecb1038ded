/* SPDX-License-Identifier: MIT */

/* Random operations on a deque and on an array beside it: included for each MODEL_ITEM, by which it names
 * the deque's type and the test. */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define DEQUE JOIN(deque, MODEL_ITEM)
#define DEQUE_(verb) JOIN(DEQUE, verb)
#define SIZE sizeof(MODEL_ITEM)

#define KEEL_DEQUE_NAME DEQUE
#define KEEL_DEQUE_ITEM MODEL_ITEM
#define KEEL_DEQUE_EQ(a, b) (memcmp(&(a), &(b), SIZE) == 0)
#include <keel/deque.h>

static void JOIN(compare, MODEL_ITEM)(const DEQUE *deque, const uint32_t *model, size_t len)
{
    size_t i = 0;

    assert_int_equal(deque->len, len);
    for (JOIN(DEQUE, iter) it = DEQUE_(each)(deque); DEQUE_(next)(&it); i++)
        assert_true(sized_is(it.item, SIZE, model[i]));
    assert_int_equal(i, len);
    assert_null(DEQUE_(at)(deque, len));
}

static void JOIN(it_does_what_an_array_does, MODEL_ITEM)(void **state)
{
    (void)state;
    static uint32_t model[MODEL_MOST + 1];
    DEQUE deque = { 0 }, copy;
    MODEL_ITEM item;
    keel_rand rand;
    size_t len = 0;

    keel_rand_seed(&rand, SIZE);
    for (size_t n = sized_operations(); n > 0; n--) {
        /* it grows and shrinks by turns, so that every length comes up at every place in the ring */
        const bool grow = len == 0 || (len < MODEL_MOST && keel_rand_below(&rand, 16) <
                                                               (n / (2 * MODEL_MOST) % 2 ? 11 : 5));
        const uint32_t number = (uint32_t)keel_rand_below(&rand, sized_limit(SIZE));
        const bool front = keel_rand_below(&rand, 2);
        sized_make(&item, SIZE, number);
        if (grow && front) {
            assert_ok(DEQUE_(push_front)(&deque, item));
            memmove(model + 1, model, len * sizeof *model);
            model[0] = number;
            len++;
        } else if (grow) {
            assert_ok(DEQUE_(push_back)(&deque, item));
            model[len++] = number;
        } else if (front) {
            assert_true(DEQUE_(pop_front)(&deque, &item));
            assert_true(sized_is(&item, SIZE, model[0]));
            memmove(model, model + 1, --len * sizeof *model);
        } else {
            assert_true(DEQUE_(pop_back)(&deque, &item));
            assert_true(sized_is(&item, SIZE, model[--len]));
        }
        assert_int_equal(deque.len, len);
        if (len > 0) {
            const size_t index = keel_rand_below(&rand, len);
            assert_true(sized_is(DEQUE_(front)(&deque), SIZE, model[0]));
            assert_true(sized_is(DEQUE_(back)(&deque), SIZE, model[len - 1]));
            assert_true(sized_is(DEQUE_(at)(&deque, index), SIZE, model[index]));
            sized_make(&item, SIZE, model[index]);
            size_t first = 0;
            while (model[first] != model[index])
                first++;
            assert_ptr_equal(DEQUE_(find)(&deque, item), DEQUE_(at)(&deque, first));
        }
        switch (keel_rand_below(&rand, 300)) {
        case 0:
            DEQUE_(shrink)(&deque);
            break;
        case 1:
            assert_ok(DEQUE_(reserve)(&deque, keel_rand_below(&rand, 20)));
            break;
        case 2:
            JOIN(compare, MODEL_ITEM)(&deque, model, len);
            break;
        case 3:
            assert_ok(DEQUE_(clone)(&copy, &deque));
            JOIN(compare, MODEL_ITEM)(&copy, model, len);
            assert_true(DEQUE_(equal)(&copy, &deque));
            DEQUE_(deinit)(&copy);
            break;
        case 4:
            if (keel_rand_below(&rand, 20) == 0) {
                DEQUE_(clear)(&deque);
                len = 0;
            }
            break;
        default:
            break;
        }
    }
    JOIN(compare, MODEL_ITEM)(&deque, model, len);
    DEQUE_(deinit)(&deque);
}

#undef JOIN_
#undef JOIN
#undef DEQUE
#undef DEQUE_
#undef SIZE
#undef MODEL_ITEM
