/* SPDX-License-Identifier: MIT */
#include <keel/defs.h>

KEEL_BEGIN_DECLS

KEEL_NODISCARD int keel_check_nodiscard(void);
void keel_check_printf(const char *format, ...) KEEL_PRINTF(1, 2);

extern const int keel_check_version[3];
const int keel_check_version[3] = { KEEL_VERSION_MAJOR, KEEL_VERSION_MINOR, KEEL_VERSION_PATCH };

extern const char *const keel_check_here;
const char *const keel_check_here = KEEL_HERE;

size_t keel_check_unlimited(void);
size_t keel_check_unlimited(void)
{
    return KEEL_UNLIMITED;
}

KEEL_END_DECLS
