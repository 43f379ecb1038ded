/* SPDX-License-Identifier: MIT */
#include "support.h"

/* More allocations than any scenario makes: one that never ends is a bug, too. */
enum { TORTURE_MAX = 100000 };

/* One run; says whether an allocation was made to fail in it. */
static bool torture_once(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err), size_t nth, bool all_after)
{
    size_t before = support_mem_live();

    support_mem_fail(nth, all_after);
    keel_err *err = scenario(arg);
    bool happened = support_mem_failed();
    support_mem_fail(0, false);

    bool fine = err == NULL;
    if (happened && !fine)
        fine = keel_err_is(err, KEEL_ERR_NOMEM) || (accept != NULL && accept(err));
    if (!fine)
        print_error("with allocation %zu%s failing: %s\n", nth, all_after ? " and all after" : "",
                    KEEL_ERR_STR(err));
    keel_err_free(err);
    if (!fine)
        fail();

    if (support_mem_live() != before)
        fail_msg("with allocation %zu%s failing: %zu allocations are alive, %zu were before", nth,
                 all_after ? " and all after" : "", support_mem_live(), before);
    return happened;
}

void support_mem_torture(keel_err *(*scenario)(void *arg), void *arg,
                         bool (*accept)(const keel_err *err))
{
    for (int all_after = 0; all_after < 2; all_after++) {
        size_t nth = 1;
        while (torture_once(scenario, arg, accept, nth, all_after != 0)) {
            if (++nth > TORTURE_MAX)
                fail_msg("it makes more and more allocations");
        }
    }
}
