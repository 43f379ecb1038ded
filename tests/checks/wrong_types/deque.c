/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

typedef struct job {
    int id;
} job;

#define KEEL_DEQUE_NAME jobs
#define KEEL_DEQUE_ITEM job *
#define KEEL_DEQUE_EQ(a, b) ((a)->id == (b)->id)
#include <keel/deque.h>

#define KEEL_DEQUE_NAME numbers
#define KEEL_DEQUE_ITEM int
#include <keel/deque.h>

void keel_check_deque(job *one, const char *text, long wide);
void keel_check_deque(job *one, const char *text, long wide)
{
    jobs queue = { 0 }, copy;
    numbers ints = { 0 };
    job *got, **place;
    int number;

    keel_err_free(jobs_push_back(&queue, one));
    keel_err_free(jobs_push_back(&queue, text));  /* wrong */
    keel_err_free(jobs_push_back(&queue, *one));  /* wrong */
    keel_err_free(jobs_push_back(&queue, 7));     /* wrong */
    keel_err_free(jobs_push_front(&queue, text)); /* wrong */
    keel_err_free(jobs_push_back(&ints, one));    /* wrong */
    keel_err_free(numbers_push_back(&ints, 7));
    keel_err_free(numbers_push_back(&ints, wide)); /* wrong */
    keel_err_free(numbers_push_front(&ints, one)); /* wrong */
    (void)jobs_pop_front(&queue, &got);
    (void)jobs_pop_front(&queue, got);     /* wrong */
    (void)jobs_pop_back(&queue, &number);  /* wrong */
    (void)jobs_pop_front(&queue, &text);   /* wrong */
    (void)numbers_pop_front(&ints, &wide); /* wrong */
    place = jobs_front(&queue);
    got = jobs_front(&queue); /* wrong */
    got = jobs_back(&queue);  /* wrong */
    got = *jobs_at(&queue, 0);
    number = jobs_at(&queue, 0); /* wrong */
    place = jobs_find(&queue, one);
    place = jobs_find(&queue, 7); /* wrong */
    (void)jobs_equal(&queue, &copy);
    (void)jobs_equal(&queue, &ints); /* wrong */
    keel_err_free(jobs_clone(&copy, &queue));
    keel_err_free(numbers_clone(&ints, &queue)); /* wrong */
    for (jobs_iter it = jobs_each(&queue); jobs_next(&it);) {
        got = *it.item;
        number = *it.item; /* wrong */
    }
    for (numbers_iter it = jobs_each(&queue); numbers_next(&it);) /* wrong */
        number = 1;
    (void)place;
    (void)number;
}
