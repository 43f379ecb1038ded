/* SPDX-License-Identifier: MIT */
#ifndef KEEL_DEFS_H
#define KEEL_DEFS_H

/** What every public header needs: linkage, attributes, and the place of a call. */

#include <stddef.h>
#include <stdint.h>

#define KEEL_VERSION_MAJOR 0
#define KEEL_VERSION_MINOR 1
#define KEEL_VERSION_PATCH 0

#ifdef __cplusplus
#define KEEL_BEGIN_DECLS extern "C" {
#define KEEL_END_DECLS }
#else
#define KEEL_BEGIN_DECLS
#define KEEL_END_DECLS
#endif

#if defined(__GNUC__)
/** The compiler warns where a result is dropped. */
#define KEEL_NODISCARD __attribute__((warn_unused_result))
/** The compiler checks arguments from `args` on against the printf format that is argument `fmt`. */
#define KEEL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KEEL_NODISCARD
#define KEEL_PRINTF(fmt, args)
#endif

#define KEEL__STRINGIFY(x) #x
#define KEEL__STRING(x) KEEL__STRINGIFY(x)

/** The place of this line as a string literal: `src/orders.c:42`. */
#define KEEL_HERE __FILE__ ":" KEEL__STRING(__LINE__)

/** For limits where an option says so: none. */
#define KEEL_UNLIMITED ((size_t)-1)

/* Storage of the library's own inside public structs; nothing in it is for users. */
typedef struct keel__word {
    uint32_t v;
} keel__word;

typedef struct keel__pointer {
    void *v;
} keel__pointer;

typedef struct keel__address {
    uintptr_t v;
} keel__address;

typedef struct keel__waitq {
    struct keel__waiter *first, *last;
} keel__waitq;

#endif /* KEEL_DEFS_H */
