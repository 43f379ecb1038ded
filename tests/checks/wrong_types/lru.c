/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

#include <stdint.h>

typedef struct user {
    int id;
} user;

#define KEEL_LRU_NAME users
#define KEEL_LRU_KEY int32_t
#define KEEL_LRU_VALUE user *
#define KEEL_LRU_HASH keel_hash_i32
#define KEEL_LRU_EQ keel_eq_i32
#include <keel/lru.h>

#define KEEL_LRU_NAME pages
#define KEEL_LRU_STR_KEYS
#define KEEL_LRU_VALUE int
#include <keel/lru.h>

static void user_dropped(int32_t key, user **value, keel_lru_why why, void *arg)
{
    (void)key;
    (void)value;
    (void)why;
    (void)arg;
}

void keel_check_lru(user *one, const char *text, int64_t wide);
void keel_check_lru(user *one, const char *text, int64_t wide)
{
    users cache = { 0 };
    pages texts = { 0 };
    user *got, **place;
    int number, *count;

    keel_err_free(users_init(&cache, &(users_opts){ .dropped = user_dropped }));
    keel_err_free(pages_init(&texts, &(pages_opts){ .dropped = user_dropped })); /* wrong */
    keel_err_free(users_init(&cache, &(users_opts){ .clock = text }));           /* wrong */
    keel_err_free(users_init(&cache, &(pages_opts){ .capacity = 1 }));           /* wrong */
    keel_err_free(users_put(&cache, 1, one));
    keel_err_free(users_put(&cache, 1, text));   /* wrong */
    keel_err_free(users_put(&cache, text, one)); /* wrong */
    keel_err_free(users_put(&cache, wide, one)); /* wrong */
    keel_err_free(users_put(&texts, 1, one));    /* wrong */
    keel_err_free(pages_put(&texts, KEEL_STR("one"), 1));
    keel_err_free(pages_put(&texts, text, 1));              /* wrong */
    keel_err_free(pages_put(&texts, KEEL_STR("one"), one)); /* wrong */
    place = users_get(&cache, 1);
    got = users_get(&cache, 1);     /* wrong */
    place = users_get(&cache, one); /* wrong */
    count = users_peek(&cache, 1);  /* wrong */
    count = pages_peek(&texts, keel_str_from(text));
    count = pages_peek(&texts, 1); /* wrong */
    (void)users_remove(&cache, 1, &got);
    (void)users_remove(&cache, 1, got);     /* wrong */
    (void)users_remove(&cache, 1, &number); /* wrong */
    for (pages_iter it = pages_each(&texts); pages_next(&it);) {
        number = *it.value;
        got = *it.value; /* wrong */
        text = it.key;   /* wrong */
    }
    for (pages_iter it = users_each(&cache); pages_next(&it);) /* wrong */
        number = 1;
    (void)place;
    (void)got;
    (void)number;
    (void)count;
}
