/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

#define KEEL_VEC_NAME ints
#define KEEL_VEC_ITEM int
#include <keel/vec.h>

#define KEEL_VEC_NAME texts
#define KEEL_VEC_ITEM const char *
#include <keel/vec.h>

#define KEEL_ALGO_NAME lengths
#define KEEL_ALGO_FROM const char *
#define KEEL_ALGO_TO int
#define KEEL_ALGO_FROM_VEC texts
#define KEEL_ALGO_TO_VEC ints
#include <keel/algo.h>

static int length(const char *item, void *arg)
{
    (void)arg;
    return (int)strlen(item);
}

static bool is_long(const char *item, void *arg)
{
    return length(item, arg) > 8;
}

static int add(int sofar, const char *item, void *arg)
{
    return sofar + length(item, arg);
}

void keel_check_algo(const char **from, size_t count, const int *numbers);
void keel_check_algo(const char **from, size_t count, const int *numbers)
{
    int to[8];
    const char *kept[8];
    double fractions[8];
    ints out = { 0 };
    texts texts_out = { 0 };

    lengths_map(to, (const char *const *)from, count, length, NULL);
    lengths_map(fractions, (const char *const *)from, count, length, NULL); /* wrong */
    lengths_map(to, numbers, count, length, NULL);                          /* wrong */
    lengths_map(to, (const char *const *)from, count, add, NULL);           /* wrong */
    (void)lengths_filter(kept, (const char *const *)from, count, is_long, NULL);
    (void)lengths_filter(to, (const char *const *)from, count, is_long, NULL); /* wrong */
    (void)lengths_reduce((const char *const *)from, count, 0, add, NULL);
    (void)lengths_reduce((const char *const *)from, count, 0, length, NULL); /* wrong */
    (void)lengths_reduce((const char *const *)from, count, from, add, NULL); /* wrong */
    (void)lengths_any((const char *const *)from, count, is_long, NULL);
    (void)lengths_any(numbers, count, is_long, NULL); /* wrong */
    keel_err_free(lengths_map_vec(&out, (const char *const *)from, count, length, NULL));
    keel_err_free(
        lengths_map_vec(&texts_out, (const char *const *)from, count, length, NULL)); /* wrong */
    keel_err_free(lengths_filter_vec(&texts_out, (const char *const *)from, count, is_long, NULL));
    keel_err_free(
        lengths_filter_vec(&out, (const char *const *)from, count, is_long, NULL)); /* wrong */
}
