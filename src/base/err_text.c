/* SPDX-License-Identifier: MIT */
#include <keel/err.h>

#include <string.h>

#include "base/err.h"
#include "base/out.h"
#include "base/process.h"

/* ---- The text of a chain ---- */

static void put_payload(keel__out *out, const keel__err_typed *err)
{
    keel__out_object(out, err->type->format, err->payload, err->type->name);
}

/* Recurses for the items of joins only, which nest KEEL_ERR_JOIN_DEPTH deep. */
void keel__out_err(keel__out *out, const keel_err *err)
{
    for (; keel__err_is_link(err); err = keel__err_below(err)) {
        if (keel__err_kind(err) == KEEL__ERR_FIELD)
            continue;
        keel__out_put(out, err->keel__text);
        keel__out_put(out, ": ");
    }
    if (keel__err_kind(err) == KEEL__ERR_TYPED) {
        put_payload(out, (const keel__err_typed *)err);
    } else if (keel__err_kind(err) == KEEL__ERR_JOIN) {
        const keel__err_join *join = (const keel__err_join *)err;
        for (size_t i = 0; i < join->count; i++) {
            if (i > 0)
                keel__out_put(out, "\n");
            keel__out_err(out, join->items[i]);
        }
        if (join->more > 0) {
            keel__out_put(out, "\nand ");
            keel__out_count(out, join->more);
            keel__out_put(out, " more");
        }
    } else {
        keel__out_put(out, err->keel__text);
    }
}

size_t keel_err_format(const keel_err *err, char *buf, size_t size)
{
    keel__out out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_err_format", "buf");
    if (err != NULL)
        keel__out_err(&out, err);
    else
        keel__out_put(&out, "no error");
    return keel__out_finish(&out);
}

const char *keel_err_str(const keel_err *err, char *buf, size_t size)
{
    if (size == 0)
        return "";
    keel__need(buf != NULL, "keel_err_str", "buf");
    if (keel_err_format(err, buf, size) >= size)
        keel__err_ellipsis(buf, size);
    return buf;
}

/* ---- JSON ---- */

static void put_member(keel__out *out, const char *name, const char *value)
{
    keel__out_raw(out, name);
    keel__out_raw(out, "\"");
    keel__out_escaped(out, value, strlen(value));
    keel__out_raw(out, "\"");
}

/* A name that may be anything. */
static void put_member_name(keel__out *out, const char *before, const char *name)
{
    put_member(out, before, name);
    keel__out_raw(out, ":");
}

static void put_object(keel__out *out, const keel_err *err);

/* The members of a join's link. It was made at no one place, and its text is that of its errors. */
static void put_errors(keel__out *out, const keel__err_join *join)
{
    keel__out_raw(out, "\"errors\":[");
    for (size_t i = 0; i < join->count; i++) {
        if (i > 0)
            keel__out_raw(out, ",");
        put_object(out, join->items[i]);
    }
    keel__out_raw(out, "]");
    if (join->more > 0) {
        keel__out_raw(out, ",\"more\":");
        keel__out_count(out, join->more);
    }
}

/* Whether an outer field of the same error has the same key. */
static bool is_hidden(const keel_err *outermost, const keel_err *field)
{
    for (const keel_err *at = outermost; at != field; at = keel__err_below(at)) {
        if (strcmp(at->keel__text, field->keel__text) == 0)
            return true;
    }
    return false;
}

/* The fields from `outermost` down to the error `bare` that they belong to, in the order in which it got
 * them: from below. They are few. */
static void put_fields(keel__out *out, const keel_err *outermost, const keel_err *bare)
{
    const char *before = ",\"fields\":{";

    for (const keel_err *end = bare; end != outermost;) {
        const keel_err *field = outermost;
        while (keel__err_below(field) != end)
            field = keel__err_below(field);
        end = field;
        if (is_hidden(outermost, field))
            continue;
        put_member_name(out, before, field->keel__text);
        keel__out_any_json(out, ((const keel__err_field *)field)->value);
        before = ",";
    }
    if (bare != outermost)
        keel__out_raw(out, "}");
}

static void put_link(keel__out *out, const keel_err *outermost)
{
    const keel_err *err = keel__err_bare(outermost);
    enum keel__err_kind kind = keel__err_kind(err);

    keel__out_raw(out, "{");
    if (kind == KEEL__ERR_JOIN) {
        put_errors(out, (const keel__err_join *)err);
    } else if (kind == KEEL__ERR_TYPED) {
        keel__out_raw(out, "\"text\":\"");
        put_payload(out, (const keel__err_typed *)err);
        keel__out_raw(out, "\"");
        put_member(out, ",\"type\":", ((const keel__err_typed *)err)->type->name);
    } else {
        put_member(out, "\"text\":", err->keel__text);
    }
    if (kind == KEEL__ERR_ERRNO) {
        keel__out_raw(out, ",\"errno\":");
        keel__out_count(out, (size_t)((const keel__err_errno *)err)->code);
    }
    if (keel_err_where(outermost) != NULL)
        put_member(out, ",\"at\":", keel_err_where(outermost));
    put_fields(out, outermost, err);
    keel__out_raw(out, "}");
}

static void put_object(keel__out *out, const keel_err *err)
{
    keel__out_raw(out, "{\"error\":\"");
    out->escape = true;
    keel__out_err(out, err);
    keel__out_raw(out, "\",\"chain\":[");
    put_link(out, err);
    while ((err = keel_err_unwrap(err)) != NULL) {
        keel__out_raw(out, ",");
        put_link(out, err);
    }
    keel__out_raw(out, "]}");
}

size_t keel_err_json(const keel_err *err, char *buf, size_t size)
{
    keel__out out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_err_json", "buf");
    if (err != NULL)
        put_object(&out, err);
    else
        keel__out_raw(&out, "null");
    return keel__out_finish(&out);
}
