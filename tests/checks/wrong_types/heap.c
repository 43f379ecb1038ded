/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

typedef struct job {
    int due;
} job;

#define KEEL_HEAP_NAME jobs
#define KEEL_HEAP_ITEM job *
#define KEEL_HEAP_LESS(a, b) ((a)->due < (b)->due)
#include <keel/heap.h>

#define KEEL_HEAP_NAME numbers
#define KEEL_HEAP_ITEM int
#define KEEL_HEAP_LESS(a, b) ((a) < (b))
#include <keel/heap.h>

void keel_check_heap(job *one, const char *text, long wide, job *const *some);
void keel_check_heap(job *one, const char *text, long wide, job *const *some)
{
    jobs queue = { 0 }, copy;
    numbers ints = { 0 };
    job *got;
    job *const *place;
    int number;

    keel_err_free(jobs_push(&queue, one));
    keel_err_free(jobs_push(&queue, text)); /* wrong */
    keel_err_free(jobs_push(&queue, *one)); /* wrong */
    keel_err_free(jobs_push(&ints, one));   /* wrong */
    keel_err_free(numbers_push(&ints, 7));
    keel_err_free(numbers_push(&ints, wide)); /* wrong */
    keel_err_free(numbers_push(&ints, text)); /* wrong */
    keel_err_free(jobs_append(&queue, some, 2));
    keel_err_free(jobs_append(&queue, one, 2));    /* wrong */
    keel_err_free(numbers_append(&ints, some, 2)); /* wrong */
    place = jobs_peek(&queue);
    *jobs_peek(&queue) = one;   /* wrong */
    got = jobs_peek(&queue);    /* wrong */
    number = jobs_peek(&queue); /* wrong */
    (void)jobs_pop(&queue, &got);
    (void)jobs_pop(&queue, got);     /* wrong */
    (void)jobs_pop(&queue, &number); /* wrong */
    (void)jobs_replace_top(&queue, one, &got);
    (void)jobs_replace_top(&queue, 7, &got);    /* wrong */
    (void)jobs_replace_top(&queue, one, &text); /* wrong */
    (void)jobs_remove(&queue, 0, &got);
    (void)jobs_remove(&queue, one, &got); /* wrong */
    jobs_fix(&queue, one);                /* wrong */
    keel_err_free(jobs_clone(&copy, &queue));
    keel_err_free(jobs_clone(&copy, &ints)); /* wrong */
    for (jobs_iter it = jobs_each(&queue); jobs_next(&it);) {
        got = *it.item;
        *it.item = one;    /* wrong */
        number = *it.item; /* wrong */
    }
    for (numbers_iter it = jobs_each(&queue); numbers_next(&it);) /* wrong */
        number = 1;
    (void)place;
    (void)number;
    (void)got;
}
