/* SPDX-License-Identifier: MIT */
#include <keel/bufpool.h>

keel_err *keel_check_use(void);
keel_err *keel_check_use(void)
{
    keel_bufpool *pool;
    keel_bufpool_opts opts = { 0, 0 };

    opts.max_bytes = KEEL_BUFPOOL_DEFAULT_MAX_BYTES;
    opts.retain_bytes = KEEL_BUFPOOL_DEFAULT_RETAIN_BYTES;
    keel_err *err = keel_bufpool_new(&pool, &opts);
    if (err == NULL)
        keel_bufpool_put(pool, keel_bufpool_get(pool, 1024));
    return err;
}
