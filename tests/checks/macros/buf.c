/* SPDX-License-Identifier: MIT */
#include <keel/buf.h>

keel_err *keel_check_buf(keel_buf *buf);
keel_err *keel_check_buf(keel_buf *buf)
{
    if (buf->max_bytes < KEEL_BUF_DEFAULT_MAX_BYTES)
        return keel_buf_append_str(buf, keel_buf_str(buf));
    return keel_buf_append_char(buf, keel_buf_text(buf)[0]);
}
