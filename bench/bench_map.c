/* SPDX-License-Identifier: MIT */
#include "keel_bench.h"

#include "inputs.h"

/* Maps from random integers, and from strings of 16 bytes that the map borrows, as its peers do: a
 * million, for which a table of a power of two is half full, and 900,000, near the fullest it gets. */

#define KEEL_MAP_NAME u64_map
#define KEEL_MAP_KEY uint64_t
#define KEEL_MAP_VALUE uint64_t
#define KEEL_MAP_HASH keel_hash_u64
#define KEEL_MAP_EQ keel_eq_u64
#include <keel/map.h>

#define KEEL_MAP_NAME str_map
#define KEEL_MAP_BORROWED_KEYS
#define KEEL_MAP_VALUE uint64_t
#include <keel/map.h>

#define MAP u64_map
#define LIST(keys, what) (keys)->what
#define KEY(list, i) (list)[i]
#include "map_workloads.h"

#define MAP str_map
#define LIST(keys, what) (keys)->what##_text
#define KEY(list, i) ((keel_str){ (list)[i], 16 })
#include "map_workloads.h"

#define ROW(row, fn, count)                                                                        \
    {                                                                                              \
        .section = "map", .name = "hash_" row, .peer = "keel", .run = fn, .n = count               \
    }
#define ROWS(kind, map, count)                                                                     \
    ROW(kind "_insert", map##_insert, count), ROW(kind "_hit", map##_hit, count),                  \
        ROW(kind "_miss", map##_miss, count), ROW(kind "_iterate", map##_iterate, count),          \
        ROW(kind "_delete", map##_delete, count),                                                  \
    {                                                                                              \
        .section = "map", .name = "hash_" kind "_bytes", .peer = "keel", .run = map##_bytes,       \
        .n = count, .unit = "B/elem"                                                               \
    }

static const bench_workload workloads[] = {
    ROWS("u64", u64_map, 1000000),
    ROWS("u64_900k", u64_map, 900000),
    ROWS("str16", str_map, 1000000),
    ROWS("str16_900k", str_map, 900000),
};

int main(int argc, char **argv)
{
    return bench_keel_main(argc, argv, workloads, BENCH_COUNT(workloads), false);
}
