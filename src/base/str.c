/* SPDX-License-Identifier: MIT */
#include <keel/str.h>

#include <string.h>

#include <keel/mem.h>

#include "base/process.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t shorter(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* memcmp and its like must not get NULL, not even for no bytes. */
static bool same(const char *a, const char *b, size_t len)
{
    return len == 0 || memcmp(a, b, len) == 0;
}

keel_str keel_str_from(const char *text)
{
    return (keel_str){ text, text != NULL ? strlen(text) : 0 };
}

keel_err *keel_str_dup(char **out, keel_str str)
{
    keel__need(out != NULL, "keel_str_dup", "out");
    *out = str.len < SIZE_MAX ? keel_mem_alloc(str.len + 1) : NULL;
    if (*out == NULL)
        return KEEL_ERR_NOMEM;
    if (str.len > 0)
        memcpy(*out, str.ptr, str.len);
    (*out)[str.len] = '\0';
    return NULL;
}

/* ---- Comparing and finding ---- */

static int by_length(keel_str a, keel_str b)
{
    return (a.len > b.len) - (a.len < b.len);
}

bool keel_str_equal(keel_str a, keel_str b)
{
    return a.len == b.len && same(a.ptr, b.ptr, a.len);
}

int keel_str_compare(keel_str a, keel_str b)
{
    size_t len = shorter(a.len, b.len);
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : by_length(a, b);
}

bool keel_str_equal_ignore_case(keel_str a, keel_str b)
{
    return a.len == b.len && keel_str_compare_ignore_case(a, b) == 0;
}

int keel_str_compare_ignore_case(keel_str a, keel_str b)
{
    size_t len = shorter(a.len, b.len);

    for (size_t i = 0; i < len; i++) {
        int order = lower(a.ptr[i]) - lower(b.ptr[i]);
        if (order != 0)
            return order;
    }
    return by_length(a, b);
}

bool keel_str_starts_with(keel_str str, keel_str prefix)
{
    return str.len >= prefix.len && same(str.ptr, prefix.ptr, prefix.len);
}

bool keel_str_ends_with(keel_str str, keel_str suffix)
{
    return keel_str_equal(keel_str_slice(str, str.len - shorter(str.len, suffix.len), suffix.len),
                          suffix);
}

/* The answer of a search that found `place`, or NULL. */
static bool found(keel_str str, const char *place, size_t *at)
{
    if (at != NULL)
        *at = place != NULL ? (size_t)(place - str.ptr) : str.len;
    return place != NULL;
}

bool keel_str_find_byte(keel_str str, char byte, size_t *at)
{
    return found(str, str.len > 0 ? memchr(str.ptr, (unsigned char)byte, str.len) : NULL, at);
}

bool keel_str_find_last_byte(keel_str str, char byte, size_t *at)
{
    size_t end = str.len;

    while (end > 0 && str.ptr[end - 1] != byte)
        end--;
    return found(str, end > 0 ? str.ptr + end - 1 : NULL, at);
}

bool keel_str_find(keel_str str, keel_str what, size_t *at)
{
    if (what.len == 0) {
        if (at != NULL)
            *at = 0;
        return true;
    }
    return found(str, str.len >= what.len ? memmem(str.ptr, str.len, what.ptr, what.len) : NULL,
                 at);
}

/* ---- Taking apart ---- */

keel_str keel_str_slice(keel_str str, size_t from, size_t len)
{
    if (from >= str.len)
        return (keel_str){ "", 0 };
    return (keel_str){ str.ptr + from, shorter(len, str.len - from) };
}

keel_str keel_str_trim(keel_str str)
{
    return keel_str_trim_start(keel_str_trim_end(str));
}

keel_str keel_str_trim_start(keel_str str)
{
    while (str.len > 0 && is_space(*str.ptr)) {
        str.ptr++;
        str.len--;
    }
    return str;
}

keel_str keel_str_trim_end(keel_str str)
{
    while (str.len > 0 && is_space(str.ptr[str.len - 1]))
        str.len--;
    return str;
}

bool keel_str_cut(keel_str str, keel_str separator, keel_str *before, keel_str *after)
{
    size_t at;
    bool cut = keel_str_find(str, separator, &at);

    keel__need(before != NULL, "keel_str_cut", "before");
    keel__need(after != NULL, "keel_str_cut", "after");
    *before = keel_str_slice(str, 0, at);
    *after = cut ? keel_str_slice(str, at + separator.len, str.len) : (keel_str){ "", 0 };
    return cut;
}

bool keel_str_split_next(keel_str_split *split, keel_str *field)
{
    size_t at;

    keel__need(split != NULL, "keel_str_split_next", "split");
    keel__need(field != NULL, "keel_str_split_next", "field");
    if (split->done) {
        *field = (keel_str){ "", 0 };
        return false;
    }
    split->done = !keel_str_find_byte(split->rest, split->separator, &at);
    *field = keel_str_slice(split->rest, 0, at);
    split->rest = keel_str_slice(split->rest, split->done ? at : at + 1, split->rest.len);
    return true;
}

bool keel_str_next_word(keel_str *rest, keel_str *word)
{
    size_t len = 0;

    keel__need(rest != NULL, "keel_str_next_word", "rest");
    keel__need(word != NULL, "keel_str_next_word", "word");
    *rest = keel_str_trim_start(*rest);
    while (len < rest->len && !is_space(rest->ptr[len]))
        len++;
    *word = keel_str_slice(*rest, 0, len);
    *rest = keel_str_slice(*rest, len, rest->len);
    return len > 0;
}
