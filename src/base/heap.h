/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_HEAP_H
#define KEEL_SRC_BASE_HEAP_H

/* An intrusive heap: the nodes live in the objects (keel__container of list.h finds them), so nothing is
 * allocated and nothing can fail, and any node can be taken out. For items that lie in an array there is
 * <keel/heap.h>.
 *
 * The pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986), two-pass variant, without recursion. A
 * node's children are a list; `prev` of the first child is the parent. `next` and `prev` of a root mean
 * nothing. */

#include <stdbool.h>
#include <stddef.h>

/* In no heap: anything. */
typedef struct keel__heap_node {
    struct keel__heap_node *child, *next; /* first child, next sibling, */
    struct keel__heap_node *prev;         /* previous sibling or, for a first child, the parent */
} keel__heap_node;

/* All zero is an empty heap. */
typedef struct keel__heap {
    keel__heap_node *root; /* the first; NULL: empty */
} keel__heap;

/* Whether a is to come out before b: the same function in all calls for a heap, and known where they are
 * compiled, so that it is inlined. */
typedef bool (*keel__heap_before)(const keel__heap_node *a, const keel__heap_node *b);

/* Makes one heap of two; either may be NULL. */
static inline keel__heap_node *keel__heap_meld(keel__heap_node *a, keel__heap_node *b,
                                               keel__heap_before before)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (before(b, a)) {
        keel__heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Makes one heap of a list of siblings: meld them two by two, then the pairs from the last. */
static inline keel__heap_node *keel__heap_meld_siblings(keel__heap_node *first,
                                                        keel__heap_before before)
{
    keel__heap_node *pairs = NULL, *root = NULL;

    while (first != NULL) {
        keel__heap_node *a = first, *b = a->next;

        first = b != NULL ? b->next : NULL;
        a = keel__heap_meld(a, b, before);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        keel__heap_node *next = pairs->next;

        root = keel__heap_meld(root, pairs, before);
        pairs = next;
    }
    return root;
}

/* Cost: O(1). */
static inline void keel__heap_add(keel__heap *heap, keel__heap_node *node, keel__heap_before before)
{
    node->child = NULL;
    heap->root = keel__heap_meld(heap->root, node, before);
}

/* Takes out a node of the heap, the root or any other. Cost: O(log n), seen over many. */
static inline void keel__heap_remove(keel__heap *heap, keel__heap_node *node,
                                     keel__heap_before before)
{
    keel__heap_node *rest = keel__heap_meld_siblings(node->child, before);

    if (node == heap->root) {
        heap->root = rest;
    } else {
        if (node->prev->child == node)
            node->prev->child = node->next;
        else
            node->prev->next = node->next;
        if (node->next != NULL)
            node->next->prev = node->prev;
        heap->root = keel__heap_meld(heap->root, rest, before);
    }
    node->child = node->next = node->prev = NULL;
}

#endif /* KEEL_SRC_BASE_HEAP_H */
