/* SPDX-License-Identifier: MIT */
#include "decode.h"

#include <string.h>

#include <jansson.h>

#include <keel/buf.h>

#include "csv.h"

enum { MAX_COLUMNS = 100, MAX_NESTING = 8 };

/* ---- Texts ---- */

static keel_err *check_text(keel_str text)
{
    size_t at;

    if (!keel_str_is_utf8(text, &at))
        return keel_err_wrap(KEEL_ERR_SYNTAX, "invalid UTF-8 at byte %zu", at + 1);
    if (keel_str_find_byte(text, '\0', &at))
        return keel_err_wrap(KEEL_ERR_SYNTAX, "a NUL at byte %zu", at + 1);
    return NULL;
}

static keel_err *check_field(const char *field)
{
    for (; *field != '\0'; field++) {
        if ((unsigned char)*field < ' ' || *field == 0x7f)
            return keel_err_wrap(KEEL_ERR_SYNTAX, "a control character");
    }
    return NULL;
}

/* ---- CSV ---- */

/* The field with that name; ORDER_FIELDS: none. */
static order_field find_field(const char *name)
{
    order_field field = ID;

    while (field < ORDER_FIELDS && strcmp(order_field_names[field], name) != 0)
        field++;
    return field;
}

keel_err *decode_header(keel_str record, source_file *file)
{
    csv_fields columns = { .rest = record };
    char name[MAX_FIELD_BYTES + 1];
    bool found[ORDER_FIELDS] = { false };
    keel_err *err;

    KEEL_TRY(check_text(record));
    while (csv_next(&columns, name, MAX_FIELD_BYTES, &err)) {
        const order_field field = find_field(name);

        if (columns.number > MAX_COLUMNS)
            return keel_err_wrap(KEEL_ERR_LIMIT, "more than %d columns", MAX_COLUMNS);
        if (field == ORDER_FIELDS)
            continue;
        if (found[field])
            return keel_err_wrap(KEEL_ERR_SYNTAX, "two columns \"%s\"", name);
        found[field] = true;
        file->at[field] = columns.number;
    }
    file->columns = columns.number;
    for (order_field field = ID; err == NULL && field < ORDER_FIELDS; field++) {
        if (!found[field])
            err = keel_err_wrap(KEEL_ERR_SYNTAX, "no column \"%s\"", order_field_names[field]);
    }
    return err;
}

static keel_err *decode_csv(order *o)
{
    const source_file *file = o->file;
    csv_fields columns = { .rest = { o->text, o->len } };
    keel_err *err;
    char *field;

    do {
        field = NULL;
        for (order_field f = ID; f < ORDER_FIELDS; f++) {
            if (file->at[f] == columns.number + 1)
                field = o->fields[f];
        }
    } while (csv_next(&columns, field, MAX_FIELD_BYTES, &err));
    if (err == NULL && columns.number != file->columns)
        return keel_err_wrap(KEEL_ERR_SYNTAX, "%zu columns, where the header has %zu",
                             columns.number, file->columns);
    return err;
}

/* ---- JSON ---- */

/* The decoder recurses: so what is nested too deeply does not come to it. */
static keel_err *check_nesting(keel_str text)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_NESTING)
                return keel_err_wrap(KEEL_ERR_LIMIT, "JSON nested more than %d deep", MAX_NESTING);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return NULL;
}

static keel_err *copy_value(char *field, const json_t *value)
{
    keel_buf number = { 0 };
    keel_str text;
    keel_err *err = NULL;

    if (json_is_integer(value))
        err = keel_buf_append_i64(&number, json_integer_value(value));
    else if (json_is_real(value))
        err = keel_buf_append_double(&number, json_real_value(value));
    else if (!json_is_string(value))
        return keel_err_wrap(KEEL_ERR_SYNTAX, value == NULL ? "missing" : "no text, no number");

    if (json_is_string(value))
        text = (keel_str){ json_string_value(value), json_string_length(value) };
    else
        text = keel_buf_str(&number);
    if (err == NULL && text.len > MAX_FIELD_BYTES)
        err = keel_err_wrap(KEEL_ERR_LIMIT, "more than %d bytes", MAX_FIELD_BYTES);
    if (err == NULL) {
        memcpy(field, text.ptr, text.len);
        field[text.len] = '\0';
    }
    keel_buf_deinit(&number);
    return err;
}

static keel_err *decode_json(order *o)
{
    json_error_t why;
    keel_err *err = NULL;

    KEEL_TRY(check_nesting((keel_str){ o->text, o->len }));
    json_t *json = json_loadb(o->text, o->len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return keel_err_wrap(KEEL_ERR_SYNTAX, "JSON, column %d: %s", why.column, why.text);
    if (!json_is_object(json))
        err = keel_err_wrap(KEEL_ERR_SYNTAX, "not a JSON object");
    for (order_field f = ID; err == NULL && f < ORDER_FIELDS; f++)
        err = keel_err_wrap(copy_value(o->fields[f], json_object_get(json, order_field_names[f])),
                            "%s", order_field_names[f]);
    json_decref(json);
    return err;
}

/* ---- The stage ---- */

keel_err *decode_order(keel_ctx *ctx, const void *in, void *out, void *arg)
{
    order *o = *(order *const *)in;

    (void)ctx, (void)arg;
    if (o->problem != NULL)
        return keel_err_retain(o->problem);
    KEEL_TRY(check_text((keel_str){ o->text, o->len }));
    KEEL_TRY(o->file->format == FORMAT_CSV ? decode_csv(o) : decode_json(o));
    for (order_field f = ID; f < ORDER_FIELDS; f++)
        KEEL_TRY(keel_err_wrap(check_field(o->fields[f]), "%s", order_field_names[f]));
    *(order **)out = o;
    return NULL;
}
