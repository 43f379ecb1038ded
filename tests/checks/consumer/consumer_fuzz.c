/* SPDX-License-Identifier: MIT */
#include <keel/test.h>

#include <keel/str.h>

KEEL_FUZZ_SEEDS("42");
KEEL_FUZZ(number)
{
    int64_t value;

    keel_err_free(keel_str_to_i64((keel_str){ (const char *)data, size }, -99, 99, &value));
    assert_in_range(value + 99, 0, 198);
}
