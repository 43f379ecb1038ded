/* SPDX-License-Identifier: MIT */

/* A vector of MODEL_ITEM beside a plain array of the numbers that its items are made of: a template,
 * included by test_vec.c for each size. */

#define KEEL_VEC_NAME KEEL__JOIN(MODEL_ITEM, vec)
#define KEEL_VEC_ITEM MODEL_ITEM
#define KEEL_VEC_EQ(a, b) (memcmp(&(a), &(b), sizeof(MODEL_ITEM)) == 0)
#include <keel/vec.h>

#define MODEL_VEC KEEL__JOIN(MODEL_ITEM, vec)
#define MODEL(verb) KEEL__JOIN(MODEL_VEC, verb)

static MODEL_ITEM MODEL(made)(uint32_t number)
{
    MODEL_ITEM item;

    sized_make(&item, sizeof item, number);
    return item;
}

static bool MODEL(made_of_even)(MODEL_ITEM item, void *kept)
{
    const bool keep = sized_number(&item, sizeof item) % 2 == 0;

    *(size_t *)kept += keep;
    return keep;
}

/* It holds items made of these numbers, by all ways of looking. */
static void MODEL(check)(const MODEL_VEC *vec, const uint32_t *numbers, size_t len)
{
    size_t i = 0;

    assert_int_equal(vec->len, len);
    assert_true(vec->cap >= len);
    for (MODEL(iter) it = MODEL(each)(vec); MODEL(next)(&it); i++) {
        assert_true(i < len);
        assert_ptr_equal(it.item, &vec->items[i]);
        assert_ptr_equal(it.item, MODEL(at)(vec, i));
        assert_true(sized_is(it.item, sizeof(MODEL_ITEM), numbers[i]));
    }
    assert_int_equal(i, len);
    assert_null(MODEL(at)(vec, len));
    assert_ptr_equal(MODEL(last)(vec), len == 0 ? NULL : &vec->items[len - 1]);
}

static void MODEL(remove_from_model)(uint32_t *numbers, size_t *len, size_t index)
{
    (*len)--;
    memmove(numbers + index, numbers + index + 1, (*len - index) * sizeof *numbers);
}

/* One operation on both. `number` and `index` are random. */
static void MODEL(step)(MODEL_VEC *vec, uint32_t *numbers, size_t *len, uint32_t number,
                        size_t index)
{
    MODEL_ITEM out = MODEL(made)(0);
    size_t kept = 0;
    const bool there = index < *len;

    switch (keel_rand_below(&rnd, 12)) {
    case 0:
    case 1:
    case 2:
        assert_ok(MODEL(push)(vec, MODEL(made)(number)));
        numbers[(*len)++] = number;
        break;
    case 3:
        assert_int_equal(MODEL(pop)(vec, &out), *len > 0);
        if (*len > 0)
            assert_true(sized_is(&out, sizeof out, numbers[--*len]));
        break;
    case 4:
        assert_ok(MODEL(insert)(vec, index, MODEL(made)(number)));
        index = there ? index : *len;
        memmove(numbers + index + 1, numbers + index, (*len - index) * sizeof *numbers);
        numbers[index] = number;
        ++*len;
        break;
    case 5:
        assert_int_equal(MODEL(remove)(vec, index, &out), there);
        if (there) {
            assert_true(sized_is(&out, sizeof out, numbers[index]));
            MODEL(remove_from_model)(numbers, len, index);
        }
        break;
    case 6:
        assert_int_equal(MODEL(swap_remove)(vec, index, NULL), there);
        if (there)
            numbers[index] = numbers[--*len];
        break;
    case 7: /* some of its own, at the end again */
        if (there && *len <= MODEL_MOST / 2) {
            assert_ok(MODEL(append)(vec, vec->items + index, *len - index));
            memcpy(numbers + *len, numbers + index, (*len - index) * sizeof *numbers);
            *len += *len - index;
        }
        break;
    case 8:
        MODEL(truncate)(vec, index);
        *len = there ? index : *len;
        break;
    case 9:
        MODEL(shrink)(vec);
        assert_int_equal(vec->cap, *len);
        break;
    case 10:
        out = MODEL(made)(number);
        for (index = 0; index < *len && numbers[index] != number;)
            index++;
        assert_ptr_equal(MODEL(find)(vec, out), index < *len ? &vec->items[index] : NULL);
        break;
    default:
        if (keel_rand_below(&rnd, 20) != 0)
            break;
        MODEL(retain)(vec, MODEL(made_of_even), &kept);
        index = 0;
        for (size_t i = 0; i < *len; i++) {
            if (numbers[i] % 2 == 0)
                numbers[index++] = numbers[i];
        }
        *len = index;
        assert_int_equal(kept, *len);
        break;
    }
}

static void MODEL(does_what_an_array_does)(void **state)
{
    (void)state;
    uint32_t numbers[MODEL_MOST + 1];
    size_t len = 0;
    MODEL_VEC vec = { 0 };
    MODEL_VEC copy;

    keel_rand_seed(&rnd, sizeof(MODEL_ITEM));
    const size_t operations = sized_operations();
    for (size_t i = 0; i < operations; i++) {
        const uint32_t number = (uint32_t)keel_rand_below(&rnd, 200);

        MODEL(step)(&vec, numbers, &len, number, (size_t)keel_rand_below(&rnd, len + len / 8 + 2));
        if (i % 16 == 0 || i < 1000)
            MODEL(check)(&vec, numbers, len);
        if (i % 256 == 0) {
            assert_ok(MODEL(clone)(&copy, &vec));
            MODEL(check)(&copy, numbers, len);
            assert_true(MODEL(equal)(&copy, &vec));
            if (len > 0) {
                *MODEL(last)(&copy) = MODEL(made)(numbers[len - 1] ^ 1);
                assert_false(MODEL(equal)(&copy, &vec));
                MODEL(truncate)(&copy, len - 1);
                assert_false(MODEL(equal)(&copy, &vec));
            }
            MODEL(deinit)(&copy);
        }
        if (len == MODEL_MOST) {
            MODEL(clear)(&vec);
            len = 0;
        }
    }
    MODEL(deinit)(&vec);
}

#undef MODEL
#undef MODEL_VEC
#undef MODEL_ITEM
