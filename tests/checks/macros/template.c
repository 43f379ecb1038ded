/* SPDX-License-Identifier: MIT */
#include <keel/template.h>

#if KEEL_CHECKED != 0 && KEEL_CHECKED != 1
#error "KEEL_CHECKED is 0 or 1"
#endif
