/* SPDX-License-Identifier: MIT */
#define KEEL_HEAP_NAME keel_check_ints
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#include <keel/heap.h>

typedef struct keel_check_job {
    size_t place;
    int urgency;
} keel_check_job;

static inline bool keel_check_less(const keel_check_job *a, const keel_check_job *b)
{
    return a->urgency > b->urgency;
}

static inline void keel_check_free(keel_check_job **item)
{
    keel_mem_free(*item);
}

static inline keel_err *keel_check_copy(keel_check_job **to, keel_check_job *const *from)
{
    *to = (keel_check_job *)keel_mem_alloc(sizeof **to);
    if (*to == NULL)
        return KEEL_ERR_NOMEM;
    **to = **from;
    return NULL;
}

#define KEEL_HEAP_NAME keel_check_jobs
#define KEEL_HEAP_ITEM keel_check_job *
#define KEEL_HEAP_LESS keel_check_less
#define KEEL_HEAP_MOVED(item, index) ((*(item))->place = (index))
#define KEEL_HEAP_ITEM_FREE keel_check_free
#define KEEL_HEAP_ITEM_COPY keel_check_copy
#include <keel/heap.h>

typedef struct keel_check_big {
    char bytes[200];
} keel_check_big;

#define KEEL_HEAP_NAME keel_check_bigs
#define KEEL_HEAP_ITEM keel_check_big
#define KEEL_HEAP_LESS(a, b) ((a).bytes[0] < (b).bytes[0])
#define KEEL_HEAP_DECLARE
#include <keel/heap.h>
#define KEEL_HEAP_NAME keel_check_bigs
#define KEEL_HEAP_ITEM keel_check_big
#define KEEL_HEAP_LESS(a, b) ((a).bytes[0] < (b).bytes[0])
#define KEEL_HEAP_IMPLEMENT
#include <keel/heap.h>
