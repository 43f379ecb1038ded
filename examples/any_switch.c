/* SPDX-License-Identifier: MIT */
/*
 * Accepts a value of any type, and finds out which it is.
 *
 * Shows:  keel_any: asking for one type, a switch over all of them, a pointer with its type, the
 *         type's name in an error, and that error's field.
 * Run:    ./any_switch
 * Prints: each value by its type, `unsupported type: double`, and which value that was
 */
#include <inttypes.h>
#include <stdio.h>

#include <keel/keel.h>

typedef struct user {
    const char *name;
    int age;
} user;
KEEL_ANY_TYPE(user);

static keel_err *store(keel_any data)
{
    const char *text;
    const user *u = KEEL_ANY_AS(data, user); /* NULL if it is something else */

    if (keel_any_get_text(data, &text)) {
        printf("String: %s\n", text);
        return NULL;
    }
    if (u != NULL) {
        printf("User: %s, %d\n", u->name, u->age);
        return NULL;
    }

    switch (keel_any_kind(data)) {
    case KEEL_ANY_BOOL:
        printf("Boolean: %s\n", data.as.boolean ? "yes" : "no");
        return NULL;
    case KEEL_ANY_I64:
        printf("Integer: %" PRId64 "\n", data.as.i64);
        return NULL;
    case KEEL_ANY_STR: /* a view, without a NUL at its end */
        printf("Text: " KEEL_STR_FMT "\n", KEEL_STR_ARG(data.as.str));
        return NULL;
    default:
        return keel_err_with(keel_err_new("unsupported type: %s", keel_any_name(data)), "value",
                             data);
    }
}

int main(void)
{
    user ann = { "Ann", 42 };
    const keel_any values[] = {
        keel_any_text("hello"),   keel_any_i64(42),
        keel_any_bool(true),      keel_any_str(keel_str_slice(KEEL_STR("a long line"), 2, 4)),
        KEEL_ANY_PTR(user, &ann), keel_any_double(2.5)
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        keel_err *err = store(values[i]);
        keel_any value;

        if (err == NULL)
            continue;
        printf("Failed: %s\n", KEEL_ERR_STR(err));
        char text[32];
        if (keel_err_field(err, "value", &value) && keel_any_format(value, text, sizeof text) > 0)
            printf("It was: %s\n", text);
        keel_err_free(err);
    }
    return 0;
}
