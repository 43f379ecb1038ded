/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ERR_H
#define KEEL_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/defs.h>

KEEL_BEGIN_DECLS

/**
 * Why something failed: an immutable chain of causes, from the outermost to the first.
 *
 * Whatever can fail returns `keel_err *`, and NULL is success. The caller owns what it gets:
 * it returns it, wraps it or frees it. Making an error cannot fail: without memory, the
 * functions here return what still says the most, as each of them states.
 *
 * A *sentinel* is a static error, compared by address through any number of wraps
 * (keel_err_is). It allocates nothing; retaining and freeing it do nothing.
 * A *payload* is a struct of yours inside an error, found again by its type (keel_err_as).
 * A *field* is a value with a name that an error got on its way (keel_err_with, in keel/any.h).
 *
 * Threads: immutable after it was made; any thread may read, retain and free.
 * Source:  Go's package errors. A wrap shows its text, then its cause's: "read app.conf: not found".
 */
typedef struct keel_err keel_err;

/** Describes a type of payload. One object per type in a process: it is compared by address. */
typedef struct keel_err_type {
    const char *name; /**< The C name of the payload's type. */
    size_t size;      /**< Its size in bytes. */
    /** Writes the payload's text as snprintf does, returning the length it needs. */
    int (*format)(char *buf, size_t size, const void *payload);
    /** Says whether the payload also stands for a sentinel. NULL: for none. */
    bool (*is)(const void *payload, const keel_err *target);
    /** Frees what the payload owns, with the last reference. NULL: nothing. */
    void (*free)(void *payload);
} keel_err_type;

/** The library's own: visible so that a sentinel can be a static object. */
struct keel_err {
    keel__word keel__refs; /* 0: static */
    uint32_t keel__kind;
    const char *keel__text;
    const char *keel__where;
};

/* ---- Sentinels ---- */

/**
 * Defines a sentinel: `KEEL_ERR_DEFINE(err_no_funds, "insufficient funds");` at file level, with
 * `static` before it if no other file needs it. The name is then a `keel_err *`.
 * KEEL_ERR_DECLARE is for the header.
 */
#define KEEL_ERR_DEFINE(name, text) keel_err name[1] = { { { 0 }, 0, text, NULL } }
#define KEEL_ERR_DECLARE(name) extern keel_err name[1]

KEEL_ERR_DECLARE(keel_err_nomem);
KEEL_ERR_DECLARE(keel_err_inval);
KEEL_ERR_DECLARE(keel_err_range);
KEEL_ERR_DECLARE(keel_err_syntax);
KEEL_ERR_DECLARE(keel_err_closed);
KEEL_ERR_DECLARE(keel_err_cancelled);
KEEL_ERR_DECLARE(keel_err_deadline);
KEEL_ERR_DECLARE(keel_err_no_runtime);
KEEL_ERR_DECLARE(keel_err_limit);
KEEL_ERR_DECLARE(keel_err_busy);
KEEL_ERR_DECLARE(keel_err_not_found);
KEEL_ERR_DECLARE(keel_err_exists);
KEEL_ERR_DECLARE(keel_err_permission);
KEEL_ERR_DECLARE(keel_err_unsupported);
KEEL_ERR_DECLARE(keel_err_interrupted);
KEEL_ERR_DECLARE(keel_err_timeout);
KEEL_ERR_DECLARE(keel_err_refused);
KEEL_ERR_DECLARE(keel_err_reset);
KEEL_ERR_DECLARE(keel_err_unreachable);
KEEL_ERR_DECLARE(keel_err_no_space);
KEEL_ERR_DECLARE(keel_err_io);
KEEL_ERR_DECLARE(keel_err_eof);
KEEL_ERR_DECLARE(keel_err_unexpected_eof);

#define KEEL_ERR_NOMEM keel_err_nomem             /**< Out of memory. */
#define KEEL_ERR_INVAL keel_err_inval             /**< An argument or option makes no sense. */
#define KEEL_ERR_RANGE keel_err_range             /**< A number does not fit. */
#define KEEL_ERR_SYNTAX keel_err_syntax           /**< A text is not in the expected form. */
#define KEEL_ERR_CLOSED keel_err_closed           /**< The object was closed. */
#define KEEL_ERR_CANCELLED keel_err_cancelled     /**< The context was cancelled. */
#define KEEL_ERR_DEADLINE keel_err_deadline       /**< The context's deadline passed. */
#define KEEL_ERR_NO_RUNTIME keel_err_no_runtime   /**< The call needs a runtime; there is none. */
#define KEEL_ERR_LIMIT keel_err_limit             /**< A limit of keel's or the system's was hit. */
#define KEEL_ERR_BUSY keel_err_busy               /**< In use, or already done. */
#define KEEL_ERR_NOT_FOUND keel_err_not_found     /**< There is no such thing. */
#define KEEL_ERR_EXISTS keel_err_exists           /**< There is one already. */
#define KEEL_ERR_PERMISSION keel_err_permission   /**< Not allowed. */
#define KEEL_ERR_UNSUPPORTED keel_err_unsupported /**< Not possible here. */
#define KEEL_ERR_INTERRUPTED keel_err_interrupted /**< A signal asked the program to end. */
#define KEEL_ERR_TIMEOUT keel_err_timeout         /**< The other side took too long. */
#define KEEL_ERR_REFUSED keel_err_refused         /**< The connection was refused. */
#define KEEL_ERR_RESET keel_err_reset             /**< The connection broke. */
#define KEEL_ERR_UNREACHABLE keel_err_unreachable /**< No way to that address. */
#define KEEL_ERR_NO_SPACE keel_err_no_space       /**< The disk, or a quota, is full. */
#define KEEL_ERR_IO keel_err_io                   /**< Any other failure of input or output. */
#define KEEL_ERR_EOF keel_err_eof                 /**< There is nothing more to read. */
#define KEEL_ERR_UNEXPECTED_EOF keel_err_unexpected_eof /**< The end came too early. */

/* ---- Making errors ---- */

/**
 * Makes an error with a printf-like text and the place of the call.
 *
 * Out of memory: KEEL_ERR_NOMEM.
 * Source: Go's fmt.Errorf without %w.
 */
#define keel_err_new(...) keel_err_new_at(KEEL_HERE, __VA_ARGS__)
KEEL_NODISCARD keel_err *keel_err_new_at(const char *where, const char *format, ...)
    KEEL_PRINTF(2, 3);

/**
 * Puts a printf-like text and the place of the call before `err`, which stays what it is to
 * keel_err_is and keel_err_as. Takes `err`, so that `return keel_err_wrap(err, "load %s", name);`
 * is the whole line. A NULL stays NULL, and evaluates the other arguments all the same.
 *
 * Out of memory: `err` itself, without the text.
 * Source: Go's fmt.Errorf("...: %w", err).
 */
#define keel_err_wrap(err, ...) keel_err_wrap_at(KEEL_HERE, (err), __VA_ARGS__)
KEEL_NODISCARD keel_err *keel_err_wrap_at(const char *where, keel_err *err, const char *format, ...)
    KEEL_PRINTF(3, 4);

/**
 * Makes an error of a value of errno, or of a libuv status, which on Unix is -errno: its text is
 * the printf-like text, ": " and the system's words, and keel_err_is finds the sentinel for it
 * (ENOENT: KEEL_ERR_NOT_FOUND, EACCES: KEEL_ERR_PERMISSION, ...; else KEEL_ERR_IO).
 *
 * Out of memory: that sentinel.
 */
#define keel_err_from_errno(code, ...) keel_err_from_errno_at(KEEL_HERE, (code), __VA_ARGS__)
KEEL_NODISCARD keel_err *keel_err_from_errno_at(const char *where, int code, const char *format,
                                                ...) KEEL_PRINTF(3, 4);

/**
 * Makes one error of two, for a second failure while the first is under way, and takes both.
 * Where one is NULL, returns the other. Joins flatten, and keep KEEL_ERR_JOIN_MAX errors; of more
 * they keep only the number ("and 3 more"). Under wraps joins nest KEEL_ERR_JOIN_DEPTH deep: a `b`
 * that would make it more is only counted, and an `a` that would is returned alone.
 *
 * Out of memory: `a`.
 * Source: Go's errors.Join.
 */
KEEL_NODISCARD keel_err *keel_err_join(keel_err *a, keel_err *b);
#define KEEL_ERR_JOIN_MAX 16
#define KEEL_ERR_JOIN_DEPTH 8

/* ---- Errors with a payload ---- */

/**
 * Describes the struct `type` as a payload, at file level, once in a program. `format` writes its
 * text as snprintf does:
 *
 *     typedef struct { const char *field, *value; } validation_error;
 *     static int format_validation(char *buf, size_t size, const void *payload) { ... }
 *     KEEL_ERR_TYPE(validation_error, format_validation);
 *
 * KEEL_ERR_TYPE_FULL also takes the `is` and `free` of keel_err_type. KEEL_ERR_TYPE_DECLARE is for
 * a header. KEEL_ERR_TYPE_STATIC describes a type that no other file needs: `static` before the others
 * does not compile.
 */
#define KEEL_ERR_TYPE(type, format) KEEL_ERR_TYPE_FULL(type, format, NULL, NULL)
#define KEEL_ERR_TYPE_FULL(type, format, is, free)                                                 \
    KEEL_ERR_TYPE_DECLARE(type);                                                                   \
    const keel_err_type keel_err_type_##type = { #type, sizeof(type), format, is, free }
#define KEEL_ERR_TYPE_STATIC(type, format)                                                         \
    static const keel_err_type keel_err_type_##type = { #type, sizeof(type), format, NULL, NULL }
#define KEEL_ERR_TYPE_DECLARE(type) extern const keel_err_type keel_err_type_##type

/**
 * Makes an error that holds a payload: `KEEL_ERR_NEW(validation_error, { .field = "age" })`.
 * The payload is copied; what it points to is borrowed, unless its type has a `free`. In C++:
 * `keel_err_new_typed(KEEL_HERE, &keel_err_type_validation_error, &payload)`.
 *
 * Out of memory: KEEL_ERR_NOMEM, and the payload's `free` is called.
 */
#ifndef __cplusplus
#define KEEL_ERR_NEW(type, ...)                                                                    \
    keel_err_new_typed(KEEL_HERE, &keel_err_type_##type, &(type)__VA_ARGS__)
#endif
KEEL_NODISCARD keel_err *keel_err_new_typed(const char *where, const keel_err_type *type,
                                            const void *payload);

/**
 * The first payload of that type in the chain, or NULL: `KEEL_ERR_AS(err, validation_error)`.
 * Borrowed from the error.
 *
 * Source: Go's errors.As; the order is that of keel_err_is.
 */
#define KEEL_ERR_AS(err, type) ((const type *)keel_err_as((err), &keel_err_type_##type))
const void *keel_err_as(const keel_err *err, const keel_err_type *type);

/* ---- Asking ---- */

/**
 * Says whether `target` is in the chain: an error is itself, then what its payload's `is` says,
 * then its cause, or the errors it joins, one after the other.
 *
 * Source: Go's errors.Is. NULL is only NULL.
 */
bool keel_err_is(const keel_err *err, const keel_err *target);

/** The cause under a wrap, borrowed; NULL for any other error, a join too (as in Go). */
const keel_err *keel_err_unwrap(const keel_err *err);

/** The number of errors that a join holds, and each of them, borrowed; 0 and NULL for others. */
size_t keel_err_join_count(const keel_err *err);
const keel_err *keel_err_join_get(const keel_err *err, size_t index);

/** The place that made this error (not its cause), `src/orders.c:42`; NULL for a sentinel or a join, unless
 * it has fields: then where it got the first. */
const char *keel_err_where(const keel_err *err);

/** The errno that the chain was made from (keel_err_from_errno), or 0. */
int keel_err_errno(const keel_err *err);

/* ---- Text ---- */

/**
 * Writes the text of the whole chain, as snprintf does: at most `size` bytes with the final NUL,
 * returning the length that all of it needs. A join has one error a line. NULL is "no error".
 */
size_t keel_err_format(const keel_err *err, char *buf, size_t size);

/**
 * Writes the chain as a JSON object, as snprintf does:
 * `{"error":"outer: inner","chain":[{"text":"outer","at":"a.c:7"},{"text":"inner"}]}`, each link with
 * its "type", "errno" or "fields" (an object) where it has them. A join is a link without text of its own: "errors" are
 * objects like the whole, "more" counts what it did not keep. Invalid UTF-8 becomes U+FFFD. NULL is
 * `null`.
 */
size_t keel_err_json(const keel_err *err, char *buf, size_t size);

/**
 * The text of the whole chain as an argument of printf: `printf("%s\n", KEEL_ERR_STR(err))`. It
 * lives to the end of the block and holds up to 511 bytes; a longer one ends in "...". NULL is
 * "no error". keel_err_str does the same with a buffer of yours, and returns it: what C++ uses.
 */
#ifndef __cplusplus
#define KEEL_ERR_STR(err) keel_err_str((err), (char[512]){ 0 }, 512)
#endif
const char *keel_err_str(const keel_err *err, char *buf, size_t size);

/* ---- Owning ---- */

/** One more owner, who calls keel_err_free too. */
keel_err *keel_err_retain(const keel_err *err);

/** Gives up one reference; the last frees the chain. Never recurses, however long the chain. */
void keel_err_free(keel_err *err);

/** Returns the error of `call` at once, where nothing needs cleaning up; with words of the caller's:
 * `KEEL_TRY(keel_err_wrap(load(&user), "load user %d", id));`. */
#define KEEL_TRY(call)                                                                             \
    do {                                                                                           \
        keel_err *keel__try = (call);                                                              \
        if (keel__try != NULL)                                                                     \
            return keel__try;                                                                      \
    } while (0)

KEEL_END_DECLS

#endif /* KEEL_ERR_H */
