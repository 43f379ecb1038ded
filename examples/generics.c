/* SPDX-License-Identifier: MIT */
/*
 * Code for any type: sorting, mapping, and a stack of strings and one of integers.
 *
 * Shows:  containers and algorithms as templates, whose functions are typed: a string pushed onto
 *         the integers draws a diagnostic; sorts that are ready made.
 * Run:    ./generics
 * Prints: [1 1 3 4 5], [bird cat dog], [2 4 6 8], and what lies on top of each stack
 */
#include <stdio.h>

#include <keel/sort.h>

#define KEEL_VEC_NAME int_stack
#define KEEL_VEC_ITEM int
#include <keel/vec.h>

#define KEEL_VEC_NAME string_stack
#define KEEL_VEC_ITEM const char *
#include <keel/vec.h>

#define KEEL_ALGO_NAME int_to_int
#define KEEL_ALGO_FROM int
#include <keel/algo.h>

static int twice(int n, void *arg)
{
    (void)arg;
    return n * 2;
}

static void print_ints(const int *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%d", i == 0 ? "[" : " ", items[i]);
    printf("]\n");
}

static keel_err *use_stacks(string_stack *strings, int_stack *ints)
{
    const char *item;
    int number;

    KEEL_TRY(string_stack_push(strings, "hello"));
    KEEL_TRY(string_stack_push(strings, "world"));
    if (string_stack_pop(strings, &item))
        printf("%s\n", item);

    KEEL_TRY(int_stack_push(ints, 42));
    KEEL_TRY(int_stack_push(ints, 100));
    while (int_stack_pop(ints, &number)) /* false: the stack is empty */
        printf("%d\n", number);
    return NULL;
}

int main(void)
{
    int32_t numbers[] = { 3, 1, 4, 1, 5 };
    keel_sort_i32(numbers, 5);
    print_ints(numbers, 5);

    const char *strings[] = { "dog", "cat", "bird" };
    keel_sort_str(strings, 3);
    printf("[%s %s %s]\n", strings[0], strings[1], strings[2]);

    int doubled[4];
    int_to_int_map(doubled, (const int[]){ 1, 2, 3, 4 }, 4, twice, NULL);
    print_ints(doubled, 4);

    string_stack words = { 0 };
    int_stack ints = { 0 };
    keel_err *err = use_stacks(&words, &ints);
    if (err != NULL)
        fprintf(stderr, "generics: %s\n", KEEL_ERR_STR(err));
    string_stack_deinit(&words);
    int_stack_deinit(&ints);
    keel_err_free(err);
    return err != NULL;
}
