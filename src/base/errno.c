/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <keel/err.h>

#include "base/err.h"

/* In the words of the C library, in lower case: texts stand after "read app.conf: ". The library's
 * own are in the user's language, and differ between systems. */
static const struct {
    int code;
    const char *text;
    keel_err *sentinel;
} table[] = {
    /* the frequent ones first */
    { ENOENT, "no such file or directory", KEEL_ERR_NOT_FOUND },
    { EACCES, "permission denied", KEEL_ERR_PERMISSION },
    { ECONNREFUSED, "connection refused", KEEL_ERR_REFUSED },
    { ECONNRESET, "connection reset by peer", KEEL_ERR_RESET },
    { EPIPE, "broken pipe", KEEL_ERR_RESET },
    { ETIMEDOUT, "connection timed out", KEEL_ERR_TIMEOUT },
    { EEXIST, "file exists", KEEL_ERR_EXISTS },
    { EAGAIN, "resource temporarily unavailable", KEEL_ERR_BUSY },

    { E2BIG, "argument list too long", KEEL_ERR_LIMIT },
    { EADDRINUSE, "address already in use", KEEL_ERR_BUSY },
    { EADDRNOTAVAIL, "cannot assign requested address", KEEL_ERR_NOT_FOUND },
    { EAFNOSUPPORT, "address family not supported", KEEL_ERR_UNSUPPORTED },
    { EALREADY, "operation already in progress", KEEL_ERR_BUSY },
    { EBADF, "bad file descriptor", KEEL_ERR_INVAL },
    { EBUSY, "device or resource busy", KEEL_ERR_BUSY },
    { ECANCELED, "operation canceled", KEEL_ERR_CANCELLED },
    { ECHILD, "no child processes", KEEL_ERR_NOT_FOUND },
    { ECONNABORTED, "connection aborted", KEEL_ERR_RESET },
    { EDEADLK, "resource deadlock avoided", KEEL_ERR_BUSY },
    { EDOM, "argument out of domain", KEEL_ERR_RANGE },
    { EDQUOT, "disk quota exceeded", KEEL_ERR_NO_SPACE },
    { EFAULT, "bad address", KEEL_ERR_INVAL },
    { EFBIG, "file too large", KEEL_ERR_LIMIT },
    { EHOSTUNREACH, "no route to host", KEEL_ERR_UNREACHABLE },
    { EILSEQ, "invalid multibyte character", KEEL_ERR_SYNTAX },
    { EINPROGRESS, "operation now in progress", KEEL_ERR_BUSY },
    { EINTR, "interrupted system call", KEEL_ERR_INTERRUPTED },
    { EINVAL, "invalid argument", KEEL_ERR_INVAL },
    { EIO, "input/output error", KEEL_ERR_IO },
    { EISCONN, "already connected", KEEL_ERR_BUSY },
    { EISDIR, "is a directory", KEEL_ERR_INVAL },
    { ELOOP, "too many levels of symbolic links", KEEL_ERR_LIMIT },
    { EMFILE, "too many open files", KEEL_ERR_LIMIT },
    { EMLINK, "too many links", KEEL_ERR_LIMIT },
    { EMSGSIZE, "message too long", KEEL_ERR_LIMIT },
    { ENAMETOOLONG, "file name too long", KEEL_ERR_LIMIT },
    { ENETDOWN, "network is down", KEEL_ERR_UNREACHABLE },
    { ENETUNREACH, "network is unreachable", KEEL_ERR_UNREACHABLE },
    { ENFILE, "too many open files in system", KEEL_ERR_LIMIT },
    { ENOBUFS, "no buffer space available", KEEL_ERR_LIMIT },
    { ENODEV, "no such device", KEEL_ERR_NOT_FOUND },
    { ENOEXEC, "exec format error", KEEL_ERR_INVAL },
    { ENOMEM, "cannot allocate memory", KEEL_ERR_NOMEM },
    { ENOSPC, "no space left on device", KEEL_ERR_NO_SPACE },
    { ENOSYS, "function not implemented", KEEL_ERR_UNSUPPORTED },
    { ENOTCONN, "not connected", KEEL_ERR_CLOSED },
    { ENOTDIR, "not a directory", KEEL_ERR_INVAL },
    { ENOTEMPTY, "directory not empty", KEEL_ERR_EXISTS },
    { ENOTSOCK, "not a socket", KEEL_ERR_INVAL },
    { ENOTSUP, "operation not supported", KEEL_ERR_UNSUPPORTED },
    { ENXIO, "no such device or address", KEEL_ERR_NOT_FOUND },
    { EOVERFLOW, "value too large", KEEL_ERR_RANGE },
    { EPERM, "operation not permitted", KEEL_ERR_PERMISSION },
    { EPROTONOSUPPORT, "protocol not supported", KEEL_ERR_UNSUPPORTED },
    { ERANGE, "result out of range", KEEL_ERR_RANGE },
    { EROFS, "read-only file system", KEEL_ERR_PERMISSION },
    { ESPIPE, "illegal seek", KEEL_ERR_UNSUPPORTED },
    { ESRCH, "no such process", KEEL_ERR_NOT_FOUND },
    { ETXTBSY, "text file busy", KEEL_ERR_BUSY },
    { EXDEV, "invalid cross-device link", KEEL_ERR_UNSUPPORTED },
#if EOPNOTSUPP != ENOTSUP
    { EOPNOTSUPP, "operation not supported", KEEL_ERR_UNSUPPORTED },
#endif
};

/* strerror_r of whichever kind: GNU's returns the text, the standard's a status. */
static const char *system_text(int code, char *buf, size_t size)
{
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const char *text = strerror_r(code, buf, size);
    if (text != buf)
        snprintf(buf, size, "%s", text);
#else
    if (strerror_r(code, buf, size) != 0)
        snprintf(buf, size, "unknown error %d", code);
#endif
    if (buf[0] >= 'A' && buf[0] <= 'Z' && buf[1] >= 'a' && buf[1] <= 'z')
        buf[0] = (char)(buf[0] - 'A' + 'a');
    return buf;
}

const char *keel__errno_describe(int code, char *buf, size_t size, keel_err **sentinel)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code) {
            *sentinel = table[i].sentinel;
            return table[i].text;
        }
    }
    *sentinel = KEEL_ERR_IO;
    return system_text(code, buf, size);
}
