/* SPDX-License-Identifier: MIT */

/* Inputs that fail in one way each: what the replay says of them is checked by the tests' CMakeLists.txt. */

#include <keel/test.h>

#include <stdlib.h>
#include <string.h>

#include <keel/mem.h>

KEEL_FUZZ_SEEDS("fine", "");

static bool is(const uint8_t *data, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(data, text, size) == 0;
}

KEEL_FUZZ(failing)
{
    if (is(data, size, "assert"))
        assert_int_equal(size, 7);
    else if (is(data, size, "error"))
        assert_ok(KEEL_ERR_CLOSED);
    else if (is(data, size, "abort"))
        abort();
    else if (is(data, size, "leak"))
        (void)!keel_mem_alloc(1);
}
