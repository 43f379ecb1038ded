/* SPDX-License-Identifier: MIT */
#include <keel/str.h>

static const keel_str fixed[] = { KEEL_STR_INIT("a"), KEEL_STR_INIT("") };

/* A printf of the check's own, whose arguments are checked as printf's are. */
void keel_check_print(const char *format, ...) KEEL_PRINTF(1, 2);

size_t keel_check_str(keel_str str);
size_t keel_check_str(keel_str str)
{
    keel_check_print("<" KEEL_STR_FMT ">", KEEL_STR_ARG(str));
    return fixed[0].len + KEEL_STR("literal").len + keel_str_slice(KEEL_STR("x"), 0, 1).len;
}
