/* SPDX-License-Identifier: MIT */
#include <keel/arena.h>

typedef struct keel_check_point {
    int x, y;
} keel_check_point;

keel_check_point *keel_check_arena(size_t count);
keel_check_point *keel_check_arena(size_t count)
{
    static keel_arena arena;
    keel_check_point *one = KEEL_ARENA_NEW(&arena, keel_check_point);

    arena.chunk_bytes = KEEL_ARENA_DEFAULT_CHUNK_BYTES;
    arena.max_bytes = KEEL_ARENA_DEFAULT_MAX_BYTES;
    return one != NULL ? KEEL_ARENA_ARRAY(&arena, keel_check_point, count) : one;
}
