/* SPDX-License-Identifier: MIT */
#ifndef KEEL_SRC_TASK_UVERR_H
#define KEEL_SRC_TASK_UVERR_H

#include <keel/err.h>

/* The error of a libuv status: "what: words". Most statuses are values of errno; those that are libuv's
 * own (UV_EOF, UV_EAI_..., ...) get the sentinel nearest to them. */
keel_err *keel__err_from_uv(int status, const char *what);

#endif /* KEEL_SRC_TASK_UVERR_H */
