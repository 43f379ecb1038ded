/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdalign.h>

#include "base/atomic.h"

/* Before each block; the size is that of the block, without this. */
typedef struct header {
    alignas(max_align_t) uint64_t mark;
    size_t size;
} header;

#define ALIVE 0x6B65656C616C6976u

static keel__asize live;
static keel__asize made;
static keel__asize attempts;   /* also those made to fail */
static keel__asize fail_first; /* the attempt that fails; 0: none */
static keel__a32 fail_after;
static keel__a32 failed;

static bool must_fail(void)
{
    size_t attempt = keel__add(&attempts, 1) + 1;
    size_t first = keel__load(&fail_first);

    if (first == 0 || attempt < first || (attempt > first && keel__load(&fail_after) == 0))
        return false;
    keel__store(&failed, 1);
    return true;
}

static header *header_of(void *ptr)
{
    header *head = (header *)ptr - 1;

    if (head->mark != ALIVE) {
        fprintf(stderr, "support_mem: %p is no block of this allocator\n", ptr);
        abort();
    }
    return head;
}

/* New memory is full of rubbish, and so is freed memory: whoever reads it notices. */
static void *count_alloc(void *self, size_t size)
{
    (void)self;
    if (must_fail() || size > SIZE_MAX - sizeof(header))
        return NULL;
    header *head = malloc(sizeof *head + size);
    if (head == NULL)
        return NULL;
    head->mark = ALIVE;
    head->size = size;
    memset(head + 1, 0xA5, size);
    keel__add(&live, 1);
    keel__add(&made, 1);
    return head + 1;
}

static void count_free(void *self, void *ptr)
{
    (void)self;
    header *head = header_of(ptr);
    memset(ptr, 0xDD, head->size);
    head->mark = 0;
    keel__sub(&live, 1);
    free(head);
}

/* Always moves, so that a pointer kept across it is found. */
static void *count_realloc(void *self, void *ptr, size_t size)
{
    void *moved = count_alloc(self, size);

    if (moved != NULL && ptr != NULL) {
        size_t old = header_of(ptr)->size;
        memcpy(moved, ptr, old < size ? old : size);
        count_free(self, ptr);
    }
    return moved;
}

void support_mem_install(void)
{
    static const keel_allocator counting = { count_alloc, count_realloc, count_free, NULL };
    keel_err *err = keel_mem_set(&counting);

    if (err != NULL) {
        fprintf(stderr, "support_mem: %s\n", KEEL_ERR_STR(err));
        abort();
    }
}

size_t support_mem_live(void)
{
    return keel__load(&live);
}

size_t support_mem_made(void)
{
    return keel__load(&made);
}

void support_mem_fail(size_t nth, bool all_after)
{
    keel__store(&fail_first, 0);
    keel__store(&failed, 0);
    keel__store(&fail_after, all_after ? 1 : 0);
    if (nth != 0)
        keel__store(&fail_first, keel__load(&attempts) + nth);
}

bool support_mem_failed(void)
{
    return keel__load(&failed) != 0;
}

/* ---- Torture ---- */

/* More allocations than any scenario makes: one that never ends is a bug, too. */
enum { TORTURE_MAX = 100000 };

/* One run; says whether an allocation was made to fail in it. */
static bool torture_once(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err), size_t nth, bool all_after)
{
    size_t before = support_mem_live();

    support_mem_fail(nth, all_after);
    keel_err *err = scenario(arg);
    bool happened = support_mem_failed();
    support_mem_fail(0, false);

    bool fine = err == NULL;
    if (happened && !fine)
        fine = keel_err_is(err, KEEL_ERR_NOMEM) || (accept != NULL && accept(err));
    if (!fine)
        print_error("with allocation %zu%s failing: %s\n", nth, all_after ? " and all after" : "",
                    KEEL_ERR_STR(err));
    keel_err_free(err);
    if (!fine)
        fail();

    if (support_mem_live() != before)
        fail_msg("with allocation %zu%s failing: %zu allocations are alive, %zu were before", nth,
                 all_after ? " and all after" : "", support_mem_live(), before);
    return happened;
}

void support_mem_torture(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err))
{
    for (int all_after = 0; all_after < 2; all_after++) {
        size_t nth = 1;
        while (torture_once(scenario, arg, accept, nth, all_after != 0)) {
            if (++nth > TORTURE_MAX)
                fail_msg("it makes more and more allocations");
        }
    }
}
