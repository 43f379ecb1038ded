/* SPDX-License-Identifier: MIT */
#define KEEL__QUIET /* looking at tasks orders nothing for users */
#include "task/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/uio.h>
#endif

#include <keel/mem.h>
#include <keel/sync.h>

#include "task/group.h"
#include "task/label.h"
#include "task/mutex.h"
#include "task/worker.h"

enum {
    CHUNK = 64, /* tasks under one hold of the lock */
    TEXT_BLOCK_BYTES = 16 * 1024,
    LABELS_BYTES = 1024,                                      /* of one task, at most */
    TEXT_MOST = 3 * (KEEL__TEXT_BYTES + 1) + LABELS_BYTES + 1 /* of one task */
};

typedef struct keel__seen_text {
    struct keel__seen_text *next;
    size_t len;
    char chars[TEXT_BLOCK_BYTES];
} text_block;

/* A walk through the lists. The marks are tasks without a runtime, which all who go through such a list pass
 * over: where to go on, and where what came after the beginning begins. */
typedef struct walk {
    keel__snapshot *out;
    size_t max, room;
    const void *only;
    keel__seen last; /* most tasks have their texts from the same place */
    keel__task here, end;
} walk;

bool keel__copy_safely(void *to, const void *from, size_t bytes)
{
#if defined(__linux__) && defined(SYS_process_vm_readv)
    struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)from, bytes };

    return from != NULL && syscall(SYS_process_vm_readv, (long)getpid(), &local, 1L, &remote, 1L,
                                   0L) == (long)bytes;
#else
    (void)to;
    (void)from;
    (void)bytes;
    return false;
#endif
}

/* ---- Room, made while no lock is held ---- */

static bool make_room(walk *w)
{
    keel__snapshot *out = w->out;

    if (w->room - out->count < CHUNK && w->room < w->max) {
        size_t room = w->room * 2 + CHUNK;
        keel__seen *tasks = room <= SIZE_MAX / sizeof *tasks
                                ? keel_mem_realloc(out->tasks, room * sizeof *tasks)
                                : NULL;

        if (tasks == NULL)
            return false;
        out->tasks = tasks;
        w->room = room;
    }
    if (out->texts == NULL || TEXT_BLOCK_BYTES - out->texts->len < TEXT_MOST) {
        text_block *block = keel_mem_alloc(sizeof *block);

        if (block == NULL)
            return false;
        block->next = out->texts;
        block->len = 0;
        out->texts = block;
    }
    return true;
}

/* ---- One task ---- */

static const char *copy_text(walk *w, const char *text)
{
    text_block *block = w->out->texts;
    const size_t len = strnlen(text, KEEL__TEXT_BYTES);
    char *copy = block->chars + block->len;

    memcpy(copy, text, len);
    copy[len] = '\0';
    block->len += len + 1;
    return copy;
}

/* The last task's copy, if that says the same. */
static const char *keep_text(walk *w, const char *text, const char *last)
{
    if (text == NULL)
        return NULL;
    const size_t len = strnlen(text, KEEL__TEXT_BYTES);
    if (last != NULL && strncmp(last, text, len) == 0 && last[len] == '\0')
        return last;
    return copy_text(w, text);
}

static const char *copy_labels(walk *w, const keel__label *labels)
{
    text_block *block = w->out->texts;
    char *copy = block->chars + block->len;

    block->len += keel__labels_copy(labels, copy, LABELS_BYTES, KEEL__TEXT_BYTES);
    return copy;
}

/* The task that holds what this one waits for, or NULL. */
static const void *find_owner(const keel__task *task, unsigned op, uint32_t phase)
{
    const void *owner = NULL;
    keel_mutex mutex;
    keel_once once;

    if (op == KEEL__OP_MUTEX_LOCK && keel__copy_safely(&mutex, task->object, sizeof mutex))
        owner = keel__mutex_owner(&mutex);
    else if (op == KEEL__OP_ONCE && keel__copy_safely(&once, task->object, sizeof once))
        owner = once.keel__runner;
    return keel__peek(task->phase) == phase ? owner : NULL;
}

/* Under the lock of its home. */
static void see(walk *w, keel__task *task)
{
    keel__seen seen = { .task = task };
    uint32_t phase;

    do {
        phase = keel__peek(task->phase);
        seen.object = keel__peek(task->object);
        seen.since_ns = keel__peek(task->since_ns);
        seen.until_ns = keel__peek(task->until_ns);
        seen.ready = keel__peek(task->woken) != 0;
    } while (keel__peek(task->phase) != phase);
    seen.op = phase & KEEL__PHASE_RUNS;
    if (seen.op != 0) {
        const keel__worker *worker = keel__peek(task->worker);

        seen.worker = worker->index;
        if (seen.op == KEEL__PHASE_RUNS)
            seen.ready = keel__peek(worker->current) != task; /* it has yielded */
        seen.stack_low = task->stack->low;
        seen.stack_bytes = task->stack->bytes;
    }
    if (!seen.ready)
        seen.owner = find_owner(task, seen.op, phase);
    seen.group = keel__group_of(task);
    seen.name = keep_text(w, task->name, w->last.name);
    seen.where = keep_text(w, task->where, w->last.where);
    seen.function = keep_text(w, task->function, w->last.function);
    seen.labels = copy_labels(w, task->labels);
    w->last = seen;
    w->out->tasks[w->out->count++] = seen;
}

/* ---- The walk ---- */

/* A few tasks of one worker's; false when that was all. */
static bool see_some(walk *w, keel__worker *worker)
{
    keel__link *link = w->here.live.next, *last = &w->here.live;
    const size_t before = w->out->total;

    for (; link != &w->end.live && w->out->total - before < CHUNK; link = link->next) {
        keel__task *task = keel__container(link, keel__task, live);

        if (task->rt != NULL && !keel__peek(task->ended)) {
            const bool told = w->only == NULL ? w->out->count < w->max : task == w->only;

            if (told && TEXT_BLOCK_BYTES - w->out->texts->len < TEXT_MOST)
                break;
            w->out->total++;
            if (told)
                see(w, task);
        }
        last = link;
    }
    if (last != &w->here.live) {
        keel__list_remove(&worker->live, &w->here.live);
        keel__list_insert(&worker->live, last, &w->here.live);
    }
    return link != &w->end.live;
}

static bool see_worker(walk *w, keel__worker *worker)
{
    bool more = true, room = true;

    keel__spin_lock(&worker->lock);
    keel__list_push_front(&worker->live, &w->here.live);
    keel__list_push(&worker->live, &w->end.live);
    keel__spin_unlock(&worker->lock);
    while (more && (room = make_room(w))) {
        keel__spin_lock(&worker->lock);
        more = see_some(w, worker);
        keel__spin_unlock(&worker->lock);
    }
    keel__spin_lock(&worker->lock);
    keel__list_remove(&worker->live, &w->here.live);
    keel__list_remove(&worker->live, &w->end.live);
    keel__spin_unlock(&worker->lock);
    return room;
}

keel_err *keel__snapshot_take(keel__snapshot *out, keel_runtime *rt, size_t max, const void *only)
{
    bool room = true;

    *out = (keel__snapshot){ .now_ns = keel__os_now(), .runtime_ns = keel_clock_now(rt->clock) };
    walk *w = keel_mem_calloc(1, sizeof *w);
    if (w == NULL)
        return KEEL_ERR_NOMEM;
    w->out = out;
    w->max = max;
    w->only = only;
    for (unsigned i = 0; i < rt->worker_count && room; i++)
        room = see_worker(w, &rt->workers[i]);
    keel_mem_free(w);
    if (!room)
        keel__snapshot_free(out);
    return room ? NULL : KEEL_ERR_NOMEM;
}

void keel__snapshot_free(keel__snapshot *snapshot)
{
    text_block *block = snapshot->texts;

    while (block != NULL) {
        text_block *next = block->next;

        keel_mem_free(block);
        block = next;
    }
    keel_mem_free(snapshot->tasks);
    keel_mem_free(snapshot->by_address);
    *snapshot = (keel__snapshot){ 0 };
}

/* ---- Finding ---- */

static int compare(const void *a_, const void *b_)
{
    const keel__seen *const *a = a_, *const *b = b_;
    const uintptr_t x = (uintptr_t)(*a)->task, y = (uintptr_t)(*b)->task;

    return x < y ? -1 : x > y;
}

const keel__seen *keel__snapshot_find(keel__snapshot *snapshot, const void *task)
{
    const keel__seen wanted = { .task = task }, *key = &wanted;

    if (task == NULL || snapshot->count == 0)
        return NULL;
    if (snapshot->by_address == NULL) {
        snapshot->by_address = keel_mem_alloc(snapshot->count * sizeof(keel__seen *));
        if (snapshot->by_address == NULL)
            return NULL; /* then it is not told who it is */
        for (size_t i = 0; i < snapshot->count; i++)
            snapshot->by_address[i] = &snapshot->tasks[i];
        qsort(snapshot->by_address, snapshot->count, sizeof(keel__seen *), compare);
    }
    const keel__seen **found =
        bsearch(&key, snapshot->by_address, snapshot->count, sizeof(keel__seen *), compare);
    return found != NULL ? *found : NULL;
}

/* ---- Stacks ---- */

size_t keel__seen_stack_used(const keel__seen *seen)
{
    enum { PAGES = 1024 };
    unsigned char in_memory[PAGES];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = 0;

    for (size_t at = 0; at < seen->stack_bytes; at += PAGES * page) {
        const size_t left = seen->stack_bytes - at;
        const size_t bytes = left < PAGES * page ? left : PAGES * page;

        if (mincore((void *)(uintptr_t)(seen->stack_low + at), bytes, (void *)in_memory) != 0)
            return 0; /* it has just been given back */
        for (size_t i = 0; i < bytes / page; i++)
            used += (in_memory[i] & 1) * page;
    }
    return used;
}
