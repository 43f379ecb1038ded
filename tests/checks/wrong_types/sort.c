/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile, though a type and a
 * function are named as variables in the template are. */

#include <keel/sort.h>

typedef struct item {
    int id;
    const char *name;
} item;

typedef struct order {
    int sign;
} order;

static bool before(item a, item b, const order *by)
{
    return strcmp(a.name, b.name) * by->sign < 0;
}

static int compare(item a, const char *name, const order *by)
{
    return strcmp(a.name, name) * by->sign;
}

#define KEEL_SORT_NAME by_id
#define KEEL_SORT_ITEM item
#define KEEL_SORT_KEY(item) ((item).id)
#include <keel/sort.h>

#define KEEL_SORT_NAME by_name
#define KEEL_SORT_ITEM item
#define KEEL_SORT_LESS before
#define KEEL_SORT_ARG const order *
#define KEEL_SORT_TARGET const char *
#define KEEL_SORT_COMPARE compare
#include <keel/sort.h>

void keel_check_sort(item *items, size_t count, const order *by, const char *name);
void keel_check_sort(item *items, size_t count, const order *by, const char *name)
{
    int numbers[2] = { 2, 1 };
    double doubles[2] = { 2, 1 };
    const char *names[2] = { "b", "a" };
    size_t index;

    by_id_sort(items, count);
    by_id_sort(numbers, 2);       /* wrong */
    by_id_sort(items, count, by); /* wrong */
    by_id_sort(items, name);      /* wrong */
    by_name_sort(items, count, by);
    by_name_sort(items, count);       /* wrong */
    by_name_sort(items, count, name); /* wrong */
    keel_err_free(by_name_sort_stable(items, count, by));
    keel_err_free(by_name_sort_stable(names, count, by)); /* wrong */
    (void)by_id_search(items, count, items[0], &index);
    (void)by_id_search(items, count, 7, &index);      /* wrong */
    (void)by_id_search(items, count, items, &index);  /* wrong */
    (void)by_id_search(items, count, items[0], name); /* wrong */
    (void)by_name_search_for(items, count, name, &index, by);
    (void)by_name_search_for(items, count, items[0], &index, by); /* wrong */
    (void)by_name_search_for(items, count, 7, &index, by);        /* wrong */
    keel_sort_i32(numbers, 2);
    keel_sort_i32(doubles, 2); /* wrong */
    keel_sort_double(doubles, 2);
    keel_sort_double(names, 2); /* wrong */
    keel_sort_str(names, 2);
    keel_sort_str(numbers, 2); /* wrong */
}
