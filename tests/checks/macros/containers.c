/* SPDX-License-Identifier: MIT */
#include <keel/containers.h>

/* It leaves none of the templates' parameters behind, for the user's next instance. */
#if defined(KEEL_VEC_NAME) || defined(KEEL_VEC_ITEM) || defined(KEEL_VEC_EQ) ||                    \
    defined(KEEL_VEC_ITEM_FREE) || defined(KEEL_VEC_ITEM_COPY) || defined(KEEL_VEC_DECLARE)
#error "a parameter of <keel/vec.h>"
#endif
#if defined(KEEL_DEQUE_NAME) || defined(KEEL_DEQUE_ITEM) || defined(KEEL_DEQUE_EQ) ||              \
    defined(KEEL_DEQUE_DECLARE)
#error "a parameter of <keel/deque.h>"
#endif
#if defined(KEEL_HEAP_NAME) || defined(KEEL_HEAP_ITEM) || defined(KEEL_HEAP_LESS) ||               \
    defined(KEEL_HEAP_DECLARE)
#error "a parameter of <keel/heap.h>"
#endif
#if defined(KEEL_MAP_NAME) || defined(KEEL_MAP_KEY) || defined(KEEL_MAP_STR_KEYS) ||               \
    defined(KEEL_MAP_VALUE) || defined(KEEL_MAP_HASH) || defined(KEEL_MAP_EQ) ||                   \
    defined(KEEL_MAP_VALUE_EQ) || defined(KEEL_MAP_VALUE_FREE) || defined(KEEL_MAP_VALUE_COPY) ||  \
    defined(KEEL_MAP_DECLARE)
#error "a parameter of <keel/map.h>"
#endif
#if defined(KEEL_SET_NAME) || defined(KEEL_SET_KEY) || defined(KEEL_SET_STR_KEYS) ||               \
    defined(KEEL_SET_HASH) || defined(KEEL_SET_EQ) || defined(KEEL_SET_DECLARE)
#error "a parameter of <keel/set.h>"
#endif

keel_err *keel_check_use(keel_strs *views, keel_str_i64_map *counts);
keel_err *keel_check_use(keel_strs *views, keel_str_i64_map *counts)
{
    for (keel_strs_iter it = keel_strs_each(views); keel_strs_next(&it);)
        KEEL_TRY(keel_str_i64_map_put(counts, *it.item, 1));
    return NULL;
}
