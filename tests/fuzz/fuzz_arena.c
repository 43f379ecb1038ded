/* SPDX-License-Identifier: MIT */

/* Two bytes are an operation on an arena: nothing overlaps, all is aligned and counted, and with a sanitizer
 * nothing is used that was not taken. */

#include <keel/test.h>

#include <string.h>

#include <keel/arena.h>

KEEL_FUZZ_SEEDS("", "a1b2c3d4", "\x01\xFF\x02\x10\x03\x01\x01\x40\x04\x01",
                "\x03\x01\x02\xFF\x04\x01\x05\x01");

#define PIECES_MAX 256
#define MARKS_MAX 8

typedef struct piece {
    unsigned char *ptr;
    size_t size;
} piece;

typedef struct world {
    keel_arena arena;
    piece pieces[PIECES_MAX];
    size_t count, used;
    keel_arena_mark marks[MARKS_MAX];
    size_t counts[MARKS_MAX], useds[MARKS_MAX], mark_count;
} world;

/* Each piece is full of its own number. */
static void check_pieces(const world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        for (size_t k = 0; k < w->pieces[i].size; k++)
            assert_int_equal(w->pieces[i].ptr[k], i & 0xFF);
    }
    assert_int_equal(keel_arena_get_stats(&w->arena).used_bytes, w->used);
}

static void take(world *w, size_t size, size_t alignment)
{
    unsigned char *ptr = keel_arena_alloc_aligned(&w->arena, size, alignment);

    if (ptr == NULL) /* beyond max_bytes */
        return;
    assert_int_equal((uintptr_t)ptr % alignment, 0);
    memset(ptr, (int)w->count & 0xFF, size);
    w->pieces[w->count++] = (piece){ ptr, size };
    w->used += size;
}

static void operate(world *w, unsigned what, size_t number)
{
    switch (what % 8) {
    case 0:
        check_pieces(w);
        keel_arena_reset(&w->arena);
        w->count = w->used = w->mark_count = 0;
        break;
    case 1:
        if (w->mark_count == MARKS_MAX)
            break;
        w->marks[w->mark_count] = keel_arena_checkpoint(&w->arena);
        w->useds[w->mark_count] = w->used;
        w->counts[w->mark_count++] = w->count;
        break;
    case 2:
        if (w->mark_count == 0)
            break;
        check_pieces(w);
        w->mark_count = number % w->mark_count;
        keel_arena_rewind(&w->arena, w->marks[w->mark_count]);
        w->count = w->counts[w->mark_count];
        w->used = w->useds[w->mark_count];
        break;
    case 3:
        take(w, number * 64, 16);
        break;
    default:
        take(w, number, (size_t)1 << what / 8 % 9);
        break;
    }
}

KEEL_FUZZ(arena)
{
    static world w;

    memset(&w, 0, sizeof w);
    w.arena.chunk_bytes = 512;
    w.arena.max_bytes = 100000;
    for (size_t i = 0; i + 1 < size && w.count < PIECES_MAX; i += 2)
        operate(&w, data[i], data[i + 1]);
    check_pieces(&w);
    assert_true(keel_arena_get_stats(&w.arena).held_bytes <= w.arena.max_bytes);
    keel_arena_deinit(&w.arena);
}
