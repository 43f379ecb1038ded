/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

#include <stdint.h>

#define KEEL_SET_NAME id_set
#define KEEL_SET_KEY uint32_t
#define KEEL_SET_HASH keel_hash_u32
#define KEEL_SET_EQ keel_eq_u32
#include <keel/set.h>

#define KEEL_SET_NAME words
#define KEEL_SET_STR_KEYS
#include <keel/set.h>

void keel_check_set(const char *text, uint64_t big);
void keel_check_set(const char *text, uint64_t big)
{
    id_set ids = { 0 };
    words names = { 0 };
    keel_str own;
    uint32_t id;

    keel_err_free(id_set_add(&ids, 1, NULL));
    keel_err_free(id_set_add(&ids, text, NULL)); /* wrong */
    keel_err_free(id_set_add(&ids, big, NULL));  /* wrong */
    keel_err_free(id_set_add(&ids, 1, &id));     /* wrong */
    keel_err_free(id_set_add(&names, 1, NULL));  /* wrong */
    (void)id_set_get(&ids, 1, &id);
    (void)id_set_get(&ids, 1, &own); /* wrong */
    keel_err_free(words_add(&names, KEEL_STR("one"), NULL));
    keel_err_free(words_add(&names, text, NULL)); /* wrong */
    (void)words_has(&names, KEEL_STR("one"));
    (void)words_has(&names, text);          /* wrong */
    (void)words_has(&ids, KEEL_STR("one")); /* wrong */
    (void)words_get(&names, KEEL_STR("one"), &own);
    (void)words_get(&names, KEEL_STR("one"), &id); /* wrong */
    (void)words_equal(&names, &ids);               /* wrong */
    for (words_iter it = words_each(&names); words_next(&it);)
        text = it.key; /* wrong */
}
