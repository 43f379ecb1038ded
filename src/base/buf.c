/* SPDX-License-Identifier: MIT */
#include <keel/buf.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <keel/mem.h>

#include "base/process.h"
#include "base/text.h"

#define FIRST_BYTES 64

/* ---- Room ---- */

static bool holds(const keel_buf *buf, const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)buf->ptr < buf->cap;
}

/* Makes room for `more` bytes and a NUL, and moves *source with the bytes it is among. */
static __attribute__((noinline)) keel_err *grow(keel_buf *buf, size_t more, const char **source)
{
    size_t limit = buf->max_bytes != 0 ? buf->max_bytes : KEEL_BUF_DEFAULT_MAX_BYTES;

    if (limit != KEEL_UNLIMITED && (buf->len > limit || more > limit - buf->len))
        return KEEL_ERR_LIMIT;
    if (more >= SIZE_MAX - buf->len)
        return KEEL_ERR_NOMEM;
    size_t need = buf->len + more + 1;
    size_t cap = buf->cap > SIZE_MAX / 2 ? SIZE_MAX : 2 * buf->cap;
    if (cap < FIRST_BYTES)
        cap = FIRST_BYTES;
    if (limit != KEEL_UNLIMITED && cap > limit) /* as much as can ever be used */
        cap = limit + 1;
    if (cap < need)
        cap = need;

    bool own = source != NULL && holds(buf, *source);
    size_t offset = own ? (size_t)(*source - buf->ptr) : 0;
    char *ptr = keel_mem_realloc(buf->ptr, cap);
    if (ptr == NULL)
        return KEEL_ERR_NOMEM;
    if (buf->ptr == NULL)
        ptr[0] = '\0';
    if (own)
        *source = ptr + offset;
    buf->ptr = ptr;
    buf->cap = cap;
    return NULL;
}

/* `cap - len` is at least 1, for the NUL, or both are 0. */
static inline keel_err *need(keel_buf *buf, size_t more, const char **source)
{
    return buf->cap - buf->len > more ? NULL : grow(buf, more, source);
}

static inline void set_len(keel_buf *buf, size_t len)
{
    buf->len = len;
    buf->ptr[len] = '\0';
}

void keel_buf_deinit(keel_buf *buf)
{
    if (buf == NULL)
        return;
    keel_mem_free(buf->ptr);
    *buf = (keel_buf){ .max_bytes = buf->max_bytes };
}

void keel_buf_clear(keel_buf *buf)
{
    keel_buf_truncate(buf, 0);
}

keel_err *keel_buf_take(keel_buf *buf, char **out, size_t *len)
{
    keel__need(buf != NULL, "keel_buf_take", "buf");
    keel__need(out != NULL, "keel_buf_take", "out");
    *out = NULL;
    if (len != NULL)
        *len = 0;
    if (buf->ptr == NULL) {
        if ((*out = keel_mem_calloc(1, 1)) == NULL)
            return KEEL_ERR_NOMEM;
        return NULL;
    }
    *out = buf->ptr;
    if (len != NULL)
        *len = buf->len;
    *buf = (keel_buf){ .max_bytes = buf->max_bytes };
    return NULL;
}

keel_err *keel_buf_reserve(keel_buf *buf, size_t more)
{
    keel__need(buf != NULL, "keel_buf_reserve", "buf");
    return more > 0 ? need(buf, more, NULL) : NULL;
}

char *keel_buf_room(keel_buf *buf, size_t *size)
{
    keel__need(buf != NULL, "keel_buf_room", "buf");
    keel__need(size != NULL, "keel_buf_room", "size");
    *size = buf->ptr != NULL ? buf->cap - buf->len - 1 : 0;
    return buf->ptr != NULL ? buf->ptr + buf->len : NULL;
}

void keel_buf_advance(keel_buf *buf, size_t written)
{
    size_t room;

    keel_buf_room(buf, &room);
    if (written > room)
        keel__misuse("keel_buf_advance: %zu bytes, where there is room for %zu", written, room);
    if (written > 0)
        set_len(buf, buf->len + written);
}

void keel_buf_truncate(keel_buf *buf, size_t len)
{
    keel__need(buf != NULL, "keel_buf_truncate", "buf");
    if (len < buf->len)
        set_len(buf, len);
}

void keel_buf_drop(keel_buf *buf, size_t count)
{
    keel__need(buf != NULL, "keel_buf_drop", "buf");
    if (count >= buf->len) {
        keel_buf_truncate(buf, 0);
        return;
    }
    memmove(buf->ptr, buf->ptr + count, buf->len - count);
    set_len(buf, buf->len - count);
}

/* ---- Bytes ---- */

keel_err *keel_buf_append(keel_buf *buf, const void *bytes, size_t count)
{
    const char *source = bytes;

    keel__need(buf != NULL, "keel_buf_append", "buf");
    keel__need(bytes != NULL || count == 0, "keel_buf_append", "bytes");
    if (count == 0)
        return NULL;
    KEEL_TRY(need(buf, count, &source));
    memcpy(buf->ptr + buf->len, source, count);
    set_len(buf, buf->len + count);
    return NULL;
}

keel_err *keel_buf_append_text(keel_buf *buf, const char *text)
{
    keel__need(text != NULL, "keel_buf_append_text", "text");
    return keel_buf_append(buf, text, strlen(text));
}

keel_err *keel_buf_append_str(keel_buf *buf, keel_str str)
{
    return keel_buf_append(buf, str.ptr, str.len);
}

keel_err *keel_buf_append_fill(keel_buf *buf, char byte, size_t count)
{
    keel__need(buf != NULL, "keel_buf_append_fill", "buf");
    if (count == 0)
        return NULL;
    KEEL_TRY(need(buf, count, NULL));
    memset(buf->ptr + buf->len, byte, count);
    set_len(buf, buf->len + count);
    return NULL;
}

keel_err *keel__buf_append_char(keel_buf *buf, char byte)
{
    return keel_buf_append_fill(buf, byte, 1);
}

keel_err *keel_buf_append_utf8(keel_buf *buf, uint32_t character)
{
    char bytes[4];
    size_t count = 0;

    if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF))
        character = 0xFFFD;
    if (character < 0x80) {
        bytes[count++] = (char)character;
    } else if (character < 0x800) {
        bytes[count++] = (char)(0xC0 | character >> 6);
        bytes[count++] = (char)(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        bytes[count++] = (char)(0xE0 | character >> 12);
        bytes[count++] = (char)(0x80 | (character >> 6 & 0x3F));
        bytes[count++] = (char)(0x80 | (character & 0x3F));
    } else {
        bytes[count++] = (char)(0xF0 | character >> 18);
        bytes[count++] = (char)(0x80 | (character >> 12 & 0x3F));
        bytes[count++] = (char)(0x80 | (character >> 6 & 0x3F));
        bytes[count++] = (char)(0x80 | (character & 0x3F));
    }
    return keel_buf_append(buf, bytes, count);
}

keel_err *keel_buf_printf(keel_buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    keel_err *err = keel_buf_vprintf(buf, format, args);
    va_end(args);
    return err;
}

/* The first try may have written over the NUL. */
keel_err *keel_buf_vprintf(keel_buf *buf, const char *format, va_list args)
{
    va_list again;

    keel__need(buf != NULL, "keel_buf_vprintf", "buf");
    keel__need(format != NULL, "keel_buf_vprintf", "format");
    va_copy(again, args);
    size_t room = buf->cap - buf->len;
    int count = vsnprintf(room > 0 ? buf->ptr + buf->len : NULL, room, format, args);
    keel_err *err = count < 0 ? KEEL_ERR_INVAL : NULL;
    if (count > 0 && (size_t)count >= room) {
        err = need(buf, (size_t)count, NULL);
        if (err == NULL)
            vsnprintf(buf->ptr + buf->len, (size_t)count + 1, format, again);
    }
    va_end(again);
    if (buf->ptr != NULL)
        set_len(buf, buf->len + (err == NULL ? (size_t)count : 0));
    return err;
}

/* ---- Numbers ---- */

keel_err *keel_buf_append_i64(keel_buf *buf, int64_t value)
{
    char text[KEEL__I64_BYTES];

    return keel_buf_append(buf, text, (size_t)(keel__put_i64(text, value) - text));
}

keel_err *keel_buf_append_u64(keel_buf *buf, uint64_t value)
{
    char text[KEEL__U64_BYTES];

    return keel_buf_append(buf, text, (size_t)(keel__put_u64(text, value) - text));
}

keel_err *keel_buf_append_hex(keel_buf *buf, uint64_t value, unsigned digits)
{
    char text[16];
    unsigned at = sizeof text;

    if (digits > sizeof text)
        digits = sizeof text;
    do {
        text[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0 || sizeof text - at < digits);
    return keel_buf_append(buf, text + at, sizeof text - at);
}

keel_err *keel_buf_append_double(keel_buf *buf, double value)
{
    char text[KEEL__DOUBLE_BYTES];

    return keel_buf_append(buf, text, (size_t)(keel__put_double(text, value) - text));
}

keel_err *keel_buf_append_fixed(keel_buf *buf, double value, unsigned decimals)
{
    char text[KEEL__FIXED_BYTES];

    return keel_buf_append(buf, text, (size_t)(keel__put_fixed(text, value, decimals) - text));
}

/* ---- JSON ---- */

/* No byte becomes fewer, so that room for what is left is never more than it will need. */
static keel_err *escape(keel_buf *buf, keel_str str)
{
    bool own = holds(buf, str.ptr);
    size_t start = own ? (size_t)(str.ptr - buf->ptr) : 0;
    size_t i = 0;

    while (i < str.len) {
        char special[KEEL__JSON_BYTES];
        size_t used, count;

        count = keel__json_copy(buf->ptr + buf->len, str.ptr + i, str.len - i);
        buf->len += count;
        i += count;
        if (i == str.len)
            break;
        count = (size_t)(keel__json_put(special, str.ptr + i, str.len - i, &used) - special);
        i += used;
        KEEL_TRY(need(buf, count + (str.len - i), NULL));
        if (own)
            str.ptr = buf->ptr + start;
        for (size_t k = 0; k < count; k++)
            buf->ptr[buf->len + k] = special[k];
        buf->len += count;
    }
    return NULL;
}

static keel_err *append_json(keel_buf *buf, keel_str str, size_t quotes)
{
    size_t before = buf->len;

    keel__need(str.ptr != NULL || str.len == 0, "keel_buf_append_json", "str");
    if (str.len > SIZE_MAX - 2)
        return KEEL_ERR_NOMEM;
    if (str.len + quotes == 0)
        return NULL;
    KEEL_TRY(need(buf, str.len + quotes, &str.ptr));
    if (quotes > 0)
        buf->ptr[buf->len++] = '"';
    keel_err *err = escape(buf, str);
    if (err == NULL && quotes > 0) {
        err = need(buf, 1, NULL);
        if (err == NULL)
            buf->ptr[buf->len++] = '"';
    }
    set_len(buf, err == NULL ? buf->len : before);
    return err;
}

keel_err *keel_buf_append_json(keel_buf *buf, keel_str str)
{
    keel__need(buf != NULL, "keel_buf_append_json", "buf");
    return append_json(buf, str, 2);
}

keel_err *keel_buf_append_json_inside(keel_buf *buf, keel_str str)
{
    keel__need(buf != NULL, "keel_buf_append_json_inside", "buf");
    return append_json(buf, str, 0);
}

keel_err *keel_buf_append_json_double(keel_buf *buf, double value)
{
    if (!isfinite(value))
        return keel_buf_append(buf, "null", 4);
    return keel_buf_append_double(buf, value);
}
