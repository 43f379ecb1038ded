/* SPDX-License-Identifier: MIT */
#include "flow/window.h"

#include <string.h>

enum { COUNTED = 1, FAILED = 2, SLOW = 4 };

void keel__window_init(keel__window *window, int64_t window_ns, unsigned calls, unsigned char *ring)
{
    memset(window, 0, sizeof *window);
    window->part_ns = window_ns / KEEL__WINDOW_PARTS + (window_ns % KEEL__WINDOW_PARTS != 0);
    window->size = calls;
    window->ring = calls > 0 ? ring : NULL;
    keel__window_clear(window);
}

void keel__window_clear(keel__window *window)
{
    memset(&window->total, 0, sizeof window->total);
    memset(window->parts, 0, sizeof window->parts);
    if (window->ring != NULL)
        memset(window->ring, 0, window->size);
}

static void subtract(keel__outcomes *from, const keel__outcomes *part)
{
    from->calls -= part->calls;
    from->failures -= part->failures;
    from->slow -= part->slow;
}

void keel__window_pass(keel__window *window, int64_t now_ns)
{
    if (window->ring != NULL)
        return;
    const int64_t part = now_ns / window->part_ns;
    int64_t gone = part - window->part; /* parts that began since */
    if (gone > KEEL__WINDOW_PARTS)
        gone = KEEL__WINDOW_PARTS;
    for (; gone > 0; gone--) {
        keel__outcomes *oldest = &window->parts[(part - gone + 1) % KEEL__WINDOW_PARTS];
        subtract(&window->total, oldest);
        memset(oldest, 0, sizeof *oldest);
    }
    if (part > window->part)
        window->part = part;
}

static void count(keel__outcomes *outcomes, bool failed, bool slow)
{
    outcomes->calls++;
    outcomes->failures += failed;
    outcomes->slow += slow;
}

void keel__window_add(keel__window *window, int64_t now_ns, bool failed, bool slow)
{
    if (window->ring == NULL) {
        keel__window_pass(window, now_ns);
        count(&window->parts[window->part % KEEL__WINDOW_PARTS], failed, slow);
    } else {
        unsigned char *oldest = &window->ring[window->next];
        subtract(&window->total,
                 &(keel__outcomes){ (*oldest & COUNTED) != 0, (*oldest & FAILED) != 0,
                                    (*oldest & SLOW) != 0 });
        *oldest = (unsigned char)(COUNTED | (failed ? FAILED : 0) | (slow ? SLOW : 0));
        window->next = window->next + 1 == window->size ? 0 : window->next + 1;
    }
    count(&window->total, failed, slow);
}
