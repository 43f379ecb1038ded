/* SPDX-License-Identifier: MIT */
#include <keel/stream.h>

static keel_err *answer(keel_ctx *ctx, keel_stream stream, void *arg)
{
    char text[KEEL_STREAM_ADDRESS_BYTES];

    (void)arg;
    KEEL_TRY(keel_stream_peer(stream, text, sizeof text));
    return keel_ctx_err(ctx);
}

keel_err *keel_check_stream(keel_group *group, keel_stream stream);
keel_err *keel_check_stream(keel_group *group, keel_stream stream)
{
    return keel_stream_when_readable(group, stream, answer, NULL);
}
