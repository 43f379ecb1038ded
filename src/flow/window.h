/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_FLOW_WINDOW_H
#define KEEL_SRC_FLOW_WINDOW_H

/* How the calls of a window ended: those of the last time, in ten parts, or the last ones in number. The
 * totals are kept, so that reading them costs nothing. Threads: one at a time. */

#include <stdbool.h>
#include <stdint.h>

enum { KEEL__WINDOW_PARTS = 10 };

typedef struct keel__outcomes {
    unsigned calls, failures, slow;
} keel__outcomes;

typedef struct keel__window {
    keel__outcomes total;
    /* by time: part n counts the calls of [n * part_ns, (n + 1) * part_ns), at n % KEEL__WINDOW_PARTS;
     * `part` is the newest one */
    int64_t part_ns, part;
    keel__outcomes parts[KEEL__WINDOW_PARTS];
    /* by number: how each of the last ones ended, a ring of `size` bytes; `next` is the oldest */
    unsigned size, next;
    unsigned char *ring; /* NULL: by time */
} keel__window;

/* A window of `window_ns`, or of the last `calls` if that is not 0, which needs as many bytes at `ring`. */
void keel__window_init(keel__window *window, int64_t window_ns, unsigned calls,
                       unsigned char *ring);

/* Forgets all calls. */
void keel__window_clear(keel__window *window);

/* Lets go what is older than the window. */
void keel__window_pass(keel__window *window, int64_t now_ns);

/* One more call has ended, now. */
void keel__window_add(keel__window *window, int64_t now_ns, bool failed, bool slow);

#endif /* KEEL_SRC_FLOW_WINDOW_H */
