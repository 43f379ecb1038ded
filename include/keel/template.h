/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TEMPLATE_H
#define KEEL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/err.h>
#include <keel/mem.h>

KEEL_BEGIN_DECLS

/**
 * What the container templates share. Each of <keel/vec.h>, <keel/map.h>, <keel/set.h>,
 * <keel/deque.h>, <keel/heap.h>, <keel/lru.h>, <keel/sort.h> and <keel/algo.h> is included once for
 * each type wanted, after macros that say which, and makes a type and typed functions:
 *
 *     #define KEEL_VEC_NAME ints
 *     #define KEEL_VEC_ITEM int
 *     #include <keel/vec.h>       // makes ints, ints_push, ints_pop, ...; #undefs the parameters
 *
 * The functions are `static inline`. For a type used in many files, define KEEL_VEC_DECLARE before the
 * include in a header, which then declares only, and KEEL_VEC_IMPLEMENT before the same include in one
 * .c that includes that header, which then defines the functions; likewise for the others.
 *
 * All containers: a zeroed struct is an empty one, `deinit` gives its memory back and leaves it empty.
 * The only error is KEEL_ERR_NOMEM, also where a size would overflow, and the container is then as it
 * was. Pointers to items live until the next change. With KEEL_CHECKED, an iterator used after its
 * container changed aborts with a message; without, what it yields then is not defined.
 *
 * Threads: one at a time, as with any plain struct; reading from many at once is fine.
 */

/** Whether containers make checks that cost time: 1 unless NDEBUG is defined. Define it to choose. */
#ifndef KEEL_CHECKED
#ifdef NDEBUG
#define KEEL_CHECKED 0
#else
#define KEEL_CHECKED 1
#endif
#endif

/* name_verb, both expanded */
#define KEEL__JOIN(name, verb) KEEL__JOIN_(name, verb)
#define KEEL__JOIN_(name, verb) name##_##verb

/* Whether a container changed since its iterator was made; `type` is its name. */
#define KEEL__UNCHANGED(then, now, type)                                                           \
    (!KEEL_CHECKED || (then) == (now) ? (void)0 : keel__container_changed(type))

#if defined(__GNUC__)
__attribute__((noreturn, cold))
#endif
void keel__container_changed(const char *type);

/* The capacity to take for at least `needed` items of `size` bytes: `cap` grown by half or more, and a
 * few for a start; 0 if there can be no such array. */
size_t keel__grown(size_t cap, size_t needed, size_t size);

KEEL_END_DECLS

#endif /* KEEL_TEMPLATE_H */
