/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BUF_H
#define KEEL_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/** What a buffer may hold if its max_bytes is 0. */
#define KEEL_BUF_DEFAULT_MAX_BYTES ((size_t)1 << 30)

/**
 * A growing buffer of bytes, and the way to build strings. A zeroed struct is empty.
 *
 *     keel_buf buf = { 0 };
 *     KEEL_TRY(keel_buf_printf(&buf, "%s: ", name));
 *     KEEL_TRY(keel_buf_append_double(&buf, 0.1));
 *     puts(keel_buf_text(&buf));
 *     keel_buf_deinit(&buf);
 *
 * Each function that adds fails with KEEL_ERR_NOMEM, or KEEL_ERR_LIMIT beyond max_bytes, and then leaves
 * the buffer as it was. There is always a NUL behind the bytes. Growing doubles, so that n bytes cost
 * O(n) however they come. What is appended may be part of the buffer itself,
 * but not where printf formats it.
 *
 * Threads: one at a time.
 */
typedef struct keel_buf {
    char *ptr;  /**< The bytes and a NUL; NULL before the first. Valid until the next change. */
    size_t len; /**< How many, without the NUL. */
    size_t cap; /**< Private: bytes at `ptr`, with the NUL's. */
    size_t max_bytes; /**< Most there may be. 0: KEEL_BUF_DEFAULT_MAX_BYTES; KEEL_UNLIMITED: any. */
} keel_buf;

/** Frees the bytes and zeroes the struct but for max_bytes. */
void keel_buf_deinit(keel_buf *buf);

/** Empties the buffer and keeps its memory. */
void keel_buf_clear(keel_buf *buf);

/* ---- Looking ---- */

/** The bytes, borrowed until the next change. */
static inline keel_str keel_buf_str(const keel_buf *buf)
{
    keel_str str = { buf->ptr, buf->len };
    return str;
}

/** The same as a C string: "" if there are none. */
static inline const char *keel_buf_text(const keel_buf *buf)
{
    return buf->ptr != NULL ? buf->ptr : "";
}

/** Hands the bytes over, with a NUL behind them and never NULL: *out is yours, to be freed with
 * keel_mem_free, and *len (may be NULL) is their number. The buffer is then empty. Errors: KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_buf_take(keel_buf *buf, char **out, size_t *len);

/* ---- Room ---- */

/** Makes room for `more` bytes: adding that many will not fail, and not move the bytes. */
KEEL_NODISCARD keel_err *keel_buf_reserve(keel_buf *buf, size_t more);

/** Where `*size` further bytes may be written (see keel_buf_reserve), to be counted by keel_buf_advance;
 * borrowed until the next change. NULL and 0 without any. */
char *keel_buf_room(keel_buf *buf, size_t *size);

/** Counts bytes that were written into the room; aborts if there is not that much. */
void keel_buf_advance(keel_buf *buf, size_t written);

/** Drops bytes from the end, until `len` are left; and the first `count`. No more than there are. */
void keel_buf_truncate(keel_buf *buf, size_t len);
void keel_buf_drop(keel_buf *buf, size_t count);

/* ---- Adding bytes ---- */

KEEL_NODISCARD keel_err *keel_buf_append(keel_buf *buf, const void *bytes, size_t count);
KEEL_NODISCARD keel_err *keel_buf_append_text(keel_buf *buf, const char *text);
KEEL_NODISCARD keel_err *keel_buf_append_str(keel_buf *buf, keel_str str);
KEEL_NODISCARD keel_err *keel_buf_append_fill(keel_buf *buf, char byte, size_t count);

/* The library's own: keel_buf_append_char where there is no room. */
KEEL_NODISCARD keel_err *keel__buf_append_char(keel_buf *buf, char byte);

KEEL_NODISCARD static inline keel_err *keel_buf_append_char(keel_buf *buf, char byte)
{
    if (buf->cap - buf->len < 2) /* 0 - 0 as well */
        return keel__buf_append_char(buf, byte);
    buf->ptr[buf->len++] = byte;
    buf->ptr[buf->len] = '\0';
    return NULL;
}

/** Appends a character in UTF-8; U+FFFD for a surrogate, and for what is above U+10FFFF. */
KEEL_NODISCARD keel_err *keel_buf_append_utf8(keel_buf *buf, uint32_t character);

/** Appends as printf writes, in the locale that is set. Errors: KEEL_ERR_INVAL too, if printf itself fails. */
KEEL_NODISCARD keel_err *keel_buf_printf(keel_buf *buf, const char *format, ...) KEEL_PRINTF(2, 3);
KEEL_NODISCARD keel_err *keel_buf_vprintf(keel_buf *buf, const char *format, va_list args)
    KEEL_PRINTF(2, 0);

/* ---- Adding numbers, whatever the locale ---- */

KEEL_NODISCARD keel_err *keel_buf_append_i64(keel_buf *buf, int64_t value);
KEEL_NODISCARD keel_err *keel_buf_append_u64(keel_buf *buf, uint64_t value);

/** Lower-case hexadecimal digits, at least `digits` of them (up to 16). */
KEEL_NODISCARD keel_err *keel_buf_append_hex(keel_buf *buf, uint64_t value, unsigned digits);

/**
 * Appends the shortest digits that read back as the same double: `0.1`, `-2`, `1e+21`, `5e-324`. Of several
 * as short, the nearest. Without exponent from 1e-6 to below 1e21. `nan`, `inf` and `-inf` for those.
 *
 * Source: R. Giulietti, "The Schubfach way to render doubles", 2020; the form is that of ECMAScript's
 *         Number.toString, but for `-0`.
 */
KEEL_NODISCARD keel_err *keel_buf_append_double(keel_buf *buf, double value);

/** Appends as printf's "%.*f" in the "C" locale, exact, half to even. `decimals` above 17 count as 17. */
KEEL_NODISCARD keel_err *keel_buf_append_fixed(keel_buf *buf, double value, unsigned decimals);

/* ---- Adding JSON ---- */

/**
 * Appends a string with its quotes, or only what stands between them: `"` `\` and control characters
 * escaped, everything else as it is; each byte that is not part of well-formed UTF-8 becomes U+FFFD.
 *
 * Source: RFC 8259, section 7.
 */
KEEL_NODISCARD keel_err *keel_buf_append_json(keel_buf *buf, keel_str str);
KEEL_NODISCARD keel_err *keel_buf_append_json_inside(keel_buf *buf, keel_str str);

/** Appends as keel_buf_append_double, but `null` for NaN and the infinities, which JSON lacks. */
KEEL_NODISCARD keel_err *keel_buf_append_json_double(keel_buf *buf, double value);

KEEL_END_DECLS

#endif /* KEEL_BUF_H */
