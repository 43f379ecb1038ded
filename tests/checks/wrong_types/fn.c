/* SPDX-License-Identifier: MIT */

/* Each line that ends in the mark must be reported there; the others must compile. */

#include <stdalign.h>

#include <keel/fn.h>

typedef struct sixteen {
    alignas(16) char bytes[16];
} sixteen;

typedef struct line {
    alignas(64) char bytes[64];
} line;

keel_err *keel_check_work(keel_ctx *ctx, const void *in, void *out, void *arg);
size_t keel_check_fns(void);
size_t keel_check_fns(void)
{
    size_t bytes = 0;

    bytes += KEEL_FN(keel_check_work, int, sixteen).in_bytes;
    bytes += KEEL_FN(keel_check_work, char[7], max_align_t).out_bytes;
    bytes += KEEL_FN(keel_check_work, line, int).in_bytes;  /* wrong */
    bytes += KEEL_FN(keel_check_work, int, line).out_bytes; /* wrong */
    bytes += KEEL_FN_SINK(keel_check_work, sixteen).in_bytes;
    bytes += KEEL_FN_SINK(keel_check_work, line *).in_bytes;
    bytes += KEEL_FN_SINK(keel_check_work, line).in_bytes;   /* wrong */
    bytes += KEEL_FN(keel_check_nothing, int, int).in_bytes; /* wrong */
    return bytes;
}
