/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_OUT_H
#define KEEL_SRC_BASE_OUT_H

/* Output with the semantics of snprintf: `length` counts everything, also what finds no room. So a
 * chain of errors or a value is written without memory, and measured by the same functions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/any.h>

typedef struct keel__out {
    char *buf;
    size_t size;
    size_t length;
    bool escape; /* what is put is the inside of a JSON string */
} keel__out;

/* As they are, whatever `escape` says: for what is known to need none. */
void keel__out_raw(keel__out *out, const char *text);
void keel__out_bytes(keel__out *out, const char *bytes, size_t count);
void keel__out_count(keel__out *out, size_t count);

/* Escaped, whatever it says; and as it says. */
void keel__out_escaped(keel__out *out, const char *bytes, size_t count);
void keel__out_put(keel__out *out, const char *text);
void keel__out_put_bytes(keel__out *out, const char *bytes, size_t count);

/* What a type's `format` writes, or `name` if that fails; as `escape` says. */
typedef int (*keel__out_fn)(char *buf, size_t size, const void *object);
void keel__out_object(keel__out *out, keel__out_fn format, const void *object, const char *name);

/* A value, as keel_any_json writes it, whatever `escape` says. */
void keel__out_any_json(keel__out *out, keel_any v);

/* The text of a chain of errors, as `escape` says (err_text.c). */
void keel__out_err(keel__out *out, const keel_err *err);

/* Ends it with a NUL, if there is a buffer, and returns the length. */
size_t keel__out_finish(const keel__out *out);

#endif /* KEEL_SRC_BASE_OUT_H */
