/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_BASE_ERR_H
#define KEEL_SRC_BASE_ERR_H

/* What is behind a keel_err: its kind says which of these structs it is the head of. All but the
 * static ones are one allocation each, text and payload included. */

#include <assert.h>
#include <stdalign.h>

#include <keel/any.h>
#include <keel/err.h>

enum keel__err_kind {
    KEEL__ERR_STATIC, /* a sentinel: nothing but the head */
    KEEL__ERR_TEXT,
    KEEL__ERR_TYPED,
    KEEL__ERR_ERRNO,
    KEEL__ERR_JOIN,
    KEEL__ERR_LINK = 64, /* the bit of those that stand before another: */
    KEEL__ERR_WRAP = KEEL__ERR_LINK,
    KEEL__ERR_FIELD, /* no error of its own: one more field of the one below */
};

/* keel__kind also holds how deep joins nest below, so that functions may recurse into joins, and
 * into nothing else, without a look at how long the chain is. */
#define KEEL__ERR_DEPTH_SHIFT 8

static inline enum keel__err_kind keel__err_kind(const keel_err *err)
{
    return (enum keel__err_kind)(err->keel__kind & ((1u << KEEL__ERR_DEPTH_SHIFT) - 1));
}

static inline uint32_t keel__err_depth(const keel_err *err)
{
    return err->keel__kind >> KEEL__ERR_DEPTH_SHIFT;
}

static inline const keel_err *keel__err_below(const keel_err *err);

/* The error that a chain of fields belongs to. */
static inline const keel_err *keel__err_bare(const keel_err *err)
{
    while (keel__err_kind(err) == KEEL__ERR_FIELD)
        err = keel__err_below(err);
    return err;
}

/* keel__text points to `text` in the kinds that have one, and is NULL in the other two. */
typedef struct keel__err_text {
    keel_err head;
    char text[];
} keel__err_text;

typedef struct keel__err_wrap {
    keel_err head;
    keel_err *cause; /* never NULL */
    char text[];
} keel__err_wrap;

typedef struct keel__err_field {
    keel_err head;
    keel_err *cause; /* never NULL, and where a wrap has it */
    keel_any value;  /* of texts and bytes: what stands behind the key */
    char text[];     /* the key */
} keel__err_field;

static_assert(offsetof(keel__err_wrap, cause) == offsetof(keel__err_field, cause),
              "what is below is found without a look at the kind");

static inline bool keel__err_is_link(const keel_err *err)
{
    return (err->keel__kind & KEEL__ERR_LINK) != 0;
}

/* What a wrap wraps, or whose a field is. */
static inline const keel_err *keel__err_below(const keel_err *err)
{
    return ((const keel__err_wrap *)err)->cause;
}

typedef struct keel__err_errno {
    keel_err head;
    keel_err *sentinel;
    int code; /* positive */
    char text[];
} keel__err_errno;

typedef struct keel__err_typed {
    keel_err head;
    const keel_err_type *type;
    alignas(max_align_t) unsigned char payload[];
} keel__err_typed;

typedef struct keel__err_join {
    keel_err head;
    size_t count; /* of items: at least 1, no join among them */
    size_t more;  /* errors that found no place */
    keel_err *items[KEEL_ERR_JOIN_MAX];
} keel__err_join;

/* Text is cut off at this many bytes with its NUL. */
#define KEEL__ERR_TEXT_MAX 4096

/* Ends the text in a full buffer of `size` bytes with "..." before its NUL, and splits no UTF-8
 * sequence. */
void keel__err_ellipsis(char *buf, size_t size);

/* The system's words for a positive errno, in `buf` or static, and the sentinel it stands for. */
const char *keel__errno_describe(int code, char *buf, size_t size, keel_err **sentinel);

/* The error that a block of memory holds, or NULL: to name what was left behind. Only for errors with a
 * text of their own. */
const keel_err *keel__err_at(const void *ptr, size_t size);

#endif /* KEEL_SRC_BASE_ERR_H */
