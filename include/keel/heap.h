/* SPDX-License-Identifier: MIT */

/**
 * A priority queue of any type: the least item, by an order of yours, is at hand at any time. A
 * template: see <keel/template.h>.
 *
 *     #define KEEL_HEAP_NAME jobs
 *     #define KEEL_HEAP_ITEM job *
 *     #define KEEL_HEAP_LESS(a, b) ((a)->due_ns < (b)->due_ns)
 *     #include <keel/heap.h>
 *
 * KEEL_HEAP_LESS is `bool (ITEM a, ITEM b)`, a function or a macro: whether a comes out before b. For
 * the greatest first, turn it round. Among equals there is no order. If it contradicts itself, items come
 * out in a wrong order, but nothing worse happens.
 *
 * Optional parameters, functions or macros:
 *     KEEL_HEAP_MOVED      void (ITEM *item, size_t index): told where an item lies whenever that
 *                          changes, so that it can remember its index for remove and fix.
 *     KEEL_HEAP_ITEM_FREE  void (ITEM *item): what deinit, clear and an unclaimed removal call for each
 *                          item.
 *     KEEL_HEAP_ITEM_COPY  keel_err *(ITEM *to, ITEM const *from): what clone calls; needed for clone
 *                          where ITEM_FREE is given. Without both, clone copies bytes.
 *
 * Items lie in one piece at `items`, `len` of them, the least first and the others in no order. They may
 * be read as in a plain array, and changed if fix or heapify is called before anything else is.
 *
 *     while (jobs_pop(&queue, &next))
 *         run(next);
 *
 *     #define KEEL_HEAP_MOVED(item, index) ((*(item))->place = (index))
 *     ...
 *     jobs_remove(&queue, cancelled->place, NULL);
 *
 * Source: Go's container/heap.
 */

#include <string.h>

#include <keel/template.h>

#if !defined(KEEL_HEAP_NAME) || !defined(KEEL_HEAP_ITEM)
#error "before <keel/heap.h>: #define KEEL_HEAP_NAME ints, then #define KEEL_HEAP_ITEM int"
#endif
#if !defined(KEEL_HEAP_LESS)
#error "before <keel/heap.h>: #define KEEL_HEAP_LESS(a, b) ((a) < (b)), or another order"
#endif

#if defined(KEEL_HEAP_DECLARE) && defined(KEEL_HEAP_IMPLEMENT)
#error "<keel/heap.h>: KEEL_HEAP_DECLARE is for the header, KEEL_HEAP_IMPLEMENT for one .c"
#endif

/* `ITEM const *` throughout, never `const ITEM *`: ITEM may be `char *`. */
#define KEEL__HEAP KEEL_HEAP_NAME
#define KEEL__HEAP_ITER KEEL__JOIN(KEEL_HEAP_NAME, iter)
#define KEEL__HEAP_(verb) KEEL__JOIN(KEEL_HEAP_NAME, verb)
#if defined(KEEL_HEAP_DECLARE) || defined(KEEL_HEAP_IMPLEMENT)
#define KEEL__HEAP_FN
#else
#define KEEL__HEAP_FN static inline
#endif

KEEL_BEGIN_DECLS

#ifndef KEEL_HEAP_IMPLEMENT

typedef struct KEEL__HEAP {
    KEEL_HEAP_ITEM *items; /**< The first `len` are in use. */
    size_t len;
    size_t cap;
    size_t keel__changes;
} KEEL__HEAP;

typedef struct KEEL__HEAP_ITER {
    KEEL_HEAP_ITEM const *item; /**< The current one, after next said true. */
    const KEEL__HEAP *keel__of;
    size_t keel__next, keel__changes;
} KEEL__HEAP_ITER;

/** Frees the items and the memory. The heap is empty afterwards and can be used again. */
KEEL__HEAP_FN void KEEL__HEAP_(deinit)(KEEL__HEAP *heap);

/** Frees the items and keeps the memory. */
KEEL__HEAP_FN void KEEL__HEAP_(clear)(KEEL__HEAP *heap);

/** Makes room for `more` items beyond those held, so that adding them cannot fail. */
KEEL_NODISCARD KEEL__HEAP_FN keel_err *KEEL__HEAP_(reserve)(KEEL__HEAP *heap, size_t more);

/** Gives back memory that holds no item, as far as the allocator can. */
KEEL__HEAP_FN void KEEL__HEAP_(shrink)(KEEL__HEAP *heap);

/** Adds an item. Cost: O(log n); on average, for items in random order, O(1). */
KEEL_NODISCARD KEEL__HEAP_FN keel_err *KEEL__HEAP_(push)(KEEL__HEAP *heap, KEEL_HEAP_ITEM item);

/**
 * Adds copies of `count` items, all or none. They may be the heap's own.
 *
 * Cost: O(count) if the heap holds no more than that, else as pushing them one by one.
 */
KEEL_NODISCARD KEEL__HEAP_FN keel_err *KEEL__HEAP_(append)(KEEL__HEAP *heap,
                                                           KEEL_HEAP_ITEM const *items,
                                                           size_t count);

/** The least item, or NULL. */
KEEL__HEAP_FN KEEL_HEAP_ITEM const *KEEL__HEAP_(peek)(const KEEL__HEAP *heap);

/** Takes the least item out, into `*out`, or frees it where that is NULL. False: there is none.
 * Cost: O(log n). */
KEEL__HEAP_FN bool KEEL__HEAP_(pop)(KEEL__HEAP *heap, KEEL_HEAP_ITEM *out);

/**
 * Puts `item` in the place of the least, which it takes out as pop does: pop and push in one, at the cost
 * of one, and no memory is needed. False: there is none, and `item` was not added.
 */
KEEL__HEAP_FN bool KEEL__HEAP_(replace_top)(KEEL__HEAP *heap, KEEL_HEAP_ITEM item,
                                            KEEL_HEAP_ITEM *out);

/** Takes the item at `items[index]` out, as pop does. Cost: O(log n). */
KEEL__HEAP_FN bool KEEL__HEAP_(remove)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM *out);

/** Puts the item at `items[index]`, which was changed there, where it belongs now. Cost: O(log n). */
KEEL__HEAP_FN void KEEL__HEAP_(fix)(KEEL__HEAP *heap, size_t index);

/** Puts all in order again, whatever was changed in `items`. Cost: O(n). */
KEEL__HEAP_FN void KEEL__HEAP_(heapify)(KEEL__HEAP *heap);

/** An iterator before the first item. */
KEEL__HEAP_FN KEEL__HEAP_ITER KEEL__HEAP_(each)(const KEEL__HEAP *heap);

/** Goes on to the next item, at `it->item`, in no order. False: that was the last. */
KEEL__HEAP_FN bool KEEL__HEAP_(next)(KEEL__HEAP_ITER *it);

#if defined(KEEL_HEAP_ITEM_COPY) || !defined(KEEL_HEAP_ITEM_FREE)
/**
 * Makes `*out` a heap with copies of the items; what it held before is not freed.
 *
 * Errors: KEEL_ERR_NOMEM, or what ITEM_COPY returned; `*out` is then empty.
 */
KEEL_NODISCARD KEEL__HEAP_FN keel_err *KEEL__HEAP_(clone)(KEEL__HEAP *out, const KEEL__HEAP *from);
#endif

#endif /* KEEL_HEAP_IMPLEMENT */

#ifndef KEEL_HEAP_DECLARE

/* Four children for each item: those of i are 4i + 1 to 4i + 4. Half as deep as with two, so there are
 * fewer cache misses, and the least of four needs three comparisons and no branch. */

static inline void KEEL__HEAP_(keel__put)(KEEL__HEAP *heap, size_t index,
                                          KEEL_HEAP_ITEM const *item)
{
    heap->items[index] = *item;
#ifdef KEEL_HEAP_MOVED
    KEEL_HEAP_MOVED(&heap->items[index], index);
#endif
}

/* Puts `item` at `index`, which is vacant, or on the way from there to the top. */
static inline void KEEL__HEAP_(keel__up)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM item)
{
    while (index > 0) {
        const size_t parent = (index - 1) / 4;
        if (!KEEL_HEAP_LESS(item, heap->items[parent]))
            break;
        KEEL__HEAP_(keel__put)(heap, index, &heap->items[parent]);
        index = parent;
    }
    KEEL__HEAP_(keel__put)(heap, index, &item);
}

/* The least of the children, of which `child` is the first and exists. */
static inline size_t KEEL__HEAP_(keel__least)(const KEEL__HEAP *heap, size_t child)
{
    KEEL_HEAP_ITEM const *of = heap->items + child;

    if (heap->len - child >= 4) {
        const size_t a = KEEL_HEAP_LESS(of[1], of[0]) ? 1 : 0;
        const size_t b = KEEL_HEAP_LESS(of[3], of[2]) ? 3 : 2;
        const size_t b_is_less = KEEL_HEAP_LESS(of[b], of[a]) ? 1 : 0;
        return child + a + ((b - a) & (0 - b_is_less)); /* a conditional would become a branch */
    }
    size_t least = 0;
    for (size_t i = 1; i < heap->len - child; i++)
        least = KEEL_HEAP_LESS(of[i], of[least]) ? i : least;
    return child + least;
}

/* Puts `item` at `index`, which is vacant, or on a way down from there. */
static inline void KEEL__HEAP_(keel__down)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM item)
{
    /* an index that has children is less than this: no product can overflow */
    const size_t parents = (heap->len + 2) / 4;

    while (index < parents) {
        const size_t least = KEEL__HEAP_(keel__least)(heap, 4 * index + 1);
        if (!KEEL_HEAP_LESS(heap->items[least], item))
            break;
        KEEL__HEAP_(keel__put)(heap, index, &heap->items[least]);
        index = least;
    }
    KEEL__HEAP_(keel__put)(heap, index, &item);
}

/* Puts `item` at `index`, which is vacant, or wherever it belongs. */
static inline void KEEL__HEAP_(keel__settle)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM item)
{
    if (index > 0 && KEEL_HEAP_LESS(item, heap->items[(index - 1) / 4]))
        KEEL__HEAP_(keel__up)(heap, index, item);
    else
        KEEL__HEAP_(keel__down)(heap, index, item);
    heap->keel__changes++;
}

KEEL__HEAP_FN void KEEL__HEAP_(clear)(KEEL__HEAP *heap)
{
    if (heap->len == 0)
        return;
#ifdef KEEL_HEAP_ITEM_FREE
    for (size_t i = 0; i < heap->len; i++)
        KEEL_HEAP_ITEM_FREE(&heap->items[i]);
#endif
    heap->len = 0;
    heap->keel__changes++;
}

KEEL__HEAP_FN void KEEL__HEAP_(deinit)(KEEL__HEAP *heap)
{
    if (heap == NULL)
        return;
    KEEL__HEAP_(clear)(heap);
    keel_mem_free(heap->items);
    heap->items = NULL;
    heap->cap = 0;
}

KEEL__HEAP_FN keel_err *KEEL__HEAP_(reserve)(KEEL__HEAP *heap, size_t more)
{
    if (more <= heap->cap - heap->len)
        return NULL;
    if (more > SIZE_MAX - heap->len)
        return KEEL_ERR_NOMEM;
    const size_t cap = keel__grown(heap->cap, heap->len + more, sizeof(KEEL_HEAP_ITEM));
    KEEL_HEAP_ITEM *items =
        (KEEL_HEAP_ITEM *)keel_mem_realloc(heap->items, cap * sizeof(KEEL_HEAP_ITEM));
    if (items == NULL)
        return KEEL_ERR_NOMEM;
    heap->items = items;
    heap->cap = cap;
    heap->keel__changes++;
    return NULL;
}

KEEL__HEAP_FN void KEEL__HEAP_(shrink)(KEEL__HEAP *heap)
{
    if (heap->len == heap->cap)
        return;
    if (heap->len == 0) {
        keel_mem_free(heap->items);
        heap->items = NULL;
    } else {
        KEEL_HEAP_ITEM *items =
            (KEEL_HEAP_ITEM *)keel_mem_realloc(heap->items, heap->len * sizeof(KEEL_HEAP_ITEM));
        if (items == NULL)
            return; /* it may as well stay */
        heap->items = items;
    }
    heap->cap = heap->len;
    heap->keel__changes++;
}

KEEL__HEAP_FN keel_err *KEEL__HEAP_(push)(KEEL__HEAP *heap, KEEL_HEAP_ITEM item)
{
    if (heap->len == heap->cap) {
        keel_err *err = KEEL__HEAP_(reserve)(heap, 1);
        if (err != NULL)
            return err;
    }
    KEEL__HEAP_(keel__up)(heap, heap->len, item);
    heap->len++;
    heap->keel__changes++;
    return NULL;
}

KEEL__HEAP_FN void KEEL__HEAP_(heapify)(KEEL__HEAP *heap)
{
    size_t i = heap->len;

#ifdef KEEL_HEAP_MOVED
    while (i > (heap->len + 2) / 4) { /* those without children, which down does not come to */
        i--;
        KEEL_HEAP_MOVED(&heap->items[i], i);
    }
#endif
    for (i = (heap->len + 2) / 4; i-- > 0;)
        KEEL__HEAP_(keel__down)(heap, i, heap->items[i]);
    heap->keel__changes++;
}

KEEL__HEAP_FN keel_err *KEEL__HEAP_(append)(KEEL__HEAP *heap, KEEL_HEAP_ITEM const *items,
                                            size_t count)
{
    if (count == 0)
        return NULL;
    /* its own items may move with the rest */
    const uintptr_t offset = (uintptr_t)items - (uintptr_t)heap->items;
    const bool own = heap->items != NULL && offset < heap->len * sizeof(KEEL_HEAP_ITEM);
    keel_err *err = KEEL__HEAP_(reserve)(heap, count);
    if (err != NULL)
        return err;
    if (own)
        items = (KEEL_HEAP_ITEM const *)(const void *)((const char *)heap->items + offset);
    memcpy(heap->items + heap->len, items, count * sizeof(KEEL_HEAP_ITEM));
    if (count >= heap->len) {
        heap->len += count;
        KEEL__HEAP_(heapify)(heap);
    } else {
        for (const size_t len = heap->len + count; heap->len < len; heap->len++)
            KEEL__HEAP_(keel__up)(heap, heap->len, heap->items[heap->len]);
        heap->keel__changes++;
    }
    return NULL;
}

KEEL__HEAP_FN KEEL_HEAP_ITEM const *KEEL__HEAP_(peek)(const KEEL__HEAP *heap)
{
    return heap->len > 0 ? &heap->items[0] : NULL;
}

/* Hands the item at `index` out, or frees it. */
static inline void KEEL__HEAP_(keel__out)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM *out)
{
    if (out != NULL)
        *out = heap->items[index];
#ifdef KEEL_HEAP_ITEM_FREE
    else
        KEEL_HEAP_ITEM_FREE(&heap->items[index]);
#endif
}

KEEL__HEAP_FN bool KEEL__HEAP_(remove)(KEEL__HEAP *heap, size_t index, KEEL_HEAP_ITEM *out)
{
    if (index >= heap->len)
        return false;
    KEEL__HEAP_(keel__out)(heap, index, out);
    heap->len--;
    heap->keel__changes++;
    if (index < heap->len)
        KEEL__HEAP_(keel__settle)(heap, index, heap->items[heap->len]);
    return true;
}

KEEL__HEAP_FN bool KEEL__HEAP_(pop)(KEEL__HEAP *heap, KEEL_HEAP_ITEM *out)
{
    return KEEL__HEAP_(remove)(heap, 0, out);
}

KEEL__HEAP_FN bool KEEL__HEAP_(replace_top)(KEEL__HEAP *heap, KEEL_HEAP_ITEM item,
                                            KEEL_HEAP_ITEM *out)
{
    if (heap->len == 0)
        return false;
    KEEL__HEAP_(keel__out)(heap, 0, out);
    KEEL__HEAP_(keel__settle)(heap, 0, item);
    return true;
}

KEEL__HEAP_FN void KEEL__HEAP_(fix)(KEEL__HEAP *heap, size_t index)
{
    if (index < heap->len)
        KEEL__HEAP_(keel__settle)(heap, index, heap->items[index]);
}

KEEL__HEAP_FN KEEL__HEAP_ITER KEEL__HEAP_(each)(const KEEL__HEAP *heap)
{
    const KEEL__HEAP_ITER it = { NULL, heap, 0, heap->keel__changes };
    return it;
}

KEEL__HEAP_FN bool KEEL__HEAP_(next)(KEEL__HEAP_ITER *it)
{
    KEEL__UNCHANGED(it->keel__changes, it->keel__of->keel__changes, KEEL__STRING(KEEL__HEAP));
    if (it->keel__next >= it->keel__of->len)
        return false;
    it->item = &it->keel__of->items[it->keel__next++];
    return true;
}

#if defined(KEEL_HEAP_ITEM_COPY) || !defined(KEEL_HEAP_ITEM_FREE)
KEEL__HEAP_FN keel_err *KEEL__HEAP_(clone)(KEEL__HEAP *out, const KEEL__HEAP *from)
{
    memset(out, 0, sizeof *out);
    keel_err *err = KEEL__HEAP_(reserve)(out, from->len);
    while (err == NULL && out->len < from->len) {
        KEEL_HEAP_ITEM item = from->items[out->len];
#ifdef KEEL_HEAP_ITEM_COPY
        err = KEEL_HEAP_ITEM_COPY(&item, &from->items[out->len]);
        if (err != NULL)
            break;
#endif
        KEEL__HEAP_(keel__put)(out, out->len++, &item);
    }
    if (err != NULL)
        KEEL__HEAP_(deinit)(out);
    return err;
}
#endif

#endif /* KEEL_HEAP_DECLARE */

KEEL_END_DECLS

#undef KEEL__HEAP
#undef KEEL__HEAP_ITER
#undef KEEL__HEAP_
#undef KEEL__HEAP_FN
#undef KEEL_HEAP_NAME
#undef KEEL_HEAP_ITEM
#undef KEEL_HEAP_LESS
#undef KEEL_HEAP_MOVED
#undef KEEL_HEAP_ITEM_FREE
#undef KEEL_HEAP_ITEM_COPY
#undef KEEL_HEAP_DECLARE
#undef KEEL_HEAP_IMPLEMENT
