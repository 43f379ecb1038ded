/* SPDX-License-Identifier: MIT */
#include <keel/sort.h>

typedef struct keel_check_person {
    const char *name;
    int age;
} keel_check_person;

typedef struct keel_check_order {
    int sign;
} keel_check_order;

/* by a key */
#define KEEL_SORT_NAME keel_check_by_age
#define KEEL_SORT_ITEM keel_check_person
#define KEEL_SORT_KEY(item) ((item).age)
#include <keel/sort.h>

/* by a function, with an argument, and searched by something else */
static inline bool before(keel_check_person a, keel_check_person b, keel_check_order *order)
{
    return strcmp(a.name, b.name) * order->sign < 0;
}

static inline int item(keel_check_person a, const char *name, keel_check_order *order)
{
    return strcmp(a.name, name) * order->sign;
}

#define KEEL_SORT_NAME keel_check_by_name
#define KEEL_SORT_ITEM keel_check_person
#define KEEL_SORT_LESS before
#define KEEL_SORT_ARG keel_check_order *
#define KEEL_SORT_TARGET const char *
#define KEEL_SORT_COMPARE item
#include <keel/sort.h>

/* by a macro; items that are const pointers */
#define KEEL_SORT_NAME keel_check_texts
#define KEEL_SORT_ITEM const char *
#define KEEL_SORT_LESS(a, b) (strcmp(a, b) < 0)
#define KEEL_SORT_TARGET char
#define KEEL_SORT_COMPARE(item, target) (item[0] - target)
#include <keel/sort.h>

#define KEEL_SORT_NAME keel_check_bytes
#define KEEL_SORT_ITEM unsigned char
#define KEEL_SORT_KEY(item) (item)
#define KEEL_SORT_DECLARE
#include <keel/sort.h>
#define KEEL_SORT_NAME keel_check_bytes
#define KEEL_SORT_ITEM unsigned char
#define KEEL_SORT_KEY(item) (item)
#define KEEL_SORT_IMPLEMENT
#include <keel/sort.h>

typedef struct keel_check_heavy {
    int key;
    char bytes[196];
} keel_check_heavy;

#define KEEL_SORT_NAME keel_check_heavies
#define KEEL_SORT_ITEM keel_check_heavy
#define KEEL_SORT_LESS(a, b, arg) ((arg)[(a).key] < (arg)[(b).key])
#define KEEL_SORT_ARG const int *
#include <keel/sort.h>
