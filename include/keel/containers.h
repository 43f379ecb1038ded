/* SPDX-License-Identifier: MIT */
#ifndef KEEL_CONTAINERS_H
#define KEEL_CONTAINERS_H

/**
 * Containers of the common types, ready made: their functions are in the library, and cost their users'
 * programs nothing to compile. Those of each are described in the header of its template.
 *
 * vectors, <keel/vec.h>
 *     keel_ints, keel_i64s, keel_u64s, keel_doubles
 *     keel_ptrs         `void *`: whatever it points to
 *     keel_strs         keel_str: views, whose bytes belong to somebody else
 *     keel_cstrs        `char *`: strings that belong to the vector, as keel_str_dup makes them
 * queues with two ends, <keel/deque.h>
 *     keel_int_deque, keel_ptr_deque, keel_str_deque (views)
 * heaps, the least first, <keel/heap.h>
 *     keel_int_heap, keel_i64_heap, keel_double_heap (without NaN)
 * maps, <keel/map.h>: those from strings copy their keys
 *     keel_i64_map, keel_ptr_map, keel_str_map to `void *`
 *     keel_str_i64_map  for counting
 *     keel_str_str_map  to `char *` that belong to the map, as keel_str_dup makes them
 * sets, <keel/set.h>
 *     keel_i64_set, keel_ptr_set, keel_str_set (copies)
 *
 *     keel_str_i64_map counts = { 0 };
 *     int64_t *count;
 *     for (keel_str word; keel_str_next_word(&text, &word);) {
 *         KEEL_TRY(keel_str_i64_map_entry(&counts, word, &count, NULL));
 *         ++*count;
 *     }
 *
 * Each call is a real one; for the innermost loop of a program, a template instance of its own is inlined.
 * Whether iterators detect changes was decided when the library was built: as if KEEL_CHECKED were 1
 * there, unless NDEBUG was defined.
 *
 * Sorting: keel_sort_i64 and the like, <keel/sort.h>.
 */

#include <stdint.h>

#include <keel/str.h>

/* ---- Vectors ---- */

#define KEEL_VEC_NAME keel_ints
#define KEEL_VEC_ITEM int
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_i64s
#define KEEL_VEC_ITEM int64_t
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_u64s
#define KEEL_VEC_ITEM uint64_t
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_doubles
#define KEEL_VEC_ITEM double
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_ptrs
#define KEEL_VEC_ITEM void *
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_strs
#define KEEL_VEC_ITEM keel_str
#define KEEL_VEC_EQ keel_str_equal
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_cstrs
#define KEEL_VEC_ITEM char *
#define KEEL_VEC_EQ keel_eq_cstr
#define KEEL_VEC_ITEM_FREE keel__cstr_free
#define KEEL_VEC_ITEM_COPY keel__cstr_copy
#define KEEL_VEC_DECLARE
#include <keel/vec.h>

/* ---- Queues with two ends ---- */

#define KEEL_DEQUE_NAME keel_int_deque
#define KEEL_DEQUE_ITEM int
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_DECLARE
#include <keel/deque.h>

#define KEEL_DEQUE_NAME keel_ptr_deque
#define KEEL_DEQUE_ITEM void *
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_DECLARE
#include <keel/deque.h>

#define KEEL_DEQUE_NAME keel_str_deque
#define KEEL_DEQUE_ITEM keel_str
#define KEEL_DEQUE_EQ keel_str_equal
#define KEEL_DEQUE_DECLARE
#include <keel/deque.h>

/* ---- Heaps ---- */

#define KEEL_HEAP_NAME keel_int_heap
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_DECLARE
#include <keel/heap.h>

#define KEEL_HEAP_NAME keel_i64_heap
#define KEEL_HEAP_ITEM int64_t
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_DECLARE
#include <keel/heap.h>

#define KEEL_HEAP_NAME keel_double_heap
#define KEEL_HEAP_ITEM double
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_DECLARE
#include <keel/heap.h>

/* ---- Maps ---- */

#define KEEL_MAP_NAME keel_i64_map
#define KEEL_MAP_KEY int64_t
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_HASH keel_hash_i64
#define KEEL_MAP_EQ keel_eq_i64
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_DECLARE
#include <keel/map.h>

#define KEEL_MAP_NAME keel_ptr_map
#define KEEL_MAP_KEY const void *
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_HASH keel_hash_ptr
#define KEEL_MAP_EQ keel_eq_ptr
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_DECLARE
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_DECLARE
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_i64_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int64_t
#define KEEL_MAP_VALUE_EQ keel_eq_i64
#define KEEL_MAP_DECLARE
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_str_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE char *
#define KEEL_MAP_VALUE_EQ keel_eq_cstr
#define KEEL_MAP_VALUE_FREE keel__cstr_free
#define KEEL_MAP_VALUE_COPY keel__cstr_copy
#define KEEL_MAP_DECLARE
#include <keel/map.h>

/* ---- Sets ---- */

#define KEEL_SET_NAME keel_i64_set
#define KEEL_SET_KEY int64_t
#define KEEL_SET_HASH keel_hash_i64
#define KEEL_SET_EQ keel_eq_i64
#define KEEL_SET_DECLARE
#include <keel/set.h>

#define KEEL_SET_NAME keel_ptr_set
#define KEEL_SET_KEY const void *
#define KEEL_SET_HASH keel_hash_ptr
#define KEEL_SET_EQ keel_eq_ptr
#define KEEL_SET_DECLARE
#include <keel/set.h>

#define KEEL_SET_NAME keel_str_set
#define KEEL_SET_STR_KEYS
#define KEEL_SET_DECLARE
#include <keel/set.h>

#endif /* KEEL_CONTAINERS_H */
