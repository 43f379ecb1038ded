/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_OPTIONS_H
#define KEEL_SRC_FLOW_OPTIONS_H

/* What the constructors of this floor make of options: a default for what is zero, and an error that
 * names the field for what makes no sense. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <keel/err.h>

/* KEEL_ERR_INVAL with a text: "breaker: open_ns is negative". */
#define keel__bad_option(object, field, why)                                                       \
    keel_err_wrap(KEEL_ERR_INVAL, "%s: %s %s", (object), (field), (why))

/* The same where the name alone does not say what it is of: "stage parse: fn is missing". Without a name, or
 * with the one that such a thing has by default: "pipeline: sink is missing". */
static inline keel_err *keel__bad_option_of(const char *kind, const char *name, const char *field,
                                            const char *why)
{
    if (name == NULL || strcmp(name, kind) == 0)
        return keel__bad_option(kind, field, why);
    return keel_err_wrap(KEEL_ERR_INVAL, "%s %s: %s %s", kind, name, field, why);
}

/* A duration: 0 is the default, negative an error. */
static inline keel_err *keel__option_ns(const char *object, const char *field, int64_t *ns,
                                        int64_t otherwise)
{
    if (*ns < 0)
        return keel__bad_option(object, field, "is negative");
    if (*ns == 0)
        *ns = otherwise;
    return NULL;
}

/* A number from `min` to `max`: 0 is the default, and what is no number at all is neither. */
static inline keel_err *keel__option_number(const char *object, const char *field, double *number,
                                            double otherwise, double min, double max)
{
    if (!(*number < 0) && !(*number > 0) &&
        *number == *number) /* 0, told without a comparison of floats */
        *number = otherwise;
    if (!(*number >= min && *number <= max))
        return keel_err_wrap(KEEL_ERR_INVAL, "%s: %s is not in %g ... %g", object, field, min, max);
    return NULL;
}

#endif /* KEEL_SRC_FLOW_OPTIONS_H */
