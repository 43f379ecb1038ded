/* SPDX-License-Identifier: MIT */
#include <keel/err.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <keel/any.h>
#include <keel/mem.h>

#include "base/atomic.h"
#include "base/err.h"
#include "base/process.h"

/* ---- Sentinels ---- */

KEEL_ERR_DEFINE(keel_err_nomem, "out of memory");
KEEL_ERR_DEFINE(keel_err_inval, "invalid argument");
KEEL_ERR_DEFINE(keel_err_range, "out of range");
KEEL_ERR_DEFINE(keel_err_syntax, "syntax error");
KEEL_ERR_DEFINE(keel_err_closed, "closed");
KEEL_ERR_DEFINE(keel_err_cancelled, "context canceled"); /* these two in Go's words */
KEEL_ERR_DEFINE(keel_err_deadline, "context deadline exceeded");
KEEL_ERR_DEFINE(keel_err_no_runtime, "no runtime");
KEEL_ERR_DEFINE(keel_err_limit, "limit reached");
KEEL_ERR_DEFINE(keel_err_busy, "busy");
KEEL_ERR_DEFINE(keel_err_not_found, "not found");
KEEL_ERR_DEFINE(keel_err_exists, "already exists");
KEEL_ERR_DEFINE(keel_err_permission, "permission denied");
KEEL_ERR_DEFINE(keel_err_unsupported, "not supported");
KEEL_ERR_DEFINE(keel_err_interrupted, "interrupted by a signal");
KEEL_ERR_DEFINE(keel_err_timeout, "timed out");
KEEL_ERR_DEFINE(keel_err_refused, "connection refused");
KEEL_ERR_DEFINE(keel_err_reset, "connection reset");
KEEL_ERR_DEFINE(keel_err_unreachable, "unreachable");
KEEL_ERR_DEFINE(keel_err_no_space, "no space left");
KEEL_ERR_DEFINE(keel_err_io, "input/output error");
KEEL_ERR_DEFINE(keel_err_eof, "end of file");
KEEL_ERR_DEFINE(keel_err_unexpected_eof, "unexpected end of file");

/* ---- Making errors ---- */

static void *make(size_t bytes, enum keel__err_kind kind, uint32_t depth, const char *where)
{
    keel_err *err = keel_mem_alloc(bytes);

    if (err != NULL)
        *err = (keel_err){ .keel__refs = { 1 },
                           .keel__kind = (uint32_t)kind | depth << KEEL__ERR_DEPTH_SHIFT,
                           .keel__where = where };
    return err;
}

void keel__err_ellipsis(char *buf, size_t size)
{
    size_t dots = size > 3 ? 3 : size - 1;
    size_t end = size - 1 - dots;

    /* back to the start of the sequence that the dots would cut */
    while (end > 0 && ((unsigned char)buf[end] & 0xC0) == 0x80)
        end--;
    memset(buf + end, '.', dots);
    buf[end + dots] = '\0';
}

/* Writes the decimal digits of `value` before `end`; returns where they start. */
static char *decimal_before(char *end, int value)
{
    unsigned left = value < 0 ? 0u - (unsigned)value : (unsigned)value;

    do
        *--end = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    if (value < 0)
        *--end = '-';
    return end;
}

/* As vsnprintf, for formats of nothing but %s, %d and text, which most are, at half the cost.
 * -1: not such a format, or it does not fit. */
static int format_simple(char *buf, size_t size, const char *format, va_list args)
{
    char digits[12];
    size_t length = 0;

    while (*format != '\0') {
        const char *piece = format;
        size_t count;
        if (format[0] != '%') {
            while (*format != '\0' && *format != '%')
                format++;
            count = (size_t)(format - piece);
        } else if (format[1] == 's') {
            piece = va_arg(args, const char *);
            if (piece == NULL)
                piece = "(null)";
            count = strlen(piece);
            format += 2;
        } else if (format[1] == 'd') {
            piece = decimal_before(digits + sizeof digits, va_arg(args, int));
            count = (size_t)(digits + sizeof digits - piece);
            format += 2;
        } else {
            return -1;
        }
        if (count >= size - length)
            return -1;
        memcpy(buf + length, piece, count);
        length += count;
    }
    return (int)length;
}

/* Makes an error whose text, `head` bytes into it, is what the format gives, and then `tail`, which
 * is short. NULL: out of memory. Texts are mostly short as well: they are formatted once, on the
 * stack, which may be a task's and is therefore used with care. */
static void *make_text(size_t head, enum keel__err_kind kind, const char *where, const char *tail,
                       const char *format, va_list args)
{
    char first[256];
    size_t tail_length = strlen(tail);
    size_t room = KEEL__ERR_TEXT_MAX - 1 - tail_length;
    va_list again, simple;

    va_copy(again, args);
    va_copy(simple, args);
    int formatted = format_simple(first, sizeof first, format, simple);
    va_end(simple);
    if (formatted < 0)
        formatted = vsnprintf(first, sizeof first, format, args);
    if (formatted < 0) /* a %ls that is none; what the caller wrote still says the most */
        formatted = snprintf(first, sizeof first, "%.*s", (int)sizeof first - 1, format);

    size_t length = (size_t)formatted <= room ? (size_t)formatted : room;
    keel_err *err = make(head + length + tail_length + 1, kind, 0, where);
    if (err != NULL) {
        char *text = (char *)err + head;
        if (length < sizeof first) {
            memcpy(text, first, length);
        } else {
            vsnprintf(text, length + 1, format, again);
            if (length < (size_t)formatted) {
                keel__err_ellipsis(text, length + 1);
                length = strlen(text);
            }
        }
        memcpy(text + length, tail, tail_length + 1);
        err->keel__text = text;
    }
    va_end(again);
    return err;
}

keel_err *keel_err_new_at(const char *where, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    keel_err *err =
        make_text(offsetof(keel__err_text, text), KEEL__ERR_TEXT, where, "", format, args);
    va_end(args);
    return err != NULL ? err : KEEL_ERR_NOMEM;
}

keel_err *keel_err_wrap_at(const char *where, keel_err *err, const char *format, ...)
{
    va_list args;

    if (err == NULL)
        return NULL;
    va_start(args, format);
    keel__err_wrap *wrap =
        make_text(offsetof(keel__err_wrap, text), KEEL__ERR_WRAP, where, "", format, args);
    va_end(args);
    if (wrap == NULL)
        return err;
    wrap->cause = err;
    wrap->head.keel__kind |= keel__err_depth(err) << KEEL__ERR_DEPTH_SHIFT;
    return &wrap->head;
}

keel_err *keel_err_from_errno_at(const char *where, int code, const char *format, ...)
{
    char buf[128];
    char tail[sizeof buf + 2];
    keel_err *sentinel;
    va_list args;

    if (code < 0)
        code = code == INT_MIN ? INT_MAX : -code;
    snprintf(tail, sizeof tail, "%s%s", format[0] != '\0' ? ": " : "",
             keel__errno_describe(code, buf, sizeof buf, &sentinel));

    va_start(args, format);
    keel__err_errno *err =
        make_text(offsetof(keel__err_errno, text), KEEL__ERR_ERRNO, where, tail, format, args);
    va_end(args);
    if (err == NULL)
        return sentinel;
    err->sentinel = sentinel;
    err->code = code;
    return &err->head;
}

keel_err *keel_err_new_typed(const char *where, const keel_err_type *type, const void *payload)
{
    keel__need(type != NULL, "keel_err_new_typed", "type");
    keel__need(payload != NULL, "keel_err_new_typed", "payload");
    keel__err_typed *err =
        make(offsetof(keel__err_typed, payload) + type->size, KEEL__ERR_TYPED, 0, where);

    if (err == NULL) {
        if (type->free != NULL) {
            /* The caller's copy: it is const because it is only read on every other way out. */
            type->free((void *)(uintptr_t)payload);
        }
        return KEEL_ERR_NOMEM;
    }
    err->type = type;
    memcpy(err->payload, payload, type->size);
    return &err->head;
}

/* ---- Fields ---- */

/* The bytes that a value refers to and that an error keeps behind its key, with a NUL. */
static size_t tail_bytes(keel_any value)
{
    bool some = keel_any_kind(value) == KEEL_ANY_STR || keel_any_kind(value) == KEEL_ANY_BYTES;

    return some ? value.as.str.len + 1 : 0;
}

/* Makes the value the error's own; `tail` has room for its bytes. False: out of memory. */
static bool own(keel_any *value, char *tail)
{
    value->keel__owned = false;
    if (tail_bytes(*value) > 0) {
        if (value->as.str.len > 0)
            memcpy(tail, value->as.str.ptr, value->as.str.len);
        tail[value->as.str.len] = '\0';
        value->as.str.ptr = tail;
        value->keel__terminated = true;
        return true;
    }
    return keel_any_dup(value, *value) == NULL;
}

keel_err *keel_err_with_at(const char *where, keel_err *err, const char *key, keel_any value)
{
    keel__need(key != NULL, "keel_err_with", "key");
    if (err == NULL)
        return NULL;
    size_t key_size = strlen(key) + 1, tail = tail_bytes(value);
    if (tail > PTRDIFF_MAX - key_size - sizeof(keel__err_field))
        return err;

    keel__err_field *field = make(offsetof(keel__err_field, text) + key_size + tail,
                                  KEEL__ERR_FIELD, keel__err_depth(err), where);
    if (field == NULL)
        return err;
    memcpy(field->text, key, key_size);
    field->head.keel__text = field->text;
    field->cause = err;
    field->value = value;
    if (!own(&field->value, field->text + key_size)) {
        keel_mem_free(field);
        return err;
    }
    return &field->head;
}

bool keel_err_field(const keel_err *err, const char *key, keel_any *out)
{
    keel__need(key != NULL, "keel_err_field", "key");
    keel__need(out != NULL, "keel_err_field", "out");
    *out = keel_any_none();
    if (err == NULL)
        return false;
    for (; keel__err_is_link(err); err = keel__err_below(err)) {
        if (keel__err_kind(err) == KEEL__ERR_FIELD && strcmp(err->keel__text, key) == 0) {
            *out = keel_any_borrow(((const keel__err_field *)err)->value);
            return true;
        }
    }
    for (size_t i = 0; i < keel_err_join_count(err); i++) {
        if (keel_err_field(keel_err_join_get(err, i), key, out))
            return true;
    }
    return false;
}

/* ---- Joining ---- */

static bool is_join(const keel_err *err)
{
    return keel__err_kind(err) == KEEL__ERR_JOIN;
}

/* Whether it is the caller's alone, and may be changed. Nobody can get a second reference to it
 * meanwhile: the only one is here. */
static bool is_sole(keel_err *err)
{
    return keel__load(&err->keel__refs) == 1;
}

/* Whether it can be an item of a join. */
static bool fits(const keel_err *err)
{
    return keel__err_depth(err) + (is_join(err) ? 0 : 1) <= KEEL_ERR_JOIN_DEPTH;
}

/* Takes `item`, which is no join, and puts it at `index`; what finds no place is counted. */
static void insert(keel__err_join *join, size_t index, keel_err *item)
{
    if (index == KEEL_ERR_JOIN_MAX || !fits(item)) {
        keel_err_free(item);
        join->more++;
        return;
    }
    if (join->count == KEEL_ERR_JOIN_MAX) {
        keel_err_free(join->items[--join->count]);
        join->more++;
    }
    memmove(&join->items[index + 1], &join->items[index],
            (join->count - index) * sizeof join->items[0]);
    join->items[index] = item;
    join->count++;

    uint32_t depth = keel__err_depth(item) + 1;
    if (depth > keel__err_depth(&join->head))
        join->head.keel__kind = (uint32_t)KEEL__ERR_JOIN | depth << KEEL__ERR_DEPTH_SHIFT;
}

/* Takes `err`, and adds it, or the errors it joins, at the end. */
static void append(keel__err_join *join, keel_err *err)
{
    if (!is_join(err)) {
        insert(join, join->count, err);
        return;
    }
    const keel__err_join *from = (const keel__err_join *)err;
    for (size_t i = 0; i < from->count; i++)
        insert(join, join->count, keel_err_retain(from->items[i]));
    join->more += from->more;
    keel_err_free(err);
}

keel_err *keel_err_join(keel_err *a, keel_err *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;

    if (!fits(a)) {
        keel_err_free(b);
        return a;
    }
    if (is_join(a) && is_sole(a)) {
        append((keel__err_join *)a, b);
        return a;
    }
    if (!is_join(a) && is_join(b) && is_sole(b)) {
        insert((keel__err_join *)b, 0, a);
        return b;
    }
    keel__err_join *join = make(sizeof *join, KEEL__ERR_JOIN, 1, NULL);
    if (join == NULL) {
        keel_err_free(b);
        return a;
    }
    join->count = join->more = 0;
    append(join, a);
    append(join, b);
    return &join->head;
}

/* ---- Asking ----
 *
 * All of these follow causes in a loop, and recurse for the items of a join only. */

bool keel_err_is(const keel_err *err, const keel_err *target)
{
    if (err == NULL || target == NULL)
        return err == target;
    while (err != target && keel__err_is_link(err))
        err = keel__err_below(err);
    if (err == target)
        return true;

    if (keel__err_kind(err) == KEEL__ERR_ERRNO)
        return ((const keel__err_errno *)err)->sentinel == target;
    if (keel__err_kind(err) == KEEL__ERR_TYPED) {
        const keel__err_typed *typed = (const keel__err_typed *)err;
        return typed->type->is != NULL && typed->type->is(typed->payload, target);
    }
    for (size_t i = 0; i < keel_err_join_count(err); i++) {
        if (keel_err_is(keel_err_join_get(err, i), target))
            return true;
    }
    return false;
}

/* Where the causes end: never a wrap, nor a field. */
static const keel_err *innermost(const keel_err *err)
{
    while (keel__err_is_link(err))
        err = keel__err_below(err);
    return err;
}

const void *keel_err_as(const keel_err *err, const keel_err_type *type)
{
    if (err == NULL)
        return NULL;
    err = innermost(err);
    if (keel__err_kind(err) == KEEL__ERR_TYPED) {
        const keel__err_typed *typed = (const keel__err_typed *)err;
        return typed->type == type ? typed->payload : NULL;
    }
    for (size_t i = 0; i < keel_err_join_count(err); i++) {
        const void *payload = keel_err_as(keel_err_join_get(err, i), type);
        if (payload != NULL)
            return payload;
    }
    return NULL;
}

const keel_err *keel_err_unwrap(const keel_err *err)
{
    if (err == NULL)
        return NULL;
    err = keel__err_bare(err);
    return keel__err_kind(err) == KEEL__ERR_WRAP ? keel__err_below(err) : NULL;
}

size_t keel_err_join_count(const keel_err *err)
{
    if (err == NULL)
        return 0;
    err = keel__err_bare(err);
    return is_join(err) ? ((const keel__err_join *)err)->count : 0;
}

const keel_err *keel_err_join_get(const keel_err *err, size_t index)
{
    if (index >= keel_err_join_count(err))
        return NULL;
    return ((const keel__err_join *)keel__err_bare(err))->items[index];
}

const char *keel_err_where(const keel_err *err)
{
    const char *where = NULL;

    for (; err != NULL; err = keel__err_below(err)) {
        if (keel__err_kind(err) != KEEL__ERR_FIELD)
            return err->keel__where != NULL ? err->keel__where : where;
        where = err->keel__where;
    }
    return NULL;
}

int keel_err_errno(const keel_err *err)
{
    int code = 0;

    if (err == NULL)
        return 0;
    err = innermost(err);
    if (keel__err_kind(err) == KEEL__ERR_ERRNO)
        return ((const keel__err_errno *)err)->code;
    for (size_t i = 0; i < keel_err_join_count(err) && code == 0; i++)
        code = keel_err_errno(keel_err_join_get(err, i));
    return code;
}

/* ---- Owning ---- */

keel_err *keel_err_retain(const keel_err *err)
{
    /* Errors are const to those who only read them; the count is not part of what they read. */
    keel_err *mine = (keel_err *)(uintptr_t)err;

    if (mine != NULL && keel__load_relaxed(&mine->keel__refs) != 0)
        keel__add_relaxed(&mine->keel__refs, 1);
    return mine;
}

/* Gives up one reference. If it was the last, puts the error before `dead`, a list of errors still
 * to be taken apart. Nobody asks them any more where they were made: that field is the link. */
static keel_err *drop(keel_err *err, keel_err *dead)
{
    if (keel__load_relaxed(&err->keel__refs) == 0)
        return dead;
    if (!is_sole(err) && keel__sub(&err->keel__refs, 1) != 1)
        return dead;
    err->keel__where = (const char *)dead;
    return err;
}

/* What a field owns. An error among that may have fields in turn, and so on: it goes on the list. */
static keel_err *drop_field(keel__err_field *field, keel_err *dead)
{
    dead = drop(field->cause, dead);
    if (keel_any_kind(field->value) == KEEL_ANY_ERR)
        return drop((keel_err *)(uintptr_t)field->value.as.err, dead);
    keel_any_deinit(&field->value);
    return dead;
}

void keel_err_free(keel_err *err)
{
    if (err == NULL)
        return;
    keel_err *dead = drop(err, NULL);
    while (dead != NULL) {
        err = dead;
        dead = (keel_err *)(uintptr_t)err->keel__where;

        if (keel__err_kind(err) == KEEL__ERR_WRAP) {
            dead = drop(((keel__err_wrap *)err)->cause, dead);
        } else if (keel__err_kind(err) == KEEL__ERR_FIELD) {
            dead = drop_field((keel__err_field *)err, dead);
        } else if (keel__err_kind(err) == KEEL__ERR_TYPED) {
            keel__err_typed *typed = (keel__err_typed *)err;
            if (typed->type->free != NULL)
                typed->type->free(typed->payload);
        } else if (is_join(err)) {
            keel__err_join *join = (keel__err_join *)err;
            for (size_t i = 0; i < join->count; i++)
                dead = drop(join->items[i], dead);
        }
        keel_mem_free(err);
    }
}

/* An error with a text points into itself, which nothing else in memory does at that place. */
const keel_err *keel__err_at(const void *ptr, size_t size)
{
    const keel_err *err = ptr;
    size_t offset = 0;

    if (size <= sizeof *err)
        return NULL;
    switch (keel__err_kind(err)) {
    case KEEL__ERR_TEXT:
        offset = offsetof(keel__err_text, text);
        break;
    case KEEL__ERR_WRAP:
        offset = offsetof(keel__err_wrap, text);
        break;
    case KEEL__ERR_FIELD:
        offset = offsetof(keel__err_field, text);
        break;
    case KEEL__ERR_ERRNO:
        offset = offsetof(keel__err_errno, text);
        break;
    default:
        break;
    }
    return offset != 0 && err->keel__text == (const char *)err + offset ? err : NULL;
}
