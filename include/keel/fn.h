/* SPDX-License-Identifier: MIT */
#ifndef KEEL_FN_H
#define KEEL_FN_H

#include <stddef.h>

#include <keel/ctx.h>
#include <keel/err.h>

KEEL_BEGIN_DECLS

/**
 * What a pool does with a job, and a stage of a pipeline with an item: reads `in`, fills `out`. The context
 * ends when the work should stop, or its time is over; `arg` is what the options say.
 *
 * `in` and `out` are aligned for any type, to 16 bytes, but for one that is declared with more (alignas): such
 * a type does not compile in KEEL_FN. Pass a pointer to it instead.
 *
 * Runs on: a task; it may wait.
 */
typedef keel_err *(*keel_map_fn)(keel_ctx *ctx, const void *in, void *out, void *arg);

/** Such a function with the types it works on: `KEEL_FN(square, int, int)`. All zero is none. */
typedef struct keel_fn {
    keel_map_fn fn;
    size_t in_bytes;
    size_t out_bytes;    /**< 0: it has no output, and `out` is NULL. */
    const char *name;    /**< Of the function, for messages. */
    const char *in_type; /**< As written, for checks that neighbours fit: literals. */
    const char *out_type;
} keel_fn;

/* The size of a type that is not aligned to more than items are. */
#ifdef __cplusplus
#define KEEL__ITEM_BYTES(type) (sizeof(type) * sizeof(char[alignof(type) <= 16 ? 1 : -1]))
#else
#define KEEL__ITEM_BYTES(type)                                                                     \
    (sizeof(type) * sizeof(struct {                                                                \
         _Static_assert(_Alignof(type) <= 16, "items are aligned to 16 bytes, and not to more");   \
         char one;                                                                                 \
     }))
#endif

/** The function, the type of its input and that of its output. */
#define KEEL_FN(fn, in, out)                                                                       \
    keel_fn_of((fn), KEEL__ITEM_BYTES(in), KEEL__ITEM_BYTES(out), #fn, #in, #out)

/** A function without output. */
#define KEEL_FN_SINK(fn, in) keel_fn_of((fn), KEEL__ITEM_BYTES(in), 0, #fn, #in, "")

static inline keel_fn keel_fn_of(keel_map_fn fn, size_t in_bytes, size_t out_bytes,
                                 const char *name, const char *in_type, const char *out_type)
{
    const keel_fn made = { fn, in_bytes, out_bytes, name, in_type, out_type };
    return made;
}

KEEL_END_DECLS

#endif /* KEEL_FN_H */
