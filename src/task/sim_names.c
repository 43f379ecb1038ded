/* SPDX-License-Identifier: MIT */
#include "task/sim_names.h"

#include <stdio.h>
#include <string.h>

#include "base/sim_hook.h"
#include "task/ops.h"

static size_t find(const sim_names *names, const void *object)
{
    size_t i = 0;

    while (i < names->count && names->items[i].object != object)
        i++;
    return i;
}

/* Gives an object a number among those of its kind; SIM_NAMES: there is no room for it. Memory that is used
 * again for another kind of thing gets another name. */
static size_t add(sim_names *names, const void *object, const char *kind)
{
    unsigned number = 1;
    size_t at = find(names, object);

    if (at >= SIM_NAMES)
        return SIM_NAMES;
    for (size_t i = 0; i < names->count; i++)
        number += strcmp(names->items[i].kind, kind) == 0;
    names->items[at].object = object;
    names->items[at].kind = kind;
    names->items[at].number = number;
    names->count += at == names->count;
    return at;
}

const char *keel__sim_names_describe(sim_names *names, unsigned op, const void *object, char *buf,
                                     size_t size)
{
    const char *kind = keel__op_kind(op);
    size_t at = SIM_NAMES;

    if (object != NULL && kind != NULL) {
        at = find(names, object);
        /* what is closed may be a listener, too */
        if (at == names->count || (at < SIM_NAMES && op != KEEL__OP_NET_CLOSE &&
                                   strcmp(names->items[at].kind, kind) != 0))
            at = add(names, object, kind);
    }
    if (at == SIM_NAMES)
        snprintf(buf, size, "%s", keel__op_name(op));
    else
        snprintf(buf, size, "%s %s %u", keel__op_verb(op), names->items[at].kind,
                 names->items[at].number);
    return buf;
}

const char *keel__sim_names_get(const sim_names *names, const void *object, char *buf, size_t size)
{
    size_t at = find(names, object);

    buf[0] = '\0';
    if (object != NULL && at < names->count)
        snprintf(buf, size, "%s %u", names->items[at].kind, names->items[at].number);
    return buf;
}
