/* SPDX-License-Identifier: MIT */
#include "base/out.h"

#include <string.h>

#include <keel/mem.h>

#include "base/text.h"

/* ---- Bytes ---- */

void keel__out_bytes(keel__out *out, const char *bytes, size_t count)
{
    if (count > 0 && out->length + 1 < out->size) {
        size_t room = out->size - 1 - out->length;
        memcpy(out->buf + out->length, bytes, count < room ? count : room);
    }
    out->length += count;
}

void keel__out_raw(keel__out *out, const char *text)
{
    keel__out_bytes(out, text, strlen(text));
}

size_t keel__out_finish(const keel__out *out)
{
    if (out->size > 0)
        out->buf[out->length < out->size ? out->length : out->size - 1] = '\0';
    return out->length;
}

void keel__out_count(keel__out *out, size_t count)
{
    char digits[KEEL__U64_BYTES];

    keel__out_bytes(out, digits, (size_t)(keel__put_u64(digits, count) - digits));
}

/* ---- JSON strings ---- */

void keel__out_escaped(keel__out *out, const char *bytes, size_t count)
{
    char piece[KEEL__JSON_BYTES];
    size_t at = 0, used;

    while (at < count) {
        size_t clean = keel__json_clean(bytes + at, count - at);

        keel__out_bytes(out, bytes + at, clean);
        at += clean;
        if (at < count) {
            const char *end = keel__json_put(piece, bytes + at, count - at, &used);

            keel__out_bytes(out, piece, (size_t)(end - piece));
            at += used;
        }
    }
}

void keel__out_put_bytes(keel__out *out, const char *bytes, size_t count)
{
    if (out->escape)
        keel__out_escaped(out, bytes, count);
    else
        keel__out_bytes(out, bytes, count);
}

void keel__out_put(keel__out *out, const char *text)
{
    keel__out_put_bytes(out, text, strlen(text));
}

/* ---- Texts of objects ---- */

/* What must be escaped needs a place of its own: the stack's if it is short. Without memory for a long one,
 * its beginning has to do. Not inlined: a frame of its own that is gone before the next item of a join. */
static __attribute__((noinline)) void put_object_escaped(keel__out *out, keel__out_fn format,
                                                         const void *object, const char *name)
{
    char first[256];
    int length = format(first, sizeof first, object);
    char *all = NULL;

    if (length < 0) {
        keel__out_put(out, name);
        return;
    }
    if ((size_t)length >= sizeof first && (all = keel_mem_alloc((size_t)length + 1)) != NULL)
        format(all, (size_t)length + 1, object);
    keel__out_put(out, all != NULL ? all : first);
    keel_mem_free(all);
}

void keel__out_object(keel__out *out, keel__out_fn format, const void *object, const char *name)
{
    if (out->escape) {
        put_object_escaped(out, format, object, name);
        return;
    }
    size_t room = out->length < out->size ? out->size - out->length : 0;
    int length = format(room > 0 ? out->buf + out->length : NULL, room, object);
    if (length < 0)
        keel__out_put(out, name);
    else
        out->length += (size_t)length;
}
