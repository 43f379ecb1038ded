/* SPDX-License-Identifier: MIT */
#include "csv.h"

#include <string.h>

bool csv_find_end(keel_str text, size_t *end, bool *open)
{
    size_t line, i;
    bool begins = true, closed = false; /* a field begins here; a quote was closed right before */

    *open = false;
    if (!keel_str_find_byte(text, '\n', &line))
        line = text.len;
    if (memchr(text.ptr, '"', line) == NULL) { /* nearly always */
        *end = line;
        return line < text.len;
    }
    for (i = 0; i < text.len; i++) {
        const char c = text.ptr[i];

        /* A quote opens only where a field begins. Inside, a doubled one closes and opens again; one
         * that anything else follows closes, and is an error that stays within this record. */
        if (*open) {
            closed = c == '"';
            *open = !closed;
            continue;
        }
        if (c == '\n')
            break;
        *open = c == '"' && (begins || closed);
        begins = c == ',';
        closed = false;
    }
    *end = i;
    return i < text.len;
}

/* Adds bytes to a field that has `*len` of them. */
static keel_err *add(char *field, size_t max_bytes, size_t *len, const char *bytes, size_t count)
{
    if (field == NULL)
        return NULL;
    if (count > max_bytes - *len)
        return keel_err_wrap(KEEL_ERR_LIMIT, "more than %zu bytes", max_bytes);
    memcpy(field + *len, bytes, count);
    *len += count;
    field[*len] = '\0';
    return NULL;
}

/* Reads a field in quotes off the front of *rest, which is behind the opening one. */
static keel_err *read_quoted(keel_str *rest, char *field, size_t max_bytes)
{
    size_t at, len = 0;

    while (keel_str_find_byte(*rest, '"', &at)) {
        const bool doubled = at + 1 < rest->len && rest->ptr[at + 1] == '"';

        KEEL_TRY(add(field, max_bytes, &len, rest->ptr, at + (doubled ? 1 : 0)));
        *rest = keel_str_slice(*rest, at + (doubled ? 2 : 1), rest->len);
        if (doubled)
            continue;
        if (rest->len > 0 && rest->ptr[0] != ',')
            return keel_err_wrap(KEEL_ERR_SYNTAX, "text behind the closing quote");
        return NULL;
    }
    return keel_err_wrap(KEEL_ERR_SYNTAX, "a quote is not closed");
}

static keel_err *read_plain(keel_str *rest, char *field, size_t max_bytes)
{
    size_t at = 0, quote, len = 0;

    if (!keel_str_find_byte(*rest, ',', &at))
        at = rest->len;
    if (keel_str_find_byte(keel_str_slice(*rest, 0, at), '"', &quote))
        return keel_err_wrap(KEEL_ERR_SYNTAX, "a quote in a field that does not begin with one");
    keel_err *err = add(field, max_bytes, &len, rest->ptr, at);
    *rest = keel_str_slice(*rest, at, rest->len);
    return err;
}

bool csv_next(csv_fields *fields, char *field, size_t max_bytes, keel_err **err)
{
    keel_str *rest = &fields->rest;

    *err = NULL;
    if (fields->done)
        return false;
    fields->number++;
    if (field != NULL)
        field[0] = '\0';
    if (rest->len > 0 && rest->ptr[0] == '"') {
        *rest = keel_str_slice(*rest, 1, rest->len);
        *err = read_quoted(rest, field, max_bytes);
    } else {
        *err = read_plain(rest, field, max_bytes);
    }
    if (*err != NULL) {
        *err = keel_err_wrap(*err, "column %zu", fields->number);
        fields->done = true;
        return false;
    }
    fields->done = rest->len == 0;
    *rest = keel_str_slice(*rest, 1, rest->len); /* the comma */
    return true;
}
