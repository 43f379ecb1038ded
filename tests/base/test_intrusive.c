/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "base/heap.h"
#include "base/list.h"
#include "sized.h"

enum { THINGS = 200 };

typedef struct thing {
    int number;
    bool in; /* it is in the list, or the heap */
    keel__link link;
    keel__heap_node node;
} thing;

/* ---- List ---- */

/* The list has these things in this order, and says so in both directions. */
static void assert_list(const keel__list *list, thing *const *model, size_t len)
{
    const keel__link *link = list->first, *prev = NULL;

    assert_int_equal(keel__list_empty(list), len == 0);
    for (size_t i = 0; i < len; i++, prev = link, link = link->next) {
        assert_ptr_equal(link, &model[i]->link);
        assert_ptr_equal(link->prev, prev);
        assert_ptr_equal(keel__container(link, thing, link), model[i]);
    }
    assert_null(link);
    assert_ptr_equal(list->last, prev);
}

static void a_list_does_what_an_array_does(void **state)
{
    (void)state;
    static thing things[THINGS];
    thing *model[THINGS];
    keel__list list = { 0 };
    keel_rand rand = { { 0 } };
    size_t len = 0, at;

    memset(things, 0, sizeof things);
    for (size_t n = sized_operations(); n > 0; n--) {
        thing *one = &things[keel_rand_below(&rand, THINGS)];
        const bool drain = n / 1000 % 2; /* so that it becomes long, and empty */
        switch (drain && keel_rand_below(&rand, 4) ? 3 : keel_rand_below(&rand, 4)) {
        case 0:
            if (one->in)
                break;
            one->link.next = one->link.prev = &things[0].link; /* anything */
            keel__list_push(&list, &one->link);
            model[len++] = one;
            one->in = true;
            break;
        case 1:
            if (one->in)
                break;
            one->link.next = one->link.prev = &things[0].link;
            keel__list_push_front(&list, &one->link);
            memmove(model + 1, model, len++ * sizeof model[0]);
            model[0] = one;
            one->in = true;
            break;
        case 2:
            if (!one->in || keel_rand_below(&rand, 2))
                break;
            for (at = 0; model[at] != one; at++)
                continue;
            keel__list_remove(&list, &one->link);
            memmove(model + at, model + at + 1, (--len - at) * sizeof model[0]);
            one->in = false;
            assert_true(one->link.next == NULL && one->link.prev == NULL);
            break;
        default:
            if (!drain)
                break;
            assert_ptr_equal(keel__list_pop(&list), len > 0 ? &model[0]->link : NULL);
            if (len > 0) {
                model[0]->in = false;
                memmove(model, model + 1, --len * sizeof model[0]);
            }
            break;
        }
        if (n % 16 == 0 || len < 3)
            assert_list(&list, model, len);
    }
    assert_list(&list, model, len);
}

/* ---- Heap ---- */

static bool before(const keel__heap_node *a, const keel__heap_node *b)
{
    return keel__container(a, thing, node)->number < keel__container(b, thing, node)->number;
}

/* Every child is not less than its parent, and knows who is before it. Returns how many there are. */
static size_t assert_heap(const keel__heap_node *parent)
{
    const keel__heap_node *prev = parent;
    size_t count = 1;

    for (const keel__heap_node *node = parent->child; node != NULL;
         prev = node, node = node->next) {
        assert_ptr_equal(node->prev, prev);
        assert_false(before(node, parent));
        count += assert_heap(node);
    }
    return count;
}

static void a_heap_gives_the_least_whatever_was_taken_out(void **state)
{
    (void)state;
    static thing things[THINGS];
    keel__heap heap = { 0 };
    keel_rand rand = { { 0 } };
    size_t len = 0;

    memset(things, 0, sizeof things);
    for (size_t n = sized_operations(); n > 0; n--) {
        thing *one = &things[keel_rand_below(&rand, THINGS)];
        if (keel_rand_below(&rand, 4) < (n / 1000 % 2 ? 3 : 1) && heap.root != NULL)
            one = keel__container(heap.root, thing, node);
        if (one->in) {
            keel__heap_remove(&heap, &one->node, before);
            assert_true(one->node.child == NULL && one->node.next == NULL &&
                        one->node.prev == NULL);
            one->in = false;
            len--;
        } else {
            one->number = (int)keel_rand_below(&rand, n / 1000 % 2 ? 10 : 100000);
            one->node.child = one->node.next = one->node.prev = &things[0].node; /* anything */
            keel__heap_add(&heap, &one->node, before);
            one->in = true;
            len++;
        }
        if (n % 64 == 0 || len == 0)
            assert_int_equal(heap.root != NULL ? assert_heap(heap.root) : 0, len);
        if (n % 8 != 0 || len == 0)
            continue;
        int least = INT32_MAX;
        for (size_t i = 0; i < THINGS; i++) {
            if (things[i].in && things[i].number < least)
                least = things[i].number;
        }
        assert_int_equal(keel__container(heap.root, thing, node)->number, least);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        keel_test(a_list_does_what_an_array_does),
        keel_test(a_heap_gives_the_least_whatever_was_taken_out),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
