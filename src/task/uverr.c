/* SPDX-License-Identifier: MIT */
#include "task/uverr.h"

#include <uv.h>

static keel_err *sentinel(int status)
{
    switch (status) {
    case UV_EOF:
        return KEEL_ERR_CLOSED;
    case UV_EAI_MEMORY:
        return KEEL_ERR_NOMEM;
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_ADDRFAMILY:
        return KEEL_ERR_NOT_FOUND;
    case UV_EAI_AGAIN:
        return KEEL_ERR_BUSY;
    case UV_EAI_CANCELED:
        return KEEL_ERR_CANCELLED;
    case UV_EAI_BADFLAGS:
    case UV_EAI_BADHINTS:
    case UV_EAI_FAMILY:
    case UV_EAI_SERVICE:
    case UV_EAI_SOCKTYPE:
        return KEEL_ERR_INVAL;
    case UV_EAI_OVERFLOW:
        return KEEL_ERR_RANGE;
    case UV_ECHARSET:
        return KEEL_ERR_SYNTAX;
    case UV_EAI_FAIL:
    case UV_EAI_PROTOCOL:
    case UV_UNKNOWN:
        return KEEL_ERR_IO;
    default:
        return NULL;
    }
}

keel_err *keel__err_from_uv(int status, const char *what)
{
    keel_err *err = sentinel(status);
    char words[128];

    if (err == NULL)
        return keel_err_from_errno(status, "%s", what);
    return keel_err_wrap(err, "%s: %s", what, uv_strerror_r(status, words, sizeof words));
}
