/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdalign.h>
#include <wchar.h>

#include "text_rig.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifndef ASAN
#define ASAN 0
#endif

/* ---- A model: all that lives, and what should be in it ---- */

#define LIVE_MAX 400
#define MARKS_MAX 20

typedef struct piece {
    unsigned char *ptr;
    size_t size;
    unsigned char fill;
} piece;

typedef struct model {
    piece live[LIVE_MAX];
    size_t count, used, peak;
    struct {
        keel_arena_mark mark;
        size_t count, used;
    } marks[MARKS_MAX];
    size_t mark_count;
} model;

static void check_whole(const piece *p)
{
    for (size_t i = 0; i < p->size; i++) {
        if (p->ptr[i] != p->fill)
            fail_msg("byte %zu of %zu was overwritten", i, p->size);
    }
}

static void back_to(model *m, size_t count, size_t used)
{
    for (size_t i = count; i < m->count; i++)
        check_whole(&m->live[i]); /* to the end */
    m->count = count;
    m->used = used;
}

static void take_some(keel_arena *arena, model *m, keel_rand *rand)
{
    size_t size = (size_t)keel_rand_below(rand, keel_rand_below(rand, 30) == 0 ? 9000 : 120);
    size_t alignment = (size_t)1 << keel_rand_below(rand, 9);
    unsigned char fill = (unsigned char)keel_rand_u64(rand);
    bool filled = false;
    unsigned char *ptr;

    switch (keel_rand_below(rand, 4)) {
    case 0:
        ptr = keel_arena_alloc_aligned(arena, size, alignment);
        break;
    case 1:
        alignment = alignof(max_align_t);
        fill = 0;
        filled = true;
        ptr = keel_arena_calloc(arena, size, 1);
        break;
    case 2:
        alignment = 1;
        size = 1 + size % 600;
        ptr = (unsigned char *)keel_arena_printf(arena, "%0*d", (int)size - 1, 0);
        assert_non_null(ptr);
        assert_int_equal(strlen((char *)ptr), size - 1 > 0 ? size - 1 : 1);
        size = strlen((char *)ptr);
        fill = '0';
        filled = true;
        m->used++; /* its NUL */
        break;
    default:
        alignment = alignof(max_align_t);
        ptr = keel_arena_alloc(arena, size);
        break;
    }
    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr & (alignment - 1), 0);
    m->used += size;
    piece *p = &m->live[m->count++];
    *p = (piece){ ptr, size, fill };
    if (filled)
        check_whole(p);
    memset(ptr, fill, size);
}

static void some_operation(keel_arena *arena, model *m, keel_rand *rand)
{
    uint64_t what = keel_rand_below(rand, 40);

    if (m->peak < m->used)
        m->peak = m->used;
    if (what == 0 || m->count == LIVE_MAX) {
        back_to(m, 0, 0);
        m->mark_count = 0;
        keel_arena_reset(arena);
        assert_true(keel_arena_get_stats(arena).chunks <= 1);
    } else if (what < 5 && m->mark_count < MARKS_MAX) {
        m->marks[m->mark_count].mark = keel_arena_checkpoint(arena);
        m->marks[m->mark_count].count = m->count;
        m->marks[m->mark_count++].used = m->used;
    } else if (what < 8 && m->mark_count > 0) {
        size_t mark = (size_t)keel_rand_below(rand, m->mark_count);
        back_to(m, m->marks[mark].count, m->marks[mark].used);
        m->mark_count = mark + keel_rand_below(rand, 2); /* often it is gone back to again */
        keel_arena_rewind(arena, m->marks[mark].mark);
    } else {
        take_some(arena, m, rand);
    }
    if (m->count > 0)
        check_whole(&m->live[keel_rand_below(rand, m->count)]);
}

static void random_operations_do_what_the_model_does(void **state)
{
    (void)state;
    static model m;
    keel_arena arena = { .chunk_bytes = 2000 };
    keel_rand rand;
    size_t before = support_mem_live();

    keel_rand_seed(&rand, 41);
    for (size_t round = rig_rounds(); round > 0; round--) {
        some_operation(&arena, &m, &rand);
        keel_arena_stats stats = keel_arena_get_stats(&arena);
        assert_int_equal(stats.used_bytes, m.used);
        assert_int_equal(stats.peak_bytes, m.peak > m.used ? m.peak : m.used);
        assert_int_equal(stats.chunks + stats.large, support_mem_live() - before);
        assert_true(stats.held_bytes >= m.used);
    }
    keel_arena_deinit(&arena);
    assert_int_equal(arena.chunk_bytes, 2000);
    assert_int_equal(keel_arena_get_stats(&arena).held_bytes, 0);
}

/* ---- One by one ---- */

static void texts_are_copied(void **state)
{
    (void)state;
    keel_arena arena = { 0 };
    static char big[5000];
    int *numbers = KEEL_ARENA_ARRAY(&arena, int, 100);

    assert_non_null(numbers);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    assert_int_equal(*KEEL_ARENA_NEW(&arena, int), 0);
    assert_string_equal(keel_arena_strdup(&arena, "text"), "text");
    assert_string_equal(keel_arena_str(&arena, keel_str_slice(KEEL_STR("prefix"), 0, 3)), "pre");
    assert_string_equal(keel_arena_str(&arena, (keel_str){ NULL, 0 }), "");
    assert_memory_equal(keel_arena_dup(&arena, "ab\0c", 4), "ab\0c", 4);
    assert_non_null(keel_arena_dup(&arena, NULL, 0));
    assert_non_null(keel_arena_alloc(&arena, 0));
    assert_string_equal(keel_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    for (size_t len = 254; len < 258; len++) { /* the first try's place ends here */
        memset(big, 'b', len);
        big[len] = '\0';
        assert_string_equal(keel_arena_printf(&arena, "%s", big), big);
    }
    assert_null(keel_arena_printf(&arena, "%lc", (wint_t)0x7FFFFFFF));
    keel_arena_deinit(&arena);
    keel_arena_deinit(NULL);
}

static void steady_requests_need_no_more_memory(void **state)
{
    (void)state;
    keel_arena arena = { .chunk_bytes = 1024 };
    size_t made = 0;

    for (int request = 0; request < 100; request++) {
        for (int i = 0; i < 300; i++)
            assert_non_null(keel_arena_alloc(&arena, 50));
        keel_arena_reset(&arena);
        assert_int_equal(keel_arena_get_stats(&arena).chunks, 1);
        if (request == 10) /* by then a chunk holds a whole request */
            made = support_mem_made();
    }
    assert_int_equal(support_mem_made(), made);
    keel_arena_deinit(&arena);
}

static void going_to_and_fro_at_a_chunks_end_needs_no_more_memory(void **state)
{
    (void)state;
    keel_arena arena = { .chunk_bytes = 1024 };
    size_t made = 0;

    while (keel_arena_get_stats(&arena).chunks < 2)
        assert_non_null(keel_arena_alloc(&arena, 16));
    for (int i = 0; i < 1000; i++) {
        keel_arena_mark mark = keel_arena_checkpoint(&arena);
        for (int k = 0; k < 200; k++)
            assert_non_null(keel_arena_alloc(&arena, 16));
        keel_arena_rewind(&arena, mark);
        if (i == 0)
            made = support_mem_made();
    }
    assert_int_equal(support_mem_made(), made);
    keel_arena_deinit(&arena);
}

static void chunks_double_up_to_64_times(void **state)
{
    (void)state;
    keel_arena arena = { .chunk_bytes = 1000 };
    size_t held = 0, grown = 0, want = 1000;

    for (int i = 0; i < 100000 && grown < 12; i++) {
        assert_non_null(keel_arena_alloc(&arena, 16));
        size_t now = keel_arena_get_stats(&arena).held_bytes;
        if (now == held)
            continue;
        assert_int_equal(now - held, want);
        want = want < 64000 ? 2 * want : want;
        held = now;
        grown++;
    }
    assert_int_equal(grown, 12);
    keel_arena_deinit(&arena);
}

static void what_is_large_stands_alone(void **state)
{
    (void)state;
    keel_arena arena = { .chunk_bytes = 1024 };
    keel_arena_mark mark = keel_arena_checkpoint(&arena);

    assert_non_null(keel_arena_alloc(&arena, 200));
    assert_int_equal(keel_arena_get_stats(&arena).large, 0);
    assert_non_null(keel_arena_alloc(&arena, 100000));
    assert_non_null(keel_arena_alloc(&arena, 4000));
    assert_int_equal(keel_arena_get_stats(&arena).large, 2);
    assert_int_equal(keel_arena_get_stats(&arena).chunks, 1);
    assert_true(keel_arena_get_stats(&arena).held_bytes < 106000);
    keel_arena_rewind(&arena, mark);
    assert_int_equal(keel_arena_get_stats(&arena).large, 0);
    assert_true(keel_arena_get_stats(&arena).held_bytes == 1024);
    assert_int_equal(keel_arena_get_stats(&arena).peak_bytes, 104200);
    keel_arena_deinit(&arena);
}

static void there_is_no_more_than_max_bytes(void **state)
{
    (void)state;

    for (size_t max = 0; max < 20000; max += 999) {
        keel_arena arena = { .chunk_bytes = 1024, .max_bytes = max + 1 };
        size_t held, used = 0, last;
        for (last = 4000; last > 0; last = last > 100 ? last / 2 : last - 1) {
            while (keel_arena_alloc(&arena, last) != NULL)
                used += last;
        }
        held = keel_arena_get_stats(&arena).held_bytes;
        assert_true(held <= max + 1);
        assert_true(held + 100 >= max || max < 1024);
        assert_int_equal(keel_arena_get_stats(&arena).used_bytes, used);
        arena.max_bytes = 1; /* less than it holds */
        assert_null(keel_arena_alloc(&arena, 4000));
        keel_arena_deinit(&arena);
    }
}

static void sizes_do_not_overflow(void **state)
{
    (void)state;
    keel_arena arena = { .max_bytes = KEEL_UNLIMITED };

    for (int round = 0; round < 2; round++) {
        for (size_t less = 0; less < 100; less++) {
            assert_null(keel_arena_alloc(&arena, SIZE_MAX - less));
            assert_null(keel_arena_alloc_aligned(&arena, SIZE_MAX - less, 1));
            assert_null(keel_arena_alloc_aligned(&arena, SIZE_MAX / 2 - less, SIZE_MAX / 2 + 1));
        }
        assert_null(keel_arena_alloc(&arena, SIZE_MAX / 2 - 64));
        assert_null(keel_arena_calloc(&arena, SIZE_MAX / 2, 3));
        assert_null(keel_arena_calloc(&arena, SIZE_MAX / 16 + 1, 16));
        assert_null(keel_arena_str(&arena, (keel_str){ "x", SIZE_MAX }));
        assert_non_null(keel_arena_calloc(&arena, 5, 0));
        assert_non_null(keel_arena_alloc(&arena, 10)); /* again with a chunk */
    }
    keel_arena_deinit(&arena);
    arena = (keel_arena){ .chunk_bytes = 1 };
    for (int i = 0; i < 100; i++)
        assert_non_null(keel_arena_alloc(&arena, (size_t)i));
    keel_arena_deinit(&arena);
    arena = (keel_arena){ .chunk_bytes = SIZE_MAX };
    assert_non_null(keel_arena_alloc(&arena, 10)); /* as much as is needed */
    keel_arena_deinit(&arena);
}

/* ---- Memory that fails ---- */

static keel_err *serve(void *arg)
{
    keel_arena arena = { .chunk_bytes = 256 };
    bool fine = true;

    (void)arg;
    for (int i = 0; i < 30 && fine; i++) {
        keel_arena_mark mark = keel_arena_checkpoint(&arena);
        fine = keel_arena_alloc(&arena, 60) != NULL && keel_arena_strdup(&arena, "abc") != NULL &&
               keel_arena_calloc(&arena, 3, 100) != NULL &&
               keel_arena_printf(&arena, "%0300d", i) != NULL;
        if (i % 7 == 0)
            keel_arena_rewind(&arena, mark);
    }
    if (!fine) { /* and it goes on afterwards */
        support_mem_fail(0, false);
        size_t used = keel_arena_get_stats(&arena).used_bytes;
        fine = keel_arena_alloc(&arena, 500) != NULL &&
               keel_arena_get_stats(&arena).used_bytes == used + 500;
        keel_arena_deinit(&arena);
        return fine ? KEEL_ERR_NOMEM : KEEL_ERR_BUSY;
    }
    keel_arena_deinit(&arena);
    return NULL;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t nth = 1;
    keel_err *err;

    do { /* not support_mem_torture, because serve itself ends the failing */
        support_mem_fail(nth++, true);
        err = serve(NULL);
        assert_true(err == NULL || err == KEEL_ERR_NOMEM);
    } while (err != NULL);
    assert_true(nth > 10);
    support_mem_fail(0, false);
}

/* ---- Misuse, and what a sanitizer sees ---- */

static void rewind_twice(void *arg)
{
    keel_arena arena = { 0 };
    keel_arena_mark first = keel_arena_checkpoint(&arena), mark;

    (void)arg;
    (void)!keel_arena_alloc(&arena, 10);
    mark = keel_arena_checkpoint(&arena);
    keel_arena_rewind(&arena, first);
    keel_arena_rewind(&arena, mark);
}

static void rewind_forward(void *arg)
{
    keel_arena arena = { 0 };
    (void)!keel_arena_alloc(&arena, 10);
    keel_arena_mark first = keel_arena_checkpoint(&arena), mark;

    (void)arg;
    (void)!keel_arena_alloc(&arena, 0);
    (void)!keel_arena_alloc_aligned(&arena, 1, 1);
    mark = keel_arena_checkpoint(&arena);
    keel_arena_rewind(&arena, first);
    keel_arena_rewind(&arena, mark);
}

static void rewind_to_large(void *arg)
{
    keel_arena arena = { 0 };
    keel_arena_mark first = keel_arena_checkpoint(&arena), mark;

    (void)arg;
    (void)!keel_arena_alloc(&arena, 10000);
    mark = keel_arena_checkpoint(&arena);
    keel_arena_rewind(&arena, first);
    (void)!keel_arena_alloc(&arena, 100);
    (void)!keel_arena_alloc(&arena, 100000);
    keel_arena_rewind(&arena, mark);
}

static void align_oddly(void *arg)
{
    keel_arena arena = { 0 };

    (void)!keel_arena_alloc_aligned(&arena, 1, *(size_t *)arg);
}

static void with_null(void *arg)
{
    keel_arena arena = { 0 };

    switch (*(int *)arg) {
    case 0:
        keel_arena_reset(NULL);
        break;
    case 1:
        (void)!keel_arena_alloc(NULL, 1);
        break;
    case 2:
        (void)!keel_arena_dup(&arena, NULL, 1);
        break;
    case 3:
        (void)!keel_arena_strdup(&arena, NULL);
        break;
    case 4: {
        const char *volatile format = NULL;
        va_list none;
        memset(&none, 0, sizeof none);
        (void)!keel_arena_vprintf(&arena, format, none);
        break;
    }
    case 5:
        (void)keel_arena_checkpoint(NULL);
        break;
    case 6:
        keel_arena_rewind(NULL, (keel_arena_mark){ 0 });
        break;
    default:
        (void)keel_arena_get_stats(NULL);
        break;
    }
}

static void what_is_kept_for_later_is_not_in_the_way(void **state)
{
    (void)state;
    keel_arena arena = { .max_bytes = 100 * 1024 };

    for (int i = 0; i < 60; i++)
        assert_non_null(keel_arena_alloc(&arena, 1000));
    keel_arena_reset(&arena);
    assert_non_null(keel_arena_alloc(&arena, 80 * 1024)); /* as a new one would give it */
    keel_arena_deinit(&arena);
}

static void null_is_misuse(void **state)
{
    static const char *const messages[] = {
        "keel_arena_reset: arena",  "keel_arena_alloc: arena",     "keel_arena_dup: bytes",
        "keel_arena_strdup: text",  "keel_arena_vprintf: format",  "keel_arena_checkpoint: arena",
        "keel_arena_rewind: arena", "keel_arena_get_stats: arena",
    };

    (void)state;
    for (int i = 0; i < (int)(sizeof messages / sizeof messages[0]); i++)
        support_assert_aborts(with_null, &i, messages[i]);
}

static void a_broken_contract_aborts(void **state)
{
    (void)state;
    size_t odd[] = { 0, 3, 24 };

    support_assert_aborts(rewind_twice, NULL, "the arena is before the mark");
    support_assert_aborts(rewind_forward, NULL, "the arena is before the mark");
    support_assert_aborts(rewind_to_large, NULL, "the arena is before the mark");
    for (size_t i = 0; i < 3; i++)
        support_assert_aborts(align_oddly, &odd[i], "is no power of two");
}

static void touch_behind(void *arg)
{
    keel_arena arena = { 0 };
    volatile char *p = keel_arena_alloc(&arena, 24);

    p[*(size_t *)arg] = 1;
    keel_arena_deinit(&arena);
}

static void touch_between(void *arg)
{
    keel_arena arena = { 0 };
    volatile char *p = keel_arena_alloc(&arena, 32);

    (void)!keel_arena_alloc(&arena, 32);
    p[*(size_t *)arg] = 1;
}

static void touch_after_rewind(void *arg)
{
    keel_arena arena = { 0 };
    (void)!keel_arena_alloc(&arena, 24);
    keel_arena_mark mark = keel_arena_checkpoint(&arena);
    volatile char *p = keel_arena_alloc(&arena, 24);

    keel_arena_rewind(&arena, mark);
    p[*(size_t *)arg] = 1;
}

static void touch_after_reset(void *arg)
{
    keel_arena arena = { 0 };
    volatile char *p = keel_arena_alloc(&arena, 24);

    keel_arena_reset(&arena);
    p[*(size_t *)arg] = 1;
}

static void asan_sees_what_is_not_taken(void **state)
{
    (void)state;
    size_t at = 23;
    int status;

    touch_behind(&at);
    if (!ASAN)
        skip();
    at = 24;
    assert_non_null(strstr(support_child(touch_behind, &at, &status), "use-after-poison"));
    at = 32;
    assert_non_null(strstr(support_child(touch_between, &at, &status), "use-after-poison"));
    at = 0;
    assert_non_null(strstr(support_child(touch_after_rewind, &at, &status), "use-after-poison"));
    assert_non_null(strstr(support_child(touch_after_reset, &at, &status), "use-after-poison"));
    assert_string_equal(support_child(touch_behind, &at, &status), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        support_test(random_operations_do_what_the_model_does),
        support_test(texts_are_copied),
        support_test(steady_requests_need_no_more_memory),
        support_test(going_to_and_fro_at_a_chunks_end_needs_no_more_memory),
        support_test(chunks_double_up_to_64_times),
        support_test(what_is_large_stands_alone),
        support_test(there_is_no_more_than_max_bytes),
        support_test(sizes_do_not_overflow),
        support_test(any_allocation_may_fail),
        support_test(a_broken_contract_aborts),
        support_test(what_is_kept_for_later_is_not_in_the_way),
        support_test(null_is_misuse),
        support_test(asan_sees_what_is_not_taken),
    };

    support_mem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
