/* SPDX-License-Identifier: MIT */
#include <keel/err.h>

#include <stdio.h>
#include <string.h>

#include <keel/mem.h>

#include "base/err.h"
#include "base/process.h"

/* Output with the semantics of snprintf: `length` counts everything, also what finds no room. */
typedef struct writer {
    char *buf;
    size_t size;
    size_t length;
    bool escape; /* what is put is the inside of a JSON string */
} writer;

static void put_bytes(writer *out, const char *bytes, size_t count)
{
    if (out->length + 1 < out->size) {
        size_t room = out->size - 1 - out->length;
        memcpy(out->buf + out->length, bytes, count < room ? count : room);
    }
    out->length += count;
}

static void put_raw(writer *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

static size_t finish(const writer *out)
{
    if (out->size > 0)
        out->buf[out->length < out->size ? out->length : out->size - 1] = '\0';
    return out->length;
}

/* ---- JSON strings ---- */

/* The length of the UTF-8 sequence at `s`, 0 if there is no valid one. The NUL that ends the text
 * is no continuation byte, so nothing behind it is read. */
static size_t sequence(const unsigned char *s)
{
    unsigned char low = 0x80, high = 0xBF; /* the second byte's; the first narrows it */
    size_t length;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        length = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF)
        length = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        length = 4;
    else
        return 0;

    if (s[0] == 0xE0)
        low = 0xA0; /* below: overlong */
    else if (s[0] == 0xED)
        high = 0x9F; /* above: surrogates */
    else if (s[0] == 0xF0)
        low = 0x90; /* overlong */
    else if (s[0] == 0xF4)
        high = 0x8F; /* beyond U+10FFFF */
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    }
    return length;
}

/* The escape that JSON demands for a character, in `buf` if it is not static; NULL: none. */
static const char *escape_of(unsigned char c, char buf[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20)
            return NULL;
        snprintf(buf, 8, "\\u%04x", (unsigned)c);
        return buf;
    }
}

static void put_escaped(writer *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    char buf[8];

    while (*s != '\0') {
        const unsigned char *start = s;
        while (*s >= 0x20 && *s < 0x80 && *s != '"' && *s != '\\')
            s++;
        put_bytes(out, (const char *)start, (size_t)(s - start));
        if (*s == '\0')
            return;

        size_t length = sequence(s);
        const char *escape = escape_of(*s, buf);
        if (length == 0) {
            put_raw(out, "\xEF\xBF\xBD"); /* U+FFFD for each byte, as Go does */
            length = 1;
        } else if (escape != NULL) {
            put_raw(out, escape);
        } else {
            put_bytes(out, (const char *)s, length);
        }
        s += length;
    }
}

/* ---- The text of a chain ---- */

static void put(writer *out, const char *text)
{
    if (out->escape)
        put_escaped(out, text);
    else
        put_raw(out, text);
}

static void put_count(writer *out, size_t count)
{
    char buf[24];

    snprintf(buf, sizeof buf, "%zu", count);
    put_raw(out, buf);
}

/* A payload's text that must pass through put_escaped needs a place of its own: the stack's if it
 * is short. Without memory for a long one, its beginning has to do. Not inlined: a frame of its own
 * that is gone before the next item of a join. */
static __attribute__((noinline)) void put_payload_escaped(writer *out, const keel__err_typed *err)
{
    char first[256];
    int length = err->type->format(first, sizeof first, err->payload);
    char *all = NULL;

    if (length < 0) {
        put(out, err->type->name);
        return;
    }
    if ((size_t)length >= sizeof first && (all = keel_mem_alloc((size_t)length + 1)) != NULL)
        err->type->format(all, (size_t)length + 1, err->payload);
    put(out, all != NULL ? all : first);
    keel_mem_free(all);
}

static void put_payload(writer *out, const keel__err_typed *err)
{
    if (out->escape) {
        put_payload_escaped(out, err);
        return;
    }
    size_t room = out->length < out->size ? out->size - out->length : 0;
    int length = err->type->format(room > 0 ? out->buf + out->length : NULL, room, err->payload);
    if (length < 0)
        put(out, err->type->name);
    else
        out->length += (size_t)length;
}

/* Recurses for the items of joins only, which nest KEEL_ERR_JOIN_DEPTH deep. */
static void put_chain(writer *out, const keel_err *err)
{
    for (; keel__err_kind(err) == KEEL__ERR_WRAP; err = keel_err_unwrap(err)) {
        put(out, err->keel__text);
        put(out, ": ");
    }
    if (keel__err_kind(err) == KEEL__ERR_TYPED) {
        put_payload(out, (const keel__err_typed *)err);
    } else if (keel__err_kind(err) == KEEL__ERR_JOIN) {
        const keel__err_join *join = (const keel__err_join *)err;
        for (size_t i = 0; i < join->count; i++) {
            if (i > 0)
                put(out, "\n");
            put_chain(out, join->items[i]);
        }
        if (join->more > 0) {
            put(out, "\nand ");
            put_count(out, join->more);
            put(out, " more");
        }
    } else {
        put(out, err->keel__text);
    }
}

size_t keel_err_format(const keel_err *err, char *buf, size_t size)
{
    writer out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_err_format", "buf");
    if (err != NULL)
        put_chain(&out, err);
    else
        put(&out, "no error");
    return finish(&out);
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

static void put_member(writer *out, const char *name, const char *value)
{
    put_raw(out, name);
    put_raw(out, "\"");
    put_escaped(out, value);
    put_raw(out, "\"");
}

static void put_object(writer *out, const keel_err *err);

/* The members of a join's link. It was made at no one place, and its text is that of its errors. */
static void put_errors(writer *out, const keel__err_join *join)
{
    put_raw(out, "\"errors\":[");
    for (size_t i = 0; i < join->count; i++) {
        if (i > 0)
            put_raw(out, ",");
        put_object(out, join->items[i]);
    }
    put_raw(out, "]");
    if (join->more > 0) {
        put_raw(out, ",\"more\":");
        put_count(out, join->more);
    }
}

static void put_link(writer *out, const keel_err *err)
{
    enum keel__err_kind kind = keel__err_kind(err);

    put_raw(out, "{");
    if (kind == KEEL__ERR_JOIN) {
        put_errors(out, (const keel__err_join *)err);
    } else if (kind == KEEL__ERR_TYPED) {
        put_raw(out, "\"text\":\"");
        put_payload_escaped(out, (const keel__err_typed *)err);
        put_raw(out, "\"");
        put_member(out, ",\"type\":", ((const keel__err_typed *)err)->type->name);
    } else {
        put_member(out, "\"text\":", err->keel__text);
    }
    if (kind == KEEL__ERR_ERRNO) {
        put_raw(out, ",\"errno\":");
        put_count(out, (size_t)((const keel__err_errno *)err)->code);
    }
    if (err->keel__where != NULL)
        put_member(out, ",\"at\":", err->keel__where);
    put_raw(out, "}");
}

static void put_object(writer *out, const keel_err *err)
{
    put_raw(out, "{\"error\":\"");
    out->escape = true;
    put_chain(out, err);
    put_raw(out, "\",\"chain\":[");
    put_link(out, err);
    while ((err = keel_err_unwrap(err)) != NULL) {
        put_raw(out, ",");
        put_link(out, err);
    }
    put_raw(out, "]}");
}

size_t keel_err_json(const keel_err *err, char *buf, size_t size)
{
    writer out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_err_json", "buf");
    if (err != NULL)
        put_object(&out, err);
    else
        put_raw(&out, "null");
    return finish(&out);
}
