/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keel/mem.h>

#include "base/err.h"
#include "base/list.h"

/* Before each block. Those alive are in `alive`, the newest first. */
typedef struct header {
    alignas(max_align_t) uint64_t mark;
    size_t size; /* of the block, without this */
    size_t number;
    keel__link link;
} header;

#define ALIVE 0x6B65656C616C6976u

/* `lock` guards all of it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static keel__list alive;
static size_t live, made;
static size_t attempts;   /* also those made to fail */
static size_t fail_first; /* the attempt that fails; 0: none */
static bool fail_after, failed;

/* ---- The allocator ---- */

static bool must_fail(void)
{
    size_t attempt = ++attempts;

    if (fail_first == 0 || attempt < fail_first || (attempt > fail_first && !fail_after))
        return false;
    failed = true;
    return true;
}

static header *header_of(void *ptr)
{
    header *head = (header *)ptr - 1;

    if (head->mark != ALIVE) {
        fprintf(stderr, "keel_test: %p is no block of this allocator, or was freed\n", ptr);
        abort();
    }
    return head;
}

/* What no machine has: refused here, because sanitizers end the program that asks for it. */
#define TOO_LARGE (SIZE_MAX / 64)

static void *count_alloc(void *self, size_t size)
{
    (void)self;
    pthread_mutex_lock(&lock);
    bool refused = must_fail() || size > TOO_LARGE;
    header *head = refused ? NULL : malloc(sizeof *head + size);
    if (head != NULL) {
        *head = (header){ .mark = ALIVE, .size = size, .number = ++made };
        keel__list_push_front(&alive, &head->link);
        live++;
    }
    pthread_mutex_unlock(&lock);
    if (head == NULL)
        return NULL;
    memset(head + 1, 0xA5, size);
    return head + 1;
}

static void count_free(void *self, void *ptr)
{
    (void)self;
    header *head = header_of(ptr);

    memset(ptr, 0xDD, head->size);
    pthread_mutex_lock(&lock);
    head->mark = 0;
    keel__list_remove(&alive, &head->link);
    live--;
    pthread_mutex_unlock(&lock);
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

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void drop_lock(void)
{
    pthread_mutex_unlock(&lock);
}

void keel_test_init(void)
{
    static const keel_allocator counting = { count_alloc, count_realloc, count_free, NULL };
    keel_err *err = keel_mem_set(&counting);

    if (err != NULL) {
        fprintf(stderr, "keel_test_init: %s: it must come first in main\n", KEEL_ERR_STR(err));
        abort();
    }
    pthread_atfork(take_lock, drop_lock, drop_lock); /* without it: children may hang */
}

size_t keel_test_live(void)
{
    pthread_mutex_lock(&lock);
    size_t count = live;
    pthread_mutex_unlock(&lock);
    return count;
}

size_t keel_test_made(void)
{
    pthread_mutex_lock(&lock);
    size_t count = made;
    pthread_mutex_unlock(&lock);
    return count;
}

void keel_test_fail_alloc(size_t nth, bool and_after)
{
    pthread_mutex_lock(&lock);
    failed = false;
    fail_after = and_after;
    fail_first = nth != 0 ? attempts + nth : 0;
    pthread_mutex_unlock(&lock);
}

bool keel_test_alloc_failed(void)
{
    pthread_mutex_lock(&lock);
    bool answer = failed;
    pthread_mutex_unlock(&lock);
    return answer;
}

/* ---- Around a test ---- */

enum { NAMED = 8 }; /* allocations that are left, named one by one */

static size_t live_before, made_before;

/* With the lock held: blocks that the test made, the newest first. */
static void name_leaks(void)
{
    int named = 0;

    for (const keel__link *link = alive.first; link != NULL && named < NAMED;
         link = link->next, named++) {
        const header *head = keel__container(link, header, link);
        if (head->number <= made_before)
            break;
        const keel_err *err = keel__err_at(head + 1, head->size);

        if (err != NULL)
            print_error("  an error \"%.200s\", made at %s\n", err->keel__text, err->keel__where);
        else
            print_error("  %zu bytes, the test's allocation %zu\n", head->size,
                        head->number - made_before);
    }
}

int keel_test_setup(void **state)
{
    (void)state;
    pthread_mutex_lock(&lock);
    live_before = live;
    made_before = made;
    pthread_mutex_unlock(&lock);
    return 0;
}

int keel_test_teardown(void **state)
{
    (void)state;
    keel_test_fail_alloc(0, false);
    pthread_mutex_lock(&lock);
    bool clean = live == live_before;
    if (!clean) {
        print_error("%zu allocations are alive, %zu were before the test\n", live, live_before);
        name_leaks();
    }
    pthread_mutex_unlock(&lock);
    return clean ? 0 : -1;
}
