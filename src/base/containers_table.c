/* SPDX-License-Identifier: MIT */
#include <keel/containers.h>

#include "base/containers.h"

/* ---- Maps ---- */

#define KEEL_MAP_NAME keel_i64_map
#define KEEL_MAP_KEY int64_t
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_HASH keel_hash_i64
#define KEEL_MAP_EQ keel_eq_i64
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

#define KEEL_MAP_NAME keel_ptr_map
#define KEEL_MAP_KEY const void *
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_HASH keel_hash_ptr
#define KEEL_MAP_EQ keel_eq_ptr
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE void *
#define KEEL_MAP_VALUE_EQ keel_eq_ptr
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_i64_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int64_t
#define KEEL_MAP_VALUE_EQ keel_eq_i64
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

#define KEEL_MAP_NAME keel_str_str_map
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE char *
#define KEEL_MAP_VALUE_EQ keel_eq_cstr
#define KEEL_MAP_VALUE_FREE keel__cstr_free
#define KEEL_MAP_VALUE_COPY keel__cstr_copy
#define KEEL_MAP_IMPLEMENT
#include <keel/map.h>

/* ---- Sets ---- */

#define KEEL_SET_NAME keel_i64_set
#define KEEL_SET_KEY int64_t
#define KEEL_SET_HASH keel_hash_i64
#define KEEL_SET_EQ keel_eq_i64
#define KEEL_SET_IMPLEMENT
#include <keel/set.h>

#define KEEL_SET_NAME keel_ptr_set
#define KEEL_SET_KEY const void *
#define KEEL_SET_HASH keel_hash_ptr
#define KEEL_SET_EQ keel_eq_ptr
#define KEEL_SET_IMPLEMENT
#include <keel/set.h>

#define KEEL_SET_NAME keel_str_set
#define KEEL_SET_STR_KEYS
#define KEEL_SET_IMPLEMENT
#include <keel/set.h>
