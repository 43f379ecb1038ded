/* SPDX-License-Identifier: MIT */
#include <keel/err.h>

KEEL_ERR_DECLARE(keel_check_declared);
KEEL_ERR_DEFINE(keel_check_declared, "declared in a header");
static KEEL_ERR_DEFINE(keel_check_private, "for one file");

typedef struct keel_check_payload {
    const char *field;
} keel_check_payload;

typedef struct keel_check_full {
    int number;
} keel_check_full;

typedef struct keel_check_own {
    int number;
} keel_check_own;

static int format(char *buf, size_t size, const void *payload)
{
    if (size > 0)
        buf[0] = '\0';
    return payload == NULL;
}

static bool is(const void *payload, const keel_err *target)
{
    return payload == target;
}

static void drop(void *payload)
{
    (void)payload;
}

KEEL_ERR_TYPE_DECLARE(keel_check_payload);
KEEL_ERR_TYPE(keel_check_payload, format);
KEEL_ERR_TYPE_FULL(keel_check_full, format, is, drop);
KEEL_ERR_TYPE_STATIC(keel_check_own, format);

/* Every sentinel is a constant address. */
extern keel_err *const keel_check_sentinels[];
keel_err *const keel_check_sentinels[] = {
    KEEL_ERR_NOMEM,      KEEL_ERR_INVAL,       KEEL_ERR_RANGE,          KEEL_ERR_SYNTAX,
    KEEL_ERR_CLOSED,     KEEL_ERR_CANCELLED,   KEEL_ERR_DEADLINE,       KEEL_ERR_NO_RUNTIME,
    KEEL_ERR_LIMIT,      KEEL_ERR_BUSY,        KEEL_ERR_NOT_FOUND,      KEEL_ERR_EXISTS,
    KEEL_ERR_PERMISSION, KEEL_ERR_UNSUPPORTED, KEEL_ERR_INTERRUPTED,    KEEL_ERR_TIMEOUT,
    KEEL_ERR_REFUSED,    KEEL_ERR_RESET,       KEEL_ERR_UNREACHABLE,    KEEL_ERR_NO_SPACE,
    KEEL_ERR_IO,         KEEL_ERR_EOF,         KEEL_ERR_UNEXPECTED_EOF, keel_check_declared,
    keel_check_private,
};

keel_err *keel_check_making(int n);
keel_err *keel_check_making(int n)
{
    keel_err *err = keel_err_new("plain");

    err = keel_err_join(err, keel_err_new("number %d", n));
    err = keel_err_wrap(err, "wrapped");
    err = keel_err_wrap(err, "wrapped %d", n);
    err = keel_err_join(err, keel_err_from_errno(n, "open"));
    return keel_err_join(err, keel_err_from_errno(n, "open %d", n));
}

const char *keel_check_asking(const keel_err *err);
const char *keel_check_asking(const keel_err *err)
{
    const keel_check_payload *payload = KEEL_ERR_AS(err, keel_check_payload);
    size_t kept = keel_err_join_count(err);

    if (KEEL_ERR_AS(err, keel_check_own) != NULL)
        return keel_err_type_keel_check_own.name;
    if (kept > KEEL_ERR_JOIN_MAX || kept > KEEL_ERR_JOIN_DEPTH)
        return NULL;
    return payload == NULL ? NULL : payload->field;
}

keel_err *keel_check_trying(int n);
keel_err *keel_check_trying(int n)
{
    if (n > 0)
        KEEL_TRY(keel_check_making(n));
    else
        KEEL_TRY(keel_check_making(-n));
    return NULL;
}

#ifndef __cplusplus /* compound literals */
keel_err *keel_check_payloads(const char *field);
keel_err *keel_check_payloads(const char *field)
{
    keel_err *err = KEEL_ERR_NEW(keel_check_payload, { .field = field });

    return keel_err_join(err, KEEL_ERR_NEW(keel_check_full, { 7 }));
}

char keel_check_text(const keel_err *err);
char keel_check_text(const keel_err *err)
{
    return KEEL_ERR_STR(err)[0];
}
#endif
