/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <uv.h>

#include "task/uverr.h"

static void a_status_is_its_sentinel_with_libuvs_words(void **state)
{
    (void)state;
    static const struct {
        int status;
        const keel_err *sentinel;
        const char *text;
    } rows[] = {
        { UV_EOF, KEEL_ERR_CLOSED, "read: end of file: closed" },
        { UV_EAI_NONAME, KEEL_ERR_NOT_FOUND, "read: unknown node or service: not found" },
        { UV_EAI_AGAIN, KEEL_ERR_BUSY, "read: temporary failure: busy" },
        { UV_EAI_MEMORY, KEEL_ERR_NOMEM, "read: out of memory: out of memory" },
        { UV_UNKNOWN, KEEL_ERR_IO, "read: unknown error: input/output error" },
        { UV_ENOENT, KEEL_ERR_NOT_FOUND, "read: no such file or directory" },
        { UV_ECONNREFUSED, KEEL_ERR_REFUSED, "read: connection refused" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keel_err *err = keel__err_from_uv(rows[i].status, "read");

        assert_string_equal(KEEL_ERR_STR(err), rows[i].text);
        assert_true(keel_err_is(err, rows[i].sentinel));
        keel_err_free(err);
    }
}

int main(void)
{
    support_mem_install();
    const struct CMUnitTest tests[] = {
        support_test(a_status_is_its_sentinel_with_libuvs_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
