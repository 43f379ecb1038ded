/* SPDX-License-Identifier: MIT */
#include <keel/containers.h>

#include <keel/hash.h>

#include "base/containers.h"

/* ---- Vectors ---- */

#define KEEL_VEC_NAME keel_ints
#define KEEL_VEC_ITEM int
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_i64s
#define KEEL_VEC_ITEM int64_t
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_u64s
#define KEEL_VEC_ITEM uint64_t
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_doubles
#define KEEL_VEC_ITEM double
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_ptrs
#define KEEL_VEC_ITEM void *
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_strs
#define KEEL_VEC_ITEM keel_str
#define KEEL_VEC_EQ keel_str_equal
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

#define KEEL_VEC_NAME keel_cstrs
#define KEEL_VEC_ITEM char *
#define KEEL_VEC_EQ keel_eq_cstr
#define KEEL_VEC_ITEM_FREE keel__cstr_free
#define KEEL_VEC_ITEM_COPY keel__cstr_copy
#define KEEL_VEC_IMPLEMENT
#include <keel/vec.h>

/* ---- Queues with two ends ---- */

#define KEEL_DEQUE_NAME keel_int_deque
#define KEEL_DEQUE_ITEM int
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_IMPLEMENT
#include <keel/deque.h>

#define KEEL_DEQUE_NAME keel_ptr_deque
#define KEEL_DEQUE_ITEM void *
#define KEEL_DEQUE_EQ(a, b) ((a) == (b))
#define KEEL_DEQUE_IMPLEMENT
#include <keel/deque.h>

#define KEEL_DEQUE_NAME keel_str_deque
#define KEEL_DEQUE_ITEM keel_str
#define KEEL_DEQUE_EQ keel_str_equal
#define KEEL_DEQUE_IMPLEMENT
#include <keel/deque.h>

/* ---- Heaps ---- */

#define KEEL_HEAP_NAME keel_int_heap
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_IMPLEMENT
#include <keel/heap.h>

#define KEEL_HEAP_NAME keel_i64_heap
#define KEEL_HEAP_ITEM int64_t
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_IMPLEMENT
#include <keel/heap.h>

#define KEEL_HEAP_NAME keel_double_heap
#define KEEL_HEAP_ITEM double
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#define KEEL_HEAP_IMPLEMENT
#include <keel/heap.h>
