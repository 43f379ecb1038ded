/* SPDX-License-Identifier: MIT */
#include "totals.h"

#include <stdio.h>

#include <keel/mem.h>

#define KEEL_SORT_NAME rows
#define KEEL_SORT_ITEM total_row
#define KEEL_SORT_LESS(a, b) (keel_str_compare((a).key, (b).key) < 0)
#include <keel/sort.h>

/* Remembers an id. There are two sets: when the newer one is full the older one is forgotten, so that the
 * memory is bounded, and the last IDS_REMEMBERED are always known. */
static keel_err *remember(totals *t, int64_t id)
{
    bool added;

    if (keel_i64_set_has(&t->older_ids, id))
        return KEEL_ERR_EXISTS;
    KEEL_TRY(keel_i64_set_add(&t->ids, id, &added));
    if (!added)
        return KEEL_ERR_EXISTS;
    if (t->ids.len == IDS_REMEMBERED) {
        const keel_i64_set older = t->older_ids;
        t->older_ids = t->ids;
        t->ids = older;
        keel_i64_set_clear(&t->ids);
    }
    return NULL;
}

static keel_err *find_row(totals *t, const order *o, total **row)
{
    char key[sizeof o->month + MAX_FIELD_BYTES + 1];
    const int len = snprintf(key, sizeof key, "%s %s", o->month, o->fields[PRODUCT]);
    const keel_str view = { key, (size_t)len };

    *row = total_map_get(&t->by_product, view);
    if (*row != NULL)
        return NULL;
    if (t->by_product.len == MAX_ROWS)
        return keel_err_wrap(KEEL_ERR_LIMIT, "more than %d months and products", MAX_ROWS);
    return total_map_entry(&t->by_product, view, row, NULL);
}

keel_err *totals_add(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    totals *t = out;
    order *o = *(order *const *)in;
    total *row;

    (void)ctx, (void)arg;
    KEEL_TRY(find_row(t, o, &row));
    if (row->euro_cents > INT64_MAX - o->euro_cents)
        return keel_err_wrap(KEEL_ERR_RANGE, "the sum for %s in %s", o->fields[PRODUCT], o->month);
    KEEL_TRY(keel_err_wrap(remember(t, o->id), "order %s", o->fields[ID]));
    row->orders++;
    row->euro_cents += o->euro_cents;
    t->orders++;
    order_free(&o);
    return NULL;
}

keel_err *totals_rows(const totals *t, total_row **rows, size_t *count)
{
    size_t n = 0;

    *count = 0;
    *rows = keel_mem_calloc(t->by_product.len + 1, sizeof **rows);
    if (*rows == NULL)
        return KEEL_ERR_NOMEM;
    for (total_map_iter it = total_map_each(&t->by_product); total_map_next(&it);) {
        if (it.value->orders > 0) /* else all its orders were refused */
            (*rows)[n++] = (total_row){ it.key, *it.value };
    }
    rows_sort(*rows, n);
    *count = n;
    return NULL;
}

void totals_deinit(totals *t)
{
    total_map_deinit(&t->by_product);
    keel_i64_set_deinit(&t->ids);
    keel_i64_set_deinit(&t->older_ids);
}
