/* SPDX-License-Identifier: MIT */
#include <keel/any.h>

typedef struct keel_check_user {
    const char *name;
} keel_check_user;

typedef struct keel_check_full {
    int number;
} keel_check_full;

typedef struct keel_check_own {
    int number;
} keel_check_own;

static int format(char *buf, size_t size, const void *object)
{
    if (size > 0)
        buf[0] = '\0';
    return object == NULL;
}

static void *same(void *object)
{
    return object;
}

static void drop(void *object)
{
    (void)object;
}

KEEL_ANY_TYPE_DECLARE(keel_check_user);
KEEL_ANY_TYPE(keel_check_user);
KEEL_ANY_TYPE_FULL(keel_check_full, format, same, drop);
KEEL_ANY_TYPE_STATIC(keel_check_own);

const char *keel_check_switch(keel_check_user *user, keel_check_full *full, keel_check_own *own);
const char *keel_check_switch(keel_check_user *user, keel_check_full *full, keel_check_own *own)
{
    keel_any v = KEEL_ANY_PTR(keel_check_user, user);

    if (full != NULL)
        v = KEEL_ANY_PTR(keel_check_full, full);
    if (own != NULL)
        v = KEEL_ANY_PTR(keel_check_own, own);
    user = KEEL_ANY_AS(v, keel_check_user);
    switch (keel_any_kind(v)) {
    case KEEL_ANY_STR:
    case KEEL_ANY_BYTES:
        return v.as.str.ptr;
    case KEEL_ANY_PTR:
        return user != NULL ? user->name : NULL;
    default:
        return keel_any_name(v);
    }
}

keel_err *keel_check_field(keel_err *err);
keel_err *keel_check_field(keel_err *err)
{
    return keel_err_with(err, "user_id", keel_any_i64(42));
}
