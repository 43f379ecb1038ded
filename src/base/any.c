/* SPDX-License-Identifier: MIT */
#include <keel/any.h>

#include <assert.h>
#include <math.h>

#include <keel/mem.h>

#include "base/out.h"
#include "base/process.h"
#include "base/text.h"

static_assert(sizeof(keel_any) <= 8 + 2 * sizeof(void *), "a value is passed by value");

const char *keel_any_name(keel_any v)
{
    static const char *const names[] = {
        [KEEL_ANY_NONE] = "none",   [KEEL_ANY_BOOL] = "bool",     [KEEL_ANY_I64] = "int64",
        [KEEL_ANY_U64] = "uint64",  [KEEL_ANY_DOUBLE] = "double", [KEEL_ANY_STR] = "string",
        [KEEL_ANY_BYTES] = "bytes", [KEEL_ANY_ERR] = "error",
    };

    return keel_any_kind(v) == KEEL_ANY_PTR ? v.as.ptr.type->name : names[v.keel__kind];
}

/* ---- Asking ---- */

bool keel_any_get_bool(keel_any v, bool *out)
{
    bool is = keel_any_kind(v) == KEEL_ANY_BOOL;

    *out = is && v.as.boolean;
    return is;
}

/* Whether a double is exactly a whole number in [low, end). Not -0.0, whose sign would be lost. */
static bool is_whole(double value, double low, double end)
{
    if (!(value >= low && value < end) || (value == 0 && signbit(value)))
        return false;
    return value < 0 ? (double)(int64_t)value == value : (double)(uint64_t)value == value;
}

/* 2^63 and 2^64, which a double can hold; what the integers hold ends just before. */
static const double end_of_i64 = 9223372036854775808.0, end_of_u64 = 18446744073709551616.0;

bool keel_any_get_i64(keel_any v, int64_t *out)
{
    *out = 0;
    switch (keel_any_kind(v)) {
    case KEEL_ANY_I64:
        *out = v.as.i64;
        return true;
    case KEEL_ANY_U64:
        if (v.as.u64 > INT64_MAX)
            return false;
        *out = (int64_t)v.as.u64;
        return true;
    case KEEL_ANY_DOUBLE:
        if (!is_whole(v.as.real, -end_of_i64, end_of_i64))
            return false;
        *out = (int64_t)v.as.real;
        return true;
    default:
        return false;
    }
}

bool keel_any_get_u64(keel_any v, uint64_t *out)
{
    *out = 0;
    switch (keel_any_kind(v)) {
    case KEEL_ANY_U64:
        *out = v.as.u64;
        return true;
    case KEEL_ANY_I64:
        if (v.as.i64 < 0)
            return false;
        *out = (uint64_t)v.as.i64;
        return true;
    case KEEL_ANY_DOUBLE:
        if (!is_whole(v.as.real, 0, end_of_u64))
            return false;
        *out = (uint64_t)v.as.real;
        return true;
    default:
        return false;
    }
}

bool keel_any_get_double(keel_any v, double *out)
{
    double real = 0;
    bool exact;

    /* an integer was rounded if it does not come back; up to the end of its range, say INT64_MAX, it
     * must not even be tried */
    switch (keel_any_kind(v)) {
    case KEEL_ANY_DOUBLE:
        real = v.as.real;
        exact = true;
        break;
    case KEEL_ANY_I64:
        real = (double)v.as.i64;
        exact = real < end_of_i64 && (int64_t)real == v.as.i64;
        break;
    case KEEL_ANY_U64:
        real = (double)v.as.u64;
        exact = real < end_of_u64 && (uint64_t)real == v.as.u64;
        break;
    default:
        exact = false;
    }
    *out = exact ? real : 0;
    return exact;
}

bool keel_any_get_err(keel_any v, const keel_err **out)
{
    bool is = keel_any_kind(v) == KEEL_ANY_ERR;

    *out = is ? v.as.err : NULL;
    return is;
}

bool keel_any_get_str(keel_any v, keel_str *out)
{
    bool is = keel_any_kind(v) == KEEL_ANY_STR;

    *out = is ? v.as.str : (keel_str){ 0 };
    return is;
}

bool keel_any_get_bytes(keel_any v, const void **out, size_t *count)
{
    bool is = keel_any_kind(v) == KEEL_ANY_STR || keel_any_kind(v) == KEEL_ANY_BYTES;

    *out = is ? v.as.str.ptr : NULL;
    *count = is ? v.as.str.len : 0;
    return is;
}

bool keel_any_get_text(keel_any v, const char **out)
{
    bool is = keel_any_kind(v) == KEEL_ANY_STR && v.keel__terminated &&
              memchr(v.as.str.ptr, '\0', v.as.str.len) == NULL;

    *out = is ? v.as.str.ptr : NULL;
    return is;
}

bool keel_any_eq(keel_any a, keel_any b)
{
    if (a.keel__kind != b.keel__kind)
        return false;
    switch (keel_any_kind(a)) {
    case KEEL_ANY_NONE:
        return true;
    case KEEL_ANY_BOOL:
        return a.as.boolean == b.as.boolean;
    case KEEL_ANY_I64:
        return a.as.i64 == b.as.i64;
    case KEEL_ANY_U64:
        return a.as.u64 == b.as.u64;
    case KEEL_ANY_DOUBLE:
        return a.as.real == b.as.real;
    case KEEL_ANY_STR:
    case KEEL_ANY_BYTES:
        return a.as.str.len == b.as.str.len &&
               (a.as.str.len == 0 || memcmp(a.as.str.ptr, b.as.str.ptr, a.as.str.len) == 0);
    case KEEL_ANY_ERR:
        return a.as.err == b.as.err;
    case KEEL_ANY_PTR:
        return a.as.ptr.object == b.as.ptr.object && a.as.ptr.type == b.as.ptr.type;
    }
    return false;
}

/* ---- Text ---- */

static void put_hex(keel__out *out, keel_str bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];

        keel__out_bytes(out, (char[]){ digits[byte >> 4], digits[byte & 15] }, 2);
    }
}

/* RFC 4648, section 4. */
static void put_base64(keel__out *out, keel_str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        const unsigned char *at = (const unsigned char *)bytes.ptr + i;
        unsigned bits = (unsigned)at[0] << 16 | (left > 1 ? (unsigned)at[1] << 8 : 0) |
                        (left > 2 ? (unsigned)at[2] : 0);

        keel__out_bytes(out,
                        (char[]){ digits[bits >> 18], digits[bits >> 12 & 63],
                                  left > 1 ? digits[bits >> 6 & 63] : '=',
                                  left > 2 ? digits[bits & 63] : '=' },
                        4);
    }
}

static void put_ptr(keel__out *out, keel_any v)
{
    const keel_any_type *type = v.as.ptr.type;

    if (type->format != NULL) {
        keel__out_object(out, type->format, v.as.ptr.object, type->name);
        return;
    }
    keel__out_put(out, "<");
    keel__out_put(out, type->name);
    keel__out_put(out, ">");
}

static void put_digits(keel__out *out, const char *digits, const char *end)
{
    keel__out_bytes(out, digits, (size_t)(end - digits));
}

static void put_value(keel__out *out, keel_any v)
{
    char digits[KEEL__DOUBLE_BYTES]; /* the longest of the three */

    switch (keel_any_kind(v)) {
    case KEEL_ANY_NONE:
        keel__out_raw(out, "none");
        break;
    case KEEL_ANY_BOOL:
        keel__out_raw(out, v.as.boolean ? "true" : "false");
        break;
    case KEEL_ANY_I64:
        put_digits(out, digits, keel__put_i64(digits, v.as.i64));
        break;
    case KEEL_ANY_U64:
        put_digits(out, digits, keel__put_u64(digits, v.as.u64));
        break;
    case KEEL_ANY_DOUBLE:
        put_digits(out, digits, keel__put_double(digits, v.as.real));
        break;
    case KEEL_ANY_STR:
        keel__out_put_bytes(out, v.as.str.ptr, v.as.str.len);
        break;
    case KEEL_ANY_BYTES:
        put_hex(out, v.as.str);
        break;
    case KEEL_ANY_ERR:
        keel__out_err(out, v.as.err);
        break;
    case KEEL_ANY_PTR:
        put_ptr(out, v);
        break;
    }
}

void keel__out_any_json(keel__out *out, keel_any v)
{
    bool escape = out->escape;

    switch (keel_any_kind(v)) {
    case KEEL_ANY_STR:
    case KEEL_ANY_BYTES:
    case KEEL_ANY_ERR:
    case KEEL_ANY_PTR:
        keel__out_raw(out, "\"");
        out->escape = true;
        if (keel_any_kind(v) == KEEL_ANY_BYTES)
            put_base64(out, v.as.str);
        else
            put_value(out, v);
        out->escape = escape;
        keel__out_raw(out, "\"");
        break;
    case KEEL_ANY_DOUBLE:
        if (isfinite(v.as.real))
            put_value(out, v);
        else
            keel__out_raw(out, "null");
        break;
    case KEEL_ANY_NONE:
        keel__out_raw(out, "null");
        break;
    default:
        put_value(out, v);
    }
}

size_t keel_any_format(keel_any v, char *buf, size_t size)
{
    keel__out out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_any_format", "buf");
    put_value(&out, v);
    return keel__out_finish(&out);
}

size_t keel_any_json(keel_any v, char *buf, size_t size)
{
    keel__out out = { .buf = buf, .size = size };

    keel__need(buf != NULL || size == 0, "keel_any_json", "buf");
    keel__out_any_json(&out, v);
    return keel__out_finish(&out);
}

/* Measures, then writes: so a buffer that cannot grow stays as it is. */
static keel_err *append(keel_any v, keel_buf *buf,
                        size_t (*write)(keel_any v, char *at, size_t size))
{
    size_t length = write(v, NULL, 0);

    /* a text may be part of the buffer, which moves */
    const bool own = (v.keel__kind == KEEL_ANY_STR || v.keel__kind == KEEL_ANY_BYTES) &&
                     (uintptr_t)v.as.str.ptr - (uintptr_t)buf->ptr < buf->cap;
    const size_t offset = own ? (size_t)(v.as.str.ptr - buf->ptr) : 0;

    KEEL_TRY(keel_buf_reserve(buf, length));
    if (own)
        v.as.str.ptr = buf->ptr + offset;
    write(v, buf->ptr + buf->len, length + 1); /* with the NUL, for which there is always room */
    keel_buf_advance(buf, length);
    return NULL;
}

keel_err *keel_any_append(keel_any v, keel_buf *buf)
{
    keel__need(buf != NULL, "keel_any_append", "buf");
    return append(v, buf, keel_any_format);
}

keel_err *keel_any_append_json(keel_any v, keel_buf *buf)
{
    keel__need(buf != NULL, "keel_any_append_json", "buf");
    return append(v, buf, keel_any_json);
}

/* ---- Owning ---- */

keel_err *keel_any_dup(keel_any *out, keel_any v)
{
    keel__need(out != NULL, "keel_any_dup", "out");
    *out = keel_any_none();
    v.keel__owned = true;
    switch (keel_any_kind(v)) {
    case KEEL_ANY_STR:
    case KEEL_ANY_BYTES: {
        char *copy;
        KEEL_TRY(keel_str_dup(&copy, v.as.str));
        v.as.str.ptr = copy;
        v.keel__terminated = true;
        break;
    }
    case KEEL_ANY_ERR:
        v.as.err = keel_err_retain(v.as.err);
        break;
    case KEEL_ANY_PTR:
        if (v.as.ptr.type->dup == NULL) {
            v.keel__owned = false;
            break;
        }
        v.as.ptr.object = v.as.ptr.type->dup(v.as.ptr.object);
        if (v.as.ptr.object == NULL)
            return KEEL_ERR_NOMEM;
        break;
    default:
        v.keel__owned = false;
    }
    *out = v;
    return NULL;
}

void keel_any_deinit(keel_any *v)
{
    if (v == NULL)
        return;
    if (v->keel__owned) {
        if (keel_any_kind(*v) == KEEL_ANY_ERR)
            keel_err_free((keel_err *)(uintptr_t)v->as.err);
        else if (keel_any_kind(*v) != KEEL_ANY_PTR)
            keel_mem_free((char *)(uintptr_t)v->as.str.ptr);
        else if (v->as.ptr.type->free != NULL)
            v->as.ptr.type->free(v->as.ptr.object);
    }
    *v = keel_any_none();
}
