/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ANY_H
#define KEEL_ANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <keel/buf.h>
#include <keel/err.h>
#include <keel/str.h>

KEEL_BEGIN_DECLS

/**
 * A value that knows its type: what a field of a log or an error and a context's value hold.
 *
 *     keel_any v = keel_any_i64(42);
 *     int64_t n;
 *     if (keel_any_get_i64(v, &n))
 *         ...
 *
 * A small struct, passed by value; all zero is the value "none". Making one allocates nothing and
 * borrows what it refers to: a text, bytes, an error, a pointer. keel_any_dup makes one that owns
 * copies, for keel_any_deinit. A plain copy of the struct is the same value once more: of all copies
 * only one is deinitialised, after the others' last use.
 *
 * By type, in a switch, where `as` has the value:
 *
 *     switch (keel_any_kind(v)) {
 *     case KEEL_ANY_I64:
 *         printf("%" PRId64 "\n", v.as.i64);
 *         break;
 *     case KEEL_ANY_STR:
 *         printf(KEEL_STR_FMT "\n", KEEL_STR_ARG(v.as.str));
 *         break;
 *     default:
 *         return keel_err_new("unsupported type: %s", keel_any_name(v));
 *     }
 *
 * Threads: as any plain struct; what it refers to has rules of its own.
 * Source:  Go's interface{}, type assertion and type switch.
 */
typedef struct keel_any keel_any;

/** What a value is, and which member of `as` has it. */
typedef enum keel_any_kind_of {
    KEEL_ANY_NONE,
    KEEL_ANY_BOOL,   /**< `boolean` */
    KEEL_ANY_I64,    /**< `i64` */
    KEEL_ANY_U64,    /**< `u64` */
    KEEL_ANY_DOUBLE, /**< `real` */
    KEEL_ANY_STR,    /**< `str`, a text */
    KEEL_ANY_BYTES,  /**< `str`, bytes that are none */
    KEEL_ANY_ERR,    /**< `err` */
    KEEL_ANY_PTR,    /**< `ptr`: KEEL_ANY_AS finds out of what */
} keel_any_kind_of;

/** Describes what a pointer points to. One object per type in a process: compared by address. */
typedef struct keel_any_type {
    const char *name; /**< The C name of the type. */
    /** Writes a text as snprintf does, returning the length it needs. NULL: the name alone is shown. */
    int (*format)(char *buf, size_t size, const void *object);
    /** Makes a copy, or another reference, for keel_any_dup; NULL out of memory. Without it, that
     * borrows like any other. */
    void *(*dup)(void *object);
    /** Gives up what `dup` made. NULL: nothing. */
    void (*free)(void *object);
} keel_any_type;

struct keel_any {
    uint8_t keel__kind;
    bool keel__owned;
    bool keel__terminated; /* the text has a NUL behind it */
    union {
        bool boolean;
        int64_t i64;
        uint64_t u64;
        double real;
        keel_str str;
        const keel_err *err;
        struct {
            void *object;
            const keel_any_type *type;
        } ptr;
    } as;
};

/* ---- Making ---- */

static inline keel_any keel__any_of(keel_any_kind_of kind)
{
    keel_any v;

    memset(&v, 0, sizeof v);
    v.keel__kind = (uint8_t)kind;
    return v;
}

static inline keel_any keel_any_none(void)
{
    return keel__any_of(KEEL_ANY_NONE);
}

static inline keel_any keel_any_bool(bool value)
{
    keel_any v = keel__any_of(KEEL_ANY_BOOL);

    v.as.boolean = value;
    return v;
}

static inline keel_any keel_any_i64(int64_t value)
{
    keel_any v = keel__any_of(KEEL_ANY_I64);

    v.as.i64 = value;
    return v;
}

static inline keel_any keel_any_u64(uint64_t value)
{
    keel_any v = keel__any_of(KEEL_ANY_U64);

    v.as.u64 = value;
    return v;
}

static inline keel_any keel_any_double(double value)
{
    keel_any v = keel__any_of(KEEL_ANY_DOUBLE);

    v.as.real = value;
    return v;
}

/** A C string. NULL makes "none". */
static inline keel_any keel_any_text(const char *text)
{
    keel_any v = keel__any_of(text != NULL ? KEEL_ANY_STR : KEEL_ANY_NONE);

    if (text != NULL) {
        v.as.str.ptr = text;
        v.as.str.len = strlen(text);
        v.keel__terminated = true;
    }
    return v;
}

/** A string view. */
static inline keel_any keel_any_str(keel_str str)
{
    keel_any v = keel__any_of(KEEL_ANY_STR);

    v.as.str = str;
    return v;
}

/** Bytes that are no text. */
static inline keel_any keel_any_bytes(const void *bytes, size_t count)
{
    keel_any v = keel__any_of(KEEL_ANY_BYTES);

    v.as.str.ptr = (const char *)bytes;
    v.as.str.len = count;
    return v;
}

/** An error. NULL makes "none". */
static inline keel_any keel_any_err(const keel_err *err)
{
    keel_any v = keel__any_of(err != NULL ? KEEL_ANY_ERR : KEEL_ANY_NONE);

    v.as.err = err;
    return v;
}

/** A pointer with its type: KEEL_ANY_PTR checks that they fit. NULL makes "none". */
static inline keel_any keel_any_ptr(void *object, const keel_any_type *type)
{
    keel_any v = keel__any_of(object != NULL ? KEEL_ANY_PTR : KEEL_ANY_NONE);

    if (object != NULL) {
        v.as.ptr.object = object;
        v.as.ptr.type = type;
    }
    return v;
}

/**
 * Describes a type that values point to, at file level, once in a program:
 *
 *     KEEL_ANY_TYPE(user);
 *     ...
 *     keel_any v = KEEL_ANY_PTR(user, &someone);
 *     user *u = KEEL_ANY_AS(v, user);
 *
 * KEEL_ANY_TYPE_FULL also takes the `format`, `dup` and `free` of keel_any_type. KEEL_ANY_TYPE_DECLARE
 * is for a header; KEEL_ANY_TYPE_STATIC for a type that no other file needs.
 */
#define KEEL_ANY_TYPE(type) KEEL_ANY_TYPE_FULL(type, NULL, NULL, NULL)
#define KEEL_ANY_TYPE_FULL(type, format, dup, free)                                                \
    KEEL_ANY_TYPE_DECLARE(type);                                                                   \
    const keel_any_type keel_any_type_##type = { #type, format, dup, free }
#define KEEL_ANY_TYPE_STATIC(type)                                                                 \
    static const keel_any_type keel_any_type_##type = { #type, NULL, NULL, NULL }
#define KEEL_ANY_TYPE_DECLARE(type) extern const keel_any_type keel_any_type_##type

/** A value of a `type *`; another pointer draws a diagnostic. */
#define KEEL_ANY_PTR(type, pointer)                                                                \
    keel_any_ptr((1 ? (pointer) : (type *)NULL), &keel_any_type_##type)

/* ---- Asking ---- */

static inline keel_any_kind_of keel_any_kind(keel_any v)
{
    return (keel_any_kind_of)v.keel__kind;
}

/** The type's name for messages: "none", "bool", "int64", "uint64", "double", "string", "bytes",
 * "error", or the name of what a pointer points to. Source: Go's %T. */
const char *keel_any_name(keel_any v);

/**
 * Each of these says whether the value is of that type, and stores it, or zero if it is not. Numbers
 * convert where nothing is lost: an int64, uint64 or double to another of these that has exactly this
 * value. Texts also count as bytes, nothing else converts. What is stored is borrowed from the value.
 *
 * Source: Go's `x, ok := v.(T)`.
 */
bool keel_any_get_bool(keel_any v, bool *out);
bool keel_any_get_i64(keel_any v, int64_t *out);
bool keel_any_get_u64(keel_any v, uint64_t *out);
bool keel_any_get_double(keel_any v, double *out);
bool keel_any_get_err(keel_any v, const keel_err **out);

bool keel_any_get_str(keel_any v, keel_str *out);
bool keel_any_get_bytes(keel_any v, const void **out, size_t *count);

/** Only texts that are C strings: those of keel_any_text and keel_any_dup, without a NUL inside. */
bool keel_any_get_text(keel_any v, const char **out);

/** The pointer if it is one of that type, else NULL: `user *u = KEEL_ANY_AS(v, user);`. */
#define KEEL_ANY_AS(v, type) ((type *)keel_any_get_ptr((v), &keel_any_type_##type))
static inline void *keel_any_get_ptr(keel_any v, const keel_any_type *type)
{
    return v.keel__kind == KEEL_ANY_PTR && v.as.ptr.type == type ? v.as.ptr.object : NULL;
}

/**
 * Says whether both are of the same kind and have the same value: texts and bytes by content, errors
 * and pointers by address (the latter with their type). The numbers 1 of different kinds differ, and a
 * NaN differs from all. Source: Go's == on interfaces.
 */
bool keel_any_eq(keel_any a, keel_any b);

/* ---- Text ---- */

/**
 * Writes the value as snprintf does, returning the length that all of it needs: a double with the
 * shortest digits that read back as the same, bytes in hexadecimal, an error's text, a pointer by its type's
 * `format`, else as "<user>"; "none" is "none".
 */
size_t keel_any_format(keel_any v, char *buf, size_t size);

/**
 * The same as JSON: null, true, numbers, strings. Bytes become a string of base64, an error and a pointer
 * one of their texts; NaN and the infinities are null, and invalid UTF-8 is U+FFFD.
 */
size_t keel_any_json(keel_any v, char *buf, size_t size);

/** Append what these write. Errors: KEEL_ERR_NOMEM, KEEL_ERR_LIMIT; the buffer is then as it was. */
KEEL_NODISCARD keel_err *keel_any_append(keel_any v, keel_buf *buf);
KEEL_NODISCARD keel_err *keel_any_append_json(keel_any v, keel_buf *buf);

/* ---- Owning ---- */

/**
 * Makes a value that owns what it refers to: a copy of text (with a NUL at its end) or bytes, a
 * reference on an error, and of a pointer what its type's `dup` makes.
 *
 * Errors: KEEL_ERR_NOMEM; *out is then "none".
 * Owns:   *out is yours, to be deinitialised.
 */
KEEL_NODISCARD keel_err *keel_any_dup(keel_any *out, keel_any v);

/** Gives up what the value owns, if it does, and makes it "none". Accepts NULL. */
void keel_any_deinit(keel_any *v);

/** The same value, borrowed: deinitialising this one does nothing. */
static inline keel_any keel_any_borrow(keel_any v)
{
    v.keel__owned = false;
    return v;
}

/* ---- Fields of errors ---- */

/**
 * Gives an error a field, for logs and for who handles it: `err = keel_err_with(err, "user_id",
 * keel_any_i64(42));`. Takes `err`, and returns what stands for it: the same to all that ask. The key and
 * the value are copied (keel_any_dup); a pointer whose type has no `dup` must live as long as the error. A
 * sentinel stays as it is, the answer is an error of its own. A NULL stays NULL.
 *
 * Texts do not show fields, keel_err_json does.
 *
 * Out of memory: `err` itself, without the field.
 */
#define keel_err_with(err, key, value) keel_err_with_at(KEEL_HERE, (err), (key), (value))
KEEL_NODISCARD keel_err *keel_err_with_at(const char *where, keel_err *err, const char *key,
                                          keel_any value);

/**
 * Finds the field of that key in the chain, the outermost if there are several; in joins, in the order of
 * keel_err_is. *out is borrowed from the error; "none" if there is no such field.
 */
bool keel_err_field(const keel_err *err, const char *key, keel_any *out);

KEEL_END_DECLS

#endif /* KEEL_ANY_H */
