/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_LIST_H
#define KEEL_SRC_BASE_LIST_H

/* Intrusive lists: the links live in the objects, so nothing is allocated and nothing can fail. */

#include <stdbool.h>
#include <stddef.h>

/* The object of `type` whose member `member` is at `ptr`. */
#define keel__container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A doubly linked list. All zero is an empty list, and a link that is in none. */
typedef struct keel__link {
    struct keel__link *next, *prev;
} keel__link;

typedef struct keel__list {
    keel__link *first, *last;
} keel__list;

static inline bool keel__list_empty(const keel__list *list)
{
    return list->first == NULL;
}

static inline void keel__list_push(keel__list *list, keel__link *link)
{
    link->next = NULL;
    link->prev = list->last;
    if (list->last != NULL)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
}

static inline void keel__list_push_front(keel__list *list, keel__link *link)
{
    link->prev = NULL;
    link->next = list->first;
    if (list->first != NULL)
        list->first->prev = link;
    else
        list->last = link;
    list->first = link;
}

static inline void keel__list_remove(keel__list *list, keel__link *link)
{
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        list->first = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    else
        list->last = link->prev;
    link->next = link->prev = NULL;
}

/* Puts it behind one that is in the list; NULL: at the front. */
static inline void keel__list_insert(keel__list *list, keel__link *behind, keel__link *link)
{
    keel__link *next = behind != NULL ? behind->next : list->first;

    link->prev = behind;
    link->next = next;
    if (behind != NULL)
        behind->next = link;
    else
        list->first = link;
    if (next != NULL)
        next->prev = link;
    else
        list->last = link;
}

/* Takes the first, or NULL. */
static inline keel__link *keel__list_pop(keel__list *list)
{
    keel__link *link = list->first;

    if (link != NULL)
        keel__list_remove(list, link);
    return link;
}

#endif /* KEEL_SRC_BASE_LIST_H */
