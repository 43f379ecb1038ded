/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <string.h>

#include <keel/mem.h>

const char *const order_field_names[ORDER_FIELDS] = { "id",     "customer", "product",
                                                      "amount", "currency", "time" };

keel_err *order_new(order **out, const source_file *file, uint64_t line, keel_str text,
                    keel_err *problem)
{
    order *o = keel_mem_alloc(sizeof *o + text.len + 1);

    *out = o;
    if (o == NULL) {
        keel_err_free(problem);
        return KEEL_ERR_NOMEM;
    }
    *o = (order){ .file = file, .line = line, .problem = problem, .len = text.len };
    if (text.len > 0)
        memcpy(o->text, text.ptr, text.len);
    o->text[text.len] = '\0';
    return NULL;
}

void order_free(void *item)
{
    order *o = *(order **)item;

    keel_err_free(o->problem);
    keel_mem_free(o);
}
