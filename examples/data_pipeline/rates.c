/* SPDX-License-Identifier: MIT */
#include "rates.h"

#include <string.h>

#include <keel/retry.h>

/* Millionths of a euro. */
static const struct {
    const char *currency;
    int64_t rate;
} table[] = {
    { "EUR", 1000000 }, { "USD", 920000 }, { "GBP", 1170000 }, { "CHF", 1040000 },
    { "SEK", 88000 },   { "PLN", 233000 }, { "JPY", 6100 },
};

static keel_err *look_up(const rates *r, order *o, int64_t *rate)
{
    const bool first = o->lookups++ == 0;

    if (r->fault_every > 0 && first && o->line % r->fault_every == 0)
        return keel_err_wrap(KEEL_ERR_TIMEOUT, "the rates do not answer");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].currency, o->fields[CURRENCY]) == 0) {
            *rate = table[i].rate;
            return NULL;
        }
    }
    return keel_permanent(keel_err_wrap(KEEL_ERR_NOT_FOUND, "no rate for %s", o->fields[CURRENCY]));
}

keel_err *enrich_order(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    order *o = *(order *const *)in;
    int64_t rate = 0;

    KEEL_TRY(keel_ctx_err(ctx));
    KEEL_TRY(look_up(arg, o, &rate));
    o->euro_cents = (o->cents * rate + 500000) / 1000000; /* below 2^63: see max_cents */
    *(order **)out = o;
    return NULL;
}
