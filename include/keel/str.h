/* SPDX-License-Identifier: MIT */
#ifndef KEEL_STR_H
#define KEEL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * A string view: some bytes of somebody else's, passed by value. It ends where `len` says and needs no
 * NUL; it may hold NULs. A zeroed struct is the empty string, and `ptr` may be NULL only in an empty one.
 * Nothing here allocates but keel_str_dup, and errors' texts.
 *
 * A view is valid as long as the bytes are. Case and white space are those of ASCII, whatever the locale.
 *
 * Threads: any; a view is a value.
 */
typedef struct keel_str {
    const char *ptr;
    size_t len;
} keel_str;

/** The view of a string literal; KEEL_STR_INIT is the same as the initialiser of a static object. */
#ifdef __cplusplus
#define KEEL_STR(literal) (keel_str KEEL_STR_INIT(literal))
#else
#define KEEL_STR(literal) ((keel_str)KEEL_STR_INIT(literal))
#endif
#define KEEL_STR_INIT(literal)                                                                     \
    {                                                                                              \
        "" literal "", sizeof(literal) - 1                                                         \
    }

/** For printf: `printf("got " KEEL_STR_FMT "\n", KEEL_STR_ARG(name))`. Evaluates `str` more than once;
 * a NUL in it ends what is printed. */
#define KEEL_STR_FMT "%.*s"
#define KEEL_STR_ARG(str)                                                                          \
    (int)((str).len < INT32_MAX ? (str).len : INT32_MAX), ((str).len > 0 ? (str).ptr : "")

/** The view of a C string, without its NUL; of NULL, the empty one. */
keel_str keel_str_from(const char *text);

/** A copy that ends in a NUL, in *out: yours, to be freed with keel_mem_free. Errors: KEEL_ERR_NOMEM. */
KEEL_NODISCARD keel_err *keel_str_dup(char **out, keel_str str);

/* ---- Comparing and finding ---- */

bool keel_str_equal(keel_str a, keel_str b);

/** Less than, equal to or greater than 0, as the bytes of `a` sort against those of `b`. */
int keel_str_compare(keel_str a, keel_str b);

/** The same with A to Z taken for a to z. */
bool keel_str_equal_ignore_case(keel_str a, keel_str b);
int keel_str_compare_ignore_case(keel_str a, keel_str b);

bool keel_str_starts_with(keel_str str, keel_str prefix);
bool keel_str_ends_with(keel_str str, keel_str suffix);

/** Finds the first (or last) place of a byte, or the first of a string; the empty one is found at 0.
 * *at, which may be NULL, is `str.len` where there is none. Cost: O(str.len + what.len). */
bool keel_str_find_byte(keel_str str, char byte, size_t *at);
bool keel_str_find_last_byte(keel_str str, char byte, size_t *at);
bool keel_str_find(keel_str str, keel_str what, size_t *at);

/* ---- Taking apart ---- */

/** At most `len` bytes from `from` on: as much of that as there is. */
keel_str keel_str_slice(keel_str str, size_t from, size_t len);

/** Without the white space (blank, \t \n \v \f \r) at both ends, the start, or the end. */
keel_str keel_str_trim(keel_str str);
keel_str keel_str_trim_start(keel_str str);
keel_str keel_str_trim_end(keel_str str);

/**
 * Cuts at the first separator: true, and what is before and after it; or false, `str` and the empty string.
 * Source: Go's strings.Cut.
 */
bool keel_str_cut(keel_str str, keel_str separator, keel_str *before, keel_str *after);

/**
 * The fields between separators, one after the other:
 *
 *     keel_str_split split = { .rest = line, .separator = ',' };
 *     for (keel_str field; keel_str_split_next(&split, &field);)
 *         ...
 *
 * n separators make n + 1 fields, so that the empty string has one, empty. After the last, `field` is empty.
 * Source: Go's strings.Split.
 */
typedef struct keel_str_split {
    keel_str rest;
    char separator;
    bool done; /**< The last field was given. */
} keel_str_split;

bool keel_str_split_next(keel_str_split *split, keel_str *field);

/** Takes the next word, made of anything but white space, off the front of *rest; false after the last.
 * Source: Go's strings.Fields. */
bool keel_str_next_word(keel_str *rest, keel_str *word);

/* ---- Numbers ---- */

/**
 * Reads a whole number from `min` to `max`: decimal digits, for keel_str_to_i64 with a sign or none before
 * them. The number must be all there is. The `_base` ones read base 2 to 36, either case; 0 reads
 * 0x, 0o and 0b as 16, 8 and 2, and what has none as 10.
 *
 * Errors: KEEL_ERR_SYNTAX, KEEL_ERR_RANGE with the text and the range; KEEL_ERR_INVAL for another base.
 *         *out is then 0.
 * Source: Go's strconv.ParseInt and ParseUint, without underscores.
 */
KEEL_NODISCARD keel_err *keel_str_to_i64(keel_str str, int64_t min, int64_t max, int64_t *out);
KEEL_NODISCARD keel_err *keel_str_to_u64(keel_str str, uint64_t min, uint64_t max, uint64_t *out);
KEEL_NODISCARD keel_err *keel_str_to_i64_base(keel_str str, int base, int64_t min, int64_t max,
                                              int64_t *out);
KEEL_NODISCARD keel_err *keel_str_to_u64_base(keel_str str, int base, uint64_t min, uint64_t max,
                                              uint64_t *out);

/**
 * Reads a decimal number such as `-12.5`, `.5`, `3.` or `6.02e23`, of any length, from `min` to `max`
 * (-DBL_MAX to DBL_MAX: any). The double nearest to it, whatever the locale; too small a number is 0.
 *
 * Errors: KEEL_ERR_SYNTAX, for infinity and NaN too; KEEL_ERR_RANGE. *out is then 0.
 */
KEEL_NODISCARD keel_err *keel_str_to_double(keel_str str, double min, double max, double *out);

/* ---- UTF-8 ---- */

/**
 * Whether `str` is well-formed UTF-8. *bad, which may be NULL, is where the first ill-formed sequence
 * begins, or one that is cut off at the end; `str.len` if there is none.
 *
 * Source: The Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
bool keel_str_is_utf8(keel_str str, size_t *bad);

/**
 * Reads the first character and returns its bytes, 1 to 4. Of an ill-formed one *character is U+FFFD and
 * the answer 1 (a real U+FFFD has 3); of an empty string they are 0 and 0.
 *
 * Source: Go's utf8.DecodeRuneInString.
 */
size_t keel_str_decode(keel_str str, uint32_t *character);

KEEL_END_DECLS

#endif /* KEEL_STR_H */
