/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

typedef struct user {
    int id;
} user;

#define KEEL_VEC_NAME int_vec
#define KEEL_VEC_ITEM int
#define KEEL_VEC_EQ(a, b) ((a) == (b))
#include <keel/vec.h>

#define KEEL_VEC_NAME user_vec
#define KEEL_VEC_ITEM user *
#include <keel/vec.h>

#define KEEL_VEC_NAME text_vec
#define KEEL_VEC_ITEM const char *
#include <keel/vec.h>

void keel_check_vec(user *one, const char *text);
void keel_check_vec(user *one, const char *text)
{
    int_vec ints = { 0 };
    user_vec users = { 0 };
    text_vec texts = { 0 };
    user *got;
    long big = 1;
    int number;

    keel_err_free(int_vec_push(&ints, 1));
    keel_err_free(int_vec_push(&ints, "text")); /* wrong */
    keel_err_free(int_vec_push(&ints, big));    /* wrong */
    keel_err_free(int_vec_push(&users, 1));     /* wrong */
    keel_err_free(user_vec_push(&users, one));
    keel_err_free(user_vec_push(&users, text)); /* wrong */
    keel_err_free(user_vec_push(&users, *one)); /* wrong */
    keel_err_free(user_vec_push(&users, 1));    /* wrong */
    keel_err_free(text_vec_push(&texts, text));
    keel_err_free(text_vec_push(&texts, one)); /* wrong */
    (void)user_vec_pop(&users, &got);
    (void)user_vec_pop(&users, &number); /* wrong */
    (void)user_vec_pop(&users, one);     /* wrong */
    number = *int_vec_last(&ints);
    number = *user_vec_last(&users); /* wrong */
    (void)int_vec_find(&ints, number);
    (void)int_vec_find(&ints, text);        /* wrong */
    (void)int_vec_equal(&ints, &users);     /* wrong */
    (void)user_vec_find(&users, one);       /* wrong */
    user_vec_iter it = int_vec_each(&ints); /* wrong */
    (void)it;
}
