/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

#include <stdint.h>

typedef struct user {
    int id;
} user;

#define KEEL_MAP_NAME user_map
#define KEEL_MAP_KEY int64_t
#define KEEL_MAP_VALUE user *
#define KEEL_MAP_HASH keel_hash_i64
#define KEEL_MAP_EQ keel_eq_i64
#include <keel/map.h>

#define KEEL_MAP_NAME counts
#define KEEL_MAP_STR_KEYS
#define KEEL_MAP_VALUE int
#include <keel/map.h>

void keel_check_map(user *one, const char *text, double half);
void keel_check_map(user *one, const char *text, double half)
{
    user_map users = { 0 };
    counts words = { 0 };
    user *got, **place;
    int number, *count;
    bool flag;

    keel_err_free(user_map_put(&users, 1, one));
    keel_err_free(user_map_put(&users, 1, text));   /* wrong */
    keel_err_free(user_map_put(&users, text, one)); /* wrong */
    keel_err_free(user_map_put(&users, half, one)); /* wrong */
    keel_err_free(user_map_put(&users, 1, *one));   /* wrong */
    keel_err_free(user_map_put(&words, 1, one));    /* wrong */
    keel_err_free(user_map_put(&users, one));       /* wrong */
    keel_err_free(user_map_swap(&users, 1, one, &got, &flag));
    keel_err_free(user_map_swap(&users, 1, one, one, &flag));    /* wrong */
    keel_err_free(user_map_swap(&users, 1, one, &got, &number)); /* wrong */
    keel_err_free(user_map_entry(&users, 1, &place, NULL));
    keel_err_free(user_map_entry(&users, 1, &got, NULL));   /* wrong */
    keel_err_free(user_map_entry(&users, 1, &count, NULL)); /* wrong */
    got = *user_map_get(&users, 1);
    got = user_map_get(&users, 1);    /* wrong */
    count = user_map_get(&users, 1);  /* wrong */
    got = *user_map_get(&users, one); /* wrong */
    (void)user_map_remove(&users, 1, &got);
    (void)user_map_remove(&users, 1, got);     /* wrong */
    (void)user_map_remove(&users, text, &got); /* wrong */
    keel_err_free(counts_put(&words, KEEL_STR("one"), 1));
    keel_err_free(counts_put(&words, text, 1));              /* wrong */
    keel_err_free(counts_put(&words, KEEL_STR("one"), one)); /* wrong */
    count = counts_get(&words, keel_str_from(text));
    count = counts_get(&words, text); /* wrong */
    count = counts_get(&words, 1);    /* wrong */
    for (counts_iter it = counts_each(&words); counts_next(&it);) {
        number = *it.value;
        got = *it.value; /* wrong */
        text = it.key;   /* wrong */
    }
    for (counts_iter it = user_map_each(&users); counts_next(&it);) /* wrong */
        number = 1;
    (void)number;
    (void)count;
}
