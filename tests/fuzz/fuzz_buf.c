/* SPDX-License-Identifier: MIT */

/* Two bytes are an operation on a buffer, and what it appends is often a part of the input, or of the buffer
 * itself: it holds what an array holds that is written by hand, and never more than its limit. */

#include <keel/test.h>

#include <stdio.h>
#include <string.h>

#include <keel/buf.h>

KEEL_FUZZ_SEEDS("", "a1b2c3d4e5f6g7h8", "\x01\x20\x02\x05\x03\x30\x01\x7F\x04\x01\x05\xFF\x01\x50");

#define LIMIT 1000

typedef struct world {
    keel_buf buf;
    char bytes[LIMIT];
    size_t len;
} world;

/* What `err` says and what the limit says agree; then the array grows as well. */
static void grown(world *w, keel_err *err, const char *bytes, size_t count)
{
    if (w->len + count > LIMIT) {
        assert_err(err, KEEL_ERR_LIMIT);
        return;
    }
    assert_ok(err);
    if (count > 0)
        memmove(w->bytes + w->len, bytes, count);
    w->len += count;
}

static void operate(world *w, unsigned what, size_t number, keel_str input)
{
    keel_str part = keel_str_slice(input, number, number);
    keel_str own = keel_str_slice(keel_buf_str(&w->buf), number, number);
    const char *own_model = w->bytes + (number < w->len ? number : w->len);
    char text[8];

    switch (what % 8) {
    case 0:
        keel_buf_truncate(&w->buf, number);
        w->len = number < w->len ? number : w->len;
        break;
    case 1:
        grown(w, keel_buf_append_str(&w->buf, part), part.ptr, part.len);
        break;
    case 2:
        grown(w, keel_buf_append_str(&w->buf, own), own_model, own.len);
        break;
    case 3:
        keel_buf_drop(&w->buf, number);
        w->len -= number < w->len ? number : w->len;
        memmove(w->bytes, own_model, w->len);
        break;
    case 4:
        snprintf(text, sizeof text, "%zu", number);
        grown(w, keel_buf_append_u64(&w->buf, number), text, strlen(text));
        break;
    case 5:
        snprintf(text, sizeof text, "%zu;", number);
        grown(w, keel_buf_printf(&w->buf, "%zu;", number), text, strlen(text));
        break;
    case 6:
        text[0] = (char)number;
        grown(w, keel_buf_append_char(&w->buf, text[0]), text, 1);
        break;
    default: /* "....": clean, as long as it is */
        memset(text, '.', sizeof text);
        text[0] = text[1 + number % 6] = '"';
        grown(w, keel_buf_append_json(&w->buf, (keel_str){ "......", number % 6 }), text,
              2 + number % 6);
        break;
    }
}

KEEL_FUZZ(buf)
{
    static world w;

    memset(&w, 0, sizeof w);
    w.buf.max_bytes = LIMIT;
    for (size_t i = 0; i + 1 < size; i += 2) {
        operate(&w, data[i], data[i + 1], (keel_str){ (const char *)data, size });
        assert_int_equal(w.buf.len, w.len);
        assert_true(w.len == 0 || memcmp(w.buf.ptr, w.bytes, w.len) == 0);
        assert_int_equal(keel_buf_text(&w.buf)[w.len], '\0');
        assert_true(w.buf.cap <= LIMIT + 1);
    }
    keel_buf_deinit(&w.buf);
}
